"""What licences allow, as far as a program can say it: ``licence_terms.yaml``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from olivepress.core.yaml_document import Record, read_record

__all__ = ["Terms", "conflicts", "terms_of"]


class Terms(Record):
    """``conditions``: it has terms of use that a person has to read."""

    derivatives: bool = True
    commercial: bool = True
    share_alike: bool = False
    conditions: bool = False


class _Table(Record):
    licences: dict[str, Terms]


@cache
def _table() -> Mapping[str, Terms]:
    return read_record(Path(__file__).with_suffix(".yaml"), _Table).licences


def terms_of(name: str) -> Terms | None:
    """None for a licence that is not in the table. ``-only`` and ``-or-later`` of SPDX are read as the licence."""
    return _table().get(_plain(name))


def _plain(name: str) -> str:
    return name.strip().lower().removesuffix("-only").removesuffix("-or-later")


def conflicts(named: Mapping[str, str], use: str) -> list[str]:
    """Part → licence; what they do not allow, one sentence each. What is not known has no conflict."""
    return [*_forbidden(named, use), *_share_alike(named)]


def _forbidden(named: Mapping[str, str], use: str) -> Iterator[str]:
    for part, name in named.items():
        terms = terms_of(name)
        if terms is None:
            continue
        if not terms.derivatives:
            yield f"{part}: {name} allows no derivatives, and a fine-tuned model is one"
        if use == "commercial" and not terms.commercial:
            yield f"{part}: {name} allows no commercial use (promote.use in the recipe)"


def _share_alike(named: Mapping[str, str]) -> Iterator[str]:
    """Two licences that each want the derivative under themselves."""
    alike = {_plain(name): part for part, name in named.items() if (t := terms_of(name)) and t.share_alike}
    if len(alike) > 1:
        texts = " and ".join(f"{part} {name}" for name, part in sorted(alike.items()))
        yield f"{texts} each require the result to have their own licence"
