"""A workflow before it runs: its files, its rows, the rules, and the Olive that is installed."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from olivepress.catalog import targets
from olivepress.catalog.foreign_code import foreign_code
from olivepress.core.errors import OlivepressError
from olivepress.data.store.examples import SPLITS
from olivepress.data.store.reader import read_split
from olivepress.models.text_part import is_text_part
from olivepress.models.wheels import wheel_model_at
from olivepress.runtimes.chat_template.check import check_rows
from olivepress.workflow.finding import Finding, finding
from olivepress.workflow.lint_elsewhere import is_elsewhere, lint_elsewhere
from olivepress.workflow.lint_olive import against_olive, quiet_olive
from olivepress.workflow.lint_rows import supervision
from olivepress.workflow.lint_rules import broken_rules
from olivepress.workflow.rendered import SHIM, Workflow, shim_of

__all__ = ["lint", "olive_installed", "row_findings"]

_LONGEST_SHIM = 4096


def olive_installed() -> bool:
    return find_spec("olive") is not None


def lint(
    workflows: Sequence[Workflow],
    *,
    root: Path = Path(),
    rendered: bool = True,
    only: Collection[str] | None = None,
) -> list[Finding]:
    """Every finding in ``workflows``; the checks that need Olive are left out when it is not installed.

    ``only`` those of these jobs; the others still say what is the output of an earlier job. A workflow that was not
    ``rendered`` from a plan is somebody's file: what in it would run code is a finding. Of either, no code is imported:
    Olive's parser is given a copy without it.
    """
    outputs = {str(workflow.config["output_dir"]) for workflow in workflows}
    soc_models = {number: chip for target in targets().values() for number, chip in target.soc_models.items()}
    findings: list[Finding] = []
    asked = [workflow for workflow in workflows if only is None or workflow.job_id in only]
    for workflow in asked:
        findings += _files(workflow, outputs, root)
        findings += _evaluator_data(workflow, root)
        findings += _templates(workflow, root)
        findings += _rules(workflow, soc_models)
        findings += _listed(workflow)
        if not rendered:
            findings += _code(workflow, root)
        if olive_installed() and not is_elsewhere(workflow):
            with quiet_olive():
                findings += against_olive(workflow, root)
    return findings + lint_elsewhere([workflow for workflow in asked if is_elsewhere(workflow)], root)


def row_findings(workflows: Sequence[Workflow], *, root: Path = Path()) -> list[Finding]:
    """Findings about the rows that are trained on alone: they need a tokenizer, not Olive; [] without transformers."""
    elsewhere = lint_elsewhere([each for each in workflows if is_elsewhere(each)], root, rows_only=True)
    if find_spec("transformers") is None:
        return elsewhere
    with quiet_olive():
        here = [each for workflow in workflows if not is_elsewhere(workflow) for each in supervision(workflow, root)]
    return here + elsewhere


def _files(workflow: Workflow, outputs: set[str], root: Path) -> Iterator[Finding]:
    """Local files that the workflow reads, and rows that leave nothing to train on."""
    model = workflow.config["input_model"]
    for key in ("model_path", "adapter_path"):
        path = model.get(key)
        if path is None or (root / path).exists():
            continue
        if any(path.startswith(f"{directory}/") for directory in outputs):
            yield finding(workflow, f"input_model.{key}", f"{path} is the output of an earlier job", level="pending")
            continue
        wheel = wheel_model_at(path)
        if wheel is not None:
            message = f"{path} is converted from {wheel.wheel} {wheel.version} by olivepress run"
            yield finding(workflow, f"input_model.{key}", message, level="pending")
        elif is_text_part(path):
            message = f"{path} is taken out of a model of images and text by olivepress run or prepare"
            yield finding(workflow, f"input_model.{key}", message, level="pending")
        elif path.startswith(("models/", "runs/", "./", "/", "../")):
            yield finding(workflow, f"input_model.{key}", f"{path} does not exist")
    for config in workflow.config.get("data_configs", []):
        loader = config["load_dataset_config"]
        key = f"data_configs.{config['name']}.load_dataset_config"
        path = root / loader["directory"] / f"{loader['split']}.jsonl"
        if not path.is_file():
            yield finding(workflow, key, f"{path} does not exist; next: olivepress prepare RECIPE")
        elif not path.read_bytes().strip():
            yield finding(workflow, key, f"{path} has no rows: 0 supervised tokens")


def _evaluator_data(workflow: Workflow, root: Path) -> Iterator[Finding]:
    for name, evaluator in workflow.config.get("evaluators", {}).items():
        dataset = evaluator.get("type_args", {}).get("dataset")
        if dataset and not (root / dataset / "test.jsonl").is_file():
            message = f"{dataset}/test.jsonl does not exist; next: olivepress prepare RECIPE"
            yield finding(workflow, f"evaluators.{name}.type_args.dataset", message)


def _templates(workflow: Workflow, root: Path) -> Iterator[Finding]:
    """Every row that is trained on, checked with the chat template, where both are on this machine."""
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
            yield finding(workflow, key, str(error))
            continue
        for message in report.errors:
            yield finding(workflow, key, f"{message}; give the model another chat template, or change the rows")
        yield from (finding(workflow, key, message, level="note") for message in report.notes)


def _listed(workflow: Workflow) -> Iterator[Finding]:
    """Passes that are not in the package config, which takes the place of Olive's whole list."""
    text = workflow.files.get(workflow.package_config) if workflow.package_config else None
    if text is None:
        return
    listed = {name.lower() for name in json.loads(text)["passes"]}
    for name, settings in workflow.config["passes"].items():
        if settings["type"].lower() not in listed:
            message = f"no pass {settings['type']!r} in {workflow.package_config}; name it in package_config"
            yield finding(workflow, f"passes.{name}.type", message)


def _rules(workflow: Workflow, soc_models: Mapping[str, str]) -> Iterator[Finding]:
    for key, message in broken_rules(workflow.config, workflow.text, soc_models):
        yield finding(workflow, key, message)


def _code(workflow: Workflow, root: Path) -> Iterator[Finding]:
    """What ``olive run`` would import or load, but for the shim that olivepress renders."""
    for key, value in foreign_code(workflow.config):
        if key.rsplit(".", 1)[-1] == "user_script" and _is_shim(root / value):
            continue
        yield finding(workflow, key, f"runs code, {ascii(value)[:100]}; it was not imported to be checked")


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
