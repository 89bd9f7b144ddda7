"""What the rows hold comes out of the chat template once, where it belongs; what a template loses is an error."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import DataError
from olivepress.data.store.examples import Example
from olivepress.runtimes.chat_template.check import check_rows
from olivepress.runtimes.chat_template.prompts import render_prompt
from tests.runtimes.chat_template.chat_templates import HERMES, HERMES_TOOLS, TOOL_TEMPLATES, Published, make_published

pytest.importorskip("transformers")
ROOM = {"room": {"type": "string", "description": "which room"}}
TOOLS: tuple[dict[str, Any], ...] = (
    {
        "type": "function",
        "function": {
            "name": "room_temperature",
            "description": "how warm a room is",
            "parameters": {"type": "object", "properties": ROOM, "required": ["room"]},
        },
    },
)
ARGUMENTS = {"room": 'the "old" cellar', "days": 3, "cold": True}
DATE = "26 Jul 2024"


def call(arguments: Any = ARGUMENTS, content: str = "", calls: int = 1) -> dict[str, Any]:
    function = {"name": "room_temperature", "arguments": copy.deepcopy(arguments)}
    each = [{"id": f"callid{n:03d}", "type": "function", "function": function} for n in range(calls)]
    return {"role": "assistant", "content": content, "tool_calls": each}


def say(role: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


RESULT = say("tool", '{"celsius": 12}', tool_call_id="callid000")
SHAPES: dict[str, list[dict[str, Any]]] = {
    "call": [say("user", "How warm is it?"), call()],
    "call after a system text": [say("system", "Be brief."), say("user", "How warm is it?"), call()],
    "call in a later turn": [say("user", "Hi"), say("assistant", "Hello"), say("user", "How warm is it?"), call()],
    "answer to a result": [say("user", "How warm is it?"), call(), RESULT, say("assistant", "12 degrees")],
}
PLAIN = [say("user", "Hi"), say("assistant", "Hello")]


def rows(messages: list[dict[str, Any]], tools: Any = TOOLS, count: int = 3) -> list[Example]:
    return [Example(id=f"r{n}", messages=tuple(messages), label=None, tools=tools) for n in range(count)]


@pytest.fixture(params=TOOL_TEMPLATES)
def published(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Any]:
    return request.param, make_published(tmp_path, TOOL_TEMPLATES[request.param])


@pytest.mark.parametrize("shape", SHAPES)
def test_a_call_comes_out_or_is_told(published: tuple[str, Any], tmp_path: Path, shape: str) -> None:
    name, _ = published
    report = check_rows(tmp_path, rows(SHAPES[shape]))
    if name in ("deepseek-r1", "deepseek-r1-opened", "generation"):
        assert report.errors == (
            f"the chat template of {tmp_path} prints no tools: 3 of 3 rows have them (r0, r1, r2)",
        )
        return
    assert report.errors == () and report.notes == ()  # the text of its own that Qwen puts first is not before tools
    rendered = render_prompt(tmp_path, SHAPES[shape], TOOLS)
    end = TOOL_TEMPLATES[name].end
    assert rendered.completion.endswith(end) and rendered.completion.count(end) == 1
    for text in ("room_temperature", "how warm a room is", "How warm is it?"):
        assert text in rendered.prefix


@pytest.mark.parametrize("given", ["object", "string"])
@pytest.mark.parametrize("name", sorted(TOOL_TEMPLATES.keys() - {"deepseek-r1-opened"}))
def test_arguments_are_never_quoted_twice(tmp_path: Path, name: str, given: str) -> None:
    """OpenAI's string of JSON and an object come to the same text, and its arguments are the object once more."""
    make_published(tmp_path, TOOL_TEMPLATES[name])
    arguments: Any = ARGUMENTS if given == "object" else json.dumps(ARGUMENTS)
    rendered = render_prompt(tmp_path, [say("user", "How warm is it?"), call(arguments)])
    text = rendered.completion
    assert json.loads(text[text.index('{"room"') : text.index("}", text.index('{"room"')) + 1]) == ARGUMENTS
    assert "room_temperature" in rendered.answer and not any(token in rendered.answer for token in ("<|", "[TOOL_C"))


