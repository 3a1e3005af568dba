"""The house, read from the source: who imports whom, what the wheel holds, how long a file may be."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import karat

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "refimpl": set(),
    "kernels": {"refimpl"},
    "convert": {"refimpl"},
    "app": {"refimpl", "kernels", "convert"},
}
NOT_SHIPPED = {"tests", "benchmarks", "docs", "build", "dist"}
HEAVY = {"torch", "coremltools", "PIL", "scipy", "skimage", "rich", "typer", "matplotlib"}
LONGEST_FILE, LONGEST_FUNCTION = 300, 40  # lines; of a function without signature and docstring

SOURCES = {
    str(path.relative_to(ROOT)): path.read_text()
    for wing in MAY_IMPORT
    for path in sorted(ROOT.glob(f"{wing}/**/*.py"))
}


def imported(path, tree):
    """Every module that a file imports, as (line, absolute dotted name); relative forms are resolved."""
    package = ["karat", *Path(path).parts[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = [*base, *([node.module] if node.module else [])]
            yield from ((node.lineno, ".".join([*module, alias.name])) for alias in node.names)


def against_the_rule(path, text):
    """Places where a file of one wing imports a wing, or another part of karat, that it must not know."""
    wing, tree = Path(path).parts[0], ast.parse(text)
    found = []
    for line, name in imported(path, tree):
        if name.split(".")[0] == "karat" and (*name.split("."), "")[1] not in MAY_IMPORT[wing] | {wing}:
            found.append(f"{path}:{line} imports {name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            found.append(f"{path}:{node.lineno} imports what cannot be read from the source")
    return found


def test_wings_import_only_what_the_design_allows():
    assert len(SOURCES) > 50
    assert [place for path, text in SOURCES.items() for place in against_the_rule(path, text)] == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("refimpl/ops/a.py", "from ...kernels import gemm"),
        ("refimpl/a.py", "def f():\n    import karat.convert.mil"),
        ("refimpl/a.py", "from karat.app.cli import main"),
        ("kernels/a.py", "from ..convert.mil import package"),
        ("kernels/a.py", "from .. import convert"),
        ("convert/mil/ops/a.py", "from ....app import cli"),
        ("convert/mil/__init__.py", "from ...kernels import plan"),
        ("convert/a.py", "from karat import kernels"),
        ("convert/a.py", "from .. import load"),  # the face leads everywhere
        ("convert/a.py", "import karat"),
        ("app/a.py", "from ..tests import networks"),
        ("app/a.py", "import importlib\nimportlib.import_module('karat.refimpl')"),
    ],
)
def test_an_import_against_the_rule_is_caught(path, text):
    assert len(against_the_rule(path, text)) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("refimpl/ops/a.py", "from ..errors import BadInput\nfrom . import conv2d\nimport numpy as np"),
        ("kernels/a.py", "from ..refimpl.ops import conv2d\nfrom .. import refimpl"),
        (
            "convert/mil/ops/a.py",
            "from ....refimpl import errors\nfrom .registry import operator\nimport torch",
        ),
        ("app/report/a.py", "from ...kernels import plan\nfrom ...convert import mil\nfrom ..cli import main"),
    ],
)
def test_an_import_along_the_rule_is_let_through(path, text):
    assert against_the_rule(path, text) == []


def test_wings_import_karat_relatively():
    absolute = [
        f"{path}:{node.lineno}"
        for path, text in SOURCES.items()
        for node in ast.walk(ast.parse(text))
        if (isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == "karat")
        or (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "karat" for alias in node.names))
    ]
    assert absolute == []


def foreign(path, text):
    """What a file imports beyond NumPy, the standard library and karat; safetensors may come inside a function."""
    tree = ast.parse(text)
    lazy = {
        id(node) for function in ast.walk(tree) if isinstance(function, ast.FunctionDef) for node in ast.walk(function)
    }
    known = {"karat", "numpy", *sys.stdlib_module_names}
    places = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            inside = {"safetensors"} if id(node) in lazy else set()
            for line, name in imported(path, ast.Module([node], [])):
                if name.split(".")[0] not in known | inside:
                    places[f"{path}:{line} imports {name.split('.')[0]}"] = None
    return list(places)


def test_refimpl_needs_numpy_only():
    files = [(path, text) for path, text in SOURCES.items() if path.startswith("refimpl/")]
    assert [place for path, text in files for place in foreign(path, text)] == []


@pytest.mark.parametrize(
    "text", ["import scipy.ndimage", "def f():\n    import torch", "from safetensors import safe_open"]
)
def test_a_foreign_import_is_caught(text):
    assert len(foreign("refimpl/a.py", text)) == 1
    assert foreign("refimpl/a.py", "def f():\n    from safetensors import safe_open") == []


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_packages_are_the_folders_that_hold_code():
    folders = {path.parent.relative_to(ROOT) for path in ROOT.glob("*/**/*.py")}
    shipped = {f for f in folders if f.parts[0] not in NOT_SHIPPED and not any(p.startswith(".") for p in f.parts)}
    names = {".".join(("karat", *folder.parts)) for folder in shipped}
    listed = project()["tool"]["setuptools"]["packages"]
    assert set(listed) == names | {"karat"}
    assert len(listed) == len(set(listed))


def test_every_folder_of_code_is_a_package():
    missing = [str(Path(path).parent) for path in SOURCES if not (ROOT / path).parent.joinpath("__init__.py").is_file()]
    assert missing == []


def test_package_data_is_there():
    data = project()["tool"]["setuptools"]["package-data"]
    for package, patterns in data.items():
        folder = ROOT.joinpath(*package.split(".")[1:])
        for pattern in patterns:
            assert list(folder.glob(pattern)), f"{package} lists {pattern}, and nothing is called so"


@pytest.mark.parametrize("name", ["setup.py", "conftest.py", "tests/__init__.py"])
def test_what_must_not_exist(name):
    assert not (ROOT / name).exists(), f"{name} would be shipped inside the package, or imported twice"


def test_one_version():
    assert project()["project"]["version"] == karat.__version__


def test_every_name_of_the_face_is_there():
    for name in karat.__all__:
        assert getattr(karat, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        karat.no_such_name  # noqa: B018 - the access itself is what fails


def loaded_after(statements, tmp_path):
    """Modules that a fresh interpreter holds after some statements, run outside the clone."""
    program = f"{statements}\nimport sys\nprint(' '.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_karat_is_light(tmp_path):
    loaded = loaded_after("import karat", tmp_path)
    assert loaded & (HEAVY | {"safetensors"}) == set()


def test_the_golden_reference_is_light(tmp_path):
    statements = "import karat, numpy\nkarat.load('zoo:quicksrnet-small-x2')(numpy.zeros((1, 3, 4, 4)))"
    loaded = loaded_after(statements, tmp_path)
    assert "numpy" in loaded
    assert loaded & HEAVY == set()


def long_functions(path, text, most=LONGEST_FUNCTION):
    """Functions of more lines than that; signature and docstring are not counted: they are as long as they must be."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = node.end_lineno - body[0].lineno + 1 if body else 0
            if lines > most:
                yield f"{path}:{node.lineno} {node.name} has {lines} lines"


