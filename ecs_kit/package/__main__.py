"""The component provider: Pulumi starts it for programs that use the package."""

import sys

from pulumi.provider import main as serve

from ecs_kit.package.components import Package


def main() -> None:
    """Serve the package's components."""
    serve(Package(), sys.argv[1:])


if __name__ == "__main__":
    main()
