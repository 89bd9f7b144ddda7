"""Self-contained HTML pages: a template of a package with the style sheet in it, and what a script may stand in."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import Any

from olivepress.charts.style import style_sheet

__all__ = ["inert", "render_page", "script_hash"]

# Of a page without scripts. Its policy stands once: a page that has none loads what foreign text names.
_HEAD = """\
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
form-action 'none'">"""


def render_page(package: str, template: str, **values: Any) -> str:
    """The template of ``package`` with ``values``, ``css``, and ``head`` for a page without scripts: texts are escaped,
    a missing value is an error."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    env = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    page = env.from_string(resources.files(package).joinpath(template).read_text(encoding="utf-8"))
    return page.render(css=Markup(style_sheet()), head=Markup(_HEAD), **values)


def inert(json_text: str) -> str:
    """JSON for inside a script element: no '<' is left, so no text in it can close the element or open a comment."""
    return json_text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def script_hash(script: str) -> str:
    """The sha256 by which a page's content security policy allows its own script, in base64."""
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
