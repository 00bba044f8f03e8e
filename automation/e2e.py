"""Deploy the kit, run its workflows, verify each task, destroy everything: `python automation/e2e.py --help`."""

import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from automation import cli, faults, places, specs  # noqa: E402  the path comes first
from automation.edge import exit_status, travel  # noqa: E402
from automation.errors import BadOption, ConfigRefused, SpecForOnePattern, SpecPatternUnknown  # noqa: E402
from automation.interruption import Interruption  # noqa: E402

if TYPE_CHECKING:
    from automation.progress import Progress
    from automation.target import Target
    from automation.workfolders import Held
    from components.config import KitConfig


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for and return the process's exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = given[0] if given and not given[0].startswith("-") else None
    if command is not None:
        return exit_status(lambda interruption: _do_command(given, interruption), creates=False)
    return exit_status(lambda interruption: _do_main_job(given, interruption))


def _do_command(arguments: Sequence[str], interruption: Interruption) -> int:
    from automation.commands import options

    if arguments[0] not in options.NAMES:
        raise BadOption(f"{arguments[0]}: there is no such command. There are {', '.join(options.NAMES)}.")
    parsed = options.parse(arguments)
    from automation.commands import main as commands

    return commands.run(parsed, root=ROOT, interruption=interruption)


def _do_main_job(arguments: Sequence[str], interruption: Interruption) -> int:
    with interruption.breakable():
        journey_of = _prepare(cli.parse(arguments), interruption)
    return journey_of()


def _prepare(options: cli.Options, interruption: Interruption) -> Callable[[], int]:
    """Check everything that can be checked before anything is created; what is left to do is returned."""
    files = _spec_files(options)
    fault_rules = faults.read(options.faults) if options.faults else ()
    from automation import scenario, stack_settings
    from components.program import ConfigError, check_config

    settings = stack_settings.read(options.stack_config) if options.stack_config else {}
    values = {**settings, **options.config, "patterns": "all" if len(files) > 1 else str(next(iter(files)))}
    try:
        config = check_config(values)
    except ConfigError as error:
        raise ConfigRefused(str(error)) from error
    for pattern, (path, document) in files.items():
        specs.check_length(path, document, pattern=pattern, limits=config)

    run_name = f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"
    report_dir = options.report_dir or Path.cwd() / "reports" / run_name
    os.chdir(ROOT)
    stack_name = scenario.stack_name(config.name_suffix)
    target = _target(options, work_dir := _work_dir(options, run_name, stack_name), config)
    target.check()
    if options.json is not None:
        places.file(options.json, name="--json", advice="Name a file that can be written")
    places.folder(report_dir, name="--report-dir", advice="Name a folder that can be written to")
    places.folder(work_dir.parent, name="the work folder", advice=f"Make room, and make {ROOT / '.kit'} writable")
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

    def journey(progress: "Progress", held: "Held") -> scenario.Scenario:
        return scenario.Scenario(
            plan,
            target=target,
            interruption=interruption,
            progress=progress,
            faults=injected,
            held=held,
        )

    return lambda: travel(journey, plan, target, log="e2e.log", plugins=options.plugins, interruption=interruption)


def _spec_files(options: cli.Options) -> dict[int, tuple[Path, specs.Document]]:
    """The specs to run: pattern -> file and content."""
    if options.specs is None:
        paths = {pattern: specs.sample_path(ROOT, pattern) for pattern in options.patterns}
        documents = {pattern: specs.load(path) for pattern, path in paths.items()}
    else:
        document = specs.load(options.specs)
        patterns = _patterns(options, options.specs, document)
        paths, documents = dict.fromkeys(patterns, options.specs), dict.fromkeys(patterns, document)
    return {pattern: (paths[pattern], specs.with_tasks(documents[pattern], options.tasks)) for pattern in sorted(paths)}


def _patterns(options: cli.Options, path: Path, document: specs.Document) -> tuple[int, ...]:
    """The patterns that a spec is to be run in: those asked for, else the one that it is for."""
    if options.pattern_given:
        return options.patterns
    if not options.all_given:
        return (specs.pattern_of(path, document),)
    try:
        raise SpecForOnePattern(path, specs.pattern_of(path, document))
    except SpecPatternUnknown:
        return options.patterns


def _work_dir(options: cli.Options, run_name: str, stack_name: str) -> Path:
    if options.target == "aws":
        return ROOT / ".kit" / "aws" / stack_name
    return ROOT / ".kit" / "runs" / run_name


def _target(options: cli.Options, work_dir: Path, config: "KitConfig") -> "Target":
    if options.target == "aws":
        from automation.target import AwsTarget, is_interactive

        return AwsTarget(
            plugins=options.plugins,
            confirmed=options.yes,
            interactive=is_interactive(),
            work_dir=work_dir,
            state_dir=ROOT / ".kit" / "state",
            build_platform=None if config.job_image else config.docker_platform,
        )
    from automation.local.target import LocalTarget

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
