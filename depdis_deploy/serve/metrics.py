"""Counters and times in Prometheus's format."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from .workers import Workers

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """What one server counts; each has its own registry."""

    def __init__(self, workers: Workers, model: Mapping[str, str]) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter("depdis_requests", "Requests answered", ["route", "status"], registry=registry)
        self._seconds = Histogram(
            "depdis_request_seconds", "From a request's header to its answer", ["route"], buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self._stages = Histogram(
            "depdis_stage_seconds", "Time of a served picture in each stage", ["stage"], buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self._pixels = Counter("depdis_pixels", "Pixels of the pictures served", registry=registry)
        gauges = {
            "depdis_places": ("Pictures that may be under way or wait", lambda: workers.places),
            "depdis_places_taken": ("Pictures under way or waiting", lambda: workers.taken),
            "depdis_waiting": ("Pictures waiting", lambda: workers.waiting),
        }
        for name, (text, value) in gauges.items():
            Gauge(name, text, registry=registry).set_function(value)
        Gauge("depdis_model_info", "The model served", list(model), registry=registry).labels(**model).set(1)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def served(self, stages_ms: Mapping[str, float], pixels: int) -> None:
        """Count a picture's stages, in milliseconds."""
        for stage, milliseconds in stages_ms.items():
            self._stages.labels(stage).observe(milliseconds / 1000)
        self._pixels.inc(pixels)

    def text(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self._registry)
