"""`docker:index/image:Image`."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final

from local_aws.plugins.docker import context
from local_aws.plugins.docker.build import EPOCH, Builder
from local_aws.plugins.docker.build import Image as BuiltImage
from local_aws.plugins.docker.engine import Engine
from local_aws.plugins.docker.registry import Reference, address_of, push
from local_aws.plugins.framework.errors import CheckFailure, ProviderError
from local_aws.plugins.framework.provider import Provider
from local_aws.plugins.framework.resource import Operation, Resource
from local_aws.plugins.framework.schema import BOOLEAN, STRING, MapOf, Object, Property, Table
from local_aws.plugins.framework.values import UNKNOWN, Properties, contains_unknown

_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


class Image(Resource[Provider]):
    """An image that is built from a context and pushed; its id is its name.

    `build.contextDigest` is added to the inputs, as the published plugin does: it stands for all files that the build
    may read. The credentials of `registry` are not compared. Every build is another image, as it holds the time. Every
    creation pushes, also if the tag exists, which an immutable repository refuses.
    """

    token = "docker:index/image:Image"
    properties: ClassVar[Table] = {
        "imageName": Property(STRING, required=True, unreadable=True),
        "build": Property(
            Object(
                {
                    "context": Property(STRING),
                    "dockerfile": Property(STRING),
                    "args": Property(MapOf(STRING)),
                    "platform": Property(STRING),
                    "contextDigest": Property(STRING),
                }
            ),
            unreadable=True,
        ),
        "registry": Property(
            Object(
                {
                    "server": Property(STRING),
                    "username": Property(STRING, uncompared=True),
                    "password": Property(STRING, uncompared=True),
                }
            ),
            unreadable=True,
        ),
        "skipPush": Property(BOOLEAN, default=False, unreadable=True),
        # The Python class gives it always.
        "buildOnPreview": Property(BOOLEAN, default=False, unreadable=True, allowed=(False,)),
    }
    outputs = ("baseImageName", "context", "dockerfile", "registryServer", "repoDigest")
    volatile = ("repoDigest",)

    def complete(self, provider: Provider, inputs: Properties) -> Properties:
        """Add what the build depends on: platform and context."""
        build = dict(inputs.get("build") or {})
        build.setdefault("platform", f"linux/{_ARCHITECTURES.get(platform.machine(), platform.machine())}")
        folder, dockerfile = _paths(build)
        if UNKNOWN not in (folder, dockerfile):
            if not Path(dockerfile).is_file():
                raise ProviderError(_no_dockerfile(folder, dockerfile))
            files = context.read(Path(folder), Path(dockerfile))
            build["contextDigest"] = context.digest(files, Path(dockerfile).read_bytes())
        return {**inputs, "build": build}

    def check(self, provider: Provider, inputs: Properties) -> list[CheckFailure]:
        """The name is fully qualified; the Dockerfile can be followed.

        `skipPush` is known: the published plugin takes it for a boolean, and panics in a preview.
        """
        if inputs.get("skipPush") is UNKNOWN:
            raise ProviderError("skipPush has to be known in a preview")
        if inputs["imageName"] is not UNKNOWN:
            Reference.parse(inputs["imageName"])
        if not contains_unknown(inputs["build"]) and not builds_with_engine():
            build_image(inputs["build"])
        return []

    def foresee(self, provider: Provider, inputs: Properties) -> Properties:
        """All but what the registry says."""
        build, registry = inputs["build"], inputs.get("registry") or {}
        folder, dockerfile = _paths(build)
        return {
            "baseImageName": inputs["imageName"],
            "context": folder,
            "dockerfile": dockerfile,
            "platform": build["platform"],
            "registryServer": registry.get("server") if isinstance(registry, dict) else UNKNOWN,
        }

    def create(self, operation: Operation[Provider], inputs: Properties) -> str:
        """Build and push."""
        inputs["repoDigest"] = _build_and_push(inputs)
        return str(inputs["imageName"])

    def read(self, operation: Operation[Provider], resource_id: str, state: Properties) -> Properties | None:
        """What the state has: the published plugin does not ask the registry either."""
        return {**state, **self.foresee(operation.provider, state)}

    def update(
        self, operation: Operation[Provider], resource_id: str, old: Properties, new: Properties, _: set[str]
    ) -> None:
        """Build and push again."""
        new["repoDigest"] = _build_and_push(new)

    def delete(self, operation: Operation[Provider], resource_id: str, state: Properties) -> None:
        """Nothing: images stay until their repository is deleted."""


def _build_and_push(inputs: Properties) -> str:
    """`repoDigest` of the built image; the engine's own id of it if it is not pushed."""
    registry, name, build = inputs.get("registry") or {}, inputs["imageName"], inputs["build"]
    reference = Reference.parse(name)
    address = address_of(reference, registry.get("server") or "")
    login = registry.get("username") or "", registry.get("password") or ""
    if builds_with_engine():
        engine = Engine()
        engine.build(name, build, *_paths(build))
        if inputs.get("skipPush"):
            return engine.image_id(name)
        return f"{reference.repository_name}@{engine.push(name, reference, address, login)}"
    image = build_image(build, created=datetime.now(UTC).isoformat())
    if inputs.get("skipPush"):
        return image.id
    push(image, reference, address, login)
    return f"{reference.repository_name}@{image.digest}"


def builds_with_engine(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether `LOCAL_AWS_IMAGE_BUILDER` says `docker`: an engine builds; else the context is packed as an archive.

    `ProviderError`: it is neither `docker` nor `archive`.
    """
    builder = environment.get("LOCAL_AWS_IMAGE_BUILDER", "archive")
    if builder not in ("archive", "docker"):
        raise ProviderError(f"LOCAL_AWS_IMAGE_BUILDER is {builder!r}: it has to be archive or docker")
    return builder == "docker"


def _paths(build: Mapping[str, Any]) -> tuple[Any, Any]:
    folder = build.get("context") or "."
    default = UNKNOWN if folder is UNKNOWN else str(Path(folder) / "Dockerfile")
    return folder, build.get("dockerfile", default)


def _no_dockerfile(folder: str, dockerfile: str) -> str:
    inside = Path(folder) / dockerfile
    hint = f"; it is relative to {Path.cwd()}, so try {str(inside)!r}" if inside.is_file() else f" (in {Path.cwd()})"
    return f"there is no Dockerfile {dockerfile!r}{hint}"


def build_image(build: Mapping[str, Any], created: str = EPOCH) -> BuiltImage:
    """The image that `build` of the resource describes, created at a time in the form of RFC 3339.

    `ProviderError`: the context is not there or the Dockerfile cannot be followed.
    """
    folder, dockerfile = _paths(build)
    files = context.read(Path(folder), Path(dockerfile))
    builder = Builder(dockerfile, files, build.get("args") or {}, build["platform"], created)
    return builder.build(Path(dockerfile).read_text())
