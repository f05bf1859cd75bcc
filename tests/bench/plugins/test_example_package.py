"""The example package outside of the tree: installed with pip it runs in a suite, as a folder it does too."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ENVIRONMENT, HOME

from results.store import Store

EXAMPLE = HOME / "examples" / "noisy-label-example"
LISTED = {"methods": "agreement", "networks": "two_dense", "views": "dimmed"}


def call(*command: object, site: Path | None = None, cwd: Path) -> str:
    """What a command says in a process of its own; `site` is a further folder of installed packages."""
    paths = [str(HOME), *([str(site)] if site else [])]
    environment = {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join(paths)}
    ended = subprocess.run(
        [sys.executable, *map(str, command)], cwd=cwd, env=environment, check=False, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, installed from a copy: a build leaves files beside its sources."""
    pytest.importorskip("setuptools", minversion="68", reason="without an index, pip builds with what is installed")
    if subprocess.run([sys.executable, "-m", "pip", "--version"], check=False, capture_output=True).returncode:
        pytest.skip("there is no pip in this environment")
    folder = tmp_path_factory.mktemp("installed")
    shutil.copytree(EXAMPLE, folder / "source")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target", folder / "site")
    call("-m", "pip", "install", *options, folder / "source", cwd=folder)
    return folder / "site"


def test_installed_with_pip_it_runs_in_a_suite(site: Path, tmp_path: Path) -> None:
    for kind, name in LISTED.items():
        said = call(HOME / "run_benchmark.py", "list", kind, "--json", site=site, cwd=tmp_path)
        assert name in {row["name"] for row in json.loads(said)}
    call(HOME / "run_benchmark.py", "run", EXAMPLE / "suite.toml", "--jobs", 1, site=site, cwd=tmp_path)
    records = [Store(tmp_path / "output").load(address) for address in Store(tmp_path / "output").addresses()]
    assert {record["titles"]["method"] for record in records} == {"Cross-entropy", "Agreement"}
    assert {record["titles"]["network"] for record in records} == {"Two dense layers"}
    assert all(record["final"]["test_accuracy"] > 0.3 for record in records)  # of ten classes


@pytest.mark.slow
def test_its_own_tests_pass(site: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    call("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", site=site, cwd=tmp_path)


def test_as_a_folder_it_runs_too_and_has_one_hash_with_what_is_installed(site: Path, tmp_path: Path) -> None:
    command = (HOME / "run_benchmark.py", "run", EXAMPLE / "suite.toml", "--jobs", 1, "--methods", "agreement")
    call(*command, "--plugin", EXAMPLE, cwd=tmp_path)
    store = Store(tmp_path / "output")
    (address,) = store.addresses()
    assert len(str(store.load(address).get("source"))) == 64
    said = call(*command, site=site, cwd=tmp_path)  # the same source, elsewhere
    assert "1 done, 0 to do" in said and "changed since" not in said
