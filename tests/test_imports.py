"""Who imports whom: cli -> reports -> auditor, inside auditor only upward, each library in its place."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("auditor", "reports", "cli")
"""Lowest first: a package imports itself and those before it."""

# fmt: off
ORDER = [
    "errors", "faults", "writing", "arrays", "sources.names", "sources.addresses",
    "files", "reading", "decoding", "contents", "results",
    "sources.options", "sources.rows", "sources.parquet_footer", "sources.parquet", "sources.tables",
    "version_record", "sources.links", "sources.class_folders", "sources.descriptions", "sources.manifests",
    "sources.kept_pictures", "sources.kept_files", "sources.stores", "sources.listings",
    "sources.remote_contents", "sources.remote_notes", "sources.remote_rows", "sources.placing",
    "sources.pictures", "sources.items", "sources.object_contents", "sources.objects",
    "sources.containers", "sources.tar_index", "sources.tar_samples", "sources.tar_contents",
    "sources.tar_folders", "sources.tars",
    "sources.picture_columns", "sources.picture_groups", "sources.picture_tables",
    "sources.hub_pictures", "sources.hugging_face", "sources.image_folders", "sources.holders",
    "sources.remote_files", "sources.remote", "sources.reopen", "dataset",
    "quality", "images",
    "networks", "machines", "checkpoints", "downloads", "preprocessing",
    "chunks", "torch_engine", "openvino_engine", "engines", "backbones",
    "shards", "part_files", "vector_parts", "store", "features", "memory", "encoding",
    "embeddings", "layer_embeddings",
    "sharding", "shard_workers", "distributed",
    "lists", "shared_lists", "searching", "neighbours", "duplicates", "groups", "probes", "probabilities",
    "mistakes", "scores", "separation", "finding_inputs", "finding_evidence", "findings", "review_plan",
    "projection",
    "documents", "audit_model", "findings_model", "audit_files", "tables", "storage",
    "decision_model", "decisions", "label_studio", "label_studio_reviews", "review_files",
    "merging", "agreement", "controls", "reviewed",
    "settings", "user_arrays", "stages", "run_log", "audit",
    "workspace", "version_plan", "materialise", "version_files", "cleaning", "findings_folder",
    "gate_conditions", "gate_figures", "gate",
    "comparisons", "comparisons.intervals", "comparisons.paired", "comparisons.alignment",
    "comparisons.common_samples", "comparisons.judged", "comparisons.model_opinions",
    "comparisons.model_agreement",
    "comparisons.model_errors", "comparisons.ensembles", "comparisons.models",
    "comparisons.models_document", "comparisons.layer_pairs", "comparisons.layers",
    "comparisons.layers_document", "comparisons.domain_sides", "comparisons.domain_probes",
    "comparisons.domain_neighbours", "comparisons.domain_shift", "comparisons.domain_verdicts",
    "comparisons.domain_pairs", "comparisons.domain_pictures",
    "comparisons.domain_advice", "comparisons.domain_moves", "comparisons.domains",
    "comparisons.domains_document",
    "comparisons.matching", "comparisons.ledger", "comparisons.frame", "comparisons.gains",
    "comparisons.model_null", "comparisons.evidence", "comparisons.verdicts", "comparisons.reviews",
    "comparisons.standing",
    "comparisons.versions", "comparisons.versions_document",
]
# fmt: on
"""The modules of auditor in the order of the method: each imports only those before it."""

AT_HOME = {
    "pyarrow": {
        "auditor.dataset",
        "auditor.sources",
        "auditor.part_files",
        "auditor.storage",
        "auditor.tables",
    },
    "ray": {"auditor.distributed", "auditor.shard_workers"},
    "datasets": {"auditor.sources.hub_pictures"},
    "PIL": {
        "auditor.images",
        "auditor.decoding",
        "auditor.quality",
        "auditor.preprocessing",
        "auditor.sources.pictures",
        "auditor.store",
        "reports.figures",
        "reports.thumbnails",
    },
    "pillow_heif": {"auditor.decoding"},
    "fsspec": {"auditor.sources.stores"},
    "aiohttp": {"auditor.sources.stores"},
    "torch": {
        "auditor.checkpoints",
        "auditor.torch_engine",
        "auditor.engines",
        "auditor.lists",
    },
    "torchvision": {"auditor.torch_engine"},
    "openvino": {"auditor.openvino_engine"},
    "safetensors": {"auditor.checkpoints"},
    "faiss": {"auditor.searching"},
    "cleanlab": {"auditor.scores"},
    "openTSNE": {"auditor.projection"},
    "pydantic": {
        "auditor.audit_files",
        "auditor.audit_model",
        "auditor.decision_model",
        "auditor.decisions",
        "auditor.findings_model",
    },
    "krippendorff": {"auditor.agreement"},
    "bokeh": {"reports.figures"},
    "jinja2": {"reports.rendering"},
    "typer": {"cli"},
    "rich": {"cli"},
    "platformdirs": {"cli"},
}
"""Where a library may be imported, in a module or in any module of a package."""


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(file: Path) -> set[str]:
    """Full names of everything a file imports, also inside functions and for types."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name} imports relatively; use full names"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


FILES = {
    module_name(file): file
    for package in PACKAGES
    for file in sorted((ROOT / package).rglob("*.py"))
    if "sample_data" not in file.parts
}


def owner(name: str) -> str:
    """The module of this project that an imported name belongs to, "" when it is none."""
    while name and name not in FILES:
        name = name.rpartition(".")[0]
    return name


@pytest.mark.parametrize("module", FILES)
def test_packages_depend_downward(module: str) -> None:
    allowed = PACKAGES[: PACKAGES.index(module.split(".")[0]) + 1]
    found = {name.split(".")[0] for name in imported(FILES[module])} & {*PACKAGES, "tests", "benchmarks"}
    assert found <= set(allowed)


@pytest.mark.parametrize("module", [m for m in FILES if m.startswith("auditor.") and m != "auditor.sources"])
def test_engine_imports_only_upward(module: str) -> None:
    own = module.removeprefix("auditor.")
    assert own in ORDER, f"{module} has no place in the order of the method yet"
    for name in map(owner, imported(FILES[module])):
        if name.startswith("auditor.") and name != "auditor.sources":
            assert ORDER.index(name.removeprefix("auditor.")) < ORDER.index(own), f"{module} imports {name}"


@pytest.mark.parametrize("module", FILES)
def test_libraries_stay_at_home(module: str) -> None:
    for name in imported(FILES[module]):
        homes = AT_HOME.get(name.split(".")[0])
        assert homes is None or any(f"{module}.".startswith(f"{home}.") for home in homes), name


HEAVY = {
    "torch",
    "torchvision",
    "faiss",
    "cleanlab",
    "sklearn",
    "openTSNE",
    "bokeh",
    "pyarrow",
    "openvino",
    "ray",
    "fsspec",
    "aiohttp",
    "pillow_heif",
    "datasets",
}


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_heavy_libraries_wait_until_used() -> None:
    assert not loaded_after("import auditor") & (HEAVY | {"numpy", "pandas"})
    assert not loaded_after("import cli.main") & (HEAVY | {"numpy", "pandas"})


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["demo", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    show = "import contextlib, io; from cli.main import app\n"
    run = f"with contextlib.redirect_stdout(io.StringIO()): app({arguments!r}, standalone_mode=False)"
    assert not loaded_after(show + run) & (HEAVY | {"numpy", "pandas", "scipy", "PIL"})