@pytest.mark.parametrize("name", [name for name in TOOL_TEMPLATES if not name.startswith("deepseek")])
def test_the_same_text_as_transformers_itself(tmp_path: Path, name: str) -> None:
    tokenizer = make_published(tmp_path, TOOL_TEMPLATES[name])
    for messages in SHAPES.values():
        theirs = tokenizer.apply_chat_template(
            messages[:-1], tools=list(TOOLS), tokenize=False, add_generation_prompt=True, enable_thinking=False,
            date_string=DATE,
        )  # fmt: skip
        whole = tokenizer.apply_chat_template(
            messages, tools=list(TOOLS), tokenize=False, enable_thinking=False, date_string=DATE
        )
        rendered = render_prompt(tmp_path, messages, TOOLS)
        assert rendered.prefix == theirs
        assert whole.rstrip().endswith(rendered.completion)
        if name != "mistral-v0.3":  # which leaves the system text out as soon as an answer follows
            assert whole.rstrip() == rendered.full.rstrip()


def test_a_template_that_prints_arguments_as_they_come_is_given_text(tmp_path: Path) -> None:
    body = (
        "{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.name }} {{ c.function.arguments }}{% endfor %}"
    )
    model = make_template(tmp_path, HEAD + body + TAIL)
    assert check_rows(model, rows(SHAPES["call"], None)).errors == ()
    completion = render_prompt(model, SHAPES["call"]).completion
    assert completion == f"room_temperature {json.dumps(ARGUMENTS)}<|im_end|>"


def test_the_form_that_deepseek_wants(tmp_path: Path) -> None:
    tokenizer = make_published(tmp_path, TOOL_TEMPLATES["deepseek-r1"])
    given = call(json.dumps(ARGUMENTS))
    given["content"] = None
    question = say("user", "How warm is it?")
    whole = tokenizer.apply_chat_template([question, given], tokenize=False)
    assert render_prompt(tmp_path, [question, call()]).full == whole
    assert render_prompt(tmp_path, SHAPES["answer to a result"]).completion == "12 degrees<|end|>"


def make_template(tmp_path: Path, template: str) -> Path:
    make_published(tmp_path, Published(template=template, tokens=("<|im_start|>", "<|im_end|>"), end="<|im_end|>"))
    return tmp_path


HEAD = "{% for m in messages %}<|im_start|>{{ m.role }}\n"
TAIL = "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
CALLS = "{% for c in m.tool_calls or [] %}{{ c.function.name }}: {{ c.function.arguments | tojson }}{% endfor %}"
ALL_TOOLS = "{% if tools %}{{ tools | tojson }}{% endif %}"


