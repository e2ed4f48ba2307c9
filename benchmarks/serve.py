"""The service at work: a webcam's delay and frames per second, a video beside the command line, many uploads.

    python benchmarks/serve.py --photo face.jpg --video clip.mp4 [--seconds 60] [--uploads 20] [--browser chromium]

The webcam sends a photograph 30 times a second, each time moved a little, over one WebSocket, as the page does; the
delay goes from the moment before sending to the answer. Processor time is that of the service and of all its
processes: unlike the delay it hardly depends on what else the machine does, of which the first line tells. Memory is
resident memory of the same processes. With --browser, the page itself is opened with the same pictures as its webcam,
and what it shows is noted. It starts a service of its own (`--weights` is handed on).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import secrets
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from processes import cpu_s, descendants, memory_mb
from websockets.sync.client import connect

FPS, SIZE, STEPS = 30, (640, 480), 30
TOKEN = secrets.token_urlsafe(24)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, required=True)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--weights")
    parser.add_argument("--seconds", type=float, default=60, help="of the webcam")
    parser.add_argument("--uploads", type=int, default=20)
    parser.add_argument("--browser", help="a Chromium, for the page too; needs playwright")
    options = parser.parse_args()
    weights = ["--weights", options.weights] if options.weights else []
    print(f"machine: {os.cpu_count()} cores, {os.getloadavg()[0]:.1f} processes waiting for them before the start")
    with service(weights) as (address, pid):
        webcam(address, pid, options.photo, options.seconds)
        if options.browser:
            page(address, options.browser, options.photo, options.seconds)
        video(address, options.video, weights)
        many(address, pid, [options.photo.read_bytes()] * options.uploads)


@contextmanager
def service(weights: list[str]) -> Iterator[tuple[str, int]]:
    """A service of its own: its address and process."""
    words = [sys.executable, "-m", "actionunits", "serve", "--port", "0", "--no-browser", *weights]
    environment = {**os.environ, "ACTIONUNITS_TOKEN": TOKEN}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().partition("/?")[0], process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def webcam(address: str, pid: int, photo: Path, seconds: float) -> None:
    pictures = moved(photo)
    late_ms: list[float] = []
    memory: list[tuple[float, float]] = []
    url, headers = address.replace("http", "ws") + "/v1/live", {"Authorization": f"Bearer {TOKEN}"}
    with connect(url, additional_headers=headers, origin=address) as socket:
        assert json.loads(socket.recv()) == {"ready": True}
        began, busy_s = time.perf_counter(), processor_s(pid)

        def send() -> None:
            for k in range(int(seconds * FPS)):
                time.sleep(max(0, began + k / FPS - time.perf_counter()))
                socket.send(struct.pack(">d", time.perf_counter() - began) + pictures[k % STEPS])

        sender = threading.Thread(target=send)
        sender.start()
        while sender.is_alive():
            told = json.loads(socket.recv())
            now = time.perf_counter() - began
            late_ms.append(1000 * (now - told["time_s"]))
            if now > 5 and (not memory or now - memory[-1][0] > 1):  # what it loads first is no growth
                memory.append((now, resident_mb(pid)))
        busy_s = processor_s(pid) - busy_s
    fps, (middle, most) = len(late_ms) / seconds, np.percentile(late_ms, (50, 95))
    slope = np.polyfit(*np.array(memory).T, 1)[0] * 3600 if len(memory) > 2 else float("nan")
    print(f"webcam: {fps:.1f} frames per second, {middle:.0f} ms in the middle, {most:.0f} ms at the 95th percentile")
    print(f"webcam: {1000 * busy_s / len(late_ms):.0f} ms of processor time for each frame")
    print(f"webcam: {memory[-1][1]:.0f} MB in all, {slope:+.1f} MB per hour by a line through the run")


def moved(photo: Path) -> list[bytes]:
    """The photograph at places that come back, as JPEG."""
    with Image.open(photo) as opened:
        picture = opened.convert("RGB")
        picture.thumbnail(SIZE)
    found = []
    for k in range(STEPS):
        canvas = Image.new("RGB", SIZE, (90, 90, 90))
        canvas.paste(picture, ((SIZE[0] - picture.width) // 2 + int(20 * np.sin(2 * np.pi * k / STEPS)), 0))
        file = io.BytesIO()
        canvas.save(file, "JPEG", quality=80)
        found.append(file.getvalue())
    return found


def page(address: str, browser: str, photo: Path, seconds: float) -> None:
    """What the page shows of its webcam, twice a second."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        camera = Path(folder) / "camera.mjpeg"
        camera.write_bytes(b"".join(moved(photo)))
        fake = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
        words = [*fake, f"--use-file-for-fake-video-capture={camera}", "--disable-gpu"]
        opened = started.chromium.launch(executable_path=shutil.which(browser), args=words, chromium_sandbox=False)
        shown = opened.new_page()
        shown.goto(f"{address}/?token={TOKEN}")
        shown.wait_for_selector("#list[aria-busy=false]", state="attached")
        shown.click("#webcam")
        shown.wait_for_selector("#speed:has-text('frames per second')", timeout=60_000)
        told = []
        for _ in range(int(2 * seconds)):
            shown.wait_for_timeout(500)
            told.append([float(number) for number in re.findall(r"\d+", shown.inner_text("#speed"))])
        opened.close()
    fps, late_ms = np.array(told[10:] or told).T  # the first seconds load what is needed
    middle, most = np.percentile(late_ms, (50, 95))
    print(f"page: {np.median(fps):.0f} frames per second, {middle:.0f} ms, {most:.0f} ms at the 95th percentile")


