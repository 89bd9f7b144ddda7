"""``python -m olivepress``: the command line."""

from olivepress.cli.main import main

if __name__ == "__main__":
    main()
