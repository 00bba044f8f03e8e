"""The functions of the `aws` package, which look things up."""

import base64
from collections.abc import Callable, Mapping
from typing import Final

from local_aws.plugins.aws.provider import AwsProvider
from local_aws.plugins.framework.provider import Function
from local_aws.plugins.framework.schema import STRING, ListOf, Object, Property
from local_aws.plugins.framework.values import Properties, Secret


def get_caller_identity(provider: AwsProvider) -> Function:
    """Whose credentials these are."""

    def call(_arguments: Properties) -> Properties:
        identity = provider.client("sts").get_caller_identity()
        account = identity["Account"]
        return {"id": account, "accountId": account, "arn": identity["Arn"], "userId": identity["UserId"]}

    return Function(call)


def get_region(provider: AwsProvider) -> Function:
    """The region that resources are made in."""
    return Function(lambda _arguments: dict.fromkeys(("id", "name", "region"), provider.region))


def get_partition(provider: AwsProvider) -> Function:
    """The partition that the region is in."""
    return Function(lambda _arguments: dict.fromkeys(("id", "partition"), provider.partition))


def get_availability_zones(provider: AwsProvider) -> Function:
    """The region's zones."""

    def call(arguments: Properties) -> Properties:
        filters = [{"Name": item["name"], "Values": item["values"]} for item in arguments.get("filters") or ()]
        if arguments.get("state"):
            filters.append({"Name": "state", "Values": [arguments["state"]]})
        answer = provider.client("ec2").describe_availability_zones(Filters=filters)
        zones = sorted(answer["AvailabilityZones"], key=lambda zone: str(zone["ZoneName"]))
        return {
            "id": provider.region,
            "names": [zone["ZoneName"] for zone in zones],
            "zoneIds": [zone.get("ZoneId", "") for zone in zones],
            "state": arguments.get("state"),
        }

    a_filter = {"name": Property(STRING, required=True), "values": Property(ListOf(STRING), required=True)}
    return Function(call, {"filters": Property(ListOf(Object(a_filter))), "state": Property(STRING)})


def get_authorization_token(provider: AwsProvider) -> Function:
    """A user name and password for the registry, good for 12 hours."""

    def call(arguments: Properties) -> Properties:
        answer = provider.client("ecr").get_authorization_token(registryIds=[arguments["registryId"]])
        data = answer["authorizationData"][0]
        user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        return {
            "id": provider.region,
            "registryId": arguments["registryId"],
            "authorizationToken": Secret(data["authorizationToken"]),
            "userName": user,
            "password": Secret(password),
            "proxyEndpoint": data["proxyEndpoint"],
            "expiresAt": data["expiresAt"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    return Function(call, {"registryId": Property(STRING, required=True)})


def get_images(provider: AwsProvider) -> Function:
    """Digest and tag of every image in a repository; an error where there is no such repository."""

    def call(arguments: Properties) -> Properties:
        pages = provider.client("ecr").get_paginator("list_images").paginate(**arguments)
        found = [image for page in pages for image in page["imageIds"]]
        images = [{key: image[key] for key in ("imageDigest", "imageTag") if key in image} for image in found]
        return {**arguments, "imageIds": images}

    return Function(call, {name: Property(STRING, required=True) for name in ("repositoryName", "registryId")})


FUNCTIONS: Final[Mapping[str, Callable[[AwsProvider], Function]]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": get_caller_identity,
    "aws:index/getRegion:getRegion": get_region,
    "aws:index/getPartition:getPartition": get_partition,
    "aws:index/getAvailabilityZones:getAvailabilityZones": get_availability_zones,
    "aws:ecr/getAuthorizationToken:getAuthorizationToken": get_authorization_token,
    "aws:ecr/getImages:getImages": get_images,
}
