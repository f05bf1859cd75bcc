"""Reviewing suspects: the page with their images, what is exported from it, and the corrected list to train on."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench.api import review
from bench.commands import suspects
from common.errors import UserError
from datasets import corrected, disk, registry
from datasets.base import DataError, Images
from datasets.data_contract import Choice
from tests import miniatures
from tests.browser import browser, missing
from tests.command_line import Command
from tests.image_runs import executed, paths

NASTY = '"><script>document.title="x"</script>'


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    miniatures.write_folder(tmp_path / "flowers", each=12, clean=False)
    return tmp_path / "flowers"


def training_row(folder: Path, row: int) -> tuple[str, str]:
    """Name and given label of a training image."""
    found = registry.load("folder", folder)
    assert found.given is not None
    name = paths(found.train)[row].relative_to(folder).as_posix()
    return name, found.class_names[found.given[row]]


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["sample,image,given,label", *lines]) + "\n")
    return path


def test_from_a_run_to_the_page_to_a_corrected_list(flowers: Path, tmp_path: Path, command: Command) -> None:
    [record] = executed("own-images", flowers, tmp_path / "out", "cross_entropy")
    page = tmp_path / "review.html"
    suspects.suspects(record["address"][:12], count=5, page=page, out=tmp_path / "out", data=flowers)
    text = page.read_text(encoding="utf-8")
    assert text.count("<li data-sample=") == text.count('<img src="data:image/') == 5
    content = base64.b64decode(re.findall(r"base64,([^\"]+)", text)[0])
    assert max(Image.open(io.BytesIO(content)).size) <= review.SIDE
    suspects.suspects(record["address"][:12], count=5, page=page, out=tmp_path / "out", data=flowers)  # its own file
    (name, given), (other, second), (third, kept) = (training_row(flowers, row) for row in (0, 1, 2))
    right = "rose" if given != "rose" else "tulip"
    lines = f"0,{name},{given},{right}", f"1,{other},{second},", f"2,{third},{kept},{kept}"
    said = write(tmp_path / "reviewed.csv", *lines)
    ended = command("data", "correct", str(said), "--data", str(flowers))
    assert ended.status == 0 and "3 images reviewed, 1 labels changed, 1 left out" in ended.out
    before, after = (registry.load("folder", flowers, Choice(file=file)) for file in (None, "checked.csv"))
    assert after.given is not None and before.given is not None
    assert after.class_names[after.given[0]] == right and after.num_train == before.num_train - 1
    assert after.given.tolist()[1:] == before.given.tolist()[2:]
    assert [path.name for path in paths(after.test)] == [path.name for path in paths(before.test)]
    [again] = executed("own-images", flowers, tmp_path / "out", "cross_entropy", "data.file=checked.csv")
    assert again["address"] != record["address"] and again["data"]["num_train"] == record["data"]["num_train"] - 1


def test_the_test_images_that_were_held_out_stay_so(tmp_path: Path, command: Command) -> None:
    miniatures.write_folder(tmp_path / "flowers", each=20, split=False, clean=False)
    name, given = training_row(tmp_path / "flowers", 3)
    said = write(tmp_path / "reviewed.csv", f"3,{name},{given},")
    assert command("data", "correct", str(said), "--data", str(tmp_path / "flowers")).status == 0
    both = [registry.load("folder", tmp_path / "flowers", Choice(file=file)) for file in (None, "checked.csv")]
    assert [path.name for path in paths(both[0].test)] == [path.name for path in paths(both[1].test)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0,images/gone.jpg,rose,tulip", "'images/gone.jpg' is not in the list"),
        ("0,{name},{given},tulp", "label 'tulp' is no class; did you mean 'tulip'"),
        ("0,{name},other,tulip", "its label is '{given}', the review was of 'other'"),
        ("0,{name},{given},tulip\n0,{name},{given},rose", "twice"),
    ],
)
def test_a_review_that_does_not_fit_is_refused(flowers: Path, tmp_path: Path, line: str, message: str) -> None:
    name, given = training_row(flowers, 0)
    said = write(tmp_path / "reviewed.csv", line.format(name=name, given=given))
    sources = disk.complete("folder", flowers)
    found = disk.opened("folder", sources, tmp_path / "cache")
    with pytest.raises(DataError, match=message.format(given=given)):
        corrected.apply(said, corrected.decisions(said), found, flowers)


def test_the_list_that_was_trained_on_is_never_written_over(flowers: Path, tmp_path: Path, command: Command) -> None:
    name, given = training_row(flowers, 0)
    said = write(tmp_path / "reviewed.csv", f"0,{name},{given},rose")
    kept = (flowers / "labels.csv").read_bytes()
    for to, words in (("labels.csv", "is the list that was trained on"), ("../x.csv", "the name of a .csv file")):
        ended = command("data", "correct", str(said), "--data", str(flowers), "--to", to)
        assert ended.status == 2 and words in ended.err
    (tmp_path / "none.csv").write_text("image,label\na,b\n")
    ended = command("data", "correct", str(tmp_path / "none.csv"), "--data", str(flowers))
    assert ended.status == 2 and "0 columns 'given'" in ended.err
    assert (flowers / "labels.csv").read_bytes() == kept and not (flowers / "checked.csv").exists()


def test_images_in_memory_are_shown_enlarged() -> None:
    images = Images(np.arange(2 * 8 * 8, dtype=np.uint8).reshape(2, 8, 8, 1), np.zeros(2, np.int64))
    kind, _, content = review.picture(images, 1).partition(",")
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
    assert kind == "data:image/png;base64" and np.array_equal(shown[::4, ::4], images.pixels[1, ..., 0])


def test_data_that_have_changed_make_no_page(flowers: Path, tmp_path: Path) -> None:
    [record] = executed("own-images", flowers, tmp_path / "out", "cross_entropy")
    lines = (flowers / "labels.csv").read_text().splitlines(keepends=True)
    (flowers / "labels.csv").write_text("".join(lines[:-1]))
    with pytest.raises(DataError, match="have changed since the run"):
        suspects.suspects(record["address"][:12], page=tmp_path / "p.html", out=tmp_path / "out", data=flowers)
    assert not (tmp_path / "p.html").exists()
    (tmp_path / "p.html").write_text("mine")
    with pytest.raises(UserError, match="has not written"):
        suspects.suspects(record["address"][:12], page=tmp_path / "p.html", out=tmp_path / "out", data=flowers)


def table(*labels: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sample": range(len(labels)), "image": [f"{row}.png" for row in range(len(labels))],
            "suspicion": 0.5, "given": [one for one, _ in labels], "predicted": [two for _, two in labels],
            "runs_that_disagree": 1,
        }
    )  # fmt: skip


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_what_is_decided_on_the_page_is_what_it_exports(tmp_path: Path) -> None:
    images = Images(np.zeros((4, 8, 8, 3), np.uint8), np.zeros(4, np.int64))
    rows = review.suspects_of(table(("a", "b"), (NASTY, "=1+1"), ("a, b", "b"), ("b", "b")), images)
    page = tmp_path / "review.html"
    page.write_bytes(review.page("t & t", rows, ["a", "b", "a, b", NASTY, "=1+1"]))
    with browser() as window:
        window.open(page)
        window.run("""
            const set = (card, value) => {
              const one = document.querySelectorAll("li")[card].querySelector(`input[value=${value}]`);
              one.checked = true; one.dispatchEvent(new Event("input", { bubbles: true }));
            };
            set(0, "keep"); set(1, "predicted"); set(2, "out");
            const text = document.querySelectorAll("li")[3].querySelector("input[type=text]");
            text.value = "no class"; text.dispatchEvent(new Event("input", { bubbles: true }));
        """)
        assert window.run("return document.getElementById('count').textContent") == "3 decided"
        exported = window.run("return reviewed()")
        assert window.run("return document.title") == "Suspects: t & t" and window.complaints() == []
        window.resize(390, 800)
        assert window.run("return document.documentElement.scrollWidth <= window.innerWidth")
    (tmp_path / "reviewed.csv").write_text(exported)
    assert exported.splitlines()[1] == "0,0.png,a,a" and "'=1+1" in exported
    assert corrected.decisions(tmp_path / "reviewed.csv") == {
        "0.png": ("a", "a"), "1.png": (NASTY, "=1+1"), "2.png": ("a, b", ""),
    }  # fmt: skip
