"""The page docs/methods.md, from what the methods declare: `python -m bench.reference.methods` writes it."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from pathlib import Path

from methods import registry
from methods.hyper import AUTHORS
from methods.registry import HyperParameter, MethodInfo, Value

PAGE = Path(__file__).resolve().parents[2] / "docs" / "methods.md"
_HEAD = """# Methods

This page is generated from the files in [methods](../methods): `python -m bench.reference.methods` writes it, and a
test fails where it is stale.

- *family*: what it does first against wrong labels, after the survey of Song et al. (Learning from Noisy Labels with
  Deep Neural Networks, IEEE TNNLS 34, 2023), whose hybrids are *semi-supervised* here. Reports filter by it.
- *needs*: what the method is told beyond the given labels. `noise_rate`: the expected share of wrong labels; `matrix`:
  the transition matrix; `trusted`: samples with true labels (`data.trusted`).
- *marks*: what else buys accuracy. Both stand beside the method's row in every table.
- *passes*: forward passes over training images, per image of an epoch, as declared. Records hold the counted number.
- Hyper-parameters in *epochs* are whole numbers, or a share of the run in [0, 1].
- *with `authors_behaviour`*: the default once that switch is on, where it is another one.
"""


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _table(*rows: tuple[object, ...]) -> str:
    head, *body = rows
    return "\n".join([_row(*head), "|" + "---|" * len(head), *(_row(*row) for row in body)])


def _overview(infos: Mapping[str, MethodInfo]) -> str:
    head = ("name", "title", "year", "family", "networks", "passes", "needs", "marks")
    lines = [
        (
            f"[`{info.name}`](#{info.name})",
            info.title,
            info.year,
            info.family,
            info.networks,
            f"{info.passes_per_step:g}",
            ", ".join(f"`{fact}`" for fact in sorted(info.needs)),
            ", ".join(sorted(info.marks)),
        )
        for info in infos.values()
    ]
    return _table(head, *lines)


def _description(info: MethodInfo) -> str:
    """The docstring of the method's class."""
    tree = ast.parse(info.path.read_text(encoding="utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    return inspect.cleandoc(ast.get_docstring(classes[info.class_name]) or "")


def _shown(value: Value) -> str:
    """A default as a suite file would have it."""
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _accepted(declared: HyperParameter) -> str:
    if "choices" in declared:
        return ", ".join(declared["choices"])
    if "bounds" in declared:
        low, high = declared["bounds"]
        return f"{low:g} to {high:g}" + (", in epochs" if declared.get("unit") == "epochs" else "")
    return "true, false"


def _hyper(declared: Mapping[str, HyperParameter]) -> str:
    head = ["hyper-parameter", "default", "accepted", "source of the default"]
    rows = [[f"`{name}`", _shown(one["default"]), _accepted(one), one["source"]] for name, one in declared.items()]
    if any("authors" in one for one in declared.values()):
        head.insert(2, f"with `{AUTHORS}`")
        for row, one in zip(rows, declared.values(), strict=True):
            row.insert(2, _shown(one["authors"]) if "authors" in one else "")
    return _table(*(tuple(row) for row in (head, *rows)))


def _section(info: MethodInfo) -> str:
    place = f"[methods/{info.path.name}](../methods/{info.path.name})"
    parts = [f"## {info.name}", f"{info.title}. {info.reference}. {place}, version {info.version}.", _description(info)]
    return "\n\n".join([*parts, *([_hyper(info.hyper)] if info.hyper else [])])


def text() -> str:
    """The whole page, for the methods of this repository."""
    folder = Path(registry.__file__).parent
    infos = {name: info for name, info in registry.registered().items() if info.path.parent == folder}
    count = f"{len(infos)} methods are registered."
    return "\n\n".join([_HEAD.strip(), count, _overview(infos), *(_section(info) for info in infos.values())]) + "\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
