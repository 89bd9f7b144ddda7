"""Safety of the models of a recipe, or of one artifact: prompts asked, results kept, compared before and after."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from olivepress.core.artifact import read_manifest
from olivepress.core.errors import DataError, ReportError
from olivepress.core.layout import dataset_dir, safety_result
from olivepress.core.progress import JobProgress
from olivepress.data.store.examples import Example, Message
from olivepress.data.store.reader import read_facts, read_split
from olivepress.measure.subject import Subject
from olivepress.pipeline.artifacts import not_measured_here
from olivepress.pipeline.release import ask as models
from olivepress.pipeline.stored_comparison import stored_recipe
from olivepress.pipeline.subjects import subjects_of
from olivepress.recipe.safety import Safety
from olivepress.report.judgement import Judgement
from olivepress.runtimes.chat_template.errors import ChatTemplateError
from olivepress.runtimes.chat_template.prompts import question_parts
from olivepress.safety.canaries import Canary, make_canaries, rank_of, secret_candidates
from olivepress.safety.checks import Lists, failure_of
from olivepress.safety.comparison import CategoryChange, compare_safety, judge_safety
from olivepress.safety.personal import PersonalPrompt, completes, personal_prompts
from olivepress.safety.prompt_files import Prompt, default_files, load_prompts, phrases_of, prompts_sha256
from olivepress.safety.results import CanaryRank, PromptResult, SafetyResult, read_result, sealed, write_result
from olivepress.workflow.plan import Plan

__all__ = ["Comparison", "Safe", "Suite", "safety_of_artifact", "safety_of_recipe", "suite_of"]

CANDIDATES = 127  # other secrets that a canary is ranked among: an exposure of 7 bits at most


@dataclass(frozen=True, kw_only=True)
class Suite:
    """All that is asked: prompts with their checks, canaries and personal data of the training set."""

    settings: Safety
    prompts: tuple[Prompt, ...]
    lists: Lists
    sha256: str
    dataset_version: str
    canaries: tuple[Canary, ...] = ()
    personal: tuple[PersonalPrompt, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """``step`` is fine-tuning or quantization; ``changes`` are of all prompts first, then by category."""

    step: str
    before: str
    after: str
    changes: tuple[CategoryChange, ...]


@dataclass(frozen=True, kw_only=True)
class Safe:
    """The result of each model by its job, the comparisons between them, the judgement of each that has one before it,
    or of the only one."""

    results: Mapping[str, SafetyResult]
    paths: Mapping[str, Path]
    comparisons: tuple[Comparison, ...]
    judgements: Mapping[str, Judgement]


def suite_of(settings: Safety, dataset: Path | None) -> Suite:
    """The suite of a recipe's settings and the dataset that was trained on; RecipeError as ``load_prompts``."""
    files = [*(default_files() if settings.default_prompts else ()), *map(Path, settings.prompts)]
    prompts = load_prompts(files)
    refusals = phrases_of("refusals", Path(settings.refusals) if settings.refusals else None)
    words = phrases_of("words", Path(settings.words) if settings.words else None)
    is_toxic = None
    if settings.classifier is not None:
        from olivepress.safety.classifier import load_classifier

        chosen = settings.classifier
        is_toxic = load_classifier(Path(chosen.path), chosen.label, chosen.threshold)
    version, canaries, personal = "", tuple[Canary, ...](), list[PersonalPrompt]()
    if dataset is not None:
        facts = read_facts(dataset)
        version, canaries = str(facts["version"]), _canaries(facts, dataset)
        personal = personal_prompts(read_split(dataset, "train").rows, settings.personal_rows)
    classifier = settings.classifier.model_dump_json() if settings.classifier else ""
    return Suite(
        settings=settings,
        prompts=prompts,
        lists=Lists(refusals=refusals, words=words, is_toxic=is_toxic),
        sha256=prompts_sha256(prompts, refusals, words, [classifier]),
        dataset_version=version,
        canaries=canaries,
        personal=tuple(personal),
    )


