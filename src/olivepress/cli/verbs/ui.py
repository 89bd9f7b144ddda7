"""``olivepress ui``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from olivepress.cli.options import JsonOption

__all__ = ["ui"]


def ui(
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Port to listen on; by default a free one.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show jobs, artifacts, comparisons and data of this folder in a browser, read only.

    Serves 127.0.0.1 only, until Ctrl-C. With --json the address is one JSON object on a line of its own.
    """
    from olivepress.ui.server import serve

    def announce(address: str, taken: int) -> None:
        text = json.dumps({"url": address, "port": taken}) if as_json else f"{address} (Ctrl-C ends it)"
        print(text, flush=True)

    serve(port, on_ready=announce)
