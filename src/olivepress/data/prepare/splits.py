"""Splits that were not given are carved out of train by the hash of each group, so that a row keeps its split.

A group (near duplicates, equal prompts) is named by the smallest digest of its rows' prompts. The hash of seed and name
is a number from 0 to 1: below ``test_fraction`` it is test, below the sum of both fractions validation, else train. So
neither the order of rows nor other rows decide, but for one exception: a class (or all rows, where there are none) gets
its exact share of a split while that is four rows or fewer, and of a larger one no less than half and no more than one
and a half (5 rows: 1 to 10, 10 rows: 3 to 17). There rows next to the border move, by their hash.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olivepress.data.dedup.neighbors import Groups
from olivepress.data.dedup.shingles import mixed
from olivepress.data.prepare.policy import Policy
from olivepress.data.store.examples import SPLITS
from olivepress.data.store.row_store import Spool, digest64

__all__ = ["carve"]

_FEW = 4  # rows of a share that are dealt exactly
_LARGEST_SHARE = 3  # a third: a group that is no larger may be a split of its own when nothing smaller is there


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Group:
    """``place``: from 0 to 1, by which it is dealt."""

    place: float
    rows: NDArray[np.int64]


def carve(spool: Spool, kept: NDArray[np.int64], groups: Groups, policy: Policy) -> NDArray[np.int8]:
    """The split of every row of the spool; those of ``kept`` that are train are shared out where a split is missing.

    Fractions are of all kept rows that no author assigned.
    """
    splits = spool.splits.copy()
    fractions = (("test", policy.test_fraction), ("validation", policy.validation_fraction))
    given = set(np.unique(splits[kept]).tolist())
    missing = [(SPLITS.index(split), fraction) for split, fraction in fractions if SPLITS.index(split) not in given]
    if not missing:
        return splits
    pool = kept[splits[kept] == SPLITS.index("train")]
    for stratum in _strata(spool, pool, groups, policy.seed, min(fraction for _, fraction in missing)):
        _deal(stratum, missing, splits)
    return splits


def _deal(stratum: list[_Group], missing: list[tuple[int, float]], splits: NDArray[np.int8]) -> None:
    rest = sorted(stratum, key=lambda group: group.place)
    total, border = sum(len(group.rows) for group in stratum), 0.0
    for split, fraction in missing:
        border += fraction
        least, most = _limits(total, fraction)
        taken, left = 0, list[_Group]()
        for group in rest:
            if (group.place < border or taken < least) and taken + len(group.rows) <= most:
                splits[group.rows] = split
                taken += len(group.rows)
            else:
                left.append(group)
        smallest = min(left, key=lambda group: len(group.rows), default=None)
        if smallest and least and not taken and len(smallest.rows) * _LARGEST_SHARE <= total:
            splits[smallest.rows] = split
            left.remove(smallest)
        rest = left


def _limits(rows: int, fraction: float) -> tuple[int, int]:
    """The fewest and the most rows of a stratum that a split gets."""
    share = rows * fraction
    # By hash a share has a standard deviation of sqrt(share), nearly; only what is far beyond it is corrected.
    slack = int(max(share / 2, 2.5 * share**0.5)) if share > _FEW else 0
    return max(round(share) - slack, min(1, round(share))), round(share) + slack


def _strata(spool: Spool, pool: NDArray[np.int64], groups: Groups, seed: int, fraction: float) -> list[list[_Group]]:
    """Groups by the class of their row with the smallest digest; classes with no whole row of a share go together."""
    if not len(pool):
        return []
    roots = groups.roots()[pool]
    order = np.lexsort((spool.contents[pool], spool.prompts[pool], roots))
    first = np.flatnonzero(np.concatenate([[True], np.diff(roots[order]) != 0]))
    names = spool.prompts[pool[order[first]]]
    places = mixed(names ^ np.uint64(digest64(f"{seed}:split"))) / 2.0**64
    labels = spool.label_numbers[pool[order[first]]]
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
