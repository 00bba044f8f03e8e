"""Deploy the kit, run its workflows, verify each task, destroy everything: `python automation/e2e.py --help`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from ecs_kit.automation.cli.e2e import main  # noqa: E402  the path comes first

if __name__ == "__main__":
    sys.exit(main())
