# The app with the embedded PostgreSQL inside: one container, one volume. With DATABASE_URL set it uses that server.
FROM python:3.13-slim AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/protenders
# requirements-extras.lock adds what traces and error reports need.
ARG LOCK=requirements.lock
COPY requirements.lock requirements-extras.lock ./
RUN /opt/protenders/bin/pip install --require-hashes -r "$LOCK"
COPY . .
RUN /opt/protenders/bin/pip install --no-deps --no-build-isolation .

FROM python:3.13-slim
# PostgreSQL's initdb wants an account with a name; it refuses to run as root.
RUN useradd --uid 10001 --create-home --home-dir /data --shell /usr/sbin/nologin protenders \
    && chmod 0700 /data
COPY --from=build /opt/protenders /opt/protenders
ENV PATH=/opt/protenders/bin:$PATH PYTHONUNBUFFERED=1 PROTENDERS_HOME=/data LOG_FORMAT=json
USER protenders
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["protenders"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000", "--first-sync"]
