"""The steps of a project's pipelines, and a shell that runs them as a CI service would."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml
from template import environment, uv_cache

TOOLS = Path(sys.executable).parent


@dataclass
class Step:
    """What a pipeline runs in a shell."""

    script: str
    variables: dict[str, str]
    always: bool  # after a failure too


def steps(project: Path, workflow: str, job: str) -> list[Step]:
    """The steps of a job, from the workflow of that name or from GitLab's file."""
    if (file := project / ".gitlab-ci.yml").exists():
        yaml.SafeLoader.add_constructor("!reference", lambda loader, node: loader.construct_sequence(node))
        pipeline = yaml.safe_load(file.read_text(encoding="utf-8"))
        variables = pipeline["variables"] | pipeline[job].get("variables", {})
        return [Step("\n".join(pipeline[job]["script"]), variables, False)]
    text = (project / ".github" / "workflows" / f"{workflow}.yaml").read_text(encoding="utf-8")
    described = yaml.safe_load(text)["jobs"][job]
    return [
        Step(step["run"], described.get("env", {}) | step.get("env", {}), "if" in step)
        for step in described["steps"]
        if "run" in step
    ]


def run_steps(project: Path, workflow: str, job: str, home: Path, **variables: str) -> tuple[int, str]:
    """Run a job's steps in a shell, on a machine with uv; the first exit code but 0, and all that was printed."""
    (home / "bin").mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join([str(home / "bin"), os.environ["PATH"]])
    settings = environment(HOME=str(home), PATH=path, UV_PYTHON=sys.executable)
    known = variables | {"CI_PROJECT_DIR": str(project), "github.workspace": str(project)}
    file = project / ".github" / "workflows" / f"{workflow}.yaml"
    handed_over = re.findall(r"(?:vars|secrets)\.(\w+)", file.read_text(encoding="utf-8") if file.exists() else "")
    inherited = {name: value for name, value in variables.items() if name not in handed_over}

    def resolved(value: object) -> str:
        """A variable's value, in which those of the pipeline's settings are filled in; one that is not set is empty."""
        named = re.compile(r"\$\{\{ (?:vars\.|secrets\.)?([\w.]+) \}\}|\$(\w+)")
        return named.sub(lambda match: known.get(match[1] or match[2], ""), str(value))

    code, output = 0, ""
    for step in steps(project, workflow, job):
        if code and not step.always:
            continue
        own = {name: resolved(value) for name, value in step.variables.items()}
        script, log = home / "script", home / "output"  # a pipe would stay open for what a step leaves behind
        script.write_text(step.script, encoding="utf-8")
        with log.open("wb") as printed:
            shell = subprocess.Popen(
                ["bash", "-eo", "pipefail", script],
                cwd=project,
                env=settings | inherited | own | {"UV_CACHE_DIR": uv_cache()},
                stdout=printed,
                stderr=printed,
                start_new_session=True,
            )
            try:
                shell.wait(1200)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(shell.pid, signal.SIGKILL)  # as a runner does with what a step leaves behind
        code, output = code or shell.returncode, f"{output}$ {step.script}\n{log.read_text(errors='replace')}"
    return code, output
