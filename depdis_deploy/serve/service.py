"""A server's state, and what it does with one picture."""

from __future__ import annotations

import time
from dataclasses import dataclass

from depdis_deploy.command import InputError
from depdis_deploy.media.image_files import TooLarge
from depdis_deploy.media.image_workers import ImageDecoder
from depdis_deploy.patience import Flag
from depdis_deploy.predictor import Predictor

from .answers import Wanted, encoded
from .body import Bodies
from .metrics import Metrics
from .refusal import Refusal
from .settings import Settings
from .workers import Workers

# What browsers and cameras send; each further one would be another decoder that anybody can reach.
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
        self.decoder = ImageDecoder(settings.workers)
        self.bodies = Bodies(settings)
        model = {
            "model": predictor.model.name, "precision": predictor.manifest.precision, "device": predictor.device
        }  # fmt: skip
        self.metrics = Metrics(self.workers, model)
        self.under_way = 0
        self.draining = False

    def work(self, data: bytes, asked: Wanted, submitted: float, stopped: Flag | None = None) -> Served:
        """Decode, predict and encode one image, in a worker thread.

        Args:
            data: Bytes of the image.
            asked: What the request asks for.
            submitted: Time by the performance counter at which the request began to wait.
            stopped: Once it is set, the image is given up.

        Raises:
            Refusal: 413 or 422, the image is not accepted.
        """
        begun = time.perf_counter()
        try:
            image = self.decoder.decode(
                data, "the image", max_pixels=self.settings.max_pixels, formats=FORMATS, stopped=stopped
            )
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

    def close(self) -> None:
        """End the workers; what they decode is given up, what waits is dropped."""
        self.workers.close()
        self.decoder.close()
