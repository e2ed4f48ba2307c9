"""Results in memory: every kind of input, the same numbers as the command line, and what results say and draw."""

import inspect
import itertools
import re
import warnings
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from staged_faces import StagedFinder, picture, video_frames, write_video

import actionunits as au
import actionunits.detection.detector as detect_module
from actionunits.cli.detect import detect as command
from actionunits.detection.analysis import analyse
from actionunits.detection.colour_order import looks_exchanged
from actionunits.detection.options import AnalysisOptions
from actionunits.detection.output_files import OutputPaths
from actionunits.detection.text_progress import TextProgress
from actionunits.errors import UserError
from actionunits.faces import FaceFinder
from actionunits.media import FrameChoice, MediaReader
from actionunits.types import Frame

PICTURES = [picture(1), picture(2, 3)]


@pytest.fixture(autouse=True)
def _staged(monkeypatch, tmp_path):
    monkeypatch.setattr(detect_module, "FaceFinder", StagedFinder)
    monkeypatch.setattr(detect_module, "QualityCheck", lambda video: lambda *_: ())  # staged faces are small
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def detector(tiny_weights):
    return au.Detector(weights=tiny_weights)


def numbers(result):
    return np.array([prediction.au_prob for frame in result.frames for prediction in frame.predictions])


def as_path(_):
    Image.fromarray(PICTURES[1]).save("two.png")
    return "two.png"


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (as_path, "'two.png', 1 photograph, 2 faces"),
        (lambda p: p[1], "'picture', 1 photograph, 2 faces"),
        (lambda p: Image.fromarray(p[1]), "'picture', 1 photograph, 2 faces"),
        (lambda p: [p[1]], "'pictures', 1 photograph, 2 faces"),
        (lambda p: [p[1], as_path(p), Image.fromarray(p[0])], "'pictures', 3 photographs, 5 faces"),
        (lambda p: (each for each in p[::-1]), "'pictures', 2 photographs, 3 faces"),
        (lambda p: p[::-1] * 2, "'pictures', 4 photographs, 6 faces"),
    ],
    ids=["path", "array", "pillow", "one", "mixture", "generator", "list"],
)
def test_every_kind_of_picture_gives_the_same_numbers(detector, make, told):
    result = detector.detect(make(PICTURES))
    assert repr(result) == f"DetectionResult({told})"
    expected = numbers(detector.detect(as_path(PICTURES)))
    np.testing.assert_allclose(numbers(result)[:2], expected, atol=1e-5)
    assert result.card["rows_written"] == len(result.table) == sum(max(1, len(f.faces)) for f in result.frames)


def test_pictures_at_a_rate_are_followed_as_those_of_a_video_are(detector):
    result = detector.detect((picture(1, k) for k in range(4)), fps=10)
    assert result.kind == "video" and result.people == [0]
    assert result.table["timestamp"].tolist() == pytest.approx([0, 0.1, 0.2, 0.3])
    assert {frame.frame.source for frame in result.frames} == {"pictures"}
    assert {frame.frame.source for frame in detector.detect(PICTURES).frames} == {"picture 1", "picture 2"}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (np.zeros((4, 5, 3)), "picture 1: .* not float64 (4, 5, 3); bring its values to 0-255"),
        (np.zeros((4, 5), np.uint8), "not uint8 (4, 5); repeat grey values"),
        (np.zeros((4, 5, 1), np.uint8), "repeat grey values"),
        (np.zeros((4, 5, 4), np.uint8), "leave the alpha channel out with x[..., :3]"),
        (np.zeros((3, 40, 50), np.uint8), "channels come last, as with x.transpose(1, 2, 0)"),
        (np.zeros((2, 40, 50, 3), np.uint8), "give several pictures as a list"),
        (np.zeros((0, 5, 3), np.uint8), "it is empty"),
        (np.zeros(3, np.uint8), "it has another shape"),
        ([picture(1), 7], "picture 2: .* not int"),
        ({"a": 1}.values(), "picture 1: .* not int"),
        ([], "no input given"),
        (iter(()), "pictures holds no frame"),
        (["lost.png", picture(1)], "cannot read lost.png: no such file"),
    ],
)
def test_what_is_no_picture_is_refused_with_what_to_do(detector, wrong, told):
    pattern = ".*".join(map(re.escape, told.split(".* ")))
    with pytest.raises(UserError, match=pattern) as caught:
        detector.detect(wrong)
    assert "\n" not in str(caught.value)


