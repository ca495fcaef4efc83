"""What a cell prints and displays becomes outputs of its notebook."""

import getpass
import os
import sys
import time

import pytest
from nbformat.v4 import new_code_cell

from daybook.outputs import Outputs, Stream, captured


@pytest.fixture
def outputs() -> Outputs:
    """Outputs of a new cell."""
    outputs = Outputs()
    outputs.begin(new_code_cell())
    return outputs


def texts(outputs: Outputs) -> list[tuple[str, str]]:
    """The streams of the cell."""
    outputs.end()
    return [(output.name, output.text) for output in outputs.cell.outputs]


def display(outputs: Outputs, kind: str, text: str, name: str | None = None) -> None:
    """Publish a display."""
    transient = {"display_id": name} if name else {}
    outputs.send(None, kind, {"data": {"text/plain": text}, "metadata": {}, "transient": transient})


def test_streams_join_unless_something_is_displayed(outputs: Outputs) -> None:
    for name, text in (("stdout", "1"), ("stderr", "2"), ("stdout", "3")):
        outputs.write(name, text)
    assert texts(outputs) == [("stdout", "13"), ("stderr", "2")]
    display(outputs, "display_data", "a plot")
    outputs.write("stdout", "4")
    outputs.end()
    assert [output.get("text") for output in outputs.cell.outputs] == ["13", "2", None, "4"]


def test_displays_are_updated_from_other_cells(outputs: Outputs) -> None:
    first = outputs.cell
    display(outputs, "display_data", "first", "plot")
    outputs.begin(new_code_cell())
    display(outputs, "update_display_data", "second", "plot")
    display(outputs, "update_display_data", "third", "another")
    assert first.outputs[0].data == {"text/plain": "second"} and outputs.cell.outputs == []


@pytest.mark.parametrize("wait", [False, True])
def test_clear_output_clears(outputs: Outputs, wait: bool) -> None:
    outputs.write("stdout", "gone")
    outputs.write("stdout", " too")
    outputs.send(None, "clear_output", {"wait": wait})
    assert len(outputs.cell.outputs) == int(wait)
    outputs.write("stdout", "kept")
    assert texts(outputs) == [("stdout", "kept")]


def test_printing_takes_linear_time(outputs: Outputs) -> None:
    def seconds(lines: int) -> float:
        outputs.begin(new_code_cell())
        stream, began = Stream("stdout", outputs, 1), time.perf_counter()
        for number in range(lines):
            print("step", number, "of a long training", file=stream)
        outputs.end()
        assert outputs.cell.outputs[0].text.count("\n") == lines
        return time.perf_counter() - began

    seconds(1000)
    assert seconds(16_000) < 10 * seconds(4_000)


def test_captured_takes_what_programs_print(outputs: Outputs) -> None:
    before = (sys.stdout, sys.stderr, getpass.getpass, input)
    with captured(outputs):
        print("Python", flush=True)
        os.system("echo program; echo careful >&2; printf '\\377'")
        for ask in (input, getpass.getpass):
            with pytest.raises(NotImplementedError, match="make it a parameter"):
                ask("name?")
    assert texts(outputs) == [("stdout", "Python\nprogram\n\ufffd"), ("stderr", "careful\n")]
    assert before == (sys.stdout, sys.stderr, getpass.getpass, input)


def test_captured_gives_streams_back_after_an_error(outputs: Outputs) -> None:
    before = sys.stdout
    with pytest.raises(ValueError, match="late"), captured(outputs):
        print("so far")
        raise ValueError("late")
    assert sys.stdout is before and texts(outputs) == [("stdout", "so far\n")]
