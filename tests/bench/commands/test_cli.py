"""The command line: every bad input ends in one line, exit status 2, and nothing written; listing imports no torch."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import ENVIRONMENT, HOME, Command, run, write_suite
from synthetic_records import make_store

from bench.api import planned as sweep
from bench.machine import accelerator
from results.store import Store

NAMES = {
    "suite": (("run", "quik"), "did you mean 'quick'"),
    "suite, nothing near": (("run", "zzz"), "accepted: "),
    "suite, no name of a file": (("run", "x" * 5000), "unknown suite"),
    "suite, empty": (("run", ""), "no such suite file"),
    "suite file": (("run", "nowhere.toml"), "nowhere.toml: no such suite file"),
    "suite, a folder": (("run", "."), "no such suite file"),
    "method": (("run", "quick", "--methods", "elrr"), "did you mean 'elr'"),
    "method among others": (("run", "quick", "--methods", "car,co-teeching"), "did you mean 'co_teaching'"),
    "no method": (("run", "quick", "--methods", ","), "name at least one method"),
    "method of a row": (("run", "quick", "--set", 'methods.elr.method="ellr"'), "did you mean 'elr'"),
    "network": (("run", "quick", "--set", "training.network=digit_cnn"), "did you mean 'digits_cnn'"),
    "noise": (("run", "quick", "--set", "noise.0.model=symetric"), "did you mean 'symmetric'"),
    "noise of a condition": (("run", "quick", "--set", 'methods.elr.when=[{model="symetric"}]'), "'symmetric'"),
    "data set": (("run", "quick", "--set", "data.name=digit"), "did you mean 'digits'"),
    "hyper-parameter": (("run", "quick", "--set", "methods.elr.hyper.momentun=0.5"), "did you mean 'momentum'"),
    "hyper-parameter of a condition": (
        ("run", "quick", "--set", 'methods.elr.when=[{model="clean", hyper={momentun=0.5}}]'),
        "did you mean 'momentum'",
    ),
    "noise option": (("run", "quick", "--set", 'noise.0.options.sampling="exakt"'), "exact, "),
    "command": (("rnu",), "Did you mean 'run'"),
    "option": (("run", "quick", "--seed", "3"), "--seeds"),
    "thing to list": (("list", "method"), "'methods'"),
    "plug-in": (("run", "quick", "--plugin", "nowhere.py"), "nowhere.py"),
    "records": (("report", "--records", "nowhere"), "--records nowhere: no such file"),
    "started suite": (("status", "--out", "nowhere"), "no suite was started there"),
}


@pytest.mark.parametrize("case", NAMES)
def test_an_unknown_name_is_refused_with_what_is_near_or_accepted(case: str, refused: Callable[..., str]) -> None:
    arguments, expected = NAMES[case]
    assert expected in refused(*arguments)


SETTINGS = {
    "titel=x": "unknown key 'titel'; did you mean 'title'",
    "training.epoch=3": "unknown key 'training.epoch'; did you mean 'epochs'",
    "data.validaton={}": "unknown key 'data.validaton'; did you mean 'validation'",
    "noise.0.ratee=1": "unknown key 'noise.0.ratee'; did you mean 'rate'",
    "training.optimizer.lrr=1": "unknown key 'training.optimizer.lrr'; did you mean 'lr'",
    "methods.elr.hypr={}": "unknown key 'methods.elr.hypr'; did you mean 'hyper'",
    'methods.elr.when=[{modl="x"}]': "unknown key 'methods.elr.when.0.modl'; did you mean 'model'",
    "a.b.c=5": "unknown key 'a' (accepted: title, ",
    'training.epochs="x"': "key 'training.epochs' = 'x': must be a valid integer",
    "training.epochs=1.5": "key 'training.epochs' = 1.5",
    "training.epochs=true": "key 'training.epochs' = True",
    "training.epochs=2024-01-01": "key 'training.epochs'",
    f"training.epochs=1{'0' * 400}": "must be less than or equal to 1000000000",
    f"training.schedule.warmup=1{'0' * 400}": "must be less than or equal to 1000000000",
    "seeds=1001": "key 'seeds' = 1001: must be less than or equal to 1000",
    "training.epochs=0": "key 'training.epochs' = 0: must be greater than or equal to 1",
    "seeds=0": "key 'seeds' = 0",
    "training.batch_size=-3": "key 'training.batch_size' = -3",
    "training.threads=0": "key 'training.threads' = 0",
    "training=5": "key 'training' = 5: must be a table",
    "methods=5": "key 'methods' = 5: must be a table",
    "methods={}": "key 'methods' = {}: must not be empty",
    "noise=[]": "key 'noise' = []: must not be empty",
    'noise={model="clean"}': "key 'noise' = {'model': 'clean'}: must be a list",
    "methods.elr=5": "key 'methods.elr' = 5: must be a table",
    "training.optimizer=5": "key 'training.optimizer' = 5: must be a table",
    "title=5": "key 'title' = 5: must be a valid string",
    'purpose="x"': "key 'purpose' = 'x': must be 'compare' or 'reproduce'",
    'training.optimizer.name="adm"': "key 'training.optimizer.name': unknown optimizer 'adm'; did you mean 'adam'?",
    "training.optimizer.name=5": "key 'training.optimizer.name' = 5: must be a string",
    'training.optimizer={name="adam", momentum=0.9}': "unknown key 'training.optimizer.momentum' (accepted by "
    "optimizer 'adam': name, lr, weight_decay, clip_norm, sam, betas)",
    "training.optimizer.betas=[0.9, 0.99]": "unknown key 'training.optimizer.betas' (accepted by optimizer 'sgd': ",
    'training.schedule={name="cosine", milestones=[3]}': "unknown key 'training.schedule.milestones' (accepted by "
    "schedule 'cosine': name, warmup, update, minimum)",
    'training.schedule.name="cosin"': "key 'training.schedule.name': unknown schedule 'cosin'; did you mean 'cosine'? "
    "(accepted: constant, cosine, cosine_restarts, linear, multi_step)",
    "training.schedule=5": "key 'training.schedule' = 5: must be a table",
    "training.optimizer.lr=-1": "key 'training.optimizer.lr' = -1",
    "training.optimizer.lr=inf": "key 'training.optimizer.lr' = inf: must be a finite number",
    'training.optimizer={name="adam", betas=[0.9, 1.0]}': "key 'training.optimizer.betas.1' = 1.0: must be less than 1",
    "training.optimizer={nesterov=true, momentum=0.0}": "nesterov = true needs a momentum",
    'training.schedule.warmup="x"': "must be a whole number or a share below 1",
    'training.schedule={name="cosine_restarts", period=0}': "key 'training.schedule.period' = 0",
    'training.precision="fp64"': "must be 'auto', 'fp32' or 'bf16'",
    'methods.elr.scored="enemble"': "must be 'default', 'mean', 'ensemble' or 'first'",
    "noise.0.rate=1.5": "key 'noise.0.rate' = 1.5: must be less than or equal to 1",
    "noise.0.rate=-0.1": "key 'noise.0.rate' = -0.1: must be greater than or equal to 0",
    "noise.0.rate=nan": "key 'noise.0.rate' = nan",
    'noise.0.rate="a"': "key 'noise.0.rate' = 'a': must be a valid number",
    "noise.0.rates=[0.1]": "either `rate` or `rates`",
    'noise=[{model="symmetric", rates=[]}]': "key 'noise.0.rates' = []: must not be empty",
    'noise=[{model="symmetric", rates=[0.1, 2.0]}]': "key 'noise.0.rates.1' = 2.0",
    'noise=[{model="symmetric"}]': "key 'rate' (or 'rates') is missing",
    'noise=[{model="clean", rate=0.5}]': "takes no rate",
    'noise=[{model="symmetric", rates=[0.1, 0.1]}]': "stands in the suite twice",
    "noise=[{model='symmetric', rates=[0.3, 0.30000000001]}]": "key 'noise': 'symmetric 30%' stands in the suite twice",
    'noise=[{model="matrix"}]': "option 'file' must name a file",
    'noise=[{model="matrix", options={file=5}}]': "option 'file' must name a file",
    'noise=[{model="matrix", options={file="no.npy"}}]': "no.npy: no such file",
    "noise_rate_error=3": "key 'noise_rate_error' = 3",
    "methods.elr.hyper.momentum=7.0": "hyper-parameter 'momentum' = 7.0: must lie in [0.0, 1.0]",
    'methods.elr.hyper.momentum="x"': "hyper-parameter 'momentum' = 'x': expected float, got str",
    "methods.elr.training.epochs=3": "key 'methods.elr.training.epochs': in a `compare` suite",
    "methods.elr.training.optimizer.momentum=0.5": "key 'methods.elr.training.optimizer.momentum': in a `compare`",
    'methods.elr.when=[{model="symmetric", training={network="small_cnn"}}]': "'methods.elr.training.network'",
    "data.subset=5000": "key 'data.subset' = 5000: digits has 1397 training images",
    'data.validation={source="inside", size=0.0001}': "must select between 1 and 1396 images",
    'data.validation={source="inside", size=1397}': "must select between 1 and 1396 images",
    'data.validation={source="inside", size=1.0}': "must be a whole number or a share below 1",
    'data.validation={source="outside", size=10}': "no image is left",
    'data.validation={source="official"}': "digits has no validation set",
    'select="noisy_validation"': "key 'select' = 'noisy_validation' needs a validation set",
    "training.network=co_teaching_cnn": "images of 8 x 8 are too small",
    "training.pretrained=true": "no pretrained weights",
    'training.augmentation={crop_padding=8, padding_mode="reflect"}': "must be smaller than the images (8 x 8)",
    "novalue": "expected KEY=VALUE",
    "=3": "expected KEY=VALUE",
    "title.x=1": "--set title.x",
    "noise.5.rate=0.1": "'5' is no position in a list of 1",
    "noise.².rate=0.1": "'²' is no position in a list of 1",
    f"noise.{'9' * 5000}.rate=0.1": "is no position in a list of 1",
    f"training.epochs={'9' * 5000}": "--set training.epochs: a number in it has too many digits",
    f"training.epochs={'[' * 3000}{']' * 3000}": "--set training.epochs: lists or tables are nested too deeply",
    "noise.x.rate=0.1": "'x' is no position in a list of 1",
}


@pytest.mark.parametrize("assignment", SETTINGS, ids=lambda assignment: assignment[:60])
def test_a_wrong_setting_is_refused_with_file_key_and_what_is_accepted(
    assignment: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    write_suite(tmp_path / "s.toml", methods=("elr",))
    line = refused("run", "s.toml", "--set", assignment)
    assert SETTINGS[assignment] in line
    assert "s.toml" in line or "--set" in line


@pytest.mark.parametrize("assignment", ["training=5", "methods=5", 'methods=["elr"]', "methods.elr=5"])
def test_a_table_that_is_none_is_refused_also_where_options_reach_into_it(
    assignment: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    write_suite(tmp_path / "s.toml", methods=("elr",))
    line = refused("run", "s.toml", "--set", assignment, "--epochs", 2, "--precision", "fp32", "--methods", "elr")
    assert "must be a table" in line


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"hello world\n", "not valid TOML: "),
        (b"", "the suite file is empty"),
        (b"# only a remark\n", "the suite file is empty"),
        (bytes(range(256)) * 4, "not UTF-8 text"),
        (bytes(100), "not valid TOML: "),
        (b'title = "x"\n', "is missing"),
        (b"seeds = " + b"9" * 5000, "a number in it has too many digits"),
        (b"seeds = " + b"[" * 3000 + b"]" * 3000, "lists or tables are nested too deeply"),
        (b'title = "x"\ntitle = "y"\n', "not valid TOML: "),
    ],
)
def test_a_file_that_is_no_suite_is_refused(
    content: bytes, expected: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "s.toml").write_bytes(content)
    line = refused("run", "s.toml")
    assert line.startswith("error: s.toml: ")
    assert expected in line


def test_a_misspelt_key_of_a_file_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    path = write_suite(tmp_path / "s.toml")
    path.write_text(path.read_text().replace("batch_size", "batchsize"))
    assert "s.toml: unknown key 'training.batchsize'; did you mean 'batch_size'" in refused("run", "s.toml")


def test_asymmetric_noise_needs_a_map(refused: Callable[..., str], tmp_path: Path) -> None:
    path = write_suite(tmp_path / "s.toml")
    text = path.read_text().replace('"symmetric"', '"asymmetric"').replace('"digits"', '"cifar100"')
    path.write_text(text.replace("digits_cnn", "small_cnn"))
    assert "'cifar100' has no map" in refused("run", "s.toml")


@pytest.mark.parametrize("fault", [0.5, 1.5, -1.0, float("nan")])
def test_a_matrix_whose_rows_do_not_sum_to_one_is_refused(
    fault: float, refused: Callable[..., str], tmp_path: Path
) -> None:
    matrix = np.eye(10)
    matrix[3, 3] = fault
    np.save(tmp_path / "m.npy", matrix)
    path = write_suite(tmp_path / "s.toml")
    path.write_text(path.read_text().replace('"symmetric"\nrate = 0.5', '"matrix"\noptions = { file = "m.npy" }'))
    line = refused("run", "s.toml")
    assert "m.npy" in line
    assert "s.toml" in line


def test_noise_files_of_one_name_are_refused_as_tables_could_not_tell_them_apart(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    for folder, matrix in (("a", np.eye(10)), ("b", np.full((10, 10), 0.1))):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "m.npy", matrix)
    path = write_suite(tmp_path / "s.toml")
    entry = '"matrix"\noptions = { file = "a/m.npy" }'
    two = f"{entry}\n\n[[noise]]\nmodel = {entry.replace('a/m', 'b/m')}"
    path.write_text(path.read_text().replace('"symmetric"\nrate = 0.5', two))
    assert "s.toml: key 'noise': 'matrix m' stands in the suite twice" in refused("run", "s.toml")


@pytest.mark.parametrize("value", ["0", "-1", "x", "1.5", "", pytest.param("9" * 5000, id="digits")])
@pytest.mark.parametrize("option", ["--seeds", "--epochs", "--jobs", "--runs-per-device"])
def test_a_count_that_is_none_is_refused(option: str, value: str, refused: Callable[..., str]) -> None:
    assert option in refused("run", "quick", option, value)


@pytest.mark.parametrize("arguments", [("run", "quick"), ("tune", "elr", "quick")])
def test_more_seeds_than_can_be_planned_are_refused(arguments: tuple[str, ...], refused: Callable[..., str]) -> None:
    line = refused(*arguments, "--seeds", 10**9)
    assert "--seeds" in line
    assert "1000" in line


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:x", "gpu", ""])
def test_a_device_that_is_not_there_is_refused(
    device: str, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accelerator, "count", lambda: 0)
    assert "--device" in refused("run", "quick", "--device", device)


def test_a_device_of_thousands_of_digits_is_refused(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accelerator, "count", lambda: 1)
    assert "is unknown (accepted: auto, cpu, cuda" in refused("run", "quick", "--device", f"cuda:{'9' * 5000}")


@pytest.mark.parametrize("arguments", [("run", "quick"), ("tune", "elr", "quick")])
def test_options_for_accelerators_are_refused_where_they_are_of_no_use(
    arguments: tuple[str, ...], refused: Callable[..., str], command: Command
) -> None:
    on_cpu = (*arguments, "--device", "cpu")
    assert "--runs-per-device 2: on a CPU --jobs says" in refused(*on_cpu, "--runs-per-device", 2)
    assert "(accepted: auto, 1)" in refused(*arguments, "--cluster", "tcp://127.0.0.1:1", "--runs-per-device", 3)
    assert "--runs-per-device 'many' is unknown (accepted: auto, or a number from 1)" in refused(
        *arguments, "--runs-per-device", "many"
    )
    assert "--mps 'on' is unknown (accepted: auto, off)" in refused(*arguments, "--mps", "on")
    for harmless in (("--runs-per-device", 1), ("--runs-per-device", "auto"), ("--mps", "off")):
        assert command(*on_cpu, "--dry-run", *harmless).status == 0


@pytest.mark.parametrize("out", ["file", "file/below", "file/further/below"])
@pytest.mark.parametrize("arguments", [("run", "quick"), ("run", "quick", "--dry-run"), ("report",)])
def test_an_output_folder_under_a_file_is_refused(
    out: str, arguments: tuple[str, ...], refused: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    assert f"--out {out}: {tmp_path / 'file'} is a file, not a folder" in refused(*arguments, "--out", out)


LONG = "x" * 300
OWN = ("run", "own-images", "--dry-run")


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "quick", "--out", LONG),
        ("run", "quick", "--dry-run", "--out", f"{LONG}/below"),
        (*OWN, "--data", LONG),
        ("noise", "folder", "clean", "--data", LONG),
        ("report", "--records", LONG),
        ("report", "--out", LONG),
        ("status", "--out", LONG),
        ("merge", LONG),
        ("export", "quick", LONG),
        ("suspects", "quick", "--csv", LONG),
        ("check", f"{LONG}.py"),
        ("run", "quick", "--plugin", f"{LONG}.py"),
        ("data", "check", "cifar10", "--data", LONG),
        ("run", "quick", "--set", f'noise=[{{model="matrix", options={{file="{LONG}"}}}}]'),
    ],
    ids=lambda arguments: " ".join(arguments).replace(LONG, "LONG"),
)
def test_a_path_that_no_file_can_have_is_refused(arguments: tuple[str, ...], refused: Callable[..., str]) -> None:
    said = refused(*arguments)
    assert LONG[:100] in said
    assert len(said) <= 500


@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_folder_that_cannot_be_written_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    assert "no permission" in refused("run", "quick", "--out", "locked/out")


def test_missing_data_is_refused_before_anything_is_written(refused: Callable[..., str], tmp_path: Path) -> None:
    path = write_suite(tmp_path / "s.toml")
    path.write_text(path.read_text().replace('"digits"', '"cifar10"').replace("digits_cnn", "small_cnn"))
    assert "data fetch cifar10" in refused("run", "s.toml", "--data", "empty")


def test_the_real_command_refuses_without_a_traceback(tmp_path: Path) -> None:
    for arguments in (("run", "quik"), ("run", "quick", "--jobs", "0"), ("run", "quick", "--set", "training.epochs=x")):
        status, said = run(*arguments, cwd=tmp_path)
        assert status == 2
        assert said.startswith("error: ")
        assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["datasets", "common"])
def test_a_package_of_the_same_name_from_elsewhere_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("raise RuntimeError('this is another package')\n")
    ended = subprocess.run(
        [sys.executable, "-P", str(HOME / "run_benchmark.py"), "list", "methods"],
        env={**ENVIRONMENT, "PYTHONPATH": f"{tmp_path}{os.pathsep}{HOME}"},
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: the package {name!r} comes from {tmp_path / name}, not from {HOME}")
    assert ended.stderr.count("\n") == 1


def test_a_reader_that_goes_away_is_no_fault(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, str(HOME / "run_benchmark.py"), "list", "methods", "--json"],
        env=ENVIRONMENT, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""


WITHOUT_TORCH = """
import sys
from bench.cli import main
for arguments in {arguments!r}:
    sys.argv = ["run_benchmark.py", *arguments]
    try:
        main()
    except SystemExit as ended:
        assert ended.code == 0, arguments
    assert "torch" not in sys.modules, arguments