OPTIONS = [
    ({}, AnalysisOptions()),
    ({"schema": "tidy", "every": 2}, AnalysisOptions("tidy", frames=FrameChoice(every=2))),
    ({"neutral": 5, "pose": False, "start": 0.1}, AnalysisOptions(neutral="5", pose=False, frames=FrameChoice(0.1))),
    ({"neutral": "0.2s", "schema": "pyfeat"}, AnalysisOptions("pyfeat", neutral="0.2s")),
    ({"calibrate": True, "landmarks": False, "end": 0.9}, AnalysisOptions(
        landmarks=False, calibrate=True, frames=FrameChoice(0.0, 0.9)
    )),
    ({"eyes_closed": True, "neutral": 5}, AnalysisOptions(neutral="5", eyes_closed=True)),
]  # fmt: skip


@pytest.mark.parametrize(("keywords", "options"), OPTIONS, ids=["plain", "tidy", "frame", "time", "rest", "closed"])
def test_options_do_what_they_do_on_the_command_line(detector, tmp_path, keywords, options):
    write_video("clip.mp4", [1] * 12 + [0] * 3 + [2] * 15)
    analysis = analyse(detector, "clip.mp4", OutputPaths(tmp_path / "cli.csv"), options)
    result = detector.detect("clip.mp4", **keywords)
    assert result.save("api.csv").read_bytes() == (tmp_path / "cli.csv").read_bytes()
    changing = {"seconds", "frames_per_second", "outputs"}
    assert {k: v for k, v in result.card.items() if k not in changing} == {
        key: value for key, value in analysis.card.items() if key not in changing
    }


ABOUT_FILES_AND_RUNS = frozenset(
    "annotate elan inputs jobs on out quiet recursive relations report shard show skip_done summary table_format"
    " timeline timeline_format".split()
)


def test_every_option_about_the_numbers_is_one_of_python_too():
    of_command, of_python = (set(inspect.signature(function).parameters) for function in (command, au.detect))
    assert of_python - {"source", "progress"} == of_command - ABOUT_FILES_AND_RUNS


def test_one_call_takes_the_options_of_the_detector_too(tiny_weights):
    write_video("clip.mp4", [1] * 4)
    plain = au.detect("clip.mp4", weights=tiny_weights, progress=False)
    moved = au.detect("clip.mp4", weights=tiny_weights, smooth=0.5, aus=[12, 1], max_faces=1, progress=False)
    assert moved.aus == (1, 12) and "AU25_r" not in moved.table
    assert abs(moved.table["AU12_r"][3] - plain.table["AU12_r"][3]) > 1e-6
    assert moved.card["options"]["smoothing_s"] == 0.5
    with pytest.raises(UserError, match="does not lie behind the start"):
        au.detect("clip.mp4", weights=tiny_weights, start=2, end=1)
    with pytest.raises(UserError, match="has no frame there"):
        au.detect("clip.mp4", weights=tiny_weights, start=2)
    for option in ({"start": 2}, {"eyes_closed": True}):
        with pytest.raises(UserError, match="photographs have no times"):
            au.detect(PICTURES, weights=tiny_weights, **option)


def test_calls_in_a_row_load_the_released_model_once(monkeypatch):
    made = []
    initialise = au.Detector.__init__
    monkeypatch.setattr(au.Detector, "__init__", lambda self, *given: made.append(given) or initialise(self, *given))
    for aus in ([12, 25], (12, 25), [1]):
        assert au.detect(picture(1), aus=aus).aus == tuple(aus)
    assert [given[7] for given in made] == [(12, 25), (1,)]


