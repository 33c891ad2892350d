"""The command line: one file a subcommand, each loaded only when it is called."""

from __future__ import annotations

import difflib
import errno
import importlib
import io
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import click

from rcnet_rt.errors import RcnetError, requires_packages
from rcnet_rt.privacy import mask_address, mask_credentials
from rcnet_rt.version import __version__
from rcnet_rt.workflows.interrupt import Terminated

__all__ = ["main"]

FAILED, USAGE, SIGNALLED = 1, 2, 128  # and the number of the signal
# What pathlib raises where it is asked whether a path exists.
OF_PATHS = (errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.EIO)


class Lazy(NamedTuple):
    """Where a subcommand is, and its line in the help, so that help loads nothing."""

    location: str
    help: str


COMMANDS = {
    "run": Lazy("rcnet_rt.cli.run:run", "Refine the poses of a video, images or a camera."),
    "profile": Lazy("rcnet_rt.cli.profile:profile", "What a camera's scores mean, without labels."),
    "train": Lazy("rcnet_rt.cli.train:train", "Train weights on COCO and an estimator's results."),
    "adapt": Lazy("rcnet_rt.cli.adapt:adapt", "Train weights on images without labels."),
    "predict": Lazy("rcnet_rt.cli.predict:predict", "Estimate poses of a dataset or many videos."),
    "refine": Lazy("rcnet_rt.cli.refine:refine", "Re-score a COCO results file."),
    "eval": Lazy("rcnet_rt.cli.eval:eval_command", "Judge scores before and after refining."),
    "bench": Lazy("rcnet_rt.cli.bench:bench", "How long refining takes on this machine."),
    "export": Lazy("rcnet_rt.cli.export:export", "One file for use without Python."),
    "convert": Lazy("rcnet_rt.cli.convert:convert", "Results into another format."),
    "demo": Lazy("rcnet_rt.cli.demo:demo", "See it work: no network, no camera needed."),
    "doctor": Lazy("rcnet_rt.cli.doctor:doctor", "What is installed, what works, what is missing."),
}


class Commands(click.Group):
    """A group that loads subcommands late and takes `run` for granted."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `run` before anything that is no command and no option of the group itself."""
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        if args and args[0] not in COMMANDS and args[0] not in own:
            _check_spelling(args[0])
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one subcommand."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].location.split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in COMMANDS.items()])


def _check_spelling(source: str) -> None:
    """Refuse what is not there and looks like a command: `run` would take it for a source.

    Raises:
        click.UsageError: it is a misspelled command.
    """
    similar = difflib.get_close_matches(source, COMMANDS, n=1, cutoff=0.75)
    if similar and not os.path.lexists(source):
        raise click.UsageError(
            f"{source!r} is no file, no folder and no command; did you mean "
            f"`rcnet-rt {similar[0]}`?"
        )


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="rcnet-rt")
def commands() -> None:
    """Re-score 2D human poses: keypoints stay as they are, scores are learned.

    `rcnet-rt SOURCE` is short for `rcnet-rt run SOURCE`.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage, 130 interrupted.

    143 and 129: ended by SIGTERM or SIGHUP.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    sys.exit(_run(arguments))


def _run(arguments: list[str]) -> int:
    try:
        with _warnings_as_notes(arguments), requires_packages("Commands of rcnet-rt"):
            code: Any = commands.main(arguments, prog_name="rcnet-rt", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        click.echo(_masked(shown.getvalue(), arguments), nl=False, err=True)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort) as error:
        cause = error.__cause__  # click raises its own exception from the one it caught
        if isinstance(cause, Terminated):
            click.echo(f"{cause}.", err=True)
            return SIGNALLED + cause.number
        if isinstance(cause, EOFError):  # of a file that was cut off: click takes it for Ctrl-D
            return _fail(cause, arguments)
        click.echo("Interrupted.", err=True)
        return SIGNALLED + signal.SIGINT
    except Exception as error:
        return _fail(error, arguments)


def _fail(error: Exception, arguments: list[str]) -> int:
    """Say in a sentence why a command failed."""
    if "--debug" in arguments:
        click.echo(_masked("".join(traceback.format_exception(error)), arguments), err=True)
    click.echo(f"Error: {_masked(_sentence(error), arguments)}", err=True)
    return FAILED


@contextmanager
def _warnings_as_notes(arguments: list[str]) -> Iterator[None]:
    """Show Python's warnings to users as sentences."""
    show = warnings.showwarning

    def note(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, UserWarning):
            click.echo(f"Note: {_masked(str(message), arguments)}", err=True)
        else:
            show(message, category, *place, **more)

    warnings.showwarning = note
    try:
        yield
    finally:
        warnings.showwarning = show


def _sentence(error: Exception) -> str:
    if isinstance(error, RcnetError):
        return _printable(str(error))
    if isinstance(error, OSError) and error.errno in OF_PATHS and error.filename is not None:
        path = os.fsdecode(error.filename)
        return _printable(f"{path} cannot be used: {error.strerror}; check the path")
    return f"unexpected {type(error).__name__}: {error}; run again with --debug and report it"


def _printable(text: str) -> str:
    """Return a text in one line without the signs that a terminal obeys; a file may hold such."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def _masked(text: str, arguments: list[str]) -> str:
    """Return a text without the credentials of the addresses in it; an argument may hold blanks."""
    for argument in filter(None, arguments):
        text = text.replace(argument, mask_address(argument))
    return mask_credentials(text)
