from __future__ import annotations

import importlib.util
import json
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_documents_are_what_is_declared() -> None:
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "scripts" / "make_docs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for path, content in module.documents().items():
        assert path.read_text("utf-8") == content, "run scripts/make_docs.py"


def test_every_figure_is_documented() -> None:
    text = (ROOT / "docs" / "output.md").read_text("utf-8")
    for path in (ROOT / "metrics").glob("**/*.json"):
        for key in json.loads(path.read_text("utf-8")):
            name = key.removeprefix("num_")
            assert f"`{key}`" in text or f"`{name}`" in text, f"{path.name}: {key}"
