"""The HTTP API: uploads, streams, files, limits, and what hostile files and forms do."""

import csv
import io
import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from small_service import STREAM, lines_of, linux_only, upload, waited

pytest.importorskip("starlette", reason="the extra `web` is not installed")

from actionunits.aus import SYNTH_AUS
from actionunits.reports.schemas import TidySchema
from actionunits.web.folder import PREFIX, private_folder
from actionunits.web.told import ROWS_FORM


def test_a_photo_becomes_the_rows_of_the_tidy_table(serve, photo):
    client = serve()
    answer = client.post("/v1/analyses", files={"file": ("me.jpg", photo)}, headers=STREAM)
    first, *rows, last = lines_of(answer)
    columns = [column.name for column in TidySchema.columns]
    assert first["schema"] == ROWS_FORM and first["columns"] == columns
    assert last == {"end": "done", "error": None, "damage": None}
    assert [list(row) for row in rows] == [columns] * len(SYNTH_AUS)
    assert {row["source"] for row in rows} == {"me.jpg"} and all(0 <= row["prob"] <= 1 for row in rows)
    table = client.get(f"/v1/analyses/{first['id']}/files/table")
    assert "filename*=UTF-8''me.csv" in table.headers["content-disposition"]
    (face,) = csv.DictReader(io.StringIO(table.text))
    assert [float(face[f"{row['au']}_p"]) for row in rows] == [row["prob"] for row in rows]
    summary = client.get(f"/v1/analyses/{first['id']}/files/summary").text
    assert "me.jpg" in summary


def test_a_video_has_frames_a_timeline_and_an_annotated_copy(serve, clip):
    client = serve()
    job = waited(client, upload(client, clip, "clip.mp4", annotate="true", neutral="0.2s"))
    assert job["state"] == "done" and job["frames"] == job["of"] == 64
    assert job["files"] == ["table", "summary", "episodes", "report", "card", "timeline", "annotated-video"]
    _, *frames, last = lines_of(client.get(f"/v1/analyses/{job['id']}/frames"))
    assert [frame["frame"] for frame in frames] == list(range(1, 65)) and last["end"] == "done"
    face = frames[5]["faces"][0]  # of 0.2 s
    assert len(face["intensity"]) == len(SYNTH_AUS) and max(face["intensity"]) == 0 and len(face["points"]) == 136
    card = client.get(f"/v1/analyses/{job['id']}/files/card").json()
    assert card["input"] == "the file" and "/" not in json.dumps(card["outputs"])
    report = client.get(f"/v1/analyses/{job['id']}/files/report").text
    assert "<h2>clip.mp4</h2>" in report and "the file" not in report
    video = client.get(f"/v1/analyses/{job['id']}/files/annotated-video")
    assert video.content[4:8] == b"ftyp"


def test_a_picture_at_rest_is_what_a_photo_is_measured_from(serve, photo):
    client = serve()
    files = {"file": ("a.jpg", photo), "neutral_file": ("b.jpg", photo)}
    _, *rows, last = lines_of(client.post("/v1/analyses", files=files, headers=STREAM))
    assert last["end"] == "done" and {row["intensity"] for row in rows} == {0.0}


def test_what_is_removed_is_gone_from_the_disk(serve, photo, clip, tmp_path):
    client = serve()
    (folder,) = tmp_path.glob(f"{PREFIX}*")
    assert folder.stat().st_mode & 0o777 == 0o700
    done = waited(client, upload(client, photo))
    assert not (folder / done["id"] / "the file").exists()  # only results are kept
    assert client.delete(f"/v1/analyses/{done['id']}").status_code == 204
    running = upload(client, clip, "clip.mp4").json()
    assert client.delete(f"/v1/analyses/{running['id']}").status_code == 204
    assert client.get(f"/v1/analyses/{running['id']}").status_code == 404
    assert client.get("/v1/analyses").json() == []
    assert [path.name for path in folder.iterdir()] == [".lock"]


class WindowsLocks:
    """What locks a byte of a file on Windows, where there is no `fcntl`."""

    LK_NBLCK = 2

    def __init__(self):
        self.held = {}

    def locking(self, file, mode, size):
        assert (mode, size) == (self.LK_NBLCK, 1)
        node = os.fstat(file).st_ino
        if self.held.setdefault(node, file) != file:
            raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("system", ["own", "windows"])
