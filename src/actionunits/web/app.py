"""The application: routes of the page and of the API, behind the guard."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Match, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from actionunits import __version__
from actionunits.web.analyses import FILES, LINES, RUNNING, WAITING, Analyses, Full, Job
from actionunits.web.folder import private_folder
from actionunits.web.guard import REFUSED_CODE, Guard
from actionunits.web.limits import Limits
from actionunits.web.live import LiveSessions
from actionunits.web.openapi import NDJSON, openapi
from actionunits.web.told import COLUMNS, ROWS_FORM
from actionunits.web.uploads import name_of, options_of, put_into, received_form

PAGE = Path(__file__).parent / "page"


class Service:
    """What answers requests; `app` is the ASGI application.

    model: what `process.describe` told. detector: options of `Detector`. hosts: names under which this machine may be
    asked, besides its numbers and localhost. folder: where the private folder is made.
    """

    def __init__(
        self,
        model: dict[str, Any],
        detector: dict[str, Any],
        limits: Limits,
        token: str,
        hosts: Collection[str] = (),
        folder: Path | None = None,
    ) -> None:
        self._detector, self._limits, self._parent = detector, limits, folder
        self._live = LiveSessions(detector, limits)
        self._guard: Guard | None = None

        def guarded(app: ASGIApp) -> Guard:
            self._guard = Guard(app, token, hosts, limits.starts_per_minute)
            return self._guard

        one = "/v1/analyses/{id}"
        routes = [
            Route("/healthz", self._health),
            Route("/metrics", self._metrics),
            Route("/v1/openapi.json", lambda request: JSONResponse(openapi())),
            Route("/v1/model", lambda request: JSONResponse(model | {"version": __version__})),
            _route("/v1/analyses", GET=self._all, POST=self._start),
            _route(one, GET=self._told, DELETE=self._remove),
            Route(f"{one}/{{lines}}", self._lines, methods=["GET"]),
            Route(f"{one}/files/{{name}}", self._file, methods=["GET"]),
            WebSocketRoute("/v1/live", self._live.serve),
            _PageMount("/", _Page(directory=PAGE, html=True)),
        ]
        self.app = Starlette(
            routes=routes,
            middleware=[Middleware(guarded)],
            lifespan=self._lifespan,
            exception_handlers={HTTPException: _in_words, Full: _full},
        )

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        with private_folder(self._parent) as folder:
            self._analyses = Analyses(folder, self._detector, self._limits)
            try:
                yield
            finally:
                await self._analyses.close()

    async def _health(self, request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _metrics(self, request: Request) -> Response:
        analyses, refused = self._analyses, self._guard.refused if self._guard else {}
        lines = [
            *_metric("analyses_waiting", "gauge", {"": analyses.count(WAITING)}),
            *_metric("analyses_running", "gauge", {"": analyses.count(RUNNING)}),
            *_metric("analyses_total", "counter", {f'{{state="{k}"}}': n for k, n in analyses.ended.items()}),
            *_metric("frames_total", "counter", {"": analyses.frames}),
            *_metric("webcams_running", "gauge", {"": self._live.running}),
            *_metric("webcam_frames_total", "counter", {"": self._live.frames}),
            *_metric("refused_total", "counter", {f'{{reason="{k}"}}': n for k, n in refused.items()}),
        ]
        return PlainTextResponse("\n".join([*lines, ""]), media_type="text/plain; version=0.0.4")

    async def _all(self, request: Request) -> Response:
        return JSONResponse([job.told() for job in self._analyses.all()])

    async def _start(self, request: Request) -> Response:
        # A length that is not announced may be the largest, and what is beyond it is refused in a moment.
        announced, most = request.headers.get("content-length", ""), self._limits.upload_bytes
        with self._analyses.room(min(int(announced), most) if announced.isdecimal() else most):
            async with received_form(request, self._limits) as form:
                options = options_of(form)
                folder = self._analyses.new_folder()
                try:
                    await put_into(folder, form)
                    job = self._analyses.add(folder, name_of(form), options)
                except BaseException:
                    shutil.rmtree(folder, ignore_errors=True)
                    raise
        if NDJSON in request.headers.get("accept", ""):
            return _stream(job, "rows")
        return JSONResponse(job.told(), 202, {"Location": f"/v1/analyses/{job.id}"})

    async def _told(self, request: Request) -> Response:
        return JSONResponse(self._job(request).told())

    async def _remove(self, request: Request) -> Response:
        self._analyses.remove(self._job(request))
        return Response(status_code=204)

    async def _lines(self, request: Request) -> Response:
        what = request.path_params["lines"]
        if what not in LINES:
            raise HTTPException(404, "there is nothing at this address")
        return _stream(self._job(request), what)

    async def _file(self, request: Request) -> Response:
        job, name = self._job(request), request.path_params["name"]
        if name not in job.told()["files"]:
            raise HTTPException(404, "this analysis has no such file")
        file, ending, kind = FILES[name]
        given = f"{PurePosixPath(job.name.replace(chr(92), '/')).stem or 'results'}{ending}"
        said = f"attachment; filename*=UTF-8''{quote(given, safe='')}"
        return FileResponse(job.folder / file, media_type=kind, headers={"Content-Disposition": said})

    def _job(self, request: Request) -> Job:
        job = self._analyses.get(request.path_params["id"])
        if job is None:
            raise HTTPException(404, "there is no such analysis; it may have been removed")
        return job


class _Page(StaticFiles):
    """The files of the page. A WebSocket has nothing there."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await super().__call__(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": REFUSED_CODE})


class _PageMount(Mount):
    """The page at all other addresses. A request that it cannot answer is left to a route of the same address."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        reads = scope["type"] != "http" or scope["method"] in ("GET", "HEAD")
        return (match if reads or match is Match.NONE else Match.PARTIAL), child


def _route(path: str, **handlers: Callable[[Request], Awaitable[Response]]) -> Route:
    """One address with a handler for each method: whoever asks with another one is told all of them."""

    async def answer(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, answer, methods=list(handlers))


def new_token() -> str:
    """A token that nobody can guess."""
    return secrets.token_urlsafe(24)


def _stream(job: Job, what: str) -> Response:
    """A first line with the form and its columns, the lines, and a last one with the end: an answer that breaks off
    lacks it."""

    async def lines() -> AsyncIterator[bytes]:
        head: dict[str, Any] = {"id": job.id}
        yield _line(head | ({"schema": ROWS_FORM, "columns": COLUMNS} if what == "rows" else {}))
        async for part in job.lines(what):
            yield part
        damage = job.result.get("damage")
        yield _line({"end": job.state if job.is_over else "removed", "error": job.error, "damage": damage})

    return StreamingResponse(lines(), media_type=NDJSON)


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _metric(name: str, kind: str, values: dict[str, int]) -> list[str]:
    full = f"actionunits_{name}"
    return [f"# TYPE {full} {kind}", *(f"{full}{labels} {value}" for labels, value in values.items())]


async def _in_words(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _full(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 503, {"Retry-After": "10"})
