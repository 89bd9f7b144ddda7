"""Blind comparisons from files to files: answers of two artifacts to a sheet, filled sheets to scores."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from olivepress.abtest.filled import check_keys, read_filled, read_key
from olivepress.abtest.make import Answered, make_sheet
from olivepress.abtest.page import sheet_csv, sheet_html
from olivepress.abtest.records import Artifact, Key, Sheet
from olivepress.abtest.score import Scores
from olivepress.abtest.score import score as score_sheets
from olivepress.core.artifact import MANIFEST, hash_file, read_manifest
from olivepress.core.errors import DataError, UsageError
from olivepress.core.files import write_text
from olivepress.core.layout import ABTESTS, dataset_dir
from olivepress.core.names import slug
from olivepress.core.progress import JobProgress
from olivepress.data.store.examples import Example, Message, content_id
from olivepress.data.store.find import find_dataset
from olivepress.data.store.reader import read_split
from olivepress.pipeline.release.ask import ask, conversation_row, subject_of
from olivepress.report.answer_log import AnswerLine, read_answer_log
from olivepress.report.device_report import read_report
from olivepress.report.examples import read_examples

__all__ = ["Made", "make", "score"]

TITLE = "Which answer is better?"
KEY = "key.json"
_SHOWN = 12  # characters of a sheet's id


@dataclass(frozen=True, kw_only=True)
class Made:
    """A sheet, its key and their folder."""

    folder: Path
    sheet: Sheet
    key: Key


def make(
    a: Path,
    b: Path,
    *,
    n: int,
    seed: int,
    now: datetime,
    data: str | None = None,
    names: tuple[str | None, str | None] = (None, None),
    max_tokens: int = 256,
    out: Path | None = None,
    on_progress: JobProgress = lambda *_: None,
) -> Made:
    """Write ``sheet.html``, ``sheet.csv`` and ``key.json`` of two sources of answers.

    A source is an artifact's folder, which is asked now, a device report with its answers, or JSON lines of answers.
    Raises UsageError and DataError for sources that cannot be compared, and what asking raises.
    """
    sources = (a, b)
    rows = _rows(sources, data)
    known = [_stored_answers(source) for source in sources]
    common = sorted(rows.keys() & set.intersection(*(set(rows if each is None else each) for each in known)))
    chosen = random.Random(seed).sample(common, min(n, len(common)))
    answered = []
    for source, name, stored in zip(sources, names, known, strict=True):
        if stored is None:
            stored = _asked(source, [rows[row] for row in chosen], max_tokens, on_progress)
        answered.append(Answered(artifact=_artifact(source, name), answers=stored))
    texts = {row: _prompt_text(rows[row]) for row in chosen}
    sheet, key = make_sheet(texts, *answered, n=n, seed=seed, title=TITLE, now=now)
    folder = out or ABTESTS / slug(f"{key.a.name}-{key.b.name}"[:27] + f"-{sheet.id[:_SHOWN]}")
    _check_not_another(folder, key)
    write_text(folder / "sheet.html", sheet_html(sheet))
    write_text(folder / "sheet.csv", sheet_csv(sheet))
    write_text(folder / KEY, key.model_dump_json(indent=1) + "\n")
    return Made(folder=folder, sheet=sheet, key=key)


def score(files: Iterable[Path], keys: Sequence[Path]) -> Scores:
    """Score filled sheets with these keys, or with those in ``abtests/``. DataError as ``read_filled``."""
    paths = keys or sorted(ABTESTS.glob(f"*/{KEY}"))
    known = check_keys((path, read_key(path)) for path in paths)
    return score_sheets(read_filled(files, known), known)


def _kind(source: Path) -> Literal["artifact", "report", "lines"]:
    if source.is_dir() and (source / MANIFEST).is_file():
        return "artifact"
    if source.suffix == ".json" and source.is_file():
        return "report"
    if source.suffix in (".jsonl", ".ndjson") and source.is_file():
        return "lines"
    raise UsageError(
        f"{source}: neither an artifact's folder, nor a device report (.json), nor answers as JSON lines (.jsonl)",
        next_step="olivepress abtest make --help",
    )


def _rows(sources: Sequence[Path], data: str | None) -> dict[str, Example]:
    """Row → the conversation that is answered: of ``data``, of a source of JSON lines, or of a source's dataset."""
    if data is not None:
        return {example.id: example for example in find_dataset(data).splits["test"]}
    for source in sources:
        if _kind(source) == "lines":
            return {_row_id(line): _example(line) for line in read_answer_log(source)}
    folder = _dataset_of(sources[0])
    if not folder.is_dir():
        raise DataError(f"{sources[0]}: its dataset is not in {folder}", next_step="--data DATASET")
    return {example.id: example for example in read_split(folder, "test").rows}


def _dataset_of(source: Path) -> Path:
    if _kind(source) == "artifact":
        manifest = read_manifest(source)
        return dataset_dir(manifest.dataset, manifest.dataset_version)
    used = read_report(source).dataset
    if used is None:
        raise DataError(f"{source}: was measured without a dataset", next_step="--data DATASET")
    return dataset_dir(used.name, used.version)


def _stored_answers(source: Path) -> dict[str, str] | None:
    """Row → answer of a report or of JSON lines; None for an artifact, which is asked."""
    kind = _kind(source)
    if kind == "artifact":
        return None
    if kind == "lines":
        return {_row_id(line): line.answer for line in read_answer_log(source)}
    examples = read_examples(read_report(source))
    if examples is None:
        raise DataError(f"{source}: its answers are not beside it", next_step="copy its .examples.jsonl next to it")
    return {str(example["id"]): str(example["output"]) for example in examples}


def _row_id(line: AnswerLine) -> str:
    return line.id or content_id(json.dumps(line.conversation), "")


def _example(line: AnswerLine) -> Example:
    messages = [Message(role=each["role"], content=each["content"]) for each in line.conversation]
    return conversation_row(_row_id(line), messages)


def _asked(source: Path, rows: Sequence[Example], max_tokens: int, on_progress: JobProgress) -> dict[str, str]:
    subject = subject_of(source)
    outputs = ask(
        subject,
        rows,
        max_new_tokens=max_tokens,
        progress=lambda done, total: on_progress(subject.job, "answers", done, total),
    )
    return {row.id: output for row, output in zip(rows, outputs, strict=True)}


def _artifact(source: Path, name: str | None) -> Artifact:
    """What the result calls a source: recipe/job of an artifact and a report, the name of a file."""
    kind = _kind(source)
    if kind == "artifact":
        manifest = read_manifest(source)
        return Artifact(name=name or f"{manifest.recipe}/{manifest.job}", sha256=manifest.sha256)
    if kind == "report":
        report = read_report(source)
        return Artifact(name=name or f"{report.recipe}/{report.job}", sha256=report.artifact_sha256)
    return Artifact(name=name or source.stem, sha256=hash_file(source).sha256)


def _prompt_text(example: Example) -> str:
    """The question alone where that is all, else the conversation."""
    if len(example.messages) == 2:
        return example.messages[0]["content"]
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in example.messages[:-1])


def _check_not_another(folder: Path, key: Key) -> None:
    """A key that is lost makes the sheets of it worthless."""
    path = folder / KEY
    if path.exists() and read_key(path).sheet != key.sheet:
        raise UsageError(f"{path}: is the key of another sheet", next_step="give another folder with --out")
