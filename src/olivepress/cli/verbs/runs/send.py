"""``olivepress runs send``."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["send"]

_LONG_S = 600.0


def send(
    everything: Annotated[
        bool, typer.Option("--all", help="Also runs that were recorded for another store, or for none.")
    ] = False,
) -> None:
    """Send what MLflow has not received yet.

    To the store that MLFLOW_TRACKING_URI names, else to mlflow.db beside runs/. What was sent is not sent again.
    """
    from olivepress.core.errors import SetupError
    from olivepress.track.sender import NOT_INSTALLED, send_now
    from olivepress.track.store import store_here

    store = store_here()
    if store is None:
        raise SetupError("tracking is off: OLIVEPRESS_TRACKING", next_step="unset OLIVEPRESS_TRACKING")
    if not store.installed:
        message, _, step = NOT_INSTALLED.removeprefix("tracking: ").partition("; next: ")
        raise SetupError(message, next_step=step)
    notes = list[str]()
    answer = send_now(store, notes.append, seconds=_LONG_S, everything=everything)
    for note in notes if not answer.problem else ():
        typer.echo(note, err=True)
    if answer.problem:
        raise SetupError(
            f"{store.name}: {answer.problem}; {answer.left} records wait",
            next_step="start the store, then the same command",
        )
    if answer.refused or answer.left:
        count = f"{answer.sent - answer.refused} records sent, {answer.refused} refused, {answer.left} wait"
        step = "look into the store's log: it refused them for good" if answer.refused else "olivepress runs send"
        raise SetupError(f"{store.name}: {count}", next_step=step)
    print(f"{store.name}: {answer.sent} records sent, {answer.left} wait")
