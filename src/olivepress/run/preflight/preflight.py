"""The runtimes' tokenizers before the first job: a difference from Hugging Face's breaks every export, and shows in
the base model's files and the rows alone.

Comparisons without a difference are kept in ``runs/.tokenizers.json``, by what they depend on.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from olivepress.checkpoint import GENERATION_CONFIG, SMALL_FILES, TOKENIZER_FILES
from olivepress.core.child.run import run_task
from olivepress.core.errors import JobError, SetupError
from olivepress.core.hash_cache import load_cache, save_cache
from olivepress.core.hub import fetch, local_directory
from olivepress.core.layout import TOKENIZER_CHECKS
from olivepress.core.progress import Progress
from olivepress.core.yaml_document import Record
from olivepress.data.store.examples import SPLITS
from olivepress.environments.lookup import check_platform, environment, interpreter, satisfied_here
from olivepress.measure.worker import tasks
from olivepress.measure.worker.interpreters import machine_of
from olivepress.measure.worker.records import OpenvinoTokenizerSpec
from olivepress.models.admission import check_folder
from olivepress.report.machine import package_versions
from olivepress.run.interpreters import model_python, place_of
from olivepress.run.outcome import Reporter
from olivepress.run.preflight.tokenizer_answers import TokenizerCheck, answer_notes, check_answers
from olivepress.run.preflight.tokenizer_questions import Questions, ask
from olivepress.runtimes.runtime_tokenizer import TokenizerReading, TokenizerSpec, genai_folder
from olivepress.workflow.plan import Job, Plan

__all__ = ["check_tokenizers"]

_FORMAT = 1  # another number: everything is compared again
_MOST_REMEMBERED = 500
LIMIT_S = 180.0
_GENAI = "onnxruntime-genai"


@dataclass(frozen=True, kw_only=True)
class _Runtime:
    """``name`` is of the package that tokenizes, ``python`` what has it, ``converter`` what writes OpenVINO's files."""

    name: str
    python: Path | None
    converter: Path | None = None


class ComparisonSpec(Record):
    """The base's ``directory`` and the ``dataset`` whose rows are compared; the rest as in ``_Runtime``."""

    directory: Path
    dataset: Path
    name: str
    python: Path | None
    converter: Path | None


class Comparison(Record):
    """A TokenizerCheck as a task returns it."""

    runtime: str
    rows: int
    texts: int
    notes: tuple[str, ...]


class _NotComparedError(JobError):
    """The runtime cannot be asked; the tokenizer may still be equal."""


def check_tokenizers(
    plans: Sequence[tuple[Plan, Collection[str]]], reporter: Reporter, *, keep_going: bool = False
) -> dict[tuple[str, str], TokenizerCheck]:
    """Compare each runtime's tokenizer that can be opened here with Hugging Face's; (recipe, job) → what came out.

    With each plan come the jobs that will run: artifacts that are kept were checked when they were made.
    Raises SetupError for the first difference, unless ``keep_going``; then it is a note, and the export will fail.
    """
    checks: dict[tuple[str, str], TokenizerCheck] = {}
    for plan, jobs in plans:
        by_runtime: dict[_Runtime, TokenizerCheck] = {}
        for job, runtime, reason in _runtimes(plan, jobs):
            key = (plan.recipe.name, job.id)
            if runtime is None:
                checks[key] = TokenizerCheck(runtime=_package(job), reason=reason)
                continue
            if runtime not in by_runtime:
                by_runtime[runtime] = _check(plan, job, runtime, reporter, keep_going)
            checks[key] = by_runtime[runtime]
        compared = {runtime.name for runtime, check in by_runtime.items() if check.equal is not None}
        _note_not_compared(plan, checks, compared, reporter)
    return checks


def _note_not_compared(
    plan: Plan, checks: Mapping[tuple[str, str], TokenizerCheck], compared: set[str], reporter: Reporter
) -> None:
    """One line for each runtime that no target of the plan can be opened with here."""
    noted = set(compared)
    for job in plan.jobs:
        check = checks.get((plan.recipe.name, job.id))
        if check is not None and check.equal is None and check.runtime not in noted:
            noted.add(check.runtime)
            reporter.note(job, f"its tokenizer was not compared with the one of {check.runtime}: {check.reason}")


