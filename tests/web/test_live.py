"""The webcam's WebSocket: results, the resting face, bad pictures, and that the newest picture wins."""

import asyncio
import struct

import pytest
from small_service import TOKEN, linux_only

pytest.importorskip("starlette", reason="the extra `web` is not installed")

from starlette.websockets import WebSocketDisconnect

from actionunits.aus import SYNTH_AUS
from actionunits.scores.resting import MIN_FRAMES
from actionunits.web.live import _Newest
from actionunits.web.worker import FORGET_NEUTRAL, LIVE_HEADER

HEADERS = {"Host": "127.0.0.1:8321", "Authorization": f"Bearer {TOKEN}", "Origin": "http://127.0.0.1:8321"}


def live(client):
    return client.websocket_connect("/v1/live", headers=HEADERS)


def message(picture, time_s):
    return struct.pack(">d", time_s) + picture


def test_pictures_come_back_as_faces_that_keep_their_number(serve, photo):
    with live(serve()) as socket:
        assert socket.receive_json() == {"ready": True}
        for k in range(4):
            socket.send_bytes(message(photo, 0.1 * k))
            told = socket.receive_json()
            (face,) = told["faces"]
            assert (told["frame"], told["time_s"], told["neutral"]) == (k + 1, pytest.approx(0.1 * k), [])
            assert face["id"] == 0 and len(face["prob"]) == len(SYNTH_AUS)


def test_the_resting_face_reads_nothing_and_can_be_forgotten(serve, photo):
    with live(serve()) as socket:
        socket.receive_json()

        def highest(time_s):
            socket.send_bytes(message(photo, time_s))
            told = socket.receive_json()
            return max(told["faces"][0]["intensity"]), told["neutral"]

        assert highest(0.0)[0] > 0
        socket.send_text("neutral")
        assert highest(0.1) == (0, [0]) and highest(0.2)[1] == [0]
        socket.send_text("forget")
        later, neutral = highest(0.3)
        assert later > 0 and neutral == []


def test_people_are_measured_from_the_rest_that_they_have_shown_so_far(serve, photo, resting_weights):
    with live(serve(weights=resting_weights)) as socket:
        socket.receive_json()
        socket.send_text("calibrate")
        told = []
        for k in range(MIN_FRAMES + 1):
            socket.send_bytes(message(photo, 0.1 * k))
            told.append(socket.receive_json())
        highest = [max(frame["faces"][0]["intensity"]) for frame in told]
        assert [frame["neutral"] for frame in told] == [[]] * (MIN_FRAMES - 1) + [[0]] * 2
        assert min(highest[: MIN_FRAMES - 1]) > 0.1 and max(highest[MIN_FRAMES - 1 :]) < 0.1
        socket.send_text("forget")
        socket.send_bytes(message(photo, 9.0))
        told = socket.receive_json()
        assert told["neutral"] == [] and max(told["faces"][0]["intensity"]) > 0.1


def test_who_does_something_all_the_time_has_shown_no_rest(serve, photo):
    with live(serve()) as socket:
        socket.receive_json()
        socket.send_text("calibrate")
        for k in range(MIN_FRAMES + 1):
            socket.send_bytes(message(photo, 0.1 * k))
            assert socket.receive_json()["neutral"] == []


@pytest.mark.parametrize("time_s", [float("nan"), float("inf"), -5.0, 1e300])
def test_times_go_forward_whatever_is_sent(serve, photo, time_s):
    with live(serve()) as socket:
        socket.receive_json()
        socket.send_bytes(message(photo, 1.0))
        socket.receive_json()
        socket.send_bytes(message(photo, time_s))
        assert socket.receive_json()["time_s"] == 1.0


def test_a_picture_that_cannot_be_read_is_told_and_the_next_is_read(serve, photo):
    with live(serve()) as socket:
        socket.receive_json()
        for content in (b"x", b"\xff\xd8\xff" + b"\x00" * 99, b"GIF89a" + b"\x00" * 99):
            socket.send_bytes(message(content, 0.0))
            assert "cannot be read" in socket.receive_json()["error"]
        socket.send_bytes(message(photo, 0.1))
        assert socket.receive_json()["frame"] == 1


@pytest.mark.parametrize("send", [("text", "make coffee"), ("bytes", b"short"), ("bytes", b"x" * 3000)])
def test_other_messages_end_the_session(serve, send):
    with live(serve(live_frame_bytes=2000)) as socket:
        socket.receive_json()
        (socket.send_text if send[0] == "text" else socket.send_bytes)(send[1])
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_json()
        assert ended.value.code == 1011


def test_webcams_have_a_number_and_quiet_ones_end(serve):
    client = serve(live=1, live_idle_s=0.1)  # less than a process takes to start
    with live(client) as socket, live(client) as second:
        with pytest.raises(WebSocketDisconnect) as refused:
            second.receive_json()
        assert refused.value.code == 1013
        assert socket.receive_json() == {"ready": True}
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_json()
        assert ended.value.code == 1000 and "a while" in ended.value.reason
    assert "actionunits_webcams_running 0" in client.get("/metrics").text


@linux_only
def test_a_process_that_dies_is_told(serve):
    with live(serve(memory_bytes=60 << 20)) as socket:
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_json()
        assert ended.value.code == 1011 and "memory" in ended.value.reason


def test_the_newest_picture_wins():
    forget = LIVE_HEADER.pack(FORGET_NEUTRAL, 0.0, 0)

    async def taken():
        newest = _Newest()
        for k in range(10):  # nobody takes them
            newest.put(b"%d" % k)
        newest.order(forget)
        first = await newest.take()
        newest.put(b"10")
        with pytest.raises(TimeoutError):  # one is in work
            await asyncio.wait_for(newest.take(), 0.05)
        newest.put(b"11")
        newest.answered()
        return first, await newest.take()

    assert asyncio.run(taken()) == (forget + b"9", b"11")
