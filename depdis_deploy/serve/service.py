"""State that requests share, and the work on one image."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from depdis_deploy.command import InputError
from depdis_deploy.media.image_files import TooLarge
from depdis_deploy.media.image_workers import ImageDecoder
from depdis_deploy.patience import Flag
from depdis_deploy.predictor import Predictor

from .answers import Part, Wanted, encoded, estimated_size
from .body import Bodies
from .metrics import Metrics
from .refusal import Refusal
from .responses import Reservation, ResponseMemory
from .settings import Settings
from .workers import Workers

# What browsers and cameras send; each further one would be another decoder that anybody can reach.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")


@dataclass(frozen=True)
class Served:
    """A response. stages_ms: milliseconds of each stage; size: (width, height) of the image."""

    parts: Sequence[Part]
    stages_ms: dict[str, float]
    size: tuple[int, int]


class Service:
    """State that requests share.

    under_way: requests received and not answered; draining: the server is shutting down.
    """

    def __init__(self, predictor: Predictor, settings: Settings) -> None:
        self.predictor, self.settings = predictor, settings
        self.workers = Workers(settings.workers, settings.queue)
        self.decoder = ImageDecoder(settings.workers)
        self.bodies = Bodies(settings)
        self.memory = ResponseMemory(settings.max_response_bytes, settings.timeout_s / 4)
        model = {
            "model": predictor.model.name, "precision": predictor.manifest.precision, "device": predictor.device
        }  # fmt: skip
        self.metrics = Metrics(self.workers, self.memory, model)
        self.under_way = 0
        self.draining = False

    def work(
        self,
        data: bytes,
        asked: Wanted,
        submitted: float,
        reservation: Reservation,
        stopped: Flag | None = None,
    ) -> Served:
        """Decode an image, predict and encode the response, in a worker thread.

        Args:
            data: Image file.
            asked: Requested response.
            submitted: Value of the performance counter when the request was queued.
            reservation: Holds the memory of the response from before the prediction on.
            stopped: Once it is set, the image is given up.

        Raises:
            Refusal: With status 413 or 422 for an image that is not accepted; with status 503 when the memory
                for responses is in use.
            Abandoned: The client has left.
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
        reservation.resize(estimated_size(asked, image.shape[0] * image.shape[1]))
        predictor = self.predictor
        (prediction,) = predictor.predict([image], outputs=asked.computed(predictor.manifest.outputs))
        speed = dict(prediction.speed)
        predicted = time.perf_counter()
        parts = encoded(prediction, asked)
        reservation.resize(sum(map(len, parts)))
        ended = time.perf_counter()
        stages = {"wait": begun - submitted, "decode": decoded - begun, "encode": ended - predicted}
        milliseconds = {name: 1000 * seconds for name, seconds in stages.items()}
        return Served(parts, milliseconds | speed, (image.shape[1], image.shape[0]))

    def close(self) -> None:
        """End the workers; what they decode is given up, what waits is dropped."""
        self.workers.close()
        self.decoder.close()
