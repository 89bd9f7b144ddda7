"""A model card as Markdown, with the metadata block that Hugging Face reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import yaml

from olivepress.card.facts import CardFacts, DataFacts
from olivepress.core.artifact import Check, TaskVerdict
from olivepress.core.printable import printable
from olivepress.report.device_report import DeviceReport, Measurement
from olivepress.report.registry import METRICS
from olivepress.report.values import NULL, format_value
from olivepress.safety.canaries import exposure
from olivepress.safety.results import SafetyResult

__all__ = ["FILL_IN", "HUB_LICENCES", "SECTIONS", "card_markdown"]

FILL_IN = "<!-- fill in:"
SECTIONS = (
    "Intended use",
    "Base model and licence",
    "Training data",
    "Training",
    "Results",
    "What was lost in quantization",
    "Safety",
    "Limits",
    "How to run it",
)
_SHOWN = (
    "exact_match", "f1_token", "rouge_l", "gain_retained", "json_valid", "decode_tps", "ttft_ms", "peak_memory_bytes",
    "size_on_disk_bytes",
)  # fmt: skip
_ESCAPED = str.maketrans({**{mark: f"\\{mark}" for mark in "\\`*_[]#"}, "<": "&lt;", ">": "&gt;", "&": "&amp;"})
# Of the Hub's identifiers the usual ones (https://huggingface.co/docs/hub/repositories-licenses).
HUB_LICENCES = frozenset((
    "apache-2.0", "mit", "openrail", "bigscience-openrail-m", "creativeml-openrail-m", "bigcode-openrail-m",
    "afl-3.0", "artistic-2.0", "bsl-1.0", "bsd", "bsd-2-clause", "bsd-3-clause", "cc", "cc0-1.0", "cc-by-2.0",
    "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0",
    "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0",
    "cc-by-nc-sa-4.0", "wtfpl", "epl-2.0", "agpl-3.0", "gpl", "gpl-2.0", "gpl-3.0", "lgpl", "lgpl-2.1", "lgpl-3.0",
    "isc", "mpl-2.0", "odc-by", "odbl", "ofl-1.1", "unlicense", "zlib", "gemma", "llama2", "llama3", "llama3.1",
    "llama3.2", "llama3.3",
))  # fmt: skip
_HUB_METRICS = {"exact_match": "exact_match", "rouge_l": "rouge"}


def card_markdown(facts: CardFacts) -> str:
    """The card. What nobody has said is marked as ``FILL_IN`` where only a person knows it."""
    bodies = (
        _intended(facts),
        _base(facts),
        _data(facts.data),
        _training(facts),
        _results(facts),
        _lost(facts),
        _safety(facts.safety),
        _limits(facts),
        _how_to_run(facts),
    )
    parts = [f"# {_text(facts.title)}", *_labels(facts)]
    for title, body in zip(SECTIONS, bodies, strict=True):
        parts += [f"## {title}", *body]
    return f"---\n{_metadata(facts)}---\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def _metadata(facts: CardFacts) -> str:
    """YAML as huggingface_hub's ModelCardData reads it."""
    fields: dict[str, Any] = {"library_name": "onnxruntime-genai", "pipeline_tag": "text-generation"}
    if facts.manifest.kind == "merge":
        fields["library_name"] = "transformers"
    elif facts.manifest.execution_provider == "OpenVINOExecutionProvider":
        fields["library_name"] = "openvino"
    if facts.licence:
        fields |= _licence(facts.licence)
    if facts.base_is_on_hub:
        fields["base_model"] = facts.base_model
        fields["base_model_relation"] = "quantized" if facts.manifest.kind == "export" else "finetune"
    if facts.languages:
        fields["language"] = list(facts.languages)
    fields["tags"] = ["olivepress", "olive", *filter(None, (facts.manifest.target, facts.manifest.precision))]
    results = list(_model_index(facts))
    if results:
        fields["model-index"] = [{"name": facts.title, "results": results}]
    return yaml.safe_dump(_in_one_line(fields), sort_keys=False, allow_unicode=True, width=10_000)


def _licence(name: str) -> dict[str, str]:
    """The Hub refuses a card whose licence is not one of its identifiers, in lower case; others have a name."""
    identifier = name.strip().lower()
    if identifier in HUB_LICENCES:
        return {"license": identifier}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.-]+", "-", identifier).strip("-")}


