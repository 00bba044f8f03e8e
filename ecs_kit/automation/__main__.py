"""`python -m automation [COMMAND]`: the same command line as `automation/e2e.py`."""

import sys

from ecs_kit.automation.cli.e2e import main

if __name__ == "__main__":
    sys.exit(main())
