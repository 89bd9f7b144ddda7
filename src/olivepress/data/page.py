"""The audit of a dataset as one HTML page: no network, no script, charts as SVG, all text from files escaped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from olivepress.charts.pages import render_page
from olivepress.charts.spec import WIDTH, Spec, make_spec, quantity
from olivepress.charts.svg import INSTALL, PALETTE, can_draw, render_svg
from olivepress.core.files import write_text
from olivepress.core.messages import counted
from olivepress.core.printable import printable
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.find import describe

__all__ = ["PAGE", "audit_page", "write_audit_page"]

PAGE = "audit.html"
_MOST_EVENTS, _MOST_OF_A_REASON = 300, 25
_CLASSES = 40
_WHOLE_NUMBERS = {"tickMinStep": 1}  # there are no half rows
_NO_CHARTS = f"Charts need vl-convert-python: {INSTALL}, then prepare again."


def write_audit_page(dataset: Dataset, directory: Path) -> Path | None:
    """Write ``audit.html`` into the dataset's directory, if it is not there. None for a dataset without an audit."""
    if dataset.files is None:
        return None
    path = directory / PAGE
    if not path.is_file():
        write_text(path, audit_page(dataset))
    return path


def audit_page(dataset: Dataset) -> str:
    """The page's HTML."""
    from markupsafe import Markup

    description = describe(dataset)
    events, total = _events(dataset.files / "audit.jsonl" if dataset.files else None)
    charts = [
        {
            "title": spec["title"],
            "words": spec["description"],
            "svg": Markup(render_svg(spec)) if can_draw() else "",
        }
        for spec in _specs(description["statistics"] or {})
    ]
    return render_page(
        "olivepress.data", "page.html", d=_document(description), events=events, total=total, charts=charts,
        no_charts="" if can_draw() or not charts else _NO_CHARTS,
    )  # fmt: skip


def _document(description: Mapping[str, Any]) -> dict[str, Any]:
    read, dropped = sum(description["read"].values()), sum(description["dropped"].values())
    files = counted(len(description["read"]), "file")
    equation = ""
    if read:
        equation = f"{counted(read, 'row')} in from {files} = {read - dropped:,} kept + {dropped:,} dropped."
    statistics = description["statistics"] or {}
    reasons = [
        (action, printable(reason), count)
        for action in ("dropped", "changed", "noted")
        for reason, count in sorted(description[action].items(), key=lambda item: -item[1])
    ]
    return {
        "name": printable(description["name"]),
        "version": description["version"],
        "rows": list(description["rows"].items()),
        "rows_text": ", ".join(f"{count:,} {split}" for split, count in description["rows"].items()),
        "equation": equation,
        "reasons": reasons,
        "advice": [{"level": each["level"], "text": printable(each["text"])} for each in description["advice"]],
        "diversity": _diversity(statistics),
        "source": [(title, printable(text)) for title, text in _source(description)],
    }


def _source(description: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Format", description["format"]
    for key, title in (("origin", "Source"), ("licence", "Licence")):
        yield title, str(description["source"].get(key, "unknown"))
    for file, count in list(description["read"].items())[:40]:
        unused = ", ".join(description["unused_columns"].get(file, ()))
        yield file, f"{count:,} rows" + (f"; columns not used: {unused}" if unused else "")
    for parent in description["parents"]:
        yield "Derived from", f"{parent['name']}, sha256 {parent['version']}"
    for parent, count in description["left_out"].items():
        yield f"Left out of {parent}", f"{counted(count, 'training row')} beyond its share"


def _diversity(statistics: Mapping[str, Any]) -> str:
    if statistics.get("distinct_2") is None:
        return ""
    text = f"distinct-1 {statistics['distinct_1']}, distinct-2 {statistics['distinct_2']}"
    text += f" of {statistics['sampled']} prompts"
    if statistics.get("semantic_diversity") is not None:
        text += f"; semantic diversity {statistics['semantic_diversity']}"
    return text + "."


def _specs(statistics: Mapping[str, Any]) -> Iterator[Spec]:
    for part in ("prompt", "answer"):
        lengths = statistics.get("lengths", {}).get(part, {"n": 0})
        if lengths["n"]:
            yield _histogram(f"Length of {part}s", statistics["unit"], lengths)
    for split, counts in statistics.get("labels", {}).items():
        if len(counts) <= _CLASSES or max(counts.values()) > 1:  # one row per class makes no useful chart
            yield _bars(f"Classes of {split}", "rows", counts)
    if statistics.get("languages"):
        shares = {code: 100 * share for code, share in statistics["languages"].items()}
        yield _bars(f"Languages of {statistics['sampled']} prompts", "per cent", shares)


def _histogram(title: str, unit: str, lengths: Mapping[str, Any]) -> Spec:
    data = [
        {"low": low, "high": high, "rows": count}
        for low, high, count in zip(lengths["edges"], lengths["edges"][1:], lengths["counts"], strict=False)
    ]
    words = [
        f"n={lengths['n']:,}",
        f"median {lengths['median']:g} {unit}",
        f"95 % up to {lengths['p95']:g}",
        f"99 % up to {lengths['p99']:g}",
        f"longest {lengths['maximum']:,}",
    ]
    encoding = {
        "x": quantity("low", unit, bin={"binned": True}, axis=_WHOLE_NUMBERS),
        "x2": {"field": "high"},
        "y": quantity("rows", "rows", axis=_WHOLE_NUMBERS),
    }
    mark = {"type": "bar", "color": PALETTE[0]}
    return make_spec(title, words, (), width=WIDTH, height=180, data={"values": data}, mark=mark, encoding=encoding)


def _bars(title: str, unit: str, counts: Mapping[str, float]) -> Spec:
    """The most frequent ones, largest first; the rest is described in words."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    data = [{"name": printable(str(name))[:60], "value": value} for name, value in ordered[:_CLASSES]]
    largest, smallest = ordered[0], ordered[-1]
    words = [f"{len(ordered)} in all", f"most {largest[0]} {largest[1]:g}", f"least {smallest[0]} {smallest[1]:g}"]
    if len(ordered) > _CLASSES:
        words.append(f"the {_CLASSES} largest are drawn")
    encoding = {
        "y": {"field": "name", "type": "nominal", "sort": None, "title": None},
        "x": quantity("value", unit, axis=_WHOLE_NUMBERS),
    }
    mark = {"type": "bar", "color": PALETTE[2]}
    return make_spec(title, words, (), width=WIDTH, data={"values": data}, mark=mark, encoding=encoding)


def _events(path: Path | None) -> tuple[list[dict[str, Any]], int]:
    """The first entries of every reason, and the number of all entries."""
    if path is None or not path.is_file():
        return [], 0
    shown: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    total = 0
    with path.open(encoding="utf-8") as file:
        for line in file:
            total += 1
            entry = json.loads(line)
            counts[entry["reason"]] += 1
            if counts[entry["reason"]] <= _MOST_OF_A_REASON and len(shown) < _MOST_EVENTS:
                texts = {key: printable(str(entry.get(key, ""))) for key in ("file", "action", "reason", "detail")}
                shown.append({**texts, "line": entry["line"], "row": entry["row"]})
    return shown, total
