"""Numbers of a model folder's configuration files: end and pad tokens, and the length of the context."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from olivepress.core.errors import DataError, JobError
from olivepress.runtimes.chat_template.tokenizer_files import end_token, read_object

__all__ = ["ContextExceeded", "check_context", "context_length", "eos_token_ids", "pad_token_id"]


def eos_token_ids(model_dir: Path) -> tuple[int, ...]:
    """The ids that end an answer, from genai_config.json, else generation_config.json, else config.json, else the
    tokenizer's own; () if none. JobError when an id is not a whole number."""
    value = _genai_model(model_dir).get("eos_token_id")
    for name in ("generation_config.json", "config.json"):
        if value is None:
            value = read_object(model_dir / name).get("eos_token_id")
    if value is None:
        value = end_token(model_dir)
    if value is None:
        return ()
    listed = value if isinstance(value, list) else [value]
    return tuple(_whole(model_dir, "eos_token_id", token) for token in listed)


def pad_token_id(model_dir: Path) -> int | None:
    """The pad id of genai_config.json, or None."""
    value = _genai_model(model_dir).get("pad_token_id")
    return None if value is None else _whole(model_dir, "pad_token_id", value)


def context_length(model_dir: Path) -> int | None:
    """The context in tokens, prompt and answer together; None when no configuration file states it."""
    length = _genai_model(model_dir).get("context_length")
    if length is None:
        length = read_object(model_dir / "config.json").get("max_position_embeddings")
    # The graphs that OpenVINO's NPU plugin compiles have fixed lengths.
    fixed = read_object(model_dir / "openvino_device.json").get("properties", {})
    if isinstance(fixed, dict) and "NPUW_LLM_MAX_PROMPT_LEN" in fixed:
        lengths = [fixed.get(key) for key in ("NPUW_LLM_MAX_PROMPT_LEN", "NPUW_LLM_MIN_RESPONSE_LEN")]
        numbers = [int(each) if isinstance(each, str) and each.isdecimal() else each for each in lengths]
        return sum(_whole(model_dir, "a length in openvino_device.json", each) for each in numbers)
    return None if length is None else _whole(model_dir, "context_length", length)


def _genai_model(model_dir: Path) -> dict[str, Any]:
    model = read_object(model_dir / "genai_config.json").get("model")
    return model if isinstance(model, dict) else {}


def _whole(model_dir: Path, key: str, value: Any) -> int:
    """``value`` if it is a whole number, else JobError that names ``key``."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**53:
        shown = ascii(value)[:40]
        raise JobError(f"{model_dir}: {key} is {shown}, expected a number", next_step="export it again")
    return value


class ContextExceeded(JobError):
    """A prompt that leaves no room for an answer."""


def check_context(model_dir: Path, prompts: Sequence[Sequence[int]], *, room: int = 1) -> None:
    """ContextExceeded when the longest prompt (token ids) and ``room`` more tokens exceed the model's context.

    DataError when a prompt has no tokens at all.
    """
    if not all(map(len, prompts)):
        raise DataError(
            f"{model_dir}: its chat template renders a question to an empty text",
            next_step="give the model another chat template",
        )
    limit, longest = context_length(model_dir), max((len(prompt) for prompt in prompts), default=0)
    if limit is not None and longest + room > limit:
        raise ContextExceeded(
            f"{model_dir}: a prompt of {longest} tokens and {room} more do not fit its context of {limit}",
            next_step="shorten the prompts, or export with a longer context",
        )
