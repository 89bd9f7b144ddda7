"""Everything that once broke a reader, and some seconds of new inputs for each."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .harness import CORPUS, attempt
from .mutate import mutate
from .targets import TARGETS, seeds


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_what_once_broke_a_reader_is_read_or_refused(name: str) -> None:
    inputs = [*seeds(name), *(path.read_bytes() for path in sorted(CORPUS.glob(f"{name}/*")))]
    assert inputs
    for data in inputs:
        assert attempt(name, data) is None


@pytest.mark.parametrize("name", sorted(set(TARGETS) - {"csv", "jsonl", "json", "parquet"}))
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(number=st.integers(0, 2**32), data=st.binary(max_size=200))
def test_new_inputs_are_read_or_refused(name: str, number: int, data: bytes) -> None:
    random_ = random.Random(number)
    assert attempt(name, mutate(random_.choice(seeds(name)), random_)) is None
    assert attempt(name, data) is None
