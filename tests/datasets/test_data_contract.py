"""The contract of a data set: a plug-in's has the powers of the suite's own, and nothing tests their names."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import registries
from command_line import HOME, Command
from comparisons import comparisons_with
from PIL import Image

from bench import plugins
from datasets import registry
from datasets.base import DataError, ImageFiles
from datasets.data_contract import Choice

PLUG = """
import hashlib

import numpy as np

from datasets.base import DataSetInfo, Images, assemble
from datasets.listing import Listing, Part, Sources
from datasets.official import File, Layout, locate, verified
from datasets.plugin import DataSetPlugin, Lists

SHADES = DataSetInfo(
    name="shades", title="Shades", version=1, num_classes=2, num_train=0, num_test=0, image_shape=(32, 32, 3),
    resize=36, description="dark and bright", class_names=("dark", "bright"), mean=(0.5,) * 3, std=(0.5,) * 3,
    own_labels=True, truth=False,
)


def find(folder, file):
    wanted = {split: folder / f"{split}.list" for split in ("train", "test")}
    missing = tuple(path.name for path in wanted.values() if not path.is_file())
    return Sources(folder, wanted, missing)


def read(sources):
    parts = {split: Part(sources.folder) for split in sources.files}
    for split, path in sources.files.items():
        for line in path.read_text().split():
            parts[split].names.append(line)
            parts[split].labels.append(int(line.startswith("bright")))
    return Listing(parts, class_names=SHADES.class_names)


def title(sources):
    return f"Shades of {sources.folder.name}"


BYTES = DataSetInfo(
    name="bytes", title="Bytes", version=1, num_classes=2, num_train=8, num_test=8, image_shape=(8, 8, 1),
    description="one file", class_names=("a", "b"), mean=(0.5,), std=(0.5,),
)
CONTENT = bytes(range(256)) * 4
LAYOUT = Layout(
    "bytes", (File("all.bin", 1024, hashlib.md5(CONTENT).hexdigest(), "train"),), "https://example.org/bytes.tar", "0",
)


def load(info, root):
    held = verified("bytes", LAYOUT, locate("bytes", LAYOUT, root), LAYOUT.files[0])
    pixels = np.frombuffer(held, np.uint8).reshape(16, 8, 8, 1)
    labels = np.arange(16, dtype=np.int64) % 2
    return assemble(info, Images(pixels[:8], labels[:8]), Images(pixels[8:], labels[8:]))


