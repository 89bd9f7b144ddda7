"""Missing splits are taken from train by the hash of each group, so that a row keeps its split.

A group (near duplicates, equal prompts) is identified by the smallest digest of its rows' prompts. The hash of seed and
digest is a number from 0 to 1: below ``test_fraction`` it is test, below the sum of both fractions validation, else
train. So neither the order of rows nor other rows matter, with one exception: a class (or all rows, without classes)
gets its exact share of a split if that is four rows or fewer, and of a larger one at least half and at most one and a
half (5 rows: 1 to 10, 10 rows: 3 to 17). Then rows next to the border move, by their hash.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olivepress.data.dedup.neighbors import Groups
from olivepress.data.dedup.shingles import mix_bits
from olivepress.data.policy import Policy
from olivepress.data.store.examples import SPLITS
from olivepress.data.store.row_store import RowStore, digest64

__all__ = ["assign_splits"]

_FEW = 4  # rows of a share that is assigned exactly
_LARGEST_SHARE = 3  # a third: a group up to this size may be a split of its own if there is no smaller one


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Group:
    """``place``: a number from 0 to 1 that decides its split."""

    place: float
    rows: NDArray[np.int64]


def assign_splits(store: RowStore, kept: NDArray[np.int64], groups: Groups, policy: Policy) -> NDArray[np.int8]:
    """The split of every row of the store; ``kept`` rows of train are distributed to the splits that are missing.

    Fractions are of all kept rows without a given split.
    """
    splits = store.splits.copy()
    given = set(np.unique(splits[kept]).tolist())
    fractions = {
        SPLITS.index("test"): policy.test_fraction,
        SPLITS.index("validation"): policy.validation_fraction,
    }
    missing = [(split, fraction) for split, fraction in fractions.items() if split not in given]
    if not missing:
        return splits
    pool = kept[splits[kept] == SPLITS.index("train")]
    for stratum in _strata(store, pool, groups, policy.seed, min(fraction for _, fraction in missing)):
        _distribute(stratum, missing, splits)
    return splits


def _distribute(stratum: list[_Group], missing: list[tuple[int, float]], splits: NDArray[np.int8]) -> None:
    rest = sorted(stratum, key=lambda group: group.place)
    total, border = sum(len(group.rows) for group in stratum), 0.0
    for split, fraction in missing:
        border += fraction
        minimum, maximum = _limits(total, fraction)
        taken, left = 0, list[_Group]()
        for group in rest:
            if (group.place < border or taken < minimum) and taken + len(group.rows) <= maximum:
                splits[group.rows] = split
                taken += len(group.rows)
            else:
                left.append(group)
        smallest = min(left, key=lambda group: len(group.rows), default=None)
        if smallest and minimum and not taken and len(smallest.rows) * _LARGEST_SHARE <= total:
            splits[smallest.rows] = split
            left.remove(smallest)
        rest = left


def _limits(rows: int, fraction: float) -> tuple[int, int]:
    """The minimum and maximum number of a stratum's rows in a split."""
    share = rows * fraction
    # By hash a share has a standard deviation of about sqrt(share); only deviations far beyond it are corrected.
    slack = int(max(share / 2, 2.5 * share**0.5)) if share > _FEW else 0
    return max(round(share) - slack, min(1, round(share))), round(share) + slack


def _strata(store: RowStore, pool: NDArray[np.int64], groups: Groups, seed: int, fraction: float) -> list[list[_Group]]:
    """Groups by the class of their row with the smallest digest; too small classes are joined."""
    if not len(pool):
        return []
    roots = groups.roots()[pool]
    order = np.lexsort((store.contents[pool], store.prompts[pool], roots))
    first = np.flatnonzero(np.concatenate([[True], np.diff(roots[order]) != 0]))
    digests = store.prompts[pool[order[first]]]
    places = mix_bits(digests ^ np.uint64(digest64(f"{seed}:split"))) / 2.0**64
    labels = store.label_numbers[pool[order[first]]]
    by_label: dict[int, list[_Group]] = defaultdict(list)
    for place, label, rows in zip(places.tolist(), labels.tolist(), np.split(pool[order], first[1:]), strict=True):
        by_label[label].append(_Group(place=place, rows=rows))
    strata, small = list[list[_Group]](), list[_Group]()
    for stratum in by_label.values():
        if sum(len(group.rows) for group in stratum) * fraction >= 1:
            strata.append(stratum)
        else:
            small += stratum
    return [*strata, small]
