"""The packages of the image that tests run in containers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from local_aws.testing import docker_images


def test_the_copied_packages_are_all_that_boto3_needs_to_call_their_services(tmp_path: Path) -> None:
    docker_images.copy_packages(tmp_path / "packages")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import boto3\n"
        "for name in sys.argv[2:]: print(boto3.client(name, region_name='us-east-1').meta.service_model.service_name)"
    )

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(tmp_path / "packages"), *docker_images.SERVICES],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["dynamodb", "s3", "sts"]
    assert sum(file.stat().st_size for file in tmp_path.rglob("*")) < 20_000_000
