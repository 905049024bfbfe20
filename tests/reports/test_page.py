"""The file that is written: safe, complete, the same every time, within its budget."""

from __future__ import annotations

import base64
import getpass
import hashlib
import html
import json
import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toy import thumbnail, toy_audit

from auditor.arrays import as_ids
from auditor.errors import UsageError
from auditor.images import byte_digest
from auditor.results import Audit, Thumbnail
from reports import figures, payload, thumbnails
from reports.options import PageOptions
from reports.page import HERE, class_hues, write_page
from reports.thumbnails import add_thumbnails, fit_budget, planned_sides
from reports.view import make_view

HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "{{7*7}}",
    "$$x$$",
    "__proto__",
)


def written(audit: Audit, folder: Path, options: PageOptions | None = None) -> str:
    path = folder / "report.html"
    write_page(audit, path, options or PageOptions())
    return path.read_text("utf-8")


def test_the_same_audit_gives_the_same_bytes(tmp_path: Path) -> None:
    first = written(toy_audit(), tmp_path)
    assert written(toy_audit(), tmp_path) == first
    assert written(toy_audit(seed=1), tmp_path) != first


def test_the_summary_tells_what_was_written(tmp_path: Path) -> None:
    audit = toy_audit(200, findings={"mislabeled": 40, "unreadable": 1})
    summary = write_page(audit, tmp_path / "a.html", PageOptions(limit=11))
    assert summary.bytes == (tmp_path / "a.html").stat().st_size
    assert (summary.findings, summary.findings_shown) == (41, 11)
    assert any("11 of 41" in line for line in summary.left_out)


RUN = r'<script(?: type="module"| type="text/plain" id="bokeh")?>(.*?)</script>'


def test_the_policy_names_every_script_and_allows_no_eval(tmp_path: Path) -> None:
    text = written(toy_audit(), tmp_path)
    policy = html.unescape(re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1])
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    scripts = re.findall(RUN, text, flags=re.DOTALL)
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts}
    assert hashes == set(re.findall(r"'sha256-[^']*'", policy))
    assert re.search(r"\son[a-z]+=", re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)) is None


def test_hostile_names_are_escaped(tmp_path: Path) -> None:
    audit = toy_audit(80, HOSTILE, names=[f"{HOSTILE[i % 5]}/{i}" for i in range(80)])
    audit = replace(audit, dataset=replace(audit.dataset, name=HOSTILE[0], notes=(HOSTILE[1],)))
    text = written(audit, tmp_path)
    outside = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert "<img src=x" not in text
    assert "<svg onload" not in text
    assert html.escape(HOSTILE[0], quote=True).replace("&#x27;", "&#39;") in outside
    assert "{{7*7}}" in outside
    assert "49" not in re.findall(r'<bdi class="name">([^<]*)</bdi>', outside)


def test_small_data_is_readable_json_and_large_data_comes_back_whole() -> None:
    value = {"classes": ["</script>", "<!--", "\u2028", "é" * 10]}
    small = payload.data_block("a", value)
    assert "<" not in small.text
    assert json.loads(small.text) == value
    large = payload.data_block("a", value, compress_from=1)
    assert large.encoding == "gzip"
    import gzip

    assert json.loads(gzip.decompress(base64.b64decode(large.text))) == value


def test_nothing_of_the_machine_is_in_the_page(tmp_path: Path) -> None:
    text = written(toy_audit(), tmp_path)
    own = re.sub(r'<script type="text/plain" id="bokeh">.*?</script>', "", text, flags=re.DOTALL)
    assert "/nowhere" not in own
    assert str(tmp_path) not in own
    assert str(Path.cwd()) not in own
    assert getpass.getuser() not in re.findall(
        r"[\w.-]+", re.sub(r"<(?:script|style).*?</\w+>", "", own, flags=re.S)
    )


