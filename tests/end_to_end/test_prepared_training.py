"""A fine-tune from prepared data, by Olive itself: what its trainer is given is the answers, token for token."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.data.planted import clean_rows, write_jsonl

pytestmark = pytest.mark.slow
Cli = Callable[..., subprocess.CompletedProcess[str]]
SPY = """
import json, sys, transformers
seen, original = [], transformers.Trainer.compute_loss
def spy(self, model, inputs, *args, **kwargs):
    seen.append({name: inputs[name].tolist() for name in ("input_ids", "labels", "attention_mask")})
    return original(self, model, inputs, *args, **kwargs)
transformers.Trainer.compute_loss = spy
from olive.workflows import run
run(sys.argv[1])
json.dump(seen, open("seen.json", "w"))
"""


@pytest.mark.parametrize("packing", [False, True])
def test_the_trainer_sees_exactly_the_answers(project: Path, olivepress: Cli, packing: bool) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("olive")
    rows = [{**row, "completion": f"{n}: {row['completion'][:20]}"} for n, row in enumerate(clean_rows(40))]
    write_jsonl(project / "rows.jsonl", rows)
    told = json.loads(olivepress("data", "prepare", "rows.jsonl", "-o", "mine", "--json").stdout)
    recipe = yaml.safe_load((project / "recipes" / "tiny-phi.yaml").read_text())
    recipe["data"] = {"source": told["directory"], "max_length": 512}
    recipe["finetune"] |= {"batch_size": 4, "epochs": 1, "packing": packing}
    recipe["finetune"].pop("max_steps", None)
    recipe |= {"name": "mine", "targets": ["cpu-fp32"]}
    (project / "recipes" / "mine.yaml").write_text(yaml.safe_dump(recipe))
    assert olivepress("render", "mine").returncode == 0
    command = [sys.executable, "-c", SPY, "olive_configs/mine/finetune.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=800, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    tokenizer = transformers.AutoTokenizer.from_pretrained(project / "models" / "tiny-phi")
    found = []
    for batch in json.loads((project / "seen.json").read_text()):
        for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
            runs: list[list[int]] = [[]]
            for token, label in zip(ids, labels, strict=True):
                assert label in (-100, token)
                if label == -100 and runs[-1]:
                    runs.append([])
                elif label != -100:
                    runs[-1].append(token)
            found += [tokenizer.decode(run) for run in runs if run]
    train = [json.loads(line) for line in Path(told["directory"], "train.jsonl").read_text().splitlines()]
    expected = [row["messages"][-1]["content"] + "<|end|>" for row in train]
    for one in sorted(found)[:3]:
        print(repr(one))
    assert sorted(found) == sorted(expected) and len(expected) == 32
