"""Pushing an image over the registry API (OCI distribution specification, "Pushing")."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import requests

from local_aws.plugins.docker.build import MANIFEST_TYPE, Image
from local_aws.plugins.docker.errors import RegistryError

Login = tuple[str, str]
"""A user name and a password; an empty name is anonymous."""

_REFERENCE: Final = re.compile(
    r"(?P<host>[^/]+[.:][^/]*|localhost)/(?P<repository>[a-z0-9][a-z0-9._/-]*)(?::(?P<tag>[\w.-]+))?"
)
_ECR_HOST: Final = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?")
_TIMEOUT_SECONDS: Final = 300.0


@dataclass(frozen=True)
class Reference:
    """An image's name: the registry's host, the repository, the tag."""

    host: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, name: str) -> "Reference":
        """From `host/repository[:tag]`; `RegistryError`: it is not fully qualified."""
        match = _REFERENCE.fullmatch(name)
        if match is None:
            raise RegistryError(f"imageName {name!r} is not <registry host>/<repository>:<tag>")
        return cls(match.group("host"), match.group("repository"), match.group("tag") or "latest")

    @property
    def repository_name(self) -> str:
        """The name without its tag."""
        return f"{self.host}/{self.repository}"


def address_of(reference: Reference, server: str, environment: Mapping[str, str] = os.environ) -> str:
    """The registry's URL: for an ECR name the endpoint of ECR or of all AWS services, if one is set.

    `server` is the program's `registry.server`.
    """
    if _ECR_HOST.fullmatch(reference.host):
        endpoint = environment.get("AWS_ENDPOINT_URL_ECR") or environment.get("AWS_ENDPOINT_URL")
        if endpoint:
            return endpoint
        if server.startswith("http") and not _ECR_HOST.fullmatch(urlsplit(server).netloc):
            return server
    elif reference.host.split(":")[0] in ("localhost", "127.0.0.1"):
        return f"http://{reference.host}"
    return f"https://{reference.host}"


def push(image: Image, reference: Reference, address: str, login: Login = ("", "")) -> None:
    """Push the blobs that the registry does not have yet, and the manifest.

    `RegistryError`: refused (for a tag that is another image in an immutable repository, too), or unreachable.
    """
    base = f"/v2/{reference.repository}"
    with requests.Session() as session:
        # Neither a proxy nor a .netrc of the user's.
        session.trust_env = False
        session.auth = login if login[0] else None
        session.headers["Host"] = reference.host

        def call(method: str, url: str, *expected: int, **more: Any) -> requests.Response:
            try:
                answer = session.request(method, urljoin(address, url), timeout=_TIMEOUT_SECONDS, **more)
            except requests.RequestException as error:
                raise RegistryError(f"the registry at {address} cannot be reached: {error}") from error
            if answer.status_code not in expected:
                raise RegistryError(_refusal(reference, answer))
            return answer

        for digest, content in image.blobs.items():
            if call("HEAD", f"{base}/blobs/{digest}", 200, 404).status_code == 404:
                location = call("POST", f"{base}/blobs/uploads/", 202).headers["Location"]
                octets = {"Content-Type": "application/octet-stream"}
                call("PUT", location, 201, params={"digest": digest}, data=content, headers=octets)
        manifest = {"Content-Type": MANIFEST_TYPE}
        call("PUT", f"{base}/manifests/{reference.tag}", 201, data=image.manifest, headers=manifest)


def _refusal(reference: Reference, answer: requests.Response) -> str:
    try:
        errors = answer.json().get("errors") or [{}]
        reason = f"{errors[0].get('code', '')} {errors[0].get('message', '')}".strip()
    except (ValueError, AttributeError):
        reason = answer.text[:200]
    request = f"{answer.request.method} {urlsplit(answer.url).path}"
    message = f"{reference.repository_name}: {request} was refused with {answer.status_code}: {reason}"
    return message + advice(reason)


def advice(reason: str) -> str:
    """What to do about a push that was refused, if that is known."""
    if "immutable" in reason or "TAG_INVALID" in reason:
        return "; the tag is another image already, push under another tag"
    if "does not exist" in reason or "NAME_UNKNOWN" in reason or "name unknown" in reason:
        return "; create the repository first"
    return ""
