"""Where a deployment takes the heavy reranker's model and image from, and its stack, in an emulated account.

The emulated account makes model, endpoint configuration and endpoint. UNMADE names what it does not make of a heavy
reranker's stack: inference components and everything that scales; only an account can prove those. Nor does it know an
instance type of the last years, so another one stands for ml.g6.xlarge.
"""

import json
import re
from pathlib import Path
from typing import Any

import boto3
import pytest
from test_deploy import BUCKET, REPOSITORY, TEMPLATE, UNMADE, made

from aisle.bundle import Bundle, Facts, verify_hashes
from aisle.errors import AisleError
from aisle.sealing import sealing
from infra.heavy import bring, heavy
from infra.images.reranker import DOCKERFILE, fill
from infra.package import OSLS, ROOT, osls

UNMADE_HEAVY = {
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::SageMaker::InferenceComponent",
}
IMAGE = f"{REPOSITORY}-reranker@sha256:{'1' * 64}"
ON = ("--param=heavy=on", "--param=heavy_batch=on", "--param=heavy_instance=ml.p3.2xlarge")
FACTS = Facts(
    created_at="2026-11-23T00:00:00+00:00",
    aisle_version="0.1.0",
    recipe="none",
    languages=[],
    currency="",
    n_products=0,
    dim=8,
)


def sealed(folder: Path, weights: bytes = b"weights", lacking: str = "") -> Bundle:
    """A folder that is sealed as a heavy reranker is; nothing here reads what its files hold."""
    with sealing(folder) as draft:
        for name in {"reranker.json", "config.json", "model.safetensors", "tokenizer.json"} - {lacking}:
            (draft.folder / name).write_bytes(weights if name == "model.safetensors" else b"{}")
        return draft.seal(FACTS)


@pytest.fixture
def s3(aws: dict[str, str]) -> Any:
    """The account's S3 with the stage's bucket."""
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


def refused(stage: str = "dev", switched_on: bool = True, **asked: str) -> str:
    with pytest.raises(AisleError) as caught:
        heavy(stage, switched_on, asked)
    return str(caught.value)


def test_a_sealed_folder_lies_in_the_bucket_as_it_is_under_its_id(s3: Any, tmp_path: Path) -> None:
    folder = sealed(tmp_path / "heavy")
    model = folder.manifest.bundle_id
    for _ in range(2):
        told = heavy("dev", True, {"AISLE_HEAVY": str(folder.path), "AISLE_HEAVY_IMAGE": IMAGE})
        assert told == {"AISLE_HEAVY_ID": model, "AISLE_HEAVY_IMAGE": IMAGE}
    keys = [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert {key.rpartition("/")[0] for key in keys} == {f"heavy/{model}"}
    for key in keys:  # as SageMaker lays them under /opt/ml/model
        target = tmp_path / "opt" / key.rpartition("/")[2]
        target.parent.mkdir(exist_ok=True)
        s3.download_file(BUCKET, key, str(target))
    verify_hashes(Bundle.open(tmp_path / "opt"))


def test_an_upload_that_broke_off_is_finished_by_the_next_one(s3: Any, tmp_path: Path) -> None:
    folder = sealed(tmp_path / "heavy")
    model = bring(folder, BUCKET)
    s3.delete_object(Bucket=BUCKET, Key=f"heavy/{model}/manifest.json")  # it goes last
    s3.delete_object(Bucket=BUCKET, Key=f"heavy/{model}/tokenizer.json")
    assert refused(AISLE_HEAVY=model, AISLE_HEAVY_IMAGE=IMAGE).startswith(f"there is no model {model} in s3://{BUCKET}")
    assert bring(folder, BUCKET) == model
    assert len(s3.list_objects_v2(Bucket=BUCKET)["Contents"]) == 5


def test_a_rollback_names_the_id_of_a_model_that_was_there_before(s3: Any, tmp_path: Path) -> None:
    older = bring(sealed(tmp_path / "older", b"older"), BUCKET)
    newer = bring(sealed(tmp_path / "newer", b"newer"), BUCKET)
    assert older != newer
    told = heavy("dev", True, {"AISLE_HEAVY": older, "AISLE_HEAVY_IMAGE": IMAGE})
    assert told["AISLE_HEAVY_ID"] == older


def test_a_changed_folder_and_one_that_is_something_else_are_refused(s3: Any, tmp_path: Path) -> None:
    changed = sealed(tmp_path / "changed")
    (changed.path / "model.safetensors").write_bytes(b"WEIGHTS")
    said = refused(AISLE_HEAVY=str(changed.path), AISLE_HEAVY_IMAGE=IMAGE)
    assert said.startswith("model.safetensors of ")
    assert "has changed since" in said
    half = sealed(tmp_path / "half", lacking="reranker.json")
    said = refused(AISLE_HEAVY=str(half.path), AISLE_HEAVY_IMAGE=IMAGE)
    assert said == f"{half.path} is no heavy reranker: it has no reranker.json: seal one with `aisle heavy`"
    assert refused(AISLE_HEAVY="nowhere", AISLE_HEAVY_IMAGE=IMAGE).startswith("nowhere is not a folder")
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)


