"""Names in a manifest that somebody else wrote: they become parts of paths."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from olivepress.core.artifact import Manifest


@pytest.mark.parametrize("field", ["recipe", "job"])
@pytest.mark.parametrize("name", ["../../outside", "/tmp/outside", "..", "a\\b", "con", ""])
def test_a_name_that_leads_elsewhere_is_refused(field: str, name: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(Manifest).validate_python({field: name})
    assert [error["type"] for error in refused.value.errors() if error["loc"] == (field,)] == ["value_error"]
