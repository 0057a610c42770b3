"""What an exported file says of its input and outputs to other programs: units, types, shapes and alignment."""

from __future__ import annotations

from depdis_deploy.manifest import Manifest

_CORNERS = (
    "aligned with the input image: the first and last cells lie on its first and last pixels (align_corners)"
)
# Of Model API's rules: both of ours that keep the aspect pad at the right and bottom, as `fit_to_window` does.
_RESIZE_TYPES = {"stretch": "standard", "fit": "fit_to_window", "area": "fit_to_window"}


def input_description(manifest: Manifest) -> str:
    """Describe the input `frames`."""
    rule = manifest.resize
    size = f"{rule.width}x{rule.height}"
    if manifest.dynamic:
        size = f"sides in multiples of {rule.multiple}, nominally {size}"
    return (
        f"RGB images, uint8, (N, H, W, 3), values 0 to 255, {size}. The graph itself reverses the channels and "
        "subtracts the mean."
    )


def output_descriptions(manifest: Manifest) -> dict[str, str]:
    """Describe each of the manifest's outputs, by name."""
    names = manifest.taxonomy.names
    low, high = manifest.depth_range_m
    camera = "the training set's camera"
    if manifest.canonical_focal_px is not None:
        camera = f"a camera with a focal length of {manifest.canonical_focal_px:g} pixels at the input's size"
    found = {
        "labels": f"class index, uint8, (N, H, W), 0 to {len(names) - 1}, aligned with the input image pixel "
        f"by pixel: {', '.join(f'{index} {name}' for index, name in enumerate(names))}",
        "depth": f"depth in metres, float32, (N, h, w), {low:g} to {high:g}, for {camera}; {_CORNERS}",
        "density": "likelihood of the depth under the class's depth distribution, unitless, float32, "
        f"(N, h, w), 0 to 1; {_CORNERS}",
        "confidence": f"largest softmax probability, unitless, float32, (N, h', w'), 0 to 1; {_CORNERS}",
    }
    return {name: found[name] for name in manifest.outputs}


def model_info(manifest: Manifest) -> dict[str, str]:
    """Return the `model_info` entries of OpenVINO's `rt_info`, in the form that OpenVINO Model API reads."""
    return {
        "model_type": "Segmentation",
        "labels": " ".join(name.replace(" ", "_") for name in manifest.taxonomy.names),
        # of the input as it is given: the graph subtracts its mean and reverses the channels itself
        "mean_values": "0 0 0",
        "scale_values": "1 1 1",
        "reverse_input_channels": "False",
        "layout": "frames:NHWC",
        "resize_type": _RESIZE_TYPES[manifest.resize.kind],
        "input_frames": input_description(manifest),
        **{f"output_{name}": text for name, text in output_descriptions(manifest).items()},
    }
