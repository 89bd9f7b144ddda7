"""Splits that were not given are carved out of train: by seed, the same share of every label, groups never torn."""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from olivepress.data.examples import SPLITS
from olivepress.data.neighbours import Groups
from olivepress.data.policy import Policy
from olivepress.data.spool import Spool

__all__ = ["carve"]


def carve(spool: Spool, kept: NDArray[np.int64], groups: Groups, policy: Policy) -> NDArray[np.int8]:
    """The split of every row of the spool; those of ``kept`` that are train are shared out where a split is missing.

    Fractions are of all kept rows that no author assigned. Which row goes where follows from the seed and the rows'
    content alone, not from their order or file.
    """
    splits = spool.splits.copy()
    fractions = (("test", policy.test_fraction), ("validation", policy.validation_fraction))
    given = set(np.unique(splits[kept]).tolist())
    missing = [(SPLITS.index(split), fraction) for split, fraction in fractions if SPLITS.index(split) not in given]
    if not missing:
        return splits
    pool = kept[splits[kept] == SPLITS.index("train")]
    by_label = _groups_by_label(spool, pool, groups)
    shuffle = random.Random(policy.seed)
    rows_so_far, taken = 0, dict.fromkeys((split for split, _ in missing), 0)
    for label in sorted(by_label, key=lambda number: "" if number < 0 else spool.labels[number]):
        members = sorted(by_label[label], key=lambda rows: min(spool.pairs[rows].tolist()))
        shuffle.shuffle(members)
        # Shares are rounded over all classes so far: many small ones must not all be rounded to nothing.
        rows_so_far += sum(map(len, members))
        for rows in members:
            for split, fraction in missing:
                if taken[split] + len(rows) <= round(rows_so_far * fraction):
                    splits[rows] = split
                    taken[split] += len(rows)
                    break
    return splits


def _groups_by_label(spool: Spool, pool: NDArray[np.int64], groups: Groups) -> dict[int, list[NDArray[np.int64]]]:
    """Label of its first row → groups of rows."""
    roots = groups.roots()[pool]
    order = np.argsort(roots, kind="stable")
    edges = np.flatnonzero(np.diff(roots[order])) + 1
    found: dict[int, list[NDArray[np.int64]]] = defaultdict(list)
    for rows in np.split(pool[order], edges):
        if len(rows):
            found[int(spool.label_numbers[rows[0]])].append(rows)
    return found
