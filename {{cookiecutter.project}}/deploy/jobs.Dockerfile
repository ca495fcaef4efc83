# What scheduled jobs run in: docker build -f deploy/jobs.Dockerfile -t {{cookiecutter.project}}-jobs .
# User, log and store are where the service's image has them, so that both can be given the same volumes.
ARG BASE=python:{{cookiecutter.python}}-slim
FROM $BASE
RUN pip install --no-cache-dir uv==0.13.9 && useradd --uid 1034 --create-home bentoml
ENV UV_COMPILE_BYTECODE=1 UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 \
    HOME=/tmp BENTOML_HOME=/tmp/bentoml BENTOML_DO_NOT_TRACK=true IOLOG_DIR=/home/bentoml/iolog
WORKDIR /app
COPY pyproject.toml uv.loc[k] ./
RUN [ ! -f uv.lock ] || export UV_FROZEN=1; uv sync --no-dev --extra jobs --extra s3 --no-install-project
COPY LICENSE README.md champion.json ./
COPY etc etc
COPY daybook daybook
COPY nbs nbs
COPY {{cookiecutter.package}} {{cookiecutter.package}}
RUN UV_FROZEN=1 uv sync --no-dev --extra jobs --extra s3
USER 1034:1034
CMD ["daybook", "list"]
