"""A workflow against the Olive that is installed: what it would ignore, prune or build for another device."""

from __future__ import annotations

import contextlib
import difflib
import io
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from olivepress.catalog.foreign_code import without_foreign_code
from olivepress.catalog.provider import PROVIDERS
from olivepress.core.privacy import OLIVE_RUNS
from olivepress.workflow.finding import Finding, finding
from olivepress.workflow.lint_rows import supervision
from olivepress.workflow.olive_plugin.passes import OWN_PASSES, REPLACED, package_entries
from olivepress.workflow.rendered import Workflow

__all__ = ["against_olive", "quiet_olive"]

# onnxruntime-genai's builder knows these; Olive hands any other provider to it as "cpu" and does not say so.
_BUILDER_PROVIDERS = frozenset(
    {record.name for record in PROVIDERS.values() if record.in_model_builder} | {"JsExecutionProvider"}
)
_AFTER_BUILDER = ("StaticLLM", "EPContextBinaryGenerator")  # these make a model for the NPU out of one for the CPU


@contextlib.contextmanager
def quiet_olive() -> Iterator[None]:
    """Olive logs and prints while it parses; the findings say all that matters."""
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


def against_olive(workflow: Workflow, root: Path) -> Iterator[Finding]:
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
    yield from supervision(workflow, root)
    package = OlivePackageConfig.load_default_config()
    package = package.model_copy(update={"passes": {**package.passes, **_own_passes(workflow.environment)}})
    for name, settings in config["passes"].items():
        key = f"passes.{name}"
        kind = settings["type"]
        if kind.lower() not in {known.lower() for known in package.passes}:
            near = difflib.get_close_matches(kind, list(package.passes), n=1, cutoff=0.5)
            yield finding(workflow, f"{key}.type", f"no pass {kind!r} in this Olive{_guess(near)}")
            continue
        handed_on = any(later["type"] in _AFTER_BUILDER for later in config["passes"].values())
        if kind.lower() == "modelbuilder" and provider not in _BUILDER_PROVIDERS and not handed_on:
            message = f"ModelBuilder does not know {provider} and would silently build for the CPU"
            yield finding(workflow, f"{key}.type", message)
        yield from _parameters(workflow, key, settings, package.import_pass_module(kind), spec)


def _own_passes(environment: str) -> dict[str, Any]:
    """Ours as Olive's package config has them; its keys are in lower case."""
    from olive.passes import PassModuleConfig

    modules = {**OWN_PASSES, **REPLACED.get(environment, {})}
    return {name.lower(): PassModuleConfig(**entry) for name, entry in package_entries(modules).items()}


def _parse(workflow: Workflow) -> Iterator[Finding]:
    """Olive's own parser on the whole workflow, without what it would import: our components are registered already."""
    from olive.workflows.run.config import RunConfig

    try:
        RunConfig.model_validate(without_foreign_code(workflow.config))
    except Exception as error:
        problems = error.errors() if hasattr(error, "errors") else []
        for problem in problems or [{"loc": ("workflow",), "msg": str(error).splitlines()[0]}]:
            yield finding(workflow, ".".join(map(str, problem["loc"])), f"Olive refuses it: {problem['msg']}")


def _parameters(workflow: Workflow, key: str, settings: dict[str, Any], kind: Any, spec: Any) -> Iterator[Finding]:
    known = kind.default_config(spec)
    given = {name: value for name, value in settings.items() if name != "type"}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
            message = f"{settings['type']} has no such parameter, Olive would ignore it{_guess(near)}"
            yield finding(workflow, f"{key}.{name}", message)
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
            yield finding(workflow, key, message)
    except ImportError as error:
        # The keys are known to be right by now; the pass looks for its packages before it looks at the device.
        message = f"the rest is checked where the pass's packages are ({str(error).splitlines()[0]})"
        yield finding(workflow, key, message, level="pending")
    except Exception as error:
        problems = error.errors() if hasattr(error, "errors") else [{"loc": (), "msg": str(error).splitlines()[0]}]
        for problem in problems[:1]:  # a union reports once per member
            name = ".".join([key, *(str(part) for part in problem["loc"])])
            yield finding(workflow, name, f"Olive refuses it: {problem['msg']}")


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
            yield finding(workflow, f"{key}.training_args.{name}", message)


def _guess(near: list[str]) -> str:
    return f"; did you mean {near[0]!r}?" if near else ""
