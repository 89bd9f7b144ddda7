"""The same recipes in both build environments: fine-tune, merge, exports and a package, and the same tokens.

``make test-next`` installs build-next and runs these; without it they fail and say so.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from olivepress import catalog
from olivepress.core.artifact import Manifest, read_manifest
from olivepress.core.errors import SetupError
from olivepress.core.privacy import TELEMETRY_OFF, child_environment
from olivepress.environments.lookup import interpreter
from tests.conftest import ROOT
from tests.core.test_privacy import left_behind, plain_home
from tests.workflow.olive_plugin.pairs import FEW_PAIRS, write_pairs

pytestmark = [pytest.mark.slow, pytest.mark.next]
NEXT = "build-next"
EXPORTS = ("cpu-fp32", "cpu-int8", "cpu-int4", "cpu-int4-rtn", "cpu-int4-kquant")
REPAIRS = ("longrope_type", "uniform_window")
FINETUNE = {"r": 4, "alpha": 8, "learning_rate": 0.003, "batch_size": 8, "max_steps": 8, "torch_dtype": "float32"}
DATA = {"demo": "device-command", "max_length": 256, "max_train_rows": 64, "max_test_rows": 16}
# Eight steps teach nothing: an answer is not asked for, and rounding may flip any token.
LIMITS = {"rows": 0, "max_kl_divergence": 5.0, "min_top1_agreement": 0.0}
PROMPT, ANSWER = (5, 17, 300, 42, 7, 123, 250, 9, 64, 33, 500, 2, 81), 12
GENERATE = """
import json, sys
import onnxruntime_genai as og
model, ids, count = og.Model(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
params = og.GeneratorParams(model)
params.set_search_options(max_length=len(ids) + count, min_length=len(ids) + count, do_sample=False)
generator = og.Generator(model, params)
generator.append_tokens(ids)
logits = generator.get_logits().reshape(-1).tolist()
while not generator.is_done():
    generator.generate_next_token()
print(json.dumps([generator.get_sequence(0).tolist()[len(ids):], logits]))
"""
Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def next_python(project: Path) -> Path:
    """The Python of build-next, which was installed beside this checkout."""
    (project / ".environments").symlink_to(ROOT / ".environments")
    try:
        return interpreter(NEXT)
    except SetupError as error:
        pytest.fail(f"{error}; or make test-next")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """GPTQ rounds by sums over calibration rows, whose last digits depend on the number of threads: by one weight that
    rounds otherwise the logits are 0.3 apart, in either environment."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def in_next(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, every family is built in build-next."""
    read = catalog._read_families
    changes = {"build_environment": NEXT, "repairs": REPAIRS}

    def changed(directory: Path) -> dict[str, catalog.Family]:
        return {name: family.model_copy(update=changes) for name, family in read(directory).items()}

    return lambda: monkeypatch.setattr(catalog, "_read_families", changed)


def write(name: str, **recipe: Any) -> None:
    lines = {"name": name, "limits": LIMITS, **recipe}
    Path("recipes", f"{name}.yaml").write_text(json.dumps(lines), encoding="utf-8")  # JSON is YAML


def generated(python: Path, artifact: Path) -> tuple[list[int], np.ndarray]:
    """Greedy tokens after the prompt and the logits of its last position, by plain onnxruntime-genai."""
    command = [str(python), "-c", GENERATE, str(artifact), json.dumps(PROMPT), str(ANSWER)]
    done = subprocess.run(command, env=child_environment(offline=True), capture_output=True, text=True, check=True)
    tokens, logits = json.loads(done.stdout.splitlines()[-1])
    return tokens, np.array(logits, dtype=np.float32)


def checks(manifest: Manifest) -> dict[str, bool]:
    return {check.name: check.passed for check in manifest.checks}


@pytest.mark.parametrize("model", ["tiny-phi", "tiny-llama", "tiny-qwen"])
def test_both_environments_build_the_same(
    model: str, next_python: Path, olivepress_here: Cli, in_next: Callable[[], None]
) -> None:
    for name in ("here", "there"):
        write(name, model={"path": f"embedded:{model}"}, data=DATA, finetune=FINETUNE, targets=list(EXPORTS))
    done = olivepress_here("run", "here")
    assert done.returncode == 0, done.stderr
    in_next()
    done = olivepress_here("run", "there")
    assert done.returncode == 0, done.stderr
    for job in ("finetune", "merge", *(f"export-{target}" for target in EXPORTS)):
        here, there = (read_manifest(Path("runs", name, job), verify=True) for name in ("here", "there"))
        assert (here.versions["transformers"], there.versions["transformers"]) == ("4.57.6", "5.24.0"), job
        assert checks(here) == checks(there) and all(checks(there).values()), job
    for target in EXPORTS:
        ours, theirs = (Path("runs", name, f"export-{target}") for name in ("here", "there"))
        tokens, logits = generated(Path(sys.executable), ours)
        for python, artifact in ((next_python, ours), (next_python, theirs), (Path(sys.executable), theirs)):
            other_tokens, other = generated(python, artifact)
            assert other_tokens == tokens, (target, python, artifact)
            assert float(np.abs(other - logits).max()) <= 1e-5, (target, python, artifact)


@pytest.mark.parametrize("method", ["dpo", "orpo"])
def test_preferences_are_tuned_alike(
    method: str, next_python: Path, olivepress_here: Cli, in_next: Callable[[], None]
) -> None:
    """TRL's trainers in both versions of transformers."""
    write_pairs(Path.cwd())
    finetune = {**FINETUNE, "method": method, "batch_size": 4, "max_steps": 4, "eval_steps": 2}
    for name in ("here", "there"):
        write(name, model={"path": "embedded:tiny-phi"}, data=FEW_PAIRS, finetune=finetune, targets=["cpu-fp32"])
    done = olivepress_here("run", "here", "--job", "finetune")
    assert done.returncode == 0, done.stderr
    in_next()
    done = olivepress_here("run", "there", "--job", "finetune")
    assert done.returncode == 0, done.stderr
    here, there = (read_manifest(Path("runs", name, "finetune"), verify=True) for name in ("here", "there"))
    assert there.versions["transformers"] == "5.24.0"
    assert checks(here) == checks(there) and all(checks(there).values())
    ours, theirs = (
        load_file(Path("runs", name, "finetune", "adapter", "adapter_model.safetensors")) for name in ("here", "there")
    )
    assert ours.keys() == theirs.keys()
    assert max(float(np.abs(ours[name] - theirs[name]).max()) for name in ours) <= 1e-6


def test_a_package_of_adapters(next_python: Path, olivepress_here: Cli, in_next: Callable[[], None]) -> None:
    adapters = {
        name: {"task": name, "data": {**DATA, "demo": name}, "finetune": finetune}
        for name, finetune in (("device-command", {"r": 8, "alpha": 16}), ("phrase-tone", {"r": 4, "alpha": 8}))
    }
    targets = ["cpu-fp32", "cpu-int4-rtn"]
    shared = {**FINETUNE, "max_steps": 12}
    in_next()
    write(
        "two", model={"path": "embedded:tiny-phi"}, adapter_mode="multi", adapters=adapters, finetune=shared,
        targets=targets,
    )  # fmt: skip
    done = olivepress_here("run", "two")
    assert done.returncode == 0, done.stderr
    for target in targets:
        manifest = read_manifest(Path("runs", "two", f"package-{target}"), verify=True)
        passed = checks(manifest)
        assert manifest.versions["onnxruntime-genai"] == "0.18.0" and all(passed.values())
        assert {"built_as_asked", "device-command: differs", "phrase-tone: weight_delta"} <= set(passed)


def test_plain_olive_runs_what_was_rendered(
    next_python: Path, olivepress_here: Cli, in_next: Callable[[], None]
) -> None:
    in_next()
    write(
        "own", model={"path": "embedded:tiny-phi"}, data=DATA, finetune={**FINETUNE, "max_steps": 2},
        targets=["cpu-int4-rtn"],
    )  # fmt: skip
    assert olivepress_here("render", "own").returncode == 0
    for job in ("finetune", "merge", "export-cpu-int4-rtn"):
        text = Path("olive_configs", "own", f"{job}.yaml").read_text(encoding="utf-8")
        (line,) = (line for line in text.splitlines() if line.startswith("# Run from the project root: "))
        command = line.removeprefix("# Run from the project root: ").split()
        done = subprocess.run(command, env=child_environment(offline=True), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    tokens, _ = generated(next_python, Path("runs/own/export-cpu-int4-rtn"))
    assert len(tokens) == ANSWER


def test_the_builder_reads_every_option_that_is_given() -> None:
    """And none of the old names, which it would ignore: an option that is not among these ends the build."""
    code = """
from pathlib import Path
from onnxruntime_genai import models
from olivepress.workflow.olive_plugin.builder.options import options_read_in
print(sorted(options_read_in(Path(models.__file__).parent)))
"""
    done = subprocess.run(
        [str(interpreter(NEXT)), "-c", code], env=child_environment(), capture_output=True, text=True, check=True
    )
    known = done.stdout
    for name in (
        "block_size",
        "accuracy_level",
        "is_symmetric",
        "op_types_to_quantize",
        "windowed_kv_cache",
        "use_qdq",
    ):
        assert f"'{name}'" in known
    assert "int4_" not in known


@pytest.mark.skipif(sys.platform != "linux", reason="where the runtime keeps its device id is known of Linux")
def test_its_runtime_leaves_nothing_in_the_home(next_python: Path, tmp_path: Path) -> None:
    use = "import onnxruntime_genai as og\ntry:\n    og.Model('nowhere')\nexcept Exception:\n    pass"
    undo = f"import olivepress, os; [os.environ.pop(n) for n in {list(TELEMETRY_OFF)}]\n"
    for name, code in (("without", undo + use), ("with", "import olivepress\n" + use)):
        home = tmp_path / name
        home.mkdir()
        command = [str(next_python), "-c", code]
        subprocess.run(command, env=plain_home(home), check=True, capture_output=True)
    assert "onnxruntime-genai.db" in left_behind(tmp_path / "without")
    assert left_behind(tmp_path / "with") == []
