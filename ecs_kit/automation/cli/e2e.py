"""Deploy the kit, run its workflows, verify each task, destroy everything: `python automation/e2e.py --help`."""

import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecs_kit.automation.cli import e2e_options
from ecs_kit.automation.cli.entry_point import ROOT, check_folders, exit_status, run_folders, run_journey
from ecs_kit.automation.errors import BadOption, ConfigRefused, SpecForOnePattern, SpecPatternUnknown
from ecs_kit.automation.host import writable
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.journeys import spec_files
from ecs_kit.automation.stacks import faults

if TYPE_CHECKING:
    from ecs_kit.automation.stacks.target import Target
    from ecs_kit.components.config import KitConfig


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for and return the process's exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = given[0] if given and not given[0].startswith("-") else None
    if command is not None:
        return exit_status(lambda interruption: _do_command(given, interruption), creates=False)
    return exit_status(lambda interruption: _do_main_job(given, interruption))


def _do_command(arguments: Sequence[str], interruption: Interruption) -> int:
    from ecs_kit.automation.cli import command_options

    if arguments[0] not in command_options.NAMES:
        raise BadOption(f"{arguments[0]}: there is no such command. There are {', '.join(command_options.NAMES)}.")
    parsed = command_options.parse(arguments)
    from ecs_kit.automation.cli import commands

    return commands.run(parsed, root=ROOT, interruption=interruption)


def _do_main_job(arguments: Sequence[str], interruption: Interruption) -> int:
    with interruption.breakable():
        journey_of = _prepare(e2e_options.parse(arguments), interruption)
    return journey_of()


def _prepare(options: e2e_options.Options, interruption: Interruption) -> Callable[[], int]:
    """Check everything that can be checked before anything is created; what is left to do is returned."""
    files = _spec_files(options)
    fault_rules = _fault_rules(options.faults) if options.faults else ()
    from ecs_kit.automation.journeys import scenario

    values, config = _configuration(options, files)
    for pattern, (path, document) in files.items():
        spec_files.check_length(path, document, pattern=pattern, limits=config)
    report_dir, work_dir = run_folders("", options.report_dir)
    os.chdir(ROOT)
    stack_name = scenario.stack_name(config.name_suffix)
    if options.target == "aws":
        work_dir = ROOT / ".kit" / "aws" / stack_name
    target = _target(options, work_dir, config)
    target.check()
    if options.json is not None:
        writable.file(options.json, name="--json", advice="Name a file that can be written")
    check_folders(report_dir, work_dir)
    plan = scenario.Plan(
        stack_name=stack_name,
        specs={pattern: scenario.SpecFile(path, document) for pattern, (path, document) in files.items()},
        config=values,
        keep=options.keep,
        root=ROOT,
        work_dir=work_dir,
        report_dir=report_dir,
        json=options.json,
        limit_seconds=config.run_timeout_seconds,
        source_buckets=config.source_buckets,
        sources=options.sources,
        expectation=options.expectation,
    )
    injected = faults.Faults(fault_rules, injector) if fault_rules and (injector := target.injector) else None
    return lambda: run_journey(
        partial(scenario.Scenario, faults=injected),
        plan,
        target,
        log="e2e.log",
        plugins=options.plugins,
        interruption=interruption,
    )


def _configuration(options: e2e_options.Options, patterns: Collection[int]) -> "tuple[dict[str, str], KitConfig]":
    from ecs_kit.automation.stacks import stack_settings
    from ecs_kit.components.program import ConfigError, check_config

    settings = stack_settings.read(options.stack_config) if options.stack_config else {}
    values = {**settings, **options.config, "patterns": "all" if len(patterns) > 1 else str(next(iter(patterns)))}
    try:
        return values, check_config(values)
    except ConfigError as error:
        raise ConfigRefused(error) from error


def _fault_rules(path: Path) -> tuple[Mapping[str, Any], ...]:
    from ecs_kit.automation.stacks.local import parse_rules

    return faults.read(path, parse_rules)


def _spec_files(options: e2e_options.Options) -> dict[int, tuple[Path, spec_files.Document]]:
    """The specs to run: pattern -> file and content."""
    if options.specs is None:
        paths = {pattern: spec_files.sample_path(ROOT, pattern) for pattern in options.patterns}
        documents = {pattern: spec_files.load(path) for pattern, path in paths.items()}
    else:
        document = spec_files.load(options.specs)
        patterns = _patterns(options, options.specs, document)
        paths, documents = dict.fromkeys(patterns, options.specs), dict.fromkeys(patterns, document)
    return {
        pattern: (paths[pattern], spec_files.with_tasks(documents[pattern], options.tasks)) for pattern in sorted(paths)
    }


def _patterns(options: e2e_options.Options, path: Path, document: spec_files.Document) -> tuple[int, ...]:
    """The patterns that a spec is to be run in: those asked for, else the one that it is for."""
    if options.pattern_given:
        return options.patterns
    if not options.all_given:
        return (spec_files.pattern_of(path, document),)
    try:
        raise SpecForOnePattern(path, spec_files.pattern_of(path, document))
    except SpecPatternUnknown:
        return options.patterns


def _target(options: e2e_options.Options, work_dir: Path, config: "KitConfig") -> "Target":
    from ecs_kit.automation.stacks.local import LocalTarget, get_pulumi

    if options.target == "aws":
        from ecs_kit.automation.stacks.aws import AwsTarget
        from ecs_kit.automation.stacks.target import is_interactive

        return AwsTarget(
            plugins=options.plugins,
            confirmed=options.yes,
            interactive=is_interactive(),
            work_dir=work_dir,
            state_dir=ROOT / ".kit" / "state",
            get_pulumi=get_pulumi,
            build_platform=None if config.job.is_ready_image else config.docker_platform,
        )
    return LocalTarget(
        work_dir=work_dir,
        container_runtime=options.container_runtime,
        plugins=options.plugins,
        port=options.emulator_port,
        keep=options.keep,
        base_image=config.base_image,
    )


if __name__ == "__main__":
    sys.exit(main())
