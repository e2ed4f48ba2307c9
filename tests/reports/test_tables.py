import errno
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from actionunits.aus import SYNTH_AUS
from actionunits.errors import UserError
from actionunits.faces.pose import camera_rotation
from actionunits.reports.schemas import make_schema, openface_pose
from actionunits.reports.tables import open_table, read_table, to_dataframe
from actionunits.types import Face, Frame, FrameResult, Prediction

# OpenFace 2.2, `RecorderCSV.cpp`, without the blocks that are not estimated.
OPENFACE_HEAD = "frame,face_id,timestamp,confidence,success"
OPENFACE_POSE = "pose_Tx,pose_Ty,pose_Tz,pose_Rx,pose_Ry,pose_Rz"
OPENFACE_R = (
    "AU01_r,AU02_r,AU04_r,AU05_r,AU06_r,AU07_r,AU09_r,AU10_r,AU12_r,AU14_r,AU15_r,AU17_r,AU20_r,AU23_r,"
    "AU25_r,AU26_r,AU45_r"
)
OPENFACE_C = (
    "AU01_c,AU02_c,AU04_c,AU05_c,AU06_c,AU07_c,AU09_c,AU10_c,AU12_c,AU14_c,AU15_c,AU17_c,AU20_c,AU23_c,"
    "AU25_c,AU26_c,AU28_c,AU45_c"
)
OPENFACE_LANDMARKS = ",".join([f"x_{i}" for i in range(68)] + [f"y_{i}" for i in range(68)])
# AU24 is ours alone.
RELEASED_AUS_OF_OPENFACE = tuple(au for au in SYNTH_AUS if au != 24)
QUALITY = "usable,quality"
# py-feat's v2 order, without the blocks that are not estimated.
PYFEAT_BOX = "FaceRectX,FaceRectY,FaceRectWidth,FaceRectHeight,FaceScore"


def face(face_id=0, confidence=0.876, pose=(10.0, -20.0, 5.0), position=(40.0, -30.0, 600.0)):
    points = np.stack([np.arange(68) + 0.25, np.arange(68) * 2 + 0.04], axis=1).astype(np.float32)
    return Face(
        box_xyxy_px=np.array([10, 20, 110, 170], np.float32),
        landmarks_px=points,
        confidence=confidence,
        pose_deg=np.array(pose, np.float32),
        position_mm=np.array(position, np.float32),
        face_id=face_id,
    )


def prediction(aus=SYNTH_AUS, prob=0.75):
    n = len(aus)
    probs = np.full(n, prob, np.float32)
    return Prediction(tuple(aus), probs, np.linspace(0, 5, n, dtype=np.float32), probs >= 0.5)


def result(index=0, time_s=0.0, faces=(), predictions=None, source="clip.mp4"):
    frame = Frame(np.zeros((180, 320, 3), np.uint8), index, time_s, source)
    return FrameResult(frame, list(faces), list(predictions or [prediction() for _ in faces]))


def write(path, schema, results):
    with open_table(path, schema) as table:
        for each in results:
            table.write(each)
    return path.read_text().splitlines() if path.suffix == ".csv" else None


def test_openface_header_is_that_of_openface_plus_probabilities(tmp_path):
    schema = make_schema("openface", RELEASED_AUS_OF_OPENFACE)
    header = write(tmp_path / "t.csv", schema, [])[0]
    p = OPENFACE_R.replace("_r", "_p")
    assert header == ",".join([OPENFACE_HEAD, OPENFACE_POSE, OPENFACE_LANDMARKS, OPENFACE_R, OPENFACE_C, p, QUALITY])


def test_an_au_that_openface_lacks_takes_its_place_by_number():
    names = make_schema("openface", SYNTH_AUS).columns
    r = [column.name for column in names if column.name.endswith("_r")]
    assert r == OPENFACE_R.replace("AU25_r", "AU24_r,AU25_r").split(",")


def test_blocks_and_aus_can_be_left_out():
    schema = make_schema("openface", (12, 25), pose=False, landmarks=False, all_openface_aus=False)
    assert [c.name for c in schema.columns] == [
        *OPENFACE_HEAD.split(","),
        *("AU12_r", "AU25_r", "AU12_c", "AU25_c", "AU12_p", "AU25_p"),
        *QUALITY.split(","),
    ]


