"""Opens an exported model with the runtime that its folder is for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from olivepress.runtimes.base import LanguageModel, runtime_of

__all__ = ["load_runtime", "open_model"]


def load_runtime(model_dir: Path) -> Callable[[Path], LanguageModel]:
    """Import the folder's runtime and return the function that opens the folder as shipped.

    Separate from opening so that a load can be timed without imports.

    SetupError when the runtime is not installed.
    """
    if runtime_of(model_dir) == "openvino":
        from olivepress.runtimes.openvino_model import OpenvinoModel, import_openvino

        import_openvino()
        return OpenvinoModel
    from olivepress.runtimes.genai_model import GenaiModel, import_genai

    import_genai()
    return GenaiModel


def open_model(model_dir: Path) -> LanguageModel:
    """Open the folder for the logits of every position. SetupError without its runtime, JobError when it fails."""
    opened = load_runtime(model_dir)
    if runtime_of(model_dir) == "openvino":
        return opened(model_dir)
    from olivepress.runtimes.genai_model import GenaiModel

    return GenaiModel(model_dir, every_position=True)