def _package(job: Job) -> str:
    assert job.target is not None
    return "openvino-genai" if job.target.runtime == "openvino" else _GENAI


def _runtimes(plan: Plan, jobs: Collection[str]) -> Iterator[tuple[Job, _Runtime | None, str]]:
    """Each export or package among the jobs, with the runtime that can open it here, or the reason why none can."""
    for job in plan.jobs:
        if job.target is None or job.id not in jobs:
            continue
        build = environment(job.target.build_environment)
        try:
            if not satisfied_here(build):
                check_platform(build)  # else it is left out of the run, which reports that
            place = place_of(job.target)
            if place.how == "structure":
                yield job, None, place.reason
                continue
            converter = interpreter(build.name) if job.target.runtime == "openvino" else None
            yield job, _Runtime(name=_package(job), python=place.interpreter, converter=converter), ""
        except SetupError as error:
            yield job, None, error.message


def _check(plan: Plan, job: Job, runtime: _Runtime, reporter: Reporter, keep_going: bool) -> TokenizerCheck:
    directory = _model_files(plan)
    key, known = _key(plan, directory, runtime), load_cache(TOKENIZER_CHECKS)
    check = _remembered(known.get(key))
    if check is None:
        reporter.checking("tokenizer: compare")
        started = time.monotonic()
        try:
            check = _compare(plan, directory, runtime)
        except _NotComparedError as error:
            check = TokenizerCheck(runtime=runtime.name, reason=error.message)
        except SetupError as error:
            reporter.checked(f"tokenizer: differs in {runtime.name}")
            if not keep_going:
                raise
            reporter.note(job, str(error))
            return TokenizerCheck(runtime=runtime.name, equal=False, reason=error.message)
        if check.equal is None:
            reporter.checked("tokenizer: not compared")
            return check
        reporter.checked(f"tokenizer: {check.rows} rows, equal ids in {check.runtime}")
        check = TokenizerCheck(**asdict(check) | {"seconds": round(time.monotonic() - started, 2)})
        _remember(known, key, check)
    for note in check.notes:
        reporter.note(job, note)
    return check


def _model_files(plan: Plan) -> Path:
    """The base's folder; of a Hub id the small files alone, which are checked as ``admit`` does."""
    if plan.model.is_local:
        return local_directory(plan.model.path, plan.model.revision)
    directory = fetch(plan.model.path, plan.model.revision, SMALL_FILES)
    check_folder(directory, weights=False)
    return directory


def _compare(plan: Plan, directory: Path, runtime: _Runtime) -> TokenizerCheck:
    """In the Python that knows the model. Raises SetupError for a difference, _NotComparedError when the runtime took
    too long or is not there."""
    python = model_python(plan)
    if python is None:
        return _compare_here(directory, plan.dataset.directory, runtime)
    spec = ComparisonSpec(
        directory=directory.absolute(),
        dataset=plan.dataset.directory.absolute(),
        name=runtime.name,
        python=runtime.python or Path(sys.executable),
        converter=runtime.converter,
    )
    try:
        result = run_task(compare_tokenizers, spec, interpreter=python).result
    except JobError as error:
        raise _NotComparedError(error.message) from error
    return TokenizerCheck(**result.model_dump(), equal=True)


def compare_tokenizers(spec: ComparisonSpec, progress: Progress) -> Comparison:
    """``_compare_here`` as a task of a child process."""
    runtime = _Runtime(name=spec.name, python=spec.python, converter=spec.converter)
    check = _compare_here(spec.directory, spec.dataset, runtime)
    return Comparison(runtime=check.runtime, rows=check.rows, texts=check.texts, notes=check.notes)


