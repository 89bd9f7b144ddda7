from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from olivepress.core.array_file import map_logits
from olivepress.core.errors import JobError
from olivepress.measure.quality.reference_file import read_reference


def arrays(**changes: Any) -> dict[str, Any]:
    return {
        "format": np.int64(5), "vocab_size": np.int64(9), "lengths": np.array([3, 2], np.int32),
        "starts": np.array([1, 1], np.int32), "firsts": np.array([0, 0], np.int32),
        "supervised": np.array([0, 1, 1, 0, 1], np.uint8), "ids": np.arange(5, dtype=np.int32),
        "top_ids": np.zeros((5, 4), np.int32), "top_logprobs": np.zeros((5, 4), np.float32),
        "tail_mass": np.zeros(5, np.float32), "greedy_lengths": np.array([1], np.int32),
        "greedy_ids": np.array([3], np.int32), **changes,
    }  # fmt: skip


def test_a_reference_as_it_is_written(tmp_path: Path) -> None:
    np.savez(tmp_path / "reference.npz", **arrays())
    found = read_reference(tmp_path)
    assert [part.tolist() for part in found.prompts] == [[0, 1, 2], [3, 4]]
    assert found.supervised.tolist() == [False, True, True, False, True]
    assert found.vocab_size == 9 and found.greedy[0][1].tolist() == [3]


def _declared(path: Path) -> None:
    """A header that asks for 8 TB, and 8 bytes."""
    np.savez(path, **arrays())
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<i8", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(path) as old:
        members = {info.filename: old.read(info) for info in old.infolist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, data in members.items():
            new.writestr(name, header.getvalue() + bytes(8) if name == "ids.npy" else data)


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda path: np.savez_compressed(path, **arrays(ids=np.zeros(10**7, np.int32))), "compressed, of 40,00"),
        (_declared, "its header asks for int64"),
        (lambda path: np.savez(path, **arrays(ids=np.array([{}], dtype=object))), "asks for object|Object arrays"),
        (lambda path: np.savez(path, **arrays(more=np.zeros(3))), "do not belong to it"),
        (lambda path: np.savez(path, **arrays(ids=np.full(5, 9, np.int32))), "outside its vocabulary of 9"),
        (lambda path: np.savez(path, **arrays(lengths=np.array([-1, 6], np.int32))), "do not match"),
        (lambda path: np.savez(path, **arrays(firsts=np.array([3, 0], np.int32))), "do not match"),
        (lambda path: np.savez(path, **arrays(firsts=np.array([-1, 0], np.int32))), "do not match"),
        (lambda path: np.savez(path, **arrays(supervised=np.ones(4, np.uint8))), "do not match"),
        (lambda path: np.savez(path, **arrays(top_ids=np.zeros((5, 3), np.int32))), "do not match their log"),
        (lambda path: np.savez(path, **arrays(tail_mass=np.full(5, np.nan, np.float32))), "not finite"),
        (lambda path: np.savez(path, **arrays(format=np.array(["x"]))), "asks for <U1|format is"),
        (lambda path: path.mkdir(), "it is a directory"),
    ],
)
def test_what_unpacks_or_asks_for_more_is_refused(tmp_path: Path, write: Callable[[Path], None], says: str) -> None:
    write(tmp_path / "reference.npz")
    with pytest.raises(JobError, match=says):
        read_reference(tmp_path)


def test_full_logits_are_floats_of_two_dimensions(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3), np.float32))
    assert map_logits(tmp_path / "a.npy").shape == (2, 3)
    np.save(tmp_path / "b.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "c.npy", x=np.zeros(2))
    (tmp_path / "c.npy.npz").rename(tmp_path / "c.npy")
    for name in ("b.npy", "c.npy", "none.npy"):
        with pytest.raises(JobError, match="not logits"):
            map_logits(tmp_path / name)
