# The page and its API in a container: see docs/serve.md for the two commands.
FROM python:3.11-slim
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE THIRD_PARTY_LICENSES.md ./
COPY src ./src
RUN pip install --no-cache-dir -c constraints.txt ".[web]" && rm -rf /build
WORKDIR /
# Nobody in particular; all that is written goes to /tmp, so that the rest may be read-only.
USER 10001:10001
ENV HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib PYTHONDONTWRITEBYTECODE=1
EXPOSE 8321
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8321/healthz', timeout=4)"]
ENTRYPOINT ["actionunits", "serve", "--host", "0.0.0.0", "--no-browser"]
