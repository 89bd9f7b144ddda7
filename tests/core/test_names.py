"""Names that are files on every machine, Windows included."""

from __future__ import annotations

import pytest

from olivepress.core.names import check_name, check_names, slug


@pytest.mark.parametrize("name", ["phi", "a.b-c_d", "A1", "console", "com", "com10", "nul-l", "a" * 64])
def test_names_that_are_files_everywhere(name: str) -> None:
    assert check_name(name) == name == slug(name)[:64] or len(name) > 40


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("CON", "for a device"), ("nul", "for a device"), ("Com1", "for a device"), ("lpt9.x", "for a device"),
        ("aux.adapter", "for a device"), ("a.", "dot at its end"), ("a ", "letters, digits"), ("a\n", "letters"),
        ("../a", "letters"), ("", "letters"), ("a:b", "letters"), ("é", "letters"), ("a" * 65, "at most 64"),
    ],
)  # fmt: skip
def test_names_that_are_refused(name: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_name(name)
    assert check_name(slug(name)) == slug(name)


def test_two_names_of_one_file() -> None:
    check_names(["a", "b", "ab"])
    with pytest.raises(ValueError, match="'Mine' and 'mine'"):
        check_names(["Mine", "other", "mine"])
