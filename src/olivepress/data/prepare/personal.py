"""Personal data that has a form of its own: what carries a check digit must have the right one.

Names and addresses have no form; for those there is ``presidio``, which brings recognizers of its own.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

__all__ = ["Finder", "Finding", "find_personal", "mask"]

Finder = Callable[[str], list["Finding"]]


class Finding(NamedTuple):
    """What was found, and from which character to which."""

    kind: str
    start: int
    end: int


# Without one of these in it, a text has nothing that the patterns could find.
_CANDIDATE = re.compile(r"[@＠]|\d(?:[\d .()/:-]*\d){5}|\d\.\d{1,3}\.\d{1,3}\.\d")
_EMAIL = re.compile(r"(?<![\w.+-])[^\W_][\w.+-]{0,63}[@＠](?:(?:[^\W_]|-){1,63}\.)+[^\W\d_]{2,24}(?![\w-])")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_CARD = re.compile(
    r"(?<![\d.,-])[3-6]\d{3}(?:([ -]?)\d{4}(?:\1\d{4}){1,2}(?:\1\d{1,3})?|[ -]?\d{6}[ -]?\d{5})(?![\d-])"
)
# With its country code, or as three groups with the first in brackets or all joined by the same mark.
_PHONE = re.compile(
    r"(?<![\w+])\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d(?:[ .-]?\d){6,11}(?![\d-])"
    r"|(?<![\w-])\(\d{3}\) ?\d{3}[ -]\d{4}(?![\d-])"
    r"|(?<![\w.-])\d{3}([.-])\d{3}\1\d{4}(?![\w-])"
)
_SSN = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")
_PESEL = re.compile(r"(?<![\d.,-])\d{11}(?![\d-])")
_IP = re.compile(r"(?<![\w.])(?<![Vv]ersion )(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")


def find_personal(text: str) -> list[Finding]:
    """E-mail addresses, payment cards, IBANs, telephone numbers, US and Polish national numbers, public IP addresses.

    In the order of the text, without overlaps.
    """
    if not _CANDIDATE.search(text):
        return []
    found: list[Finding] = []
    for one in _search(text):
        if all(one.end <= held.start or one.start >= held.end for held in found):
            found.append(one)
    return sorted(found, key=lambda one: one.start)


def _search(text: str) -> Iterator[Finding]:
    for kind, pattern, holds in _KINDS:
        for match in pattern.finditer(text):
            if holds(match.group()):
                yield Finding(kind, match.start(), match.end())


def _is_iban(text: str) -> bool:
    from stdnum import iban

    return bool(iban.is_valid(text))


def _is_card(text: str) -> bool:
    from stdnum import luhn

    digits = re.sub(r"\D", "", text)
    return len(set(digits)) > 1 and bool(luhn.is_valid(digits))


def _is_ssn(text: str) -> bool:
    from stdnum.us import ssn

    return bool(ssn.is_valid(text))


def _is_pesel(text: str) -> bool:
    from stdnum.pl import pesel

    return bool(pesel.is_valid(text))


def _is_public_ip(text: str) -> bool:
    try:
        return ipaddress.IPv4Address(text).is_global
    except ValueError:
        return False


_KINDS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("e-mail address", _EMAIL, lambda _: True),
    ("IBAN", _IBAN, _is_iban),
    ("payment card", _CARD, _is_card),
    ("national number", _PESEL, _is_pesel),
    ("national number", _SSN, _is_ssn),
    ("telephone number", _PHONE, lambda _: True),
    ("IP address", _IP, _is_public_ip),
)


_JSON_NUMBER = re.compile(r"-?\d[\d.]*")
_BEFORE_VALUE, _AFTER_VALUE = re.compile(r"(?:\"\s*:|[\[,])\s*$"), re.compile(r"\s*[,}\]]")
_NEAR = 16  # characters before a value in which its colon stands


def mask(text: str, findings: list[Finding]) -> str:
    """``text`` with every finding replaced by its kind in angle brackets, as ``<E-MAIL ADDRESS>``.

    A bare number that stands as a value of JSON gets quotes: what was JSON in the text stays JSON.
    """
    for one in reversed(findings):
        masked = f"<{one.kind.upper()}>"
        if (
            _JSON_NUMBER.fullmatch(text, one.start, one.end)
            and _BEFORE_VALUE.search(text[max(0, one.start - _NEAR) : one.start])
            and _AFTER_VALUE.match(text, one.end)
        ):
            masked = f'"{masked}"'
        text = f"{text[: one.start]}{masked}{text[one.end :]}"
    return text
