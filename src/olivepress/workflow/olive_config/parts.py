"""Parts that the workflows of all kinds of jobs have in common, in Olive's words."""

from __future__ import annotations

from typing import Any

from olivepress.core.layout import CONFIGS
from olivepress.workflow.plan import Plan
from olivepress.workflow.rendered import SHIM

__all__ = ["data_config", "hf_model", "shim_path", "system"]


def hf_model(plan: Plan, path: str) -> dict[str, Any]:
    """An HfModel that only ever reads safetensors."""
    model: dict[str, Any] = {"type": "HfModel", "model_path": path, "task": "text-generation"}
    load: dict[str, Any] = {"trust_remote_code": False, "use_safetensors": True}
    if path == plan.model.path and plan.model.revision:
        load["revision"] = plan.model.revision
    return model | {"load_kwargs": load}


def system(device: str, execution_provider: str) -> dict[str, Any]:
    accelerators = [{"device": device, "execution_providers": [execution_provider]}]
    return {"here": {"type": "LocalSystem", "accelerators": accelerators}}


def shim_path(plan: Plan) -> str:
    return (CONFIGS / plan.recipe.name / SHIM).as_posix()


def data_config(plan: Plan, name: str, split: str, component: str, **settings: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "DataContainer",
        "user_script": shim_path(plan),
        "load_dataset_config": {
            "type": "olivepress_dataset",
            "directory": plan.dataset.directory.as_posix(),
            "split": split,
        },
        "pre_process_data_config": {
            "type": component,
            "model_path": plan.model.path,
            "revision": plan.model.revision,
            "max_length": plan.max_length,
            **settings,
        },
    }
