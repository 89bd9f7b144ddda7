"""Messages → text, in one place for training and for measuring, so that both see the same characters.

No transformers here: the device has none. The environment that templates run in follows
``transformers.utils.chat_template_utils`` (sandboxed, trim_blocks, lstrip_blocks, loop controls, ``generation`` tag).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from olivepress.core.errors import DataError, JobError
from olivepress.core.thoughts import THOUGHTS, answer_text, has_thoughts
from olivepress.data.store.examples import Message
from olivepress.runtimes.chat_template.control_tokens import control_cuts, holds_control_tokens, without_control_tokens
from olivepress.runtimes.chat_template.files import chat_template
from olivepress.runtimes.chat_template.message_form import (
    Form,
    form_of,
    in_form,
    plain_messages,
    with_tools,
    without_ends,
)
from olivepress.runtimes.chat_template.slots import Marked, Place, answer_start, mark, places, to_text_position
from olivepress.runtimes.chat_template.tokenizer_files import (
    beginning_token,
    control_pattern,
    control_tokens,
    read_object,
    special_tokens_map,
    token_texts,
)

__all__ = [
    "ContextExceeded",
    "RenderedPrompt",
    "check_context",
    "context_length",
    "encode_parts",
    "end_texts",
    "eos_token_ids",
    "pad_token_id",
    "plain_conversation",
    "question_parts",
    "question_places",
    "render_prompt",
    "render_question",
    "render_text",
    "text_places",
]

Tools = Sequence[Mapping[str, Any]] | None


@dataclass(frozen=True, kw_only=True)
class RenderedPrompt:
    """``prefix`` is what the model is asked; ``full`` continues it with the answer and the token that ends it.

    Tokenize the parts of either with ``add_special_tokens=False`` and join their ids (``encode_parts``): a template
    writes its own BOS, and ``cuts`` (positions in ``full``) go through the control tokens that are texts of the row,
    so that they are tokenized as texts. ``answer`` is what the model should be seen to answer: the completion without
    the control tokens that the template wrote.
    """

    prefix: str
    full: str
    answer: str
    cuts: tuple[int, ...] = ()

    @property
    def completion(self) -> str:
        """What is supervised in training and expected when measuring."""
        return self.full[len(self.prefix) :]

    @property
    def prefix_parts(self) -> tuple[str, ...]:
        return self.parts(0, len(self.prefix))

    @property
    def completion_parts(self) -> tuple[str, ...]:
        return self.parts(len(self.prefix), len(self.full))

    def parts(self, start: int, end: int) -> tuple[str, ...]:
        """``full[start:end]``, cut: each part is to be tokenized apart."""
        edges = (start, *(cut for cut in self.cuts if start < cut < end), end)
        return tuple(self.full[first:last] for first, last in pairwise(edges))


def encode_parts(encode: Callable[[str], Sequence[int]], parts: Sequence[str]) -> list[int]:
    """The token ids of ``parts``, each tokenized apart by ``encode`` (no special tokens added)."""
    return [int(token) for part in parts for token in encode(part)]


def render_prompt(model_dir: Path, messages: Sequence[Message], tools: Tools = None) -> RenderedPrompt:
    """Render a conversation whose last message is the assistant's answer.

    With a chat template: prefix = the messages before the answer with the generation prompt, full = all of them,
    without the white space that a template prints after the token that ends the answer. Without one: the contents,
    one per line, then the answer and the EOS text. ``enable_thinking`` says whether the answer holds thoughts, and
    dates are fixed; ``tools`` are the functions that the conversation may call. An end token that a row has at the end
    of an answer is cut off.

    DataError when the template refuses the messages, when it cannot be said where the answer begins, or when control
    tokens in the row's texts cannot be told from the template's own.
    """
    if len(messages) < 2 or messages[-1]["role"] != "assistant":
        raise DataError("a conversation needs a question and the assistant's answer last", next_step="check the rows")
    plain = plain_conversation(model_dir, messages)
    thinking = has_thoughts(plain[-1])
    prefix = render_text(model_dir, plain[:-1], tools, asks=True, thinking=thinking)
    full = render_text(model_dir, plain, tools, asks=False, thinking=thinking)
    answer = answer_text(str(plain[-1]["content"]))
    completion = _cut_after_end(_completion(model_dir, plain, tools, prefix, full), answer)
    full, cuts = prefix + completion, tuple[int, ...]()
    if holds_control_tokens(control_pattern(model_dir), plain, tools):
        cuts = control_cuts(control_pattern(model_dir), full, text_places(model_dir, plain, tools, prefix, completion))
    answer = without_control_tokens(control_pattern(model_dir), full, len(prefix), cuts)
    content = str(plain[-1]["content"])
    return RenderedPrompt(
        prefix=prefix, full=full, cuts=cuts, answer=content if content.strip() == answer.strip() else answer.strip()
    )


def render_question(model_dir: Path, messages: Sequence[Message], tools: Tools = None) -> str:
    """The ``prefix`` of ``render_prompt``, of messages before the answer: what a request renders. Raises as that."""
    return render_text(model_dir, plain_conversation(model_dir, messages), tools, asks=True)


def question_parts(model_dir: Path, messages: Sequence[Message], tools: Tools = None) -> tuple[str, ...]:
    """``render_question``, cut where control tokens stand in the messages' texts. Raises as ``render_prompt``."""
    plain = plain_conversation(model_dir, messages)
    text, cuts = render_text(model_dir, plain, tools, asks=True), tuple[int, ...]()
    if holds_control_tokens(control_pattern(model_dir), plain, tools):
        cuts = control_cuts(control_pattern(model_dir), text, question_places(model_dir, plain, tools, text))
    return RenderedPrompt(prefix=text, full=text, answer="", cuts=cuts).prefix_parts


