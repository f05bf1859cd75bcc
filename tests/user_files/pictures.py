"""Pictures as users have them: of other depths and colour models, turned, transparent, broken, or none at all."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.user_files.case import SIDE, Case, refused, write_images, write_list


def with_picture(root: Path, make: Callable[[Path], object], name: str = "images/p00.png", count: int = 1) -> None:
    """The usual folder, in which `make` writes the first training pictures anew."""
    rows = write_images(root)
    for number in range(count):
        (root / rows[number][0]).unlink()
        rows[number][0] = name if count == 1 else name.format(number)
        make(root / rows[number][0])
    write_list(root, rows)


def saved(values: np.ndarray, mode: str | None = None, **options: object) -> Callable[[Path], object]:
    return lambda path: Image.fromarray(values, mode).save(path, **options)


def flat(value: object, kind: type = np.uint8) -> np.ndarray:
    return np.broadcast_to(np.array(value, kind), (SIDE, SIDE, *np.shape(value))).copy()


def hidden(*colour: int) -> np.ndarray:
    """A transparent picture but for one pixel."""
    values = flat((*colour, 0))
    values[0, 0, -1] = 255
    return values


def raw_png(path: Path, width: int, height: int) -> None:
    """A black picture of one bit, of any size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    line = b"\0" * (1 + (width + 7) // 8)
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b""))


def turned(path: Path) -> None:
    """White above and black below to people, stored lying on its side."""
    values = np.zeros((SIDE, 2 * SIDE, 3), np.uint8)
    values[:, SIDE:] = 255
    exif = Image.Exif()
    exif[0x0112] = 8  # to be turned a quarter to the left
    Image.fromarray(values).save(path, quality=95, exif=exif)


def one_colour_hidden(path: Path) -> None:
    values = flat((9, 9, 9))
    values[0, 0] = 200
    Image.fromarray(values).save(path, transparency=(9, 9, 9))


def palette(path: Path) -> None:
    image = Image.fromarray(flat(1), "P")
    image.putpalette([0, 0, 0, 10, 200, 90])
    image.save(path)


def cut(path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-4000])


def vanishing(root: Path) -> None:
    """All training images of class b but one are broken."""
    rows = write_images(root)
    for number in (1, 4, 7):
        (root / rows[number][0]).write_bytes(b"")
    write_list(root, rows)


def seen(
    make: Callable[[Path], object], colour: tuple[int, int, int], *says: str, name: str = "images/p00.png"
) -> Case:
    return Case(lambda root: with_picture(root, make, name), says=says, pixels={name: colour})


def unusable(make: Callable[[Path], object], *says: str, name: str = "images/p00.png") -> Case:
    return refused(lambda root: with_picture(root, make, name), *says)


DEEP = "images of 16 bits or floating point, scaled to 8: 1"
GREY = "images with transparent parts, laid on grey: 1"
CASES: dict[str, Case] = {
    "16 bits": seen(saved(flat(30_000, np.uint16)), (117, 117, 117), DEEP),
    "16 bits in TIFF": seen(saved(flat(30_000, np.uint16)), (117, 117, 117), DEEP, name="images/p.tif"),
    "16 bits in PGM": seen(
        lambda path: path.write_bytes(b"P5 8 8 65535\n" + struct.pack(">H", 30_000) * 64),
        (117, 117, 117),
        DEEP,
        name="images/p.pgm",
    ),
    "floating point": seen(saved(flat(0.6, np.float32)), (153, 153, 153), DEEP, name="images/p.tiff"),
    "floating point of counts": unusable(
        saved(flat(300.0, np.float32)),
        "images/p.tiff: floating point (mode F) outside [0, 1]",
        name="images/p.tiff",
    ),
    "floating point that is none": unusable(
        saved(flat(np.nan, np.float32)),
        "floating point (mode F) outside [0, 1]",
        name="images/p.tiff",
    ),
    "32 bits": unusable(saved(flat(300, np.int32)), "integers of 32 bits (mode I)", name="images/p.tiff"),
    "grey": seen(saved(flat(90)), (90, 90, 90)),
    "one bit": seen(lambda path: Image.new("1", (8, 8), 1).save(path), (255, 255, 255)),
    "palette": seen(palette, (10, 200, 90)),
    "CMYK": seen(
        lambda path: Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(path, quality=95),
        (255, 0, 0),
        name="images/p.jpg",
    ),
    "black under nothing": seen(saved(hidden(0, 0, 0)), (128, 128, 128), GREY),
    "white under nothing": seen(saved(hidden(255, 255, 255)), (128, 128, 128), GREY),
    "half seen": seen(saved(flat((255, 255, 255, 128))), (192, 192, 192), GREY),
    "grey with alpha": seen(saved(hidden(200), "LA"), (128, 128, 128), GREY),
    "a colour that is transparent": seen(one_colour_hidden, (128, 128, 128), GREY),
    "alpha that hides all": seen(saved(flat((9, 80, 9, 0))), (9, 80, 9)),
    "alpha that hides nothing": seen(saved(flat((9, 80, 9, 255))), (9, 80, 9)),
    "turned by the camera": Case(
        lambda root: with_picture(root, turned, "images/t.jpg"),
        says=("images turned by their EXIF orientation: 1",),
        pixels={"images/t.jpg": (255, 255, 255)},
    ),
    "EXIF that is none": seen(saved(flat((5, 5, 90)), exif=b"Exif\0\0nonsense"), (5, 5, 90), name="images/p.jpg"),
    "a strip": unusable(
        lambda path: raw_png(path, 30_000, 1), "30000 x 1 pixels: one side is over 100 times the other"
    ),
    "a bomb": unusable(
        lambda path: raw_png(path, 13_000, 13_000), "13000 x 13000 pixels, accepted are 89,478,485 in all"
    ),
    "a larger bomb": unusable(
        lambda path: raw_png(path, 16_000, 12_000), "images/p00.png: more than 178,956,970 pixels"
    ),
    "a pipe": unusable(os.mkfifo, "unreadable image: images/p00.png: no regular file"),
    "a folder": unusable(Path.mkdir, "images/p00.png: no regular file"),
    "a link to nothing": unusable(lambda path: path.symlink_to("gone"), "missing image: images/p00.png: no such file"),
    "a link to itself": unusable(lambda path: path.symlink_to(path.name), "images/p00.png: "),
    "an empty file": unusable(Path.touch, "truncated image: images/p00.png: the file is empty"),
    "a picture cut short": unusable(cut, "images/p00.png: "),
    "a web page": unusable(
        lambda path: path.write_text("<html>404</html>"), "images/p00.png: no image that can be read"
    ),
    "a class that vanishes": refused(vanishing, "truncated image: images/p01.png: the file is empty"),
}