def test_openface_number_formats(tmp_path):
    schema = make_schema("openface", (12, 25), landmarks=True, all_openface_aus=False)
    one = prediction((12, 25))
    lines = write(tmp_path / "t.csv", schema, [result(6, 0.23456, [face(3)], [one])])
    cells = dict(zip(lines[0].split(","), lines[1].split(","), strict=True))
    assert [cells[n] for n in OPENFACE_HEAD.split(",")] == ["7", "3", "0.235", "0.88", "1"]
    assert cells["pose_Tx"] == "40.0" and len(cells["pose_Rx"].split(".")[1]) == 3
    assert cells["x_1"] == "1.2" and cells["y_67"] == "134.0"
    assert (cells["AU12_r"], cells["AU25_r"], cells["AU12_c"], cells["AU25_p"]) == ("0.00", "5.00", "1.0", "0.7500")


def test_every_frame_has_a_row_and_one_without_a_face_has_empty_cells(tmp_path):
    schema = make_schema("openface", SYNTH_AUS)
    write(
        tmp_path / "t.csv", schema, [result(0, 0.0, [face(0), face(1)]), result(1, 0.04), result(2, 0.08, [face(1)])]
    )
    table = pd.read_csv(tmp_path / "t.csv")
    assert table["frame"].tolist() == [1, 1, 2, 3]
    assert table["face_id"].tolist() == [0, 1, 0, 1]
    assert table["success"].tolist() == [1, 1, 0, 1]
    empty = table.iloc[2].drop([*OPENFACE_HEAD.split(","), *QUALITY.split(",")])
    assert (table["usable"][2], table["quality"][2]) == (0, "no_face")
    assert empty.isna().all() and table["confidence"][2] == 0
    # AU28 is not estimated: empty on every row rather than absent.
    assert table["AU28_c"].isna().all() and table["AU12_c"].notna().sum() == 3


def test_rotation_has_the_signs_and_the_order_of_openface():
    def rotation(angles):
        (a, b, c) = angles
        x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
        y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
        z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
        return x @ y @ z

    tilted = face(pose=(12, 33, -25))
    angles = openface_pose(tilted)[3:]
    np.testing.assert_allclose(rotation(angles), camera_rotation(tilted.pose_deg, tilted.position_mm), atol=1e-9)
    # On the camera's axis: chin up is negative, the right of the image is negative, clockwise is positive.
    ahead = np.zeros(2).tolist()
    for axis, sign in ((0, -1), (1, -1), (2, 1)):
        pose = np.zeros(3)
        pose[axis] = 20
        angles = openface_pose(face(pose=pose, position=(*ahead, 1e9)))[3:]
        expected = np.zeros(3)
        expected[axis] = sign * np.radians(20)
        np.testing.assert_allclose(angles, expected, atol=1e-6)


def test_a_photograph_has_openfaces_image_header(tmp_path):
    schema = make_schema("openface", SYNTH_AUS, "image", pose=False, landmarks=False)
    lines = write(tmp_path / "t.csv", schema, [result(0, 0, [face(0)])])
    assert lines[0].startswith("face,confidence,AU01_r") and lines[1].startswith("0,0.88,")
    lines = write(tmp_path / "none.csv", schema, [result()])
    assert len(lines) == 2 and lines[1].startswith(",0.00,,")


def test_several_photographs_are_named_in_the_last_column(tmp_path):
    schema = make_schema("openface", SYNTH_AUS, "images")
    write(tmp_path / "t.csv", schema, [result(0, 0, [face()], source="a, b.png"), result(1, 0, source="c.png")])
    table = pd.read_csv(tmp_path / "t.csv")
    assert table.columns[:5].tolist() == OPENFACE_HEAD.split(",") and table.columns[-1] == "input"
    assert table["input"].tolist() == ["a, b.png", "c.png"]


def test_the_file_suits_py_feats_openface_reader(tmp_path):
    write(tmp_path / "t.csv", make_schema("openface", SYNTH_AUS), [result(0, 0.0, [face()])])
    # What feat.utils.io.read_openface does, and the column lists that Fex then selects by name.
    d = pd.read_csv(tmp_path / "t.csv", sep=",")
    d.columns = d.columns.str.strip(" ")
    aus = d[OPENFACE_R.split(",") + OPENFACE_C.split(",")]
    assert aus.shape == (1, 35) and aus.drop(columns="AU28_c").notna().all(axis=None)
    assert d[OPENFACE_LANDMARKS.split(",")].notna().all(axis=None)
    assert d[OPENFACE_POSE.split(",")].notna().all(axis=None)
    assert d[["frame", "timestamp"]].shape == (1, 2)


