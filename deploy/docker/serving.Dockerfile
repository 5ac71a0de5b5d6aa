# Tidegate's serving half. Build it from the repository's root:
#
#   docker build -f deploy/docker/serving.Dockerfile -t tidegate-serving .
#
# All installing is in install-serving.sh, which the tests run without a container engine. The base image is named by
# its tag, so that rebuilding picks up Debian's and Python's security fixes; name a digest by --build-arg to hold it.
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /source
COPY pyproject.toml tidegate.py LICENSE ./
COPY requirements/build.txt requirements/serving.txt requirements/
COPY deploy/docker/install-serving.sh deploy/docker/tidegate-container deploy/docker/compile_kernels.py deploy/docker/
COPY flows flows
COPY model_registry model_registry
COPY detection detection
COPY serving serving
RUN deploy/docker/install-serving.sh /opt/tidegate

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="tidegate-serving" \
      org.opencontainers.image.description="Consumes network flows from Kafka and publishes verdicts by signed, verified models" \
      org.opencontainers.image.licenses="Apache-2.0"
# Nothing here is to write outside /var/lib/tidegate (the state) and /tmp: the root may be mounted read-only.
RUN groupadd --gid 10001 tidegate \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin tidegate \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/tidegate \
 && install -d /registry
COPY --from=build /opt/tidegate /opt/tidegate
ENV PATH=/opt/tidegate/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TIDEGATE_LISTEN=0.0.0.0:8080 \
    TIDEGATE_REGISTRY=/registry \
    TIDEGATE_STATE=/var/lib/tidegate
WORKDIR /var/lib/tidegate
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["/opt/tidegate/bin/python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health', timeout=2)"]
ENTRYPOINT ["/opt/tidegate/bin/tidegate-container"]
CMD ["serve"]
