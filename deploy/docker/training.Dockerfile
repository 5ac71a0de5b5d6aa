# Tidegate's learning half, with Dagster. Build it from the repository's root:
#
#   docker build -f deploy/docker/training.Dockerfile -t tidegate-training:0.1.0 .
#
# It holds no key: `tidegate keys init` makes keys elsewhere, and only the steps that sign are given one.
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /source
COPY pyproject.toml tidegate.py LICENSE ./
COPY requirements/build.txt requirements/training.txt requirements/
COPY flows flows
COPY model_registry model_registry
COPY detection detection
COPY training training
COPY orchestration orchestration
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/tidegate \
 && /opt/tidegate/bin/python -m pip install --require-hashes --only-binary :all: -r requirements/training.txt \
 && /opt/tidegate/bin/python -m pip install --require-hashes --only-binary :all: -r requirements/build.txt \
 && /opt/tidegate/bin/python -m pip install --no-build-isolation --no-deps --no-index .

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="tidegate-training" \
      org.opencontainers.image.description="Trains, tests, signs and registers detection models, orchestrated by Dagster" \
      org.opencontainers.image.licenses="Apache-2.0"
# LightGBM's wheel needs the system's OpenMP.
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 tidegate \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin tidegate \
 && install -d -o 10001 -g 10001 -m 0700 /data /opt/dagster \
 && install -d -o 10001 -g 10001 /registry
COPY --from=build /opt/tidegate /opt/tidegate
ENV PATH=/opt/tidegate/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CACHE_DIR=/tmp/numba \
    MPLCONFIGDIR=/tmp/matplotlib \
    DAGSTER_HOME=/opt/dagster \
    TIDEGATE_REGISTRY=/registry \
    TIDEGATE_STORE=/data/store \
    TIDEGATE_STATE=/data/state \
    TIDEGATE_DROP=/data/drop
WORKDIR /data
USER 10001:10001
EXPOSE 3000 4000
CMD ["dagster", "api", "grpc", "-m", "orchestration.definitions", "-h", "0.0.0.0", "-p", "4000"]
