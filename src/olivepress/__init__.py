"""olivepress: one recipe becomes measured, verified edge artifacts, on Microsoft Olive."""

__version__ = "0.1.0"
__all__ = ["__version__"]
