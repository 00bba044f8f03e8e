"""The task's container image: its repository, its build context, the build itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws
import pulumi_docker as docker
from pulumi_aws.ecr.outputs import GetImagesImageIdResult

from components import build_folder
from components.errors import ImageGone, SourcesMissing
from components.job import KIT_FOLDER

DOCKERFILE = "task/Dockerfile"
"""The Dockerfile's path within the build context."""

CONTEXT_FOLDERS = ("task", "workflow")
"""What the image is made of; a change in a Lambda function's folder makes no new image."""

IMAGES_KEPT = 100
"""Images kept in the repository. An active run starts its tasks from the image that it was registered with, so images
older than the newest are in use after a deployment. The rule counts every manifest, and one push may be three: BuildKit
adds an attestation and an index (https://docs.docker.com/build/metadata/attestations/)."""


@dataclass(frozen=True)
class BuildContext:
    """A build context in the build folder.

    Args:
        path: The context's path, relative to the project's folder.
        dockerfile: The Dockerfile's path, relative to the project's folder.
        digest: SHA-256, in hexadecimal, of the names, modes and contents of its files.
    """

    path: Path
    dockerfile: Path
    digest: str


@dataclass(frozen=True)
class TaskImageArgs:
    """Arguments of `TaskImage`.

    Args:
        repository: Name of the image repository.
        context: What the image is built from.
        base_image: The image it is built on.
        platform: Docker's name of operating system and architecture, such as `linux/amd64`.
        tags: The repository's tags.
    """

    repository: str
    context: BuildContext
    base_image: str
    platform: str
    tags: Mapping[str, str]


def stage_context(project: Path | None = None) -> BuildContext:
    """Copies what the image is made of into the build folder, with the same modes whatever this machine's umask says.

    Args:
        project: The project's folder; the kit's own, built for the program that runs here, if not given.

    Raises:
        SourcesMissing: The Dockerfile is not there.
    """
    files = _library(build_folder.sources(project))
    if DOCKERFILE not in files:
        missing = build_folder.sources(project) / "runtime" / DOCKERFILE
        raise SourcesMissing("Dockerfile", str(missing), "check the file out again")
    return _stage(files, DOCKERFILE, project)


def stage_job_context(context: Path, dockerfile: str, project: Path | None = None) -> BuildContext:
    """Copies a job's own files into the build folder, and the kit's library beside them, in `runtime/`.

    Hidden files are left out, but not `.dockerignore`. A file that may be executed stays so.

    Args:
        context: The folder with the job's own files.
        dockerfile: The Dockerfile's path within it.
        project: As for `stage_context`.
    """
    files = {
        path: (0o755 if file.stat().st_mode & 0o100 else 0o644, file.read_bytes())
        for path, file in build_folder.source_files(context).items()
    }
    ignored = context / ".dockerignore"
    if ignored.is_file():
        files[".dockerignore"] = (0o644, ignored.read_bytes())
    library = {f"{KIT_FOLDER}/{path}": file for path, file in _library(build_folder.sources(project)).items()}
    return _stage({**files, **library}, dockerfile, project)


def _library(project: Path) -> dict[str, tuple[int, bytes]]:
    """The kit's part of an image."""
    return {
        path: (0o644, file.read_bytes())
        for path, file in build_folder.source_files(project / "runtime").items()
        if path == "__init__.py" or path.split("/")[0] in CONTEXT_FOLDERS
    }


def _stage(files: Mapping[str, tuple[int, bytes]], dockerfile: str, project: Path | None) -> BuildContext:
    digest = context_digest(files)
    path = build_folder.BUILD / "task-image" / digest[:16]
    build_folder.put_folder(path, files, build_folder.destination(project))
    return BuildContext(path=path, dockerfile=path / dockerfile, digest=digest)


def context_digest(files: Mapping[str, tuple[int, bytes]]) -> str:
    """SHA-256, in hexadecimal, of names, modes and contents.

    Args:
        files: Mode and bytes by path.
    """
    listing = [
        [path, oct(mode), hashlib.sha256(content).hexdigest()] for path, (mode, content) in sorted(files.items())
    ]
    return hashlib.sha256(json.dumps(listing).encode()).hexdigest()


def image_tag(
    context: BuildContext,
    *,
    build_args: Mapping[str, str],
    platform: str,
    target: str = "",
    dockerfile: str = DOCKERFILE,
) -> str:
    """A tag that is the same exactly when nothing that the build depends on has changed.

    Nothing changed then means nothing is built, on any machine; and an image that is in the repository under this tag
    already is the one that a build would make.

    Args:
        context: The build context.
        build_args: The build's arguments.
        platform: The image's platform.
        target: The Dockerfile's stage that is built, empty for the last.
        dockerfile: The Dockerfile's path within the context.
    """
    inputs = [context.digest, dockerfile, sorted(build_args.items()), platform, target]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:32]