def test_what_is_missing_is_asked_for(aws: dict[str, str], tmp_path: Path) -> None:
    folder = str(sealed(tmp_path / "heavy").path)
    assert refused() == (
        "dev is to have a heavy reranker, and no image of it was ever deployed: "
        "push one and name it: make heavy-image STAGE=dev, then AISLE_HEAVY_IMAGE=..."
    )
    assert refused(AISLE_HEAVY_IMAGE=IMAGE) == (
        "dev is to have a heavy reranker, and no model of it was ever deployed: "
        "name a sealed folder: AISLE_HEAVY=... (`aisle heavy MODEL --out HEAVY` seals one)"
    )
    assert refused(AISLE_HEAVY=folder, AISLE_HEAVY_IMAGE=IMAGE) == (
        f"there is no bucket {BUCKET} yet for the model to lie in: "
        'deploy the stage once with heavy: "off", which makes the bucket, then with "on"'
    )
    tagged = IMAGE.partition("@")[0] + ":latest"
    assert refused(AISLE_HEAVY=folder, AISLE_HEAVY_IMAGE=tagged).startswith(f"AISLE_HEAVY_IMAGE is {tagged!r}, which")


def test_a_stage_without_a_heavy_reranker_takes_none(tmp_path: Path) -> None:
    assert heavy("dev", False, {"AISLE_IMAGE": IMAGE}) == {}
    assert refused(switched_on=False, AISLE_HEAVY="somewhere") == (
        'AISLE_HEAVY is given and dev has no heavy reranker: write heavy: "on" in infra/stages/dev.yml, or leave it out'
    )


def test_the_image_is_built_from_what_its_dockerfile_copies_and_nothing_else(tmp_path: Path) -> None:
    fill(tmp_path)
    copies = re.findall(r"^COPY (?!--from)(\S+) ", (tmp_path / DOCKERFILE).read_text(), re.MULTILINE)
    assert [name for name in copies if not (tmp_path / name).exists()] == []
    assert {name.partition("/")[0] for name in copies} == {path.name for path in tmp_path.iterdir()}
    assert [path for path in tmp_path.rglob("*") if path.stat().st_mtime or "__pycache__" in path.parts] == []


@pytest.mark.slow
def test_a_stack_gets_a_heavy_reranker_another_model_and_loses_it_again(
    aws: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not (OSLS.exists() and (ROOT / "build/layers/light/python").exists()):
        pytest.skip("deploys the stack: needs Node, and `make package` once")
    monkeypatch.setenv("AISLE_IMAGE", f"{REPOSITORY}@sha256:{'1' * 64}")
    osls("deploy", "dev", aws)
    without = made()
    sagemaker = boto3.client("sagemaker")
    uris = []
    for weights in (b"older", b"newer"):
        model = bring(sealed(tmp_path / weights.decode(), weights), BUCKET)
        told = heavy("dev", True, {"AISLE_HEAVY": model, "AISLE_HEAVY_IMAGE": IMAGE})
        osls("deploy", "dev", {**aws, **told}, *ON)
        assert heavy("dev", True, {}) == told  # the next deployment takes what runs
        (found,) = sagemaker.list_models()["Models"]
        container = sagemaker.describe_model(ModelName=found["ModelName"])["PrimaryContainer"]
        uris.append(container["ModelDataSource"]["S3DataSource"]["S3Uri"])
        assert (container["Image"], uris[-1]) == (IMAGE, f"s3://{BUCKET}/heavy/{model}/")
    resources = json.loads(TEMPLATE.read_text())["Resources"]
    present = made()
    assert {resource["Type"] for name, resource in resources.items() if name not in present} == UNMADE | UNMADE_HEAVY
    names = {endpoint["EndpointName"] for endpoint in sagemaker.list_endpoints()["Endpoints"]}
    assert names == {"aisle-dev-heavy", "aisle-dev-heavy-batch"}
    (batch,) = [
        sagemaker.describe_endpoint_config(EndpointConfigName=config["EndpointConfigName"])
        for config in sagemaker.list_endpoint_configs()["EndpointConfigs"]
        if "Batch" in config["EndpointConfigName"]
    ]
    assert batch["AsyncInferenceConfig"]["OutputConfig"]["S3OutputPath"] == (
        "s3://aisle-dev-batch-123456789012/reranked/"
    )

    osls("deploy", "dev", aws)
    assert sagemaker.list_models()["Models"] == sagemaker.list_endpoints()["Endpoints"] == []
    assert {name for name in made() if not name.startswith("SearchVersion")} == {
        name for name in without if not name.startswith("SearchVersion")
    }
