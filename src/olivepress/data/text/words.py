"""Words in every script, and the keys that texts are compared by.

A word consists of letters, digits and underscores with their combining marks: the vowel signs of Hindi, Tamil or
Burmese, the points of Hebrew and Arabic. Thai, Lao, Khmer, Burmese, Chinese and Japanese have no spaces between words:
there each letter with its marks is a unit, which counts as a part of a word (``_UNSPACED``): "13 words in a row" are 20
Chinese characters, 26 kana or 39 Thai letters.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["WORD_PARTS", "comparable", "count_words", "exact_key", "normal", "parts_of_letters", "word_windows"]

WORD_PARTS = 6  # of a word between spaces
_HAN, _KANA, _LETTER = 4, 3, 2  # 1.5 characters, 2 kana, 3 letters with their marks are about a word
# (first, last, parts of a word); digits of these scripts stand between the ranges and make words of their own.
_UNSPACED = (
    (0x0E01, 0x0E4E, _LETTER),  # Thai
    (0x0E81, 0x0ECF, _LETTER), (0x0EDC, 0x0EDF, _LETTER),  # Lao
    (0x1000, 0x103F, _LETTER), (0x104A, 0x108F, _LETTER), (0x109A, 0x109F, _LETTER),  # Burmese, Shan, Mon
    (0x1780, 0x17DF, _LETTER),  # Khmer
    (0x1950, 0x19CF, _LETTER), (0x1A20, 0x1A7F, _LETTER), (0x1AA0, 0x1AAF, _LETTER),  # Tai Le, New Tai Lue, Tai Tham
    (0x3005, 0x3007, _HAN), (0x3021, 0x3029, _HAN), (0x3038, 0x303C, _HAN),
    (0x3041, 0x30FF, _KANA), (0x3100, 0x312F, _HAN), (0x31A0, 0x31BF, _HAN), (0x31F0, 0x31FF, _KANA),
    (0x3400, 0x4DBF, _HAN), (0x4E00, 0x9FFF, _HAN),
    (0xA9E0, 0xA9EF, _LETTER), (0xA9FA, 0xA9FF, _LETTER), (0xAA60, 0xAA7F, _LETTER), (0xAA80, 0xAADF, _LETTER),
    (0xF900, 0xFAFF, _HAN), (0x1B000, 0x1B16F, _KANA), (0x20000, 0x3FFFF, _HAN),
)  # fmt: skip
_BORDERS = [border for first, last, _ in _UNSPACED for border in (first, last + 1)]
_PARTS = [WORD_PARTS, *(parts for _, _, part in _UNSPACED for parts in (part, WORD_PARTS))]
_BORDER_ARRAY, _PARTS_ARRAY = np.array(_BORDERS, np.uint32), np.array(_PARTS, np.int64)
_SCRIPTS = "".join(f"{chr(first)}-{chr(last)}" for first, last, _ in _UNSPACED)
_HAS_UNSPACED = re.compile(f"[{_SCRIPTS}]")

_PLAIN_WORDS = re.compile(r"\w+")
# Scripts that may have combining marks or no spaces: not Latin, Greek, Cyrillic, Armenian, Hangul, symbols and emoji.
_HAS_MARKS = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u1dff\u200c\u200d\u20d0-\u20ff\u2cef-\uabff\ud7b0-\U0001efff\U0001fb00-\U0010ffff]"
)
# Ligatures, positional forms of Arabic letters, full and half width: one letter with several code points.
_FORMS = re.compile("[\ufb00-\ufb06\ufb13-\ufdff\ufe70-\ufefc\uff01-\uffee]+")
# Soft hyphen, Arabic elongation, word joiner, variation selectors: they change the look of a word, not the word.
_NO_LETTERS = re.compile("[\u00ad\u0640\u2060\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]")
_ALIKE = str.maketrans({"ς": "σ", "’": "'", "‘": "'", "ʼ": "'", "−": "-", "‐": "-", "‑": "-"})


def folded(text: str) -> str:
    """Lower case, with one code point per letter. Letters that distinguish words stay: ß, the dotless ı, accents.

    ``str.casefold`` would equate Maße and Masse, and distinguish İzmir and izmir.
    """
    if text.isascii():
        return text.lower()
    text = _FORMS.sub(lambda form: unicodedata.normalize("NFKC", form.group()), text)
    text = unicodedata.normalize("NFC", text).lower().replace("i\u0307", "i")
    return _NO_LETTERS.sub("", text).translate(_ALIKE)


def normal(text: str) -> str:
    """The text in lower case, with single spaces."""
    return " ".join(folded(text).split())


def comparable(text: str) -> str:
    """The text's words in lower case, separated by single spaces: the key for near duplicates."""
    text = folded(text)
    words = _words() if _HAS_MARKS.search(text) else _PLAIN_WORDS
    return " ".join(words.findall(text))


