# The server on a GPU: docker build --build-arg CUDA=13 --file docker/cuda.Dockerfile --tag telegrad:cuda13 .
# CUDA's libraries come with the Python packages; the driver is the machine's, through the NVIDIA Container Toolkit.
FROM python:3.12-slim-bookworm AS build
# CUDA's major version, 12 or 13: what the machine's driver supports.
ARG CUDA=13
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY protocol/ protocol/
COPY client/ client/
COPY server/ server/
RUN python -m venv /opt/telegrad \
    && /opt/telegrad/bin/python -m pip install --no-cache-dir --disable-pip-version-check ".[cuda${CUDA}]"

FROM python:3.12-slim-bookworm
# Only /data is written to: kernels that were compiled are kept there.
RUN useradd --system --uid 10001 --home-dir /data telegrad \
    && install --directory --owner telegrad /data
COPY --from=build /opt/telegrad /opt/telegrad
ENV PATH=/opt/telegrad/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CACHE_DIR=/data/numba \
    CUPY_CACHE_DIR=/data/cupy \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 7465
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7465/v1/health', timeout=2)"]
# The token comes as a file, which `docker inspect` does not show.
CMD ["telegrad", "serve", "--device", "cuda", "--host", "0.0.0.0", "--token-file", "/run/secrets/telegrad_token"]
