"""Bar charts as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, LABEL, BAR, ROW, TITLE = 780, 250, 380, 20, 34


@dataclass(frozen=True)
class Panel:
    """Bars under a heading: label, length, the text at the bar's end, whether it stands out."""

    title: str
    bars: Sequence[tuple[str, float, str, bool]]


def bar_charts(title: str, panels: Sequence[Panel]) -> str:
    """Return panels of horizontal bars, one below another; each has its own linear scale from 0."""
    parts = []
    y = 46
    for panel in panels:
        parts.append(f'<text class="h" x="16" y="{y + 14}">{escape(panel.title)}</text>')
        y += TITLE - 10
        longest = max((bar[1] for bar in panel.bars), default=0) or 1
        for label, value, text, strong in panel.bars:
            length = max(1.0, BAR * value / longest)
            parts.append(
                f'<text x="{LABEL - 6}" y="{y + 13}" text-anchor="end">{escape(label)}</text>'
                f'<rect class="{"a" if strong else "b"}" x="{LABEL}" y="{y + 2}" '
                f'width="{length:.1f}" height="{ROW - 6}"/>'
                f'<text x="{LABEL + length + 6:.1f}" y="{y + 13}">{escape(text)}</text>'
            )
            y += ROW
        y += 10
    style = (
        "text{font:12px sans-serif;fill:#222}.t{font-size:15px;font-weight:bold}"
        ".h{font-weight:bold}.a{fill:#1f77b4}.b{fill:#bbb}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" '
        f'height="{y}"><title>{escape(title)}</title><style>{style}</style>'
        f'<rect width="{WIDTH}" height="{y}" fill="#fff"/>'
        f'<text class="t" x="16" y="28">{escape(title)}</text>{"".join(parts)}</svg>\n'
    )
