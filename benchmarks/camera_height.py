"""What a camera's known height does to depth: |Rel| before and after, on LiDAR frames and generated streets.

    python benchmarks/camera_height.py --streets --lidar FOLDER --drives WORK \
        --out benchmarks/results/camera_height.json

What is not given is left as it stands in that file.

Streets: pictures of both fixed appearances (cameras at 1.45 and 1.75 m), of cars' cameras drawn anew for each
picture (1.2 to 1.7 m, 55 to 80 degrees), and of any camera up to 2.5 m (pedestrians', sideways, 16 to 100
degrees), all from seeds that chose nothing. Field of view given, truth up to 80 m, without the sky; `off` by
how much all depth is multiplied first, as if the network misjudged a scene. LiDAR: see lidar.py. `fit_error` is
the natural logarithm of the fitted height over the true one, where depth is left as it is: what
`camera_height.RULER` was taken from, on the seeds of `--tune`. Milliseconds are processor time of the fit and
scaling alone. Drives are those of flicker.py: frame by frame, and with the scale averaged along the film.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from flicker import REPORT, TUNE
from flicker import SIZE as DRIVE_SIZE
from lidar import CAP_M, horizontal_fov_degrees
from numpy.typing import NDArray

from depdis_deploy import Prediction, Predictor
from depdis_deploy.camera_height import RoadScale, fitted, scaled
from depdis_deploy.files import written_whole
from depdis_deploy.progress import tracked
from depdis_deploy.sources import Frame
from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training.data.drive import Drive
from depdis_training.evaluation import depth_metrics
from depdis_training.street.drive_writer import write_drive
from depdis_training.street.palette import Domain
from depdis_training.street.renderer import render
from depdis_training.street.scene import make_scene

# Name -> domain, whether it is a car's camera, size, seeds of the report and of choosing, pictures.
STREETS: dict[str, tuple[Domain, bool, tuple[int, int], int, int, int]] = {
    "source, 1.45 m": ("source", True, (640, 320), 600, 500, 30),
    "target, 1.75 m": ("target", True, (640, 320), 600, 500, 30),
    "random, cars": ("random", True, (640, 320), 601, 501, 60),
    "random, any camera": ("random", False, (512, 384), 602, 502, 60),
}
HIGHEST_M = 2.5
OFF = (1.0, 0.7, 1.4)


class View(NamedTuple):
    image: NDArray[np.uint8]
    truth_m: NDArray[np.float32]
    fov_degrees: float
    height_m: float


def streets(domain: Domain, car: bool, size: tuple[int, int], seed: int, pictures: int) -> Iterator[View]:
    """Pictures of generated streets, each with the height of its camera above the road."""
    for index in range(pictures):
        scene = make_scene(domain, seed, index, size, moving=car)
        camera = scene.camera
        height_m = camera.y - scene.layout.course.height(camera.z)
        if height_m > HIGHEST_M:
            continue
        mesh = scene.at(0.0) if car else scene.mesh
        drawn = render(mesh, camera, scene.appearance, seed * 1_000_003 + index)
        fov = math.degrees(2 * math.atan(size[0] / 2 / camera.focal_px))
        yield View(drawn.image, np.where(drawn.depth_m < CAP_M, drawn.depth_m, 0), fov, height_m)


def lidar(folder: Path) -> Iterator[tuple[str, View]]:
    """The LiDAR frames."""
    for name, camera in json.loads((folder / "cameras.json").read_text()).items():
        truth_m = cv2.imread(str(folder / f"{name}_depth.png"), cv2.IMREAD_UNCHANGED).astype(np.float32) / 100
        image = np.asarray(cv2.imread(str(folder / f"{name}.jpg"))[..., ::-1])
        yield name, View(image, truth_m, horizontal_fov_degrees(camera), camera["camera_height_m"])


def errors(prediction: Prediction, truth_m: NDArray[np.float32]) -> tuple[float, float]:
    """(|Rel|, the same with aligned medians)."""
    return tuple(
        float(depth_metrics(prediction.depth, truth_m, CAP_M, align)["abs_rel"]) for align in ("none", "median")
    )  # type: ignore[return-value]


def measured(predictor: Predictor, view: View, off: tuple[float, ...] = (1.0,)) -> dict[float, dict[str, Any]]:
    """A view before and after the scale by its camera's height, for each factor put to its depth first."""
    predictor.camera_fov = view.fov_degrees
    seen = predictor(np.ascontiguousarray(view.image))
    return {factor: _measured(seen, view, factor) for factor in off}


def _measured(seen: Prediction, view: View, off: float) -> dict[str, Any]:
    depth_m = scaled(seen.maps["depth"], off, seen.manifest.depth_range_m[1])
    maps = {**seen.maps, "depth": depth_m}
    before, after = (
        Prediction(seen.image, maps, seen.geometry, seen.manifest, camera=seen.camera) for _ in range(2)
    )
    begun = time.process_time()
    RoadScale(view.height_m).apply(after)
    milliseconds = 1000 * (time.process_time() - begun)
    assert after.camera is not None
    assert after.camera.height is not None
    plane = fitted(before, view.height_m)
    rel, aligned = errors(before, view.truth_m)
    return {
        "abs_rel": rel, "abs_rel_median_aligned": aligned,
        "abs_rel_with_height": errors(after, view.truth_m)[0],
        "fit_error": None if plane is None else math.log(plane.height_m / view.height_m), "ms": milliseconds,
        "height": dataclasses.asdict(after.camera.height),
    }  # fmt: skip


