# Two images from one file:
#   docker build --target pipeline --tag shifts-pipeline .    Dagster's processes, every run, the migrations
#   docker build --target api --tag shifts-api .              the web service, without Dagster
# Neither has an entrypoint: a container runs the command that it is given.

ARG BASE=python:3.11-slim

# Environments are built here, by hash from the lock files, and copied into the images.
FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
RUN python -m venv --without-pip /opt/shifts

# Node comes from PyPI as well. It builds the page and is in no image.
FROM build AS build-page
COPY requirements/page.txt requirements/
RUN python -m pip --python /opt/shifts/bin/python install --no-deps --require-hashes -r requirements/page.txt
COPY page page
RUN cd page && PATH=/opt/shifts/bin:$PATH && npm ci --silent && npm run --silent build

FROM build AS build-api
COPY requirements/api.txt requirements/
RUN python -m pip --python /opt/shifts/bin/python install --no-deps --require-hashes -r requirements/api.txt
COPY shifts_core /opt/shifts/service/shifts_core
COPY shifts_api /opt/shifts/service/shifts_api
COPY --from=build-page /source/shifts_api/page_files /opt/shifts/service/shifts_api/page_files
RUN /opt/shifts/bin/python -m compileall -q /opt/shifts/service

FROM build AS build-wheel
COPY requirements/build.txt requirements/
RUN python -m pip --python /opt/shifts/bin/python install --no-deps --require-hashes -r requirements/build.txt
COPY . .
COPY --from=build-page /source/shifts_api/page_files shifts_api/page_files
RUN /opt/shifts/bin/python -m hatchling build --target wheel --directory /wheel

FROM build AS build-pipeline
# Includes the packages of the `shifts` command, which migrates the databases, and of Kubernetes, where runs are pods.
COPY requirements/cluster.txt requirements/
RUN python -m pip --python /opt/shifts/bin/python install --no-deps --require-hashes -r requirements/cluster.txt
COPY --from=build-wheel /wheel /wheel
# Tests of libraries would be a seventh of the image, descriptions of other Google services a tenth.
RUN python -m pip --python /opt/shifts/bin/python install --no-deps --no-index /wheel/*.whl \
    && find /opt/shifts/lib -type d -name tests -prune -exec rm -rf {} + \
    && rm -rf /opt/shifts/lib/*/site-packages/googleapiclient/discovery_cache/documents
# Dagster's Helm chart always runs this name: in our image it is the webserver behind the request guard.
RUN ln --symbolic --force shifts-webserver /opt/shifts/bin/dagster-webserver
# Compiled in advance for any processor of the architecture, so that runs start without compiling; code for one processor
# measured no faster. Numba compares the time of the source file, and image layers keep times in whole seconds.
ENV NUMBA_CPU_NAME=generic NUMBA_CACHE_DIR=/var/lib/shifts/compiled
RUN find /opt/shifts/lib/*/site-packages/shifts_core -name '*.py' -exec touch --date=@0 {} + \
    && /opt/shifts/bin/python -m compileall -q /opt/shifts/lib/*/site-packages/shifts_core \
    && /opt/shifts/bin/python -m shifts_core.warm_up

FROM ${BASE} AS runtime
# A numeric user, which Kubernetes can check to be non-root. Named volumes get the owner of these folders.
RUN groupadd --gid 10001 shifts \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/shifts --no-create-home --shell /usr/sbin/nologin shifts \
    && install --directory --owner=shifts --group=shifts /var/lib/shifts /var/lib/shifts/landing \
    && python -m pip uninstall --yes --root-user-action=ignore pip setuptools wheel
# Bytecode is compiled with the packages; later compilations go to a folder that every user can write.
ENV PATH=/opt/shifts/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/var/lib/shifts \
    SHIFTS_DATA_DIR=/var/lib/shifts
WORKDIR /var/lib/shifts
USER 10001:10001

FROM runtime AS api
COPY --from=build-api /opt/shifts /opt/shifts
# Functions are compiled at start, for this processor; in a read-only container only /tmp is writable. The service listens on
# every address, so it does not start without a key: SHIFTS_API_KEY, or one of `shifts keys`.
ENV PYTHONPATH=/opt/shifts/service \
    NUMBA_CACHE_DIR=/tmp/compiled \
    SHIFTS_API_HOST=0.0.0.0 \
    SHIFTS_API_PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"SHIFTS_API_PORT\"]}/health', timeout=4)"]
CMD ["python", "-m", "shifts_api"]

FROM runtime AS pipeline
COPY --from=build-pipeline /opt/shifts /opt/shifts
RUN mkdir --parents dagster/storage
COPY --from=build-pipeline --chown=10001:10001 /var/lib/shifts/compiled /var/lib/shifts/compiled
COPY --chown=10001:10001 dagster.yaml /var/lib/shifts/dagster/
COPY --chown=10001:10001 shifts_platform/code_server_workspace.yaml /var/lib/shifts/dagster/workspace.yaml
ENV DAGSTER_HOME=/var/lib/shifts/dagster \
    MPLCONFIGDIR=/tmp/matplotlib \
    NUMBA_CPU_NAME=generic \
    NUMBA_CACHE_DIR=/var/lib/shifts/compiled
EXPOSE 4000
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 \
    CMD ["dagster", "api", "grpc-health-check", "-p", "4000"]
CMD ["dagster", "api", "grpc", "-m", "shifts_pipeline.definitions", "-h", "0.0.0.0", "-p", "4000"]
