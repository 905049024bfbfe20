"""All that reaches a user.

AuditError            one clear sentence; the command line prints it and exits with 2
  UsageError          what was asked for cannot be asked for
  DataError           the data cannot be used as it is
  WeightsError        a backbone's weights are missing, broken or of another architecture
  OutputError         the output folder cannot be written without losing something
"""

SENTENCE_CHARACTERS = 1000
"""Of a longer sentence the middle is left out: a path or a value that nobody reads whole."""


def plain(text: str) -> str:
    """Return `text` with control and direction characters written out: names cannot steer the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class AuditError(Exception):
    """One sentence for the user: what was asked, what was found, what would work.

    Whatever it quotes, it stays one line of at most `SENTENCE_CHARACTERS`.
    """

    def __init__(self, sentence: str) -> None:
        line = plain(sentence)
        if len(line) > SENTENCE_CHARACTERS:
            half = SENTENCE_CHARACTERS // 2
            line = f"{line[: half + 100]} .. {line[100 - half + 4 :]}"
        super().__init__(line)


class UsageError(AuditError):
    """The request itself is wrong: an unknown option value, options that exclude each other."""


class DataError(AuditError):
    """The dataset, features, predictions or weights file cannot be used."""


class WeightsError(AuditError):
    """Backbone weights are unreachable, damaged or belong to another architecture."""


class OutputError(AuditError):
    """The output folder is in use, not empty, or holds an earlier audit."""