DATASETS = [
    DataSetPlugin(SHADES, lists=Lists(("shades",), find, read, title)),
    DataSetPlugin(BYTES, load=load, official=lambda: LAYOUT),
]
"""


@pytest.fixture(autouse=True)
def _registries_as_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with registries.as_before():
        yield


@pytest.fixture
def plug(tmp_path: Path) -> Path:
    path = tmp_path / "plug.py"
    path.write_text(PLUG)
    return path


@pytest.fixture
def shades(tmp_path: Path) -> Path:
    """Six training and four test images below a data directory."""
    folder = tmp_path / "data" / "shades"
    folder.mkdir(parents=True)
    for split, count in (("train", 6), ("test", 4)):
        names = []
        for number in range(count):
            word = ("dark", "bright")[number % 2]
            names.append(f"{word}-{split}-{number}.png")
            level = 200 * (number % 2) + number
            Image.fromarray(np.full((40, 40, 3), level, np.uint8)).save(folder / names[-1])
        (folder / f"{split}.list").write_text("\n".join(names))
    return tmp_path / "data"


def test_no_product_module_compares_with_the_name_of_a_data_set() -> None:
    homes = ("cifar", "digits", "clothing1m", "animal10n", "food101n", "webvision", "folder")
    assert comparisons_with(registry.DATASETS.names, [HOME / "datasets" / f"{name}.py" for name in homes]) == []


def test_image_files_of_a_plugin_are_indexed_checked_and_read(plug: Path, shades: Path, command: Command) -> None:
    ended = command("data", "check", "shades", "--data", shades, "--plugin", plug)
    assert ended.status == 0, ended.err
    assert "shades: ok; index in " in ended.out
    described = registry.describe("shades", shades)
    assert (described.info.num_train, described.info.num_test) == (6, 4)
    assert described.info.title == "Shades of shades" and described.content is not None
    held = registry.load("shades", shades)
    assert isinstance(held.train, ImageFiles)
    assert held.train.labels.tolist() == [0, 1, 0, 1, 0, 1] and held.own_labels and not held.truth
    names = registry.image_names("shades", shades, Choice(), described.content)
    assert names is not None and names(1) == "bright-train-1.png"


def test_what_is_wrong_with_image_files_of_a_plugin_is_told(plug: Path, shades: Path, command: Command) -> None:
    (shades / "shades" / "bright-train-1.png").write_bytes(b"no image")
    ended = command("data", "check", "shades", "--data", shades, "--plugin", plug)
    assert ended.status == 1 and "bright-train-1.png" in ended.out
    (shades / "shades" / "test.list").unlink()
    ended = command("data", "check", "shades", "--data", shades, "--plugin", plug)
    assert ended.status == 1 and "missing: test.list" in ended.out
    plug.write_text(PLUG.replace("    parts = {", "    raise ValueError('odd')\n    parts = {"))
    (shades / "shades" / "test.list").write_text("dark-test-0.png")
    (shades / "shades" / "train.list").write_text("dark-train-0.png")
    ended = command("data", "check", "shades", "--data", shades, "--plugin", plug)
    assert ended.status == 1
    assert f"{plug}: data set 'shades': read fails: ValueError: odd" in " ".join(ended.out.split())


def test_official_files_of_a_plugin_are_proved_by_their_hash(plug: Path, command: Command, tmp_path: Path) -> None:
    plugins.add_file(plug)
    with pytest.raises(DataError, match=r"bytes: not found under .*: run `python run_benchmark.py data fetch bytes"):
        registry.verify("bytes", tmp_path)
    (tmp_path / "bytes").mkdir()
    file = tmp_path / "bytes" / "all.bin"
    file.write_bytes(bytes(range(256)) * 4)
    registry.verify("bytes", tmp_path)
    assert registry.load("bytes", tmp_path).num_train == 8
    ended = command("data", "check", "bytes", "--data", tmp_path, "--plugin", plug)
    assert ended.status == 0 and ended.out.endswith("bytes: ok, 8 training and 8 test images\n")
    file.write_bytes(bytes(1024))
    assert hashlib.md5(bytes(1024)).hexdigest() != hashlib.md5(bytes(range(256)) * 4).hexdigest()
    with pytest.raises(DataError, match="has the wrong MD5"):
        registry.load("bytes", tmp_path)
    ended = command("data", "check", "bytes", "--data", tmp_path, "--plugin", plug)
    assert ended.status == 1 and "bytes: not usable" in ended.out


FAULTS = {
    "both": ("load=load, ", "load=load, lists=Lists((), find, read), ", "data set 'bytes': give either `load` or `lis"),
    "neither": ("load=load, ", "", "data set 'bytes': give either `load` or `lists`"),
    "no function": ("find, read, title", "find, 5, title", "must be datasets.plugin.Lists(folders, find, read)"),
    "no lists": ('Lists(("shades",), find, read, title)', "find", "must be datasets.plugin.Lists(folders, find, "),
    "a folder that is a text": ('("shades",)', '"shades"', "`folders` must be a tuple of names"),
    "no resize": ("    resize=36, ", "    ", "images that are files need a square image_shape and `resize`"),
    "grey": ("(32, 32, 3)", "(32, 32, 1)", "mean and std have a value per channel"),
    "no layout": ("official=lambda: LAYOUT", "official=LAYOUT", "`official` must be a function that gives a"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_in_a_declaration_is_refused(case: str, refused: Callable[..., str], plug: Path) -> None:
    old, new, expected = FAULTS[case]
    assert old in PLUG
    plug.write_text(PLUG.replace(old, new, 1))
    line = refused("list", "datasets", "--plugin", plug)
    assert line.startswith(f"error: {plug}: data set ")
    assert expected in line


def test_what_cannot_be_downloaded_says_why(refused: Callable[..., str], tmp_path: Path) -> None:
    assert refused("data", "fetch", "digits") == "error: digits: nothing to download, it comes with scikit-learn\n"
    assert "see docs/own-data.md" in refused("data", "fetch", "folder")
    assert "see docs/real-world-data.md" in refused("data", "fetch", "clothing1m")