def on_drive(predictor: Predictor, domain: Domain, seed: int, work: Path, frames: int = 75) -> dict[str, Any]:
    """|Rel| over a drive: as it is, each frame by itself, and as a film."""
    root = work / f"drive-{domain}-{seed}-{frames}"
    write_drive(root, frames=frames, size=DRIVE_SIZE, domain=domain, seed=seed)
    scene = make_scene(domain, seed, 0, DRIVE_SIZE, moving=True)
    camera = scene.camera
    height_m = camera.y - scene.layout.course.height(camera.z)
    drive = Drive(root, "val", CITYSCAPES_16)
    predictor.camera_fov = math.degrees(2 * math.atan(DRIVE_SIZE[0] / 2 / camera.focal_px))
    found: dict[str, list[float]] = {
        "abs_rel": [],
        "by_frame": [],
        "as_film": [],
        "frame_scale": [],
        "scale": [],
    }
    film = RoadScale(height_m)
    for index in tracked(range(len(drive)), root.name, len(drive)):
        sample = drive[index]
        assert sample.depth_m is not None
        truth_m = np.where(sample.depth_m < CAP_M, sample.depth_m, 0)
        frame = Frame(sample.image, "drive.mp4", index, index / drive.rate)
        (seen,) = predictor.predict([frame], settled=False, outputs=("labels", "depth"))
        for kind, scale in (("abs_rel", None), ("by_frame", RoadScale(height_m)), ("as_film", film)):
            prediction = Prediction(
                seen.image, seen.maps, seen.geometry, seen.manifest, camera=seen.camera, time_s=seen.time_s
            )
            if scale is not None:
                scale.apply(prediction)
                assert prediction.camera is not None
                assert prediction.camera.height is not None
                found["scale" if scale is film else "frame_scale"].append(prediction.camera.height.scale)
            found[kind].append(errors(prediction, truth_m)[0])
    return {
        "height_m": round(height_m, 2), "frames": len(drive),
        **{key: round(float(np.mean(found[key])), 3) for key in ("abs_rel", "by_frame", "as_film")},
        "frame_scale_spread": round(float(np.std(found["frame_scale"])), 3),
        "film_scale_spread": round(float(np.std(found["scale"])), 3),
        "scale_mean": round(float(np.mean(found["scale"])), 3),
    }  # fmt: skip


def summed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over views, and how many are better and worse."""
    before, after = (np.array([row[key] for row in rows]) for key in ("abs_rel", "abs_rel_with_height"))
    fits = np.array([row["fit_error"] for row in rows if row["fit_error"] is not None])
    return {
        "pictures": len(rows), "road_found": len(fits),
        **{
            key: round(float(np.mean([row[key] for row in rows])), 3)
            for key in ("abs_rel", "abs_rel_median_aligned", "abs_rel_with_height")
        },
        "better": int((after < before - 0.005).sum()), "worse": int((after > before + 0.005).sum()),
        "fit_error_mean": round(float(fits.mean()), 3),
        "fit_error_rms": round(float(np.sqrt((fits**2).mean())), 3),
        "ms_median": round(float(np.median([row["ms"] for row in rows])), 2),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--lidar", type=Path)
    parser.add_argument("--streets", action="store_true", help="pictures of generated streets")
    parser.add_argument("--drives", type=Path, help="where drives are or will be drawn")
    parser.add_argument("--tune", action="store_true", help="the seeds by which constants were chosen")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    predictor = Predictor(arguments.model, "cpu", threads=1)
    found: dict[str, Any] = {"model": arguments.model.name if arguments.model else "bundled"}
    if arguments.out and arguments.out.exists():
        found |= json.loads(arguments.out.read_text())
    found["streets"] = {} if arguments.streets else found.get("streets", {})
    for name, (domain, car, size, seed, tune_seed, pictures) in STREETS.items() if arguments.streets else ():
        views = tracked(
            streets(domain, car, size, tune_seed if arguments.tune else seed, pictures), name, pictures
        )
        rows = [measured(predictor, view, OFF) for view in views]
        found["streets"][name] = {f"off {off:g}": summed([row[off] for row in rows]) for off in OFF}
        print(name, json.dumps(found["streets"][name], indent=1))
    if arguments.drives:
        drives = TUNE if arguments.tune else REPORT
        found["drives"] = {
            f"{domain} {seed}": on_drive(predictor, domain, seed, arguments.drives) for domain, seed in drives
        }
        print(json.dumps(found["drives"], indent=1))
    if arguments.lidar:
        frames = {name: measured(predictor, view)[1.0] for name, view in lidar(arguments.lidar)}
        keys = ("abs_rel", "abs_rel_median_aligned", "abs_rel_with_height")
        means = {key: round(float(np.mean([row[key] for row in frames.values()])), 3) for key in keys}
        found["lidar"] = {"mean": means, "frames": frames}
        print(json.dumps(found["lidar"], indent=1))
    if arguments.out:
        with written_whole(arguments.out) as temporary:
            temporary.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
