"""Rows as the training sees them, and the loss of each by the trained model: tasks of a child process."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from olivepress.catalog import facts_from_config
from olivepress.core.errors import DataError
from olivepress.core.progress import Progress
from olivepress.core.sampling import evenly_spread
from olivepress.core.yaml_document import Record
from olivepress.data.store.examples import SPLITS, Example
from olivepress.data.store.reader import read_split
from olivepress.models.admission.rope_parameters import built_context
from olivepress.recipe.methods import FourBit
from olivepress.runtimes.chat_template.check import check_rows
from olivepress.train.evidence import RowFacts, RowLoss, RowLosses
from olivepress.workflow.olive_plugin.row_counts import count_rows
from olivepress.workflow.olive_plugin.supervision import (
    IGNORE_INDEX,
    Supervised,
    TrainOn,
    load_tokenizer,
    supervise_row,
)

__all__ = ["RowsSpec", "has_template_signs", "row_facts", "row_losses"]

_SAMPLED = 300
_LISTED = 10
_SHOWN = 120  # characters of a prompt or an answer
# Probabilities: the answer's token is contradicted clearly. A model that was trained on noise of 10 % is not surer of a
# right label than 90 %.
_GIVEN, _OTHER = 0.02, 0.85
_LEARNED = 0.5
# What templates of today's models, and the prompt formats before them, put around a turn.
_SIGNS = re.compile(
    r"<\|[a-z_]{2,24}\|>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>"
    r"|^\s*###\s*(?:Instruction|Response|Input|Human|Assistant|User|System)\s*:",
    re.MULTILINE,
)


class RowsSpec(Record):
    """The rows of a run and the model that they are read by: ``model_dir`` with its tokenizer; ``adapter_dir`` and
    ``four_bit`` as in training, for the losses. ``most`` rows are measured, None: all."""

    model_dir: Path
    adapter_dir: Path | None = None
    four_bit: FourBit | None = None
    dataset: Path
    max_length: int
    train_on: TrainOn = "answer"
    instruction: str | None = None
    most: int | None = None


def has_template_signs(text: str) -> str | None:
    """The first sign of a chat template in a text of a row; None for none."""
    match = _SIGNS.search(text)
    return None if match is None else match[0].strip()


def row_facts(spec: RowsSpec, progress: Progress) -> RowFacts:
    """Counted over rows that stand at equal distances in the training split."""
    splits = {split: read_split(spec.dataset, split).rows for split in SPLITS if _is_there(spec.dataset, split)}
    rows = evenly_spread(splits["train"], _SAMPLED)
    tokenizer, directory = load_tokenizer(spec.model_dir.as_posix())
    seen = [supervise_row(row, tokenizer, directory, spec.train_on) for row in rows]
    trained = [sum(label != IGNORE_INDEX for label in each.labels) for each in seen]
    counts = count_rows([len(each.input_ids) for each in seen], trained, spec.max_length)
    answers = [sum(message["role"] == "assistant" for message in row.messages) for row in rows]
    signs = [sign for row in rows if (sign := _sign_in(row)) is not None]
    return RowFacts(
        rows=len(splits["train"]),
        sampled=len(rows),
        too_long=counts.left_out,
        max_length=spec.max_length,
        longest=counts.longest,
        enough=counts.enough,
        tokens=sum(len(each.input_ids) for each in seen),
        trained_tokens=sum(trained),
        answers=sum(answers),
        trained_answers=sum(answers) if spec.train_on == "all_turns" else len(rows),
        marked_up=len(signs),
        example_of_markup=signs[0] if signs else "",
        marked_up_instruction=spec.instruction is not None and has_template_signs(spec.instruction) is not None,
        system_shares={split: _system_share(each) for split, each in splits.items()},
        lost=check_rows(directory, rows).errors,
        vocabulary=len(tokenizer),
        **_limits(Path(directory)),
    )


def _limits(model_dir: Path) -> dict[str, int | None]:
    """What the recipe's ``data.max_length`` and ``finetune.r`` can be at most."""
    config = facts_from_config(model_dir).config
    stated = (built_context(config), config.get("max_position_embeddings"))
    width = config.get("hidden_size")
    return {
        "context": min((each for each in stated if isinstance(each, int)), default=None),
        "width": width if isinstance(width, int) else None,
    }


def _is_there(dataset: Path, split: str) -> bool:
    path = dataset / f"{split}.jsonl"
    return path.is_file() and path.stat().st_size > 0


def _sign_in(row: Example) -> str | None:
    texts = (message.get("content") or "" for message in row.messages)
    return next((sign for text in texts if (sign := has_template_signs(text)) is not None), None)


def _system_share(rows: Sequence[Example]) -> float:
    return sum(row.messages[0]["role"] == "system" for row in rows) / len(rows)


def row_losses(spec: RowsSpec, progress: Progress) -> RowLosses:
    """The loss of every row's answer by the trained model, one row at a time, without padding.

    DataError when none of the rows is short enough; the model is opened after that is known.
    """
    from olivepress.runtimes.pytorch import load_parent

    every = read_split(spec.dataset, "train").rows
    rows = every if spec.most is None else evenly_spread(every, spec.most)
    tokenizer, directory = load_tokenizer(spec.model_dir.as_posix())
    supervised = [(row, supervise_row(row, tokenizer, directory, spec.train_on)) for row in rows]
    short = [(row, seen) for row, seen in supervised if len(seen.input_ids) <= spec.max_length]
    if not short:
        raise DataError(
            f"none of {len(rows)} training rows fits max_length {spec.max_length}, so that none was trained on",
            next_step="more --rows, 0 for all of them",
        )
    model, _ = load_parent(spec.model_dir, adapter_dir=spec.adapter_dir, four_bit=spec.four_bit)
    measured = list[RowLoss]()
    for number, (row, seen) in enumerate(short, start=1):
        measured.append(_row_loss(row, seen, model, tokenizer))
        progress(number, len(short))
    ordered = sorted(measured, key=lambda each: (-each.loss, each.id))
    return RowLosses(
        rows=len(every),
        measured=len(measured),
        learned=sum(each.given >= _LEARNED for each in measured),
        median=statistics.median(each.loss for each in measured),
        contradicted=sum(_is_contradicted(each) for each in measured),
        highest=tuple(sorted(ordered, key=lambda each: not _is_contradicted(each))[:_LISTED]),
    )


def _is_contradicted(row: RowLoss) -> bool:
    return row.given <= _GIVEN and row.other >= _OTHER


def _row_loss(row: Example, seen: Supervised, model: Any, tokenizer: Any) -> RowLoss:
    """At the token of the answer that the model contradicts most: where ``other`` is likeliest and ``given`` is not."""
    import torch

    ids, labels = torch.tensor([seen.input_ids]), torch.tensor(seen.labels[1:])
    places = (labels != IGNORE_INDEX).nonzero().flatten()
    answer = labels[places]
    with torch.inference_mode():
        log_probabilities = model(input_ids=ids, logits_to_keep=places).logits[0].float().log_softmax(dim=-1)
    given = log_probabilities.gather(1, answer[:, None]).flatten()
    other, other_ids = log_probabilities.max(dim=-1)
    at = int((other - given).argmax())
    before = answer[:at].tolist()
    suggested = tokenizer.decode([*before, int(other_ids[at])], skip_special_tokens=True)
    return RowLoss(
        id=row.id,
        loss=float(-given.mean()),
        given=float(given[at].exp()),
        other=float(other[at].exp()),
        answer=_short(row.answer),
        prompt=_short(row.prompt),
        suggested=_short(suggested),
    )


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _SHOWN else f"{words[: _SHOWN - 1]}…"