def test_pyfeat_columns_and_values(tmp_path):
    schema = make_schema("pyfeat", (12, 25))
    write(tmp_path / "t.csv", schema, [result(65, 61.9, [face(2)], [prediction((12, 25))]), result(66, 62.0)])
    table = pd.read_csv(tmp_path / "t.csv")
    expected = [
        PYFEAT_BOX,
        OPENFACE_LANDMARKS,
        "Pitch,Roll,Yaw,AU12,AU25,Identity,FrameHeight,FrameWidth,input,frame",
    ]
    assert ",".join(table.columns) == ",".join([*expected, "approx_time", QUALITY])
    seen, unseen = table.iloc[0], table.iloc[1]
    assert seen[PYFEAT_BOX.split(",")].tolist() == pytest.approx([10, 20, 100, 150, 0.88])
    assert seen[["Pitch", "Roll", "Yaw"]].tolist() == pytest.approx([10, 5, -20])
    assert seen[["AU12", "Identity", "input", "approx_time"]].tolist() == [0.75, "Person_2", "clip.mp4", "01:01"]
    assert table["frame"].tolist() == [65, 66]
    assert unseen[PYFEAT_BOX.split(",") + ["AU12", "Identity"]].isna().all() and unseen["FrameWidth"] == 320


def test_tidy_has_a_row_per_action_unit(tmp_path):
    results = [result(0, 0.0, [face(4)], [prediction((12, 25))]), result(1, 0.04)]
    write(tmp_path / "t.csv", make_schema("tidy", (12, 25)), results)
    table = pd.read_csv(tmp_path / "t.csv")
    columns = ["source", "frame", "time_s", "face_id", "au", "prob", "intensity", "present"]
    assert list(table.columns) == [*columns, *QUALITY.split(",")]
    assert table["au"].tolist()[:2] == ["AU12", "AU25"] and table["intensity"].tolist()[:2] == [0, 5]
    assert table["frame"].tolist() == [1, 1, 2] and table.iloc[2, 3:8].isna().all()


@pytest.mark.parametrize("schema_name", ["openface", "pyfeat", "tidy"])
def test_csv_and_parquet_hold_the_same_table(tmp_path, schema_name):
    schema = make_schema(schema_name, SYNTH_AUS)
    flags = ((), ("small", "dark"))
    results = [result(k, k / 25, [replace(face(j), quality=flags[j]) for j in range(k % 3)]) for k in range(8)]
    for suffix in ("csv", "parquet"):
        write(tmp_path / f"t.{suffix}", schema, results)
    from_csv, from_parquet = (read_table(tmp_path / f"t.{suffix}") for suffix in ("csv", "parquet"))
    # Half a unit of the coarsest decimal in the CSV.
    pd.testing.assert_frame_equal(from_csv, from_parquet, check_dtype=False, atol=0.0501, rtol=0)
    pd.testing.assert_frame_equal(to_dataframe(results, schema), from_parquet, check_dtype=False)


def test_parquet_is_written_in_row_groups(tmp_path):
    write(
        tmp_path / "t.parquet",
        make_schema("openface", (12,)),
        [result(k, k / 25, [face()], [prediction((12,))]) for k in range(2500)],
    )
    file = pq.ParquetFile(tmp_path / "t.parquet")
    assert file.metadata.num_rows == 2500 and file.metadata.num_row_groups == 3


def test_parquet_keeps_the_time_of_long_videos(tmp_path):
    late_s = 36000.033
    write(tmp_path / "t.parquet", make_schema("tidy", (12,)), [result(0, late_s)])
    assert read_table(tmp_path / "t.parquet")["time_s"][0] == late_s


def test_an_unknown_intensity_is_an_empty_cell(tmp_path):
    without = Prediction((12,), np.array([0.7], np.float32), np.array([np.nan], np.float32), np.array([True]))
    schema = make_schema("openface", (12,), all_openface_aus=False, pose=False, landmarks=False)
    lines = write(tmp_path / "t.csv", schema, [result(0, 0, [face()], [without])])
    assert lines[1].endswith(",,1.0,0.7000,1,")


