"""What bench, import and report add to the records of runs, and the sending of what is left."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from olivepress.core.errors import OlivepressError
from olivepress.recipe.schema import load_recipe, recipe_files

if TYPE_CHECKING:
    from olivepress.pipeline.report import Page

__all__ = ["track_results"]

_FIGURES = "plots"


def track_results(*, reports: Iterable[Path] = (), pages: Iterable[Page] = ()) -> None:
    """Record device reports with the runs of their artifacts and pages with their recipes, and send them.

    Nothing is raised: what is wrong is a line on stderr. Called at the end of a command, which then waits for the
    store, for a limited time.
    """
    from olivepress.report.device_report import read_report
    from olivepress.track.measured import record_files, record_report
    from olivepress.track.sender import print_warning, send_now
    from olivepress.track.store import store_here

    wanted = set[bool | None]()
    try:
        store = store_here()
        for path in reports:
            if path.suffix == ".json":  # a report to carry back is recorded where it is imported
                known, wants = _wants_tracking(read_report(path).recipe)
                wanted.add(wants)
                own = store_here(wants) if known else None
                record_report(path, own.name if own else None, print_warning)
        for page in pages:
            wanted.add(_wants_tracking(page.files["html"].parent.parent.name)[1])
            folder = page.files["html"].parent
            figures = sorted((folder / _FIGURES).glob("*.png"))
            record_files(folder.parent.name, [*sorted(page.files.values()), *figures], print_warning)
        send_now(store_here(False) if wanted == {False} else store, print_warning)
    except (OlivepressError, OSError, ValueError, NotImplementedError) as error:
        print_warning(f"tracking: {error}")


def _wants_tracking(recipe: str) -> tuple[bool, bool | None]:
    """Whether there is a recipe of this name, and what it says of tracking."""
    try:
        path = recipe_files().get(recipe)
        return (False, None) if path is None else (True, load_recipe(path).wants_tracking)
    except (OlivepressError, OSError):
        return False, None
