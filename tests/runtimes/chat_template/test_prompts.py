from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import DataError
from olivepress.runtimes.chat_template.model_config import check_context, eos_token_ids
from olivepress.runtimes.chat_template.prompts import render_prompt
from tests.synthetic import tiny

MESSAGES = [
    {"role": "system", "content": "be short"},
    {"role": "user", "content": 'turn <b>it</b> "on"\n  now'},
    {"role": "assistant", "content": '{"name": "lamp"}'},
]
CHATML = (
    "{%- for m in messages %}\n    {{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}\n"
    "{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n"
    "{%- if enable_thinking is defined and enable_thinking is false %}\n    {{- '' }}\n{%- endif %}\n{%- endif %}\n"
)
GENERATION = (
    "{% for m in messages %}\n{% if m.role == 'assistant' %}\n<|assistant|>{% generation %}{{ m.content }}"
    "{{ eos_token }}{% endgeneration %}\n{% else %}\n<|{{ m.role }}|>{{ m | tojson }}\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}\n<|assistant|>{% endif %}"
)


@pytest.mark.parametrize("template", [tiny.TEMPLATE, CHATML, GENERATION], ids=["phi", "chatml", "generation"])
def test_the_same_text_as_transformers(tmp_path: Path, template: str) -> None:
    pytest.importorskip("transformers")
    tokenizer = tiny.make_tokenizer(tmp_path, template=template)
    rendered = render_prompt(tmp_path, MESSAGES)
    assert rendered.prefix == tokenizer.apply_chat_template(MESSAGES[:-1], tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template(MESSAGES, tokenize=False)
    assert whole.startswith(rendered.full) and whole[len(rendered.full) :].strip() == ""
    assert rendered.completion.startswith('{"name": "lamp"}') and not rendered.completion.endswith("\n")


def test_without_a_template(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": {"content": "</s>"}}')
    rendered = render_prompt(tmp_path, MESSAGES[1:])
    assert rendered.prefix == 'turn <b>it</b> "on"\n  now\n'
    assert rendered.completion == '{"name": "lamp"}</s>'


def test_dates_do_not_move(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text(
        "{{ strftime_now('%d %b %Y') }} {{ date_string }}{% for m in messages %}|{{ m.content }}{% endfor %}"
        "{% if add_generation_prompt %}|{% endif %}"
    )
    assert render_prompt(tmp_path, MESSAGES).prefix.startswith("26 Jul 2024 26 Jul 2024|")


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        ("{% for m in messages %}{{ m.content }}{{ loop.length }}{% endfor %}", "renders the answer's conversation"),
        ("{% if %}", "cannot render"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "cannot render"),  # the sandbox holds
        ("{{ messages.append(1) }}", "cannot render"),
    ],
)
def test_templates_that_cannot_be_used(tmp_path: Path, template: str, says: str) -> None:
    (tmp_path / "chat_template.jinja").write_text(template)
    with pytest.raises(DataError, match=says):
        render_prompt(tmp_path, MESSAGES)


def test_an_answer_is_needed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="answer last"):
        render_prompt(tmp_path, MESSAGES[:2])


def test_eos_ids(tmp_path: Path) -> None:
    assert eos_token_ids(tmp_path) == ()
    (tmp_path / "config.json").write_text('{"eos_token_id": 5}')
    assert eos_token_ids(tmp_path) == (5,)
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [7, 8]}')
    assert eos_token_ids(tmp_path) == (7, 8)
    (tmp_path / "genai_config.json").write_text('{"model": {"eos_token_id": [9]}}')
    assert eos_token_ids(tmp_path) == (9,)


@pytest.mark.parametrize(
    ("files", "ends"),
    [
        ({"tokenizer.json": {"added_tokens": [{"id": 3, "content": "<end>"}], "model": {"vocab": {"<end>": 2}}}}, (3,)),
        ({"tokenizer.json": {"model": {"vocab": {"<end>": 2}}}}, (2,)),
        ({"vocab.json": {"<end>": 1}}, (1,)),
        ({"tokenizer.json": {"model": {"vocab": [["<end>", 0.0]]}}}, ()),
    ],
)
def test_the_end_token_of_the_tokenizer_where_no_config_names_one(
    files: dict[str, Any], ends: tuple[int, ...], tmp_path: Path
) -> None:
    settings = {"tokenizer_config.json": {"eos_token": {"content": "<end>"}}, "config.json": {"eos_token_id": None}}
    for name, content in (settings | files).items():
        (tmp_path / name).write_text(json.dumps(content))
    (tmp_path / "genai_config.json").write_text('{"model": {"eos_token_id": null}}')
    assert eos_token_ids(tmp_path) == ends


def test_a_template_that_makes_nothing_of_a_question(tmp_path: Path) -> None:
    check_context(tmp_path, [[1], [2, 3]])
    with pytest.raises(
        DataError, match="its chat template renders a question to an empty text; next: give the model another"
    ):
        check_context(tmp_path, [[1], []])
