"""A runtime's tokenizer against Hugging Face's, on small ones of every kind: a difference is told, and no other."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from olivepress.core.errors import DataError, OlivepressError, SetupError
from olivepress.run.preflight.tokenizer_answers import answer_notes, check_answers
from olivepress.run.preflight.tokenizer_questions import Questions, ask
from olivepress.runtimes.runtime_tokenizer import TokenizerReading, TokenizerSpec, genai_folder, read_tokenizer
from olivepress.synthetic.special_tokens import special_tokens
from olivepress.synthetic.tokenizer import make_tokenizer
from tests.run.preflight.tokenizer_kinds import DIFFERENT, EQUAL, REFUSED, Kind, write_dataset, write_model
from tests.runtimes.chat_template.chat_templates import TEMPLATES
from tests.synthetic.tiny import TEMPLATE

ROWS = (
    "what is the lamp",
    "  two  spaces, a tab\tand the end  ",
    "a\r\nb\n\n c",
    "12345 99 1,000 2026-11-25",
    "don't I'M we'LL they\u2019ve",
    "caf\u00e9 \u00c0\u00c9 \ufb01 \uff21",
    "\U0001f600\U0001f44d\U0001f3fd \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\u65e5\u672c\u8a9e \u4e2d\u6587 \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "__init__(self) != [] ->",
    "\x01\x07\x7f \u00a0\u2003\u200b\ufeff",
    "x" * 300,
    "a <tool> b, a<tool>b, <tool>\n c, toolbox tool.",
)
RUNTIME = "onnxruntime-genai"


def asked_of(kind: Kind, tmp_path: Path, rows: tuple[str, ...] = ROWS, **options: str) -> Questions:
    return ask(write_model(kind, tmp_path / "model", **options), write_dataset(tmp_path / "data", rows))


def answers_of(asked: Questions, folder: Path) -> TokenizerReading:
    asked.tokenizer.save_pretrained(folder)
    genai_folder(folder, asked.model_ids, vocab_size=len(asked.tokenizer))
    return read_tokenizer(
        TokenizerSpec(
            model_dir=folder,
            texts=tuple(text.text for text in asked.texts),
            token_ids=tuple(segment.token_ids for segment in asked.segments),
            conversations=tuple(dialogue.conversation for dialogue in asked.dialogues),
        )
    )


@pytest.mark.parametrize("name", EQUAL)
def test_no_false_alarm(name: str, tmp_path: Path) -> None:
    asked = asked_of(EQUAL[name], tmp_path)
    reading = answers_of(asked, tmp_path / "runtime")
    check_answers(asked, reading, RUNTIME)
    assert asked.rows == len(ROWS) + 1 and len(asked.segments) > 12
    assert sum(text.kind == "control token" for text in asked.texts) >= 5
    assert not [note for note in answer_notes(asked, reading, RUNTIME) if "template" in note]


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_difference_is_told(name: str, tmp_path: Path) -> None:
    asked = asked_of(DIFFERENT[name], tmp_path)
    with pytest.raises(
        SetupError, match=r"row t\w+ of \w+: onnxruntime-genai has other tokens than training: token \d+"
    ):
        check_answers(asked, answers_of(asked, tmp_path / "runtime"), RUNTIME)


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_runtime_cannot_read_is_an_error_in_its_words(name: str, tmp_path: Path) -> None:
    with pytest.raises(
        (OlivepressError, RuntimeError),
        match=r"regular expression|must be object|cannot be opened|map::at|tokenizer class",
    ):
        answers_of(asked_of(REFUSED[name], tmp_path), tmp_path / "runtime")


def test_the_tokenizer_of_a_gguf(tmp_path: Path) -> None:
    asked = asked_of(DIFFERENT["of a GGUF"], tmp_path, ("what is the lamp",))
    with pytest.raises(SetupError) as error:
        check_answers(asked, answers_of(asked, tmp_path / "runtime"), RUNTIME)
    newline = asked.tokenizer.convert_tokens_to_ids("\u010a")
    assert f"is {newline} ('\u010a') to Hugging Face, -1 (no token) here" in error.value.message
    assert "read as sentencepiece, its vocabulary is byte-level BPE" in str(error.value.next_step)


def test_several_splits_have_a_hint_of_their_own(tmp_path: Path) -> None:
    asked = asked_of(DIFFERENT["deepseek"], tmp_path)
    with pytest.raises(SetupError) as error:
        check_answers(asked, answers_of(asked, tmp_path / "runtime"), RUNTIME)
    assert str(error.value.next_step).startswith("runtimes do not read every pre-tokenizer of tokenizer.json: change")


def test_other_tokens_than_those_of_the_rows_are_notes(tmp_path: Path) -> None:
    asked = asked_of(DIFFERENT["NFKC"], tmp_path, ("what is the lamp",))
    reading = answers_of(asked, tmp_path / "runtime")
    check_answers(asked, reading, RUNTIME)
    (note,) = answer_notes(asked, reading, RUNTIME)
    assert "unusual texts that no row has are other tokens in onnxruntime-genai, first: token" in note


def changed(reading: TokenizerReading, asked: Questions, text: str, ids: tuple[int, ...]) -> TokenizerReading:
    at = [each.text for each in asked.texts].index(text)
    return reading.model_copy(update={"token_ids": (*reading.token_ids[:at], ids, *reading.token_ids[at + 1 :])})


def right(asked: Questions) -> TokenizerReading:
    return TokenizerReading(
        token_ids=tuple(text.token_ids for text in asked.texts),
        texts=tuple(f" {segment.decoded}" for segment in asked.segments),
        rendered=tuple(dialogue.rendered for dialogue in asked.dialogues),
    )


def test_a_control_token_that_is_text_to_the_runtime(tmp_path: Path) -> None:
    asked = asked_of(EQUAL["gpt-2"], tmp_path)
    check_answers(asked, right(asked), RUNTIME)
    with pytest.raises(SetupError, match=r"control token <\|system\|>: .* token 0 of '<\|system\|>'.*is 4 .* 5 "):
        check_answers(asked, changed(right(asked), asked, "<|system|>", (5, 6, 7)), RUNTIME)


def test_tokens_too_many_and_too_few_have_a_place(tmp_path: Path) -> None:
    asked = asked_of(EQUAL["gpt-2"], tmp_path, ("what",))
    text = next(each for each in asked.texts if each.text.endswith("<|assistant|>\n"))
    more, fewer = (*text.token_ids, 7), text.token_ids[:-1]
    for ids, expected in ((more, "is nothing to Hugging Face, 7 "), (fewer, "to Hugging Face, nothing here")):
        with pytest.raises(SetupError) as error:
            check_answers(asked, changed(right(asked), asked, text.text, ids), RUNTIME)
        assert expected in error.value.message


def test_another_text_out_of_the_same_tokens(tmp_path: Path) -> None:
    asked = asked_of(EQUAL["gpt-2"], tmp_path)
    reading = right(asked)
    at = next(i for i, segment in enumerate(asked.segments) if "caf\u00e9" in segment.decoded)
    texts = list(reading.texts)
    texts[at] = texts[at].replace("caf\u00e9", "caf\ufffd")
    with pytest.raises(SetupError, match=r"onnxruntime-genai decodes the tokens of .*caf\u00e9.* to .*caf\ufffd"):
        check_answers(asked, reading.model_copy(update={"texts": tuple(texts)}), RUNTIME)


def test_an_answer_that_would_never_end(tmp_path: Path) -> None:
    model = write_model(EQUAL["gpt-2"], tmp_path / "model")
    (model / "generation_config.json").write_text('{"eos_token_id": [0]}')
    data = write_dataset(tmp_path / "data", ROWS)
    with pytest.raises(DataError, match=r"ends with token 1 \('<\|end\|>'\), which is none of the tokens .* \[0\]"):
        ask(model, data)


def test_an_eos_token_that_ends_nothing_is_noted(tmp_path: Path) -> None:
    model = write_model(EQUAL["gpt-2"], tmp_path / "model")
    settings = model / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace('"eos_token": "<|end|>"', '"eos_token": "<|user|>"'))
    (note,) = ask(model, write_dataset(tmp_path / "data", ROWS)).notes
    assert "eos_token <|user|> (2) is none of the tokens that end an answer on a device, [1]" in note


@pytest.mark.parametrize(
    ("name", "answer", "shown"),
    [
        ("lower case", "The Lamp", "'The Lamp' to 'the lamp'"),
        ("NFKC", "\ufb01ve", "'\ufb01ve' to 'five'"),
        ("no byte fallback", "caf\u00e9", "'caf\u00e9' to 'caf'"),
    ],
)
def test_answers_that_no_model_can_give_are_noted(name: str, answer: str, shown: str, tmp_path: Path) -> None:
    """OpenEuroLLM/oellm-eval#112: exact match was 0 for most tokenizers, whatever the model had learned."""
    model = write_model(DIFFERENT[name], tmp_path / "model")
    rows = [f"what is the lamp {number}" for number in range(4)]
    asked = ask(model, write_dataset(tmp_path / "data", rows, answers=("on", answer)))
    (note,) = asked.notes
    assert note.startswith("2 of 5 answers are decoded to another text than the row has") and note.endswith(shown)


