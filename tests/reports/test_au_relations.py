"""Tables of what goes together: counts by hand, and two drawn people of whom one follows the other."""

from dataclasses import replace

import numpy as np
import pytest
from test_au_summary import AUS, FACE

from actionunits.reports.au_relations import (
    COOCCURRENCE_COLUMNS,
    SYNCHRONY_COLUMNS,
    CooccurrenceCollector,
    SynchronyCollector,
)
from actionunits.types import Frame, FrameResult, Prediction


def result(index, people, fps=10.0):
    """A frame; people: intensity of both action units by face_id, present from 1 on."""
    told = [
        Prediction(AUS, np.full(2, 0.5), np.array(values, np.float32), np.array(values) >= 1)
        for values in people.values()
    ]
    frame = Frame(np.zeros((4, 4, 3), np.uint8), index, index / fps, "clip.mp4")
    return FrameResult(frame, [replace(FACE, face_id=face_id) for face_id in people], told)


@pytest.mark.parametrize(("by_person", "who"), [(True, "3"), (False, "all")])
def test_cooccurrence_by_hand(by_person, who):
    collector = CooccurrenceCollector(AUS, by_person)
    for index, values in enumerate([(2, 2), (2, 0), (0, 0), (0, 0), (3, 3)]):
        collector.add(result(index, {3: values}))
    (row,) = collector.rows()
    told = dict(zip((column.name for column in COOCCURRENCE_COLUMNS), row, strict=True))
    counts = {"frames": 5, "both": 2, "only_au": 1, "only_other": 0}
    expected = {"phi": np.corrcoef([1, 1, 0, 0, 1], [1, 0, 0, 0, 1])[0, 1], "jaccard": 2 / 3} | counts
    assert told == {"face_id": who, "au": "AU01", "other_au": "AU12"} | {
        k: pytest.approx(v) for k, v in expected.items()
    }


def drawn(fps, jump_at=None, frames=600):
    rng = np.random.default_rng(0)
    smiles = np.convolve(rng.random(frames) < 0.02, np.hanning(12) * 4)[:frames]
    for index in range(frames):
        other = {1: (0.0, float(np.roll(smiles, 8)[index]))} if index % 7 else {}
        told = result(index, {0: (float(smiles[index]), float(smiles[index]))} | other, fps)
        late_s = 1e6 if jump_at is not None and index >= jump_at else 0.0
        yield replace(told, frame=replace(told.frame, time_s=told.frame.time_s + late_s))


@pytest.mark.parametrize("jump_at", [None, 300], ids=["even", "with a jump in time"])
def test_synchrony_of_two_people(jump_at):
    collector = SynchronyCollector(AUS)
    for each in drawn(10.0, jump_at):
        collector.add(each)
    (row,) = collector.rows()  # the other action unit never moves in one of them
    told = dict(zip((column.name for column in SYNCHRONY_COLUMNS), row, strict=True))
    assert (told["face_id"], told["other_id"], told["au"]) == (0, 1, "AU12")
    assert told["lag_s"] == pytest.approx(0.8) and told["peak_r"] > 0.99 > told["floor_r"] + 0.2


def test_who_is_seen_shortly_or_alone_has_no_synchrony():
    collector = SynchronyCollector(AUS)
    assert list(collector.rows()) == []
    for index in range(150):
        collector.add(result(index, {index // 75: (index % 5, index % 3)}))
    assert list(collector.rows()) == []
