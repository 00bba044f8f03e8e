"""Deploy the kit, run its workflows, verify each task, destroy everything: `python automation/e2e.py --help`."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ecs_kit.automation.cli import options as command_line
from ecs_kit.automation.cli.entry_point import ROOT, check_folders, check_project, exit_status, run_folders, run_journey
from ecs_kit.automation.cli.options import wanted_patterns
from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.host import writable
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.journeys import spec_files
from ecs_kit.automation.journeys.spec_files import SpecFile

if TYPE_CHECKING:
    from ecs_kit.automation.stacks.target import Target
    from ecs_kit.components.config import KitConfig


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for and return the process's exit status."""
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(command_line.completed())
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["deploy"]:
        return exit_status(partial(_do_journey, partial(command_line.parse_deploy, given)))
    if given and not given[0].startswith("-"):
        return exit_status(partial(_do_command, given), creates=False)
    return exit_status(partial(_do_journey, partial(command_line.parse, given)))


def _do_command(arguments: Sequence[str], interruption: Interruption) -> int:
    if arguments[0] not in command_line.NAMES:
        raise BadInput(f"{arguments[0]}: there is no such command. There are {', '.join(command_line.NAMES)}.")
    options = command_line.parse_command(arguments)
    if options.command not in command_line.WITHOUT_STACK:
        check_project()
    # The libraries are loaded after the options have been read: help and errors come at once.
    from ecs_kit.automation.cli import commands

    return commands.run(options, root=ROOT, interruption=interruption)


def _do_journey(parse: Callable[[], argparse.Namespace], interruption: Interruption) -> int:
    with interruption.breakable():
        options = parse()
        check_project()
        journey_of = _prepare(options, interruption)
    return journey_of()


def _prepare(options: argparse.Namespace, interruption: Interruption) -> Callable[[], int]:
    """Check everything that can be checked before anything is created, and return the rest of the job."""
    deploys_only = options.command == "deploy"
    specs = {} if deploys_only else _spec_files(options)
    from ecs_kit.automation.cli import configuration
    from ecs_kit.automation.journeys import scenario
    from ecs_kit.automation.stacks import faults

    report_dir, work_dir = run_folders("", options.report_dir)
    os.chdir(ROOT)  # the configuration's paths are relative to it
    fault_rules = faults.read(options.faults) if options.faults else ()
    values, config = configuration.read(options, specs or wanted_patterns(options.pattern))
    for spec in specs.values():
        spec_files.check_length(spec.path, spec.document)
    stack_name = options.stack or scenario.stack_name(config.name_suffix)
    if options.target == "aws":
        work_dir = ROOT / ".kit" / "aws" / stack_name
    target = _target(options, work_dir, config)
    target.check()
    if options.json is not None:
        writable.file(options.json, name="--json", advice="Name a file that can be written")
    check_folders(report_dir, work_dir)
    plan = scenario.Plan(
        stack_name=stack_name,
        specs=specs,
        config=values,
        keep=options.keep,
        root=ROOT,
        report_dir=report_dir,
        json=options.json,
        limit_seconds=config.run_timeout_seconds,
        source_buckets=config.source_buckets,
        sources=options.sources,
        expectation=options.expect,
    )
    injected = faults.Faults(fault_rules, target.injector) if fault_rules and target.injector else None
    make = partial(scenario.Deployment if deploys_only else scenario.Scenario, faults=injected)
    return partial(
        run_journey,
        make,
        plan,
        target,
        log="e2e.log",
        plugins=options.plugins,
        quiet=options.quiet,
        json_lines=options.json_lines,
        interruption=interruption,
    )


def _spec_files(options: argparse.Namespace) -> dict[int, SpecFile]:
    """The spec to run, by pattern."""
    wanted = wanted_patterns(options.pattern)
    if options.specs is None:
        paths = {pattern: spec_files.sample_path(pattern) for pattern in wanted}
        specs = {pattern: SpecFile(path, spec_files.load(path)) for pattern, path in paths.items()}
    else:
        document = spec_files.load(options.specs)
        own = spec_files.pattern_of(document)
        if options.pattern is None and own is None:
            asks = "does not tell whether it is for pattern 1 or 2. Say so with --pattern 1 or --pattern 2."
            raise BadInput(f"{options.specs} {asks}")
        if options.pattern == "all" and own is not None:
            advice = "leave --pattern all out, or fill in no names of resources."
            raise BadInput(f"{options.specs} is for pattern {own}: {advice}")
        if options.pattern is None and own is not None:
            wanted = (own,)
        specs = dict.fromkeys(wanted, SpecFile(options.specs, document))
    return {
        pattern: replace(spec, document=spec_files.with_tasks(spec.document, options.tasks))
        for pattern, spec in specs.items()
    }


def _target(options: argparse.Namespace, work_dir: Path, config: "KitConfig") -> "Target":
    if options.target == "aws":
        from ecs_kit.automation.stacks.aws import AwsTarget
        from ecs_kit.automation.stacks.pulumi_cli import get_pulumi

        return AwsTarget(
            work_dir=work_dir,
            plugins=options.plugins,
            confirmed=options.yes,
            state_dir=ROOT / ".kit" / "state",
            get_pulumi=get_pulumi,
            build_platform=None if config.job.is_ready_image else config.docker_platform,
        )
    from ecs_kit.automation.stacks.local import LocalTarget

    return LocalTarget(
        work_dir=work_dir,
        container_runtime=options.container_runtime,
        plugins=options.plugins,
        port=options.emulator_port,
        keep=options.keep,
        base_image=config.job.mirror or config.base_image,
    )
