"""Names of splits, as files, folders, tables and keys of JSON have them."""

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
    """The split that the whole name says: ``train``, ``Dev``, ``validation_set``, ``test-00000-of-00001``; or None."""
    words = [word for word in _WORD.findall(name.lower()) if word not in ("of", "set", "split", "data")]
    return _split(words[0]) if len(words) == 1 else None


def split_in(name: str) -> str | None:
    """The split that a file's, folder's or stored split's name tells: its first word, else any; or None."""
    known = [split for word in _WORD.findall(name.lower()) if (split := _split(word))]
    return known[0] if known else None


def _split(word: str) -> str | None:
    return next((split for split, pattern in _NAMES if pattern.fullmatch(word)), None)
