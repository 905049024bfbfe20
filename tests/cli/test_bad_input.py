"""Every way to ask for the impossible: one sentence, exit code 2, nothing written."""

from __future__ import annotations

import csv
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import Command
from pictures import class_vectors, make_folders, make_manifest, write_picture

from cli.workspace import Workspace

Arguments = list[object]
Case = Callable[[Path], Arguments]


def no_such_path(home: Path) -> Arguments:
    return [home / "nowhere"]


def no_images(home: Path) -> Arguments:
    (home / "data" / "cat").mkdir(parents=True)
    (home / "data" / "cat" / "notes.txt").write_text("no picture")
    return [home / "data"]


def one_class(home: Path) -> Arguments:
    return [make_folders(home / "data", classes=("cat",))]


def one_class_of_copies(home: Path) -> Arguments:
    make_folders(home / "data", classes=("cat",))
    for number in range(6):
        write_picture(home / "data" / "dog" / f"{number}.png", 1, 0)
    return [home / "data"]


def manifest_without_columns(home: Path) -> Arguments:
    (home / "labels.csv").write_text("when,where\nnow,here\n")
    return [home / "labels.csv"]


def manifest_without_the_named_column(home: Path) -> Arguments:
    return [make_manifest(home / "labels.csv"), "--label-column", "species"]


def all_paths_unknown(home: Path) -> Arguments:
    return [make_manifest(home / "labels.csv")]


def out_not_empty(home: Path) -> Arguments:
    (home / "mine").mkdir()
    (home / "mine" / "thesis.txt").write_text("five years")
    return [make_folders(home / "data"), "--out", home / "mine"]


def out_not_empty_overwrite(home: Path) -> Arguments:
    return [*out_not_empty(home), "--overwrite"]


def out_is_a_file(home: Path) -> Arguments:
    (home / "mine").write_text("five years")
    return [make_folders(home / "data"), "--out", home / "mine"]


def out_inside_the_data(home: Path) -> Arguments:
    return [make_folders(home / "data"), "--out", home / "data" / "audit"]


def existing_audit(home: Path) -> Arguments:
    (home / "done").mkdir()
    (home / "done" / "audit.json").write_text("{}")
    return [make_folders(home / "data"), "--out", home / "done"]


def features(home: Path, array: np.ndarray) -> Arguments:
    np.save(home / "vectors.npy", array, allow_pickle=True)
    return [make_manifest(home / "labels.csv"), "--features", home / "vectors.npy"]


def features_with_nan(home: Path) -> Arguments:
    vectors = class_vectors()
    vectors[3, 1] = np.nan
    return features(home, vectors)


def features_of_another_length(home: Path) -> Arguments:
    return features(home, class_vectors(rows=7))


def features_of_text(home: Path) -> Arguments:
    return features(home, np.array([["a", "b"]] * 24))


def features_of_objects(home: Path) -> Arguments:
    return features(home, np.array([{"a": 1}] * 24))


def features_missing(home: Path) -> Arguments:
    return [make_manifest(home / "labels.csv"), "--features", home / "no.npy"]


def features_with_weights(home: Path) -> Arguments:
    return [*features(home, class_vectors()), "--weights", home / "w.pth"]


def predictions(home: Path, values: np.ndarray) -> Arguments:
    np.save(home / "p.npy", values)
    return [*features(home, class_vectors()), "--predictions", home / "p.npy"]


def predictions_of_scores(home: Path) -> Arguments:
    return predictions(home, np.full((24, 3), 0.5))


def predictions_of_other_classes(home: Path) -> Arguments:
    return predictions(home, np.full((24, 4), 0.25))


def weights_of_another_architecture(home: Path) -> Arguments:
    import torch

    torch.save({"features.0.weight": torch.zeros(8, 3, 3, 3), "fc.bias": torch.zeros(3)}, home / "w.pth")
    return [make_folders(home / "data"), "--weights", home / "w.pth"]


def weights_that_are_no_state_dict(home: Path) -> Arguments:
    (home / "w.pth").write_bytes(pickle.dumps([1, 2, 3]))
    return [make_folders(home / "data"), "--weights", home / "w.pth"]


def unknown_backbone(home: Path) -> Arguments:
    return [make_folders(home / "data"), "--backbone", "vgg16"]


def unknown_layer(home: Path) -> Arguments:
    return [make_folders(home / "data"), "--backbone", "bundled", "--layer", "layer9"]


def unknown_layout(home: Path) -> Arguments:
    return [make_folders(home / "data"), "--layout", "class/split"]


def unknown_store(home: Path) -> Arguments:
    return [make_folders(home / "data"), "--store", home / "nowhere"]


def store_that_is_none(home: Path) -> Arguments:
    return [make_folders(home / "data"), "--store", home / "data"]


def seed_below_zero(home: Path) -> Arguments:
    return [*features(home, class_vectors()), "--seed", "-1"]


def seed_beyond_32_bits(home: Path) -> Arguments:
    return [*features(home, class_vectors()), "--seed", 2**32]


