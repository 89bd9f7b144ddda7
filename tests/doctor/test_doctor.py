"""``olivepress doctor``: every broken state that we know gives its finding and its fix, a healthy set gives none."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from olivepress.catalog import targets
from olivepress.doctor import Diagnosis, Finding, Hardware, render_terminal
from olivepress.doctor.hardware import hardware_findings
from olivepress.doctor.packages import Folder, Packages, expected_versions, read_packages
from olivepress.doctor.providers import provider_findings, try_import, try_providers
from olivepress.doctor.readiness import target_states
from olivepress.doctor.rules import import_findings, package_findings
from olivepress.measure.worker.interpreters import try_provider
from olivepress.report.machine import Machine
from olivepress.runtimes.probe import ProviderProbe, State, plain_reason, probe_provider
from olivepress.runtimes.probe_model import TOLERANCE, fp32_model, quantized_model

PINS = {"onnxruntime": "1.31.1", "onnxruntime-genai": "0.14.1", "olive-ai": "0.13.0", "transformers": "4.57.6",
        "torch": "2.13.0"}  # fmt: skip
WHOLE = Folder("onnxruntime", ("onnxruntime",), {}, ())
MACHINE = Machine(id="x", cpu="A CPU", architecture="x86_64", physical_cores=1, logical_cores=2,
                  memory_bytes=int(32e9), os="Linux", python="3.11.2", packages={})  # fmt: skip
ROOMY = Hardware(memory_available_bytes=int(30e9), disk_free_bytes=int(100e9))
IMPORTS = {"onnxruntime": (True, "1.31.1"), "onnxruntime_genai": (True, "0.14.1"), "olive": (True, "0.13.0")}
CPU = ProviderProbe(provider="CPUExecutionProvider", state="runs", nodes=1, max_error=0.0)


def installed(**other: str) -> Packages:
    """The pinned set with other versions, by name with underscores; "" leaves one out."""
    changed = {name.replace("_", "-"): version for name, version in other.items()}
    return Packages({name: version for name, version in (PINS | changed).items() if version}, (WHOLE,))


def problems(packages: Packages) -> list[Finding]:
    return [finding for finding in package_findings(packages, PINS) if finding.level == "problem"]


def test_the_healthy_set_has_nothing_to_say() -> None:
    findings = [*package_findings(installed(torch="2.13.0+cpu"), PINS), *import_findings(installed(), IMPORTS)]
    assert {finding.level for finding in findings} == {"ok"}


@pytest.mark.parametrize(
    ("packages", "what", "says", "fix"),
    [
        (installed(onnxruntime_genai="0.15.2"), "genai too new", "Hugging Face details not found",
         "pip install onnxruntime-genai==0.14.1"),
        (installed(onnxruntime_genai="0.18.0"), "genai too new", "onnxruntime_genai.models.quantized_model",
         "pip install onnxruntime-genai==0.14.1"),
        (installed(transformers="5.2.0"), "transformers too new", "KeyError: 'type'",
         "pip install transformers==4.57.6"),
        (installed(mlflow="1.27.0", pyarrow="26.0.0"), "mlflow and pyarrow", "mlflow 1.27.0",
         "pip install 'mlflow>=3.17.2,<3.18' 'pyarrow>=21,<26'"),
        (installed(mlflow="3.18.0", pyarrow="25.0.0"), "mlflow and pyarrow", "sibling", "'mlflow>=3.17.2,<3.18'"),
        (installed(mlflow="3.17.3", pyarrow="26.0.0"), "mlflow and pyarrow", "pyarrow 26.0.0", "'pyarrow>=21,<26'"),
        (installed(torchvision="0.28.0", optimum_intel="2.2.0"), "torchvision", "", "pip uninstall -y torchvision"),
        (installed(onnxruntime_genai="", onnxruntime_genai_cuda="0.14.1", onnxruntime_gpu="1.31.1"),
         "two CUDA generations", "CUDA 12", "pip install 'onnxruntime-gpu>=1.26,<1.27'"),
        (installed(model_generate="0.1"), "model-generate", "not the AMD package", "pip uninstall -y model-generate"),
        (Packages({"onnxruntime-qnn": "2.7.0"}), "plugin alone", "onnxruntime-qnn",
         "pip install onnxruntime==1.31.1"),
    ],
)  # fmt: skip
def test_a_broken_set_gives_its_finding_and_its_fix(packages: Packages, what: str, says: str, fix: str) -> None:
    (found,) = problems(packages)
    assert found.what == what and says in found.detail and fix in (found.fix or "")


@pytest.mark.parametrize(
    "packages",
    [
        installed(mlflow="3.17.3", pyarrow="25.0.0"),
        installed(onnxruntime_genai="0.18.0", olive_ai=""),
        installed(torchvision="0.28.0"),
        installed(transformers="5.2.0", olive_ai=""),
    ],
)
def test_what_harms_nothing_is_no_problem(packages: Packages) -> None:
    assert problems(packages) == []


def test_other_versions_are_one_note_and_cuda_libraries_another() -> None:
    found = package_findings(installed(transformers="4.57.1", nvidia_cublas="13", nvidia_nccl="2"), PINS)
    assert [(finding.level, finding.what) for finding in found] == [
        ("note", "torch with CUDA"),
        ("note", "other versions"),
    ]
    assert found[1].fix == "pip install transformers==4.57.6" and "--index-url" in (found[0].fix or "")


def test_pins_are_read_from_the_installed_package() -> None:
    pins = expected_versions()
    assert pins["onnxruntime"] == "1.31.1" and pins["onnxruntime-genai"] == "0.14.1" and pins["lm-eval"] == "0.4.13"
    assert "requests" not in pins  # a lower bound is no pin


def _install(site: Path, name: str, version: str, files: dict[str, str]) -> None:
    """Like pip: the files, over what is there, and the dist-info that lists them."""
    for file, text in files.items():
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_text(text)
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    rows = [f"{file},sha256=x,{len(text)}" for file, text in files.items()]
    (info / "RECORD").write_text("\n".join([*rows, "onnxruntime/__pycache__/__init__.cpython-311.pyc,,"]) + "\n")


def test_two_onnxruntimes_in_one_place_are_found(tmp_path: Path) -> None:
    library = "onnxruntime/capi/libonnxruntime.so.1"
    _install(tmp_path, "onnxruntime", "1.31.1", {"onnxruntime/__init__.py": "# one", library: "short"})
    _install(tmp_path, "optimum", "2.3.0", {"optimum/onnxruntime/__init__.py": ""})
    assert read_packages([str(tmp_path)]).folders == (WHOLE,)

    openvino = {"onnxruntime/__init__.py": "# two", library: "longer", "onnxruntime/capi/libopenvino.so": "x"}
    _install(tmp_path, "onnxruntime-openvino", "1.24.1", openvino)
    (found,) = problems(read_packages([str(tmp_path)]))
    assert "onnxruntime 1.31.1 and onnxruntime-openvino 1.24.1 share the folder onnxruntime/" in found.detail
    assert "1 files of onnxruntime are overwritten" in found.detail
    assert found.fix == "pip uninstall -y onnxruntime onnxruntime-openvino && pip install onnxruntime==1.31.1"


def test_what_an_uninstall_leaves_is_found(tmp_path: Path) -> None:
    library = tmp_path / "onnxruntime/capi/libonnxruntime.so.1"
    _install(tmp_path, "onnxruntime", "1.31.1", {"onnxruntime/__init__.py": "", "onnxruntime/capi/_ld.py": "x"})
    library.write_text("of another package")
    (found,) = problems(read_packages([str(tmp_path)]))
    assert found.what == "onnxruntime left behind" and "libonnxruntime.so.1" in found.detail
    assert (found.fix or "").endswith("pip install --force-reinstall --no-deps onnxruntime==1.31.1")

    library.unlink()
    (tmp_path / "onnxruntime/capi/_ld.py").unlink()
    (found,) = problems(read_packages([str(tmp_path)]))
    assert found.what == "onnxruntime damaged" and "1 files of onnxruntime 1.31.1 are gone" in found.detail
    assert found.fix == "pip install --force-reinstall --no-deps onnxruntime==1.31.1"


def test_the_light_base_install_hears_what_is_absent_and_what_that_costs() -> None:
    absent = dict.fromkeys(IMPORTS, (False, "ModuleNotFoundError: No module named 'x'"))
    found = list(import_findings(Packages({}), absent))
    assert [finding.level for finding in found] == ["note"] * 3
    assert {finding.fix for finding in found} == {"pip install 'olivepress[cpu]'", "pip install 'olivepress[build]'"}


def test_beside_another_onnxruntime_no_fix_brings_the_plain_one() -> None:
    folder = Folder("onnxruntime", ("onnxruntime-webgpu",), {}, ())
    packages = Packages({"onnxruntime-webgpu": "1.27.0"}, (folder,))
    imports = dict.fromkeys(IMPORTS, (False, "No module")) | {"onnxruntime": (True, "1.27.0")}
    fixes = {finding.what: finding.fix or "" for finding in import_findings(packages, imports)}
    assert fixes["no genai"] == "pip install --no-deps onnxruntime-genai==0.14.1"
    assert fixes["no Olive"].startswith("python -m venv")


def test_olive_without_requests_is_found_by_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "requests.py").write_text("raise ModuleNotFoundError(\"No module named 'requests'\")")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    works, told, _ = try_import("olive")
    (found,) = import_findings(installed(), {"olive": (works, told)})
    assert (found.level, found.what, found.fix) == ("problem", "no requests", "pip install 'requests>=2.32'")


def test_the_probe_models_are_small_and_valid() -> None:
    import numpy as np
    import onnx
    from onnx.reference import ReferenceEvaluator

    for model in (fp32_model(), quantized_model()):
        assert len(model.data) < 1000
        onnx.checker.check_model(model.data, full_check=True)
        (y,) = ReferenceEvaluator(onnx.load_from_string(model.data)).run(None, {"x": model.x})
        assert np.abs(y - model.y).max() < TOLERANCE / 2


def test_the_cpu_provider_runs_in_a_child_and_a_hosted_one_is_not_tried() -> None:
    _, version, listed = try_import("onnxruntime")
    probes = {probe.provider: probe for probe in try_providers(listed, lambda step: None)}
    assert version and probes["CPUExecutionProvider"].state == "runs"
    assert probes["CPUExecutionProvider"].nodes == 1
    assert "AzureExecutionProvider" not in probes or probes["AzureExecutionProvider"].state == "remote"


def test_a_provider_that_this_runtime_lacks_fell_back() -> None:
    with pytest.warns(UserWarning, match="not in available provider names"):
        probe = probe_provider("OpenVINOExecutionProvider")
    assert probe.state == "fell back" and "assigned to the default CPU EP" in probe.detail


def test_a_plugin_that_aborts_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_plugin.py").write_text("import os\nos.abort()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.syspath_prepend(tmp_path)
    for owner in ("doctor.providers", "measure.worker.interpreters"):
        monkeypatch.setattr(f"olivepress.{owner}.PLUGINS", {"QNNExecutionProvider": "broken_plugin"})
    try_provider.cache_clear()
    cpu, broken = try_providers(("CPUExecutionProvider",), lambda step: None)
    try_provider.cache_clear()
    assert cpu.works and broken.state == "crashed" and "SIGABRT" in broken.detail
    (found,) = provider_findings((cpu, broken), ROOMY)
    assert found.level == "problem" and found.fix == "pip install --force-reinstall --no-deps onnxruntime-qnn==2.7.0"


@pytest.mark.parametrize(
    ("provider", "state", "level", "fix"),
    [
        ("WebGpuExecutionProvider", "fell back", "problem", "mesa-vulkan-drivers"),
        ("WebGpuExecutionProvider", "no device", "problem", "mesa-vulkan-drivers"),
        ("CUDAExecutionProvider", "no session", "problem", "NVIDIA's driver"),
        ("QNNExecutionProvider", "no session", "problem", "glibc"),
        ("TensorrtExecutionProvider", "no session", "note", ""),
    ],
)
def test_a_provider_that_does_not_work_is_a_problem_when_it_was_installed_for_itself(
    provider: str, state: State, level: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    (found,) = provider_findings((ProviderProbe(provider=provider, state=state),), ROOMY)
    assert found.level == level and fix in (found.fix or "") and state in found.what


def test_targets_say_what_they_need_here() -> None:
    states = {state.target: state for state in target_states(targets().values(), ROOMY)}
    assert set(states) == set(targets())
    cpu, cuda, amd = states["cpu-int4"], states["cuda-int4"], states["vitisai-npu-int4"]
    assert cpu.builds and cpu.runs and cpu.verified == "native" and cpu.needs == ()
    assert cuda.builds and not cuda.runs and cuda.verified == "cpu-copy"
    assert cuda.needs == ("an NVIDIA GPU with its driver", "environment cuda has not been created")
    assert cuda.fixes == ("olivepress env create cuda",)
    assert not amd.builds and amd.verified == "structure" and "AMD's packages" in amd.needs[0]


def test_threads_and_disk_are_told() -> None:
    (threads,) = hardware_findings(MACHINE, ROOMY)
    assert (
        threads.level == "note" and "genai takes 1 of 2" in threads.detail and "olivepress tune" in (threads.fix or "")
    )
    full = ROOMY.model_copy(update={"disk_free_bytes": 100_000_000})
    small = MACHINE.model_copy(update={"logical_cores": 1, "memory_bytes": int(8e9)})
    levels = {finding.what: finding.level for finding in hardware_findings(small, full)}
    assert levels == {"disk full": "problem", "little memory": "note"}


def test_reasons_carry_no_paths() -> None:
    text = ("[ONNXRuntimeError] : 1 : FAIL : /onnxruntime_src/core/x.cc:65 Get() ok was false. Failed to load\n"
            "/home/jane/venv/lib/libonnxruntime_providers_cuda.so: C:\\Users\\jane\\libcudart.dll missing")  # fmt: skip
    assert plain_reason(text) == "Failed to load libonnxruntime_providers_cuda.so: libcudart.dll missing"


@pytest.mark.parametrize("width", [80, 120])
def test_commands_stay_whole_and_the_rest_fits(width: int) -> None:
    command = "pip install " + "x" * 150
    finding = Finding(level="problem", what="[b]broken", detail="words " * 40, fix=command)
    found = Diagnosis(
        machine=MACHINE,
        hardware=ROOMY,
        packages={},
        providers=(CPU,),
        targets=target_states([targets()["cpu-int4"]], ROOMY),
        findings=(finding,),
    )
    console = Console(width=width, record=True, file=io.StringIO(), highlight=False)
    console.print(render_terminal(found), crop=False)
    lines = console.export_text().splitlines()
    assert f"  {command}" in lines and any("[b]broken" in line for line in lines)
    assert all(len(line) <= width for line in lines if "pip install" not in line)


def test_json_names_no_host_and_no_path(
    tmp_path: Path, olivepress: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = olivepress("doctor", "--json", cwd=tmp_path)
    found = Diagnosis.model_validate(json.loads(done.stdout))
    assert done.returncode == (7 if found.problems else 0), done.stderr
    assert {probe.provider for probe in found.providers} >= {"CPUExecutionProvider"}
    assert {state.target for state in found.targets} == set(targets())
    for secret in (socket.gethostname(), str(tmp_path), sys.prefix, str(Path.home())):
        assert len(secret) < 6 or secret not in done.stdout
