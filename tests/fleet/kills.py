"""``python -m tests.fleet.kills TIMES``: imports that are killed at random, in the folder where it runs.

Every import is a fork of a process that has imported everything, so that the time of the kill falls into the import.
What they leave is read with sqlite3, not with our own code. Prints what happened as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from olivepress.fleet import receive
from olivepress.fleet.receive import import_folder
from olivepress.fleet.records import read_fleet
from tests.fleet.conftest import INCOMING, NOW

INDEX = Path("fleets", "shop", "index.sqlite")


def state() -> tuple[list[Any], list[Any]]:
    """Reports and files of the index; none before it is there."""
    if not INDEX.exists():
        return [], []
    connection = sqlite3.connect(INDEX)
    try:
        reports = connection.execute("select sha256, machine, record from reports order by 1").fetchall()
        files = connection.execute("select path, kind, machine from files order by 1").fetchall()
        scores = connection.execute("select count(*) from scores").fetchone()[0]
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    except sqlite3.OperationalError:  # killed before its tables were there
        return [], []
    finally:
        connection.close()
    assert scores == len(reports), "a report without its scores"
    accepted = [machine for _, kind, machine in files if not kind]
    assert Counter(accepted) == Counter(machine for _, machine, _ in reports), "a file without its report"
    return reports, files


def started() -> int:
    """A fork that imports, with chunks of a few files."""
    child = os.fork()
    if child == 0:
        receive.CHUNK = 4
        import_folder(read_fleet("shop"), INCOMING, now=NOW)
        os._exit(0)
    return child


def main() -> None:
    rng = random.Random(25)
    INDEX.unlink(missing_ok=True)
    begin = time.monotonic()
    assert os.waitpid(started(), 0)[1] == 0
    whole, seconds = state(), time.monotonic() - begin
    outcomes = Counter[str]()
    for _ in range(int(sys.argv[1])):
        INDEX.unlink()
        for journal in INDEX.parent.glob("index.sqlite-*"):
            journal.unlink()
        children = [started() for _ in range(rng.choice((1, 1, 2)))]
        time.sleep(rng.random() * seconds)
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)
        left = len(state()[0])  # nothing half
        outcomes[{0: "nothing", len(whole[0]): "all"}.get(left, "some")] += 1
        assert os.waitpid(started(), 0)[1] == 0
        assert state() == whole, "something is lost or there twice"
    print(json.dumps({"reports": len(whole[0]), "refused": len(whole[1]) - len(whole[0]), **outcomes}))


if __name__ == "__main__":
    main()
