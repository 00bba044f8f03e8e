"""The property tables against the published providers' own classes."""

import importlib
import inspect
import typing
from typing import Any

import pulumi_awsx
import pulumi_docker
import pytest
from pulumi import _types

from local_aws.plugins.aws.base import AwsResource
from local_aws.plugins.aws.lookups import FUNCTIONS
from local_aws.plugins.aws.registry import RESOURCES
from local_aws.plugins.awsx import vpc
from local_aws.plugins.docker.image import Image
from local_aws.plugins.framework.schema import ListOf, MapOf, Object, SetOf, Table

ADDED = {"contextDigest"}
"""What the published docker plugin adds to the inputs itself."""


def names_of(cls: type) -> set[str]:
    """The names on the wire of a Pulumi class's properties."""
    members = inspect.getmembers(cls, lambda item: isinstance(item, property))
    return {member.fget._pulumi_name for _, member in members if hasattr(member.fget, "_pulumi_name")}


def required_of(cls: Any) -> set[str]:
    wire = _types.input_type_py_to_pulumi_names(cls)
    parameters = inspect.signature(cls.__init__).parameters.values()
    return {wire[item.name] for item in parameters if item.name in wire and item.default is inspect.Parameter.empty}


def published(token: str) -> tuple[type, type]:
    """The published resource class and its arguments' class."""
    module, member = token.split(":")[1].split("/")[0], token.rsplit(":", 1)[-1]
    package = importlib.import_module(f"pulumi_aws.{'lambda_' if module == 'lambda' else module}")
    # Where a nested type has the name already, the resource's arguments are called otherwise.
    arguments = getattr(package, f"{member}InitArgs", None) or getattr(package, f"{member}Args")
    return getattr(package, member), arguments


def nested_class(annotation: Any) -> Any:
    """The class of arguments that an annotation has, within optional values, outputs and lists."""
    if _types.is_input_type(annotation):
        return annotation
    return next(filter(None, map(nested_class, typing.get_args(annotation))), None)


def check_table(table: Table, cls: type) -> None:
    """Every property of a table, and of those within it, is one of the published class's."""
    assert table.keys() - ADDED <= names_of(cls), cls
    annotations = _types.input_type_types(cls)
    for name, row in table.items():
        shape = row.shape
        while isinstance(shape, (ListOf, SetOf, MapOf)):
            shape = shape.item
        if isinstance(shape, Object):
            check_table(shape.properties, nested_class(annotations[name]))


@pytest.mark.parametrize("make", RESOURCES, ids=lambda make: make.token)
def test_a_resource_type_has_the_published_inputs_outputs_and_tags(make: type[AwsResource]) -> None:
    resource, (published_resource, published_args) = make(), published(make.token)
    check_table(resource.table, published_args)
    assert {name for name, row in resource.table.items() if row.required} >= required_of(published_args)
    assert set(make.outputs) <= names_of(published_resource)
    assert make.tagged == ("tags" in names_of(published_args)) == ("tagsAll" in make.outputs)


def test_the_image_and_the_vpc_have_the_published_inputs_and_outputs() -> None:
    check_table(Image.properties, pulumi_docker.ImageArgs)
    assert set(Image.outputs) <= names_of(pulumi_docker.Image)
    check_table(vpc.PROPERTIES, pulumi_awsx.ec2.VpcArgs)


@pytest.mark.parametrize("token", FUNCTIONS)
def test_functions_are_the_published_ones(token: str) -> None:
    module, member = token.split(":")[1].split("/")[0], token.rsplit(":", 1)[-1]
    package = importlib.import_module("pulumi_aws" if module == "index" else f"pulumi_aws.{module}")
    assert hasattr(package, f"{member[0].upper()}{member[1:]}Result")
