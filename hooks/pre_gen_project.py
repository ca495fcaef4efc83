"""Refuse, before a file is written, the answers that would break the project later."""

import json
import keyword
import re
import sys
import unicodedata

answers = json.loads(r"""{{ cookiecutter | tojson }}""")
project, package = answers["project"], answers["package"]

# What the generated project installs (by its import names), has as folders, or what Windows keeps for itself.
TAKEN = set(
    """
    a2wsgi adbc_driver_duckdb aiobotocore aiohappyeyeballs aiohttp aiohttp_asgi_connector aioitertools aiosignal
    aiosqlite annotated_types anyio argon2 argon2_cffi argon2_cffi_bindings arrow asgiref asttokens astunparse
    async_lru attr attrs babel beautifulsoup4 bentoml bentoml_cli bleach botocore bs4 build cattr cattrs certifi
    cffi cfgv charset_normalizer circus click click_option_group cloudpickle comm contourpy cycler dask dateutil
    debugpy defusedxml distlib distributed dotenv duckdb entrypoints example execnb executing fastcore fastgit
    fastjsonschema fastspec fasttransport filelock fonttools fqdn frozenlist fsspec ghapi h11 httpcore httpcore2
    httptools httpx httpx2 httpx_ws hypothesis hypothesis_crosshair_provider identify idna iniconfig ipykernel
    ipykernel_launcher ipython ipython_pygments_lexers isoduration jedi jinja2 jmespath joblib json5 jsonpointer
    jsonschema jsonschema_specifications jupyter jupyter_builder jupyter_client jupyter_core jupyter_events
    jupyter_lsp jupyter_server jupyter_server_terminals jupyterlab jupyterlab_pygments jupyterlab_server kantoku
    kiwisolver locket markdown_it markdown_it_py markupsafe matplotlib matplotlib_inline mdurl mistune mpl_toolkits
    msgpack multidict multipart narwhals nbclient nbconvert nbdev nbformat nest_asyncio2 nodeenv notebook_shim numpy
    nvidia_ml_py opentelemetry opentelemetry_api opentelemetry_instrumentation
    opentelemetry_instrumentation_aiohttp_client opentelemetry_instrumentation_asgi opentelemetry_sdk
    opentelemetry_semantic_conventions opentelemetry_util_http overrides packaging packaging_legacy_version pandas
    pandocfilters papermill parso partd pathspec pexpect pil pillow pip_requirements_parser platformdirs pluggy
    pre_commit prettytable prometheus_client prompt_toolkit propcache psutil ptyprocess pure_eval py pyarrow
    pycparser pydantic pydantic_core pydantic_settings pygments pylab pynvml pyparsing pyproject_hooks pytest
    python_dateutil python_discovery python_dotenv python_json_logger python_multipart pythonjsonlogger pyyaml pyzmq
    referencing requests rfc3339_validator rfc3986_validator rich rich_toolkit rpds rpds_py ruff s3fs schema
    scikit_learn scipy send2trash setuptools simple_di six sklearn skops sortedcontainers soupsieve stack_data
    starlette tblib tenacity terminado threadpoolctl tinycss2 tlz tomli_w toolz tornado tqdm traitlets truststore
    typing_extensions typing_inspection tzdata uri_template urllib3 uvicorn uvloop virtualenv watchdog watchfiles
    wcwidth webcolors webencodings websocket websocket_client wheel wrapt wsproto yaml yarl zict zmq
    """.split()
)
TAKEN |= {"build", "classification", "deploy", "dist", "docs", "etc", "hooks", "iolog", "job", "models", "nbs", "runs"}
TAKEN |= {"setup", "test", "tests"}
TAKEN |= {"aux", "con", "nul", "prn", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
TAKEN |= set(sys.stdlib_module_names)
TAKEN |= {"false", "n", "no", "null", "off", "on", "true", "y", "yes"}  # which YAML does not read as text


def suggestion(name: str, joint: str) -> str:
    """The nearest name that is allowed."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", ascii_name)
    while words and not words[0][0].isalpha():
        words[0] = words[0].lstrip("0123456789")
        words = [word for word in words if word]
    plain = joint.join(words)[:40].rstrip(joint) or f"my{joint}model"
    taken = plain.replace("-", "_") in TAKEN or keyword.iskeyword(plain)
    return f"{plain}{joint}model" if taken else plain


def complaints() -> "list[str]":
    """One sentence for each answer that cannot be used."""
    found = []
    for name, value, pattern, joint, rule in (
        ("project", project, r"[a-z][a-z0-9]*([-_.][a-z0-9]+)*", "-", "parts joined by single - _ or ."),
        ("package", package, r"[a-z][a-z0-9]*(_[a-z0-9]+)*", "_", "parts joined by single _"),
    ):
        if name == "package" and found and value == re.sub(r"[-.]", "_", project.lower()):
            continue  # it follows from the project's name, which is refused already
        if not re.fullmatch(pattern, value, re.ASCII) or len(value) > 40:
            why = f"must be at most 40 lower-case letters and digits, a letter first, {rule}"
        elif keyword.iskeyword(value):
            why = "is a word of the Python language"
        elif re.sub(r"[-.]", "_", value) in TAKEN:
            why = "is the name of something that Python, the project or its dependencies already have"
        else:
            continue
        found.append(f"{name} {value!r} {why}: type {suggestion(value, joint)!r} instead.")
    if not re.fullmatch(r"[A-Za-z0-9.!#$%&*+/=?^_`|~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", answers["email"], re.ASCII):
        found.append(f"email {answers['email']!r} is no address: type one like 'you@example.com' instead.")
    for name in ("description", "author"):
        if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in answers[name]):
            found.append(f"{name} must be one line of text: type it without line breaks, tabs and control characters.")
        if any("{" + mark in answers[name] for mark in ("{", "%", "#")):
            found.append(f"{name} must not hold an opening brace before another, a % or a #: type it without.")
    if not answers["author"].strip():
        found.append("author is empty: type a name, which the licence and the package need.")
    return found


if wrong := complaints():
    sys.exit("\n".join(wrong))