def pushed_digest(tag: str, images: Sequence[GetImagesImageIdResult]) -> str:
    """The digest of the image that a repository has under a tag, empty where it has none.

    Args:
        tag: The tag.
        images: All images in the repository.
    """
    return next((image.image_digest for image in images if image.image_tag == tag), "")


def is_pushed(digest: object) -> bool:
    """Whether the repository has the image.

    Args:
        digest: What `pushed_digest` says; something else than a text in the preview of a new repository.
    """
    return isinstance(digest, str) and digest != ""


def image_reference(repository_url: str, tag: str, built: str) -> str:
    """What a task definition names where the repository had no such image before this deployment.

    Args:
        repository_url: The repository.
        tag: The image's tag.
        built: `repoDigest` of the image: by digest where it was pushed, else the Docker engine's own id for it.

    Raises:
        ImageGone: It was taken from the repository once, is there no more, and nothing would push it.
    """
    if "@" not in built:
        raise ImageGone(f"{repository_url}:{tag}")
    return built


class TaskImage(pulumi.ComponentResource):
    """An image repository with immutable tags, and the task's image in it.

    An image that is in the repository before Pulumi knows of it is used as it is: it was pushed by an update that broke
    off before the state was written, or by an earlier deployment of the same sources. Built again it would have another
    digest, and the repository would refuse it. So `skipPush` says, when the image is made, whether it is there already;
    later changes of that are ignored, and another image is a replacement, for which it is asked again.
    """

    repository: aws.ecr.Repository
    reference: pulumi.Output[str]
    """The image by its digest, `<repository>@sha256:…`."""

    def __init__(self, name: str, args: TaskImageArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:image:TaskImage", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.repository = aws.ecr.Repository(
            name,
            name=args.repository,
            force_delete=True,
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            tags=args.tags,
            opts=child,
        )
        aws.ecr.LifecyclePolicy(
            name, repository=self.repository.name, policy=json.dumps(lifecycle_policy(IMAGES_KEPT)), opts=child
        )
        build_args = {"BASE_IMAGE": args.base_image}
        tag = image_tag(
            args.context,
            build_args=build_args,
            platform=args.platform,
            dockerfile=args.context.dockerfile.relative_to(args.context.path).as_posix(),
        )
        login = aws.ecr.get_authorization_token_output(
            registry_id=self.repository.registry_id, opts=pulumi.InvokeOutputOptions(parent=self)
        )
        # Asked when the repository is there: until then its registry's id is not known, and nothing is called.
        images = aws.ecr.get_images_output(
            repository_name=self.repository.name,
            registry_id=self.repository.registry_id,
            opts=pulumi.InvokeOutputOptions(parent=self),
        )
        pushed = images.image_ids.apply(lambda found: pushed_digest(tag, found))
        image = docker.Image(
            name,
            image_name=pulumi.Output.concat(self.repository.repository_url, ":", tag),
            build=docker.DockerBuildArgs(
                context=args.context.path.as_posix(),
                dockerfile=args.context.dockerfile.as_posix(),
                args=build_args,
                platform=args.platform,
            ),
            registry=docker.RegistryArgs(
                server=login.proxy_endpoint, username=login.user_name, password=pulumi.Output.secret(login.password)
            ),
            # Known in every preview: the provider cannot read it otherwise.
            skip_push=pushed.apply(is_pushed, run_with_unknowns=True),
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["skipPush"], replace_on_changes=["imageName"]),
        )
        url = self.repository.repository_url

        def reference(digest: str) -> pulumi.Output[str]:
            if digest:
                return pulumi.Output.concat(url, "@", digest)
            return pulumi.Output.all(url, image.repo_digest).apply(
                lambda known: image_reference(known[0], tag, known[1])
            )

        self.reference = pulumi.Output.unsecret(pushed.apply(reference))
        self.register_outputs({"repositoryUrl": self.repository.repository_url, "reference": self.reference})


def lifecycle_policy(images: int) -> dict[str, object]:
    """A repository's lifecycle policy that keeps the newest images.

    Args:
        images: How many.
    """
    return {
        "rules": [
            {
                "rulePriority": 1,
                "description": f"Keep the newest {images} images",
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": images},
                "action": {"type": "expire"},
            }
        ]
    }