@pytest.mark.parametrize(
    ("body", "messages", "tools", "says"),
    [
        (HEAD + "{{ m.content }}" + TAIL, SHAPES["call"], None, "prints no tool calls"),
        (HEAD + "{{ m.content }}" + CALLS + TAIL, SHAPES["call"], TOOLS, "prints no tools"),
        (
            HEAD + "{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.name }}(){% endfor %}" + TAIL,
            SHAPES["call"],
            None,
            "prints no arguments of tool calls",
        ),
        (
            "{% for t in tools or [] %}{{ t.function.name }}{% endfor %}" + HEAD + "{{ m.content }}" + CALLS + TAIL,
            SHAPES["call"],
            TOOLS,
            "prints no descriptions of tools",
        ),
        (
            HEAD + "{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.name }}"
            "{{ c.function.arguments.copy() }}{% endfor %}" + TAIL,
            SHAPES["call"],
            None,
            "prints the arguments of tool calls as Python writes them",
        ),
        (
            HEAD + "{{ m.content }}{% for c in m.tool_calls or [] %}"
            "{{ c.function.name }}{{ (c.function.arguments | tojson) | tojson }}{% endfor %}" + TAIL,
            SHAPES["call"],
            None,
            "quotes the arguments of tool calls",
        ),
        (
            HEAD + "{{ m.content }}{% if m.tool_calls %}{% set c = m.tool_calls[0].function %}"
            "{{ c.name }}{{ c.arguments | tojson }}{% endif %}" + TAIL,
            [say("user", "Both?"), call(calls=2)],
            None,
            "prints no tool calls",
        ),
        (
            HEAD + "{% if m.tool_calls %}" + CALLS + "{% else %}{{ m.content }}{% endif %}" + TAIL,
            [say("user", "Q"), call(content="Let me look.")],
            None,
            "prints no texts next to tool calls",
        ),
        (
            HEAD.replace("messages", "messages if m.role != 'system'") + "{{ m.content }}" + TAIL,
            [say("system", "Be brief."), *PLAIN],
            None,
            "prints no system texts",
        ),
        (HEAD.replace("messages", "messages[-3:]") + "{{ m.content }}" + TAIL, PLAIN * 3, None, "prints no questions"),
        (HEAD + "{{ m.content }}{{ m.content }}" + TAIL, PLAIN, None, "prints answers 2 times"),
        (HEAD + "{{ m.content }}" + TAIL, [say("user", "Q"), say("assistant", "A", reasoning_content="hm")], None,
         "prints no thoughts of answers"),
        (HEAD + "{{ m.content.split('</think>')[-1] }}" + TAIL,
         [say("user", "Q"), say("assistant", "<think>hm</think>A")], None, "prints no thoughts of answers"),
        (HEAD + "{{ m.content }}" + TAIL.replace("assistant\n", "assistant\n<think>"), PLAIN, None,
         "ends the question with '<think>', which no answer follows"),
        ("{{ raise_exception('no system role') if messages[0].role == 'system' }}" + HEAD + "{{ m.content }}" + TAIL,
         [say("system", "S"), *PLAIN], None, "cannot render the rows (raised: no system role)"),
        ("{% set messages = messages | reverse | list %}" + HEAD + "{{ m.content }}" + TAIL, PLAIN, None,
         "ends the question with "),
    ],
)  # fmt: skip
def test_what_a_template_loses_is_an_error(
    tmp_path: Path, body: str, messages: list[dict[str, Any]], tools: Any, says: str
) -> None:
    model = make_template(tmp_path, body)
    report = check_rows(model, [*rows(PLAIN, None, 2), *rows(messages, tools)])
    if says.startswith(("prints answers", "ends the question with")):
        assert any(says in error and "5 of 5 rows" in error for error in report.errors)
        return
    assert any(says in error and "3 of 5 rows" in error and "(r0, r1, r2)" in error for error in report.errors)


def test_thoughts_of_earlier_answers_are_a_note(tmp_path: Path) -> None:
    make_published(tmp_path, TOOL_TEMPLATES["qwen-3"])
    thinking = say("assistant", "<think>\nhm\n</think>\n\nyes")
    report = check_rows(tmp_path, rows([say("user", "Q"), thinking, say("user", "R"), say("assistant", "no")], None))
    assert report.errors == () and "prints no thoughts of earlier answers: 3 of 3" in report.notes[0]
    last = render_prompt(tmp_path, [say("user", "Q"), thinking])
    assert last.prefix.endswith("assistant\n") and last.completion == "<think>\nhm\n</think>\n\nyes<|im_end|>"
    assert render_prompt(tmp_path, [say("user", "Q"), say("assistant", "yes")]).completion == "yes<|im_end|>"


def test_without_a_template_nothing_but_texts_comes_out(tmp_path: Path) -> None:
    make_published(tmp_path, TOOL_TEMPLATES["qwen-2.5"])
    (tmp_path / "chat_template.jinja").unlink()
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": None}))
    assert check_rows(tmp_path, rows(PLAIN, None)).errors == ()
    [calls, tools] = check_rows(tmp_path, rows(SHAPES["call"])).errors
    assert "has no chat template; plain text prints no tool calls: 3 of 3" in calls and "prints no tools" in tools


