"""How far a reference text goes, by configs of real models."""

from __future__ import annotations

from typing import Any

import pytest

from olivepress.catalog import families
from olivepress.measure.quality.horizon import Switch, horizon, switches
from olivepress.measure.quality.long_row import kept_positions
from olivepress.workflow.sizes import LONG_POSITIONS

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
