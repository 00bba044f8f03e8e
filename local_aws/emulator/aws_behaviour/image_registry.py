"""Images in Amazon ECR: one that was deleted can no longer be pulled, by its digest either.

https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchDeleteImage.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import ecr

from local_aws.emulator.aws_behaviour.patching import around

_NONE = (None, None, None)


@around("image_registry", ecr, "_resolve_manifest")
def manifest(resolve: Callable[..., Any], repository: str, reference: str) -> Any:
    """The digest, the bytes and the media type of an image's manifest; nothing where there is no such image."""
    found = resolve(repository, reference)
    is_there = any(image.get("imageDigest") == found[0] for image in ecr._images.get(repository, ()))
    return found if is_there else _NONE
