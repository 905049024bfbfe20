"""The blocks of the page about two domains: figures, pairs, pictures, matrices, classes, copies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from auditor.comparisons.domain_moves import ClassMove
from auditor.comparisons.domain_pairs import DomainPair
from auditor.comparisons.domain_pictures import (
    ALONE,
    FAR_RATIO,
    NEAR,
    USUAL_SHARE,
    WRONG,
    NearPictures,
    PictureCluster,
)
from auditor.comparisons.domains import DomainClass, DomainComparison
from reports import domain_words as words
from reports.comparison_view import (
    Cell,
    Figure,
    FigureBlock,
    GalleryBlock,
    Matrix,
    MatrixBlock,
    Picture,
    PictureGroup,
    Row,
    TableBlock,
    Tone,
)
from reports.wording import isolate, isolate_whole, number, percent, plural

SHOWN_LEAKS = 50

Numbers = Mapping[str, int]
"""Position in the view's samples of each id."""


def accuracy_figures(c: DomainComparison) -> FigureBlock:
    """Accuracy in both domains, and in the test domain after the shift between them is undone."""
    tone: Tone = {"does not hold": "worse", "holds": "even"}.get(c.verdict, "plain")  # type: ignore[assignment]
    plain = [percent(float(np.trace(m) / max(m.sum(), 1))) for m in (c.confusion_train, c.confusion_test)]
    accuracies = (words.interval(c.accuracy_train), words.interval(c.accuracy_test))
    figures = (
        Figure("Accuracy, every class alike", accuracies, words.points(c).split(" (")[0], tone),
        Figure("Accuracy, every sample alike", (plain[0], plain[1])),
        Figure(
            "With the shift taken off",
            ("—", words.interval(c.centred)),
            note="each domain centred on the mean of its classes"
            + ("; with two classes this undoes a misplaced border too" if len(c.sides.classes) == 2 else ""),
        ),
        Figure(
            "The same without labels",
            ("—", words.interval(c.centred_unlabelled)),
            note="each domain centred on the mean of its samples; good where the shares of the classes agree",
        ),
    )
    return FigureBlock(
        "Does it hold?",
        words.names(c),
        figures,
        "In brackets the 95 % interval in percent. On the training domain every picture is judged out of "
        "sample.",
    )


def pair_table(c: DomainComparison) -> TableBlock:
    """Every pair that was judged, those that confuse most first."""
    train, test = words.names(c)
    return TableBlock(
        "Pairs of classes",
        (
            "pair",
            "verdict",
            f"confused on {train}",
            f"on {test}",
            "AUC, trained there",
            "AUC, carried over",
            "accuracy",
            "border in the middle",
            "shift taken off",
        ),
        (False, False, True, True, True, True, True, True, True),
        tuple(_pair_row(c, pair) for pair in c.pairs),
        "Confused: samples of one class taken for the other / the other way. The rest is measured on "
        f"{test}, "
        "between the two classes alone. AUC: how often a sample of one class lies further to its side than "
        "one "
        f"of the other (0.5 is chance, 1 always), for a probe trained on {test}, and along the direction "
        f"learned on {train}. Accuracy: with what was learned on {train}; then with the border in the middle "
        "of both classes; then with the shift of the other classes taken off. In brackets the 95 % interval.",
    )


def _pair_row(c: DomainComparison, pair: DomainPair) -> Row:
    a, b = c.sides.classes[pair.a], c.sides.classes[pair.b]
    a_train, b_train, a_test, b_test = pair.taken
    aucs = [Cell(words.interval(v, False), v.estimate) for v in (pair.inside_auc, pair.carried_auc)]
    shares = [
        Cell(words.interval(v), v.estimate) for v in (pair.carried_accuracy, pair.own_border, pair.centred)
    ]
    return Row(
        (
            Cell(f"{isolate(a)} / {isolate(b)}", whole=f"{isolate_whole(a)} / {isolate_whole(b)}"),
            Cell(pair.verdict, tone=words.VERDICT_TONES[pair.verdict]),
            Cell(f"{number(a_train)} / {number(b_train)}", a_train + b_train),
            Cell(f"{number(a_test)} / {number(b_test)}", a_test + b_test),
            *aucs,
            *shares,
        ),
        (pair.a, pair.b),
    )


def collect_gallery(c: DomainComparison, at: Numbers) -> GalleryBlock:
    """What to collect and what to leave out, with the pictures."""
    groups = []
    for one in c.advice:
        of, to = words.quoted(c.sides.classes[one.of]), words.quoted(c.sides.classes[one.to])
        leave = bool(one.leave_out)
        title = (
            f"Leave out of {of}: they look like {to}"
            if leave
            else f"Collect more of {of}, unlike these near {to}"
        )
        pictures = _pictures(one.leave_out if leave else one.nearest, at)
        groups.append(PictureGroup(title, pictures, words.advice(c, one), (one.of, one.to)))
    return GalleryBlock(
        "What to collect, and what to leave out",
        tuple(groups),
        f"From the training pictures on {isolate(c.sides.train.name)}.",
        empty="No pair needs other pictures.",
    )


def near_gallery(c: DomainComparison, at: Numbers) -> GalleryBlock:
    """The training pictures of one class nearest to another, grouped by what they share."""
    groups = [
        PictureGroup(
            _near_title(c, near, cluster),
            _pictures(cluster.ids, at, [f"closeness {value:+.2f}" for value in cluster.closeness]),
            _near_note(cluster),
            (near.of, near.to),
        )
        for near in c.near
        for cluster in near.clusters
    ]
    return GalleryBlock(
        "Training pictures nearest to another class",
        tuple(groups),
        "Both ways for the pairs that confuse most; look for what the pictures of a group share. Closeness: "
        "mean similarity to the nearer half of the own class less that to the nearer half of the other; "
        "below 0 a picture lies nearer to the other class. Copies are shown once.",
        empty="No two classes are taken for each other.",
    )


