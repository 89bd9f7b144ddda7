"""Personal data with a recognizable format; a check digit, where there is one, must be correct.

Names and postal addresses have no format; ``presidio`` adds more recognizers.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

__all__ = ["Finder", "Finding", "find_personal_data", "mask"]

Finder = Callable[[str], list["Finding"]]


class Finding(NamedTuple):
    """A kind of personal data in a text, from the character ``start`` up to ``end``."""

    kind: str
    start: int
    end: int


# No pattern matches a text without one of these.
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


def find_personal_data(text: str) -> list[Finding]:
    """E-mail addresses, payment cards, IBANs, telephone numbers, US and Polish national numbers, public IP addresses.

    In the order of the text, without overlaps.
    """
    if not _CANDIDATE.search(text):
        return []
    findings: list[Finding] = []
    for finding in _search(text):
        if all(finding.end <= other.start or finding.start >= other.end for other in findings):
            findings.append(finding)
    return sorted(findings, key=lambda finding: finding.start)


def _search(text: str) -> Iterator[Finding]:
    for kind, pattern, is_valid in _KINDS:
        for match in pattern.finditer(text):
            if is_valid(match.group()):
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
_NEAR = 16  # characters before a value that are searched for its colon


def mask(text: str, findings: list[Finding]) -> str:
    """``text`` with every finding replaced by its kind in angle brackets, as ``<E-MAIL ADDRESS>``.

    A bare number that is a JSON value gets quotes, so that JSON in the text stays valid.
    """
    for finding in reversed(findings):
        masked = f"<{finding.kind.upper()}>"
        if (
            _JSON_NUMBER.fullmatch(text, finding.start, finding.end)
            and _BEFORE_VALUE.search(text[max(0, finding.start - _NEAR) : finding.start])
            and _AFTER_VALUE.match(text, finding.end)
        ):
            masked = f'"{masked}"'
        text = f"{text[: finding.start]}{masked}{text[finding.end :]}"
    return text
