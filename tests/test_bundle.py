import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from aisle.bundle import FORMAT, Bundle, Facts, Manifest, SealedFile, Step, read_manifest, verify_hashes
from aisle.errors import BadInput, BundleError
from aisle.sealing import sealing

FACTS = Facts(
    created_at="2025-01-02T03:04:05Z",
    aisle_version="0.1.0",
    recipe="demo",
    languages=["en", "zh"],
    currency="USD",
    n_products=3,
    dim=2,
    data={"products.csv": "ab" * 32},
    models={"encoder": {"name": "tiny", "licence": "Apache-2.0", "layers": 2, "int8": True}},
    steps=[Step("encode", 1.5, {"largest difference": 0.01})],
    evaluation={"nDCG@10": {"mean": 0.5}},
)
NAMES = ["dense/vectors.npy", "products.txt"]


def build(target: Path, title: str = "red shoe") -> Bundle:
    with sealing(target) as draft:
        (draft.folder / "products.txt").write_text(title)
        (draft.folder / "dense").mkdir()
        np.save(draft.folder / "dense" / "vectors.npy", np.array([[1, 2], [3, 4], [5, 6]], np.int8), allow_pickle=False)
        return draft.seal(FACTS)


def rewrite(bundle: Bundle, **fields: object) -> None:
    manifest = bundle.path / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | fields))


def test_a_sealed_bundle_opens_with_every_fact_and_file(tmp_path: Path) -> None:
    sealed = build(tmp_path / "out" / "bundle")

    opened = Bundle.open(tmp_path / "out" / "bundle")

    verify_hashes(opened)
    assert opened == sealed
    hashes = {name: hashlib.sha256((opened.path / name).read_bytes()).hexdigest() for name in NAMES}
    lines = "".join(f"{name} {hashes[name]}\n" for name in NAMES)
    assert opened.manifest == Manifest(
        format=FORMAT,
        bundle_id=hashlib.sha256(lines.encode()).hexdigest()[:16],
        files=[SealedFile(NAMES[0], 134, hashes[NAMES[0]]), SealedFile(NAMES[1], 8, hashes[NAMES[1]])],
        **msgspec.structs.asdict(FACTS),
    )
    assert np.load(opened.file("dense/vectors.npy")).tolist() == [[1, 2], [3, 4], [5, 6]]
    assert (opened.has("products.txt"), opened.has("ranker/model.npz")) == (True, False)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["bundle"]


def test_equal_content_has_an_equal_id_and_other_content_another(tmp_path: Path) -> None:
    ids = [build(tmp_path / name, title).manifest.bundle_id for name, title in [("a", "x"), ("b", "x"), ("c", "y")]]

    assert ids[0] == ids[1] != ids[2]


def test_figures_from_numpy_are_written_as_numbers(tmp_path: Path) -> None:
    with sealing(tmp_path / "bundle") as draft:
        bundle = draft.seal(msgspec.structs.replace(FACTS, evaluation={"P@10": np.float32(0.5), "n": np.int64(7)}))

    assert bundle.manifest.evaluation == {"P@10": 0.5, "n": 7}


def test_a_manifest_hands_its_facts_to_the_next_bundle(tmp_path: Path) -> None:
    old = build(tmp_path / "old")

    with sealing(tmp_path / "new") as draft:
        (draft.folder / "products.txt").write_text("blue shoe")
        new = draft.seal(msgspec.structs.replace(old.manifest, n_products=1, evaluation={}))

    assert [file.path for file in new.manifest.files] == ["products.txt"]
    assert new.manifest.bundle_id != old.manifest.bundle_id
    assert (new.manifest.n_products, new.manifest.models) == (1, old.manifest.models)


def test_a_bundle_can_be_read_by_another_user(tmp_path: Path) -> None:
    bundle = build(tmp_path / "bundle")

    modes = {path: path.stat().st_mode & 0o777 for path in [bundle.path, *bundle.path.rglob("*")]}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o755}
    assert {mode for path, mode in modes.items() if path.name != "manifest.json" and path.is_file()} == {0o644}


