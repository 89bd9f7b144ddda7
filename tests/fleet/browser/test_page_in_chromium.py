"""The fleet's page in a real browser, offline: nothing overflows, every text can be read, nothing is loaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from olivepress.fleet.page import status_html
from olivepress.registry.signatures import signature_path
from tests.compare.browser.conftest import CHROMIUM, MISSING, QUIET
from tests.fleet.conftest import INCOMING, Desk, desk, new_fleet
from tests.ui.browser.test_ui_in_chromium import CONTRAST, OVERFLOW

__all__ = ["desk"]
playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(MISSING, reason="chromium is not installed")]

LONG = "gateways of the northern warehouses, second generation, 2024"  # 60 characters, as long as a class may be
CLASSES = {"kiosk": 60, "laptop": 12, LONG: 3}
RATES = {"kiosk": 20.0, "laptop": 45.0, LONG: 8.0}


def fill(desk: Desk) -> None:
    """Two releases, the second slower on laptops; outliers, silent machines, a copied key, refused files."""
    names = {name: [f"{name[0]}{number:03d}" for number in range(count)] for name, count in CLASSES.items()}
    lines = [f'{machine},"{name}",canary' for name, machines in names.items() for machine in machines]
    new_fleet("\n".join(["machine,class,ring", *lines]))
    _send(desk, names, 1.0, silent=0)
    desk.release("d")
    _send(desk, names, 0.8, silent=2)
    copy = desk.send("k003", "copy", decode_tps=3.0, processor="aarch64-other-4c", created_at="2026-11-24T08:00:00Z")
    again = INCOMING / f"{'again-' * 20}.report.zip"
    shutil.copyfile(copy, again)
    shutil.copyfile(signature_path(copy), signature_path(again))
    for number in range(5):
        (INCOMING / f"<b>junk-{number}.report.zip").write_bytes(b"x")
    desk.receive()


def _send(desk: Desk, names: dict[str, list[str]], laptops: float, silent: int) -> None:
    for name, machines in names.items():
        for number, machine in enumerate(machines[: len(machines) - silent]):
            rate = RATES[name] * (1 + number % 7 / 100) * (laptops if name == "laptop" else 1.0)
            desk.send(machine, decode_tps=rate / 3 if machine == "k005" else rate)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


def test_it_is_readable_in_both_schemes_and_sizes(desk: Desk, browser: Any) -> None:
    fill(desk)
    status = desk.status()
    assert (status.decision, len(status.classes), len(status.refused), len(status.notes)) == ("stop", 3, 6, 1)
    page_file = Path("page.html").absolute()
    page_file.write_text(status_html(status), encoding="utf-8")
    for scheme in ("light", "dark"):
        for width, height in ((1280, 900), (390, 844)):
            context = browser.new_context(
                offline=True, color_scheme=scheme, viewport={"width": width, "height": height}
            )
            page, messages, asked = context.new_page(), list[str](), list[str]()
            page.on("console", lambda message, messages=messages: messages.append(message.text))
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.goto(page_file.as_uri())
            assert (messages, asked) == ([], [page_file.as_uri()])
            assert page.evaluate(OVERFLOW) <= 0, (scheme, width)
            assert page.evaluate(CONTRAST) == [], (scheme, width)
            assert page.locator("figure svg:visible").count() == 3
            if folder := os.environ.get("OLIVEPRESS_SCREENSHOTS"):
                page.screenshot(path=str(Path(folder, f"fleet-{width}-{scheme}.png")), full_page=True)
            context.close()
