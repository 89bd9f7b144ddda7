"""Olive's output turned into an artifact: files that belong to it stay, caches and paths of this machine go."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from olivepress.catalog import Target
from olivepress.core.bounded import CONFIG, read_json
from olivepress.core.errors import JobError
from olivepress.core.files import copy_file, write_text
from olivepress.core.jsonl import read_json_lines
from olivepress.core.layout import TRAINING
from olivepress.models.admission.rope_parameters import built_context
from olivepress.report.training_record import shipped_step, step_line, training_steps
from olivepress.run.last_position import write_last_position
from olivepress.run.shared_weights import share_weights
from olivepress.runtimes.openvino_model import DEVICE_FILE, device_text
from olivepress.workflow.olive_plugin.row_counts import RowCounts
from olivepress.workflow.plan import Job, Plan
from olivepress.workflow.rendered import Workflow

__all__ = [
    "base_name",
    "clear_unfinished",
    "finish_output",
    "other_checkpoints",
    "remove_caches",
    "remove_directories",
    "trained_rows",
    "training_record",
]

# Olive's own notes: absolute paths, and nothing that is not in the manifest or the log.
_OLIVE_NOTES = ("footprint.json", "output_footprint.json", "run_history.txt", "model_config.json")


def remove_directories(*directories: Path) -> None:
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


def finish_output(plan: Plan, job: Job, workflow: Workflow) -> None:
    """Leave in the output what belongs to the artifact, and no path of this machine."""
    output = plan.output_dir(job)
    for name in _OLIVE_NOTES:
        (output / name).unlink(missing_ok=True)
    remove_directories(workflow.cache_dir)
    if job.target and job.target.runtime == "openvino":
        _flatten_openvino(output, job.target)
    elif job.target:
        _correct_genai_config(output / "genai_config.json", job.target, built_context(plan.model.facts.config))
        share_weights(output)
        if job.target.last_logits and job.kind == "export":
            write_last_position(output)
    if job.kind == "export" and job.parent:
        # What the parent computed on fixed prompts travels with the artifact; the full logits stay here.
        reference = plan.output_dir(plan.job(job.parent)) / "reference" / "reference.npz"
        copy_file(reference, output / "reference" / reference.name)
    if job.kind == "finetune":
        if job.id != plan.trained:
            _finish_adapter(plan, output)
        record = training_record(workflow)
        if record.is_file():
            write_text(output / TRAINING, _record_text(record))


def _finish_adapter(plan: Plan, output: Path) -> None:
    # Olive copies a local base beside every adapter: 7 GB that the merge reads from the original anyway.
    remove_directories(output / "model")
    (output / "adapter" / "README.md").unlink(missing_ok=True)
    config_path = output / "adapter" / "adapter_config.json"
    config = read_json(config_path, CONFIG, JobError)
    config["base_model_name_or_path"] = base_name(plan)
    write_text(config_path, json.dumps(config, indent=2, sort_keys=True) + "\n")


def _flatten_openvino(output: Path, target: Target) -> None:
    """Olive leaves the IR and its tokenizers in three folders; openvino-genai opens one. Names the device, too."""
    model = output / "model"
    for folder in (model, model / "openvino_tokenizer", model / "openvino_detokenizer"):
        for path in folder.glob("*"):
            if path.is_file():
                path.replace(output / path.name)
    remove_directories(model)
    (output / "openvino_config.json").unlink(missing_ok=True)  # names the parent's folder on this machine
    device = target.device.upper()
    text = device_text(device, target.provider_options.get(device, {}))
    write_text(output / DEVICE_FILE, text)


def _correct_genai_config(config_path: Path, target: Target, most: int | None) -> None:
    """Name the provider where the builder could not, and remove an option that only the compiler reads: a path, which
    Olive has made absolute. A key/value cache of fixed length is the context: beyond it genai answers garbage.
    Beyond ``most`` tokens the built model is another one."""
    text = config_path.read_text(encoding="utf-8")
    config = json.loads(text)
    decoder = config["model"]["decoder"]
    if target.provider_options:
        decoder["session_options"]["provider_options"] = [dict([entry]) for entry in target.provider_options.items()]
    if target.context_length:
        config["model"]["context_length"] = config["search"]["max_length"] = target.context_length
    if most is not None:
        config["model"]["context_length"] = min(config["model"].get("context_length", most), most)
    _limit_to_context(config)
    for part in (part for stage in decoder.get("pipeline", ()) for part in stage.values()):
        for entry in part.get("session_options", {}).get("provider_options", ()):
            for options in entry.values():
                options.pop("op_affinity", None)
                if options.pop("backend_path", None):  # a Linux file name; the compiler knows no other way
                    options["backend_type"] = "htp"
    if config != json.loads(text):
        write_text(config_path, json.dumps(config, indent=4) + "\n")


def _limit_to_context(config: dict[str, Any]) -> None:
    """The runtime refuses to generate when the length that it may reach by itself is more than the model's context."""
    context, search = config["model"].get("context_length"), config.setdefault("search", {})
    if isinstance(context, int):
        asked = search.get("max_length")
        search["max_length"] = min(asked, context) if isinstance(asked, int) else context
        if isinstance(search.get("min_length"), int):
            search["min_length"] = min(search["min_length"], search["max_length"])


