"""The documentation is true: its commands and snippets run, its links lead somewhere, its names exist, it is complete.

`documentation.py` says how a block is marked as a file or as one that is not run. What runs here is small: few images,
two epochs, one seed, one figure, in this process. The README's main job at full size is executed by `.ci/run`.
"""

from __future__ import annotations

import doctest
import itertools
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import registries
import typer
from command_line import Command
from documentation import (
    ENTRY,
    HOME,
    PAGES,
    Block,
    anchors,
    blocks,
    commands,
    first_columns,
    links,
    named,
    prose,
    spans,
)

from bench import cli, networks
from bench.commands.data import HUMAN
from bench.planning import suite
from datasets.data_sets import DATASETS
from datasets.noise_models import NOISE_MODELS
from methods import registry as methods
from reports import figures
from results import published
from results.aggregate import RULES
from results.store import Store

SMALL = {"epochs": 2, "subset": 200}
REGISTRIES: dict[str, Callable[[], Any]] = {
    "method": methods.registered,
    "suite": suite.names,
    "network": lambda: networks.NETWORKS.names,
    "noise model": lambda: NOISE_MODELS.names,
    "data set": lambda: {*DATASETS.names, *HUMAN},
    "selection rule": lambda: RULES.names,
}
AWAITED = {"findings.md", "performance.md"}
"""Pages that are linked and not written yet: to be emptied when they are."""
IN_TABLES = {"model": "noise model", "rule": "selection rule", "name": "method"} | {name: name for name in REGISTRIES}
"""Heading of a table's first column -> the registry that its names belong to."""

cli._register()
TREE: Any = typer.main.get_command(cli.app)


def _identifier(value: object) -> str:
    return value.place if isinstance(value, Block) else Path(str(value)).name


# ---- commands and snippets -------------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, in_process: list[str], tmp_path: Path) -> Iterator[None]:
    """Suites of a few images and epochs, reports of one figure, and registries that are afterwards as before."""
    read, draw = suite.read, figures.draw

    def read_small(path: Path) -> dict[str, Any]:
        tables = read(path)
        if "--dry-run" in sys.argv and not Path("output", "records").exists():
            return tables  # nothing is run, and none of the small runs is asked for
        tables["seeds"] = 1
        tables["training"]["epochs"] = SMALL["epochs"]
        if isinstance(tables["data"], dict) and tables["data"]["name"] == "digits":
            tables["data"]["subset"] = SMALL["subset"]
        return tables

    monkeypatch.setattr(suite, "read", read_small)
    monkeypatch.setattr(figures, "draw", lambda section: itertools.islice(draw(section), 1))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("NOISY_BENCH_DATA", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    with registries.as_before():
        yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def _run_console(block: Block, command: Command) -> None:
    compare = doctest.OutputChecker()
    for line, expected in commands(block):
        assert line.startswith(ENTRY), f"{block.place}: {line!r} cannot be run here: mark the block, and say why"
        ended = command(*shlex.split(line)[2:])
        said = ended.out + ended.err
        assert ended.status == (2 if expected.startswith("error:") else 0), f"{block.place}: {line}\n{said}"
        rules = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        agree = not expected or compare.check_output(expected, said, rules)
        assert agree, f"{block.place}: {line}\nexpected:\n{expected}\nsaid:\n{said}"


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(block.is_run for block in blocks(page))], ids=_identifier
)
def test_commands_and_snippets_of_a_page_run_in_order(
    page: Path, command: Command, small: None, tmp_path: Path
) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page):
        if block.file is not None:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
        elif block.is_run and block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), names)
        elif block.is_run:
            _run_console(block, command)


@pytest.mark.parametrize("page", PAGES, ids=_identifier)
def test_every_marker_is_known_and_every_block_well_formed(page: Path) -> None:
    for block in blocks(page):
        reason = block.marker.removeprefix("not run:").strip() if block.marker.startswith("not run:") else block.file
        assert not block.marker or reason, f"{block.place}: unknown marker {block.marker!r}"
        if block.language == "toml":
            tomllib.loads(block.text)
        if block.language == "json":
            json.loads(block.text)
        if block.language == "python":
            compile(block.text, block.place, "exec")
        assert block.language, f"{block.place}: a fenced block names its language"


# ---- names of commands, options and what they take -------------------------------------------------------------------


