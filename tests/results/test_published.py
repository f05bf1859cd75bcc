"""Published numbers: every row has its source, values are those of the sources, bad files are refused in one line."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from results import frame as frames
from results import published
from results.record import StoreError
from results.store import Store
from tests.synthetic_records import make_record, make_spec

HEADER = "source,method,dataset,noise_model,noise_rate,network,epochs,selection_rule,mean,std,n,note"


def _write(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def _value(key: str, method: str, **place: object) -> tuple[float, float]:
    frame = published.load([key])
    chosen = frame[frame["method"] == method]
    for column, value in place.items():
        chosen = chosen[chosen[column] == value]
    assert len(chosen) == 1, chosen
    return round(100 * chosen["mean"].iloc[0], 4), round(100 * chosen["std"].iloc[0], 4)


def test_no_row_lacks_its_source() -> None:
    frame = published.load()
    assert len(frame) == 659
    for column in ("source", "table", "paper", "method", "method_title", "dataset", "noise_model", "network"):
        assert (frame[column].str.len() > 0).all(), column
    assert set(frame["key"]) == set(published.keys())
    assert {"elr-table1", "cifar-n", "divide-mix-style", "clothing1m", "car"} <= set(published.keys())
    assert frame["mean"].dropna().between(0.01, 1).all()
    assert (frame["note"][frame["mean"].isna()].str.contains("not found")).all()
    synthetic = frame["noise_model"].str.contains("symmetric|pair_flip|asymmetric")
    assert frame["noise_rate"][synthetic].notna().all()
    assert frame["noise_rate"][~synthetic].isna().all()


@pytest.mark.parametrize(
    ("key", "method", "place", "mean", "std"),
    [
        ("elr-table1", "cross_entropy", {"dataset": "cifar10", "noise_model": "symmetric", "noise_rate": 0.8},
         53.82, 1.04),
        ("elr-table1", "elr", {"dataset": "cifar10", "noise_model": "asymmetric_in_place", "noise_rate": 0.4},
         90.12, 0.47),
        ("elr-table1", "elr_cosine", {"dataset": "cifar100", "noise_model": "symmetric", "noise_rate": 0.2},
         74.68, 0.31),
        ("elr-table1", "sce", {"dataset": "cifar100", "noise_model": "asymmetric_block_of_five", "noise_rate": 0.3},
         72.12, 0.24),
        ("elr-readme", "elr_cosine", {"dataset": "cifar10"}, 91.12, None),
        ("co-teaching-readme", "co_teaching", {"dataset": "cifar100", "noise_model": "pair_flip"}, 34.4, None),
        ("divide-mix-style", "divide_mix", {"dataset": "cifar10", "noise_model": "asymmetric"}, 93.4, None),
        ("divide-mix-style", "promix", {"dataset": "cifar100", "noise_rate": 0.9}, 42.93, None),
        ("sce-reproduction", "sce", {"dataset": "cifar100", "noise_rate": 0.8}, 12.51, None),
        ("sce-reproduction", "cross_entropy", {"dataset": "cifar10", "noise_model": "clean"}, 92.68, None),
        ("clothing1m", "nested_co_teaching", {}, 74.9, 0.2),
        ("animal10n", "cmw_net_sl", {}, 84.7, 0.28),
        ("mini-webvision", "elr", {"test_set": "imagenet_val", "metric": "top5"}, 87.84, None),
        ("cifar-n", "cores_star", {"noise_model": "cifar100n_noisy"}, 55.72, 0.42),
        ("cifar-n-reproduction", "elr", {"noise_model": "cifar10n_worst"}, 87.89, None),
        ("car", "car", {"test_set": "imagenet_val", "metric": "top1"}, 74.09, None),
        ("car", "car", {"test_set": "imagenet_val", "metric": "top5"}, 92.09, None),
    ],
)  # fmt: skip
def test_values_are_those_of_the_sources(
    key: str, method: str, place: dict[str, object], mean: float, std: float | None
) -> None:
    found = _value(key, method, **place)
    assert found[0] == mean
    assert math.isnan(found[1]) if std is None else found[1] == std


def test_flagged_conflicts_stay_flagged() -> None:
    table = published.load(["elr-table1"])
    shared = table[table["method"].isin(["gce", "sce"]) & (table["dataset"] == "cifar10")
                   & table["noise_rate"].isin([0.2, 0.4]) & (table["noise_model"] == "symmetric")]  # fmt: skip
    assert len(shared) == 4
    assert shared["note"].str.contains("transcription error").all()
    conflicts = table[table["note"].str.contains("conflict")]
    assert set(conflicts["method"]) == {"elr", "elr_cosine"}
    assert published.load(["elr-readme"])["note"].str.contains("conflict").all()
    clothing = published.load(["clothing1m"])
    assert set(clothing["note"][clothing["source"].str.contains("NCT|PWC: ")].str[:16]) == {"another protocol"}


def test_what_is_unknown_is_said() -> None:
    table = published.load(["elr-table1"])
    assert set(table["selection_rule"]) == {"unknown"}
    assert set(table["n"]) == {5}
    style = published.load(["divide-mix-style"])
    others = style[style["selection_rule"] != "best_test"]
    assert set(others["method_title"]) == {"JoCoR"}
    assert published.load(["cifar-n"])["selection_rule"].eq("best_test").all()
    assert published.load(["cifar-n"])["n"].isna().all()
    car = published.load(["car"])
    assert len(car) == 4
    assert car["mean"].notna().sum() == 2


def test_a_file_of_ones_own_is_added(tmp_path: Path) -> None:
    file = _write(tmp_path / "mine.csv", "thesis,elr,cifar10,symmetric,0.4,resnet34,120,last,91.5,0.2,3,",
                  "thesis,new_method,cifar10,symmetric,0.4,,,,92,,,")  # fmt: skip
    frame = published.load(["car"], extra=file)
    own = frame[frame["key"] == "mine"].reset_index()
    assert len(frame) == 6
    assert own["mean"].tolist() == pytest.approx([0.915, 0.92])
    assert own["network"].tolist() == ["resnet34", "unknown"]
    assert own["method_title"][1] == "new_method"
    assert len(published.load([], extra=file)) == 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (",elr,cifar10,symmetric,0.4,,,,91,,,", "line 2: column 'source' is empty"),
        ("a,elr,cifar10,symmetric,0.4,,,,,,,", "line 2: column 'mean' is empty (a cell without a number needs a note)"),
        ("a,elr,cifar10,symmetric,40,,,,91,,,", "line 2: column 'noise_rate' is 40, not between 0 and 1"),
        ("a,elr,cifar10,symmetric,0.4,,,,0.91,,,", "line 2: column 'mean' is 0.91, not between 1 and 100 percent"),
        ("a,elr,cifar10,symmetric,0.4,,,,nan,,,", "line 2: column 'mean' is nan"),
        ("a,elr,cifar10,symmetric,0.4,,,,ninety,,,", "line 2: column 'mean' is 'ninety', not a number"),
        ("a,elr,cifar10,symmetric,0.4,,1.5,,91,,,", "line 2: column 'epochs' is '1.5', not a whole number"),
        ("a,elr,cifar10,symmetric,0.4,,,best,91,,,", "column 'selection_rule' is 'best' (accepted: last, last_mean"),
        ("a,elr,cifar10,symmetric,0.4,,,,91,,0,", "line 2: column 'n' is 0"),
        ("a,elr,cifar10", "line 2: the number of cells"),
        ("a,elr,mnist,pair_flip,0.4,,,,91,,,\na,elr,mnist,pair_flip,0.4,,,,92,,,", "row 2: says the same cell again"),
    ],
)
def test_a_bad_row_is_named_in_one_line(tmp_path: Path, row: str, message: str) -> None:
    file = _write(tmp_path / "mine.csv", row)
    with pytest.raises(StoreError) as caught:
        published.load([], extra=file)
    assert message in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\xff\xfe\x00\x01binary", "no CSV file in UTF-8"),
        (b"source,method,dataset,noise_model\n", "column 'mean' is missing"),
        (b"source,method,dataset,noise_model,mean,netwrok\n", "unknown column 'netwrok'; did you mean 'network'?"),
        (None, "cannot read"),
    ],
)
def test_a_bad_file_is_named_in_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "mine.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        published.load([], extra=file)
    assert message in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_table_is_refused_with_a_suggestion() -> None:
    with pytest.raises(StoreError, match=r"did you mean 'elr-table1'\?"):
        published.load(["elr-table"])


def test_matches_names_what_differs(tmp_path: Path) -> None:
    store = Store(tmp_path)
    spec = make_spec("elr", "symmetric", 0.4, 0, dataset="cifar10", epochs=120, network="resnet34")
    store.publish(*make_record(spec))
    run = frames.load(tmp_path).iloc[0]
    file = _write(tmp_path / "own.csv", "a,elr,cifar10,symmetric,0.4,resnet34,120,last,91,,,")
    theirs = published.load([], extra=file).iloc[0]
    assert published.matches(theirs, run, "last") == []
    (difference,) = published.matches(theirs, run, "best_test")
    assert str(difference) == "selection_rule: last there, best_test here"
    elr = published.load(["elr-table1"])
    row = elr[(elr["method"] == "elr") & (elr["noise_model"] == "symmetric") & (elr["noise_rate"] == 0.4)].iloc[0]
    assert [d.column for d in published.matches(row, run, "last")] == ["selection_rule"]
    assert published.matches(row, run, "last")[0].published == "unknown"
    other = elr[(elr["method"] == "cross_entropy") & (elr["dataset"] == "cifar100")].iloc[-1]
    differing = [d.column for d in published.matches(other, run, "last")]
    assert differing == ["dataset", "noise_model", "epochs", "selection_rule"]
    shorter = run.copy()
    shorter["subset"], shorter["epochs"], shorter["noise_rate"], shorter["network"] = 10_000, 30, 0.2, "small_cnn"
    differing = [d.column for d in published.matches(theirs, shorter, "last")]
    assert differing == ["subset", "noise_rate", "network", "epochs"]


def test_human_labels_are_recognised_by_their_key(tmp_path: Path) -> None:
    store = Store(tmp_path)
    options = {"file": "CIFAR-10_human.npz", "key": "worse_label"}
    spec = make_spec("elr", "labels_file", 0.0, 0, dataset="cifar10", options=options, network="resnet34", epochs=100)
    store.publish(*make_record(spec))
    run = frames.load(tmp_path).iloc[0]
    assert published.noise_name(run) == "cifar10n_worst"
    table = published.load(["cifar-n"])
    row = table[(table["method"] == "cross_entropy") & (table["noise_model"] == "cifar10n_worst")].iloc[0]
    assert [d.column for d in published.matches(row, run, "last")] == ["selection_rule"]
    other = table[(table["method"] == "cross_entropy") & (table["noise_model"] == "cifar10n_aggregate")].iloc[0]
    assert "noise_model" in [d.column for d in published.matches(other, run, "last")]


def test_the_combined_uncertainty_by_hand() -> None:
    assert published.combined_uncertainty(0.03, 3, 0.04, 4) == pytest.approx(math.sqrt(0.0003 + 0.0004))
    assert math.isnan(published.combined_uncertainty(0.03, 3, 0.04, None))
    assert math.isnan(published.combined_uncertainty(math.nan, 1, 0.04, 5))
