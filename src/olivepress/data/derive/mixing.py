"""Several datasets in one: tasks mixed by weight, and replay of earlier versions for continual learning."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from olivepress.core.errors import DataError
from olivepress.data.dedup.decisions import DUPLICATE
from olivepress.data.derive.derivation import (
    Derivation,
    NewRow,
    derive_row,
    held_out_rows,
    question_of,
    row_keys,
    sample_rows,
    shuffle_rows,
    train_rows,
    with_question,
    without_leaks,
)
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.examples import Example

__all__ = ["REPLAY_SHARE", "REPLAY_VERSIONS", "continued", "mix", "replay", "shares_of"]

REPLAY_SHARE, REPLAY_VERSIONS = 0.2, 3


def shares_of(total: int, weights: Sequence[float]) -> list[int]:
    """``total`` divided by weight with the largest remainder method: no share is off by a whole row."""
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

    ``prefixes``: name of a dataset → text put before its questions, in every split. ``rows``: number of training rows;
    by default the most without repetition. Rows that several datasets have are kept once: in test before validation
    before train, and within a split in the first dataset. Raises DataError if a dataset is given twice, or has fewer
    rows than its share.
    """
    prefixes = prefixes or {}
    _check_named_once(datasets, prefixes)
    operations = [f"mix {dataset.name} {weight:g}" for dataset, weight in zip(datasets, weights, strict=True)]
    derivation = Derivation(datasets, name, operations)
    held_out = _held_out(derivation, datasets, prefixes)
    known: set[int] = set()
    pools = []
    for dataset in datasets:
        tagged = _tagged(_pool(derivation, dataset, datasets), dataset, prefixes.get(dataset.name, ""))
        pools.append(_unknown(derivation, tagged, known))
    most = min(len(pool) * sum(weights) / weight for pool, weight in zip(pools, weights, strict=True))
    counts = shares_of(int(most) if rows is None else rows, weights)
    train: list[NewRow] = []
    for dataset, pool, count in zip(datasets, pools, counts, strict=True):
        if count > len(pool):
            raise DataError(
                f"{dataset.name}: its share is {count} rows, it has {len(pool)}",
                next_step=f"--rows {int(most)} or fewer",
            )
        train += sample_rows(pool, count, f"{seed}:mix")
        derivation.left_out[f"{dataset.name}-{dataset.version[:12]}"] = len(pool) - count
    return derivation.finish(shuffle_rows(train, seed), held_out)


def _check_named_once(datasets: Sequence[Dataset], prefixes: Mapping[str, str]) -> None:
    if unknown := set(prefixes) - {dataset.name for dataset in datasets}:
        raise DataError(
            f"--prefix {min(unknown)}: no dataset of that name is given",
            next_step=f"--prefix {shlex.quote(f'{datasets[0].name}=TEXT')}",
        )
    versions: set[str] = set()
    for dataset in datasets:
        if dataset.version in versions:
            message = f"{dataset.name}-{dataset.version[:12]}: is given twice"
            raise DataError(message, next_step="name each dataset once, with its weight")
        versions.add(dataset.version)


def _held_out(
    derivation: Derivation, datasets: Sequence[Dataset], prefixes: Mapping[str, str]
) -> dict[str, list[NewRow]]:
    """Validation and test of all datasets, without repeated rows and without validation rows that another one tests."""
    held_out: dict[str, list[NewRow]] = {"validation": [], "test": []}
    known: dict[str, set[int]] = {"validation": set(), "test": set()}
    for dataset in datasets:
        splits = held_out_rows(dataset)
        tests = [other.splits["test"] for other in datasets if other is not dataset]
        splits["validation"] = _without_leaks(derivation, splits["validation"], tests)
        for split, rows in splits.items():
            tagged = _tagged(rows, dataset, prefixes.get(dataset.name, ""))
            held_out[split] += _unknown(derivation, tagged, known[split])
    return held_out


def _without_leaks(
    derivation: Derivation, rows: Sequence[NewRow], held_out: Sequence[Sequence[Example]]
) -> list[NewRow]:
    kept, leaks = without_leaks(rows, held_out, among=False)
    for row, reason in leaks:
        derivation.drop(row, reason)
    return kept


