"""The functions of the `aws` package, which look things up."""

import base64
from collections.abc import Mapping
from typing import Final

from local_aws.plugins.aws.network_lookups import FILTERS, NETWORK_FUNCTIONS, filters_of
from local_aws.plugins.aws.provider import AwsProvider
from local_aws.plugins.framework.provider import Function
from local_aws.plugins.framework.schema import STRING, Property, required
from local_aws.plugins.framework.values import Properties, Secret


def get_caller_identity(provider: AwsProvider, _arguments: Properties) -> Properties:
    """The credentials' account and principal."""
    identity = provider.client("sts").get_caller_identity()
    account = identity["Account"]
    return {"id": account, "accountId": account, "arn": identity["Arn"], "userId": identity["UserId"]}


def get_region(provider: AwsProvider, _arguments: Properties) -> Properties:
    """The region of resources."""
    return dict.fromkeys(("id", "name", "region"), provider.region)


def get_partition(provider: AwsProvider, _arguments: Properties) -> Properties:
    """The partition of the region."""
    return dict.fromkeys(("id", "partition"), provider.partition)


def get_availability_zones(provider: AwsProvider, arguments: Properties) -> Properties:
    """The region's zones."""
    filters = filters_of(arguments, state="state")
    answer = provider.client("ec2").describe_availability_zones(Filters=filters)
    zones = sorted(answer["AvailabilityZones"], key=lambda zone: str(zone["ZoneName"]))
    return {
        "id": provider.region,
        "names": [zone["ZoneName"] for zone in zones],
        "zoneIds": [zone.get("ZoneId", "") for zone in zones],
        "state": arguments.get("state"),
    }


def get_authorization_token(provider: AwsProvider, arguments: Properties) -> Properties:
    """A user name and password for the registry, valid for 12 hours."""
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


def get_images(provider: AwsProvider, arguments: Properties) -> Properties:
    """Digest and tag of every image in a repository; it is an error if there is no such repository."""
    pages = provider.client("ecr").get_paginator("list_images").paginate(**arguments)
    found = [image for page in pages for image in page["imageIds"]]
    images = [{key: image[key] for key in ("imageDigest", "imageTag") if key in image} for image in found]
    return {**arguments, "imageIds": images}


_ZONES: Final = {**FILTERS, "state": Property(STRING)}

FUNCTIONS: Final[Mapping[str, Function]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": Function(get_caller_identity),
    "aws:index/getRegion:getRegion": Function(get_region),
    "aws:index/getPartition:getPartition": Function(get_partition),
    "aws:index/getAvailabilityZones:getAvailabilityZones": Function(get_availability_zones, _ZONES),
    "aws:ecr/getAuthorizationToken:getAuthorizationToken": Function(
        get_authorization_token, required(registryId=STRING).properties
    ),
    **NETWORK_FUNCTIONS,
    "aws:ecr/getImages:getImages": Function(get_images, required(repositoryName=STRING, registryId=STRING).properties),
}
