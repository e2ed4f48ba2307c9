# The page and its API in a container: see docs/serve.md for the two commands.
# A stage of its own builds the environment: the source, which only building needs, is in no layer of the image.
FROM python:3.11-slim AS build
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE THIRD_PARTY_LICENSES.md ./
COPY src ./src
RUN python -m venv --without-pip /opt/actionunits \
    && pip --python /opt/actionunits/bin/python install --no-cache-dir -c constraints.txt ".[web]"

FROM python:3.11-slim
COPY --from=build /opt/actionunits /opt/actionunits
# Nobody in particular; all that is written goes to /tmp, so that the rest may be read-only.
USER 10001:10001
ENV PATH=/opt/actionunits/bin:$PATH HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib PYTHONDONTWRITEBYTECODE=1
EXPOSE 8321
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8321/healthz', timeout=4)"]
ENTRYPOINT ["actionunits", "serve", "--host", "0.0.0.0", "--no-browser"]
