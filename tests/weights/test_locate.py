"""Weights by name, by path, and by download from a server on this machine."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from actionunits.errors import UserError
from actionunits.weights import locate

CONTENT = bytes(range(256)) * 2000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT, with or without ranges; /short breaks off half-way."""

    def do_GET(self):
        server = self.server
        server.seen.append(self.headers.get("Range"))
        if self.path == "/missing":
            self.send_error(404)
            return
        start = 0
        wanted = self.headers.get("Range")
        if wanted and server.ranges:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(CONTENT):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        end = len(CONTENT) // 2 if self.path == "/short" else len(CONTENT)
        self.wfile.write(CONTENT[start:end])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen, server.ranges = [], True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def url(server, path="/weights"):
    return f"http://127.0.0.1:{server.server_address[1]}{path}"


def test_a_file_is_fetched_once(server, tmp_path):
    target, heard = tmp_path / "new" / "w.safetensors", []
    assert locate.download(url(server), DIGEST, target, lambda *now: heard.append(now)) == target
    assert target.read_bytes() == CONTENT and heard[-1] == (len(CONTENT), len(CONTENT))
    locate.download(url(server), DIGEST, target)
    assert len(server.seen) == 1
    assert [path.name for path in target.parent.iterdir()] == ["w.safetensors"]


def test_a_broken_download_is_continued(server, tmp_path):
    target = tmp_path / "w.safetensors"
    with pytest.raises(UserError, match="cannot download"):
        locate.download(url(server, "/short"), DIGEST, target)
    assert not target.exists()
    locate.download(url(server), DIGEST, target)
    assert target.read_bytes() == CONTENT
    assert server.seen == [None, f"bytes={len(CONTENT) // 2}-"]


def test_a_server_without_ranges_starts_again(server, tmp_path):
    target = tmp_path / "w.safetensors"
    (tmp_path / "w.safetensors.part").write_bytes(CONTENT[:1000])
    server.ranges = False
    assert locate.download(url(server), DIGEST, target).read_bytes() == CONTENT


def test_a_part_that_is_already_whole_is_kept(server, tmp_path):
    (tmp_path / "w.safetensors.part").write_bytes(CONTENT)
    assert locate.download(url(server), DIGEST, tmp_path / "w.safetensors").read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    with pytest.raises(UserError, match="another checksum"):
        locate.download(url(server), "0" * 64, tmp_path / "w.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_file_that_was_changed_is_fetched_again(server, tmp_path):
    target = tmp_path / "w.safetensors"
    target.write_bytes(b"old")
    assert locate.download(url(server), DIGEST, target).read_bytes() == CONTENT


def test_server_errors_and_no_network_are_one_line(server, tmp_path):
    with pytest.raises(UserError, match="answers 404"):
        locate.download(url(server, "/missing"), DIGEST, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=r"without a network, put the file at .*w\.safetensors yourself"):
        locate.download("http://127.0.0.1:1/none", DIGEST, tmp_path / "w.safetensors")


def test_a_target_that_cannot_be_written_is_one_line(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        locate.download(url(server), DIGEST, tmp_path / "file" / "w.safetensors")


def test_names_paths_and_releases_are_found(server, tmp_path, monkeypatch):
    monkeypatch.setattr(locate, "BUNDLED", tmp_path)
    (tmp_path / "little.safetensors").write_bytes(b"weights")
    assert locate.find_weights("little") == tmp_path / "little.safetensors"
    assert locate.bundled_names() == ["little"]
    assert locate.find_weights(tmp_path / "little.safetensors") == tmp_path / "little.safetensors"
    monkeypatch.setenv("ACTIONUNITS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(locate.RELEASES, "big", locate.Release(url(server), DIGEST))
    assert locate.find_weights("big").read_bytes() == CONTENT
    with pytest.raises(UserError, match="known names are big, little"):
        locate.find_weights("huge")
    with pytest.raises(UserError, match="no such file of weights"):
        locate.find_weights("runs/none.safetensors")
