"""A report of a stranger's records executes nothing, asks the network for nothing, and stays in its folder."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from command_line import HOME, Command

from reports.errors import ReportError
from reports.folder import MANIFEST, Folder
from reports.names import fit
from reports.texts import legible
from results.store import Store
from tests.browser import Browser, browser, missing
from tests.results.test_strangers import at, put, strange, tree
from tests.synthetic_records import make_plan, make_record, make_spec, make_store

OWN = "document.title='owned'"
SCRIPT = f'"\'></title></style></script><script>{OWN}</script><img src=x onerror="{OWN}">'


def hostile_store(root: Path) -> None:
    """Records whose every free text is a script, with what XML and terminals cannot hold; and two that are none."""
    store, specs = Store(root), []
    for method in ("car",):
        spec = make_spec(method, "symmetric", 0.5, 0, epochs=2)
        record, arrays = make_record(spec, size=30)
        record["titles"] = dict.fromkeys(record["titles"], f"{SCRIPT} \b\x1b[2J \u202e {method}")
        record["data"]["class_names"] = [f"{SCRIPT} {n}" for n in range(10)]
        record["execution"] |= {"device_name": SCRIPT, "commit": SCRIPT, "versions": {SCRIPT: SCRIPT}}
        record["privileges"] = [SCRIPT[:60]]
        store.publish(record, arrays)
        specs.append(spec)
    plan = make_plan(specs, titles={"elr": f"{SCRIPT}\x0b one", "car": f"{SCRIPT}\0 two"})
    for cell in plan["cells"]:
        cell["setting"] = f"{SCRIPT} \x07 setting"
        cell["deviations"] = [f"{SCRIPT} \x1b[31m \u202e deviation"]
    texts = {key: f"{SCRIPT}\x1b {key}" for key in ("title", "description", "remark")}
    store.write_plan({**plan, **texts})
    put(root, strange(at("curves.observed", {SCRIPT: {"epoch": [1], "clean": [0.5], "mislabelled": [0.5]}})))
    put(root, strange(at("spec.dataset.name", "/../../../../victim/notes")))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a hostile store, a bystander's file and the report of the store lie."""
    from reports.build import build_report

    root = tmp_path_factory.mktemp("hostile")
    (root / "victim").mkdir()
    (root / "victim" / "notes.md").write_text("Mine.\n")
    hostile_store(root / "theirs")
    before = tree(root)
    summary = build_report(root / "theirs", root / "out" / "report")
    assert len([line for line in summary.warnings if "holds the name" in line]) == 2
    after = tree(root)
    assert {name for name in after if name not in before and not name.startswith("out/report/")} == set()
    assert {name: after[name] for name in before} == before
    return root


def test_files_have_plain_names(hostile: Path) -> None:
    names = [str(path.relative_to(hostile / "out")) for path in (hostile / "out").rglob("*")]
    assert len(names) > 20
    assert [name for name in names if not re.fullmatch(r"[A-Za-z0-9_./-]+", name)] == []


def test_figures_are_well_formed(hostile: Path) -> None:
    figures = list((hostile / "out" / "report" / "figures").glob("*.svg"))
    assert len(figures) > 5
    for figure in figures:
        root = ElementTree.fromstring(figure.read_bytes())
        assert [part for part in root.iter() if part.tag.endswith("script")] == []


def test_no_file_has_control_characters(hostile: Path) -> None:
    for path in (hostile / "out").rglob("*"):
        if path.suffix in (".md", ".csv", ".tex", ".html", ".svg"):
            text = path.read_text("utf-8")
            assert not re.search("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", text), path.name


def pages(hostile: Path) -> list[Path]:
    found = sorted((hostile / "out" / "report").glob("*.html"))
    assert [page.name for page in found] == ["index.html", "runs.html", "suite-quick.html"]
    return found


def test_the_policy_names_the_pages_own_script_alone(hostile: Path) -> None:
    for page in pages(hostile):
        _check_policy(page.read_text("utf-8"))
    for template in (HOME / "reports" / "templates").glob("*.html"):
        assert not re.search(r"\|\s*safe\b|autoescape", template.read_text()), template


def _check_policy(text: str) -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    parts = dict(part.split(" ", 1) for part in policy[1].replace("&#39;", "'").split("; "))
    assert parts["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]+='", parts["script-src"])
    assert text.index("Content-Security-Policy") < text.index("<title>")
    assert "unsafe-eval" not in policy[1]
    assert text.count("<script") == 2


@pytest.fixture(scope="module")
def opened() -> Iterator[Browser]:
    if reason := missing():
        pytest.skip(reason)
    with browser() as found:
        yield found


