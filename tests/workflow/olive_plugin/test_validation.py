"""The validation rows of a training on pairs, of which both answers have to fit."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("olive.workflows")

from olivepress.core.errors import DataError
from olivepress.workflow.olive_plugin import validation
from olivepress.workflow.olive_plugin.rows import Rows
from olivepress.workflow.olive_plugin.validation import take_validation, validation_rows


@pytest.mark.parametrize(("fit", "refused"), [(1, True), (2, False)])
def test_a_pair_whose_rejected_answer_is_too_long_does_not_count(
    monkeypatch: pytest.MonkeyPatch, fit: int, refused: bool
) -> None:
    monkeypatch.setattr(validation, "short_rows", lambda rows, *_, **__: list(rows))
    monkeypatch.setattr(validation, "tokenized_pairs", lambda rows, *_, **__: Rows(list(rows)[:fit]))
    options: dict[str, Any] = {"max_rows": 4, "selection": {"keep": "best", "metric": "loss"}, "pairs": True}
    if refused:
        with pytest.raises(DataError, match="1 of 4 validation rows have at most 64 tokens, expected at least 2"):
            validation_rows(Rows(["a", "b", "c", "d"]), "model", 64, **options)
        assert take_validation() is None
    else:
        assert validation_rows(Rows(["a", "b", "c", "d"]), "model", 64, **options).items == ["a", "b"]
        assert take_validation() is not None
