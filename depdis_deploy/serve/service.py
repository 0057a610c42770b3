"""A server's state, and what it does with one picture."""

from __future__ import annotations

import time
from dataclasses import dataclass

from depdis_deploy.command import InputError
from depdis_deploy.pictures import TooLarge, decode_picture
from depdis_deploy.predictor import Predictor

from .answers import Wanted, encoded
from .body import Bodies
from .metrics import Metrics
from .refusal import Refusal
from .settings import Settings
from .workers import Workers

# What browsers and cameras send. Pillow reads many more, each of which would be open to whoever sends; and the
# library that reads TIFF writes its complaints to stderr, into the log.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")


@dataclass(frozen=True)
class Served:
    """An answer. stages_ms: milliseconds of each stage; size: (width, height) of the picture."""

    body: bytes
    stages_ms: dict[str, float]
    size: tuple[int, int]


class Service:
    """What requests share. under_way: requests begun and not answered; draining: the server is to end."""

    def __init__(self, predictor: Predictor, settings: Settings) -> None:
        self.predictor, self.settings = predictor, settings
        self.workers = Workers(settings.workers, settings.queue)
        self.bodies = Bodies(settings)
        model = {
            "model": predictor.model.name, "precision": predictor.manifest.precision, "device": predictor.device
        }  # fmt: skip
        self.metrics = Metrics(self.workers, model)
        self.under_way = 0
        self.draining = False

    def work(self, data: bytes, asked: Wanted, submitted: float) -> Served:
        """In a worker: decode, predict, encode. Refusal: 413 or 422, no picture that is taken.

        submitted: the performance counter's time at which it began to wait.
        """
        begun = time.perf_counter()
        try:
            image = decode_picture(data, max_pixels=self.settings.max_pixels, formats=FORMATS)
        except TooLarge as error:
            raise Refusal(413, str(error)) from None
        except InputError as error:
            raise Refusal(422, str(error)) from None
        decoded = time.perf_counter()
        predictor = self.predictor
        (prediction,) = predictor.predict([image], outputs=asked.computed(predictor.manifest.outputs))
        speed = dict(prediction.speed)
        predicted = time.perf_counter()
        body = encoded(prediction, asked)
        ended = time.perf_counter()
        stages = {"wait": begun - submitted, "decode": decoded - begun, "encode": ended - predicted}
        milliseconds = {name: 1000 * seconds for name, seconds in stages.items()}
        return Served(body, milliseconds | speed, (image.shape[1], image.shape[0]))
