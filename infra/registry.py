"""The account's image registry: a repository a stage, whose images are never changed and whose oldest ones go."""

from __future__ import annotations

import base64
import json
import re
import subprocess

from aisle.aws.clients import client, told
from aisle.errors import BadInput, Unavailable
from infra.images.builders import BUILDERS, find_builder

KEPT = 30  # images; a rollback needs the image of the version that it goes back to
_REMEDY = "check the credentials, the region and what their role allows in ECR"
_ADDRESS = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/[^@:]+@sha256:[0-9a-f]{64}")


def with_digest(variable: str, address: str, repository: str) -> str:
    """`address`, which `variable` gave. Raises BadInput where it is no ECR address with a digest."""
    if not _ADDRESS.fullmatch(address):
        raise BadInput(
            f"{variable} is {address!r}, which is no ECR address with a digest",
            f"name one like 123456789012.dkr.ecr.us-east-1.amazonaws.com/{repository}@sha256:..., or unset it",
        )
    return address


def repository(stage: str) -> str:
    """The address of the stage's repository, which is made where it is missing. Raises Unavailable."""
    ecr, name = client("ecr"), f"aisle-{stage}"
    with told(f"the repository {name} could not be made", _REMEDY):
        try:
            made = ecr.create_repository(
                repositoryName=name,
                imageTagMutability="IMMUTABLE",
                imageScanningConfiguration={"scanOnPush": True},
                encryptionConfiguration={"encryptionType": "AES256"},
            )["repository"]
        except ecr.exceptions.RepositoryAlreadyExistsException:
            made = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
        counted = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": KEPT}
        rule = {"rulePriority": 1, "selection": counted, "action": {"type": "expire"}}
        ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=json.dumps({"rules": [rule]}))
    address: str = made["repositoryUri"]
    return address


def push(image: str, repository: str) -> str:
    """The address with a digest under which the local `image` then lies in the registry. Raises Unavailable.

    Its tag there ends in its id, so that one tag never means two images, and what is there already is not sent again.
    """
    builder = find_builder()
    tagged = f"{repository}:{image.rpartition(':')[2]}-{builder.image_id(image).removeprefix('sha256:')[:12]}"
    digest = _known(tagged)
    if not digest:
        program = next(name for name, known in BUILDERS.items() if known is builder)
        _log_in(program, repository.partition("/")[0])
        _send(program, image, tagged)
        digest = _known(tagged)
    return f"{repository}@{digest}"


def _known(tagged: str) -> str:
    """The digest that the registry has for a tag; empty: none."""
    name, _, tag = tagged.partition("/")[2].partition(":")
    ecr = client("ecr")
    with told(f"the image {tagged} could not be looked up", _REMEDY):
        try:
            found = ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": tag}])["imageDetails"]
        except ecr.exceptions.ImageNotFoundException:
            return ""
    digest: str = found[0]["imageDigest"]
    return digest


def _send(program: str, image: str, tagged: str) -> None:
    if program == "docker":
        _obey("docker", "tag", image, tagged)
        _obey("docker", "push", tagged)
    else:
        _obey("buildah", "push", "--format=v2s2", image, f"docker://{tagged}")


def _log_in(program: str, registry: str) -> None:
    with told("the registry's password could not be asked for", _REMEDY):
        token = client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    _obey(program, "login", f"--username={user}", "--password-stdin", registry, said=password)


def _obey(*command: str, said: str | None = None) -> None:
    if subprocess.run(command, input=said, text=True).returncode:
        raise Unavailable(f"{' '.join(command[:2])} failed", "its last lines above say why")
