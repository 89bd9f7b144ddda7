"""Asks any model of a project: an artifact by its folder, or the models of a recipe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from olivepress.core.artifact import read_manifest
from olivepress.core.child.run import run_task
from olivepress.core.errors import UsageError
from olivepress.core.progress import Progress
from olivepress.data.store.examples import Example, Message, to_jsonl
from olivepress.measure.subject import Subject
from olivepress.measure.worker import tasks
from olivepress.measure.worker.records import LikelihoodsSpec, NamedAnswersSpec
from olivepress.pipeline.subjects import artifact_subject

__all__ = ["ask", "conversation_row", "likelihoods", "subject_of"]

_SPLIT = "test"


def subject_of(directory: Path) -> Subject:
    """The model in an artifact's folder: an export, or a merged model in PyTorch.

    UsageError for an adapter or a package, ReportError as ``read_manifest``.
    """
    manifest = read_manifest(directory)
    if manifest.kind != "merge":
        return artifact_subject(directory)
    manifest = read_manifest(directory, verify=True)
    return Subject(
        model_dir=directory / "model",
        runtime="pytorch",
        recipe=manifest.recipe,
        job=manifest.job,
        artifact_sha256=manifest.sha256,
        random_weights=manifest.random_weights,
    )


def conversation_row(row_id: str, messages: Sequence[Message]) -> Example:
    """A conversation to be answered as a row of a dataset, whose expected answer nobody compares with."""
    if not messages or messages[-1]["role"] == "assistant":
        raise UsageError(f"{row_id}: a conversation to answer ends with a message of the user")
    return Example(id=row_id, messages=(*messages, Message(role="assistant", content="-")))


def _rows_folder(rows: Sequence[Example], folder: Path) -> Path:
    """Write the rows as the test split of a dataset in ``folder``, which measuring processes can read."""
    (folder / "dataset.json").write_text(json.dumps({"name": "asked", "version": "0" * 64}), encoding="utf-8")
    (folder / f"{_SPLIT}.jsonl").write_text(to_jsonl(rows), encoding="utf-8", newline="\n")
    return folder


def ask(
    subject: Subject, rows: Sequence[Example], *, max_new_tokens: int, progress: Progress | None = None
) -> list[str]:
    """The greedy answers to the rows, in their order, given in a process of its own. Raises what that raises."""
    with TemporaryDirectory(prefix="olivepress-ask-") as scratch:
        folder = _rows_folder(rows, Path(scratch))
        spec = NamedAnswersSpec(
            model_dir=subject.model_dir,
            runtime=subject.runtime,
            adapter_dir=subject.adapter_dir,
            four_bit=subject.four_bit,
            dataset_dir=folder,
            split=_SPLIT,
            ids=tuple(row.id for row in rows),
            max_new_tokens=max_new_tokens,
            partial=folder / "answers.jsonl",
        )
        result = run_task(tasks.named_answers, spec, interpreter=subject.interpreter, on_progress=progress).result
    return [output for output, _ in result.examples]


def likelihoods(
    subject: Subject, rows: Sequence[Example], answers: Sequence[Sequence[str]], *, progress: Progress | None = None
) -> list[tuple[float, ...] | None]:
    """For each row the log-probabilities of its ``answers`` in nats; None where the context is too short for them."""
    with TemporaryDirectory(prefix="olivepress-ask-") as scratch:
        spec = LikelihoodsSpec(
            model_dir=subject.model_dir,
            runtime=subject.runtime,
            adapter_dir=subject.adapter_dir,
            four_bit=subject.four_bit,
            dataset_dir=_rows_folder(rows, Path(scratch)),
            split=_SPLIT,
            answers=tuple(tuple(each) for each in answers),
        )
        result = run_task(tasks.likelihoods, spec, interpreter=subject.interpreter, on_progress=progress).result
    return list(result.rows)
