"""Cleaning of one row, and the checks that may drop it: its texts first, then the conversation."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from olivepress.core.messages import some_of
from olivepress.data.convert.conversations import Converted
from olivepress.data.policy import Policy
from olivepress.data.prepare.fields import Kind, is_json, rewrite, rewrite_json
from olivepress.data.prepare.personal_data import Finder, find_personal_data, mask
from olivepress.data.text.words import comparable, count_words, is_unspaced, normal

__all__ = ["Cleaned", "clean", "clean_row", "clean_text"]

# In texts of printable ASCII, tab and newline only white space needs cleaning.
_UNUSUAL = re.compile(r"[^\t\n\x20-\x7e]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_BREAKS = re.compile(r"\r\n?|\u2028|\u2029|\x85")
# A zero-width space between letters of Khmer, Thai, Lao or Burmese marks the end of a word: it stays.
_SOUTHEAST = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u1aaf\ua9e0-\ua9ff\uaa60-\uaadf"
_INVISIBLE = re.compile(rf"[\u2060\ufeff\u00ad]|(?<![{_SOUTHEAST}])\u200b|\u200b(?![{_SOUTHEAST}])|(?<=\u200b)\u200b")
_SPACES = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_TRAILING = re.compile(r"[ \t]+(?=\n)")
# Words that do not end a sentence.
_MIDDLE = frozenset(
    ("a", "an", "and", "are", "as", "at", "because", "but", "by", "for", "from", "if", "in", "into", "is", "of", "on",
     "or", "than", "that", "the", "their", "to", "was", "with")
)  # fmt: skip
_PASSES = 4
_PLACES = 3  # of one kind that the audit lists
_MINIMUM_ECHO = 4  # words: the answer "yes" to "yes?" is not an echo
_MINIMUM_PROSE = 12  # words of an answer that may end in the middle of a sentence


@dataclass(slots=True)
class Cleaned:
    """The result of cleaning a row. ``problem``: why it is dropped; ``changes`` and ``notes``: text → detail."""

    problem: str | None = None
    detail: str = ""
    changes: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def clean(row: Converted, policy: Policy, finder: Finder = find_personal_data) -> Cleaned:
    """Clean ``row`` in place, and check it."""
    cleaned = Cleaned(changes=dict.fromkeys(row.changes, ""))
    places, lost = clean_row(row)
    cleaned.changes |= {change: f"in {_some(paths)}" for change, paths in places.items()}
    if lost:
        cleaned.notes["contains U+FFFD: text was lost before"] = f"in {_some(lost)}"
    _check(row, policy, cleaned)
    if cleaned.problem is None and policy.personal_data != "ignore":
        _treat_personal_data(row, policy, cleaned, finder)
    return cleaned


def clean_row(row: Converted) -> tuple[dict[str, list[str]], list[str]]:
    """Clean every text of ``row`` in place. Returns change → paths, and the paths of texts with lost characters.

    White space in arguments and tools stays: it may be intended.
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
    return some_of(list(dict.fromkeys(paths)), _PLACES)


def clean_text(text: str, *, trim: bool = True) -> tuple[str, list[str]]:
    """The text without encoding errors and invisible characters, and the changes made. Code keeps its indentation.

    ``trim`` removes white space at the ends of the text and of its lines.
    """
    changes: list[str] = []
    # Removing a control character may leave a sequence that is mojibake itself.
    for _ in range(_PASSES):
        if not _UNUSUAL.search(text):
            break
        before, more = text, list[str]()
        text = _clean_unusual(before, more)
        changes += [change for change in more if change not in changes]
        if text == before:
            break
    if not trim:
        return text, changes
    stripped = text.strip()
    if "\n" in stripped:  # the indentation of the first line belongs to the lines below it
        stripped = _TRAILING.sub("", text).strip("\n").rstrip()
    if stripped != text:
        changes.append("white space trimmed")
    return stripped, changes


def _clean_unusual(text: str, changes: list[str]) -> str:
    if _BREAKS.search(text):
        text = _BREAKS.sub("\n", text)
        changes.append("line breaks replaced by newlines")
    if not text.isascii():
        import ftfy

        # Characters from 0x80 to 0x9f may be mojibake: repair them before they are removed as control characters.
        if (fixed := ftfy.fix_text_segment(text, _ftfy_config())) != text:
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
            changes.append("Unicode normalized to NFC")
    return text


