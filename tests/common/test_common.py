"""What all packages share: the wording of unknown names, registries, files written whole; and who may import whom."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import HOME

from common import files
from common.errors import UserError, unknown
from common.registry import Registry

HOUSE = ("bench", "common", "datasets", "methods", "reports", "results")
MAY_USE = {
    "common": set(),
    "methods": {"common"},
    "datasets": {"common"},
    "results": {"common"},
    "reports": {"common", "results"},
}


class OtherError(Exception):
    """An error of another package."""


@dataclass(frozen=True)
class Entry:
    name: str
    value: int = 0


def registry() -> Registry[Entry]:
    return Registry("colour", [Entry("red"), Entry("green"), Entry("blue")], OtherError)


def test_an_unknown_name_is_told_with_a_suggestion_and_what_is_accepted() -> None:
    assert str(unknown("suite", "quik", ["quick", "car"], "s.toml")) == (
        "s.toml: unknown suite 'quik'; did you mean 'quick'? (accepted: quick, car)"
    )
    assert str(unknown("option", "x", [])) == "unknown option 'x' (accepted: none)"
    assert type(unknown("suite", "x", [])) is UserError
    assert type(unknown("suite", "x", [], error=OtherError)) is OtherError


def test_a_registry_keeps_the_order_and_names_what_it_lacks() -> None:
    colours = registry()
    assert colours.names == ("red", "green", "blue")
    assert [entry.name for entry in colours] == ["red", "green", "blue"]
    assert (len(colours), "red" in colours, "rad" in colours) == (3, True, False)
    assert colours["green"] == colours.get("green") == Entry("green")
    with pytest.raises(OtherError) as caught:
        colours["gren"]
    assert str(caught.value) == "unknown colour 'gren'; did you mean 'green'? (accepted: blue, green, red)"
    with pytest.raises(OtherError, match=r"^s\.toml: unknown colour 'x' "):
        colours.get("x", "s.toml")


def test_a_registry_takes_no_name_twice_unless_its_owner_says_it_again() -> None:
    colours, mine, other = registry(), Path("/mine.py"), Path("/other.py")
    colours.add(Entry("grey", 1), mine)
    colours.add(Entry("grey", 2), mine)
    assert colours["grey"].value == 2
    assert (colours.origin("grey"), colours.origin("red")) == (mine, None)
    assert [entry.name for entry in colours.built_in] == ["red", "green", "blue"]
    with pytest.raises(OtherError, match=r"^/other\.py: colour name 'grey' is taken by /mine\.py$"):
        colours.add(Entry("grey"), other)
    with pytest.raises(OtherError, match=r"^/mine\.py: colour name 'red' is taken by a built-in colour$"):
        colours.add(Entry("red"), mine)
    assert colours["red"].value == 0


def test_built_in_entries_are_read_when_the_first_is_asked_for() -> None:
    asked = []

    def entries() -> list[Entry]:
        asked.append(1)
        return [Entry("red")]

    lazy = Registry("colour", entries)
    assert asked == []
    assert lazy.names == ("red",) and "red" in lazy and len(lazy) == 1
    assert asked == [1]
    with pytest.raises(OtherError, match="colour name 'red' is declared twice"):
        len(Registry("colour", [Entry("red"), Entry("red", 2)], OtherError))


def test_what_a_file_has_added_can_be_left_out_again() -> None:
    colours = registry()
    colours.add(Entry("pink"), Path("a.py"))
    colours.add(Entry("grey"), Path("b.py"))
    colours.forget(Path("a.py"))
    assert colours.names == ("red", "green", "blue", "grey") and colours.origin("pink") is None


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "file.txt"
    with files.written(target) as stream:
        stream.write(b"first")
    assert target.read_bytes() == b"first"
    with pytest.raises(RuntimeError), files.written(target) as stream:
        stream.write(b"sec")
        raise RuntimeError("killed, nearly")
    assert target.read_bytes() == b"first"
    assert list(target.parent.iterdir()) == [target]


def test_what_a_kill_left_is_found_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "run.pt"
    left = files.beside(target)
    for path in (left, target, files.beside(tmp_path / "other.pt")):
        path.touch()
    assert list(files.left_over(target)) == [left]
    with files.temporary(target) as folder:
        folder.mkdir()
        (folder / "part").touch()
    assert not folder.exists()


def imported(path: Path) -> set[str]:
    """The packages of the house that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).partition(".")[0])
    return found & set(HOUSE)


@pytest.mark.parametrize("package", MAY_USE)
def test_imports_go_one_way(package: str) -> None:
    paths = list((HOME / package).rglob("*.py"))
    assert paths
    for path in paths:
        assert imported(path) <= MAY_USE[package] | {package}, path


def test_one_entry_is_made_alone_until_another_is_wanted() -> None:
    made: list[str] = []

    def one(name: str) -> Entry | None:
        made.append(name)
        return Entry(name) if name == "red" else None

    def every() -> list[Entry]:
        made.append("all")
        return [Entry("red"), Entry("blue")]

    colours = Registry("colour", every, single=one)
    assert "red" in colours and colours["red"] == Entry("red") and "all" not in made
    assert colours["blue"] == Entry("blue"), "one that is not found alone is looked for among all"
    assert made.count("all") == 1 and colours.names == ("red", "blue")
    with pytest.raises(UserError, match=r"unknown colour 'rod'.*did you mean 'red'"):
        colours.get("rod")
