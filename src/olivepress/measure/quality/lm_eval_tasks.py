"""Runs tasks of EleutherAI's lm-evaluation-harness on a GenAI folder, and writes a prepared dataset as such a task.

The harness runs the model through its own ``onnxruntime-genai`` class (lm_eval 0.4.13, models/onnxruntime_genai.py).
That class adds no BOS, uses no chat template and does not check that the runtime returned the logits of every position.
The first is the harness's choice; prompts of our own task are rendered with the chat template; the third is checked
here before anything is measured.
"""

from __future__ import annotations

import importlib
import json
import math
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from olivepress.catalog.provider import CPU
from olivepress.catalog.provider import provider as find_provider
from olivepress.catalog.provider_record import Provider
from olivepress.core.errors import DataError, JobError, SetupError
from olivepress.core.files import write_text
from olivepress.data.store.examples import Example, Message
from olivepress.data.store.reader import dataset_labels, read_split
from olivepress.report.device_report import Measurement
from olivepress.runtimes.chat_template.prompts import render_prompt
from olivepress.runtimes.linked_copy import with_every_position
from olivepress.stats.intervals import Z95

__all__ = ["OWN_TASK", "check_tasks", "run_lm_eval", "task_from_dataset"]

OWN_TASK = "dataset"  # the name of the task made of the prepared dataset

# Shares from 0 to 1 in the harness's own tasks; anything else (perplexity, bleu from 0 to 100 …) is a plain number.
RATIOS = re.compile(r"^(acc|exact_match|f1|em|mc[12]|pass@|prompt_level|inst_level|precision|recall)")
BOOTSTRAP = 1000  # only for metrics that are not means; the harness's default of 100000 takes minutes
PROBE = 3
TASK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
ANSWER_TOKENS = 256
STRIPPED = r"(?s)\A\s*(.*?)\s*\Z"


def run_lm_eval(
    model_dir: Path, tasks: Sequence[str], *, include_path: Path | None, limit: int | None, execution_provider: str
) -> dict[str, Measurement]:
    """Run tasks of the harness on ``model_dir``; keys are "task/metric", with ",filter" where a filter has a name.

    ``limit`` is the number of examples per task, None for all. Units: "ratio" for accuracies and the like, else "1";
    intervals are value ± 1.96 standard errors by the harness, clipped to 0 to 1 for ratios, none where the error is 0
    or not given; n is the number of examples. ``include_path`` is a folder with task files, such as
    ``task_from_dataset`` writes.

    SetupError without lm-eval, for an unknown task, for a data set that cannot be loaded and for a provider that
    the runtime does not have; JobError when the model fails.
    """
    harness = _harness()
    from jinja2 import TemplateError

    if limit is not None and limit < 1:
        raise SetupError(f"a limit of {limit} leaves no examples", next_step="give 1 or more, or none for all examples")
    if not tasks:
        raise SetupError("no task was named", next_step="name one, such as arc_easy")
    # Built once: it reads every task file of the harness, seconds.
    manager = harness.tasks.TaskManager(include_path=str(include_path) if include_path else None)
    loaded = [part for task in tasks for part in _load_task(manager, task)]
    model = _load_model(harness, model_dir, execution_provider)
    try:
        output = harness.simple_evaluate(
            model=model,
            tasks=loaded,
            task_manager=manager,
            limit=limit,
            bootstrap_iters=BOOTSTRAP,
            log_samples=False,
        )
    except (RuntimeError, ValueError, IndexError, TemplateError) as error:
        raise JobError(
            f"{model_dir}: lm-eval failed in {', '.join(tasks)} ({_first_line(error)})",
            next_step="check that the longest prompt fits the model's context_length",
        ) from error
    return _measurements(output)


def check_tasks(tasks: Sequence[str], *, include_path: Path | None) -> None:
    """SetupError without lm-eval, for an unknown task and for one whose data set cannot be loaded."""
    manager = _harness().tasks.TaskManager(include_path=str(include_path) if include_path else None)
    for task in tasks:
        _load_task(manager, task)


def _harness() -> Any:
    try:
        harness = importlib.import_module("lm_eval")
        for part in ("tasks", "models.onnxruntime_genai"):
            importlib.import_module(f"lm_eval.{part}")
        _sandbox_templates(importlib.import_module("lm_eval.utils"))
    except ImportError as error:
        raise SetupError(
            f"lm-eval cannot be imported ({_first_line(error)})", next_step="pip install 'olivepress[eval]'"
        ) from error
    return harness


