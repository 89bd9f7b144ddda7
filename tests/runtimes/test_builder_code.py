"""The builder of onnxruntime-genai trusts Python files beside the weights by default; what is rendered turns it off."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from olivepress.catalog import grid, targets
from olivepress.workflow.olive_config import builder_without_remote_code

CODE = (
    "from pathlib import Path\nPath({ran!r}).write_text('x')\n"
    "from transformers import Phi3Config\nclass Evil(Phi3Config): ...\n"
)


@pytest.mark.parametrize("options", [{}, {"hf_remote": False}])
def test_python_files_beside_the_weights(hf_model: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    from onnxruntime_genai.models.builder import create_model

    base, ran = shutil.copytree(hf_model, tmp_path / "base"), tmp_path / "ran"
    config = json.loads((base / "config.json").read_text()) | {"auto_map": {"AutoConfig": "configuration_evil.Evil"}}
    (base / "config.json").write_text(json.dumps(config))
    (base / "configuration_evil.py").write_text(CODE.format(ran=str(ran)))
    refused = pytest.raises(ValueError, match=r"configuration_evil\.Evil") if not options else nullcontext()
    with refused:  # by transformers, after the file was imported
        create_model("", str(base), str(tmp_path / "out"), "fp32", "cpu", str(tmp_path), **options)
    assert ran.exists() is (options == {})  # without the option it would run


def test_every_target_turns_it_off() -> None:
    looked = 0
    for target in (*targets().values(), *grid().values()):
        for settings in builder_without_remote_code(target.passes).values():
            if settings["type"].lower() == "modelbuilder":
                looked += 1
                assert settings["extra_options"]["hf_remote"] is False
    assert looked > 20


def test_nobody_turns_it_on_again() -> None:
    passes = {"b": {"type": "modelbuilder", "extra_options": {"hf_remote": True, "x": 1}}}
    assert builder_without_remote_code(passes) == {
        "b": {"type": "modelbuilder", "extra_options": {"hf_remote": False, "x": 1}}
    }
