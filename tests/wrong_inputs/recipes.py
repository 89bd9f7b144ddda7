"""Recipes: every key with values that it cannot take, and files that are no recipe."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import yaml

from tests.wrong_inputs.case import Case

BASE: dict[str, Any] = {
    "name": "wrong",
    "model": {"path": "embedded:tiny-phi"},
    "data": {"demo": "device-command", "max_train_rows": 200, "max_test_rows": 50},
    "targets": ["cpu-int4"],
}
TABLE = "text,category\n" + "".join(f"message number {n} about it,class{n % 3}\n" for n in range(60))
NAN, INFINITE, MANY = float("nan"), float("inf"), 10**20
NOT_TEXT: tuple[Any, ...] = (1, 1.5, True, [], ["a"], {"a": 1})
NOT_WHOLE: tuple[Any, ...] = ("1", 1.5, True, [], {}, -1, MANY)
NOT_A_NUMBER: tuple[Any, ...] = ("0.1", True, [], {}, NAN, INFINITE, -INFINITE, -1.0)

VALUES: dict[str, tuple[Any, ...]] = {
    "schema_version": (0, 2, "1", None),
    "name": ("", "a b", "../up", "/abs", "a/b", ".hidden", "-x", "x" * 65, 3, None, ["a"], "é", "a\nb", "a\0b"),
    "description": (*NOT_TEXT, None),
    "model": ("embedded:tiny-phi", None, [], {}),
    "model.path": (
        "",
        "nowhere",
        "embedded:nothing",
        "pypi:nothing",
        "pypi:",
        "pypi:../../x",
        "nobody/nothing",
        "./none",
        "/",
        "..",
        "hub:x",
        "https://host/x",
        3,
        None,
        "a\0b",
        "x" * 5000,
    ),
    "model.revision": ("", 3, ["main"]),
    "model.family": ("llama", "nothing", "", 3),
    "model.trust_remote_code": (True,),
    "data": (None, "rows.csv", [], {}),
    "data.demo": ("none", "", 3, None),
    "data.source": ("rows.csv",),
    "data.max_train_rows": (0, *NOT_WHOLE[:6]),
    "data.max_test_rows": (0, *NOT_WHOLE[:6]),
    "data.max_length": (0, 15, 5000, *NOT_WHOLE),
    "data.seed": (-1, 2**32, MANY, 0.5, "0"),
    "data.instruction": NOT_TEXT[:4],
    "data.json_schema": ("none.json", "rows.csv", 3),
    "data.format": ("text/category:label", 3),
    "data.slices": (["train[:5]"], "train[:5]", 3),
    "data.validation_fraction": (0, 1, 1.5, 0.2, *NOT_A_NUMBER),
    "data.near_threshold": (0.5, 0, 2, "x"),
    "data.near_duplicates": ("merge", "drop", 1),
    "data.personal_data": ("hide", "mask", True),
    "data.echoes": ("keep", "x"),
    "data.overlap_words": (-1, 0, 10**9, "13"),
    "data.strict": ("yes", 1, True),
    "data.benchmarks": (["rows.csv"], "rows.csv"),
    "finetune": ("lora", [], 3),
    "finetune.method": ("LORA", "prefix", "adalora", 1, None),
    "finetune.r": (0, 65537, 2000, *NOT_WHOLE),
    "finetune.alpha": (0, 1e9, *NOT_A_NUMBER),
    "finetune.lora_dropout": (1, 1.5, *NOT_A_NUMBER),
    "finetune.target_modules": ([], ["nope"], [".*"], ["qkv_proj", "q_proj"], ["QKV_PROJ"], "qkv_proj", [3], [""]),
    "finetune.learning_rate": (0, 100, "1e-4", *NOT_A_NUMBER),
    "finetune.lr_scheduler_type": ("linaer", "polynomial", 1),
    "finetune.warmup_ratio": (1, 2, *NOT_A_NUMBER),
    "finetune.weight_decay": (100, *NOT_A_NUMBER),
    "finetune.max_grad_norm": (0, *NOT_A_NUMBER),
    "finetune.epochs": (0, 10**6, *NOT_A_NUMBER),
    "finetune.max_steps": (0, 10**9, *NOT_WHOLE),
    "finetune.batch_size": (0, 10**6, *NOT_WHOLE),
    "finetune.gradient_accumulation_steps": (0, 10**6, *NOT_WHOLE),
    "finetune.gradient_checkpointing": ("yes", 1, None),
    "finetune.packing": ("yes", 1),
    "finetune.torch_dtype": ("float16", "fp32", 32),
    "finetune.save_steps": (0, *NOT_WHOLE),
    "finetune.report_to": (["wandb"], "tensorboard", ["mlflow"] * 3),
    "finetune.seed": (-1, 2**32, MANY, 1.5, "0"),
    "finetune.lora_droput": (0.1,),
    "adapter_mode": ("multi", "both", 1),
    "adapters": ({"a": {"data": {"demo": "short-qa"}}}, ["a"], "a"),
    "targets": (
        [],
        ["gpu"],
        ["cpu", "cpu"],
        ["cpu-int5"],
        ["cpu-int4", "cpu-int4"],
        "cpu-int4",
        [3],
        [None],
        ["../x"],
        ["CPU-INT4"],
        None,
    ),
    "tracking": ("on", 1, "http://mlflow:5000", {"uri": "http://mlflow:5000"}),
    "soc_model": ("60", 60, "x"),
    "limits.max_kl_divergence": (0, *NOT_A_NUMBER),
    "limits.min_top1_agreement": (1.5, *NOT_A_NUMBER),
    "limits.margin": (-0.1, 1.5, *NOT_A_NUMBER),
    "limits.rows": (-1, 1.5, "many"),
    "limits.max_loss": (1,),
    "benchmark.max_examples": (0, *NOT_WHOLE[:6]),
    "benchmark.workloads": ([], [[1]], [[128, 1]], [[-1, 8]], [["a", 8]], [[10**9, 8]], "128x128", [[8, 8]] * 100),
    "benchmark.rounds": (0, 10**9, *NOT_WHOLE),
    "benchmark.repetitions": (0, 10**9, *NOT_WHOLE),
    "benchmark.few_shot": (101, 10**6, *NOT_WHOLE),
    "benchmark.text": ("none.txt", 3, "."),
    "benchmark.text_window": (1, 10**9, *NOT_WHOLE),
    "benchmark.price_per_hour": (1.0, 0, *NOT_A_NUMBER),
    "benchmark.currency": ("EUR", "euro", "eur", 1),
    "budget": ({"cuda-int4": {"max_ttft_ms": 1}}, [], {"all": {"max_tfft_ms": 1}}, {"all": 3}),
    "budget.all.max_ttft_ms": (0, *NOT_A_NUMBER),
    "budget.all.min_gain_retained": (95, 0, *NOT_A_NUMBER),
    "budget.all.min_exact_match": (1.01, 96, *NOT_A_NUMBER),
    "budget.all.max_size_on_disk_bytes": (0, "2 GB", *NOT_A_NUMBER),
    "trainer": ({},),
}

TEXTS: dict[str, bytes | str] = {
    "empty": "",
    "only a comment": "# nothing\n",
    "a list": "- a\n- b\n",
    "a word": "hello\n",
    "a number": "3\n",
    "null": "null\n",
    "two documents": "a: 1\n---\nb: 2\n",
    "tabs": "name:\tx\n\tmodel: y\n",
    "unclosed list": "targets: [cpu-int4\n",
    "unclosed text": 'name: "x\n',
    "key twice": "name: a\nname: b\n",
    "python object": "name: !!python/object/apply:os.system ['true']\n",
    "python tuple": "name: !!python/tuple [1]\n",
    "unknown tag": "name: !secret x\n",
    "unknown alias": "name: *nothing\n",
    "alias of itself": "name: &a [*a]\n",
    "merge of itself": "a: &a {<<: *a}\n",
    "aliases of aliases": "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)),
    "deep": "a: " + "[" * 5000 + "]" * 5000 + "\n",
    "deep mappings": "{a: " * 3000 + "1" + "}" * 3000,
    "long": "description: " + "z" * 5_000_000,
    "utf-16": "name: x\n".encode("utf-16"),
    "latin-1": "name: é\n".encode("latin-1"),
    "nul bytes": b"name: x\0\0\n",
    "binary": bytes(range(256)) * 16,
    "json with a comma": '{"name": "x",}',
    "control signs": "name: \x1b[31mred\n",
    "a date as key": "2020-01-01: x\n",
    "a mapping as key": "? {a: 1}\n: x\n",
    "a list as key": "? [a]\n: x\n",
    "null as key": "~: x\n",
    "number as key": "1: x\n",
    "bad escape": 'name: "\\q"\n',
    "anchors only": "&a &b x\n",
    "directive": "%YAML 9.9\n---\nname: x\n",
    "base64": "name: !!binary aGVsbG8=\n",
    "set": "targets: !!set {cpu-int4}\n",
    "timestamp": "name: 2020-01-01T00:00:00Z\n",
    "sexagesimal": "name: 12:30:45\n",
    "norway": "name: no\n",
}


def _with(key: str, value: Any) -> str:
    recipe = copy.deepcopy(BASE)
    *parents, last = key.split(".")
    place = recipe
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = value
    return str(yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True))


def _short(value: Any) -> str:
    return repr(value)[:40]


def cases() -> Iterator[Case]:
    for key, values in VALUES.items():
        for value in values:
            yield Case(
                name=f"recipe, {key}: {_short(value)}",
                arguments=("plan", "wrong.yaml"),
                files={"wrong.yaml": _with(key, value), "rows.csv": TABLE},
            )
    for name, text in TEXTS.items():
        yield Case(name=f"recipe, {name}", arguments=("plan", "wrong.yaml"), files={"wrong.yaml": text})
    for missing in ("name", "model", "data", "targets"):
        recipe = {key: value for key, value in BASE.items() if key != missing}
        yield Case(
            name=f"recipe without {missing}",
            arguments=("plan", "wrong.yaml"),
            files={"wrong.yaml": str(yaml.safe_dump(recipe))},
        )
