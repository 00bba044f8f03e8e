"""What a resource type is: its tables, and how one is created, read, updated and deleted."""

import hashlib
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from local_aws.plugins.framework.errors import CheckFailure, ProviderError
from local_aws.plugins.framework.schema import Table
from local_aws.plugins.framework.values import UNKNOWN, Properties

ProviderT = TypeVar("ProviderT")
T = TypeVar("T")

NAME_START = 55
"""Characters of a resource's logical name in a generated name; the shortest limit is S3's, 63 in all."""


@dataclass
class Operation(Generic[ProviderT]):
    """One call of the engine about one resource.

    Attributes:
        timeout_seconds: the program's `customTimeouts` for this call; 0 if it has none.
        cancelled: set when the engine cancels what is in progress.
        say: shows the user what this resource is waiting for, until the resource is done.
        created: the id of the resource, as soon as it exists: whatever fails afterwards, the engine keeps it.
    """

    provider: ProviderT
    timeout_seconds: float = 0
    cancelled: threading.Event = field(default_factory=threading.Event)
    say: Callable[[str], None] = lambda _line: None
    created: str | None = None

    def wait(
        self, what: str, probe: Callable[[], T | None], *, default_seconds: float, interval_seconds: float = 0.05
    ) -> T:
        """Poll `probe` until it returns a value; the pauses double up to 5 s.

        `ProviderError`: the time is up (`default_seconds` if the program sets none), or the engine cancelled.
        """
        limit = self.timeout_seconds or default_seconds
        deadline = time.monotonic() + limit
        while True:
            found = probe()
            if found is not None:
                return found
            if time.monotonic() >= deadline:
                raise ProviderError(f"{what} did not happen within {limit:g} s; give customTimeouts if it needs longer")
            if self.cancelled.wait(interval_seconds):
                raise ProviderError(f"cancelled while waiting for {what}")
            interval_seconds = min(interval_seconds * 2, 5.0)


class Resource(ABC, Generic[ProviderT]):
    """A resource type. Subclasses fill in the tables and the calls.

    Attributes:
        properties: the inputs.
        outputs: the outputs besides the inputs.
        volatile: outputs that an update may change, so that a preview of one does not know them.
        name_property: the input that gets a generated name if it is absent.
        deletes_before_replace: whether old and new cannot exist at once, with the names that the program gives.
    """

    token: ClassVar[str]
    properties: ClassVar[Table]
    outputs: ClassVar[tuple[str, ...]] = ()
    volatile: ClassVar[tuple[str, ...]] = ()
    deletes_before_replace: ClassVar[bool] = False
    name_property: ClassVar[str | None] = None

    @property
    def table(self) -> Table:
        """All inputs, with those that every type of the provider has."""
        return self.properties

    def complete(self, provider: ProviderT, inputs: Properties) -> Properties:
        """Fill in what the provider's configuration adds to checked inputs."""
        return inputs

    def check(self, provider: ProviderT, inputs: Properties) -> Iterable[CheckFailure]:
        """Rules beyond the table; `inputs` may hold unknowns."""
        return ()

    def replaced_by(self, old: Properties, new: Properties) -> Iterable[str]:
        """Top-level properties that replace the resource, although the table does not say so."""
        return ()

    def check_change(self, old: Properties, new: Properties, changed: set[str]) -> None:
        """Refuse, with a `ProviderError`, what `update` cannot change; `new` may hold unknowns."""

    def changing(self, new: Properties, changed: set[str]) -> Iterable[str]:
        """Outputs that an update to the inputs `new` may change; `changed` names the top-level inputs that differ."""
        return self.volatile

    def foresee(self, provider: ProviderT, inputs: Properties) -> Properties:
        """Outputs that are known before the resource is created."""
        return {}

    @abstractmethod
    def create(self, operation: Operation[ProviderT], inputs: Properties) -> str:
        """Create it and return its id, which is in `operation.created` before anything else can fail.

        It may add to `inputs` what `read` cannot know from the id: `inputs` is the first state that `read` is given.
        """

    @abstractmethod
    def read(self, operation: Operation[ProviderT], resource_id: str, state: Properties) -> Properties | None:
        """All its properties from AWS, or `None` if it does not exist; `state` is what was known of it."""

    @abstractmethod
    def update(
        self, operation: Operation[ProviderT], resource_id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        """Change it from the state `old` to the inputs `new`; `changed` names the top-level inputs that differ."""

    @abstractmethod
    def delete(self, operation: Operation[ProviderT], resource_id: str, state: Properties) -> None:
        """Delete it; that it does not exist is no error."""


def named(
    resource: Resource[Any], name: str, seed: bytes, olds: Mapping[str, Any], inputs: Mapping[str, Any]
) -> Properties:
    """Inputs with a name: the program's, the one generated before, or a new one.

    It is made of the resource's logical name and the engine's seed, which is the same when a step is repeated.
    """
    key = resource.name_property
    if key is None or inputs.get(key) is not None:
        return dict(inputs)
    start = f"{name[:NAME_START]}-"
    before = olds.get(key)
    kept = isinstance(before, str) and re.fullmatch(rf"{re.escape(start)}[0-9a-f]{{7}}", before)
    return {**inputs, key: before if kept else start + hashlib.sha256(seed or name.encode()).hexdigest()[:7]}


def foreseen(resource: Resource[ProviderT], provider: ProviderT, inputs: Properties) -> Properties:
    """The state that a preview of creating the resource shows."""
    computed = (name for name, row in resource.table.items() if row.computed)
    unknown = dict.fromkeys((*resource.outputs, *computed), UNKNOWN)
    return {**unknown, **inputs, **resource.foresee(provider, inputs)}


def merged(resource: Resource[Any], old_state: Mapping[str, Any], inputs: Mapping[str, Any]) -> Properties:
    """The state of a resource that is updated to `inputs`; inputs that the program no longer gives are dropped."""
    kept = {
        name: value
        for name, value in old_state.items()
        if name not in resource.table or resource.table[name].computed or name in inputs
    }
    return {**kept, **inputs}


def foreseen_update(
    resource: Resource[ProviderT], provider: ProviderT, old_state: Properties, inputs: Properties, changed: set[str]
) -> Properties:
    """The state that a preview of updating the resource shows; `changed` names the top-level inputs that differ."""
    unknown = dict.fromkeys(resource.changing(inputs, changed), UNKNOWN)
    return {**merged(resource, old_state, inputs), **unknown, **resource.foresee(provider, inputs)}
