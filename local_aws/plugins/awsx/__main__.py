"""The plugin's process: `python -m local_aws.plugins.awsx`."""

import sys
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.errors import InputPropertyErrorDetails
from pulumi.provider import ConstructResult, Provider, main

from local_aws.plugins.awsx import vpc
from local_aws.plugins.framework.serve import end_with_parent, exit_on_signals


class AwsxProvider(Provider):
    """The `awsx` package: one component."""

    def construct(
        self, name: str, resource_type: str, inputs: Mapping[str, Any], options: pulumi.ResourceOptions | None = None
    ) -> ConstructResult:
        """Create the component with its children; unknown components and wrong inputs are refused by name."""
        subject = f"{resource_type} {name}"
        if resource_type != vpc.TOKEN:
            raise pulumi.InputPropertiesError(f"this awsx plugin does not know {resource_type}; it knows {vpc.TOKEN}")
        found = vpc.failures(inputs)
        if found:
            errors = [InputPropertyErrorDetails(property_path=failure.path, reason=failure.reason) for failure in found]
            raise pulumi.InputPropertiesError(subject, errors)
        try:
            component = vpc.Vpc(name, inputs, options)
        except ValueError as error:
            raise pulumi.InputPropertiesError(f"{subject}: {error}") from error
        return ConstructResult(component.urn, component.state)


if __name__ == "__main__":
    end_with_parent()
    exit_on_signals()
    main(AwsxProvider("3.11.0"), sys.argv[1:])
