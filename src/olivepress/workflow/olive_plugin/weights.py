"""The weights of a checkpoint, put back into the model that is being trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from olivepress.core.errors import JobError

__all__ = ["restore"]

_ADAPTER = "adapter_model.safetensors"


def restore(model: Any, checkpoint: Path) -> None:
    """Load the adapter of ``checkpoint`` into a PEFT model, or its weights into any other.

    JobError when its files are not there.
    """
    try:
        if hasattr(model, "peft_config"):
            _restore_adapter(model, checkpoint)
        else:
            _restore_model(model, checkpoint)
    except OSError as error:
        raise JobError(f"{checkpoint}: cannot be read ({error})", next_step="run the job again") from error


def _restore_adapter(model: Any, checkpoint: Path) -> None:
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    for name in model.active_adapters:
        folder = checkpoint if name == "default" else checkpoint / name
        result = set_peft_model_state_dict(model, load_file(str(folder / _ADAPTER)), adapter_name=name)
        if result.unexpected_keys:
            raise JobError(f"{folder}: holds {result.unexpected_keys[0]}, which the adapter does not have")
        missing = next((key for key in result.missing_keys if f".{name}." in key), None)  # the base's are missing, too
        if missing is not None:
            raise JobError(f"{folder}: holds no {missing}", next_step="run the job again")


def _restore_model(model: Any, checkpoint: Path) -> None:
    """Tied weights are stored once; nothing else may be missing."""
    from safetensors.torch import load_file

    files = sorted(checkpoint.glob("model*.safetensors"))
    if not files:
        raise FileNotFoundError(f"no model*.safetensors in {checkpoint}")
    tied, missing = set(getattr(model, "_tied_weights_keys", None) or ()), set(model.state_dict())
    for file in files:
        result = model.load_state_dict(load_file(str(file)), strict=False)
        missing &= set(result.missing_keys)
    if missing - tied:
        raise JobError(f"{checkpoint}: holds no {sorted(missing - tied)[0]}", next_step="run the job again")