class _Asked(http.server.BaseHTTPRequestHandler):
    paths: list[str] = []

    def do_GET(self) -> None:
        self.paths.append(self.path)
        self.send_error(404)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    """A server whose address a page might ask; `_Asked.paths` says for what."""
    _Asked.paths.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Asked) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{found.server_address[1]}"
        found.shutdown()
        thread.join()


def test_a_browser_executes_nothing_of_the_records(hostile: Path, opened: Browser) -> None:
    worked = 0
    for page in pages(hostile):
        opened.open(page)
        assert opened.complaints() == []  # nothing was even tried
        assert opened.run("return document.title").endswith("Learning with noisy labels: results")
        assert opened.run("return document.querySelectorAll('script').length") == 2
        assert opened.run("return document.querySelectorAll('img, iframe, object, embed, base').length") == 0
        assert opened.run("return performance.getEntriesByType('resource').map((e) => e.name)") == []
        clicked = """
        document.querySelector('button.runs')?.click();
        return document.getElementById('dialog-body').textContent.includes('owned');
        """
        worked += opened.run(clicked)  # the page's own script works, and shows the text as text
        assert opened.run("return document.title").endswith("Learning with noisy labels: results")
        assert opened.run("return document.querySelectorAll('#dialog-body img, #dialog-body script').length") == 0
    assert worked >= 2


def test_the_policy_stops_what_escaping_might_miss(hostile: Path, opened: Browser, server: str, tmp_path: Path) -> None:
    """Were a text to reach the page unescaped, its script would not be executed and nothing would be fetched."""
    attack = f"""
    <script>document.title = 'owned'</script><script src="{server}/script.js"></script>
    <img src="{server}/a.png" onerror="document.title = 'owned'"><img src=x onerror="document.title = 'owned'">
    <link rel="stylesheet" href="{server}/b.css"><style>@import url("{server}/c.css"); body {{ color: red }}</style>
    <div style="background: url({server}/d.png)">x</div><iframe src="{server}/e.html"></iframe>
    <iframe srcdoc="<script>parent.document.title = 'owned'</script>"></iframe>
    <svg><script>document.title = 'owned'</script><image href="{server}/f.png"/></svg>
    <object data="{server}/g"></object><base href="{server}/"><video src="{server}/h.mp4" autoplay></video>
    """
    text = (hostile / "out" / "report" / "index.html").read_text("utf-8")
    (tmp_path / "with.html").write_text(text.replace('<main id="content">', f'<main id="content">{attack}'), "utf-8")
    opened.open(tmp_path / "with.html")
    assert opened.run("return document.title") == "Learning with noisy labels: results"
    assert _Asked.paths == []
    assert opened.run("return document.querySelectorAll('main img').length") == 2  # the attack is really in the page
    bare = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    (tmp_path / "without.html").write_text(bare.replace('<main id="content">', f'<main id="content">{attack}'), "utf-8")
    opened.open(tmp_path / "without.html")
    assert opened.run("return document.title") == "owned"  # the control: without the policy it succeeds
    assert "/a.png" in _Asked.paths


# ---- the folder ------------------------------------------------------------------------------------------------------


@pytest.fixture
def planned(tmp_path: Path) -> Path:
    """A store with a plan alone: its report has tables and no figures, and takes no time."""
    Store(tmp_path / "theirs").write_plan(make_plan([make_spec("elr", "symmetric", 0.5, 0)]))
    return tmp_path / "theirs"


LISTED: list[Any] = [
    ["tables/a\0b.md"], ["figures/kept.svg"], ["tables/\ud800.md"], ["tables/" + "x" * 300 + ".md"], ["notes.md"],
    {"notes.md": hashlib.sha256(b"Mine.\n").hexdigest()}, {"tables/notes.md": "0" * 64}, {"tables/notes.md": [1]},
    {"../../notes.md": hashlib.sha256(b"Mine.\n").hexdigest()}, {"tables/../notes.md": 3}, {"figures/kept.svg": "x"},
    {"figures/pipe.svg": "x"}, {"tables/a\0b.md": "x"}, 3, None, "[" * 20_000,
]  # fmt: skip


@pytest.mark.parametrize("listed", LISTED, ids=range(len(LISTED)))
def test_a_manifest_deletes_nothing_of_others(command: Command, planned: Path, listed: Any) -> None:
    report = planned / "report"
    (report / "figures" / "kept.svg").mkdir(parents=True)
    os.mkfifo(report / "figures" / "pipe.svg")
    (report / "tables").mkdir()
    mine = [report / "notes.md", report / "tables" / "notes.md", report / "figures" / "kept.svg" / "inside.txt",
            planned / "notes.md"]  # fmt: skip
    for path in mine:
        path.write_text("Mine.\n")
    (report / MANIFEST).write_text(listed if isinstance(listed, str) else json.dumps(listed))
    ended = command("report", "--out", "theirs")
    assert (ended.status, ended.err) == (0, "")
    assert [path.read_text() for path in mine] == ["Mine.\n"] * 4
    assert sorted(json.loads((report / MANIFEST).read_text()))[0] == "index.html"


