"""A generation of a model whose state goes back only to where it was saved, as genai 0.18.0 keeps it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from olivepress.runtimes.genai_model import RecurrentGeneration, _is_recurrent


class Generator:
    """The state is the tokens that it was computed from; taken back to any other length it would be another's."""

    def __init__(self, *, goes_back: bool = True) -> None:
        self.goes_back = goes_back
        self.given: list[int] = []
        self.saved: int | None = None

    def append_tokens(self, tokens: np.ndarray) -> None:
        self.given += [int(token) for token in tokens]

    def generate_next_token(self) -> None:
        self.given.append(0)

    def get_sequence(self, _: int) -> list[int]:
        return list(self.given)

    def snapshot_state(self) -> None:
        self.saved = len(self.given)

    def rewind_to(self, length: int) -> None:
        if length != self.saved or not self.goes_back:
            raise RuntimeError(f"RecurrentState::RewindTo({length}) is not supported without a snapshot.")
        del self.given[length:]


def test_a_state_goes_back_to_where_it_was_saved_and_is_made_again_elsewhere() -> None:
    begun: list[Generator] = []

    def begin() -> Generator:
        begun.append(Generator())
        return begun[-1]

    generation = RecurrentGeneration(begin)
    generation.append([1, 2, 3])
    generation.rewind(3)  # saved: nothing is read again after it
    for sequence in ([4], [5, 6], [7]):
        generation.append(sequence)
        assert generation.tokens() == [1, 2, 3, *sequence]
        generation.rewind(3)
    assert len(begun) == 1
    generation.append([8])
    generation.rewind(2)
    assert len(begun) == 2 and generation.tokens() == [1, 2]
    generation.step()
    assert generation.tokens() == [1, 2, 0] and begun[0].given == [1, 2, 3, 8]


def test_a_state_that_never_goes_back_is_made_again_each_time() -> None:
    begun: list[Generator] = []

    def begin() -> Generator:
        begun.append(Generator(goes_back=False))
        return begun[-1]

    generation = RecurrentGeneration(begin)
    generation.append([1, 2, 3])
    for sequence in ([4], [5, 6], [7]):
        generation.rewind(3)
        generation.append(sequence)
        assert generation.tokens() == [1, 2, 3, *sequence]
    assert len(begun) == 3


@pytest.mark.parametrize(
    ("inputs", "recurrent"),
    [
        ({"past_conv_names": "past.%d.conv", "past_key_names": "past_key_values.%d.key"}, True),
        ({"past_recurrent_names": "past.%d.recurrent"}, True),
        ({"past_key_names": "past_key_values.%d.key"}, False),
        (None, False),
    ],
)
def test_the_settings_say_which_models_are(inputs: dict[str, Any] | None, recurrent: bool, tmp_path: Path) -> None:
    assert not _is_recurrent(tmp_path)
    (tmp_path / "genai_config.json").write_text(json.dumps({"model": {"decoder": {"inputs": inputs}}}))
    assert _is_recurrent(tmp_path) is recurrent
