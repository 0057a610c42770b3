"""What depdis-infer adds to the network alone: frame rates, and each stage's processor time measured alone.

    python benchmarks/video.py VIDEO [--model M] [--panel quad] [--out benchmarks/results/video.json]

Both sides of each comparison run in turns in one process with the same sessions and threads; the best round of
each counts, since other load on the machine only ever adds time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from depdis_deploy.backends import open_session
from depdis_deploy.backends.cpu import cores
from depdis_deploy.clip import VideoFile
from depdis_deploy.infer import run
from depdis_deploy.job import Options
from depdis_deploy.predictor import BUNDLED_MODEL, Predictor
from depdis_deploy.preprocess import plan, to_input
from depdis_deploy.sources import BUNDLED_CLIP, Frame
from depdis_deploy.video import VideoWriter, even_size, to_yuv

CORES = cores()


class Clock:
    """Wall and processor seconds since it was made; the latter hardly depend on what else the machine does."""

    def __init__(self) -> None:
        self.begun = np.array([time.perf_counter(), time.process_time()])

    def since(self) -> np.ndarray:
        return np.array([time.perf_counter(), time.process_time()]) - self.begun


def network_alone_s(model: Path, frames: list[Frame], outputs: tuple[str, ...]) -> np.ndarray:
    """(wall, processor) seconds a frame of the bare sessions: one thread each, one worker a core."""
    session = open_session(model, "cpu", 1)
    rule = Predictor(model, "cpu", threads=1).manifest.resize
    height, width = frames[0].image.shape[:2]
    geometry = plan((width, height), rule)
    inputs = [to_input(frame.image, geometry, rule)[None] for frame in frames]
    with ThreadPoolExecutor(CORES) as pool:
        clock = Clock()
        for _ in pool.map(lambda image: session.run(image, outputs), inputs):
            pass
        return clock.since() / len(frames)


def command_s(model: Path, video: str, frames: int, panel: str, *save: str) -> np.ndarray:
    """(wall, processor) seconds a frame of the whole command, without the time to load the model."""
    with tempfile.TemporaryDirectory() as folder:
        options = Options(
            sources=(video,), model=model, device="cpu", outdir=Path(folder), save=save, panel=panel, quiet=True
        )
        clock = Clock()
        Predictor(model, "cpu", threads=1)
        loading = clock.since()
        clock = Clock()
        assert run(options) == 0
        return (clock.since() - loading) / frames


def cpu_ms(work: Callable[[], Any], frames: int) -> float:
    """Processor milliseconds a frame, all threads."""
    begun = time.process_time()
    work()
    return 1000 * (time.process_time() - begun) / frames


def stages_alone(model: Path, video: str, frames: list[Frame], panel: str) -> dict[str, float]:
    """Processor milliseconds a frame of each stage, one thread, nothing beside it."""
    predictor = Predictor(model, "cpu", threads=1)
    shown = {"overlay": (), "side-by-side": ("depth",), "quad": ("depth", "density")}[panel]
    predictor.predict(frames[:1])
    predictions: list[Any] = []
    panels: list[np.ndarray] = []

    def decode() -> None:
        with VideoFile(video) as clip:
            for _ in clip:
                pass

    def infer() -> None:
        predictions.extend(predictor.predict([frame], outputs=shown)[0] for frame in frames)

    def draw() -> None:
        for prediction in predictions:
            picture = prediction.plot(panel)
            panels.append(to_yuv(picture, even_size(picture)))

    def encode() -> None:
        with VideoFile(video) as clip, tempfile.TemporaryDirectory() as folder:
            size = (panels[0].shape[1], panels[0].shape[0] * 2 // 3)
            writer = VideoWriter(
                Path(folder) / "x.mp4", size, time_base=clip.time_base, rate=clip.rate, aspect=clip.aspect
            )
            for frame, yuv in zip(frames, panels, strict=True):
                assert frame.pts is not None
                writer.write(yuv, frame.pts)
            writer.close()
            writer.finish(frames[-1].pts or 0)

    count = len(frames)
    stages = {
        "decode": cpu_ms(decode, count), "infer": cpu_ms(infer, count), "draw": cpu_ms(draw, count),
        "encode": cpu_ms(encode, count),
    }  # fmt: skip
    speeds = {name: float(np.median([p.speed[name] for p in predictions])) for name in predictions[0].speed}
    return {**stages, **{f"{name}_wall": value for name, value in speeds.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", nargs="?", default=str(BUNDLED_CLIP))
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL)
    parser.add_argument("--panel", default="overlay")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with VideoFile(given.video) as clip:
        frames = list(clip)
    count = len(frames)
    rounds: dict[str, list[np.ndarray]] = {"network": [], "json": [], "video": []}
    alone: dict[str, float] = {}
    for _ in range(given.rounds):
        rounds["network"].append(network_alone_s(given.model, frames, ("labels", "depth")))
        rounds["json"].append(command_s(given.model, given.video, count, given.panel, "json"))
        rounds["video"].append(command_s(given.model, given.video, count, given.panel, "video"))
        for stage, value in stages_alone(given.model, given.video, frames, given.panel).items():
            alone[stage] = min(value, alone.get(stage, value))
    best = {name: float(min(value[0] for value in values)) for name, values in rounds.items()}
    busy = {name: 1000 * float(min(value[1] for value in values)) for name, values in rounds.items()}
    cpu = sum(alone[stage] for stage in ("decode", "infer", "draw", "encode"))
    results = {
        "video": Path(given.video).name, "frames": count, "model": given.model.name, "panel": given.panel,
        "cores": CORES, "machine": platform.machine(), "onnxruntime": onnxruntime.__version__,
        "frames_per_second": {name: round(1 / value, 2) for name, value in best.items()},
        "json_over_network": round(best["network"] / best["json"], 3),
        "cpu_ms_a_frame": {name: round(value, 2) for name, value in busy.items()},
        "json_over_network_by_cpu": round(busy["network"] / busy["json"], 3),
        "video_cpu_over_stages": round(busy["video"] / cpu, 3),
        "stages_alone_cpu_ms": {name: round(value, 2) for name, value in alone.items()},
        "video_frame_over_cpu_bound": round(1000 * best["video"] / (cpu / CORES), 3),
        "load_average": os.getloadavg()[0],
    }  # fmt: skip
    text = json.dumps(results, indent=1)
    print(text)
    if given.out is not None:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
