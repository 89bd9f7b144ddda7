"""Templates → HTML. Every value that a template shows is made public and escaped, wherever it came from."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from olivepress import __version__
from olivepress.core.messages import next_command
from olivepress.core.pace import duration
from olivepress.report.values import NULL, format_value
from olivepress.ui.texts import public, public_lines

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["ago", "render"]


def render(template: str, **values: Any) -> str:
    """The page that a template makes of ``values``."""
    return _environment().get_template(template).render(version=__version__, next_command=next_command, **values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("olivepress.ui", "pages"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"ago": ago, "duration": duration, "lines": _lines, "size": size}
    return environment


def _shown(value: Any) -> Any:
    """Called with every value before it is escaped; what is marked as HTML is ours."""
    if value is None:
        return NULL
    return public(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _lines(text: str) -> Any:
    from markupsafe import escape

    return escape(public_lines(text))


def size(count: float | None) -> str:
    """Bytes in the unit that a reader expects."""
    if count is None:
        return NULL
    if count < 10_000:
        return f"{count:.0f} bytes"
    return f"{count / 1e3:.0f} kB" if count < 1e6 else format_value("bytes", count)


def ago(time: datetime | None) -> str:
    """How long ago something was, by this machine's clock."""
    if time is None:
        return NULL
    return f"{duration(max(0.0, (datetime.now(UTC) - time).total_seconds()))} ago"
