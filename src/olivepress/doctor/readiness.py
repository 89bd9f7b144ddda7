"""For every target of the catalog: whether it can be built and run here, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from olivepress.catalog.provider import provider
from olivepress.core.errors import SetupError
from olivepress.doctor.records import Hardware, TargetState
from olivepress.environments.lookup import interpreter
from olivepress.run.interpreters import place_of
from olivepress.runtimes.probe import plain_reason
from olivepress.workflow.lint import olive_installed

if TYPE_CHECKING:
    from olivepress.catalog import Target

__all__ = ["target_states"]


def target_states(targets: Iterable[Target], hardware: Hardware) -> tuple[TargetState, ...]:
    """One for each target, in the catalog's order. Asks every environment that is here, each once."""
    return tuple(_state(target, hardware) for target in targets)


@dataclass(frozen=True)
class _Need:
    """What a target lacks, and what to type, where that helps."""

    text: str
    fix: str | None = None


def _state(target: Target, hardware: Hardware) -> TargetState:
    place = place_of(target)
    runs = place.runs_here
    to_build = _needs_to_build(target)
    to_run = []
    requirement = provider(target.execution_provider).requires
    if requirement is not None and not hardware.meets(requirement):
        to_run.append(_Need(requirement.text))
    reason = plain_reason(place.reason)
    if not runs and reason not in {need.text for need in to_build}:
        to_run.append(_Need(reason, place.next_step))
    needs = [*(_Need(f"to build: {need.text}", need.fix) for need in to_build), *to_run]
    return TargetState(
        target=target.target,
        execution_provider=target.execution_provider,
        builds=not to_build,
        runs=runs,
        verified=place.how,
        needs=tuple(need.text for need in needs),
        fixes=tuple(dict.fromkeys(need.fix for need in needs if need.fix)),
    )


def _needs_to_build(target: Target) -> list[_Need]:
    needs = []
    if not olive_installed():
        needs.append(_Need("Olive, with this olivepress", "pip install 'olivepress[build]'"))
    try:
        interpreter(target.build_environment)
    except SetupError as error:
        needs.append(_Need(plain_reason(error.message), error.next_step))
    return needs