def test_the_folder_of_a_killed_service_is_removed_by_the_next(tmp_path, monkeypatch, system):
    if system == "windows":
        monkeypatch.setattr("actionunits.web.folder.sys", SimpleNamespace(platform="win32"))
        monkeypatch.setitem(sys.modules, "msvcrt", WindowsLocks())
    with private_folder(tmp_path) as running:
        killed = tmp_path / f"{PREFIX}killed"
        killed.mkdir()
        (killed / ".lock").touch()
        (killed / "face.jpg").touch()
        with private_folder(tmp_path):
            assert running.is_dir() and not killed.exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("../../etc/passwd", "passwd.csv"),
        ("..\\..\\boot.ini", "boot.csv"),
        ("/etc/cron.d/x.jpg", "x.csv"),
        ('a";\r\nSet-Cookie: x=1.jpg', None),
        ("..", "...csv"),
        ("\x00.jpg", None),
        ("<script>alert(1)</script>.jpg", None),
        ("é\u202egpj.jpg", None),
    ],
)
def test_names_are_only_text(serve, photo, tmp_path, name, given):
    client = serve()
    answer = upload(client, photo, name)
    if answer.status_code == 400:  # a name that no form can hold
        return
    job = waited(client, answer)
    assert job["state"] == "done" and job["name"].isprintable()
    told = client.get(f"/v1/analyses/{job['id']}/files/table").headers
    assert "set-cookie" not in told and re.fullmatch(
        r"attachment; filename\*=UTF-8''[\w.%~-]+", told["content-disposition"]
    )
    assert given is None or told["content-disposition"].endswith(f"''{given}")
    (folder,) = tmp_path.glob(f"{PREFIX}*")
    assert {path.name for path in folder.iterdir()} == {".lock", job["id"]}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/analyses/..%2f..%2fetc%2fpasswd",
        "/v1/analyses/x/files/table",
        "/..%2f..%2f..%2fetc/passwd",
        "/%2e%2e/app.py",
        "/../app.py",
        "/%00",
        "/v1/nothing",
        "/.lock",
    ],
)
def test_there_is_nothing_behind_other_paths(serve, path):
    answer = serve().get(path)
    assert answer.status_code == 404 and "root:" not in answer.text and set(answer.json()) == {"error"}


def test_a_file_of_the_results_is_one_of_a_list(serve, photo):
    client = serve()
    job = waited(client, upload(client, photo))
    for name in ("the%20file", "..%2f.lock", "rows.ndjson", "timeline"):
        assert client.get(f"/v1/analyses/{job['id']}/files/{name}").status_code == 404
    assert client.get(f"/v1/analyses/{job['id']}/upload").status_code == 404


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"neutral": "/etc/passwd"}, "a frame number or a time"),
        ({"neutral": "upload"}, "a frame number or a time"),
        ({"neutral": "1" * 40}, "a frame number or a time"),
        ({"neutral": "1", "calibrate": "true"}, "exclude each other"),
        ({"calibrate": "perhaps"}, "true or false"),
        ({"weights": "/tmp/x"}, "unknown field"),
        ({"neutral_file": "text"}, "must be a file"),
    ],
)
def test_forms_ask_for_what_there_is(serve, photo, fields, words):
    answer = upload(serve(), photo, **fields)
    assert answer.status_code == 400 and words in answer.json()["error"]


def test_requests_that_are_no_upload_are_told_so(serve):
    client = serve(upload_bytes=1000)
    assert client.post("/v1/analyses", content=b"x").status_code == 415
    assert client.post("/v1/analyses", files={"other": b"x"}).status_code == 400
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.post("/v1/analyses", content=b"--y\r\n", headers=broken).status_code == 400
    large = client.post("/v1/analyses", files={"file": b"x" * 9000})
    assert large.status_code == 413 and "larger than" in large.json()["error"]
    chunks = (b"--x\r\n" + b"y" * 5000 for _ in range(4))  # of a length that is not announced
    assert client.post("/v1/analyses", content=chunks, headers=broken).status_code == 413


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a picture",
        b"\xff\xd8\xff\xe0" + b"\x00" * 500,
        b"#EXTM3U\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/passwd"/></svg>',
    ],
)
def test_a_file_that_cannot_be_read_fails_alone(serve, photo, content):
    client = serve()
    job = waited(client, upload(client, content))
    assert job["state"] == "failed" and job["error"] and "root:" not in json.dumps(job)
    assert "/" not in job["error"]  # no path of the service
    assert waited(client, upload(client, photo))["state"] == "done"


