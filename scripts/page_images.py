"""Take the pictures of the documentation: the first screen of a comparison's page, on a desk and on a phone, and the
local page of the fine-tune.

    python scripts/page_images.py [runs/tiny-phi/report/report.html [docs/images]]

The page is that of ``olivepress demo`` unless another is named. Needs Chromium; writes docs/images/report*.png, and
ui.png where the page lies beside the run that it is of.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from olivepress.core.privacy import child_environment

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
                picture = _take(browser, page.resolve().as_uri(), scheme, width, height)
                written.append(_write(picture, out / f"{name}{ending}.png"))
        recipe = page.resolve().parents[1]
        if (recipe / "finetune").is_dir():
            with _local_pages(recipe.parents[1]) as address:
                picture = _take(browser, f"{address}runs/{recipe.name}/jobs/finetune", "light", *SIZES["report"])
                written.append(_write(picture, out / "ui.png"))
        browser.close()
    return written


@contextlib.contextmanager
def _local_pages(project: Path) -> Iterator[str]:
    """The address of ``olivepress ui`` over the folder."""
    command = [sys.executable, "-c", "from olivepress.cli.main import main; main()", "ui", "--json"]
    with subprocess.Popen(command, cwd=project, env=child_environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()


def _take(browser: Any, address: str, scheme: str, width: int, height: int) -> bytes:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
    opened = context.new_page()
    answer = opened.goto(address)
    if answer is not None and not answer.ok:
        raise SystemExit(f"{address}: {answer.status} {answer.status_text}; expected the page of a finished fine-tune")
    picture: bytes = opened.screenshot()
    context.close()
    return picture


def _write(picture: bytes, path: Path) -> Path:
    path.write_bytes(_small(picture))
    return path


def _small(picture: bytes) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    print("\n".join(str(path) for path in main(*map(Path, sys.argv[1:3]))))
