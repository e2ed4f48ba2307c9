"""Tables of OpenFace and py-feat, of every version, summarise and draw themselves as ours do."""

import numpy as np
import pandas as pd
import pytest
from staged_faces import StagedFinder, write_video

import actionunits as au
import actionunits.detection.detector as detect_module
from actionunits.errors import UserError

OPENFACE = pd.DataFrame(
    {
        "frame": [1, 2, 3, 4],
        "face_id": [0, 0, 0, 0],
        "timestamp": [0.0, 0.04, 0.08, 0.12],
        "confidence": [0.98, 0.98, 0.98, 0.02],
        "success": [1, 1, 1, 0],
        "AU12_r": [0.2, 2.5, 0.4, 0.0],
        "AU12_c": [0.0, 1.0, 0.0, 0.0],
        "AU28_c": [0.0, 0.0, 1.0, 0.0],
    }
)
PYFEAT = pd.DataFrame(
    {
        "FaceRectX": [10.0, 10.0, np.nan, 12.0],
        "FaceScore": [0.99, 0.98, np.nan, 0.97],
        "AU01": [0.1, 0.2, np.nan, 0.5],
        "AU12": [0.2, 0.8, np.nan, 0.9],
        "AU43": [0.0, 0.1, np.nan, 0.2],
        "Happy": 0.5,
        "input": "clip.mp4",
        "frame": [0, 1, 2, 3],
    }
)


def written(table, path, blanks=False):
    table.rename(columns=lambda name: f" {name}" if blanks else name).to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    ("table", "blanks"),
    [
        (OPENFACE, False),
        (OPENFACE, True),  # as OpenFace 2.0 and 2.1 write it
        (OPENFACE.drop(columns="face_id"), True),  # as OpenFace 1 does
        (OPENFACE.iloc[[2, 0, 3, 1]], False),
    ],
    ids=["2.2", "2.0", "1", "shuffled"],
)
def test_openface(table, blanks, tmp_path):
    result = au.io.read_openface(written(table, tmp_path / "o.csv", blanks))
    assert repr(result) == f"TableResult('{tmp_path}/o.csv', 4 frames, 3 with a face, 1 person)"
    assert result.aus == (12, 28) and result.kind == "video" and len(result.table) == 4
    rates = result.summary().set_index("au")[["rate", "maximum"]]
    assert rates.loc["AU12"].tolist() == pytest.approx([1 / 3, 2.5])
    assert rates.loc["AU28", "rate"] == pytest.approx(1 / 3) and np.isnan(rates.loc["AU28", "maximum"])
    (smile, bite) = result.episodes().to_dict("records")
    assert (smile["au"], smile["onset_s"], smile["offset_s"], smile["peak"]) == ("AU12", 0.04, 0.08, 2.5)
    assert bite["au"] == "AU28" and np.isnan(bite["peak"])
    assert len(result.plot().axes) == 2
    assert "AU12</td>" in result._repr_html_()


def test_presence_that_is_not_told_comes_from_probability_or_intensity(tmp_path):
    table = OPENFACE.drop(columns=["AU12_c", "AU28_c"])
    assert au.io.read_openface(written(table, tmp_path / "r.csv")).summary()["rate"].tolist() == pytest.approx(
        [1 / 3]
    )
    table = table.assign(AU12_p=[0.6, 0.7, 0.1, 0.0])
    assert au.io.read_openface(written(table, tmp_path / "p.csv")).summary()["rate"].tolist() == pytest.approx(
        [2 / 3]
    )


@pytest.mark.parametrize("photographs", ["one", "several"])
def test_openface_of_photographs(photographs, tmp_path):
    table = OPENFACE.drop(columns=["frame", "face_id", "timestamp", "success"]).assign(face=[0, 1, 2, np.nan])
    if photographs == "several":
        table = OPENFACE.assign(timestamp=0.0, input=["a.png", "b.png", "c.png", "d.png"])
    result = au.io.read_openface(written(table, tmp_path / "o.csv"))
    assert result.kind == {"one": "image", "several": "images"}[photographs]
    assert sum(len(frame.faces) for frame in result.frames) == 3 and len(result.episodes()) == 0


