"""Session settings in genai_config.json: a provider's alternatives, how they are written, whether they exist here."""

from __future__ import annotations

import importlib.util
import json
import mmap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from olivepress.catalog.provider import PROVIDERS, provider
from olivepress.catalog.session_axes import FIELDS, Axis, Options
from olivepress.core.errors import JobError

__all__ = ["alternatives", "unknown_entries", "with_options"]

LIBRARIES = (".so", ".dll", ".dylib")


def alternatives(name: str) -> Mapping[str, Axis]:
    """The axes of an execution provider; JobError when it has none."""
    axes = provider(name).axes
    if not axes:
        tuned = ", ".join(record.name for record in PROVIDERS.values() if record.axes)
        raise JobError(f"{name} has no settings to tune; tuned are {tuned}", next_step="ship it as it is")
    return axes


def with_options(config_text: str, options: Options) -> str:
    """genai_config.json with the options in the decoder's session options; the same text when there are none.

    JobError for a decoder that is a pipeline, a provider that the file does not name, and a value of another type than
    its field: nothing is written that genai would take for something else.
    """
    if options == Options():
        return config_text
    try:
        config = json.loads(config_text)
        decoder = config["model"]["decoder"]
        session = decoder.setdefault("session_options", {})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise JobError("genai_config.json has no decoder", next_step="export the model again") from error
    if "pipeline" in decoder:
        raise JobError("the decoder is a pipeline of several graphs: not tuned", next_step="ship it as it is")
    for key, value in options.session.items():
        if type(value) is not FIELDS.get(key, str) or (key not in FIELDS and "." not in key):
            raise JobError(f"{key}={value!r} is not a session option of genai")
    session.update(options.session)
    if options.provider:
        _providers_entry(session).update(options.provider)
    return json.dumps(config, indent=4) + "\n"


def _providers_entry(session: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the one provider that the artifact asks for."""
    listed = session.get("provider_options")
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    options = [value for entry in entries for value in entry.values() if isinstance(value, dict)]
    if len(options) != 1:
        raise JobError("genai_config.json names no single provider to set options of", next_step="ship it as it is")
    return options[0]


def unknown_entries(keys: Iterable[str], name: str) -> list[str]:
    """Those of the keys with a dot that no library of the installed ONNX Runtime contains, nor the provider's plugin.

    ONNX Runtime itself takes any key. Fields of genai need no such check: it refuses what it does not know.
    """
    asked = [key for key in keys if "." in key]
    if not asked:
        return []
    libraries = [*_libraries("onnxruntime"), *_libraries(provider(name).plugin)]
    return [key for key in asked if not any(_contains(library, key) for library in libraries)]


def _libraries(package: str) -> list[Path]:
    """Shared libraries of a package, versioned names too; none when it is not installed."""
    spec = importlib.util.find_spec(package) if package else None
    if spec is None:
        return []
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    files = (path for folder in folders for path in sorted(folder.rglob("*")))
    return [path for path in files if path.is_file() and any(f"{end}." in f"{path.name}." for end in LIBRARIES)]


def _contains(library: Path, key: str) -> bool:
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(key.encode() + b"\0") >= 0
