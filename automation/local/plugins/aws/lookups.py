"""The functions of the `aws` package: what is already there."""

import base64
from collections.abc import Callable, Mapping
from typing import Final

import boto3

from automation.local.plugins.aws.base import AwsProvider
from automation.local.plugins.framework.provider import Function
from automation.local.plugins.framework.schema import BOOLEAN, STRING, ListOf, Object, Property, SetOf
from automation.local.plugins.framework.values import Properties, Secret


def get_caller_identity(provider: AwsProvider) -> Function:
    """Whose credentials these are."""

    def call(arguments: Properties) -> Properties:
        identity = provider.client("sts", arguments.get("region")).get_caller_identity()
        account = identity["Account"]
        return {"id": account, "accountId": account, "arn": identity["Arn"], "userId": identity["UserId"]}

    return Function(call, {"id": Property(STRING), "region": Property(STRING)})


def get_region(provider: AwsProvider) -> Function:
    """The region that resources are made in."""

    def call(arguments: Properties) -> Properties:
        region = arguments.get("region") or arguments.get("name") or provider.region
        return {
            "id": region,
            "name": region,
            "region": region,
            "description": region,
            "endpoint": f"ec2.{region}.{_dns_suffix(provider.partition(region))}",
        }

    return Function(call, {name: Property(STRING) for name in ("endpoint", "id", "name", "region")})


def get_partition(provider: AwsProvider) -> Function:
    """The partition that the region is in."""

    def call(arguments: Properties) -> Properties:
        del arguments
        partition = provider.partition(provider.region)
        suffix = _dns_suffix(partition)
        return {
            "id": partition,
            "partition": partition,
            "dnsSuffix": suffix,
            "reverseDnsPrefix": ".".join(reversed(suffix.split("."))),
        }

    return Function(call, {"id": Property(STRING)})


def _dns_suffix(partition: str) -> str:
    resolver = boto3.Session()._session.get_component("endpoint_resolver")
    return str(resolver.get_partition_dns_suffix(partition))


def get_availability_zones(provider: AwsProvider) -> Function:
    """The region's zones."""

    def call(arguments: Properties) -> Properties:
        region = arguments.get("region") or provider.region
        filters = [{"Name": item["name"], "Values": item["values"]} for item in arguments.get("filters") or ()]
        if arguments.get("state"):
            filters.append({"Name": "state", "Values": [arguments["state"]]})
        answer = provider.client("ec2", region).describe_availability_zones(
            Filters=filters, AllAvailabilityZones=bool(arguments.get("allAvailabilityZones"))
        )
        names, ids = set(arguments.get("excludeNames") or ()), set(arguments.get("excludeZoneIds") or ())
        zones = sorted(
            (
                zone
                for zone in answer["AvailabilityZones"]
                if zone["ZoneName"] not in names and zone.get("ZoneId") not in ids
            ),
            key=lambda zone: str(zone["ZoneName"]),
        )
        return {
            "id": region,
            "region": region,
            "names": [zone["ZoneName"] for zone in zones],
            "zoneIds": [zone.get("ZoneId", "") for zone in zones],
            "groupNames": sorted({zone.get("GroupName") or region for zone in zones}),
            **{name: arguments[name] for name in ("state", "allAvailabilityZones") if name in arguments},
        }

    return Function(
        call,
        {
            "allAvailabilityZones": Property(BOOLEAN),
            "excludeNames": Property(SetOf(STRING)),
            "excludeZoneIds": Property(SetOf(STRING)),
            "filters": Property(
                ListOf(
                    Object({"name": Property(STRING, required=True), "values": Property(ListOf(STRING), required=True)})
                )
            ),
            "region": Property(STRING),
            "state": Property(STRING),
        },
    )


def get_authorization_token(provider: AwsProvider) -> Function:
    """A user name and password for the registry, good for 12 hours."""

    def call(arguments: Properties) -> Properties:
        region = arguments.get("region") or provider.region
        registries = {"registryIds": [arguments["registryId"]]} if arguments.get("registryId") else {}
        answer = provider.client("ecr", region).get_authorization_token(**registries)
        data = answer["authorizationData"][0]
        user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        return {
            "id": region,
            "region": region,
            "registryId": arguments.get("registryId"),
            "authorizationToken": Secret(data["authorizationToken"]),
            "userName": user,
            "password": Secret(password),
            "proxyEndpoint": data["proxyEndpoint"],
            "expiresAt": data["expiresAt"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    return Function(call, {"registryId": Property(STRING), "region": Property(STRING)})


def get_images(provider: AwsProvider) -> Function:
    """Digest and tag of every image in a repository; an error where there is no such repository."""

    def call(arguments: Properties) -> Properties:
        region = arguments.get("region") or provider.region
        registry = {"registryId": arguments["registryId"]} if arguments.get("registryId") else {}
        pages = provider.client("ecr", region).get_paginator("list_images")
        found = [
            image
            for page in pages.paginate(repositoryName=arguments["repositoryName"], **registry)
            for image in page["imageIds"]
        ]
        return {
            "region": region,
            "repositoryName": arguments["repositoryName"],
            **registry,
            "imageIds": [{key: image[key] for key in ("imageDigest", "imageTag") if key in image} for image in found],
        }

    names = {name: Property(STRING) for name in ("region", "registryId")}
    return Function(call, {"repositoryName": Property(STRING, required=True), **names})


FUNCTIONS: Final[Mapping[str, Callable[[AwsProvider], Function]]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": get_caller_identity,
    "aws:index/getRegion:getRegion": get_region,
    "aws:index/getPartition:getPartition": get_partition,
    "aws:index/getAvailabilityZones:getAvailabilityZones": get_availability_zones,
    "aws:ecr/getAuthorizationToken:getAuthorizationToken": get_authorization_token,
    "aws:ecr/getImages:getImages": get_images,
}
