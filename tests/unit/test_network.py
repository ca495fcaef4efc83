"""A neural network as an ONNX graph."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from daybook import artifact, draft, example, models, network
from daybook.artifact import DeviceError
from daybook.encoder import Encoder
from daybook.network import Network, open_session, read_network, write_network


@pytest.mark.parametrize(("threads", "count"), [("3", 3), ("4,2", 4), (" ", 0), ("", 0)])
def test_session_has_as_many_threads_as_openmp(threads: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert network.session_options().intra_op_num_threads == count


def graph(weights: np.ndarray, dtype: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """A graph that multiplies the rows of a matrix, as float32, by weights; what is missing counts as 0."""
    nodes = [
        helper.make_node("IsNaN", ["matrix"], ["gap"]),
        helper.make_node("Where", ["gap", "zero", "matrix"], ["filled"]),
        helper.make_node("Cast", ["filled"], ["input"], to=dtype),
        helper.make_node("MatMul", ["input", "weights"], ["prediction"]),
    ]
    constants = [
        numpy_helper.from_array(np.zeros((), np.float64), "zero"),
        numpy_helper.from_array(weights.astype(helper.tensor_dtype_to_np_dtype(dtype)), "weights"),
    ]
    matrix = helper.make_tensor_value_info("matrix", TensorProto.DOUBLE, ["n", len(weights)])
    result = helper.make_tensor_value_info("prediction", dtype, ["n"])
    built = helper.make_graph(nodes, "linear", [matrix], [result], constants)
    return helper.make_model(built, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.fixture
def linear() -> Network:
    """A network of the example's rows."""
    encoder = Encoder(example.contract).fit(example.contract.arrays(example.sample(days=30)))
    return Network(encoder, graph=graph(np.linspace(1, 2, len(encoder.names))).SerializeToString())


def predict(estimator: Network, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """What the exported module of the project below does, too."""
    return estimator(estimator.encoder.transform(arrays))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example's project, whose model is a network."""
    root = example.project(tmp_path)
    (root / "demand" / "model.py").write_text(
        "from daybook.example import evaluate, loss\n\n\ndef predict(estimator, arrays):\n"
        "    return estimator(estimator.encoder.transform(arrays))\n"
    )
    monkeypatch.chdir(root)
    return root


def test_network_is_saved_as_a_graph_and_predicts_the_same(project: Path, linear: Network) -> None:
    frame = example.sample(days=30)
    predictions = predict(linear, example.contract.arrays(frame))
    metrics = example.evaluate(example.contract.y_true(frame["rentals"]), predictions)
    tag = models.save(example.contract, linear, predict, frame, predictions, metrics=metrics)
    folder = Path(models.get(tag).path)
    assert (folder / "model.onnx").is_file() and not (folder / "model.skops").exists()
    loaded = models.load(tag)
    assert loaded.device == "cpu" and loaded.tolerance >= 1e-5, "float32 does not repeat the last digits"
    np.testing.assert_array_equal(loaded.predict(frame), predictions)
    assert artifact.read_examples(folder)["libraries"].keys() >= {"numpy", "onnxruntime"}


def test_save_refuses_a_graph_that_predicts_otherwise_than_its_network(project: Path, linear: Network) -> None:
    frame = example.sample(days=30)
    linear.exported = lambda: Network(
        linear.encoder, graph=graph(np.ones(len(linear.encoder.names))).SerializeToString()
    )
    predictions = predict(linear, example.contract.arrays(frame))
    with pytest.raises(Exception, match="does not predict what this notebook predicts"):
        draft.write(project, example.contract, linear, predict, frame, predictions)


def test_rows_of_any_number_are_predicted(linear: Network) -> None:
    matrix = np.random.default_rng(0).normal(size=(1000, len(linear.encoder.names)))
    matrix[::7, 0] = np.nan
    together = linear(matrix)
    assert together.dtype == np.float32 and together.shape == (1000,)
    np.testing.assert_allclose([linear(matrix[row : row + 1])[0] for row in range(1000)], together, rtol=1e-5)
    assert linear(matrix[:0]).shape == (0,)
    linear.warm_up()


def test_cuda_is_refused_without_the_runtime_for_gpus(linear: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setenv("SERVICE_DEVICE", "cuda")
    with pytest.raises(DeviceError, match="onnxruntime is installed, and not onnxruntime-gpu"):
        Network(linear.encoder, graph=linear.graph)


def test_cuda_is_refused_if_onnx_runtime_takes_the_cpu(linear: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setitem(network.PROVIDERS, "cuda", ["CPUExecutionProvider"])  # what it falls back to
    assert open_session(linear.graph, "auto")[1] == "cpu"
    with pytest.raises(DeviceError, match="no GPU or driver that fits"):
        open_session(linear.graph, "cuda")


def test_device_must_be_one_of_three(linear: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_DEVICE", "tpu")
    with pytest.raises(DeviceError, match="SERVICE_DEVICE=tpu"):
        Network(linear.encoder, graph=linear.graph)


def test_graph_reads_no_other_file(linear: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    secret = tmp_path / "secret"
    secret.write_bytes(np.ones(len(linear.encoder.names), np.float32).tobytes())
    for location in ("secret", str(secret)):
        model = onnx.load_from_string(linear.graph)
        weights = model.graph.initializer[1]
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=location)
        onnx.helper.set_model_props(model, {"encoder": "{}"})
        (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(Exception, match="(?i)external|file|path"):
            read_network(tmp_path / "model.onnx")


def test_network_is_written_with_its_encoder(linear: Network, tmp_path: Path) -> None:
    write_network(tmp_path / "model.onnx", linear)
    again = read_network(tmp_path / "model.onnx")
    assert vars(again.encoder) == vars(linear.encoder)
    assert repr(again) == f"Network({len(linear.encoder.names)} columns, ONNX on cpu)"
