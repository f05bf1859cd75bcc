"""A headless Chromium driven through chromedriver's HTTP interface (W3C WebDriver), by the standard library alone."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
          "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]  # fmt: skip


def missing() -> str:
    """Why no browser can be driven here; empty where one can."""
    lacking = [name for name in ("chromedriver", "chromium") if shutil.which(name) is None]
    return f"{' and '.join(lacking)} not installed" if lacking else ""


ENTER, ESCAPE = "\ue007", "\ue00c"


class Browser:
    """One window with one page."""

    def __init__(self, address: str, session: str) -> None:
        self._root = f"{address}/session/{session}"

    def open(self, path: Path) -> None:
        call("POST", f"{self._root}/url", {"url": path.resolve().as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        """The value that the body of a JavaScript function returns."""
        return call("POST", f"{self._root}/execute/sync", {"script": script, "args": list(arguments)})

    def resize(self, width: int, height: int) -> None:
        call("POST", f"{self._root}/window/rect", {"width": width, "height": height})

    def show(self, width: int, height: int) -> None:
        """The page in a view of this size, which may be narrower than a window can be."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self._command("Emulation.setDeviceMetricsOverride", **size)

    def prefer(self, scheme: str) -> None:
        """What `prefers-color-scheme` is: "light" or "dark"."""
        self._command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def scripts(self, on: bool) -> None:
        """Whether pages opened from now on execute scripts."""
        self._command("Emulation.setScriptExecutionDisabled", value=not on)

    def visible_text(self) -> str:
        """What can be read of the page, without a script of its own."""
        nodes = self._command("Accessibility.getFullAXTree")["nodes"]
        return "\n".join(str(node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored"))

    def hover(self, selector: str) -> None:
        """Move the pointer to the middle of an element."""
        found = call("POST", f"{self._root}/element", {"using": "css selector", "value": selector})
        move = {"type": "pointerMove", "duration": 0, "x": 0, "y": 0, "origin": found}
        actions = [{"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": [move]}]
        call("POST", f"{self._root}/actions", {"actions": actions})

    def _command(self, name: str, **parameters: Any) -> Any:
        """A command of Chromium's own protocol."""
        return call("POST", f"{self._root}/goog/cdp/execute", {"cmd": name, "params": parameters})

    def press(self, key: str) -> None:
        """Press one key on what has the focus."""
        keys = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        call("POST", f"{self._root}/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": keys}]})

    def complaints(self) -> list[str]:
        """Warnings and errors of the console since the page was opened."""
        entries = call("POST", f"{self._root}/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]


def call(verb: str, address: str, body: dict[str, Any] | None = None) -> Any:
    """One WebDriver command. Raises AssertionError with the driver's own words."""
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, content, {"Content-Type": "application/json"}, method=verb)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as fault:
        raise AssertionError(f"{address}: {fault.read().decode()[:500]}") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser for the time of the block; it and its driver are ended afterwards."""
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        driver = subprocess.Popen(
            ["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        session = ""
        try:
            _await(address)
            options = {"args": [*_FLAGS, f"--user-data-dir={profile}"], "binary": shutil.which("chromium")}
            wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            session = call("POST", f"{address}/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
            yield Browser(address, session)
        finally:
            if session:
                call("DELETE", f"{address}/session/{session}")
            driver.terminate()
            driver.wait(timeout=30)


def _await(address: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if call("GET", f"{address}/status")["ready"]:
                return
        except OSError:
            pass
        if time.monotonic() > end:
            raise AssertionError("chromedriver did not start")
        time.sleep(0.1)
