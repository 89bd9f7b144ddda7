"""What is missing in a model card."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from olivepress.card.markdown import FILL_IN, HUB_LICENCES, SECTIONS
from olivepress.core.errors import RecipeError
from olivepress.core.yaml_document import parse_yaml
from olivepress.report.judgement import Judgement

__all__ = ["judge_card", "lint_card"]

_MARK = "\ufeff"
_BLOCK = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_HEADING = re.compile(r"^## (.+?)\s*$", re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*|multilingual|code")
_UNKNOWN = {
    "Results": "Not measured on any device",
    "Safety": "Safety was not measured",
    "What was lost in quantization": "It was not compared with its parent",
    "Training": "The settings are not known",
}


def lint_card(text: str, path: Path = Path("README.md")) -> tuple[str, ...]:
    """One line for each hole: in the metadata, sections that are missing or empty, what still has to be filled in."""
    return tuple(_findings(text, path))


def _findings(text: str, path: Path) -> Iterator[str]:
    if text.startswith(_MARK):
        yield "begins with a byte order mark, which hides the metadata: save it as UTF-8 without one"
    text = text.removeprefix(_MARK)
    block = _BLOCK.match(text)
    if block is None:
        yield "no metadata block at its beginning (--- … ---)"
    else:
        yield from _metadata(block[1], path)
    bodies = _sections(text)
    for title in SECTIONS:
        if title not in bodies:
            yield f"no section '{title}'"
            continue
        body = bodies[title]
        for missing in re.findall(rf"{re.escape(FILL_IN)}\s*(.*?)\s*-->", body, re.DOTALL):
            yield f"{title}: to be filled in: {' '.join(missing.split())}"
        if not _COMMENT.sub("", body).strip() and FILL_IN not in body:
            yield f"{title}: is empty"
        if title in _UNKNOWN and _UNKNOWN[title] in body:
            yield f"{title}: {_UNKNOWN[title][0].lower()}{_UNKNOWN[title][1:]}"
    if "**Licence of the base model**: not known" in text:
        yield "Base model and licence: the licence of the base model is not known"
    if "**Licence of the data**: not stated" in text:
        yield "Training data: the licence of the data is not stated"


def _metadata(block: str, path: Path) -> Iterator[str]:
    try:
        data: Any = parse_yaml(block, path).data
    except (RecipeError, yaml.YAMLError) as error:
        yield f"metadata: not valid YAML ({error})"
        return
    if not isinstance(data, dict):
        yield "metadata: expected a mapping of keys"
        return
    languages = data.get("language") or ()
    for language in [languages] if isinstance(languages, str) else languages:
        if not _LANGUAGE.fullmatch(str(language)):
            yield f"metadata: language {str(language)[:40]!r} is not a code such as en"
    if data.get("license") and str(data["license"]) not in (*HUB_LICENCES, "other"):
        yield f"metadata: license {str(data['license'])[:60]!r} is not one of the Hub's: write other, and license_name"
    if data.get("license") == "other" and not data.get("license_name"):
        yield "metadata: no license_name, which license: other needs"
    for key in ("license", "library_name", "pipeline_tag", "language"):
        if not data.get(key):
            yield f"metadata: no {key}"


def _sections(text: str) -> dict[str, str]:
    """Title → body of each section of the second level; what is inside a code block is no heading."""
    plain = re.sub(r"```.*?```", lambda match: match[0].replace("\n#", "\n "), text, flags=re.DOTALL)
    places = [(match[1], match.start(), match.end()) for match in _HEADING.finditer(plain)]
    ends = [start for _, start, _ in places[1:]] + [len(text)]
    # Without any heading there is one end and no title.
    return {title: text[begin:end] for (title, _, begin), end in zip(places, ends, strict=False)}


def judge_card(text: str | None) -> Judgement:
    """Pass when there is a card without holes."""
    if text is None:
        return Judgement(outcome="fail", evidence="there is no model card")
    holes = lint_card(text)
    if holes:
        return Judgement(outcome="fail", evidence=f"the model card has {len(holes)} holes: {'; '.join(holes)}")
    return Judgement(outcome="pass", evidence="the model card has no holes")
