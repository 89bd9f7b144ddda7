"""Parts of ``benchmarks/peers.py``; ``children`` run in environments of their own and import nothing of olivepress."""
