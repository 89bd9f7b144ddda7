"""Small checkpoints of models of images and text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from olivepress.models.admission.layout import expected_tensors
from tests.models.admission.folders import config_of, write_folder, write_weights

# kind → (class, kind of its text part, name of the model's part for images)
WHOLE = {
    "gemma3": ("Gemma3ForConditionalGeneration", "gemma3_text", "vision_tower.vision_model.head.probe"),
    "mistral3": ("Mistral3ForConditionalGeneration", "ministral3", "multi_modal_projector.linear_1.weight"),
    "qwen3_5": ("Qwen3_5ForConditionalGeneration", "qwen3_5_text", "model.visual.patch_embed.proj.weight"),
}
OLD, NEW = "language_model.model.", "model.language_model."


def write_whole(folder: Path, kind: str, prefix: str = OLD, text: Mapping[str, Any] | None = None) -> Path:
    """A whole checkpoint: the text part's tensors, different numbers in each, and one tensor for images."""
    architecture, own, other = WHOLE[kind]
    config = {**config_of(own), **(text or {})}
    write_folder(folder, own)
    numbers = np.random.default_rng(7)
    tensors = {
        name_in_whole(name, prefix): numbers.standard_normal(shape).astype("<f4")
        for name, shape in expected_tensors(config).items()
    }
    write_weights(folder / "model.safetensors", {**tensors, other: np.ones((2, 3), "<f4")})
    outer = {"model_type": kind, "architectures": [architecture], "vision_config": {}, "torch_dtype": "float32"}
    inner = {key: value for key, value in config.items() if key not in ("architectures", "torch_dtype")}
    (folder / "config.json").write_text(json.dumps({**outer, "text_config": inner}))
    return folder


def name_in_whole(name: str, prefix: str) -> str:
    if name.startswith("model."):
        return name.replace("model.", prefix, 1)
    return f"language_model.{name}" if prefix == OLD else name
