"""What a provider package is: its configuration, its resource types, its functions."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from local_aws.plugins.framework.errors import CheckFailure
from local_aws.plugins.framework.resource import Resource
from local_aws.plugins.framework.schema import Table
from local_aws.plugins.framework.values import Properties


@dataclass(frozen=True)
class Function:
    """A function of a package: the call, from provider and arguments to results, and the arguments that it takes."""

    call: Callable[[Any, Properties], Properties]
    properties: Table = field(default_factory=dict)


class Provider:
    """A provider package: its resource types and functions by their tokens.

    Attributes:
        call_errors: exceptions of the client library that the user is told.
        replaced_by: settings whose change replaces the provider, and so its resources.
        cancelled: set when the engine cancels what is in progress.
    """

    call_errors: ClassVar[tuple[type[Exception], ...]] = ()
    replaced_by: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, package: str, resources: Iterable[Resource[Any]], functions: Mapping[str, Function] | None = None
    ) -> None:
        self.package = package
        self.resources = {resource.token: resource for resource in resources}
        self.functions = functions or {}
        self.cancelled = threading.Event()

    def check_configuration(self, settings: Properties) -> list[CheckFailure]:
        """What is wrong with the configuration."""
        return []

    def configure(self, settings: Properties) -> None:
        """Take the configuration; values may be JSON documents in strings."""

    def check_request(self, resource: Resource[Any], inputs: Properties) -> Iterable[CheckFailure]:
        """What is wrong with the request that creating `resource` from `inputs` would send."""
        return ()

    def explain(self, error: BaseException) -> str:
        """The message that the user is shown about a failure."""
        return str(error)
