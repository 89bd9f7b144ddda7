"""Fine-tune, merge, exports and packages of every family that the evidence says is right: small random models.

Those of build-next are marked ``next``: ``make test-next`` installs it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from olivepress.catalog import families, family_of_model_type
from olivepress.catalog.evidence import evidence, refusal
from olivepress.core.artifact import read_manifest
from olivepress.core.child.run import run_task
from olivepress.core.errors import SetupError
from olivepress.core.privacy import child_environment
from olivepress.environments.lookup import interpreter
from olivepress.models.admission.known import architecture_of
from olivepress.synthetic.task import RandomModelSpec, write_random_model
from tests.conftest import ROOT
from tests.end_to_end.families import write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
SHAPES = yaml.safe_load((ROOT / "benchmarks" / "evidence" / "shapes.yaml").read_text(encoding="utf-8"))
TODAY = ("ernie4_5", "granite")
NEXT = ("smollm3", "gemma2", "hunyuan_v1_dense", "nemotron", "seed_oss", "ministral3", "lfm2", "qwen3_5_text")
ADAPTER = "phrase-tone"
# What a package has inputs for, of the types whose adapters train more: plan names them.
OF_PACKAGES = {
    "lfm2": ["q_proj", "k_proj", "v_proj"],
    "qwen3_5_text": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
}
PACKAGED = "cpu-int4"  # as the base and its package; the others are exports of a merge alone
ALONE = ("cpu-fp32", "cpu-int4-rtn")
# The longest row has 111 tokens; the small Ministral 3 has an original context of 256, beyond which it is refused.
ROWS = {"max_train_rows": 16, "max_test_rows": 4, "max_length": 256}
# Four steps teach nothing: an answer is not asked for, and rounding may flip any token.
LIMITS = {"rows": 0, "max_kl_divergence": 5.0, "min_top1_agreement": 0.0}
# Two texts after one prompt, as labels are scored; the largest difference to a prompt that was read for each.
REWOUND = """
import sys
from pathlib import Path
from olivepress.runtimes.genai_model import GenaiModel
model, prompt = GenaiModel(Path(sys.argv[1]), every_position=True), list(range(1, 41))
def read(generation, text):
    generation.append(text)
    return generation.logits().copy()
one, worst = model.generation(64), 0.0
read(one, prompt)
for text in ([50, 51, 52], [60, 61], [70]):
    own = model.generation(64)
    read(own, prompt)
    one.rewind(len(prompt))
    worst = max(worst, float(abs(read(one, text) - read(own, text)).max()))
print(worst)
"""
Cli = Callable[..., subprocess.CompletedProcess[str]]


def small(kind: str) -> dict[str, Any]:
    """The shape that the evidence was seen on, with a vocabulary for the synthetic tokenizer."""
    own = SHAPES["types"].get(kind, {"": {}})[""]
    taken = architecture_of({"model_type": kind})
    common = {key: value for key, value in SHAPES["common"].items() if key in taken.defaults or key in taken.also}
    values = {**common, **own, "vocab_size": 608}
    config = {key: value for key, value in values.items() if value is not None or key == "sliding_window"}
    tokens = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"))
    return {"model_type": kind, "architectures": [taken.architecture], "torch_dtype": "float32", **config, **tokens}


def run_family(kind: str, python: Path | None, olivepress_here: Cli) -> None:
    spec = RandomModelSpec(config=small(kind), directory=Path("models", "small"), dtype="float32")
    run_task(write_random_model, spec, interpreter=python)
    environment = family_of_model_type(kind, kind).build_environment
    # What cannot be built from rounded weights is refused at plan, and run in float32.
    rounded = refusal(kind, environment, rounded=True) is None
    alone, packaged = (ALONE, PACKAGED) if rounded else (ALONE[:1], ALONE[0])
    data = {"demo": "device-command", **ROWS}
    write_recipe(Path("recipes", "small.yaml"), "models/small", data=data, targets=list(alone), limits=LIMITS)
    done = olivepress_here("run", "small")
    assert done.returncode == 0, done.stderr
    for target in alone:
        check_artifact("small", f"export-{target}")
    (close,) = (
        check for check in read_manifest(Path("runs/small/export-cpu-fp32")).checks if check.name == "kl_divergence"
    )
    assert close.value is not None and close.value < 1e-4, close
    member: dict[str, Any] = {"data": {"demo": ADAPTER, **ROWS}}
    if kind in OF_PACKAGES:
        assert python is not None
        check_rewound(python, Path("runs", "small", "export-cpu-fp32"))
        member["finetune"] = {"target_modules": OF_PACKAGES[kind]}
    write_recipe(
        Path("recipes", "several.yaml"), "models/small", adapter_mode="multi", adapters={ADAPTER: member}, data=None,
        targets=[packaged], limits=LIMITS,
    )  # fmt: skip
    done = olivepress_here("run", "several")
    assert done.returncode == 0, done.stderr
    check_artifact(f"several.{ADAPTER}", f"export-{packaged}")
    for job in ("base", "package"):
        check_artifact("several", f"{job}-{packaged}")


def check_rewound(python: Path, export: Path) -> None:
    """A state that is not a cache goes back to the end of the prompt as well."""
    command, environ = [str(python), "-c", REWOUND, str(export)], child_environment(offline=True)
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.splitlines()[-1]) < 1e-5, done.stdout


def check_artifact(recipe: str, job: str) -> None:
    manifest = read_manifest(Path("runs", recipe, job), verify=True)
    assert manifest.checks and all(check.passed for check in manifest.checks), (recipe, job)


@pytest.mark.parametrize("kind", TODAY)
def test_a_family_of_todays_set(kind: str, project: Path, olivepress_here: Cli) -> None:
    run_family(kind, None, olivepress_here)


@pytest.mark.next
@pytest.mark.parametrize("kind", NEXT)
def test_a_family_of_build_next(kind: str, project: Path, olivepress_here: Cli) -> None:
    (project / ".environments").symlink_to(ROOT / ".environments")
    try:
        python = interpreter("build-next")
    except SetupError as error:
        pytest.fail(f"{error}; or make test-next")
    run_family(kind, python, olivepress_here)


@pytest.mark.next
@pytest.mark.timeout(1800)
def test_a_rehearsal_of_build_next_survives_a_kill_in_every_step(project: Path) -> None:
    (project / ".environments").symlink_to(ROOT / ".environments")
    spec = RandomModelSpec(config=small("lfm2"), directory=Path("models", "small"), dtype="float32")
    run_task(write_random_model, spec, interpreter=interpreter("build-next"))
    write_recipe(Path("recipes", "small.yaml"), "models/small")
    script = ROOT / "scripts" / "rehearse_with_kills.py"
    done = subprocess.run(
        [sys.executable, str(script), "small", "--quick"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads(Path("benchmarks/rehearsals/small.json").read_text(encoding="utf-8"))
    assert all(step["unfinished_tries"] >= 1 for step in record["steps"])
    assert record["versions"]["transformers"].startswith("5.") and record["bench"]["decode_tps"]["value"] > 0


def test_every_right_type_of_a_family_is_run() -> None:
    new = {kind for family in families().values() for kind in family.model_types} & {*TODAY, *NEXT}
    assert new == {*TODAY, *NEXT}
    for environment, kinds in (("build", TODAY), ("build-next", NEXT)):
        states = {seen.model_type: seen.state for seen in evidence(environment) if not seen.variant}
        assert {kind: states.get(kind) for kind in kinds} == dict.fromkeys(kinds, "right")
