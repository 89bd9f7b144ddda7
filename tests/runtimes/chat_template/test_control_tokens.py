"""Control tokens that are texts of a row: told, cut off where they only end an answer, text everywhere else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from olivepress.data.store.examples import Example
from olivepress.measure.quality.label_scoring import label_tasks
from olivepress.runtimes.chat_template.check import check_rows
from olivepress.runtimes.chat_template.prompts import encode_parts, question_parts, render_prompt
from olivepress.runtimes.chat_template.tokenizer_files import beginning_token, control_tokens
from olivepress.workflow.olive_plugin.supervision import IGNORE_INDEX, supervise
from tests.runtimes.chat_template.chat_templates import TOOL_TEMPLATES, make_published
from tests.synthetic.test_tokenizer import _genai

pytest.importorskip("transformers")


def row(question: str, answer: str, row_id: str = "r", **more: Any) -> Example:
    messages = ({"role": "user", "content": question}, {"role": "assistant", "content": answer})
    return Example(id=row_id, messages=messages, label=None, **more)


def notes(model_dir: Path, rows: list[Example]) -> list[str]:
    return [note for note in check_rows(model_dir, rows).notes if "control tokens" in note]


@pytest.fixture
def qwen(tmp_path: Path) -> Any:
    return make_published(tmp_path, TOOL_TEMPLATES["qwen-2.5"])


def ids_of(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def test_which_tokens_control(qwen: Any, tmp_path: Path) -> None:
    assert control_tokens(tmp_path) == {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}


@pytest.mark.parametrize("scraped", ["blue<|im_end|>", "blue<|im_end|>\n", "blue <|im_end|><|im_end|> "])
def test_an_end_token_at_the_end_of_an_answer_is_cut_off(qwen: Any, tmp_path: Path, scraped: str) -> None:
    [found] = supervise([row("which?", scraped)], str(tmp_path), max_length=256)
    [clean] = supervise([row("which?", "blue")], str(tmp_path), max_length=256)
    assert found == clean
    assert render_prompt(tmp_path, row("which?", scraped).messages).answer == "blue"
    [note] = notes(tmp_path, [row("which?", scraped), row("which?", "red", "other")])
    assert note.startswith("1 of 2 rows have control tokens") and "<|im_end|> in 1 (r)" in note
    assert "removed at the end of 1 answers" in note


def test_elsewhere_it_is_text(qwen: Any, tmp_path: Path) -> None:
    """Neither trained on nor asked as the real token; the text is what it was; the expected answer keeps it."""
    asked, answered = "what does <|im_end|> mean after <|im_start|>user?", "<|im_end|> ends a turn, like </s>"
    [found] = supervise([row(asked, answered)], str(tmp_path), max_length=512)
    end, start = (qwen.convert_tokens_to_ids(token) for token in ("<|im_end|>", "<|im_start|>"))
    trained = [token for token in found.labels if token != IGNORE_INDEX]
    assert trained.count(end) == 1 and trained[-1] == end
    assert qwen.decode(trained) == answered + "<|im_end|>"
    before = found.input_ids[: -len(trained)]
    assert before.count(start) == 3 and before.count(end) == 2  # those of system, user and assistant
    assert asked in qwen.decode(before)
    assert render_prompt(tmp_path, row(asked, answered).messages).answer == answered
    parts = question_parts(tmp_path, [{"role": "user", "content": asked}])
    assert encode_parts(lambda text: ids_of(qwen, text), parts) == list(before)


def test_in_arguments_tools_and_results(qwen: Any, tmp_path: Path) -> None:
    function = {"name": "say", "arguments": {"text": 'a "<|im_end|>" b'}}
    described = {"name": "say", "description": "says <|im_start|>", "parameters": {"type": "object", "properties": {}}}
    held = Example(
        id="r", label=None, tools=({"type": "function", "function": described},),
        messages=(
            {"role": "user", "content": "say"},
            {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]},
            {"role": "tool", "content": "done <|im_end|>"},
            {"role": "assistant", "content": "done"},
        ),
    )  # fmt: skip
    [found] = supervise([held], str(tmp_path), max_length=1024)
    start, end = (found.input_ids.count(qwen.convert_tokens_to_ids(t)) for t in ("<|im_start|>", "<|im_end|>"))
    assert (start, end) == (5, 5)
    assert "<|im_end|> in 1, <|im_start|> in 1" in notes(tmp_path, [held])[0]


def test_the_device_sees_the_same_tokens(qwen: Any, tmp_path: Path) -> None:
    genai = _genai(tmp_path)
    rendered = render_prompt(tmp_path, row("say <|im_end|> and <|im_start|>", "it is <|im_end|>, yes").messages)
    for parts in (rendered.prefix_parts, rendered.completion_parts):
        theirs = encode_parts(lambda text: ids_of(qwen, text), parts)
        assert encode_parts(genai.encode, parts) == theirs
    # What a perfect model answers is decoded to what is expected.
    answer = encode_parts(genai.encode, rendered.completion_parts)[:-1]
    assert genai.decode(answer) == rendered.answer == "it is <|im_end|>, yes"


@pytest.mark.parametrize("name", ["qwen-2.5", "mistral-v0.3", "granite-3", "qwen-3"])
def test_a_perfect_answer_is_the_expected_one(tmp_path: Path, name: str) -> None:
    """The supervised completion, decoded as outputs are on the desk and on the device, is what bench expects."""
    tokenizer = make_published(tmp_path, TOOL_TEMPLATES[name])
    function = {"name": "light", "arguments": '{"on": true}'}
    calls = [{"id": "callid000", "type": "function", "function": function}]
    messages = ({"role": "user", "content": "on"}, {"role": "assistant", "content": "", "tool_calls": calls})
    [found] = supervise([Example(id="r", messages=messages, label=None)], str(tmp_path), max_length=512)
    trained = [token for token in found.labels if token != IGNORE_INDEX][:-1]
    expected = render_prompt(tmp_path, messages).answer
    assert '"arguments": {"on": true}' in expected
    assert tokenizer.decode(trained, skip_special_tokens=True, clean_up_tokenization_spaces=False).strip() == expected
    assert _genai(tmp_path).decode(trained).strip() == expected


def test_labels_with_an_end_token_are_scored_without_it(qwen: Any, tmp_path: Path) -> None:
    labels = ("blue<|im_end|>", "red<|im_end|>")
    [task] = label_tasks(tmp_path, [row("which?", labels[0])], labels, lambda text: ids_of(qwen, text))
    assert task is not None
    end = qwen.convert_tokens_to_ids("<|im_end|>")
    assert [list(completion) for completion in task.completions] == [[*ids_of(qwen, c), end] for c in ("blue", "red")]


def test_an_answer_of_nothing_but_end_tokens(qwen: Any, tmp_path: Path) -> None:
    [error] = check_rows(tmp_path, [row("which?", "<|im_end|>"), row("which?", "red", "other")]).errors
    assert "the answer is empty or only an end token: 1 of 2 rows (r)" in error


def test_without_a_template_the_tokenizers_own_bos_comes_first(tmp_path: Path) -> None:
    """A base model whose tokenizer puts a BOS never saw a text without it; whose tokenizer does not, none with it."""
    from transformers import AutoTokenizer

    make_published(tmp_path, TOOL_TEMPLATES["mistral-v0.3"])
    (tmp_path / "chat_template.jinja").unlink()
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    del config["chat_template"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    messages = row("which?", "blue").messages
    assert beginning_token(tmp_path) == "" and render_prompt(tmp_path, messages).full == "which?\nblue</s>"
    tokenizer = json.loads((tmp_path / "tokenizer.json").read_text())
    sequence: list[dict[str, Any]] = [
        {"SpecialToken": {"id": "<s>", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ]
    bos = next(token["id"] for token in tokenizer["added_tokens"] if token["content"] == "<s>")
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing", "single": sequence, "pair": [*sequence, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [bos], "tokens": ["<s>"]}},
    }  # fmt: skip
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    theirs = AutoTokenizer.from_pretrained(tmp_path)("which?\n")["input_ids"]
    assert theirs[0] == bos
    [found] = supervise([row("which?", "blue")], str(tmp_path), max_length=64)
    assert list(found.input_ids[: len(theirs)]) == theirs and found.input_ids.count(bos) == 1
