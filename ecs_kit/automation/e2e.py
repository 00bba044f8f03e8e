"""Deploy the kit, run its workflows, verify each task, destroy everything: `python automation/e2e.py --help`."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT_PYTHON = ROOT / ".venv" / "bin" / "python"
if __name__ == "__main__" and sys.prefix == sys.base_prefix and PROJECT_PYTHON.exists():
    # Called with the system's Python, which has none of the packages: go on with the project's.
    os.execv(PROJECT_PYTHON, [str(PROJECT_PYTHON), *sys.argv])
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from ecs_kit.automation.cli.e2e import main  # noqa: E402  the path comes first

if __name__ == "__main__":
    sys.exit(main())
