"""A workflow against the Olive that is installed: what it would ignore, prune or build for another device."""

from __future__ import annotations

import contextlib
import difflib
import io
import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from olivepress.catalog import targets
from olivepress.catalog.foreign_code import foreign_code, without_foreign_code
from olivepress.core.errors import DataError, OlivepressError
from olivepress.core.privacy import OLIVE_RUNS
from olivepress.data.store.examples import SPLITS
from olivepress.data.store.reader import read_split
from olivepress.models.wheels import wheel_model_at
from olivepress.runtimes.chat_template.check import check_rows
from olivepress.workflow.lint_rules import find_traps
from olivepress.workflow.olive_plugin.passes import OWN_PASSES, package_entries
from olivepress.workflow.olive_plugin.row_counts import RowCounts, row_problem, row_summary
from olivepress.workflow.render import SHIM, Workflow, shim_of

__all__ = ["Finding", "lint", "olive_installed", "row_findings"]

# onnxruntime-genai's builder knows these; Olive hands any other provider to it as "cpu" without a word.
_BUILDER_PROVIDERS = (
    "CPUExecutionProvider",
    "CUDAExecutionProvider",
    "DmlExecutionProvider",
    "WebGpuExecutionProvider",
    "JsExecutionProvider",
    "NvTensorRTRTXExecutionProvider",
)
_AFTER_BUILDER = ("StaticLLM", "EPContextBinaryGenerator")  # these make a model for the NPU out of one for the CPU
_SAMPLE_ROWS = 512
_LONGEST_SHIM = 4096
Level = Literal["error", "pending", "note"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """``error`` stops the run; ``pending`` is the output of an earlier job that has not run yet; ``note`` is what a
    person should know of the data before it is trained on."""

    level: Level
    path: Path
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.key}: {self.message}"


def olive_installed() -> bool:
    return find_spec("olive") is not None


def lint(workflows: tuple[Workflow, ...], *, root: Path = Path(), rendered: bool = True) -> list[Finding]:
    """Every finding in ``workflows``; the checks that need Olive are left out when it is not installed.

    A workflow that was not ``rendered`` from a plan is somebody's file: what in it would run code is a finding.
    Of either, no code is imported: Olive's parser is given a copy without it.
    """
    made = {str(workflow.config["output_dir"]) for workflow in workflows}
    findings: list[Finding] = []
    for workflow in workflows:
        findings += _files(workflow, made, root)
        findings += _evaluator_data(workflow, root)
        findings += _templates(workflow, root)
        findings += _traps(workflow)
        if not rendered:
            findings += _code(workflow, root)
        if olive_installed():
            with _quiet():
                findings += _against_olive(workflow, root)
    return findings


