"""The task's container image: its repository, its build context, the build itself."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws
import pulumi_docker as docker
from pulumi_aws.ecr.outputs import GetImagesImageIdResult

from ecs_kit.components import build_folder
from ecs_kit.components.errors import ImageGone, SourcesMissing

DOCKERFILE = f"{build_folder.RUNTIME}/task/Dockerfile"
"""The Dockerfile's path within the build context."""

CONTEXT_FOLDERS = ("contract", "common", "task")
"""Folders in the image; a change in a Lambda function's folder makes no new image."""

IMAGES_KEPT = 100
"""Images kept in the repository. Active runs use the image they were registered with, so older images are in use after
a deployment. The rule counts every manifest, and one push may be three: BuildKit adds an attestation and an index
(https://docs.docker.com/build/metadata/attestations/)."""

LIFECYCLE_POLICY = {
    "rules": [
        {
            "rulePriority": 1,
            "description": f"Keep the newest {IMAGES_KEPT} images",
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": IMAGES_KEPT},
            "action": {"type": "expire"},
        }
    ]
}


@dataclass(frozen=True)
class BuildContext:
    """A build context in the build folder, its Dockerfile, and its `context_digest`."""

    path: Path
    dockerfile: Path
    digest: str


@dataclass(frozen=True)
class TaskImageArgs:
    """Arguments of `TaskImage`: the repository's name, and what is built; `platform` is such as `linux/amd64`.

    `kms_key_arn` encrypts the repository, ECR's own key without one. With `is_retained` it outlives the stack.
    """

    repository: str
    context: BuildContext
    base_image: str
    platform: str
    tags: Mapping[str, str]
    kms_key_arn: str = ""
    is_retained: bool = False


def stage_context(project: Path = build_folder.PROJECT) -> BuildContext:
    """Copies the image's files into the build folder, with modes that do not depend on the umask.

    Raises:
        SourcesMissing: The Dockerfile is missing.
    """
    files = _library(project)
    if DOCKERFILE not in files:
        raise SourcesMissing("Dockerfile", str(project / DOCKERFILE), "check the file out again")
    return _stage(files, DOCKERFILE)


def stage_job_context(
    context: Path, dockerfile: str, project: Path = build_folder.PROJECT, *, has_library: bool = True
) -> BuildContext:
    """Copies a job's own files into the build folder, and the kit's library, if it has it, beside them in `ecs_kit/`.

    Hidden files are left out, but not `.dockerignore`. Executable files stay executable. `dockerfile` is a path within
    `context`.
    """
    files = {
        path: (0o755 if file.stat().st_mode & 0o100 else 0o644, file.read_bytes())
        for path, file in build_folder.source_files(context).items()
    }
    ignored = context / ".dockerignore"
    if ignored.is_file():
        files[".dockerignore"] = (0o644, ignored.read_bytes())
    return _stage(files | (_library(project) if has_library else {}), dockerfile)


def stage_mirror() -> BuildContext:
    """Puts a Dockerfile into the build folder that makes a copy of the base image."""
    return _stage({"Dockerfile": (0o644, b"ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n")}, "Dockerfile")


def _library(project: Path) -> dict[str, tuple[int, bytes]]:
    """The kit's part of an image."""
    files = build_folder.library(project, CONTEXT_FOLDERS)
    return {path: (0o644, files[path].read_bytes()) for path in sorted(files)}


def _stage(files: build_folder.Files, dockerfile: str) -> BuildContext:
    digest = context_digest(files)
    path = build_folder.BUILD / "task-image" / digest[:16]
    build_folder.put_folder(path, files)
    return BuildContext(path=path, dockerfile=path / dockerfile, digest=digest)


def context_digest(files: build_folder.Files) -> str:
    """SHA-256, in hexadecimal, of names, modes and contents."""
    listing = [
        [path, oct(mode), hashlib.sha256(content).hexdigest()] for path, (mode, content) in sorted(files.items())
    ]
    return hashlib.sha256(json.dumps(listing).encode()).hexdigest()


def image_tag(context: BuildContext, *, build_args: Mapping[str, str], platform: str) -> str:
    """A tag that is a hash of all inputs of the build.

    With unchanged inputs nothing is built, on any machine, and an image with this tag in the repository is the one that
    a build would make.
    """
    dockerfile, stage = context.dockerfile.relative_to(context.path).as_posix(), ""
    inputs = [context.digest, dockerfile, sorted(build_args.items()), platform, stage]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:32]


