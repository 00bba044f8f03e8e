"""`python -m tools.browser COMMAND …`: the command with a Chromium for tests, and the rules of axe-core.

A Chromium and a ChromeDriver on PATH are used. Where one is missing, root on Debian gets Debian's packages. The rules
of axe-core, which check accessibility, are fetched once with npm into `.kit/browser`.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from local_aws.testing.docker_engine import install, run, say

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".kit" / "browser"
PACKAGES = {"chromium": "chromium", "chromedriver": "chromium-driver"}
AXE = "axe-core@4.14.1"
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
"""Of `axe.min.js` in that package."""
_MISSING = 2


class BrowserMissing(Exception):
    """There is no browser, and none can be installed here."""


def main(arguments: Sequence[str]) -> int:
    """Run a command and return its exit status, or 2 where there is no browser for it."""
    if not arguments:
        print(__doc__, file=sys.stderr)
        return _MISSING
    try:
        environment = {**os.environ, "KIT_AXE": str(axe_rules()), "KIT_BROWSER": browser()}
    except (BrowserMissing, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return _MISSING
    return subprocess.run(list(arguments), cwd=ROOT, env=environment, check=False).returncode


def browser() -> str:
    """The path of Chromium; ChromeDriver is on PATH, too.

    Raises:
        BrowserMissing: one of them is missing, and this is not root on Debian.
    """
    missing = [program for program in PACKAGES if shutil.which(program) is None]
    if missing and (os.geteuid() != 0 or shutil.which("apt-get") is None):
        programs = " and ".join(missing)
        raise BrowserMissing(
            f"there is no {programs} on PATH: install Chromium with ChromeDriver, or be root on Debian"
        )
    install(PACKAGES)
    return str(shutil.which("chromium"))


def axe_rules(folder: Path = CACHE) -> Path:
    """The script with the rules of axe-core.

    Raises:
        BrowserMissing: it has to be fetched, and there is no npm, or it is not the one that was expected.
    """
    script = folder / f"{AXE}.js"
    if not script.is_file():
        if shutil.which("npm") is None:
            raise BrowserMissing(f"there is no npm to fetch {AXE} with: install Node.js")
        say(f"fetching {AXE}")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as name:
            run("npm", "pack", AXE, "--silent", "--pack-destination", name)
            with tarfile.open(next(Path(name).glob("*.tgz"))) as archive:
                archive.extract("package/axe.min.js", name, filter="data")
            (Path(name) / "package" / "axe.min.js").rename(script)
    if hashlib.sha256(script.read_bytes()).hexdigest() != AXE_SHA256:
        script.unlink()
        raise BrowserMissing(f"the {AXE} that was fetched is not the one that is expected")
    return script


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
