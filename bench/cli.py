"""The command line: commands are registered here, and every user error becomes one line and exit status 2."""

from __future__ import annotations

import errno
import io
import os
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from bench.commands import HELP
from bench.commands.endings import ENDINGS
from bench.neighbours import foreign_package
from results.layout import Layout

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
RESUMED = ("run", "tune")  # commands that go on where they were stopped
SCRIPT = "noisy-label-bench"
PATH_FAULTS = (errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES)  # of a path that the user gave
STORAGE_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)  # of whatever was written

app = typer.Typer(
    context_settings=HELP,
    add_completion=True,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Benchmark of learning with noisy labels. Without a command: `run quick`, then `report`.",
    epilog="Exit status: 0 all went well; 1 a run failed, a check found a fault, or who reads the output went away; "
    "2 unusable input, nothing written; 130 interrupted, 143 by SIGTERM, 138 by SIGUSR1 (queue it again).",
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
        run.run(["quick"])
    except typer.Exit as status:
        failed = status.exit_code == run.EXIT_FAILED_RUN
    report.show(DEFAULT_OUT, Layout(DEFAULT_OUT).report, report.Wanted())
    if failed:
        raise typer.Exit(run.EXIT_FAILED_RUN)


_COMMANDS = {
    "run": "run", "report": "report", "status": "status", "suspects": "suspects", "merge": "merge",
    "export": "merge:export", "tune": "tune:tune_method", "speed": "speed", "check": "check", "doctor": "doctor",
    "new-method": "new_method", "schema": "schema", "list": "lists:list_registered", "data": "data:app",
    "noise": "noise", "papers": "papers", "show": "show", "slurm-script": "slurm_script",
}  # fmt: skip
"""Name of a command -> its module in bench.commands, and its function there where that is called otherwise."""


def _register(wanted: str | None = None) -> None:
    """Add a command to the app, so that its modules alone are imported; None or no command of ours: all of them."""
    there = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    for name in (wanted,) if wanted in _COMMANDS else _COMMANDS:
        if name in there:
            continue
        module, _, attribute = _COMMANDS[str(name)].partition(":")
        command_or_group = getattr(import_module(f"bench.commands.{module}"), attribute or module)
        if isinstance(command_or_group, typer.Typer):
            for each in command_or_group.registered_commands:
                each.epilog = ENDINGS[f"{name} {each.name or getattr(each.callback, '__name__', '')}"].text()
            app.add_typer(command_or_group, name=name)
        else:
            app.command(name, context_settings=HELP, epilog=ENDINGS[str(name)].text())(command_or_group)


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


def _bear_every_text() -> None:
    """Write what the output's encoding lacks (an ASCII terminal, bytes of a file name) as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _name_every_file() -> None:
    """Start again in UTF-8 mode where Python names files in ASCII (the C locale): lists name images in any letters.

    What is printed stays in the encoding of the output.
    """
    if sys.getfilesystemencoding().lower() in ("ascii", "us-ascii") and not sys.flags.utf8_mode:
        os.environ["PYTHONUTF8"] = "1"
        os.environ.setdefault("PYTHONIOENCODING", sys.stdout.encoding)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def main() -> None:
    """Run the command line and exit."""
    _name_every_file()
    _bear_every_text()
    foreign = foreign_package()
    if foreign:  # perhaps `common` itself: nothing is imported for this line
        print(f"error: {foreign}", file=sys.stderr)
        sys.exit(EXIT_USER_ERROR)
    from common import stop

    try:
        stop.listen()
        status = _status()
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    finally:
        stop.over()
    if stop.asked() or status == EXIT_INTERRUPTED:
        _tell_stopped(stop.asked())
    sys.exit(stop.status() or status)  # Typer makes a status of its own of what was raised


def _tell_stopped(by: str) -> None:
    """One line of what stopped the command, and of what is left of it."""
    said = f"stopped by {'Ctrl-C' if by in ('', 'SIGINT') else by}"
    if by == "SIGUSR1":
        said += ", to be queued again"
    if not sys.argv[1:] or sys.argv[1] in RESUMED:
        said += "; finished runs and checkpoints are kept: the same command goes on from there"
    print(said, file=sys.stderr, flush=True)


def _status() -> int:
    """The exit status of the command; a user error is said in one line."""
    user_errors = _user_errors()
    try:
        sys.argv[1:] = map(_path_given, sys.argv[1:], sys.argv[:-1])
        _register(sys.argv[1] if len(sys.argv) > 1 else None)
        status = typer.main.get_command(app).main(prog_name=_program(), standalone_mode=False)
    except user_errors as fault:
        return _fail(" ".join(str(fault).split()))
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; nothing is left to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except UnicodeEncodeError as fault:
        name = fault.object[max(0, fault.start - 40) : fault.end + 40]
        return _fail(f"{name!r} cannot be written in the encoding {fault.encoding} of this locale: set PYTHONUTF8=1")
    except OSError as fault:
        if fault.errno not in STORAGE_FAULTS and (fault.errno not in PATH_FAULTS or fault.filename is None):
            raise
        return _fail(f"{fault.filename or 'cannot write'}: {fault.strerror}")
    except Exception as fault:
        # Typer may bring its own copy of click, so its usage errors are told by what they offer.
        if not hasattr(fault, "format_message"):
            raise
        return _fail(" ".join(fault.format_message().split()))
    return status if isinstance(status, int) else 0


def _fail(line: str) -> int:
    from common.errors import escaped, shortened

    print(shortened(escaped(f"error: {line}")), file=sys.stderr)
    return EXIT_USER_ERROR
