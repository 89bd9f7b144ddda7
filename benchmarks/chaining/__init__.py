"""Parts of ``benchmarks/chains.py``."""
