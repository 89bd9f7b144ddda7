"""What benchmarks/canary.py is made of: the newest versions, a throw-away environment, and what it does otherwise."""