def training_record(workflow: Workflow) -> Path:
    """Where the trainer writes its steps: beside the checkpoints, so that a resumed run continues the record."""
    assert workflow.training_dir is not None
    return workflow.training_dir.with_name(f"{workflow.training_dir.name}.jsonl")


def _record_text(record: Path) -> str:
    """One line for each step, and the line of the step that ships: what a kill made a fine-tune repeat counts once."""
    lines = read_json_lines(record)
    texts = [json.dumps(step_line(step)) for step in training_steps(lines)]
    shipped = shipped_step(lines)
    if shipped is not None:
        texts.append(json.dumps({"done": shipped.steps, "total": shipped.total, "shipped": shipped.model_dump()}))
    return "".join(f"{text}\n" for text in texts)


def other_checkpoints(workflow: Workflow) -> Path | None:
    """Checkpoints of the same job by other settings, which are not resumed; None where this workflow has its own."""
    training = workflow.training_dir
    if training is None or training.is_dir():
        return None
    return next(iter(sorted(training.parent.glob(f"{workflow.job_id}-*/checkpoint-*"))), None)


def trained_rows(lines: Sequence[Any]) -> RowCounts | None:
    """What the training process counted of its rows; None when it did not get so far."""
    for message in reversed(lines):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return RowCounts.model_validate(message["rows"])
    return None


def base_name(plan: Plan) -> str:
    """The base model as a record may name it: never an absolute path."""
    origin = plan.model.origin
    return Path(origin).name if Path(origin).is_absolute() else origin


def clear_unfinished(output: Path, workflow: Workflow) -> None:
    """Remove everything that an earlier, unfinished try left, except complete checkpoints."""
    remove_directories(output, workflow.cache_dir)
    training = workflow.training_dir
    if training is None:
        return
    for checkpoint in training.glob("checkpoint-*"):
        try:
            # transformers writes the trainer's state last: without it the checkpoint was cut by a kill.
            read_json((checkpoint / "trainer_state.json"), CONFIG, JobError)
        except (OSError, ValueError):
            shutil.rmtree(checkpoint, ignore_errors=True)
    if not any(training.glob("checkpoint-*")):
        remove_directories(training)  # Olive refuses a training directory without a checkpoint
        training_record(workflow).unlink(missing_ok=True)


def remove_caches(workflow: Workflow) -> None:
    """Olive's cache and the checkpoints of a job that is finished."""
    remove_directories(workflow.cache_dir)
    if workflow.training_dir:
        remove_directories(workflow.training_dir)
        training_record(workflow).unlink(missing_ok=True)
