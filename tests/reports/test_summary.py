"""Episodes and summaries by hand: ends, gaps, frames that cannot be used, and the tables over several inputs."""

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from test_au_summary import AUS, FACE

from actionunits.reports.elan import write_elan
from actionunits.reports.episodes import COLUMNS
from actionunits.reports.summary import FILES, SummaryCollector, write_summaries
from actionunits.reports.tables import write_csv
from actionunits.types import Frame, FrameResult, Prediction

ABSENT, DARK, AWAY = -1.0, "dark", None


def results(values, fps=10.0):
    """One person: per frame the intensity of AU12 where it is present, ABSENT, DARK (and present) or AWAY."""
    for index, value in enumerate(values):
        frame = Frame(np.zeros((4, 4, 3), np.uint8), index, index / fps, "clip.mp4")
        if value is AWAY:
            yield FrameResult(frame, [], [])
            continue
        present = value != ABSENT
        strength = 4.5 if value == DARK else max(value, 0.0)
        told = Prediction(AUS, np.full(2, 0.9), np.array([0.0, strength], np.float32), np.array([False, present]))
        yield FrameResult(frame, [replace(FACE, quality=("dark",) if value == DARK else ("new_id",))], [told])


def episodes_of(values, fps=10.0):
    collector = SummaryCollector(AUS, by_person=True, has_time=True)
    for result in results(values, fps):
        collector.add(result)
    return [(e.au, e.onset_s, e.apex_s, e.offset_s, e.peak, e.complete) for e in collector.episodes()]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([ABSENT, 1, 3, 2, ABSENT], [(12, 0.1, 0.2, 0.4, 3, True)]),
        ([1, ABSENT, 2], [(12, 0.0, 0.0, 0.1, 1, False), (12, 0.2, 0.2, 0.2, 2, False)]),
        ([ABSENT, 1, DARK, AWAY, 2, ABSENT], [(12, 0.1, 0.4, 0.5, 2, True)]),
        ([ABSENT, 1, *[AWAY] * 6, 2, ABSENT], [(12, 0.1, 0.1, 0.1, 1, False), (12, 0.8, 0.8, 0.9, 2, False)]),
        ([DARK, AWAY], []),
    ],
    ids=["whole", "cut", "bridged", "lost", "unusable"],
)
def test_episodes(values, expected):
    assert [(au, *map(pytest.approx, rest)) for au, *rest in episodes_of(values)] == expected


def test_neighbours_are_neighbours_however_far_apart():
    assert episodes_of([ABSENT, 1, 2, ABSENT], fps=0.1) == [(12, 10.0, 20.0, 30.0, 2.0, True)]


def summary_of(values, with_time=True):
    collector = SummaryCollector(AUS, by_person=True, has_time=with_time)
    for result in results(values):
        collector.add(result)
    return collector.fields()["summary"], collector.episodes()


def test_a_summary_counts_frames_that_can_be_used():
    (entry,), _ = summary_of([ABSENT, 1, 3, ABSENT, DARK, AWAY])
    assert (entry["face_id"], entry["frames"], entry["usable_share"]) == ("0", 5, 0.8)
    told = {"rate": 0.5, "mean": 1.0, "mean_present": 2.0, "maximum": 3.0, "episodes": 1, "mean_episode_s": 0.2}
    assert entry["AU12"] == pytest.approx(told)
    assert entry["AU01"] | {"mean": 0} == {
        **{"rate": 0.0, "mean": 0, "mean_present": None, "maximum": 0.0, "episodes": 0, "mean_episode_s": None}
    }
    (never,), _ = summary_of([DARK])
    assert never["usable_share"] == 0 and never["AU12"]["rate"] is None
    assert summary_of([1], with_time=False)[0][0]["AU12"]["episodes"] is None
    assert summary_of([AWAY])[0] == []


def test_tables_over_several_inputs(tmp_path):
    cards = []
    for name, values in (("a.mp4", [ABSENT, 1, 3, ABSENT]), ("b, c.mp4", [2]), ("none.mp4", [AWAY])):
        summary, episodes = summary_of(values)
        file = tmp_path / f"{name}.episodes.csv"
        write_csv(file, COLUMNS, (episode.row() for episode in episodes))
        cards.append({"input": name, "summary": summary, "episodes": str(file)})
    cards.append({"input": "photo.png", "summary": summary_of([1], with_time=False)[0], "episodes": None})
    write_summaries([tmp_path / name for name in FILES], cards)
    long, wide, episodes = (pd.read_csv(tmp_path / name) for name in FILES)
    assert long[["file", "au"]].to_numpy().tolist() == [
        [name, au] for name in ("a.mp4", "b, c.mp4", "photo.png") for au in ("AU01", "AU12")
    ]
    assert wide["file"].tolist() == ["a.mp4", "b, c.mp4", "photo.png"]
    assert wide["AU12_rate"].tolist() == [0.5, 1, 1] == long[long["au"] == "AU12"]["rate"].tolist()
    assert episodes[["file", "onset_s", "peak", "complete"]].to_numpy().tolist() == [
        ["a.mp4", 0.1, 3.0, 1],
        ["b, c.mp4", 0.0, 2.0, 0],
    ]


def test_elan_has_a_tier_per_person_and_action_unit(tmp_path):
    _, episodes = summary_of([ABSENT, 1, 3, ABSENT, 2])
    write_elan(tmp_path / "clip.eaf", tmp_path / "Zoë <1>.mp4", episodes)
    root = ElementTree.parse(tmp_path / "clip.eaf").getroot()
    times = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) for slot in root.iter("TIME_SLOT")}
    (tier,) = root.iter("TIER")
    assert tier.get("TIER_ID") == "face 0 AU12 lip corner puller"
    told = [
        (times[a.get("TIME_SLOT_REF1")], times[a.get("TIME_SLOT_REF2")], a.findtext("ANNOTATION_VALUE"))
        for a in tier.iter("ALIGNABLE_ANNOTATION")
    ]
    assert told == [(100, 300, "3.0 C"), (400, 401, "2.0 B")]
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    assert media.get("MIME_TYPE") == "video/mp4" and media.get("MEDIA_URL").endswith("/Zo%C3%AB%20%3C1%3E.mp4")
    # Tiers lie between the times and the types, as the format's schema has it.
    assert [child.tag for child in root] == ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE"]
