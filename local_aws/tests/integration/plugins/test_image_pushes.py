"""`docker:index/image:Image` against the emulator's registry."""

import base64
from pathlib import Path
from typing import Any

import pytest
import requests

from local_aws.plugins.docker.image import Image
from local_aws.plugins.framework.values import UNKNOWN
from local_aws.testing.docker_images import REGISTRY
from local_aws.tests.unit.plugins.playing import Aborted, Engine, image_engine, image_inputs

pytestmark = pytest.mark.integration

TOKEN = Image.token


@pytest.fixture
def engine() -> Engine:
    return image_engine()


@pytest.fixture
def program(aws: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A program's inputs; the image's repository has immutable tags."""
    aws.client("ecr").create_repository(repositoryName=aws.name("repository"), imageTagMutability="IMMUTABLE")
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.emulator.endpoint_url)
    monkeypatch.chdir(tmp_path)
    return image_inputs(tmp_path, REGISTRY, aws.name("repository"))


def digests(aws: Any) -> dict[str, str]:
    """The digests in the repository, by tag."""
    details = aws.client("ecr").describe_images(repositoryName=aws.name("repository"))["imageDetails"]
    return {
        tag: f"{REGISTRY}/{aws.name('repository')}@{each['imageDigest']}"
        for each in details
        for tag in each["imageTags"]
    }


def test_an_image_is_pushed_with_the_program_s_credentials_and_again_when_a_file_changed(
    aws: Any, engine: Engine, program: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, send = set(), requests.Session.send

    def record(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        sent.add((request.headers["Host"], request.headers["Authorization"]))
        return send(session, request, **options)

    monkeypatch.setattr(requests.Session, "send", record)
    old = engine.check(TOKEN, program)
    resource_id, state = engine.create(TOKEN, old)
    assert resource_id == program["imageName"]
    assert state["repoDigest"] == digests(aws)["one"]
    assert (state["registryServer"], state["context"]) == (f"https://{REGISTRY}", "app")
    assert state["dockerfile"] == "app/Dockerfile"
    assert sent == {(REGISTRY, "Basic " + base64.b64encode(b"AWS:hush").decode())}

    Path("app/job.py").write_text("print(2)\n")
    response = engine.diff(TOKEN, old, engine.check(TOKEN, program))
    assert (list(response.detailedDiff), list(response.replaces)) == (["build"], [])
    new = engine.check(TOKEN, {**program, "imageName": program["imageName"].replace(":one", ":two")})
    assert engine.update(TOKEN, "x", state, old, new, preview=True)["repoDigest"] is UNKNOWN
    updated = engine.update(TOKEN, "x", state, old, new)
    assert digests(aws) == {"one": state["repoDigest"], "two": updated["repoDigest"]}
    assert updated["repoDigest"] != state["repoDigest"]


def test_an_image_that_is_built_again_is_another_one_and_refused(engine: Engine, program: dict[str, Any]) -> None:
    inputs = engine.check(TOKEN, program)
    engine.create(TOKEN, inputs)
    with pytest.raises(Aborted, match="the tag is another image already, push under another tag"):
        engine.create(TOKEN, inputs)


def test_a_refusal_names_the_repository_and_what_to_do(engine: Engine, program: dict[str, Any]) -> None:
    inputs = engine.check(TOKEN, {**program, "imageName": f"{REGISTRY}/missing:one"})
    refusal = r"missing: \S+ /v2/missing/blobs/\S+ was refused with 404: NAME_UNKNOWN.*; create the repository first"
    with pytest.raises(Aborted, match=refusal):
        engine.create(TOKEN, inputs)
