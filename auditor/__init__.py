"""The engine of auditor: a labelled image dataset in, findings out."""

__version__ = "0.1.0"
