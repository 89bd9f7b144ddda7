"""Whether to fine-tune on some data at all: what is known of its rows, and what the base model does with them."""

from __future__ import annotations

from collections import Counter
from statistics import median

from olivepress.core.child.run import run_task
from olivepress.core.errors import DataError, OlivepressError
from olivepress.core.hub import local_directory
from olivepress.core.progress import Progress
from olivepress.core.sampling import evenly_spread
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.examples import Example
from olivepress.measure.worker.records import PYTORCH, Answer, AnswersSpec
from olivepress.measure.worker.tasks import answers as answer_task
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.prepare import fetch_model, prepare
from olivepress.report.answers import is_correct
from olivepress.run.interpreters import model_python
from olivepress.runtimes.chat_template.prompts import render_prompt
from olivepress.train.advice import AdviceFacts, Lengths, Measured, Recommendation, recommend, unseen_share
from olivepress.workflow.plan import Plan
from olivepress.workflow.row_lengths import LETTERS_A_TOKEN, text_counter, tokenizer_folder

__all__ = ["advise"]

_LOOKED_AT = 200
_SHOTS = 5
_ROWS_OF_A_CLASS = 10


def advise(
    data: str, model: str, *, measure: int | None = None, progress: Progress = lambda *_: None
) -> Recommendation:
    """The recommendation for ``data`` and the model of the recipe that ``model`` names.

    ``measure``: the base model answers as many test rows, with and without examples; without it no model is opened and
    nothing is written. Errors as ``load_plan``; DataError for ``measure`` without a test row.
    """
    plan = load_plan(model, data=data)
    if measure is not None and not plan.dataset.splits["test"]:
        raise DataError(
            f"{data}: has no test row, expected at least 1 for the base model to answer",
            next_step="leave out --measure, or set data.test_fraction in the recipe",
        )
    dataset, shots = plan.dataset, plan.recipe.benchmark.few_shot or _SHOTS
    train, held_out = dataset.splits["train"], [*dataset.splits["validation"], *dataset.splits["test"]]
    advice = [each for each in dataset.facts.get("advice", ()) if isinstance(each, dict)]
    facts = AdviceFacts(
        train_rows=len(train),
        labels=_labels(dataset),
        lengths=_lengths(plan),
        shots=shots,
        unseen=unseen_share(list(train), held_out),
        stops=[str(each["text"]) for each in advice if each["level"] == "stop"],
        warnings=[str(each["text"]) for each in advice if each["level"] == "warning"],
        measured=_measured(plan, measure, shots, progress) if measure is not None else None,
    )
    return recommend(facts)


def _labels(dataset: Dataset) -> dict[str, int]:
    """Class → training rows; answers that recur ten times on average are classes, too."""
    rows = dataset.splits["train"]
    counts = Counter(row.label for row in rows if row.label is not None) or Counter(row.answer for row in rows)
    return dict(counts) if 1 < len(counts) <= len(rows) / _ROWS_OF_A_CLASS else {}


def _lengths(plan: Plan) -> Lengths:
    """Of rows that stand at equal distances in the training split."""
    rows = plan.dataset.splits["train"]
    chosen = evenly_spread(rows, _LOOKED_AT)
    tokens, pairs, exact = text_counter(plan), list[tuple[float, float]](), True
    for row in chosen:
        prompt, answer = _texts(plan, row)
        if tokens is None:
            exact = False
            pairs.append((len(prompt) / LETTERS_A_TOKEN, len(answer) / LETTERS_A_TOKEN))
        else:
            pairs.append((float(tokens(prompt)), float(tokens(answer))))
    context = plan.model.facts.config.get("max_position_embeddings")
    return Lengths(
        prompt=median(pair[0] for pair in pairs),
        answer=median(pair[1] for pair in pairs),
        context=context if isinstance(context, int) else 2048,
        exact=exact,
    )


def _texts(plan: Plan, row: Example) -> tuple[str, str]:
    try:
        rendered = render_prompt(tokenizer_folder(plan), row.messages, row.tools)
    except (OlivepressError, OSError):  # the model is not here yet
        return row.prompt, row.answer
    return rendered.prefix, rendered.full[len(rendered.prefix) :]


def _measured(plan: Plan, limit: int, shots: int, progress: Progress) -> Measured:
    fetch_model(plan, lambda *_: None)
    directory = prepare(plan)
    answers, used = list[tuple[Answer, ...]](), shots
    for count in (0, shots):
        spec = AnswersSpec(
            model_dir=local_directory(plan.model.path, plan.model.revision),
            runtime=PYTORCH,
            dataset_dir=directory,
            split="test",
            limit=limit,
            few_shot=count,
        )
        result = run_task(answer_task, spec, interpreter=model_python(plan), on_progress=progress).result
        answers.append(result.examples)
        used = result.few_shot
    most_frequent, _ = Counter(row.answer for row in plan.dataset.splits["train"]).most_common(1)[0]
    alone, with_shots = (sum(is_correct(each.output, each.expected) for each in given) for given in answers)
    return Measured(
        rows=len(answers[0]),
        shots=used,
        alone=alone,
        with_shots=with_shots,
        most_frequent=sum(is_correct(most_frequent, each.expected) for each in answers[0]),
    )
