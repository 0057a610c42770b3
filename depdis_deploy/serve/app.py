"""The routes."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from depdis_deploy.command import InputError, UsageError, one_line

from .answers import NotAcceptable, Wanted, wanted
from .guard import Guard
from .metrics import MEDIA_TYPE
from .openapi import document
from .page import page
from .refusal import Refusal, Refused
from .responses import PredictionResponse, Reservation
from .service import Served, Service
from .workers import Full

_LEFT = 499  # status in the log of a request whose client did not wait
_STAGES = ("wait", "decode", "preprocess", "inference", "postprocess", "encode")


def application(service: Service) -> ASGIApp:
    """Return the server as an ASGI application."""
    described = document(service.predictor.manifest, service.settings)
    shown = page(described)
    secured = {
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    }
    manifest = service.predictor.manifest.to_json()
    root_path = service.settings.root_path

    async def model(request: Request) -> Response:
        return Response(manifest, media_type="application/json")

    async def openapi(request: Request) -> Response:
        return JSONResponse(described)

    async def docs(request: Request) -> Response:
        return HTMLResponse(shown, headers=secured)

    async def home(request: Request) -> Response:
        return _redirect(f"{root_path}/docs" if root_path else "docs")

    async def docs_with_slash(request: Request) -> Response:
        return _redirect("../docs")  # for the page's relative links

    async def alive(request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def ready(request: Request) -> Response:
        if service.draining:
            raise _shutting_down()
        return PlainTextResponse("ready\n")

    async def metrics(request: Request) -> Response:
        return Response(service.metrics.text(), media_type=MEDIA_TYPE)

    pages = {
        "/model": model, "/openapi.json": openapi, "/healthz": alive, "/readyz": ready, "/metrics": metrics,
    }  # fmt: skip
    routes = [Route("/", home), Route("/docs", docs), Route("/docs/", docs_with_slash)]
    for slash in ("", "/"):
        routes.append(Route(f"/predict{slash}", partial(_predict, service), methods=["POST"]))
        routes += [Route(f"{path}{slash}", show) for path, show in pages.items()]
    app = Starlette(
        routes=routes, exception_handlers={Refusal: _refused, HTTPException: _http, Exception: _failed}
    )
    app.router.redirect_slashes = False  # its redirects name the host that the client's header names
    return Guard(app, service)


def _redirect(path: str) -> Response:
    """Redirect without a host, so that it holds behind any proxy."""
    return Response(status_code=307, headers={"location": path})


def _shutting_down() -> Refusal:
    return Refusal(503, "the server is shutting down", retry_after_s=5)


async def _predict(service: Service, request: Request) -> Response:
    try:
        asked = wanted(
            ",".join(request.headers.getlist("accept")), request.query_params.multi_items(),
            service.predictor.manifest.outputs,
        )  # fmt: skip
    except NotAcceptable as error:
        raise Refusal(406, str(error)) from None
    except UsageError as error:
        raise Refusal(400, str(error)) from None
    if service.draining:
        raise _shutting_down()
    reservation = service.memory.reservation()
    try:
        # before the body is read, which would be in vain
        service.workers.refuse_if_full()
        data = await service.bodies.read(request)
        try:
            served = await _served(service, request, data, asked, reservation)
        finally:
            service.bodies.release(len(data))
    except BaseException as error:
        reservation.close()
        if isinstance(error, Full):
            text = "all places are taken; try again later"
            raise Refusal(429, text, retry_after_s=error.retry_after_s) from None
        if isinstance(error, ClientDisconnect):
            return Response(status_code=_LEFT)
        raise
    stages = {name: round(served.stages_ms[name], 2) for name in _STAGES}
    service.metrics.served(stages, served.size[0] * served.size[1])
    request.scope["depdis"].update(size="{}x{}".format(*served.size), stages_ms=stages)
    timing = ", ".join(f"{name};dur={milliseconds}" for name, milliseconds in stages.items())
    return PredictionResponse(served.parts, reservation, asked.media_type, {"server-timing": timing})


async def _served(
    service: Service, request: Request, data: bytes, asked: Wanted, reservation: Reservation
) -> Served:
    """Return the result of the work, which is given up if the client leaves."""
    stopped = threading.Event()
    work = service.workers.submit(partial(service.work, data, asked, time.perf_counter(), reservation, stopped))
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((work, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientDisconnect
        return work.result()
    finally:
        stopped.set()
        leaving.cancel()
        work.cancel()


async def _left(request: Request) -> None:
    """Wait until the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return error.response()


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path[:80]
    texts = {
        404: f"{path!r}: no such page; /docs lists all pages",
        405: f"{path!r}: method {request.method} is not allowed",
    }
    response = Refused(error.status_code, texts.get(error.status_code, error.detail))
    response.headers.update(error.headers or {})
    return response


async def _failed(request: Request, error: Exception) -> Response:
    """Report an unexpected error without its details, which are in the log."""
    if isinstance(error, (InputError, MemoryError)):
        return Refused(500, f"the prediction failed for this image: {one_line(error)[:200]}")
    return Refused(
        500, f"internal error; the server's log has the details under id {request.scope['depdis']['id']}"
    )