def plain_conversation(model_dir: Path, messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages as every template is given them: arguments as objects, answers without end tokens of their own."""
    return without_ends(plain_messages(messages), end_texts(model_dir))


def render_text(
    model_dir: Path,
    messages: Sequence[Mapping[str, Any]],
    tools: Tools,
    *,
    asks: bool,
    thinking: bool = False,
) -> str:
    """A plain conversation as text, in the form that the template wants; ``asks`` ends it with the generation prompt.

    Without a template the contents, one per line, after the BOS that the tokenizer puts, and the EOS text at the end.
    """
    template, special = chat_template(model_dir, with_tools=bool(tools)), special_tokens_map(model_dir)
    if template is None:
        end = "\n" if asks else special.get("eos_token", "")
        return beginning_token(model_dir) + "\n".join(str(m["content"]) for m in messages) + end
    if tools or any(message.get("tool_calls") or message.get(THOUGHTS) for message in messages):
        form = _form(model_dir.resolve(), template)
        messages, tools = with_tools(in_form(messages, form), tools, form)
    return _render(model_dir, template, messages, special, tools, add_generation_prompt=asks, thinking=thinking)


@lru_cache(maxsize=32)
def _form(model_dir: Path, template: str) -> Form:
    special = special_tokens_map(model_dir)
    return form_of(
        lambda messages, tools: _render(model_dir, template, messages, special, tools, add_generation_prompt=False)
    )


def end_texts(model_dir: Path) -> frozenset[str]:
    """The texts of the control tokens that end an answer."""
    texts = token_texts(model_dir)
    ends = {texts.get(number, "") for number in eos_token_ids(model_dir)}
    return frozenset({*ends, special_tokens_map(model_dir).get("eos_token", "")} & control_tokens(model_dir))


def text_places(
    model_dir: Path, messages: Sequence[Mapping[str, Any]], tools: Tools, prefix: str, completion: str
) -> tuple[Place, ...]:
    """Where each text of a plain conversation is in ``prefix`` and the ``completion`` behind it.

    DataError when that cannot be said, because the template changes texts.
    """
    question, full, start, marked = _marked_texts(model_dir, messages, tools)
    asked = places(question, marked.slots, prefix)
    for candidate in (full, full.rstrip()):  # what follows the end token is cut off
        answered = None if start is None else places(candidate[start:], marked.slots, completion)
        if asked is not None and answered is not None:
            return (*asked, *(place.moved(len(question), len(prefix)) for place in answered))
    raise _texts_are_changed(model_dir)


def question_places(
    model_dir: Path, messages: Sequence[Mapping[str, Any]], tools: Tools, text: str, *, thinking: bool = False
) -> tuple[Place, ...]:
    """As ``text_places``, of messages that ask."""
    marked = mark(messages, tools)
    question = render_text(model_dir, marked.messages, marked.tools, asks=True, thinking=thinking)
    found = places(question, marked.slots, text)
    if found is None:
        raise _texts_are_changed(model_dir)
    return found


def _texts_are_changed(model_dir: Path) -> DataError:
    return DataError(
        f"{model_dir}: its chat template changes texts, so that what it prints cannot be told from them",
        next_step="remove control tokens from the rows, or give the model another chat template",
    )


def _marked_texts(
    model_dir: Path, messages: Sequence[Mapping[str, Any]], tools: Tools
) -> tuple[str, str, int | None, Marked]:
    """Question and whole of the marked conversation, where the answer begins in the whole, and the markers."""
    marked, thinking = mark(messages, tools), has_thoughts(messages[-1])
    question = render_text(model_dir, marked.messages[:-1], marked.tools, asks=True, thinking=thinking)
    full = render_text(model_dir, marked.messages, marked.tools, asks=False, thinking=thinking)
    return question, full, answer_start(question, full, marked), marked


def _completion(model_dir: Path, messages: Sequence[Mapping[str, Any]], tools: Tools, prefix: str, full: str) -> str:
    """What follows the question in ``full``; where it does not begin with it, from where the answer begins."""
    if full.startswith(prefix):
        return full[len(prefix) :]
    _, marked_full, start, marked = _marked_texts(model_dir, messages, tools)
    found = places(marked_full, marked.slots, full)
    if start is None or found is None:
        raise DataError(
            f"{model_dir}: the chat template renders the answer's conversation differently from its question",
            next_step="give the model another chat template, or remove it to use plain text",
        )
    return full[to_text_position(start, found) :]


def _cut_after_end(completion: str, answer: str) -> str:
    """Drop white space that a template prints after the end token: the last supervised token must be an EOS."""
    core = answer.strip()
    at = completion.find(core)
    if at < 0 or not core:
        return completion.rstrip() if not core else completion
    tail = completion[at + len(core) :]
    return completion[: at + len(core)] + tail.rstrip() if tail.strip() else completion


def eos_token_ids(model_dir: Path) -> tuple[int, ...]:
    """The ids that end an answer: genai_config.json, else generation_config.json, else config.json; () if none."""
    found = _genai_model(model_dir).get("eos_token_id")
    for name in ("generation_config.json", "config.json"):
        if found is None:
            found = read_object(model_dir / name).get("eos_token_id")
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
        found = read_object(model_dir / "config.json").get("max_position_embeddings")
    # The graphs that OpenVINO's NPU plugin makes have fixed lengths.
    fixed = read_object(model_dir / "openvino_device.json").get("properties", {})
    if isinstance(fixed, dict) and "NPUW_LLM_MAX_PROMPT_LEN" in fixed:
        lengths = [fixed.get(key) for key in ("NPUW_LLM_MAX_PROMPT_LEN", "NPUW_LLM_MIN_RESPONSE_LEN")]
        numbers = [int(each) if isinstance(each, str) and each.isdecimal() else each for each in lengths]
        return sum(_whole(model_dir, "a length in openvino_device.json", each) for each in numbers)
    return None if found is None else _whole(model_dir, "context_length", found)


def _genai_model(model_dir: Path) -> dict[str, Any]:
    found = read_object(model_dir / "genai_config.json").get("model")
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
    """Raise ContextExceeded when the model's context does not hold the longest prompt (token ids) and ``room`` more,
    DataError when a prompt has no tokens at all."""
    if not all(map(len, prompts)):
        raise DataError(
            f"{model_dir}: its chat template makes nothing of a question", next_step="give it another chat template"
        )
    limit, longest = context_length(model_dir), max((len(prompt) for prompt in prompts), default=0)
    if limit is not None and longest + room > limit:
        raise ContextExceeded(
            f"{model_dir}: a prompt of {longest} tokens and {room} more do not fit its context of {limit}",
            next_step="shorten the prompts, or export with a longer context",
        )


def _render(
    model_dir: Path,
    template: str,
    messages: Sequence[Mapping[str, Any]],
    special: dict[str, str],
    tools: Tools,
    *,
    add_generation_prompt: bool,
    thinking: bool = False,
) -> str:
    from jinja2 import TemplateError

    from olivepress.runtimes.chat_template.environment import FIXED_DATE, render_template

    try:
        return render_template(
            template,
            {
                "messages": [dict(m) for m in messages],
                "tools": [dict(tool) for tool in tools] if tools else None,
                "documents": None,
                "add_generation_prompt": add_generation_prompt,
                "enable_thinking": thinking,
                "date_string": FIXED_DATE,
                **special,
            },
        )
    except TemplateError as error:
        raise DataError(
            f"{model_dir}: its chat template cannot render the messages ({error})",
            next_step="check the roles of the rows, or the template",
        ) from error
