"""Comparisons: each is its own type that holds the audits it compares, never a merged one."""
