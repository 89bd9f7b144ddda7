"""No process that olivepress runs in or starts tells anybody about it."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import olivepress
from olivepress.bundle.install import Environment, install_page
from olivepress.core.privacy import OLIVE_RUNS, TELEMETRY_OFF, child_environment
from olivepress.run.olive import job_environment, run_olive
from tests.conftest import ROOT

PIPELINE_VARIABLES = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "JENKINS_URL", "BUILDKITE", "CODEBUILD_BUILD_ID")
# Programs that are no Python, and send nothing: there is nothing to be turned off in them.
NO_PYTHON = {
    "compare/sources.py": "git",
    "run/manifests.py": "git",
    "doctor/hardware.py": "vulkaninfo and the like",
    "report/counters.py": "nvidia-smi",
    "report/machine.py": "nvidia-smi",
    "run/training_device.py": "nvidia-smi",
}
SHOW = "import json, os; print(json.dumps(dict(os.environ)))"
RUN_A_MODEL = (
    "import onnxruntime as ort; from olivepress.runtimes.probe_model import fp32_model;"
    "ort.InferenceSession(fp32_model().data)"
)


def plain_home(home: Path, **more: str) -> dict[str, str]:
    """The environment of somebody who set nothing, at home in ``home``."""
    unwanted = {*PIPELINE_VARIABLES, *TELEMETRY_OFF, "XDG_CACHE_HOME"}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return kept | {"HOME": str(home), "LOCALAPPDATA": str(home)} | more


def left_behind(home: Path) -> list[str]:
    """Files of Microsoft's telemetry: a device id, a database of events."""
    return sorted(path.name for path in home.rglob("*") if "Microsoft" in path.parts and path.is_file())


def test_importing_olivepress_turns_telemetry_off() -> None:
    code = "import olivepress, json, os; print(json.dumps(dict(os.environ)))"
    asked = plain_home(Path("/nowhere"), ORT_DISABLE_TELEMETRY="0")
    done = subprocess.run([sys.executable, "-c", code], env=asked, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout).items() >= TELEMETRY_OFF.items()


def test_every_kind_of_child_has_the_variables(tmp_path: Path) -> None:
    log = tmp_path / "log"
    job = job_environment(scratch=tmp_path, messages=tmp_path / "p")
    done = run_olive(None, ["-c", SHOW], log=log, writes=[tmp_path], environment=job, on_progress=lambda *_: None)
    assert done.exit_code == 0
    seen = json.loads(log.read_text().splitlines()[-1])
    assert seen.items() >= {**TELEMETRY_OFF, **OLIVE_RUNS, "PYTHONSAFEPATH": "1", "HF_HUB_OFFLINE": "1"}.items()
    for environment in (child_environment(), child_environment(offline=True, threads=1)):
        assert environment.items() >= {**TELEMETRY_OFF, "PYTHONSAFEPATH": "1"}.items()


def test_what_a_child_is_told_of_the_network_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("USE_TORCH", "0")  # of a process that goes without; its own children may need it
    assert not {"HF_HUB_OFFLINE", "OMP_NUM_THREADS", "USE_TORCH"} & child_environment().keys()
    environment = child_environment(offline=True, threads=1, TMPDIR="x")
    assert (environment["HF_HUB_OFFLINE"], environment["OMP_NUM_THREADS"], environment["TMPDIR"]) == ("1", "1", "x")


def test_no_process_is_started_with_an_environment_of_its_own_making() -> None:
    package, looked = Path(olivepress.__file__).parent, 0
    for path in sorted(package.rglob("*.py")):
        name, text = path.relative_to(package).as_posix(), path.read_text(encoding="utf-8")
        for call in (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)):
            if not ast.unparse(call.func).startswith(("subprocess.", "os.exec", "os.spawn", "os.popen", "os.system")):
                continue
            looked += 1
            given = next((ast.unparse(word.value) for word in call.keywords if word.arg == "env"), None)
            assert given is not None or name in NO_PYTHON, f"{path}:{call.lineno}: no env="
        for maker in ("dict(os.environ)", "**os.environ", "os.environ |", "os.environ.copy"):
            assert maker not in text or name == "core/privacy.py", f"{path}: {maker}, expected child_environment()"
    assert looked >= 7


@pytest.mark.parametrize("folder", ["scripts", "benchmarks"])
def test_scripts_that_start_processes_import_olivepress_first(folder: str) -> None:
    looked = 0
    for path in sorted((ROOT / folder).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if "subprocess" not in {name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names}:
            continue
        looked += 1
        froms = [node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)]
        assert any(module.split(".")[0] == "olivepress" for module in froms), path
    assert looked >= 2


def test_the_page_for_a_device_says_it(tmp_path: Path) -> None:
    from tests.bundle.conftest import write_export

    manifest = write_export(tmp_path, {"model.onnx": b"\x3a\x00"})
    page = install_page(manifest, Environment(), bundle="b.zip", wheel="o.whl")
    assert all(f"{name}={value}" in page for name, value in TELEMETRY_OFF.items())


@pytest.mark.skipif(sys.platform != "linux", reason="where the runtime keeps its device id is known of Linux")
def test_the_runtime_leaves_nothing_in_the_home(tmp_path: Path) -> None:
    homes = {name: tmp_path / name for name in ("without", "with")}
    # Without the switch it would: olivepress's own is undone before ONNX Runtime is imported.
    undo = f"import olivepress, os; [os.environ.pop(n) for n in {list(TELEMETRY_OFF)}];"
    codes = {"without": undo + RUN_A_MODEL, "with": "import olivepress;" + RUN_A_MODEL}
    for name, home in homes.items():
        home.mkdir()
        subprocess.run([sys.executable, "-c", codes[name]], env=plain_home(home), check=True, capture_output=True)
    assert "deviceid" in left_behind(homes["without"])
    assert left_behind(homes["with"]) == []


@pytest.mark.skipif(sys.platform != "linux", reason="where the runtime keeps its device id is known of Linux")
def test_children_leave_nothing_in_the_home(tmp_path: Path) -> None:
    code = (
        "from olivepress.core.child.run import run_task\n"
        "from olivepress.measure.worker import tasks\n"
        "from olivepress.measure.worker.records import ImportSpec, ProbeSpec\n"
        "probe = ProbeSpec(provider='CPUExecutionProvider')\n"
        "assert run_task(tasks.probe, probe).result.state == 'runs'\n"
        "run_task(tasks.import_package, ImportSpec(module='onnxruntime_genai'))\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    subprocess.run([sys.executable, "-c", code], env=plain_home(home), check=True, capture_output=True)
    assert left_behind(home) == []
