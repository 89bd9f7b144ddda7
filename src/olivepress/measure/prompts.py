"""Messages → text, in one place for training and for measuring, so that both see the same characters.

No transformers here: the device has none. The environment that templates run in follows
``transformers.utils.chat_template_utils`` (sandboxed, trim_blocks, lstrip_blocks, loop controls, ``generation`` tag).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from olivepress.bounded import TEMPLATE, TOKENIZER, read_json, read_text
from olivepress.errors import DataError, JobError
from olivepress.measure.dataset import Message

__all__ = [
    "ContextExceeded",
    "RenderedPrompt",
    "chat_template",
    "check_context",
    "context_length",
    "eos_token_ids",
    "pad_token_id",
    "render_prompt",
    "render_question",
]


@dataclass(frozen=True, kw_only=True)
class RenderedPrompt:
    """``prefix`` is what the model is asked; ``full`` continues it with the answer and the token that ends it.

    Tokenize either with ``add_special_tokens=False``: a template writes its own BOS.
    """

    prefix: str
    full: str

    @property
    def completion(self) -> str:
        """What is supervised in training and expected when measuring."""
        return self.full[len(self.prefix) :]


def render_prompt(
    model_dir: Path, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] | None = None
) -> RenderedPrompt:
    """Render a conversation whose last message is the assistant's answer.

    With a chat template: prefix = the messages before the answer with the generation prompt, full = all of them,
    without the white space that a template prints after the token that ends the answer. Without one: the contents,
    one per line, then the answer and the EOS text. ``enable_thinking`` is false and dates are fixed; ``tools`` are the
    functions that the conversation may call.

    DataError when the template refuses the messages or full does not begin with prefix (nothing could be supervised).
    """
    if len(messages) < 2 or messages[-1]["role"] != "assistant":
        raise DataError("a conversation needs a question and the assistant's answer last", next_step="check the rows")
    template, special = chat_template(model_dir), _special_tokens(model_dir)
    prefix, answer = render_question(model_dir, messages[:-1], tools), messages[-1]["content"]
    if template is None:
        return RenderedPrompt(prefix=prefix, full=prefix + answer + special.get("eos_token", ""))
    full = _render(model_dir, template, messages, special, tools, add_generation_prompt=False)
    if not full.startswith(prefix):
        raise DataError(
            f"{model_dir}: the chat template renders the answer's conversation differently from its question",
            next_step="give the model another chat template, or remove it to use plain text",
        )
    return RenderedPrompt(prefix=prefix, full=prefix + _cut_after_end(full[len(prefix) :], answer))


def render_question(
    model_dir: Path, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] | None = None
) -> str:
    """The ``prefix`` of ``render_prompt``, of messages before the answer: what a request renders. Raises as that."""
    template, special = chat_template(model_dir), _special_tokens(model_dir)
    if template is None:
        return "\n".join(m["content"] for m in messages) + "\n"
    return _render(model_dir, template, messages, special, tools, add_generation_prompt=True)


def _cut_after_end(completion: str, answer: str) -> str:
    """Drop white space that a template prints after the end token: the last supervised token must be an EOS."""
    core = answer.strip()
    at = completion.find(core)
    if at < 0 or not core:
        return completion.rstrip() if not core else completion
    tail = completion[at + len(core) :]
    return completion[: at + len(core)] + tail.rstrip() if tail.strip() else completion


def chat_template(model_dir: Path) -> str | None:
    """The chat template in ``model_dir``: chat_template.jinja, else tokenizer_config.json's, else None."""
    return _chat_template(model_dir.resolve())


@lru_cache(maxsize=32)
def _chat_template(model_dir: Path) -> str | None:
    file = model_dir / "chat_template.jinja"
    if file.is_file():
        return _template_text(file)
    for name in ("chat_template.json", "tokenizer_config.json"):
        found = _json(model_dir / name).get("chat_template")
        if isinstance(found, list):  # several named templates; "default" is what apply_chat_template takes
            found = next((t.get("template") for t in found if isinstance(t, dict) and t.get("name") == "default"), None)
        if isinstance(found, str) and found:
            return found
    return None


@lru_cache(maxsize=32)
def _special_tokens_cached(model_dir: Path) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        for key, value in _json(model_dir / name).items():
            text = value.get("content") if isinstance(value, dict) else value
            if key.endswith("_token") and isinstance(text, str):
                found[key] = text
    return tuple(found.items())


