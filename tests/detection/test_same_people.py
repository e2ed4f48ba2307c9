"""One number for a person, over a video and over inputs: drawn descriptions, then the network on renders."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from staged_faces import StagedFinder

from actionunits.detection.same_people import DESCRIPTIONS, PeopleCollector, people_over
from actionunits.detection.same_people import _renamed as renamed
from actionunits.media import open_media
from actionunits.types import Frame, FrameResult, Prediction

MINI = Path(__file__).parents[2] / "data" / "synthau-mini" / "studio" / "clips"
FACE = StagedFinder(video=True)._face(0)
AUS = (12,)


def result(time_s, looks, quality=()):
    """A frame; looks: by face_id, the person whom the face shows. The landmarks hold it, so that all can be read."""
    faces = [
        replace(FACE, face_id=face_id, landmarks_px=np.full((68, 2), person, np.float32), quality=quality)
        for face_id, person in looks.items()
    ]
    told = [Prediction(AUS, np.array([person / 10]), np.ones(1), np.ones(1, bool)) for person in looks.values()]
    return FrameResult(Frame(np.zeros((4, 4, 3), np.uint8), round(time_s * 10), time_s, "a"), faces, told)


class DrawnDescriber:
    """Every person lies a whole unit from every other, with a little noise."""

    def __init__(self):
        self.calls, self._rng = 0, np.random.default_rng(0)

    def __call__(self, image_rgb, landmarks_px):
        self.calls += 1
        return np.eye(128, dtype=np.float32)[int(landmarks_px[0, 0])] / np.sqrt(2) + self._rng.normal(0, 0.01, 128)


def collected(*frames):
    collector = PeopleCollector(DrawnDescriber())
    for frame in frames:
        collector.add(frame)
    return collector.people()


def test_who_comes_back_keeps_the_number_and_who_is_seen_together_is_not_the_same():
    back = [result(0, {0: 3, 1: 5}), result(1, {1: 5}), result(9, {2: 3, 1: 5}), result(12, {4: 5})]
    person, likenesses = collected(*back)
    assert person == {0: 0, 1: 1, 2: 0, 4: 1}
    assert [(each.face_id, each.count) for each in likenesses] == [(0, 2), (1, 4)]
    twins, _ = collected(result(0, {0: 3, 1: 3}))
    assert twins == {0: 0, 1: 1}
    told = renamed(result(9, {1: 5, 2: 3}), person)
    assert [(face.face_id, each.au_prob[0]) for face, each in zip(told.faces, told.predictions, strict=True)] == [
        (0, 0.3),
        (1, 0.5),
    ]


def test_faces_are_described_now_and_then_where_they_can_be_used():
    describe = DrawnDescriber()
    collector = PeopleCollector(describe)
    for k in range(100):
        collector.add(result(k / 10, {0: 3}, quality=("dark",) if k < 5 else ()))
    assert describe.calls == min(DESCRIPTIONS, 10)
    unseen = collected(result(0, {0: 3}, quality=("dark",)), result(1, {1: 3}))
    assert unseen[0] == {1: 1} and [each.face_id for each in unseen[1]] == [1]


def test_numbers_over_inputs(tmp_path):
    def card(name, people):
        rows = [
            {"face_id": k, "count": 1, "mean": (np.eye(4)[person] / np.sqrt(2)).tolist()}
            for k, person in people.items()
        ]
        (tmp_path / name).write_text(json.dumps(rows))
        return {"input": name, "likenesses": str(tmp_path / name)}

    photos = {"input": "photos", "likenesses": None}
    named = people_over([card("a", {0: 2, 3: 1}), photos, card("b", {0: 1, 1: 0, 2: 0})])
    told = [(each.file, each.face_id, each.person) for each in named]
    assert told == [("a", 0, 0), ("a", 3, 1), ("b", 0, 1), ("b", 1, 2), ("b", 2, 3)]  # two in one input are two
    assert named[1].nearest_same == pytest.approx(0) and named[1].nearest_other == pytest.approx(1)
    assert np.isnan(named[0].nearest_same) and people_over([photos]) == []


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("dlib") is None or find_spec("face_recognition_models") is None, reason="the extra `people` is missing"
)
def test_rendered_people_are_told_apart_and_known_again():
    from actionunits.faces import FaceFinder
    from actionunits.faces.recognition import FaceDescriber

    collector, expected = PeopleCollector(FaceDescriber()), {}
    clips = ("S0-0003_T1", "S0-0005_T1", "S0-0003_T2", "S0-0005_T2", "S0-0008_T1")
    with ExitStack() as stack, FaceFinder(video=False) as find:
        for number, name in enumerate(clips):
            frame = next(stack.enter_context(open_media(MINI / f"{name}.mp4")))
            (face,) = find(frame)
            prediction = Prediction(AUS, np.ones(1), np.ones(1), np.ones(1, bool))
            collector.add(FrameResult(frame, [replace(face, face_id=number)], [prediction]))
            expected[number] = [each[:7] for each in clips].index(name[:7])
    assert collector.people()[0] == expected
