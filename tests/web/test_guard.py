"""Who gets in, and who does not: attacks from other pages, names and addresses, one by one."""

import pytest
from small_service import TOKEN

pytest.importorskip("starlette", reason="the extra `web` is not installed")

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from actionunits.web.guard import Guard, Rate

HERE = "http://127.0.0.1:8321"


async def greet(request):
    return PlainTextResponse("in")


async def socket(socket):
    await socket.accept()
    await socket.send_text("in")
    await socket.close()


def client(base=HERE, hosts=(), per_minute=1000, **options):
    routes = [Route(path, greet, methods=["GET", "POST"]) for path in ("/", "/healthz", "/v1/analyses")]
    app = Starlette(routes=[*routes, WebSocketRoute("/v1/live", socket)])
    return TestClient(Guard(app, TOKEN, hosts, per_minute), base, **options)


BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8321", "localhost:8321", "LOCALHOST", "[::1]:8321", "192.168.1.7:8321", "box.local:8321"]
)
def test_names_of_this_machine_are_answered(host):
    assert client(hosts=["box.local"]).get("/", headers={**BEARER, "Host": host}).text == "in"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8321", "127.0.0.1.evil.example", "localhost.evil.example", "", "127.0.0.1@evil"],
)
def test_a_name_that_only_points_here_is_refused(host):
    # DNS rebinding: the browser believes that it still speaks with the site of that name.
    answer = client().get("/", headers={**BEARER, "Host": host})
    assert answer.status_code == 421 and answer.text != "in"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:8321"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_origin_is_refused_even_with_the_token(origin, method):
    answer = client().request(method, "/v1/analyses", headers={**BEARER, "Origin": origin})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_a_cookie_changes_something_only_from_the_page_itself():
    signed_in = client(follow_redirects=True)
    assert signed_in.get(f"/?token={TOKEN}").text == "in"
    assert signed_in.post("/v1/analyses").status_code == 403  # no page of ours would leave its origin out
    assert signed_in.post("/v1/analyses", headers={"Origin": HERE}).text == "in"
    crossed = {"Origin": HERE, "Sec-Fetch-Site": "cross-site"}
    assert signed_in.post("/v1/analyses", headers=crossed).status_code == 403


def test_the_token_leaves_the_address():
    answer = client(follow_redirects=False).get(f"/?token={TOKEN}")
    assert answer.status_code == 303 and answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("actionunits-8321=") and "HttpOnly" in cookie and "samesite=strict" in cookie.lower()


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer "}, {"Authorization": "Bearer wrong"}])
def test_nothing_but_health_is_told_without_the_token(headers):
    anybody = client()
    assert anybody.get("/healthz", headers=headers).text == "in"
    assert anybody.get("/", headers=headers).status_code == 401
    assert anybody.get("/?token=wrong", headers=headers).status_code == 401
    assert anybody.get(f"/v1/analyses?token={TOKEN}", headers=headers).status_code == 401
    assert anybody.post("/v1/analyses", headers=headers).status_code == 401
    for cookie in (b"actionunits-8321=\xe9", b'actionunits-8321="', b"=;=", b"actionunits-8321=" + b"x" * 5000):
        assert anybody.get("/", headers={**headers, "Cookie": cookie}).status_code == 401


@pytest.mark.parametrize("headers", [{}, {"Origin": HERE}, {**BEARER, "Origin": "http://evil.example"}])
def test_a_websocket_needs_token_and_origin_too(headers):
    host = {"Host": "127.0.0.1:8321"}
    with pytest.raises(WebSocketDisconnect), client().websocket_connect("/v1/live", headers=host | headers):
        pass
    with client().websocket_connect("/v1/live", headers={**host, **BEARER, "Origin": HERE}) as connected:
        assert connected.receive_text() == "in"


def test_starts_are_counted_and_reading_is_not():
    often = client(per_minute=2)
    codes = [often.post("/v1/analyses", headers=BEARER).status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    assert often.get("/v1/analyses", headers=BEARER).status_code == 200


def test_starts_come_back_with_time(monkeypatch):
    now = 100.0
    monkeypatch.setattr("actionunits.web.guard.time.monotonic", lambda: now)
    rate = Rate(per_minute=2)
    assert [rate.allows("a") for _ in range(3)] == [True, True, False] and rate.allows("b")
    now += 31.0
    assert [rate.allows("a") for _ in range(2)] == [True, False]


def test_every_answer_has_the_policy():
    for path, headers in (("/", BEARER), ("/", {}), ("/healthz", {})):
        told = client().get(path, headers=headers).headers
        policy = told["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
        assert told["x-content-type-options"] == "nosniff" and told["cache-control"] == "no-store"
