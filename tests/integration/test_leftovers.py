"""What a process leaves behind that is killed goes, and what a run leaves may be read by its owner and group."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from power import followed, needs_descriptors
from segments_of import ROW, answered, write_schema, write_segment

from daybook import champion, example, jobs, models, supervisor
from daybook.example import contract
from daybook.log import Log
from daybook.notebooks import Job
from daybook.score_output import answers, writing
from daybook.supervisor import supervise

Probe = Callable[..., str]
LEAVES = """
import os, signal, tempfile
from pathlib import Path
left = Path(tempfile.mkdtemp(), "export.bentomodel")
left.write_text("half of a model")
(Path(os.environ["DAYBOOK_RUN_FOLDER"]) / "left.txt").write_text(str(left))
(Path(os.environ["DAYBOOK_RUN_FOLDER"]) / ".report.html.0123abcd").write_text("half of a report")
os.umask(0)
(Path(os.environ["DAYBOOK_RUN_FOLDER"]) / "tables").mkdir()
(Path(os.environ["DAYBOOK_RUN_FOLDER"]) / "tables" / "a.csv").write_text("a")
"""


@pytest.mark.parametrize("end", ["", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_supervise_removes_temporary_files_and_gives_all_the_same_permissions(
    probe: Probe, tmp_path: Path, end: str
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    ended = supervise(jobs.started(Job.find(probe(LEAVES + end)).task({})), folder)
    assert ended.status == ("failed" if end else "done")
    left = Path((folder / "left.txt").read_text())
    assert left.is_relative_to(supervisor.own_folder()) and not left.exists() and not left.parent.exists()
    modes = {path: path.stat().st_mode & 0o777 for path in [folder, *folder.rglob("*")]}
    assert ".report.html.0123abcd" not in {path.name for path in modes} and len(modes) >= 6
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o640}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o750}


IS_KILLED = """
import os, sys
from daybook import supervisor
folder = supervisor.own_folder()
(folder / "model").mkdir()
(folder / "model" / "half").write_text("half")
print(folder, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.name == "nt", reason="there are no such locks")
def test_the_next_job_removes_what_a_killed_one_left_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}

    def start() -> tuple[subprocess.Popen, Path]:
        command = [sys.executable, "-c", IS_KILLED]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)
        return process, Path(process.stdout.readline().strip())

    other = tmp_path / "daybook-other"
    other.mkdir()
    first, abandoned = start()
    living, its_own = start()
    above = abandoned.parent  # `/tmp` where the path is long
    first.kill()
    first.wait()
    assert (abandoned / "model" / "half").exists()
    supervisor._remove_abandoned(str(above))
    assert not abandoned.exists() and (its_own / "model" / "half").exists() and other.exists()
    living.communicate()  # it ends by itself
    assert living.returncode == 0 and not its_own.exists()


def test_compaction_removes_old_drafts_and_only_these(tmp_path: Path) -> None:
    log = Log(contract, tmp_path)
    write_schema(log.folder)
    write_segment(log.folder, answered(1, [ROW], [1]))
    folder = tmp_path / "predictions/model=demand/dt=2024-01-01"
    folder.mkdir(parents=True)
    names = [".a.parquet.0123abcd", ".new.parquet.0123abcd", ".mine", "a.0123abcd"]
    for name in names:
        (folder / name).touch()
        if "new" not in name:
            os.utime(folder / name, (time.time() - 7200, time.time() - 7200))
    log.compact()
    assert [name for name in names if (folder / name).exists()] == names[1:]


@needs_descriptors
@pytest.mark.parametrize("before", [None, b"the last output"])
def test_the_output_of_a_score_is_on_the_disk_when_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bytes | None
) -> None:
    root, seen = tmp_path / "root", []
    (root / "out").mkdir(parents=True)
    if before:
        (root / "out" / "week.parquet").write_bytes(before)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "elsewhere"))
    frame = contract.validate(example.sample(days=1))[list(contract.fields)]

    def check(left: Path) -> None:
        file = left / "out" / "week.parquet"
        seen.append(file.read_bytes() if file.exists() else None)

    def score() -> None:
        with writing(str(root / "out" / "week.parquet")) as output:
            ids = [f"a:{number}" for number in range(len(frame))]
            output.write(answers(contract, frame, np.ones(len(frame)), ids))

    followed(root, tmp_path / "cuts", check, monkeypatch, score)
    content = (root / "out" / "week.parquet").read_bytes()
    assert set(seen) == {before, content} and seen[-1] == seen[-2] == content


KILLED_PROMOTION = """
import os, signal, sys
from pathlib import Path
from daybook import champion, files, models
copying = files.shutil.copyfile
def killed(source, draft):
    copying(source, draft)
    os.kill(os.getpid(), signal.SIGKILL)
def waits(source, draft):
    Path(draft).write_text("half")
    print("writing", flush=True)
    sys.stdin.read()
    copying(source, draft)
files.shutil.copyfile = {"killed": killed, "waits": waits}.get(sys.argv[1], copying)
models.export_model = lambda tag, path: (path.write_text("a model"), path)[1]
print("storing", flush=True)
champion.store_model(sys.argv[2])
"""


def promote(tmp_path: Path, how: str, tag: str) -> subprocess.Popen:
    """Start storing a model."""
    environment = os.environ | {"MODEL_STORE": str(tmp_path / "models")}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", KILLED_PROMOTION, how, tag]
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)


def stored(tmp_path: Path) -> list[str]:
    """The files in the store of models, drafts as well."""
    return sorted(path.name for path in (tmp_path / "models").iterdir())


@pytest.mark.skipif(os.name == "nt", reason="there are no such locks")
def test_store_model_removes_the_draft_of_a_killed_promotion(tmp_path: Path) -> None:
    for _ in range(2):
        assert promote(tmp_path, "killed", "demand:a").wait(60) == -9
        [draft] = stored(tmp_path)  # the one before is gone
        assert draft.startswith(".demand-a.bentomodel.")
    (tmp_path / "models" / "notes.txt").touch()
    assert promote(tmp_path, "", "demand:b").wait(60) == 0
    assert stored(tmp_path) == ["demand-b.bentomodel", "notes.txt"]
    assert (tmp_path / "models" / "demand-b.bentomodel").stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.name == "nt", reason="there are no such locks")
def test_store_model_leaves_the_draft_of_a_promotion_that_runs(tmp_path: Path) -> None:
    first = promote(tmp_path, "waits", "demand:a")
    assert (first.stdout.readline(), first.stdout.readline()) == ("storing\n", "writing\n")
    second = promote(tmp_path, "", "demand:b")
    assert second.stdout.readline() == "storing\n"
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(1)
    [draft] = stored(tmp_path)
    assert draft.startswith(".demand-a.bentomodel.")
    first.communicate("")
    assert (first.wait(60), second.wait(60)) == (0, 0)
    assert stored(tmp_path) == ["demand-a.bentomodel", "demand-b.bentomodel"]


def test_store_model_removes_drafts_at_a_url_when_they_are_an_hour_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_STORE", "memory://bucket/models")
    monkeypatch.setattr(models, "export_model", lambda tag, path: (path.write_text("a model"), path)[1])
    store = champion.model_store()
    for name in ("old", "new"):
        store.put(f"demand-{name}.bentomodel.0123abcd.part", b"half")
    file = store.fs.store[f"{store.root}/demand-old.bentomodel.0123abcd.part"]
    file.modified -= timedelta(hours=2)
    champion.store_model("demand:b")
    assert store.list() == ["demand-b.bentomodel", "demand-new.bentomodel.0123abcd.part"]
    store.fs.rm(store.root, recursive=True)