def test_what_an_earlier_report_wrote_goes_unless_it_was_changed(tmp_path: Path) -> None:
    first = Folder(tmp_path)
    for name in ("tables/a.md", "tables/b.md", "tables/c.md"):
        first.write(name, "table\n")
    first.tidy()
    (tmp_path / "tables" / "b.md").write_text("table, and a remark of mine\n")
    second = Folder(tmp_path)
    second.write("tables/c.md", "table\n")
    second.tidy()
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == ["b.md", "c.md"]


@pytest.mark.parametrize(
    "name", ["../notes.md", "tables/../../notes.md", "/tmp/notes.md", "tables/a/b.md", "notes.md", "tables/a b.md",
             "figures/a.exe", "tables/.md\n"],
)  # fmt: skip
def test_a_folder_takes_files_of_reports_alone(tmp_path: Path, name: str) -> None:
    with pytest.raises(ReportError, match="no name of a report's file"):
        Folder(tmp_path / "report").write(name, "x")
    assert list(tmp_path.iterdir()) == []


def test_links_lead_no_report_out_of_its_folder(command: Command, planned: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "notes.md").write_text("Mine.\n")
    report = planned / "report"
    report.mkdir()
    (report / "index.html").symlink_to(tmp_path / "victim" / "notes.md")
    before = tree(tmp_path / "victim")
    assert command("report", "--out", "theirs").status == 0
    assert not (report / "index.html").is_symlink()  # the link itself has been replaced
    assert tree(tmp_path / "victim") == before
    for path in (report / "tables").iterdir():
        path.unlink()
    (report / "tables").rmdir()
    (report / "tables").symlink_to(tmp_path / "victim")
    ended = command("report", "--out", "theirs")
    assert ended.status == 2
    assert "leads out of the report's folder" in ended.err
    assert tree(tmp_path / "victim") == before


@pytest.mark.parametrize("broken", [1, 2, 5, 9])
def test_a_full_disk_is_told(command: Command, planned: Path, monkeypatch: pytest.MonkeyPatch, broken: int) -> None:
    count = [0]

    def fsync(descriptor: int) -> None:
        count[0] += 1
        if count[0] == broken:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("results.store.os.fsync", fsync)
    ended = command("report", "--out", "theirs")
    assert ended.status == 2
    assert "the disk is full" in ended.err
    assert list(planned.rglob("*.tmp")) == []


def test_names_become_fit(tmp_path: Path) -> None:
    assert fit("quick_1.0-b") == "quick_1.0-b"
    for name in (SCRIPT, "../x", "..", ".", "", "a b", "a/b", "é", "a" * 500):
        assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,110}", fit(name)), name
    assert fit("a b") != fit("a-b")


def test_legible_texts() -> None:
    assert legible("Café — β ≠ 0, 方法") == "Café — β ≠ 0, 方法"
    assert legible("a\nb\x1b[2J\x08\ud800\u202ec\ufffe") == "a b\\x1b[2J\\x08\\ud800\\u202ec\\ufffe"
    assert legible({"a\0": ["\x07", 1, None]}) == {"a\\x00": ["\\x07", 1, None]}


# ---- the cache -------------------------------------------------------------------------------------------------------


def test_a_report_believes_no_cache(command: Command, tmp_path: Path) -> None:
    """A stranger's store may bring a cache that fits its files' times and says other numbers."""
    import results
    from results import cache, frame

    store = make_store(tmp_path / "theirs", ["elr"], [("symmetric", 0.5)], seeds=[0], size=30, epochs=2)
    results.load(store.root)
    path = store.root / "cache" / f"records{cache.SUFFIX}"
    table, stamps = cache._read(path, [name for name in results.load(store.root).columns if name not in frame.OF_PLANS])
    assert len(table) == 1
    cache._write(path, table.assign(accuracy_last=0.123456), stamps)
    assert results.load(store.root)["accuracy_last"].iloc[0] == 0.123456  # the control: it would be believed
    from reports.gather import gather

    (address,) = store.addresses()
    told = store.load(address)["selection"]["last"]["test_accuracy"]
    assert gather(store.root).frame["accuracy_last"].iloc[0] == told
