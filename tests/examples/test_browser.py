"""The page with the released detector says in Chromium what detection says."""

import functools
import http.server
import re
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from chromium import launched, needs_chromium
from PIL import Image

from actionunits.aus import au_label
from actionunits.detection.detector import Detector
from actionunits.faces import FaceFinder
from actionunits.faces.align import register
from actionunits.faces.mean_face import REGISTRATION_POINTS, template_landmarks
from actionunits.types import Frame

FOLDER = Path(__file__).parents[2] / "examples" / "browser"
PAGE = (FOLDER / "index.html").read_text()


def test_what_the_page_knows_is_what_the_weights_say():
    def numbers(pattern):
        return [float(number) for number in re.findall(r"\d*\.?\d+", re.search(pattern, PAGE, re.DOTALL)[1])]

    detector = Detector()
    assert numbers(r"SIZE = (\d+);") == [detector.image_size]
    assert numbers(r"AUS = \[(.*?)\]") == list(detector.aus)
    np.testing.assert_allclose(numbers(r"THRESHOLDS = \[(.*?)\]"), detector.thresholds, atol=6e-4)
    points = np.reshape(numbers(r"POINTS = (.*?);"), (-1, 2))
    np.testing.assert_allclose(points, template_landmarks()[list(REGISTRATION_POINTS)], atol=1e-6)
    assert len(PAGE.splitlines()) <= 100


@pytest.fixture
def served(tmp_path):
    """The page with the exported detector beside it, and its address."""
    if not (FOLDER / "node_modules" / "onnxruntime-web").is_dir():
        pytest.skip(f"onnxruntime-web is not there; npm install in {FOLDER.name}/ brings it")
    from actionunits.detection.export import export_file
    from actionunits.weights.locate import find_weights

    shutil.copy(FOLDER / "index.html", tmp_path)
    (tmp_path / "node_modules").symlink_to(FOLDER / "node_modules")
    export_file(find_weights("resnet18"), tmp_path / "resnet18.onnx")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()


def read(page):
    """What the table says: probability and intensity by action unit."""
    page.wait_for_selector("#units tr td")
    rows = page.evaluate("[...document.querySelectorAll('#units tbody tr')].map(r => r.innerText.split('\\t'))")
    return {label.strip(): (float(prob), float(intensity)) for label, prob, intensity in rows}


@pytest.mark.slow
@needs_chromium
def test_the_page_says_what_detection_says(served, astronaut, tmp_path):
    detector = Detector(device="cpu:0")  # in torch, as the file was made
    with FaceFinder(video=False) as finder:
        (face,) = finder(Frame(astronaut, 0, 0.0, "astronaut"))
    crop = register(astronaut, face.landmarks_px, detector.image_size)
    Image.fromarray(crop).save(tmp_path / "crop.png")
    Image.fromarray(astronaut).save(tmp_path / "photo.png")
    (expected,) = detector.predict_crops(crop[None])
    with launched() as browser:
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.goto(served)
        page.wait_for_selector("#file:enabled")
        page.set_input_files("#file", tmp_path / "crop.png")
        of_crop = read(page)
        # The same face by five clicks in the photograph, each within half a pixel.
        page.evaluate("document.querySelector('#units tbody').innerHTML = ''")
        page.set_input_files("#file", tmp_path / "photo.png")
        page.wait_for_function("photo.width === 512")
        for x, y in face.landmarks_px[list(REGISTRATION_POINTS)]:
            page.click("#photo", position={"x": float(x), "y": float(y)})
        of_photo = read(page)
    assert list(of_crop) == [au_label(au) for au in expected.aus]
    told = np.array(list(of_crop.values()))
    np.testing.assert_allclose(told[:, 0], expected.au_prob, atol=0.006)
    np.testing.assert_allclose(told[:, 1], expected.au_intensity, atol=0.06)
    np.testing.assert_allclose(np.array(list(of_photo.values()))[:, 0], expected.au_prob, atol=0.1)
