"""Images built and containers run on a machine without a registry: on a base made here, in a store of their own."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers import Project
from template import ROOT, environment

# The Debian release whose own Python it is: that one stands in for Python's slim image.
DEBIAN = {(3, 11): "bookworm", (3, 13): "trixie"}
BASE = f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
FOLDER = ROOT / "build" / "containers"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
TRUST = ["--change", f"ENV SSL_CERT_FILE={CERTIFICATES}"] if CERTIFICATES.exists() else []


@dataclass
class Containers:
    """buildah and podman, with the settings that keep them apart from the machine's own images."""

    settings: dict[str, str]

    def run(self, *args: str | Path) -> str:
        """Run a command, return what it prints, and fail with all it says if it fails."""
        done = subprocess.run(args, env=environment(**self.settings), capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"{' '.join(map(str, args))} exited with {done.returncode}:\n{done.stderr}"
        return done.stdout

    @contextlib.contextmanager
    def started(self, image: str, *options: str, args: Sequence[str] = ()) -> Iterator[str]:
        """A container that may write nothing but /tmp and volumes; yields its id, and removes it in the end."""
        narrow = ["--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp:size=64m", "--cap-drop", "all"]
        narrow += ["--security-opt", "no-new-privileges"]
        container = self.run("podman", "run", "--detach", *narrow, *options, image, *args).strip()
        try:
            yield container
        finally:
            self.run("podman", "rm", "--force", "--volumes", container)


def base_archive(containers: Containers, release: str) -> Path:
    """Debian with Python and pip, as lean as Python's slim image, with the certificates that this machine trusts."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    archive = FOLDER / f"{release}.tar"
    if archive.exists():
        return archive
    with tempfile.TemporaryDirectory() as folder:
        root, draft = Path(folder, "root"), archive.with_suffix(".draft")
        containers.run("debootstrap", "--variant=minbase", "--include=ca-certificates,python3-venv", release, root)
        containers.run("chroot", root, "python3", "-m", "venv", "/usr/local")
        for cache in [*root.rglob("__pycache__"), root / "var/cache/apt", root / "var/lib/apt/lists"]:
            shutil.rmtree(cache)
        for texts in ("doc", "info", "locale", "man"):
            shutil.rmtree(root / "usr/share" / texts)
        if CERTIFICATES.exists():
            shutil.copy(CERTIFICATES, root / CERTIFICATES.relative_to("/"))
        containers.run("tar", "--directory", root, "--create", "--file", draft, ".")
    return draft.rename(archive)


def release_of_this_python() -> str:
    """The release of Debian that a base is made of; skips the test where none can be made."""
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("a base image can only be made by root")
    return DEBIAN.get(sys.version_info[:2]) or pytest.skip(f"no Debian release has the Python of {BASE}")


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait until no other process of the tests uses the store of images."""
    try:
        import fcntl
    except ImportError:  # Windows, where these tests are skipped
        yield
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def containers_of_this_machine() -> Containers:
    """What can build and run images here, with the base made; skips the test where nothing can."""
    release = release_of_this_python()
    if missing := [tool for tool in ("buildah", "debootstrap", "podman") if not shutil.which(tool)]:
        pytest.skip(f"an image is built and run by {', '.join(missing)}, which this machine lacks")
    storage, config = FOLDER / "storage.conf", FOLDER / "containers.conf"
    storage.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{FOLDER}/images"\nrunroot = "{FOLDER}/run"\n')
    # podman raises these limits, which not every root may; crun knows fewer kinds of control groups than runc.
    runtime = '[engine]\nruntime = "runc"\n' if shutil.which("runc") else ""
    config.write_text(f'[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n{runtime}')
    containers = Containers(
        {"CONTAINERS_STORAGE_CONF": str(storage), "CONTAINERS_CONF": str(config), "BUILDAH_ISOLATION": "chroot"}
    )
    if not containers.run("podman", "images", "--quiet", BASE):
        containers.run("podman", "import", *TRUST, base_archive(containers, release), BASE)
    try:
        containers.run("podman", "run", "--rm", BASE, "python", "--version")
    except AssertionError as error:
        pytest.skip(f"podman cannot run a container here: {error}")
    return containers


def base_by_digest(containers: Containers) -> str:
    """The base as a name that cannot be moved."""
    digest = containers.run("podman", "image", "inspect", "--format", "{{.Digest}}", BASE).strip()
    return f"localhost/{BASE.partition(':')[0]}@{digest}"


def containerize(project: Project, containers: Containers, root: Path, *options: str) -> str:
    """Build the bento of the project in `root`, and its image; return the image's name."""
    project.run("bentoml", "build", cwd=root)
    name, settings = f"{root.name}:{root.parent.name}", containers.settings | {"TMPDIR": str(root)}
    args = [f"{root.name}:latest", "--image-tag", name, "--backend", "buildah", *options]
    project.run("bentoml", "containerize", *args, cwd=root, **settings)
    return name
