"""Messages → text, shared by training and measuring so that both use the same characters.

Without transformers, which devices do not have. The environment that templates run in follows
``transformers.utils.chat_template_utils`` (sandboxed, trim_blocks, lstrip_blocks, loop controls, ``generation`` tag).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from olivepress.core.errors import DataError
from olivepress.core.thoughts import THOUGHTS, answer_text, has_thoughts
from olivepress.data.store.examples import Message
from olivepress.runtimes.chat_template.control_tokens import control_cuts, holds_control_tokens, without_control_tokens
from olivepress.runtimes.chat_template.errors import ChatTemplateError
from olivepress.runtimes.chat_template.files import chat_template
from olivepress.runtimes.chat_template.message_form import (
    Form,
    form_of,
    in_form,
    plain_messages,
    with_tools,
    without_ends,
)
from olivepress.runtimes.chat_template.model_config import eos_token_ids
from olivepress.runtimes.chat_template.slots import Marked, Place, answer_start, mark, places, to_text_position
from olivepress.runtimes.chat_template.tokenizer_files import (
    beginning_token,
    control_pattern,
    control_tokens,
    special_tokens_map,
    token_texts,
)

__all__ = [
    "RenderedPrompt",
    "encode_parts",
    "end_texts",
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
    """``prefix`` is the model's input; ``full`` continues it with the answer and the token that ends it.

    Tokenize the parts of either with ``add_special_tokens=False`` and join their ids (``encode_parts``): a template
    writes its own BOS, and ``cuts`` (positions in ``full``) split control tokens that are part of the row's texts, so
    that they are tokenized as text. ``answer`` is the expected output: the completion without the control tokens that
    the template wrote.
    """

    prefix: str
    full: str
    answer: str
    cuts: tuple[int, ...] = ()

    @property
    def completion(self) -> str:
        """The text that is supervised in training and expected when measuring."""
        return self.full[len(self.prefix) :]

    @property
    def prefix_parts(self) -> tuple[str, ...]:
        return self.parts(0, len(self.prefix))

    @property
    def completion_parts(self) -> tuple[str, ...]:
        return self.parts(len(self.prefix), len(self.full))

    def parts(self, start: int, end: int) -> tuple[str, ...]:
        """``full[start:end]`` split at the cuts; each part must be tokenized separately."""
        edges = (start, *(cut for cut in self.cuts if start < cut < end), end)
        return tuple(self.full[first:last] for first, last in pairwise(edges))


def encode_parts(encode: Callable[[str], Sequence[int]], parts: Sequence[str]) -> list[int]:
    """The token ids of ``parts``, each tokenized separately by ``encode`` (no special tokens added)."""
    return [int(token) for part in parts for token in encode(part)]


def render_prompt(model_dir: Path, messages: Sequence[Message], tools: Tools = None) -> RenderedPrompt:
    """Render a conversation whose last message is the assistant's answer.

    With a chat template: prefix = the messages before the answer with the generation prompt, full = all messages,
    without the white space that a template prints after the token that ends the answer. Without one: the contents, one
    per line, then the answer and the EOS text. ``enable_thinking`` is set when the answer contains thoughts, and dates
    are fixed; ``tools`` are the functions that the conversation may call. An end token at the end of a row's answer is
    removed.

    DataError when the template rejects the messages, when the start of the answer cannot be determined, or when control
    tokens in the row's texts cannot be distinguished from the template's own.
    """
    if len(messages) < 2 or messages[-1]["role"] != "assistant":
        raise DataError("a conversation needs a question and the assistant's answer last", next_step="check the rows")
    plain = plain_conversation(model_dir, messages)
    thinking = has_thoughts(plain[-1])
    prefix = render_text(model_dir, plain[:-1], tools, generation_prompt=True, thinking=thinking)
    full = render_text(model_dir, plain, tools, generation_prompt=False, thinking=thinking)
    answer = answer_text(str(plain[-1]["content"]))
    completion = _cut_after_end(_completion(model_dir, plain, tools, prefix, full), answer)
    full, cuts = prefix + completion, tuple[int, ...]()
    if holds_control_tokens(control_pattern(model_dir), plain, tools):
        cuts = control_cuts(control_pattern(model_dir), full, text_places(model_dir, plain, tools, prefix, completion))
    answer = without_control_tokens(control_pattern(model_dir), full, len(prefix), cuts)
    content = str(plain[-1]["content"])
    if content.strip() != answer.strip():
        content = answer.strip()
    return RenderedPrompt(prefix=prefix, full=full, cuts=cuts, answer=content)


def render_question(model_dir: Path, messages: Sequence[Message], tools: Tools = None) -> str:
    """The ``prefix`` of ``render_prompt`` for messages without the answer, as a request renders it. Errors as there."""
    return render_text(model_dir, plain_conversation(model_dir, messages), tools, generation_prompt=True)


def question_parts(model_dir: Path, messages: Sequence[Message], tools: Tools = None) -> tuple[str, ...]:
    """``render_question``, split at control tokens in the messages' texts. Errors as ``render_prompt``."""
    plain = plain_conversation(model_dir, messages)
    text, cuts = render_text(model_dir, plain, tools, generation_prompt=True), tuple[int, ...]()
    if holds_control_tokens(control_pattern(model_dir), plain, tools):
        cuts = control_cuts(control_pattern(model_dir), text, question_places(model_dir, plain, tools, text))
    return RenderedPrompt(prefix=text, full=text, answer="", cuts=cuts).prefix_parts