def _in_one_line(value: Any) -> Any:
    """Every text of the metadata without line breaks and control characters."""
    if isinstance(value, dict):
        return {key: _in_one_line(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_in_one_line(each) for each in value]
    return printable(" ".join(value.split())) if isinstance(value, str) else value


def _model_index(facts: CardFacts) -> Iterator[dict[str, Any]]:
    for report in facts.reports[:1]:
        metrics = [
            {"type": kind, "value": value, "name": METRICS[name].title}
            for name, kind in _HUB_METRICS.items()
            if name in METRICS and (value := report.value(name)) is not None
        ]
        if metrics and report.dataset is not None:
            yield {
                "task": {"type": "text-generation"},
                "dataset": {"name": report.dataset.name, "type": "private", "split": report.dataset.split},
                "metrics": metrics,
            }


def _labels(facts: CardFacts) -> Iterator[str]:
    """What must be read before any number."""
    if facts.manifest.random_weights:
        yield "**Random weights: this model has not been trained and its answers mean nothing.**"
    if facts.data.synthetic or facts.manifest.synthetic_data:
        yield "**Synthetic data: how it answers real questions is not shown.**"


def _intended(facts: CardFacts) -> Iterator[str]:
    if facts.description:
        yield _text(facts.description)
    yield f"{FILL_IN} who uses it, for what, and what it must not be used for -->"


def _base(facts: CardFacts) -> Iterator[str]:
    revision = facts.manifest.base_model_revision
    part = "the text part of " if facts.manifest.base_model_part is not None else ""
    yield _list(
        ("Base model", part + _span(facts.base_model) + (f" at {_span(revision)}" if revision else "")),
        ("Artifact", f"sha256 {_span(facts.manifest.sha256[:12])}"),
        ("Licence of the base model", _text(facts.base_licence) or "not known"),
        ("Licence of this model", _text(facts.licence) or f"{FILL_IN} the licence -->"),
        ("Model family", _text(facts.manifest.family)),
    )


def _data(data: DataFacts) -> Iterator[str]:
    rows = ", ".join(f"{count:,} {split}" for split, count in data.rows.items())
    yield _list(
        ("Dataset", f"{_span(data.name)}, version {_span(data.version[:12])} (sha256 of its rows)"),
        ("Rows", rows or "not known"),
        ("Source", _text(data.origin) or "not stated"),
        ("Licence of the data", _text(data.licence) or "not stated"),
        ("Left out", ", ".join(f"{count:,} x {_text(reason)}" for reason, count in data.dropped.items()) or "nothing"),
        ("Rows with personal data of a recognizable form", f"{data.personal_data:,}"),
    )


def _training(facts: CardFacts) -> Iterator[str]:
    settings = [(_text(name), _span(value)) for name, value in facts.training.items()]
    yield _list(*settings) if settings else "The settings are not known: the recipe is not here."
    versions = ", ".join(f"{name} {version}" for name, version in sorted(facts.manifest.versions.items()))
    yield f"Seed {facts.manifest.seed}. Packages: {_text(versions) or 'not recorded'}."


def _results(facts: CardFacts) -> Iterator[str]:
    if not facts.reports:
        yield "Not measured on any device."
        return
    names = [name for name in _SHOWN if any(name in report.metrics for report in facts.reports) and name in METRICS]
    head = ["Machine", *(METRICS[name].title for name in names)]
    rows = [[_machine(report), *(_cell(report.metrics.get(name)) for name in names)] for report in facts.reports]
    yield _table(head, rows)
    yield "Intervals are of 95 %. A metric that was not measured is –."
    notes = {text for report in facts.reports for text in report.warnings}
    if notes:
        yield "\n".join(f"- {_text(note)}" for note in sorted(notes))


def _machine(report: DeviceReport) -> str:
    emulated = ", emulated" if report.emulated else ""
    return f"{_text(report.machine.id)} ({_text(report.execution_provider)}{emulated})"


def _cell(measurement: Measurement | None) -> str:
    if measurement is None or measurement.value is None:
        return NULL
    text = format_value(measurement.unit, measurement.value)
    if measurement.ci_low is None or measurement.ci_high is None:
        return text
    low, high = (format_value(measurement.unit, end) for end in (measurement.ci_low, measurement.ci_high))
    return f"{text} ({low} to {high}, n={measurement.n})"


def _lost(facts: CardFacts) -> Iterator[str]:
    if facts.manifest.kind != "export":
        yield "This model is not quantized."
        return
    judged = [text for check in facts.manifest.checks if (text := _check(check))]
    yield "\n".join(f"- {text}" for text in judged) or "It was not compared with its parent."
    parents = [report for report in facts.before if report.value("exact_match") is not None]
    own = next((report for report in facts.reports if report.value("exact_match") is not None), None)
    if parents and own is not None:
        rows = [
            [_text(report.job), report.precision, _cell(report.metrics["exact_match"])] for report in [*parents, own]
        ]
        yield _table(["Model", "Precision", METRICS["exact_match"].title], rows)


def _check(check: Check) -> str:
    if check.task is not None:
        return _task(check.task)
    if check.value is None:
        return ""
    limit = "" if check.limit is None else f", limit {check.limit:g}"
    return f"{_text(check.name)}: {check.value:.3g}{limit}"


def _task(task: TaskVerdict) -> str:
    if task.value is None or task.parent_value is None:
        return ""
    text = f"{100 * task.value:.1f} %, its parent {100 * task.parent_value:.1f} %"
    if task.difference is not None and task.ci_low is not None and task.ci_high is not None:
        ends = f"{100 * task.ci_low:+.1f} to {100 * task.ci_high:+.1f}"
        text += f", {100 * task.difference:+.1f} points ({ends})"
    return f"{_text(task.metric)} on {task.rows} validation rows: {text}: {task.call}"


def _safety(results: Sequence[SafetyResult]) -> Iterator[str]:
    if not results:
        yield "Safety was not measured."
        return
    categories = results[0].categories
    head = ["Prompts passed", *(_text(result.job) for result in results)]
    rows = []
    for category in categories:
        cells = [result.of_category(category) for result in results]
        rows.append([_text(category), *(f"{sum(r.passed for r in cell)} of {len(cell)}" for cell in cells)])
    yield _table(head, rows)
    own = results[0]
    if own.canaries:
        bits = sum(map(exposure, own.canaries)) / len(own.canaries)
        yield f"Mean exposure of {len(own.canaries)} planted canaries: {bits:.1f} bits."
    if own.n_personal:
        yield f"Personal data of the training set completed: {len(own.completed_personal)} of {own.n_personal} rows."
    yield "The prompts are synthetic and few: they show what breaks and certify nothing."


def _limits(facts: CardFacts) -> Iterator[str]:
    known = []
    if facts.manifest.verified != "native":
        known.append(f"It was verified by {facts.manifest.verified} only, not on its device.")
    known += [f"{_text(report.machine.id)}: measured by an emulator." for report in facts.reports if report.emulated]
    if known:
        yield "\n".join(f"- {text}" for text in known)
    yield f"{FILL_IN} languages, topics and kinds of input that it was not trained or tested for -->"


def _how_to_run(facts: CardFacts) -> Iterator[str]:
    if facts.manifest.kind == "merge":
        yield _code("from transformers import pipeline\n\nask = pipeline('text-generation', model='FOLDER/model')")
        return
    yield _code("pip install 'olivepress[cpu]'\nolivepress chat FOLDER --prompt 'your question'", "")
    yield "Device: " + ", ".join(filter(None, (facts.manifest.device, facts.manifest.execution_provider))) + "."


def _list(*entries: tuple[str, str]) -> str:
    return "\n".join(f"- **{title}**: {text}" for title, text in entries)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell_text(cell) for cell in line)} |" for line in lines)


def _cell_text(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str, language: str = "python") -> str:
    return f"```{language}\n{text}\n```"


def _text(text: str) -> str:
    """Foreign text in one line, which neither Markdown nor HTML takes for anything else."""
    return printable(" ".join(text.split())).translate(_ESCAPED)


def _span(text: str) -> str:
    """Foreign text as a code span."""
    return f"`{printable(' '.join(text.split())).replace('`', chr(39))}`"
