"""What a long text detects that a short text does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from olivepress.core.errors import JobError
from olivepress.measure.proof.long_row import LongRowProof, compare_shipped, prove_long_row, row_to_compare
from olivepress.measure.quality.horizon import horizon
from olivepress.measure.quality.long_row import LongRow, long_row, read_long_row
from olivepress.run.verify.long_row import check_long_row
from olivepress.runtimes.open import open_model
from tests.synthetic import tiny


def proof(before: float, beyond: float, answers: float, *, usual: float = 1e-14, worst: float = 1e-6) -> LongRowProof:
    return LongRowProof(
        tokens=512, switches=[160], before=[before] * 10, beyond=[beyond] * 40, beyond_worst=worst,
        usual=[usual], answers=[answers], answers_worst=1e-7,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "exact", "fails"),
    [
        (proof(1e-15, 2e-15, 1e-14), True, []),
        (proof(7e-4, 5e-4, 4e-7), False, []),  # rounded weights, a right window
        (proof(7e-4, 2.3e-3, 1e-14), False, ["long_prompt"]),  # rounded weights, a wrong one: far below the limit
        (proof(7e-4, 0.4, 1e-14), False, ["long_prompt"]),
        (proof(7e-4, 5e-4, 6e-5), False, ["long_answer"]),  # a rope that switches unseen
        (proof(1e-15, 2e-15, 3e-5), True, ["long_answer"]),
        (proof(7e-4, 5e-4, 3e-5), False, []),  # a rounding that fell the other way
        (proof(7e-4, 5e-4, 6e-5, usual=2e-5), False, []),  # a cache in 8 bits rounds everywhere alike
        (proof(1e-15, 2e-15, 1e-14, worst=0.6), True, ["long_logit_diff"]),
    ],
)
def test_how_a_long_text_is_judged(found: LongRowProof, exact: bool, fails: list[str]) -> None:
    checks = list(check_long_row(found, limit=0.1, exact=exact))
    assert [check.name for check in checks if not check.passed] == fails
    assert all("160" in check.detail for check in checks if check.name != "long_logit_diff")


def test_rounded_weights_may_lose_more_on_rows_behind_rows() -> None:
    found = proof(0.02, 0.147, 1e-5).model_copy(update={"switches": [], "before": []})
    for exact, passes in ((False, True), (True, False)):
        (check, *_) = check_long_row(found, limit=0.1, exact=exact)
        assert check.name == "long_prompt" and check.passed is passes
    broken = found.model_copy(update={"beyond": [3.1] * 9})
    assert not next(check_long_row(broken, limit=0.1, exact=False)).passed


@pytest.fixture(scope="module")
def hf_window(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose config names a window of 140 tokens in all layers."""
    pytest.importorskip("torch", reason="the build extra is not installed")
    model = tiny.make_model(tmp_path_factory.mktemp("window"))
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "sliding_window": 140}))
    return model


def row_of(model: Path) -> LongRow:
    config = json.loads((model / "config.json").read_text())
    ids = np.random.default_rng(5).integers(5, 300, 1000).tolist()
    row = long_row(iter(ids), horizon(config, 10**6))
    assert row is not None and len(row.ids) == 256  # its context
    return row


def test_an_export_with_another_window_is_seen_only_by_the_long_text(
    hf_window: Path, fp32_model: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The same weights exported with the window and without: the first 140 tokens are the same."""
    from olivepress.measure.quality.reference import write_reference

    right = tiny.export(hf_window, tmp_path / "right", "fp32", tmp_path_factory.mktemp("cache"))
    reference = write_reference(hf_window, [[5, 6, 7]], tmp_path / "reference", long_row=row_of(hf_window))
    row, reason = row_to_compare(reference, right)
    assert row is not None and not reason and row.switches == ((140, False),)
    failed = {}
    for name, folder in (("right", right), ("without", fp32_model)):
        model = open_model(folder)
        found = prove_long_row(row, compare_shipped(row, model), model)
        checks = check_long_row(found, limit=1e-5, exact=True)
        failed[name] = [check.name for check in checks if not check.passed]
        assert max(found.before) < 1e-9
    assert failed == {"right": [], "without": ["long_prompt", "long_logit_diff"]}


def test_a_model_answers_with_the_settings_that_ship(fp32_model: Path, tmp_path: Path) -> None:
    import shutil

    assert open_model(fp32_model).answer_by_default("turn the lamp on")
    shutil.copytree(fp32_model, tmp_path / "model")
    path = tmp_path / "model" / "genai_config.json"
    config = json.loads(path.read_text())
    config["search"]["max_length"] = config["model"]["context_length"] + 1
    path.write_text(json.dumps(config))
    with pytest.raises(JobError, match=r"max_length \(257\) cannot be greater than model context_length \(256\)"):
        open_model(tmp_path / "model").answer_by_default("turn the lamp on")


def test_a_context_that_does_not_hold_the_text_is_said_in_words(hf_window: Path, tmp_path: Path) -> None:
    from olivepress.measure.quality.reference import write_reference

    reference = write_reference(hf_window, [[5, 6, 7]], tmp_path / "reference", long_row=row_of(hf_window))
    (tmp_path / "genai_config.json").write_text('{"model": {"context_length": 200}}')
    row, reason = row_to_compare(reference, tmp_path)
    assert row is None and reason == "positions beyond 128 were not compared: its context is 200 tokens"
    assert row_to_compare(tmp_path, tmp_path) == (None, "")
    (reference / "long_row.npz").write_bytes(b"PK no")
    with pytest.raises(JobError, match="not a long row"):
        read_long_row(reference)
