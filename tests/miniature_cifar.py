"""A CIFAR-10 of a few images in the official layout, with sizes and MD5 sums of its own."""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from datasets import cifar

TRAIN, TEST = 20, 10  # images of each training file, of the test file


def _python2_pickle(data: np.ndarray, labels: list[int]) -> bytes:
    """What Python 2 and the NumPy of its time wrote, and no Python of today can: protocol 2 with 8-bit strings."""
    byte_type = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R" + b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    shape = struct.pack("<cicic", b"J", data.shape[0], b"J", data.shape[1], b"\x86")
    content = data.tobytes()
    array = empty + b"(K\x01" + shape + byte_type + b"\x89T" + struct.pack("<i", len(content)) + content + b"tb"
    classes = b"](" + b"".join(struct.pack("<cB", b"K", label) for label in labels) + b"e"
    return b"\x80\x02}(U\x04data" + array + b"U\x06labels" + classes + b"u."


def _batch(start: int, count: int) -> bytes:
    """Image i has red i, green 100 + row, blue 200 + column; its class is i % 10."""
    pixels = np.zeros((count, 3, 32, 32), dtype=np.uint8)
    pixels[:, 0] = np.arange(start, start + count)[:, None, None]
    pixels[:, 1] = 100 + np.arange(32)[:, None]
    pixels[:, 2] = 200 + np.arange(32)
    labels = [(start + i) % 10 for i in range(count)]
    return _python2_pickle(pixels.reshape(count, -1), labels)


def contents() -> dict[str, bytes]:
    """The official file names with their miniature content."""
    files = {f"data_batch_{i + 1}": _batch(i * TRAIN, TRAIN) for i in range(5)}
    files["test_batch"] = _batch(0, TEST)
    files["batches.meta"] = pickle.dumps({"label_names": list(cifar.CIFAR10.class_names)}, protocol=2)
    return files


def archive(files: dict[str, bytes]) -> bytes:
    """A tar.gz as the public one, with what an attacker might put beside the files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        hostile = tarfile.TarInfo("../escaped")
        hostile.size = 4
        tar.addfile(hostile, io.BytesIO(b"evil"))
        link = tarfile.TarInfo("cifar-10-batches-py/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def layout(files: dict[str, bytes], packed: bytes = b"") -> cifar.Layout:
    """The layout of CIFAR-10 with the miniature's sizes and sums."""
    official = cifar.LAYOUTS["cifar10"]
    listed = tuple(replace(file, size=len(files[file.name]), md5=md5(files[file.name])) for file in official.files)
    return replace(official, files=listed, archive_md5=md5(packed))


def write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
