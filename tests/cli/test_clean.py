"""`auditor clean` from the command line: what it says, what it writes, what it refuses."""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from command import Command
from pictures import class_vectors, make_folders, make_manifest, write_picture

from auditor.decisions import Decision, DecisionFile, write_decisions
from auditor.results import Audit
from auditor.storage import load


class Photos:
    """Class folders with a wrong label, a copy, a conflicting copy and a broken file, and their audit."""

    def __init__(self, folder: Path) -> None:
        self.data, self.audit_folder = folder / "photos", folder / "audit"
        make_folders(self.data, each=10)
        write_picture(self.data / "rings" / "wrong.png", 1, 50)
        for copy in ("rings/copy.png", "steps/conflict.png"):
            (self.data / copy).write_bytes((self.data / "rings" / "0.png").read_bytes())
        (self.data / "waves" / "copy.png").write_bytes((self.data / "waves" / "3.png").read_bytes())
        (self.data / "waves" / "broken.png").write_bytes(b"no picture")

    @property
    def audit(self) -> Audit:
        return load(self.audit_folder)

    def decide(self, file: Path, changes: dict[str, str], who: str = "ana") -> Path:
        """Save decisions: a class relabels, "" drops, "keep" keeps."""
        audit = self.audit
        labels = dict(zip(audit.dataset.ids, audit.dataset.table["label"], strict=True))
        digests = dict(zip(audit.facts.ids, audit.facts.digest, strict=True))
        made = []
        for i, to in changes.items():
            word = {"": "drop", "keep": "keep"}.get(to, "relabel")
            target = to if word == "relabel" else ""
            made.append(Decision(i, digests[i], "mislabeled", word, labels[i], target))
        mark = audit.provenance
        write_decisions(DecisionFile(file.name, mark.report_id, mark.fingerprint, who, "", tuple(made)), file)
        return file


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Photos:
    return Photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture
def audited(photos: Photos, command: Command, tmp_path_factory: pytest.TempPathFactory) -> Photos:
    if not photos.audit_folder.exists():
        done = command("run", photos.data, "--backbone", "bundled", "--out", photos.audit_folder, "--quiet")
        assert done.code == 0, done.err
    return photos


def state(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(p): (hashlib.sha256(p.read_bytes()).hexdigest(), p.lstat().st_mtime_ns)
        for p in folder.rglob("*") if p.is_file()
    }  # fmt: skip


def labels(folder: Path) -> dict[str, str]:
    table = load(folder).dataset.table
    return dict(zip(table["id"], table["label"], strict=True))


def test_it_says_what_would_change_and_writes_nothing(
    audited: Photos, tmp_path: Path, command: Command
) -> None:
    ana = audited.decide(tmp_path / "ana.json", {"rings/wrong.png": "steps", "steps/conflict.png": ""})
    before = state(tmp_path) | state(audited.data.parent)
    done = command("clean", audited.audit_folder, ana, "--auto", "drop-duplicates,drop-unreadable",
                   "--out", tmp_path / "new")  # fmt: skip
    assert done.code == 0, done.err
    assert state(tmp_path) | state(audited.data.parent) == before
    assert done.out.startswith("32 of 35 samples remain: 1 relabelled, 31 as they are; 3 dropped\n")
    for line in ("rings to steps 1", "mislabeled 1", "copies (--auto) 1", "unreadable (--auto) 1"):
        assert line in " ".join(done.out.split())
    apply = next(line for line in done.out.splitlines() if line.startswith("Apply"))
    words = shlex.split(apply.removeprefix("Apply"))
    assert words[:2] == ["auditor", "clean"]
    done = command(*words[1:], "--quiet")
    assert (done.code, done.out) == (0, "")
    assert len((tmp_path / "new" / "manifest.csv").read_text().splitlines()) == 33


