"""Figures: what is drawn, that files repeat byte for byte, colours, and the curves behind the pictures."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import HOME
from PIL import Image
from sklearn.metrics import precision_recall_curve, roc_curve

from reports import (
    curve_means,
    figure_detection,
    figure_looks,
    figure_matrices,
    figure_overview,
    figure_ranks,
    figure_selection,
    figures,
)
from reports.build import build_report
from reports.errors import ReportError
from reports.figure_looks import styles_of
from reports.figure_noise_rate import noise_rate
from reports.figure_panels import panels
from reports.figure_style import SUFFIXES, Drawn, house_style, rendered
from reports.folder import Folder
from reports.gather import Section, gather, sections
from results.inference import paired_interval
from results.ranks import CriticalDifference
from results.store import Store
from tests.synthetic_records import make_plan, make_record, make_spec, make_specs, make_store

CHECKOUT = HOME


@pytest.fixture(scope="module")
def section(tmp_path_factory: pytest.TempPathFactory) -> Section:
    root = tmp_path_factory.mktemp("figures")
    rates = [("clean", 0.0), ("symmetric", 0.2), ("symmetric", 0.4)]
    make_store(root, ["cross_entropy", "co_teaching", "car"], rates, range(2), size=60, epochs=4)
    return next(sections(gather(root)))


@pytest.fixture(scope="module")
def drawn(section: Section) -> dict[str, Drawn]:
    with house_style():
        return {found.name: found for found in figures.draw(section)}


def test_all_that_the_runs_allow_is_drawn(drawn: dict[str, Drawn]) -> None:
    names = {name.removeprefix("quick-") for name in drawn}
    assert names == {"accuracy", "test-accuracy", "memorisation", "confidence", "noise-rate", "cost", "detection",
                     "scores", "samples", "transitions", "classes", "confusion", "calibration"}  # fmt: skip
    assert all(found.caption.endswith(".") and found.title for found in drawn.values())


def test_panels_and_lines(drawn: dict[str, Drawn]) -> None:
    accuracy = drawn["quick-test-accuracy"].figure
    assert [axis.get_title() for axis in accuracy.axes] == ["clean", "symmetric 20%", "symmetric 40%"]
    assert [len(axis.lines) for axis in accuracy.axes] == [3, 3, 3]
    memorisation = drawn["quick-memorisation"].figure
    assert not any("clean:" in axis.get_title() for axis in memorisation.axes)
    rate = drawn["quick-noise-rate"].figure
    assert [axis.get_title() for axis in rate.axes] == ["symmetric"]
    assert list(rate.axes[0].lines[0].get_xdata()) == [0, 20, 40]


def test_accuracy_against_noise_rate_keeps_options_apart(tmp_path: Path) -> None:
    store, specs = Store(tmp_path), []
    for sampling, rates in (("exact", (0.2, 0.4)), ("each_row", (0.4, 0.6)), ("by_class", (0.6,))):
        for rate in rates:
            options = {"sampling": sampling, "std": 0.1}
            spec = make_spec("elr", "symmetric", rate, 0, epochs=2, options=options)
            specs.append(spec)
            store.publish(*make_record(spec, size=40))
    plan = make_plan(specs)
    for cell in plan["cells"]:
        cell["setting"] += f", {cell['noise']['options']['sampling']}"
    store.write_plan(plan)
    section = next(sections(gather(tmp_path)))
    with house_style():
        picture = noise_rate(section)
    assert picture is not None
    titles = [axis.get_title() for axis in picture.figure.axes]
    assert titles == ["symmetric\nsampling exact", "symmetric\nsampling each row"]
    cells = section.cells[section.cells["rule"] == "last"].set_index("setting")["mean"]
    for axis, rates, sampling in zip(picture.figure.axes, ((20, 40), (40, 60)), ("exact", "each_row"), strict=True):
        x, y = axis.lines[0].get_data()
        assert list(x) == list(rates)
        assert list(y) == [100 * cells[f"symmetric {rate}%, {sampling}"] for rate in rates]


def test_accuracy_by_method_shows_the_rule_and_the_oracle(section: Section, drawn: dict[str, Drawn]) -> None:
    figure = drawn["quick-accuracy"].figure
    assert [axis.get_title() for axis in figure.axes] == ["clean", "symmetric 20%", "symmetric 40%"]
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert rows == list(section.methods.values())
    cells = section.cells[(section.cells["setting"] == "clean") & (section.cells["method"] == "car")].set_index("rule")
    last, oracle = (100 * cells.loc[rule, "mean"] for rule in ("last", "best_test"))
    at = {tuple(line.get_xydata().ravel()) for line in figure.axes[0].lines if len(line.get_xydata()) == 1}
    assert {(last, 2.0), (oracle, 2.0)} <= at and last < oracle


def test_accuracy_by_method_begins_with_the_best_where_there_is_one_setting(tmp_path: Path) -> None:
    make_store(tmp_path, ["cross_entropy", "gce", "car"], [("symmetric", 0.4)], range(2), size=60, epochs=4)
    one = next(sections(gather(tmp_path)))
    with house_style():
        found = figure_overview.accuracy(one)
    assert found is not None
    means = one.cells[one.cells["rule"] == one.select].set_index("method")["mean"].sort_values(ascending=False)
    shown = [label.get_text() for label in found.figure.axes[0].get_yticklabels()]
    assert shown == [one.methods[name] for name in means.index]


def test_figures_of_many_methods_take_the_width_of_a_page() -> None:
    few, many = (panels(["symmetric 40%"], entries=[f"method {n}" for n in range(count)]) for count in (4, 30))
    assert few.figure.get_figwidth() < 4 < 6.9 < many.figure.get_figwidth() < 7.1
    assert few.axes[0].bbox.width < many.axes[0].bbox.width


def test_a_method_has_one_colour_everywhere(drawn: dict[str, Drawn]) -> None:
    for name in ("test-accuracy", "memorisation", "detection", "calibration"):
        (legend,) = drawn[f"quick-{name}"].figure.legends
        colors = {str(line.get_label()): line.get_color() for line in legend.get_lines()}
        assert colors["Cross-entropy"] == styles_of(("cross_entropy",))["cross_entropy"].color
        assert colors["Co-teaching"] == styles_of(("co_teaching",))["co_teaching"].color


def test_styles_are_fixed_and_tell_rows_apart() -> None:
    known = ("cross_entropy", "co_teaching", "elr", "car", "gce", "sce", "mixup", "forward_correction")
    looks = styles_of(known)
    assert len({style.color for style in looks.values()}) == len(known)
    assert styles_of(("my_method", *known))["car"] == looks["car"]
    script = "from reports.figure_looks import styles_of; print(styles_of(('my_method',)))"
    other = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == str(styles_of(("my_method",)))


@pytest.mark.parametrize("count", [13, 40, 60, 100])
def test_no_two_rows_look_alike_even_without_colours(count: int) -> None:
    """Up to 40 rows dash and marker tell them apart; of more, colours that the colour-blind see apart, too."""
    known = [name for name in figure_looks._KNOWN if count >= 40]
    rows = (*known, *(f"elr_{n}" for n in range(count - len(known))))
    shapes: dict[tuple[str, str], list[str]] = {}
    for style in styles_of(rows).values():
        shapes.setdefault((str(style.dash), style.marker), []).append(style.color)
        assert (str(style.dash) == "-") == (style.fill == "full")
    assert len(shapes) == min(count, 40)
    for hues in shapes.values():
        for first, second in itertools.combinations(hues, 2):
            assert min(_apart(first, second, *weakness) for weakness in _WEAK) > 18, (first, second)


# Viénot, Brettel and Mollon (1999): what a dichromat sees, in linear RGB.
_WEAK = [
    (np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]),),
    (np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]),),
    (np.eye(3),),
]


def _apart(first: str, second: str, seen: Any) -> float:
    """CIE 1976 difference of two colours as they are seen."""
    places = []
    for color in (first, second):
        rgb = np.array([int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)])
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
        x, y, z = np.cbrt(np.maximum(to_xyz @ (seen @ linear), 0.009) / np.array([0.9505, 1, 1.089]))
        places.append(np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)]))
    return float(np.linalg.norm(places[0] - places[1]))


def test_files_hold_no_date_and_no_maker(drawn: dict[str, Drawn]) -> None:
    with house_style():
        files = rendered(drawn["quick-noise-rate"])
    assert set(files) == set(SUFFIXES)
    assert files["pdf"].startswith(b"%PDF") and b"CreationDate" not in files["pdf"]
    assert b"/Type3" not in files["pdf"]
    assert b"<dc:date>" not in files["svg"] and b"Matplotlib" not in files["svg"]
    assert b"atplotlib" not in files["png"]


def test_pictures_are_not_empty(drawn: dict[str, Drawn]) -> None:
    with house_style():
        for found in drawn.values():
            stream = io.BytesIO()
            found.figure.savefig(stream, format="png", dpi=40)
            pixels = np.asarray(Image.open(stream).convert("L"))
            assert pixels.std() > 8, found.name
            edges = np.concatenate(
                [pixels[:2].ravel(), pixels[-2:].ravel(), pixels[:, :2].ravel(), pixels[:, -2:].ravel()]
            )
            assert edges.min() > 200, f"{found.name}: something is cut off at the border"


def test_the_interval_is_that_of_the_mean() -> None:
    values = [0.5, 0.6, 0.8]
    curves = pd.DataFrame({"epoch": [1, 1, 1, 2], "value": [*values, 0.9]})
    table = curve_means.means(curves)
    assert table.loc[0, ["low", "high"]].tolist() == pytest.approx(paired_interval(values))
    assert table.loc[1, "mean"] == 0.9
    assert table.loc[1, ["low", "high"]].isna().all()


def test_detection_curves_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    wrong = rng.random(500) < 0.3
    score = np.round(rng.random(500) + 0.4 * ~wrong, 2)  # many ties
    roc, precision = figure_detection.curves(score, wrong)
    false_rate, true_rate, _ = roc_curve(wrong, -score, drop_intermediate=False)
    assert roc == pytest.approx(np.interp(figure_detection.GRID, false_rate, true_rate))
    expected, recall, _ = precision_recall_curve(wrong, -score)
    for level, found in zip(figure_detection.GRID, precision, strict=True):
        first = recall[recall >= max(level, 1 / wrong.sum()) - 1e-12].min()
        assert found == pytest.approx(expected[recall == first].max())


def test_chance_of_the_precision_is_each_rows_own(tmp_path: Path) -> None:
    specs = [make_spec(method, "symmetric", 0.5, 0, epochs=2) for method in ("cross_entropy", "elr", "car")]
    store = Store(tmp_path)
    store.write_plan(make_plan(specs))
    for spec, wrong in zip(specs, (12, 24, 24), strict=True):  # as where a row has made its own noise
        record, arrays = make_record(spec, size=60)
        arrays["true"] = np.zeros(60, dtype=arrays["true"].dtype)
        arrays["given"] = (np.arange(60) < wrong).astype(arrays["given"].dtype)
        store.publish(record, arrays)
    found = next(sections(gather(tmp_path)))
    with house_style():
        picture = figure_detection.detection_curves(found, figure_detection.Scores(found))
    assert picture is not None
    _, axis = picture.figure.axes
    dashed = {float(line.get_ydata()[0]) for line in axis.lines if len(line.get_ydata()) == 2}  # type: ignore[arg-type]
    assert dashed == {0.2, 0.4}
    told = picture.data[picture.data["curve"] == "precision by recall"].groupby("method")["chance"].first()
    assert dict(told) == {"cross_entropy": 0.2, "elr": 0.4, "car": 0.4}


def test_purity_of_a_selection(tmp_path: Path) -> None:
    record, arrays = make_record(make_spec("co_teaching", "symmetric", 0.5, 0, epochs=2), size=60)
    record["noise"]["train_rate"] = 0.4
    record["curves"]["observed"] = {"selected": {"epoch": [1, 2], "clean": [0.5, 0.9], "mislabelled": [0.5, 0.1]}}
    store = Store(tmp_path)
    store.publish(record, arrays)
    store.write_plan(make_plan([record["spec"]]))
    found = next(sections(gather(tmp_path)))
    with house_style():
        picture = figure_selection.selection(found, curve_means.curves_of(found))
    assert picture is not None
    purity, kept = picture.figure.axes
    assert np.asarray(purity.lines[0].get_ydata(), dtype=float) == pytest.approx([0.6, 0.54 / 0.58])
    assert np.asarray(kept.lines[0].get_ydata(), dtype=float) == pytest.approx([0.5, 0.9])
    assert [len(axis.lines) for axis in (purity, kept)] == [2, 1]  # purity also has the share of clean labels


def test_a_missing_cell_leaves_its_place_free(tmp_path: Path) -> None:
    gaps = [("elr", "symmetric 50%", 0)]
    make_store(tmp_path, ["cross_entropy", "elr"], seeds=[0], skip=gaps, size=40, epochs=3)
    found = next(sections(gather(tmp_path)))
    with house_style():
        picture = figure_matrices.transitions(found)
    assert picture is not None
    panels = {axis.get_title(): axis for axis in picture.figure.axes if axis.get_title()}
    assert len(panels) == 6
    assert [text.get_text() for text in panels["symmetric 50%\nELR"].texts] == ["no run"]
    assert len(panels["symmetric 50%\nCross-entropy"].images) == 1


def test_many_classes_and_no_thumbnails(tmp_path: Path) -> None:
    record, arrays = make_record(make_spec("elr", "symmetric", 0.5, 0, dataset="cifar100", epochs=2), size=300)
    store = Store(tmp_path)
    store.publish(record, {name: values for name, values in arrays.items() if not name.startswith("thumbnail")})
    store.write_plan(make_plan([record["spec"]]))
    with house_style():
        names = {found.name for found in figures.draw(next(sections(gather(tmp_path))))}
    assert "quick-samples" not in names
    assert {"quick-transitions", "quick-classes", "quick-confusion"} <= names


def test_a_critical_difference_diagram() -> None:
    ranks = {"a": 1.2, "b": 1.9, "c": 2.9}
    found = CriticalDifference(ranks, {"a": "A", "b": "B", "c": "C"}, 0.8, (("a", "b"),), 0.01, 12)
    with house_style():
        picture = figure_ranks.critical_difference("quick", found, "last")
        texts = {text.get_text().strip() for text in picture.figure.axes[0].texts}
    assert {"A (1.20)", "B (1.90)", "(2.90) C"} <= texts
    assert "12 settings" in picture.caption and "last epoch" in picture.caption


@pytest.mark.parametrize("title", [r"ELR $\lamda$", "cost $_$ b", "100% {of} $x$"])
def test_a_title_is_no_mathtext(title: str, tmp_path: Path) -> None:
    settings = [("symmetric", 0.2), ("symmetric", 0.4)]
    store = make_store(tmp_path, ["elr"], settings, [0], size=40, epochs=2)
    specs = make_specs(["elr"], settings, [0], epochs=2)
    store.write_plan(make_plan(specs, titles={"elr": title}) | {"title": title})
    built = build_report(tmp_path, tmp_path / "report")
    assert f">{title}<" in (built.index.parent / "figures" / "quick-noise-rate.svg").read_text(encoding="utf-8")


def test_ticks_of_a_log_axis_are_plain_numbers(tmp_path: Path) -> None:
    store = Store(tmp_path)
    specs = [make_spec(method, "symmetric", 0.4, 0, epochs=2) for method in ("elr", "car")]
    for spec, seconds in zip(specs, (2.0, 300.0), strict=True):
        record, arrays = make_record(spec, size=40)
        record["execution"]["seconds"] = seconds
        store.publish(record, arrays)
    store.write_plan(make_plan(specs))
    with house_style():
        picture = figure_overview.cost(next(sections(gather(tmp_path))))
        assert picture is not None and picture.figure.axes[0].get_xscale() == "log"
        text = rendered(picture)["svg"].decode()
    assert ">100<" in text and "mathdefault" not in text


def test_a_report_repeats_byte_for_byte(tmp_path: Path) -> None:
    found = []
    for root in (tmp_path / "a", tmp_path / "other" / "b"):
        make_store(root, ["elr"], [("symmetric", 0.5)], [0], size=40, epochs=3)
        target = build_report(root, root / "report").index.parent
        found.append({path.relative_to(target): path.read_bytes() for path in target.rglob("*") if path.is_file()})
    first, second = found
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_an_earlier_reports_files_are_removed_but_no_others(tmp_path: Path) -> None:
    earlier = Folder(tmp_path / "report")
    for name in ("tables/old.md", "tables/kept.md", "index.html"):
        earlier.write(name, "text")
    earlier.tidy()
    (tmp_path / "report" / "tables" / "mine.md").write_text("mine")
    (tmp_path / "outside.md").write_text("text")
    listed = json.loads((tmp_path / "report" / "files.json").read_text())
    (tmp_path / "report" / "files.json").write_text(json.dumps({**listed, "../outside.md": listed["index.html"]}))
    now = Folder(tmp_path / "report")
    now.write("tables/kept.md", "text")
    now.tidy()
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"outside.md", "report/files.json", "report/tables/kept.md", "report/tables/mine.md"}


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match=r"cannot write .*index\.html") as caught:
        Folder(tmp_path / "file").write("index.html", "")
    assert "\n" not in str(caught.value)
