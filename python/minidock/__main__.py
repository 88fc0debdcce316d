"""``python -m minidock`` is ``minidock``."""

import sys

from minidock.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
