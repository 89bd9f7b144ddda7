"""The command line: parse, call one function, print."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from olivepress import __version__
from olivepress.cli.verb_group import VerbGroup
from olivepress.core.messages import exit_code_of, explain, one_line, open_streams, write_any_text

__all__ = ["app", "main"]

_INTERRUPTED = 130

app = typer.Typer(
    cls=VerbGroup,
    help="One recipe becomes measured, verified edge artifacts, on Microsoft Olive.",
    epilog="First steps: olivepress demo --short, then init, plan, run, bench, report.",
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; accepted anywhere.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Options of every command."""


def main() -> None:
    """Entry point: every error is one line and its exit code; ``--debug``, anywhere, shows the traceback."""
    open_streams()
    write_any_text(sys.stdout, sys.stderr)
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    sys.exit(_run(debug=debug))


def _help_of(error: Any) -> str:
    """The help of the command that was typed wrongly."""
    context, verbs = getattr(error, "ctx", None), list[str]()
    while context is not None and context.parent is not None:
        verbs.insert(0, context.info_name)
        context = context.parent
    return " ".join(["olivepress", *verbs, "--help"])


def _run(*, debug: bool) -> int:
    """Run what was typed; returns the exit code."""
    # typer carries its own click and exports only one leaf of its errors.
    usage_error: Any = typer.BadParameter.__mro__[2]
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # `olivepress recipes | head -1`: the reader has what it wanted, which is not an error
        return _reader_is_gone()
    except SystemExit:
        # typer ends the process by itself, with code 1, and puts a wrapper of its own over the stream.
        if type(sys.stdout).__name__ != "PacifyFlushWrapper":
            raise
        return _reader_is_gone()
    except typer.Abort:  # Ctrl-C or the end of the input at a question
        code = _INTERRUPTED
    except usage_error as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message())
            return 0
        message = one_line(error.format_message()).removesuffix(".")
        print(f"olivepress: {message}; next: {_help_of(error)}", file=sys.stderr)
        return 2
    except Exception as error:
        if debug:
            raise
        print(f"olivepress: {explain(error)}", file=sys.stderr)
        return exit_code_of(error)
    if code == _INTERRUPTED:  # typer turns Ctrl-C into a return value
        kept = "nothing was kept" if sys.argv[1:2] in (["data"], ["init"]) else "run the same command again to resume"
        print(f"olivepress: interrupted; {kept}", file=sys.stderr)
    return code if isinstance(code, int) else 0


def _reader_is_gone() -> int:
    sys.stdout = None  # or Python tries to flush it once more
    return 0