def _sandbox_templates(utils: Any) -> None:
    """Make the harness render templates of task files in a sandbox, without access to Python's objects."""
    from jinja2.sandbox import SandboxedEnvironment

    if isinstance(utils.env, SandboxedEnvironment):
        return
    sandbox = SandboxedEnvironment(
        loader=utils.env.loader, undefined=utils.env.undefined, keep_trailing_newline=utils.env.keep_trailing_newline
    )
    sandbox.filters.update(utils.env.filters)
    utils.env = sandbox


def _load_task(manager: Any, task: str) -> list[Any]:
    """The task, or the group or the tasks of a tag, of this name, with its data set."""
    if task not in manager.all_tasks:
        raise SetupError(
            f"task {task}: lm-eval has no task of this name",
            next_step="lm-eval ls tasks lists them; the folder of your own is --lm-eval-tasks",
        )
    try:
        loaded = manager.load(task)
    except Exception as error:  # every data set's loader may raise its own errors
        raise SetupError(
            f"task {task}: its data set cannot be loaded ({type(error).__name__}: {_first_line(error)})",
            next_step="load it once with datasets.load_dataset where there is a network, or name a folder of task "
            "files with local data: --lm-eval-tasks",
        ) from error
    if task in loaded["groups"]:
        return [loaded["groups"][task]]
    return list(loaded["tasks"].values())


def _load_model(harness: Any, model_dir: Path, execution_provider: str) -> Any:
    if not (model_dir / "genai_config.json").is_file():
        raise SetupError(f"{model_dir}: no genai_config.json", next_step="name the folder of an exported model")
    provider = find_provider(execution_provider)
    # Opened is opened: the links may go. Windows keeps what is mapped.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        return _opened(harness, with_every_position(model_dir, Path(scratch, "model")), provider)


def _opened(harness: Any, model_dir: Path, provider: Provider) -> Any:
    try:
        model = harness.models.onnxruntime_genai.ONNXRuntimeGenAILM(
            pretrained=str(model_dir), execution_provider=provider.genai_name
        )
        rows = len(model._forward_logits([model.eot_token_id] * PROBE))
    except (RuntimeError, ImportError, OSError, ValueError) as error:
        raise SetupError(
            f"{model_dir}: cannot be loaded on {provider.name} ({_first_line(error)})",
            next_step=f"install the onnxruntime-genai package of that provider, or use {CPU.name}",
        ) from error
    if rows != PROBE:
        raise SetupError(
            f"{model_dir}: returns the logits of {rows} of {PROBE} positions, the harness needs them all",
            next_step="export without pruning the head (prune_lm_head) and without chunked prefill",
        )
    placed = str(model.model.device_type).upper()
    if placed == "CPU" and provider.hides_absence:
        raise SetupError(
            f"{model_dir}: requested {provider.name}, the runtime placed the model on the CPU",
            next_step=f"install the onnxruntime-genai package of that provider, or use {CPU.name}",
        )
    return model


def _measurements(output: Mapping[str, Any]) -> dict[str, Measurement]:
    measurements: dict[str, Measurement] = {}
    for task, results in output["results"].items():
        for key, value in results.items():
            metric, _, chosen = key.partition(",")
            if not chosen or metric.endswith("_stderr") or isinstance(value, str):
                continue
            name = f"{task}/{metric}" if chosen == "none" else f"{task}/{metric},{chosen}"
            error = results.get(f"{metric}_stderr,{chosen}")
            measurements[name] = _measurement(metric, float(value), error, _count(output, task, key))
    return measurements


def _measurement(metric: str, value: float, error: Any, count: int) -> Measurement:
    ratio = bool(RATIOS.match(metric)) and 0 <= value <= 1
    unit = "ratio" if ratio else "1"
    if not math.isfinite(value):
        return Measurement(unit=unit, reason=f"lm-eval's {metric} is {value}: not a number that can be compared")
    # All right or all wrong gives a standard error of 0, and an interval of no width would claim certainty.
    if not isinstance(error, float) or not math.isfinite(error) or error <= 0 or count < 2:
        return Measurement(value=value, unit=unit, n=count)
    low, high = value - Z95 * error, value + Z95 * error
    if ratio:
        low, high = max(0.0, low), min(1.0, high)
    return Measurement(value=value, unit=unit, n=count, ci_low=low, ci_high=high)