def test_public_functions_and_classes_have_a_docstring():
    bare = []
    for path, text in SOURCES.items():
        for node in ast.parse(text).body:
            named = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            if named and not node.name.startswith("_") and not ast.get_docstring(node):
                bare.append(f"{path}:{node.lineno} {node.name}")
    assert bare == []


def test_files_and_functions_are_short():
    lengths = {path: text.count("\n") for path, text in SOURCES.items()}
    files = [f"{path} has {lines} lines" for path, lines in lengths.items() if lines > LONGEST_FILE]
    functions = [place for path, text in SOURCES.items() for place in long_functions(path, text)]
    assert files + functions == []


def test_a_long_function_is_caught():
    text = 'def f(\n    a,\n):\n    """Two\n    lines"""\n    b = a\n    return b'
    assert list(long_functions("a.py", text, most=1)) == ["a.py:1 f has 2 lines"]
    assert list(long_functions("a.py", text, most=2)) == []


def test_no_unfinished_work():
    marks = ("TO" + "DO", "FIX" + "ME", "raise NotImplemented", "fastmath=True")
    assert [f"{path}: {mark}" for path, text in SOURCES.items() for mark in marks if mark in text] == []


def test_every_wing_stands_alone(tmp_path):
    for wing in MAY_IMPORT:
        if (ROOT / wing).is_dir():
            loaded_after(f"import karat.{wing}", tmp_path)