def test_an_older_bundle_is_replaced(tmp_path: Path) -> None:
    build(tmp_path / "bundle", "red shoe")
    build(tmp_path / "bundle", "blue shoe")

    assert Bundle.open(tmp_path / "bundle").file("products.txt").read_text() == "blue shoe"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_damaged_bundle_is_replaced_as_well(tmp_path: Path) -> None:
    build(tmp_path / "bundle").file("products.txt").unlink()

    assert build(tmp_path / "bundle") == Bundle.open(tmp_path / "bundle")


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()

    assert build(tmp_path / "bundle").path == tmp_path / "bundle"


@pytest.mark.parametrize("present", ["thesis.txt", "manifest.json"])
def test_a_folder_that_is_no_bundle_is_never_replaced(tmp_path: Path, present: str) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / present).write_text('{"name": "a web app"}')

    with pytest.raises(BadInput, match="exists and is not a bundle: choose another --out"):
        build(tmp_path / "home")

    assert (tmp_path / "home" / present).read_text() == '{"name": "a web app"}'
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_bundle_with_files_of_someone_else_is_not_replaced(tmp_path: Path) -> None:
    (build(tmp_path / "bundle").path / "notes.txt").write_text("mine")

    with pytest.raises(BadInput, match=r"files that are not of the bundle \(notes.txt\): move them away"):
        build(tmp_path / "bundle")

    assert (tmp_path / "bundle" / "notes.txt").read_text() == "mine"


def test_a_link_to_a_bundle_stays_a_link(tmp_path: Path) -> None:
    build(tmp_path / "real", "red shoe")
    (tmp_path / "current").symlink_to("real")

    build(tmp_path / "current", "blue shoe")

    assert (tmp_path / "current").is_symlink()
    assert (tmp_path / "real" / "products.txt").read_text() == "blue shoe"


@pytest.mark.parametrize("ending", [KeyboardInterrupt, ValueError, SystemExit])
def test_an_interrupted_build_leaves_nothing(tmp_path: Path, ending: type[BaseException]) -> None:
    def build_half() -> None:
        with sealing(tmp_path / "bundle") as draft:
            (draft.folder / "products.txt").write_text("half of it")
            raise ending

    with pytest.raises(ending):
        build_half()

    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_build_keeps_the_older_bundle(tmp_path: Path) -> None:
    old = build(tmp_path / "bundle")

    with pytest.raises(KeyboardInterrupt), sealing(tmp_path / "bundle"):
        raise KeyboardInterrupt

    assert Bundle.open(tmp_path / "bundle") == old
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_facts_that_could_not_be_read_back_replace_nothing(tmp_path: Path) -> None:
    old = build(tmp_path / "bundle")

    with pytest.raises(msgspec.ValidationError), sealing(tmp_path / "bundle") as draft:
        draft.seal(msgspec.structs.replace(FACTS, n_products=-1))

    assert Bundle.open(tmp_path / "bundle") == old


def test_a_killed_build_leaves_no_bundle(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys\nfrom aisle.sealing import sealing\n"
        "with sealing(pathlib.Path(sys.argv[1])) as draft:\n"
        "    (draft.folder / 'products.txt').write_text('x')\n    os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path / "bundle")], check=False)

    assert killed.returncode == -9
    assert not (tmp_path / "bundle").exists()


def test_a_link_in_a_draft_is_refused(tmp_path: Path) -> None:
    def build_with_link() -> None:
        with sealing(tmp_path / "bundle") as draft:
            (draft.folder / "model.onnx").symlink_to(sys.executable)
            draft.seal(FACTS)

    with pytest.raises(BundleError, match=r"model.onnx of the draft is a link"):
        build_with_link()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("name", ["products.txt", "manifest.json"])
def test_a_full_disk_leaves_the_older_bundle_and_says_so(tmp_path: Path, name: str) -> None:
    old = build(tmp_path / "bundle")

    def build_onto_a_full_disk() -> None:
        with sealing(old.path) as draft:
            (draft.folder / name).symlink_to("/dev/full")  # each write to it fails with ENOSPC
            if name == "manifest.json":
                draft.seal(FACTS)
            (draft.folder / name).write_text("lost")

    with pytest.raises(BundleError, match=r"the disk was full while .*: free some space"):
        build_onto_a_full_disk()

    assert Bundle.open(tmp_path / "bundle") == old
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_disk_that_fills_under_numpy_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    mounted = shutil.which("mount") is not None and os.geteuid() == 0
    if (
        not mounted
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", tmp_path], check=False).returncode
    ):
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        with pytest.raises(BundleError, match="the disk was full"), sealing(tmp_path / "bundle") as draft:
            np.save(draft.folder / "vectors.npy", np.ones(4_000_000, np.int8))
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_another_failed_write_is_not_called_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), sealing(tmp_path / "bundle") as draft:
        (draft.folder / "no folder" / "x").write_text("x")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(BadInput, match=r"file cannot be written .*: choose another --out"):
        build(tmp_path / "file" / "bundle")


