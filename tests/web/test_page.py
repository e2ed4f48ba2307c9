"""The page in a real Chromium, with a webcam that is a file: what a person does with it."""

import csv
import io
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
from chromium import launched, needs_chromium
from PIL import Image
from small_service import TOKEN

from actionunits.reports.schemas import TidySchema

pytest.importorskip("starlette", reason="the extra `web` is not installed")
pytest.importorskip("playwright", reason="playwright is not installed")

pytestmark = needs_chromium
PATIENCE_MS = 60_000


@contextmanager
def service(weights, port=0):
    """A running service of its own process, and its address with the token."""
    words = [
        sys.executable,
        "-m",
        "actionunits",
        "serve",
        "--port",
        str(port),
        "--no-browser",
        "--weights",
        str(weights),
    ]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, env={**os.environ, "ACTIONUNITS_TOKEN": TOKEN}
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


@pytest.fixture(scope="module")
def address(small_weights):
    with service(small_weights) as (_, address):
        yield address


@pytest.fixture(scope="module")
def browser(astronaut, tmp_path_factory):
    """Chromium whose webcam shows a photograph that moves from side to side."""
    camera = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    with camera.open("wb") as file:
        for k in range(20):
            canvas = np.full((480, 640, 3), 90, np.uint8)
            canvas[:, 40 + k : 552 + k] = astronaut[:480]
            Image.fromarray(canvas).save(file, "JPEG")
    fake = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    with launched(*fake, f"--use-file-for-fake-video-capture={camera}") as opened:
        yield opened


@pytest.fixture
def page(browser, address):
    """The page, signed in; the test fails where its scripts or its policy do."""
    with opened(browser, address) as shown:
        yield shown


@contextmanager
def opened(browser, address, **options):
    context = browser.new_context(accept_downloads=True, **options)
    context.set_default_timeout(PATIENCE_MS)
    shown, faults = context.new_page(), []
    shown.on("pageerror", lambda error: faults.append(str(error)))
    shown.on("console", lambda said: faults.append(said.text) if "Content Security" in said.text else None)
    shown.goto(address)
    shown.wait_for_selector("#list[aria-busy=false]", state="attached")
    yield shown
    context.close()
    assert faults == []


def send(page, name, content, kind):
    page.set_input_files("#files", {"name": name, "mimeType": kind, "buffer": content})


def until(page, condition):
    """Wait for an expression to hold. Playwright's own way needs `eval`, which the page's policy forbids."""
    end = time.monotonic() + PATIENCE_MS / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"never {condition}"
        page.wait_for_timeout(50)


def wait_for(page, words):
    """Until the newest file of the list says so."""
    page.wait_for_selector(f"#list li:last-child small:text-matches('{words}')")


def values(page):
    return page.locator("#bars td:last-child").all_inner_texts()


def downloaded(page, words):
    with page.expect_download() as download:
        page.click(f"#downloads a:has-text('{words}')")
    return download.value


def test_the_address_of_the_page_keeps_no_token(page):
    assert TOKEN not in page.url and page.title() == "actionunits"
    assert "Nothing leaves this computer" in page.inner_text("#privacy")


def test_a_dropped_photo_shows_its_faces_and_gives_its_table(page, photo):
    drop = """([bytes]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(bytes)], "face.jpg", { type: "image/jpeg" }));
        const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
        for (const name of ["dragover", "drop"]) document.body.dispatchEvent(new DragEvent(name, options));
    }"""
    page.evaluate(drop, [list(photo)])
    wait_for(page, "done")
    shown = values(page)
    assert re.fullmatch(r"\d\.\d( [A-E])?", shown[0])
    assert page.locator("#people button").all_inner_texts() == ["Face 0"]
    download = downloaded(page, "table")
    assert download.suggested_filename == "face.csv"
    with open(download.path(), newline="") as file:
        (face,) = csv.DictReader(file)
    assert float(shown[0][:3]) == pytest.approx(float(face["AU01_r"]), abs=0.06)


def test_pointing_at_an_action_unit_tells_what_it_looks_like(page):
    page.hover("#bars tbody tr >> nth=0")
    assert "inner ends of the brows go up" in page.inner_text("#about")
    page.focus("#bars tbody tr >> nth=0")
    page.keyboard.press("ArrowDown")
    assert "AU02 outer brow raiser" in page.inner_text("#about")


