"""Situations that trainers of preferences are known to get wrong: the end of an answer, and prompts that differ."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("trl")

import torch

from olivepress.core.errors import DataError
from olivepress.workflow.olive_plugin import pairs
from olivepress.workflow.olive_plugin.preference_trainers import _Orpo
from olivepress.workflow.olive_plugin.supervision import IGNORE_INDEX, Supervised

END = 9  # the token that ends an answer, and pads
PAIR = {"prompt_ids": [1, 2], "chosen_ids": [3, 4, END], "rejected_ids": [5, END]}


def test_the_end_of_an_answer_counts_where_it_pads_too() -> None:
    """github.com/huggingface/trl/issues/884: a mask made of what is not padding leaves it out, and nothing stops."""
    from trl.trainer.dpo_trainer import DataCollatorForPreference

    batch = DataCollatorForPreference(pad_token_id=END)([PAIR])
    assert batch["input_ids"].tolist() == [[1, 2, 3, 4, END], [1, 2, 5, END, END]]
    assert batch["completion_mask"].tolist() == [[0, 0, 1, 1, 1], [0, 0, 1, 1, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]


def test_the_end_of_an_answer_counts_in_orpo() -> None:
    from trl.experimental.utils import DPODataCollatorWithPadding

    row = _Orpo.tokenize_row(SimpleNamespace(), PAIR)  # type: ignore[arg-type]
    batch = DPODataCollatorWithPadding(pad_token_id=END)([row])
    assert batch["chosen_labels"].tolist() == [[-100, -100, 3, 4, END]]
    assert batch["rejected_labels"].tolist() == [[-100, -100, 5, END]]
    assert batch["rejected_attention_mask"].tolist() == [[1, 1, 1, 1]]
    assert torch.equal(batch["prompt_input_ids"], torch.tensor([[1, 2]]))


def test_a_prompt_that_depends_on_its_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compared with another prompt before it, an answer says nothing of the preference."""
    sides = iter([[_supervised(1, 2, 3)], [_supervised(1, 7, 3)]])
    monkeypatch.setattr(pairs, "supervise", lambda *_, **__: next(sides))
    monkeypatch.setattr(pairs, "rejected_row", lambda row: row)
    rows: Any = [SimpleNamespace(id="r1")]
    with pytest.raises(DataError, match="row r1: the chat template writes its prompt differently"):
        pairs.tokenized_pairs(rows, "none", max_length=10)


def _supervised(*tokens: int) -> Supervised:
    return Supervised(input_ids=tokens, labels=(*[IGNORE_INDEX] * (len(tokens) - 1), tokens[-1]))
