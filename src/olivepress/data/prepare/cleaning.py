"""What is done to one example, and why it is dropped: text first, then the conversation."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any

from olivepress.data.convert.conversations import Converted
from olivepress.data.prepare.fields import Kind, is_json, rewrite, rewrite_json
from olivepress.data.prepare.personal import Finder, find_personal, mask
from olivepress.data.prepare.policy import Policy
from olivepress.data.prepare.words import comparable, count_words, is_unspaced, normal

__all__ = ["Cleaned", "clean", "clean_row", "clean_text"]

# Printable ASCII, tab and newline need nothing but a look at their white space.
_UNUSUAL = re.compile(r"[^\t\n\x20-\x7e]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_BREAKS = re.compile(r"\r\n?|\u2028|\u2029|\x85")
# A zero-width space between letters of Khmer, Thai, Lao or Burmese says where a word ends: it stays.
_SOUTHEAST = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u1aaf\ua9e0-\ua9ff\uaa60-\uaadf"
_INVISIBLE = re.compile(rf"[\u2060\ufeff\u00ad]|(?<![{_SOUTHEAST}])\u200b|\u200b(?![{_SOUTHEAST}])|(?<=\u200b)\u200b")
_SPACES = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_TRAILING = re.compile(r"[ \t]+(?=\n)")
_MIDDLE = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "because",
        "but",
        "by",
        "for",
        "from",
        "if",
        "in",
        "into",
        "is",
        "of",
        "on",
        "or",
        "than",
        "that",
        "the",
        "their",
        "to",
        "was",
        "with",
    ]
)
_PASSES = 4
_PLACES = 3  # of one kind that are named in the audit
_MINIMUM_ECHO = 4  # words; "yes" in answer to "yes?" echoes nothing
_MINIMUM_PROSE = 12  # words of an answer that ends in the middle of a sentence


@dataclass(slots=True)
class Cleaned:
    """What became of one row. ``problem``: why it is dropped; ``changes`` and ``notes``: what is told → its detail."""

    problem: str | None = None
    detail: str = ""
    changes: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def clean(row: Converted, policy: Policy, finder: Finder = find_personal) -> Cleaned:
    """Clean ``row`` in place, and judge it."""
    told = Cleaned(changes=dict.fromkeys(row.changes, ""))
    places, lost = clean_row(row)
    told.changes |= {change: f"in {_some(paths)}" for change, paths in places.items()}
    if lost:
        told.notes["holds U+FFFD: text was lost before"] = f"in {_some(lost)}"
    _judge(row, policy, told)
    if told.problem is None and policy.personal_data != "ignore":
        _personal(row, policy, told, finder)
    return told


def clean_row(row: Converted) -> tuple[dict[str, list[str]], list[str]]:
    """Clean every text of ``row`` in place: change → paths, and the paths of texts in which characters are lost.

    White space in arguments and tools stays: it may be what is asked for.
    """
    places: dict[str, list[str]] = {}
    lost: list[str] = []

    def change(text: str, path: str, kind: Kind) -> str:
        if kind in ("number", "key"):
            return text
        cleaned, changes = clean_text(text, trim=kind == "text")
        for what in changes:
            places.setdefault(what, []).append(path)
        if "\ufffd" in cleaned:
            lost.append(path)
        return cleaned

    rewrite(row, change)
    if places or row.changes:
        row.key, _ = clean_text(row.key)
    return places, lost


def _some(paths: list[str]) -> str:
    every = list(dict.fromkeys(paths))
    return ", ".join(every[:_PLACES]) + (f" and {len(every) - _PLACES} more" if len(every) > _PLACES else "")


def clean_text(text: str, *, trim: bool = True) -> tuple[str, list[str]]:
    """The text without what nobody meant to write, and what was done to it. The newlines and indents of code stay.

    ``trim``: without white space at the ends of the text and of its lines.
    """
    changes: list[str] = []
    # What stands together once a control character is gone may be mojibake in its turn.
    for _ in range(_PASSES):
        if not _UNUSUAL.search(text):
            break
        before, found = text, list[str]()
        text = _unusual(before, found)
        changes += [change for change in found if change not in changes]
        if text == before:
            break
    if not trim:
        return text, changes
    stripped = _TRAILING.sub("", text) if "\n" in text else text
    # The indent of a first line belongs to the lines below it.
    stripped = stripped.strip("\n").rstrip() if "\n" in stripped.strip() else stripped.strip()
    if stripped != text:
        changes.append("white space trimmed")
    return stripped, changes


def _unusual(text: str, changes: list[str]) -> str:
    if _BREAKS.search(text):
        text = _BREAKS.sub("\n", text)
        changes.append("line breaks made newlines")
    if not text.isascii():
        import ftfy

        # Bytes from 0x80 to 0x9f are mojibake's raw material: look at them before they are taken for controls.
        if (fixed := ftfy.fix_text_segment(text, _fixes())) != text:
            text = fixed
            changes.append("mojibake repaired")
    if _CONTROL.search(text) or re.search(r"[\x80-\x9f]", text):
        text = re.sub(r"[\x80-\x9f]", "", _CONTROL.sub("", _ESCAPE.sub("", text)))
        changes.append("control characters removed")
    if not text.isascii():
        spaced = _SPACES.sub(" ", _INVISIBLE.sub("", text))
        if spaced != text:
            text = spaced
            changes.append("invisible and odd spaces replaced")
        if not unicodedata.is_normalized("NFC", text):
            text = unicodedata.normalize("NFC", text)
            changes.append("Unicode form made NFC")
    return text


def _fixes() -> Any:
    """ftfy's repairs of wrongly decoded text and of broken surrogates; nothing that is a matter of taste."""
    import ftfy

    global _FTFY
    if _FTFY is None:
        _FTFY = ftfy.TextFixerConfig(
            unescape_html=False,
            remove_terminal_escapes=False,
            fix_latin_ligatures=False,
            fix_character_width=False,
            uncurl_quotes=False,
            fix_line_breaks=False,
            remove_control_chars=False,
            normalization=None,
            explain=False,
        )
    return _FTFY