def test_a_face_is_chosen_in_the_picture(page, astronaut):
    both = io.BytesIO()
    Image.fromarray(np.hstack([astronaut[:300, 100:400]] * 2)).save(both, "PNG")
    send(page, "both.png", both.getvalue(), "image/png")
    wait_for(page, "done")
    page.wait_for_selector("#people button >> nth=1")
    box = page.locator("#photo").bounding_box()
    for _ in range(2):  # one of the clicks is on the face that is not chosen yet
        other = page.inner_text("#people button[aria-pressed=false]")
        for share in (0.21, 0.71):
            page.mouse.click(box["x"] + share * box["width"], box["y"] + 0.4 * box["height"])
            page.wait_for_timeout(100)
            if page.inner_text("#people button[aria-pressed=true]") == other:
                break
        assert page.inner_text("#people button[aria-pressed=true]") == other


def test_a_file_waits_where_the_service_is_full(page, photo):
    full = {"status": 503, "headers": {"Retry-After": "1"}, "json": {"error": "full"}}
    page.route("**/v1/analyses", lambda route: route.fulfill(**full), times=1)
    before = page.locator("#list li").count()
    send(page, "face.jpg", photo, "image/jpeg")
    wait_for(page, "done")
    assert page.locator("#list li").count() == before + 1 and "full" not in page.inner_text("#list")


def test_a_video_is_scrubbed_along_its_timeline(page, clip):
    send(page, "clip.mp4", clip, "video/mp4")
    wait_for(page, "64 frames")
    page.focus("#lanes")
    page.keyboard.press("End")
    page.wait_for_selector("#clock:has-text('frame 64')")
    last = values(page)
    page.keyboard.press("Home")
    page.wait_for_selector("#clock:has-text('frame 1')")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#clock:has-text('frame 2')")
    box = page.locator("#lanes").bounding_box()
    page.mouse.click(box["x"] + 0.6 * box["width"], box["y"] + 60)
    until(page, "document.querySelector('#lanes').getAttribute('aria-valuenow') > 1")  # shown after the seek
    assert float(page.get_attribute("#lanes", "aria-valuenow")) == pytest.approx(1.45, abs=0.2)
    assert values(page) != last
    page.click("#episodes button >> nth=-1")
    words = page.get_attribute("#episodes button >> nth=-1", "aria-label")
    began = float(re.search(r", ([\d.]+)–", words)[1])
    until(page, f"Math.abs(document.querySelector('#video').currentTime - {began}) < 0.1")
    page.click("#play")
    page.wait_for_selector("#play:has-text('Pause')")


