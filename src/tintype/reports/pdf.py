"""A report as PDF, printed by a browser that is on the machine: the same content, with the page's print styles."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tintype.errors import StorageFailed, Unsupported
from tintype.storage import write_named

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
FLAGS = ("--headless", "--disable-gpu", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--no-pdf-header-footer")  # fmt: skip
PATIENCE_SECONDS = 120.0


def write_pdf(page: Path, path: Path) -> Path:
    """Print the HTML file `page` to `path`.

    The page is one of ours and loads nothing, so the browser needs no sandbox, which root cannot have. Raises
    `Unsupported` when no browser of the Chromium family is installed, `StorageFailed` when it cannot print,
    `InvalidRequest` when nothing can be written at `path`.
    """
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        hint = "install one (on Debian: apt-get install chromium), or open the report and print it"
        raise Unsupported(f"a PDF is printed by Chromium or Chrome, and neither is on this machine; {hint}")
    with tempfile.TemporaryDirectory(prefix="tintype-") as scratch:
        printed = Path(scratch) / "report.pdf"
        words = (f"--user-data-dir={scratch}/profile", f"--print-to-pdf={printed}", page.absolute().as_uri())
        try:
            done = subprocess.run(
                [browser, *FLAGS, *words],
                capture_output=True,
                timeout=PATIENCE_SECONDS,
                check=False,
                env={**os.environ, "TMPDIR": scratch},      # it leaves folders behind
            )
        except subprocess.TimeoutExpired as error:
            raise StorageFailed(f"{browser} did not print {page} within {PATIENCE_SECONDS:g} seconds") from error
        if not printed.is_file():
            last = (done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise StorageFailed(f"{browser} could not print {page}: {last}")
        write_named(path, printed.read_bytes())
    return path