def test_summary_episodes_and_plot_of_a_video(detector):
    result = detector.detect(write_video("clip.mp4", [1] * 4 + [2] * 6))
    summary, episodes = result.summary(), result.episodes()
    assert summary.columns[:4].tolist() == ["file", "face_id", "frames", "usable_share"]
    assert summary.groupby("face_id")["frames"].first().to_dict() == {"0": 10, "1": 6}
    present = np.array([frame.predictions[0].au_present for frame in result.frames])
    of_first = summary[summary["face_id"] == "0"]
    np.testing.assert_allclose(of_first["rate"], present.mean(0))
    assert (episodes.groupby(["face_id", "au"]).size() > 0).all() and (episodes["file"] == "clip.mp4").all()
    both = result.cooccurrence().query("face_id == '0' and au == 'AU01' and other_au == 'AU02'")["both"].item()
    assert both == (present[:, 0] & present[:, 1]).sum()
    assert len(result.synchrony()) == 0 and "floor_r" in result.synchrony()  # too short
    assert len(result.plot().axes) == 3  # a panel for each person, and the scale
    figure = result.plot(aus=[1, 12], face_id=1)
    assert figure._repr_png_().startswith(b"\x89PNG")
    own = figure.add_axes((0.1, 0.1, 0.2, 0.2))
    assert result.plot(own, aus=[12], title="mine") is figure
    assert own.get_title(loc="left") == "mine" and [t.get_text() for t in own.get_yticklabels()] == [
        "AU12 lip corner puller"
    ]


def test_one_photograph_is_drawn_as_bars(detector):
    result = detector.detect(picture(2))
    figure = result.plot(aus=[1, 12])
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["Face 0", "Face 1"]
    own = result.plot(title="mine").add_axes((0.1, 0.1, 0.2, 0.2))
    result.plot(own, aus=[12], face_id=1)
    (bar,) = own.patches
    assert (
        bar.get_width() == pytest.approx(float(result.table["AU12_r"][1])) and own.get_title(loc="left") == "Face 1"
    )
    (panel,) = detector.detect(picture(0)).plot().axes
    assert panel.get_title(loc="left") == "No face was found" and not panel.patches


def test_photographs_have_no_episodes(detector):
    result = detector.detect(PICTURES)
    assert len(result.episodes()) == 0 and result.people == []
    assert result.summary()["face_id"].unique().tolist() == ["all"]


def test_annotate_reads_the_picture_again(detector):
    of_list, of_video = detector.detect(PICTURES), detector.detect(write_video("clip.mp4", [0, 1, 1]), every=2)
    for result, place in ((of_list, 1), (of_list, -1), (of_video, 1)):
        drawn = result.annotate(place)
        assert drawn.dtype == np.uint8 and drawn.shape[0] == 3 * 120 and drawn.shape[1] >= 3 * 200  # enlarged
    assert np.abs(of_list.annotate(1).astype(int) - of_list.annotate(-1)).max() == 0
    assert np.abs(of_list.annotate(0)[:, :600].astype(int) - of_list.annotate(1)[:, :600]).max() > 50
    with pytest.raises(UserError, match="there is no frame 2; pictures has 2, counted from 0"):
        of_list.annotate(2)
    with pytest.raises(UserError, match="the pictures of pictures are not kept"):
        detector.detect(iter(PICTURES)).annotate(0)


def test_the_report_is_that_of_the_command_line(detector):
    page = detector.detect(write_video("clip.mp4", [1] * 10)).report("report.html").read_text()
    assert (
        "<h1>Action units of 1 input</h1>" in page
        and "<h2>clip.mp4</h2>" in page
        and "Methods" in page
        and "<svg" in page
        and "data:image/jpeg" in page
    )
    page = detector.detect(PICTURES[0]).report("photo.html").read_text()
    assert "<h2>picture</h2>" in page and "AU12" in page