@pytest.mark.slow
def test_the_resting_face_of_a_video_reads_nothing(page, clip):
    send(page, "clip.mp4", clip, "video/mp4")
    wait_for(page, "64 frames")
    page.focus("#lanes")
    files = page.locator("#list li").count()
    for key in ("Home", "ArrowRight", "ArrowRight", "n"):
        page.keyboard.press(key)
    page.wait_for_selector(f"#list li:nth-child({files + 1})")
    wait_for(page, "64 frames")
    page.focus("#lanes")
    for key in ("Home", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    page.wait_for_selector("#clock:has-text('frame 3')")
    assert set(values(page)) == {"0.0"}


def test_a_photo_at_rest_serves_the_next_files(page, photo):
    send(page, "rest.jpg", photo, "image/jpeg")
    wait_for(page, "done")
    page.click("#neutral")
    send(page, "again.jpg", photo, "image/jpeg")
    page.wait_for_selector("#list li:nth-last-child(1) b:has-text('again.jpg')")
    wait_for(page, "done")
    until(page, "[...document.querySelectorAll('#bars td:last-child')].every(cell => cell.innerText === '0.0')")
    page.click("#forget")
    assert page.is_hidden("#resting")


@pytest.mark.parametrize(("name", "kind"), [("broken.jpg", "image/jpeg"), ("broken.mp4", "video/mp4")])
def test_a_damaged_file_is_told_and_nothing_else_happens(page, browser, address, name, kind, photo):
    send(page, name, b"\xff\xd8" + b"\x01" * 200, kind)
    page.wait_for_selector("#list li.failed")
    assert name in page.inner_text("#status") and "could not be analysed" in page.inner_text("#empty")
    with opened(browser, address) as later:
        assert later.inner_text("#status") == ""  # old news
    send(page, "face.jpg", photo, "image/jpeg")
    wait_for(page, "done")
    page.click("#list li.failed button:has-text('×')")
    page.wait_for_selector("#list li.failed", state="detached")


def test_the_webcam_shows_action_units_as_they_happen(page):
    page.keyboard.press("w")
    page.wait_for_selector("#people button:has-text('Face 0')")
    page.wait_for_selector("#speed:has-text('frames per second')")
    until(page, "Number(document.querySelector('#clock').innerText.match(/frame (\\d+)/)[1]) > 20")
    page.click("#neutral")
    until(
        page,
        "[...document.querySelectorAll('#bars td:last-child')].filter(cell => cell.innerText < '0.5').length > 12",
    )
    # The weights of tests find an action in every picture.
    page.check("#calibrate")
    page.wait_for_selector("#warnings:has-text('has shown no rest so far')")
    page.uncheck("#calibrate")
    until(page, "!document.querySelector('#warnings').innerText.includes('rest')")
    with page.expect_download() as download:
        page.click("#downloads button")
    with open(download.value.path(), newline="") as file:
        rows = csv.DictReader(file)
        assert rows.fieldnames == [column.name for column in TidySchema.columns] and len(list(rows)) > 20
    page.click("#play")
    page.wait_for_timeout(500)
    before = page.inner_text("#clock")
    page.wait_for_timeout(500)
    assert page.inner_text("#clock") == before
    page.click("#webcam")
    page.wait_for_selector("#empty")
    assert page.is_hidden("#video")


@pytest.mark.slow
def test_two_tabs_do_not_disturb_each_other(page, browser, address, photo):
    with opened(browser, address) as other:
        other.click("#webcam")
        other.wait_for_selector("#people button")
        send(page, "face.jpg", photo, "image/jpeg")
        wait_for(page, "done")
        page.click("#webcam")
        page.wait_for_selector("#speed:has-text('frames per second')")
        before = other.inner_text("#clock")
        until(other, f"document.querySelector('#clock').innerText !== '{before}'")
        assert page.is_visible("#speed")


@pytest.mark.slow
def test_a_killed_service_is_told_and_its_successor_goes_on(browser, small_weights, photo):
    with service(small_weights) as (first, address):
        port = int(re.search(r":(\d+)/", address)[1])
        with opened(browser, address) as shown:
            shown.click("#webcam")
            shown.wait_for_selector("#people button")
            first.kill()
            shown.wait_for_selector("#webcam[aria-pressed='false']")
            send(shown, "face.jpg", photo, "image/jpeg")
            shown.wait_for_selector("#status:has-text('does not answer')")
            first.wait()
            with service(small_weights, port):
                send(shown, "face.jpg", photo, "image/jpeg")
                wait_for(shown, "done")
                shown.click("#webcam")
                shown.wait_for_selector("#webcam[aria-pressed='true']")  # the photograph's face is there before it
                shown.wait_for_selector("#people button")
                assert shown.is_visible("#video")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1000, 390])
def test_the_page_fits_and_can_be_read(browser, address, photo, scheme, width):
    with opened(browser, address, color_scheme=scheme, viewport={"width": width, "height": 800}) as page:
        send(page, "face.jpg", photo, "image/jpeg")
        wait_for(page, "done")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        for chosen in (
            "body",
            "#privacy",
            ".key",
            "#about",
            "#scale i",
            "#bars th",
            "#list small",
            "button#webcam",
            "#downloads a",
        ):
            assert contrast(page, chosen) >= 4.5, chosen
        unnamed = """[...document.querySelectorAll("button, input, select, canvas[role], a")]
            .filter(e => !(e.innerText || e.title || e.ariaLabel || e.labels?.length)).map(e => e.outerHTML)"""
        assert page.evaluate(unnamed) == []


def contrast(page, chosen):
    """WCAG 2 contrast of the text of an element with what lies behind it."""
    colours = page.evaluate(
        """chosen => {
            let element = document.querySelector(chosen), ink = getComputedStyle(element).color, ground;
            for (; element; element = element.parentElement) {
                ground = getComputedStyle(element).backgroundColor;
                if (ground !== "rgba(0, 0, 0, 0)") break;
            }
            return [ink, ground];
        }""",
        chosen,
    )

    def luminance(colour):
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return float(np.dot((0.2126, 0.7152, 0.0722), linear))

    dark, light = sorted(map(luminance, colours))
    return (light + 0.05) / (dark + 0.05)
