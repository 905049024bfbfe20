"""What every page is made with: templates, our own style and scripts, and the policy that lets only them run.

static/*.js, *.css  ->  one text each  ->  templates/*.jinja  ->  one HTML file
                            \\-> its hash in the content policy
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

HERE = Path(__file__).parent


def template(name: str) -> jinja2.Template:
    """Return one of our templates; autoescape is on, an unknown name is an error."""
    return _environment().get_template(name)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def static_text(names: Sequence[str]) -> Markup:
    """Return files of `static` one after the other."""
    return own_text("\n".join((HERE / "static" / name).read_text("utf-8") for name in names))


def own_text(text: str) -> Markup:
    """Mark our own files and BokehJS as safe; they hold nothing from the dataset."""
    return Markup(text)


def content_policy(scripts: Sequence[str]) -> str:
    """Return the content policy under which only these scripts run and nothing is loaded from outside."""
    hashes = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    allowed = " ".join(f"'sha256-{h}'" for h in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        f"base-uri 'none'; form-action 'none'"
    )


def data_url(data: bytes) -> str:
    """Return a WebP picture as an address that holds it."""
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"
