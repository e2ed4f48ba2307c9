"""AU43 from AU45: lasting blinks alone, the same stretches as those of the episodes, and results that hardly wait."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from staged_faces import StagedFinder

from actionunits.detection.closed_eyes import LASTS_S, ClosedEyesOption
from actionunits.detection.options import AnalysisOptions
from actionunits.errors import UserError
from actionunits.reports.episodes import EpisodeCollector
from actionunits.reports.summary import only_usable
from actionunits.types import Frame, FrameResult, Prediction

FACE = StagedFinder(video=True)._face(0)
FPS = 8.0  # whose times are exact
DETECTOR = SimpleNamespace(aus=(12, 45), weights="some weights")
OPEN, CLOSED, DARK, AWAY = "o", "c", "d", " "


def option(aus=(12, 45)):
    return ClosedEyesOption(SimpleNamespace(aus=aus, weights="some weights"), AnalysisOptions(eyes_closed=True))


def results(*people, fps=FPS):
    """A course per person, a letter for each frame; a dark face is closed, and cannot be used."""
    for index, letters in enumerate(zip(*people, strict=True)):
        frame = Frame(np.zeros((4, 4, 3), np.uint8), index, index / fps, "clip.mp4")
        seen = [(k, letter) for k, letter in enumerate(letters) if letter != AWAY]
        faces = [replace(FACE, face_id=k, quality=("dark",) * (letter == DARK)) for k, letter in seen]
        told = [
            Prediction((12, 45), np.array([0.1, 0.9]), np.array([0.5, 3]), np.array([False, letter != OPEN]))
            for _, letter in seen
        ]
        yield FrameResult(frame, faces, told)


def called(course, fps=FPS):
    """The frames of one person's course with AU43."""
    told = option().applied(results(course, fps=fps))
    return "".join("".join("x" if p.au_present[1] else "." for p in each.predictions) or " " for each in told)


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        ("occcccoo", ".xxxxx.."),
        ("occccooo", "........"),  # half a second, and no longer
        ("occc", "...."),
        ("cccccc", "xxxxxx"),
        ("cc  ccco", "xx  xxx."),
        ("cc     cco", "..     ..."),
        ("ccdddcco", "xxxxxxx."),
        ("ddddddoo", "........"),
    ],
    ids=["lasting", "blink", "cut blink", "whole", "bridged", "lost", "unusable between", "unusable"],
)
def test_eyes_that_stay_closed(course, expected):
    assert called(course) == expected


def test_frames_far_apart_are_no_stretch():
    assert called("occcco", fps=1) == "......"


def test_stretches_are_those_of_the_episodes():
    random = np.random.default_rng(0)
    for _ in range(50):
        runs = [random.permutation(np.repeat(list("oocccd "), random.integers(0, 9, 7))) for _ in range(2)]
        courses = ["".join(run)[:20].ljust(20, AWAY) for run in runs]
        collector = EpisodeCollector((12, 45))
        for result in results(*courses):
            collector.add(only_usable(result))
        long = [e for e in collector.episodes() if e.offset_s - e.onset_s > LASTS_S]
        for result in map(only_usable, option().applied(results(*courses))):
            for face, told in zip(result.faces, result.predictions, strict=True):
                inside = any(
                    e.face_id == face.face_id and e.onset_s <= result.frame.time_s <= e.offset_s for e in long
                )
                assert told.au_present[1] == (inside and told.au_present[2])


def test_it_is_what_au45_is():
    told = [result.predictions[0] for result in option().applied(results("occccco"))]
    assert {each.aus for each in told} == {(12, 43, 45)}
    np.testing.assert_allclose(told[0].au_prob, [0.1, 0, 0.9])
    np.testing.assert_allclose(told[3].au_prob, [0.1, 0.9, 0.9])
    np.testing.assert_allclose(told[3].au_intensity, [0.5, 3, 3])
    sides = (
        replace(result, predictions=[replace(result.predictions[0], au_sides=np.array([[1, 2], [3, 4.0]]))])
        for result in results("cccccc")
    )
    np.testing.assert_allclose(next(option().applied(sides)).predictions[0].au_sides, [[1, 2], [3, 4], [3, 4]])


def test_results_wait_while_it_is_not_known_and_no_longer():
    read = []

    def source(course):
        for result in results(course):
            read.append(result.frame.index)
            yield result

    for result in option().applied(source("oooccccccccccoccooo")):
        ahead = read[-1] - result.frame.index
        assert ahead == 0 if result.predictions[0].au_present[2] == 0 else ahead <= 5


@pytest.mark.parametrize(("aus", "told"), [((12, 25), "add 45 to --aus"), ((43, 45), "reports AU43 by itself")])
def test_it_needs_au45(aus, told):
    with pytest.raises(UserError, match=told):
        option(aus)


def test_without_the_option_nothing_changes():
    plain = ClosedEyesOption(DETECTOR, AnalysisOptions())
    given = results("cc")
    assert plain.aus == (12, 45) and plain.applied(given) is given
