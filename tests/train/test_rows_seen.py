"""The losses of training rows: what is said where none of the rows that were chosen is short enough."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("transformers")

from olivepress.core.errors import DataError
from olivepress.runtimes import pytorch
from olivepress.train import rows_seen
from olivepress.train.rows_seen import RowsSpec, row_losses
from olivepress.workflow.olive_plugin.supervision import Supervised


def test_no_row_that_is_short_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line; the median of no loss is none."""
    long = Supervised(input_ids=(1,) * 20, labels=(1,) * 20)
    monkeypatch.setattr(rows_seen, "read_split", lambda *_: SimpleNamespace(rows=["a", "b", "c"]))
    monkeypatch.setattr(rows_seen, "load_tokenizer", lambda *_: (None, None))
    monkeypatch.setattr(rows_seen, "supervise_row", lambda *_: long)
    monkeypatch.setattr(pytorch, "load_parent", lambda *_, **__: pytest.fail("the model was opened for no row"))
    spec = RowsSpec(model_dir=Path("m"), dataset=Path("d"), max_length=16, most=2)
    with pytest.raises(DataError, match="none of 2 training rows fits max_length 16") as refused:
        row_losses(spec, lambda *_: None)
    assert "0 for all" in (refused.value.next_step or "")
