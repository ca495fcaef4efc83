"""Chromium, driven over its debugging pipe: pages, keys, and what stands in a page."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on the PATH; Debian's package is `chromium`")
FLAGS = """--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-sync
--disable-background-networking --disable-component-update --window-size=1400,1000 --remote-debugging-pipe"""
START = """
import fcntl, os, sys
high = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
os.dup2(high[0], 3)
os.dup2(high[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""  # Chromium reads from 3 and writes to 4
CONTROL = 2  # a modifier


class Browser:
    """One page of a browser."""

    def __init__(self, commands: int, events: int):
        self.commands, self.events = os.fdopen(commands, "wb", buffering=0), os.fdopen(events, "rb")
        self.number, self.session = 0, None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def message(self) -> dict[str, Any]:
        """The next message of the browser."""
        received = b""
        while not received.endswith(b"\0"):
            received += self.events.read(1) or pytest.fail("the browser is gone")
        return json.loads(received[:-1])

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Carry out a command, and return its result."""
        self.number += 1
        command = {"id": self.number, "method": method, "params": params}
        command |= {"sessionId": self.session} if self.session else {}
        self.commands.write(json.dumps(command).encode() + b"\0")
        while (message := self.message()).get("id") != self.number:
            pass
        assert "result" in message, message
        return message["result"]

    def open(self, url: str) -> None:
        """Go to a page."""
        self.call("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = 90) -> Any:
        """The value of an expression as soon as it is none of false, null and empty; fails with the page's text."""
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            with contextlib.suppress(AssertionError):
                if value := self.evaluate(script):
                    return value
            time.sleep(0.2)
        pytest.fail(f"{script} is not to be seen in:\n{self.evaluate('document.body.innerText')[:3000]}")

    def click(self, script: str) -> None:
        """Click into the middle of an element, as soon as it is there."""
        box = f"(() => {{ const box = ({script})?.getBoundingClientRect(); return box && [box.x, box.y, box.width,"
        x, y, width, height = self.wait(f"{box} box.height] }})()")
        at = {"x": x + width / 2, "y": y + height / 2, "button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", **at)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", **at)

    def write(self, text: str) -> None:
        """Type a text where the cursor is."""
        self.call("Input.insertText", text=text)

    def press(self, key: str, code: int, modifiers: int = 0, times: int = 1) -> None:
        """Press a key."""
        name = f"Key{key.upper()}" if len(key) == 1 else key
        pressed = {"key": key, "code": name, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        for _ in range(times):
            self.call("Input.dispatchKeyEvent", type="rawKeyDown", **pressed)
            self.call("Input.dispatchKeyEvent", type="keyUp", **pressed)


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own, which ends with its context."""
    read, commands = os.pipe()
    events, write = os.pipe()
    command = [sys.executable, "-c", START, str(read), str(write), CHROMIUM, *FLAGS.split()]
    command += [f"--user-data-dir={profile}"]
    with (profile.parent / "browser.log").open("wb") as output:
        process = subprocess.Popen(command, pass_fds=(read, write), stdout=output, stderr=output)
    os.close(read)
    os.close(write)
    try:
        yield Browser(commands, events)
    finally:
        process.terminate()
        process.wait(30)