@pytest.mark.parametrize("name", ["gpt-2", "llama 3", "qwen", "smollm"])
def test_answers_are_read_back_as_they_were_written(name: str, tmp_path: Path) -> None:
    """huggingface/transformers#31187, #32575 and #40088: the flag clean_up_tokenization_spaces of published tokenizers
    takes spaces out of answers. It must change neither the parent's text nor what is expected of the export's."""
    model = write_model(EQUAL[name], tmp_path / "model")
    settings = model / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"clean_up_tokenization_spaces": True}))
    answers = ("x != y , and 'on' .", " on", "on\n", "caf\u00e9 ? I 'm", "\t- on\n\t- off ,")
    asked = ask(model, write_dataset(tmp_path / "data", ["what is the lamp"] * 5, answers=answers))
    assert asked.tokenizer.clean_up_tokenization_spaces and not asked.notes
    reading = answers_of(asked, tmp_path / "runtime")
    check_answers(asked, reading, RUNTIME)
    decoded = {segment.text: text for segment, text in zip(asked.segments, reading.texts, strict=True)}
    assert all(decoded[f"{answer}<|end|>"] == answer for answer in answers)


ALIKE = {
    "a date": "{{ strftime_now('%d %b %Y') }}" + TEMPLATE,
    "a namespace": "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{{ ns.n }}{% endfor %}"
    + TEMPLATE,
    "a loop's place": TEMPLATE.replace("<|end|>", "{{ loop.index0 }}{{ loop.first }}<|end|>"),
    "trim": TEMPLATE.replace("m['content']", "m['content'] | trim"),
    "JSON": TEMPLATE.replace("m['content'] }}", "{'b': [1, 2.5, none], 'a': m['content']} | tojson }}"),
    "JSON, indented": TEMPLATE.replace("m['content'] }}", "m | tojson(indent=2) }}"),
}
# What genai 0.14.1 makes of a template by itself.
UNLIKE = {
    "pairs": ("{{ messages[0].items() | list }}" + TEMPLATE, "renders the chat template differently by itself: row"),
    "an escape": (TEMPLATE.replace("m['content']", "m['content'] | e"), "has 'apos;c&apos;.* for '#39;c&#39;"),
    "a large number": ("{{ true ~ 1e20 }}" + TEMPLATE, "renders the chat template differently by itself: row"),
    "a method": ("{{ messages[0]['content'].split() }}" + TEMPLATE, "cannot render the chat template by itself .split"),
    "a filter": ("{{ 'a' | replace('a', 'b') }}" + TEMPLATE, "cannot render the chat template by itself .Value is not"),
}


