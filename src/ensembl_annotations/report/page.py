"""Fill in a page: a template of the caller's package around the common style."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2

_PACKAGE = "ensembl_annotations"


@cache
def _environment() -> jinja2.Environment:
    # Only a run that makes a page pays for it.
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _text(name: str) -> str:
    return files(_PACKAGE).joinpath(*name.split("/")).read_text("utf-8")


def render(template: str, **values: Any) -> str:
    """Return a page.

    Parameters
    ----------
    template : str
        Path of the template within the package, such as ``report/summary.html.j2``.
    **values
        What it names; text is escaped.
    """
    return _environment().get_template(template).render(style=_text("report/page.css"), **values)
