from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tintype.jobs import failure
from tintype.jobs.failure import Ending, failure_reason, out_of_memory_kills, was_out_of_memory

SCRIPT = """import json

def main():
    json.loads("{")

main()
"""


def said_by(tmp_path: Path, content: str, *arguments: str) -> Ending:
    """What a real run of a script says."""
    (tmp_path / "hpo.py").write_text(content)
    ran = subprocess.run(
        [sys.executable, "hpo.py", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    return Ending(ran.returncode, [*ran.stdout.splitlines(), *ran.stderr.splitlines()])


def reason(ending: Ending, tmp_path: Path) -> str:
    return failure_reason(ending, tmp_path / "failure")


def test_an_exception_with_the_scripts_own_line(tmp_path: Path) -> None:
    text = reason(said_by(tmp_path, SCRIPT), tmp_path)
    assert text.startswith("the script ended with exit code 1: json.decoder.JSONDecodeError: Expecting property name")
    assert text.endswith("(hpo.py, line 6)") or text.endswith("(hpo.py, line 4)")


def test_lines_of_a_log_with_their_stamps() -> None:
    lines = [
        "2026-11-21T11:00:00.123Z Traceback (most recent call last):",
        '2026-11-21T11:00:00.123Z   File "/home/x/code/hpo.py", line 12, in main',
        "2026-11-21T11:00:00.123Z     model(x)",
        '2026-11-21T11:00:00.123Z   File "/home/x/.venv/lib/site-packages/torch/nn/module.py", line 99, in __call__',
        "2026-11-21T11:00:00.123Z     raise ValueError()",
        "2026-11-21T11:00:00.123Z RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)",
        "2026-11-21T11:00:01.000Z a worker says goodbye",
    ]
    assert failure_reason(Ending(1, lines), Path("/nowhere")) == (
        "the script ended with exit code 1: RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5) "
        "(hpo.py, line 12)"
    )


def test_a_watched_scripts_own_line_is_told_and_not_the_watchers() -> None:
    watcher = Path(failure.__file__).parents[1] / "profiler" / "torch_spans.py"
    lines = [
        "Traceback (most recent call last):",
        '  File "/home/x/code/hpo.py", line 12, in main',
        f'  File "{watcher}", line 265, in timed',
        "RuntimeError: no",
    ]
    assert failure_reason(Ending(1, lines), Path("/nowhere")).endswith("RuntimeError: no (hpo.py, line 12)")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("raise ValueError('no such breed')", "exit code 1: ValueError: no such breed (hpo.py, line 1)"),
        ("import argparse\nargparse.ArgumentParser().parse_args(['--x'])", "exit code 2: hpo.py: error: unrecognized"),
        (
            "import torch.distributed as dist\ndist.init_process_group('gloo')\nraise ValueError('no such breed')",
            "exit code 1: ValueError: no such breed (hpo.py, line 3)",
        ),
        ("print('bad data', flush=True)\nraise SystemExit(3)", "exit code 3; its last line: bad data"),
        ("import os\nos.abort()", "ended by SIGABRT"),
    ],
)
def test_torchrun_is_not_spoken_of(tmp_path: Path, script: str, said: str) -> None:
    (tmp_path / "hpo.py").write_text(script)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "hpo.py"]
    ran = subprocess.run(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert said in reason(Ending(ran.returncode, ran.stdout.splitlines()), tmp_path)


def test_what_a_data_loaders_worker_failed_over(tmp_path: Path) -> None:
    script = """
        from torch.utils.data import DataLoader, Dataset

        class Photos(Dataset):
            def __len__(self):
                return 4

            def __getitem__(self, index):
                raise OSError("image file is truncated (9 bytes not processed)")

        if __name__ == "__main__":
            list(DataLoader(Photos(), num_workers=1))
    """
    text = reason(said_by(tmp_path, textwrap.dedent(script)), tmp_path)
    assert text.endswith("OSError: image file is truncated (9 bytes not processed) (hpo.py, line 9)")


def test_all_of_a_message_of_several_lines(tmp_path: Path) -> None:
    script = "import torch\ntorch.nn.Linear(3, 2).load_state_dict(torch.nn.Linear(4, 2).state_dict())\n"
    text = reason(said_by(tmp_path, script), tmp_path)
    assert "RuntimeError: Error(s) in loading state_dict for Linear: size mismatch for weight: copying a param" in text
    assert text.endswith("(hpo.py, line 2)")


def test_a_long_message_does_not_hide_its_place(tmp_path: Path) -> None:
    text = reason(said_by(tmp_path, "raise ValueError('long ' * 2000)\n"), tmp_path)
    assert text.endswith("… (hpo.py, line 1)")
    assert len(text) <= failure.LONGEST


def test_a_group_of_exceptions(tmp_path: Path) -> None:
    text = reason(said_by(tmp_path, "raise ExceptionGroup('many', [ValueError('a'), OSError('b')])\n"), tmp_path)
    assert text.startswith("the script ended with exit code 1: ExceptionGroup: many (2 sub-exceptions)")
    assert "| ValueError: a" in text
    assert text.endswith("(hpo.py, line 1)")


def test_a_syntax_error(tmp_path: Path) -> None:
    assert "SyntaxError" in reason(said_by(tmp_path, "x = (\n"), tmp_path)
    assert "(hpo.py, line 1)" in reason(said_by(tmp_path, "x = (\n"), tmp_path)


def test_an_argument_that_the_script_does_not_know(tmp_path: Path) -> None:
    script = "import argparse\nargparse.ArgumentParser().parse_args()\n"
    text = reason(said_by(tmp_path, script, "--lr", "0.1"), tmp_path)
    assert text == "the script ended with exit code 2: hpo.py: error: unrecognized arguments: --lr 0.1"


@pytest.mark.parametrize(("code", "name"), [(-11, "SIGSEGV"), (139, "SIGSEGV"), (-9, "SIGKILL"), (137, "SIGKILL")])
def test_signals_by_name(code: int, name: str, tmp_path: Path) -> None:
    assert reason(Ending(code, ["epoch 3"]), tmp_path) == f"the script was ended by {name}; its last line: epoch 3"


def test_out_of_memory_is_said(tmp_path: Path) -> None:
    assert "ran out of memory" in reason(Ending(-9, ["epoch 3"], out_of_memory=True), tmp_path)
    assert was_out_of_memory(-9, False, 3, 4)
    assert not was_out_of_memory(-9, True, 3, 4)
    assert not was_out_of_memory(-9, False, 3, 3)
    assert not was_out_of_memory(1, False, 3, 4)


def test_the_kernels_count(tmp_path: Path) -> None:
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    assert out_of_memory_kills(proc, cgroups) == 0
    (proc / "self").mkdir(parents=True)
    (proc / "vmstat").write_text("nr_free_pages 12\noom_kill 2\n")
    assert out_of_memory_kills(proc, cgroups) == 2
    (proc / "self" / "cgroup").write_text("0::/user/job\n")
    (cgroups / "user" / "job").mkdir(parents=True)
    (cgroups / "user" / "job" / "memory.events").write_text("low 0\noom 1\noom_kill 1\n")
    assert out_of_memory_kills(proc, cgroups) == 1
    assert out_of_memory_kills() >= 0


def test_what_the_script_wrote_counts_most_and_is_cut(tmp_path: Path) -> None:
    (tmp_path / "failure").write_text("Exception during training: " + "x" * 5000)
    text = reason(Ending(1, ["Traceback (most recent call last):", "ValueError: other"]), tmp_path)
    assert text.startswith("Exception during training: xxx")
    assert len(text) <= 1024


def test_a_failure_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "failure").write_bytes(b"\xff\xfe\x00bad")
    assert "bad" in reason(Ending(1), tmp_path)
    (tmp_path / "failure").unlink()
    (tmp_path / "failure").mkdir()
    assert reason(Ending(3), tmp_path) == "the script ended with exit code 3 and said nothing"


