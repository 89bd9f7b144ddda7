"""How far a reference text goes, by configs of real models; and what a long text sees that a short one does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from olivepress.catalog import families
from olivepress.core.errors import JobError
from olivepress.measure.proof.horizon import Switch, horizon, switches
from olivepress.measure.proof.long_row import (
    LongRow,
    LongRowProof,
    compare_shipped,
    kept_positions,
    long_row,
    prove_long_row,
    read_long_row,
    row_to_compare,
)
from olivepress.run.verify.long_row import check_long_row
from olivepress.runtimes.open import open_model
from olivepress.workflow.sizes import LONG_POSITIONS
from tests.synthetic import tiny

SMALL: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 8192}
LONGROPE = {"type": "longrope", "short_factor": [1.0], "long_factor": [2.0]}


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({}, []),
        ({"sliding_window": None, "rope_scaling": None}, []),
        ({"sliding_window": 1024}, [("sliding_window", 1024, False)]),
        ({"sliding_window": 1024, "use_sliding_window": False}, []),
        ({"sliding_window": True}, []),
        ({"attention_chunk_size": 512, "sliding_window": 64}, [("sliding_window", 64), ("attention_chunk_size", 512)]),
        ({"original_max_position_embeddings": 4096, "rope_scaling": LONGROPE}, [("original", 4096, True)]),
        ({"original_max_position_embeddings": 4096, "rope_scaling": None}, []),
        (
            {"rope_scaling": {"rope_type": "llama3", "original_max_position_embeddings": 100}},
            [("original", 100, False)],
        ),
        ({"rope_scaling": {"rope_type": "yarn", "original_max_position_embeddings": 200}}, [("original", 200, False)]),
        # As transformers 5 writes it: by kind of layer.
        (
            {"rope_parameters": {"full_attention": {"rope_type": "yarn", "original_max_position_embeddings": 300}}},
            [("original", 300, False)],
        ),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}, []),
    ],
)
def test_what_a_config_names(config: dict[str, Any], found: list[tuple[Any, ...]]) -> None:
    named = [(switch.key, switch.at, switch.by_length) for switch in switches(config)]
    assert len(named) == len(found)
    for ours, expected in zip(named, found, strict=True):
        assert ours[0].startswith(expected[0]) and ours[1] == expected[1]
        assert len(expected) == 2 or ours[2] == expected[2]


def test_the_text_goes_past_every_switch_and_never_past_the_context() -> None:
    assert horizon(SMALL, 10**6).length == 512  # beyond 128 where nothing is named, too
    assert horizon({**SMALL, "max_position_embeddings": 200}, 10**6).length == 200
    window = horizon({**SMALL, "sliding_window": 1000}, 10**6)
    assert window.length > 1000 and window.switches == (Switch(key="sliding_window", at=1000),) and not window.beyond
    assert horizon({**SMALL, "sliding_window": 8192}, 10**6).length == 512  # as long as the context: never left
    near = horizon({**SMALL, "sliding_window": 8190}, 10**6)
    assert near.length == 8192


def test_what_memory_or_time_do_not_allow_is_said_in_words() -> None:
    wide = {"hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80, "max_position_embeddings": 131072}
    far = horizon({**wide, "sliding_window": 32768}, 7 * 10**9)
    assert far.length < 32768 and "sliding_window 32768" in far.beyond and f"beyond {far.length}" in far.beyond
    assert "GB" in far.beyond and not far.switches
    slow = horizon({**SMALL, "sliding_window": 4096}, 70 * 10**9)
    assert "minutes a pass" in slow.beyond
    both = horizon({**wide, "num_hidden_layers": 8, "sliding_window": [], "attention_chunk_size": 600}, 10**9)
    assert both.length == 664


def test_the_models_of_the_catalog_are_read_past_their_switches() -> None:
    known = {name: facts for family in families().values() for name, facts in family.models.items()}
    assert known
    phi = known["microsoft/Phi-4-mini-instruct"]
    reach = horizon(phi.config, phi.parameters)
    assert reach.length > 4096 and reach.switches[-1].by_length


def test_few_positions_are_kept_and_all_that_matter() -> None:
    kept = kept_positions(4160, [1024, 4096])
    assert len(kept) <= LONG_POSITIONS and {1023, 1024, 4095, 4096, 4097, 4159} <= set(kept)
    assert sum(position < 1024 for position in kept) >= 16
    assert len(kept_positions(131072, [100, 1000, 5000, 9000, 20000, 90000])) <= LONG_POSITIONS
    assert max(kept_positions(140, [135])) == 139


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
