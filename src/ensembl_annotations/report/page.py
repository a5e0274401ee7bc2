"""Fill in a page: a template of the caller's package around the common style."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ensembl_annotations.common.words import printable

if TYPE_CHECKING:
    import jinja2

PAGE = "summary.html"
"""The page of an entry, in the folder of its report."""

_PACKAGE = "ensembl_annotations"
THOUSANDS = "\u202f"
"""Between the thousands of a number: a narrow space that does not break."""


@cache
def _environment() -> jinja2.Environment:
    # Only a run that makes a page pays for it.
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        finalize=_finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _finalize(value: Any) -> Any:
    # What is HTML already was made of visible text.
    return value if not isinstance(value, str) or hasattr(value, "__html__") else visible(value)


def visible(text: str) -> str:
    """Return a text for a page: as `printable` does, but for line ends and the spaces in numbers.

    Notes
    -----
    A VCF's names go into it. A control character makes an SVG no XML; a mark that turns the direction of text
    can have a value read as another.
    """
    return re.sub(f"[^\n{THOUSANDS}]+", lambda found: printable(found[0]), text)


def _text(name: str) -> str:
    return files(_PACKAGE).joinpath(*name.split("/")).read_text("utf-8")


def render(template: str, **values: Any) -> str:
    """Return a page.

    Parameters
    ----------
    template : str
        Path of the template within the package, such as ``report/summary.html.j2``.
    **values
        What it names; text is escaped, and made visible.
    """
    return _environment().get_template(template).render(style=_text("report/page.css"), **values)
