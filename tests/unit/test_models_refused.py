"""A model that cannot be what it was is refused, in one sentence that says what to do."""

import json
import os
import pickle
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import FunctionTransformer
from skops.io import dump
from small_models import FRAME, HOUR, HOUR_AND_TEMP, export, notebook, save

from daybook import champion, example, models
from daybook.contract import Contract
from daybook.example import contract
from daybook.project import DaybookError


def folder_of(tag: str) -> Path:
    """Where a model's files are."""
    return Path(models.get(tag).path)


class Trap:
    """Something that leaves a marker when it is unpickled."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.marker}",)


class Surprise(LinearRegression):
    """A type that nothing names."""


def test_save_never_registers_an_untrusted_type(demand: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tag = save(HOUR)
    before = set(os.listdir(tmp_path))
    surprise = Surprise().fit(FRAME[["hour"]].to_numpy(float), FRAME["rentals"])
    with pytest.raises(DaybookError, match="Surprise.*name these types in TRUSTED"):
        save(HOUR, surprise)
    assert str(models.get("demand:latest").tag) == tag
    assert len(models.all_models("demand")) == 1
    assert set(os.listdir(tmp_path)) == before


def test_save_leaves_an_empty_store_empty(demand: Path) -> None:
    with pytest.raises(DaybookError, match="TRUSTED"):
        save(HOUR, Surprise().fit(FRAME[["hour"]].to_numpy(float), FRAME["rentals"]))
    assert not models.exists("demand:latest")
    assert not list(Path(os.environ["BENTOML_HOME"], "models").iterdir())


@pytest.mark.parametrize(
    "exported",
    [HOUR_AND_TEMP, HOUR.replace("return estimator.predict(", "return 1 + estimator.predict(")],
    ids=["other features", "another predict"],
)
def test_save_refuses_a_notebook_that_is_not_exported(demand: Path, exported: str) -> None:
    cells = notebook(HOUR)
    columns = contract.arrays(FRAME)
    export(exported)
    with pytest.raises(DaybookError, match="export the notebook first"):
        models.save(contract, cells.fit(FRAME, columns), cells.predict, FRAME, np.ones(len(FRAME)), metrics={})


def test_save_refuses_a_contract_that_is_not_exported(demand: Path) -> None:
    class LabelledRow(example.LabelledRow):
        "The same fields under another name."

    changed = Contract(LabelledRow, target="rentals", key=("day",), time="day", name="demand")
    cells, columns = notebook(HOUR), contract.arrays(FRAME)
    export(HOUR)
    with pytest.raises(DaybookError, match="export the notebook of the data first"):
        models.save(changed, cells.fit(FRAME, columns), cells.predict, FRAME, np.ones(len(FRAME)), metrics={})


def test_save_refuses_absolute_imports(demand: Path) -> None:
    with pytest.raises(DaybookError, match=r"demand/model.py, line \d+, imports demand by its name"):
        save(f"{HOUR}\n\ndef late():\n    from demand.data import contract\n")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            f"{HOUR}\n\ndef loss(y_true, y_pred):\n    return (y_true - y_pred) ** 2\n",
            "evaluate says mae is .*, and the mean of loss is",
        ),
        (
            f"{HOUR}\n\ndef loss(y_true, y_pred):\n    return 1.0\n",
            "loss returns an array of shape .*: one number a row",
        ),
        (f"{HOUR}\n\ndef evaluate(y_true, y_pred):\n    return {{}}\n", "evaluate returns no metric"),
        (HOUR.replace("import evaluate, loss", "import evaluate"), "demand/model.py has no `loss`"),
        (f"{HOUR}\nfrom .helpers import thing\n", "demand/model.py cannot be imported by itself"),
    ],
)
def test_save_refuses_code_that_cannot_judge(demand: Path, source: str, message: str) -> None:
    cells, columns = notebook(HOUR), contract.arrays(FRAME)
    export(source)
    with pytest.raises(DaybookError, match=message):
        models.save(contract, cells.fit(FRAME, columns), cells.predict, FRAME, np.ones(len(FRAME)), metrics={})


def test_save_refuses_features_of_the_whole_batch(demand: Path) -> None:
    with pytest.raises(DaybookError, match="features must depend on their own row alone"):
        save(HOUR.replace("return estimator.predict(", "return columns['hour'].mean() + estimator.predict("))


NETWORK = f"""{HOUR_AND_TEMP}

FIRST = np.random.default_rng(0).normal(size=(2, 256)).astype("float32")
SECOND = np.random.default_rng(1).normal(size=(256, 256)).astype("float32")


def predict(estimator, columns):
    return (np.tanh(features(columns).astype("float32") @ FIRST) @ SECOND).sum(axis=1)
