"""A fleet of simulated devices: real keys, real signatures, real files, drawn numbers."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

FOLDER = str(Path(__file__).parents[2] / "benchmarks")
if FOLDER not in sys.path:
    sys.path.insert(0, FOLDER)

from fleet_simulation import Simulated, bundle_file, report_file  # noqa: E402

from olivepress.fleet.create import Created, init_fleet  # noqa: E402
from olivepress.fleet.receive import Imported, import_folder  # noqa: E402
from olivepress.fleet.records import SECRETS, read_fleet  # noqa: E402
from olivepress.fleet.status import FleetStatus, fleet_status  # noqa: E402

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
BUNDLE, INCOMING = Path("tickets.zip"), Path("incoming")


@dataclass
class Desk:
    """The fleet ``shop`` and what its machines send."""

    simulated: Simulated

    def release(self, artifact: str) -> None:
        """Another bundle for the fleet, whose reports follow."""
        sha256 = bundle_file(BUNDLE, artifact)
        self.simulated = replace(
            self.simulated, bundle_sha256=sha256, artifact=artifact, created_at="2026-11-22T08:00:00+00:00"
        )
        init_fleet("shop", BUNDLE, None, now=NOW)

    def send(self, machine: str, name: str = "", **changes: Any) -> Path:
        """A report of a machine, signed, in ``incoming``."""
        path = INCOMING / f"{name or machine}-{self.simulated.artifact}.report.zip"
        path.parent.mkdir(exist_ok=True)
        return report_file(path, self.secret(machine), replace(self.simulated, **changes))

    def secret(self, machine: str) -> Path:
        return read_fleet("shop").folder / SECRETS / f"{machine}.key"

    def receive(self) -> Imported:
        return import_folder(read_fleet("shop"), INCOMING, now=NOW)

    def status(self) -> FleetStatus:
        return fleet_status(read_fleet("shop"))


def new_fleet(rows: str) -> Created:
    """The fleet ``shop`` with these lines of machines."""
    Path("list.csv").write_text(rows, encoding="utf-8")
    return init_fleet("shop", BUNDLE, Path("list.csv"), now=NOW)


def rows(canaries: int, early: int, broad: int, device_class: str = "kiosk") -> str:
    """Machines k000 … in rings of these sizes."""
    names = ["canary"] * canaries + ["early"] * early + ["broad"] * broad
    lines = [f"{device_class[0]}{number:03d},{device_class},{ring}" for number, ring in enumerate(names)]
    return "\n".join(["machine,class,ring", *lines]) + "\n"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Three machines, one in each ring."""
    monkeypatch.chdir(tmp_path)
    sha256 = bundle_file(BUNDLE)
    new_fleet(rows(1, 1, 1))
    return Desk(simulated=Simulated(bundle_sha256=sha256, decode_tps=20.0))
