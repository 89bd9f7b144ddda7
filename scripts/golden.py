"""Render the workflows of the recipes that ship into olive_configs/, or check that they are up to date (--check)."""

from __future__ import annotations

import sys
from pathlib import Path

from olivepress.core.layout import CONFIGS
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.render import render_files, write_workflows

GOLDEN = (
    "tiny-phi",
    "tiny-tasks",
    "tiny-llama",
    "tiny-qwen",
    "phi",
    "llama",
    "qwen",
    "gemma",
    "mistral",
    "smollm",
    "smollm3",
    "gemma2",
    "granite",
    "ernie",
    "lfm2",
    "ministral",
    "qwen3-5",
)


def main(arguments: list[str]) -> int:
    """0 when all is up to date or was written, 1 naming the first file that is not."""
    checked = 0
    for plan in (one for name in GOLDEN for one in load_plan(name).all):
        name = plan.recipe.name
        if "--check" not in arguments:
            write_workflows(plan)
            continue
        files = render_files(plan)
        extra = set((CONFIGS / name).glob("*")) - set(files) - {CONFIGS / name / "__pycache__"}
        stale = [path for path, text in files.items() if not path.is_file() or path.read_text("utf-8") != text]
        for path in [*stale, *sorted(extra, key=Path.as_posix)]:
            print(f"{path}: out of date; next: make golden")
            return 1
        checked += len(files)
    if "--check" in arguments:
        print(f"{checked} golden files are up to date")
        return 0 if checked else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