def _count(output: Mapping[str, Any], task: str, key: str) -> int:
    """Number of examples; for a group the sum over its tasks that have the metric ``key``."""
    if key not in output["results"].get(task, {}):
        return 0
    counts = output["n-samples"]
    if task in counts:
        return int(counts[task]["effective"])
    return sum(_count(output, part, key) for part in output.get("group_subtasks", {}).get(task, ()))


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def task_from_dataset(
    dataset_dir: Path, out_dir: Path, name: str, *, model_dir: Path, split: str = "test", limit: int | None = None
) -> Path:
    """Write a split of a prepared dataset as a task of the harness: ``<name>.yaml`` and ``<name>.jsonl``.

    With ``limit``, rows are spread over the split as in ``read_split``. Prompts are rendered with the chat template in
    ``model_dir``, so the task belongs to that model. Multiple choice when every row has a label and each label has
    exactly one answer: the choices are those answers with the token that ends them, as in training. Otherwise the
    answer is generated (256 tokens at most) and must equal the expected answer, surrounding white space aside. Returns
    the YAML file; its folder is the ``include_path`` of ``run_lm_eval``.

    DataError for a name with other characters than letters, digits, _ and -, and as ``read_split`` and
    ``render_prompt`` raise it.
    """
    if not TASK_NAME.fullmatch(name):
        raise DataError(f"task name {name!r}: expected letters, digits, _ and -", next_step="choose another name")
    read = read_split(dataset_dir, split, limit=limit)
    choices = dataset_labels(dataset_dir) or _choices(read.rows)
    rows_file, task_file = (out_dir / f"{name}.jsonl").resolve(), out_dir / f"{name}.yaml"
    documents = [_document(model_dir, row, choices) for row in read.rows]
    write_text(rows_file, "".join(json.dumps(document) + "\n" for document in documents))
    write_text(task_file, yaml.safe_dump(_task(name, rows_file, read.version, bool(choices)), sort_keys=False))
    return task_file


def _choices(rows: Sequence[Example]) -> tuple[str, ...]:
    """The answer of each label in the labels' order; () unless labels and answers correspond one to one."""
    if any(row.label is None for row in rows):
        return ()
    answers: dict[str, set[str]] = {}
    for row in rows:
        answers.setdefault(str(row.label), set()).add(row.answer)
    distinct = {answer for texts in answers.values() for answer in texts}
    if len(answers) < 2 or any(len(texts) > 1 for texts in answers.values()) or len(distinct) < len(answers):
        return ()
    return tuple(next(iter(answers[label])) for label in sorted(answers))


def _document(model_dir: Path, row: Example, choices: Sequence[str]) -> dict[str, Any]:
    rendered = render_prompt(model_dir, row.messages, row.tools)
    if not choices:
        return {"id": row.id, "prompt": rendered.prefix, "answer": rendered.answer.strip()}
    completions = [render_prompt(model_dir, _answered(row, choice)).completion for choice in choices]
    return {"id": row.id, "prompt": rendered.prefix, "choices": completions, "answer": choices.index(row.answer)}


def _answered(row: Example, answer: str) -> tuple[Message, ...]:
    return (*row.messages[:-1], {"role": "assistant", "content": answer})


def _task(name: str, rows_file: Path, version: str, has_choices: bool) -> dict[str, Any]:
    task: dict[str, Any] = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(rows_file)}},
        "test_split": "test",
        "num_fewshot": 0,
        # Column names, not templates: a template would evaluate answers that look like Python lists.
        "doc_to_text": "prompt",
        "doc_to_target": "answer",
        "target_delimiter": "",
        "metadata": {"version": 1.0, "dataset_sha256": version},
    }
    if has_choices:
        metric = {"metric": "acc", "aggregation": "mean", "higher_is_better": True}
        return task | {"output_type": "multiple_choice", "doc_to_choice": "choices", "metric_list": [metric]}
    metric = {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}
    # No stop texts: the model's end token ends the answer, and answers may contain blank lines.
    settings = {"until": [], "do_sample": False, "max_gen_toks": ANSWER_TOKENS}
    strip = [{"function": "regex", "regex_pattern": STRIPPED, "fallback": ""}, {"function": "take_first"}]
    filters = [{"name": "none", "filter": strip}]
    return task | {
        "output_type": "generate_until",
        "generation_kwargs": settings,
        "filter_list": filters,
        "metric_list": [metric],
    }
