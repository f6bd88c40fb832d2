"""The command line, run as ``python -m equipoise``."""

import sys

from equipoise._cli.main import main

if __name__ == "__main__":
    sys.exit(main())
