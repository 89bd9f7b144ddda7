"""Arguments and options that several verbs share, and parameters that are built from several options."""

import inspect
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = [
    "DataOption",
    "DatasetArgument",
    "EnvironmentArgument",
    "JsonOption",
    "ModelArgument",
    "ModelsArgument",
    "PackageArgument",
    "QuietOption",
    "RoundsOption",
    "RunArgument",
    "SourceDataOption",
    "TrustTargets",
    "key_password",
    "one_line_name",
    "one_of",
    "recipe_names",
    "refuse_for_artifact",
    "takes",
]


def recipe_names(incomplete: str) -> list[str]:
    """For shell completion: the recipes that can be named here."""
    from olivepress.recipe.schema import recipe_files

    return [name for name in sorted(recipe_files()) if name.startswith(incomplete)]


ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A recipe's path or name, a family, a Hub id or a model directory.",
        autocompletion=recipe_names,
    ),
]
ModelsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL",
        help="A recipe's path or name, a family, a Hub id or a model directory; several with --engine dask.",
        autocompletion=recipe_names,
    ),
]
DataOption = Annotated[
    str | None, typer.Option("--data", metavar="PATH", help="Data file or directory instead of the recipe's own.")
]
SourceDataOption = Annotated[
    str | None,
    typer.Option("--data", metavar="PATH", help="For an artifact: a prepared dataset. For a recipe: its data."),
]
RoundsOption = Annotated[
    int | None, typer.Option("--rounds", min=1, max=1000, help="Number of processes for each workload.")
]
DatasetArgument = Annotated[
    str, typer.Argument(metavar="DATASET", help="A prepared dataset: its directory, or its name.")
]
EnvironmentArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="An environment, or a target for the environment that it needs.")
]
RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run as tickets/finetune.2, tickets/finetune for its last, the folder of an artifact, or the first "
        "digits of a run's id or an artifact's sha256.",
    ),
]
PackageArgument = Annotated[
    Path, typer.Argument(metavar="PACKAGE", help="The folder of a package, such as runs/RECIPE/package-TARGET.")
]
TrustTargets = Annotated[
    bool,
    typer.Option("--trust-targets", help="Allow targets, and a loss that the recipe names, to run code of their own."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print machine-readable JSON.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Suppress progress output.")]


def takes(**records: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace parameters of a command by the options of a function that builds them: ``@takes(source=make_source)``.

    In place of ``source`` the command line has the options of ``make_source``, and the command gets its result.
    Annotations must not be strings: typer reads them from here.
    """

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        parameters = list[inspect.Parameter]()
        for parameter in inspect.signature(command).parameters.values():
            make = records.get(parameter.name)
            own = inspect.signature(make).parameters.values() if make else (parameter,)
            parameters += [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]

        @wraps(command)
        def call(**given: Any) -> None:
            values = {}
            for name, make in records.items():
                values[name] = make(**{option: given.pop(option) for option in inspect.signature(make).parameters})
            command(**given, **values)

        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return call

    return with_options


def one_of(option: str, value: str, known: Any, verb: str = "data") -> None:
    """Raises UsageError unless ``value`` is among ``known``."""
    from olivepress.core.errors import UsageError

    if value not in known:
        raise UsageError(f"{option} {value!r}: expected {' or '.join(known)}", next_step=f"olivepress {verb} --help")


def refuse_for_artifact(verb: str, target: str, **given: Any) -> None:
    """Raises UsageError for the first option that was given although ``target`` is not a recipe."""
    from olivepress.core.errors import UsageError

    for name, value in given.items():
        if value:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(
                f"{option} is for a recipe, and {target} is not a recipe", next_step=f"olivepress {verb} --help"
            )


def one_line_name(text: str | None) -> str | None:
    """--machine-name without spaces around it; None for no name. UsageError for one that is not shown in one line."""
    from olivepress.core.errors import UsageError
    from olivepress.report.machine import LONGEST_NAME

    name = (text or "").strip()
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise UsageError(
            f"--machine-name: expected at most {LONGEST_NAME} characters in one line",
            next_step="give a name such as 'Kitchen laptop'",
        )
    return name or None


def key_password(secret: Path, *, is_new: bool) -> str:
    """The password of a secret key: OLIVEPRESS_KEY_PASSWORD, or what is typed on a terminal; "" for none."""
    given = os.environ.get("OLIVEPRESS_KEY_PASSWORD")
    if given is not None:
        return given
    if not sys.stdin.isatty():
        return ""
    return str(typer.prompt(f"Password of {secret}", default="", hide_input=True, confirmation_prompt=is_new, err=True))
