"""Time to first token, decode rate, memory, kernels."""
