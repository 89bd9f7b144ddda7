"""A package's folder: adapters come, are checked and go; the base is never touched."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from olivepress.adapters import (  # fmt: skip
    add_adapter,
    add_lora_inputs,
    check_adapter,
    check_package,
    read_lora_inputs,
    read_package,
    remove_adapter,
)
from olivepress.adapters.adapter_file import read_adapter_file, write_adapter_file
from olivepress.adapters.package import Origin, new_package, write_package
from olivepress.core.errors import AdapterError, ReportError
from tests.adapters.conftest import HIDDEN, LAYERS, MIDDLE, MakeAdapter, base_inputs
from tests.bundle.conftest import write_export

A = "model.layers.0.attn.qkv_proj.lora_A.weight"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A base of two layers with nothing but its projections; no runtime opens it."""
    directory = tmp_path / "package-cpu-fp32"
    directory.mkdir()
    nodes, weights = [], []
    for layer in range(LAYERS):
        for name, shape in base_inputs(packed=True).items():
            path = f"/model/layers.{layer}/{'attn' if name in ('qkv_proj', 'o_proj') else 'mlp'}/{name}/MatMul"
            weights.append(numpy_helper.from_array(np.zeros(shape, np.float32), f"{path}.weight"))
            nodes.append(helper.make_node("MatMul", [f"x{shape[0]}", f"{path}.weight"], [path], name=path))
    values = [helper.make_tensor_value_info(f"x{size}", TensorProto.FLOAT, [1, size]) for size in (HIDDEN, MIDDLE)]
    model = helper.make_model(helper.make_graph(nodes, "base", values, [], weights))
    onnx.save(add_lora_inputs(model), str(directory / "model.onnx"))
    decoder = {"filename": "model.onnx", "head_size": 8, "num_attention_heads": 4, "num_key_value_heads": 2}
    (directory / "genai_config.json").write_text(json.dumps({"model": {"decoder": decoder}}))
    manifest = write_export(directory, {})
    facts = {"recipe": "r", "target": "cpu-fp32", "family": "llama", "base_model": "models/tiny"}
    write_package(new_package(directory, **facts, base_sha256=manifest.sha256, random_weights=False), directory)
    return directory


def test_an_adapter_is_added_checked_listed_and_removed(package: Path, make_adapter: MakeAdapter) -> None:
    before = {path.name: path.read_bytes() for path in package.iterdir() if path.is_file()}
    directory, _ = make_adapter("llama", target_modules=["q_proj", "down_proj"], rank_pattern={"down_proj": 2})
    entry = add_adapter(package, directory, "mine", origin=Origin(task="answers"), any_base=True)
    assert (entry.ranks, entry.alpha, entry.target_modules) == ((2, 4), 8.0, ("down_proj", "q_proj"))
    held = read_package(package)
    assert held.adapters == {"mine": entry} and entry.origin.task == "answers"
    assert check_package(package) == {"mine": len(read_lora_inputs(package))}
    with pytest.raises(AdapterError, match=r"already has an adapter 'mine'.*--replace"):
        add_adapter(package, directory, "mine", any_base=True)
    again = add_adapter(package, directory, "mine", replace=True, any_base=True)
    assert again.sha256 == entry.sha256  # the same adapter is the same file
    remove_adapter(package, "mine")
    assert check_package(package) == {} and not list((package / "adapters").glob("*.onnx_adapter"))
    after = {path.name: path.read_bytes() for path in package.iterdir() if path.is_file()}
    assert after == before  # the base, and package.json as it was without adapters
    with pytest.raises(AdapterError, match="has no adapter 'mine'; it has: none"):
        remove_adapter(package, "mine")


@pytest.mark.parametrize("name", ["../up", "", ".hidden", "a" * 65, "a/b", "NUL", "com1.x", "a.", "a "])
def test_a_name_that_is_no_file_name_is_refused(name: str, package: Path, make_adapter: MakeAdapter) -> None:
    directory, _ = make_adapter("llama", target_modules=["q_proj"])
    with pytest.raises(AdapterError, match="is not a valid name for an adapter"):
        add_adapter(package, directory, name, any_base=True)
    assert not list(package.rglob("*.onnx_adapter"))