def test_a_damaged_video_gives_what_could_be_read(serve, clip):
    client = serve()
    job = waited(client, upload(client, clip[: len(clip) // 2] + b"\x00" * 2000))
    assert job["state"] == "failed" or job["result"]["damage"]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        pytest.param({"memory_bytes": 60 << 20}, "memory", marks=linux_only),
        ({"run_s": 0.2}, "longer than"),
        ({"duration_s": 0.5}, "longer than"),
        ({"pixels": 1000}, "are more than 1,000"),
    ],
)
def test_what_is_too_much_ends_its_own_process(serve, clip, limits, words):
    client = serve(**limits)
    job = waited(client, upload(client, clip, "clip.mp4"))
    assert job["state"] == "failed" and words in job["error"]
    assert job["files"] == [] and client.get("/healthz").text == "ok\n"


def test_a_full_service_says_so(serve, clip, photo):
    client = serve(waiting=1, running=1)
    codes = [upload(client, clip).status_code for _ in range(4)]
    assert codes[0] == 202 and 503 in codes
    small = serve(disk_bytes=1000)
    answer = upload(small, photo)
    assert answer.status_code == 503 and "Retry-After" in answer.headers


def test_old_results_make_room(serve, photo):
    client = serve(kept=2)
    jobs = [waited(client, upload(client, photo, f"{k}.jpg")) for k in range(4)]
    assert [job["name"] for job in client.get("/v1/analyses").json()] == ["2.jpg", "3.jpg"]
    assert client.get(f"/v1/analyses/{jobs[0]['id']}").status_code == 404


def test_numbers_of_the_service(serve, photo):
    client = serve()
    waited(client, upload(client, photo))
    client.get("/v1/model", headers={"Host": "evil.example"})
    text = client.get("/metrics").text
    assert 'actionunits_analyses_total{state="done"} 1' in text and "actionunits_frames_total 1" in text
    assert 'actionunits_refused_total{reason="host"} 1' in text
    assert all(re.fullmatch(r'# TYPE \w+ (gauge|counter)|\w+({\w+="\w+"})? \d+', line) for line in text.splitlines())


def test_the_page_asks_nobody_else(serve):
    client = serve()
    page = client.get("/").text
    names = re.findall(r'(?:src|href)="([^"#]+)"', page)
    assert "app.js" in names
    scripts = [client.get(f"/{name}") for name in names if name != "v1/openapi.json"]
    scripts += [client.get(f"/{name}") for name in re.findall(r'from "\./(\w+\.js)"', client.get("/app.js").text)]
    assert all(answer.status_code == 200 for answer in scripts)
    for text in [page, *(answer.text for answer in scripts)]:
        assert not re.search(r"(https?|wss?)://(?!www\.w3\.org/2000/svg)", text)
        assert not re.search(r" style=| on\w+=|<script>|\beval\(|innerHTML", text)


@pytest.mark.slow
def test_many_uploads_at_once_leave_nothing_behind(serve, photo, tmp_path):
    client = serve(running=2, starts_per_minute=10_000)
    hostile = [b"\xff\xd8" + bytes([k]) * 300 for k in range(20)]
    contents = [photo] * 20 + hostile
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda content: upload(client, content), contents))
    jobs = [waited(client, answer, 300) for answer in answers]
    assert [job["state"] for job in jobs] == ["done"] * 20 + ["failed"] * 20
    for job in jobs:
        client.delete(f"/v1/analyses/{job['id']}")
    (folder,) = tmp_path.glob(f"{PREFIX}*")
    assert [path.name for path in folder.iterdir()] == [".lock"]
