"""From an image file to 8-bit RGB; the check of images and training both come through here.

Published data sets are read as the code of their papers reads them: converted by Pillow, whatever the camera noted. A
user's own images are read as people see them: turned as EXIF says, transparent parts on a grey ground, 16 bits scaled
to 8; what has no range that is known, or no reasonable size, is refused. Of animated files it is the first picture;
colour profiles are not applied.
"""

from __future__ import annotations

import io
import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST = 89_478_485  # pixels; Pillow warns of more, as files of a few KiB may hold them
NARROWEST = 100  # sides in this ratio at most: an image is resized by its shorter side
GROUND = 128  # under transparent parts: neither a black nor a white shape is lost on it

TURNED, TRANSPARENT, DEEP = 1, 2, 4
NOTES = {
    TURNED: "turned by their EXIF orientation",
    TRANSPARENT: "with transparent parts, laid on grey",
    DEEP: "of 16 bits or floating point, scaled to 8",
}
"""What was done to an own image beyond reading it."""

_NO_ALPHA = ((255, 255), (0, 0))  # some programs leave the fourth byte of a pixel empty
_ORIENTATION = 0x0112  # of EXIF
_SHORT = ("I;16", "I;16L", "I;16B", "I;16N")
_FORMATS_OF_SHORT = ("PNG", "PPM")  # Pillow reads their 16 bits as 32


class ImageFault(Exception):
    """An image cannot be used: kind, and a few words."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(f"{kind}: {words}")
        self.kind, self.words = kind, words


def checked_path(path: Path) -> None:
    """Raise ImageFault where there is no file, or none that could be read to its end."""
    try:
        file_status = path.stat()
    except FileNotFoundError:
        raise ImageFault("missing image", "no such file") from None
    except (OSError, ValueError) as fault:
        words = getattr(fault, "strerror", None) or str(fault)
        raise ImageFault("unreadable image", words) from None
    if not stat.S_ISREG(file_status.st_mode):
        raise ImageFault("unreadable image", "no regular file")
    if file_status.st_size == 0:
        raise ImageFault("truncated image", "the file is empty")


def read(source: Path | bytes, side: int, own: bool) -> tuple[Image, int]:
    """The image (a file, or its content) as RGB, and what was done to it (TURNED, TRANSPARENT, DEEP).

    Of a JPEG of at least twice `side` pixels a half, quarter or eighth is decoded, which costs the decoder less than
    all of it. own: a user's image, see above. Raises ImageFault.
    """
    from PIL import Image, UnidentifiedImageError

    if isinstance(source, Path):
        checked_path(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # it names no file; LARGEST does
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
                if own:
                    _check_size(image)
                image.draft("RGB", (side, side))
                image.load()
                return _seen(image) if own else (image if image.mode == "RGB" else image.convert("RGB"), 0)
    except (ImageFault, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise ImageFault("oversized image", f"more than {2 * LARGEST:,} pixels") from None
    except UnidentifiedImageError:
        raise ImageFault("unreadable image", "no image that can be read") from None
    except Exception as fault:  # what a damaged file makes Pillow's readers raise is not to be listed
        words = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
        kind = "truncated image" if "truncated" in words.lower() else "unreadable image"
        raise ImageFault(kind, words) from None


def _check_size(image: Image) -> None:
    width, height = image.size
    if width * height > LARGEST:
        raise ImageFault("oversized image", f"{width} x {height} pixels, accepted are {LARGEST:,} in all")
    if max(width, height) > NARROWEST * min(width, height):
        raise ImageFault("oversized image", f"{width} x {height} pixels: one side is over {NARROWEST} times the other")


def _seen(image: Image) -> tuple[Image, int]:
    """An own image as people see it."""
    turned, notes = _upright(image)
    if turned.mode in _SHORT or turned.mode in ("I", "F"):
        return _scaled(turned, image.format), notes | DEEP
    if turned.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in turned.info:
        layer = turned.convert("RGBA")
        if layer.getchannel("A").getextrema() not in _NO_ALPHA:
            return _on_ground(layer), notes | TRANSPARENT
        return layer.convert("RGB"), notes
    return turned if turned.mode == "RGB" else turned.convert("RGB"), notes


def _upright(image: Image) -> tuple[Image, int]:
    from PIL import ImageOps

    try:
        if image.getexif().get(_ORIENTATION, 1) not in range(2, 9):
            return image, 0
        turned = ImageOps.exif_transpose(image)
    except Exception:  # what a camera wrote beside an image that is well
        return image, 0
    return turned, TURNED


def _on_ground(layer: Image) -> Image:
    from PIL import Image

    ground = Image.new("RGBA", layer.size, (GROUND, GROUND, GROUND, 255))
    ground.alpha_composite(layer)
    return ground.convert("RGB")


def _scaled(image: Image, file_format: str | None) -> Image:
    """8 bits of an image of 16, by the range of its type, or of floating point in [0, 1]."""
    from PIL import Image

    values: Any = np.asarray(image)
    if image.mode == "F":
        if not ((values >= 0) & (values <= 1)).all():
            raise ImageFault("unreadable image", "floating point (mode F) outside [0, 1]: save it with 8 or 16 bits")
        eight = np.rint(values * 255.0)
    else:
        short = image.mode != "I" or file_format in _FORMATS_OF_SHORT
        if not short or values.min() < 0 or values.max() > 65535:
            raise ImageFault("unreadable image", "integers of 32 bits (mode I): save it with 8 or 16 bits")
        eight = (values.astype(np.int64) + 128) // 257
    return Image.fromarray(eight.astype(np.uint8)).convert("RGB")