def pushed_digest(tag: str, images: Sequence[GetImagesImageIdResult]) -> str:
    """The digest of a tag's image among a repository's images, empty where it has none."""
    return next((image.image_digest for image in images if image.image_tag == tag), "")


def is_pushed(digest: object) -> bool:
    """Whether the repository has the image of a `pushed_digest`, which is no string in a new repository's preview."""
    return isinstance(digest, str) and digest != ""


def image_reference(repository_url: str, tag: str, built: str, *, is_preview: bool) -> str:
    """The image of a task definition, if the repository did not have it before this deployment.

    `built` is the image's `repoDigest`: by digest where it was pushed, else the Docker engine's own id. A preview knows
    it only of an image that is in Pulumi's state and stays as it is.

    Raises:
        ImageGone: It has been removed from the repository, and nothing pushes it again.
    """
    if is_preview or "@" not in built:
        raise ImageGone(f"{repository_url}:{tag}")
    return built


class TaskImage(pulumi.ComponentResource):
    """An image repository with immutable tags, and the task's image in it.

    An image that is in the repository but not in Pulumi's state is used unchanged: an interrupted update or an earlier
    deployment of the same sources pushed it. Built again it would have another digest, and the repository would refuse
    it. So `skipPush` is set when the image resource is created. Later changes of it are ignored; another image is a
    replacement, for which it is set again.
    """

    repository: aws.ecr.Repository
    reference: pulumi.Output[str]
    """The image by its digest, `<repository>@sha256:…`."""

    def __init__(self, name: str, args: TaskImageArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:image:TaskImage", name, None, opts)
        child = pulumi.ResourceOptions(parent=self, retain_on_delete=args.is_retained)
        encryption = None
        if args.kms_key_arn:
            encryption = [
                aws.ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=args.kms_key_arn)
            ]
        self.repository = aws.ecr.Repository(
            name,
            name=args.repository,
            force_delete=not args.is_retained,
            encryption_configurations=encryption,
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            tags=args.tags,
            opts=child,
        )
        aws.ecr.LifecyclePolicy(name, repository=self.repository.name, policy=json.dumps(LIFECYCLE_POLICY), opts=child)
        build_args = {"BASE_IMAGE": args.base_image}
        tag = image_tag(args.context, build_args=build_args, platform=args.platform)
        # Called once the repository exists: until then its registry's id is unknown.
        images = aws.ecr.get_images_output(
            repository_name=self.repository.name,
            registry_id=self.repository.registry_id,
            opts=pulumi.InvokeOutputOptions(parent=self),
        )
        pushed = images.image_ids.apply(lambda found: pushed_digest(tag, found))
        url = self.repository.repository_url
        image = docker.Image(
            name,
            image_name=pulumi.Output.concat(url, ":", tag),
            build=docker.DockerBuildArgs(
                context=args.context.path.as_posix(),
                dockerfile=args.context.dockerfile.as_posix(),
                args=build_args,
                platform=args.platform,
            ),
            registry=self._registry(),
            # Known in every preview: the provider cannot read it otherwise.
            skip_push=pushed.apply(is_pushed, run_with_unknowns=True),
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["skipPush"], replace_on_changes=["imageName"]),
        )

        def reference(digest: str) -> pulumi.Output[str]:
            if digest:
                return pulumi.Output.concat(url, "@", digest)
            return pulumi.Output.all(url, image.repo_digest).apply(
                lambda known: image_reference(known[0], tag, known[1], is_preview=pulumi.runtime.is_dry_run())
            )

        self.reference = pulumi.Output.unsecret(pushed.apply(reference))
        self.register_outputs({"repositoryUrl": url, "reference": self.reference})

    def _registry(self) -> docker.RegistryArgs:
        login = aws.ecr.get_authorization_token_output(
            registry_id=self.repository.registry_id, opts=pulumi.InvokeOutputOptions(parent=self)
        )
        return docker.RegistryArgs(
            server=login.proxy_endpoint, username=login.user_name, password=pulumi.Output.secret(login.password)
        )
