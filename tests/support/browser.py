"""A real browser without a network: what a page does when somebody opens it from disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Debian's Chromium; skip the test where it is missing."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        try:
            yield found
        finally:
            found.close()


@dataclass
class Opened:
    """A page, and what went wrong while it was opened."""

    page: Page
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def texts(self, selector: str) -> list[str]:
        return [str(text) for text in self.page.locator(selector).all_inner_texts()]


@contextmanager
def opened(
    chromium: Browser, path: Path, *, width: int = 1100, scheme: Any = "light"
) -> Iterator[Opened]:
    """Open a file, with the network off: one after another in the same page, since a new one takes long to start."""
    context = chromium.contexts[0] if chromium.contexts else chromium.new_context(offline=True)
    page = context.pages[0] if context.pages else context.new_page()
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(media="null", color_scheme=scheme)
    page.set_default_timeout(5_000)
    result = Opened(page)
    listeners = {
        "console": lambda message: result.messages.append(message.text),
        "pageerror": lambda error: result.messages.append(str(error)),
        "request": lambda request: result.requests.append(request.url),
    }
    for event, listener in listeners.items():
        page.on(event, listener)
    try:
        page.goto(path.resolve().as_uri())
        yield result
    finally:
        for event, listener in listeners.items():
            page.remove_listener(event, listener)


# Relative luminance and contrast as in WCAG 2.2.
_CONTRAST = """() => {
  const parse = text => (text.match(/[0-9.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const part = [r, g, b].map(x => { x /= 255; return x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const behind = item => {
    for (; item; item = item.parentElement) {
      const color = parse(getComputedStyle(item).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const item of document.querySelectorAll('body *')) {
    const own = [...item.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    const box = item.getBoundingClientRect();
    if (!own || !box.width || item.closest('title, desc')) continue;
    const style = getComputedStyle(item);
    const ink = parse(item instanceof SVGElement ? style.fill : style.color).slice(0, 3);
    const pair = [light(ink), light(behind(item))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) found.push(`${item.tagName} ${item.textContent.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return found;
}"""


# Size on the screen of the smallest text of a picture, whatever the picture is scaled by.
_SMALLEST_TEXT = """() => Math.min(...[...document.querySelectorAll('svg text')].map(
  text => parseFloat(getComputedStyle(text).fontSize) * Math.min(text.getScreenCTM().a, text.getScreenCTM().d)
))"""
# A4 with the browser's margins, at 96 pixels an inch.
PRINTED_WIDTH = 718


def check_page(chromium: Browser, path: Path) -> None:
    """Assert that a page stands alone, is legible and can be used without seeing or a mouse."""
    for width, scheme in ((1100, "light"), (400, "light"), (400, "dark")):
        with opened(chromium, path, width=width, scheme=scheme) as shown:
            page = shown.page
            assert shown.messages == []
            assert shown.requests == [path.resolve().as_uri()]
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.evaluate("document.querySelectorAll('details').forEach(x => x.open = true)")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(_CONTRAST) == []
            assert page.evaluate(_SMALLEST_TEXT) >= 11
            pictures = page.locator("svg[role=img]")
            assert pictures.count() >= 1
            for index in range(pictures.count()):
                picture = pictures.nth(index)
                for name in str(picture.get_attribute("aria-labelledby")).split():
                    assert page.locator(f"[id='{name}']").count() == 1
                    assert page.locator(f"[id='{name}']").text_content()
            assert page.locator("figure").count() == page.locator("figure details table").count()
            assert page.locator("h1").count() == 1
            ids = page.evaluate("[...document.querySelectorAll('[id]')].map(x => x.id)")
            assert len(ids) == len(set(ids))
            inside = page.evaluate(
                "[...document.querySelectorAll('a[href^=\"#\"]')].map(x => x.getAttribute('href'))"
            )
            assert {link[1:] for link in inside} <= set(ids)
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.tagName") == "A"
