"""What a data set is: a declaration and how it is read. The suite's own and those of plug-ins are alike in this."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from datasets.base import DataSet, DataSetInfo
from datasets.listing import Listing, Sources
from datasets.official import Layout

PHOTOGRAPHS = DataSetInfo(
    "", "", 1, 0, 0, 0, (224, 224, 3), "", (), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225),
    resize=256, own_labels=True, truth=False,
)  # fmt: skip
"""What photographs with given labels of their own have in common, such as ImageNet's mean and deviation, as the field's
code has them. A data set of this sort replaces what is its own.
"""


@dataclass(frozen=True)
class Choice:
    """What is chosen of a data set beyond its name. file: the list of own images; None: that of the usual name.

    skip_broken: leave out what is broken instead of refusing the data set. copies: read resized copies of the images.
    """

    file: str | None = None
    skip_broken: bool = False
    copies: bool = False


@dataclass(frozen=True)
class Lists:
    """Images that are files, with lists of them; the harness makes an index, checks, copies and reads the images.

    folders: what the data set's folder is called below the data directory, which may also be the folder itself.
    find: `find(folder, file)`, the lists that are there, and what is missing; file: the list that a suite names.
    read: `read(sources)`, what they say. title: `title(sources)`, what tables call the data, where that is not the
    declaration's title. own_images: a user's, in any order and state; a suite may name their list (`data.file`), and
    they are all read once before a run.
    """

    folders: tuple[str, ...]
    find: Callable[[Path, str | None], Sources]
    read: Callable[[Sources], Listing]
    title: Callable[[Sources], str] | None = None
    own_images: bool = False


@dataclass(frozen=True)
class DataSetPlugin:
    """A data set: what is known of it, and either `load(info, root)`, which returns it in memory (see
    `datasets.base.assemble`; root: the data directory), or `lists`.

    official: gives the layout of published files, by which `data fetch` and `data check` go. comes_with: the package
    that has the data, so that there is nothing to download.
    """

    info: DataSetInfo
    load: Callable[[DataSetInfo, Path], DataSet] | None = None
    lists: Lists | None = None
    official: Callable[[], Layout] | None = None
    comes_with: str = ""

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def own_images(self) -> bool:
        return self.lists is not None and self.lists.own_images
