"""Downloading a data set's public archive: with progress, resumed where it broke off, verified, and safely unpacked."""

from __future__ import annotations

import hashlib
import http.client
import posixpath
import re
import shutil
import ssl
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from datasets import official
from datasets.base import DataError, Report
from datasets.data_sets import DATASETS
from datasets.official import Layout

TRIES = 5  # attempts in a row that bring no byte
PAUSE = 2.0  # seconds between two attempts
TIMEOUT = 60.0  # seconds without a byte
_CHUNK = 1 << 18


def _silent(done: int, total: int | None) -> None:
    """No progress is shown."""


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _total(response: Any, start: int) -> int | None:
    """The size of the whole file, from the headers of an answer that begins at byte `start`."""
    length = response.headers.get("Content-Length")
    return start + int(length) if length is not None and length.isdigit() else None


def _receive(response: Any, stream: BinaryIO, done: int, report: Report) -> bool:
    """Append an answer's body to the file. Returns whether the file is whole."""
    total = _total(response, done)
    report(done, total)
    while chunk := response.read(_CHUNK):
        stream.write(chunk)
        done += len(chunk)
        report(done, total)
    return total is None or done >= total


def _attempt(url: str, part: Path, report: Report) -> bool:
    """Ask for what `part` lacks and append it. Returns whether the file is whole; network faults are raised."""
    done = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "noisy-label-bench", "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as fault:
        with fault:
            if fault.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            whole = fault.headers.get("Content-Range") == f"bytes */{done}"
        if not whole:
            part.unlink()
        return whole
    with response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        start = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if resumed and (start is None or int(start.group(1)) != done):
            part.unlink()
            return False
        with part.open("ab" if resumed else "wb") as stream:
            return _receive(response, stream, done if resumed else 0, report)


def download(url: str, part: Path, report: Report = _silent) -> None:
    """Bring the file at `url` to `part`, going on from what `part` holds already.

    Raises DataError, one line, where the server refuses or the connection fails TRIES times in a row without a byte;
    what has arrived stays, so that the next call goes on from there.
    """
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        reason = "the connection broke off"
        try:
            if _attempt(url, part, report):
                return
        except (ValueError, http.client.InvalidURL):
            raise DataError(f"{url}: not a usable address") from None
        except urllib.error.HTTPError as fault:
            reason = f"the server answers {fault.code} {fault.reason}"
            if fault.code < http.HTTPStatus.INTERNAL_SERVER_ERROR:
                raise DataError(f"{url}: {reason}") from None
        except urllib.error.URLError as fault:
            reason = str(fault.reason)
        except http.client.HTTPException as fault:
            reason = f"the connection broke off ({type(fault).__name__})"
        except (ConnectionError, TimeoutError, ssl.SSLError) as fault:
            reason = fault.strerror or str(fault)
        except OSError as fault:
            raise DataError(f"{url}: {fault.strerror or fault} (downloading to {part})") from None
        after = part.stat().st_size if part.exists() else 0
        failures = 0 if after > before else failures + 1
        if failures == TRIES:
            raise DataError(f"{url}: {reason}; {after:,} bytes are kept, run the command again to go on from there")
        time.sleep(PAUSE)


def _unpack(archive: Path, layout: Layout, target: Path) -> None:
    """Write the archive's official files to `target`. Only names known beforehand are written, whatever it holds."""
    wanted = {f"{layout.folder}/{file.name}": file for file in layout.files}
    with tarfile.open(archive, "r:*") as tar:
        for member in tar:
            file = wanted.get(posixpath.normpath(member.name))
            if file is None or not member.isfile() or member.size != file.size:
                continue
            source = tar.extractfile(member)
            if source is not None:
                with source, (target / file.name).open("wb") as sink:
                    shutil.copyfileobj(source, sink)


def _install(layout: Layout, archive: Path, folder: Path) -> None:
    """Unpack beside `folder`, check every file, and only then put the files in place."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        unpacked = Path(temporary)
        try:
            _unpack(archive, layout, unpacked)
        except (tarfile.TarError, EOFError, zlib.error) as fault:
            raise DataError(f"{archive}: cannot be unpacked: {fault}") from None
        for file, fault_text in official.check(layout, unpacked).items():
            if fault_text is not None:
                raise DataError(f"{archive}: the file {file} in it {fault_text}")
        folder.mkdir(exist_ok=True)
        for path in sorted(unpacked.iterdir()):
            path.replace(folder / path.name)


def fetch(name: str, root: Path, url: str | None = None, report: Report = _silent) -> Path:
    """Make sure that the data set lies complete below `root`, downloading it where needed. Returns its folder.

    url: where to download from instead of the public address (the archive's MD5 must be the published one still).
    An archive that already lies in `root` under its public name is used. Raises DataError: one line.
    """
    declared = DATASETS[name]
    if declared.lists is not None:
        page = "docs/own-data.md" if declared.own_images else "docs/real-world-data.md"
        raise DataError(f"{name}: cannot be downloaded: its files must be put there by hand, see {page}")
    if declared.official is None:
        known = f"it comes with {declared.comes_with}" if declared.comes_with else "its declaration names no archive"
        raise DataError(f"{name}: nothing to download, {known}")
    layout = declared.official()
    folder = root / layout.folder
    for present in (folder, root):
        if not any(official.check(layout, present).values()):
            return present
    address = url or layout.url
    if not address.startswith(("http://", "https://")):
        raise DataError(f"{address}: not an http or https address")
    archive = root / posixpath.basename(layout.url)
    part = archive.with_name(archive.name + ".part")
    try:
        root.mkdir(parents=True, exist_ok=True)
        if archive.is_file() and _md5(archive) == layout.archive_md5:
            _install(layout, archive, folder)
            return folder
        download(address, part, report)
        digest = _md5(part)
        if digest != layout.archive_md5:
            part.unlink()
            raise DataError(f"{address}: wrong MD5 {digest}, expected {layout.archive_md5}; the download was removed")
        _install(layout, part, folder)
        part.unlink()
    except OSError as fault:
        raise DataError(f"{fault.filename or root}: {fault.strerror or fault}") from None
    return folder