def row_findings(workflows: Sequence[Workflow], *, root: Path = Path()) -> list[Finding]:
    """Findings about the rows that are trained on alone: they need a tokenizer, not Olive; [] without transformers."""
    if find_spec("transformers") is None:
        return []
    with _quiet():
        return [finding for workflow in workflows for finding in _supervision(workflow, root)]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Olive logs and prints while it parses; the findings say all that matters."""
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


def _files(workflow: Workflow, made: set[str], root: Path) -> Iterator[Finding]:
    """Local files that the workflow reads, and rows that leave nothing to train on."""
    model = workflow.config["input_model"]
    for key in ("model_path", "adapter_path"):
        path = model.get(key)
        if path is None or (root / path).exists():
            continue
        if any(path.startswith(f"{directory}/") for directory in made):
            yield _finding(workflow, f"input_model.{key}", f"{path} is made by an earlier job", level="pending")
        elif (wheel := wheel_model_at(path)) is not None:
            message = f"{path} is made of {wheel.wheel} {wheel.version} by olivepress run"
            yield _finding(workflow, f"input_model.{key}", message, level="pending")
        elif path.startswith(("models/", "runs/", "./", "/", "../")):
            yield _finding(workflow, f"input_model.{key}", f"{path} does not exist")
    for config in workflow.config.get("data_configs", []):
        loader = config["load_dataset_config"]
        key = f"data_configs.{config['name']}.load_dataset_config"
        path = root / loader["directory"] / f"{loader['split']}.jsonl"
        if not path.is_file():
            yield _finding(workflow, key, f"{path} does not exist; next: olivepress prepare RECIPE")
        elif not path.read_bytes().strip():
            yield _finding(workflow, key, f"{path} has no rows: 0 supervised tokens")


def _evaluator_data(workflow: Workflow, root: Path) -> Iterator[Finding]:
    for name, evaluator in workflow.config.get("evaluators", {}).items():
        dataset = evaluator.get("type_args", {}).get("dataset")
        if dataset and not (root / dataset / "test.jsonl").is_file():
            message = f"{dataset}/test.jsonl does not exist; next: olivepress prepare RECIPE"
            yield _finding(workflow, f"evaluators.{name}.type_args.dataset", message)


def _templates(workflow: Workflow, root: Path) -> Iterator[Finding]:
    """Every row of the data that is trained on, held against the chat template, where both are on this machine."""
    for data in workflow.config.get("data_configs", []):
        loader, pre = data["load_dataset_config"], data.get("pre_process_data_config", {})
        directory, model = root / loader["directory"], root / str(pre.get("model_path"))
        if pre.get("type") != "olivepress_supervised" or not (model / "tokenizer_config.json").is_file():
            continue
        key = f"data_configs.{data['name']}"
        try:
            splits = [name for name in SPLITS if (directory / f"{name}.jsonl").is_file()]
            rows = [row for name in splits for row in read_split(directory, name).rows]
            report = check_rows(model, rows)
        except OlivepressError as error:
            yield _finding(workflow, key, str(error))
            continue
        for message in report.errors:
            yield _finding(workflow, key, f"{message}; give the model another chat template, or change the rows")
        yield from (_finding(workflow, key, message, level="note") for message in report.notes)


def _traps(workflow: Workflow) -> Iterator[Finding]:
    soc_models = {number: chip for target in targets().values() for number, chip in target.soc_models.items()}
    for key, message in find_traps(workflow.config, workflow.text, soc_models):
        yield _finding(workflow, key, message)


def _code(workflow: Workflow, root: Path) -> Iterator[Finding]:
    """What ``olive run`` would import or load, but for the shim that olivepress renders."""
    for key, value in foreign_code(workflow.config):
        if key.rsplit(".", 1)[-1] == "user_script" and _is_shim(root / value):
            continue
        yield _finding(workflow, key, f"runs code, {ascii(value)[:100]}; it was not imported to be checked")


def _is_shim(path: Path) -> bool:
    """Whether it is the script that olivepress renders, word for word, or is not there and would be."""
    if path.name != SHIM:
        return False
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LONGEST_SHIM)
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False
    return re.sub(r"seed=\d+", "seed=0", text) == shim_of(0)


def _finding(workflow: Workflow, key: str, message: str, *, level: Level = "error") -> Finding:
    return Finding(level=level, path=workflow.path, key=key, message=message)


def _against_olive(workflow: Workflow, root: Path) -> Iterator[Finding]:
    """What Olive itself accepts in silence: unknown parameters, passes it would prune, providers it maps to cpu."""
    os.environ.update(OLIVE_RUNS)
    import olive.evaluator.olive_evaluator  # noqa: F401  (registers what RunConfig looks up)
    from olive.hardware.accelerator import AcceleratorSpec, Device
    from olive.package_config import OlivePackageConfig

    import olivepress.workflow.olive_plugin.extension  # noqa: F401  (our components, which the user_script would register)

    config = workflow.config
    accelerator = config["systems"]["here"]["accelerators"][0]
    device, provider = accelerator["device"], accelerator["execution_providers"][0]
    spec = AcceleratorSpec(accelerator_type=Device(device), execution_provider=provider)
    yield from _parse(workflow)
    yield from _supervision(workflow, root)
    package = OlivePackageConfig.load_default_config()
    package = package.model_copy(update={"passes": {**package.passes, **_own_passes()}})
    for name, settings in config["passes"].items():
        key = f"passes.{name}"
        kind = settings["type"]
        if kind.lower() not in {known.lower() for known in package.passes}:
            near = difflib.get_close_matches(kind, list(package.passes), n=1, cutoff=0.5)
            yield _finding(workflow, f"{key}.type", f"no pass {kind!r} in this Olive{_guess(near)}")
            continue
        handed_on = any(later["type"] in _AFTER_BUILDER for later in config["passes"].values())
        if kind.lower() == "modelbuilder" and provider not in _BUILDER_PROVIDERS and not handed_on:
            message = f"ModelBuilder does not know {provider} and would silently build for the CPU"
            yield _finding(workflow, f"{key}.type", message)
        yield from _parameters(workflow, key, settings, package.import_pass_module(kind), spec)


def _own_passes() -> dict[str, Any]:
    """Ours as Olive's package config has them; its keys are in lower case."""
    from olive.passes import PassModuleConfig

    return {name.lower(): PassModuleConfig(**entry) for name, entry in package_entries(OWN_PASSES).items()}


