"""The page of a comparison as a file: safe, complete, the same every time, within its budget."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from toy_comparison import ToyComparison, toy_comparison

from auditor.images import byte_digest
from auditor.results import as_ids
from reports import comparison_view as v
from reports import panels, points
from reports.comparison_page import map_shape, page_data, write_comparison_page
from reports.comparison_parts import draw_matrices, make_parts, worst_classes
from reports.comparison_pictures import comparison_pictures
from reports.curves import HEIGHT, LABEL_GAP, WIDTH, chart_view
from reports.panels import class_hues, page_samples, panel_points

HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "{{7*7}}",
    "__proto__",
    "=1+1",
)


def written(toy: ToyComparison, folder: Path, **options: Any) -> str:
    write_comparison_page(toy.view, toy.audits, folder / "report.html", **options)
    return (folder / "report.html").read_text("utf-8")


def block_of(text: str, block_id: str) -> Any:
    found = re.search(rf'<script type="[^"]*" id="{block_id}"( data-encoding="gzip")?>(.*?)</script>', text)
    return json.loads(gzip.decompress(base64.b64decode(found[2])) if found[1] else found[2])


def named_models(value: Any) -> dict[str, Any]:
    """All Bokeh models of a document that have a name."""
    found: dict[str, Any] = {}
    if isinstance(value, dict):
        attributes = value.get("attributes", {})
        if "name" in attributes:
            found[attributes["name"]] = value
        for inner in value.values():
            found |= named_models(inner)
    elif isinstance(value, list):
        for inner in value:
            found |= named_models(inner)
    return found


def test_the_same_view_gives_the_same_bytes(tmp_path: Path) -> None:
    first = written(toy_comparison(), tmp_path)
    assert written(toy_comparison(), tmp_path) == first
    assert written(toy_comparison(seed=1), tmp_path) != first


def test_the_policy_names_every_script(tmp_path: Path) -> None:
    text = written(toy_comparison(), tmp_path)
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1])
    run = r'<script(?: type="module"| type="text/plain" id="bokeh")?>(.*?)</script>'
    scripts = re.findall(run, text, flags=re.DOTALL)
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts}
    assert len(hashes) == 2
    assert hashes == set(re.findall(r"'sha256-[^']*'", policy))
    assert "unsafe-eval" not in policy
    assert re.search(r"\son[a-z]+=", re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)) is None


def test_hostile_text_is_escaped_wherever_a_view_holds_text(tmp_path: Path) -> None:
    names = [f"{HOSTILE[i % 5]}/{i}" for i in range(90)]
    text = written(toy_comparison(90, HOSTILE, names=names, words=HOSTILE[0]), tmp_path)
    outside = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert "<img src=x" not in text
    assert "<svg onload" not in text
    assert "{{7*7}}" in outside
    assert outside.count("&lt;/script&gt;&lt;img src=x") > 20


def test_no_path_of_the_machine_is_in_the_page(tmp_path: Path) -> None:
    text = written(toy_comparison(), tmp_path)
    for path in ("/nowhere", str(tmp_path), str(Path.cwd()), str(Path.home())):
        assert path not in text


@pytest.mark.parametrize("tone", ["better", "worse", "even", "plain"])
def test_the_verdict_stands_in_words(tone: v.Tone, tmp_path: Path) -> None:
    word = {"better": "Better", "worse": "Worse", "even": "No clear change", "plain": None}[tone]
    found = re.findall(r'data-test="verdict">([^<]*)<', written(toy_comparison(tone=tone), tmp_path))
    assert found == ([word] if word else [])


def test_all_maps_share_their_axes_and_hold_their_own_points(tmp_path: Path) -> None:
    toy = toy_comparison(panels=3)
    text = written(toy, tmp_path)
    document = block_of(text, "map-data")
    models = named_models(document)
    plots = [models[f"map-{i}"]["attributes"] for i in range(3)]
    first = plots[0]["x_range"]
    assert first["type"] == "object"
    assert all(plot["x_range"]["id"] == first["id"] for plot in plots)
    drawn = panel_points(toy.view)
    assert len({(p.width, p.height) for p in drawn}) == 1
    across, up = (plots[0][axis]["attributes"] for axis in ("x_range", "y_range"))
    shape = (across["end"] - across["start"]) / (up["end"] - up["start"])
    assert shape == pytest.approx(map_shape(drawn))
    assert across["start"] < 0 and across["end"] > drawn[0].width


def test_equal_places_have_equal_numbers_on_every_map() -> None:
    toy = toy_comparison()
    moved = replace(toy.view.maps[0], positions=toy.view.maps[0].positions[::-1].copy())
    flipped = replace(moved, samples=moved.samples[::-1].copy(), marked=moved.marked[::-1].copy())
    one, two = panel_points(replace(toy.view, maps=(toy.view.maps[0], flipped)))
    place = dict(zip(one.plain_samples.tolist(), zip(one.plain_x, one.plain_y, strict=True), strict=True))
    assert len(place) > 50
    for sample, x, y in zip(two.plain_samples.tolist(), two.plain_x, two.plain_y, strict=True):
        assert place[sample] == (x, y)


def test_above_the_limit_marked_and_named_points_stay_and_classes_keep_their_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(panels, "DRAWN_LIMIT", 1000)
    toy = toy_comparison(4000, panels=2)
    one, two = panel_points(toy.view)
    marked = toy.view.maps[0].samples[toy.view.maps[0].marked]
    assert set(one.marked_samples.tolist()) == set(marked.tolist())
    assert 950 < len(one.plain_samples) <= 1000
    assert one.density is not None and one.density.shape == (points.DENSITY_SIDE,) * 2
    gallery = next(b for b in toy.view.blocks if isinstance(b, v.GalleryBlock))
    named = {picture.sample for group in gallery.groups for picture in group.pictures}
    assert named <= {*one.plain_samples.tolist(), *one.marked_samples.tolist()}
    share = np.bincount(one.plain_codes) / len(one.plain_codes)
    assert np.abs(share - 1 / 3).max() < 0.02
    both = set(one.plain_samples.tolist()) & set(two.plain_samples.tolist())
    assert len(both) > 0.98 * len(one.plain_samples) - 5
    assert "of 3,9" in one.left_out


def test_a_sample_of_no_class_is_grey_and_without_a_name(tmp_path: Path) -> None:
    toy = toy_comparison()
    panel = toy.view.maps[0]
    view = replace(
        toy.view,
        maps=(replace(panel, codes=np.full(len(panel.codes), -1, np.int32)),),
        samples=tuple(replace(s, label=-1) for s in toy.view.samples),
    )
    drawn = panel_points(view)
    assert set(drawn[0].plain_codes.tolist()) == {3}
    data, _ = page_data(view, drawn, page_samples(view, drawn), {}, class_hues(view))
    assert set(data["samples"]["label"]) == {3}
    write_comparison_page(view, toy.audits, tmp_path / "report.html")


def test_a_page_without_maps_holds_no_bokeh(tmp_path: Path) -> None:
    toy = toy_comparison()
    text = written(ToyComparison(replace(toy.view, maps=()), toy.audits), tmp_path)
    assert len(text) < 200_000
    assert 'id="bokeh"' not in text
    assert "Neighbour accuracy" in text


def test_hues_go_to_the_classes_that_are_named_first() -> None:
    names = [f"class {i:02}" for i in range(30)]
    toy = toy_comparison(120, names)
    rows = tuple(v.Row((v.Cell(n),), classes=(c,)) for n, c in (("a", 17), ("b", 4), ("c", 17)))
    hues = class_hues(replace(toy.view, blocks=(v.TableBlock("T", ("Class",), (False,), rows),)))
    assert {code: hue for code, hue in enumerate(hues) if hue >= 0} == {17: 0, 4: 1}
    assert sorted(h for h in class_hues(toy.view) if h >= 0) == list(range(8))
    assert class_hues(toy_comparison().view) == [0, 1, 2]


def test_long_tables_are_cut_and_say_so(tmp_path: Path) -> None:
    toy = toy_comparison()
    rows = tuple(v.Row((v.Cell(f"row {i}"), v.Cell(str(i)))) for i in range(1234))
    table = v.TableBlock("Long", ("Name", "Number"), (False, True), rows)
    text = written(ToyComparison(replace(toy.view, blocks=(table,)), toy.audits), tmp_path)
    assert text.count(">row ") == 200
    assert "The first 200 of 1,234 rows; all stand in comparison.json." in text


def test_cells_sort_by_their_value_or_by_the_number_they_show() -> None:
    cells = ("1,004", "−3.5 %", "+2 points", "–", "n/a")
    rows = tuple(v.Row((v.Cell("x"), v.Cell(text))) for text in cells)
    block = v.TableBlock(
        "T", ("Name", "N"), (False, True), (*rows, v.Row((v.Cell("y"), v.Cell("many", 7.0))))
    )
    (part,) = make_parts((block,), {})
    assert [row.cells[1].value for row in part.rows] == ["1004", "-3.5", "2", "none", "none", "7"]
    assert {row.cells[0].value for row in part.rows} == {""}


def test_matrices_show_the_same_worst_classes_in_the_same_order() -> None:
    names = tuple(f"c{i}" for i in range(40))
    quiet = np.diag(np.full(40, 50))
    one, two = quiet.copy(), quiet.copy()
    one[7, 31] = 30
    two[12, 3] = 40
    drawn, cut = draw_matrices((v.Matrix("a", names, one), v.Matrix("b", names, two)))
    assert drawn[0].names == drawn[1].names
    assert {"c7", "c31", "c12", "c3"} <= set(drawn[0].names)
    assert len(drawn[0].names) == 20
    assert "of 40" in cut
    row, column = drawn[0].names.index("c7"), drawn[0].names.index("c31")
    assert drawn[0].cells[row][column] == (30, pytest.approx(30 / 80, abs=0.001))
    assert worst_classes([one]).tolist() == sorted(worst_classes([one]).tolist())


def test_a_curve_breaks_where_it_has_no_value_and_labels_do_not_touch() -> None:
    curves = tuple(v.Curve(f"model {i}", (0.5, None if i == 0 else 0.6, 0.7, 0.8)) for i in range(12))
    chart = chart_view(v.CurveBlock("C", ("a", "b", "c", "d"), curves))
    assert [len(line.split()) for line in chart.curves[0].lines] == [2]
    assert len(chart.curves[0].dots) == 3
    assert [len(line.split()) for line in chart.curves[1].lines] == [4]
    labels = sorted(c.label_y for c in chart.curves if c.hue >= 0)
    assert len(labels) == 8
    assert min(np.diff(labels)) >= LABEL_GAP - 0.2
    assert labels[0] > 0 and labels[-1] <= HEIGHT
    places = np.array([dot for c in chart.curves for dot in c.dots])
    assert places.min() >= 0 and places[:, 0].max() <= WIDTH and places[:, 1].max() <= HEIGHT
    heights = [dot[1] for dot in chart.curves[1].dots]
    assert heights == sorted(heights, reverse=True)  # a rising curve goes up
    assert chart.rows[0] == ("model 0", ("0.500", "–", "0.700", "0.800"))


@pytest.mark.parametrize("values", [(None, None), (0.0, 0.0), (1.0, 1.0), (0.93, 0.94), (-0.2, 0.3)])
def test_every_scale_holds_its_values(values: tuple[float | None, ...]) -> None:
    chart = chart_view(v.CurveBlock("C", ("a", "b"), (v.Curve("x", values),)))
    assert all(0 <= y <= HEIGHT for _, y in chart.curves[0].dots)
    shown = [float(text) for _, text in chart.ticks]
    assert len(shown) >= 3
    assert shown == sorted(shown)
    for value in values:
        assert value is None or shown[0] - 1e-9 <= value <= shown[-1] + 0.2


def test_many_steps_name_only_those_that_fit() -> None:
    steps = tuple(f"layer{i}" for i in range(40))
    chart = chart_view(v.CurveBlock("C", steps, (v.Curve("x", (0.5,) * 40),)))
    assert chart.steps[-1][2] == "layer39"
    assert 3 <= len(chart.steps) <= 8


def test_pictures_lie_where_the_data_says(tmp_path: Path) -> None:
    toy = toy_comparison()
    text = written(toy, tmp_path)
    data = block_of(text, "page-data")
    whole = re.search(r'id="pictures">([^<]*)<', text)[1]
    stored = toy.audits[0].thumbnails
    compared = 0
    for sample_id, spot in zip(data["samples"]["id"], data["samples"]["picture"], strict=True):
        if spot:
            assert base64.b64decode(whole[spot[0] : spot[0] + spot[1]]) == stored[sample_id].data
            compared += 1
    assert compared == len(data["samples"]["id"])


def on_disk(toy: ToyComparison, folder: Path) -> ToyComparison:
    """The comparison with an original file of 300 x 200 pixels for each sample."""
    audit = toy.audits[0]
    digests = []
    for row, sample_id in enumerate(audit.dataset.ids):
        path = folder / sample_id
        path.parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(row).integers(0, 255, (200, 300, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path, "JPEG", comment=b"made on a host")
        digests.append(byte_digest(path.read_bytes()))
    size = np.full(len(digests), 300, np.int32)
    facts = replace(audit.facts, byte_digest=as_ids(digests), width=size, height=size * 2 // 3)
    found = replace(audit, dataset=replace(audit.dataset, root=folder), facts=facts)
    return replace(toy, audits=(found,))


def test_stored_pictures_that_are_too_small_are_made_from_the_originals(tmp_path: Path) -> None:
    toy = on_disk(toy_comparison(), tmp_path)
    gallery = next(b for b in toy.view.blocks if isinstance(b, v.GalleryBlock))
    gone, changed, kept = (toy.view.samples[p.sample] for p in gallery.groups[0].pictures[:3])
    (tmp_path / gone.id).unlink()
    Image.new("RGB", (300, 200), "white").save(tmp_path / changed.id, "JPEG")
    drawn = panel_points(toy.view)
    made = comparison_pictures(toy.view, toy.audits, page_samples(toy.view, drawn))
    size = {toy.view.samples[int(n)].id: max(t.width, t.height) for n, t in made.pictures.items()}
    assert size[kept.id] == 300
    assert size[gone.id] == size[changed.id] == 24  # what the audit has stored
    assert set(size.values()) == {24, 64, 96, 300}
    assert made.missing == 0
    assert not any(b"host" in t.data for t in made.pictures.values())


def test_pictures_over_the_budget_shrink_and_the_page_says_so(tmp_path: Path) -> None:
    toy = on_disk(toy_comparison(), tmp_path)
    whole = write_comparison_page(toy.view, toy.audits, tmp_path / "a.html")
    small = write_comparison_page(toy.view, toy.audits, tmp_path / "b.html", picture_budget=100_000)
    assert small.pictures == whole.pictures
    assert small.bytes < whole.bytes - 100_000
    assert any("made smaller" in line for line in small.left_out)
    assert whole.left_out == ()


def test_missing_pictures_are_counted_and_samples_of_features_have_none(tmp_path: Path) -> None:
    toy = toy_comparison()
    bare = replace(toy.audits[0], thumbnails={})
    lines = write_comparison_page(toy.view, (bare,), tmp_path / "a.html").left_out
    assert lines == ("There are no pictures: the audits hold none, and the original files do not open.",)
    plain = toy_comparison(images=False)
    assert write_comparison_page(plain.view, plain.audits, tmp_path / "b.html").left_out == ()
    assert 'class="comparison no-pictures"' in (tmp_path / "b.html").read_text("utf-8")


def test_each_sample_has_the_picture_of_its_own_audit(tmp_path: Path) -> None:
    one, two = toy_comparison(seed=0), toy_comparison(seed=3)
    samples = tuple(replace(s, audit=i % 2) for i, s in enumerate(one.view.samples))
    view = replace(one.view, samples=samples)
    audits = (one.audits[0], two.audits[0])
    made = comparison_pictures(view, audits, page_samples(view, panel_points(view)))
    for number, picture in made.pictures.items():
        sample = samples[int(number)]
        assert picture == audits[sample.audit].thumbnails[sample.id]
    assert len(made.pictures) > 50
