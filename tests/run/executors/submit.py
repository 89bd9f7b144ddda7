"""The submitting side of a test as a process of its own, which can be killed: ``python submit.py ADDRESS STORE JOBS``.

JOBS is a JSON object, job → the jobs before it. Everything is written below the working directory.
"""

from __future__ import annotations

import json
import sys

from olivepress.run.executors.cluster import Cluster
from olivepress.run.executors.engine import run_tasks
from olivepress.run.executors.store import open_store
from tests.run.executors.cluster_here import Silent, echoes


def main(address: str, store: str, jobs: str, seconds: str) -> int:
    tasks = echoes(open_store(store, create=True), "submit", json.loads(jobs), seconds=float(seconds))
    with Cluster(address, None, topic="submit", wait_s=60.0) as cluster:
        run_tasks(tasks, cluster, Silent())
    for task in tasks:
        if task.error is not None:
            print(f"{task.name}: {task.error}", file=sys.stderr)
    return 1 if any(task.error or task.dropped for task in tasks) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
