# syntax=docker/dockerfile:1
#
# One image for every part; docker-compose.yml says which part a container is.
#
# torch: the build that the default index has for Linux carries the libraries of a GPU, some gigabytes. Where no GPU
# is, name PyTorch's index of CPU builds (its address stands on PyTorch's page "Get started") by pip's own option:
#
#   docker build --build-arg PIP_ARGS="--extra-index-url <that address>" .
#
# Its builds are versions such as 2.13.0+cpu, which pip prefers to 2.13.0, and which the pinned 2.13.0 admits.
# An own mirror is named in the same way: PIP_ARGS="--index-url <its address>".

ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
ARG PIP_ARGS=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_COMPILE=1
RUN python -m venv /opt/docrelay
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY extractors extractors
COPY embeddings embeddings
COPY pipeline pipeline
COPY workflows workflows
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/docrelay/bin/pip install ${PIP_ARGS} --constraint constraints.txt ".[postgres]"

FROM python:${PYTHON}-slim
# Tesseract with German, English, and the data by which it sees how a page is turned.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        tesseract-ocr tesseract-ocr-deu tesseract-ocr-eng tesseract-ocr-osd \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data docrelay \
    && install --directory --owner docrelay --group docrelay --mode 0700 /data /spool
COPY --from=build /opt/docrelay /opt/docrelay
ENV PATH=/opt/docrelay/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DOCRELAY_DATA_DIR=/data
# A volume mounted here takes over the owner, so that the parts can share it.
VOLUME ["/spool"]
WORKDIR /data
USER docrelay
CMD ["docrelay", "--help"]
