"""The pass that a package config names ModelBuilder in the environment build-next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from huggingface_hub.constants import HF_HUB_CACHE
from olive.passes.olive_pass import PassConfigParam
from olive.passes.onnx.model_builder import ModelBuilder as OliveModelBuilder

from olivepress.core.child.messages import reports_errors
from olivepress.core.errors import JobError
from olivepress.workflow.olive_plugin.builder.checkpoint import olive_checkpoint
from olivepress.workflow.olive_plugin.builder.graph import complete_builder
from olivepress.workflow.olive_plugin.builder.options import builder_options, check_known, options_read_in
from olivepress.workflow.olive_plugin.builder.repairs import apply_repairs
from olivepress.workflow.olive_plugin.built import asked_of, differences

__all__ = ["ModelBuilder"]


class ModelBuilder(OliveModelBuilder):
    """The parameters are Olive's own, in Olive's names, and ``repairs``."""

    @classmethod
    def _default_config(cls, accelerator_spec: Any) -> dict[str, PassConfigParam]:
        repairs = PassConfigParam(
            type_=list[str], default_value=None, description="Changes to the model's loaded config before it is read."
        )
        return {**super()._default_config(accelerator_spec), "repairs": repairs}

    @reports_errors
    def _run_for_config(self, model: Any, config: Any, output_model_path: str) -> Any:
        from onnxruntime_genai import models
        from onnxruntime_genai.models import builder

        settings = config.model_dump()
        options = builder_options(settings)
        if getattr(model, "adapter_path", None):
            options["adapter_path"] = model.adapter_path
        check_known(options, options_read_in(Path(models.__file__).parent))
        where = str(model.get_resource("model_path") if config.metadata_only else model.model_name_or_path)
        provider = self.EP_MAP.get(self.accelerator_spec.execution_provider, "cpu")
        # Since 0.15 create_model takes only options that went through here: it loads the model's config into them.
        builder.check_extra_options(where, where, output_model_path, config.precision, provider, HF_HUB_CACHE, options)
        hf_config = options["hf_details"]["hf_config"]
        apply_repairs(config.repairs or (), hf_config)
        quantized = getattr(hf_config, "quantization_config", None)
        built = super()._run_for_config(model, _only_extra(config, options), output_model_path)
        if quantized is None or quantized.get("quant_method") == "olive":
            _check_built(Path(built.model_path), asked_of(settings, quantized))
        return built

    @staticmethod
    def maybe_patch_quant() -> None:
        """Called by Olive's pass before it builds; Olive's own replaces modules that 0.16 no longer has."""
        import onnxruntime_genai.models  # noqa: F401  (puts its folder on sys.path, where its modules find each other)
        from builders.base import Model
        from loaders import base, quant_model

        quant_model.OliveModel = olive_checkpoint(base)
        complete_builder(Model)


def _only_extra(config: Any, options: dict[str, Any]) -> Any:
    """The pass's config with all options in ``extra_options``: Olive would hand the others over in their old names."""
    named = [key for key in type(config).model_fields if key.startswith("int4_")]
    return config.model_copy(update=dict.fromkeys([*named, "repairs"]) | {"extra_options": options})


def _check_built(path: Path, asked: Any) -> None:
    """Raises JobError when the graph is not what the workflow asked for."""
    graph = onnx.load(str(path), load_external_data=False).graph
    wrong = differences(graph, asked)
    if wrong:
        raise JobError(f"{path.name}: {wrong[0]}", next_step="report it: this builder ignores what it was asked for")
