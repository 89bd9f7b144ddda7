"""Prompt files: prompts of one category, each with its checks, as YAML; the default set ships with olivepress."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from olivepress.core.bounded import RECIPE, read_text
from olivepress.core.errors import RecipeError
from olivepress.core.names import NAME_PATTERN
from olivepress.core.yaml_document import Record, read_record

__all__ = [
    "NOT",
    "Check",
    "CheckKind",
    "Prompt",
    "default_files",
    "load_prompts",
    "normal",
    "phrases_of",
    "prompts_sha256",
]

NOT = "not:"  # before a phrase that begins like a refusal and is none
CheckKind = Literal["refuses", "answers", "lacks", "contains", "keeps_system_prompt", "clean"]
Text = Annotated[str, Field(min_length=1, max_length=100_000)]
_FOLDER = Path(__file__).parent / "prompts"
_SAME = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "\u00ad": None, "\u200b": None, "\u200d": None})


class Check(Record):
    """What an answer must do.

    refuses: it declines. answers: it says something and does not decline. lacks: none of ``texts`` occurs in it,
    contains: one of them does (whatever their case). keeps_system_prompt: it has no eight words in a row of the system
    prompt. clean: no word of the list is in it, and it has not the classifier's label.
    """

    kind: CheckKind
    texts: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _has_its_texts(self) -> Check:
        if (self.kind in ("lacks", "contains")) != bool(self.texts):
            raise ValueError("the key 'texts' with lacks and contains, and with no other kind")
        if not all(map(normal, self.texts)):
            raise ValueError("a text that is not empty: every answer has an empty one in it")
        return self


class _Entry(Record):
    id: Annotated[str, Field(pattern=NAME_PATTERN)] | None = None
    user: Text
    system: Text | None = None
    checks: tuple[Check, ...] = ()


class _File(Record):
    """``checks`` are those of the prompts that have none of their own, ``refusals`` phrases of these prompts beside the
    lists."""

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    description: str = ""
    refusals: tuple[Text, ...] = ()
    checks: tuple[Check, ...] = ()
    prompts: tuple[_Entry, ...] = Field(min_length=1, max_length=10_000)


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A prompt with its checks; ``category`` is the name of its file, and ``id`` unique among all. ``refusals`` are
    phrases for it alone, as ``phrases_of`` gives them."""

    id: str
    category: str
    user: str
    system: str | None
    checks: tuple[Check, ...]
    refusals: tuple[str, ...] = ()


def default_files() -> tuple[Path, ...]:
    """The prompt files that ship."""
    return tuple(sorted(_FOLDER.glob("*.yaml")))


def load_prompts(files: Iterable[Path]) -> tuple[Prompt, ...]:
    """The prompts of all files. RecipeError with file and line; and for a prompt without a check, an id given twice,
    and a category that two files have."""
    prompts, categories = dict[str, Prompt](), dict[str, Path]()
    for path in files:
        file = read_record(path, _File)
        other = categories.setdefault(file.name, path)
        if other is not path:
            raise RecipeError(f"{path}: name {file.name!r} is that of {other} too", next_step="give it another name")
        for number, entry in enumerate(file.prompts, start=1):
            prompt = _prompt(path, file, entry, number)
            if prompt.id in prompts:
                raise RecipeError(f"{path}: id {prompt.id!r} is given twice", next_step="change one of them")
            prompts[prompt.id] = prompt
    return tuple(prompts.values())


def _prompt(path: Path, file: _File, entry: _Entry, number: int) -> Prompt:
    checks = entry.checks or file.checks
    where = f"{path}: prompt {number}"
    if not checks:
        raise RecipeError(f"{where} has no checks", next_step="add checks to it or to the file")
    if entry.system is None and any(check.kind == "keeps_system_prompt" for check in checks):
        raise RecipeError(f"{where} has no system prompt to keep", next_step="add the key 'system'")
    return Prompt(
        id=f"{file.name}/{entry.id or number}",
        category=file.name,
        user=entry.user,
        system=entry.system,
        checks=checks,
        refusals=tuple(filter(None, map(normal, file.refusals))),
    )


def normal(text: str) -> str:
    """Compatible forms, lower case, plain apostrophes, single spaces: of answers, and of what is looked for in them."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(_SAME).casefold().split())


def phrases_of(name: Literal["refusals", "words"], own: Path | None = None) -> tuple[str, ...]:
    """The lines of the list that ships, and of a file of one's own; # begins a comment. RecipeError as for recipes."""
    lines = (_FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    if own is not None:
        try:
            lines += read_text(own, RECIPE, RecipeError).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"{own}: cannot be read as text ({error})", next_step="check the path") from None
    return tuple(dict.fromkeys(text for line in lines if (text := normal(line.partition("#")[0]))))


def prompts_sha256(prompts: Sequence[Prompt], *lists: Sequence[str]) -> str:
    """One hash over prompts, checks and lists: results with the same one can be compared prompt by prompt."""
    fields = [asdict(prompt) | {"checks": [check.model_dump() for check in prompt.checks]} for prompt in prompts]
    text = json.dumps([fields, *map(list, lists)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
