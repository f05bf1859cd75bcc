"""An existing Dask cluster: its address, and whether its workers can take part; see `cluster_runs`."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.sweep import log
from bench.training.environment import Environment
from common import stop
from common.errors import UserError
from datasets.data_contract import Choice
from results.record import PROTOCOL

DEFAULT_WAIT = 300.0  # seconds
_ADDRESS = re.compile(r"(?:tcp|tls)://[^\s/]+:\d{1,5}")
_TLS = {"distributed.comm.tls.ca-file": "tls_ca_file", "distributed.comm.tls.client.cert": "tls_client_cert"}
_CONNECT_SECONDS = 10
_LOUD = ("distributed", "tornado", "asyncio")
_WAIT_SECONDS = 0.5


def check_address(address: str) -> None:
    """Raises UserError where the text is no address of a scheduler."""
    if not _ADDRESS.fullmatch(address):
        raise UserError(f"--cluster {address!r}: accepted: tcp://HOST:PORT, tls://HOST:PORT, slurm:FILE.toml")


def _security(address: str) -> Any:
    """What Dask's own configuration says of certificates, for a TLS address. Raises UserError where it has none."""
    if not address.startswith("tls://"):
        return None
    from distributed.security import Security

    security = Security(require_encryption=True)
    absent = [name for name, value in _TLS.items() if not getattr(security, value)]
    if absent:
        raise UserError(f"--cluster {address}: Dask's configuration lacks {', '.join(absent)}: see docs/cluster.md")
    return security


def _silence() -> None:
    """Log nothing of these packages: of a scheduler that is gone they would log pages of tracebacks."""
    for name in [*logging.root.manager.loggerDict, *_LOUD]:
        if name.partition(".")[0] in _LOUD:  # each has a level of its own, by Dask's configuration
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


@contextlib.contextmanager
def connected(address: str, cluster: Any = None) -> Iterator[Any]:
    """A client of the scheduler at `address`, or of the `cluster` of jobs of that name.

    Raises UserError where there is none, or `distributed` is missing.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UserError('--cluster needs the extra: pip install -c constraints.txt -e ".[cluster]"') from None
    _silence()
    security = None if cluster is not None else _security(address)
    try:
        client = Client(cluster or address, timeout=_CONNECT_SECONDS, set_as_default=False, security=security)
    except (OSError, ValueError, TimeoutError) as fault:
        reason = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
        raise UserError(
            f"--cluster {address}: no scheduler answers ({reason}); start one with `dask scheduler`"
        ) from None
    try:
        yield client
    finally:
        # A close that waits for a scheduler that is gone must not hide how the runs went.
        with contextlib.suppress(Exception):
            client.close(timeout=_CONNECT_SECONDS)


def prove_shared(
    store: Path, token: str, wanted: list[tuple[str, Choice]], data: Path | None, files: tuple[Path, ...] = ()
) -> str:
    """Run by each worker before the first run: the reason why it can't take part, or the empty string.

    Store, data and plug-in files must be the same for the driver and all workers; the token file proves the first.
    """
    from bench import plugins
    from datasets import registry

    try:
        if (store / f".{token}").read_text() != token:
            return f"the token in {store} is not the driver's"
    except OSError as fault:
        return f"--out {store} is not shared: {fault.strerror}"
    try:
        plugins.register(files)
    except Exception as fault:
        return f"--plugin: {fault}"
    try:
        for name, choice in wanted:
            registry.load(name, data, choice)
    except Exception as fault:
        return f"--data {data}: {fault}"
    from results.record import PROTOCOL as here

    return "" if here == PROTOCOL else f"it runs protocol {here}, the driver {PROTOCOL}"


def workers_of(client: Any) -> dict[str, Any]:
    """What the scheduler knows of its workers, by address."""
    workers: dict[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
    return workers


def wait_for_workers(
    client: Any, seconds: float | None, tell: Callable[[str], None], refused: Callable[[], str] = str
) -> None:
    """Wait until there is a worker, and say so. refused: why no worker will come; empty where one may.

    Raises UserError where none comes in so many seconds (None: no limit), or none will.
    A task is submitted meanwhile: a cluster that adapts starts workers only where there is something to do.
    """
    if workers_of(client):
        return
    limit = "" if seconds is None else f" up to {log.duration(seconds)}"
    tell(f"no worker yet: waiting{limit} for the first one (--cluster-wait)")
    wanted = client.submit(os.getpid, pure=False)
    began = time.monotonic()
    while not workers_of(client):
        stop.check()
        if seconds is not None and time.monotonic() - began >= seconds:
            raise UserError(
                f"--cluster: no worker came in {log.duration(seconds)} (--cluster-wait); "
                "start some with `dask worker ADDRESS --nthreads 1`"
            )
        if why := refused():
            raise UserError(f"--cluster: no job is taken: {' '.join(why.split())}")
        time.sleep(_WAIT_SECONDS)
    wanted.cancel()


def check_workers(client: Any, environment: Environment, wanted: list[tuple[str, Choice]]) -> int:
    """Number of usable workers; `wanted` are the data sets they must find.

    Raises UserError naming a worker that can't take part.
    """
    workers = workers_of(client)
    for name, info in workers.items():
        if info["nthreads"] != 1:
            raise UserError(
                f"--cluster: worker {name} has {info['nthreads']} threads; a run needs a process of its own "
                "(start it with --nthreads 1)"
            )
    token = f"shared-{secrets.token_hex(8)}"
    environment.store.mkdir(parents=True, exist_ok=True)
    proof = environment.store / f".{token}"
    proof.write_text(token)
    try:
        shared = (environment.store, token, wanted, environment.data, environment.plugins)
        answers = client.run(prove_shared, *shared, on_error="return")
    finally:
        proof.unlink()
    for name, answer in answers.items():
        if answer:
            raise UserError(f"--cluster: worker {name}: {answer}")
    return len(workers)
