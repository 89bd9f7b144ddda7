"""Exactly the answer and the token that ends it are trained on, in the template shapes of every family."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import DataError
from olivepress.data.store.examples import Example
from olivepress.synthetic.special_tokens import _at_the_end, special_tokens
from olivepress.synthetic.tokenizer import make_tokenizer
from olivepress.workflow.olive_plugin.supervision import IGNORE_INDEX, Supervised, pack, supervise
from tests.runtimes.chat_template.chat_templates import TEMPLATES, TOOL_TEMPLATES, Published, make_published

transformers = pytest.importorskip("transformers")
VOCABULARY = 640
ANSWER = '{"name": "lamp",\n  "on": true}'
CONVERSATIONS = {
    "one turn": [("user", "Switch the lamp on, please."), ("assistant", ANSWER)],
    "system": [("system", "Be brief."), ("user", "Switch the lamp on."), ("assistant", ANSWER)],
    "answer as asked": [("user", "Say lamp."), ("assistant", "lamp")],
    "many turns": [
        ("user", "Is the lamp on?"),
        ("assistant", "No."),
        ("user", "Then switch it on."),
        ("assistant", ANSWER),
    ],
}


def make_model(directory: Path, name: str, *, stop: bool = True) -> Any:
    """Tokenizer, template and generation_config of a family, with a small vocabulary; the Hugging Face tokenizer."""
    model_type, size, template, _ = TEMPLATES[name]
    specials = dataclasses.replace(_at_the_end(special_tokens(model_type, size), VOCABULARY), chat_template=template)
    make_tokenizer(VOCABULARY, specials, directory, chat_template=template)
    ends = list(specials.stop_ids) if stop else [7]
    (directory / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
    return transformers.AutoTokenizer.from_pretrained(directory)


def row(turns: list[tuple[str, str]], row_id: str = "r") -> Example:
    return Example(id=row_id, messages=tuple({"role": role, "content": text} for role, text in turns), label=None)


@pytest.mark.parametrize("conversation", CONVERSATIONS)
@pytest.mark.parametrize("name", TEMPLATES)
def test_exactly_the_answer_is_supervised(tmp_path: Path, name: str, conversation: str) -> None:
    tokenizer, turns = make_model(tmp_path, name), CONVERSATIONS[conversation]
    [found] = supervise([row(turns)], str(tmp_path), max_length=4096)
    trained = [token for token in found.labels if token != IGNORE_INDEX]
    text, end = tokenizer.decode(trained), TEMPLATES[name][3]
    print(f"{name}, {conversation}: {text!r} of {len(found.input_ids)} tokens")
    assert text.removeprefix(" " if name.startswith("mistral") else "") == turns[-1][1] + end
    # Labels are the tokens themselves, at the end and nowhere else.
    assert found.labels == (IGNORE_INDEX,) * (len(found.labels) - len(trained)) + found.input_ids[-len(trained) :]
    # What stands before is what the model is asked at inference: the template applied once, special tokens once.
    chat = [{"role": role, "content": said} for role, said in turns[:-1]]
    asked = tokenizer.apply_chat_template(
        chat, tokenize=False, add_generation_prompt=True, enable_thinking=False, date_string="26 Jul 2024"
    )
    before = found.input_ids[: -len(trained)]
    assert list(before) == tokenizer(asked, add_special_tokens=False)["input_ids"]
    if tokenizer.bos_token and tokenizer.bos_token != tokenizer.eos_token:
        assert before.count(tokenizer.bos_token_id) == asked.count(tokenizer.bos_token)


def test_a_tool_call_is_an_answer(tmp_path: Path) -> None:
    tokenizer = make_model(tmp_path, "llama-3.1")
    call = {"type": "function", "function": {"name": "light", "arguments": {"on": True}}}
    messages = ({"role": "user", "content": "Light on"}, {"role": "assistant", "content": "", "tool_calls": [call]})
    [found] = supervise([Example(id="r", messages=messages, label=None)], str(tmp_path), max_length=512)
    trained = tokenizer.decode([token for token in found.labels if token != IGNORE_INDEX])
    assert trained == '{"name": "light", "arguments": {"on": true}}<|eot_id|>'


@pytest.mark.parametrize("name", TEMPLATES)
def test_an_end_that_generation_does_not_know_is_an_error(tmp_path: Path, name: str) -> None:
    make_model(tmp_path, name, stop=False)
    with pytest.raises(DataError, match="is none of the tokens that end generation"):
        supervise([row(CONVERSATIONS["one turn"])], str(tmp_path), max_length=512)


def test_no_answer_fits(tmp_path: Path) -> None:
    make_model(tmp_path, "qwen-2.5")
    with pytest.raises(DataError, match="0 supervised tokens: none of 1 rows fits max_length 8"):
        supervise([row(CONVERSATIONS["one turn"])], str(tmp_path), max_length=8)


def test_a_row_that_does_not_fit_is_left_out_whole(tmp_path: Path) -> None:
    make_model(tmp_path, "qwen-2.5")
    rows = [row(CONVERSATIONS["one turn"], "a"), row([("user", "word " * 400), ("assistant", "x")], "b")]
    [kept] = supervise(rows, str(tmp_path), max_length=200)
    assert kept == supervise(rows[:1], str(tmp_path), max_length=200)[0]


def test_roles_that_a_template_refuses(tmp_path: Path) -> None:
    make_model(tmp_path, "gemma-3")
    turns = [("user", "a"), ("user", "b"), ("assistant", "c")]
    with pytest.raises(DataError, match="roles must alternate"):
        supervise([row(turns)], str(tmp_path), max_length=200)


TURNS = [
    ("system", "Be brief."),
    ("user", "Is the lamp on?"),
    ("assistant", "No."),
    ("user", "Switch it on."),
    ("assistant", "It is on."),
    ("user", "Thanks."),
    ("assistant", ANSWER),
]


def runs(found: Supervised) -> list[list[int]]:
    """The labelled tokens, each stretch of them apart."""
    stretches: list[list[int]] = [[]]
    for token, label in zip(found.input_ids, found.labels, strict=True):
        assert label in (IGNORE_INDEX, token)
        if label == IGNORE_INDEX and stretches[-1]:
            stretches.append([])
        elif label != IGNORE_INDEX:
            stretches[-1].append(token)
    return [stretch for stretch in stretches if stretch]


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_turn_is_supervised_when_asked_for(tmp_path: Path, name: str) -> None:
    tokenizer = make_model(tmp_path, name)
    [last] = supervise([row(TURNS)], str(tmp_path), max_length=4096)
    [every] = supervise([row(TURNS)], str(tmp_path), max_length=4096, train_on="all_turns")
    texts = [tokenizer.decode(stretch) for stretch in runs(every)]
    answers = [text for role, text in TURNS if role == "assistant"]
    end = TEMPLATES[name][3]
    earlier_end = end.split("<|endoftext|>")[0].strip()  # Phi's second end stands behind the last answer only
    lead = " " if name.startswith("mistral") else ""
    assert texts == [*(lead + answer + earlier_end for answer in answers[:-1]), lead + answers[-1] + end]
    assert tokenizer.decode(every.input_ids) == tokenizer.decode(last.input_ids)
    assert runs(last) == runs(every)[-1:]


def test_every_turn_is_what_transformers_masks(tmp_path: Path) -> None:
    """On a template that marks the assistant's text, against transformers' own mask of it."""
    tokenizer = make_published(tmp_path, TOOL_TEMPLATES["generation"])
    call = {"type": "function", "function": {"name": "light", "arguments": {"on": True}}}
    messages = [{"role": role, "content": text} for role, text in TURNS]
    messages[2] |= {"content": "", "tool_calls": [call]}
    theirs = tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
    masked = [t for t, own in zip(theirs["input_ids"], theirs["assistant_masks"], strict=True) if own]
    given = Example(id="r", messages=tuple(messages), label=None)
    [every] = supervise([given], str(tmp_path), max_length=4096, train_on="all_turns")
    assert tokenizer.decode([t for stretch in runs(every) for t in stretch]) == tokenizer.decode(masked)
    assert len(runs(every)) == 3 and tokenizer.decode(runs(every)[0]).startswith("<tool_call>")
    assert tokenizer.decode(theirs["input_ids"]).startswith(tokenizer.decode(every.input_ids))


@pytest.mark.parametrize("name", ["llama-3.1", "qwen-2.5", "qwen-3", "mistral-v0.3", "granite-3", "command-r"])
def test_calls_of_earlier_turns_are_supervised(tmp_path: Path, name: str) -> None:
    tokenizer = make_published(tmp_path, TOOL_TEMPLATES[name])
    function = {"name": "light", "arguments": '{"on": true}'}
    calls = [{"id": "callid000", "type": "function", "function": function}]
    messages = (
        {"role": "user", "content": "Light on"},
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "content": "done", "tool_call_id": "callid000"},
        {"role": "assistant", "content": "It is on."},
    )  # fmt: skip
    given = [Example(id="r", messages=messages, label=None)]
    [every] = supervise(given, str(tmp_path), max_length=4096, train_on="all_turns")
    first, last = (tokenizer.decode(stretch) for stretch in runs(every))
    end = TOOL_TEMPLATES[name].end
    assert 'name": "light"' in first and first.endswith(end) and first.count(end) == 1
    assert last.strip() == f"It is on.{end}"
    alone = Example(id="r", messages=messages[:2], label=None)
    [asked] = supervise([alone], str(tmp_path), max_length=4096)
    assert runs(asked)[0] == runs(every)[0]  # as it is when it is the answer


def test_an_earlier_turn_without_an_end_token(tmp_path: Path) -> None:
    turns = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    template = turns + "{% if add_generation_prompt %}assistant: {% else %}{{ eos_token }}{% endif %}"
    published = Published(template=template, tokens=("<|im_start|>", "<|im_end|>"), end="<|im_end|>")
    make_published(tmp_path, published)
    with pytest.raises(DataError, match="does not end an earlier answer with a token"):
        supervise([row(TURNS)], str(tmp_path), max_length=4096, train_on="all_turns")


def test_what_the_template_loses_is_an_error_before_training(tmp_path: Path) -> None:
    make_model(tmp_path, "phi-4-mini")
    call = {"type": "function", "function": {"name": "light", "arguments": {"on": True}}}
    messages = ({"role": "user", "content": "Light on"}, {"role": "assistant", "content": "", "tool_calls": [call]})
    with pytest.raises(DataError, match="prints no tool calls: 1 of 1 rows have them"):
        supervise([Example(id="r", messages=messages, label=None)], str(tmp_path), max_length=512)


def test_packing_cuts_nothing_and_predicts_nothing_across_examples() -> None:
    lengths = [5, 30, 12, 7, 25, 3, 18, 30, 9]
    examples = [
        Supervised(input_ids=tuple(range(100 * n, 100 * n + size)), labels=tuple(range(100 * n, 100 * n + size)))
        for n, size in enumerate(lengths)
    ]
    packed = pack(examples, 32)
    assert len(packed) < len(examples)
    assert max(len(one.input_ids) for one in packed) <= 32
    assert sorted(token for one in packed for token in one.input_ids) == sorted(
        token for one in examples for token in one.input_ids
    )
    for one in packed:
        for place, (document, label) in enumerate(zip(one.documents, one.labels, strict=True)):
            first = place == 0 or one.documents[place - 1] != document
            assert label == (IGNORE_INDEX if first else one.input_ids[place])


@pytest.mark.parametrize("case", ["phi4-longrope-extended-tied", "llama3-scaled-tied", "qwen3-untied",
                                  "gemma3-window-tied", "mistral-untied"])  # fmt: skip
def test_packed_examples_do_not_see_each_other(tmp_path: Path, case: str) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("olive")
    from olivepress.workflow.olive_plugin.forward_hooks import separate_documents
    from tests.end_to_end.families import make_small_model

    make_small_model(case, tmp_path / "model")
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval()
    generator = torch.Generator().manual_seed(0)
    texts = [torch.randint(300, 500, (size,), generator=generator) for size in (9, 14, 6)]
    ids = torch.nn.functional.pad(torch.cat(texts), (0, 4))[None]
    numbers = torch.nn.functional.pad(torch.cat([torch.full((len(t),), n + 1) for n, t in enumerate(texts)]), (0, 4))[
        None
    ]
    with torch.no_grad():
        alone = torch.cat([model(input_ids=text[None]).logits[0] for text in texts])
        mixed = model(input_ids=ids, attention_mask=numbers.clamp(max=1)).logits[0, : len(alone)]
        handle = model.register_forward_pre_hook(separate_documents, with_kwargs=True)
        apart = model(input_ids=ids, attention_mask=numbers).logits[0, : len(alone)]
        handle.remove()
    assert not torch.allclose(mixed[9:], alone[9:], atol=1e-3)  # without the hook they do
    assert torch.allclose(apart, alone, atol=2e-4), float((apart - alone).abs().max())