"""


def test_commands_that_do_not_train_import_no_torch(tmp_path: Path) -> None:
    commands = [["list", kind] for kind in ("methods", "datasets", "noise", "networks", "suites")]
    commands += [["list", "methods", "--json"], ["--help"], ["run", "--help"], ["run", "quick", "--dry-run"]]
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH.format(arguments=commands)],
        env=ENVIRONMENT, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert list(tmp_path.iterdir()) == []


METHOD_KEYS = {"name": str, "title": str, "year": int, "reference": str, "networks": int, "needs": list}


def test_methods_are_listed_as_objects(command: Command) -> None:
    rows = json.loads(command("list", "methods", "--json").out)
    by_name = {row["name"]: row for row in rows}
    assert {"cross_entropy", "co_teaching", "elr", "car", "nal"} <= set(by_name)
    for row in rows:
        for key, kind in METHOD_KEYS.items():
            assert type(row[key]) is kind, (row["name"], key)
        assert isinstance(row["passes_per_step"], float)
    assert by_name["co_teaching"]["networks"] == 2
    assert by_name["co_teaching"]["needs"] == ["noise_rate"]
    assert by_name["cross_entropy"]["needs"] == []


@pytest.mark.parametrize("kind", ["methods", "datasets", "noise", "networks", "suites"])
def test_names_are_whole_in_a_narrow_table(kind: str, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    names = [row["name"] for row in json.loads(command("list", kind, "--json").out)]
    table = command("list", kind)
    assert table.status == 0
    words = table.out.split()
    assert [name for name in names if name not in words] == []


def test_the_version_is_that_of_the_package(command: Command) -> None:
    ended = command("--version")
    assert ended.status == 0
    try:
        expected = importlib.metadata.version("noisy-label-bench")
    except importlib.metadata.PackageNotFoundError:
        expected = "not installed (run from its checkout)"
    assert ended.out.strip() == expected


def test_a_second_run_does_only_what_is_missing(command: Command, in_process: list[str], tmp_path: Path) -> None:
    write_suite(tmp_path / "s.toml", epochs=1)
    assert "s: 1 runs, 0 done, 1 to do" in command("run", "s.toml").out
    first = {path: path.read_bytes() for path in (tmp_path / "output" / "records").iterdir()}
    assert len(first) == 2  # the record and its arrays
    assert "s: 2 runs, 1 done, 1 to do" in command("run", "s.toml", "--seeds", 2).out
    ended = command("run", "s.toml", "--seeds", 2)
    assert ended.status == 0
    assert "s: 2 runs, 2 done, 0 to do" in ended.out
    assert "s: 3 runs, 1 done, 2 to do" in command("run", "s.toml", "--methods", "cross_entropy,elr,gce").out
    assert in_process == [
        "Cross-entropy, symmetric 50%, seed 0",
        "Cross-entropy, symmetric 50%, seed 1",
        "ELR, symmetric 50%, seed 0",
        "GCE, symmetric 50%, seed 0",
    ]
    assert {path: path.read_bytes() for path in first} == first

    printed = command("run", "s.toml", "--methods", "elr,sce", "--dry-run").out.splitlines()
    assert [line.split()[0] for line in printed[:2]] == ["done", "missing"]
    assert "2 runs, 1 done, 1 to do" in printed
    assert len(in_process) == 4  # nothing was run


def test_a_failed_run_is_told_and_left_out_of_the_next(command: Command, in_process: list[str], tmp_path: Path) -> None:
    write_suite(tmp_path / "s.toml", epochs=1)
    overflow = ("--set", "training.optimizer.lr=1e30")
    ended = command("run", "s.toml", *overflow)
    assert ended.status == 1
    assert "FAILED: FloatingPointError" in ended.out
    assert "the training loss is not finite" in ended.out
    assert list((tmp_path / "output" / "failed").iterdir())
    assert "failed " in command("run", "s.toml", *overflow, "--dry-run").out
    ended = command("run", "s.toml", *overflow)
    assert (ended.status, len(in_process)) == (1, 1)
    assert "1 failed earlier" in ended.out
    assert (command("run", "s.toml", *overflow, "--retry-failed").status, len(in_process)) == (1, 2)


def test_suspects_of_one_of_several_data_sets(command: Command, refused: Callable[..., str], tmp_path: Path) -> None:
    for name in ("cifar100", "digits"):  # the later one leads the plan
        make_store(tmp_path / "output", ("elr",), seeds=[0], suite="two", purpose="reproduce", dataset=name)
    assert "digits, symmetric 50%, seed 0: ELR" in command("suspects", "two").out
    ended = command("suspects", "two", "--dataset", "cifar100", "--setting", "asymmetric 40%")
    assert (ended.status, ended.err) == (0, "")
    assert "cifar100, asymmetric 40%, seed 0: ELR" in ended.out
    assert "did you mean 'cifar100'" in refused("suspects", "two", "--dataset", "cifar10")
    assert "did you mean 'symmetric 50%'" in refused("suspects", "two", "--setting", "symmetric 5%")
    (tmp_path / "folder").mkdir()
    assert "--csv folder: is a folder" in refused("suspects", "two", "--csv", "folder")
    assert "--csv no/where.csv: no such folder" in refused("suspects", "two", "--csv", "no/where.csv")


def test_text_of_users_is_printed_as_it_is(
    command: Command, in_process: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    path = write_suite(tmp_path / "s.toml", epochs=1)
    text = path.read_text().replace('"Tiny"', '"Pilot [/b] :smile:"')
    path.write_text(text + 'title = "a [/b] c"\n[methods.elr]\ntitle = "ELR [pilot]"\n')
    for arguments in (("run", "s.toml", "--dry-run"), ("run", "s.toml"), ("status", "s"), ("suspects", "s")):
        ended = command(*arguments)
        assert ended.status == 0, ended.err
        assert "a [/b] c" in ended.out, arguments
        assert "ELR [pilot]" in ended.out, arguments
    reported = command("report")
    assert reported.status == 0
    assert "Pilot [/b] :smile:" in reported.out
    Store(tmp_path / "output").fail(planned(path, seeds=2).cells[-1].address, "cannot open [/data/images/3.jpg]")
    command("run", "s.toml", "--seeds", 2)
    assert "cannot open [/data/images/3.jpg]" in command("status").out


def planned(path: Path, **options: object) -> sweep.Planned:
    given = {"assignments": [], "chosen": None, "seeds": None, "overrides": {}, "device": "cpu", **options}
    return sweep.plan_suite(str(path), **given)  # type: ignore[arg-type]


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    path = write_suite(tmp_path / "s.toml", epochs=4, seeds=3)
    assert {(cell.seed, cell.spec.epochs) for cell in planned(path).cells} == {(0, 4), (1, 4), (2, 4)}
    found = planned(
        path,
        assignments=["training.batch_size=32", "training.epochs=9", "seeds=5", "noise.0.rate=0.2"],
        seeds=1,
        overrides={"epochs": 2, "precision": "bf16"},
    )
    [cell] = found.cells
    kept = {key: getattr(cell.spec, key) for key in ("seed", "epochs", "batch_size", "precision")}
    assert kept == {"seed": 0, "epochs": 2, "batch_size": 32, "precision": "bf16"}
    assert cell.spec.noise.rate == 0.2


def test_the_command_line_wins_over_a_methods_own_length_too(tmp_path: Path) -> None:
    path = write_suite(tmp_path / "s.toml", epochs=4, methods=("elr", "car"))
    path.write_text(
        path.read_text().replace('"compare"', '"reproduce"')
        + '[methods.cores]\ntraining.epochs = 7\nwhen = [{ model = "symmetric", training = { epochs = 8 } }]\n'
    )
    assert [cell.spec.epochs for cell in planned(path).cells] == [4, 4, 8]
    assert [cell.spec.epochs for cell in planned(path, overrides={"epochs": 2}).cells] == [2, 2, 2]


def test_a_method_that_the_suite_does_not_name_runs_with_its_defaults(tmp_path: Path) -> None:
    path = write_suite(tmp_path / "s.toml", methods=("elr",))
    path.write_text(path.read_text() + "hyper.momentum = 0.5\n")
    elr, gce = planned(path, chosen="elr, gce").cells
    assert elr.spec.method.hyper["momentum"] == 0.5
    assert (gce.spec.method.name, gce.spec.method.hyper["q"]) == ("gce", 0.7)


@pytest.mark.parametrize("name", ["two\nlines", " Ada", "x" * 101])
def test_a_name_that_no_table_can_show_is_refused(name: str, refused: Callable[..., str]) -> None:
    assert "--run-by" in refused("export", "quick", "lines", "--run-by", name)
