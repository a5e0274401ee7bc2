"""The package imports nothing in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"


def imports(path: Path) -> Iterator[str]:
    """Yield the modules of ours that a module imports, inside functions too."""
    tree = ast.parse(path.read_text("utf-8"))
    for_types = {
        item
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for item in node.body
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node not in for_types:
            if node.module.startswith("ensembl_annotations."):
                yield node.module
            yield from (f"{node.module}.{item.name}" for item in node.names)


def test_no_modules_import_one_another_in_a_circle() -> None:
    """Nor by an import inside a function, which a circle would need."""
    paths = {
        path.relative_to(SOURCE).with_suffix("").as_posix().replace("/", "."): path
        for path in SOURCE.glob("ensembl_annotations/*/**/*.py")
        if path.name != "__init__.py"
    }
    graph = {name: set(imports(path)) & paths.keys() for name, path in paths.items()}
    assert list(TopologicalSorter(graph).static_order())