def test_weights_that_could_not_be_downloaded(tmp_path: Path) -> None:
    lines = [
        'Downloading: "https://example.invalid/resnet18-1.pth" to /root/.cache/torch/hub/checkpoints/resnet18-1.pth',
        "Traceback (most recent call last):",
        '  File "/x/hpo.py", line 3, in net',
        "urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>",
    ]
    text = reason(Ending(1, lines), tmp_path)
    assert "URLError" in text
    assert text.endswith("put the file there yourself, as /root/.cache/torch/hub/checkpoints/resnet18-1.pth")
    assert "there yourself" not in reason(Ending(1, [*lines[:1], lines[1], "ValueError: other"]), tmp_path)


def test_weights_whose_download_the_script_itself_gave_up() -> None:
    lines = [
        'Downloading: "https://example.invalid/resnet34-1.pth" to /weights/hub/checkpoints/resnet34-1.pth',
        "oops <urlopen error [Errno -2] Name or service not known>",
    ]
    assert failure_reason(Ending(1, lines), Path("/nowhere")).endswith(
        "put the file there yourself, as /weights/hub/checkpoints/resnet34-1.pth"
    )


@pytest.mark.parametrize(
    "last",
    [
        "urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>",
        "huggingface_hub.errors.LocalEntryNotFoundError: we cannot find the requested files in the local cache.",
        "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='x'): Max retries exceeded with url: /",
    ],
)
def test_something_from_a_network_that_does_not_answer(last: str) -> None:
    lines = ["Traceback (most recent call last):", '  File "/job/code/hpo.py", line 2, in <module>', last]
    text = failure_reason(Ending(1, lines), Path("/nowhere"))
    assert last in text
    assert "a network that did not answer: put it here before" in text


def test_a_channel_that_the_job_does_not_have(tmp_path: Path) -> None:
    text = reason(said_by(tmp_path, "import os\nos.environ['SM_CHANNEL_TRAIN']\n"), tmp_path)
    assert text == (
        "the script ended with exit code 1: KeyError: 'SM_CHANNEL_TRAIN' (hpo.py, line 2); "
        "the job has no channel 'train', which the script expects"
    )


def test_a_module_that_is_not_there(tmp_path: Path) -> None:
    text = reason(said_by(tmp_path, "import no_such_package\n"), tmp_path)
    assert "No module named 'no_such_package' (hpo.py, line 1)" in text
    assert "requirements.txt beside the script" in text
    assert "--source-dir" in text


def test_opt_ml_gets_advice_where_it_could_not_be_made(tmp_path: Path) -> None:
    lines = ["Traceback (most recent call last):", "FileNotFoundError: [Errno 2] No such file: '/opt/ml/model/x' " * 30]
    text = reason(Ending(1, lines, opt_ml="there is no folder /opt"), tmp_path)
    assert "SM_MODEL_DIR" in text
    assert text.endswith("(there is no folder /opt)")
    assert len(text) <= 1024
    assert "SM_MODEL_DIR" not in reason(Ending(1, lines), tmp_path)
