"""Chooses the chat template of a model folder, which may have several in several files."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from olivepress.core.bounded import TEMPLATE, read_text
from olivepress.core.errors import DataError
from olivepress.runtimes.chat_template.tokenizer_files import read_object

__all__ = ["chat_template"]


def chat_template(model_dir: Path, *, with_tools: bool = False) -> str | None:
    """The chat template of a model folder, chosen as transformers does; None when there is none.

    chat_template.jinja, else chat_template.json's or tokenizer_config.json's; of several with names ``default``, or
    ``tool_use`` for a conversation with tools.
    """
    named = dict(_chat_templates(model_dir.absolute()))
    return named.get("tool_use", named.get("default")) if with_tools else named.get("default")


@lru_cache(maxsize=32)
def _chat_templates(model_dir: Path) -> tuple[tuple[str, str], ...]:
    """(name, template) from the first place that has any."""
    file, folder = model_dir / "chat_template.jinja", model_dir / "additional_chat_templates"
    more = sorted(folder.glob("*.jinja")) if folder.is_dir() else []
    named = {path.stem: _text(path) for path in more}
    if file.is_file():
        named["default"] = _text(file)
    for name in () if named else ("chat_template.json", "tokenizer_config.json"):
        named = named or _named(read_object(model_dir / name).get("chat_template"))
    return tuple(named.items())


def _text(file: Path) -> str:
    try:
        return read_text(file, TEMPLATE, DataError)
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read as text", next_step="copy the model again") from error


def _named(value: Any) -> dict[str, str]:
    """Name → template, from a template or a list of named templates in a JSON file."""
    listed = value if isinstance(value, list) else [{"name": "default", "template": value}]
    pairs = [(entry.get("name"), entry.get("template")) for entry in listed if isinstance(entry, dict)]
    return {name: text for name, text in pairs if isinstance(name, str) and isinstance(text, str) and text}
