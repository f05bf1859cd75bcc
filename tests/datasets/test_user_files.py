"""Every case of `tests/user_files` is read right, and what `data check` says of it is what training reads."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bench.commands.data_check import check_files
from datasets import image_check, registry
from datasets.base import DataError, DataSet, ImageFiles
from datasets.decode import decode
from tests.user_files import CASES, Case


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_check, "default_jobs", lambda: 1)


def checked(root: Path) -> tuple[bool, str]:
    console = Console(record=True, width=1000, quiet=False, markup=False, highlight=False, emoji=False)
    return check_files(console, "folder", root, None, 1), console.export_text()


def trained_on(root: Path) -> DataSet:
    """The data set, each of whose images has been read as training reads it. Raises DataError."""
    dataset = registry.load("folder", root)
    for images in (dataset.train, dataset.test):
        assert isinstance(images, ImageFiles)
        for row in range(len(images.labels)):
            decode(images.path(row), 8, images.own)
    return dataset


def counts(dataset: DataSet) -> tuple[list[int], list[int]]:
    classes = len(dataset.class_names)
    assert dataset.given is not None
    return tuple(np.bincount(labels, minlength=classes).tolist() for labels in (dataset.given, dataset.test.labels))  # type: ignore[return-value]


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_read_right(name: str, tmp_path: Path) -> None:
    case: Case = CASES[name]
    root = tmp_path / "data"
    case.write(root)
    well, text = checked(root)
    for said in case.says:
        assert said in text
    assert "\x1b" not in text and max(map(len, map(str.rstrip, text.splitlines()))) < 500
    assert well == (case.classes is not None), text
    if not well:
        with pytest.raises(DataError) as refused:
            trained_on(root)
        assert "\n" not in str(refused.value)
        return
    dataset = trained_on(root)
    assert list(dataset.class_names) == list(case.classes or ())
    assert counts(dataset) == (list(case.train), list(case.test))
    for image, colour in case.pixels.items():
        pixels = decode(root / image, 8, own=True)
        middle = pixels[:, pixels.shape[1] // 4, pixels.shape[2] // 4].int().tolist()
        assert np.abs(np.array(middle) - colour).max() <= 12, (middle, colour)


@pytest.mark.parametrize("name", CASES)
def test_the_check_and_training_agree(name: str, tmp_path: Path) -> None:
    """Whichever comes first: training that nothing was checked for stumbles over what a check finds, and no more."""
    CASES[name].write(tmp_path / "checked")
    CASES[name].write(tmp_path / "trained")
    well, text = checked(tmp_path / "checked")
    try:
        dataset = trained_on(tmp_path / "trained")
    except DataError:
        assert not well
        return
    assert well
    train, test = counts(dataset)
    for label, called in enumerate(dataset.class_names):
        assert re.search(rf"^ *{label} {re.escape(called)} +{test[label]} +{train[label]} *$", text, re.MULTILINE)
    assert re.search(rf"^ *all +{sum(test)} +{sum(train)} *$", text, re.MULTILINE)
