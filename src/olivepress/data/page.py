"""The audit of a dataset as one page: no network, no script, charts as SVG, every text of a file escaped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from olivepress.charts.spec import WIDTH, Spec, make_spec, quantity
from olivepress.charts.style import style_sheet
from olivepress.charts.svg import INSTALL, PALETTE, can_draw, render_svg
from olivepress.charts.table import printable
from olivepress.core.files import write_text
from olivepress.data.convert.values import counted
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.find import describe

__all__ = ["PAGE", "audit_page", "write_audit_page"]

PAGE = "audit.html"
_EVENTS, _OF_A_REASON = 300, 25
_CLASSES = 40
_WHOLE = {"tickMinStep": 1}  # half a row is none
_NO_CHARTS = f"Charts need vl-convert-python: {INSTALL}, then prepare again."


def write_audit_page(dataset: Dataset, directory: Path) -> Path | None:
    """Write ``audit.html`` into the dataset's directory unless it is there; None for a dataset without an audit."""
    if dataset.files is None:
        return None
    path = directory / PAGE
    if not path.is_file():
        write_text(path, audit_page(dataset))
    return path


def audit_page(dataset: Dataset) -> str:
    """The page's HTML."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    told = describe(dataset)
    events, of = _events(dataset.files / "audit.jsonl" if dataset.files else None)
    charts = [
        {
            "title": spec["title"],
            "words": spec["description"],
            "svg": Markup(render_svg(spec)) if can_draw() else "",
        }
        for spec in _specs(told["statistics"] or {})
    ]
    env = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    page = env.from_string(resources.files("olivepress.data").joinpath("page.html").read_text(encoding="utf-8"))
    return page.render(
        d=_document(told), events=events, of=of, charts=charts, css=Markup(style_sheet()),
        no_charts="" if can_draw() or not charts else _NO_CHARTS,
    )  # fmt: skip


def _document(told: Mapping[str, Any]) -> dict[str, Any]:
    read, dropped = sum(told["read"].values()), sum(told["dropped"].values())
    files = counted(len(told["read"]), "file")
    statistics = told["statistics"] or {}
    reasons = [
        (action, printable(reason), count)
        for action in ("dropped", "changed", "noted")
        for reason, count in sorted(told[action].items(), key=lambda item: -item[1])
    ]
    return {
        "name": printable(told["name"]),
        "version": told["version"],
        "rows": list(told["rows"].items()),
        "rows_text": ", ".join(f"{count:,} {split}" for split, count in told["rows"].items()),
        "equation": f"{counted(read, 'row')} in from {files} = {read - dropped:,} kept + {dropped:,} dropped."
        if read
        else "",
        "reasons": reasons,
        "advice": [{"level": one["level"], "text": printable(one["text"])} for one in told["advice"]],
        "diversity": _diversity(statistics),
        "source": [(title, printable(text)) for title, text in _source(told)],
    }


def _source(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Format", told["format"]
    for key, title in (("origin", "Source"), ("licence", "Licence")):
        yield title, str(told["source"].get(key, "unknown"))
    for file, count in list(told["read"].items())[:40]:
        unused = ", ".join(told["unused_columns"].get(file, ()))
        yield file, f"{count:,} rows" + (f"; columns not used: {unused}" if unused else "")
    for parent in told["parents"]:
        yield "Made from", f"{parent['name']}, sha256 {parent['version']}"
    for parent, count in told["left_out"].items():
        yield f"Left out of {parent}", f"{counted(count, 'training row')} beyond its share"


def _diversity(statistics: Mapping[str, Any]) -> str:
    if statistics.get("distinct_2") is None:
        return ""
    said = f"distinct-1 {statistics['distinct_1']}, distinct-2 {statistics['distinct_2']}"
    said += f" of {statistics['sampled']} prompts"
    if statistics.get("semantic_diversity") is not None:
        said += f"; semantic diversity {statistics['semantic_diversity']}"
    return said + "."


def _specs(statistics: Mapping[str, Any]) -> Iterator[Spec]:
    for what, name in (("prompt", "prompts"), ("answer", "answers")):
        found = statistics.get("lengths", {}).get(what, {"n": 0})
        if found["n"]:
            yield _histogram(f"Length of {name}", statistics["unit"], found)
    for split, counts in statistics.get("labels", {}).items():
        if len(counts) <= _CLASSES or max(counts.values()) > 1:  # a bar of one row for each class says nothing
            yield _bars(f"Classes of {split}", "rows", counts)
    if statistics.get("languages"):
        shares = {code: 100 * share for code, share in statistics["languages"].items()}
        yield _bars(f"Languages of {statistics['sampled']} prompts", "per cent", shares)


def _histogram(title: str, unit: str, found: Mapping[str, Any]) -> Spec:
    data = [
        {"low": low, "high": high, "rows": count}
        for low, high, count in zip(found["edges"], found["edges"][1:], found["counts"], strict=False)
    ]
    words = [
        f"n={found['n']:,}",
        f"median {found['median']:g} {unit}",
        f"95 % up to {found['p95']:g}",
        f"99 % up to {found['p99']:g}",
        f"longest {found['maximum']:,}",
    ]
    encoding = {
        "x": quantity("low", unit, bin={"binned": True}, axis=_WHOLE),
        "x2": {"field": "high"},
        "y": quantity("rows", "rows", axis=_WHOLE),
    }
    mark = {"type": "bar", "color": PALETTE[0]}
    return make_spec(title, words, (), width=WIDTH, height=180, data={"values": data}, mark=mark, encoding=encoding)


def _bars(title: str, unit: str, counts: Mapping[str, float]) -> Spec:
    """The most frequent ones, largest first; the smallest are told in words."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    data = [{"name": printable(str(name))[:60], "value": value} for name, value in ordered[:_CLASSES]]
    least, most = ordered[-1], ordered[0]
    words = [f"{len(ordered)} in all", f"most {most[0]} {most[1]:g}", f"least {least[0]} {least[1]:g}"]
    if len(ordered) > _CLASSES:
        words.append(f"the {_CLASSES} largest are drawn")
    encoding = {
        "y": {"field": "name", "type": "nominal", "sort": None, "title": None},
        "x": quantity("value", unit, axis=_WHOLE),
    }
    mark = {"type": "bar", "color": PALETTE[2]}
    return make_spec(title, words, (), width=WIDTH, data={"values": data}, mark=mark, encoding=encoding)


def _events(path: Path | None) -> tuple[list[dict[str, Any]], int]:
    """The first entries of every reason, and how many there are in all."""
    if path is None or not path.is_file():
        return [], 0
    shown: list[dict[str, Any]] = []
    seen: Counter[str] = Counter()
    of = 0
    with path.open(encoding="utf-8") as file:
        for line in file:
            of += 1
            entry = json.loads(line)
            seen[entry["reason"]] += 1
            if seen[entry["reason"]] <= _OF_A_REASON and len(shown) < _EVENTS:
                texts = {key: printable(str(entry.get(key, ""))) for key in ("file", "action", "reason", "detail")}
                shown.append({**texts, "line": entry["line"], "row": entry["row"]})
    return shown, of
