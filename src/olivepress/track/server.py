"""MLflow's own server over the embedded store: from an environment of its own, on the loopback address only."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from olivepress.core.child.process import start_process
from olivepress.core.errors import SetupError
from olivepress.core.privacy import child_environment
from olivepress.environments.lookup import environment, is_created, python_of
from olivepress.track.store import EMBEDDED, EMBEDDED_FILE

__all__ = ["ENVIRONMENT", "serve", "server_command"]

ENVIRONMENT = "tracking-ui"
_HOST = "127.0.0.1"


def server_command(port: int, python: Path, *, store: str = EMBEDDED) -> list[str]:
    """``mlflow server`` for a store; artifacts lie where the runs say."""
    options = ("--host", _HOST, "--port", str(port), "--backend-store-uri", store, "--workers", "1")
    return [str(python), "-P", "-m", "mlflow", "server", *options, "--default-artifact-root", "mlruns"]


def serve(port: int, *, on_start: Callable[[str], None]) -> None:
    """Run the server until it ends. SetupError where its environment is not created, where there is no store yet, and
    when it fails to start."""
    env = environment(ENVIRONMENT)
    if not is_created(env):
        message = f"environment {ENVIRONMENT} is not created"
        raise SetupError(message, next_step=f"olivepress env create {ENVIRONMENT}")
    if not EMBEDDED_FILE.is_file():  # the server would create it, in steps that leave a broken one when it is killed
        raise SetupError(
            f"{EMBEDDED_FILE}: not in this folder: no run was tracked here", next_step="olivepress run RECIPE"
        )
    command = server_command(port, python_of(env))
    with start_process(
        command, child_environment(), stdin=subprocess.DEVNULL, stdout=sys.stdout, stderr=sys.stderr
    ) as process:
        on_start(f"http://{_HOST}:{port}")
        code = process.wait()
    if code:
        raise SetupError(f"mlflow server ended with exit code {code}", next_step=f"choose another --port than {port}")
