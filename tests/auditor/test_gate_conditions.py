"""Conditions of a gate: what is read from text, every class name, one sentence for what cannot be meant."""

from __future__ import annotations

from fractions import Fraction

import pytest

from auditor.errors import UsageError
from auditor.gate_conditions import FIGURES, Condition, parse_conditions

HOSTILE = (
    "a, b",
    "x>y",
    'say "no"',
    "it's",
    "a]",
    "]<0.5,leak",
    '"quoted"',
    "__proto__",
    "=1+1",
    "new\nline",
    "מילה",
    "🥑",
    "n" * 300,
    " spaced ",
    "</script>",
    "",
    "baseline",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mislabeled>2%", Condition("mislabeled", None, ">", Fraction(1, 50), share=True)),
        (" Leak  >=  3 ", Condition("leak", None, ">=", Fraction(3))),
        ("off topic != 0", Condition("off_topic", None, "!=", Fraction(0))),
        ("knn_accuracy<.8", Condition("knn_accuracy", None, "<", Fraction(4, 5))),
        ("knn_accuracy<80%", Condition("knn_accuracy", None, "<", Fraction(4, 5))),
        ("silhouette<=-0.1", Condition("silhouette", None, "<=", Fraction(-1, 10))),
        ("probe_accuracy[dog]<0.7", Condition("probe_accuracy", "dog", "<", Fraction(7, 10))),
        ("leak", Condition("leak", None, ">", Fraction(0), share=True, relative=True)),
        ("samples", Condition("samples", None, "<", Fraction(0), relative=True)),
        (
            "mislabeled>baseline+0.5%",
            Condition("mislabeled", None, ">", Fraction(1, 200), share=True, relative=True),
        ),
        ("mislabeled>baseline + 5", Condition("mislabeled", None, ">", Fraction(5), relative=True)),
        (
            "knn_accuracy<baseline-0.01",
            Condition("knn_accuracy", None, "<", Fraction(-1, 100), relative=True),
        ),
    ],
)
def test_one_condition(text: str, expected: Condition) -> None:
    assert parse_conditions([text]) == (expected,)


def test_lists_are_joined_in_their_order() -> None:
    found = parse_conditions(["leak>0, knn_accuracy[a,b]<0.5,", "\nmislabeled>2%"])
    assert [(c.name, c.class_name) for c in found] == [
        ("leak", None),
        ("knn_accuracy", "a,b"),
        ("mislabeled", None),
    ]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("quote", ['"', "'"])
def test_every_class_name_can_be_quoted(name: str, quote: str) -> None:
    quoted = quote + name.replace(quote, quote * 2) + quote
    found = parse_conditions([f"leak>0,knn_accuracy[{quoted}]<0.7,mislabeled[ {quoted} ]>2%"])
    assert [c.class_name for c in found] == [None, name, name]


@pytest.mark.parametrize(
    "name", [n for n in HOSTILE if n == n.strip() and n not in ("]<0.5,leak", '"quoted"')]
)
def test_most_class_names_need_no_quotes(name: str) -> None:
    found = parse_conditions([f"knn_accuracy[{name}]<0.7,leak>0"])
    assert [c.class_name for c in found] == [name, None]


def test_a_condition_reads_back_as_it_is_shown() -> None:
    texts = [f"{name}{'[x]' if figure.by_class else ''}" for name, figure in FIGURES.items()]
    quoted = ['probe_accuracy["' + name.replace('"', '""') + '"]<0.125' for name in HOSTILE]
    limits = ["leak!=3", "leak==0.25%", "silhouette<-0.5", "mislabeled>baseline+0.25%", "samples<baseline-7"]
    conditions = parse_conditions([*texts, *quoted, *limits, "knn_accuracy<baseline-0.01"])
    assert parse_conditions([str(c) for c in conditions]) == conditions


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing to check"),
        (" , ", "nothing to check"),
        ("mislabled>2%", "'mislabled' in 'mislabled>2%' is no figure of an audit: known are unreadable,"),
        ("leak 0", "is no figure of an audit"),
        ("leak=0", "'leak=0' is no condition"),
        ("knn_accuracy[dog]0.7", "is no condition"),
        ("knn_accuracy[dog<0.7", "is no condition"),
        ("leak>", "compares with ''"),
        ("leak>many", "give a number (0.8), a percentage (2%) or the baseline"),
        ("leak>nan", "compares with 'nan'"),
        ("leak>1e9", "compares with '1e9'"),
        ("leak>%", "compares with '%'"),
        ("leak>baseline+", "compares with 'baseline+'"),
        ("leak>0 leak>1", "compares with '0 leak>1'"),
        ("classes<3%", "classes is a count and takes no percentage"),
        ("silhouette<3%", "silhouette is a score and takes no percentage"),
        ("mislabeled>0.02", "takes a whole number; for a share of the samples write 2%"),
        ("mislabeled>150%", "takes a limit from 0% to 100%"),
        ("leak>-1", "takes a limit from 0 up"),
        ("knn_accuracy<80", "takes a limit from 0 to 1"),
        ("samples[dog]<3", "samples has no figure for each class; these have: "),
        ("knn_accuracy>=baseline-0.01", "so write 'knn_accuracy < baseline - 0.01'"),
        ("mislabeled<=baseline+0.5%", "so write 'mislabeled > baseline + 0.5%'"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_conditions([text])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
