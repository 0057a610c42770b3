# syntax=docker/dockerfile:1
# Images that need neither root nor a writable root file system: depdis-infer, and depdis-serve (target serve).
#
#   docker build -t depdis .                              # depdis-infer on the CPU
#   docker build -t depdis --build-arg EXTRAS=cpu,openvino .
#   docker build -t depdis:cuda --build-arg EXTRAS=cuda .
#   docker build -t depdis:trt --build-arg EXTRAS=cuda,tensorrt .
#   docker build -t depdis:serve --target serve .         # depdis-serve
#   docker run --rm --read-only --user "$(id -u):$(id -g)" -v "$PWD:/data" depdis drive.mp4
#   docker run --rm --read-only --gpus all -v "$PWD:/data" depdis:cuda drive.mp4 --device 0
#   docker run --rm --read-only -e DEPDIS_API_KEY -p 8000:8000 --stop-timeout 35 depdis:serve
#
# EXTRAS are the package's; `serve` is always added. cuda installs the CUDA and cuDNN libraries from Python
# packages, so the base image stays the same. Pin it by digest with
# --build-arg PYTHON=3.11.14-slim-bookworm@sha256:...
ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS build
ARG EXTRAS=cpu
WORKDIR /source
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY depdis_deploy depdis_deploy
COPY training/depdis_training training/depdis_training
COPY export/depdis_export export/depdis_export
COPY demo/depdis_demo demo/depdis_demo
# The environment has no pip, so that nothing can be installed at run time.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install -c constraints.txt hatchling \
    && pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m venv --without-pip /opt/depdis \
    && pip --python /opt/depdis/bin/python install -c constraints.txt "$(echo /wheels/*.whl)[${EXTRAS},serve]"

FROM python:${PYTHON} AS runtime
LABEL org.opencontainers.image.title="depdis" \
      org.opencontainers.image.description="Street-scene segmentation, depth and depth density" \
      org.opencontainers.image.licenses="Apache-2.0"
# HOME and caches are where a tmpfs may be; none is needed. Bytecode was compiled at installation.
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

FROM runtime AS serve
EXPOSE 8000
# Bash opens the connection itself: no second Python is started.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8000 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && IFS= read -r line <&3 && [[ $line == *' 200 '* ]]"]
ENTRYPOINT ["depdis-serve", "--host", "0.0.0.0"]

FROM runtime
ENTRYPOINT ["depdis-infer"]
CMD ["--help"]
