"""What the page about two domains says.

DomainComparison --domains_view--> ComparisonView      sentences in domain_words, blocks in domain_blocks
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from auditor.arrays import Ints, rows_of
from auditor.comparisons.domain_sides import Side
from auditor.comparisons.domains import FAILS, DomainComparison
from reports import domain_blocks as blocks
from reports import domain_words as words
from reports.comparison_view import Block, ComparisonView, MapPanel, ShownSample, Tone, WordsBlock
from reports.wording import isolate, plural


def domains_view(comparison: DomainComparison, command: str = "") -> ComparisonView:
    """Return what the page says; `command` is what made it, paths reduced to names."""
    c = comparison
    samples, at = _samples(c)
    tone: Tone = "worse" if c.verdict == FAILS else "plain"
    audit = c.audit
    return ComparisonView(
        kind="domains",
        name=audit.dataset.name,
        facts=_facts(c),
        headline=words.headline(c),
        tone=tone,
        lines=words.lines(c),
        class_names=c.sides.classes,
        samples=samples,
        maps=(_panel(c, c.sides.train, c.guess_train, at), _panel(c, c.sides.test, c.guess_test, at)),
        map_note="Both domains lie on the audit's one map, trustworthiness "
        f"{audit.map.trustworthiness:.2f} (1 is best).",
        blocks=_blocks(c, at),
        notes=words.notes(c),
        footer=_footer(c, command),
        has_images=audit.dataset.has_images,
    )


def _blocks(c: DomainComparison, at: blocks.Numbers) -> tuple[Block, ...]:
    return (
        blocks.accuracy_figures(c),
        WordsBlock("What to do", words.what_to_do(c), numbered=True),
        blocks.pair_table(c),
        blocks.collect_gallery(c, at),
        blocks.matrix_block(c),
        blocks.class_table(c),
        blocks.near_gallery(c, at),
        blocks.far_gallery(c, at),
        blocks.leak_gallery(c, at),
        WordsBlock("What the verdicts mean", words.meanings(c)),
    )


def _facts(c: DomainComparison) -> tuple[str, ...]:
    sides = (c.sides.train, c.sides.test)
    counts = [f"{plural(len(side), 'sample', 'samples')} on {isolate(side.name)}" for side in sides]
    return (*counts, plural(len(c.sides.classes), "class", "classes"))


def _samples(c: DomainComparison) -> tuple[tuple[ShownSample, ...], blocks.Numbers]:
    """Every sample of both sides and every copy that a gallery names, and the position of each id."""
    codes = {name: code for code, name in enumerate(c.sides.classes)}
    ids = list(dict.fromkeys(_named(c)))
    labels = c.audit.dataset.column_of("label", np.array(ids, dtype=object))
    shown = tuple(ShownSample(one, codes.get(label, -1)) for one, label in zip(ids, labels, strict=True))
    return shown, {one: place for place, one in enumerate(ids)}


def _named(c: DomainComparison) -> Iterable[str]:
    yield from c.sides.train.ids
    yield from c.sides.test.ids
    for leak in c.leaks:
        yield from (*leak.train, *leak.test)


def _panel(c: DomainComparison, side: Side, guess: Ints, at: blocks.Numbers) -> MapPanel:
    wrong = guess != side.codes
    share = f"{plural(int(wrong.sum()), 'sample', 'samples')} of {len(side):,} taken for another class"
    how = "out of sample" if side is c.sides.train else f"by what {isolate(c.sides.train.name)} teaches"
    return MapPanel(
        title=side.name,
        caption=f"{share}, {how}.",
        samples=np.array([at[one] for one in side.ids], dtype=np.int32),
        positions=c.audit.map.positions[rows_of(c.audit.map.ids, side.ids)],
        codes=side.codes,
        marked=wrong,
        marked_as="taken for another class",
    )


def _footer(c: DomainComparison, command: str) -> tuple[tuple[str, str], ...]:
    made, backbone = c.audit.provenance, c.audit.embeddings.backbone
    layer = f", layer {backbone.layer}" if backbone.layer else ""
    return (
        ("auditor", made.auditor_version),
        ("Backbone", f"{backbone.name}{layer}, {backbone.precision}"),
        ("Weights sha256", backbone.weights_sha256),
        ("Seed", str(c.seed)),
        ("Dataset fingerprint", made.fingerprint),
        ("Audit", made.report_id),
        ("Command", command or made.command),
    )
