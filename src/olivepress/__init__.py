"""olivepress: one recipe becomes measured, verified edge artifacts, on Microsoft Olive."""

from olivepress.core.privacy import turn_telemetry_off

__version__ = "0.1.0"
__all__ = ["__version__"]

turn_telemetry_off()  # before anything that would send some is imported