@pytest.mark.parametrize(
    "mode", [None, "symlink", *(pytest.param(mode, marks=pytest.mark.slow) for mode in ("copy", "hardlink"))]
)
def test_run_takes_the_new_version(
    mode: str | None, audited: Photos, tmp_path: Path, command: Command
) -> None:
    ana = audited.decide(tmp_path / "ana.json", {"rings/wrong.png": "steps", "steps/conflict.png": ""})
    originals = state(audited.data)
    new, tree = tmp_path / "new", ["--materialize", mode] if mode else []
    done = command("clean", audited.audit_folder, ana, "--out", new, "--apply", *tree)
    assert done.code == 0, done.err
    assert state(audited.data) == originals
    said = next(line for line in done.out.splitlines() if line.startswith("Next"))
    words = shlex.split(said.removeprefix("Next"))[1:]
    done = command(*words, "--out", tmp_path / "again", "--quiet")
    assert done.code == 0, done.err
    want = labels(audited.audit_folder) | {"rings/wrong.png": "steps"}
    want.pop("steps/conflict.png")
    assert labels(tmp_path / "again") == want
    record = json.loads((new / "version.json").read_text())
    assert load(tmp_path / "again").provenance.fingerprint == record["fingerprint_after"]
    if mode == "symlink":
        done = command(
            "run", new, "--layout", "class", "--backbone", "bundled", "--out", tmp_path / "tree", "-q"
        )
        assert done.code == 0, done.err
        moved = {k.replace("rings/wrong", "steps/wrong"): v for k, v in want.items()}
        assert labels(tmp_path / "tree") == moved


def test_twice_is_once(audited: Photos, tmp_path: Path, command: Command) -> None:
    ana = audited.decide(tmp_path / "ana.json", {"rings/wrong.png": "steps"})
    words = ["clean", audited.audit_folder, ana, "--out", tmp_path / "new", "--apply"]
    assert command(*words).code == 0
    before = state(tmp_path)
    done = command(*words)
    assert done.code == 0
    assert "holds just this version already: nothing was written" in done.out
    assert json.loads(command(*words, "--json").out)["changed"] is False
    assert state(tmp_path) == before
    done = command(*words, "--auto", "drop-unreadable")
    assert (done.code, state(tmp_path)) == (2, before)
    assert "--overwrite" in done.err
    assert command(*words, "--auto", "drop-unreadable", "--overwrite").code == 0


def test_conflicts_are_told_and_get_a_page(audited: Photos, tmp_path: Path, command: Command) -> None:
    files = [audited.decide(tmp_path / f"{who}.json", {"rings/wrong.png": to}, who)
             for who, to in (("ana", "steps"), ("ben", "keep"))]  # fmt: skip
    base = ["clean", audited.audit_folder, *files, "--out", tmp_path / "new"]
    said = command(*base)
    assert "Conflicts: 1 sample, which stay" in said.out
    assert "mislabeled: relabel to steps (ana), keep (ben)" in said.out
    assert "Cohen's kappa" in said.out
    found = json.loads(command(*base, "--json", "--on-conflict", "drop").out)
    assert [c["id"] for c in found["conflicts"]] == ["rings/wrong.png"]
    assert found["conflicts"][0]["votes"][1] == {"annotator": "ben", "decision": "keep", "to": "", "note": ""}
    assert found["dropped"] == [{"cause": "conflict", "samples": 1}]
    assert found["agreement"]["answers"]["raw"] == 0.0
    cid = audited.decide(tmp_path / "cid.json", {"rings/wrong.png": "steps"}, "cid")
    found = json.loads(command(*base[:-2], cid, "--json").out)
    assert (found["counts"]["relabelled"], found["conflicts"]) == (1, [])


def test_the_conflict_page_is_part_of_the_version(audited: Photos, tmp_path: Path, command: Command) -> None:
    files = [audited.decide(tmp_path / f"{who}.json", {"rings/wrong.png": to}, who)
             for who, to in (("ana", "steps"), ("ben", "keep"))]  # fmt: skip
    base = ["clean", audited.audit_folder, *files, "--out", tmp_path / "new"]
    done = command(*base, "--apply", "--conflicts", tmp_path / "page.html")
    assert done.code == 0, done.err
    assert "wrong.png" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert (tmp_path / "new" / "conflicts.html").is_file()
    before = state(tmp_path / "new")
    assert command(*base, "--apply").code == 0
    assert state(tmp_path / "new") == before


def test_json_is_one_document_alone(audited: Photos, tmp_path: Path, command: Command) -> None:
    done = command("clean", audited.audit_folder, "--auto", "drop-unreadable", "--json", "--quiet")
    found = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert found["counts"]["dropped"] == 1
    assert found["applied"] is False
    assert found["options"]["auto"] == ["drop-unreadable"]
    assert shlex.split(found["command"])[-1] == "--apply"


