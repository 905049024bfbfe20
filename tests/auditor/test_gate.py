"""The gate: figures counted by hand, exact limits, baselines; nothing passes that cannot be told."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from toy import BACKBONE, toy_audit

from auditor.errors import DataError, UsageError
from auditor.gate import check_gate, gate_document
from auditor.gate_conditions import FIGURES, NO_WORSE, OPPOSITE, Condition
from auditor.gate_figures import AuditFigures
from auditor.results import KINDS, Audit
from auditor.storage import load, save


def saved(folder: Path, audit: Audit) -> Path:
    save(audit, folder)
    return folder


def edited(folder: Path, changes: Mapping[str, object]) -> Path:
    """Change parts of an audit.json: "separation.knn_accuracy" names a part of a part."""
    file = folder / "audit.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    for place, value in changes.items():
        *above, last = place.split(".")
        part = document
        for name in above:
            part = part[name]
        part[last] = value
    file.write_text(json.dumps(document), encoding="utf-8")
    return folder


def classes_of(folder: Path) -> list[dict[str, object]]:
    return list(json.loads((folder / "audit.json").read_text(encoding="utf-8"))["classes"])


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    """60 samples in 3 classes with 6 mislabeled ones."""
    return saved(tmp_path / "audit", toy_audit())


def outcome(audit: Path, condition: str, baseline: Path | None = None) -> tuple[bool, str]:
    (check,) = check_gate(audit, [condition], baseline).checks
    return check.passed, check.reason


# Measuring


def test_figures_are_those_of_the_audit(audit: Path) -> None:
    whole = load(audit)
    named = {kind: {i for f in whole.findings if f.kind == kind for i in f.ids} for kind in KINDS}
    label = dict(zip(whole.dataset.ids, whole.dataset.table["label"], strict=True))
    dogs = sum(name == "dog" for name in label.values())
    parts, pairs = (
        whole.separation,
        {frozenset((c.name, b)) for c in whole.separation.classes for b in c.mixed_with},
    )
    expected = {
        **{kind: len(ids) for kind, ids in named.items()},
        **{f"{kind}.findings": sum(f.kind == kind for f in whole.findings) for kind in KINDS},
        "flagged": len(set().union(*named.values())),
        "knn_accuracy": parts.knn_accuracy,
        "probe_accuracy": parts.probe_accuracy,
        "silhouette": parts.silhouette,
        "trustworthiness": whole.map.trustworthiness,
        "samples": 60,
        "classes": 3,
        "class_samples": min(c.samples for c in parts.classes),
        "mixed_pairs": len(pairs),
        "not_judged": 0,
        "upper_indication": whole.label_errors.upper_indication,
    }
    assert set(expected) == set(FIGURES)
    found = AuditFigures.read(audit)
    for name, value in expected.items():
        measured = found.measure(Condition(name, None, ">", Fraction(0)))
        assert measured is not None
        assert float(measured.number) == pytest.approx(value, abs=0), name
    share = found.measure(Condition("mislabeled", None, ">", Fraction(0), share=True))
    assert share is not None
    assert (share.number, share.total) == (Fraction(len(named["mislabeled"]), 60), 60)
    wrong_dogs = sum(label[i] == "dog" for i in named["mislabeled"])
    of_dogs = found.measure(Condition("mislabeled", "dog", ">", Fraction(0), share=True))
    assert of_dogs is not None
    assert (of_dogs.number, of_dogs.total) == (Fraction(wrong_dogs, dogs), dogs)
    flagged_dogs = found.measure(Condition("flagged", "dog", ">", Fraction(0)))
    assert flagged_dogs is not None
    assert flagged_dogs.number == sum(label[i] == "dog" for i in set().union(*named.values()))
    by_class = found.measure(Condition("knn_accuracy", "dog", "<", Fraction(0)))
    assert by_class is not None
    assert float(by_class.number) == next(c.knn_accuracy for c in parts.classes if c.name == "dog")


def test_figures_of_every_class_name_are_found(tmp_path: Path) -> None:
    names = (
        "a, b",
        "x>y",
        'say "no"',
        "a]",
        "]<0.5,leak",
        "__proto__",
        "=1+1",
        "new\nline",
        "🥑",
        "n" * 300,
        "baseline",
    )
    folder = saved(tmp_path / "audit", toy_audit(n=200, classes=names))
    sizes = {c.name: c.samples for c in load(folder).separation.classes}
    quoted = {name: '"' + name.replace('"', '""') + '"' for name in names}
    for name in names:
        (check,) = check_gate(folder, [f"class_samples[{quoted[name]}]!={sizes[name]}"]).checks
        assert check.passed, check
    assert gate_document(check_gate(folder, [f"leak[{quoted['a, b']}]>9"]))["checks"][0]["class"] == "a, b"


def test_worst_samples_come_in_the_order_of_the_findings(audit: Path) -> None:
    whole = load(audit)
    label = dict(zip(whole.dataset.ids, whole.dataset.table["label"], strict=True))
    wrong = [f for f in whole.findings if f.kind == "mislabeled"]
    found = AuditFigures.read(audit).worst("mislabeled", None, 5)
    assert [(s.id, s.suggested, s.reason) for s in found] == [
        (f.ids[0], f.suggested_label, f.reason) for f in wrong[:5]
    ]
    dogs = AuditFigures.read(audit).worst("mislabeled", "dog", 5)
    assert [s.id for s in dogs] == [f.ids[0] for f in wrong if label[f.ids[0]] == "dog"]
    assert {s.label for s in dogs} <= {"dog"}


# Judging


@pytest.mark.parametrize("op", OPPOSITE)
@pytest.mark.parametrize("limit", ["5", "6", "7", "9.9%", "10%", "10.1%"])
def test_an_operator_and_its_opposite_never_agree(op: str, limit: str, audit: Path) -> None:
    found = {"5": True, "6": False, "7": False, "9.9%": True, "10%": False, "10.1%": False}
    assert outcome(audit, f"mislabeled>{limit}")[0] is not found[limit]
    assert (
        outcome(audit, f"mislabeled{op}{limit}")[0]
        is not outcome(audit, f"mislabeled{OPPOSITE[op]}{limit}")[0]
    )


@pytest.mark.parametrize("stored", [0.8, 0.1, 0.853293, 1e-05, 1.0, 0.0])
def test_stored_figures_are_compared_exactly(stored: float, audit: Path) -> None:
    edited(audit, {"separation.knn_accuracy": stored})
    text = f"{stored:.6f}"
    assert outcome(audit, f"knn_accuracy<{text}")[0]
    assert outcome(audit, f"knn_accuracy>{text}")[0]
    assert not outcome(audit, f"knn_accuracy=={text}")[0]
    assert not outcome(audit, f"knn_accuracy>={text}")[0]
    assert not outcome(audit, f"knn_accuracy<={text}")[0]


def test_shares_are_compared_exactly(audit: Path) -> None:
    # As floats 3 of 60 is 0.05, but 0.07 * 100 is 7.000000000000001.
    for count, samples, percent in ((3, 60, "5%"), (7, 100, "7%"), (29, 100, "29%"), (1, 3, "33.33333333%")):
        edited(audit, {"counts.leak.samples": count, "dataset.samples": samples})
        assert outcome(audit, f"leak=={percent}")[0] is (samples == 3)
        assert outcome(audit, f"leak>{percent}")[0] is (samples != 3)


def test_a_figure_that_does_not_exist_never_passes(audit: Path) -> None:
    edited(audit, {"separation.silhouette": None, "map.trustworthiness": None})
    for op in OPPOSITE:
        assert outcome(audit, f"silhouette{op}0.5") == (False, "no figure")
        assert outcome(audit, f"trustworthiness{op}0.5") == (False, "no figure")
    document = gate_document(check_gate(audit, ["silhouette<0.5", "leak>99"]))
    assert document["passed"] is False
    assert [(c["value"], c["passed"], c["reason"]) for c in document["checks"]] == [
        (None, False, "no figure"),
        (2, True, ""),
    ]


def test_vectors_without_pictures_have_no_unreadable_files(tmp_path: Path) -> None:
    folder = saved(tmp_path / "audit", toy_audit(images=False, findings={"mislabeled": 3}))
    assert outcome(folder, "unreadable>0") == (False, "no figure")
    assert outcome(folder, "low_quality.findings>0") == (False, "no figure")
    names = [c.condition.name for c in check_gate(folder, baseline=folder).checks]
    assert names == [name for name in NO_WORSE if name != "unreadable"]


def test_not_a_number_is_stored_as_no_figure(tmp_path: Path) -> None:
    whole = toy_audit()
    first = replace(whole.separation.classes[0], silhouette=math.nan)
    parts = replace(whole.separation, silhouette=math.nan, classes=(first, *whole.separation.classes[1:]))
    folder = saved(tmp_path / "audit", replace(whole, separation=parts))
    assert outcome(folder, "silhouette>0.9") == (False, "no figure")
    assert outcome(folder, f"silhouette[{first.name}]>0.9") == (False, "no figure")


def test_a_class_that_was_not_judged_does_not_pass_for_want_of_findings(tmp_path: Path) -> None:
    whole = toy_audit(findings={"leak": 1})
    small = [replace(c, verdict="not judged") if c.name == "dog" else c for c in whole.separation.classes]
    folder = saved(
        tmp_path / "audit", replace(whole, separation=replace(whole.separation, classes=tuple(small)))
    )
    assert outcome(folder, "mislabeled[dog]>2%") == (False, "no figure")
    assert outcome(folder, "mislabeled[cat]>2%") == (True, "")
    assert outcome(folder, "mislabeled>2%") == (True, "")
    assert outcome(folder, "leak[dog]>60") == (True, "")
    assert outcome(folder, "not_judged>0") == (False, "1 is more than 0")
    none = edited(folder, {"classes": [dict(c, verdict="not judged") for c in classes_of(folder)]})
    assert outcome(none, "mislabeled>2%") == (False, "no figure")


def test_an_unknown_class_is_a_mistake(audit: Path) -> None:
    with pytest.raises(UsageError, match="has no class 'dgo', it has 'bird', 'cat', 'dog'"):
        check_gate(audit, ["knn_accuracy[dgo]<0.7"])


# Against a baseline


def test_an_audit_is_no_worse_than_itself(audit: Path) -> None:
    result = check_gate(audit, baseline=audit)
    assert result.passed
    assert tuple(c.condition.name for c in result.checks) == NO_WORSE
    assert check_gate(audit, [",".join(FIGURES), "silhouette[dog],mislabeled[cat]"], audit).passed


def test_a_worse_figure_fails_and_a_better_one_passes(tmp_path: Path, audit: Path) -> None:
    other = edited(
        saved(tmp_path / "other", toy_audit()),
        {"separation.knn_accuracy": 0.5, "counts.mislabeled.samples": 9, "counts.leak.samples": 0},
    )
    assert {c.condition.name for c in check_gate(other, (), audit).checks if not c.passed} == {
        "knn_accuracy",
        "mislabeled",
    }
    assert {c.condition.name for c in check_gate(audit, (), other).checks if not c.passed} == {"leak"}


def test_shares_not_counts_are_held_against_a_baseline(tmp_path: Path, audit: Path) -> None:
    twice = edited(
        saved(tmp_path / "twice", toy_audit()), {"dataset.samples": 120, "counts.mislabeled.samples": 12}
    )
    assert outcome(twice, "mislabeled", audit) == (True, "")
    assert outcome(twice, "mislabeled>baseline", audit) == (True, "")
    assert outcome(twice, "mislabeled>baseline+5", audit) == (False, "12 is more than 11")
    assert outcome(twice, "mislabeled>baseline+6", audit)[0]


def test_tolerances_are_exact(tmp_path: Path, audit: Path) -> None:
    edited(audit, {"separation.knn_accuracy": 0.81})
    other = edited(saved(tmp_path / "other", toy_audit()), {"separation.knn_accuracy": 0.8})
    assert outcome(other, "knn_accuracy<baseline-0.01", audit) == (True, "")
    assert outcome(other, "knn_accuracy<baseline-1%", audit) == (True, "")
    assert outcome(other, "knn_accuracy<baseline-0.009", audit) == (False, "0.8 is less than 0.801")
    (check,) = check_gate(other, ["knn_accuracy<baseline-0.01"], audit).checks
    assert (check.limit, check.baseline and check.baseline.number) == (Fraction(4, 5), Fraction(81, 100))


def test_limits_and_the_default_list_stand_side_by_side(audit: Path) -> None:
    names = [str(c.condition) for c in check_gate(audit, ["leak>0"], audit).checks]
    assert names[0] == "leak > 0"
    assert len(names) == 1 + len(NO_WORSE)
    assert len(check_gate(audit, ["leak>0,knn_accuracy"], audit).checks) == 2


def test_a_baseline_is_needed(audit: Path) -> None:
    for text in ("leak", "knn_accuracy<baseline-0.01"):
        with pytest.raises(UsageError, match="name an earlier audit"):
            check_gate(audit, [text])
    with pytest.raises(UsageError, match="nothing to check"):
        check_gate(audit)


def test_figures_from_other_vectors_are_refused(tmp_path: Path, audit: Path) -> None:
    whole = toy_audit()
    vectors = replace(whole.embeddings, backbone=replace(BACKBONE, precision="bf16"))
    other = saved(tmp_path / "other", replace(whole, embeddings=vectors))
    for asked in ((), ["knn_accuracy"], ["trustworthiness,samples"], ["leak>0"]):
        with pytest.raises(
            DataError, match=r"made with another backbone.*or ask only for unreadable, low_quality"
        ):
            check_gate(other, asked, audit)
    assert check_gate(other, ["unreadable,low_quality,samples,class_samples"], audit).passed
    assert check_gate(other, ["knn_accuracy<0.01,samples"], audit).passed


def test_figures_by_other_thresholds_are_refused(tmp_path: Path, audit: Path) -> None:
    whole = toy_audit()
    other = saved(tmp_path / "other", replace(whole, thresholds=replace(whole.thresholds, dark=0.5)))
    for asked in ((), ["low_quality"], ["knn_accuracy<baseline-0.01"]):
        with pytest.raises(DataError, match="made with other thresholds"):
            check_gate(other, asked, audit)
    assert check_gate(other, ["trustworthiness,unreadable,samples"], audit).passed


def test_classes_that_come_and_go(tmp_path: Path, audit: Path) -> None:
    other = saved(tmp_path / "other", toy_audit(classes=("cat", "dog", "fox")))
    assert outcome(other, "knn_accuracy[bird]", audit) == (False, "no figure")
    assert outcome(other, "knn_accuracy[fox]", audit) == (False, "no figure in the baseline")
    with pytest.raises(UsageError, match="has no class 'cow'"):
        check_gate(other, ["knn_accuracy[cow]"], audit)


# Reading the folder


def test_an_audit_in_pieces_is_said(audit: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not an audit"):
        check_gate(tmp_path / "nothing", ["leak>0"])
    (audit / "findings.json").write_text("{", encoding="utf-8")
    assert outcome(audit, "leak>9")[0]
    with pytest.raises(DataError, match="is damaged"):
        check_gate(audit, ["flagged>9"])
    edited(audit, {"counts": {}})
    with pytest.raises(DataError, match="is damaged"):
        check_gate(audit, ["leak>9"])


def test_audit_json_is_enough_for_most(audit: Path) -> None:
    for file in audit.iterdir():
        if file.name != "audit.json":
            file.unlink()
    needed = [n for n in FIGURES if n != "flagged"]
    assert len(check_gate(audit, [",".join(needed)], audit).checks) == len(needed)


def test_the_order_in_which_checks_are_shown(audit: Path) -> None:
    result = check_gate(audit, ["samples<1,leak>0,classes<1,mislabeled>0"])
    assert [c.condition.name for c in result.checks] == ["samples", "leak", "classes", "mislabeled"]
    assert [c.condition.name for c in result.failed_first] == ["leak", "mislabeled", "samples", "classes"]


def test_no_model_is_loaded(audit: Path) -> None:
    code = (
        "import sys; from auditor.gate import check_gate; from pathlib import Path; "
        "check_gate(Path(sys.argv[1]), ['flagged[dog]>0,mislabeled>2%']); "
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code, audit], capture_output=True, text=True, check=True)
    assert not {"torch", "faiss", "sklearn", "openTSNE", "bokeh", "cleanlab"} & set(done.stdout.split())