def plain_conversation(model_dir: Path, messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages in the form that every template gets: arguments as objects, answers without end tokens."""
    return without_ends(plain_messages(messages), end_texts(model_dir))


def render_text(
    model_dir: Path,
    messages: Sequence[Mapping[str, Any]],
    tools: Tools,
    *,
    generation_prompt: bool,
    thinking: bool = False,
) -> str:
    """A plain conversation as text, in the form that the template expects; ``generation_prompt`` is added on request.

    Without a template: the contents, one per line, after the BOS that the tokenizer adds, and the EOS text at the end.
    """
    template, special = chat_template(model_dir, with_tools=bool(tools)), special_tokens_map(model_dir)
    if template is None:
        end = "\n" if generation_prompt else special.get("eos_token", "")
        return beginning_token(model_dir) + "\n".join(str(m["content"]) for m in messages) + end
    if tools or any(message.get("tool_calls") or message.get(THOUGHTS) for message in messages):
        form = _form(model_dir.absolute(), template)
        messages, tools = with_tools(in_form(messages, form), tools, form)
    return _render(
        model_dir, template, messages, special, tools, add_generation_prompt=generation_prompt, thinking=thinking
    )


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

    DataError when that cannot be determined because the template changes texts.
    """
    question, full, start, marked = _marked_texts(model_dir, messages, tools)
    in_question = places(question, marked.slots, prefix)
    for candidate in (full, full.rstrip()):  # what follows the end token is removed
        in_answer = None if start is None else places(candidate[start:], marked.slots, completion)
        if in_question is not None and in_answer is not None:
            return (*in_question, *(place.moved(len(question), len(prefix)) for place in in_answer))
    raise _texts_are_changed(model_dir)


def question_places(
    model_dir: Path, messages: Sequence[Mapping[str, Any]], tools: Tools, text: str, *, thinking: bool = False
) -> tuple[Place, ...]:
    """As ``text_places``, for messages without an answer."""
    marked = mark(messages, tools)
    question = render_text(model_dir, marked.messages, marked.tools, generation_prompt=True, thinking=thinking)
    in_question = places(question, marked.slots, text)
    if in_question is None:
        raise _texts_are_changed(model_dir)
    return in_question


def _texts_are_changed(model_dir: Path) -> ChatTemplateError:
    return ChatTemplateError(
        "changes texts, so that its own output cannot be distinguished from them",
        model_dir=model_dir,
        next_step="remove control tokens from the rows, or give the model another chat template",
    )


def _marked_texts(
    model_dir: Path, messages: Sequence[Mapping[str, Any]], tools: Tools
) -> tuple[str, str, int | None, Marked]:
    """Question and full text of the marked conversation, where the answer begins in the latter, and the markers."""
    marked, thinking = mark(messages, tools), has_thoughts(messages[-1])
    question = render_text(model_dir, marked.messages[:-1], marked.tools, generation_prompt=True, thinking=thinking)
    full = render_text(model_dir, marked.messages, marked.tools, generation_prompt=False, thinking=thinking)
    return question, full, answer_start(question, full, marked), marked


def _completion(model_dir: Path, messages: Sequence[Mapping[str, Any]], tools: Tools, prefix: str, full: str) -> str:
    """The part of ``full`` after the question, or from the start of the answer where the question differs."""
    if full.startswith(prefix):
        return full[len(prefix) :]
    _, marked_full, start, marked = _marked_texts(model_dir, messages, tools)
    in_full = places(marked_full, marked.slots, full)
    if start is None or in_full is None:
        raise ChatTemplateError(
            "renders the answer's conversation differently from its question",
            model_dir=model_dir,
            next_step="give the model another chat template, or remove it to use plain text",
        )
    return full[to_text_position(start, in_full) :]


def _cut_after_end(completion: str, answer: str) -> str:
    """Drop white space that a template prints after the end token: the last supervised token must be an EOS."""
    core = answer.strip()
    at = completion.find(core)
    if at < 0 or not core:
        return completion.rstrip() if not core else completion
    tail = completion[at + len(core) :]
    return completion[: at + len(core)] + tail.rstrip() if tail.strip() else completion


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
        raise ChatTemplateError(
            f"cannot render the messages ({error})",
            model_dir=model_dir,
            next_step="check the roles of the rows, or the template",
        ) from error
