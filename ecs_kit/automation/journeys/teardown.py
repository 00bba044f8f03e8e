"""The end of a stack: what runs is stopped, every resource destroyed, and every service asked for leftovers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import sleep

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
    target: Target
    progress: Progress
    failed: Callable[[str], None]
    _had: Sequence[PhysicalResource] = ()
    _destroyed: bool = False
    _deregistered: set[str] = field(default_factory=set)

    def destroy(self) -> bool:
        """Stop what runs, then delete every resource; retry once. Returns whether all are deleted."""
        try:
            self._had = self.stack.resources()
            for stop in (runs.stop_open_executions, runs.stop_ecs_tasks):
                for arn in stop(self.target.aws, self._had):
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
            self.progress.say("\n".join(what_is_left(self.target, self.stack.name, self.stack)))
        return self._destroyed

    def look_for_leftovers(self) -> list[str]:
        """Remove what a destroy leaves, ask every service for leftovers, forget a destroyed stack; return leftovers."""
        inventory = leftovers.inventory(self.stack.name, self._had)
        try:
            for look in range(LEFTOVER_LOOKS[self.target.name]):
                if look:
                    sleep(LEFTOVER_PAUSE_SECONDS)
                late = self._destroyed and self._remove_what_destroy_leaves(inventory)
                found = leftovers.find(self.target.aws, inventory)
                if not found.living and not late:
                    break
        except (ClientError, BotoCoreError) as error:
            self.failed(f"could not look for leftovers: {error}")
            return []
        for line in found.living:
            self.progress.say(f"left over: {line}")
        for resource in self._had if self._destroyed else ():
            if resource.retained:
                self.progress.say(f"retained by the configuration: {resource.type} {resource.id}")
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
        # A list may show a revision a while longer, and ECS refuses to deregister what is INACTIVE.
        for revision in sorted(set(leftovers.active_revisions(aws, inventory)) - self._deregistered):
            self._deregistered.add(revision)
            aws.ecs.deregister_task_definition(taskDefinition=revision)
            self.progress.say(f"deregistered task definition {revision}")
        groups = leftovers.late_log_groups(aws, inventory)
        for group in groups:
            aws.logs.delete_log_group(logGroupName=group)
            self.progress.say(f"deleted log group {group}, which ECS had made anew")
        return bool(groups)


def what_is_left(target: Target, name: str, stack: Stack | None) -> list[str]:
    """Lines for a user who has to finish by hand what the driver could not; without a `stack` nothing was deployed."""
    if target.name == "local":
        lines = [
            "The emulator has everything that was deployed; it goes away with it. Left on this machine:",
            f"  {target.work_dir}",
        ]
    elif stack is None:
        return []
    else:
        try:
            left = stack.resources()
            lines = [f"{len(left)} resources are left in stack {name}:"]
            lines += [f"  {resource.type} {resource.id or '(creation not seen to end)'}" for resource in left]
        except DriverError as error:
            lines = [f"stack {name} cannot be read: {error}"]
    return [*lines, "To remove it:", *(f"  {line}" for line in target.how_to_remove(name))]
