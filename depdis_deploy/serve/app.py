"""The routes."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from depdis_deploy.command import InputError, UsageError, one_line

from .answers import NotAcceptable, Wanted, wanted
from .guard import Guard
from .metrics import MEDIA_TYPE
from .openapi import document
from .page import page
from .refusal import Refusal, Refused
from .service import Served, Service
from .workers import Full

_LEFT = 499  # in the log, of a client that did not wait; nobody gets it
_STAGES = ("wait", "decode", "preprocess", "inference", "postprocess", "encode")


def application(service: Service) -> ASGIApp:
    """The whole server as an ASGI application."""
    described = document(service.predictor.manifest, service.settings)
    shown = page(described)
    secured = {
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    }
    manifest = service.predictor.manifest.to_json()

    async def model(request: Request) -> Response:
        return Response(manifest, media_type="application/json")

    async def openapi(request: Request) -> Response:
        return JSONResponse(described)

    async def docs(request: Request) -> Response:
        return HTMLResponse(shown, headers=secured)

    async def home(request: Request) -> Response:
        return RedirectResponse("/docs")

    async def alive(request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def ready(request: Request) -> Response:
        if service.draining:
            raise Refusal(503, "the server is about to end", retry_after_s=5)
        return PlainTextResponse("ready\n")

    async def metrics(request: Request) -> Response:
        return Response(service.metrics.text(), media_type=MEDIA_TYPE)

    routes = [
        Route("/predict", partial(_predict, service), methods=["POST"]),
        Route("/model", model), Route("/docs", docs), Route("/openapi.json", openapi), Route("/", home),
        Route("/healthz", alive), Route("/readyz", ready), Route("/metrics", metrics),
    ]  # fmt: skip
    handlers = {Refusal: _refused, HTTPException: _http, Exception: _failed}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), service)


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
        raise Refusal(503, "the server is about to end", retry_after_s=5)
    try:
        # Before the body is read, which would be for nothing.
        service.workers.refuse_if_full()
        data = await service.bodies.read(request)
        try:
            served = await _served(service, request, data, asked)
        finally:
            service.bodies.release(len(data))
    except Full as error:
        raise Refusal(429, "all places are taken; try again later", retry_after_s=error.retry_after_s) from None
    except ClientDisconnect:
        return Response(status_code=_LEFT)
    stages = {name: round(served.stages_ms[name], 2) for name in _STAGES}
    service.metrics.served(stages, served.size[0] * served.size[1])
    request.scope["depdis"].update(size="{}x{}".format(*served.size), stages_ms=stages)
    timing = ", ".join(f"{name};dur={milliseconds}" for name, milliseconds in stages.items())
    return Response(served.body, media_type=asked.media_type, headers={"server-timing": timing})


async def _served(service: Service, request: Request, data: bytes, asked: Wanted) -> Served:
    """The answer, unless the client leaves first: then what has not begun is not done."""
    stopped = threading.Event()
    work = service.workers.submit(partial(service.work, data, asked, time.perf_counter(), stopped))
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((work, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
            raise ClientDisconnect
        return work.result()
    finally:
        stopped.set()
        leaving.cancel()
        work.cancel()  # where the request was, so that what has not begun is not done


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
        404: f"{path!r}: there is no such page; /docs lists them",
        405: f"{request.method} is not for {path!r}",
    }
    response = Refused(error.status_code, texts.get(error.status_code, error.detail))
    response.headers.update(error.headers or {})
    return response


async def _failed(request: Request, error: Exception) -> Response:
    """What went wrong inside is in the log; a client is told that it did, and under which number."""
    if isinstance(error, (InputError, MemoryError)):
        return Refused(500, f"this picture could not be predicted: {one_line(error)[:200]}")
    return Refused(500, f"an error inside the server; its log has it under {request.scope['depdis']['id']}")
