"""Entry point for `pulumi up`, and for the component package, which Pulumi calls with the engine's address."""

import sys

if sys.argv[1:]:
    from ecs_kit.package.__main__ import main
else:
    from ecs_kit.components.program import program as main

main()