def test_a_notebook_shows_the_picture_and_the_strongest_action_units(detector):
    html = detector.detect(write_video("<clip>.mp4", [0, 1, 1]))._repr_html_()
    assert "&lt;clip&gt;.mp4</b>: 3 frames, 2 with a face, 1 person" in html
    assert html.count("<img") == 1 and "data:image/jpeg" in html
    assert re.search(r"AU\d\d</td>", html) and "% of frames" in html
    nobody = detector.detect(picture(0))._repr_html_()
    assert "1 photograph, 0 faces" in nobody and "<table>" not in nobody
    crowd = detector.detect(picture(5))._repr_html_()
    assert crowd.count("<table>") == 3 and "2 more people" in crowd


def test_damage_is_told_in_the_result(detector, tmp_path):
    path = tmp_path / write_video("clip.mp4", [1] * 60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    result = detector.detect(path)
    assert 0 < len(result) < 60 and "damaged after" in result.damage


class Interrupted(MediaReader):
    """Three frames of somebody in front of a camera, and Ctrl-C."""

    def __init__(self, number, kind="webcam"):
        self.kind = kind
        super().__init__((f"webcam:{number}",))

    def _frames(self):
        yield from video_frames([1] * 3)
        raise KeyboardInterrupt


def test_ctrl_c_ends_a_webcam_and_interrupts_anything_else(detector, monkeypatch):
    monkeypatch.setattr("actionunits.media.webcam.WebcamReader", Interrupted)
    detector.batch_size = 1
    result = detector.detect("webcam:0")
    assert 0 < len(result) <= 3 and repr(result).startswith("DetectionResult('webcam:0', ")
    with pytest.raises(UserError, match="cannot be read again"):
        result.annotate()
    monkeypatch.setattr("actionunits.media.webcam.WebcamReader", partial(Interrupted, kind="video"))
    with pytest.raises(KeyboardInterrupt):
        detector.detect("webcam:0")


def test_skin_that_is_bluer_than_red_is_warned_of_once(astronaut, monkeypatch, tiny_weights):
    monkeypatch.setattr(detect_module, "FaceFinder", FaceFinder)
    detector = au.Detector(weights=tiny_weights)
    with pytest.warns(UserWarning, match="OpenCV's are BGR") as caught:
        detector.detect([astronaut[..., ::-1].copy(), astronaut[..., ::-1].copy()])
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.detect(astronaut)
        grey = np.repeat(astronaut[..., :1], 3, axis=2)
        detector.detect(grey)


def test_a_face_outside_the_picture_has_no_colour():
    face = StagedFinder(False)(Frame(picture(1), 0, 0.0, "x"))[0]
    assert not looks_exchanged(np.full((20, 20, 3), (0, 0, 200), np.uint8), face)
    assert looks_exchanged(np.full((120, 200, 3), (90, 0, 120), np.uint8), face)
    assert not looks_exchanged(np.full((120, 200, 3), (119, 0, 120), np.uint8), face)


def test_progress_is_one_line_that_goes_away(capsys, monkeypatch):
    seconds = itertools.count(step=0.6)
    monkeypatch.setattr("actionunits.detection.text_progress.time", SimpleNamespace(monotonic=lambda: next(seconds)))
    told = TextProgress("clip.mp4")
    for done in range(1, 5):
        told(done, 40)
    told(5, None)
    told.close()
    lines = capsys.readouterr().err.split("\r")
    assert [line.rstrip() for line in lines] == [
        *("", "clip.mp4: 2 of 40 frames, 2 per second", "clip.mp4: 3 of 40 frames, 2 per second"),
        *("clip.mp4: 4 of 40 frames, 2 per second", "clip.mp4: 5 frames, 2 per second", "", ""),
    ]
    TextProgress("quick").close()
    assert capsys.readouterr().err == ""
