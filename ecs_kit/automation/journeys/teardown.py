"""The end of a stack: what runs is stopped, every resource destroyed, and every service asked for leftovers."""

import time
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from ecs_kit.automation.errors import DriverError, NotYourStack
from ecs_kit.automation.journeys import runs, slow_deletions
from ecs_kit.automation.journeys.progress import Progress
from ecs_kit.automation.stacks import leftovers
from ecs_kit.automation.stacks.lifecycle import PhysicalResource, Stack
from ecs_kit.automation.stacks.target import Target

LEFTOVER_LOOKS = {"local": 1, "aws": 6}
LEFTOVER_PAUSE_SECONDS = 10.0
"""AWS's lists show deleted things for a while: they are asked again before something counts as left over."""


@dataclass
class Teardown:
    """Destroys one stack; `failed` is told what failed, and the next steps are done all the same."""

    stack: Stack
    _: KW_ONLY
    target: Target
    work_dir: Path
    progress: Progress
    failed: Callable[[str], None]
    _had: Sequence[PhysicalResource] = ()
    _destroyed: bool = False
    _deregistered: set[str] = field(default_factory=set)

    def destroy(self) -> bool:
        """Stop what runs, then delete every resource; retry once. Returns whether all are deleted."""
        try:
            self._had = self.stack.resources()
            for arn in runs.stop_open_executions(self.target.aws, self._had):
                self.progress.say(f"stopped {arn}")
            for arn in runs.stop_ecs_tasks(self.target.aws, self._had):
                self.progress.say(f"stopped {arn}")
        except (DriverError, ClientError, BotoCoreError, OSError) as error:
            self.failed(str(error))
        try:
            with slow_deletions.reported(self.progress.say, self.progress.resource) as on_resource:
                try:
                    self.stack.destroy(on_resource=on_resource)
                except NotYourStack:
                    raise
                except DriverError as error:
                    self.progress.say(f"{error}\ntrying again")
                    self.stack.destroy(on_resource=on_resource)
            self._destroyed = True
        except DriverError as error:
            self.failed(str(error))
            for line in self.what_is_left():
                self.progress.say(line)
        return self._destroyed

    def look_for_leftovers(self) -> list[str]:
        """Remove what a destroy leaves, ask every service for leftovers, forget a destroyed stack; return leftovers."""
        inventory = leftovers.inventory(self.stack.name, self._had)
        try:
            for look in range(LEFTOVER_LOOKS[self.target.name]):
                if look:
                    time.sleep(LEFTOVER_PAUSE_SECONDS)
                late = self._destroyed and self._remove_what_destroy_leaves(inventory)
                found = leftovers.find(self.target.aws, inventory)
                if not found.living and not late:
                    break
        except (ClientError, BotoCoreError) as error:
            self.failed(f"could not look for leftovers: {error}")
            return []
        for line in found.living:
            self.progress.say(f"left over: {line}")
        for line in found.kept_by_aws:
            self.progress.say(f"kept by AWS itself, costs nothing: {line}")
        if self._destroyed and self.target.name == "aws":
            try:
                self.stack.remove()
            except DriverError as error:
                self.failed(str(error))
        return list(found.living)

    def _remove_what_destroy_leaves(self, inventory: leftovers.Inventory) -> bool:
        """Deregister revisions, which Pulumi leaves ACTIVE for active runs; delete log groups that came back.

        Returns whether there was such a log group, because it may come back again.
        """
        aws = self.target.aws
        for revision in leftovers.active_revisions(aws, inventory):
            if revision in self._deregistered:
                # A list may show it a while longer, and ECS refuses to deregister what is INACTIVE.
                continue
            self._deregistered.add(revision)
            aws.ecs.deregister_task_definition(taskDefinition=revision)
            self.progress.say(f"deregistered task definition {revision}")
        groups = leftovers.late_log_groups(aws, inventory)
        for group in groups:
            aws.logs.delete_log_group(logGroupName=group)
            self.progress.say(f"deleted log group {group}, which ECS had made anew")
        return bool(groups)

    def what_is_left(self) -> list[str]:
        """Lines for a user who has to finish by hand what the driver could not."""
        name = self.stack.name
        if self.target.name == "local":
            return left_on_this_machine(self.target, name, self.work_dir)
        try:
            left = self.stack.resources()
            lines = [f"{len(left)} resources are left in stack {name}:"]
            lines += [f"  {resource.type} {resource.id or '(creation not seen to end)'}" for resource in left]
        except DriverError as error:
            lines = [f"stack {name} cannot be read: {error}"]
        return [*lines, *_how_to_remove(self.target, name, self.work_dir)]


def left_on_this_machine(target: Target, stack: str, work_dir: Path) -> list[str]:
    """The same of a local stack, deployed or not."""
    return [
        "The emulator has everything that was deployed; it goes away with it. Left on this machine:",
        f"  {work_dir}",
        *_how_to_remove(target, stack, work_dir),
    ]


def _how_to_remove(target: Target, stack: str, work_dir: Path) -> list[str]:
    return ["To remove it:", *(f"  {line}" for line in target.how_to_remove(stack, work_dir))]