def test_read_table_strips_blanks_and_picks_columns(tmp_path):
    (tmp_path / "of20.csv").write_text("frame, face_id, timestamp, AU12_r\n1, 0, 0.000, 2.50\n")
    assert read_table(tmp_path / "of20.csv").columns.tolist() == ["frame", "face_id", "timestamp", "AU12_r"]
    picked = read_table(tmp_path / "of20.csv", ["AU12_r", "AU99_r"])
    assert picked.columns.tolist() == ["AU12_r"] and picked["AU12_r"][0] == 2.5


@pytest.mark.parametrize(
    ("name", "content"),
    [("missing.csv", None), ("empty.csv", b""), ("text.parquet", b"hello"), ("bytes.csv", b"\xff\xfe\x00a,b\n")],
)
def test_what_is_no_table_is_told_in_one_line(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name) as caught:
        read_table(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_another_suffix_or_schema_is_refused(tmp_path):
    with (
        pytest.raises(UserError, match=r"\.csv or \.parquet"),
        open_table(tmp_path / "t.xlsx", make_schema("tidy", (12,))),
    ):
        pass
    with pytest.raises(UserError, match="choose one of openface, pyfeat, tidy"):
        make_schema("spss", (12,))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_failed_table_leaves_the_earlier_file_as_it_was(tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    path.write_text("earlier")
    with pytest.raises(ZeroDivisionError), open_table(path, make_schema("openface", SYNTH_AUS)) as table:
        table.write(result(0, 0, [face()]))
        raise ZeroDivisionError
    assert path.read_text() == "earlier" and [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch, suffix):
    import actionunits.reports.tables as tables

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tables._CsvSink if suffix == "csv" else tables._ParquetSink, "write_rows", full)
    with (
        pytest.raises(UserError, match="disk is full"),
        open_table(tmp_path / f"t.{suffix}", make_schema("tidy", (12,))) as table,
    ):
        table.write(result(0, 0, [face()], [prediction((12,))]))
    assert list(tmp_path.iterdir()) == []


def test_left_and_right_follow_on_request_and_stay_empty_without_a_face(tmp_path):
    schema = make_schema("openface", (12, 25), pose=False, landmarks=False, all_openface_aus=False, sides=True)
    told = replace(prediction((12, 25)), au_sides=np.array([[1.5, 0.25], [2, 3]], np.float32))
    lines = write(tmp_path / "t.csv", schema, [result(0, 0.0, [face()], [told]), result(1, 0.1)])
    names = lines[0].split(",")
    first, second = (dict(zip(names, line.split(","), strict=True)) for line in lines[1:])
    assert [first[f"AU{au}_r{side}"] for au in (12, 25) for side in "LR"] == ["1.50", "0.25", "2.00", "3.00"]
    assert second["AU12_rL"] == "" and not any(name.endswith(("_rL", "_rR")) for name in _plain_names())
    with pytest.raises(UserError, match="no place for left and right"):
        make_schema("tidy", (12,), sides=True)


def test_gaze_has_openfaces_names_and_place_on_request(tmp_path):
    schema = make_schema("openface", (12,), landmarks=False, all_openface_aus=False, gaze=True)
    looking = replace(face(), gaze=np.array([[0.6, 0, -0.8], [0, 0.6, -0.8]], np.float32))
    lines = write(tmp_path / "t.csv", schema, [result(0, 0.0, [looking]), result(1, 0.1), result(2, 0.2, [face()])])
    gaze = "gaze_0_x,gaze_0_y,gaze_0_z,gaze_1_x,gaze_1_y,gaze_1_z,gaze_angle_x,gaze_angle_y"
    assert lines[0].startswith(f"{OPENFACE_HEAD},{gaze},{OPENFACE_POSE},AU12_r")
    told, absent, unknown = (line.split(",")[5:13] for line in lines[1:])
    assert told == ["0.600000", "0.000000", "-0.800000", "0.000000", "0.600000", "-0.800000", "0.359", "0.359"]
    assert absent == unknown == [""] * 8 and "gaze_0_x" not in _plain_names()
    with pytest.raises(UserError, match="no place for gaze"):
        make_schema("pyfeat", (12,), gaze=True)


def _plain_names():
    return [column.name for column in make_schema("openface", (12, 25)).columns]