def test_pyfeat_of_both_versions(tmp_path):
    result = au.io.read_pyfeat(written(PYFEAT, tmp_path / "1.csv"), fps=25)
    assert result.aus == (1, 12, 43) and [frame.frame.time_s for frame in result.frames] == [0, 0.04, 0.08, 0.12]
    assert [len(frame.faces) for frame in result.frames] == [1, 1, 0, 1]
    assert result.summary()["rate"].tolist() == pytest.approx([1 / 3, 2 / 3, 0])
    assert len(result.plot().axes) == 2  # shaded by probability
    two = pd.concat([PYFEAT, PYFEAT]).assign(Identity=["Person_4"] * 4 + ["Person_1"] * 4)
    assert au.io.read_pyfeat(written(two, tmp_path / "2.csv"), fps=25).people == [0, 1]
    unnamed = pd.concat([PYFEAT, PYFEAT])
    assert au.io.read_pyfeat(written(unnamed, tmp_path / "3.csv"), fps=25).people == [0, 1]


def test_times_of_pyfeat_come_from_its_clock(tmp_path):
    frames = np.arange(0, 130, 2)
    clock = [f"{s // 60:02d}:{s % 60:02d}" for s in (frames / 29.97).astype(int)]
    table = pd.DataFrame({"frame": frames, "AU12": 0.9, "approx_time": clock, "input": "clip.mp4"})
    times = [frame.frame.time_s for frame in au.io.read_pyfeat(written(table, tmp_path / "t.csv")).frames]
    np.testing.assert_allclose(times, frames / 29.97, atol=0.05)
    for told in (table.iloc[:10], PYFEAT):  # shorter than a second; without a clock
        with pytest.raises(UserError, match=r"does not tell the times of its frames; give fps"):
            au.io.read_pyfeat(written(told, tmp_path / "u.csv"))
    with pytest.raises(UserError, match="no rate"):
        au.io.read_pyfeat(tmp_path / "t.csv", fps=0)
    photographs = PYFEAT.assign(input=["a.png", "b.png", "c.png", "d.png"])
    assert au.io.read_pyfeat(written(photographs, tmp_path / "p.csv")).kind == "images"


@pytest.mark.parametrize("read", [au.io.read_openface, au.io.read_pyfeat])
def test_a_table_without_action_units_is_refused(read, tmp_path):
    with pytest.raises(UserError, match=r"action unit|py-feat"):
        read(written(OPENFACE[["frame", "confidence"]], tmp_path / "n.csv"))
    with pytest.raises(UserError, match="No such file"):
        read(tmp_path / "lost.csv")


@pytest.mark.parametrize("schema", ["openface", "pyfeat"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_our_own_tables_come_back(schema, suffix, monkeypatch, tiny_weights, tmp_path):
    monkeypatch.setattr(detect_module, "FaceFinder", StagedFinder)
    write_video(tmp_path / "clip.mp4", [1] * 20 + [0] * 3 + [2] * 12)
    result = au.Detector(weights=tiny_weights).detect(tmp_path / "clip.mp4", schema=schema)
    read = {"openface": au.io.read_openface, "pyfeat": au.io.read_pyfeat}[schema](
        result.save(tmp_path / f"table{suffix}")
    )
    assert repr(read).split(",")[1:] == repr(result).split(",")[1:] and read.aus == result.aus
    for ours, back in zip(result.frames, read.frames, strict=True):
        assert (
            back.frame.time_s == pytest.approx(ours.frame.time_s, abs=1e-3) and back.frame.index == ours.frame.index
        )
        assert [(f.face_id, f.quality) for f in back.faces] == [(f.face_id, f.quality) for f in ours.faces]
        for a, b in zip(ours.predictions, back.predictions, strict=True):
            np.testing.assert_allclose(b.au_prob, a.au_prob, atol=1e-4)
            if schema == "openface":
                np.testing.assert_array_equal(b.au_present, a.au_present)