@lru_cache(maxsize=1)
def _words() -> Any:
    """Words with marks and joiners; in scripts without spaces single letters (in Khmer and Burmese stacks)."""
    import regex

    letter, unspaced = rf"[[\p{{L}}\p{{N}}_]--[{_SCRIPTS}]]", rf"[\p{{L}}\p{{N}}&&[{_SCRIPTS}]]"
    more = rf"[{letter}\p{{M}}]"
    stack = rf"{unspaced}(?:[\u17d2\u1039\u1a60]{unspaced}|\p{{M}})*+"
    return regex.compile(rf"(?V1){letter}{more}*+(?:[\u200c\u200d]+{more}++)*+|{stack}")


def _parts(unit: str) -> int:
    return _PARTS[bisect_right(_BORDERS, ord(unit[0]))]


def parts_of_letters(letters: NDArray[np.uint32]) -> NDArray[np.int64]:
    """The parts that a word beginning with each of ``letters`` counts for; WORD_PARTS are a whole word."""
    return _PARTS_ARRAY[np.searchsorted(_BORDER_ARRAY, letters, side="right")]


def is_unspaced(key: str) -> bool:
    """Whether a script without spaces occurs in a key of ``comparable``."""
    return not key.isascii() and _HAS_UNSPACED.search(key) is not None


def count_words(key: str) -> int:
    """Words of a key of ``comparable``, those of scripts without spaces by their length; at least 1, 0 if empty."""
    if not key:
        return 0
    if not is_unspaced(key):
        return key.count(" ") + 1
    return max(1, sum(map(_parts, key.split(" "))) // WORD_PARTS)


def word_windows(words: Sequence[str], size: int) -> list[tuple[int, int]]:
    """(first, end) of every window of ``size`` words, in the order of ``shingles.word_shingles``."""
    if not is_unspaced("".join(words)):
        return [(first, first + size) for first in range(len(words) - size + 1)]
    ends = [0, *accumulate(map(_parts, words))]
    windows, end = [], 0
    for first in range(len(words)):
        while end < len(words) and ends[end] - ends[first] < size * WORD_PARTS:
            end += 1
        if ends[end] - ends[first] < size * WORD_PARTS:
            break
        windows.append((first, end))
    return windows


_CODE = re.compile(r"[{}\[\]<>=\\`]|\w\(")
# The marks of sentences in Latin, Greek, Arabic, Indic, Burmese, Khmer, Tibetan, Ethiopic, Chinese, Japanese writing.
_MARKS = ".,;:!?…·،؛؟۔।॥၊။។៕༌།༎።፣፤፥፧‧。、｡､・"
_QUOTES, _DASHES = "\"'«»„“”‚‹›「」『』《》〈〉【】¿¡", "–—"
_PUNCTUATION = re.compile(f"[{_MARKS}{_QUOTES}{_DASHES}]+")
_NUMBERS_APART = re.compile(r"[\d.,:;]\s+[-+.]?\d")
_SPACE = re.compile(r"(?<=[\d.,:;])(\s)\s*(?=[-+.]?\d)|\s+")


def exact_key(text: str) -> str:
    """The text without case, spaces and sentence punctuation: texts with equal keys count as the same.

    Characters that distinguish numbers, names or programs stay: "1.5" and "15", "-5" and "5", "a/b" and "ab", "we'll"
    and "well", "1 5" and "15" are different. Text that looks like a program or JSON is only folded by ``normal``.
    """
    if _CODE.search(text):
        return normal(text)
    key = _PUNCTUATION.sub(_keep_if_significant, folded(text).strip())
    key = _SPACE.sub(r"\1", key) if _NUMBERS_APART.search(key) else "".join(key.split())
    return key or normal(text)


def _keep_if_significant(punctuation: re.Match[str]) -> str:
    """Punctuation that is part of a number, a name or a word (1.5, 10:30, .net, 5!), else nothing."""
    marks, text, (start, end) = punctuation.group(), punctuation.string, punctuation.span()
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    if before.isalpha() and after in ("", " ") and marks[0] not in _DASHES:
        return ""
    number_before = text[max(0, start - 4) : start].rstrip()[-1:].isdigit()
    number_after = text[end : end + 4].lstrip()[:2].lstrip("-+.")[:1].isdigit()
    is_dash = marks[0] in _DASHES
    is_significant = (
        (number_before and number_after)
        or (is_dash and (number_before or number_after))
        or (before.isdigit() and marks[0] in "'\"!")
        or (after.isdigit() and marks[-1] in "'\"")
        or (not is_dash and _in_word(after) and (marks[-1] in ".,;:!?·" or _in_word(before)))
    )
    return marks if is_significant else ""


def _in_word(letter: str) -> bool:
    """Whether ``letter`` belongs to a script with spaces between words."""
    return (letter.isalnum() or letter == "_") and _parts(letter) == WORD_PARTS
