"""The property tables against the published providers' own classes."""

import importlib
import inspect
from typing import Any

import pulumi_docker
import pytest

from local_aws.plugins.aws.base import AwsResource
from local_aws.plugins.aws.lookups import FUNCTIONS
from local_aws.plugins.aws.registry import RESOURCES
from local_aws.plugins.awsx import vpc
from local_aws.plugins.docker.image import Image
from local_aws.plugins.framework.schema import ListOf, MapOf, Object, SetOf, Shape, Table

ADDED = {"contextDigest"}
"""What the published docker plugin adds to the inputs itself."""


def names_of(cls: type) -> set[str]:
    """The names on the wire of a Pulumi class's properties."""
    members = inspect.getmembers(cls, lambda item: isinstance(item, property))
    return {member.fget._pulumi_name for _, member in members if hasattr(member.fget, "_pulumi_name")}


def required_of(cls: Any) -> set[str]:
    wire = {
        name: member.fget._pulumi_name
        for name, member in inspect.getmembers(cls, lambda item: isinstance(item, property))
        if hasattr(member.fget, "_pulumi_name")
    }
    parameters = inspect.signature(cls.__init__).parameters.values()
    return {wire[item.name] for item in parameters if item.name in wire and item.default is inspect.Parameter.empty}


def published(token: str) -> tuple[type, type]:
    """The published resource class and its arguments' class."""
    module, member = token.split(":")[1].split("/")[0], token.rsplit(":", 1)[-1]
    package = importlib.import_module(f"pulumi_aws.{'lambda_' if module == 'lambda' else module}")
    # Where a nested type has the name already, the resource's arguments are called otherwise.
    arguments = getattr(package, f"{member}InitArgs", None) or getattr(package, f"{member}Args")
    return getattr(package, member), arguments


def nested(shape: Shape) -> Table | None:
    """The table of what a list, set or map holds, or of an object."""
    while isinstance(shape, (ListOf, SetOf, MapOf)):
        shape = shape.item
    return shape.properties if isinstance(shape, Object) else None


def check_nested(table: Table, cls: type, module: Any) -> None:
    """Every member of every nested table is one of the class that the published package has for it."""
    classes = [item for name, item in inspect.getmembers(module, inspect.isclass) if name.endswith("Args")]
    for name, row in table.items():
        inner = nested(row.shape)
        if inner is not None and not name.startswith("_"):
            suffix = name[0].upper() + name[1:]
            stem = f"{cls.__name__.removesuffix('Args')}{suffix}"
            fitting = [item for item in classes if item.__name__ in (f"{stem}Args", f"{stem.removesuffix('s')}Args")]
            if not fitting and stem.endswith("ies"):
                fitting = [item for item in classes if item.__name__ == f"{stem.removesuffix('ies')}yArgs"]
            if not fitting and stem.endswith("xes"):
                fitting = [item for item in classes if item.__name__ == f"{stem.removesuffix('es')}Args"]
            if fitting:
                assert inner.keys() <= names_of(fitting[0]), stem
                check_nested(inner, fitting[0], module)


@pytest.mark.parametrize("make", RESOURCES, ids=lambda make: make.token)
def test_inputs_and_outputs_are_the_published_ones(make: type[AwsResource]) -> None:
    resource = make()
    published_resource, published_args = published(make.token)
    assert resource.table.keys() <= names_of(published_args)
    assert set(make.outputs) <= names_of(published_resource)
    module = importlib.import_module(published_args.__module__.rsplit(".", 1)[0])
    check_nested(resource.properties, published_args, importlib.import_module(f"{module.__name__}._inputs"))


@pytest.mark.parametrize("make", RESOURCES, ids=lambda make: make.token)
def test_required_inputs_are_the_published_ones(make: type[AwsResource]) -> None:
    rows = make().table
    assert {name for name, row in rows.items() if row.required} >= required_of(published(make.token)[1])


@pytest.mark.parametrize("make", RESOURCES, ids=lambda make: make.token)
def test_tags_are_where_the_published_ones_have_them(make: type[AwsResource]) -> None:
    assert make.tagged == ("tags" in names_of(published(make.token)[1]))
    assert ("tagsAll" in make.outputs) == make.tagged


def test_the_image_is_the_published_one() -> None:
    assert Image.properties.keys() <= names_of(pulumi_docker.ImageArgs)
    assert set(Image.outputs) <= names_of(pulumi_docker.Image)
    build, registry = nested(Image.properties["build"].shape), nested(Image.properties["registry"].shape)
    assert build is not None
    assert registry is not None
    assert build.keys() - ADDED <= names_of(pulumi_docker.DockerBuildArgs)
    assert registry.keys() == names_of(pulumi_docker.RegistryArgs)


def test_the_component_s_inputs_are_the_published_ones() -> None:
    awsx = importlib.import_module("pulumi_awsx.ec2")
    assert vpc.PROPERTIES.keys() <= names_of(awsx.VpcArgs)
    inner = nested(vpc.PROPERTIES["natGateways"].shape)
    assert inner is not None
    assert inner.keys() <= names_of(awsx.NatGatewayConfigurationArgs)


@pytest.mark.parametrize("token", FUNCTIONS)
def test_functions_are_the_published_ones(token: str) -> None:
    module, member = token.split(":")[1].split("/")[0], token.rsplit(":", 1)[-1]
    package = importlib.import_module("pulumi_aws" if module == "index" else f"pulumi_aws.{module}")
    assert hasattr(package, f"{member[0].upper()}{member[1:]}Result")
