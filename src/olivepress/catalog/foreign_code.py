"""What in a target, or in a workflow for Olive, makes Olive run code not its own: a script, a module, a library.

Olive accepts all of these in silence. None of its own passes needs one, but for a library by its plain name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

__all__ = ["OWN_MODULES", "QNN_BACKENDS", "foreign_code", "foreign_modules", "without_foreign_code"]

OWN_MODULES = ("olive.", "olivepress.")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+")
# Names of keys whose value is code, the way to some, or the program that runs Olive.
_CODE_KEY = re.compile(
    r"^(?:user_script|script_dir|model_script|model_loader|model_path_script|io_script|dummy_inputs_func"
    r"|.*_func|.*_script|.*script_dir|module|module_path|package_config|post_processing_func"
    r"|python_environment_path|prepend_to_path|environment_variables|olive_managed_env|requirements_file"
    r"|dockerfile|build_context_path|image_name|custom_op.*|.*custom_ops_library|op_packages?|.*(?:^|_)lib(?:rary)?"
    r"|.*(?:^|_)lib(?:rary)?_(?:path|dir)|.*_executable|.*_command|skel_library_dir|plugin_path)$"
)
_CODE_SUFFIXES = frozenset({
    ".bat", ".cmd", ".ckpt", ".dll", ".dylib", ".exe", ".pickle", ".pkl", ".ps1", ".pt", ".pth", ".py", ".pyc",
    ".pyd", ".sh", ".so",
})  # fmt: skip
QNN_BACKENDS = ("libQnnHtp.so", "libQnnGpu.so", "libQnnCpu.so", "QnnHtp.dll", "QnnGpu.dll", "QnnCpu.dll")
"""Libraries that the QNN provider's own package ships, by their plain names: all that ``backend_path`` may say."""
_OTHER_SYSTEMS = ("docker", "pythonenvironment", "isolatedort", "azureml")
_DEEPEST = 64


def foreign_code(config: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """(key, value) of everything below ``config`` that would run code other than Olive's and olivepress's.

    A mapping that is nested deeper than any workflow counts as one.
    """
    if depth > _DEEPEST:
        yield key[:200], "nested too deeply to be looked through"
        return
    if isinstance(config, Mapping):
        for name, value in config.items():
            inner = f"{key}.{name}" if key else str(name)
            if _is_code(str(name), value):
                yield inner, str(value)[:200]
            else:
                yield from foreign_code(value, inner, depth + 1)
    elif isinstance(config, list | tuple):
        for index, value in enumerate(config):
            yield from foreign_code(value, f"{key}[{index}]", depth + 1)
    elif isinstance(config, str) and _names_code(config):
        yield key, config[:200]


def without_foreign_code(config: Any, depth: int = 0) -> Any:
    """A copy without what ``foreign_code`` finds: safe to be given to Olive's own parser."""
    if depth >= _DEEPEST:
        return None
    if isinstance(config, Mapping):
        return {
            name: without_foreign_code(value, depth + 1)
            for name, value in config.items()
            if not _is_code(str(name), value) and not (isinstance(value, str) and _names_code(value))
        }
    if isinstance(config, list | tuple):
        kept = (value for value in config if not (isinstance(value, str) and _names_code(value)))
        return [without_foreign_code(value, depth + 1) for value in kept]
    return config


def _is_code(name: str, value: Any) -> bool:
    if value is None or value is False or value in ("", [], {}):
        return False
    lowered = name.lower()
    if lowered in ("trust_remote_code", "unsafe_code"):
        return True
    if lowered == "extra_args" and isinstance(value, str):
        return True  # goes into the command line of a vendor's tool
    if lowered == "backend_path":
        return not (isinstance(value, str) and value in QNN_BACKENDS)
    if lowered == "package_config" and isinstance(value, Mapping):
        return False  # of a target file: pass → module, looked at one by one
    if lowered == "type" and isinstance(value, str):
        dotted = "." in value and not value.startswith(OWN_MODULES)
        return dotted or value.lower().removesuffix("system") in _OTHER_SYSTEMS
    return bool(_CODE_KEY.match(lowered))


def _names_code(value: str) -> bool:
    """A file of code or a pickle; not a plain name of a compiler's library, nor a module of Olive's."""
    if value in QNN_BACKENDS or len(value) > 4096:
        return False
    return {PurePosixPath(value).suffix.lower(), PureWindowsPath(value).suffix.lower()} & _CODE_SUFFIXES != set()


def foreign_modules(modules: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(key, module) of a target's ``package_config`` that are neither Olive's nor olivepress's."""
    for name, module in modules.items():
        if not module.startswith(OWN_MODULES) or not _MODULE.fullmatch(module):
            yield f"package_config.{name}", module
