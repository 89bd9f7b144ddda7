"""Every wrong input is refused in one line, within ten seconds of processor time, with a code that is not 0."""

from __future__ import annotations

import importlib
import itertools
from pathlib import Path

import pytest

from tests.wrong_inputs import command_lines, data_files, device_files, model_folders, recipes, workflow_files
from tests.wrong_inputs.case import Case, call

GROUPS = (recipes, command_lines, data_files, model_folders, device_files, workflow_files)
CASES = tuple(itertools.chain.from_iterable(group.cases() for group in GROUPS))
RIGHT = (data_files.right(), model_folders.right(), device_files.right(), workflow_files.right())


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the time of an answer must not be measured with: the first import of Olive and of language detection."""
    for name in ("lingua", "olive.workflows.run.config", "olive.evaluator.olive_evaluator", "transformers"):
        importlib.import_module(name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_is_refused_in_one_line(case: Case, tmp_path: Path) -> None:
    result = call(case, tmp_path)
    assert result.problem is None, f"{case.name}: {result.problem}"


def test_there_are_many() -> None:
    assert len(CASES) >= 550 and len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", RIGHT, ids=lambda case: case.name)
def test_what_the_wrong_ones_are_made_from_is_taken(case: Case, tmp_path: Path) -> None:
    result = call(case, tmp_path)
    assert result.exit_code == 0, result.error
