"""The verdict that counts: an export's own greedy answers on validation rows beside those of its merged parent."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from olivepress.core.artifact import Check, TaskVerdict
from olivepress.core.child.run import run_task
from olivepress.core.yaml_document import Record
from olivepress.data.store.examples import Example
from olivepress.data.store.reader import read_split
from olivepress.measure.quality.accuracy import answer_budget
from olivepress.measure.quality.noninferiority import PILOT, judge_task, rows_to_ask, too_few_rows
from olivepress.measure.worker import tasks
from olivepress.measure.worker.records import PYTORCH, NamedAnswersSpec
from olivepress.report.answers import FEWEST, is_correct
from olivepress.report.registry import METRICS
from olivepress.run.verify.task_text import verdict_text
from olivepress.runtimes.chat_template.model_config import context_length
from olivepress.runtimes.chat_template.prompts import encode_parts, render_prompt
from olivepress.workflow.sizes import ANSWER_ROWS, PROMPT_SHARE

__all__ = ["SPLIT", "TaskLimits", "TaskSpec", "task_check"]

SPLIT = "validation"


class TaskLimits(Record):
    """``metric`` of the answers may be lower than the parent's by ``margin``; at most ``rows`` are asked, None: 500,
    and at most as many as answer ``tokens`` (None: no matter how many), a prompt's eight counting as one. Rows of more
    than ``max_length`` tokens were not trained on and are not asked."""

    metric: str
    margin: float
    rows: int | None
    tokens: int | None
    max_length: int


class TaskSpec(Record):
    """Paths are relative to the project root. ``parent_model`` is the merged PyTorch model and ``parent_sha256`` its
    artifact's; its answers are kept in the folder ``answers`` and given once for all exports."""

    limits: TaskLimits
    dataset: str
    parent_model: str
    parent_sha256: str
    answers: str


def task_check(spec: TaskSpec, model_dir: Path, scratch: Path, interpreter: Path | None) -> Check:
    """``keeps_task`` with the verdict and its numbers: failed where the export is shown to be inferior, else passed."""
    verdict = _verdict(spec, model_dir, scratch, interpreter)
    return Check(
        name="keeps_task",
        passed=verdict.call != "inferior",
        value=verdict.difference,
        limit=-verdict.margin,
        detail=verdict_text(verdict),
        ci_low=verdict.ci_low,
        ci_high=verdict.ci_high,
        n=verdict.rows,
        task=verdict,
    )


def _verdict(spec: TaskSpec, model_dir: Path, scratch: Path, interpreter: Path | None) -> TaskVerdict:
    limits, split = spec.limits, read_split(Path(spec.dataset), SPLIT)
    rows, budget = _rows_to_ask(spec, split.rows, context_length(model_dir))
    metric, margin, available, limit = limits.metric, limits.margin, len(split.rows), limits.rows
    if len(rows) < FEWEST:
        return too_few_rows(metric, margin=margin, available=available, limit=limit, rows=len(rows))
    pair = _Pair(
        spec=spec, model_dir=model_dir, kept=_parents_file(spec, split.version, budget), scratch=scratch, budget=budget
    )
    count = min(PILOT, len(rows))
    while True:
        parent, export = pair.scores([row.id for row in rows[:count]], interpreter)
        wanted = rows_to_ask(parent, export, margin, len(rows))
        if wanted <= count:
            return judge_task(metric, parent, export, margin=margin, available=available, limit=limit)
        count = wanted


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """The parent, whose answers are in ``kept``, and the export."""

    spec: TaskSpec
    model_dir: Path
    kept: Path
    scratch: Path
    budget: int

    def scores(self, ids: Sequence[str], interpreter: Path | None) -> tuple[list[float], list[float]]:
        """Scores of both on these rows; what either has answered before is not asked again."""
        parent = NamedAnswersSpec(
            model_dir=Path(self.spec.parent_model),
            runtime=PYTORCH,
            dataset_dir=Path(self.spec.dataset),
            split=SPLIT,
            ids=tuple(ids),
            max_new_tokens=self.budget,
            partial=self.kept,
        )
        own = {"model_dir": self.model_dir, "runtime": "", "partial": self.scratch / self.kept.name}
        export = parent.model_copy(update=own)
        expected = run_task(tasks.named_answers, parent).result.examples
        answered = run_task(tasks.named_answers, export, interpreter=interpreter).result.examples
        return _scores(self.spec.limits.metric, expected), _scores(self.spec.limits.metric, answered)


def _rows_to_ask(spec: TaskSpec, rows: Sequence[Example], context: int | None) -> tuple[list[Example], int]:
    """(the rows, in an order of which any beginning is a sample of the split; the tokens that an answer may take)."""
    from transformers import AutoTokenizer

    limits, parent = spec.limits, Path(spec.parent_model)
    tokenizer = AutoTokenizer.from_pretrained(spec.parent_model, trust_remote_code=False)
    chosen, answers, work = list[Example](), list[int](), 0.0
    for row in sorted(rows, key=lambda row: hashlib.sha256(row.id.encode("utf-8")).hexdigest()):
        rendered = render_prompt(parent, row.messages, row.tools)
        prompt, answer = (
            len(encode_parts(lambda text: tokenizer(text, add_special_tokens=False)["input_ids"], parts))
            for parts in (rendered.prefix_parts, rendered.completion_parts)
        )
        work += answer + prompt / PROMPT_SHARE
        if len(chosen) == (limits.rows or ANSWER_ROWS) or (limits.tokens is not None and work > limits.tokens):
            break
        if prompt + answer <= limits.max_length:
            answers.append(answer)
            if context is None or prompt + answer <= context:
                chosen.append(row)
    return chosen, answer_budget(answers)


def _parents_file(spec: TaskSpec, version: str, budget: int) -> Path:
    """Where the parent's answers are kept, in place of those of an earlier parent or to another dataset."""
    folder = Path(spec.answers)
    folder.mkdir(parents=True, exist_ok=True)
    asked = f"{spec.parent_sha256[:16]}-{version[:12]}-"
    for other in folder.glob("*.jsonl"):
        if not other.name.startswith(asked):
            other.unlink()
    return folder / f"{asked}{budget}.jsonl"


def _scores(metric: str, examples: Sequence[Sequence[str]]) -> list[float]:
    """A score from 0 to 1 of each (answer, expected answer)."""
    score = METRICS[metric].score
    if score is not None:
        return [score(output, expected) for output, expected in examples]
    return [float(is_correct(output, expected)) for output, expected in examples]