def _canaries(facts: Mapping[str, Any], dataset: Path) -> tuple[Canary, ...]:
    planted = facts.get("canaries")
    if planted is None:
        return ()
    try:
        return make_canaries(int(planted["count"]), int(planted["seed"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{dataset}: its canaries are not count and seed ({error})", next_step="plant them again with data plant"
        ) from None


def safety_of_recipe(
    plan: Plan, *, now: datetime, on_skipped: Callable[[str, str], None], on_progress: JobProgress
) -> Safe:
    """Ask the base model, the fine-tuned one and every export that this machine can run; write their results.

    What was asked before, and is of the same artifact, prompts and dataset, is not asked again.
    """
    skipped = not_measured_here(plan)
    for job, reason in skipped.items():
        on_skipped(job, reason)
    kinds = {job.id: job.kind for job in plan.jobs}
    subjects = {
        name: subject
        for name, subject in subjects_of(plan, skipped).items()
        if name != "few-shot" and (kinds.get(name) != "finetune" or name == plan.trained)
    }
    suite = suite_of(plan.recipe.safety, plan.dataset.directory)
    results = {name: _result(subject, suite, now, on_progress) for name, subject in subjects.items()}
    steps = [("fine-tuning", "base", plan.trained)]
    steps += [("quantization", plan.trained, name) for name in results if kinds.get(name) == "export"]
    return _compared(results, steps, suite.settings.margin)


def safety_of_artifact(directory: Path, *, now: datetime, on_progress: JobProgress) -> Safe:
    """Ask one artifact, and the merged model beside it that it was made from, if it is there."""
    manifest = read_manifest(directory)
    recipe = stored_recipe(manifest.recipe)
    dataset = dataset_dir(manifest.dataset, manifest.dataset_version)
    suite = suite_of(recipe.safety if recipe else Safety(), dataset if dataset.is_dir() else None)
    subjects = {manifest.job: models.subject_of(directory)}
    steps = list[tuple[str, str, str]]()
    parent = directory.parent / (manifest.parent or "")
    if manifest.parent is not None and (parent / "model").is_dir() and _is_parent(parent, manifest.parent_sha256):
        subjects = {manifest.parent: models.subject_of(parent), **subjects}
        steps = [("quantization", manifest.parent, manifest.job)]
    results = {name: _result(subject, suite, now, on_progress) for name, subject in subjects.items()}
    return _compared(results, steps, suite.settings.margin)


def _is_parent(directory: Path, sha256: str | None) -> bool:
    try:
        return read_manifest(directory).sha256 == sha256
    except ReportError:
        return False


def _compared(results: Mapping[str, SafetyResult], steps: Sequence[tuple[str, str, str]], margin: float) -> Safe:
    known = [step for step in steps if step[1] in results and step[2] in results]
    comparisons = tuple(
        Comparison(step=step, before=a, after=b, changes=compare_safety(results[a], results[b], margin=margin))
        for step, a, b in known
    )
    judgements = {} if known else {name: judge_safety(result, (), margin=margin) for name, result in results.items()}
    for _, before, after in known:
        others = [results[name] for name in ("base", before) if name in results]
        judgements[after] = judge_safety(results[after], list(dict.fromkeys(others)), margin=margin)
    paths = {name: safety_result(result.recipe, result.job) for name, result in results.items()}
    return Safe(results=results, paths=paths, comparisons=comparisons, judgements=judgements)


def _result(subject: Subject, suite: Suite, now: datetime, on_progress: JobProgress) -> SafetyResult:
    """The stored result where it is still true, else a new one, which is written."""
    path = safety_result(subject.recipe, subject.job)
    try:
        stored = read_result(path)
        if _is_current(stored, subject, suite):
            return stored
    except ReportError:
        pass
    result = sealed(_measure(subject, suite, now, on_progress))
    write_result(result, path)
    return result


def _is_current(stored: SafetyResult, subject: Subject, suite: Suite) -> bool:
    return (
        stored.artifact_sha256 == subject.artifact_sha256
        and stored.prompts_sha256 == suite.sha256
        and stored.dataset_version == suite.dataset_version
        and stored.max_new_tokens == suite.settings.max_new_tokens
        and len(stored.canaries) == len(suite.canaries)
        and stored.n_personal == len(suite.personal)
    )


def _measure(subject: Subject, suite: Suite, now: datetime, on_progress: JobProgress) -> SafetyResult:
    def progress(stage: str) -> Callable[[int, int], None]:
        return lambda done, total: on_progress(subject.job, stage, done, total)

    rows = [_row(subject.model_dir, prompt) for prompt in suite.prompts]
    rows += [models.conversation_row(f"personal:{each.row}", each.messages) for each in suite.personal]
    canary_rows = [models.conversation_row(each.id, [_user(each.question)]) for each in suite.canaries]
    answers = models.ask(
        subject, rows + canary_rows, max_new_tokens=suite.settings.max_new_tokens, progress=progress("answers")
    )
    given = dict(zip((row.id for row in rows + canary_rows), answers, strict=True))
    return SafetyResult(
        recipe=subject.recipe,
        job=subject.job,
        artifact_sha256=subject.artifact_sha256,
        precision=subject.precision,
        dataset_version=suite.dataset_version,
        prompts_sha256=suite.sha256,
        max_new_tokens=suite.settings.max_new_tokens,
        created_at=now.isoformat(),
        results=tuple(_judged(prompt, given[prompt.id], suite.lists) for prompt in suite.prompts),
        canaries=_ranks(subject, suite.canaries, canary_rows, given, progress("canaries")),
        n_personal=len(suite.personal),
        completed_personal=tuple(
            each.row for each in suite.personal if completes(given[f"personal:{each.row}"], each.value)
        ),
    )


def _judged(prompt: Prompt, answer: str, lists: Lists) -> PromptResult:
    failure = failure_of(prompt, answer, lists) or ""
    return PromptResult(id=prompt.id, category=prompt.category, answer=answer, failure=failure)


def _ranks(
    subject: Subject,
    canaries: Sequence[Canary],
    rows: Sequence[Example],
    given: Mapping[str, str],
    progress: Callable[[int, int], None],
) -> tuple[CanaryRank, ...]:
    if not canaries:
        return ()
    answers = [
        [canary.answer, *(canary.with_secret(other) for other in secret_candidates(canary, CANDIDATES, seed=0))]
        for canary in canaries
    ]
    values = models.likelihoods(subject, rows, answers, progress=progress)
    return tuple(
        CanaryRank(
            id=canary.id, rank=rank_of(scores), of=len(scores), completed=completes(given[canary.id], canary.secret)
        )
        for canary, scores in zip(canaries, values, strict=True)
        if scores is not None
    )


def _user(text: str) -> Message:
    return Message(role="user", content=text)


def _row(model_dir: Path, prompt: Prompt) -> Example:
    """The conversation of a prompt; of a chat template that takes no system prompt it is put before the question."""
    if prompt.system is None:
        return models.conversation_row(prompt.id, [_user(prompt.user)])
    messages = [Message(role="system", content=prompt.system), _user(prompt.user)]
    try:
        shown = "".join(question_parts(model_dir, messages))
    except ChatTemplateError:
        shown = ""
    if prompt.system.strip() not in shown:
        messages = [_user(f"{prompt.system}\n\n{prompt.user}")]
    return models.conversation_row(prompt.id, messages)
