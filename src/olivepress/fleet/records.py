"""``fleet.json``: the bundles that a fleet has been asked to measure, in their order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from olivepress.bundle.archive import Name, Sha256
from olivepress.core.bounded import CONFIG, read_text
from olivepress.core.errors import ReportError, UsageError
from olivepress.core.files import write_text
from olivepress.core.layout import FLEETS, fleet_dir
from olivepress.core.names import check_name
from olivepress.core.timestamps import Timestamp
from olivepress.core.yaml_document import Record

__all__ = ["INDEX", "MACHINES", "PAGE", "RING_KEY", "SECRETS", "Fleet", "Release", "read_fleet", "write_fleet"]
__all__ += ["the_only_fleet"]

_FLEET = "fleet.json"
MACHINES, RING_KEY, SECRETS = "machines.csv", "ring.key", "secrets"
INDEX, PAGE = "index.sqlite", "report.html"


class Release(Record):
    """One bundle that was given to the fleet. ``stopped``: its rollout was, when the next release was given."""

    number: int = Field(ge=1)
    bundle: str = Field(max_length=255)
    bundle_sha256: Sha256
    artifact_sha256: Sha256
    recipe: Name
    job: Name
    added_at: Timestamp
    stopped: bool = False


class Fleet(Record):
    """A fleet and its releases; the last one is being rolled out."""

    schema_version: Literal[1] = 1
    name: Annotated[str, AfterValidator(check_name)]
    releases: Annotated[tuple[Release, ...], Field(strict=False)]

    @property
    def folder(self) -> Path:
        return fleet_dir(self.name)

    @property
    def present(self) -> Release:
        """The release that is being rolled out."""
        return self.releases[-1]

    @property
    def before(self) -> tuple[Release, ...]:
        """The releases that it is compared with, each machine with the latest that it has reported: a release that was
        stopped is no measure for the next one."""
        return tuple(release for release in self.releases[:-1] if not release.stopped)


def read_fleet(name: str) -> Fleet:
    """UsageError for a fleet that is not here, ReportError for a record that is damaged."""
    path = fleet_dir(name) / _FLEET
    try:
        fleet = Fleet.model_validate_json(read_text(path, CONFIG, ReportError))
    except FileNotFoundError:
        step = f"olivepress fleet init {name} BUNDLE --machines FILE"
        raise UsageError(f"{path.parent}: no such fleet", next_step=step) from None
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ReportError(f"{path}: not the record of a fleet ({reason})", next_step="restore it") from None
    if fleet.name != name or not fleet.releases:
        raise ReportError(f"{path}: not the record of the fleet {name}", next_step="restore it")
    return fleet


def write_fleet(fleet: Fleet) -> None:
    write_text(fleet.folder / _FLEET, json.dumps(fleet.model_dump(mode="json"), indent=1, sort_keys=True) + "\n")


def the_only_fleet() -> str:
    """The name of the fleet of this project. UsageError where there is none, or more than one."""
    names = sorted(path.parent.name for path in FLEETS.glob(f"*/{_FLEET}"))
    if len(names) == 1:
        return names[0]
    if not names:
        step = "olivepress fleet init NAME BUNDLE --machines FILE"
        raise UsageError("there is no fleet here", next_step=step)
    raise UsageError(f"there are {len(names)} fleets here", next_step=f"--fleet {names[0]}")
