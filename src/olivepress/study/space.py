"""The space of a search: which settings a trial may have, as Optuna draws them, and as a recipe takes them.

``params`` are keys of ``finetune`` with the values of one trial. Optuna knows them by names of its own: a key whose
values depend on the method has one name for each, as ``learning_rate (full)``, because their ranges differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from olivepress.recipe.finetune import Finetune
from olivepress.recipe.methods import METHODS
from olivepress.recipe.search import Search, Value, Values, is_whole

if TYPE_CHECKING:
    import optuna

__all__ = ["TARGET", "Params", "apply", "contains", "encode", "grid_points", "params_of", "same", "suggest"]

Params = Mapping[str, Value]
TARGET = "target"  # of a joint search: what the fine-tuned model is exported for, which is no key of finetune
_DIGITS = 12  # of a number that is compared: a database may round the last ones


def suggest(trial: optuna.trial.BaseTrial, search: Search, finetune: Finetune) -> dict[str, Value]:
    """The params that Optuna draws for a trial, or was given beforehand; what its method ignores is left out."""
    params: dict[str, Value] = {}
    if targets := _targets(search):
        params[TARGET] = str(trial.suggest_categorical(TARGET, list(targets)))
    if search.methods is not None:
        params["method"] = str(trial.suggest_categorical("method", list(search.methods)))
    for key, name, values in _active(search, _method(params, finetune)):
        params[key] = _draw(trial, key, name, values)
    return params


def _draw(trial: optuna.trial.BaseTrial, key: str, name: str, values: Values) -> Value:
    if values.choices is not None:
        texts = {_scalar(choice): choice for choice in values.choices}
        return texts[trial.suggest_categorical(name, list(texts))]
    assert values.low is not None and values.high is not None
    if is_whole(key):
        low, high, step = int(values.low), int(values.high), int(values.step or 1)
        return trial.suggest_int(name, low, high, step=step, log=values.log)
    return trial.suggest_float(name, values.low, values.high, step=values.step, log=values.log)


def encode(search: Search, finetune: Finetune, params: Params) -> dict[str, Any]:
    """Params by Optuna's names and in its types."""
    encoded: dict[str, Any] = {TARGET: params[TARGET]} if _targets(search) else {}
    if search.methods is not None:
        encoded["method"] = params["method"]
    for key, name, values in _active(search, _method(params, finetune)):
        encoded[name] = params[key] if values.choices is None else _scalar(params[key])
    return encoded


def grid_points(search: Search, finetune: Finetune) -> Iterator[dict[str, Value]]:
    """Every combination, in the order of the keys and their values."""
    for target, method in product(_targets(search) or ("",), search.methods or ("",)):
        chosen: dict[str, Value] = {TARGET: target} if target else {}
        chosen |= {"method": method} if method else {}
        axes = list(_active(search, method or finetune.method))
        listed = [_listed(key, values) for key, _, values in axes]
        for combination in product(*listed):
            yield chosen | {key: value for (key, _, _), value in zip(axes, combination, strict=True)}


def _listed(key: str, values: Values) -> list[Value]:
    if values.choices is not None:
        return list(values.choices)
    assert values.low is not None and values.high is not None
    step = values.step or 1
    numbers = [values.low + number * step for number in range(round((values.high - values.low) / step) + 1)]
    return [round(number) if is_whole(key) else min(number, values.high) for number in numbers]


def params_of(search: Search, settings: Finetune) -> dict[str, Value]:
    """The params that these settings are, inside the space or not; of a joint search with its first target."""
    params: dict[str, Value] = {}
    if targets := _targets(search):
        params[TARGET] = targets[0]
    if search.methods is not None:
        params["method"] = settings.method
    for key, _, _ in _active(search, settings.method):
        value = getattr(settings, key)
        params[key] = tuple(value) if isinstance(value, list) else value
    return params


def contains(search: Search, finetune: Finetune, params: Params) -> bool:
    """Whether the space has this point."""
    method = _method(params, finetune)
    if search.methods is not None and method not in search.methods:
        return False
    targets = _targets(search)
    if (TARGET in params) != bool(targets) or (targets and params[TARGET] not in targets):
        return False
    axes = list(_active(search, method))
    if {key for key, _, _ in axes} != set(params) - {"method", TARGET}:
        return False
    return all(_has(values, params[key]) for key, _, values in axes)


def _has(values: Values, value: Value) -> bool:
    if values.choices is not None:
        return value in values.choices
    assert values.low is not None and values.high is not None
    if isinstance(value, bool) or not isinstance(value, int | float) or not values.low <= value <= values.high:
        return False
    count = (value - values.low) / values.step if values.step else 0.0
    return abs(count - round(count)) < 1e-9


def apply(finetune: Finetune, params: Params) -> Finetune:
    """``finetune`` with these params. ValueError (pydantic's) for what does not go together.

    Keys that another method ignores go back to their defaults: ``r`` of a recipe for lora means nothing to full.
    """
    settings = finetune.model_dump(mode="json") | {key: value for key, value in params.items() if key != TARGET}
    for key in METHODS[str(settings["method"])].ignores:
        if key not in params:
            settings.pop(key, None)
    return Finetune.model_validate_json(json.dumps(settings))


def same(params: Params) -> str:
    """Equal for equal params: numbers by their first twelve digits."""
    return json.dumps({key: _rounded(value) for key, value in params.items()}, sort_keys=True)


def _rounded(value: Value) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return float(f"{value:.{_DIGITS}g}")


def _active(search: Search, method: str) -> Iterator[tuple[str, str, Values]]:
    """(key, Optuna's name of it, its values) of what this method takes."""
    for key, axis in search.axes.items():
        values = axis.of_method(method)
        if key == "method" or values is None or key in METHODS[method].ignores:
            continue
        yield key, f"{key} ({method})" if axis.by_method else key, values


def _targets(search: Search) -> tuple[str, ...]:
    """Those of a joint search."""
    return () if search.joint is None else search.joint.targets


def _method(params: Params, finetune: Finetune) -> str:
    return str(params.get("method", finetune.method))


def _scalar(choice: Value) -> bool | int | float | str | None:
    """A choice as Optuna takes it: a list is text."""
    return json.dumps(choice) if isinstance(choice, tuple | list) else choice
