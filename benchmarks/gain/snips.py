"""SNIPS (Coucke et al. 2018) as text → JSON: the published files' chunks to a request and what it asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["HELD_OUT", "answer_of", "read_chunks", "rows", "slots_of", "text_of"]

HELD_OUT = 50  # of each intent's training rows, its last ones: the 700 published test rows are too few
PART = {"train": "train_{intent}_full.json", "test": "validate_{intent}.json"}


def read_chunks(folder: Path, intent: str, part: str) -> list[Sequence[Mapping[str, str]]]:
    """The chunks of each row of one published file.

    One of the files is not valid UTF-8: a sign beyond U+FFFF is a pair of surrogates, each encoded apart (CESU-8).
    """
    data = (folder / intent / PART[part].format(intent=intent)).read_bytes()
    pairs = data.decode("utf-8", errors="surrogatepass").encode("utf-16", errors="surrogatepass")
    return [row["data"] for row in json.loads(pairs.decode("utf-16"))[intent]]


def text_of(chunks: Sequence[Mapping[str, str]]) -> str:
    """The request, white space put in order."""
    return " ".join("".join(chunk["text"] for chunk in chunks).split())


def slots_of(chunks: Sequence[Mapping[str, str]]) -> dict[str, str | list[str]]:
    """Slot → value in the order of the request; a slot that occurs again has a list of its values."""
    values: dict[str, list[str]] = {}
    for chunk in chunks:
        if "entity" in chunk:
            values.setdefault(chunk["entity"], []).append(" ".join(chunk["text"].split()))
    return {name: several[0] if len(several) == 1 else several for name, several in values.items()}


def answer_of(intent: str, chunks: Sequence[Mapping[str, str]]) -> str:
    """Compact JSON, letters as they are."""
    return json.dumps({"intent": intent, "slots": slots_of(chunks)}, ensure_ascii=False, separators=(",", ":"))


def rows(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(split, row) of every request, each text once: in a split that is measured if it occurs there."""
    seen = set[str]()
    for split, intent, chunks in [*_parts(folder, "test"), *_parts(folder, "train")]:
        text = text_of(chunks)
        if text and text not in seen:
            seen.add(text)
            yield split, {"prompt": text, "completion": answer_of(intent, chunks)}


def _parts(folder: Path, split: str) -> Iterator[tuple[str, str, Sequence[Mapping[str, str]]]]:
    for intent in sorted(path.name for path in folder.iterdir() if path.is_dir()):
        training = read_chunks(folder, intent, "train")
        if split == "train":
            chosen = training[:-HELD_OUT]
        else:
            chosen = [*read_chunks(folder, intent, "test"), *training[-HELD_OUT:]]
        yield from ((split, intent, chunks) for chunks in chosen)