"""


def test_save_measures_the_tolerance_of_float32(demand: Path) -> None:
    tag = save(NETWORK, LinearRegression())
    tolerance = models.metadata(tag)["tolerance"]
    assert 1e-5 <= tolerance < 0.1
    model = models.load(tag)
    batch = model.predict(FRAME)
    single = np.concatenate([model.predict(FRAME.iloc[[row]]) for row in range(len(FRAME))])
    models.require_same(list(FRAME.index), batch, single, model.tolerance)
    with pytest.raises(DaybookError, match="predictions differ by more than"):
        models.require_same(list(FRAME.index), batch, batch + 10 * tolerance * np.maximum(1, abs(batch)), tolerance)


def library(folder: Path, version: str, rate: float) -> None:
    """Install a small library into a folder."""
    for old in folder.glob("tariff*"):
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    info = folder / f"tariff-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tariff\nVersion: {version}\n")
    (info / "RECORD").write_text(f"tariff.py,,\ntariff-{version}.dist-info/METADATA,,\n")
    (folder / "tariff.py").write_text(f"def rate():\n    return {rate}\n")


def test_load_names_the_library_that_has_changed(demand: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path / "site")
    library(tmp_path / "site", "1.0", 2.0)
    tag = save(f"import tariff\n{HOUR}".replace("return estimator", "return tariff.rate() * estimator"))
    assert models.metadata(tag)["libraries"]["tariff"] == "1.0"
    models.load(tag)
    library(tmp_path / "site", "1.1", 2.5)
    monkeypatch.setattr(sys.modules["tariff"], "rate", lambda: 2.5)
    with pytest.raises(DaybookError, match=r"row \d+ of examples.json was predicted as .*, and is .*tariff 1.0 → 1.1"):
        models.load(tag)


def test_load_says_when_no_version_has_changed(demand: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tag = save(HOUR)
    model = models.load(tag)
    monkeypatch.setattr(type(model.estimator), "predict", lambda self, X: np.zeros(len(X)))
    with pytest.raises(DaybookError, match="no version has changed, so its files have, or this is another kind"):
        models.load(tag)


def tamper(tag: str, marker: Path, is_hash_forged: bool) -> None:
    """Put code into a model that leaves a marker when it is run."""
    folder = folder_of(tag)
    for name in ("__init__", "data", "model"):
        file = folder / "code" / "demand" / f"{name}.py"
        file.write_text(f"open({str(marker)!r}, 'w').close()\n{file.read_text()}")
    if is_hash_forged:
        info = yaml.safe_load((folder / "model.yaml").read_text())
        info["metadata"]["sha256"] = models.folder_sha256(folder)
        (folder / "model.yaml").write_text(yaml.safe_dump(info))


@pytest.mark.parametrize("function", [models.load, models.contract_of])
def test_load_runs_no_code_of_a_forged_champion(demand: Path, tmp_path: Path, function: Any) -> None:
    tag = save(HOUR)
    champion.promote(tag, "the first", {})
    tamper(tag, tmp_path / "marker", is_hash_forged=True)
    with pytest.raises(DaybookError, match="is not the model that champion.json names: its hash differs"):
        function(tag)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("function", [models.load, models.contract_of])
def test_load_notices_files_that_have_changed(demand: Path, tmp_path: Path, function: Any) -> None:
    tag = save(HOUR)
    tamper(tag, tmp_path / "marker", is_hash_forged=False)
    with pytest.raises(DaybookError, match="the files of demand:.* have changed since it was saved"):
        function(tag)
    assert not (tmp_path / "marker").exists()


def test_load_notices_a_swapped_estimator(demand: Path) -> None:
    tag = save(HOUR)
    other = LinearRegression().fit(FRAME[["hour"]].to_numpy(float), 2 * FRAME["rentals"])
    dump(other, folder_of(tag) / "model.skops")
    info = yaml.safe_load((folder_of(tag) / "model.yaml").read_text())
    del info["metadata"]["sha256"]
    (folder_of(tag) / "model.yaml").write_text(yaml.safe_dump(info))
    with pytest.raises(DaybookError, match="does not predict what it predicted when it was made"):
        models.load(tag)


@pytest.mark.parametrize("kind", ["pickle", "function"])
def test_load_runs_no_code_of_a_model_file(demand: Path, tmp_path: Path, kind: str) -> None:
    tag, marker = save(HOUR), tmp_path / "marker"
    touch = FunctionTransformer(os.system, kw_args={"command": f"touch {marker}"})
    file = folder_of(tag) / "model.skops"
    file.write_bytes(pickle.dumps(Trap(marker))) if kind == "pickle" else dump(touch, file)
    info = yaml.safe_load((folder_of(tag) / "model.yaml").read_text())
    info["metadata"]["sha256"] = models.folder_sha256(folder_of(tag))
    (folder_of(tag) / "model.yaml").write_text(yaml.safe_dump(info))
    with pytest.raises(DaybookError, match="reading its estimator fails with (BadZipFile|UntrustedTypesFoundExc)"):
        models.load(tag)
    assert not marker.exists()


def test_load_refuses_a_model_without_code(demand: Path) -> None:
    tag = save(HOUR)
    shutil.rmtree(folder_of(tag) / "code")
    for function in (models.load, models.contract_of):
        with pytest.raises(DaybookError, match="brings no code, as Daybook 0.2 .*-p force=true -p reason="):
            function(tag)


def test_load_says_why_code_cannot_run(demand: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path / "site")
    library(tmp_path / "site", "1.0", 2.0)
    tag = save(f"import tariff\n{HOUR}")
    for name in [name for name in sys.modules if name.startswith("_demand_") or name == "tariff"]:
        del sys.modules[name]
    shutil.rmtree(tmp_path / "site")
    reason = "its code fails with ModuleNotFoundError: No module named 'tariff'; since it was made, tariff 1.0 → absent"
    with pytest.raises(DaybookError, match=f"{reason} has changed; train a new one and promote it"):
        models.load(tag)
    assert json.loads((folder_of(tag) / "examples.json").read_text())["libraries"]["tariff"] == "1.0"
