"""``python -m tests.registry.kills TIMES``: promotions that are killed at random, in the folder where it runs.

With ``stand-in`` after it the registry is one of ours over SQLite, in which each write is a transaction as it is in
MLflow's: a fork that does not open MLflow's store takes a tenth of the time.

Every promotion is a fork of a process that has imported everything, so that the time of the kill falls into the
promotion and not into imports. What they leave is read with sqlite3 and hashlib, not with our own code.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import pickle
import random
import signal
import sqlite3
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

from olivepress.pipeline import promote as pipeline
from olivepress.pipeline.promote import promote_recipe
from olivepress.recipe.schema import load_recipe
from tests.registry.memory_registry import MemoryRegistry
from tests.registry.project import NAME, NOW, TARGET, write_good

LOG = Path("registry", f"{NAME}.jsonl")


class StoredModels(MutableMapping[str, Any]):
    """Models in a file of SQLite: each change is a transaction, opened and closed."""

    def _run(self, statement: str, *values: Any) -> list[Any]:
        database = sqlite3.connect("stand-in.db")
        try:
            with database:
                database.execute("pragma synchronous = off")
                database.execute("create table if not exists models (name text primary key, value blob)")
                return list(database.execute(statement, values))
        finally:
            database.close()

    def __getitem__(self, name: str) -> Any:
        rows = self._run("select value from models where name = ?", name)
        if not rows:
            raise KeyError(name)
        return pickle.loads(rows[0][0])

    def __setitem__(self, name: str, model: Any) -> None:
        self._run("insert or replace into models values (?, ?)", name, pickle.dumps(model))

    def __delitem__(self, name: str) -> None:
        self._run("delete from models where name = ?", name)

    def __iter__(self) -> Iterator[str]:
        return iter([row[0] for row in self._run("select name from models")])

    def __len__(self) -> int:
        return len(list(iter(self)))


def stand_in(_: object = None) -> MemoryRegistry:
    registry = MemoryRegistry()
    registry.models = StoredModels()  # type: ignore[assignment]
    return registry


def promote() -> None:
    promote_recipe(load_recipe(Path("recipes/lamps.yaml")), TARGET, now=NOW)


def announced(write: int) -> Callable[[], None]:
    """``promote``, which writes a byte when the gates are judged and the registry is about to be touched."""
    original = pipeline.promote

    def announce(*arguments: Any, **named: Any) -> Any:
        os.write(write, b"x")
        return original(*arguments, **named)

    def run() -> None:
        pipeline.promote = announce  # type: ignore[assignment]
        promote()

    return run


def started() -> int:
    """A fork that is about to touch the registry."""
    read, write = os.pipe()
    child = fork(announced(write))
    os.close(write)
    assert os.read(read, 1) == b"x"
    os.close(read)
    return child


def fork(action: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        action()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def finish(action: Callable[[], None]) -> None:
    _, status = os.waitpid(fork(action), 0)
    if status:
        raise SystemExit("a promotion that nobody killed failed")


def state() -> dict[str, Any]:
    """Alias, tags and versions as they are in the file."""
    if Path("stand-in.db").exists():
        model = stand_in().read(NAME)
        versions = {number: version.artifact_sha256 for number, version in model.versions.items()}
        return {"champion": model.aliases.get("champion"), "tags": model.tags, "versions": versions}
    with sqlite3.connect("mlflow.db") as database:
        aliases = dict(database.execute("select alias, version from registered_model_aliases where name = ?", (NAME,)))
        tags = dict(database.execute("select key, value from registered_model_tags where name = ?", (NAME,)))
        versions = dict(
            database.execute(
                "select v.version, t.value from model_versions v join model_version_tags t on t.version = v.version "
                "and t.name = v.name where v.name = ? and t.key = 'olivepress.artifact_sha256' "
                "and v.current_stage != 'Deleted_Internal'",
                (NAME,),
            )
        )
    database.close()
    return {"champion": aliases.get("champion"), "tags": tags, "versions": versions}


def lines() -> list[str]:
    return LOG.read_text().splitlines() if LOG.exists() else []


def check_chain(texts: list[str]) -> None:
    previous = "0" * 64
    for number, text in enumerate(texts, start=1):
        line = json.loads(text)
        assert (line["number"], line["previous"]) == (number, previous), text
        previous = hashlib.sha256(text.encode()).hexdigest()


def check_agreement(wanted: int) -> None:
    """The registry is ``wanted``, and the log's last line says so."""
    now, texts = state(), lines()
    check_chain(texts)
    last = json.loads(texts[-1])
    assert now["champion"] == wanted == last["version"], (now, last)
    assert now["versions"][wanted] == last["artifact_sha256"]
    assert now["tags"]["olivepress.head"] == f"{len(texts)} {hashlib.sha256(texts[-1].encode()).hexdigest()}"
    assert "olivepress.pending" not in now["tags"] and set(now["versions"]) == {1, 2}


def main(times: int, *, with_mlflow: bool) -> None:
    os.fsync = lambda _: None  # a killed process loses nothing that it wrote
    if with_mlflow:
        importlib.import_module("mlflow.store.model_registry.sqlalchemy_store")
    else:
        pipeline.MlflowRegistry = stand_in  # type: ignore[assignment,misc]
    chance = random.Random(24)
    for weights in ("a", "b"):
        write_good(weights)
        finish(promote)
    write_good("a")
    child, began = started(), time.monotonic()
    assert os.waitpid(child, 0)[1] == 0
    takes = time.monotonic() - began
    counts = Counter[str]()
    champion = 1
    while counts["kills"] < times:
        other = 3 - champion
        before = lines()
        write_good("ab"[other - 1])
        child = started()
        time.sleep(chance.uniform(0.0, takes))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            counts["too late"] += 1
            takes *= 0.8  # the machine is less busy than it was
            champion = other
            check_agreement(champion)
            continue
        counts["kills"] += 1
        takes *= 1.05
        now, texts = state(), lines()
        check_chain(texts)
        assert now["champion"] in (champion, other) and texts[: len(before)] == before
        counts["new" if now["champion"] == other else "old"] += 1
        pending = now["tags"].get("olivepress.pending")
        counts["in the middle"] += pending is not None
        if pending is None and len(texts) > len(before):
            assert now["champion"] == other
        if now["champion"] == other and len(texts) == len(before):
            assert pending is not None and json.loads(pending)["version"] == other
        finish(promote)
        champion = other
        check_agreement(champion)
        print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), with_mlflow="stand-in" not in sys.argv)