def _near_title(c: DomainComparison, near: NearPictures, cluster: PictureCluster) -> str:
    of, to = words.quoted(c.sides.classes[near.of]), words.quoted(c.sides.classes[near.to])
    what = {
        NEAR: f"{number(len(cluster.ids))} that are alike",
        ALONE: "single ones",
        WRONG: "flagged as wrong labels",
    }.get(cluster.kind, "flagged for another reason")
    return f"{of} nearest to {to}: {what}"


def _near_note(cluster: PictureCluster) -> str:
    if cluster.kind in (NEAR, ALONE):
        return ""
    lead = "" if cluster.kind == WRONG else "Off-topic, poor, or filed under two classes. "
    more = f" The nearest of {number(cluster.total)}." if cluster.total > len(cluster.ids) else ""
    return f"{lead}The audit's page asks about these: decide there first.{more}"


def matrix_block(c: DomainComparison) -> MatrixBlock:
    """Both confusion matrices."""
    train, test = c.sides.train.name, c.sides.test.name
    note = f"trained on {isolate(train)}"
    return MatrixBlock(
        "Confusion on both domains",
        (
            Matrix(train, c.sides.classes, c.confusion_train, f"A probe {note}, out of sample."),
            Matrix(test, c.sides.classes, c.confusion_test, f"The same probe, {note}."),
        ),
        "Copies count once.",
    )


def class_table(c: DomainComparison) -> TableBlock:
    """Every class in both domains, those that move most by themselves first."""
    train, test = words.names(c)
    by_code = {one.code: one for one in c.classes}
    rows = tuple(_class_row(c, by_code[move.code], move) for move in c.moves)
    return TableBlock(
        "Classes, those that move most first",
        (
            "class",
            f"samples on {train}",
            f"on {test}",
            f"found on {train}",
            f"found on {test}",
            f"most taken for on {test}",
            "moved",
            "moved by itself",
        ),
        (False, True, True, True, True, False, True, True),
        rows,
        "Found: share of the class that is recognised. Moved: distance between the class's means in both "
        "domains, in units of the spread of a class; by itself: what is left when the move common to the "
        f"classes ({c.shift:.2f}) is taken off. What chance alone moves is subtracted.",
    )


def _class_row(c: DomainComparison, one: DomainClass, move: ClassMove) -> Row:
    most = c.sides.classes[one.taken_for] if one.taken else ""
    taken = f"{isolate(most)} ({number(one.taken)})" if one.taken else "none"
    whole = f"{isolate_whole(most)} ({number(one.taken)})" if one.taken else ""
    cells = (
        Cell(isolate_whole(c.sides.classes[one.code])),
        Cell(number(one.train_samples)),
        Cell(number(one.test_samples)),
        Cell(words.interval(one.train_recall), one.train_recall.estimate),
        Cell(words.interval(one.test_recall), one.test_recall.estimate),
        Cell(taken, whole=whole),
        Cell(f"{move.whole:.2f}", move.whole),
        Cell(f"{move.own:.2f}", move.own),
    )
    return Row(cells, (one.code,))


def far_gallery(c: DomainComparison, at: Numbers) -> GalleryBlock:
    """Test pictures without a near training picture."""
    train, test = isolate(c.sides.train.name), isolate(c.sides.test.name)
    seconds = [f"distance {value:.2f}" for value in c.far.distances]
    groups = []
    if c.far.ids:
        more = f" The {number(len(c.far.ids))} farthest are shown." if c.far.count > len(c.far.ids) else ""
        title = f"{number(c.far.count)} of {plural(len(c.sides.test), 'picture', 'pictures')} on {test}"
        note = f"Collect pictures like these for {train}, unless they do not belong to the dataset.{more}"
        groups.append(PictureGroup(title, _pictures(c.far.ids, at, seconds), note))
    return GalleryBlock(
        f"Nothing like them on {train}",
        tuple(groups),
        f"Their nearest picture on {train} is at least {FAR_RATIO:g} times as far as "
        f"{100 * USUAL_SHARE:.0f} in 100 pictures there have theirs ({c.far.usual:.2f}; distance is "
        "1 − cosine similarity).",
        empty=f"Every picture on {test} has one on {train} that is about as near as usual.",
    )


def leak_gallery(c: DomainComparison, at: Numbers) -> GalleryBlock:
    """Copies in both domains."""
    groups = []
    for leak in c.leaks[:SHOWN_LEAKS]:
        same = "The same picture" if leak.identical else "Nearly the same picture"
        labels = " and ".join(words.quoted(label) for label in leak.labels)
        pictures = (
            *_pictures(leak.train, at, [c.sides.train.name] * len(leak.train)),
            *_pictures(leak.test, at, [c.sides.test.name] * len(leak.test)),
        )
        groups.append(PictureGroup(f"{same}, filed under {labels}", pictures))
    left = len(c.leaks) - len(groups)
    more = f" {plural(left, 'more stands', 'more stand')} in comparison.json." if left else ""
    return GalleryBlock(
        "Copies in both domains",
        tuple(groups),
        f"What judged the copy on {isolate(c.sides.test.name)} did not learn from the other one.{more}",
        empty="No picture is in both domains.",
    )


def _pictures(ids: Iterable[str], at: Numbers, seconds: Iterable[str] | None = None) -> tuple[Picture, ...]:
    ids = tuple(ids)
    lines = [""] * len(ids) if seconds is None else seconds
    return tuple(Picture(at[one], one, line) for one, line in zip(ids, lines, strict=True))
