"""What the `aws` resource types share: their calls as declared, tags, retries."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from botocore import xform_name
from botocore.exceptions import ClientError

from local_aws.plugins.aws import shapes
from local_aws.plugins.aws.provider import AwsProvider
from local_aws.plugins.framework.errors import ProviderError
from local_aws.plugins.framework.resource import Operation, Resource
from local_aws.plugins.framework.schema import STRING, MapOf, Property, Table
from local_aws.plugins.framework.values import Properties

Aws = Operation[AwsProvider]


@dataclass(frozen=True)
class Retry:
    """Which refusals of a call pass by themselves.

    Attributes:
        what: what is waited for; properties of the resource and its `id` are filled in.
        codes: the error codes.
        seconds: how long at most, unless the program sets a timeout.
        messages: only errors whose message has one of these texts (any case) pass.
    """

    what: str
    codes: tuple[str, ...]
    seconds: float
    messages: tuple[str, ...] = ("",)

    def call(self, operation: Aws, function: Callable[[], Any], properties: Mapping[str, Any]) -> Any:
        """Call until AWS no longer refuses with one of these errors; the user is told once what is waited for."""
        if not self.codes:
            return function()
        what = self.what.format_map(properties)
        last: list[ClientError] = []

        def attempt() -> tuple[Any] | None:
            try:
                return (function(),)
            except ClientError as error:
                text = str(error.response.get("Error", {}).get("Message", "")).lower()
                if code_of(error) not in self.codes or not any(part in text for part in self.messages):
                    raise
                if not last:
                    operation.say(f"waiting for {what}: {operation.provider.explain(error)}")
                last[:] = [error]
                return None

        try:
            return operation.wait(what, attempt, default_seconds=self.seconds, interval_seconds=0.5)[0]
        except ProviderError as error:
            raise ProviderError(f"{error} ({operation.provider.explain(last[0])})" if last else str(error)) from error


class AwsResource(Resource[AwsProvider]):
    """A resource type of AWS, declared by its operations; botocore's service model gives their parameters.

    Parameters are filled from the properties of the same name (`shapes` has the rule). A type overrides the methods
    below only for what its operations do differently. Operations have AWS's names.

    Attributes:
        service: boto3's name of the service.
        answers: the member of the answer to `reads` that holds the properties, if it is not the answer itself.
        lists_tags: returns the tags by the ARN; empty if `reads` does.
        updates: the operations that change it in place, with the properties that each changes.
        puts: whether the operation that creates it changes it, too.
        id_property: the property that is its id.
        renamed: AWS's names of properties with another name than Pulumi's, by Pulumi's.
        gone: the error codes that mean that it does not exist.
        tagging: the operations that set and remove tags.
        not_yet: refusals of its creation that pass.
        in_use: refusals of its deletion that pass.
        gone_seconds: how long it may exist after the call that deletes it; 0 if that call has deleted it.
    """

    service: ClassVar[str]
    creates: ClassVar[str]
    reads: ClassVar[str]
    answers: ClassVar[str] = ""
    lists_tags: ClassVar[str] = ""
    updates: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    puts: ClassVar[bool] = False
    deletes: ClassVar[str]
    id_property: ClassVar[str] = "name"
    renamed: ClassVar[Mapping[str, str]] = {}
    gone: ClassVar[tuple[str, ...]]
    tagged: ClassVar[bool] = True
    tagging: ClassVar[tuple[str, str]] = ("TagResource", "UntagResource")
    not_yet: ClassVar[Retry] = Retry("", (), 0)
    in_use: ClassVar[Retry] = Retry("", (), 0)
    gone_seconds: ClassVar[float] = 0

    @property
    def table(self) -> Table:
        """The type's own inputs and `tags`."""
        return {**self.properties, "tags": Property(MapOf(STRING))} if self.tagged else self.properties

    def complete(self, provider: AwsProvider, inputs: Properties) -> Properties:
        """Add the provider's default tags; the resource's own take precedence."""
        own = inputs.get("tags") or {}
        if self.tagged and provider.default_tags and isinstance(own, dict):
            return {**inputs, "tags": {**provider.default_tags, **own}}
        return inputs

    def foresee(self, provider: AwsProvider, inputs: Properties) -> Properties:
        """Tags are known beforehand."""
        return {"tagsAll": inputs.get("tags") or {}} if self.tagged else {}

    def request(self, provider: AwsProvider, inputs: Properties) -> dict[str, Any]:
        """The parameters of the operation that creates it."""
        return self.parameters(provider, self.creates, inputs)

    def parameters(self, provider: AwsProvider, name: str, properties: Properties) -> dict[str, Any]:
        """Properties as parameters of an operation."""
        shape = shapes.input_of(provider.client(self.service), name)
        parameters: dict[str, Any] = shapes.to_aws(shape, properties, self.renamed)
        return parameters

    def client(self, operation: Aws) -> Any:
        """The service's client."""
        return operation.provider.client(self.service)

    def call(self, operation: Aws, name: str, parameters: Mapping[str, Any]) -> Any:
        """Call an operation by AWS's name of it."""
        return getattr(self.client(operation), xform_name(name))(**parameters)

    def call_on(self, operation: Aws, name: str, properties: Properties) -> Any:
        """Call an operation with the properties that it takes."""
        return self.call(operation, name, self.parameters(operation.provider, name, properties))

    def send(self, operation: Aws, inputs: Properties) -> Any:
        """Call the operation that creates it."""
        parameters = self.request(operation.provider, inputs)
        return self.not_yet.call(operation, lambda: self.call(operation, self.creates, parameters), inputs)

    def found(self, answer: Mapping[str, Any]) -> Properties:
        """The type's inputs and outputs in an answer of AWS."""
        outputs = {name: Property(STRING) for name in self.outputs}
        return shapes.from_aws({**outputs, **self.table}, answer, self.renamed)

    def create(self, operation: Aws, inputs: Properties) -> str:
        """The one call."""
        self.send(operation, inputs)
        operation.created = str(inputs[self.id_property])
        return operation.created

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """The type's own properties from AWS, or `None` if there is no such resource."""
        answer = self.call_on(operation, self.reads, {**state, self.id_property: resource_id})
        return self.found(answer.get(self.answers, answer))

    def read(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """`find`, with the tags of a type that has some."""
        found: Properties | None = None
        with tolerating(*self.gone):
            found = self.find(operation, resource_id, state)
            if found is not None and self.lists_tags:
                (whose,) = shapes.input_of(self.client(operation), self.lists_tags).required_members
                answer = self.call(operation, self.lists_tags, {whose: found["arn"]})
                found["tags"] = answer.get("tags") or answer.get("Tags")
        if found is None:
            return None
        if self.tagged:
            found["tags"] = found["tagsAll"] = shapes.tags_of(found.get("tags"))
        return {key: value for key, value in found.items() if value is not None}

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Tags by their own calls, all else by `change`; what AWS does not store changes in the state alone."""
        stored = {name for name in changed if name != "tags" and not self.table[name].unreadable}
        if stored:
            self.change(operation, resource_id, old, new, stored)
        if "tags" in changed:
            self.change_tags(operation, resource_id, old, new)

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Call the operations that change it to the inputs `new`; `changed` is without tags."""
        if self.puts:
            self.create(operation, new)
            return
        fixed = changed.difference(*self.updates.values())
        if fixed:
            raise ProviderError(f"this plugin cannot change {', '.join(sorted(fixed))} of {resource_id}")
        defaults = {name: row.default for name, row in self.table.items() if row.default is not None}
        for name, properties in self.updates.items():
            if changed & set(properties):
                self.call_on(operation, name, {**defaults, **new, "tags": None, self.id_property: resource_id})

    def change_tags(self, operation: Aws, resource_id: str, old: Properties, new: Properties) -> None:
        """Set the tags that differ, and remove those that are no longer given."""
        target = old["arn"] if self.tagging == AwsResource.tagging else resource_id
        changes, removed = tag_changes(old, new)
        sets, removes = self.tagging
        if removed:
            whose, which = shapes.input_of(self.client(operation), removes).members
            self.call(operation, removes, {whose: target, which: removed})
        if changes:
            shape = shapes.input_of(self.client(operation), sets)
            whose, which = shape.members
            self.call(operation, sets, {whose: target, which: shapes.tags_for(shape.members[which], changes)})

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """`remove`, and wait until it is gone; that it does not exist is no error."""
        with tolerating(*self.gone):
            self.in_use.call(operation, lambda: self.remove(operation, resource_id, state), {"id": resource_id})
            if self.gone_seconds:
                operation.wait(
                    f"the deletion of {resource_id}",
                    lambda: self.read(operation, resource_id, state) is None or None,
                    default_seconds=self.gone_seconds,
                )

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """The call that deletes it."""
        self.call_on(operation, self.deletes, {**state, self.id_property: resource_id})


def code_of(error: ClientError) -> str:
    """AWS's error code."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def tolerating(*codes: str) -> Generator[None, None, None]:
    """Suppress AWS errors with one of `codes`."""
    try:
        yield
    except ClientError as error:
        if code_of(error) not in codes:
            raise


def tag_changes(old: Properties, new: Properties) -> tuple[dict[str, str], list[str]]:
    """The tags to set and those to remove to get from one set of tags to another."""
    before, after = old.get("tagsAll") or old.get("tags") or {}, new.get("tags") or {}
    return {key: text for key, text in after.items() if before.get(key) != text}, sorted(before.keys() - after.keys())
