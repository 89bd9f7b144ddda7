"""Every wrong input is refused in one line, within ten seconds, with a code that is not 0."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.wrong_inputs import recipes
from tests.wrong_inputs.case import Case, call

CASES = tuple(itertools.chain(recipes.cases()))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_is_refused_in_one_line(case: Case, tmp_path: Path) -> None:
    result = call(case, tmp_path)
    assert result.problem is None, f"{case.name}: {result.problem}"
