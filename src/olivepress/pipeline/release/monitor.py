"""Answers in use: logs of an application against the training data and the parent."""

from __future__ import annotations

import contextlib
import json
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.core.errors import DataError
from olivepress.core.files import write_text
from olivepress.core.progress import JobProgress
from olivepress.core.timestamps import parse_timestamp
from olivepress.core.yaml_document import read_record
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.examples import Message
from olivepress.data.store.find import find_dataset
from olivepress.monitor.drift import Drift, drift_of, most_unlike
from olivepress.monitor.measures import (
    FEWEST,
    Baseline,
    Limits,
    Measure,
    Trend,
    agreement_of,
    baseline_of,
    called,
    format_check,
    measures_of,
    trend_of,
)
from olivepress.monitor.report import MonitorReport, monitor_html
from olivepress.pipeline.release import ask as models
from olivepress.report.answer_log import AnswerLine, read_answer_log
from olivepress.safety.prompt_files import phrases_of
from olivepress.safety.refusals import is_refusal

__all__ = ["MOST_LINES", "NoAnswersError", "monitor"]

MOST_LINES = 100_000  # of all files together, the last ones
_MOST_TEXT = 256 * 1024 * 1024  # characters of those lines
_MOST_BYTES = 8 * 1024**3  # of all files together: minutes of reading
_MOST_BASELINE = 5_000  # training rows
_MOST_TO_LABEL = 200  # prompts: what a person answers in an hour or two


class NoAnswersError(DataError):
    """The logs can be read, and no line of them counts."""


@dataclass(frozen=True, kw_only=True)
class _Training:
    """Questions and answers of the training split, and what is said of them."""

    name: str
    questions: tuple[str, ...]
    baseline: Baseline


def monitor(
    files: Sequence[Path],
    *,
    data: str | None = None,
    parent: Path | None = None,
    sample: int = 50,
    max_tokens: int = 256,
    limits: Path | None = None,
    refusals: Path | None = None,
    out: Path | None = None,
    to_label: Path | None = None,
    seed: int = 0,
    artifact: str | None = None,
    on_progress: JobProgress = lambda *_: None,
) -> MonitorReport:
    """Read logs and measure them; ``out`` is where the page is written.

    ``parent`` is an artifact that is asked ``sample`` of the logged prompts; ``to_label`` is where the prompts go that
    training has least, for a person to answer; ``artifact`` is the sha256 of the only one whose answers count.
    DataError for lines that are no answers, for a log without any and for a file to label that is there already;
    RecipeError for a file of limits.
    """
    if to_label is not None:
        _check_to_label(to_label, data)
    allowed = read_record(limits, Limits) if limits else Limits()
    lines, skipped = _read(files, artifact)
    training = _training(find_dataset(data)) if data else None
    phrases = phrases_of("refusals", refusals)
    baseline = training.baseline if training else Baseline()
    measures = measures_of(lines, baseline, allowed, is_refusal=lambda text: is_refusal(text, phrases))
    drift = drift_of([line.question for line in lines], training.questions) if training else None
    if drift is not None:
        measures.append(_drift_measure(drift, allowed.max_drift))
    if parent is not None:
        measures += _agreement(lines, parent, sample, max_tokens, seed, allowed, on_progress)
    notes = _notes(skipped, training is not None, parent is not None, len(lines))
    if to_label is not None and training is not None:
        notes.append(_write_to_label(to_label, lines, training))
    report = MonitorReport(
        sources=tuple(path.name for path in files),
        n=len(lines),
        begin=_time(lines, first=True),
        end=_time(lines, first=False),
        dataset=training.name if training else "",
        measures=tuple(measures),
        trends=_trends(lines, baseline, phrases),
        drift=drift,
        notes=tuple(notes),
    )
    if out is not None:
        write_text(out, monitor_html(report))
    return report


def _check_to_label(path: Path, data: str | None) -> None:
    if data is None:
        raise DataError(
            f"{path}: which prompts are new is not known without the training data", next_step="add --data DATASET"
        )
    if path.exists():
        raise DataError(
            f"{path}: is there already, and may have answers of a person",
            next_step="choose another name for --to-label",
        )


def _write_to_label(path: Path, lines: Sequence[AnswerLine], training: _Training) -> str:
    """Write the prompts that training has least as rows without an answer; returns what was done, in words."""
    places = most_unlike([line.question for line in lines], training.questions, _MOST_TO_LABEL)
    if not places:
        return f"nothing to label: training has every prompt, {path.name} is not written"
    chosen = [lines[place] for place in places]
    as_messages = any(line.prompt is None for line in chosen)  # a file of rows has one format
    rows = [_unanswered(line, as_messages=as_messages) for line in chosen]
    write_text(path, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))
    return f"{len(rows)} prompts to label are in {path.name}, what training has least first: fill in the answers"


