"""The records of a blind comparison: the sheet that a rater sees, the key that stays behind, the filled sheet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from olivepress.core.timestamps import Timestamp
from olivepress.core.yaml_document import Record

__all__ = [
    "Artifact",
    "Filled",
    "Item",
    "Key",
    "Placed",
    "Sheet",
    "VotedItem",
    "checksum",
    "sheet_id",
]

Choice = Literal["left", "right", "tie"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ItemId = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
_PRIME, _BASIS, _MASK = 0x100000001B3, 0xCBF29CE484222325, 0xFFFFFFFFFFFFFFFF  # FNV-1a, 64 bits


class Item(Record):
    """One prompt with two answers, as the rater sees it."""

    id: ItemId
    prompt: str
    left: str
    right: str


class Sheet(Record):
    """What a rater gets: nothing in it tells which artifact an answer is from."""

    id: Sha256
    title: str
    items: tuple[Item, ...]


class Artifact(Record):
    """One of the two: ``name`` is what the result calls it, ``sha256`` its manifest's or its file's."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    sha256: Sha256 | None = None


class Placed(Record):
    """Where the answer of artifact ``a`` stands, and the row of the dataset that the prompt is from."""

    a: Literal["left", "right"]
    row: str


class Key(Record):
    """What turns votes into wins. ``identical`` rows have the same answer twice: ties that nobody is asked about."""

    format: Literal["olivepress-abtest-key"] = "olivepress-abtest-key"
    version: Literal[1] = 1
    sheet: Sha256
    seed: int
    created_at: Timestamp
    a: Artifact
    b: Artifact
    items: dict[ItemId, Placed]
    identical: tuple[str, ...] = ()


class VotedItem(Record):
    item: ItemId
    vote: Choice


class Filled(Record):
    """A filled sheet. ``session`` is drawn by the page when it is opened for the first time; "" from a CSV file, which
    has no ``check`` either."""

    format: Literal["olivepress-abtest-filled"] = "olivepress-abtest-filled"
    version: Literal[1] = 1
    sheet: Sha256
    session: Annotated[str, Field(pattern=r"^[0-9a-f-]{0,64}$")]
    rater: Annotated[str, Field(min_length=1, max_length=100)]
    saved_at: str
    votes: tuple[VotedItem, ...]
    check: Annotated[str, Field(pattern=r"^([0-9a-f]{16})?$")] = ""


def sheet_id(title: str, items: Iterable[Item]) -> str:
    """The sha256 of what the rater sees."""
    text = json.dumps([title, [[item.prompt, item.left, item.right] for item in items]], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def checksum(filled: Filled) -> str:
    """The checksum that the page writes over its votes (FNV-1a of 64 bits, as in sheet.js).

    It shows that a file was changed afterwards by somebody who did not compute it again; it holds no secret.
    """
    lines = [filled.sheet, filled.session, filled.rater, filled.saved_at]
    lines += [f"{voted.item}={voted.vote}" for voted in filled.votes]
    value = _BASIS
    for byte in "\n".join(lines).encode("utf-8", "surrogatepass"):
        value = ((value ^ byte) * _PRIME) & _MASK
    return f"{value:016x}"
