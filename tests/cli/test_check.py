"""`auditor check`: exit codes, the table, JSON, Markdown that stays text, settings from a file."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
from command import Command
from toy import toy_audit

from auditor.storage import save
from cli.check_summary import CUT, MARK, MARKDOWN_NAME, MOST_BYTES, WORST, _code, _shorten, cut_to
from cli.output import plain

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    save(toy_audit(), tmp_path / "audit")
    return tmp_path / "audit"


def test_all_hold(command: Command, audit: Path) -> None:
    done = command("check", audit, "--fail-on", "mislabeled>10%,leak>2", "--fail-on", "samples<60")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "Passed 3 checks: toy, 60 samples, 3 classes"
    assert [line.split()[0] for line in lines[3:6]] == ["PASS"] * 3
    assert "10% (6 of 60)" in lines[3]


def test_something_fails(command: Command, audit: Path) -> None:
    done = command("check", audit, "--fail-on", "samples<60,mislabeled>9%,leak>0")
    assert (done.code, done.err) == (1, "")
    lines = done.out.splitlines()
    assert lines[0] == "Failed 2 of 3 checks: toy, 60 samples, 3 classes"
    assert [line.split()[:2] for line in lines[3:6]] == [
        ["FAIL", "mislabeled"],
        ["FAIL", "leak"],
        ["PASS", "samples"],
    ]
    found = lines[2].index("found")
    assert [line[found:] for line in lines[3:6]] == ["10% (6 of 60)", "2", "60"]


def test_the_baseline_has_a_column(command: Command, audit: Path) -> None:
    done = command("check", audit, "--baseline", audit)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[2].split() == ["fails", "when", "found", "baseline"]
    assert lines[3].split() == ["PASS", "mislabeled", ">", "baseline", *["10%", "(6", "of", "60)"] * 2]


def test_json_is_one_document(command: Command, audit: Path) -> None:
    done = command("check", audit, "--fail-on", 'knn_accuracy["dog"]<1,mislabeled>2%,leak>2', "--json")
    assert (done.code, done.err) == (1, "")
    document = json.loads(done.out)
    stored = json.loads((audit / "audit.json").read_text(encoding="utf-8"))
    dog = next(c for c in stored["classes"] if c["name"] == "dog")
    keys = ("name", "class", "op", "limit", "value", "baseline", "passed")
    assert document["passed"] is False
    assert [tuple(c[k] for k in keys) for c in document["checks"]] == [
        ("knn_accuracy", "dog", "<", 1, dog["knn_accuracy"], None, dog["knn_accuracy"] >= 1),
        ("mislabeled", None, ">", 0.02, 0.1, None, False),
        ("leak", None, ">", 2, 2, None, True),
    ]
    assert document["checks"][1]["reason"] == "10% is more than 2%"
    held = json.loads(command("check", audit, "--baseline", audit, "--fail-on", "mislabeled", "--json").out)
    assert held == {
        "passed": True,
        "checks": [
            {
                "name": "mislabeled", "class": None, "op": ">", "limit": 0.1, "value": 0.1,
                "baseline": 0.1, "passed": True, "reason": "",
            }
        ],
    }  # fmt: skip


@pytest.mark.parametrize(("condition", "code"), [("leak>0", 1), ("leak>2", 0)])
def test_quiet_says_it_by_the_exit_code(condition: str, code: int, command: Command, audit: Path) -> None:
    done = command("check", audit, "--fail-on", condition, "--quiet")
    assert (done.code, done.out, done.err) == (code, "", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "There is nothing to check"),
        (["--fail-on", "mislabled>2%"], "'mislabled' in 'mislabled>2%' is no figure of an audit"),
        (["--fail-on", "leak"], "name an earlier audit"),
        (["--fail-on", "leak[fish]>0"], "the audit has no class 'fish'"),
        (["--fail-on", "leak>0", "--baseline", "nowhere"], "'nowhere' is not an audit"),
        (["--fail-on", "leak>0", "--summary", "github"], "$GITHUB_STEP_SUMMARY"),
        (["--fail-on", "leak>0", "--summary", "no/folder.md"], "name a file in a folder that exists"),
        (["--fail-on", "leak>0", "--summary", "."], "name a file in a folder that exists"),
    ],
)
def test_wrong_requests(
    arguments: list[str],
    said: str,
    command: Command,
    audit: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    done = command("check", audit, *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert len(done.err.splitlines()) == 1
    assert {entry.name for entry in tmp_path.iterdir()} == {"audit"}


def test_the_summary_as_markdown(command: Command, audit: Path, tmp_path: Path) -> None:
    out = tmp_path / "gate.md"
    done = command("check", audit, "--fail-on", "mislabeled>2%,leak>2", "--summary", out)
    assert (done.code, done.out.splitlines()[-1]) == (1, f"Summary   {out}")
    text = out.read_text(encoding="utf-8")
    assert text.startswith(f"{MARK}\n## Dataset gate: failed 1 of 2 checks\n")
    assert "| **FAIL** | `mislabeled > 2%` | 10% (6 of 60) |" in text
    assert "| PASS | `leak > 2` | 2 |" in text
    wrong = json.loads((audit / "findings.json").read_text(encoding="utf-8"))["findings"]
    worst = [f["ids"][0] for f in wrong if f["kind"] == "mislabeled"][:WORST]
    listed = text.split(f"### mislabeled: the worst {WORST} samples")[1]
    assert re.findall(r"^\| `([^`]*)`", listed, flags=re.MULTILINE) == worst
    command("check", audit, "--fail-on", "leak>2", "--summary", out)
    assert "passed 1 check" in out.read_text(encoding="utf-8")


def test_nobody_elses_file_is_replaced(command: Command, audit: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.md").write_text("# Five years\n")
    done = command("check", audit, "--fail-on", "leak>2", "--summary", tmp_path / "thesis.md")
    assert (done.code, "did not write" in done.err) == (2, True)
    assert (tmp_path / "thesis.md").read_text() == "# Five years\n"


def test_the_jobs_summary(
    command: Command, audit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = tmp_path / "job.md"
    job.write_text("# Earlier\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(job))
    command("check", audit, "--fail-on", "leak>0")
    assert job.read_text() == "# Earlier\n"
    command("check", audit, "--fail-on", "leak>0", "--summary", "github")
    command("check", audit, "--fail-on", "leak>2", "--summary", "github")
    text = job.read_text(encoding="utf-8")
    assert text.startswith("# Earlier\n")
    assert re.findall("^## .*", text, flags=re.MULTILINE) == [
        "## Dataset gate: failed 1 of 1 check",
        "## Dataset gate: passed 1 check",
    ]
    job.write_text("x" * (MOST_BYTES - 3), encoding="utf-8")
    done = command("check", audit, "--fail-on", "leak>0", "--summary", "github")
    assert (done.code, "is full already" in done.err) == (1, True)
    assert job.stat().st_size == MOST_BYTES - 3


HOSTILE = (
    "a | b",
    "a\\|b",
    "`tick`",
    "<img src=x onerror=alert(1)>",
    "[link](https://example.org)",
    "https://example.org/www.example.org",
    "me@example.org",
    "new\nline",
    "\u202ertl",
    "</script>",
    "=1+1",
    "m" * 300,
)


def test_names_stay_text_in_markdown(command: Command, tmp_path: Path) -> None:
    ids = [f"{HOSTILE[i % len(HOSTILE)]}/{i}" for i in range(120)]
    save(toy_audit(n=120, classes=HOSTILE, names=ids, findings={"mislabeled": 30}), tmp_path / "audit")
    out = tmp_path / "gate.md"
    for name in HOSTILE:
        done = command(
            "check", tmp_path / "audit", "--fail-on", f'mislabeled["{name}"]>0,leak>0', "--summary", out
        )
        assert done.code in (0, 1)
        assert len(done.out.splitlines()) == 7
        text = out.read_text(encoding="utf-8")
        rows = [line for line in text.splitlines() if line.startswith("|")]
        columns = {len(re.split(r"(?<!\\)\|", re.sub(r"\\.", "..", row))) for row in rows}
        assert columns <= {5, 7}
        # What is left when code spans are taken out is ours alone.
        outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text.split("\n", 1)[1])
        assert not re.search(r"[<>\[\]@\\`]|https?:|www|\u202e", outside), outside


@pytest.mark.parametrize("name", [*HOSTILE, "|", "a\\\\|", "` `", "``", " ", "a`|`b", "\\"])
def test_a_reader_of_markdown_sees_the_name(name: str) -> None:
    from markdown_it import MarkdownIt  # comes with rich

    page = MarkdownIt("commonmark").enable("table").render(f"| a | b |\n| - | - |\n| {_code(name)} | end |\n")
    first, second = re.findall(r"<td>(.*?)</td>", page, flags=re.DOTALL)
    shown = html.unescape(re.sub("</?code>", "", first))
    assert (shown, second) == (plain(_shorten(name, MARKDOWN_NAME)), "end")


def test_a_long_summary_is_cut_and_says_so() -> None:
    text = "".join(f"line {n} é\n" for n in range(1000))
    for most in (200, 1000, 5000):
        cut = cut_to(text, most)
        assert len(cut.encode()) <= most
        assert cut.endswith(CUT)
        assert text.startswith(cut.removesuffix(CUT))
        assert len(cut.encode()) > most - 20
    assert cut_to(text, len(text.encode())) == text


@pytest.mark.parametrize("listed", ['"leak>0,mislabeled>10%"', '["leak>0", "mislabeled>10%"]'])
def test_conditions_from_the_settings_file(
    listed: str, command: Command, audit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "auditor.toml").write_text(f"fail-on = {listed}\n")
    done = command("check", audit, "--json")
    assert done.code == 1
    assert [(c["name"], c["passed"]) for c in json.loads(done.out)["checks"]] == [
        ("leak", False),
        ("mislabeled", True),
    ]
    assert command("check", audit, "--fail-on", "leak>2").code == 0


def test_the_readmes_conditions_are_read() -> None:
    from auditor.gate_conditions import parse_conditions

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## A gate for CI")[1].split("\n## ")[0]
    lists = re.findall(r'--fail-on "([^"]+)"', section)
    assert len(lists) >= 3
    for text in lists:
        assert parse_conditions([text])


@pytest.mark.parametrize("text", ['{"schema_version": 1}', '{"schema_version": 1, "dataset": 3}'])
def test_a_damaged_audit_is_no_failed_gate(text: str, command: Command, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "audit.json").write_text(text)
    done = command("check", tmp_path / "d", "--fail-on", "leak>0")
    assert (done.code, done.out) == (2, "")
    assert "damaged" in done.err
    assert len(done.err.strip().splitlines()) == 1
