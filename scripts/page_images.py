"""Take the pictures of the documentation: the first screen of a comparison's page, on a desk and on a phone.

    python scripts/page_images.py [runs/tiny-phi/report/report.html [docs/images]]

The page is that of ``olivepress demo`` unless another is named. Needs Chromium; writes docs/images/report*.png.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE, IMAGES = Path("runs/tiny-phi/report/report.html"), ROOT / "docs" / "images"
COLOURS = 128  # of a picture: a third of the bytes, and no difference to see
SIZES = {"report": (1440, 900), "report-phone": (390, 844)}
NAMES = {"light": "", "dark": "-dark"}


def main(page: Path = PAGE, out: Path = IMAGES) -> list[Path]:
    """Write a picture for each size and colour scheme; returns their paths."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or not page.is_file():
        raise SystemExit(f"{page if chromium else 'chromium'}: not here; next: olivepress demo, or install Chromium")
    written = []
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, (width, height) in SIZES.items():
            for scheme, ending in NAMES.items():
                picture = _take(browser, page, scheme, width, height)
                path = out / f"{name}{ending}.png"
                path.write_bytes(_small(picture))
                written.append(path)
        browser.close()
    return written


def _take(browser: Any, page: Path, scheme: str, width: int, height: int) -> bytes:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
    opened = context.new_page()
    opened.goto(page.resolve().as_uri())
    picture: bytes = opened.screenshot()
    context.close()
    return picture


def _small(picture: bytes) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    print("\n".join(str(path) for path in main(*map(Path, sys.argv[1:3]))))
