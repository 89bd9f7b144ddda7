"""The measurements of one model other than latency: answers, classes, a text, divergence from its parent, lm-eval."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.catalog.provider import CPU
from olivepress.core.errors import DataError, JobError
from olivepress.core.progress import JobProgress
from olivepress.data.store.reader import Split
from olivepress.measure.bench_session import BenchSession
from olivepress.measure.cpu_stand_in import provider_is_missing
from olivepress.measure.quality.perplexity import not_measured_text, read_text
from olivepress.measure.settings import Settings, files_sha256
from olivepress.measure.subject import Subject
from olivepress.measure.worker.records import PYTORCH
from olivepress.report.device_report import Measurement, not_measured
from olivepress.report.registry import in_group
from olivepress.report.task_metrics import Answers, Example
from olivepress.runtimes.weights import ACTIVE_ADAPTER

__all__ = ["ReportSettings", "Stages"]

PARENT_REASON = "exports are compared with the PyTorch parent; this is the parent"

ReportSettings = dict[str, int | float | str | None]  # settings that the report states with the metrics


@dataclass(frozen=True, kw_only=True)
class Stages:
    """Each stage runs in a child process of ``session``.

    A failure in perplexity, scoring of classes or lm-eval costs that stage and becomes the reason of its metrics. A
    failure in answers or divergence is raised, because a report without them would look complete and state nothing.
    """

    subject: Subject
    session: BenchSession
    dataset_dir: Path | None
    data: Split | None
    labels: tuple[str, ...]
    settings: Settings
    on_progress: JobProgress

    def answers(self) -> tuple[Answers, ReportSettings]:
        """Greedy answers and, where the dataset has classes, the class by constrained scoring."""
        if self.data is None or self.dataset_dir is None:
            return Answers(examples=(), not_asked=self.settings.no_data), {}
        spec = self._spec() | {"few_shot": self.subject.few_shot}
        result = self._run("answers", spec)
        label_spec = spec | {"labels": list(self.labels), "few_shot": result["few_shot"]}
        labels, reason = self._classes(label_spec, len(result["examples"]))
        examples = tuple(
            Example(**fields, scored_label=label) for fields, label in zip(result["examples"], labels, strict=True)
        )
        stated: ReportSettings = {
            "max_new_tokens": int(result["max_new_tokens"]),
            "few_shot": int(result["few_shot"]),
        }
        schema = self.data.json_schema
        return Answers(examples=examples, labels=self.labels, json_schema=schema, not_scored=reason), stated

    def _classes(self, spec: dict[str, Any], count: int) -> tuple[list[str | None], str | None]:
        """(class of each example, the reason why there are none); no class without labels or after a failure."""
        none: list[str | None] = [None] * count
        if not spec["labels"]:
            return none, None
        try:
            return self._run("labels", spec)["labels"], None
        except (JobError, DataError) as error:
            return none, error.message

    def text(self) -> tuple[dict[str, Measurement], ReportSettings]:
        """Perplexity on the text file, null with the reason when there is none."""
        if self.settings.text is None:
            return not_measured_text("no text file was given (benchmark.text of the recipe, or --text)"), {}
        sha256 = hashlib.sha256(read_text(self.settings.text).encode()).hexdigest()
        spec = self._spec() | {
            "text": str(self.settings.text),
            "text_sha256": sha256,
            "window": self.settings.text_window,
        }
        try:
            result = self._run("text", spec)
        except JobError as error:
            return not_measured_text(error.message), {"text_sha256": sha256}
        stated: ReportSettings = {
            "text_sha256": sha256,
            "text_window": result["window"],
            "text_stride": result["stride"],
        }
        return _metrics(result), stated

    def fidelity(self) -> tuple[dict[str, Measurement], ReportSettings]:
        """Divergence from the parent on the reference's tokens."""
        subject = self.subject
        if subject.runtime == PYTORCH:
            return {name: not_measured(name, PARENT_REASON) for name in in_group("fidelity")}, {}
        if subject.reference_dir is None:
            reason = "no reference of the parent was given"
            return {name: not_measured(name, reason) for name in in_group("fidelity")}, {}
        stated: ReportSettings = {"reference_sha256": files_sha256([subject.reference_dir / "reference.npz"])}
        spec = {"model_dir": str(subject.model_dir), "reference_dir": str(subject.reference_dir), **stated}
        return _metrics(self._run("fidelity", spec)), stated

    def check_lm_eval(self) -> None:
        """SetupError for a task that lm-evaluation-harness cannot load, before anything long starts."""
        if self.settings.lm_eval and not self._no_lm_eval_reason:
            self._run("lm_eval_known", self._lm_eval_spec(), "lm-eval tasks")

    @property
    def _no_lm_eval_reason(self) -> str | None:
        if self.subject.runtime != "onnxruntime-genai":
            return "lm-evaluation-harness is run on artifacts of onnxruntime-genai only"
        if (self.subject.model_dir / ACTIVE_ADAPTER).is_file():
            return "lm-evaluation-harness's own onnxruntime-genai model does not support adapters"
        if self.subject.interpreter is not None:
            return "lm-evaluation-harness is not in the environment of this artifact's provider"
        return None

    def lm_eval(self) -> dict[str, Measurement]:
        """Tasks of lm-evaluation-harness, through its own onnxruntime-genai model."""
        tasks = self.settings.lm_eval
        if not tasks:
            return {}
        if reason := self._no_lm_eval_reason:
            return {task: Measurement(unit="1", reason=reason) for task in tasks}
        try:
            return _metrics(self._run("lm_eval", self._lm_eval_spec(), "lm-eval"))
        except JobError as error:
            return {task: Measurement(unit="1", reason=error.message) for task in tasks}

    def _lm_eval_spec(self) -> dict[str, Any]:
        folder = self.settings.lm_eval_tasks
        include: dict[str, str | None] = {"include_path": None, "include_sha256": None}
        if folder:
            sha256 = files_sha256(file for file in folder.rglob("*") if file.is_file())
            include = {"include_path": str(folder), "include_sha256": sha256}
        return self._spec() | {
            "tasks": list(self.settings.lm_eval),
            **include,
            "execution_provider": CPU.name if provider_is_missing(self.subject) else self.subject.execution_provider,
        }

    def _run(self, task: str, spec: dict[str, Any], title: str | None = None) -> dict[str, Any]:
        def progress(done: int, total: int) -> None:
            self.on_progress(self.subject.job, title or task, done, total)

        return self.session.run(task, spec, progress=progress)

    def _spec(self) -> dict[str, Any]:
        subject = self.subject
        return {
            "model_dir": str(subject.model_dir),
            "runtime": subject.runtime,
            "dataset_dir": str(self.dataset_dir),
            "split": self.settings.split,
            "limit": self.settings.limit,
            "adapter_dir": str(subject.adapter_dir) if subject.adapter_dir else None,
            "four_bit": subject.four_bit.model_dump() if subject.four_bit else None,
        }


def _metrics(result: dict[str, Any]) -> dict[str, Measurement]:
    return {name: Measurement.model_validate(value) for name, value in result["metrics"].items()}
