"""Reads the reference of the PyTorch parent, which exports are compared with (``reference.write_reference``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from olivepress.core.array_file import map_logits, read_arrays
from olivepress.core.errors import JobError

__all__ = ["REFERENCE_FORMAT", "AnswerPart", "Reference", "questions", "read_reference"]

Tokens = TypeVar("Tokens", bound=Any)  # a list of ids, or an array of them

REFERENCE_FORMAT = 5  # of a merge's reference; a merge with an older one is built again
# Array → NumPy kinds of its numbers, number of dimensions.
_ARRAYS: Mapping[str, tuple[str, int]] = {
    "format": ("iu", 0),
    "vocab_size": ("iu", 0),
    "lengths": ("iu", 1),
    "starts": ("iu", 1),
    "firsts": ("iu", 1),
    "supervised": ("u", 1),
    "ids": ("iu", 1),
    "top_ids": ("iu", 2),
    "top_logprobs": ("f", 2),
    "tail_mass": ("f", 1),
    "greedy_lengths": ("iu", 1),
    "greedy_ids": ("iu", 1),
}


@dataclass(frozen=True, kw_only=True)
class AnswerPart:
    """Where a prompt's answers are.

    ``start``: the position that predicts the first token of the last answer, 0 if unknown; ``supervised``: all
    positions that predict a token that is trained on; ``first``: the first position whose logits are kept.
    """

    start: int = 0
    supervised: tuple[int, ...] = ()
    first: int = 0


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The parent's top tokens at the kept positions of all prompts (see ``write_reference`` for arrays and shapes).

    ``firsts``: per prompt the first kept position; ``supervised``: per kept position of all prompts whether it predicts
    a token of an answer. ``greedy``: (prompt, greedy answer of the parent) as token ids.
    """

    folder: Path
    prompts: tuple[np.ndarray, ...]
    starts: np.ndarray
    firsts: np.ndarray
    supervised: np.ndarray
    vocab_size: int
    top_ids: np.ndarray
    top_logprobs: np.ndarray
    tail_mass: np.ndarray
    greedy: tuple[tuple[np.ndarray, np.ndarray], ...] = ()

    def logits(self, index: int) -> np.ndarray | None:
        """The parent's full logits of a prompt [tokens, vocabulary], mapped from disk; None where they are not kept."""
        return self._full("logits", index)

    def base_logits(self, index: int) -> np.ndarray | None:
        """As ``logits``, of the base without its adapter; None for a parent that has no adapter."""
        return self._full("base", index)

    def _full(self, name: str, index: int) -> np.ndarray | None:
        file = self.folder / f"{name}-{index:04d}.npy"
        return map_logits(file) if file.exists() else None


def read_reference(folder: Path) -> Reference:
    """Read ``reference.npz``; JobError when it is missing, of another format or inconsistent."""
    file = folder / "reference.npz"
    try:
        data = read_arrays(file, _ARRAYS)
        if data["format"].tolist() != REFERENCE_FORMAT:
            raise ValueError(f"format {data['format'].tolist()!r}"[:40] + f", expected {REFERENCE_FORMAT}")
        _check_arrays(data)
        prompts = np.split(data["ids"], np.cumsum(data["lengths"], dtype=np.int64)[:-1])
        return Reference(
            folder=folder,
            prompts=tuple(prompts),
            starts=data["starts"],
            firsts=data["firsts"],
            supervised=data["supervised"].astype(bool),
            vocab_size=int(data["vocab_size"]),
            top_ids=data["top_ids"],
            top_logprobs=data["top_logprobs"].astype(np.float64),
            tail_mass=data["tail_mass"].astype(np.float64),
            greedy=_greedy(prompts, data),
        )
    except (OSError, ValueError) as error:
        reason = str(error).split("\n")[0]
        raise JobError(f"{file}: not a reference ({reason})", next_step="olivepress run rebuilds it") from error


def _check_arrays(data: Mapping[str, np.ndarray]) -> None:
    """ValueError unless the arrays have the kinds and shapes of a reference and their values are in range."""
    for name, (kind, dimensions) in _ARRAYS.items():
        if data[name].dtype.kind not in kind or data[name].ndim != dimensions:
            raise ValueError(f"{name} is {data[name].dtype} {list(data[name].shape)}")
    lengths, vocabulary = data["lengths"].astype(np.int64), int(data["vocab_size"])
    firsts = data["firsts"].astype(np.int64)
    if {len(data["starts"]), len(firsts)} != {len(lengths)} or len(data["ids"]) != int(lengths.sum()):
        raise ValueError("the lengths of its arrays do not match")
    if firsts.min(initial=0) < 0 or (firsts >= lengths).any():
        raise ValueError("the lengths of its arrays do not match")
    lines = {len(data[name]) for name in ("supervised", "top_ids", "top_logprobs", "tail_mass")}
    if lines != {int((lengths - firsts).sum())}:
        raise ValueError("the lengths of its arrays do not match")
    if data["top_ids"].shape != data["top_logprobs"].shape or not 1 <= data["top_ids"].shape[1] <= vocabulary:
        raise ValueError("its top tokens do not match their log-probabilities")
    for name in ("ids", "top_ids", "greedy_ids"):
        if data[name].size and not 0 <= int(data[name].min()) <= int(data[name].max()) < vocabulary:
            raise ValueError(f"{name} has tokens outside its vocabulary of {vocabulary}")
    if not np.isfinite(data["top_logprobs"]).all() or not np.isfinite(data["tail_mass"]).all():
        raise ValueError("its log-probabilities are not finite")


def questions(prompts: Sequence[Tokens], starts: Sequence[int]) -> list[Tokens]:
    """Each prompt up to its answer, if the answer's start is known: the prompts of ``Reference.greedy``."""
    return [ids[: start + 1] for ids, start in zip(prompts, starts, strict=True) if 0 < start < len(ids)]


def _greedy(prompts: list[np.ndarray], data: Mapping[str, np.ndarray]) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """(prompt up to its answer, the parent's answer) for the first prompts that have a start."""
    asked_prompts, lengths = questions(prompts, data["starts"].tolist()), data["greedy_lengths"].astype(np.int64)
    answers = np.split(data["greedy_ids"], np.cumsum(lengths)[:-1]) if len(lengths) else []
    whole = int(lengths.sum()) == len(data["greedy_ids"]) and lengths.min(initial=0) >= 0
    if not whole or len(answers) > len(asked_prompts):
        raise ValueError("its greedy answers do not match its prompts")
    return tuple(zip(asked_prompts, answers, strict=False))
