"""Pushing an image over the registry API (OCI distribution specification, "Pushing")."""

import base64
import http.client
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urljoin, urlsplit

from local_aws.plugins.docker.build import MANIFEST_TYPE, Image
from local_aws.plugins.docker.errors import RegistryError

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
        """From `host/repository[:tag]`.

        Raises:
            RegistryError: it is not fully qualified.
        """
        match = _REFERENCE.fullmatch(name)
        if match is None:
            raise RegistryError(f"imageName {name!r} is not <registry host>/<repository>:<tag>")
        return cls(match.group("host"), match.group("repository"), match.group("tag") or "latest")

    @property
    def repository_name(self) -> str:
        """The name without its tag."""
        return f"{self.host}/{self.repository}"


@dataclass(frozen=True)
class Credentials:
    """Who pushes."""

    user_name: str = ""
    password: str = ""

    def header(self) -> dict[str, str]:
        """As an HTTP header."""
        if not self.user_name:
            return {}
        token = base64.b64encode(f"{self.user_name}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {token}"}


def address_of(reference: Reference, server: str, environment: Mapping[str, str] = os.environ) -> str:
    """Where the registry is: an ECR name is at the endpoint that all of AWS is at, if there is one.

    Args:
        reference: the image's name.
        server: `registry.server` of the program.
        environment: where `AWS_ENDPOINT_URL_ECR` and `AWS_ENDPOINT_URL` are looked up.
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


class Registry:
    """One repository of a registry.

    Args:
        reference: the image's name.
        address: the registry's URL.
        credentials: who pushes.
    """

    def __init__(self, reference: Reference, address: str, credentials: Credentials) -> None:
        self._reference = reference
        self._address = address
        self._headers = {"Host": reference.host, **credentials.header()}

    def push(self, image: Image) -> None:
        """Push the blobs that are not there yet, and the manifest.

        Raises:
            RegistryError: refused (for a tag that is another image in an immutable repository, too), or unreachable.
        """
        base = f"/v2/{self._reference.repository}"
        for digest, content in image.blobs.items():
            if self._call("HEAD", f"{base}/blobs/{digest}", expected=(200, 404))[0] == 404:
                _, headers, _ = self._call("POST", f"{base}/blobs/uploads/", expected=(202,))
                location = urljoin(self._address, headers["location"])
                separator = "&" if urlsplit(location).query else "?"
                self._call(
                    "PUT",
                    f"{location}{separator}{urlencode({'digest': digest})}",
                    content,
                    {"Content-Type": "application/octet-stream"},
                    expected=(201,),
                )
        self._call(
            "PUT",
            f"{base}/manifests/{self._reference.tag}",
            image.manifest,
            {"Content-Type": MANIFEST_TYPE},
            expected=(201,),
        )

    def _call(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        expected: tuple[int, ...],
    ) -> tuple[int, dict[str, str], bytes]:
        where = urlsplit(urljoin(self._address, url))
        make = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
        connection = make(where.netloc, timeout=_TIMEOUT_SECONDS)
        target = where.path + (f"?{where.query}" if where.query else "")
        try:
            connection.request(method, target, body, {**self._headers, **(headers or {})})
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise RegistryError(f"the registry at {self._address} cannot be reached: {error}") from error
        finally:
            connection.close()
        if response.status not in expected:
            raise RegistryError(self._refusal(method, where.path, response.status, content))
        return response.status, {name.lower(): value for name, value in response.getheaders()}, content

    def _refusal(self, method: str, path: str, status: int, content: bytes) -> str:
        try:
            errors = json.loads(content).get("errors") or [{}]
            reason = f"{errors[0].get('code', '')} {errors[0].get('message', '')}".strip()
        except (ValueError, AttributeError):
            reason = content.decode(errors="replace")[:200]
        message = f"{self._reference.repository_name}: {method} {path} was refused with {status}: {reason}"
        if "TAG_INVALID" in reason or "immutable" in reason:
            message += f"; the tag {self._reference.tag} is another image already, push under another tag"
        return message
