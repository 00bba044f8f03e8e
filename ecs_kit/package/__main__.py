"""The component provider: Pulumi starts it for programs that use the package."""

import pulumi
from pulumi.provider.experimental import component_provider_host

from ecs_kit.components.program import KIT_VERSION
from ecs_kit.package.components import NAME, TaskSubmissionFromLambda, TaskSubmissionFromStepFunctions


def main() -> None:
    """Serve the package's components."""
    components: list[type[pulumi.ComponentResource]] = [TaskSubmissionFromLambda, TaskSubmissionFromStepFunctions]
    component_provider_host(components, NAME, version=KIT_VERSION)


if __name__ == "__main__":
    main()
