"""A diagnosis on a terminal: the machine, the providers, the targets, and last the findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from olivepress.core.messages import counted
from olivepress.core.printable import printable
from olivepress.doctor.records import Diagnosis, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Group, RenderableType
    from rich.text import Text

__all__ = ["render_terminal"]

MARKS = {"ok": "✓", "note": "•", "problem": "✗"}
STYLES = {"ok": "green", "note": "yellow", "problem": "bold red"}
STATE_STYLES = {"runs": "green", "emulated": "green", "remote": "dim"}
GAP = 2


def render_terminal(diagnosis: Diagnosis) -> Group:
    """A rich renderable for ``Console().print``; texts of packages and drivers are never read as markup."""
    from rich.console import Group
    from rich.text import Text

    summary = Text(_title(diagnosis), style="bold red" if diagnosis.problems else "bold green")
    parts: list[RenderableType] = [Text("This machine", style="bold"), *_machine(diagnosis)]
    if diagnosis.providers:
        parts += [
            Text(),
            Text("Execution providers, each tested with a small model", style="bold"),
            _providers(diagnosis),
        ]
    parts += [Text(), Text("Targets", style="bold"), *_targets(diagnosis)]
    parts += [Text(), summary, *_findings(diagnosis.findings)]
    return Group(*parts)


def _title(diagnosis: Diagnosis) -> str:
    notes = sum(finding.level == "note" for finding in diagnosis.findings)
    title = "No problems found"
    if diagnosis.problems:
        title = counted(len(diagnosis.problems), "problem")
    return f"{title}, {counted(notes, 'note')}" if notes else title


def _machine(diagnosis: Diagnosis) -> Iterator[RenderableType]:
    machine, hardware = diagnosis.machine, diagnosis.hardware
    cores = f"{machine.physical_cores} cores, " if machine.physical_cores else ""
    gb = 1e9
    total = f" of {machine.memory_bytes / gb:.1f}" if machine.memory_bytes else ""
    vulkan = ", ".join(hardware.vulkan) + (f" (Mesa {hardware.mesa})" if hardware.mesa else "")
    rows = [
        ("CPU", f"{machine.cpu}, {cores}{machine.logical_cores} threads, {machine.architecture}"),
        ("memory", f"{hardware.memory_available_bytes / gb:.1f}{total} GB free"),
        ("disk", f"{hardware.disk_free_bytes / gb:.0f} GB free here"),
        ("GPU", _gpus(diagnosis)),
        ("NPU", ", ".join(hardware.npus) or "none found"),
        ("Vulkan", vulkan or "no driver"),
        ("system", f"{machine.os}, Python {machine.python}"),
    ]  # fmt: skip
    yield _grid([(_text(name, "dim"), _text(value)) for name, value in rows])


def _gpus(diagnosis: Diagnosis) -> str:
    machine, hardware = diagnosis.machine, diagnosis.hardware
    if hardware.gpus:
        return ", ".join(f"{name} (driver {machine.drivers[name]})" for name in hardware.gpus)
    return f"{hardware.render_nodes} in /dev/dri" if hardware.render_nodes else "none found"


def _providers(diagnosis: Diagnosis) -> RenderableType:
    rows = []
    for probe in diagnosis.providers:
        state = _text(probe.state, STATE_STYLES.get(probe.state, "red"))
        # The reason why one does not work is among the findings.
        detail = probe.detail if probe.works or probe.state == "remote" else ""
        rows.append((_text(probe.provider), state, _text(detail)))
    return _grid(rows)


def _targets(diagnosis: Diagnosis) -> Iterator[RenderableType]:
    rows, fixes = [], dict[str, list[str]]()
    for target in diagnosis.targets:
        for fix in target.fixes:
            fixes.setdefault(fix, []).append(target.target)
        builds = _text("builds", "green") if target.builds else _text("no build", "yellow")
        ran = {"native": "runs", "emulated": "emulated"}.get(target.verified)
        runs = _text(ran, "green") if ran else _text("no run", "yellow")
        needs = _text("needs " + "; ".join(target.needs) if target.needs else "", "dim")
        rows.append((_text(target.target), builds, runs, needs))
    yield _grid(rows)
    for fix, names in fixes.items():
        whose = "all of them" if len(names) == len(rows) else ", ".join(names)
        yield _grid([(_text(f"for {whose}:"),)])
        yield _command(fix, GAP)


def _findings(findings: Sequence[Finding]) -> Iterator[RenderableType]:
    from rich.text import Text

    for finding in findings:
        text = Text()
        text.append(printable(finding.what), style="bold")
        text.append(f"  {printable(finding.detail)}")
        yield _grid([(_text(MARKS[finding.level], STYLES[finding.level]), text)], indent=0, gap=1)
        if finding.fix:
            yield _command(finding.fix, GAP)


def _command(command: str, indent: int) -> Text:
    """A command longer than a line is left to the terminal to wrap, so that it is copied in one piece."""
    from rich.text import Text

    return Text(" " * indent + printable(command), style="cyan", no_wrap=True, overflow="ignore")


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(printable(text), style=style)


def _grid(rows: Sequence[Sequence[Text]], *, indent: int = GAP, gap: int = GAP) -> RenderableType:
    """Columns as wide as they must be, the last takes what is left."""
    from rich.padding import Padding
    from rich.table import Table

    table = Table.grid(padding=(0, gap, 0, 0))
    for _ in rows[0][:-1]:
        table.add_column(no_wrap=True)
    table.add_column()
    for row in rows:
        table.add_row(*row)
    return Padding(table, (0, 0, 0, indent), expand=False)