def test_names_that_are_one_file_on_windows_are_refused(filled: Path, make_adapter: MakeAdapter) -> None:
    directory, _ = make_adapter("llama", target_modules=["q_proj"])
    for replace in (False, True):
        with pytest.raises(AdapterError, match=r"'MINE' is not a valid name for an adapter: .*'mine' and 'MINE'"):
            add_adapter(filled, directory, "MINE", replace=replace, any_base=True)
    assert list(read_package(filled).adapters) == ["mine"]
    path = filled / "package.json"
    held = json.loads(path.read_text())
    held["adapters"]["Mine"] = held["adapters"]["mine"]
    path.write_text(json.dumps(held))
    with pytest.raises(AdapterError, match="not a valid package file"):
        read_package(filled)


# The steps of a --replace in their order; a kill right before and right behind each of them.
STEPS = ["write_adapter_file", "hash_file", "write_package", "remove_leftovers"]
KILLED = """
import os, signal, sys
from pathlib import Path
from olivepress.adapters import package
step, when, times = sys.argv[3], sys.argv[4], int(sys.argv[5])
whole = getattr(package, step)
def dies(*args, **kwargs):
    global times
    times -= 1
    if times == 0 and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = whole(*args, **kwargs)
    if times == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(package, step, dies)
package.add_adapter(Path(sys.argv[1]), Path(sys.argv[2]), "mine", replace=True, any_base=True)
"""