def features_that_are_no_array(home: Path) -> Arguments:
    made = features(home, class_vectors())
    (home / "vectors.npy").write_text("hello")
    return made


def like_what_is_no_audit(home: Path) -> Arguments:
    return [make_folders(home / "data"), "--like", home / "data"]


def batch_of_nothing(home: Path) -> Arguments:
    return [make_folders(home / "data"), "--backbone", "bundled", "--batch-size", "0"]


CASES: dict[Case, str] = {
    no_such_path: "nowhere",
    no_images: "No images",
    one_class: "two",
    one_class_of_copies: "copies count once",
    manifest_without_columns: "when",
    manifest_without_the_named_column: "species",
    all_paths_unknown: "24",
    out_not_empty: "not empty",
    out_not_empty_overwrite: "not empty",
    out_is_a_file: "is a file",
    out_inside_the_data: "inside",
    existing_audit: "--overwrite",
    features_with_nan: "not finite",
    features_of_another_length: "7",
    features_of_text: "<U1",
    features_of_objects: "numpy.save",
    features_missing: "no.npy",
    features_with_weights: "--weights",
    predictions_of_scores: "sum to 1",
    predictions_of_other_classes: "3 classes",
    weights_of_another_architecture: "w.pth",
    weights_that_are_no_state_dict: "w.pth",
    unknown_backbone: "resnet101",
    unknown_layer: "layer4",
    unknown_layout: "domain/class",
    unknown_store: "auditor embed",
    store_that_is_none: "auditor embed",
    seed_below_zero: "4294967295",
    seed_beyond_32_bits: "4294967295",
    features_that_are_no_array: "it is no .npy file",
    like_what_is_no_audit: "audit.json",
    batch_of_nothing: "at least 1",
}


@pytest.mark.parametrize(("case", "says"), CASES.items(), ids=[c.__name__ for c in CASES])
def test_one_sentence_and_nothing_written(
    case: Case, says: str, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    arguments = case(home)
    if not {"--backbone", "--weights", "--like", "--features"} & set(map(str, arguments)):
        arguments += ["--backbone", "bundled"]
    before = {p: p.read_bytes() for p in home.rglob("*") if p.is_file()}
    done = command("run", *arguments, "--offline")
    assert done.code == 2
    assert done.out == ""
    sentences = [line for line in done.err.splitlines() if not line.startswith("auditor: warning: ")]
    assert len(sentences) == 1
    assert sentences[0].startswith("auditor: ")
    assert sentences[0].endswith(".")
    assert says in sentences[0]
    assert "Traceback" not in done.err
    assert list(here.iterdir()) == []
    assert {p: p.read_bytes() for p in home.rglob("*") if p.is_file()} == before


def test_a_second_writer_is_refused(tmp_path: Path, command: Command) -> None:
    data, out = make_folders(tmp_path / "data"), tmp_path / "out"
    with Workspace(out, False, {}):
        done = command("run", data, "--backbone", "bundled", "--out", out)
        assert done.code == 2
        assert "Another run is writing" in done.err
    assert not out.exists()


@pytest.mark.parametrize(
    "arguments",
    [["run"], ["run", "x", "--nonsense"], ["frobnicate"], ["run", "x", "--seed", "many"], ["report"]],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], command: Command) -> None:
    done = command(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert "Traceback" not in done.err


@pytest.mark.parametrize("case", ["missing", "no audit", "no folder for the page"])
def test_bad_input_of_report(case: str, tmp_path: Path, command: Command) -> None:
    arguments = {"missing": [tmp_path / "nowhere"], "no audit": [tmp_path]}.get(
        case, [tmp_path, "--out", tmp_path / "nowhere" / "page.html"]
    )
    done = command("report", *arguments)
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_embed_does_not_write_into_a_foreign_folder(tmp_path: Path, command: Command) -> None:
    done = command(
        "embed", make_folders(tmp_path / "data"), "--out", tmp_path / "data", "--backbone", "bundled"
    )
    assert done.code == 2
    assert "no store" in done.err


def test_what_is_set_aside_is_counted_and_the_rest_goes_on(tmp_path: Path, command: Command) -> None:
    make_folders(tmp_path / "data")
    files = sorted((tmp_path / "data").rglob("*.png"))
    rows = [(f.relative_to(tmp_path).as_posix(), f.parent.name) for f in files]
    rows += [("data/lost.png", "rings"), ("data/waves/1.png", ""), (rows[0][0], rows[0][1])]
    write_picture(tmp_path / "data" / "lonely.png", 2, 99)
    rows.append(("data/lonely.png", "lonely"))
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *rows])
    out = tmp_path / "out"
    done = command("run", tmp_path / "labels.csv", "--backbone", "bundled", "--out", out, "--quiet")
    assert done.code == 0
    document = json.loads((out / "audit.json").read_text())
    told = " ".join(document["warnings"])
    assert "lonely" in told
    for word in ("1 ", "label"):
        assert word in told
    verdicts = {c["name"]: c["verdict"] for c in document["classes"]}
    assert verdicts["lonely"] == "not judged"
