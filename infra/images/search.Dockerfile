# A function that answers from a bundle as a Lambda container image; `make image` prepares its context and builds it
# (infra/images/build.py).
#
# FUNCTION: search (recommend runs it under another command) or batch, which has the packages of parquet files besides.
# CATALOGUE: bundle, or table for a bundle whose products lie in a LanceDB table, which the packages to read it come for.
# BASE_IMAGE, RUNTIME=lambda: AWS's own base, which brings the runtime client and the AWS SDK. Python 3.12 or newer: the
#     bases up to 3.11 are Amazon Linux 2, whose glibc 2.26 is too old for onnxruntime's wheels (2.28).
# RUNTIME=slim: any other Python with glibc 2.28, such as BASE_IMAGE=python:3.13-slim; both are installed, and it runs as
#     a user without rights.
# Layers stand in the order in which they change: packages, code, models, catalogue.
ARG BASE_IMAGE=public.ecr.aws/lambda/python:3.13
ARG RUNTIME=lambda
ARG FUNCTION=search
ARG CATALOGUE=bundle

FROM ${BASE_IMAGE} AS installed
ARG RUNTIME
ARG FUNCTION
ARG CATALOGUE
COPY packages /build
RUN --mount=type=secret,id=certificates python3 /build/install.py ${FUNCTION} ${RUNTIME} ${CATALOGUE} /installed \
    && python3 -m compileall -q --invalidation-mode unchecked-hash -s /installed -p /var/task /installed
COPY code /code
RUN python3 -m compileall -q --invalidation-mode unchecked-hash -s /code -p /var/task /code

FROM ${BASE_IMAGE} AS lambda

FROM ${BASE_IMAGE} AS slim
ENTRYPOINT ["python3", "-m", "awslambdaric"]
USER 1000:1000

FROM ${RUNTIME} AS search
CMD ["functions.search.handler.handler"]

FROM ${RUNTIME} AS batch
CMD ["functions.batch.handler.handler"]

FROM ${FUNCTION}
WORKDIR /var/task
# BLAS works on arrays too small to share between threads: waiting for one another took it up to 19 ms, alone 0.5.
ENV AISLE_BUNDLE=/opt/aisle/bundle OPENBLAS_NUM_THREADS=1
COPY --from=installed /installed ./
COPY --from=installed /code ./
COPY models /opt/aisle/bundle/
COPY catalogue /opt/aisle/bundle/
# Every byte of the bundle, and its golden queries on this CPU; HASHES_ONLY=1 where the CPU is an emulated one, or the
# catalogue lies in a table, for which a build has no keys.
ARG HASHES_ONLY=
RUN export PYTHONDONTWRITEBYTECODE=1; if [ -z "${HASHES_ONLY}" ]; then python3 -m aisle verify ${AISLE_BUNDLE}; else \
    python3 -c "import pathlib; from aisle.bundle import *; verify_hashes(Bundle.open(pathlib.Path('${AISLE_BUNDLE}')))"; fi
ARG FUNCTION
ARG VERSION
ARG BUNDLE_ID
LABEL org.opencontainers.image.title=aisle-${FUNCTION} \
      org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.licenses=Apache-2.0 \
      aisle.bundle-id=${BUNDLE_ID}
