"""Several datasets in one: tasks mixed by weight, and replay of earlier versions for continual learning."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from olivepress.core.errors import DataError
from olivepress.data.dedup.duplicates import DUPLICATE
from olivepress.data.derive.derive import (
    Derivation,
    NewRow,
    chosen,
    held_out_rows,
    made,
    question_of,
    row_keys,
    shuffled,
    train_rows,
    with_question,
    without_leaks,
)
from olivepress.data.store.dataset import Dataset

__all__ = ["REPLAY_SHARE", "REPLAY_VERSIONS", "mix", "replay", "shares_of"]

REPLAY_SHARE, REPLAY_VERSIONS = 0.2, 3


def shares_of(total: int, weights: Sequence[float]) -> list[int]:
    """``total`` shared out by weight, by largest remainder: none is off by a whole row."""
    exact = [total * weight / sum(weights) for weight in weights]
    counts = [int(share) for share in exact]
    order = sorted(range(len(weights)), key=lambda i: (counts[i] - exact[i], i))
    for place in order[: total - sum(counts)]:
        counts[place] += 1
    return counts


def mix(
    datasets: Sequence[Dataset],
    weights: Sequence[float],
    *,
    name: str,
    prefixes: Mapping[str, str] | None = None,
    rows: int | None = None,
    seed: int = 0,
) -> Dataset:
    """Training rows of all datasets in the shares of ``weights``, shuffled; held-out rows of all of them.

    ``prefixes``: name of a dataset → what is put before its questions, in every split. ``rows``: of training; when None
    as many as no dataset must repeat for. What several datasets hold stays once: in test before validation before
    train, and in a split with the first dataset. Raises DataError when a dataset is given twice, or has fewer rows than
    its share.
    """
    prefixes = prefixes or {}
    _check_named_once(datasets, prefixes)
    operations = [f"mix {one.name} {weight:g}" for one, weight in zip(datasets, weights, strict=True)]
    derivation = Derivation(datasets, name, operations)
    held_out = _held_out(derivation, datasets, prefixes)
    known: set[int] = set()
    pools = [
        _fresh(derivation, _tagged(_pool(derivation, one, datasets), one, prefixes.get(one.name, "")), known)
        for one in datasets
    ]
    most = min(len(pool) * sum(weights) / weight for pool, weight in zip(pools, weights, strict=True))
    counts = shares_of(int(most) if rows is None else rows, weights)
    train: list[NewRow] = []
    for one, pool, count in zip(datasets, pools, counts, strict=True):
        if count > len(pool):
            raise DataError(
                f"{one.name}: {count} rows are its share, it has {len(pool)}", next_step=f"--rows {int(most)} or fewer"
            )
        train += chosen(pool, count, f"{seed}:mix")
        derivation.left_out[f"{one.name}-{one.version[:12]}"] = len(pool) - count
    return derivation.finish(shuffled(train, seed), held_out)


def _check_named_once(datasets: Sequence[Dataset], prefixes: Mapping[str, str]) -> None:
    if unknown := set(prefixes) - {one.name for one in datasets}:
        raise DataError(
            f"--prefix {min(unknown)}: no dataset of that name is mixed",
            next_step=f"--prefix {shlex.quote(f'{datasets[0].name}=TEXT')}",
        )
    versions: set[str] = set()
    for one in datasets:
        if one.version in versions:
            message = f"{one.name}-{one.version[:12]}: is mixed with itself"
            raise DataError(message, next_step="name each dataset once, with its weight")
        versions.add(one.version)


def _held_out(
    derivation: Derivation, datasets: Sequence[Dataset], prefixes: Mapping[str, str]
) -> dict[str, list[NewRow]]:
    """Validation and test of all datasets, without what another one tests and without rows that stand there twice."""
    found: dict[str, list[NewRow]] = {"validation": [], "test": []}
    known: dict[str, set[int]] = {"validation": set(), "test": set()}
    for one in datasets:
        held = held_out_rows(one)
        tests = [other.splits["test"] for other in datasets if other is not one]
        held["validation"], leaks = without_leaks(held["validation"], tests, among=False)
        for row, why in leaks:
            derivation.drop(row, why)
        for split, rows in held.items():
            found[split] += _fresh(derivation, _tagged(rows, one, prefixes.get(one.name, "")), known[split])
    return found


def _fresh(derivation: Derivation, rows: Sequence[NewRow], known: set[int]) -> list[NewRow]:
    """Rows that none of the earlier datasets has (``known``, which they join); what a dataset repeats itself stays."""
    keys = [row_keys(row.example).pair for row in rows]
    for row, key in zip(rows, keys, strict=True):
        if key in known:
            derivation.drop(row, DUPLICATE)
    kept = [row for row, key in zip(rows, keys, strict=True) if key not in known]
    known.update(keys)
    return kept


def _pool(derivation: Derivation, one: Dataset, datasets: Sequence[Dataset]) -> list[NewRow]:
    """Training rows of a dataset that no other one holds out."""
    others = [other.splits[split] for other in datasets if other is not one for split in ("validation", "test")]
    kept, leaks = without_leaks(train_rows(one), others, among=False)
    for row, why in leaks:
        derivation.drop(row, why)
    return kept


def _tagged(rows: Sequence[NewRow], dataset: Dataset, prefix: str) -> list[NewRow]:
    how = f"mixed from {dataset.name}-{dataset.version[:12]}"
    return [
        made(row, with_question(row.example, prefix + question_of(row.example)) if prefix else row.example, how)
        for row in rows
    ]


def replay(
    new: Dataset, earlier: Sequence[Dataset], *, name: str, share: float = REPLAY_SHARE, seed: int = 0
) -> Dataset:
    """``new`` with training rows of its last three earlier versions, so that these are ``share`` of all (default 20 %).

    The count is exact: new rows * share / (1 - share), rounded, in equal parts. Rows that ``new`` has too, or holds
    out, are no replay. Held-out rows are those of ``new``. Raises DataError when the earlier versions are too small.
    """
    earlier = earlier[-REPLAY_VERSIONS:]
    if not 0 < share < 1:
        raise DataError(f"--share {share}: expected a share between 0 and 1", next_step="--share 0.2")
    derivation = Derivation([new, *earlier], name, [f"replay {share:g}"])
    rows = train_rows(new)
    wanted = round(len(rows) * share / (1 - share))
    known = {row.example.id for row in rows}
    held_out = [new.splits[split] for split in ("validation", "test")]
    replayed: list[NewRow] = []
    for old, count in zip(earlier, shares_of(wanted, [1.0] * len(earlier)), strict=True):
        fresh = [row for row in train_rows(old) if row.example.id not in known]
        pool, leaks = without_leaks(fresh, held_out, among=False)
        for row, why in leaks:
            derivation.drop(row, why)
        if count > len(pool):
            raise DataError(
                f"{old.name}-{old.version[:12]}: {count} rows are its part of the replay, it has {len(pool)} that are "
                "neither new nor held out",
                next_step="a smaller --share, or other earlier versions",
            )
        taken = chosen(pool, count, f"{seed}:replay")
        known.update(row.example.id for row in taken)
        how = f"replayed from {old.name}-{old.version[:12]}"
        replayed += [made(row, row.example, how) for row in taken]
    return derivation.finish(shuffled([*rows, *replayed], seed), held_out_rows(new))