_FTFY: Any = None


def _judge(row: Converted, policy: Policy, told: Cleaned) -> None:
    answer, last = row.messages[-1]["content"], row.messages[-1]
    if not answer and not last.get("tool_calls"):
        told.problem = "empty prompt or answer"
        return
    if not row.plain and any(not m["content"] for m in row.messages[:-1] if m["role"] in ("user", "system")):
        told.problem = "empty prompt or answer"
        return
    if len(answer) < 3 or row.labelled:
        return
    if why := _cut_short(answer):
        told.problem, told.detail = "answer cut off", why
        return
    if policy.echoes != "keep" and not row.plain and _echoes(row.messages[-2]["content"], answer):
        told.problem = "answer repeats the prompt"


def _cut_short(answer: str) -> str:
    """Why the answer must have been longer, or nothing."""
    if answer[0] in "{[" and _is_open_json(answer):
        return "its JSON is not closed"
    if answer.count("```") % 2:
        return "a code fence is not closed"
    if answer[-1] in ",(" or answer[-1].isalpha():
        words = answer.rsplit(None, 1)
        if len(words) == 2 and answer.count(" ") >= _MINIMUM_PROSE and answer[0].isalpha():
            if answer[-1] in ",(":
                return f"ends with {answer[-1]!r}"
            if words[1] in _MIDDLE:
                return f"ends with the word {words[1]!r}"
    return ""


def _is_open_json(text: str) -> bool:
    """Whether ``text`` begins as a JSON object or list and ends before it does; what is no JSON is not open."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        at_end = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        return at_end and not (text[0] == "[" and error.pos <= 1)
    except (ValueError, RecursionError):
        return False
    return False


def _echoes(prompt: str, answer: str) -> bool:
    """Whether the answer begins with the whole prompt, whatever their case and white space."""
    if len(answer) < len(prompt) // 2 or answer[:1].casefold() != prompt.lstrip()[:1].casefold():
        return False
    if is_unspaced(prompt):
        begins = "".join(normal(answer).split()).startswith("".join(normal(prompt).split()))
        return begins and count_words(comparable(prompt)) >= _MINIMUM_ECHO
    asked = prompt.casefold().split()
    return len(asked) >= _MINIMUM_ECHO and answer.casefold().split()[: len(asked)] == asked


def _personal(row: Converted, policy: Policy, told: Cleaned, finder: Finder) -> None:
    places, in_keys = _look(row, finder, masks=policy.personal_data == "mask")
    if in_keys and policy.personal_data == "mask":
        told.notes["personal data in ids or in the names of JSON values: not masked"] = _kinds(in_keys)
        in_keys = {}
    for kind, paths in in_keys.items():
        places.setdefault(kind, []).extend(paths)
    if not places:
        return
    if policy.personal_data == "drop":
        told.problem, told.detail = "personal data", _kinds(places)
    elif policy.personal_data == "mask":
        row.key = mask(row.key, finder(row.key))
        told.changes["personal data masked"] = _kinds(places)
    else:
        told.notes["personal data"] = _kinds(places)


def _look(row: Converted, finder: Finder, *, masks: bool) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Personal data in every text of ``row``, masked there if asked: kind → paths of values, and of names of values."""
    places: dict[str, list[str]] = {}
    in_keys: dict[str, list[str]] = {}

    def look(text: str, path: str, kind: Kind) -> str:
        if kind == "text" and is_json(text):
            return rewrite_json(text, path, look)
        findings = finder(text)
        for one in findings:
            (in_keys if kind == "key" else places).setdefault(one.kind, []).append(path)
        return mask(text, findings) if masks else text

    rewrite(row, look)
    return places, in_keys


def _kinds(places: dict[str, list[str]]) -> str:
    return "; ".join(f"{kind} in {_some(paths)}" for kind, paths in sorted(places.items()))
