"""The memory of a fine-tune, counted from the widths of a model, and the widths."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from olivepress.catalog import ModelFacts
from olivepress.models.admission.known import with_defaults
from olivepress.recipe.finetune import Finetune
from olivepress.recipe.methods import METHODS
from olivepress.workflow.row_lengths import RowLengths

__all__ = ["Shape", "computed_bytes", "finetune_memory", "moment_bytes", "trained_parameters", "weight_bytes"]

_GB = 1_000_000_000


def _mlp_width(config: Mapping[str, Any], stated: int) -> int:
    """The width of an MLP: LFM2 makes it of what its config states (transformers' ``Lfm2MLP``)."""
    if not config.get("block_auto_adjust_ff_dim"):
        return stated
    multiple = config.get("block_multiple_of", 256)
    narrowed = int(config.get("block_ffn_dim_multiplier", 1.0) * int(2 * stated / 3))
    return int(multiple * math.ceil(narrowed / multiple))


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The widths of a decoder that memory and operations are counted from, by its config.json."""

    parameters: int
    layers: int
    hidden: int
    inner: int
    queries: int
    keys: int
    vocabulary: int
    tied: bool

    @classmethod
    def of(cls, facts: ModelFacts) -> Shape:
        """Of a model's facts; what its config.json does not name is as its class has it, or as in the Llamas."""
        config = with_defaults(facts.config) if "model_type" in facts.config else facts.config

        def number(key: str, otherwise: int) -> int:
            value = config.get(key)
            return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else otherwise

        hidden, heads = number("hidden_size", 1), number("num_attention_heads", 1)
        width = number("head_dim", hidden // heads)
        return cls(
            parameters=facts.parameters,
            layers=number("num_hidden_layers", 1),
            hidden=hidden,
            inner=_mlp_width(config, number("intermediate_size", 4 * hidden)),
            queries=heads * width,
            keys=number("num_key_value_heads", heads) * width,
            vocabulary=number("vocab_size", 1),
            tied=bool(config.get("tie_word_embeddings", True)),
        )

    @property
    def multiplied(self) -> int:
        """Parameters that every token is multiplied with: an embedding that is no head as well is only looked up."""
        return self.parameters if self.tied else self.parameters - self.head

    @property
    def head(self) -> int:
        """Parameters of the head, which only tokens whose logits are computed are multiplied with; as many as those of
        the embeddings, tied or not."""
        return self.vocabulary * self.hidden

    @property
    def projections(self) -> int:
        """Inputs and outputs of all projections: rank r adds r parameters for each."""
        return self.layers * sum(outputs + inputs for outputs, inputs in self.of_layer)

    @property
    def of_layer(self) -> tuple[tuple[int, int], ...]:
        """Outputs and inputs of each projection of a layer: of attention, then of the MLP."""
        hidden, queries, keys, inner = self.hidden, self.queries, self.keys, self.inner
        attention = ((queries, hidden), (keys, hidden), (keys, hidden), (hidden, queries))
        return (*attention, (inner, hidden), (inner, hidden), (hidden, inner))


def weight_bytes(settings: Finetune) -> int:
    """Bytes of a weight."""
    return 4 if settings.weights_dtype == "float32" else 2


def computed_bytes(settings: Finetune) -> int:
    """Bytes of a number that the training computes with."""
    return 4 if settings.torch_dtype == "float32" else 2


_TRAINS = 0.73 * _GB  # a process with torch, transformers, peft, datasets and Olive
_KEPT = 1.4  # times what is counted: what the allocator keeps of tensors that were freed (1.35 to 1.42 measured)


def finetune_memory(shape: Shape, settings: Finetune, rows: RowLengths) -> float:
    """Bytes at the peak: the backward pass of the batch with the longest rows, before anything of it is freed.

    - The base's weights, and of each parameter of the adapter its float32 value, gradient and two moments of AdamW;
      without an adapter gradient and moments of each parameter that is trained, and in mixed precision a narrow copy.
    - What the forward pass saves for every token of every layer (counted by autograd's own hooks on transformers
      4.57.6 and peft 0.21.2), see ``_saved``. With checkpointing the input of every layer, and one layer's.
    - The logits of those tokens of the batch that have some, over the whole vocabulary, four times in float32:
      themselves, their log-softmax, and the gradients of both; trained in bfloat16 two narrow ones beside them.
    """
    sides = 2 if METHODS[settings.method].pairs else 1  # both answers of a pair are in one batch
    width, batch = computed_bytes(settings), sides * settings.batch_size
    adapter = METHODS[settings.method].adapter
    layer = _saved(shape, width, settings.r if adapter else 0, rows.longest)
    layers = layer + width * shape.hidden * shape.layers if settings.gradient_checkpointing else layer * shape.layers
    logits = shape.vocabulary * (16 if width == 4 else 20)
    weights = weight_bytes(settings) * shape.parameters + _trained_bytes(shape, settings)
    return _TRAINS + weights + _KEPT * batch * (rows.longest * layers + rows.longest_logits * logits)


def _trained_bytes(shape: Shape, settings: Finetune) -> float:
    """Of gradients and moments, and of what is trained beside the base's own weights."""
    if METHODS[settings.method].adapter:
        return 16.0 * settings.r * shape.projections
    narrow = 0 if computed_bytes(settings) == 4 else 2 * shape.parameters
    return float(narrow + (4 + moment_bytes(settings)) * trained_parameters(shape, settings))


def moment_bytes(settings: Finetune) -> int:
    """Bytes a parameter of AdamW's two moments."""
    return 2 if "8bit" in settings.optim else 8


def trained_parameters(shape: Shape, settings: Finetune) -> int:
    """Parameters of the model itself that a training without an adapter changes."""
    if settings.freeze_layers == 0:
        return shape.parameters
    head = 0 if shape.tied else shape.head
    layers = shape.parameters - shape.head - head
    return head + layers * max(0, shape.layers - settings.freeze_layers) // shape.layers


def _saved(shape: Shape, width: int, rank: int, length: int) -> int:
    """Bytes of one token in one layer that autograd saves of a decoder with LoRA on all projections.

    Queries, keys, values and the result of attention (keys and values repeated for every head, as a padded batch has a
    mask), the mask itself, three vectors of the MLP; and in float32, which LoRA computes in, the input of both norms
    and of every projection: in a float32 model projections share theirs, in bfloat16 each has a copy.
    """
    narrow = 4 * shape.queries + 3 * shape.inner + length
    ranks = 7 * rank + shape.queries // 64
    if width == 4:
        return 4 * (narrow + 4 * shape.hidden + shape.inner + ranks)
    return 2 * narrow + 4 * (7 * shape.hidden + shape.queries + shape.inner + ranks)
