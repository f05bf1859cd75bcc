"""The trackers: what each is told when a run begins, after each of its epochs, and at its end."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bench.tracking.option import Tracking


@dataclass(frozen=True)
class Followed:
    """A run that is followed. name: row, setting and seed, as tables call them; settings: its specification, flat."""

    address: str
    suite: str
    name: str
    settings: Mapping[str, Any]


class Tracker(Protocol):
    """What is told of one run."""

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """The values of an epoch, from 1, each epoch once and in order."""
        ...

    def end(self, done: bool, values: Mapping[str, float], epochs: int) -> None:
        """The run is over; done: its record is there, with these final values."""
        ...


def flat(held: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A specification as "training.epochs" -> value."""
    flattened: dict[str, Any] = {}
    for name, value in held.items():
        if isinstance(value, Mapping):
            flattened.update(flat(value, f"{prefix}{name}."))
        else:
            flattened[prefix + name] = value
    return flattened


class TensorBoard:
    """A folder of event files a run, below that of its suite."""

    def __init__(self, where: Tracking, run: Followed) -> None:
        from torch.utils.tensorboard import SummaryWriter

        name = re.sub(r"[^\w .,%=+-]", "_", f"{run.name} {run.address[:8]}")
        folder = Path(where.place) / re.sub(r"[^\w.-]", "_", run.suite) / name
        opened: Any = SummaryWriter  # has no types
        self._writer = opened(str(folder), purge_step=1)
        lines = [f"    {key} = {value}" for key, value in run.settings.items()]
        self._writer.add_text("specification", "\n".join([f"    address = {run.address}", *lines]))

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def end(self, done: bool, values: Mapping[str, float], epochs: int) -> None:
        self.log(epochs, values)
        self._writer.close()


class MLflow:
    """A run of an experiment that is called as the suite; one that was cut off goes on."""

    def __init__(self, where: Tracking, run: Followed) -> None:
        import mlflow
        from mlflow.exceptions import MlflowException

        logging.getLogger("mlflow").setLevel(logging.WARNING)  # that it makes tables is no news
        place, files = where.place, None
        if not where.is_address:  # a folder of plain files is what MLflow 3 no longer takes
            Path(place).mkdir(parents=True, exist_ok=True)
            place, files = f"sqlite:///{place}/mlflow.db", (Path(place) / "files").as_uri()
        client: Any = mlflow.MlflowClient(tracking_uri=place)  # its types are there only where it is installed
        self._client = client
        existing = client.get_experiment_by_name(run.suite)
        try:
            experiment = client.create_experiment(run.suite, files) if existing is None else existing.experiment_id
        except MlflowException:  # another process was faster
            experiment = client.get_experiment_by_name(run.suite).experiment_id
        there = client.search_runs([experiment], f"tags.address = '{run.address}'", max_results=1)
        if there:
            self._run = there[0].info.run_id
            client.update_run(self._run, "RUNNING")
            self._known = {one.step for one in client.get_metric_history(self._run, "test_accuracy")}
        else:
            made = client.create_run(experiment, run_name=run.name, tags={"address": run.address, "suite": run.suite})
            self._run, self._known = made.info.run_id, set[int]()
            for key, value in run.settings.items():
                client.log_param(self._run, key, str(value)[:500])

    def _send(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._client.log_metric(self._run, name, value, step=step)

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        if epoch not in self._known:
            self._send(values, epoch)

    def end(self, done: bool, values: Mapping[str, float], epochs: int) -> None:
        self._send(values, epochs)
        self._client.set_terminated(self._run, "FINISHED" if done else "FAILED")


class WeightsAndBiases:
    """A run of a project that is called as the suite, kept in a folder: `wandb sync` sends it, nothing here does."""

    def __init__(self, where: Tracking, run: Followed) -> None:
        import wandb

        Path(where.place).mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(silent=True, console="off", x_disable_stats=True, disable_git=True)
        self._run: Any = wandb.init(
            project=re.sub(r"[^\w.-]", "_", run.suite), name=run.name, id=run.address[:16], dir=where.place,
            mode="offline", config={"address": run.address, **run.settings}, reinit="create_new", settings=settings,
        )  # fmt: skip

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=epoch)

    def end(self, done: bool, values: Mapping[str, float], epochs: int) -> None:
        self._run.summary.update(dict(values))
        self._run.finish(exit_code=0 if done else 1)


MADE: Mapping[str, Callable[[Tracking, Followed], Tracker]] = {
    "tensorboard": TensorBoard, "mlflow": MLflow, "wandb": WeightsAndBiases,
}  # fmt: skip
"""Name of a tracker -> what begins to follow a run with it."""