def _parse(workflow: Workflow) -> Iterator[Finding]:
    """Olive's own parser on the whole workflow, without what it would import: our components are registered already."""
    from olive.workflows.run.config import RunConfig

    try:
        RunConfig.model_validate(without_foreign_code(workflow.config))
    except Exception as error:
        problems = error.errors() if hasattr(error, "errors") else []
        for problem in problems or [{"loc": ("workflow",), "msg": str(error).splitlines()[0]}]:
            yield _finding(workflow, ".".join(map(str, problem["loc"])), f"Olive refuses it: {problem['msg']}")


def _supervision(workflow: Workflow, root: Path) -> Iterator[Finding]:
    """Tokenize and mask a sample, where data and tokenizer are on this machine."""
    from olivepress.workflow.olive_plugin.supervision import supervise

    for data in workflow.config.get("data_configs", []):
        loader, pre = data["load_dataset_config"], data["pre_process_data_config"]
        directory, model = root / loader["directory"], root / pre["model_path"]
        if not (directory / f"{loader['split']}.jsonl").is_file() or not (model / "tokenizer_config.json").is_file():
            continue
        try:
            split, counted = read_split(directory, loader["split"], limit=_SAMPLE_ROWS), list[RowCounts]()
            supervise(
                split.rows,
                str(model),
                max_length=pre["max_length"],
                train_on=pre.get("train_on", "answer"),
                checked=True,
                on_counts=counted.append,
            )
            yield from _left_out(workflow, data["name"], pre.get("type"), counted[0], split.of)
        except DataError as error:
            yield _finding(workflow, f"data_configs.{data['name']}", str(error))
        except Exception as error:  # tokenizers raises bare Exception for a garbled file
            yield _finding(workflow, f"data_configs.{data['name']}", f"{model}: tokenizer cannot be loaded ({error})")


def _left_out(workflow: Workflow, name: str, kind: str | None, counts: RowCounts, of: int) -> Iterator[Finding]:
    """Rows that are too long to be trained on: an error where they are most of them."""
    counts = counts.model_copy(update={"sample_of": of if counts.rows < of else None})
    summary = row_summary(counts)
    if summary and kind == "olivepress_supervised":  # what calibrates needs no more than a few rows
        level: Level = "error" if row_problem(counts) else "note"
        yield _finding(workflow, f"data_configs.{name}", summary, level=level)


def _parameters(workflow: Workflow, key: str, settings: dict[str, Any], kind: Any, spec: Any) -> Iterator[Finding]:
    known = kind.default_config(spec)
    given = {name: value for name, value in settings.items() if name != "type"}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
            message = f"{settings['type']} has no such parameter, Olive would ignore it{_guess(near)}"
            yield _finding(workflow, f"{key}.{name}", message)
    yield from _training_arguments(workflow, key, given.get("training_args", {}))
    given = {name: value for name, value in given.items() if name in known and not name.endswith("data_config")}
    given = without_foreign_code(given)
    required = {}
    if "train_data_config" in known:
        required = {"train_data_config": {"name": "lint", "type": "DataContainer"}}
    try:
        checked = kind.generate_config(spec, {**given, **required}, {}, True)
        if not kind.validate_config(checked, spec):
            message = f"Olive would prune this pass on {spec.accelerator_type}/{spec.execution_provider}"
            yield _finding(workflow, key, message)
    except ImportError as error:
        # The keys are known to be right by now; the pass looks for its packages before it looks at the device.
        message = f"the rest is checked where the pass's packages are ({str(error).splitlines()[0]})"
        yield _finding(workflow, key, message, level="pending")
    except Exception as error:
        problems = error.errors() if hasattr(error, "errors") else [{"loc": (), "msg": str(error).splitlines()[0]}]
        for problem in problems[:1]:  # a union reports once per member
            name = ".".join([key, *(str(part) for part in problem["loc"])])
            yield _finding(workflow, name, f"Olive refuses it: {problem['msg']}")


def _training_arguments(workflow: Workflow, key: str, given: dict[str, Any]) -> Iterator[Finding]:
    """Olive drops an argument that transformers does not know with a warning only."""
    if not given:
        return
    import dataclasses

    from olive.passes.pytorch.lora import HFTrainingArguments
    from transformers import TrainingArguments

    known = {field.name for field in dataclasses.fields(TrainingArguments) if field.init}
    known |= set(HFTrainingArguments.model_fields)
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
            message = f"not a training argument of this transformers, Olive would ignore it{_guess(near)}"
            yield _finding(workflow, f"{key}.training_args.{name}", message)


def _guess(near: list[str]) -> str:
    return f"; did you mean {near[0]!r}?" if near else ""
