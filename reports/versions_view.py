"""The view of two versions: verdict and evidence, both maps in one frame, the ledger, classes, pairs.

versions_view(VersionComparison) --> ComparisonView
"""

from __future__ import annotations

from collections.abc import Iterator

from auditor import __version__
from auditor.comparisons.versions import VersionComparison
from reports.comparison_view import ComparisonView
from reports.versions_blocks import blocks
from reports.versions_samples import LedgerSamples
from reports.versions_wording import TONES, headline, lines
from reports.wording import number, plural


def versions_view(comparison: VersionComparison, command: str = "") -> ComparisonView:
    """Return what the page of two versions says."""
    before, after = comparison.before, comparison.after
    shown = LedgerSamples(comparison)
    return ComparisonView(
        kind="versions",
        name=before.dataset.name,
        facts=(
            f"{number(len(before.dataset))} samples before, {number(len(after.dataset))} after",
            plural(len(comparison.classes), "class", "classes"),
        ),
        headline=headline(comparison),
        tone=TONES[comparison.verdict],
        lines=tuple(lines(comparison)),
        class_names=comparison.classes,
        samples=tuple(shown.samples),
        maps=(
            shown.panel("Before", before, before.map, "removed or relabelled"),
            shown.panel("After", after, comparison.after_map, "new or relabelled"),
        ),
        map_note="The map after starts from the map before, so that a sample lies where it lay.",
        blocks=blocks(comparison, shown),
        notes=comparison.notes,
        footer=tuple(_footer(comparison, command)),
        has_images=before.dataset.has_images or after.dataset.has_images,
    )


def _footer(comparison: VersionComparison, command: str) -> Iterator[tuple[str, str]]:
    before, after = comparison.before, comparison.after
    backbone = before.embeddings.backbone
    yield "auditor", __version__
    yield "Backbone", f"{backbone.name} {backbone.layer}".strip()
    yield "Weights", backbone.weights_sha256[:12] or "–"
    yield "Seed", str(comparison.options.seed)
    yield "Before", f"report {before.provenance.report_id}, fingerprint {before.provenance.fingerprint[:12]}"
    yield "After", f"report {after.provenance.report_id}, fingerprint {after.provenance.fingerprint[:12]}"
    if command:
        yield "Command", command
