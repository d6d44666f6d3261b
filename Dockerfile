# One image for every role: `serve --role api`, `serve --role runtime`, `worker`, `migrate`.
# It holds no embedded PostgreSQL and no keys; docs/deployment.md says what each role is given.
# Nothing in it is written to: run it read-only.
#
# The base image is given by its digest, so that a build takes what was looked at and nothing newer:
#   docker buildx imagetools inspect python:3.11-slim --format '{{.Manifest.Digest}}'
#   docker build --build-arg PYTHON_IMAGE=python:3.11-slim@sha256:… -t botkeys .
ARG PYTHON_IMAGE

FROM ${PYTHON_IMAGE} AS build
ARG PYTHON_IMAGE
RUN expr "$PYTHON_IMAGE" : '.*@sha256:[0-9a-f]\{64\}$' > /dev/null \
    || { echo "PYTHON_IMAGE names no digest: give it as python:3.11-slim@sha256:…" >&2; exit 1; }
WORKDIR /build
COPY requirements/build.lock requirements/production.lock requirements/
RUN python -m venv /opt/botkeys \
    && /opt/botkeys/bin/pip install --no-cache-dir --require-hashes \
        -r requirements/build.lock -r requirements/production.lock
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY migrations migrations
COPY sdk sdk
RUN /opt/botkeys/bin/pip install --no-cache-dir --no-deps --no-build-isolation --no-index ./sdk/python . \
    && /opt/botkeys/bin/pip uninstall --yes setuptools

FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin botkeys
COPY --from=build /opt/botkeys /opt/botkeys
USER 10001
WORKDIR /
ENV PATH=/opt/botkeys/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    BOTKEYS_MODE=production BOTKEYS_HOST=0.0.0.0 BOTKEYS_KEYS_DIR=/run/botkeys/keys \
    BOTKEYS_OPERATIONS_HOST=0.0.0.0 BOTKEYS_OPERATIONS_PORT=8001
# 8000 is for users and bots, 8001 for operators: publish only the first.
EXPOSE 8000 8001
STOPSIGNAL SIGTERM
# Of whatever role: each serves /readyz at 8001.
HEALTHCHECK --interval=30s --timeout=8s --start-period=60s --retries=3 CMD ["botkeys", "health"]
ENTRYPOINT ["botkeys"]
CMD ["serve", "--role", "api"]
