# syntax=docker/dockerfile:1
# depdis-infer in a container that needs neither root nor a writable root file system.
#
#   docker build -t depdis .                              # CPU
#   docker build -t depdis --build-arg EXTRAS=cpu,openvino .
#   docker build -t depdis:cuda --build-arg EXTRAS=cuda .
#   docker build -t depdis:trt --build-arg EXTRAS=cuda,tensorrt .
#   docker run --rm --read-only --user "$(id -u):$(id -g)" -v "$PWD:/data" depdis drive.mp4
#   docker run --rm --read-only --gpus all -v "$PWD:/data" depdis:cuda drive.mp4 --device 0
#
# EXTRAS are the package's; cuda brings CUDA's and cuDNN's libraries from Python packages, so the base stays the
# same. Pin the base by its digest with --build-arg PYTHON=3.11.14-slim-bookworm@sha256:...
ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS build
ARG EXTRAS=cpu
WORKDIR /source
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY depdis_deploy depdis_deploy
COPY training/depdis_training training/depdis_training
COPY export/depdis_export export/depdis_export
COPY demo/depdis_demo demo/depdis_demo
# The environment is without pip: what installs is not there to be run later.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install -c constraints.txt hatchling \
    && pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m venv --without-pip /opt/depdis \
    && pip --python /opt/depdis/bin/python install -c constraints.txt "$(echo /wheels/*.whl)[${EXTRAS}]"

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="depdis" \
      org.opencontainers.image.description="Street-scene segmentation, depth and depth density" \
      org.opencontainers.image.licenses="Apache-2.0"
# HOME and caches are where a tmpfs may be; none is needed. Bytecode was compiled when the packages were installed.
ENV PATH=/opt/depdis/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    XDG_CACHE_HOME=/tmp/.cache \
    NUMBA_CACHE_DIR=/tmp/.cache/numba \
    ORT_DISABLE_TELEMETRY=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN install --directory --owner=10001 --group=10001 /data
COPY --from=build /opt/depdis /opt/depdis
USER 10001:10001
WORKDIR /data
# One picture through the bundled model, from reading it to its result.
HEALTHCHECK --interval=5m --timeout=30s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import numpy; from depdis_deploy import Predictor; Predictor(device='cpu', threads=1)(numpy.zeros((64, 128, 3), numpy.uint8))"]
ENTRYPOINT ["depdis-infer"]
CMD ["--help"]
