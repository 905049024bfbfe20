"""An audit whose every text would be markup, code or a formula if a page took it for more than text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from toy import toy_audit

from auditor.results import Audit

PAYLOADS = (
    "<script>window.hacked=1</script>",
    "</script><script>window.hacked=1</script>",
    "</style><svg onload=window.hacked=1>",
    "<!--<script>",
    "\"'><img src=x onerror=window.hacked=1>",
    "javascript:window.hacked=1",
    "$$x$$ \\(x\\)",
    "{{7*7}}{%raw%}{#",
    "]]>\u2028</textarea></title>",
    "&lt;script&gt;",
)


def hostile_words() -> Audit:
    """An audit in which every text that comes from the dataset, or from a person, is a payload."""
    audit = toy_audit(110, PAYLOADS, names=[f"{PAYLOADS[i % 10]}/{i}" for i in range(110)])
    words = iter(PAYLOADS * 1000)
    findings = []
    for f in audit.findings:
        facts = {next(words): 0.5}
        evidence = replace(
            f.evidence, facts=facts, members=tuple((i, next(words)) for i, _ in f.evidence.members)
        )
        findings.append(replace(f, reason=next(words), evidence=evidence))
    table = audit.dataset.table.assign(
        domain=[next(words) for _ in range(110)], split=[next(words) for _ in range(110)],
        group=[next(words) for _ in range(110)],
    )  # fmt: skip
    descriptions = {name: next(words) for name in audit.dataset.classes}
    dataset = replace(audit.dataset, name=PAYLOADS[1], notes=PAYLOADS, descriptions=descriptions, table=table)
    provenance = replace(
        audit.provenance, command=PAYLOADS[0], warnings=PAYLOADS, report_id=PAYLOADS[1],
        fingerprint=PAYLOADS[4],
        auditor_version=PAYLOADS[3], settings={name: name for name in PAYLOADS}, timings={PAYLOADS[2]: 1.0},
    )  # fmt: skip
    backbone = replace(
        audit.embeddings.backbone, name=PAYLOADS[0], layer=PAYLOADS[2], preprocessing=PAYLOADS[4]
    )
    facts = replace(audit.facts, error=np.array([next(words) for _ in audit.facts.ids], dtype=object))
    return replace(
        audit, dataset=dataset, findings=tuple(findings), provenance=provenance, facts=facts,
        embeddings=replace(audit.embeddings, backbone=backbone), map=replace(audit.map, method=PAYLOADS[4]),
    )  # fmt: skip
