"""The source tree: unique names, visible borders between packages, tests in the same places as the code."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SWEEP, TESTS = ROOT / "sweep", ROOT / "tests"
ROOMS_OF_TESTS = {"end_to_end", "faults"}
"""Rooms of tests of the whole program."""
TENSORFLOW = {"tf_batches.py", "tf_converters.py", "tf_determinism.py", "tf_export_comparison.py", "tf_gradcam.py"}
COMMANDS = {
    f"{name}.py"
    for name in (
        "run", "check", "status", "show", "diff", "report", "sync", "repair",
        "reproduce", "doctor", "finalize", "predict", "export",
    )
}  # fmt: skip


def modules() -> Iterator[Path]:
    return SWEEP.rglob("*.py")


def public_definitions(path: Path) -> Iterator[str]:
    """Yield functions, classes and type aliases, without constants in capitals."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name) and not target.id.isupper()]
        yield from (name for name in names if not name.startswith("_"))


def imported_packages(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def several(places: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: sorted(found) for name, found in places.items() if len(found) > 1}


def test_names_of_public_classes_functions_and_types_are_unique() -> None:
    places = defaultdict(list)
    for path in modules():
        for name in public_definitions(path):
            places[name].append(str(path.relative_to(SWEEP)))
    assert several(places) == {}


def test_file_names_are_unique_except_those_of_a_command_and_its_body() -> None:
    places = defaultdict(list)
    for path in modules():
        if path.name != "__init__.py":
            places[path.name].append(str(path.relative_to(SWEEP)))
    assert set(several(places)) == COMMANDS
    for name in COMMANDS:
        assert sorted(places[name]) == sorted([f"commands/{name}", name])


def test_modules_that_import_tensorflow_have_tf_in_their_name() -> None:
    importing = {path.name for path in modules() if "tensorflow" in imported_packages(path)}
    named = {path.name for path in modules() if path.name.startswith("tf_")}
    assert importing == named == TENSORFLOW


def test_only_the_room_of_pictures_draws_with_matplotlib() -> None:
    drawing = {path.parent.name for path in modules() if "matplotlib" in imported_packages(path)}
    assert drawing == {"pictures"}


def test_the_tests_have_the_rooms_of_the_code() -> None:
    rooms = {path.name for path in SWEEP.iterdir() if (path / "__init__.py").is_file()}
    tested = {path.name for path in TESTS.iterdir() if any(path.glob("test_*.py"))}
    assert tested - ROOMS_OF_TESTS == rooms


def test_the_mlflow_folder_is_not_a_package_that_would_hide_the_installed_one() -> None:
    assert not (ROOT / "mlflow" / "__init__.py").exists()
