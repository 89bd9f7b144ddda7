"""What reports call their machines, from the command line to the rows of a comparison."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from pydantic import ValidationError

from olivepress.compare.comparable import refusal
from olivepress.compare.comparison import compare
from olivepress.compare.rows import machine_names
from olivepress.report.device_report import DeviceReport, read_report, write_report
from olivepress.report.machine import LONGEST_NAME, Machine
from tests.report.factory import MACHINE, make_report

from .planted_pages import artifact, base, fp32, machine

Cli = Callable[..., CompletedProcess[str]]


def named(identity: str, name: str | None) -> DeviceReport:
    return make_report(machine=machine(identity, name))


def test_a_name_stands_for_the_machine_and_for_its_reports_without_one() -> None:
    reports = [named("x86-2c", None), named("x86-2c", "Kitchen laptop"), named("arm-8c", None)]
    assert machine_names(reports) == ["Kitchen laptop", "Kitchen laptop", "arm-8c"]


def test_a_name_that_is_not_unique_has_the_id_beside_it() -> None:
    reports = [named("x86-2c", "box"), named("arm-8c", "box"), named("x86-4c", "arm-8c")]
    assert machine_names(reports) == ["box (x86-2c)", "box (arm-8c)", "arm-8c (x86-4c)"]


def test_two_machines_of_one_model_are_two_machines() -> None:
    first, second, unnamed = named("x86-2c", "left"), named("x86-2c", "right"), named("x86-2c", None)
    assert machine_names([first, second, unnamed]) == ["left", "right", "x86-2c"]
    assert refusal(first, second, "decode_tps") == "measured on different machines: left and right"
    assert refusal(first, unnamed, "decode_tps") is None
    assert refusal(first, second, "size_on_disk_bytes") is None


def test_a_decision_is_made_for_each_name() -> None:
    there = machine("x86-2c", "Kitchen laptop")
    document = compare([base(), fp32(machine=there), artifact("export-cpu-int4", tps=200.0, machine=there)])
    assert [decision.machine for decision in document.decisions] == ["Kitchen laptop"]


def test_a_report_keeps_the_name_and_old_reports_have_none(tmp_path: Path) -> None:
    write_report(named("x86-2c", "Kitchen laptop"), tmp_path / "r.json")
    assert read_report(tmp_path / "r.json").machine.name == "Kitchen laptop"
    fields = MACHINE.model_dump()
    del fields["name"]
    assert Machine.model_validate(fields).name is None
    with pytest.raises(ValidationError):
        Machine.model_validate(fields | {"name": "x" * (LONGEST_NAME + 1)})


@pytest.mark.parametrize("name", ["x" * (LONGEST_NAME + 1), "two\nlines"])
def test_a_name_that_cannot_be_shown_is_refused(name: str, olivepress_here: Cli) -> None:
    done = olivepress_here("bench", "tiny-phi", "--machine-name", name)
    assert done.returncode == 2 and "--machine-name: expected at most 60 characters in one line" in done.stderr


def test_the_machine_of_another_tool_s_results(
    tmp_path: Path, olivepress_here: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    results = Path(__file__).parents[1] / "measure" / "importers" / "llama_bench.json"
    done = olivepress_here("import", str(results), "--machine-name", "  Kitchen laptop ")
    assert done.returncode == 0
    assert {read_report(tmp_path / line).machine.name for line in done.stdout.split()} == {"Kitchen laptop"}
    two_lines = olivepress_here("import", str(results), "--machine-name", "two\nlines")
    assert two_lines.returncode == 2 and "characters in one line" in two_lines.stderr
