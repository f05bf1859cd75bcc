"""The command line: commands are registered here, and every user error becomes one line and exit status 2."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from results.layout import Layout

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
SCRIPT = "noisy-label-bench"
PATH_FAULTS = (errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES)  # of a path that the user gave
STORAGE_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)  # of whatever was written

app = typer.Typer(
    add_completion=True,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Benchmark of learning with noisy labels. Without a command: `run quick`, then `report`.",
    epilog="Exit status: 0 all went well; 1 a run failed or a check found a fault; 2 unusable input, nothing written; "
    "130 interrupted.",
)


def _version(value: bool) -> None:
    if value:
        try:
            typer.echo(version("noisy-label-bench"))
        except PackageNotFoundError:
            typer.echo("not installed (run from its checkout)")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def main_command(
    context: typer.Context,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Benchmark of learning with noisy labels. Without a command: `run quick`, then `report`."""
    if context.invoked_subcommand is None:
        _run_quick()


def _run_quick() -> None:
    from bench.commands import report, run
    from bench.commands.options import DEFAULT_OUT

    failed = False
    try:
        run.run("quick")
    except typer.Exit as status:
        failed = status.exit_code == run.EXIT_FAILED_RUN
    report.show(DEFAULT_OUT, Layout(DEFAULT_OUT).report, report.Wanted())
    if failed:
        raise typer.Exit(run.EXIT_FAILED_RUN)


def _register() -> None:
    if app.registered_commands:
        return
    from bench.commands import (
        check,
        data,
        doctor,
        lists,
        merge,
        new_method,
        noise,
        report,
        run,
        schema,
        speed,
        status,
        suspects,
        tune,
    )

    app.command("run")(run.run)
    app.command("report")(report.report)
    app.command("status")(status.status)
    app.command("suspects")(suspects.suspects)
    app.command("merge")(merge.merge)
    app.command("export")(merge.export)
    app.command("tune")(tune.tune_method)
    app.command("speed")(speed.speed)
    app.command("check")(check.check)
    app.command("doctor")(doctor.doctor)
    app.command("new-method")(new_method.new_method)
    app.command("schema")(schema.schema)
    app.command("list")(lists.list_registered)
    app.add_typer(data.app, name="data")
    app.command("noise")(noise.noise)


def _foreign_package() -> str:
    """One clear line where a package of the house comes from somewhere else: others use names like `datasets` too.

    Empty where all is well; nothing of the house is imported before.
    """
    home = Path(__file__).resolve().parent.parent
    for name in ("common", "datasets", "methods", "results", "reports"):
        found = find_spec(name)  # imports nothing: what another package of that name does is not our concern
        place = "nowhere" if found is None else Path(str(found.origin)).resolve().parent
        if place != home / name:
            return (
                f"the package {name!r} comes from {place}, not from {home}: another installed package has the same "
                "name; run in this project's own environment"
            )
    return ""


PATH_OPTIONS = ("--out", "--records", "--data", "--csv", "--published", "--against", "--plugin")


def _path_given(argument: str, before: str) -> str:
    """An argument of the command line, its home folder written out: shells leave the `~` of `--out=~/x` to us.

    Raises UserError where an option that takes a path is given an empty one, as of a variable that is not set.
    """
    from common.errors import UserError
    from common.files import expanded

    option, separator, value = argument.partition("=")
    if (separator and option in PATH_OPTIONS and not value) or (not argument and before in PATH_OPTIONS):
        raise UserError(f"{option or before}: the path is empty")
    if separator and option in PATH_OPTIONS and value.split("/")[0] == "~":
        return f"{option}={expanded(value)}"
    return argument


def _program() -> str:
    """What the command is called: the installed script has a name of its own, for which shells complete."""
    called = Path(sys.argv[0]).name
    return SCRIPT if called.removesuffix(".exe") == SCRIPT else "run_benchmark.py"


def _user_errors() -> tuple[type[Exception], ...]:
    from common.errors import UserError
    from datasets.base import DataError
    from methods.registry import MethodError
    from reports.errors import ReportError
    from results.record import StoreError

    return UserError, DataError, MethodError, StoreError, ReportError


def _end_in_order() -> None:
    """Let SIGTERM, by which job systems announce the end, stop a command as Ctrl-C does; what it forked just ends."""
    this = os.getpid()

    def end(number: int, frame: object) -> None:
        if os.getpid() == this:
            raise KeyboardInterrupt
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, end)


def _bear_every_text() -> None:
    """Write what the output's encoding lacks (an ASCII terminal, bytes of a file name) as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main() -> None:
    """Run the command line and exit."""
    _bear_every_text()
    _end_in_order()
    foreign = _foreign_package()
    if foreign:  # perhaps `common` itself: nothing is imported for this line
        print(f"error: {foreign}", file=sys.stderr)
        sys.exit(EXIT_USER_ERROR)
    user_errors = _user_errors()
    try:
        sys.argv[1:] = map(_path_given, sys.argv[1:], sys.argv[:-1])
        _register()
        status = typer.main.get_command(app).main(prog_name=_program(), standalone_mode=False)
    except user_errors as fault:
        _fail(" ".join(str(fault).split()))
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; nothing is left to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except UnicodeEncodeError as fault:
        name = fault.object[max(0, fault.start - 40) : fault.end + 40]
        _fail(f"{name!r} cannot be written in the encoding {fault.encoding} of this locale: set PYTHONUTF8=1")
    except OSError as fault:
        if fault.errno not in STORAGE_FAULTS and (fault.errno not in PATH_FAULTS or fault.filename is None):
            raise
        _fail(f"{fault.filename or 'cannot write'}: {fault.strerror}")
    except Exception as fault:
        # Typer may bring its own copy of click, so its usage errors are told by what they offer.
        if not hasattr(fault, "format_message"):
            raise
        _fail(" ".join(fault.format_message().split()))
    sys.exit(status if isinstance(status, int) else 0)


def _fail(line: str) -> NoReturn:
    from common.errors import escaped, shortened

    print(shortened(escaped(f"error: {line}")), file=sys.stderr)
    sys.exit(EXIT_USER_ERROR)