def video(address: str, clip: Path, weights: list[str]) -> None:
    """The same video in turns, by the service and by the command line, from start to table."""
    served, commanded = [], []
    for _ in range(3):
        began = time.perf_counter()
        job = upload(address, clip.read_bytes())
        assert waited(address, job)["state"] == "done"
        served.append(time.perf_counter() - began)
        with tempfile.TemporaryDirectory() as out:
            began = time.perf_counter()
            words = [sys.executable, "-m", "actionunits", "detect", str(clip), "--timeline", "--out", out, "-q"]
            subprocess.run([*words, *weights], check=True)
            commanded.append(time.perf_counter() - began)
    times = f"{min(served):.1f} s served, {min(commanded):.1f} s by the command line with --timeline"
    print(f"video: {times}, {min(served) / min(commanded):.2f} times as long")


def many(address: str, pid: int, contents: list[bytes]) -> None:
    """Send all of them at once; every one must come to its end, and the service must still answer."""
    most, over = resident_mb(pid), threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(0.2):
            most = max(most, resident_mb(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    with ThreadPoolExecutor(20) as pool:
        states = list(pool.map(lambda content: waited(address, upload(address, content))["state"], contents))
    over.set()
    watcher.join()
    assert set(states) == {"done"}
    urllib.request.urlopen(f"{address}/healthz", timeout=10).read()
    seconds = time.perf_counter() - began
    print(f"uploads at once: {len(states)} in {seconds:.0f} s, {most:.0f} MB at most in all processes")


def upload(address: str, content: bytes) -> str:
    """The number of a new analysis; waits where the service has no room yet."""
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + content + b"\r\n--x--\r\n"
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "multipart/form-data; boundary=x"}
    while True:
        try:
            request = urllib.request.Request(f"{address}/v1/analyses", body, headers)
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["id"]
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503):
                raise
            time.sleep(1)


def waited(address: str, job: str) -> dict:
    request = urllib.request.Request(f"{address}/v1/analyses/{job}", headers={"Authorization": f"Bearer {TOKEN}"})
    while True:
        with urllib.request.urlopen(request, timeout=60) as answer:
            told = json.load(answer)
        if told["state"] in ("done", "failed"):
            return told
        time.sleep(0.1)


def resident_mb(pid: int) -> float:
    """Memory of a process and those below it."""
    return sum(memory_mb("VmRSS", each) for each in (pid, *descendants(pid)))


def processor_s(pid: int) -> float:
    """Processor time that a process and those below it have had."""
    return sum(cpu_s(each) for each in (pid, *descendants(pid)))


if __name__ == "__main__":
    main()
