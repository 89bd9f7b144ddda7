"""A new execution provider is one record: it is then probed, placed, tuned, checked and reported by the doctor."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from olivepress.catalog import Target, targets
from olivepress.catalog.provider import PROVIDERS
from olivepress.catalog.provider_record import Provider, Requirement
from olivepress.catalog.session_axes import Hardware, Options, provider_choices
from olivepress.catalog.value_rules import choice
from olivepress.doctor import providers as doctor
from olivepress.doctor import readiness
from olivepress.doctor.records import Hardware as HardwareHere
from olivepress.runtimes import placement
from olivepress.runtimes.config_rules import genai_problems
from olivepress.runtimes.plugins import plugin, register
from olivepress.runtimes.probe import ProviderProbe, probe_provider
from olivepress.runtimes.probe_model import decoder_model, fp32_model
from olivepress.runtimes.session_space import alternatives, with_options

NAME, MODULE = "AcmeExecutionProvider", "onnxruntime_acme"
ACME = Provider(
    name=NAME,
    genai_name="Acme",
    plugin=MODULE,
    options={"tile": choice("1", "2")},
    axes={"tile": provider_choices({"tile": "2"})},
    probe_options=lambda module: {"tile": "1"},
    requires=Requirement(text="an Acme board", npu_driver="acme"),
    repair={"": "flash the board"},
)
HERE = HardwareHere(memory_available_bytes=1, disk_free_bytes=1)


class Runtime(ModuleType):
    """ONNX Runtime as far as a plugin is tried with it: everything is computed by ``Acme``."""

    __version__ = "0"

    def __init__(self) -> None:
        super().__init__("onnxruntime")
        self.registered: list[str] = []
        self.options: list[dict[str, str]] = []

    def register_execution_provider_library(self, name: str, path: str) -> None:
        self.registered.append(name)

    def get_ep_devices(self) -> list[Any]:
        return [SimpleNamespace(ep_name=name) for name in self.registered]

    def SessionOptions(self) -> Any:
        return SimpleNamespace(
            add_session_config_entry=lambda key, value: None,
            add_provider_for_devices=lambda devices, options: self.options.append(options),
        )

    class InferenceSession:
        def __init__(self, model: Any, options: Any, providers: Any = None) -> None:
            pass

        def get_providers(self) -> list[str]:
            return [NAME]

        def run(self, outputs: None, inputs: Any) -> list[np.ndarray]:
            return [fp32_model().y]

        def get_provider_graph_assignment_info(self) -> list[Any]:
            node = SimpleNamespace(name="Identity_logits", op_type="Identity")
            return [SimpleNamespace(ep_name=NAME, get_nodes=lambda: [node])]


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """The record, its plugin's module, and an ONNX Runtime that can load it."""
    module, ort = ModuleType(MODULE), Runtime()
    module.get_library_path = lambda: "acme.so"  # type: ignore[attr-defined]
    monkeypatch.setitem(PROVIDERS, NAME, ACME)
    monkeypatch.setitem(sys.modules, MODULE, module)
    monkeypatch.setitem(sys.modules, "onnxruntime", ort)
    return ort


def target() -> Target:
    changes = {"target": "acme-int4", "execution_provider": NAME, "device": "npu"}
    return targets()["webgpu-int4"].model_copy(update=changes)


def test_it_is_probed(runtime: Runtime) -> None:
    assert plugin("acme") is sys.modules[MODULE] and register(runtime, "Acme")
    probe = probe_provider(NAME, MODULE)
    assert (probe.state, probe.nodes) == ("runs", 1) and runtime.options == [{"tile": "1"}]


def test_it_is_placed(runtime: Runtime, tmp_path: Path) -> None:
    asked = {"provider_options": [{"acme": {"tile": "2"}}]}
    config = {"model": {"decoder": {"filename": "model.onnx", "session_options": asked}}}
    (tmp_path / "genai_config.json").write_text(json.dumps(config))
    (tmp_path / "model.onnx").write_bytes(decoder_model())
    placed = placement.node_placement(tmp_path, NAME)
    assert placed.placed == (1, 1) and not placed.fallback and runtime.options == [{"tile": "2"}]


def test_it_is_tuned(runtime: Runtime) -> None:
    (axis,) = alternatives(NAME).values()
    (options,) = axis(Options(), Hardware(cpus=(0,), physical_cores=1, threads=1))
    config = {"model": {"decoder": {"session_options": {"provider_options": [{"Acme": {}}]}}}}
    assert '"tile": "2"' in with_options(json.dumps(config), options)


def test_its_options_are_checked(runtime: Runtime) -> None:
    def problems(options: dict[str, str]) -> list[str]:
        session = {"provider_options": [{"acme": options}]}
        return genai_problems({"model": {"decoder": {"session_options": session}}}, provider=NAME)

    assert problems({"tile": "2"}) == []
    assert "expected one of 1, 2" in problems({"tile": "3"})[0]


def test_the_doctor_tests_it_and_reports_what_is_missing(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / f"{MODULE}.py").write_text("")
    monkeypatch.delitem(sys.modules, MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    broken = ProviderProbe(provider=NAME, state="no device")
    monkeypatch.setattr(
        doctor, "try_provider", lambda python, name, plugin: broken.model_copy(update={"provider": name})
    )
    monkeypatch.setattr(doctor, "targets", lambda: {"acme-int4": target()})
    probes = doctor.try_providers(("CPUExecutionProvider",), lambda step: None)
    assert NAME in {probe.provider for probe in probes}
    (finding,) = doctor.provider_findings((broken,), HERE)
    assert (finding.level, finding.what, finding.fix) == ("problem", "Acme: no device", "flash the board")

    (state,) = readiness.target_states([target()], HERE)
    assert "an Acme board" in state.needs
    (state,) = readiness.target_states([target()], HERE.model_copy(update={"npus": ("acme",)}))
    assert "an Acme board" not in state.needs
