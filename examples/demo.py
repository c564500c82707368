"""`make demo`: the whole workflow on real images, offline, leaving nothing running.

scikit-learn brings 1,797 scans of handwritten digits (8×8 pixels, from the UCI repository). They are written out as
an image folder, one sub-folder a class, as anybody's photos would be; then Tintype does its work on the folder.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

OUTPUT = Path("demo-output")
ENLARGED = 4                    # 8×8 scans become 32×32 images
ASKED = 10                      # images sent to the endpoint
NAME = "digits-demo"


def write_digits(folder: Path) -> list[Path]:
    """Write the scans as `<folder>/images/<digit>/<number>.png`; some are kept aside, to ask about afterwards."""
    scans, labels = load_digits(return_X_y=True)
    kept: list[Path] = []
    for number, (scan, label) in enumerate(zip(scans, labels, strict=True)):
        pixels = (scan.reshape(8, 8) * (255 / 16)).astype(np.uint8)
        image = Image.fromarray(pixels).resize((8 * ENLARGED, 8 * ENLARGED), Image.Resampling.BICUBIC)
        aside = number >= len(scans) - ASKED
        path = folder / ("unseen" if aside else "images") / str(label) / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
        if aside:
            kept.append(path)
    return kept


def main() -> int:
    """Make the folder, run the workflow, ask the endpoint, delete it."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    unseen = write_digits(OUTPUT)
    print(f"wrote scikit-learn's handwritten digits to {OUTPUT / 'images'}", flush=True)
    tintype = [sys.executable, "-m", "tintype"]
    home = ["--home", str(OUTPUT / "home")]
    command = [*tintype, "run", str(OUTPUT / "images"), "--name", NAME, "--trials", "4", "--epochs", "8", *home]
    for path in unseen:
        command += ["--predict", str(path)]
    print("$ tintype " + " ".join(command[3:]), flush=True)
    done = subprocess.run(command, check=False)
    if done.returncode == 0:
        done = subprocess.run([*tintype, "endpoints", "delete", NAME, *home], check=False)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
