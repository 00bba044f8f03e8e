"""What a provider package is: its configuration, its resource types, its functions."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from local_aws.plugins.framework.errors import CheckFailure
from local_aws.plugins.framework.resource import Resource
from local_aws.plugins.framework.schema import Table
from local_aws.plugins.framework.values import Properties


@dataclass(frozen=True)
class Function:
    """A function of a package: the call, from arguments to results, and the arguments that it takes."""

    call: Callable[[Properties], Properties]
    properties: Table = field(default_factory=dict)


class Provider(ABC):
    """A provider package.

    Attributes:
        package: its name, the first part of its tokens.
        call_errors: exceptions of the client library that the user is told.
        cancelled: set when the engine cancels what is in progress.
    """

    package: ClassVar[str]
    call_errors: ClassVar[tuple[type[Exception], ...]] = ()

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    @abstractmethod
    def resources(self) -> Iterable[Resource[Any]]:
        """The resource types, one instance each."""

    def functions(self) -> Mapping[str, Function]:
        """The functions by token."""
        return {}

    def check_configuration(self, settings: Properties) -> list[CheckFailure]:
        """What is wrong with the configuration."""
        return []

    def configure(self, settings: Properties) -> None:
        """Take the configuration; values may be JSON documents in strings."""
        return

    def check_request(self, resource: Resource[Any], inputs: Properties) -> Iterable[CheckFailure]:
        """What is wrong with the request that creating `resource` from `inputs` would send."""
        return ()

    def explain(self, error: BaseException) -> str:
        """The message that the user is shown about a failure."""
        return str(error)
