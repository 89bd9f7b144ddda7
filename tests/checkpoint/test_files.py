"""The weights that transformers loads: which files, all of them, each tensor once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from olivepress.catalog import count_parameters
from olivepress.checkpoint import read_files, read_header, weight_files
from olivepress.core.errors import RecipeError
from olivepress.models.admission import check_folder
from tests.models.admission.folders import change_json, read_weights, write_folder, write_weights


def sharded(directory: Path) -> Path:
    """A whole model in two shards with an index."""
    model = write_folder(directory)
    weights = read_weights(model / "model.safetensors")
    (model / "model.safetensors").unlink()
    names = sorted(weights)
    shards = {"model-00001-of-00002.safetensors": names[:5], "model-00002-of-00002.safetensors": names[5:]}
    for shard, mine in shards.items():
        write_weights(model / shard, {name: weights[name] for name in mine})
    weight_map = {name: shard for shard, mine in shards.items() for name in mine}
    change_json(model / "model.safetensors.index.json", {"metadata": {}, "weight_map": weight_map})
    return model


def test_stray_files_are_not_counted(tmp_path: Path) -> None:
    model = sharded(tmp_path / "model")
    check_folder(model)
    count = count_parameters(model)
    for name in ("consolidated.safetensors", "adapter_model.safetensors"):
        write_weights(model / name, {"stray": np.ones((50, 50), "<f4")})
    assert count_parameters(model) == count
    assert [path.name for path in weight_files(model)] == [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    # A whole file beside an index is what transformers loads.
    whole = write_folder(tmp_path / "whole")
    (whole / "model.safetensors").rename(model / "model.safetensors")
    assert [path.name for path in weight_files(model)] == ["model.safetensors"] and count_parameters(model) == count
    assert "model.safetensors.index.json" in {path.name for path in read_files(model)}


def test_shards_that_the_index_names(tmp_path: Path) -> None:
    model = sharded(tmp_path / "model")
    first, second = weight_files(model)
    content = second.read_bytes()
    second.write_bytes(content[:-100])
    with pytest.raises(RecipeError, match=f"{second.name}: not a complete safetensors file"):
        check_folder(model)
    second.unlink()
    with pytest.raises(RecipeError, match=rf"index\.json: names {second.name}, which is not in the folder"):
        check_folder(model)
    second.write_bytes(content)
    index = model / "model.safetensors.index.json"
    weight_map = json.loads(index.read_text())["weight_map"]
    change_json(index, {"weight_map": {**weight_map, "model.extra": first.name}})
    with pytest.raises(RecipeError, match=f"{first.name}: has no tensor model.extra"):
        check_folder(model)
    change_json(index, {"weight_map": {"a": "../other.safetensors"}})
    with pytest.raises(RecipeError, match="not the name of a safetensors file in this folder"):
        check_folder(model)


def test_a_header_with_an_endless_offset_is_refused(tmp_path: Path) -> None:
    header = b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, Infinity]}}'
    file = tmp_path / "model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(RecipeError, match="not a complete safetensors file"):
        read_header(file)
