"""The store of models: of many processes that save at once, none fails."""

import os
import subprocess
import sys
from pathlib import Path

SAVING = """
from daybook import bento
for number in range(15):
    with bento.new_model("demand", {"number": number}):
        pass
"""


def test_models_are_saved_by_many_processes_at_once(tmp_path: Path) -> None:
    variables = os.environ | {"BENTOML_HOME": str(tmp_path)}
    processes = [subprocess.Popen([sys.executable, "-c", SAVING], env=variables) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert len(list(tmp_path.glob("models/demand/*/model.yaml"))) == 60
