"""``python -m tests.registry.races TIMES``: two promotions of one artifact at once, in the folder where it runs.

Both have judged the gates, and begin to touch the registry at the same moment. How often the second was refused, and
how often it found that the artifact is the champion already, is printed as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from olivepress.core.errors import JobError
from olivepress.pipeline import promote as pipeline
from olivepress.pipeline.promote import promote_recipe
from olivepress.recipe.schema import load_recipe
from tests.registry.kills import check_agreement, finish, fork, lines, promote, stand_in
from tests.registry.project import NOW, TARGET, write_good

PROMOTED, ALREADY, REFUSED = 0, 3, 4


def waiting(ready: int, go: int) -> Callable[[], None]:
    """A promotion that waits for a byte before it touches the registry; its exit code is what became of it."""
    original = pipeline.promote

    def wait(*arguments: Any, **named: Any) -> Any:
        os.write(ready, b"x")
        os.read(go, 1)
        return original(*arguments, **named)

    def run() -> None:
        signal.alarm(600)  # it waits for nobody whose parent has ended
        pipeline.promote = wait  # type: ignore[assignment]
        try:
            done = promote_recipe(load_recipe(Path("recipes/lamps.yaml")), TARGET, now=NOW)
        except JobError:
            os._exit(REFUSED)
        os._exit(ALREADY if done.already else PROMOTED)

    return run


def race() -> list[int]:
    """The exit codes of two promotions at once."""
    is_ready, ready = os.pipe()
    go, begin = os.pipe()
    children = [fork(waiting(ready, go)) for _ in range(2)]
    os.close(ready)
    for _ in children:
        assert os.read(is_ready, 1) == b"x"
    os.write(begin, b"xx")
    for end in (is_ready, go, begin):
        os.close(end)
    return sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


def main(times: int) -> None:
    pipeline.MlflowRegistry = stand_in  # type: ignore[assignment,misc]
    for weights in ("a", "b"):
        write_good(weights)
        finish(promote)
    champion, counts = 2, Counter[str]()
    for _ in range(times):
        before, champion = lines(), 3 - champion
        write_good("ab"[champion - 1])
        first, second = race()
        assert first == PROMOTED and second in (ALREADY, REFUSED), (first, second)
        counts["refused" if second == REFUSED else "already"] += 1
        assert lines()[:-1] == before, "promoted twice, or not at all"
        check_agreement(champion)
    print(json.dumps(counts))


if __name__ == "__main__":
    main(int(sys.argv[1]))
