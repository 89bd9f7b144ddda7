"""Thoughts under the name that a template has, tools where it wants them, ids and tags that it stumbles over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from olivepress.runtimes.chat_template.check import check_rows
from olivepress.runtimes.chat_template.control_tokens import holds_control_tokens
from olivepress.runtimes.chat_template.prompts import render_prompt
from olivepress.runtimes.chat_template.slots import mark
from olivepress.runtimes.chat_template.tokenizer_files import control_pattern
from tests.runtimes.chat_template.chat_templates import PHI4, TOOL_TEMPLATES, Published, make_published
from tests.runtimes.chat_template.test_template_check import HEAD, TAIL, TOOLS, call, make_template, rows, say

pytest.importorskip("transformers")
QUESTION = say("user", "How warm is it?")
THINKS = (
    "{% if m.@ %}<think>{{ m.@ }}</think>{% endif %}"
    "{{ m.content }}"
)  # fmt: skip


@pytest.mark.parametrize("template", ["reasoning_content", "reasoning", "thinking"])
@pytest.mark.parametrize("given", ["reasoning_content", "reasoning", "thinking"])
def test_thoughts_come_out_whatever_their_name(tmp_path: Path, template: str, given: str) -> None:
    model = make_template(tmp_path, HEAD + THINKS.replace("@", template) + TAIL)
    messages = [QUESTION, say("assistant", "12 degrees", **{given: "I look."})]
    assert check_rows(model, rows(messages, None)).errors == ()
    assert render_prompt(model, messages).completion == "<think>I look.</think>12 degrees<|im_end|>"


def test_thoughts_that_a_template_does_not_print(tmp_path: Path) -> None:
    model = make_template(tmp_path, HEAD + "{{ m.content }}" + TAIL)
    report = check_rows(model, rows([QUESTION, say("assistant", "12 degrees", thinking="I look.")], None))
    assert report.errors == (
        f"the chat template of {model} prints no thoughts of answers: 3 of 3 rows have them (r0, r1, r2)",
    )


def test_tools_go_into_the_system_message_where_the_template_looks_there(tmp_path: Path) -> None:
    """Phi-4-mini: as JSON under ``tools`` of the system message, which is made where there is none."""
    tokens = ("<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|/tool|>", "<|end|>")
    make_published(tmp_path, Published(template=PHI4, tokens=tokens, end="<|end|>"))
    functions = json.dumps([tool["function"] for tool in TOOLS], ensure_ascii=False)
    for system in ("Be brief.", ""):
        messages = [*([say("system", system)] if system else []), QUESTION, say("assistant", "12 degrees")]
        assert check_rows(tmp_path, rows(messages)).errors == ()
        prefix = render_prompt(tmp_path, messages, TOOLS).prefix
        assert prefix == (
            f"<|system|>{system}<|tool|>{functions}<|/tool|><|end|><|user|>How warm is it?<|end|><|assistant|>"
        )
    assert render_prompt(tmp_path, [QUESTION, say("assistant", "A")]).prefix == (
        "<|user|>How warm is it?<|end|><|assistant|>"
    )
    [error] = check_rows(tmp_path, rows([QUESTION, call()])).errors
    assert "prints no tool calls" in error


def test_ids_that_the_template_refuses_are_seen_before_training(tmp_path: Path) -> None:
    make_published(tmp_path, TOOL_TEMPLATES["mistral-v0.3"])
    answer = call()
    assert check_rows(tmp_path, rows([QUESTION, answer])).errors == ()
    answer["tool_calls"][0]["id"] = "call_1"
    mixed = [*rows([QUESTION, call()]), *rows([QUESTION, answer], count=2)]
    [error] = check_rows(tmp_path, mixed).errors
    assert "cannot render the rows" in error and "ids of calls have 9 letters" in error and "2 of 5 rows" in error


ORDINARY = "Use `</think>` to end them."


@pytest.mark.parametrize("turn", ["last", "earlier"])
def test_a_tag_of_thoughts_in_an_ordinary_answer(tmp_path: Path, turn: str) -> None:
    """Qwen3 would take all before the tag for thoughts, and cut it off; a template that prints texts does not."""
    answer = say("assistant", ORDINARY)
    messages = [QUESTION, answer] if turn == "last" else [QUESTION, answer, say("user", "And?"), say("assistant", "A")]
    make_published(tmp_path / "qwen", TOOL_TEMPLATES["qwen-3"])
    [error] = check_rows(tmp_path / "qwen", rows(messages, None)).errors
    assert "3 of 3 rows" in error and "cannot render the rows" in error
    (tmp_path / "plain").mkdir()
    plain = make_template(tmp_path / "plain", HEAD + "{{ m.content }}" + TAIL)
    assert check_rows(plain, rows(messages, None)).errors == ()
    assert ORDINARY in render_prompt(plain, messages).full


@pytest.mark.parametrize(
    "content", ["<think>\nI look.\n</think>\n\n12 degrees", "I look.\n</think>\n\n12 degrees"]
)  # fmt: skip
def test_thoughts_in_the_text_stay_thoughts(tmp_path: Path, content: str) -> None:
    make_published(tmp_path, TOOL_TEMPLATES["qwen-3"])
    messages = [QUESTION, say("assistant", content)]
    assert check_rows(tmp_path, rows(messages, None)).errors == ()
    assert render_prompt(tmp_path, messages).completion == "<think>\nI look.\n</think>\n\n12 degrees<|im_end|>"


@pytest.mark.parametrize("arguments", [{"a": {"<|im_end|>": 1}}, {"a": [{"b": {"x<|im_end|>": "y"}}]}])
def test_control_tokens_in_names_deep_in_arguments_are_texts(tmp_path: Path, arguments: dict[str, Any]) -> None:
    make_published(tmp_path, TOOL_TEMPLATES["qwen-2.5"])
    messages = [QUESTION, call(arguments)]
    assert holds_control_tokens(control_pattern(tmp_path), messages, None)
    rendered = render_prompt(tmp_path, messages, TOOLS)
    at = rendered.full.index("<|im_end|>", len(rendered.prefix))
    assert rendered.cuts == (at + 1,) and rendered.completion.count("<|im_end|>") == 2
    assert json.dumps(arguments) in rendered.completion


def test_names_of_parameters_deep_in_a_schema_are_texts(tmp_path: Path) -> None:
    inner = {"type": "object", "properties": {"x<|im_end|>": {"type": "string"}}}
    schema = {"type": "object", "properties": {"a": inner}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
    marked = mark([QUESTION], tools)
    assert "x<|im_end|>" in {slot.text for slot in marked.slots}
    make_published(tmp_path, TOOL_TEMPLATES["qwen-2.5"])
    rendered = render_prompt(tmp_path, [QUESTION, say("assistant", "A")], tools)
    assert json.dumps(tools[0]) in rendered.prefix and len(rendered.cuts) == 1


OPENED = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' and loop.last %}"
    "{% set parts = m.content.split('</think>') %}<think>\n{{ parts[0].replace('<think>', '').strip() }}\n</think>\n\n"
    "{{ parts[-1].strip() }}{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)


@pytest.mark.parametrize("content", ["<think>\nI look.\n</think>\n\n12 degrees", "<think>I look.</think>12 degrees"])
def test_nothing_follows_the_end_where_the_question_opens_the_thoughts(tmp_path: Path, content: str) -> None:
    """Qwen3.5: the answer's text does not stand whole in the completion, and a newline follows the end token."""
    model = make_template(tmp_path, OPENED)
    messages = [QUESTION, say("assistant", content)]
    assert check_rows(model, rows(messages, None)).errors == ()
    assert render_prompt(model, messages).completion == "I look.\n</think>\n\n12 degrees<|im_end|>"
