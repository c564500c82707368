"""Runs in the SDK's environment: executes a notebook whole, where it lies.

    python run_notebook.py NOTEBOOK OUTPUT

The executed notebook is written to OUTPUT, whatever becomes of it; the error of the first cell that fails ends this.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

SECONDS_PER_CELL = 600          # others may use the machine too
CLOCK = Path(__file__).with_name("hurried_clock.py")


def main() -> None:
    path, output = Path(sys.argv[1]), Path(sys.argv[2])
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=[f"--IPKernelApp.exec_lines=__import__('runpy').run_path({str(CLOCK)!r})"],
    )
    try:
        client.execute()
    finally:
        nbformat.write(notebook, output)


if __name__ == "__main__":
    main()