def _unanswered(line: AnswerLine, *, as_messages: bool) -> dict[str, Any]:
    if as_messages:
        return {"messages": [*line.conversation, {"role": "assistant", "content": ""}]}
    return {"prompt": line.prompt, "response": ""}


def _read(files: Sequence[Path], artifact: str | None) -> tuple[list[AnswerLine], int]:
    """The last lines of all files, and how many were before them. DataError for more than can be read at once."""
    _check_size(files)
    kept, count, text = deque[AnswerLine](), 0, 0
    for path in files:
        for line in read_answer_log(path):
            if artifact is not None and not (line.artifact and artifact.startswith(line.artifact)):
                continue
            kept.append(line)
            count += 1
            text += line.length
            while len(kept) > MOST_LINES or (text > _MOST_TEXT and len(kept) > 1):
                text -= kept.popleft().length
    if not kept:
        which = f" of the artifact {artifact[:12]}" if artifact else ""
        names = ", ".join(str(path) for path in files[:3])
        step = "docs/monitor.md has the format of the lines"
        raise NoAnswersError(f"{names}: no answers{which} in it", next_step=step)
    return list(kept), count - len(kept)


def _check_size(files: Sequence[Path]) -> None:
    sizes = dict[Path, int]()
    for path in files:
        with contextlib.suppress(OSError):  # reported when it is opened
            sizes[path] = path.stat().st_size
    if sum(sizes.values()) > _MOST_BYTES:
        raise DataError(
            f"{max(sizes, key=lambda path: sizes[path])}: the logs have {sum(sizes.values()):,} bytes, "
            f"expected at most {_MOST_BYTES:,}",
            next_step="give the last files of the log only; let the application begin a new file each day",
        )


def _training(dataset: Dataset) -> _Training:
    rows = dataset.splits["train"]
    step = max(1, len(rows) // _MOST_BASELINE)
    chosen = [rows[place] for place in range(0, len(rows), step)][:_MOST_BASELINE]
    questions = (next((m["content"] for m in reversed(row.messages[:-1]) if m["role"] == "user"), "") for row in chosen)
    return _Training(
        name=f"{dataset.name}, version {dataset.version[:12]}",
        questions=tuple(questions),
        baseline=baseline_of([row.answer for row in chosen], dataset.json_schema),
    )


def _drift_measure(drift: Drift, limit: float) -> Measure:
    return Measure(
        name="drift", title="Drift of prompts, AUC", unit="auc", value=drift.auc, ci_low=drift.ci_low,
        ci_high=drift.ci_high, n=drift.n, limit=limit,
        alert=called(drift.ci_low, drift.ci_high, limit, min(drift.n, drift.n_training), is_minimum=False),
    )  # fmt: skip


def _agreement(
    lines: Sequence[AnswerLine], parent: Path, sample: int, max_tokens: int, seed: int, limits: Limits,
    on_progress: JobProgress,
) -> list[Measure]:  # fmt: skip
    chosen = random.Random(seed).sample(range(len(lines)), min(sample, len(lines)))
    rows = [
        models.conversation_row(
            f"line-{place}", [Message(role=m["role"], content=m["content"]) for m in lines[place].conversation]
        )
        for place in chosen
    ]
    subject = models.subject_of(parent)
    given = models.ask(
        subject,
        rows,
        max_new_tokens=max_tokens,
        progress=lambda done, total: on_progress(subject.job, "answers", done, total),
    )
    return agreement_of([lines[place].answer for place in chosen], given, limits)


def _time(lines: Sequence[AnswerLine], *, first: bool) -> str:
    times = [line.time for line in lines if line.time is not None]
    if not times:
        return ""
    return min(times, key=parse_timestamp) if first else max(times, key=parse_timestamp)


def _trends(lines: Sequence[AnswerLine], baseline: Baseline, phrases: Sequence[str]) -> tuple[Trend, ...]:
    """In the order of the log; none for a log that is too short to have one."""
    if len(lines) < FEWEST:
        return ()
    answers = [line.answer for line in lines]
    trends = [
        trend_of("Characters, mean", [float(len(text)) for text in answers]),
        trend_of("Refusals, share", [float(is_refusal(text, phrases)) for text in answers]),
    ]
    valid = format_check(baseline)
    if valid is not None:
        trends.append(trend_of("Valid format, share", [float(valid(text)) for text in answers]))
    return tuple(trends)


def _notes(skipped: int, has_data: bool, has_parent: bool, count: int) -> list[str]:
    notes = []
    if skipped:
        notes.append(f"{skipped:,} older lines were not looked at: the last {count:,} are")
    if not has_data:
        notes.append("no training data was given: format, lengths and drift are not compared with it (--data)")
    if not has_parent:
        notes.append("no parent was given: agreement was not measured (--parent)")
    if count < FEWEST:
        notes.append(f"fewer than {FEWEST} answers: nothing is called")
    return notes
