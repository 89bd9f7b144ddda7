"""Errors in other words keep their class and what it adds."""

from __future__ import annotations

import pytest

from olivepress.core.errors import LintError, OlivepressError, UsageError
from olivepress.run.failure import ChecksFailed, OutOfMemory


@pytest.mark.parametrize(
    "error",
    [UsageError("x", next_step="y"), LintError("a", "b", next_step="c"), ChecksFailed("lost", checks=()),
     OutOfMemory("killed", peak_memory_bytes=5, next_step="less")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_other_words(error: OlivepressError) -> None:
    changed = error.with_message("other words")
    assert type(changed) is type(error) and changed is not error
    assert vars(changed) == vars(error) | {"message": "other words"}
    assert changed.args == ("other words",) and str(changed).startswith("other words")
    assert error.message != "other words"
