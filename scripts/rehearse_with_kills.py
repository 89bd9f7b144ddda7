"""Rehearse MODEL and kill -9 the whole command once in every step, in the middle of its work; then let it finish.

    python scripts/rehearse_with_kills.py phi
    python scripts/rehearse_with_kills.py my-small-model --quick

Exit code 0 means: it finished, and every step was killed at least once and finished exactly once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from olivepress.run.journal import events
from olivepress.workflow.find_recipe import find_recipe

STEPS = ("random-model", "finetune", "merge", "export-cpu-int4", "bench")
# Seconds into a step at which it is killed; the fine-tune is killed once its first checkpoint is whole.
DELAY = {"random-model": 8.0, "merge": 12.0, "export-cpu-int4": 25.0, "bench": 4.0}


def main(model: str, *, quick: bool = False) -> int:
    """Returns 1 when a step was not killed or did not finish exactly once; ``quick`` is for small models."""
    command = [sys.executable, "-c", "from olivepress.cli.main import main; main()", "rehearse", model, "--keep"]
    work = Path("runs", f"rehearsal-{find_recipe(model)[0].name}")
    for step in STEPS:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = _count(work)[step, "started"]
        while _count(work)[step, "started"] == before and process.poll() is None:
            time.sleep(0.1)
        if step == "finetune":
            # Any checkpoint: of a small model the first is replaced before one looks.
            while not list(work.glob(".training/*/checkpoint-*/trainer_state.json")) and process.poll() is None:
                time.sleep(0.1)
        else:
            time.sleep(0.3 if quick else DELAY[step])
        if process.poll() is not None:
            print(f"{step}: the command ended before it could be killed")
            return 1
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        print(f"{step}: killed with -9", flush=True)
    # Without --keep this time: the models go, the table stays; what the journal said is read before.
    process = subprocess.Popen(command)
    if process.wait() != 0:
        return 1
    count = _count(work)
    for step in STEPS:
        print(f"{step}: started {count[step, 'started']}, finished {count[step, 'finished']}")
    whole = all(count[step, "finished"] == 1 and count[step, "started"] >= 2 for step in STEPS)
    return 0 if whole and subprocess.run(command[:-1], stdout=subprocess.DEVNULL).returncode == 0 else 1


def _count(work: Path) -> Counter[tuple[str, str]]:
    return Counter((event["job"], event["event"]) for event in events(work / "journal.jsonl"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], quick="--quick" in sys.argv))