def _special_tokens(model_dir: Path) -> dict[str, str]:
    return dict(_special_tokens_cached(model_dir.resolve()))


def eos_token_ids(model_dir: Path) -> tuple[int, ...]:
    """The ids that end an answer: genai_config.json, else generation_config.json, else config.json; () if none."""
    found = _genai_model(model_dir).get("eos_token_id")
    for name in ("generation_config.json", "config.json"):
        if found is None:
            found = _json(model_dir / name).get("eos_token_id")
    if found is None:
        return ()
    listed = found if isinstance(found, list) else [found]
    return tuple(_whole(model_dir, "eos_token_id", token) for token in listed)


def pad_token_id(model_dir: Path) -> int | None:
    """The pad id of genai_config.json, or None."""
    found = _genai_model(model_dir).get("pad_token_id")
    return None if found is None else _whole(model_dir, "pad_token_id", found)


def context_length(model_dir: Path) -> int | None:
    """Tokens the model can hold, prompt and answer together; None when no config says."""
    found = _genai_model(model_dir).get("context_length")
    if found is None:
        found = _json(model_dir / "config.json").get("max_position_embeddings")
    # The graphs that OpenVINO's NPU plugin makes have fixed lengths.
    fixed = _json(model_dir / "openvino_device.json").get("properties", {})
    if isinstance(fixed, dict) and "NPUW_LLM_MAX_PROMPT_LEN" in fixed:
        lengths = [fixed.get(key) for key in ("NPUW_LLM_MAX_PROMPT_LEN", "NPUW_LLM_MIN_RESPONSE_LEN")]
        numbers = [int(each) if isinstance(each, str) and each.isdecimal() else each for each in lengths]
        return sum(_whole(model_dir, "a length in openvino_device.json", each) for each in numbers)
    return None if found is None else _whole(model_dir, "context_length", found)


def _genai_model(model_dir: Path) -> dict[str, Any]:
    found = _json(model_dir / "genai_config.json").get("model")
    return found if isinstance(found, dict) else {}


def _whole(model_dir: Path, key: str, value: Any) -> int:
    """A whole number as configurations have it. JobError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**53:
        shown = ascii(value)[:40]
        raise JobError(f"{model_dir}: {key} is {shown}, expected a number", next_step="export it again")
    return value


class ContextExceeded(JobError):
    """A prompt that leaves no room for an answer."""


def check_context(model_dir: Path, prompts: Sequence[Sequence[int]], *, room: int = 1) -> None:
    """Raise ContextExceeded when the model's context does not hold the longest prompt (token ids) and ``room`` more."""
    limit, longest = context_length(model_dir), max((len(prompt) for prompt in prompts), default=0)
    if limit is not None and longest + room > limit:
        raise ContextExceeded(
            f"{model_dir}: a prompt of {longest} tokens and {room} more do not fit its context of {limit}",
            next_step="shorten the prompts, or export with a longer context",
        )


def _template_text(file: Path) -> str:
    try:
        return read_text(file, TEMPLATE, DataError)
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read as text", next_step="copy the model again") from error


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        parsed = read_json(path, TOKENIZER, JobError)
    except (OSError, ValueError) as error:
        raise JobError(f"{path}: not readable as JSON", next_step="export the model again") from error
    return parsed if isinstance(parsed, dict) else {}


def _render(
    model_dir: Path,
    template: str,
    messages: Sequence[Message],
    special: dict[str, str],
    tools: Sequence[Mapping[str, Any]] | None,
    *,
    add_generation_prompt: bool,
) -> str:
    from jinja2 import TemplateError

    from olivepress.measure.template_environment import FIXED_DATE, render_template

    try:
        return render_template(
            template,
            {
                "messages": [dict(m) for m in messages],
                "tools": [dict(tool) for tool in tools] if tools else None,
                "documents": None,
                "add_generation_prompt": add_generation_prompt,
                "enable_thinking": False,
                "date_string": FIXED_DATE,
                **special,
            },
        )
    except TemplateError as error:
        raise DataError(
            f"{model_dir}: its chat template cannot render the messages ({error})",
            next_step="check the roles of the rows, or the template",
        ) from error
