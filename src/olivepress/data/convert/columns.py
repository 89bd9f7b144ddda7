"""The formats that the columns of a file fit, by the roles that their names have in public datasets.

A column that may contain a prompt, an answer or a class is never left out by a guess: ambiguity is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from olivepress.data.read.split_names import split_named

__all__ = ["CONTEXT", "LABELED", "PAIRS", "candidates", "looks_like_content", "suggestion", "unused_content"]

Row = Mapping[str, Any]

# (prompt column, answer column): the usual pairs, tried before any other prompt with any other answer.
PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("instruction", "response"),
    ("instruction", "output"),
    ("input", "output"),
    ("question", "answer"),
    ("query", "response"),
)
# (text column, class column)
LABELED = (
    ("text", "category"),
    ("text", "label"),
    ("text", "intent"),
    ("text", "class"),
    ("text", "sentiment"),
    ("sentence", "label"),
)
# Keys that belong to the prompt of a pair: dropping them silently would lose part of the prompt.
CONTEXT = ("input", "context", "history", "system")
_PROMPTS = ("prompt", "instruction", "input", "question", "query")
_ANSWERS = ("completion", "response", "output", "answer")
_TEXTS = ("text", "sentence", "utterance")
_LABELS = ("label", "labels", "class", "classes", "intent", "intents", "target", "targets", "sentiment")
# Names of a class next to a text; next to a question and its answer they only describe the row.
_SUBJECTS = ("category", "categories", "topic", "tag", "emotion", "domain")
_OTHER_CONTENT = (
    "context", "history", "system", "tools", "functions", "answers", "responses", "questions", "messages",
    "conversations", "passage", "document", "article", "chosen", "rejected", "rationale", "explanation", "reasoning",
    "thought", "thoughts", "thinking", "chain_of_thought", "cot", "choices", "options", "premise", "hypothesis",
    "summary", "translation", "solution", "hint", "preamble", "paragraph", "story", "user", "assistant", "human", "bot",
    "slots", "entities",
)  # fmt: skip
_CONTENT = frozenset((*_PROMPTS, *_ANSWERS, *_TEXTS, *_LABELS, *_OTHER_CONTENT))
# Words of longer names: system_prompt, input_text, final_answer.
_PARTS = frozenset((*_PROMPTS, *_ANSWERS, *_TEXTS, "context", "system", "history", "rationale", "reasoning"))
_DESCRIBES = frozenset(
    ("", "id", "_id", "idx", "index", "uid", "uuid", "guid", "key", "url", "uri", "link", "meta", "metadata", "source",
     "origin", "timestamp", "date", "created_at", "lang", "language", "license", "licence", "author", "title", "hash",
     "comment", "comments", "note", "notes", "file", "filename", "path", "__index_level_0__", "unnamed: 0")
)  # fmt: skip
# Columns allowed next to plain text: none that could be its class.
_IDENTIFIES = frozenset(
    ("", "id", "_id", "idx", "index", "uid", "uuid", "guid", "url", "uri", "meta", "metadata", "timestamp", "hash",
     "__index_level_0__", "unnamed: 0")
)  # fmt: skip
# Last words of names of columns that describe another one: prompt_id, answer_type.
_MEASURES = frozenset(
    ("id", "ids", "idx", "index", "len", "length", "tokens", "count", "hash", "lang", "language", "source", "url",
     "type", "format", "score", "model", "date", "time", "difficulty", "quality")
)  # fmt: skip
_WORD = re.compile(r"[a-z]+")
_MANY_WORDS = 8


def candidates(row: Row) -> list[str]:
    """The formats that fit ``row`` by its keys, and for conversations by the keys of its turns."""
    names = []
    for key in ("messages", "conversations"):
        if _is_list(row.get(key)):
            names.append(_turns_of(key, row[key]))
    if "data" in row and "intent" in row:
        names.append("snips")
    if {"query", "tools", "answers"} <= row.keys():
        names.append("xlam")
    if {"chosen", "rejected"} <= row.keys():
        names.append("preference")
    with_context = any(key in row for key in CONTEXT)
    is_alpaca = "instruction" in row and with_context and ("output" in row) != ("response" in row)
    if is_alpaca:
        names.append("alpaca")
    pairs = [pair for pair in PAIRS if pair[0] in row and pair[1] in row and not (is_alpaca and _covered(pair))]
    if not pairs and not names:
        pairs = [(prompt, answer) for prompt in _PROMPTS for answer in _ANSWERS if prompt in row and answer in row]
    names += [f"{prompt}/{answer}" for prompt, answer in pairs]
    names += [f"{text}/{label}" for text, label in LABELED if text in row and label in row]
    if not names and "text" in row and all(key.lower() in _IDENTIFIES for key in row if key != "text"):
        names.append("text")
    return names


def _covered(pair: tuple[str, str]) -> bool:
    """Whether Alpaca's format includes this pair."""
    return pair[0] == "instruction" or pair == ("input", "output")