@lru_cache(maxsize=1)
def _ftfy_config() -> Any:
    """Repairs of wrongly decoded text and of broken surrogates; nothing that is a matter of taste."""
    import ftfy

    return ftfy.TextFixerConfig(
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


def _check(row: Converted, policy: Policy, cleaned: Cleaned) -> None:
    last = row.messages[-1]
    answer = last["content"]
    if _is_empty(row):
        cleaned.problem = "empty prompt or answer"
        return
    if row.rejected is not None and (problem := _pair_problem(last, row.rejected)):
        cleaned.problem = problem
        return
    if len(answer) < 3 or row.labeled:
        return
    if reason := _truncation(answer):
        cleaned.problem, cleaned.detail = "answer cut off", reason
    elif policy.echoes != "keep" and not row.plain and _is_echo(row.messages[-2]["content"], answer):
        cleaned.problem = "answer repeats the prompt"


def _pair_problem(chosen: dict[str, Any], rejected: dict[str, Any]) -> str | None:
    """Why two answers are no pair to learn a preference from."""
    if not rejected["content"] and not rejected.get("tool_calls"):
        return "empty rejected answer"
    return "chosen and rejected answers are equal" if chosen == rejected else None


def _is_empty(row: Converted) -> bool:
    """Whether the answer, or a user or system message before it, is empty."""
    last = row.messages[-1]
    if not last["content"] and not last.get("tool_calls"):
        return True
    if row.plain:
        return False
    return any(not message["content"] for message in row.messages[:-1] if message["role"] in ("user", "system"))


def _truncation(answer: str) -> str:
    """What shows that the answer is truncated; "" for nothing."""
    if answer[0] in "{[" and _is_open_json(answer):
        return "its JSON is not closed"
    if answer.count("```") % 2:
        return "a code fence is not closed"
    if answer[-1] not in ",(" and not answer[-1].isalpha():
        return ""
    words = answer.rsplit(None, 1)
    if len(words) < 2 or answer.count(" ") < _MINIMUM_PROSE or not answer[0].isalpha():
        return ""
    if answer[-1] in ",(":
        return f"ends with {answer[-1]!r}"
    if words[1] in _MIDDLE:
        return f"ends with the word {words[1]!r}"
    return ""


def _is_open_json(text: str) -> bool:
    """Whether ``text`` begins as a JSON object or list that is not closed; False for text that is not JSON."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        at_end = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        return at_end and not (text[0] == "[" and error.pos <= 1)
    except (ValueError, RecursionError):
        return False
    return False


def _is_echo(prompt: str, answer: str) -> bool:
    """Whether the answer begins with the whole prompt, ignoring case and white space."""
    if len(answer) < len(prompt) // 2 or answer[:1].casefold() != prompt.lstrip()[:1].casefold():
        return False
    if is_unspaced(prompt):
        begins = "".join(normal(answer).split()).startswith("".join(normal(prompt).split()))
        return begins and count_words(comparable(prompt)) >= _MINIMUM_ECHO
    asked = prompt.casefold().split()
    return len(asked) >= _MINIMUM_ECHO and answer.casefold().split()[: len(asked)] == asked


def _treat_personal_data(row: Converted, policy: Policy, cleaned: Cleaned, finder: Finder) -> None:
    places, in_keys = _find_places(row, finder, masks=policy.personal_data == "mask")
    if in_keys and policy.personal_data == "mask":
        cleaned.notes["personal data in ids or in the names of JSON values: not masked"] = _kinds(in_keys)
        in_keys = {}
    for kind, paths in in_keys.items():
        places.setdefault(kind, []).extend(paths)
    if not places:
        return
    if policy.personal_data == "drop":
        cleaned.problem, cleaned.detail = "personal data", _kinds(places)
    elif policy.personal_data == "mask":
        row.key = mask(row.key, finder(row.key))
        cleaned.changes["personal data masked"] = _kinds(places)
    else:
        cleaned.notes["personal data"] = _kinds(places)


def _find_places(row: Converted, finder: Finder, *, masks: bool) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Personal data in the texts of ``row``, masked in place on request: kind → paths of values, and of their names."""
    places: dict[str, list[str]] = {}
    in_keys: dict[str, list[str]] = {}

    def search(text: str, path: str, kind: Kind) -> str:
        if kind == "text" and is_json(text):
            return rewrite_json(text, path, search)
        findings = finder(text)
        paths = in_keys if kind == "key" else places
        for finding in findings:
            paths.setdefault(finding.kind, []).append(path)
        return mask(text, findings) if masks else text

    rewrite(row, search)
    return places, in_keys


def _kinds(places: dict[str, list[str]]) -> str:
    return "; ".join(f"{kind} in {_some(paths)}" for kind, paths in sorted(places.items()))
