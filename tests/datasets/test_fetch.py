"""Downloading, against a real server on the loopback interface."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import miniature_cifar
import pytest
from typer.testing import CliRunner

from bench.commands import data as data_command
from datasets import cifar, registry
from datasets import fetch as fetching
from datasets.base import DataError
from datasets.fetch import fetch

ARCHIVE = "cifar-10-python.tar.gz"


@dataclass
class Server:
    """What the server sends, how it misbehaves, and what it was asked."""

    content: bytes
    url: str = ""
    ranges: bool = True  # whether it honours Range
    break_after: list[int] = field(default_factory=list)  # bytes after which each answer is cut
    status: int = 200
    wrong_start: bool = False
    asked: list[str | None] = field(default_factory=list)  # the Range header of every request


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            server.asked.append(wanted)
            if server.status != 200:
                self.send_error(server.status)
                return
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and server.ranges else 0
            whole = len(server.content)
            if start >= whole:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{whole}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = server.content[start:]
            self.send_response(206 if start else 200)
            if start:
                shown = start + 1 if server.wrong_start else start
                self.send_header("Content-Range", f"bytes {shown}-{whole - 1}/{whole}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if server.break_after:
                body = body[: server.break_after.pop(0)]
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of a miniature archive, which counts as the official one; no pauses between attempts."""
    files = miniature_cifar.contents()
    served = Server(miniature_cifar.archive(files))
    monkeypatch.setitem(cifar.LAYOUTS, "cifar10", miniature_cifar.layout(files, served.content))
    monkeypatch.setattr(fetching, "PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(served)) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        served.url = f"http://127.0.0.1:{http.server_port}/{ARCHIVE}"
        yield served
        http.shutdown()
        thread.join()


def _part(root: Path) -> Path:
    return root / f"{ARCHIVE}.part"


def _assert_installed(root: Path) -> None:
    """All files are there, nothing else is left or was written beside them, and the data can be loaded."""
    assert sorted(path.name for path in root.iterdir()) == ["cifar-10-batches-py"]
    held = {path.name: path.read_bytes() for path in (root / "cifar-10-batches-py").iterdir()}
    assert held == miniature_cifar.contents()
    assert not (root.parent / "escaped").exists()
    assert registry.load("cifar10", root).num_train == 100


def test_fetch_downloads_verifies_and_unpacks(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    root = tmp_path / "new" / "data"
    folder = fetch("cifar10", root, server.url, lambda done, total: seen.append((done, total)))
    assert folder == root / "cifar-10-batches-py"
    _assert_installed(root)
    assert seen[0] == (0, len(server.content)) and seen[-1] == (len(server.content), len(server.content))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_what_is_complete_is_not_downloaded_again(server: Server, tmp_path: Path) -> None:
    fetch("cifar10", tmp_path, server.url)
    assert fetch("cifar10", tmp_path, server.url) == tmp_path / "cifar-10-batches-py"
    assert fetch("cifar10", tmp_path / "cifar-10-batches-py", server.url) == tmp_path / "cifar-10-batches-py"
    assert server.asked == [None]


def test_a_damaged_file_is_replaced(server: Server, tmp_path: Path) -> None:
    folder = fetch("cifar10", tmp_path, server.url)
    (folder / "data_batch_2").write_bytes(b"broken")
    fetch("cifar10", tmp_path, server.url)
    _assert_installed(tmp_path)


def test_interrupted_download_goes_on_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    server.break_after = [1000, 500]
    fetch("cifar10", tmp_path, server.url)
    _assert_installed(tmp_path)
    assert server.asked == [None, "bytes=1000-", "bytes=1500-"]


def test_download_given_up_goes_on_at_the_next_call(server: Server, tmp_path: Path) -> None:
    server.break_after = [1000] + [0] * fetching.TRIES
    with pytest.raises(DataError, match=r"broke off; 1,000 bytes are kept, run the command again"):
        fetch("cifar10", tmp_path, server.url)
    assert _part(tmp_path).read_bytes() == server.content[:1000]
    assert not (tmp_path / "cifar-10-batches-py").exists()
    server.asked.clear()
    fetch("cifar10", tmp_path, server.url)
    assert server.asked == ["bytes=1000-"]
    _assert_installed(tmp_path)


def test_a_partial_file_that_is_whole_already(server: Server, tmp_path: Path) -> None:
    _part(tmp_path).write_bytes(server.content)
    fetch("cifar10", tmp_path, server.url)
    assert server.asked == [f"bytes={len(server.content)}-"]
    _assert_installed(tmp_path)


@pytest.mark.parametrize("fault", ["longer", "no ranges", "wrong start"])
def test_a_partial_file_that_cannot_be_continued_starts_anew(server: Server, tmp_path: Path, fault: str) -> None:
    _part(tmp_path).write_bytes(server.content + b"xx" if fault == "longer" else b"stale")
    server.ranges = fault != "no ranges"
    server.wrong_start = fault == "wrong start"
    fetch("cifar10", tmp_path, server.url)
    _assert_installed(tmp_path)


def test_wrong_checksum_is_refused(server: Server, tmp_path: Path) -> None:
    server.content = server.content[:-9] + b"different"
    with pytest.raises(DataError, match=r"wrong MD5 .*; the download was removed") as caught:
        fetch("cifar10", tmp_path, server.url)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_archive_of_other_files_is_refused(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = miniature_cifar.contents()
    other = miniature_cifar.archive(files | {"test_batch": bytes(len(files["test_batch"]))})
    server.content = other
    monkeypatch.setitem(cifar.LAYOUTS, "cifar10", miniature_cifar.layout(files, other))
    with pytest.raises(DataError, match="the file test_batch in it has the wrong MD5"):
        fetch("cifar10", tmp_path, server.url)
    assert not (tmp_path / "cifar-10-batches-py").exists()


def test_archive_that_is_none_is_refused(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.content = b"<html>not found</html>"
    layout = miniature_cifar.layout(miniature_cifar.contents(), server.content)
    monkeypatch.setitem(cifar.LAYOUTS, "cifar10", layout)
    with pytest.raises(DataError, match="cannot be unpacked"):
        fetch("cifar10", tmp_path, server.url)


def test_refusal_of_the_server_is_final(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(DataError, match="the server answers 404"):
        fetch("cifar10", tmp_path, server.url)
    assert len(server.asked) == 1
    server.status = 503
    with pytest.raises(DataError, match="the server answers 503"):
        fetch("cifar10", tmp_path, server.url)
    assert len(server.asked) == 1 + fetching.TRIES


def test_no_server(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="refused; 0 bytes are kept"):
        fetch("cifar10", tmp_path, "http://127.0.0.1:9/archive.tar.gz")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "archive.tar.gz", "http://[broken", "http://a b/"])
def test_addresses_that_are_none(server: Server, tmp_path: Path, url: str) -> None:
    with pytest.raises(DataError, match=r"not an http or https address|not a usable address"):
        fetch("cifar10", tmp_path, url)


def test_an_archive_that_lies_there_is_used(server: Server, tmp_path: Path) -> None:
    (tmp_path / ARCHIVE).write_bytes(server.content)
    fetch("cifar10", tmp_path, server.url)
    assert server.asked == []
    assert (tmp_path / ARCHIVE).read_bytes() == server.content
    assert registry.load("cifar10", tmp_path).num_train == 100


def test_data_set_without_download_and_root_that_is_a_file(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="digits: nothing to download"):
        fetch("digits", tmp_path)
    for name, page in (("clothing1m", "real-world-data"), ("folder", "own-data")):
        with pytest.raises(DataError, match=f"{name}: cannot be downloaded: .* by hand, see docs/{page}.md"):
            fetch(name, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file"):
        fetch("cifar10", tmp_path / "file" / "below", server.url)


def test_command_shows_progress_in_plain_lines(server: Server, tmp_path: Path) -> None:
    result = CliRunner().invoke(data_command.app, ["fetch", "cifar10", "--data", str(tmp_path), "--url", server.url])
    assert result.exit_code == 0, result.output
    assert f"cifar10: complete and verified in {tmp_path / 'cifar-10-batches-py'}" in result.output
    assert " MB" in result.output
    _assert_installed(tmp_path)
