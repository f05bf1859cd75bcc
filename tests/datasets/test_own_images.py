"""A user's own images: every kind of list, what is known of their truth, and lists that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.commands import suspects
from common.errors import UserError
from datasets import registry
from datasets.base import DataError
from datasets.data_contract import Choice
from tests import miniatures
from tests.command_line import Command
from tests.image_runs import executed, paths, planned


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "txt"])
def test_own_images_from_every_kind_of_list(tmp_path: Path, kind: str) -> None:
    rich = kind != "txt"
    truth = miniatures.write_folder(tmp_path, each=6, kind=kind, clean=rich, split=rich)
    dataset = registry.load("folder", tmp_path)
    assert dataset.class_names == miniatures.OWN_CLASSES and dataset.title == tmp_path.name
    assert dataset.num_train + len(dataset.test.labels) == len(truth)
    assert dataset.truth == dataset.test_truth == rich
    right = {path: truth[int(path.stem)] for path in paths(dataset.train)}
    assert (dataset.train.labels.tolist() == list(right.values())) == rich
    assert dataset.given is not None and dataset.given.tolist() != list(right.values())


def test_a_held_out_test_set_is_chosen_by_the_names_alone(tmp_path: Path) -> None:
    miniatures.write_folder(tmp_path / "a", each=25, split=False)
    miniatures.write_folder(tmp_path / "b", each=30, split=False)
    tested = [{path.name for path in paths(registry.load("folder", tmp_path / n).test)} for n in "ab"]
    assert 10 < len(tested[0]) < 32 and tested[0] <= tested[1]


def test_classes_file_gives_order_and_limits(tmp_path: Path) -> None:
    miniatures.write_folder(tmp_path, each=6)
    (tmp_path / "classes.txt").write_text("tulip\nrose\npoppy\ndaisy\n")
    assert registry.load("folder", tmp_path).class_names == ("tulip", "rose", "poppy", "daisy")
    (tmp_path / "classes.txt").write_text("tulip\nrose\npoppy\n")
    with pytest.raises(DataError, match=r"class out of range: labels\.csv:2"):
        registry.load("folder", tmp_path)


def test_numbers_as_labels_and_partly_known_truth(tmp_path: Path) -> None:
    miniatures.write_folder(tmp_path, each=5)
    rows = [{"path": f"{k:04}.jpg", "label": str(10 * (k % 2) + 2), "clean_label": "2" if k < 3 else "",
             "split": "train" if k < 10 else "test"} for k in range(20)]  # fmt: skip
    miniatures.write_list(tmp_path / "mine.csv", rows)
    dataset = registry.load("folder", tmp_path, Choice(file="mine.csv"))
    assert dataset.class_names == ("2", "12") and dataset.title == "mine"
    assert all(path.parent.name == "images" and path.is_file() for path in paths(dataset.train))
    assert not dataset.truth and dataset.train.labels.tolist() == [0, 1] * 5, "what is known of some is not used"


@pytest.mark.parametrize("odd", ["--5", "²", "5-", "1" * 5000], ids=lambda odd: odd[:3])
def test_labels_that_are_no_numbers_to_python_are_names(tmp_path: Path, odd: str) -> None:
    for number in range(3):
        miniatures.save(tmp_path / f"{number}.jpg", miniatures.picture(0, 2, number))
    (tmp_path / "labels.csv").write_text(f"path,label,split\n0.jpg,7,\n1.jpg,{odd},\n2.jpg,7,test\n")
    assert registry.load("folder", tmp_path).class_names == tuple(sorted(["7", odd]))


def test_own_images_with_truth_have_everything_said_of_wrong_labels(tmp_path: Path) -> None:
    miniatures.write_folder(tmp_path / "data")
    [record] = executed("own-images", tmp_path / "data", tmp_path / "out", "cross_entropy", epochs=2)
    assert "true_labels" not in record["data"] and record["detection"]["given_label_mean"]["roc_auc"] is not None
    wrong = np.mean(
        np.array(miniatures.corrupted(miniatures.balanced(4, 40), 4, "folder")) != miniatures.balanced(4, 40)
    )
    assert record["noise"]["actual_rate"] == pytest.approx(wrong, abs=0.08)
    assert record["curves"]["memorisation"]["mislabelled_given"][0] is not None


def test_own_images_without_truth_are_tested_on_given_labels_and_say_so(tmp_path: Path) -> None:
    miniatures.write_folder(tmp_path / "data", each=8, clean=False, split=False)
    [record] = executed("own-images", tmp_path / "data", tmp_path / "out", "cross_entropy")
    assert record["data"]["true_labels"] == "unknown" and record["data"]["test_labels"] == "given"
    assert record["titles"]["dataset"] == "data" and record["spec"]["dataset"]["name"] == "folder"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "no column 'path'"),
        (b"file,label\na.jpg,1\n", "no column 'path' .found: file, label"),
        (b"path,label\n\xff\xfe\n", "not a table of text"),
        (b"path,label\n", "lists no train image"),
    ],
)
def test_lists_that_are_none_are_refused_in_one_line(tmp_path: Path, content: bytes, line: str) -> None:
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(DataError, match=line) as fault:
        registry.load("folder", tmp_path)
    assert "\n" not in str(fault.value)


def test_a_parquet_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.parquet").write_text("path,label\n")
    with pytest.raises(DataError, match=r"labels\.parquet: not a Parquet file"):
        registry.load("folder", tmp_path)
    with pytest.raises(DataError, match=r"missing in .*: labels.xls"):
        registry.load("folder", tmp_path, Choice(file="labels.xls"))


def test_a_method_that_needs_the_noise_rate_must_be_told_one(tmp_path: Path) -> None:
    miniatures.write_folder(tmp_path, each=3, clean=False)
    with pytest.raises(UserError, match="key 'noise_rate' is missing: the method is told it"):
        planned("own-images", tmp_path, "co_teaching")
    assert planned("own-images", tmp_path, "co_teaching", "noise_rate=0.2").cells[0].spec.noise_rate == 0.2


def test_other_lists_make_other_runs(tmp_path: Path) -> None:
    miniatures.write_folder(tmp_path, each=3)
    before = planned("own-images", tmp_path).cells[0].address
    listed = tmp_path / "labels.csv"
    listed.rename(tmp_path / "mine.csv")
    named = planned("own-images", tmp_path, "cross_entropy", 'data.file="mine.csv"').cells[0].spec
    text = (tmp_path / "mine.csv").read_text()
    (tmp_path / "labels.csv").write_text(text.replace(",daisy,daisy,", ",rose,daisy,", 1))
    changed = planned("own-images", tmp_path).cells[0]
    assert changed.address != before
    assert named.dataset.file == "mine.csv"
    assert named.dataset.content != changed.spec.dataset.content


def test_suspects_name_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    miniatures.write_folder(tmp_path / "data", each=5)
    [record] = executed("own-images", tmp_path / "data", tmp_path / "out", "cross_entropy")
    suspects.suspects(record["address"][:12], csv=tmp_path / "all.csv", out=tmp_path / "out", data=tmp_path / "data")
    found = pd.read_csv(tmp_path / "all.csv")
    assert len(found) == record["data"]["num_train"] and found["image"].is_unique
    right = dict(zip((f"images/{number:04}.jpg" for number in range(20)), miniatures.balanced(4, 5), strict=True))
    assert [miniatures.OWN_CLASSES[right[name]] for name in found["image"]] == found["true"].tolist()
    assert "images are not named" not in capsys.readouterr().out


def test_suspects_go_without_names_where_the_data_have_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    miniatures.write_folder(tmp_path / "data", each=5)
    [record] = executed("own-images", tmp_path / "data", tmp_path / "out", "cross_entropy")
    listed = tmp_path / "data" / "labels.csv"
    listed.write_text("".join(listed.read_text().splitlines(keepends=True)[:-1]))
    for root, reason in ((tmp_path / "data", "the data have changed"), (tmp_path / "gone", "is no folder")):
        suspects.suspects(record["address"][:12], csv=tmp_path / "all.csv", out=tmp_path / "out", data=root)
        said = capsys.readouterr().out
        assert "images are not named" in said and reason in said
        assert "image" not in pd.read_csv(tmp_path / "all.csv").columns


def test_the_noise_command_knows_what_own_images_tell(tmp_path: Path, command: Command) -> None:
    miniatures.write_folder(tmp_path / "data", each=10)
    added = command("noise", "folder", "symmetric", "0.4", "--data", "data", "--out", "noise.npz")
    assert added.status == 0 and "symmetric 40%" in added.out and "wrong" in added.out
    own = command("noise", "folder", "own", "--data", "data", "--out", "own.npz")
    assert own.status == 0 and "% wrong" in own.out
    miniatures.write_folder(tmp_path / "unknown", each=10, clean=False)
    told = command("noise", "folder", "own", "--data", "unknown", "--out", "unknown.npz")
    assert told.status == 0 and "the true labels are not known, and so no rate is" in told.out
    assert set(np.load(tmp_path / "unknown.npz").files) == {"labels", "fingerprint"}
    refused = command("noise", "folder", "symmetric", "0.4", "--data", "unknown")
    assert refused.status == 2 and "true labels of 'folder' are not known" in refused.err
