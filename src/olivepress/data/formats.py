"""A row's keys say its format; a format turns rows into examples.

Detection goes by key set, then by role names. More than one fitting format is an error that names them.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from olivepress.data.conversations import Converted, from_alpaca, from_messages, from_sharegpt
from olivepress.data.values import Problem, as_text, compact
from olivepress.errors import DataError

__all__ = ["FORMATS", "Converter", "choose_format", "make_converter"]

Row = Mapping[str, Any]

# (prompt column, answer column): pairs of texts.
_PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("instruction", "response"),
    ("instruction", "output"),
    ("input", "output"),
    ("question", "answer"),
    ("query", "response"),
)
# (text column, class column)
_LABELLED = (
    ("text", "category"),
    ("text", "label"),
    ("text", "intent"),
    ("sentence", "label"),
)
# Keys that make more of a pair than the two texts: dropping them in silence would lose half of the prompt.
_CONTEXT = ("input", "context", "history", "system")
FORMATS = (
    "messages",
    "sharegpt",
    "alpaca",
    "snips",
    *(f"{prompt}/{answer}" for prompt, answer in (*_PAIRS, *_LABELLED)),
    "text",
)


class Converter(NamedTuple):
    """A format for rows of one file: ``convert`` gives what a row holds or the reason why it holds nothing of use."""

    name: str
    convert: Callable[[Row], Converted | Problem]
    unused: tuple[str, ...]


def make_converter(where: str, name: str, keys: Iterable[str]) -> Converter:
    """The converter of a format for rows with these ``keys``.

    ``name`` is one of FORMATS, or ``COLUMN/COLUMN`` for the columns of prompt and answer (``COLUMN/COLUMN:label`` when
    the answer is a class). DataError naming ``where`` for any other.
    """
    keys = tuple(keys)
    plain = {"messages": from_messages, "sharegpt": from_sharegpt, "snips": _from_snips, "text": _from_text}
    used: tuple[str, ...]
    if name in plain:
        used = {
            "messages": ("messages", "tools"),
            "sharegpt": ("conversations", "system", "tools"),
            "snips": ("data", "intent"),
            "text": ("text",),
        }[name]
        return Converter(name, plain[name], _unused(keys, used))
    if name == "alpaca":
        answer = "output" if "output" in keys else "response"
        used = ("instruction", answer, *_CONTEXT)
        return Converter(name, lambda row: from_alpaca(row, answer), _unused(keys, used))
    prompt, slash, answer = name.partition("/")
    answer, colon, kind = answer.partition(":")
    if not (prompt and slash and answer) or (colon and kind != "label"):
        close = difflib.get_close_matches(name, FORMATS, n=1)
        raise DataError(
            f"{where}: unknown format {name!r}, expected one of {', '.join(FORMATS)}, or COLUMN/COLUMN",
            next_step=f"--format {close[0]}" if close else "--format with one of them",
        )
    labelled = bool(colon) or (prompt, answer) in _LABELLED
    missing = [column for column in (prompt, answer) if column not in keys]
    if missing:
        close = difflib.get_close_matches(missing[0], keys, n=1) or ["COLUMN"]
        raise DataError(
            f"{where}: no column {missing[0]!r} for format {name}, found {_listed(keys)}",
            next_step=f"--format {name.replace(missing[0], close[0], 1)}",
        )
    return Converter(
        name.partition(":")[0], lambda row: _from_pair(row, prompt, answer, labelled), _unused(keys, (prompt, answer))
    )


def choose_format(where: str, row: Row) -> str:
    """The only format that ``row`` can be. DataError naming ``where``, and the candidates when there are several."""
    found = _candidates(row)
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(
            f"{where}: columns {_listed(row)}; ambiguous: {' or '.join(found)}",
            next_step=f"--format {found[0]}, or format: in the recipe",
        )
    raise DataError(
        f"{where}: columns {_listed(row)}; expected one of {', '.join(FORMATS)}",
        next_step="rename the columns, or --format PROMPT_COLUMN/ANSWER_COLUMN",
    )


def _candidates(row: Row) -> list[str]:
    found = []
    if isinstance(row.get("messages"), list):
        found.append(_roles_of("messages", row["messages"]))
    if isinstance(row.get("conversations"), list):
        found.append(_roles_of("conversations", row["conversations"]))
    if "data" in row and "intent" in row:
        found.append("snips")
    with_context = any(key in row for key in _CONTEXT)
    is_alpaca = "instruction" in row and with_context and ("output" in row) != ("response" in row)
    if is_alpaca:
        found.append("alpaca")
    for prompt, answer in _PAIRS:
        covered = is_alpaca and (prompt == "instruction" or (prompt, answer) == ("input", "output"))
        if prompt in row and answer in row and not covered:
            found.append(f"{prompt}/{answer}")
    found += [f"{text}/{label}" for text, label in _LABELLED if text in row and label in row]
    if not found and "text" in row:
        found.append("text")
    return found


def _roles_of(key: str, turns: list[Any]) -> str:
    """By the names of its turns' keys: ``role``/``content`` or ``from``/``value``."""
    first = turns[0] if turns and isinstance(turns[0], dict) else {}
    if "from" in first or (key == "conversations" and "role" not in first):
        return "sharegpt"
    return "messages"


def _unused(keys: Iterable[str], used: Iterable[str]) -> tuple[str, ...]:
    return tuple(key for key in keys if key not in set(used))


def _listed(keys: Iterable[Any]) -> str:
    return ", ".join(list(map(str, keys))[:8]) or "none"


def _from_pair(row: Row, prompt_key: str, answer_key: str, labelled: bool) -> Converted | Problem:
    asked, said = as_text(row.get(prompt_key), prompt_key), as_text(row.get(answer_key), answer_key)
    if isinstance(asked, Problem):
        return asked
    if isinstance(said, Problem):
        return said
    (prompt, asked_change), (answer, said_change) = asked, said
    return Converted(
        messages=[{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}],
        key=prompt,
        labelled=labelled,
        changes=[change for change in dict.fromkeys((asked_change, said_change)) if change],
    )


def _from_text(row: Row) -> Converted | Problem:
    """Plain text is an answer to an empty question: the whole of it is learned."""
    found = as_text(row.get("text"), "text")
    if isinstance(found, Problem):
        return found
    text, change = found
    messages: list[dict[str, Any]] = [{"role": "user", "content": ""}, {"role": "assistant", "content": text}]
    return Converted(messages=messages, key=text, plain=True, changes=[change] if change else [])


def _from_snips(row: Row) -> Converted | Problem:
    """SNIPS: text chunks, some tagged with a slot → the sentence, and intent and slots as compact JSON."""
    chunks, intent = row.get("data"), row.get("intent")
    if not isinstance(chunks, list) or not isinstance(intent, str):
        return Problem("no list in data, or no text in intent")
    slots: dict[str, Any] = {}
    sentence = []
    for chunk in chunks:
        if not isinstance(chunk, dict) or not isinstance(chunk.get("text"), str):
            return Problem("a chunk without text")
        sentence.append(chunk["text"])
        if "entity" in chunk:
            name, value = str(chunk["entity"]), chunk["text"].strip()
            held = slots.get(name)
            slots[name] = value if held is None else [*(held if isinstance(held, list) else [held]), value]
    prompt = "".join(sentence)
    answer = compact({"intent": intent, "slots": slots})
    messages: list[dict[str, Any]] = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return Converted(messages=messages, key=prompt, label=intent)
