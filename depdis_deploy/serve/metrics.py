"""Metrics in the Prometheus format."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from .responses import ResponseMemory
from .workers import Workers

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The metrics of one server, in a registry of their own."""

    def __init__(self, workers: Workers, memory: ResponseMemory, model: Mapping[str, str]) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter("depdis_requests", "Requests answered", ["route", "status"], registry=registry)
        self._seconds = Histogram(
            "depdis_request_seconds",
            "From a request's header to the end of its response",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._stages = Histogram(
            "depdis_stage_seconds", "Time of a served image in each stage", ["stage"], buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self._pixels = Counter("depdis_pixels", "Pixels of the images served", registry=registry)
        gauges = {
            "depdis_places": ("Images that may be in progress or wait", lambda: workers.places),
            "depdis_places_taken": ("Images in progress or waiting", lambda: workers.taken),
            "depdis_waiting": ("Images waiting", lambda: workers.waiting),
            "depdis_response_bytes": ("Responses that clients have not read yet", lambda: memory.used),
            "depdis_response_limit_bytes": ("Limit of depdis_response_bytes", lambda: memory.limit),
        }
        for name, (text, value) in gauges.items():
            Gauge(name, text, registry=registry).set_function(value)
        Gauge("depdis_model_info", "The model served", list(model), registry=registry).labels(**model).set(1)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def served(self, stages_ms: Mapping[str, float], pixels: int) -> None:
        """Count an image and the milliseconds of its stages."""
        for stage, milliseconds in stages_ms.items():
            self._stages.labels(stage).observe(milliseconds / 1000)
        self._pixels.inc(pixels)

    def text(self) -> bytes:
        """Return the page that Prometheus scrapes."""
        return generate_latest(self._registry)
