"""Class and file names that must stay text wherever they are shown."""

from __future__ import annotations

HOSTILE = (
    "</script><img src=x onerror=window.hacked=1>",
    '"><svg onload=window.hacked=1>',
    "{{7*7}}",
    "$$x$$",
    "__proto__",
    "constructor",
    "עברית",
    "😀",
    "line\nbreak",
    "=1+1",
    "n" * 300,
)
