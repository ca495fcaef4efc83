"""Runs that are stopped, or that leave processes, threads or modules behind: they end as a kernel's would."""

import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from secret_jobs import outputs

from daybook.jobs import run
from daybook.parameters import model_of
from daybook.preloading import imports_of
from daybook.project import DaybookError

Probe = Callable[..., str]
SWALLOWED = "import time\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    print('stopped early')"


@pytest.mark.parametrize("cell", [SWALLOWED, "!sleep 60"])
def test_a_cell_that_survives_its_stop_does_not_save_the_run(cell: str, probe: Probe) -> None:
    made = run(probe(cell, "open('later', 'w').close()"), time_limit=2)
    assert made.status == "failed" and made.error == "Timeout: it took more than 2 s"
    assert not Path("later").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.parametrize(("ending", "code"), [("raise SystemExit(3)", 3), ("1 / 0", 1), ("pass", 0)])
def test_a_forked_process_ends_with_its_cell(ending: str, code: int, probe: Probe) -> None:
    fork = f"import os\nif not (child := os.fork()):\n    {ending}\nelse:\n    status = os.waitpid(child, 0)[1]"
    made = run(probe(fork, "print('once', os.waitstatus_to_exitcode(status))"))
    assert made.status == "done" and outputs(made).endswith(f"once {code}\n")
    assert outputs(made).count("once") == 1


def test_a_thread_may_finish_its_work(probe: Probe) -> None:
    work = "import threading, time\n\ndef work():\n    time.sleep(1)\n    open('worked', 'w').close()"
    assert run(probe(work, "threading.Thread(target=work).start()")).status == "done" and Path("worked").exists()


def test_slow_imports_count_for_the_time_limit(probe: Probe) -> None:
    Path("slow").mkdir()
    Path("slow", "__init__.py").write_text("import time\ntime.sleep(4)")
    began = time.monotonic()
    made = run(probe("import slow", "time.sleep(60)"), time_limit=3)
    assert made.error == "Timeout: it took more than 3 s" and time.monotonic() - began < 30


def test_a_notebook_has_no_arguments_and_names_of_its_own(probe: Probe) -> None:
    made = run(probe("import sys\nprint(sys.argv[1:], __spec__, __package__, 'built-in' in __doc__)"))
    assert outputs(made) == "[] None None False\n"


@pytest.mark.parametrize(
    "cell",
    [
        "import sys\nsys.path.insert(0, 'lib')",
        "import os\nos.chdir('lib')",
        "import sys\nsys.modules['x'] = sys",
        "!pip install x==2.0",
        "%dotenv",
        "%cd lib",
        "%load_ext dotenv",
        "import os\nos.environ['STAGE'] += '-two'",
        "import os\ndel os.environ['STAGE']",
        "%%bash\npip install -U x",
    ],
)
def test_nothing_is_imported_below_what_an_import_looks_at(cell: str, probe: Probe) -> None:
    notebook = Path("nbs", f"01_{probe('import csv', cell, 'import this')}.ipynb").read_bytes()
    assert imports_of(notebook) == ["import csv"]


def test_a_module_that_a_cell_writes_is_as_it_was_written(probe: Probe) -> None:
    write = "from pathlib import Path\nPath('made.py').write_text(f'VALUE = {number}')"
    job = probe(write, "import made\nprint(made.VALUE)")
    # of another size: Python takes a file of one second and size for the one whose bytecode it has
    assert [outputs(run(job, {"number": number})) for number in (1, 22)] == ["1\n", "22\n"]


def test_defaults_may_ask_for_the_time() -> None:
    assert model_of("day: date = date.today()").model_fields["day"].default == date.today()
    with pytest.raises(DaybookError, match="`tokens: list.SecretStr. = ..` is no parameter"):
        model_of("tokens: list[SecretStr] = []")


def test_what_modules_of_the_project_import_is_imported(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("shop", "deep").mkdir(parents=True)
    Path("shop", "__init__.py").write_text("import csv\nfrom .data import load\n")
    Path("shop", "data.py").write_text(
        "import json.decoder\nfrom . import deep\nfrom shop import x\nimport not_there\n"
    )
    Path("shop", "deep", "__init__.py").write_text("from ..other import y\n\ndef later():\n    import wave\n")
    Path("shop", "other.py").write_text("import colorsys, shop.never\nfrom .. import above\n")
    Path("shop", "unread.py").write_text("import wave\n")
    Path("beside.py").write_text("import bisect\nbroken(")
    notebook = Path("nbs", f"01_{probe('import os, shop.data', 'import beside')}.ipynb").read_bytes()
    monkeypatch.syspath_prepend(Path.cwd())
    found = ["import os", "import csv", "import json.decoder", "import colorsys"]
    assert imports_of(notebook) == found
