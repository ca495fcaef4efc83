"""What a cell prints and displays reaches the client, in order, whole, and in linear time."""

import os
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from daybook.outputs import Outputs, captured

Messages = list[dict[str, Any]]


@pytest.fixture
def messages() -> Messages:
    """What the client of `outputs` receives."""
    return []


@pytest.fixture
def outputs(messages: Messages) -> Outputs:
    """Outputs of a cell that runs."""
    outputs = Outputs(messages.append)
    outputs.begin(outputs.msg("execute_request", {}))
    return outputs


def texts(messages: Messages) -> list[tuple[str, str]]:
    """The streams, in order."""
    contents = [message["content"] for message in messages if message["msg_type"] == "stream"]
    return [(content["name"], content["text"]) for content in contents]


def display(outputs: Outputs, text: str) -> None:
    """Publish a display."""
    parent = {"header": {"msg_id": outputs.request}}
    outputs.send(None, "display_data", {"data": {"text/plain": text}, "metadata": {}}, parent)


def test_streams_join_unless_something_is_displayed(outputs: Outputs, messages: Messages) -> None:
    for name, text in (("stdout", "1"), ("stderr", "2"), ("stdout", "3")):
        outputs.texts.add(name, text)
    display(outputs, "a plot")
    outputs.texts.add("stdout", "4")
    outputs.end()
    assert texts(messages) == [("stdout", "13"), ("stderr", "2"), ("stdout", "4")]
    assert [message["msg_type"] for message in messages] == ["stream", "stream", "display_data", "stream"]


def test_streams_alternate_as_far_as_they_are_flushed(outputs: Outputs, messages: Messages) -> None:
    with captured(outputs):
        print("1", end="", file=sys.stderr, flush=True)
        print("2", end="")
        print("3", end="", file=sys.stderr, flush=True)
        print("4", end="", file=sys.stderr, flush=True)
        outputs.end()
    assert texts(messages) == [("stderr", "134"), ("stdout", "2")]


def test_printing_takes_linear_time(outputs: Outputs, messages: Messages) -> None:
    def seconds(lines: int) -> float:
        messages.clear()
        began = time.perf_counter()
        with captured(outputs):
            for number in range(lines):
                print("step", number, "of a long training", flush=number % 2 == 0)
                print("careful", file=sys.stderr)
            outputs.flush()
        assert sum(text.count("\n") for _, text in texts(messages)) == 2 * lines
        return time.perf_counter() - began

    seconds(1000)
    assert seconds(16_000) < 10 * seconds(4_000)


def test_captured_takes_what_programs_print(outputs: Outputs, messages: Messages) -> None:
    before = (sys.stdout, sys.stderr)
    with captured(outputs):
        print("Python")
        os.system("echo program; echo careful >&2; printf '\\377'")
        print("Python again")
        subprocess.run(["echo", "into the file"], stdout=sys.stdout)
        outputs.flush()
    assert texts(messages) == [
        ("stdout", "Python\nprogram\n\ufffdPython again\ninto the file\n"),
        ("stderr", "careful\n"),
    ]
    assert before == (sys.stdout, sys.stderr)


def test_captured_takes_what_threads_and_forked_processes_print(outputs: Outputs, messages: Messages) -> None:
    with captured(outputs):
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()
        child = os.fork()
        if child == 0:
            print("from a child")
            os._exit(0)
        os.waitpid(child, 0)
        outputs.flush()
    assert texts(messages) == [("stdout", "from a thread\nfrom a child\n")]


def test_captured_gives_streams_back_after_an_error(outputs: Outputs, messages: Messages) -> None:
    before = sys.stdout
    with pytest.raises(ValueError, match="late"), captured(outputs):
        print("so far")
        outputs.flush()
        raise ValueError("late")
    assert sys.stdout is before and texts(messages) == [("stdout", "so far\n")]


def test_outputs_replace_what_is_no_unicode(outputs: Outputs, messages: Messages) -> None:
    for text in ("caf\udce9", "\ud800"):
        outputs.texts.add("stdout", text)
        outputs.flush()
    assert [text for _, text in texts(messages)] == ["caf\ufffd", "?"]


def test_outputs_drop_what_belongs_to_another_cell(outputs: Outputs, messages: Messages) -> None:
    outputs.send(None, "display_data", {"data": {}}, {"header": {"msg_id": "of another cell"}})
    outputs.end()
    assert messages == []


def test_stream_looks_like_that_of_a_kernel(outputs: Outputs) -> None:
    with captured(outputs):
        stream = sys.stdout
    facts = [type(stream).__name__, stream.encoding, stream.isatty(), stream.writable(), stream.name, stream.closed]
    assert facts == ["OutStream", "UTF-8", False, True, "stdout", False]
    assert not hasattr(stream, "buffer") and stream.fileno() == 1
    with pytest.raises(TypeError, match="must be str"):
        stream.write(b"bytes")
