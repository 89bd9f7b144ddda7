"""``python -m olivepress``: the command line."""

from olivepress.cli.main import main

main()
