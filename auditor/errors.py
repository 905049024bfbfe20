"""All that reaches a user.

AuditError            one clear sentence; the command line prints it and exits with 2
  UsageError          what was asked for cannot be asked for
  DataError           the data cannot be used as it is
  WeightsError        a backbone's weights are missing, broken or of another architecture
  OutputError         the output folder cannot be written without losing something
"""


class AuditError(Exception):
    """One sentence for the user: what was asked, what was found, what would work."""


class UsageError(AuditError):
    """The request itself is wrong: an unknown option value, options that exclude each other."""


class DataError(AuditError):
    """The dataset, features, predictions or weights file cannot be used."""


class WeightsError(AuditError):
    """Backbone weights are unreachable, damaged or belong to another architecture."""


class OutputError(AuditError):
    """The output folder is in use, not empty, or holds an earlier audit."""