@pytest.mark.parametrize("when", ["before", "behind"])
@pytest.mark.parametrize("step", STEPS)
def test_a_replace_that_is_killed_leaves_one_whole_adapter(
    step: str, when: str, filled: Path, make_adapter: MakeAdapter
) -> None:
    old = read_package(filled).adapters["mine"]
    new, _ = make_adapter("llama", name="another", target_modules=["q_proj", "down_proj"])
    times = 2 if step == "remove_leftovers" else 1
    done = subprocess.run([sys.executable, "-c", KILLED, str(filled), str(new), step, when, str(times)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(check_package(filled)) == ["mine"]  # what package.json names is whole, and nothing is a stranger
    entry = read_package(filled).adapters["mine"]
    named = (step, when) in {
        ("write_package", "behind"),
        ("remove_leftovers", "before"),
        ("remove_leftovers", "behind"),
    }
    assert (entry.target_modules == ("down_proj", "q_proj")) == named and (entry == old) != named
    for _ in range(2):
        add_adapter(filled, new, "mine", replace=True, any_base=True)
        assert check_package(filled) and read_package(filled).adapters["mine"].target_modules == ("down_proj", "q_proj")
    assert [p.name for p in (filled / "adapters").iterdir() if p.name != ".lock"] == [
        read_package(filled).adapters["mine"].file.removeprefix("adapters/")
    ]


def named_base(directory: Path, name: str) -> None:
    path = directory / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": name}))


def test_the_base_s_name_is_held_to_the_adapter_s(package: Path, make_adapter: MakeAdapter) -> None:
    directory, _ = make_adapter("llama", target_modules=["q_proj"])
    named_base(directory, "someone/Other-7B")
    with pytest.raises(AdapterError, match=r"trained on Other-7B, this package's base is tiny; next: --any-base"):
        add_adapter(package, directory, "mine")
    assert read_package(package).adapters == {} and not list(package.rglob("*.onnx_adapter"))
    add_adapter(package, directory, "other", any_base=True)
    for number, name in enumerate(("/home/somebody/models/tiny", "Tiny", "C:\\models\\tiny")):
        named_base(directory, name)
        add_adapter(package, directory, f"mine{number}")
    assert len(check_package(package)) == 4


def test_a_lora_that_was_lost_is_refused(package: Path, make_adapter: MakeAdapter) -> None:
    directory, _ = make_adapter("llama", target_modules=["q_proj"], init_lora_weights=True)  # B is zero
    with pytest.raises(AdapterError, match=r"q_proj\.lora_B\.weight and all others are zero: it changes nothing"):
        add_adapter(package, directory, "mine", any_base=True)


@pytest.fixture
def filled(package: Path, make_adapter: MakeAdapter) -> Path:
    directory, _ = make_adapter("llama", target_modules=["q_proj"])
    add_adapter(package, directory, "mine", any_base=True)
    return package


def test_a_file_that_is_cut_renamed_or_of_another_base_is_refused(filled: Path) -> None:
    path = filled / "adapters" / "mine.onnx_adapter"
    whole, tensors = path.read_bytes(), read_adapter_file(path)

    def refused(says: str) -> None:
        with pytest.raises(AdapterError) as caught:
            check_package(filled)
        assert says in str(caught.value), caught.value

    path.write_bytes(whole[:-16])
    refused("truncated, tensor model.layers.")
    path.write_bytes(whole[: len(whole) // 2])
    refused("truncated, ")
    path.write_bytes(b"nothing of the kind")
    refused("not an adapter file of ONNX Runtime")
    path.rename(path.with_name("yours.onnx_adapter"))
    refused("yours.onnx_adapter: not listed in package.json")
    path.with_name("yours.onnx_adapter").unlink()
    refused("mine.onnx_adapter: is missing")

    def changed(**new: np.ndarray) -> dict[str, np.ndarray]:
        return {key: new.get(key, tensor) for key, tensor in tensors.items()}

    write_adapter_file(path, {("else" if key == A else key): tensor for key, tensor in tensors.items()})
    refused(f"no tensor {A}")
    write_adapter_file(path, changed(**{A: tensors[A][:2].copy()}))
    refused(f"tensor {A} has rank 2")
    write_adapter_file(path, changed(**{A: tensors[A][:, :8].copy()}))
    refused(f"tensor {A} has shape [4, 8], the base takes ['rank', 32]")
    write_adapter_file(path, changed(**{A: tensors[A] * 2}))
    refused("differs from the file recorded in package.json")
    path.write_bytes(whole)
    assert check_package(filled, "mine") == {"mine": len(tensors)}


def test_a_base_that_was_changed_is_refused(filled: Path) -> None:
    config = filled / "genai_config.json"
    config.write_text(config.read_text() + " ")
    with pytest.raises(ReportError, match=r"genai_config\.json is not the file its manifest names"):
        check_package(filled)


def test_another_graph_or_another_base_s_manifest_is_refused(filled: Path, make_adapter: MakeAdapter) -> None:
    package = read_package(filled)
    write_package(package.model_copy(update={"base_sha256": "0" * 64}), filled)
    with pytest.raises(AdapterError, match=r"package\.json belongs to another base"):
        check_package(filled)
    first = next(iter(package.inputs))
    fewer: dict[str, Any] = {name: one for name, one in package.inputs.items() if name != first}
    write_package(package.model_copy(update={"inputs": fewer}), filled)
    directory, _ = make_adapter("llama", target_modules=["q_proj"])
    with pytest.raises(AdapterError, match=r"its graph does not match its package\.json"):
        add_adapter(filled, directory, "second", any_base=True)


def test_a_folder_without_package_json_and_a_damaged_one(filled: Path, make_adapter: MakeAdapter) -> None:
    directory, _ = make_adapter("llama", target_modules=["q_proj"])
    with pytest.raises(AdapterError, match=r"not a package, it has no package\.json"):
        add_adapter(directory, directory, "mine")
    assert not (directory / "adapters").exists()
    (filled / "package.json").write_text((filled / "package.json").read_text()[:-40])
    with pytest.raises(AdapterError, match="not a valid package file"):
        check_adapter(filled, read_package(filled), "mine")


def test_package_json_leads_nowhere_else(filled: Path) -> None:
    text = (filled / "package.json").read_text()
    (filled / "package.json").write_text(text.replace("adapters/mine.onnx_adapter", "adapters/../../x.onnx_adapter"))
    with pytest.raises(AdapterError, match="not a valid package file"):
        read_package(filled)
