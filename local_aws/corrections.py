"""`python -m local_aws.corrections`: is each correction of MiniStack still needed, and does each still fit MiniStack?

First it compares what the corrections use of MiniStack with the record, `aws_behaviour/ministack.json`; if a signature
or the version differs, it prints that and ends. `--accept` updates the record. Then it runs the emulator's tests with
all corrections, and once without each correction: those marked `correction(name="<its module>")`, until one fails.

Exit status: 0 if each correction is needed by a test; 1 if one is not, or if the record differs from what is installed;
2 if tests fail with all corrections.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import os
import pydoc
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from local_aws.emulator.aws_behaviour.installation import every_correction
from local_aws.emulator.aws_behaviour.patching import RECORD, Correction
from local_aws.emulator.supervisor import LEFT_OUT

EMULATOR = Path(__file__).parent / "emulator"
TESTS = Path(__file__).parent / "tests" / "integration" / "emulator"
AT_ONCE = 2
"""Test runs in parallel."""


# --- what is used of MiniStack ---------------------------------------------------------------------------------------


def names_used(source: str) -> Iterator[str]:
    """The dotted names of MiniStack that a Python module uses: what it imports, and attributes of that."""
    imported: dict[str, str] = {}
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "ministack":
            imported |= {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}
    yield from imported.values()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in imported:
            yield f"{imported[node.value.id]}.{node.attr}"


def signature(value: Any) -> str:
    """The part of a value that a correction relies on: a function's or class's signature, else the type."""
    if not callable(value):
        return type(value).__name__
    try:
        of = inspect.signature(value)
    except ValueError:
        return "callable"
    # Neither annotations nor the values of defaults: Python versions print them differently.
    bare = [
        each.replace(annotation=each.empty, default=each.default if each.default is each.empty else ...)
        for each in of.parameters.values()
    ]
    shown = str(of.replace(parameters=bare, return_annotation=of.empty)).replace("=Ellipsis", "=...")
    return f"class {shown}" if inspect.isclass(value) else shown


def record(corrections: Iterable[Correction], sources: Iterable[Path]) -> dict[str, Any]:
    """What is installed, as `RECORD` has it; the signature of a missing name is `missing`."""
    names = sorted({name for path in sources for name in names_used(path.read_text(encoding="utf-8"))})
    found = {name: pydoc.locate(name) for name in names}
    signatures = {name: "missing" if value is None else signature(value) for name, value in found.items()}
    signatures |= {patch.where: signature(patch.find()) for each in corrections for patch in each.patches}
    used = {name: shown for name, shown in sorted(signatures.items()) if shown != "module"}
    return {"version": version("ministack"), "names": used}


def changes(recorded: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """The differences from the record, a line each."""
    lines = []
    if recorded["version"] != found["version"]:
        lines.append(f"MiniStack {found['version']} is installed, the corrections know {recorded['version']}")
    before, now = recorded["names"], found["names"]
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            lines.append(f"{name}: {before.get(name, 'not recorded')} -> {now.get(name, 'no longer used')}")
    return lines


# --- what the tests need ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """A test run: how many passed, and the first that failed, if any."""

    passed: int
    failed: str | None


def outcome(report: str) -> Outcome:
    """Parse pytest's report in JUnit's XML."""
    cases = list(ElementTree.fromstring(report).iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    name = failed[0].get("name", "") if failed else None
    return Outcome(len(cases) - len(failed) - skipped, name)


def verdict(name: str, without: Outcome, ministack: str) -> tuple[bool, str]:
    """Whether a correction is needed, by the run without it of the tests that name its module, and a line about it."""
    if without.failed is not None:
        return True, f"{name}: needed by {without.failed}"
    if not without.passed:
        return False, f"{name}: no test names it"
    why = f"all {without.passed} tests that name it pass without it"
    return False, f"{name}: no test fails without it: superfluous with MiniStack {ministack}, or untested ({why})"


def run_tests(module: str | None, left_out: str = "") -> Outcome:
    """Run the emulator's tests that name a module, or all, until one fails."""
    marked = "correction" if module is None else f"correction(name={module!r})"
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "--quiet", "--exitfirst", "-p", "no:cacheprovider"]
        command += ["-m", f"{marked} and not docker", f"--junitxml={report}", f"--basetemp={folder}/tmp", str(TESTS)]
        done = subprocess.run(command, env={**os.environ, LEFT_OUT: left_out}, capture_output=True, text=True)
        if not report.exists():
            raise RuntimeError(f"pytest made no report: {done.stdout}{done.stderr}")
        return outcome(report.read_text(encoding="utf-8"))


def check(corrections: Sequence[Correction]) -> int:
    """Run the tests with all corrections and without each of these; print the results, and return the exit status."""
    with_all = run_tests(None)
    if with_all.failed is not None:
        print(f"with all corrections, this fails: {with_all.failed}")
        return 2
    print(f"with all corrections: {with_all.passed} tests pass", flush=True)
    needed = []
    with ThreadPoolExecutor(AT_ONCE) as workers:
        for each, found in zip(
            corrections, workers.map(lambda each: run_tests(each.module, each.name), corrections), strict=True
        ):
            needs, line = verdict(each.name, found, version("ministack"))
            needed.append(needs)
            print(line, flush=True)
    print(f"{sum(needed)} of {len(needed)} corrections are needed")
    return 0 if all(needed) else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m local_aws.corrections", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="only these corrections, or those of these modules")
    parser.add_argument("--accept", action="store_true", help="update the record of what is used of MiniStack")
    given = parser.parse_args(arguments)
    corrections = every_correction()
    found = record(corrections, sorted(EMULATOR.rglob("*.py")))
    if given.accept:
        RECORD.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"recorded: MiniStack {found['version']}, {len(found['names'])} names")
        return 0
    differing = changes(json.loads(RECORD.read_text(encoding="utf-8")), found)
    if differing:
        print(*differing, "adapt the corrections, then: python -m local_aws.corrections --accept", sep="\n")
        return 1
    wanted = [each for each in corrections if not given.names or {each.name, each.module} & set(given.names)]
    return check(wanted)


if __name__ == "__main__":
    raise SystemExit(main())