def test_everything_on_the_page_is_in_the_audit(tmp_path: Path) -> None:
    audit = toy_audit(150, seed=5)
    view = make_view(audit)
    data, _ = payload.page_data(view, class_hues(view), audit.thumbnails, "")
    known = set(audit.dataset.table["id"])
    assert set(data["samples"]["id"]) <= known
    assert {*data["points"]["plain"], *data["points"]["flagged"]} == set(audit.map.ids)
    assert data["classes"] == list(audit.dataset.classes)
    reasons = {f.reason for f in audit.findings}
    assert {card["reason"] for card in data["cards"]} <= reasons


def test_pictures_lie_where_the_data_says() -> None:
    audit = toy_audit()
    view = make_view(audit)
    data, texts = payload.page_data(view, class_hues(view), audit.thumbnails, "")
    whole = "".join(texts)
    for sample_id, spot in zip(data["samples"]["id"], data["samples"]["picture"], strict=True):
        if sample_id not in audit.thumbnails:
            assert spot == 0
            continue
        start, length, width, height = spot
        picture = audit.thumbnails[sample_id]
        assert base64.b64decode(whole[start : start + length]) == picture.data
        assert (width, height) == (picture.width, picture.height)


def test_originals_are_linked_only_at_safe_addresses(tmp_path: Path) -> None:
    text = written(toy_audit(), tmp_path, PageOptions(image_root="https://example.org/set"))
    assert "https://example.org/set/" in text
    with pytest.raises(UsageError, match="javascript"):
        written(toy_audit(), tmp_path, PageOptions(image_root="javascript:alert(1)//"))


def test_sides_shrink_with_the_number_of_findings() -> None:
    few = planned_sides(toy_audit(200, findings={"mislabeled": 5}))
    many = planned_sides(toy_audit(3000, findings={"mislabeled": 2000}))
    assert max(few.values()) == thumbnails.FLAGGED_SIDE_MAX
    assert max(many.values()) == thumbnails.FLAGGED_SIDE_MIN
    assert min(few.values()) == thumbnails.NEIGHBOUR_SIDE


def test_pictures_over_the_budget_shrink_together_and_the_page_says_so(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (160, 120, 3), dtype=np.uint8)
    from auditor.images import encode_thumbnail

    large = encode_thumbnail(pixels, 160)
    fitted, factor = fit_budget({str(i): large for i in range(30)}, budget=15 * len(large.data))
    assert sum(len(t.data) for t in fitted.values()) <= 15 * len(large.data)
    assert 0.3 < factor < 1
    shapes = {(t.width, t.height) for t in fitted.values()}
    assert all(abs(w / h - 0.75) < 0.03 for w, h in shapes)
    audit = toy_audit()
    audit = replace(audit, thumbnails=dict.fromkeys(audit.thumbnails, large))
    assert "made smaller" in written(audit, tmp_path, PageOptions(picture_budget=20 * len(large.data)))


def test_thumbnails_come_from_the_files_without_their_metadata(tmp_path: Path) -> None:
    audit = toy_audit(40, findings={"mislabeled": 3, "unreadable": 1})
    for row, sample_id in enumerate(audit.dataset.ids):
        path = tmp_path / sample_id
        path.parent.mkdir(exist_ok=True)
        exif = Image.Exif()
        exif[0x9286] = "written by a person"
        Image.new("RGB", (300, 200), (row * 5, 80, 80)).save(
            path, "JPEG", exif=exif, comment=b"made on a host"
        )
    judged = as_ids([byte_digest((tmp_path / sample_id).read_bytes()) for sample_id in audit.dataset.ids])
    (tmp_path / next(f.ids[0] for f in audit.findings if f.kind == "mislabeled")).unlink()
    told: list[tuple[str, int, int]] = []
    facts = replace(audit.facts, byte_digest=judged)
    bare = replace(audit, dataset=replace(audit.dataset, root=tmp_path), facts=facts, thumbnails={})
    made = add_thumbnails(bare, progress=lambda *step: told.append(step))
    sides = planned_sides(bare)
    assert len(made.thumbnails) == len(sides) - 2
    assert told[-1][1] == told[-1][2]
    for sample_id, picture in made.thumbnails.items():
        assert max(picture.width, picture.height) == min(sides[sample_id], 300)
        assert not any(word in picture.data for word in (b"EXIF", b"XMP ", b"ICCP", b"person", b"host"))
        row = audit.dataset.ids.tolist().index(sample_id)
        with Image.open(__import__("io").BytesIO(picture.data)) as image:
            assert abs(image.convert("RGB").getpixel((5, 5))[0] - row * 5) < 12


