"""generation_config.json must be one that transformers saves again: the merge writes it beside the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from olivepress.checkpoint import GENERATION_CONFIG, read_json
from olivepress.core.errors import RecipeError
from olivepress.models.admission.known import is_of_transformers_5, transformers_version, with_defaults

__all__ = ["check_end_token", "check_generation_config"]

# Key → its default, besides null.
_SAMPLING = {"temperature": 1.0, "top_p": 1.0, "typical_p": 1.0, "top_k": 50, "epsilon_cutoff": 0.0, "eta_cutoff": 0.0}
_OUTPUTS = ("output_attentions", "output_hidden_states", "output_scores", "output_logits")
_ARGUMENTS = (
    "logits_processor",
    "stopping_criteria",
    "prefix_allowed_tokens_fn",
    "synced_gpus",
    "assistant_model",
    "streamer",
    "negative_prompt_ids",
    "negative_prompt_attention_mask",
    "use_model_defaults",
)


def check_generation_config(directory: Path, config: Mapping[str, Any]) -> None:
    """Raises RecipeError naming the keys that transformers would refuse to save, or a token without a row."""
    path = directory / GENERATION_CONFIG
    if not path.exists():
        return
    values = read_json(path)
    problems = list(_problems(values))
    if problems:
        keys = ", ".join(key for key, _ in problems)
        raise RecipeError(
            f"{path}: {keys}: {transformers_version(config)} reads it and refuses to save it, which the merge must "
            f"({problems[0][1]})",
            next_step=f"{_REMEDY.get(problems[0][0], 'remove the key')}; what was trained stays",
        )
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        for number in values[key] if isinstance(values.get(key), list) else [values.get(key)]:
            if number is not None and not (type(number) is int and 0 <= number < int(config["vocab_size"])):
                last = int(config["vocab_size"]) - 1
                raise RecipeError(f"{path}: key {key!r} is {number!r}, expected a token from 0 to {last}")


def check_end_token(directory: Path, config: Mapping[str, Any]) -> None:
    """Raises RecipeError where no file names a token that ends an answer: onnxruntime-genai 0.14.1 writes null into its
    settings then, and does not open what it built. Later ones take the tokenizer's."""
    path = directory / GENERATION_CONFIG
    own = read_json(path).get("eos_token_id") if path.exists() else None
    if is_of_transformers_5(config) or own is not None or with_defaults(config).get("eos_token_id") is not None:
        return
    raise RecipeError(
        f"{directory}: neither {GENERATION_CONFIG} nor config.json names the token that ends an answer: no export "
        "could be opened",
        next_step=f"write eos_token_id, the number of its tokenizer's eos_token, into {GENERATION_CONFIG}",
    )


_REMEDY = dict.fromkeys((*_SAMPLING, "min_p"), 'write "do_sample": true into it, or remove the keys')


def _problems(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, reason), as GenerationConfig.validate(strict=True) of the pinned transformers."""
    if values.get("do_sample", False) is False:
        for key, neutral in _SAMPLING.items():
            if values.get(key) not in (None, neutral):
                yield key, f"{key} {values[key]} is for sampling, and do_sample is not true"
        if values.get("min_p") is not None:
            yield "min_p", f"min_p {values['min_p']} is for sampling, and do_sample is not true"
    yield from _of_beams(values)
    if values.get("use_cache", True) is False:
        for key in ("cache_implementation", "cache_config", "return_legacy_cache"):
            if values.get(key) is not None:
                yield key, "use_cache is false"
    if values.get("return_dict_in_generate") is not True:
        yield from ((key, "return_dict_in_generate is not true") for key in _OUTPUTS if values.get(key) is True)
    yield from ((key, "an argument of generate()") for key in _ARGUMENTS if key in values)
    most = values.get("max_new_tokens")
    if isinstance(most, int) and most <= 0:
        yield "max_new_tokens", "expected a number above 0"


def _of_beams(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    beams, sequences = values.get("num_beams", 1), values.get("num_return_sequences", 1)
    for key, value in (("num_beams", beams), ("num_return_sequences", sequences)):
        if type(value) is not int:
            yield key, "expected a whole number"
            return
    early = values.get("early_stopping", False)
    if early not in (True, False, "never"):
        yield "early_stopping", "expected true, false or never"
    elif beams == 1 and early is not False:
        yield "early_stopping", "it is for beams, and num_beams is 1"
    if beams == 1 and values.get("length_penalty") not in (None, 1.0):
        yield "length_penalty", "it is for beams, and num_beams is 1"
    if sequences != 1 and (
        (beams != 1 and sequences > beams) or (beams == 1 and values.get("do_sample", False) is False)
    ):
        yield "num_return_sequences", "more than there are beams, without sampling"
