"""``olivepress runs ui``."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["ui"]


def ui(port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port to listen on.")] = 5000) -> None:
    """Show the runs in MLflow's web interface, on this machine only.

    Of mlflow.db beside runs/. Needs the environment tracking-ui.
    """
    from olivepress.track.sender import print_warning, send_now
    from olivepress.track.server import serve
    from olivepress.track.store import store_here

    send_now(store_here(), print_warning)
    serve(port, on_start=lambda address: typer.echo(f"{address} (Ctrl-C ends it)"))