def template_notes(template: str, tmp_path: Path) -> list[str]:
    asked = asked_of(EQUAL["gpt-2"], tmp_path, ("what is the lamp", "a \u00e9 < b & 'c'"), template=template)
    reading = answers_of(asked, tmp_path / "runtime")
    check_answers(asked, reading, RUNTIME)  # rows are rendered by olivepress: never an error
    return list(answer_notes(asked, reading, RUNTIME))


@pytest.mark.parametrize("name", ALIKE)
def test_a_template_that_the_runtime_renders_alike(name: str, tmp_path: Path) -> None:
    assert template_notes(ALIKE[name], tmp_path) == []


@pytest.mark.parametrize("name", UNLIKE)
def test_a_template_that_the_runtime_renders_otherwise_is_noted(name: str, tmp_path: Path) -> None:
    template, expected = UNLIKE[name]
    (note,) = template_notes(template, tmp_path)
    assert re.search(f"onnxruntime-genai .*{expected}", note) and "the text that olivepress renders" in note


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_templates_of_the_families(name: str, tmp_path: Path) -> None:
    model_type, _, template, _ = TEMPLATES[name]
    specials = special_tokens(model_type, 700)
    make_tokenizer(700, specials, tmp_path / "model", chat_template=template)
    ids = {"bos_token_id": specials.ids.get(specials.bos or ""), "eos_token_id": list(specials.stop_ids)}
    (tmp_path / "model" / "generation_config.json").write_text(json.dumps(ids))
    asked = ask(tmp_path / "model", write_dataset(tmp_path / "data", ROWS))
    reading = answers_of(asked, tmp_path / "runtime")
    check_answers(asked, reading, RUNTIME)
    notes = [note for note in answer_notes(asked, reading, RUNTIME) if "template" in note]
    assert len(asked.dialogues) > 10
    if (
        name == "qwen-3"
    ):  # rows without thoughts are rendered with enable_thinking off, which the runtime cannot be told
        assert len(notes) == 1 and "has '' for '<think>" in notes[0]
    else:
        assert notes == []


def test_without_a_template_there_is_none_to_compare(tmp_path: Path) -> None:
    model = write_model(EQUAL["gpt-2"], tmp_path / "model", template=None)
    assert ask(model, write_dataset(tmp_path / "data", ROWS)).dialogues == ()
