"""`python -m rcnet_rt`: the command line, where the `rcnet-rt` script is not on the path."""

from rcnet_rt.cli import main

if __name__ == "__main__":
    main()
