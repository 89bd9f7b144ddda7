"""Pairs of answers for the embedded model, and what they are compared by, computed without TRL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from olivepress.data.build import build_dataset
from olivepress.data.store.examples import Example
from olivepress.recipe.schema import Data

PAIRS = "pairs"
FEW_PAIRS = {"source": f"{PAIRS}", "max_length": 512}


def write_pairs(project: Path, train: int = 16, held_out: int = 8) -> None:
    """Right answers preferred to those of other rows, as TRL's conversational rows."""
    dataset = build_dataset(Data(demo="device-command", max_train_rows=64, max_test_rows=64))
    counts = {"train": train, "validation": held_out, "test": held_out}
    (project / PAIRS).mkdir(parents=True)
    for split, count in counts.items():
        rows = _pairs(list(dataset.splits[split]))[:count]
        assert len(rows) == count
        (project / PAIRS / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _pairs(rows: Sequence[Example]) -> list[dict[str, Any]]:
    made = []
    for row, other in zip(rows, [*rows[1:], *rows[:1]], strict=True):
        if row.answer != other.answer:
            made.append({"prompt": row.messages[:-1], "chosen": [row.messages[-1]], "rejected": [other.messages[-1]]})
    return made


def log_probabilities(model: Any, pairs: Iterable[dict[str, Sequence[int]]]) -> Any:
    """[pairs, 2]: the sum of the log probabilities of the tokens of the chosen and of the rejected answer."""
    import torch

    rows = []
    for pair in pairs:
        row = []
        for name in ("chosen_ids", "rejected_ids"):
            prompt, answer = list(pair["prompt_ids"]), list(pair[name])
            with torch.no_grad():
                logits = model(torch.tensor([prompt + answer])).logits[0].float()
            at = torch.arange(len(prompt) - 1, len(prompt) + len(answer) - 1)
            row.append(logits[at].log_softmax(-1)[torch.arange(len(answer)), torch.tensor(answer)].sum())
        rows.append(torch.stack(row))
    return torch.stack(rows)
