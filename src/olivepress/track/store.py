"""Which MLflow store runs are sent to, and whether they are."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from olivepress.core.errors import UsageError

__all__ = ["EMBEDDED", "EMBEDDED_FILE", "Store", "store_here", "without_paths", "without_secrets"]

EMBEDDED_FILE = Path("mlflow.db")  # beside runs/
EMBEDDED = f"sqlite:///{EMBEDDED_FILE}"
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)(\S*)")
_QUOTED_PATH = re.compile(r"""(['"])(?:[A-Za-z]:)?[\\/](?:[^'"\n]*[\\/])?([^'"\\/\n]*)\1""")
_PATH = re.compile(r"""(?<![\w.:/\\~])(?:[A-Za-z]:|~)?[\\/](?:[^\s'"\\/:;,()]+[\\/]+)+([^\s'"\\/:;,()]*)""")
_ON, _OFF = ("1", "on", "true", "yes"), ("0", "off", "false", "no")


@dataclass(frozen=True, kw_only=True)
class Store:
    """``uri`` may hold a password; ``name`` is what may be shown and written. ``asked``: somebody named it or wants it.

    ``installed``: MLflow's client can be imported here.
    """

    uri: str
    name: str
    experiment: str
    asked: bool
    installed: bool

    @property
    def is_embedded(self) -> bool:
        return self.uri == EMBEDDED


def without_secrets(text: str) -> str:
    """``text`` without the user, password and query of its addresses. A password may hold any sign, encoded or not."""
    return _ADDRESS.sub(lambda address: address[1] + _public(address[2]), text)


def _public(rest: str) -> str:
    """Of ``user:password@host/path?query`` the host and path; nothing where the password may hold the ``?``."""
    before, _, query = rest.partition("?")
    before, _, fragment = before.partition("#")
    if "@" not in before and "@" in query + fragment:
        return ""
    return before.rpartition("@")[2]


def without_paths(text: str) -> str:
    """``text`` with the last part of every absolute path only: others may read it."""
    for folder in (str(Path.cwd()), os.path.expanduser("~")):  # noqa: PTH111  (Path.home raises where there is none)
        if len(folder) > 3:  # "/" is in every path
            text = text.replace(folder, "/folder")  # which may have spaces
    text = _QUOTED_PATH.sub(lambda path: path[1] + path[2] + path[1], text)
    return _PATH.sub(r"\1", text)


def store_here(recipe_says: bool | None = None, environment: Mapping[str, str] = os.environ) -> Store | None:
    """The store of this process; None where tracking is off.

    ``MLFLOW_TRACKING_URI`` names it, else it is the file ``mlflow.db`` in the project's root. The recipe's ``tracking``
    may switch it off or ask for it, and so may ``OLIVEPRESS_TRACKING``, which comes first. UsageError for a value of
    that which is neither on nor off.
    """
    switch = environment.get("OLIVEPRESS_TRACKING", "").strip().lower()
    if switch and switch not in (*_ON, *_OFF):
        raise UsageError(f"OLIVEPRESS_TRACKING={switch!r}: expected on or off", next_step="unset OLIVEPRESS_TRACKING")
    if switch in _OFF or (not switch and recipe_says is False):
        return None
    named = environment.get("MLFLOW_TRACKING_URI", "").strip()
    return Store(
        uri=named or EMBEDDED,
        name=without_secrets(named or EMBEDDED),
        experiment=environment.get("MLFLOW_EXPERIMENT_NAME", "").strip() or "olivepress",
        asked=bool(named) or switch in _ON or recipe_says is True,
        installed=all(find_spec(name) is not None for name in ("mlflow", "sqlalchemy", "alembic")),
    )