def _compare_here(directory: Path, dataset: Path, runtime: _Runtime) -> TokenizerCheck:
    asked = ask(directory, dataset)
    versions = machine_of(runtime.python).packages
    name = f"{runtime.name} {versions.get(runtime.name, '')}".rstrip()
    reading = _read(asked, runtime, name)
    check_answers(asked, reading, name)
    notes = (*asked.notes, *answer_notes(asked, reading, name))
    rows = [text for text in asked.texts if text.kind == "row"]
    return TokenizerCheck(runtime=name, rows=asked.rows, texts=len(rows), equal=True, notes=notes)


def _read(asked: Questions, runtime: _Runtime, name: str) -> TokenizerReading:
    with tempfile.TemporaryDirectory(prefix="olivepress-tokenizer-") as scratch:
        folder = Path(scratch, "model")
        _write_tokenizer(asked, runtime, folder, name)
        spec = TokenizerSpec(
            model_dir=folder,
            texts=tuple(text.text for text in asked.texts),
            token_ids=tuple(segment.token_ids for segment in asked.segments),
            conversations=tuple(dialogue.conversation for dialogue in asked.dialogues),
        )
        reached: list[int] = []
        started = time.monotonic()
        try:
            return run_task(
                tasks.tokenizer,
                spec,
                interpreter=runtime.python,
                on_progress=lambda done, total: reached.append(done),
                timeout_s=LIMIT_S,
            ).result
        except SetupError as error:  # its package is not here
            raise _NotComparedError(error.message) from error
        except JobError as error:
            if time.monotonic() - started >= LIMIT_S:
                raise _NotComparedError(error.message) from error
            raise _unreadable(asked, name, reached, error.message) from error


def _unreadable(asked: Questions, name: str, reached: Sequence[int], reason: str) -> SetupError:
    """The runtime raised or crashed: at the text that it was given last, or before it was given any."""
    step = "give the tokenizer files that the model was published with, or leave these targets out, or --keep-going"
    if not reached:
        return SetupError(f"{name} cannot open the base model's tokenizer ({reason})", next_step=step)
    items = [(text.name, text.text) for text in asked.texts]
    items += [(segment.name, segment.decoded) for segment in asked.segments]
    where, text = items[min(reached[-1], len(items) - 1)]
    return SetupError(f"{where}: the tokenizer of {name} fails on {text[:60]!r} ({reason})", next_step=step)


def _write_tokenizer(asked: Questions, runtime: _Runtime, folder: Path, name: str) -> None:
    """An export's tokenizer files are those that transformers writes of the base's, not the base's own."""
    asked.tokenizer.save_pretrained(folder)
    if runtime.converter is None:
        genai_folder(folder, asked.model_ids, vocab_size=len(asked.tokenizer))
        return
    converter = None if runtime.converter == Path(sys.executable) else runtime.converter
    spec = OpenvinoTokenizerSpec(source=folder, directory=folder)
    try:
        run_task(tasks.openvino_tokenizer, spec, interpreter=converter, timeout_s=LIMIT_S)
    except JobError as error:
        raise _unreadable(asked, name, (), error.message) from error


def _key(plan: Plan, directory: Path, runtime: _Runtime) -> str:
    """Hash of all that the comparison depends on."""
    parts = [str(_FORMAT), plan.dataset.version, runtime.name]
    parts += [split for split in SPLITS if (plan.dataset.directory / f"{split}.jsonl").is_file()]
    for name in ("config.json", GENERATION_CONFIG, *TOKENIZER_FILES):
        path = directory / name
        parts.append(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ''}")
    here = package_versions(("olivepress", "transformers", "tokenizers", "jinja2"))
    python = model_python(plan)
    there = [] if python is None else [machine_of(python).packages]
    parts.append(json.dumps([here, machine_of(runtime.python).packages, *there], sort_keys=True))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _remembered(entry: Any) -> TokenizerCheck | None:
    try:
        check = TokenizerCheck(**{**entry, "notes": tuple(map(str, entry["notes"]))})
    except (TypeError, KeyError):
        return None
    return check if check.equal is True else None


def _remember(known: dict[str, Any], key: str, check: TokenizerCheck) -> None:
    kept = known if len(known) < _MOST_REMEMBERED else {}
    save_cache(TOKENIZER_CHECKS, {**kept, key: asdict(check)})
