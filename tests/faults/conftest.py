"""What the tests of faults share."""

from __future__ import annotations

import pytest
from faults.world import Quarters


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Quarters:
    """The encoder of every audit and every `auditor embed` of this test."""
    encoder = Quarters()
    for module in ("auditor.audit", "auditor.settings"):
        monkeypatch.setattr(f"{module}.open_encoder", lambda *_: encoder)
    return encoder