def _is_list(value: Any) -> bool:
    """Whether it is a list, or the JSON text of one, as tables store it."""
    return isinstance(value, list) or (isinstance(value, str) and value.lstrip().startswith("["))


def _turns_of(key: str, turns: Any) -> str:
    """By the names of its turns' keys: ``role``/``content`` or ``from``/``value``."""
    if isinstance(turns, str):
        return "sharegpt" if '"from"' in turns else "messages"
    first = turns[0] if turns and isinstance(turns[0], dict) else {}
    if "from" in first or (key == "conversations" and "role" not in first):
        return "sharegpt"
    return "messages"


def looks_like_content(name: str, value: Any) -> bool:
    """Whether a column of this name and value may be content to learn from."""
    lowered = name.lower().strip()
    if lowered in _CONTENT:
        return value not in (None, "", [], {})
    if lowered == "split":
        return isinstance(value, str) and split_named(value) is not None
    if lowered in _DESCRIBES or lowered in _SUBJECTS or _measures(lowered):
        return False
    if value not in (None, "", [], {}) and _PARTS.intersection(_WORD.findall(lowered)):
        return not isinstance(value, (int, float))
    return isinstance(value, str) and len(value.split()) >= _MANY_WORDS


def _measures(lowered: str) -> bool:
    words = _WORD.findall(lowered)
    return bool(words) and words[-1] in _MEASURES


def unused_content(row: Row, name: str, used: Iterable[str]) -> list[str]:
    """Columns that the format ``name`` would leave out although they look like prompt, answer, context or class."""
    used = set(used)
    texts = _texts(row, used)
    unused = []
    for key, value in row.items():
        if key in used or _repeats(value, texts, of_turns=name in ("messages", "sharegpt")):
            continue
        is_class = key.lower() in _SUBJECTS and tuple(name.split("/")) in LABELED
        is_related = any(_is_related(key, other) for other in used) and not isinstance(value, (int, float))
        if is_class or (is_related and value not in (None, "")) or looks_like_content(key, value):
            unused.append(key)
    return unused


def _is_related(key: str, used: str) -> bool:
    """Whether it is like ``label_text`` next to ``label``; not ``label_id``."""
    lowered = key.lower()
    return used.lower() in lowered.split("_") and lowered != used.lower() and not _measures(lowered)


def _texts(row: Row, used: set[str]) -> list[str]:
    """The texts of the used columns, separately for each turn."""
    texts: list[str] = []
    for key in used & row.keys():
        value = row[key]
        turns = value if isinstance(value, list) else [value]
        for turn in turns:
            parts = turn.values() if isinstance(turn, dict) else [turn]
            texts += [part.strip() for part in parts if isinstance(part, str) and len(part.strip()) >= 4]
    return texts


def _repeats(value: Any, texts: list[str], *, of_turns: bool) -> bool:
    """Whether a column only repeats the used ones: all of them joined, or one turn of many."""
    if not isinstance(value, str) or not texts:
        return False
    text = value.strip()
    return (len(texts) > 1 and all(other in text for other in texts)) or (of_turns and text in texts)


def suggestion(row: Row) -> str:
    """A guess of ``--format`` for columns that fit no format, for the user to confirm."""
    names = {name.lower(): name for name in row}
    others = [name for name in row if name.lower() not in _DESCRIBES and not _measures(name.lower())]
    prompt = next((names[name] for name in (*_PROMPTS, *_TEXTS) if name in names), None)
    answer = next((names[name] for name in (*_ANSWERS, "chosen", "solution", "summary") if name in names), None)
    label = next((names[name] for name in (*_LABELS, *_SUBJECTS) if name in names), None)
    if prompt is None:
        prompt = next((name for name in others if name not in (answer, label)), "PROMPT_COLUMN")
    if answer is not None and answer != prompt:
        return f"--format {prompt}/{answer}"
    if label is None and prompt.lower() == "text":
        label = next((name for name in (*others, *row) if name != prompt), None)
    if label is not None and label != prompt:
        return f"--format {prompt}/{label}:label"
    return "--format PROMPT_COLUMN/ANSWER_COLUMN"
