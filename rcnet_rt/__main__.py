"""`python -m rcnet_rt`: the command line, where the `rcnet-rt` script is not on the path."""

import sys

from rcnet_rt.errors import MissingPackageError, requires_packages


def main() -> None:
    """Run the command line, or say which package it needs, and exit."""
    try:
        with requires_packages("Commands of rcnet-rt"):
            from rcnet_rt.cli import main as run
    except MissingPackageError as error:
        sys.exit(f"Error: {error}")
    run()


if __name__ == "__main__":
    main()
