"""A line of the log with the reports of many machines, in a registry whose columns end at 5,000 characters."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from olivepress.core.errors import SetupError
from olivepress.registry.audit import audit
from olivepress.registry.audit_log import LogLine, line_text
from olivepress.registry.mlflow_registry import PENDING, MlflowRegistry
from olivepress.registry.moves import current, move
from olivepress.registry.store import registry_here
from tests.registry.project import NAME

TRIGGER = """
create trigger {when}_too_long before {when} on registered_model_tags when length(new.value) > 5000
begin select raise(abort, 'value too long for type character varying(5000)'); end
"""


@pytest.fixture
def registry(registry_file: Path) -> MlflowRegistry:
    """As PostgreSQL and MySQL are, and SQLite is not by itself."""
    with closing(sqlite3.connect(registry_file)) as database:
        for when in ("insert", "update"):
            database.execute(TRIGGER.format(when=when))
        database.commit()
    registry = MlflowRegistry(registry_here())
    registry.create_model(NAME, "lamps", "cpu-int4")
    return registry


def keys() -> list[str]:
    tags = MlflowClient("sqlite:///mlflow.db", registry_uri="sqlite:///mlflow.db").get_registered_model(NAME).tags
    return sorted(key for key in tags if key.startswith(PENDING))


def test_the_column_is_as_short_as_that_of_a_team(registry: MlflowRegistry) -> None:
    client = MlflowClient("sqlite:///mlflow.db", registry_uri="sqlite:///mlflow.db")
    with pytest.raises(Exception, match="value too long"):
        client.set_registered_model_tag(NAME, PENDING, "x" * 5001)


@pytest.mark.parametrize("length", [0, 1, 4000, 4001, 8000, 12_345])
def test_a_value_is_read_as_it_was_written(length: int, registry: MlflowRegistry) -> None:
    value = "".join(chr(97 + place % 26) for place in range(length))
    registry.set_tag(NAME, PENDING, value)
    assert registry.read(NAME).tags[PENDING] == value
    assert len(keys()) == max(1, -(-length // 4000))
    registry.delete_tag(NAME, PENDING)
    assert not keys() and PENDING not in registry.read(NAME).tags


def test_what_a_killed_process_left_is_not_part_of_the_next_value(registry: MlflowRegistry) -> None:
    registry.set_tag(NAME, PENDING, "old" * 4000)
    client = MlflowClient("sqlite:///mlflow.db", registry_uri="sqlite:///mlflow.db")
    client.delete_registered_model_tag(NAME, PENDING)  # killed after the first of its deletions
    assert PENDING not in registry.read(NAME).tags and len(keys()) == 2
    registry.set_tag(NAME, PENDING, "new")
    assert registry.read(NAME).tags[PENDING] == "new" and keys() == [PENDING]


def test_a_promotion_with_the_reports_of_two_hundred_machines(registry: MlflowRegistry) -> None:
    now = current(registry, NAME)
    version = registry.create_version(NAME, "a" * 64, {}, "an artifact")
    line = LogLine(
        number=1,
        at="2026-11-25T00:00:00+00:00",
        action="promote",
        model=NAME,
        version=version,
        artifact_sha256="a" * 64,
        replaces=None,
        by="Ada",
        reports={f"x86_64-laptop-{number}": f"{number:064}" for number in range(200)},
        previous=now.log.last,
    )
    assert len(line_text(line)) > 15_000
    move(registry, now, line)
    present = current(registry, NAME)
    assert present.champion == line and not keys()
    seen = audit(registry, NAME)
    assert (seen.champion, seen.problems, seen.notes) == (version, (), ())


def test_a_registry_that_refuses_says_so_in_one_line(registry: MlflowRegistry) -> None:
    with pytest.raises(SetupError, match=r"^registry sqlite:///mlflow\.db: ") as refused:
        registry.set_tag("not there", PENDING, "x")
    assert "\n" not in str(refused.value)
