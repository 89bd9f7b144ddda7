"""The role tokens and chat template of each architecture, at their real ids."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["SpecialTokens", "special_tokens"]


@dataclass(frozen=True, kw_only=True)
class SpecialTokens:
    """The role tokens of a family.

    ``ids`` maps each token's text to its id; ``bos`` may be None (Qwen has none); ``end_of_turn`` ends a chat turn, and
    a chat model must stop at it.
    """

    ids: Mapping[str, int]
    bos: str | None
    eos: str
    pad: str
    end_of_turn: str
    chat_template: str

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """Ids that end a generation, the chat turn's first."""
        return tuple(dict.fromkeys((self.ids[self.end_of_turn], self.ids[self.eos])))


_PHI4 = SpecialTokens(
    ids={
        "<|endoftext|>": 199999,
        "<|endofprompt|>": 200018,
        "<|assistant|>": 200019,
        "<|end|>": 200020,
        "<|user|>": 200021,
        "<|system|>": 200022,
        "<|tool|>": 200023,
        "<|/tool|>": 200024,
    },
    bos="<|endoftext|>",
    eos="<|endoftext|>",
    pad="<|endoftext|>",
    end_of_turn="<|end|>",
    chat_template=(
        "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"
    ),
)
_PHI3 = SpecialTokens(
    ids={
        "<unk>": 0,
        "<s>": 1,
        "</s>": 2,
        "<|endoftext|>": 32000,
        "<|assistant|>": 32001,
        "<|system|>": 32006,
        "<|end|>": 32007,
        "<|user|>": 32010,
    },
    bos="<s>",
    eos="<|endoftext|>",
    pad="<|endoftext|>",
    end_of_turn="<|end|>",
    chat_template=(
        "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
    ),
)
_LLAMA3 = SpecialTokens(
    ids={
        "<|begin_of_text|>": 128000,
        "<|end_of_text|>": 128001,
        "<|finetune_right_pad_id|>": 128004,
        "<|start_header_id|>": 128006,
        "<|end_header_id|>": 128007,
        "<|eom_id|>": 128008,
        "<|eot_id|>": 128009,
    },
    bos="<|begin_of_text|>",
    eos="<|eot_id|>",
    pad="<|finetune_right_pad_id|>",
    end_of_turn="<|eot_id|>",
    chat_template=(
        "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + "
        "'<|end_header_id|>\n\n' + message['content'] + '<|eot_id|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
    ),
)
_CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_QWEN = SpecialTokens(
    ids={"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645},
    bos=None,
    eos="<|im_end|>",
    pad="<|endoftext|>",
    end_of_turn="<|im_end|>",
    chat_template=_CHATML,
)
_SMOLLM2 = SpecialTokens(
    ids={"<|endoftext|>": 0, "<|im_start|>": 1, "<|im_end|>": 2},
    bos="<|im_start|>",
    eos="<|im_end|>",
    pad="<|im_end|>",
    end_of_turn="<|im_end|>",
    chat_template=_CHATML,
)
_SMOLLM3 = SpecialTokens(
    ids={
        "<|begin_of_text|>": 128000,
        "<|end_of_text|>": 128001,
        "<|finetune_right_pad_id|>": 128004,
        "<|im_start|>": 128011,
        "<|im_end|>": 128012,
    },
    bos=None,
    eos="<|im_end|>",
    pad="<|finetune_right_pad_id|>",
    end_of_turn="<|im_end|>",
    chat_template=_CHATML,
)
_GEMMA3 = SpecialTokens(
    ids={"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "<start_of_turn>": 105, "<end_of_turn>": 106},
    bos="<bos>",
    eos="<eos>",
    pad="<pad>",
    end_of_turn="<end_of_turn>",
    # It has no system role: the text is put before the first question.
    chat_template=(
        "{{ bos_token }}{% set at = namespace(system='') %}{% for message in messages %}"
        "{% if message['role'] == 'system' %}{% set at.system = message['content'] + '\n\n' %}{% else %}"
        "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\n' + at.system + "
        "message['content'] + '<end_of_turn>\n' }}{% set at.system = '' %}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
    ),
)
_MISTRAL = SpecialTokens(
    ids={"<unk>": 0, "<s>": 1, "</s>": 2, "[INST]": 3, "[/INST]": 4},
    bos="<s>",
    eos="</s>",
    pad="</s>",
    end_of_turn="</s>",
    chat_template=(
        "{{ bos_token }}{% set at = namespace(system='') %}{% for message in messages %}"
        "{% if message['role'] == 'system' %}{% set at.system = message['content'] + '\n\n' %}"
        "{% elif message['role'] == 'user' %}{{ '[INST] ' + at.system + message['content'] + '[/INST]' }}"
        "{% set at.system = '' %}{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
    ),
)
# The tokenizer of Mistral Small 3 and Ministral 3, which has a role for system texts.
_MINISTRAL3 = SpecialTokens(
    ids={
        "<unk>": 0,
        "<s>": 1,
        "</s>": 2,
        "[INST]": 3,
        "[/INST]": 4,
        "<pad>": 11,
        "[SYSTEM_PROMPT]": 17,
        "[/SYSTEM_PROMPT]": 18,
    },
    bos="<s>",
    eos="</s>",
    pad="<pad>",
    end_of_turn="</s>",
    chat_template=(
        "{{ bos_token }}{% for message in messages %}"
        "{% if message['role'] == 'system' %}{{ '[SYSTEM_PROMPT]' + message['content'] + '[/SYSTEM_PROMPT]' }}"
        "{% elif message['role'] == 'user' %}{{ '[INST]' + message['content'] + '[/INST]' }}"
        "{% else %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}"
    ),
)
_QWEN3_5 = dataclasses.replace(_QWEN, ids={"<|endoftext|>": 248044, "<|im_start|>": 248045, "<|im_end|>": 248046})
_LFM2 = SpecialTokens(
    ids={"<|pad|>": 0, "<|startoftext|>": 1, "<|endoftext|>": 2, "<|im_start|>": 6, "<|im_end|>": 7},
    bos="<|startoftext|>",
    eos="<|im_end|>",
    pad="<|pad|>",
    end_of_turn="<|im_end|>",
    chat_template="{{ bos_token }}" + _CHATML,
)
# model_type → (smallest real vocabulary that has them, tokens), the largest first.
_BY_MODEL_TYPE: dict[str, tuple[tuple[int, SpecialTokens], ...]] = {
    "gemma3_text": ((262144, _GEMMA3),),
    "lfm2": ((65536, _LFM2),),
    "llama": ((128256, _LLAMA3), (49152, _SMOLLM2)),
    "ministral3": ((131072, _MINISTRAL3),),
    "mistral": ((32768, _MISTRAL),),
    "phi3": ((200064, _PHI4), (32064, _PHI3)),
    "qwen2": ((151936, _QWEN),),
    "qwen3": ((151936, _QWEN),),
    "qwen3_5_text": ((248320, _QWEN3_5),),
    "smollm3": ((128256, _SMOLLM3),),
}


def special_tokens(model_type: str, vocab_size: int) -> SpecialTokens:
    """The role tokens of ``model_type``: at their real ids if the vocabulary is large enough, else at its end.

    An unknown ``model_type`` gets Qwen's ChatML tokens, the most common template among other families.
    """
    known = _BY_MODEL_TYPE.get(model_type, _BY_MODEL_TYPE["qwen3"])
    for smallest, specials in known:
        if smallest <= vocab_size:
            return specials
    return _at_the_end(known[0][1], vocab_size)


def _at_the_end(specials: SpecialTokens, vocab_size: int) -> SpecialTokens:
    first = vocab_size - len(specials.ids)
    return dataclasses.replace(specials, ids={token: first + place for place, token in enumerate(specials.ids)})
