"""Three small synthetic tasks for the demo, each with splits whose templates are disjoint.

The rows depend only on the task and the seed, so a dataset can be pinned by its hash.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import yaml

from olivepress.synthetic.embedded import words as w

_TEMPLATES: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("demo_templates.yaml").read_text("utf-8"))
_COMMANDS: dict[str, dict[str, list[str]]] = _TEMPLATES["commands"]
_TONES: dict[str, dict[str, list[str]]] = _TEMPLATES["tones"]
_PASSAGES: dict[str, dict[str, list[str]]] = _TEMPLATES["passages"]
_QUESTIONS: dict[str, dict[str, dict[str, list[str]]]] = _TEMPLATES["questions"]

SIZES = {"train": 2400, "validation": 240, "test": 600}
_DRAWS_PER_ROW = 1000  # far above what the smallest pool of prompts needs; a guard against an endless loop


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoRow:
    """One example; `template` is the phrasing it came from, `label` its class if the task has classes."""

    id: str
    prompt: str
    answer: str
    template: str
    label: str | None


Draft = tuple[str, str, str, str | None]  # prompt, answer, template, label


def _slots(rng: Random) -> dict[str, str]:
    """A value for every slot of the command and tone templates."""
    return {
        "room": rng.choice(w.ROOMS),
        "level": str(rng.randrange(5, 101, 5)),
        "color": rng.choice(w.COLORS),
        "degrees": str(rng.randint(14, 28)),
        "genre": rng.choice(w.GENRES),
        "minutes": str(rng.randint(2, 59)),
        "label": rng.choice(w.LABELS),
        "door": rng.choice(w.DOORS),
        "lock": rng.choice(("lock", "unlock")),
        "move": rng.choice(("open", "close")),
        "hour": rng.choice(("noon", "midnight", *(f"{hour} o'clock" for hour in range(1, 13)))),
        "name": rng.choice(w.NAMES),
        "thing": rng.choice(w.THINGS),
        "day": rng.choice(w.DAYS),
    }


_ARGUMENTS: dict[str, tuple[tuple[str, str], ...]] = {
    "set_light": (("room", "room"), ("level", "level")),
    "set_color": (("room", "room"), ("color", "color")),
    "set_temperature": (("room", "room"), ("degrees", "degrees")),
    "play_music": (("room", "room"), ("genre", "genre")),
    "set_timer": (("label", "label"), ("minutes", "minutes")),
    "set_lock": (("door", "door"), ("state", "lock")),
    "move_blinds": (("room", "room"), ("action", "move")),
}
_STATES = {"lock": "locked", "unlock": "unlocked"}
_NUMBERS = ("level", "degrees", "minutes")


def _command(rng: Random, split: str) -> Draft:
    """A natural command; the answer is the device's function call as compact JSON."""
    name = rng.choice(tuple(_COMMANDS))
    template = rng.choice(_COMMANDS[name][split])
    slots = _slots(rng)
    arguments: dict[str, str | int] = {}
    for argument, slot in _ARGUMENTS[name]:
        value = slots[slot]
        arguments[argument] = int(value) if value.isdigit() else _STATES.get(value, value)
    answer = json.dumps({"name": name, "arguments": arguments}, separators=(",", ":"))
    return _capital(template.format(**slots)), answer, template, name


def _tone(rng: Random, split: str) -> Draft:
    """A message; the answer is its tone in one word."""
    label = rng.choice(tuple(_TONES))
    template = rng.choice(_TONES[label][split])
    return f"Tone? {_capital(template.format(**_slots(rng)))}", label, template, label


def _question(rng: Random, split: str) -> Draft:
    """Two sentences about two people; the question is about one of them."""
    topic = rng.choice(tuple(_PASSAGES))
    attribute = rng.choice(tuple(_QUESTIONS[topic]))
    question = rng.choice(_QUESTIONS[topic][attribute][split])
    facts = [_fact(rng, who) for who in rng.sample(w.NAMES, 2)]
    shapes = [rng.choice(_PASSAGES[topic][split]) for _ in facts]
    subject = rng.choice(facts)
    passage = " ".join(shape.format(**fact) for shape, fact in zip(shapes, facts, strict=True))
    return f"{passage} {question.format(**subject)}", subject[attribute], " ".join([*shapes, question]), None


def _fact(rng: Random, who: str) -> dict[str, str]:
    return {
        "who": who,
        "thing": rng.choice(w.THINGS),
        "place": rng.choice(w.PLACES),
        "day": rng.choice(w.DAYS),
        "color": rng.choice(w.COLORS),
        "animal": rng.choice(w.ANIMALS),
        "food": rng.choice(w.FOODS),
        "price": str(rng.randint(2, 99)),
    }


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


_MAKERS: dict[str, Callable[[Random, str], Draft]] = {
    "phrase-tone": _tone,
    "device-command": _command,
    "short-qa": _question,
}
TASKS: tuple[str, ...] = tuple(_MAKERS)


def generate(task: str, *, seed: int = 0) -> dict[str, list[DemoRow]]:
    """Rows of one task by split (2400 / 240 / 600); no prompt and no template is in two splits.

    Raises:
        KeyError: for a task that is not in `TASKS`.
    """
    maker = _MAKERS[task]
    rng = Random(f"{task}:{seed}")  # seeding with text hashes it with SHA-512: the same everywhere
    seen: set[str] = set()
    return {split: _rows(task, split, size, maker, rng, seen) for split, size in SIZES.items()}


def answer_schema(task: str) -> dict[str, Any] | None:
    """JSON Schema (2020-12) of the task's answers; None if they are plain text."""
    if task != "device-command":
        return None
    calls = [
        {
            "properties": {
                "name": {"const": name},
                "arguments": {
                    "type": "object",
                    "properties": {
                        argument: {"type": "integer" if argument in _NUMBERS else "string"} for argument, _ in arguments
                    },
                    "required": [argument for argument, _ in arguments],
                    "additionalProperties": False,
                },
            }
        }
        for name, arguments in _ARGUMENTS.items()
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["name", "arguments"],
        "additionalProperties": False,
        "properties": {"name": True, "arguments": True},
        "oneOf": calls,
    }


def _rows(
    task: str, split: str, size: int, maker: Callable[[Random, str], Draft], rng: Random, seen: set[str]
) -> list[DemoRow]:
    rows: list[DemoRow] = []
    for _ in range(size * _DRAWS_PER_ROW):
        prompt, answer, template, label = maker(rng, split)
        if prompt not in seen:
            seen.add(prompt)
            row_id = f"{task}-{split}-{len(rows):04d}"
            rows.append(DemoRow(id=row_id, prompt=prompt, answer=answer, template=template, label=label))
        if len(rows) == size:
            return rows
    raise RuntimeError(f"{task}/{split}: the templates do not yield {size} different prompts")
