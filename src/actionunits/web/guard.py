"""Who may ask: token, host and origin of every request, how often, and the headers of every answer.

A page of another site cannot read answers or start anything: it has no token, its origin is refused, and a name of
its own that it lets point to this machine (DNS rebinding) is no host of ours.
"""

from __future__ import annotations

import ipaddress
import secrets
import time
from collections import Counter
from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPEN_PATHS = frozenset({"/healthz"})  # tell nothing about anybody
READING = frozenset({"GET", "HEAD"})
STARTING = frozenset({"/v1/analyses", "/v1/live"})
REFUSED_CODE = 1008  # of a WebSocket: against the rules
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


class Guard:
    """Wraps an application: what it lets pass comes from somebody who knows the token, at a host of ours."""

    def __init__(self, app: ASGIApp, token: str, hosts: Collection[str], starts_per_minute: int) -> None:
        self._app, self._token, self._hosts = app, token, {"localhost", *hosts}
        self._rate = Rate(starts_per_minute)
        self.refused: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        answer = self._answer(scope, Headers(scope=scope))
        if answer is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": REFUSED_CODE})
        else:
            await answer(scope, receive, _with_headers(send))

    def _answer(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to a request that goes no further; None for one that does."""
        if not self._is_own_host(headers.get("host", "")):
            return self._refuse("host", 421, "this host name is not one of the service; see --allow-host")
        if scope["path"] in OPEN_PATHS:
            return None
        is_reading = scope["type"] == "http" and scope["method"] in READING
        if is_reading and scope["path"] == "/" and (told := QueryParams(scope["query_string"]).get("token")):
            return self._signed_in(scope, headers, told)
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        by_header = headers.get("authorization", "").partition(" ")[2]
        by_cookie = _cookie(headers, _cookie_name(scope))
        foreign = origin is not None and origin.partition("://")[2] != headers["host"]
        # Browsers name the origin of whatever changes something, and add cookies that the page need not know.
        unnamed = by_cookie and not by_header and not is_reading and origin is None
        if foreign or unnamed or (not is_reading and site not in ("same-origin", "none")):
            return self._refuse("origin", 403, "requests of other pages are refused")
        if not secrets.compare_digest((by_header or by_cookie).encode(), self._token.encode()):
            return self._refuse("token", 401, "open the address that the service printed: it holds the token")
        if not is_reading and scope["path"] in STARTING and not self._rate.allows(_client(scope)):
            return self._refuse("rate", 429, "too many requests in a minute; wait a little")
        return None

    def _is_own_host(self, host: str) -> bool:
        """Whether a Host header names this machine: by a number, which no other name can stand for, or as known."""
        name = host.rpartition("]")[0].removeprefix("[") or host.partition(":")[0]
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name.lower() in self._hosts
        return True

    def _signed_in(self, scope: Scope, headers: Headers, told: str) -> Response:
        """The page without the token in its address, which would stay in the history, and a cookie instead."""
        if not secrets.compare_digest(told.encode(), self._token.encode()):
            return self._refuse("token", 401, "the token of this address is not that of the running service")
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            _cookie_name(scope), told, httponly=True, samesite="strict", secure=scope["scheme"] == "https"
        )
        return answer

    def _refuse(self, reason: str, status: int, words: str) -> Response:
        self.refused[reason] += 1
        return JSONResponse({"error": words}, status, {"Retry-After": "10"} if status == 429 else None)


class Rate:
    """How often each client may start something: a minute's share at once, then as it fills up again."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._left: dict[str, tuple[float, float]] = {}  # starts left, at which time

    def allows(self, client: str) -> bool:
        """Count one start; False where there is none left."""
        now = time.monotonic()
        left, since = self._left.get(client, (float(self._per_minute), now))
        left = min(self._per_minute, left + (now - since) * self._per_minute / 60)
        if len(self._left) > 10_000:  # clients of a minute ago have their whole share again
            self._left = {name: value for name, value in self._left.items() if now - value[1] < 60}
        self._left[client] = (max(left - 1, 0.0) if left >= 1 else left, now)
        return left >= 1


def _client(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else ""


def _cookie_name(scope: Scope) -> str:
    """Browsers send cookies to every port of a host: two services must not take each other's."""
    server = scope.get("server")
    return f"actionunits-{server[1] if server else 0}"


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return sent
