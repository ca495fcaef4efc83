{%- raw -%}
{# `bentoml containerize` renders this: an image that has the libraries and the bento, but nothing of what it took to
   install them. User and variables are BentoML's. #}
{% extends bento_base_template %}

{% block SETUP_BENTO_BASE_IMAGE %}
ARG BASE={{ __base_image__ }}
FROM $BASE AS builder
RUN pip install --no-cache-dir uv==0.13.9
# Bytecode is made here, where it can be written, and not held against times, which copies of files may change.
ENV UV_COMPILE_BYTECODE=1 PYC_INVALIDATION_MODE=UNCHECKED_HASH \
    UV_NO_CACHE=1 UV_PROJECT_ENVIRONMENT=/app/.venv UV_PYTHON_DOWNLOADS=never
WORKDIR /build
# What was tested is what is installed, by hash: uv.lock. Without one it is what `bentoml build` has locked, unless the
# extra needs it otherwise.
COPY src/pyproject.toml src/uv.loc[k] env/python/requirements.lock.txt ./
# The extra is for the shipper of the log, which runs beside the service: no process that answers imports it.
RUN if [ -f uv.lock ]; then uv sync --frozen --no-dev --extra s3 --no-install-project; else uv venv /app/.venv && \
    uv pip install --python /app/.venv -r requirements.lock.txt && \
    uv pip install --python /app/.venv -r pyproject.toml --extra s3; fi && \
    find /app/.venv -type d -name tests -prune -exec rm -r {} +
COPY . {{ bento__path }}
WORKDIR {{ bento__path }}
RUN rm -rf env src/pyproject.toml src/uv.lock && chmod -R a+rX . && \
    python -m compileall -q --invalidation-mode unchecked-hash src

FROM $BASE
RUN pip uninstall --yes pip setuptools wheel && python -m compileall -qf --invalidation-mode unchecked-hash \
    "$(python -c 'import os; print(os.path.dirname(os.__file__))')"
{% endblock %}

{% block SETUP_BENTO_COMPONENTS %}
COPY --from=builder /app/.venv /app/.venv
COPY --from=builder {{ bento__path }} {{ bento__path }}
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 BENTOML_HOME=/tmp/bentoml BENTOML_DO_NOT_TRACK=true \
    IOLOG_DIR={{ bento__home }}iolog
{% endraw -%}
{% if cookiecutter.model == "net-gpu" -%}
# The host has the driver, and the wheels beside ONNX Runtime bring CUDA: on a CUDA base it would be there twice.
# Which GPU it gets is said where it is started: `docker run --gpus`, or `nvidia.com/gpu` in Kubernetes.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
{% endif -%}
{% raw -%}
RUN chown root: {{ bento__path }} && install -d -o {{ bento__user }} -g {{ bento__user }} {{ bento__home }}iolog
VOLUME {{ bento__home }}iolog
{% endblock %}

{% block SETUP_BENTO_ENTRYPOINT %}
EXPOSE 3000
# A number, so that Kubernetes can tell that it is not root.
USER {{ bento__uid_gid }}:{{ bento__uid_gid }}
ENTRYPOINT ["bentoml", "serve", "{{ bento__path }}"]
{% endblock %}
{% endraw %}
