"""`auditor layers` on a small folder: one pass, the folder, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Command
from pictures import make_folders

from auditor.store import Store
from cli.cache import store_folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folders(tmp_path_factory.mktemp("photos") / "photos", each=10)


@pytest.mark.slow
def test_layers_writes_a_comparison_and_keeps_the_vectors(
    data: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDITOR_ENGINE", "torch")  # a layer's vectors are the same alone on every machine
    words = ("layers", data, "--backbone", "bundled", "--layers", "layer4, layer1", "--out", tmp_path / "out")
    done = command(*words, "--cache", tmp_path / "cache", "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    found = json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8"))
    assert found["kind"] == "layers" and [part["name"] for part in found["layers"]] == ["layer1", "layer4"]
    assert said == {**found, "page": str(tmp_path / "out" / "report.html")}
    assert (tmp_path / "out" / "report.html").is_file()
    store = store_folder(tmp_path / "cache")
    assert Store(store).info()["vectors"] == 2 * 30
    run = command("run", data, "--backbone", "bundled", "--layer", "layer4", "--cache", tmp_path / "cache",
                  "--out", tmp_path / "audit")  # fmt: skip
    assert run.code == 0 and Store(store).info()["vectors"] == 2 * 30
    audit = json.loads((tmp_path / "audit" / "audit.json").read_text(encoding="utf-8"))
    assert audit["backbone"] == found["layers"][1]["backbone"]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "auditor layers photos --backbone bundled --layers layer1,layer4 --seed 0" in page


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ("layer4", "two or more different outputs, got layer4"),
        ("layer4,avgpool", "two or more different outputs"),
        ("layer1,layer9", "'layer9' is unknown"),
        (" , ", "got none"),
    ],
)
def test_wrong_layers_are_refused(
    layers: str, said: str, data: Path, tmp_path: Path, command: Command
) -> None:
    done = command("layers", data, "--backbone", "bundled", "--layers", layers, "--out", tmp_path / "out")
    assert done.code == 2 and said in done.err and len(done.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_out_inside_the_dataset_is_refused(data: Path, command: Command) -> None:
    done = command("layers", data, "--backbone", "bundled", "--out", data / "layers")
    assert done.code == 2 and "lies inside the dataset" in done.err