def test_system_text_that_only_a_last_question_gets(tmp_path: Path) -> None:
    """Mistral's template looks at the last message: what is asked has the system text, the whole has not."""
    tokenizer = make_published(tmp_path, TOOL_TEMPLATES["mistral-v0.3"])
    messages = [say("system", "Be brief."), say("user", "One?"), say("assistant", "1"), say("user", "Two?")]
    rendered = render_prompt(tmp_path, [*messages, say("assistant", "2")])
    assert rendered.prefix == tokenizer.apply_chat_template(messages, tokenize=False)
    assert rendered.full == "<s>[INST] One?[/INST] 1</s>[INST] Be brief.\n\nTwo?[/INST] 2</s>"


def test_ids_of_calls_that_a_template_refuses(tmp_path: Path) -> None:
    make_published(tmp_path, TOOL_TEMPLATES["mistral-v0.3"])
    answer = call()
    answer["tool_calls"][0]["id"] = "call_1"
    # The marker has nine characters, so the shape passes; the rows themselves are refused before training.
    with pytest.raises(DataError, match="ids of calls have 9 letters"):
        render_prompt(tmp_path, [say("user", "Q"), answer])


@pytest.mark.parametrize("place", ["tokenizer_config.json", "additional_chat_templates"])
def test_the_template_for_tools_by_name(tmp_path: Path, place: str) -> None:
    from transformers import AutoTokenizer

    make_published(tmp_path, TOOL_TEMPLATES["qwen-2.5"])
    (tmp_path / "chat_template.jinja").unlink()
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    named = {"default": HERMES, "tool_use": HERMES_TOOLS}
    config["chat_template"] = [{"name": name, "template": text} for name, text in named.items()]
    if place == "additional_chat_templates":
        del config["chat_template"]
        (tmp_path / "chat_template.jinja").write_text(HERMES)
        (tmp_path / place).mkdir()
        (tmp_path / place / "tool_use.jinja").write_text(HERMES_TOOLS)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    asked = [say("user", "How warm is it?")]
    for tools in (None, TOOLS):
        theirs = tokenizer.apply_chat_template(
            asked, tools=tools and list(tools), tokenize=False, add_generation_prompt=True
        )
        assert render_prompt(tmp_path, [*asked, say("assistant", "A")], tools).prefix == theirs
    assert check_rows(tmp_path, rows(SHAPES["call"])).errors == ()


@pytest.mark.parametrize(
    ("name", "says"),
    [("qwen-2.5", "system You are a helpful Qwen."), ("llama-3.1", "Today Date: 26 Jul 2024"), ("granite-3", "")],
)
def test_a_text_of_the_templates_own_is_told(tmp_path: Path, name: str, says: str) -> None:
    make_published(tmp_path, TOOL_TEMPLATES[name])
    notes = check_rows(tmp_path, rows(PLAIN, None)).notes
    assert len(notes) == bool(says) and all("a text of its own" in note and says in note for note in notes)
    assert check_rows(tmp_path, rows([say("system", "S"), *PLAIN], None)).notes == ()


def test_bos_that_the_tokenizer_puts_and_the_template_does_not(tmp_path: Path) -> None:
    """transformers' apply_chat_template would not add it either: told, because other trainers do."""
    make_published(tmp_path, TOOL_TEMPLATES["mistral-v0.3"])
    template = TOOL_TEMPLATES["mistral-v0.3"].template
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    llama = {**config, "tokenizer_class": "LlamaTokenizer", "add_bos_token": True}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(llama))
    assert check_rows(tmp_path, rows(PLAIN, None)).notes == ()
    other = tmp_path / "other"
    make_published(other, TOOL_TEMPLATES["mistral-v0.3"])
    (other / "tokenizer_config.json").write_text(json.dumps(llama))
    (other / "chat_template.jinja").write_text(template.replace("{{- bos_token }}", ""))
    [note] = check_rows(other, rows(PLAIN, None)).notes
    assert "writes no <s>, which the tokenizer adds to other texts" in note
    twice = tmp_path / "twice"
    make_published(twice, TOOL_TEMPLATES["mistral-v0.3"])
    (twice / "chat_template.jinja").write_text("{{- bos_token }}" + template)
    [error] = check_rows(twice, rows(PLAIN, None)).errors
    assert "begins with the BOS token twice: 3 of 3 rows" in error
