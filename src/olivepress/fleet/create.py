"""``fleet init``: a new fleet, or more machines and another release for one that is there.

Keys are created first, ``machines.csv`` is written when all are on the disk, and ``fleet.json`` last: after an
interruption the same command goes on.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from olivepress.bundle.archive import read_index
from olivepress.bundle.contents import Bundle
from olivepress.core.artifact import hash_file
from olivepress.core.bounded import read_bytes
from olivepress.core.errors import ReportError, SetupError, UsageError
from olivepress.core.files import write_secret, write_text
from olivepress.core.layout import fleet_dir
from olivepress.core.names import check_name
from olivepress.core.process import exclusive
from olivepress.fleet.machines import Machine, read_machines, write_machines
from olivepress.fleet.records import INDEX, MACHINES, RING_KEY, SECRETS, Fleet, Release, read_fleet, write_fleet
from olivepress.fleet.rings import place, ring_of
from olivepress.fleet.status import fleet_status
from olivepress.registry.signatures import new_pair, secret_key

__all__ = ["Created", "init_fleet"]

_IGNORED = f"{SECRETS}/\n{RING_KEY}\nindex.sqlite*\n.lock\n"
_RING_KEY_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class Created:
    """A fleet with its machines; ``added`` are new, ``keyed`` have a secret key in ``secrets/`` that must be carried
    to them, ``released`` says whether the bundle is a new release."""

    fleet: Fleet
    machines: tuple[Machine, ...]
    added: tuple[str, ...]
    keyed: tuple[str, ...]
    released: bool


def init_fleet(name: str, bundle: Path, machines: Path | None, *, now: datetime) -> Created:
    """Make or extend ``fleets/<name>/``. The same call again changes nothing.

    UsageError for a name or a list of machines that cannot be used; ReportError for what is no bundle.
    """
    try:
        check_name(name)
    except ValueError as error:
        raise UsageError(f"fleet {ascii(name)[:80]}: expected {error}", next_step="choose another name") from None
    wanted = read_machines(machines) if machines else []
    release = _release(bundle, now)
    folder = fleet_dir(name)
    known = _known(folder)
    if not (known or wanted):
        step = f"olivepress fleet init {name} {bundle} --machines FILE"
        raise UsageError(f"{folder}: a new fleet needs its machines", next_step=step)
    with exclusive(folder):
        write_text(folder / ".gitignore", _IGNORED)
        merged = _with_rings(_merged(known, wanted), _ring_key(folder))
        complete = [_with_key(machine, folder / SECRETS) for machine in merged]
        if complete != known:
            _flush()
            write_machines(folder / MACHINES, complete)
            read_machines(folder / MACHINES)  # two files may share a key
        fleet, released = _released(folder, name, release)
    names = {machine.name for machine in known}
    return Created(
        fleet=fleet,
        machines=tuple(complete),
        added=tuple(each.name for each in complete if each.name not in names),
        keyed=tuple(each.name for each in complete if _secret(folder / SECRETS, each.name).is_file()),
        released=released,
    )


def _release(bundle: Path, now: datetime) -> Release:
    contents = read_index(bundle, Bundle)
    return Release(
        number=1,
        bundle=bundle.name,
        bundle_sha256=hash_file(bundle).sha256,
        artifact_sha256=contents.artifact_sha256,
        recipe=contents.recipe,
        job=contents.job,
        added_at=now.isoformat(timespec="seconds"),
    )


def _known(folder: Path) -> list[Machine]:
    path = folder / MACHINES
    return read_machines(path) if path.is_file() else []


def _released(folder: Path, name: str, release: Release) -> tuple[Fleet, bool]:
    """The fleet with this release, and whether it is a new one."""
    if not (folder / "fleet.json").is_file():
        fleet = Fleet(name=name, releases=(release,))
        write_fleet(fleet)
        return fleet, True
    fleet = read_fleet(name)
    if fleet.present.bundle_sha256 == release.bundle_sha256:
        return fleet, False
    if any(release.bundle_sha256 == other.bundle_sha256 for other in fleet.releases):
        raise UsageError(
            f"{release.bundle}: was a release of this fleet before, and its reports are those of that time",
            next_step="give it to the machines without a new release, or start another fleet",
        )
    earlier = (*fleet.releases[:-1], fleet.present.model_copy(update={"stopped": _is_stopped(fleet)}))
    numbered = release.model_copy(update={"number": fleet.present.number + 1})
    fleet = fleet.model_copy(update={"releases": (*earlier, numbered)})
    write_fleet(fleet)
    return fleet, True


def _is_stopped(fleet: Fleet) -> bool:
    """Whether its present release turned out to be worse, by the reports until now."""
    return (fleet.folder / INDEX).is_file() and fleet_status(fleet).decision == "stop"


def _merged(known: Sequence[Machine], wanted: Sequence[Machine]) -> list[Machine]:
    """Those of the fleet with what the new list says of them, and the new ones."""
    machines = {machine.name: machine for machine in known}
    for machine in wanted:
        before = machines.get(machine.name, machine)
        machines[machine.name] = replace(machine, ring=machine.ring or before.ring, key=machine.key or before.key)
    return sorted(machines.values(), key=lambda each: each.name)


def _with_rings(machines: Sequence[Machine], key: bytes) -> list[Machine]:
    """Rings for those that have none. A class without a canary gets one of its new machines as its canary: a release
    that breaks this class alone must not reach the second ring unseen."""
    assigned = [machine if machine.ring else replace(machine, ring=ring_of(key, machine.name)) for machine in machines]
    watched = {machine.device_class for machine in assigned if machine.ring == "canary"}
    first = dict[str, str]()
    for machine in sorted((each for each in machines if not each.ring), key=lambda each: place(key, each.name)):
        if machine.device_class not in watched:
            first.setdefault(machine.device_class, machine.name)
    chosen = set(first.values())
    return [replace(machine, ring="canary") if machine.name in chosen else machine for machine in assigned]


def _ring_key(folder: Path) -> bytes:
    path = folder / RING_KEY
    if not path.is_file():
        write_secret(path, secrets.token_hex(_RING_KEY_BYTES).encode() + b"\n")
    try:
        key = bytes.fromhex(read_bytes(path, 1024, SetupError).decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != _RING_KEY_BYTES:
        raise SetupError(f"{path}: is damaged", next_step="restore it; without it new machines get other rings")
    return key


def _secret(folder: Path, machine: str) -> Path:
    return folder / f"{machine}.key"


def _with_key(machine: Machine, folder: Path) -> Machine:
    """A key pair for a machine that brought no public key; a secret key that an interrupted call left is used."""
    if machine.key:
        return machine
    path = _secret(folder, machine.name)
    if path.is_file():
        try:
            with secret_key(path, "") as key:
                return replace(machine, key=_base64(bytes(key.get_public_key())))
        except UsageError:  # the power went while it was written
            path.unlink()
    text, public = new_pair()
    write_secret(path, text, sync=False)
    return replace(machine, key=_base64(public))


def _flush() -> None:
    """Force the secret keys to the disk before the list names them: all at once, there may be thousands."""
    if hasattr(os, "sync"):  # not on Windows
        os.sync()


def _base64(public: bytes) -> str:
    lines = public.split(b"\n")
    if len(lines) < 2:
        raise ReportError("minisign wrote no public key", next_step="pip install 'olivepress[sign]'")
    return lines[1].decode("ascii").strip()
