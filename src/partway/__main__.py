"""`python -m partway`: the command line without its script."""

import sys

from partway.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