def test_a_thin_class_is_named(audited: Photos, tmp_path: Path, command: Command) -> None:
    ids = [i for i, c in labels(audited.audit_folder).items() if c == "waves"]
    ana = audited.decide(tmp_path / "ana.json", dict.fromkeys(ids, ""))
    done = command("clean", audited.audit_folder, ana)
    assert "waves: 0 of 12 left" in done.out
    assert "at least two classes" not in done.out


@pytest.mark.parametrize("fault", ["dataset", "cut", "class", "id", "no file"])
def test_decisions_that_cannot_be_used(fault: str, audited: Photos, tmp_path: Path, command: Command) -> None:
    ana = audited.decide(tmp_path / "ana.json", {"rings/wrong.png": "steps"})
    document = json.loads(ana.read_text())
    if fault == "dataset":
        document["dataset_fingerprint"] = "0" * 64
    elif fault == "class":
        document["decisions"][0]["to"] = "daisy\n\x1b[31m"
    elif fault == "id":
        document["decisions"][0]["id"] = "../../x"
    text = json.dumps(document)
    ana.write_text(text[: len(text) // 2] if fault == "cut" else text)
    if fault == "no file":
        ana.unlink()
    before = state(tmp_path) | state(audited.data)
    done = command("clean", audited.audit_folder, ana, "--out", tmp_path / "new", "--apply")
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1 and "ana.json" in done.err
    assert "\x1b" not in done.err
    assert state(tmp_path) | state(audited.data) == before
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "name the annotators' files, or say what needs none"),
        (["--auto", "drop-everything"], "drop-near-duplicates, drop-unreadable, not 'drop-everything'"),
        (["--auto", "drop-unreadable", "--apply"], "say with --out NEW where"),
        (["--auto", "drop-unreadable", "--on-conflict", "ask"], "keep or drop, not 'ask'"),
        (["--auto", "drop-unreadable", "--materialize", "move"], "copy, hardlink, symlink, not 'move'"),
        (["--auto", "drop-unreadable", "--conflicts", "no/such/page.html"], "a file in a folder that exists"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant(words: list[str], says: str, audited: Photos, command: Command) -> None:
    done = command("clean", audited.audit_folder, *words)
    assert (done.code, done.out) == (2, "")
    assert says in done.err


def test_an_audit_that_was_passed_on(audited: Photos, tmp_path: Path, command: Command) -> None:
    passed = tmp_path / "passed on"
    passed.mkdir()
    for file in audited.audit_folder.iterdir():
        if file.name != "source.json":
            (passed / file.name).write_bytes(file.read_bytes())
    base = ["clean", passed, "--auto", "drop-unreadable", "--out", tmp_path / "new", "--apply"]
    done = command(*base)
    assert done.code == 2
    assert "--root" in done.err
    done = command(*base, "--root", audited.data)
    assert done.code == 0, done.err
    assert len((tmp_path / "new" / "manifest.csv").read_text().splitlines()) == 35


def test_vectors_without_pictures(tmp_path: Path, command: Command) -> None:
    manifest, vectors = make_manifest(tmp_path / "list.csv"), tmp_path / "v.npy"
    made = class_vectors()
    made[21] = made[0]
    np.save(vectors, made)
    audit = tmp_path / "audit"
    done = command("run", manifest, "--features", vectors, "--out", audit, "--quiet")
    assert done.code == 0, done.err
    base = ["clean", audit, "--auto", "drop-duplicates", "--out", tmp_path / "new", "--apply"]
    done = command(*base, "--materialize", "copy")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "leave out --materialize" in done.err
    done = command(*base)
    assert done.code == 0, done.err
    ids = tmp_path / "ids.txt"
    ids.write_text("\n".join(load(audit).dataset.ids))
    done = command("run", tmp_path / "new", "--features", vectors, "--features-ids", ids,
                   "--out", tmp_path / "again", "--quiet")  # fmt: skip
    assert done.code == 0, done.err
    assert len(labels(tmp_path / "again")) == len(labels(audit)) - 1 == 23


def test_hostile_names_cannot_steer_the_terminal(audited: Photos, tmp_path: Path, command: Command) -> None:
    ana = audited.decide(tmp_path / "ana.json", {"rings/wrong.png": "steps"}, "\x1b[31mana\n")
    done = command("clean", audited.audit_folder, ana)
    assert done.code == 0
    assert "\x1b" not in done.out
    assert "\\x1b[31mana\\n" in done.out
