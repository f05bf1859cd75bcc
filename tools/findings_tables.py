"""The tables of docs/findings.md: `python tools/findings_tables.py [NAME ...]`, from results/reference.

Prints each as it stands on that page, under its name; a test holds the page to them. Accuracies and differences are in
percent and points of test accuracy. A difference is paired (equal seed, equal noisy labels), its interval Student's t
at 95%; tests are exact sign-flip tests over all pairs, with Holm's adjustment inside the family of the rows shown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

from results import aggregate, frame  # noqa: E402 (the checkout's own)
from results.inference import paired_interval  # noqa: E402
from results.sources import find  # noqa: E402
from results.statistics import against, differences, titles_of  # noqa: E402

RECORDS = HOME / "results" / "reference"
CLEAN_ONLY = "cross_entropy_clean"
EARLY = "noisy_validation"
DRAWS = 1000
CORE = {
    "cross_entropy": "Cross-entropy",
    "co_teaching": "Co-teaching",
    "elr": "ELR",
    "car": "CAR (NAL code, beta > 0)",
    "cross_entropy_clean": "Cross-entropy, clean samples only",
}
AREAS = ("auc_own", "auc_given_label_mean")
GROUPS = ("observed.confidence.clean", "observed.confidence.mislabelled")


@cache
def runs_of(*suites: str, folder: str = "", rule: str = "last") -> pd.DataFrame:
    """The done runs of suites, of records in `folder` of the reference, with what else the tables show of them."""
    where = RECORDS / folder
    plans, records = frame.plans(where), frame.load(where)
    found = aggregate.runs(records, [plans[suite] for suite in suites], rule)
    shown = ["memorised", "collapsed_epoch", "passes_per_step", "privileges", "actual_rate", "epochs", *AREAS]
    return found.merge(records[["address", *shown]], on="address", how="left")


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """A table's lines; the first `left` columns are words, the others numbers."""
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return [
        "| " + " | ".join(head) + " |",
        "|" + "|".join(rule) + "|",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def at(runs: pd.DataFrame, setting: str | None, method: str | None = None) -> pd.DataFrame:
    """The runs of one setting and one method; None: of all."""
    if setting is not None:
        runs = runs[runs["setting"] == setting]
    return runs if method is None else runs[runs["method"] == method]


def accuracy(runs: pd.DataFrame, method: str, setting: str | None = None) -> str:
    """Mean over seeds in percent, and sample deviation where there are several; with the mark of collapsed runs."""
    chosen = at(runs, setting, method)
    values = 100 * chosen["value"]
    mark = " †" if chosen["collapsed_epoch"].notna().any() else ""
    deviation = f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else ""
    return f"{values.mean():.2f}{deviation}{mark}"


def difference(runs: pd.DataFrame, method: str, reference: str, setting: str | None = None) -> str:
    """Paired difference in points with its interval, which one pair has none of; empty for the reference itself."""
    points = 100 * differences(at(runs, setting), method, reference)["difference"]
    if method == reference or points.empty:
        return ""
    if len(points) == 1:
        return f"{points.iloc[0]:+.1f}"
    low, high = paired_interval(points)
    mean, low, high = (round(value, 6) for value in (points.mean(), low, high))  # alike on every machine
    return f"{mean:+.1f} ({low:+.1f}, {high:+.1f})"


def memorised(runs: pd.DataFrame, method: str, setting: str | None = None) -> str:
    mean = at(runs, setting, method)["memorised"].mean()
    return "" if pd.isna(mean) else f"{100 * mean:.0f}%"


def by_setting(suite: str) -> list[str]:
    """Differences to cross-entropy, a column a setting."""
    runs = runs_of(suite)
    settings = list(dict.fromkeys(runs["setting"]))
    others = {name: title for name, title in titles_of(runs).items() if name not in ("cross_entropy", CLEAN_ONLY)}
    rows = [
        [title, *(difference(runs, name, "cross_entropy", one) for one in settings)] for name, title in others.items()
    ]
    return markdown(["difference to cross-entropy", *settings], rows)


def shares(suite: str) -> list[str]:
    """Share of the mislabelled that is memorised at the end, a column a setting with wrong labels."""
    runs = runs_of(suite)
    settings = [one for one in dict.fromkeys(runs["setting"]) if at(runs, one)["memorised"].notna().any()]
    rows = [
        [title, *(memorised(runs, name, one) for one in settings)]
        for name, title in titles_of(runs).items()
        if name != CLEAN_ONLY
    ]
    return markdown(["mislabelled memorised", *settings], rows)


def cost(suite: str, setting: str) -> list[str]:
    """What a point over cross-entropy costs in passes over the training images, counted and not timed."""
    runs = at(runs_of(suite), setting)
    passes, rows = runs.groupby("method")["passes_per_step"].mean(), []
    for name, title in titles_of(runs).items():
        if name == CLEAN_ONLY:
            continue
        points = 100 * differences(runs, name, "cross_entropy")["difference"].mean()
        further = passes[name] - passes["cross_entropy"]
        price = f"{further / points:.2f}" if name != "cross_entropy" and points > 0 else ""
        rows.append([title, f"{passes[name]:.1f}", difference(runs, name, "cross_entropy"), price])
    return markdown([setting, "passes", "difference to cross-entropy", "further passes a point"], rows)


def overall(*suites: str) -> list[str]:
    """Tests against cross-entropy over all pairs, at the last epoch and where all stop early by noisy validation."""
    head, columns = ["over all settings"], []
    rows: list[list[str]] = []
    for rule, title in (("last", "last epoch"), (EARLY, "by noisy validation")):
        runs = runs_of(*suites, rule=rule)
        family = [name for name in titles_of(runs) if name not in ("cross_entropy", CLEAN_ONLY)]
        table = against(runs, "cross_entropy", family)
        head += [f"{title}, mean difference", "settings won / lost", "p (Holm)"]
        columns.append(
            [
                [f"{100 * row['difference']:+.2f}", f"{row['wins']} / {row['losses']}", p_value(row["p_holm"])]
                for row in table.to_dict("records")
            ]
        )
        rows = [[title] for title in table["title"]]
    return markdown(head, [sum(parts, row) for row, *parts in zip(rows, *columns, strict=True)])


def p_value(p: float) -> str:
    return f"{p:.1e}".replace("e-0", "e-") if p < 0.001 else f"{p:.3f}"


def parts(suite: str, reference: str, folder: str = "") -> list[str]:
    """A row a method: last epoch, difference to the reference and share memorised, in each of the settings."""
    runs = runs_of(suite, folder=folder)
    settings = list(dict.fromkeys(runs["setting"]))
    title = titles_of(runs)[reference].split(" (")[0]
    several = len(settings) > 1
    head = [""]
    for setting in settings:
        head += [setting if several else "last epoch", f"difference to {title}", "mislabelled memorised"]
    rows = [
        [name, *(cell for one in settings for cell in cells(runs, method, reference, one))]
        for method, name in titles_of(runs).items()
    ]
    return markdown(head, rows)


def cells(runs: pd.DataFrame, method: str, reference: str, setting: str) -> tuple[str, str, str]:
    if at(runs, setting, method).empty:
        return "", "", ""
    return (
        accuracy(runs, method, setting),
        difference(runs, method, reference, setting),
        memorised(runs, method, setting),
    )


def people(suite: str, setting: str) -> list[str]:
    """Human labels: last epoch, difference to cross-entropy, and where each stops by noisy validation."""
    runs, early = runs_of(suite), runs_of(suite, rule=EARLY)
    share = at(runs, setting)["actual_rate"].iloc[0]
    rows = [
        [
            title,
            accuracy(runs, name, setting),
            difference(runs, name, "cross_entropy", setting),
            accuracy(early, name, setting).split(" ")[0],
        ]
        for name, title in titles_of(runs).items()
        if name != CLEAN_ONLY
    ]
    return markdown(
        [f"{setting}, {share:.0%} wrong", "last epoch", "difference to cross-entropy", "by noisy validation"], rows
    )


def ranked(suite: str) -> list[str]:
    """All rows, best first: what was passed over, and what each is told or helped by."""
    runs = runs_of(suite)
    means = runs.groupby("method")["value"].mean().sort_values(ascending=False)
    rows = [
        [
            titles_of(runs)[str(name)],
            accuracy(runs, str(name)),
            difference(runs, str(name), "cross_entropy"),
            memorised(runs, str(name)),
            f"{at(runs, None, str(name))['passes_per_step'].mean():.1f}",
            ", ".join(one.replace("_", " ") for one in at(runs, None, str(name))["privileges"].iloc[0]),
        ]
        for name in means.index
    ]
    head = ["", "last epoch", "difference to cross-entropy", "mislabelled memorised", "passes", "told or helped by"]
    return markdown(head, rows)


def by_seed(suite: str, folder: str) -> list[str]:
    """Last epoch of each seed, mean and deviation of those that ended, and the share memorised."""
    where, runs = RECORDS / folder, runs_of(suite, folder=folder)
    cells, failed = frame.plans(where)[suite]["cells"], find(where).failures()
    seeds = sorted({cell["seed"] for cell in cells})
    rows = []
    for name, title in titles_of(runs).items():
        own = at(runs, None, name).set_index("seed")["value"]
        gone = {cell["seed"] for cell in cells if cell["method"] == name and cell["address"] in failed}
        ended = {seed: f"{100 * own[seed]:.2f}" for seed in own.index}
        each = (ended.get(seed, "diverged" if seed in gone else "not run") for seed in seeds)
        mean = f"{accuracy(runs, name)}{f', {len(gone)} diverged' if gone else ''}"
        rows.append([title, *each, mean, memorised(runs, name)])
    return markdown(["", *(f"seed {seed}" for seed in seeds), "mean and deviation", "mislabelled memorised"], rows)


def confidence(suite: str, folder: str) -> list[str]:
    """Settings and rows: last epoch, h of both kinds of samples there, and how well h and p find the wrong labels.

    An area under the ROC curve of .5 is chance; p is the mean over epochs of the given label's probability.
    """
    runs = runs_of(suite, folder=folder)
    curves = frame.curves(RECORDS / folder)
    ends = curves[curves["quantity"].isin(GROUPS) & (curves["epoch"] == runs["epochs"].max())]
    runs = runs.join(ends.pivot(index="address", columns="quantity", values="value")[list(GROUPS)], on="address")
    rows = []
    for setting in dict.fromkeys(runs["setting"]):
        for name, title in titles_of(runs).items():
            own = at(runs, setting, name)
            means = own[[*GROUPS, *AREAS]].mean()
            numbers = ["" if pd.isna(mean) else f"{mean:.3f}" for mean in means]
            rows.append([setting, title, str(len(own)), accuracy(own, name), memorised(own, name), *numbers])
    head = ["", "", "seeds", "last epoch", "mislabelled memorised", "h, clean", "mislabelled", "ROC-AUC of h", "of p"]
    return markdown(head, rows, 2)


def scale(suite: str, folder: str) -> list[str]:
    """Of one seed: last epoch, the mean training loss of the first, the largest loss of a step, and h at the end."""
    runs = runs_of(suite, folder=folder).set_index("address")
    curves = frame.curves(RECORDS / folder).set_index("address")
    largest = frame.load(RECORDS / folder).set_index("address")["loss_largest"]
    rows = []
    for address, name in runs["method"].items():
        own = curves.loc[[address]]
        wanted = [("train_loss", 1), *((group, runs.at[address, "epochs"]) for group in GROUPS)]
        values = [own[(own["quantity"] == quantity) & (own["epoch"] == epoch)]["value"] for quantity, epoch in wanted]
        numbers = ["" if value.empty else f"{value.iloc[0]:.3f}" for value in values]
        row = [accuracy(runs, name), numbers[0], f"{largest[address]:.1f}", *numbers[1:], memorised(runs, name)]
        rows.append([titles_of(runs)[name], *row])
    head = ["", "last epoch", "loss, first epoch", "largest of a step", "h, clean", "mislabelled", "memorised"]
    return markdown(head, rows)


def learnt_by_heart(suite: str, folder: str) -> list[str]:
    """Of one seed: last epoch without noise and with it, the share memorised by epoch, and minutes of one core."""
    runs, records = runs_of(suite, folder=folder), frame.load(RECORDS / folder).set_index("address")
    curves = frame.curves(RECORDS / folder)
    shares = curves[curves["quantity"] == "memorisation.mislabelled_given"].set_index(["address", "epoch"])["value"]
    clean, noisy = dict.fromkeys(runs["setting"])
    rows = []
    for name, title in titles_of(runs).items():
        [run] = at(runs, noisy, name).to_dict("records")
        by_epoch = ", ".join(f"{100 * share:.0f}%" for share in shares[run["address"]])
        accuracies = ["not run" if at(runs, one, name).empty else accuracy(runs, name, one) for one in (clean, noisy)]
        rows.append([title, *accuracies, by_epoch, f"{records.at[run['address'], 'seconds'] / 60:.1f}"])
    return markdown(["", clean, noisy, "mislabelled memorised, every 5 epochs", "minutes"], rows)


def searched(suite: str, rows: dict[str, str]) -> list[str]:
    """Of each row's trials: learning rate, weight decay, and what they were chosen by; the share memorised too."""
    table = []
    for name, title in rows.items():
        trials = pd.read_csv(RECORDS / "tuning" / f"{suite}-{name}.csv")
        best = trials["noisy_validation_accuracy"].idxmax()
        runs = runs_of(f"tune-{suite}-{name}", folder="tuning")
        for number, trial in trials.iterrows():
            percent = f"{100 * trial['noisy_validation_accuracy']:.2f}"
            shown = f"**{percent}**" if number == best else percent
            decay = f"{trial['weight_decay']:g}"
            table.append([title, f"{trial['lr']:g}", decay, shown, memorised(runs, f"trial-{trial['trial']:03.0f}")])
    return markdown(["", "learning rate", "weight decay", "noisy validation", "mislabelled memorised"], table)


def agreement(first: str, second: str) -> list[str]:
    """Kendall's tau-b of the rows' means in each setting that both suites have, its interval by drawing seeds anew.

    A setting counts where two rows or more have run with several seeds in both.
    """
    one, other = runs_of(first), runs_of(second)
    rows = []
    for setting in dict.fromkeys(one["setting"]):
        tables = [of_rows(at(runs, setting)) for runs in (one, other)]
        if any(min(table.shape) < 2 for table in tables):
            continue
        names = sorted(set(tables[0].index) & set(tables[1].index))
        left, right = (table.loc[names] for table in tables)
        drawn = [tau(left, right, number) for number in range(DRAWS)]
        low, high = np.quantile(drawn, [0.025, 0.975])
        rows.append([setting, str(len(names)), f"{tau(left, right):+.2f}", f"({low:+.2f}, {high:+.2f})"])
    return markdown([f"{first} and {second}", "rows", "tau", "95% interval"], rows)


def of_rows(runs: pd.DataFrame) -> pd.DataFrame:
    """Values of one setting, a row a method and a column a seed that all have.

    What is told which labels are wrong is left out.
    """
    runs = runs[runs["method"] != CLEAN_ONLY]
    return runs.pivot_table(index="method", columns="seed", values="value").dropna(axis=1)


def tau(left: pd.DataFrame, right: pd.DataFrame, draw: int | None = None) -> float:
    """Of the means over seeds; with `draw`, over as many seeds drawn with replacement, of each suite by itself."""
    means = []
    for position, table in enumerate((left, right)):
        seeds = np.arange(table.shape[1])
        if draw is not None:
            seeds = np.random.default_rng([draw, position]).choice(seeds, len(seeds))
        means.append(table.to_numpy()[:, seeds].mean(axis=1).round(9))
    return float(kendalltau(*means).statistic)


TABLES: dict[str, Callable[[], list[str]]] = {
    "cifar10-core": partial(by_setting, "cifar10-core"),
    "cifar10-core, memorised": partial(shares, "cifar10-core"),
    "cifar10-core, cost": partial(cost, "cifar10-core", "symmetric 40%"),
    "car-core-start": partial(parts, "car-core-start", "car", "core-start"),
    "core, lite": partial(agreement, "cifar10-lite", "cifar10-core"),
    "cifar10-lite": partial(by_setting, "cifar10-lite"),
    "cifar10-lite, tests": partial(overall, "cifar10-lite"),
    "cifar100-lite": partial(by_setting, "cifar100-lite"),
    "cifar100-lite, tests": partial(overall, "cifar100-lite"),
    "both": partial(overall, "cifar10-lite", "cifar100-lite"),
    "lite, both": partial(agreement, "cifar10-lite", "cifar100-lite"),
    "car-ablation": partial(parts, "car-ablation", "car"),
    "car-ablation-cifar100": partial(parts, "car-ablation-cifar100", "car"),
    "CIFAR-10N worst": partial(people, "cifar10n-lite", "CIFAR-10N worst"),
    "CIFAR-10N aggregate": partial(people, "cifar10n-lite", "CIFAR-10N aggregate"),
    "CIFAR-100N": partial(people, "cifar100n-lite", "CIFAR-100N"),
    "cifar10-lite-methods": partial(ranked, "cifar10-lite-methods"),
    "cifar10-quarter": partial(by_seed, "cifar10-quarter", "branch"),
    "cifar10-quarter-tuned": partial(parts, "cifar10-quarter-tuned", "elr", "branch"),
    "car-branch": partial(by_seed, "car-branch", "branch"),
    "cifar10-core-search": partial(learnt_by_heart, "cifar10-core-search", "core-search"),
    "cifar10-core, trials": partial(searched, "cifar10-core", CORE),
    "car-full-width": partial(scale, "car-full-width", "branch"),
    "car-confidence": partial(confidence, "car-confidence", "branch"),
}


def main(names: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", choices=[*TABLES, []], help="which tables (default: all)")
    for name in parser.parse_args(names).name or TABLES:
        print(f"{name}:\n", *TABLES[name](), "", sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
