"""Whose time the figures of cost are: one machine's, several machines', or one that the records do not name."""

from __future__ import annotations

from collections.abc import Iterable

from reports.gather import Material, Section
from reports.model import mean_std

COST_COLUMNS = ("passes_per_step", "images_per_second", "seconds_per_run", "machines")
"""Of a csv: means over the runs of a line, and the machines that executed them."""


def machines(material: Material) -> dict[str, str]:
    """Address -> the machine that made the record: its device, and the number of its host, whose name is not told."""
    runs = {address: record["execution"] for address, record in material.records.items()}
    hosts = sorted({str(run["host"]) for run in runs.values() if run.get("host")})
    numbers = {host: f"host {number}" for number, host in enumerate(hosts, 1)}
    return {
        address: f"{run.get('device_name') or run.get('device')}, {numbers.get(str(run.get('host')), 'host unknown')}"
        for address, run in runs.items()
    }


def cost_data(section: Section, addresses: Iterable[str], known: dict[str, str]) -> list[object]:
    """The values of COST_COLUMNS over some runs of a section; known: see `machines`."""
    runs = section.frame[section.frame["address"].isin(list(addresses))]
    means = [mean_std(runs[name])[0] for name in ("passes_per_step", "images_per_second", "seconds")]
    return [*(round(mean, 6) for mean in means), "; ".join(sorted({known[address] for address in runs["address"]}))]


def cost_note(section: Section) -> str:
    """What the means of cost are over, in one sentence. Hosts are counted, never named."""
    runs = [section.material.records[address]["execution"] for address in section.frame["address"]]
    devices = {str(run.get("device_name") or run.get("device")) for run in runs}
    hosts = {str(run["host"]) for run in runs if run.get("host")}
    if len(devices) > 1:
        by = f"runs on several devices ({'; '.join(sorted(devices))})"
    elif len(hosts) > 1:
        unnamed = sum(not run.get("host") for run in runs)
        others = f" and on unknown ones ({unnamed} run{'s' * (unnamed > 1)} of records that name none)"
        by = f"runs on {len(hosts)} machines{others if unnamed else ''}"
    elif len(runs) > 1 and not all(run.get("host") for run in runs):
        return "Cost figures are means and depend on the machine, which the records do not name: it may be several."
    else:
        return "Cost figures are means and depend on the machine."
    rows = [title for row, title in section.methods.items() if _several(section, row)]
    mixed = f" Rows with runs on more than one: {', '.join(rows)}." if rows else ""
    return (
        f"Cost figures are means over {by} and depend on them: compare rows of one machine alone.{mixed} The column "
        "machines of the csv says which cell was executed where."
    )


def _several(section: Section, row: str) -> bool:
    addresses = section.frame.loc[section.frame["row"] == row, "address"]
    runs = [section.material.records[address]["execution"] for address in addresses]
    return len({(run.get("device_name") or run.get("device"), run.get("host")) for run in runs}) > 1
