# One image for every role: `serve --role api`, `serve --role runtime`, `worker`, `migrate`.
# It holds no embedded PostgreSQL and no keys; docs/deployment.md says what each role is given.

FROM python:3.11-slim AS build
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

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin botkeys
COPY --from=build /opt/botkeys /opt/botkeys
USER 10001
WORKDIR /
ENV PATH=/opt/botkeys/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    BOTKEYS_MODE=production BOTKEYS_HOST=0.0.0.0 BOTKEYS_KEYS_DIR=/run/botkeys/keys
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["botkeys"]
CMD ["serve", "--role", "api"]