def test_without_images_nothing_is_decoded(tmp_path: Path) -> None:
    audit = toy_audit(images=False)
    assert add_thumbnails(audit) is audit
    assert 'class="no-pictures"' in written(audit, tmp_path)


@pytest.mark.slow
def test_a_large_audit_stays_within_its_budgets(tmp_path: Path) -> None:
    counts = {"mislabeled": 1500, "ambiguous": 400, "off_topic": 100}
    audit = toy_audit(50_000, [f"class {i}" for i in range(100)], findings=counts)
    start = time.process_time()
    bare = write_page(replace(audit, thumbnails={}), tmp_path / "bare.html")
    seconds = time.process_time() - start
    assert bare.bytes < 3_000_000
    assert seconds < 6
    pixels = thumbnail(1, size=(160, 120))
    heavy = Thumbnail(160, 120, pixels.data + bytes(3000 - len(pixels.data)))
    full = write_page(
        replace(audit, thumbnails=dict.fromkeys(audit.thumbnails, heavy)), tmp_path / "full.html"
    )
    assert full.bytes < 20_000_000
    assert full.pictures > 8000


def _hues(theme: str) -> tuple[list[str], dict[str, str]]:
    css = (HERE / "static" / "page.css").read_text("utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", css, flags=re.DOTALL)[:2]
    values = dict(re.findall(r"--([\w-]+): (#[0-9a-f]+)", light if theme == "light" else dark))
    return [values[f"hue-{i}"] for i in range(8)], values


def _linear(colour: str) -> np.ndarray:
    full = colour if len(colour) == 7 else "#" + "".join(2 * c for c in colour[1:])
    c = np.array([int(full[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


# Machado, Oliveira, Fernandes 2009, severity 1: protan, deutan, tritan.
DEFICIENCIES = np.array(
    [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ]
)


def _oklab(linear: np.ndarray) -> np.ndarray:
    to_cone = np.array([[0.41222147, 0.53633254, 0.05144599], [0.21190350, 0.68069955, 0.10739696],
                        [0.08830246, 0.28171884, 0.62997870]])  # fmt: skip
    to_lab = np.array([[0.21045426, 0.79361779, -0.00407205], [1.97799850, -2.42859221, 0.45059371],
                       [0.02590404, 0.78277177, -0.80867577]])  # fmt: skip
    return np.cbrt(np.clip(linear, 0, 1) @ to_cone.T) @ to_lab.T


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_eight_hues_stay_apart_for_every_colour_vision(theme: str) -> None:
    hues, _ = _hues(theme)
    linear = np.array([_linear(h) for h in hues])
    for matrix in DEFICIENCIES:
        lab = _oklab(linear @ matrix.T)
        distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + np.eye(8)
        # About three times the distance that is just noticed.
        assert distance.min() > 0.06


def test_the_map_starts_with_the_colours_of_the_style_sheet() -> None:
    assert [f"#{c:06x}" for c in figures.PALETTE] == _hues("light")[0]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_enough_contrast(theme: str) -> None:
    _, values = _hues(theme)
    weight = np.array([0.2126, 0.7152, 0.0722])
    for ink in ("ink", "soft"):
        for ground in ("bg", "surface", "sunk"):
            light, dark = sorted((_linear(values[c]) @ weight for c in (ink, ground)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (theme, ink, ground)
