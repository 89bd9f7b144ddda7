"""Parts of ``benchmarks/gain_retained.py``: what of a fine-tune's gain each target keeps."""
