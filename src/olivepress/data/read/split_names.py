"""Names of splits in files, folders, tables and JSON keys."""

from __future__ import annotations

import re

__all__ = ["split_in", "split_named"]

_NAMES = (
    ("train", re.compile(r"train(ing|set|data)?|trn")),
    ("validation", re.compile(r"val(id|set|idation|idate|data)?|dev(set|el|elopment|data)?|eval(uation|set)?")),
    ("test", re.compile(r"test(ing|set|data|[a-z])?|tst")),
)
_WORD = re.compile(r"[a-z]+")


def split_named(name: str) -> str | None:
    """The split that a whole name stands for (``Dev``, ``validation_set``, ``test-00000-of-00001``), or None."""
    words = [word for word in _WORD.findall(name.lower()) if word not in ("of", "set", "split", "data")]
    return _split(words[0]) if len(words) == 1 else None


def split_in(name: str) -> str | None:
    """The split that the first fitting word of a name stands for; or None."""
    splits = (_split(word) for word in _WORD.findall(name.lower()))
    return next((split for split in splits if split), None)


def _split(word: str) -> str | None:
    return next((split for split, pattern in _NAMES if pattern.fullmatch(word)), None)