def _unknown(derivation: Derivation, rows: Sequence[NewRow], known: set[int]) -> list[NewRow]:
    """Rows that no earlier dataset has; they are added to ``known``. Repetitions within one dataset stay."""
    keys = [row_keys(row.example).pair for row in rows]
    for row, key in zip(rows, keys, strict=True):
        if key in known:
            derivation.drop(row, DUPLICATE)
    kept = [row for row, key in zip(rows, keys, strict=True) if key not in known]
    known.update(keys)
    return kept


def _pool(derivation: Derivation, dataset: Dataset, datasets: Sequence[Dataset]) -> list[NewRow]:
    """Training rows of a dataset that no other one holds out."""
    others = [other for other in datasets if other is not dataset]
    held_out = [other.splits[split] for other in others for split in ("validation", "test")]
    return _without_leaks(derivation, train_rows(dataset), held_out)


def _tagged(rows: Sequence[NewRow], dataset: Dataset, prefix: str) -> list[NewRow]:
    operation = f"mixed from {dataset.name}-{dataset.version[:12]}"
    tagged = []
    for row in rows:
        example = row.example
        if prefix:
            example = with_question(example, prefix + question_of(example))
        tagged.append(derive_row(row, example, operation))
    return tagged


def replay(
    new: Dataset, earlier: Sequence[Dataset], *, name: str, share: float = REPLAY_SHARE, seed: int = 0
) -> Dataset:
    """``new`` with training rows of its last three earlier versions, which make up ``share`` of all (default 20 %).

    The count is exact: new rows * share / (1 - share), rounded, in equal parts. Rows that ``new`` has too, or holds
    out, are not taken. Held-out rows are those of ``new``. Raises DataError when the earlier versions are too small.
    """
    if not 0 < share < 1:
        raise DataError(f"--share {share}: expected a share between 0 and 1", next_step="--share 0.2")
    derivation = Derivation([new, *earlier[-REPLAY_VERSIONS:]], name, [f"replay {share:g}"])
    return _with_replay(derivation, new, train_rows(new), earlier, share, seed)


def continued(
    new: Dataset, earlier: Sequence[Dataset], *, name: str, share: float = REPLAY_SHARE, seed: int = 0
) -> Dataset:
    """As ``replay``, for a model that is tested on the earlier versions again: without training rows of ``new`` that
    repeat a test row of any of them, and without replayed rows of one that another one tests. A share of 0 replays
    nothing."""
    if not 0 <= share < 1:
        raise DataError(f"--share {share}: expected a share from 0 to below 1", next_step="--share 0.2")
    replayed = earlier[-REPLAY_VERSIONS:] if share else []
    derivation = Derivation([new, *replayed], name, [f"continue {share:g}"])
    tests = [each.splits["test"] for each in earlier]
    rows = _without_leaks(derivation, train_rows(new), tests)
    return _with_replay(derivation, new, rows, replayed, share, seed, tested=earlier)


def _with_replay(
    derivation: Derivation,
    new: Dataset,
    rows: Sequence[NewRow],
    earlier: Sequence[Dataset],
    share: float,
    seed: int,
    *,
    tested: Sequence[Dataset] = (),
) -> Dataset:
    """``rows`` of ``new``, and of the last earlier versions as many as make up ``share`` of all.

    None of them repeats a row that ``new`` holds out, or that another one of ``tested`` tests.
    """
    earlier = earlier[-REPLAY_VERSIONS:]
    wanted = round(len(rows) * share / (1 - share))
    known = {row.example.id for row in rows}
    held_out = [new.splits[split] for split in ("validation", "test")]
    replayed: list[NewRow] = []
    for old, count in zip(earlier, shares_of(wanted, [1.0] * len(earlier)), strict=True):
        fresh = [row for row in train_rows(old) if row.example.id not in known]
        tests = [each.splits["test"] for each in tested if each.version != old.version]
        pool = _without_leaks(derivation, fresh, [*held_out, *tests])
        if count > len(pool):
            raise DataError(
                f"{old.name}-{old.version[:12]}: its part of the replay is {count} rows, it has {len(pool)} that are "
                "neither new nor held out",
                next_step="a smaller --share, or other earlier versions",
            )
        taken = sample_rows(pool, count, f"{seed}:replay")
        known.update(row.example.id for row in taken)
        operation = f"replayed from {old.name}-{old.version[:12]}"
        replayed += [derive_row(row, row.example, operation) for row in taken]
    return derivation.finish(shuffle_rows([*rows, *replayed], seed), held_out_rows(new))
