"""Discovers the verbs of a package: each module is imported when its verb is called or its help is listed."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from pathlib import Path
from types import ModuleType
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from olivepress.cli import verbs

__all__ = ["VerbGroup"]

Command = Any  # typer carries its own click and does not export its types


class _Verbs(MutableMapping[str, Command]):
    """Verb → command, for the modules of ``package``."""

    def __init__(self, package: ModuleType) -> None:
        self._modules = {_verb(name): name for name in sorted(_modules(package.__path__, package.__name__))}
        self._commands = dict[str, Command]()

    def __getitem__(self, verb: str) -> Command:
        if verb not in self._commands:
            module = importlib.import_module(self._modules[verb])
            self._commands[verb] = _group(module) if hasattr(module, "__path__") else _command(module)
        return self._commands[verb]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __setitem__(self, verb: str, command: Command) -> None:
        self._modules.setdefault(verb, "")
        self._commands[verb] = command

    def __delitem__(self, verb: str) -> None:
        del self._modules[verb]


class VerbGroup(TyperGroup):
    """The verbs of ``olivepress.cli.verbs``, or of another package."""

    def __init__(self, *, package: ModuleType = verbs, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Verbs(package)

    def list_commands(self, ctx: Any) -> list[str]:
        """Names alone, so that nothing is imported for them."""
        return list(self.commands)


def _modules(paths: Iterable[str], package: str) -> Iterator[str]:
    """The modules of the verbs; those in a folder whose name begins with an underscore are listed with the others."""
    for info in pkgutil.iter_modules(paths):
        if info.name.startswith("_"):
            yield from _modules([str(Path(info.module_finder.path, info.name))], f"{package}.{info.name}")  # type: ignore[union-attr]
        else:
            yield f"{package}.{info.name}"


def _verb(module: str) -> str:
    return module.rpartition(".")[2].rstrip("_").replace("_", "-")


def _command(module: ModuleType) -> Command:
    """The command of a verb's module. In a list it has the first paragraph of its help, which is not cut."""
    function: Callable[..., None] = getattr(module, module.__name__.rpartition(".")[2])
    summary = (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name=_verb(module.__name__), short_help=summary)(function)
    return get_command(app)


def _group(package: ModuleType) -> Command:
    """The group of a package; its help is the package's docstring."""
    text = inspect.cleandoc(package.__doc__ or "")
    return VerbGroup(
        package=package,
        name=_verb(package.__name__),
        help=text,
        short_help=text.partition("\n\n")[0],
        no_args_is_help=True,
        rich_markup_mode=None,
    )
