"""Targets of a recipe's own folder, and Olive workflows that are edited by hand."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import yaml

from tests.wrong_inputs.case import Case
from tests.wrong_inputs.recipes import BASE

TARGET: dict[str, Any] = {
    "target": "mine",
    "description": "a CPU of mine",
    "device": "cpu",
    "execution_provider": "CPUExecutionProvider",
    "environment": "cpu",
    "precisions": {
        "fp32": {
            "bytes_per_parameter": 4.0,
            "bytes_per_embedding_parameter": 4.0,
            "max_kl_divergence": 1.0e-4,
            "min_top1_agreement": 0.99,
            "passes": {"builder": {"type": "ModelBuilder", "precision": "fp32"}},
        }
    },
}
TARGETS: dict[str, tuple[str, Any]] = {
    "another name": ("target", "other"),
    "name with a blank": ("target", "my target"),
    "no passes": ("precisions.fp32.passes", {}),
    "no precisions": ("precisions", {}),
    "device a toaster": ("device", "toaster"),
    "provider a number": ("execution_provider", 3),
    "environment unknown": ("environment", "nowhere"),
    "build environment unknown": ("build_environment", "nowhere"),
    "limit negative": ("precisions.fp32.max_kl_divergence", -1.0),
    "limit not a number": ("precisions.fp32.max_kl_divergence", float("nan")),
    "agreement 2": ("precisions.fp32.min_top1_agreement", 2.0),
    "share of nodes 2": ("min_placed", 2.0),
    "runtime unknown": ("runtime", "magic"),
    "unknown key": ("colour", "red"),
    "file that leaves": ("files", {"../x.json": {}}),
    "file in capitals": ("files", {"X.JSON": {}}),
    "module to import": ("package_config", {"ModelBuilder": "evil_mod.EvilPass"}),
    "script to run": ("precisions.fp32.passes", {"builder": {"type": "ModelBuilder", "user_script": "evil.py"}}),
    "script folder": ("precisions.fp32.passes", {"builder": {"type": "ModelBuilder", "script_dir": "evil"}}),
    "bytes as text": ("precisions.fp32.bytes_per_parameter", "4"),
    "bytes infinite": ("precisions.fp32.bytes_per_parameter", float("inf")),
    "description a list": ("description", ["a"]),
    "passes a list": ("precisions.fp32.passes", ["ModelBuilder"]),
}
RECIPE = str(yaml.safe_dump({**BASE, "targets": ["mine-fp32"]}, sort_keys=False))

WORKFLOW: dict[str, Any] = {
    "input_model": {"type": "HfModel", "model_path": "models/x"},
    "systems": {
        "here": {
            "type": "LocalSystem",
            "accelerators": [{"device": "cpu", "execution_providers": ["CPUExecutionProvider"]}],
        }
    },
    "passes": {"builder": {"type": "ModelBuilder", "precision": "fp32"}},
    "host": "here",
    "target": "here",
    "output_dir": "out",
    "cache_dir": "cache",
}
WORKFLOWS: dict[str, tuple[str, Any]] = {
    "no input model": ("input_model", None),
    "input model a text": ("input_model", "x"),
    "no passes": ("passes", {}),
    "passes a list": ("passes", []),
    "unknown pass": ("passes.builder.type", "ModelBilder"),
    "pass without type": ("passes.builder", {}),
    "unknown parameter": ("passes.builder.precisoin", "fp32"),
    "wrong precision": ("passes.builder.precision", "fp99"),
    "no systems": ("systems", {}),
    "systems a list": ("systems", []),
    "no accelerators": ("systems.here.accelerators", []),
    "unknown device": (
        "systems.here.accelerators",
        [{"device": "toaster", "execution_providers": ["CPUExecutionProvider"]}],
    ),
    "no providers": ("systems.here.accelerators", [{"device": "cpu", "execution_providers": []}]),
    "unknown system": ("systems.here.type", "Cloud"),
    "docker": ("systems.here.type", "Docker"),
    "host unknown": ("host", "there"),
    "script of somebody": ("input_model.model_script", "evil.py"),
    "remote code": ("input_model.load_kwargs", {"trust_remote_code": True}),
    "output nowhere": ("output_dir", None),
    "data config with a script": (
        "data_configs",
        [{"name": "d", "user_script": "evil.py", "load_dataset_config": {"type": "x"}}],
    ),
    "data configs a text": ("data_configs", "x"),
    "evaluators a list": ("evaluators", []),
    "passes of numbers": ("passes", {"a": 3}),
    "output a list": ("output_dir", []),
}


def _changed(base: dict[str, Any], key: str, value: Any) -> str:
    fields = copy.deepcopy(base)
    *parents, last = key.split(".")
    place = fields
    for name in parents:
        place = place[name]
    place[last] = value
    return str(yaml.safe_dump(fields, sort_keys=False))


def cases() -> Iterator[Case]:
    for name, (key, value) in TARGETS.items():
        files = {"wrong.yaml": RECIPE, "targets/mine.yaml": _changed(TARGET, key, value)}
        yield Case(name=f"target, {name}", arguments=("plan", "wrong.yaml"), files=files)
    for name, text in (("empty", ""), ("list", "[]"), ("garbage", "{"), ("key twice", "a: 1\na: 2\n")):
        files = {"wrong.yaml": RECIPE, "targets/mine.yaml": text}
        yield Case(name=f"target, {name}", arguments=("plan", "wrong.yaml"), files=files)
    for name, (key, value) in WORKFLOWS.items():
        files = {"wrong.yaml": _changed(WORKFLOW, key, value), "evil.py": "raise SystemExit('it ran')\n"}
        yield Case(name=f"workflow, {name}", arguments=("lint", "wrong.yaml"), files=files)


def right() -> Case:
    files = {"wrong.yaml": RECIPE, "targets/mine.yaml": str(yaml.safe_dump(TARGET, sort_keys=False))}
    return Case(name="target, right", arguments=("plan", "wrong.yaml"), files=files)
