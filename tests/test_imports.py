"""Imports go one way, and importing thalweg is nearly free."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "thalweg"
FAMILIES = ("diagonal", "adapted", "shallow", "residual", "lcn")
# Lower layers first. `texts` is a leaf: it knows nothing, and messages and reprs below need it.
LAYERS = (
    ("texts",),
    ("records",),
    ("numerics", "runtime"),
    ("data", "sweep"),
    FAMILIES,
    ("families",),
    ("interop", "runs"),
    ("api",),
    ("surveys",),
    ("reports",),
    ("cli",),
)
RANK = {name: i for i, layer in enumerate(LAYERS) for name in layer}
# `path` is the verb of one family by its name, and models of other libraries become nets of one; nothing else may.
NAMES_A_FAMILY = {"cli/path.py", "__init__.py", *(
    f"interop/{name}.py" for name in ("chain_derivatives", "check", "outside", "shallow_models")
)}  # fmt: skip


def imports_of(path):
    """Yield the room of thalweg that each import statement of a file enters, even inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
            if node.module == "thalweg":
                names = [f"thalweg.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "thalweg" and len(parts) > 1:
                yield parts[1]


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way(path):
    relative = path.relative_to(ROOT)
    if str(relative) == "__init__.py":
        return
    room = relative.parts[0].removesuffix(".py")
    for entered in imports_of(path):
        assert entered in RANK, f"{relative} imports {entered}, which has no place among the layers"
        if entered == room:
            continue
        assert RANK[entered] < RANK[room] or {entered, room} == {"numerics", "runtime"}, f"{relative}: {entered}"
        if entered in FAMILIES:
            assert str(relative) in NAMES_A_FAMILY, f"{relative} names the family {entered}"


def test_every_room_has_a_layer():
    rooms = {p.name.removesuffix(".py") for p in ROOT.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert rooms - {"__init__", "__pycache__"} <= set(RANK)


def modules_after(statement):
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_thalweg_loads_only_the_standard_library():
    heavy = {"numpy", "pandas", "plotly", "sklearn", "jax", "scipy", "typer", "rich", "jinja2", "pydantic"}
    assert not modules_after("import thalweg") & heavy


def test_records_need_nothing_but_numpy():
    heavy = {"pandas", "plotly", "sklearn", "jax", "scipy", "typer", "rich", "jinja2", "pydantic"}
    assert not modules_after("import thalweg.records") & heavy


def test_help_loads_no_numerics():
    code = "import sys; sys.argv=['thalweg','--help']; from thalweg.cli.main import build_app; build_app(['--help'])"
    assert not modules_after(code) & {"numpy", "pandas", "plotly"}
