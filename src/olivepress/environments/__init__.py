"""Which packages each execution provider runs with, and the interpreter that has them."""