@pytest.mark.parametrize(
    ("found", "said"),
    [(4, "newer than this code (3): deploy a newer aisle"), (2, "older than this code (3): build the bundle again")],
)
def test_another_format_is_called_newer_or_older_whatever_its_shape(tmp_path: Path, found: int, said: str) -> None:
    bundle = build(tmp_path / "bundle")
    rewrite(bundle, format=found, files={"another": "shape"})

    with pytest.raises(BundleError) as failure:
        Bundle.open(bundle.path)

    assert str(failure.value) == f"bundle format {found} is {said}"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "cannot be read"),
        ('{"format": 1', "cannot be read"),
        ("[]", "Expected `object`"),
        ('{"format": "1"}', r"\$.format"),
        ('{"format": 0}', r"\$.format"),
        ('{"format": 3}', "missing required field"),
    ],
)
def test_a_broken_manifest_is_named(tmp_path: Path, written: str, said: str) -> None:
    bundle = build(tmp_path / "bundle")
    (bundle.path / "manifest.json").write_text(written)

    with pytest.raises(BundleError, match=said):
        Bundle.open(bundle.path)


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no readable manifest.json .*, so it is no bundle"):
        Bundle.open(tmp_path)


def test_a_path_that_is_no_folder_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"nothing is not a folder: name the folder that `aisle build` wrote"):
        read_manifest(tmp_path / "nothing")


def test_missing_and_truncated_files_are_seen_at_open(tmp_path: Path) -> None:
    bundle = build(tmp_path / "bundle")

    bundle.file("products.txt").write_text("red")
    with pytest.raises(BundleError, match=r"products.txt of .* has 3 bytes, the manifest says 8"):
        Bundle.open(bundle.path)

    bundle.file("products.txt").unlink()
    with pytest.raises(BundleError, match=r"products.txt is missing from"):
        Bundle.open(bundle.path)

    bundle.file("products.txt").mkdir()
    with pytest.raises(BundleError, match=r"products.txt of .* is not a file"):
        Bundle.open(bundle.path)


def test_a_changed_byte_is_seen_by_its_hash(tmp_path: Path) -> None:
    bundle = build(tmp_path / "bundle")
    bundle.file("products.txt").write_text("rad shoe")

    with pytest.raises(BundleError, match=r"products.txt of .* has changed since the bundle was sealed"):
        verify_hashes(Bundle.open(bundle.path))


def test_a_file_and_its_hash_changed_together_are_seen_by_the_id(tmp_path: Path) -> None:
    bundle = build(tmp_path / "bundle", "red shoe")
    other = build(tmp_path / "other", "rad shoe")
    shutil.copy(other.file("products.txt"), bundle.path)
    rewrite(bundle, files=msgspec.to_builtins(other.manifest.files))

    with pytest.raises(BundleError, match="was edited: its bundle_id does not follow"):
        verify_hashes(Bundle.open(bundle.path))


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/hostname", "a/../../secret", "", ".", "a\\..\\b", "nul\0", "link/secret"]
)
def test_a_manifest_cannot_lead_out_of_its_folder(tmp_path: Path, name: str) -> None:
    bundle = build(tmp_path / "bundle")
    (tmp_path / "secret").write_text("s")
    (bundle.path / "link").symlink_to(tmp_path)
    rewrite(bundle, files=[{"path": name, "bytes": 1, "sha256": "0" * 64}])

    with pytest.raises(BundleError, match="which lies outside the bundle"):
        Bundle.open(bundle.path)


def test_a_file_that_is_not_listed_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"has no file ranker/model.npz: rebuild it"):
        build(tmp_path / "bundle").file("ranker/model.npz")
