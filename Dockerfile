# syntax=docker/dockerfile:1
#
# One image for every part; docker-compose.yml says which part a container is.
#
#   docker build -t docrelay .
#
# TORCH          cpu (the small build), none (where an embedding endpoint is set, nothing needs it), or a build for a
#                GPU by the name that uv knows, such as cu130: it carries some gigabytes of libraries
# OCR_LANGUAGES  Tesseract's, joined by +, as in the setting ocr_languages
# EXTRAS         extras of the package
# INSTALL_ARGS   options for pip and uv, for example --index-url with the address of an own mirror

ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
ARG TORCH=cpu
ARG EXTRAS=postgres,flower,traces,pdf
ARG INSTALL_ARGS=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CACHE_DIR=/cache/pip UV_CACHE_DIR=/cache/uv UV_LINK_MODE=copy
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY extractors extractors
COPY embeddings embeddings
COPY pipeline pipeline
COPY workflows workflows
# uv knows by itself where the builds of torch are. Compiled here, as nothing can be written where the image runs.
# What pip and uv keep is in the builder's cache and in no layer.
# hadolint ignore=DL3042
RUN --mount=type=cache,target=/cache \
    pip install ${INSTALL_ARGS} --constraint constraints.txt uv \
    && python -m venv --without-pip /opt/docrelay \
    && if [ "${TORCH}" = none ]; then echo torch; fi > /excluded \
    && if [ "${TORCH}" != none ]; then export UV_TORCH_BACKEND="${TORCH}"; fi \
    && uv pip install --python /opt/docrelay/bin/python --compile-bytecode ${INSTALL_ARGS} \
        --excludes /excluded --constraint constraints.txt ".[${EXTRAS}]"

FROM python:${PYTHON}-slim
ARG OCR_LANGUAGES=deu+eng
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# osd is the data by which Tesseract sees how a page is turned; the font shows texts of many scripts on page images. Debian keeps one version of a package, so none is named.
# hadolint ignore=DL3008
RUN set -- fonts-dejavu-core tesseract-ocr tesseract-ocr-osd \
    && for language in ${OCR_LANGUAGES//+/ }; do set -- "$@" "tesseract-ocr-${language//_/-}"; done \
    && apt-get update \
    && apt-get install --yes --no-install-recommends "$@" \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data docrelay \
    && install --directory --owner docrelay --group docrelay --mode 0700 /data /spool /models
COPY --from=build /opt/docrelay /opt/docrelay
ENV PATH=/opt/docrelay/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DOCRELAY_DATA_DIR=/data \
    HF_HOME=/models
# A volume mounted here takes over the owner, so that the parts can share it.
VOLUME ["/data", "/spool", "/models"]
WORKDIR /data
# By number: only so can Kubernetes see that it is not root.
USER 10001:10001
# For a worker, which most containers are; the compose file has the checks of the other parts.
HEALTHCHECK --interval=60s --timeout=20s --start-period=90s CMD ["python", "-m", "pipeline.engine.health", "worker"]
CMD ["docrelay", "--help"]
