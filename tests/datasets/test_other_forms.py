"""Own images in other forms: trees of folders, arrays, tables of Hugging Face's library, tables of other columns."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.commands import data_import
from common.errors import UserError
from datasets import arrow_tables, own_arrays, own_columns, own_import, registry
from datasets.arrow_tables import Columns
from datasets.base import DataError
from datasets.data_contract import Choice
from tests import miniatures
from tests.command_line import Command
from tests.image_runs import paths

SAVED = Path(__file__).parents[1] / "saved_by_hugging_face"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def as_tree(folder: Path, target: Path, split: bool) -> None:
    """The images of a folder with a list as a tree of folders."""
    for row in rows(folder / "labels.csv"):
        place = target / (row["split"] if split else "") / row["label"] / Path(row["path"]).name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / row["path"], place)


# ---- trees -----------------------------------------------------------------------------------------------------------


def test_a_tree_with_splits_is_what_its_list_would_be(tmp_path: Path, command: Command) -> None:
    miniatures.write_folder(tmp_path / "listed", each=6)
    as_tree(tmp_path / "listed", tmp_path / "tree", split=True)
    tree, listed = (registry.load("folder", tmp_path / name) for name in ("tree", "listed"))
    assert tree.title == "tree" and tree.class_names == listed.class_names and not tree.truth
    assert listed.given is not None and tree.given is not None
    by_name = dict(zip((path.name for path in paths(listed.train)), listed.given.tolist(), strict=True))
    assert by_name == dict(zip((path.name for path in paths(tree.train)), tree.given.tolist(), strict=True))
    assert len(tree.test.labels) == len(listed.test.labels)
    ended = command("data", "check", "folder", "--data", str(tmp_path / "tree"))
    assert ended.status == 0 and "a tree of folders, one a class, of test, train" in ended.out


def test_a_tree_without_splits_holds_out_the_images_that_a_list_would(tmp_path: Path) -> None:
    miniatures.write_folder(tmp_path / "listed", each=20, split=False)
    for row in rows(tmp_path / "listed" / "labels.csv"):
        place = tmp_path / "tree" / row["label"] / "more" / Path(row["path"]).name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "listed" / row["path"], place)
    found = registry.load("folder", tmp_path / "tree")
    assert found.num_train + len(found.test.labels) == 80 and 5 < len(found.test.labels) < 30
    assert registry.load("folder", tmp_path / "tree").content == found.content, "its index does not change it"


def test_what_is_odd_in_a_tree_is_told(tmp_path: Path, command: Command) -> None:
    miniatures.write_folder(tmp_path / "listed", each=4)
    as_tree(tmp_path / "listed", tmp_path / "tree", split=True)
    (tmp_path / "tree" / "train" / "rose" / "notes.txt").write_text("mine")
    ended = command("data", "check", "folder", "--data", str(tmp_path / "tree"))
    assert ended.status == 0 and "not read: train/rose/notes.txt" in ended.out
    (tmp_path / "tree" / "train" / "rose" / "a" / "b").mkdir(parents=True)
    ended = command("data", "check", "folder", "--data", str(tmp_path / "tree"))
    assert ended.status == 1 and "malformed tree: train/rose/a/b" in ended.out
    shutil.rmtree(tmp_path / "tree" / "train" / "rose" / "a")
    picture = next((tmp_path / "tree" / "train" / "rose").glob("*.jpg"))
    picture.write_bytes(picture.read_bytes()[:200])
    ended = command("data", "check", "folder", "--data", str(tmp_path / "tree"))
    assert ended.status == 1 and f"train/rose/{picture.name}" in ended.out


def test_images_beside_the_classes_of_a_tree_are_told(tmp_path: Path, command: Command) -> None:
    miniatures.write_folder(tmp_path / "listed", each=4)
    as_tree(tmp_path / "listed", tmp_path / "tree", split=True)
    picture = next((tmp_path / "listed" / "images").glob("*.jpg"))
    (tmp_path / "tree" / "more" / "rose").mkdir(parents=True)
    (tmp_path / "tree" / "empty").mkdir()
    for name in ("more/rose/a.jpg", "train/stray.jpg", "cover.jpg"):
        shutil.copy(picture, tmp_path / "tree" / name)
    ended = command("data", "check", "folder", "--data", str(tmp_path / "tree"))
    assert ended.status == 0 and "3 images or folders of images lie outside" in ended.out
    assert "not read: cover.jpg, more/, train/stray.jpg" in ended.out


def test_a_split_beside_classes_is_refused(tmp_path: Path) -> None:
    miniatures.write_folder(tmp_path / "listed", each=6)
    as_tree(tmp_path / "listed", tmp_path / "tree", split=True)
    for place in list((tmp_path / "tree" / "train").iterdir()):
        place.rename(tmp_path / "tree" / place.name)
    (tmp_path / "tree" / "train").rmdir()
    with pytest.raises(DataError, match="malformed tree: test/: a split without train/ beside it"):
        registry.load("folder", tmp_path / "tree")


def test_a_tree_of_other_classes_than_classes_txt_is_refused(tmp_path: Path) -> None:
    miniatures.write_folder(tmp_path / "listed", each=4)
    as_tree(tmp_path / "listed", tmp_path / "tree", split=True)
    (tmp_path / "tree" / "classes.txt").write_text("tulip\nrose\npoppy\ndaisy\n")
    assert registry.load("folder", tmp_path / "tree").class_names == ("tulip", "rose", "poppy", "daisy")
    (tmp_path / "tree" / "classes.txt").write_text("tulip\nrose\npoppy\n")
    with pytest.raises(DataError, match="class out of range: daisy/"):
        registry.load("folder", tmp_path / "tree")


def test_images_without_a_list_are_no_tree(tmp_path: Path) -> None:
    miniatures.write_folder(tmp_path, each=2)
    (tmp_path / "labels.csv").unlink()
    with pytest.raises(DataError, match=r"labels\.txt, or a folder for each class"):
        registry.load("folder", tmp_path)


# ---- arrays ----------------------------------------------------------------------------------------------------------


def digits(count: int = 40) -> dict[str, np.ndarray]:
    pixels = np.random.default_rng(0).integers(0, 255, (count, 8, 8), dtype=np.uint8)
    labels = np.arange(count) % 2
    test = {"test_images": pixels[:10], "test_labels": labels[:10]}
    return {"train_images": pixels, "train_labels": labels[:, None], **test}


def test_arrays_become_a_folder_with_the_same_pixels_and_labels(tmp_path: Path, command: Command) -> None:
    held = digits()
    np.savez(tmp_path / "digits.npz", **held, train_clean_labels=1 - held["train_labels"], class_names=["no", "yes"])
    ended = command("data", "import", str(tmp_path / "digits.npz"), str(tmp_path / "digits"))
    assert ended.status == 0 and "40 train, 10 test" in ended.out
    found = registry.load("folder", tmp_path / "digits")
    assert found.class_names == ("no", "yes") and found.truth and found.given is not None
    assert found.given.tolist() == held["train_labels"][:, 0].tolist()
    assert found.train.labels.tolist() == (1 - held["train_labels"][:, 0]).tolist()
    from PIL import Image

    assert np.array_equal(np.asarray(Image.open(paths(found.train)[7])), held["train_images"][7])
    ended = command("data", "check", "folder", "--data", str(tmp_path / "digits"))
    assert ended.status == 0 and "clean_label: there for 40 of 50 images, other than label for 40" in ended.out


def test_a_number_is_a_place_among_names_that_are_numbers_themselves(tmp_path: Path) -> None:
    names = ["0", "1", "10", "11", "2"]  # in the order of letters, as folders are
    pixels, labels = np.zeros((10, 4, 4), np.uint8), np.arange(10) % 5
    np.savez(tmp_path / "numbers.npz", images=pixels, labels=labels, class_names=names)
    np.savez(tmp_path / "texts.npz", images=pixels, labels=np.array(names * 2), class_names=names)
    for form in ("numbers", "texts"):
        own_import.write(tmp_path / form, own_arrays.read(tmp_path / f"{form}.npz"))
        assert [row["label"] for row in rows(tmp_path / form / "labels.csv")] == names * 2


def test_a_folder_of_npy_files_with_floats_channels_first(tmp_path: Path) -> None:
    (tmp_path / "arrays").mkdir()
    pixels = np.linspace(0, 1, 12 * 3 * 6 * 6, dtype=np.float32).reshape(12, 3, 6, 6)
    np.save(tmp_path / "arrays" / "x.npy", pixels)
    np.save(tmp_path / "arrays" / "y.npy", np.array(["a", "b"] * 6))
    assert own_import.write(tmp_path / "out", own_arrays.read(tmp_path / "arrays")) == {"": 12}
    from PIL import Image

    seen = np.asarray(Image.open(tmp_path / "out" / "images" / "all" / "000003.png"))
    assert np.array_equal(seen, np.rint(255 * np.moveaxis(pixels[3], 0, 2)).astype(np.uint8))
    assert [row["label"] for row in rows(tmp_path / "out" / "labels.csv")] == ["a", "b"] * 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pictures": np.zeros(3)}, "array 'pictures' is unknown .accepted: images, labels"),
        ({"train_labels": None}, "no array 'train_labels'"),
        ({"train_labels": np.zeros(39, int)}, "expected one label for each of the 40 images"),
        ({"train_labels": np.zeros(40)}, "type float64, expected whole numbers or texts"),
        ({"train_images": np.zeros((40, 8), np.uint8)}, r"shape \[40, 8\], expected \[N, H, W\]"),
        ({"train_images": np.zeros((40, 8, 8), np.int64)}, "type int64, expected uint8"),
        ({"train_images": np.full((40, 8, 8), 7.0)}, r"outside \[0, 1\]: save them as uint8"),
        ({"train_images": np.zeros((40, 3, 8, 3), np.uint8)}, "channels could be second or last"),
        ({"x_train": np.zeros((40, 8, 8), np.uint8)}, "are both the images"),
        ({"class_names": np.array(["only"])}, "label '1' is no class: there are 1"),
        (
            {"train_labels": np.array(["0"] * 39 + ["9" * 5000]), "class_names": np.array(["no", "yes"])},
            r"label '9{120}\.\.\.' is no class: there are 2",
        ),
        ({"class_names": np.array([1, 2])}, "class_names: expected a list of texts"),
    ],
)
def test_arrays_that_are_no_images_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    held = {name: array for name, array in {**digits(), **change}.items() if array is not None}
    np.savez(tmp_path / "mine.npz", **held)
    with pytest.raises(DataError, match=message):
        own_import.write(tmp_path / "out", own_arrays.read(tmp_path / "mine.npz"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.npz"], "nothing is left"


def test_pickles_in_arrays_are_not_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", images=np.array([{}], dtype=object), labels=np.zeros(1, int))
    with pytest.raises(DataError, match="not arrays that can be read"):
        own_arrays.read(tmp_path / "mine.npz")


# ---- Hugging Face ----------------------------------------------------------------------------------------------------


def test_a_saved_data_set_of_several_splits_and_files(tmp_path: Path, command: Command) -> None:
    ended = command("data", "import", str(SAVED / "several"), str(tmp_path / "bees"), "--clean-label", "checked")
    assert ended.status == 0 and "9 train, 6 test" in ended.out
    listed = rows(tmp_path / "bees" / "labels.csv")
    assert [row["label"] for row in listed if row["split"] == "train"] == ["ant", "bee", "wasp"] * 3
    assert [row["clean_label"] for row in listed][:5] == ["ant", "", "bee", "", "bee"]
    found = registry.load("folder", tmp_path / "bees")
    assert found.class_names == ("ant", "bee", "wasp") and (found.num_train, len(found.test.labels)) == (9, 6)
    from PIL import Image

    assert Image.open(paths(found.train)[4]).getpixel((0, 0)) == (100, 40, 80)
    assert command("data", "check", "folder", "--data", str(tmp_path / "bees")).status == 0


def test_a_saved_data_set_of_one_split(tmp_path: Path) -> None:
    assert own_import.write(tmp_path / "out", arrow_tables.read(SAVED / "one", Columns())) == {"": 2}


def test_columns_of_a_saved_data_set_are_named_or_told_for_certain(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--label 'lable'; did you mean 'label'"):
        arrow_tables.read(SAVED / "one", Columns(label="lable"))
    with pytest.raises(DataError, match="holds no image"):
        own_import.write(tmp_path / "out", arrow_tables.read(SAVED / "one", Columns(image="label")))
    with pytest.raises(DataError, match="is no label"):
        own_import.write(tmp_path / "out", arrow_tables.read(SAVED / "several", Columns(label="checked")))
    with pytest.raises(DataError, match="is no label"):
        own_import.write(tmp_path / "out", arrow_tables.read(SAVED / "one", Columns(label="image")))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("state.json", "[]", "expected an object"),
        ("state.json", '{"_data_files": [{"filename": "../../x.arrow"}]}', "names no files"),
        ("state.json", json.dumps({"_data_files": [{"filename": "gone.arrow"}]}), "gone.arrow: not an Arrow stream"),
        ("state.json", '{"_indices_data_files": [{"filename": "i"}]}', "flatten_indices"),
        ("data-00000-of-00001.arrow", "no arrow", "not an Arrow stream"),
    ],
)
def test_a_saved_data_set_that_is_damaged(tmp_path: Path, file: str, content: str, message: str) -> None:
    shutil.copytree(SAVED / "one", tmp_path / "one")
    (tmp_path / "one" / file).write_text(content)
    with pytest.raises(DataError, match=message):
        own_import.write(tmp_path / "out", arrow_tables.read(tmp_path / "one", Columns()))


def test_a_saved_data_set_of_other_splits(tmp_path: Path) -> None:
    shutil.copytree(SAVED / "several", tmp_path / "several")
    (tmp_path / "several" / "dataset_dict.json").write_text('{"splits": ["train", "extra"]}')
    with pytest.raises(DataError, match=r"split 'extra' .accepted: train, validation, test"):
        arrow_tables.read(tmp_path / "several", Columns())


# ---- tables of other columns -----------------------------------------------------------------------------------------


def test_one_of_several_labels_and_a_second_by_people(tmp_path: Path, command: Command) -> None:
    miniatures.write_folder(tmp_path, each=6)
    listed = rows(tmp_path / "labels.csv")
    lines = [f"{row['path']};{row['label']};{row['clean_label']};{row['split']}" for row in listed]
    (tmp_path / "answers.csv").write_text("\n".join(["file;worst;majority;split", *lines]) + "\n")
    arguments = ("data", "import", str(tmp_path / "answers.csv"), str(tmp_path / "worst.csv"), "--image", "file")
    ended = command(*arguments, "--label", "worst", "--clean-label", "majority")
    assert ended.status == 0 and "24 images" in ended.out
    mine, usual = (registry.load("folder", tmp_path, Choice(file=file)) for file in ("worst.csv", None))
    assert mine.truth and mine.given is not None and usual.given is not None
    assert mine.given.tolist() == usual.given.tolist() and mine.content == usual.content
    assert command(*arguments, "--label", "worst").status == 0, "what the command has written is replaced"
    ended = command(*arguments, "--label", "majorty")
    assert ended.status == 2 and "did you mean 'majority'" in ended.err
    ended = command("data", "import", str(tmp_path / "answers.csv"), str(tmp_path / "answers.csv"), "--image", "file")
    assert ended.status == 2 and "a file that this command has not written" in ended.err
    with pytest.raises(UserError, match=r"name a \.csv file beside it"):
        data_import.import_images(tmp_path / "answers.csv", tmp_path / "below" / "worst.csv")


def test_a_row_of_more_cells_than_the_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("file,worst,best\na.png,cat,cat\nb, c.png,dog,cat\n")
    with pytest.raises(DataError, match=r"t\.csv: rows of unequal length"):
        own_columns.rewritten(tmp_path / "t.csv", Columns("file", "worst"))


def test_what_is_none_of_these_forms_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        data_import.import_images(tmp_path / "gone", tmp_path / "out")
    with pytest.raises(UserError, match="not a data set that can be taken over"):
        data_import.import_images(tmp_path, tmp_path / "out")
    np.savez(tmp_path / "mine.npz", **digits())
    with pytest.raises(UserError, match="--label 'y': names a column of a table"):
        data_import.import_images(tmp_path / "mine.npz", tmp_path / "out", label="y")
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match="is there already"):
        data_import.import_images(tmp_path / "mine.npz", tmp_path / "out")
