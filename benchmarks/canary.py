"""Which newer versions of the stack are there, and what would they break?

    python benchmarks/canary.py [--environment build-next] [--table [TYPE …]] [--json]

Asks the package index for the newest version of every package that an environment pins, alone and together, and lists
what is newer than the lock. With ``--table`` the newest versions that go together are installed in a temporary folder,
the small models of benchmarks/families.py are built there, and what differs from the recorded evidence is listed.
Nothing of the project is changed. Exit code: 0 nothing is newer, 10 something is, 11 the table differs too.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from families import Place, seen_in
from watching.differences import Difference, differences
from watching.newest import Newer, newer, newest, resolved
from watching.throwaway import newest_python

from olivepress.catalog.evidence import evidence
from olivepress.core.errors import OlivepressError, SetupError, UsageError
from olivepress.core.yaml_document import Record
from olivepress.environments.lookup import environment

UNCHANGED, NEWER, DIFFERS = 0, 10, 11  # what errors exit with is below 10


class Watched(Record):
    """What one environment's packages came to. ``differences`` is None where the table was not made again."""

    environment: str
    newer: tuple[Newer, ...]
    together: bool
    differences: tuple[Difference, ...] | None = None

    @property
    def exit_code(self) -> int:
        if self.differences:
            return DIFFERS
        return NEWER if self.newer else UNCHANGED


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Which newer versions of the stack are there, what would they break?")
    parser.add_argument("--environment", action="append", choices=("build", "build-next"), help="this one (repeatable)")
    parser.add_argument("--table", nargs="*", metavar="TYPE", help="build these model types (or all) with the newest")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(arguments)
    try:
        watched = [watch(name, given.table) for name in given.environment or ["build-next"]]
    except OlivepressError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if given.json:
        print(json.dumps([each.model_dump(mode="json") for each in watched], indent=2))
    else:
        print("\n".join(line for each in watched for line in lines(each)))
    return max(each.exit_code for each in watched)


def watch(name: str, table: Sequence[str] | None) -> Watched:
    """The newer versions, and with ``table`` (model types; none for all) what is built otherwise with them."""
    known = environment(name)
    together = resolved(known)
    watched = Watched(
        environment=name,
        newer=tuple(newer(known.pins, newest(known), together)),
        together=together is not None,
    )
    if table is None or not watched.newer:
        return watched
    if together is None:
        raise SetupError(
            f"{name}: the newest versions cannot be installed together: the table cannot be made",
            next_step="leave --table out",
        )
    with newest_python(known, together) as python:
        after = list(seen_in(Place(environment=name, python=python), table))
    before = evidence(name)
    if strange := sorted(set(table) - {seen.model_type for seen in (*before, *after)}):
        raise UsageError(f"{strange[0]!r} is no model type that transformers knows", next_step="see docs/families.md")
    return watched.model_copy(update={"differences": tuple(differences(before, after, table))})


def lines(watched: Watched) -> list[str]:
    """For a terminal."""
    if not watched.newer:
        return [f"{watched.environment}: nothing is newer than what is locked"]
    shown = [f"{watched.environment}: {len(watched.newer)} packages have newer versions than the lock"]
    for each in watched.newer:
        note = "" if each.resolved == each.newest else f" (with the others: {each.resolved or 'none'})"
        shown.append(f"  {each.package} {each.locked} → {each.newest}{note}")
    if not watched.together:
        shown.append("  the newest versions cannot be installed together")
    if watched.differences is None:
        return shown
    shown.append(f"{watched.environment}: {len(watched.differences)} differences in the table of model types")
    for each in watched.differences:
        variant = f" ({each.variant})" if each.variant else ""
        shown.append(f"  {each.model_type}{variant}, {each.step}: {each.before} → {each.after}")
    return shown


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
