"""The server: on the loopback interface of this machine only, until it is interrupted."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Callable

from olivepress.core.errors import SetupError, UsageError

__all__ = ["HOST", "serve"]

HOST = "127.0.0.1"


def serve(port: int | None, *, on_ready: Callable[[str, int], None]) -> None:
    """Serve the files of the current directory's project until Ctrl-C; ``on_ready`` gets address and port.

    ``port`` None takes a free one. UsageError for one that is taken, SetupError when FastAPI is not installed.
    """
    try:
        import uvicorn

        from olivepress.ui.app import make_app
    except ImportError as error:
        name = (error.name or "fastapi").partition(".")[0]
        raise SetupError(f"the package {name} is not installed", next_step="pip install 'olivepress[ui]'") from error
    with _listening(port) as listener:
        config = uvicorn.Config(
            make_app(),
            log_level="error",
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,
        )
        taken = listener.getsockname()[1]
        on_ready(f"http://{HOST}:{taken}/", taken)
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn has ended in order, then raises it again
            uvicorn.Server(config).run(sockets=[listener])


def _listening(port: int | None) -> socket.socket:
    """A socket that takes connections from now on: who reads the address can open it."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if port is not None and os.name == "posix":  # a port used a moment ago is free; on Windows it would be shared
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port or 0))
        listener.listen(64)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UsageError(f"port {port} is in use", next_step="another --port, or none for a free one") from None
        raise UsageError(
            f"port {port} cannot be opened ({error.strerror})", next_step="a --port above 1023, or none"
        ) from None
    return listener
