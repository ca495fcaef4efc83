"""Build one bento's image along deploy/ and along BentoML's own Dockerfile; compare both; write benchmarks/image.md.

build/env/bin/python benchmarks/image.py [--rounds N]     as root, with buildah, podman and debootstrap

It bakes and installs a project under build/bench, and makes the images in the store of the tests.
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
import textwrap
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import psutil
import pytest

HERE = Path(__file__).resolve().parent
BENCH = HERE.parent / "build" / "bench" / "image"
sys.path[:0] = [str(HERE.parent / "tools"), str(HERE.parent / "tests" / "project")]

from containers import BASE, Containers, containerize, containers_of_this_machine  # noqa: E402
from helpers import Project, free_port, settle  # noqa: E402
from log import cpu  # noqa: E402
from template import bake  # noqa: E402

TOOLS = "gcc g++ make git gpg curl uv pip"
COUNT = "dpkg-query --show | wc --lines; find / -name '*.dist-info' 2>/dev/null | wc --lines"
FIND = f"for tool in {TOOLS}; do command -v $tool >/dev/null && echo $tool; done; true"


def left_to_bentoml(project: Project) -> Path:
    """A copy of the project without its own Dockerfile."""
    leave = shutil.ignore_patterns(".git", ".venv", "runs")
    copy = Path(shutil.copytree(project.root, BENCH / "default" / project.root.name, ignore=leave))
    file = copy / "pyproject.toml"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    others = [line for line in lines if not line.startswith("dockerfile_template")]
    assert len(others) == len(lines) - 1
    file.write_text("".join(others), encoding="utf-8")
    return copy


@dataclass
class Image:
    """What there is to say of an image."""

    unpacked: float  # MB
    pulled: float  # MB, compressed
    debian: int  # packages
    python: int
    tools: str
    user: str


def look_at(containers: Containers, image: str) -> Image:
    """Measure an image, and look into it."""

    def inside(script: str) -> list[str]:
        """What a script prints in a container."""
        return containers.run("podman", "run", "--rm", "--entrypoint", "sh", image, "-c", script).split()

    with tempfile.TemporaryDirectory() as folder:
        containers.run("podman", "push", "--quiet", "--compress", image, f"dir:{folder}")
        pulled = sum(file.stat().st_size for file in Path(folder).iterdir())
    described = containers.run("podman", "image", "inspect", "--format", "{{.Size}} {{.Config.User}}", image)
    unpacked, user = described.split(" ")
    debian, python = map(int, inside(COUNT))
    return Image(int(unpacked) / 1e6, pulled / 1e6, debian, python, ", ".join(inside(FIND)) or "none", user.strip())


def start(containers: Containers, image: str) -> tuple[float, float]:
    """Seconds from the call of `podman run` until `/readyz` responds, and those of CPU time in the container."""
    port, began = free_port(), time.perf_counter()
    container = containers.run("podman", "run", "--detach", "--publish", f"127.0.0.1:{port}:3000", image).strip()
    try:
        while time.perf_counter() < began + 60:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                seconds = time.perf_counter() - began
                first = psutil.Process(
                    int(containers.run("podman", "inspect", "--format", "{{.State.Pid}}", container))
                )
                spent = [process.cpu_times() for process in [first, *first.children(recursive=True)]]
                return seconds, sum(times.user + times.system for times in spent)
            time.sleep(0.02)
        raise TimeoutError(f"{image} does not get ready: {containers.run('podman', 'logs', container)}")
    finally:
        containers.run("podman", "rm", "--force", "--volumes", container)


def spread(values: Sequence[float], unit: str = "") -> str:
    """The median, and the least and the greatest value."""
    return f"{median(values):.2f}{unit} ({min(values):.2f} to {max(values):.2f})"


def report(lean: Image, default: Image, base: Image, starts: dict[str, list[tuple[float, float]]]) -> str:
    """All that was measured, as Markdown."""
    images = (lean, default, base)
    ways = [list(zip(*starts[image], strict=True)) for image in starts]  # seconds and CPU time, of each image
    seconds, spent = ([spread(way[number], " s") for way in ways] for number in (0, 1))
    rows = [
        ["unpacked", *(f"{image.unpacked:,.0f} MB" for image in images)],
        ["compressed, as it is pulled", *(f"{image.pulled:,.0f} MB" for image in images)],
        ["packages of Debian", *(str(image.debian) for image in images)],
        ["packages of Python", *(str(image.python) for image in images)],
        [f"of {TOOLS.replace(' ', ', ')}", *(image.tools for image in images)],
        ["user", *(image.user or "root" for image in images)],
        ["from `podman run` to `/readyz`", *seconds, ""],
        ["its CPU time", *spent, ""],
    ]
    sooner, cheaper = (
        spread([own / other for own, other in zip(*pair, strict=True)]) for pair in zip(*ways, strict=True)
    )
    facts = f"{datetime.now(UTC):%d %B %Y}, {cpu()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    unpacked, pulled = default.unpacked / lean.unpacked, default.pulled / lean.pulled
    table = ["| | own | BentoML's | base |", "|---|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    parts = [
        "# The image, beside BentoML's own",
        f"""`bentoml containerize` makes an image along `deploy/bento.Dockerfile`. It is **1 / {unpacked:.1f}** of
            the one that BentoML would make of the same bento, 1 / {pulled:.1f} when it is pulled, and ready after
            **{sooner}** times the other's time, for {cheaper} times the CPU time.""",
        f"""{facts}. The base stands in for Python's slim image, which is the base of both: Debian's minimum with its
            Python, made here. Images are made by buildah and run by podman.""",
        "\n".join(table),
        f"""{len(ways[0][0])} starts of each, by turns; the ratio is taken within a turn, and the least and the greatest
            value are in brackets.""",
        "Made by `build/env/bin/python benchmarks/image.py`.",
    ]  # fmt: skip
    filled = [part if part.startswith("|") else textwrap.fill(" ".join(part.split()), 120) for part in parts]
    return "\n\n".join(filled) + "\n"


def main() -> None:
    """Make both images, measure them by turns, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11, help="starts of each image")
    args = parser.parse_args()
    try:
        containers = containers_of_this_machine()
    except pytest.skip.Exception as reason:
        sys.exit(str(reason))
    shutil.rmtree(BENCH, ignore_errors=True)
    project = settle(bake(BENCH / "lean"), BENCH / "settings")
    project.run("daybook", "run", "train")  # the sample's model, as it is
    lean = containerize(project, containers, project.root)
    default = containerize(project, containers, left_to_bentoml(project))
    starts = {lean: [], default: []}
    for number in range(args.rounds + 1):
        for image in (lean, default) if number % 2 else (default, lean):
            measured = start(containers, image)
            if number:  # the first reads the image from the disk
                starts[image].append(measured)
    page = report(*(look_at(containers, image) for image in (lean, default, BASE)), starts)
    containers.run("podman", "rmi", lean, default)
    (HERE / "image.md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
