"""The page of suspects: each with its picture and what it may be, and a button that exports what was decided."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jinja2 import Environment, StrictUndefined

from datasets import image_file
from datasets.base import Images, ImageSet
from datasets.image_file import ImageFault

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

TEMPLATE = Path(__file__).resolve().parent.parent / "templates" / "review.html"
SIDE = 128  # pixels of a thumbnail's longer side
_LARGER = 4  # an image of a few pixels is enlarged by at most as much


@dataclass(frozen=True)
class Suspect:
    """An image on the page. picture: a data URL; "" where the image cannot be read. image: its file's name, or ""."""

    sample: int
    image: str
    picture: str
    suspicion: float
    given: str
    predicted: str
    disagree: int


def _shrunk(image: Image) -> Image:
    """At most SIDE pixels wide and high; a small one is enlarged, pixel by pixel."""
    from PIL import Image as Pillow

    factor = min(_LARGER, SIDE // max(image.size))
    if factor > 1:
        return image.resize((image.width * factor, image.height * factor), Pillow.Resampling.NEAREST)
    image.thumbnail((SIDE, SIDE))
    return image


def picture(images: ImageSet, row: int) -> str:
    """The thumbnail of a training image as a data URL, or "" where it cannot be read."""
    from PIL import Image

    try:
        if isinstance(images, Images):
            pixels = images.pixels[row]
            image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))
        else:
            image, _ = image_file.read(images.path(row), SIDE, images.own)
    except ImageFault:
        return ""
    content = io.BytesIO()
    _shrunk(image).save(content, "JPEG" if max(image.size) > SIDE // 2 else "PNG")
    kind = "jpeg" if content.getvalue().startswith(b"\xff\xd8") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode('ascii')}"


def suspects_of(table: pd.DataFrame, images: ImageSet) -> list[Suspect]:
    """The rows of `results.suspects.suspects` as they stand on the page. A row's `sample` is that of `images`."""
    return [
        Suspect(
            int(row["sample"]), str(row.get("image", "")), picture(images, int(row["sample"])), float(row["suspicion"]),
            str(row["given"]), str(row["predicted"]), int(row["runs_that_disagree"]),
        )
        for row in table.to_dict("records")
    ]  # fmt: skip


def page(title: str, suspects: Sequence[Suspect], classes: Sequence[str]) -> bytes:
    """The page, whole in one file; without scripts it can be read, but exports nothing."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(title=title, suspects=suspects, classes=classes).encode("utf-8", "backslashreplace")