def _command(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words name, and the words left; the whole command line where they name none."""
    found = TREE
    while words and words[0] in getattr(found, "commands", {}):
        found, words = found.commands[words[0]], words[1:]
    return found, words


def _options(found: Any) -> set[str]:
    return {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)} | {
        "--help", "--install-completion", "--show-completion"
    }  # fmt: skip


def _dask_options() -> set[str]:
    worker = pytest.importorskip("distributed.cli.dask_worker", reason="the extra [cluster] is not installed")
    scheduler = pytest.importorskip("distributed.cli.dask_scheduler")
    return _options(worker.main) | _options(scheduler.main)


def _lines(block: Block) -> list[str]:
    """The command lines of a block, those apart that are shown to be refused."""
    if block.language == "console":
        return [line for line, expected in commands(block) if not expected.startswith("error:")]
    return block.text.splitlines() if block.language == "sh" else []


def _own_commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """(place, words after `python run_benchmark.py`) of all commands of a page, in blocks that run and that do not."""
    lines = [(block.place, line) for block in blocks(page) for line in _lines(block)]
    text = page.read_text(encoding="utf-8").splitlines()
    lines += [(page.name, line.partition("  #")[0]) for line in text if line.startswith("    ")]
    for place, line in lines:
        for part in re.split(r"&&|'", line):
            if "run_benchmark.py" in part:
                yield place, shlex.split(part.partition("run_benchmark.py")[2].rstrip(" &"))


def _values(context: Any) -> Iterator[tuple[str, str]]:
    """(kind, name) of the registered things that a parsed command names."""
    given = context.params
    name = context.command.name
    for method in (given.get("chosen") or "").split(","):
        yield "method", methods.typed(method.strip())
    for network in str(given.get("networks") or "").split(","):
        yield "network", network.strip()
    if name == "run":
        for suite in given["names"]:
            yield "suite", suite
    if name == "noise":
        yield "data set", given["dataset"]
        yield "noise model", given["model"]
    if name in ("fetch", "check") and "name" in given:
        yield "data set", given["name"]
    if given.get("select"):
        yield "selection rule", given["select"]


def _declared(page: Path) -> set[str]:
    """The names that the page's own files and `new-method` declare."""
    files = "".join(block.text for block in blocks(page) if block.file is not None)
    return set(re.findall(r'"(\w+)"', files)) | set(re.findall(r"new-method (\w+)", page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=_identifier)
def test_every_command_is_understood_and_names_what_exists(page: Path) -> None:
    own = _declared(page)
    for place, words in _own_commands(page):
        found, left = _command(words)
        if found is TREE:
            assert set(left) <= _options(TREE), f"{place}: unknown command or option in {words}"
            continue
        if "--help" in left:
            continue
        context = found.make_context(found.name, list(left))  # raises where an option or an argument is wrong
        if context.params.get("paper"):
            published.load([context.params["paper"]])
        for kind, name in _values(context):
            known = not name or name in own or name.endswith((".toml", ".yaml", ".py"))
            assert known or name in REGISTRIES[kind](), f"{place}: no {kind} {name!r}"


def test_commands_of_dask_are_understood() -> None:
    pytest.importorskip("distributed", reason="the extra [cluster] is not installed")
    from distributed.cli import dask_scheduler, dask_worker

    mains = {"scheduler": dask_scheduler.main, "worker": dask_worker.main}
    seen = set()
    for block in (block for page in PAGES for block in blocks(page) if block.language == "console"):
        for line, _ in commands(block):
            for kind, arguments in re.findall(r"\bdask (scheduler|worker)\b([^'&]*)", line):
                mains[kind].make_context(kind, shlex.split(arguments))  # raises where an option is wrong
                seen.add(kind)
    assert seen == set(mains)


@pytest.mark.parametrize("page", PAGES, ids=_identifier)
def test_options_in_code_font_exist(page: Path) -> None:
    every = set().union(*(_options(found) for found in _all_commands(TREE)))
    for span in spans(prose(page)):
        words = span.removeprefix(ENTRY).split()
        found, left = _command(words)
        known = every if found is TREE else _options(found)
        for word in left if found is not TREE or span.startswith(("--", ENTRY)) else []:
            option = word.partition("=")[0]
            if option.startswith("--"):
                assert option in known or option in _dask_options(), f"{page.name}: `{span}`: no option {option}"


def _all_commands(found: Any) -> Iterator[Any]:
    yield found
    for further in getattr(found, "commands", {}).values():
        yield from _all_commands(further)


# ---- names in code font ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=_identifier)
def test_what_is_called_a_method_or_a_suite_is_one(page: Path) -> None:
    text = prose(page)
    for kind, known in REGISTRIES.items():
        for name in re.findall(rf"\b{kind}s? `([^`]+)`", text):
            assert name in known(), f"{page.name}: no {kind} `{name}`"
    for heading, names in first_columns(page):
        if heading in IN_TABLES:
            for name in names:
                assert name in REGISTRIES[IN_TABLES[heading]](), f"{page.name}: no {IN_TABLES[heading]} `{name}`"


@pytest.fixture(scope="module")
def source_words() -> set[str]:
    """All words of the packages' sources and of the suites, and the keys of records."""
    folders = ("bench", "common", "methods", "datasets", "results", "reports")
    files = [path for folder in folders for kind in ("*.py", "*.toml") for path in (HOME / folder).rglob(kind)]
    return {word for path in files for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("page", PAGES, ids=_identifier)
def test_identifiers_in_code_font_occur_in_the_source(page: Path, source_words: set[str]) -> None:
    shown = {word for block in blocks(page) for word in re.findall(r"\w+", block.text)}
    for span in spans(prose(page)):
        if re.fullmatch(r"[a-z]\w*(\.[a-z_]\w*)*(\(\w*(, \w+)*\))?", span):
            for word in re.findall(r"\w+", span):
                assert word in source_words or word in shown, f"{page.name}: `{span}` is named nowhere in the source"


@pytest.mark.parametrize("page", PAGES, ids=_identifier)
def test_files_in_code_font_exist(page: Path) -> None:
    for span in spans(prose(page)):
        if re.fullmatch(r"(bench|methods|datasets|results|reports|tests|docs)/[\w./-]+\.\w+", span):
            assert (HOME / span).is_file(), f"{page.name}: there is no {span}"


# ---- links -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=_identifier)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        place, _, anchor = target.partition("#")
        path = (page.parent / place).resolve() if place else page
        if path.name in AWAITED and not path.exists():
            continue
        assert path.exists(), f"{page.name}: {target} does not exist"
        assert path.is_relative_to(HOME), f"{page.name}: {target} leads out of the repository"
        if anchor:
            assert anchor in anchors(path), f"{page.name}: {path.name} has no heading #{anchor}"


def test_the_readme_leads_to_every_page() -> None:
    linked = {(HOME / target.partition("#")[0]).resolve() for target in links(HOME / "README.md")}
    assert set(PAGES) - {HOME / "README.md"} <= linked


def test_the_readme_has_the_two_commands() -> None:
    text = (HOME / "README.md").read_text(encoding="utf-8")
    assert "\n    pip install -c constraints.txt -e . && python run_benchmark.py\n" in text
    assert '\n    pip install -c constraints.txt -e ".[test]" && pytest\n' in text


def test_no_example_groups_runs_by_a_title_which_rows_may_share() -> None:
    files = [*(HOME / "docs").iterdir(), HOME / "README.md", HOME / "bench" / "api" / "functions.py"]
    texts = [file.read_text(encoding="utf-8") for file in files if file.suffix in (".md", ".ipynb", ".py")]
    grouped = re.findall(r"groupby\(([^)]*)\)", "\n".join(texts))
    assert grouped and not any("method_title" in columns for columns in grouped)


# ---- records ---------------------------------------------------------------------------------------------------------


def test_every_key_of_a_record_is_documented(command: Command, small: None, tmp_path: Path) -> None:
    assert command("run", "quick", "--methods", "car,co_teaching").status == 0
    told, store = named("records.md"), Store(tmp_path / "output")
    for address in store.addresses():
        record = store.load(address)
        keys = set(record) | {key for part in record.values() if isinstance(part, dict) for key in part}
        keys |= set(record["curves"]["memorisation"])
        keys |= {name.removeprefix("observed_") for name in store.arrays(address)}
        keys -= set(record["spec"]) | set(RULES.names)  # links lead to the pages of these
        assert keys <= told, keys - told
