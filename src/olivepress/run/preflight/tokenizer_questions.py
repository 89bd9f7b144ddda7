"""What a runtime's tokenizer is asked before the first job, and what Hugging Face's answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from olivepress.core.errors import DataError, SetupError
from olivepress.report.answers import is_correct
from olivepress.run.preflight.varied_rows import NamedRow, named_rows, varied_rows
from olivepress.runtimes.chat_template.files import chat_template
from olivepress.runtimes.chat_template.model_config import eos_token_ids
from olivepress.runtimes.chat_template.prompts import (
    RenderedPrompt,
    encode_parts,
    plain_conversation,
    render_prompt,
    render_question,
)
from olivepress.runtimes.chat_template.tokenizer_files import read_object
from olivepress.runtimes.runtime_tokenizer import Conversation

__all__ = ["Dialogue", "Questions", "Segment", "Text", "ask"]

MOST_ROWS = 300
_MOST_DIALOGUES = 20
_MOST_CHARACTERS = 20_000  # of one text
_SHOWN = 60  # characters of an answer
# What people type at a device although no row has it.
_UNUSUAL = (
    "caf\u00e9 \u00c0\u00c9 na\u00efve",
    "e\u0301 o\u0308 \ufb01 \uff21 \u00bd",
    "\U0001f600\U0001f44d\U0001f3fd \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 \u4e2d\u6587 \ud55c\uad6d\uc5b4",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u0663\u0664\u0665 \u0e44\u0e17\u0e22",
    "two  spaces, a tab\tand the end  ",
    "  a line\r\n\tand another\n\n\n",
    "12 123 1234 1,234.5 2026-11-25 0x1F",
    "don't I'M we'LL they\u2019ve",
    "\u00a0\u2003\u200b\ufeff\u2028",
    "__init__(self) != [] -> {}; // ###",
    "x" * 300,
)
_FLAGS = ("lstrip", "rstrip", "single_word")


@dataclass(frozen=True, kw_only=True)
class Text:
    """A text and its ids to Hugging Face. ``kind`` is where it is from: a row of the dataset (``name`` is the row's),
    the text of a control token, or neither."""

    kind: Literal["row", "control token", "other"]
    name: str
    text: str
    token_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Ids between two control tokens of ``text``, and what Hugging Face decodes them to."""

    name: str
    text: str
    token_ids: tuple[int, ...]
    decoded: str


@dataclass(frozen=True, kw_only=True)
class Dialogue:
    """A question, and what is rendered of it for training."""

    name: str
    conversation: Conversation
    rendered: str


@dataclass(frozen=True, kw_only=True)
class Questions:
    """``model_ids`` are BOS, EOS and pad as an export's genai_config.json will have them, ``stop_ids`` its EOS;
    ``notes`` are what is to be known without asking a runtime."""

    tokenizer: Any = field(repr=False)
    rows: int
    stop_ids: tuple[int, ...]
    model_ids: dict[str, int | list[int]]
    texts: tuple[Text, ...]
    segments: tuple[Segment, ...]
    dialogues: tuple[Dialogue, ...]
    notes: tuple[str, ...]


def ask(model_dir: Path, dataset: Path) -> Questions:
    """Questions about the base model's tokenizer, of up to 300 rows of a prepared dataset, rendered as for training.

    Raises SetupError when transformers cannot load the tokenizer, DataError for rows that cannot be rendered, or whose
    last token is none that ends an answer.
    """
    tokenizer = _load(model_dir)
    stop_ids = eos_token_ids(model_dir)
    rows = varied_rows(named_rows(dataset), MOST_ROWS)
    rendered = [(each.name, render_prompt(model_dir, each.row.messages, each.row.tools)) for each in rows]
    texts = [*_row_texts(tokenizer, rendered), *_control_texts(tokenizer), *_other_texts(tokenizer)]
    _check_ends(tokenizer, rendered, stop_ids)
    return Questions(
        tokenizer=tokenizer,
        rows=len(rows),
        stop_ids=stop_ids,
        model_ids=_model_ids(model_dir, stop_ids),
        texts=tuple(texts),
        segments=tuple(_segments(tokenizer, texts)),
        dialogues=tuple(_dialogues(model_dir, rows)),
        notes=(*_notes(tokenizer, stop_ids), *_answer_notes(tokenizer, rendered)),
    )


def _load(model_dir: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(model_dir), trust_remote_code=False)
    except Exception as error:  # tokenizers raises bare Exception for a garbled file
        raise SetupError(
            f"{model_dir}: transformers cannot load its tokenizer ({error})",
            next_step="fetch its tokenizer files again",
        ) from error


def _model_ids(model_dir: Path, stop_ids: Sequence[int]) -> dict[str, int | list[int]]:
    """As onnxruntime-genai 0.14.1's builder writes them, which takes 1 for a BOS that the model has not."""
    settings = read_object(model_dir / "config.json")
    own = read_object(model_dir / "generation_config.json")
    settings |= {key: value for key, value in own.items() if value is not None}
    given = {key: settings.get(key) for key in ("bos_token_id", "pad_token_id")}
    bos, pad = (number if isinstance(number, int) and number >= 0 else None for number in given.values())
    stops = list(stop_ids) or [0]
    return {
        "bos_token_id": 1 if bos is None else bos,
        "eos_token_id": stops,
        "pad_token_id": stops[0] if pad is None else pad,
    }


def _encode(tokenizer: Any, texts: Sequence[str]) -> list[tuple[int, ...]]:
    return [tuple(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]] if texts else []


def _row_texts(tokenizer: Any, rendered: Sequence[tuple[str, RenderedPrompt]]) -> list[Text]:
    """What is tokenized apart in training is asked apart."""
    names: dict[str, str] = {}
    for name, prompt in rendered:
        for part in (*prompt.prefix_parts, *prompt.completion_parts):
            names.setdefault(part[:_MOST_CHARACTERS], name)
    texts = [text for text in names if text]
    encoded = zip(texts, _encode(tokenizer, texts), strict=True)
    return [Text(kind="row", name=names[text], text=text, token_ids=ids) for text, ids in encoded]


def _control_texts(tokenizer: Any) -> Iterator[Text]:
    """Control tokens that are one token to Hugging Face, alone."""
    special = {index: str(token) for index, token in tokenizer.added_tokens_decoder.items() if token.special}
    for (index, text), ids in zip(special.items(), _encode(tokenizer, list(special.values())), strict=True):
        if ids == (index,):
            yield Text(kind="control token", name=f"control token {text}", text=text, token_ids=ids)


def _other_texts(tokenizer: Any) -> Iterator[Text]:
    """Unusual texts, and added tokens that take or refuse what stands beside them."""
    added = [str(token) for token in tokenizer.added_tokens_decoder.values() if any(getattr(token, f) for f in _FLAGS)]
    beside = [text for token in added[:50] for text in (f"a {token} b", f"a{token}b", f"{token}\n x")]
    texts = [*_UNUSUAL, *beside]
    for text, ids in zip(texts, _encode(tokenizer, texts), strict=True):
        yield Text(kind="other", name="no row", text=text, token_ids=ids)


def _segments(tokenizer: Any, texts: Sequence[Text]) -> Iterator[Segment]:
    special = {index for index, token in tokenizer.added_tokens_decoder.items() if token.special}
    seen: set[tuple[int, ...]] = set()
    for asked in texts:
        if asked.kind != "row":
            continue
        for ids in _between(asked.token_ids, special):
            if ids in seen:
                continue
            seen.add(ids)
            decoded = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            yield Segment(name=asked.name, text=asked.text, token_ids=ids, decoded=decoded)


def _between(ids: Sequence[int], special: set[int]) -> Iterator[tuple[int, ...]]:
    start = 0
    for end in (*(at for at, token in enumerate(ids) if token in special), len(ids)):
        if end > start:
            yield tuple(ids[start:end])
        start = end + 1


def _dialogues(model_dir: Path, rows: Sequence[NamedRow]) -> Iterator[Dialogue]:
    """Rows of every order of roles, with tools and without."""
    if chat_template(model_dir) is None:
        return
    shapes: dict[tuple[object, ...], NamedRow] = {}
    for each in rows:
        roles = tuple(str(message["role"]) for message in each.row.messages)
        shapes.setdefault((bool(each.row.tools), *roles), each)
    chosen = list(shapes.values())[:_MOST_DIALOGUES]
    chosen += [each for each in rows[: _MOST_DIALOGUES - len(chosen)] if each not in chosen]
    for each in chosen:
        question, tools = each.row.messages[:-1], each.row.tools
        conversation = Conversation(
            messages=json.dumps(plain_conversation(model_dir, question), ensure_ascii=False),
            tools=json.dumps(tools, ensure_ascii=False) if tools else "",
        )
        rendered = render_question(model_dir, question, tools)
        yield Dialogue(name=each.name, conversation=conversation, rendered=rendered)


def _check_ends(tokenizer: Any, rendered: Sequence[tuple[str, RenderedPrompt]], stop_ids: Sequence[int]) -> None:
    for name, prompt in rendered:
        ids = _encode(tokenizer, prompt.completion_parts[-1:])
        if ids and ids[0] and ids[0][-1] not in stop_ids:
            last = ids[0][-1]
            piece = tokenizer.convert_ids_to_tokens(last)
            raise DataError(
                f"{name}: its answer ends with token {last} ({piece!r}), which is none of the "
                f"tokens that end an answer on a device, {sorted(stop_ids)}: the model would never stop",
                next_step="fix eos_token_id in generation_config.json or the chat template",
            )


def _notes(tokenizer: Any, stop_ids: Sequence[int]) -> Iterator[str]:
    eos = tokenizer.eos_token_id
    if eos is not None and eos not in stop_ids:
        yield (
            f"the tokenizer's eos_token {tokenizer.eos_token} ({eos}) is none of the tokens that end an answer on a "
            f"device, {sorted(stop_ids)} (eos_token_id of generation_config.json, or of config.json)"
        )


def _answer_notes(tokenizer: Any, rendered: Sequence[tuple[str, RenderedPrompt]]) -> Iterator[str]:
    """Answers that Hugging Face decodes to another text: normalized, or with characters that the vocabulary has not."""
    changed = list[tuple[str, str, str]]()
    for name, prompt in rendered:
        ids = encode_parts(lambda text: tokenizer(text, add_special_tokens=False)["input_ids"], prompt.completion_parts)
        decoded = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if not is_correct(decoded, prompt.answer):
            changed.append((name, prompt.answer, decoded))
    if changed:
        name, answer, decoded = changed[0]
        yield (
            f"{len(changed)} of {len(rendered)} answers are decoded to another text than the row has, and no answer of "
            f"the model will be equal to them; first: {name}, {answer[:_SHOWN]!r} to {decoded[:_SHOWN]!r}"
        )
