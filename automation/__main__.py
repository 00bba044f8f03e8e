"""`python -m automation [COMMAND]`: the same command line as `automation/e2e.py`."""

import sys

from automation.e2e import main

if __name__ == "__main__":
    sys.exit(main())
