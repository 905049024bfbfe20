"""What a file from a stranger cannot do: run code, be unpickled, write anywhere else.

Beside these: `test_code_in_a_pickle_is_never_run` (weights), `test_findings_csv_is_neutralised`,
`test_hostile_names_cannot_steer_the_terminal`. Bombs, the page and the network have files of their own.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import pickle
import textwrap
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from command import Command
from handover import hostile_audit, on_disk
from pictures import class_vectors, make_folders, make_manifest
from toy import toy_audit

from auditor.dataset import ReadOptions, read_dataset
from auditor.errors import DataError
from auditor.findings_folder import FolderOptions, write_findings_folder
from auditor.stages import Kept, StageFolder
from auditor.storage import load, save

ROOT = Path(__file__).parent.parent
SOURCES = [f for package in ("auditor", "cli", "reports") for f in sorted((ROOT / package).rglob("*.py"))]

# What the source may not do at all

UNSAFE_MODULES = {"pickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
UNSAFE_BUILTINS = {"eval", "exec", "compile", "__import__"}
UNSAFE_METHODS = {"read_pickle", "to_pickle", "system", "popen", "extract", "extractall", "unpack_archive"}
SAFE_ONLY_WITH = {
    "np.load": "allow_pickle=False",
    "np.save": "allow_pickle=False",
    "torch.load": "weights_only=True",
}


def called(node: ast.Call) -> str:
    return ast.unparse(node.func)


def unsafe(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"imports {n}" for n in names if n.split(".")[0] in UNSAFE_MODULES)
        if not isinstance(node, ast.Call):
            continue
        name, keywords = called(node), {ast.unparse(k) for k in node.keywords}
        if name in UNSAFE_BUILTINS or name.rpartition(".")[2] in UNSAFE_METHODS:
            yield f"line {node.lineno} calls {name}"
        if name in SAFE_ONLY_WITH and SAFE_ONLY_WITH[name] not in keywords:
            yield f"line {node.lineno} calls {name} without {SAFE_ONLY_WITH[name]}"
        if "shell=True" in keywords:
            yield f"line {node.lineno} starts a shell"


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_source_unpickles_evaluates_or_extracts(file: Path) -> None:
    assert not list(unsafe(ast.parse(file.read_text(encoding="utf-8"))))


def test_the_check_above_sees_what_it_is_for() -> None:
    bad = """
        import pickle
        from joblib import load
        np.load(f); np.load(f, allow_pickle=True); torch.load(f); pd.read_pickle(f)
        eval(t); exec(t); compile(t, "", "exec"); os.system(t); archive.extractall(d)
        subprocess.run(t, shell=True)
    """
    assert len(list(unsafe(ast.parse(textwrap.dedent(bad))))) == 12
    assert not list(
        unsafe(ast.parse("np.load(f, allow_pickle=False); re.compile(p); torch.load(f, weights_only=True)"))
    )


# Pickles


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.mark,)


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[Path]:
    """Where the bomb would leave its mark; at the end it is shown to be live."""
    mark = tmp_path / "the bomb went off"
    yield mark
    assert not mark.exists()
    pickle.loads(pickle.dumps(Bomb(mark)))
    assert mark.is_dir()


def bomb_array(mark: Path, rows: int = 24) -> np.ndarray:
    array = np.empty((rows, 1), dtype=object)
    array[:] = Bomb(mark)
    return array


def bare_pickle(file: Path, mark: Path) -> None:
    file.write_bytes(pickle.dumps(Bomb(mark)))


def object_array(file: Path, mark: Path) -> None:
    with file.open("wb") as out:
        np.save(out, bomb_array(mark), allow_pickle=True)


def archive_of_objects(file: Path, mark: Path) -> None:
    with file.open("wb") as out:
        np.savez(out, bomb_array(mark))


FORMS = [bare_pickle, object_array, archive_of_objects]


@pytest.mark.parametrize("write", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("option", ["--features", "--features-ids", "--predictions"])
def test_a_pickle_given_as_an_array_is_refused(
    option: str, write: Callable[[Path, Path], None], mark: Path, tmp_path: Path, command: Command
) -> None:
    np.save(tmp_path / "v.npy", class_vectors())
    write(tmp_path / "bomb.npy", mark)
    features = [] if option == "--features" else ["--features", tmp_path / "v.npy"]
    manifest = make_manifest(tmp_path / "m.csv")
    done = command("run", manifest, *features, option, tmp_path / "bomb.npy", "--out", tmp_path / "out")
    assert done.code == 2 and not mark.exists()
    assert "is not a .npy file of plain numbers" in done.err and "use numpy.save" in done.err
    assert "allow_pickle" not in done.err  # numpy's own advice


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".safetensors"])
@pytest.mark.parametrize("how", ["bare", "torch", "inside a state dict"])
def test_weights_that_run_code_are_refused(
    suffix: str, how: str, mark: Path, tmp_path: Path, command: Command
) -> None:
    file = tmp_path / f"w{suffix}"
    if how == "bare":
        bare_pickle(file, mark)
    else:
        torch.save(Bomb(mark) if how == "torch" else {"conv1.weight": Bomb(mark)}, file)
    done = command("run", make_folders(tmp_path / "data"), "--weights", file, "--out", tmp_path / "out")
    assert done.code == 2 and file.name in done.err and not mark.exists()


@pytest.mark.parametrize("write", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("name", ["embeddings", "neighbours", "similarities", "probabilities"])
def test_a_pickle_in_an_audit_is_refused(
    name: str, write: Callable[[Path, Path], None], mark: Path, tmp_path: Path
) -> None:
    save(toy_audit(), tmp_path / "audit")
    write(tmp_path / "audit" / f"{name}.npy", mark)
    with pytest.raises(DataError, match="is damaged"):
        load(tmp_path / "audit")


@pytest.mark.parametrize("write", FORMS, ids=lambda form: form.__name__)
def test_a_pickle_in_a_store_is_passed_over_and_made_again(
    write: Callable[[Path, Path], None], mark: Path, tmp_path: Path, command: Command
) -> None:
    data, store = make_folders(tmp_path / "data"), tmp_path / "store"
    arguments = ("run", data, "--backbone", "bundled", "--cache", store, "--quiet")
    assert command(*arguments, "--out", tmp_path / "before").code == 0
    shards = list(store.rglob("*.rows"))
    assert shards
    for shard in shards:
        write(shard, mark)
    done = command(*arguments, "--out", tmp_path / "after")
    assert done.code == 0 and "passed over" in done.err
    first, second = ((tmp_path / name / "samples.parquet").read_bytes() for name in ("before", "after"))
    assert first == second


@pytest.mark.parametrize("write", FORMS, ids=lambda form: form.__name__)
def test_a_pickle_in_a_stage_that_was_kept_is_not_used(
    write: Callable[[Path, Path], None], mark: Path, tmp_path: Path
) -> None:
    kept = StageFolder(tmp_path / "stages")
    kept.keep("neighbours", "key", Kept({"indices": np.eye(3)}, {"k": 1}, 60.0))
    assert kept.load("neighbours", "key") is not None
    file = tmp_path / "stages" / "neighbours" / "indices.npy"
    write(file, mark)
    done = json.loads((file.parent / "done.json").read_text())
    done["files"]["indices.npy"] = [file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest()]
    (file.parent / "done.json").write_text(json.dumps(done))
    assert kept.load("neighbours", "key") is None


def test_a_pickled_type_in_a_parquet_file_is_never_made(mark: Path, tmp_path: Path) -> None:
    """Versions of pyarrow before 14.0.1 made it as soon as the file was opened."""
    told = {
        "ARROW:extension:name": "arrow.py_extension_type",
        "ARROW:extension:metadata": pickle.dumps(Bomb(mark)),
    }
    fields = [pa.field("path", pa.string(), metadata=told), pa.field("label", pa.string(), metadata=told)]
    table = pa.table([["a", "b"], ["x", "y"]], schema=pa.schema(fields))
    pq.write_table(table, tmp_path / "m.parquet")
    assert read_dataset(tmp_path / "m.parquet", ReadOptions(images=False)).classes == ("x", "y")


# Files that are written


def test_every_name_in_the_archive_that_is_written_stays_below_it(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    audit = on_disk(hostile_audit(), tmp_path / "data")
    counts = write_findings_folder(audit, tmp_path / "out", FolderOptions(archive=True))
    names = [name for file in (tmp_path / "out").glob("*.zip") for name in zipfile.ZipFile(file).namelist()]
    assert len(names) == counts.images > 0
    for name in names:
        for path in (PurePosixPath(name), PureWindowsPath(name)):
            assert not path.is_absolute() and not path.drive and ".." not in path.parts
        assert not set(name) & {"\0", "\\", ":"}
    inside = [p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*")]
    assert {p.parts[0] for p in tmp_path.rglob("*") for p in [p.relative_to(tmp_path)]} == {"out", "data"}
    assert inside
