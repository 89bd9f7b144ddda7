"""The formats of rows: chosen by their columns, they convert rows to conversations.

Detection goes by the set of columns, then by role names. If several formats fit, the error names them.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from olivepress.core.errors import DataError
from olivepress.data.convert.columns import CONTEXT, LABELED, PAIRS, candidates, suggestion, unused_content
from olivepress.data.convert.conversations import (
    Converted,
    are_turns,
    from_alpaca,
    from_messages,
    from_sharegpt,
    from_turns,
    from_xlam,
)
from olivepress.data.convert.preferences import PREFERENCE_COLUMNS, from_preference
from olivepress.data.text.values import PLACEHOLDER_ONLY, RowError, as_text, compact, is_placeholder, structured

__all__ = ["FORMATS", "Converter", "choose_format", "make_converter"]

Row = Mapping[str, Any]

FORMATS = (
    "messages",
    "sharegpt",
    "alpaca",
    "snips",
    "xlam",
    "preference",
    *(f"{prompt}/{answer}" for prompt, answer in (*PAIRS, *LABELED)),
    "text",
)


class Converter(NamedTuple):
    """A format for the rows of one file. ``convert`` raises RowError for a row that it cannot use.

    ``keys`` are the columns that were there when it was chosen, ``unused`` those of them that it does not read.
    """

    name: str
    convert: Callable[[Row], Converted]
    unused: tuple[str, ...]
    keys: frozenset[str] = frozenset()


def make_converter(where: str, name: str, keys: Iterable[str]) -> Converter:
    """The converter of a format for rows with these ``keys``.

    ``name`` is one of FORMATS, or ``COLUMN/COLUMN`` for the columns of prompt and answer (``COLUMN/COLUMN:label`` when
    the answer is a class). Raises DataError naming ``where`` for any other.
    """
    row, keys = keys, tuple(keys)
    if name in _WHOLE or name == "alpaca":
        used = _used_by(name, keys)
        convert = _WHOLE.get(name) or (lambda row: from_alpaca(row, used[1]))
        return _converter(name, convert, keys, used)
    prompt, slash, answer = name.partition("/")
    answer, colon, kind = answer.partition(":")
    if not (prompt and slash and answer) or (colon and kind != "label"):
        close = difflib.get_close_matches(name, FORMATS, n=1)
        raise DataError(
            f"{where}: unknown format {name!r}, expected one of {', '.join(FORMATS)}, or COLUMN/COLUMN",
            next_step=f"--format {close[0]}" if close else "--format with one of them",
        )
    labeled = bool(colon) or (prompt, answer) in LABELED
    missing = [column for column in (prompt, answer) if column not in keys]
    if missing:
        close = difflib.get_close_matches(missing[0], keys, n=1) or ["COLUMN"]
        raise DataError(
            f"{where}: no column {missing[0]!r} for format {name}, found {_listed(keys)}",
            next_step=f"--format {name.replace(missing[0], close[0], 1)}",
        )
    convert = _pair_converter(prompt, answer, labeled)
    return _converter(name.partition(":")[0], convert, keys, _used_by(name, row))


def _converter(
    name: str, convert: Callable[[Row], Converted], keys: tuple[str, ...], used: tuple[str, ...]
) -> Converter:
    return Converter(name, convert, _unused(keys, used), frozenset(keys))


def _used_by(name: str, keys: Iterable[str]) -> tuple[str, ...]:
    """The columns that a format reads."""
    if name == "alpaca":
        return ("instruction", "output" if "output" in keys else "response", *CONTEXT)
    if name in ("messages", "sharegpt"):
        lists = ("messages", "conversations") if name == "messages" else ("conversations", "messages")
        return (next((column for column in lists if column in keys), lists[0]), "system", "tools")
    if name in _COLUMNS:
        return _COLUMNS[name]
    columns: tuple[str, ...] = tuple(name.partition(":")[0].split("/"))
    if isinstance(keys, Mapping) and any(are_turns(keys.get(column)) for column in columns):
        return (*columns, "system", "tools")
    return columns


def choose_format(where: str, row: Row) -> str:
    """The only format that fits ``row``. Raises DataError naming ``where``, and the candidates if there are several."""
    fitting = candidates(row)
    if len(fitting) == 1:
        _check_unused(where, row, fitting[0])
        return fitting[0]
    if fitting:
        raise DataError(
            f"{where}: columns {_listed(row)}; ambiguous: {' or '.join(fitting)}",
            next_step=f"--format {fitting[0]}, or format: in the recipe",
        )
    if "text" in row:
        raise DataError(
            f"{where}: columns {_listed(row)}; ambiguous: plain text, or a text with its class or answer",
            next_step=f"{suggestion(row)}, or --format text for plain text alone",
        )
    raise DataError(
        f"{where}: columns {_listed(row)}; expected one of {', '.join(FORMATS)}",
        next_step=f"rename the columns, or {suggestion(row)}",
    )


def _check_unused(where: str, row: Row, name: str) -> None:
    """Raise DataError when ``name`` would leave out a column that looks like content."""
    unused = unused_content(row, name, _used_by(name, row))
    if not unused:
        return
    first = unused[0]
    step = f"--format {name} to leave {first} out"
    if name.count("/") and first.lower() in (*CONTEXT, "passage", "document", "article"):
        prompt, answer = name.split("/")
        step = f"rename {prompt} to instruction, {answer} to output and {first} to context, or {step}"
    elif name.count("/") and tuple(name.split("/")) in LABELED and first.lower() != "split":
        step = f"--format {name.split('/')[0]}/{first}:label, or {step}"
    elif name.count("/"):
        step = f"{step}, or --format COLUMN/COLUMN"
    if first.lower() == "split":
        step = f"write a file for each split, or {step}"
    raise DataError(
        f"{where}: columns {_listed(row)}; ambiguous: {name} would leave out {', '.join(map(repr, unused[:4]))}",
        next_step=step,
    )


def _unused(keys: Iterable[str], used: Iterable[str]) -> tuple[str, ...]:
    return tuple(key for key in keys if key not in set(used))


def _listed(keys: Iterable[Any]) -> str:
    return ", ".join(list(map(str, keys))[:8]) or "none"


def _pair_converter(prompt: str, answer: str, labeled: bool) -> Callable[[Row], Converted]:
    return lambda row: _from_pair(row, prompt, answer, labeled)


def _from_pair(row: Row, prompt_key: str, answer_key: str, labeled: bool) -> Converted:
    if prompt_key == "input" and is_placeholder(row.get(prompt_key)):
        raise RowError(PLACEHOLDER_ONLY)
    if are_turns(row.get(prompt_key)) or are_turns(row.get(answer_key)):
        return from_turns(row, [*_turns(row.get(prompt_key), "user"), *_turns(row.get(answer_key), "assistant")])
    prompt, prompt_change = as_text(row.get(prompt_key), prompt_key)
    answer, answer_change = as_text(row.get(answer_key), answer_key)
    return Converted(
        messages=[{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}],
        key=prompt,
        labeled=labeled,
        changes=[change for change in dict.fromkeys((prompt_change, answer_change)) if change],
    )


def _turns(value: Any, role: str) -> list[Any]:
    """A prompt or an answer as turns; a text is a turn of ``role``."""
    return value if are_turns(value) else [{"role": role, "content": value}]


def _from_text(row: Row) -> Converted:
    """Plain text is an answer to an empty question: all of it is learned."""
    text, change = as_text(row.get("text"), "text")
    messages: list[dict[str, Any]] = [{"role": "user", "content": ""}, {"role": "assistant", "content": text}]
    return Converted(messages=messages, key=text, plain=True, changes=[change] if change else [])


def _from_snips(row: Row) -> Converted:
    """SNIPS: text chunks, some tagged with a slot → the sentence, and intent and slots as compact JSON."""
    chunks, intent = structured(row.get("data")), row.get("intent")
    if not isinstance(chunks, list) or not isinstance(intent, str):
        raise RowError("no list in data, or no text in intent")
    slots: dict[str, list[str]] = {}
    sentence = []
    for chunk in chunks:
        if not isinstance(chunk, dict) or not isinstance(chunk.get("text"), str):
            raise RowError("a chunk without text")
        sentence.append(chunk["text"])
        if "entity" in chunk:
            name, value = str(chunk["entity"]), chunk["text"].strip()
            slots.setdefault(name, []).append(value)
    prompt = "".join(sentence)
    values = {name: texts[0] if len(texts) == 1 else texts for name, texts in slots.items()}
    answer = compact({"intent": intent, "slots": values})
    messages: list[dict[str, Any]] = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return Converted(messages=messages, key=prompt, label=intent)


# Formats whose columns have fixed names; those of Alpaca and pairs depend on the file.
_WHOLE: dict[str, Callable[[Row], Converted]] = {
    "messages": from_messages,
    "sharegpt": from_sharegpt,
    "snips": _from_snips,
    "xlam": from_xlam,
    "preference": from_preference,
    "text": _from_text,
}
_COLUMNS = {
    "snips": ("data", "intent"),
    "xlam": ("query", "tools", "answers"),
    "text": ("text",),
    "preference": PREFERENCE_COLUMNS,
}
