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


def test_the_store_is_opened_without_the_client_of_a_cloud(tmp_path: Path) -> None:
    code = f"{SAVING}\nimport sys\nassert bento.find_model('demand:latest').info.metadata == {{'number': 14}}"
    code += "\nassert len(bento.models_of('demand')) == 15 and 'bentoml._internal.cloud' not in sys.modules"
    subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"BENTOML_HOME": str(tmp_path)}, check=True, timeout=60
    )
