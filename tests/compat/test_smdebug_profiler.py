"""smdebug's readers and charts under the names that notebooks use, over profiles of ours and of SageMaker's own."""

from __future__ import annotations

import cProfile
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlparse

import pytest
from smdebug.profiler import LocalSystemMetricsReader
from smdebug.profiler.algorithm_metrics_reader import LocalAlgorithmMetricsReader
from smdebug.profiler.analysis.notebook_utils.heatmap import Heatmap
from smdebug.profiler.analysis.notebook_utils.metrics_histogram import MetricsHistogram
from smdebug.profiler.analysis.notebook_utils.step_histogram import StepHistogram
from smdebug.profiler.analysis.notebook_utils.step_timeline_chart import StepTimelineChart
from smdebug.profiler.analysis.notebook_utils.timeline_charts import TimelineCharts
from smdebug.profiler.analysis.notebook_utils.training_job import TrainingJob
from smdebug.profiler.analysis.python_profile_analysis import PyinstrumentAnalysis, cProfileAnalysis
from smdebug.profiler.analysis.utils.merge_timelines import MergedTimeline, MergeUnit
from smdebug.profiler.analysis.utils.pandas_data_analysis import PandasFrameAnalysis, Resource, StatsBy
from smdebug.profiler.analysis.utils.profiler_data_to_pandas import PandasFrame
from smdebug.profiler.analysis.utils.pytorch_dataloader_analysis import PT_dataloader_analysis
from smdebug.profiler.python_profile_utils import PythonProfileModes
from smdebug.profiler.utils import TimeUnits

from tests.profiler.recordings import START
from tests.rules.profiles import Told
from tintype.profiler.phases import Phase


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("job") / "profiler-output"
    phases = {Phase.DATA_WAIT: 10.0, Phase.FORWARD: 20.0, Phase.BACKWARD: 30.0}
    Told(30.0, cpu=40.0, gpus=(50.0, 70.0), steps=100, phases=phases).write(root)
    return root


def test_events_in_the_unit_that_is_asked_for(profile: Path) -> None:
    reader = LocalSystemMetricsReader(str(profile))
    first, last = reader.get_timestamp_of_first_available_file(), reader.get_timestamp_of_latest_available_file()
    assert first / 1e6 == pytest.approx(START, abs=1)
    events = reader.get_events(first, last, event_type="cpu")
    assert {one.type for one in events} == {"cpu"}
    assert len(events) == len(reader.get_events(first / 1e6, last / 1e6, unit=TimeUnits.SECONDS, event_type="cpu"))
    assert events[0].timestamp == pytest.approx(first / 1e6)        # smdebug leaves the first one out


def test_steps_and_their_phases_are_trace_events(profile: Path) -> None:
    reader = LocalAlgorithmMetricsReader(str(profile))
    events = reader.get_events_by_step(3, 5)
    names = [one.event_name for one in events]
    assert names.count("Step:ModeKeys.TRAIN") == 2
    assert {"Forward", "Backward(post-forward)", "DataLoaderIter"} <= set(names)
    step = next(one for one in events if one.event_name == "Step:ModeKeys.TRAIN")
    assert step.duration == pytest.approx(60_000, rel=0.01)
    assert step.end_time - step.start_time == pytest.approx(step.duration)


def test_charts_as_the_seeds_call_them(profile: Path) -> None:
    system, framework = LocalSystemMetricsReader(str(profile)), LocalAlgorithmMetricsReader(str(profile))
    chart = TimelineCharts(system, framework_metrics_reader=None, select_dimensions=["CPU", "GPU"],
                           select_events=["total"])  # fmt: skip
    assert "<svg" in chart._repr_html_()
    assert chart.html.count("<h4>") >= 2
    both = TimelineCharts(system, framework)
    assert "Step:ModeKeys.TRAIN" in both.find_time_annotations([2, 10])
    assert both.plot_detailed_profiler_data([2, 10])
    assert "<svg" in StepTimelineChart(framework).html
    histogram = StepHistogram(framework)
    histogram.plot()
    assert len(histogram.step_metrics) == 3
    assert "<svg" in MetricsHistogram(system).plot(select_dimensions=["CPU"], select_events=["cpu0"])
    assert len(Heatmap(system, select_dimensions=["GPU.*"]).rows) >= 2


def test_frames_have_smdebugs_columns(profile: Path) -> None:
    frame = PandasFrame(str(profile))
    system, framework = frame.get_all_system_metrics(), frame.get_all_framework_metrics()
    assert list(system.columns) == [
        "timestamp", "timestamp_us", "value", "system_metric", "dimension", "nodeID", "type",
    ]  # fmt: skip
    assert {"framework_metric", "start_time_us", "step", "nodeID"} <= set(framework.columns)
    by_time, _ = frame.get_profiler_data_by_time(START * 1e6, (START + 5) * 1e6)
    assert 0 < len(by_time) < len(system)
    _, by_step = frame.get_profiler_data_by_step(2, 4, selected_framework_metrics=["Step:ModeKeys.TRAIN"])
    assert by_step["step"].tolist() == [2, 3]


def test_statistics(profile: Path) -> None:
    frame = PandasFrame(str(profile))
    analysis = PandasFrameAnalysis(frame.get_all_system_metrics(), frame.get_all_framework_metrics())
    job = analysis.get_job_statistics()
    assert job["number_of_steps"] == 100
    assert job["training_loop_duration_in_seconds"] == pytest.approx(6.0, rel=0.1)
    steps = analysis.get_step_statistics(by=StatsBy.TRAINING_PHASE)
    assert steps.loc["Step:ModeKeys.TRAIN", "50%"] == pytest.approx(60_000, rel=0.01)
    gpu = analysis.get_utilization_stats(resource=Resource.GPU)
    assert gpu.xs("GPUUtilization", level="dimension")["mean"].iloc[0] == pytest.approx(60.0)
    assert "Step:ModeKeys.TRAIN" in analysis.get_utilization_stats(Resource.CPU, StatsBy.TRAINING_PHASE).index.levels[3]
    usage = analysis.get_device_usage_stats(utilization_ranges=[(0, 60), (60, 100)])
    assert usage.set_index("resource").loc["cpu", "0-60"] == 100
    assert len(analysis.get_training_phase_intervals()) == 100


def test_how_batches_came(profile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    analysis = PT_dataloader_analysis(PandasFrame(str(profile)))
    assert len(analysis.analyze_dataloaderIter_initialization()) == 1
    assert len(analysis.analyze_dataloaderWorkers()) == 0
    assert len(analysis.analyze_dataloader_getnext()) == 0          # none stands out
    assert len(analysis.analyze_batchtime()) == 0
    said = capsys.readouterr().out
    assert "num_workers=0, pin_memory=False" in said
    assert "100 waits for a batch: median 10.00 ms" in said
    assert "100 steps: median 60.00 ms" in said
    assert "<svg" in analysis.plot_the_window(0, 5e6, select_dimensions=["CPU"]).html


def test_profiles_of_python_by_what_they_cover(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def dump(name: str) -> None:
        profiler = cProfile.Profile()
        profiler.runcall(sorted, range(10))
        folder = tmp_path / "framework" / "pytorch" / "cprofile" / "0-algo-1" / name
        folder.mkdir(parents=True)
        profiler.dump_stats(folder / "python_stats")

    dump("prestepzero-*-start-1000000_train-9-stepstart-2000000")
    dump("train-9-stepstart-2000000_train-9-stepend-3000000")
    dump("train-10-stepstart-3000000_train-10-stepend-4000000")
    dump("somebody-elses")
    analysis = cProfileAnalysis(str(tmp_path))
    frame = analysis.list_profile_stats()
    assert frame["start_step"].tolist() == [-1, 9, 10]
    assert frame["start_mode"].tolist()[0] == PythonProfileModes.PRE_STEP_ZERO
    both, one = analysis.fetch_profile_stats_by_step(9, 10), analysis.fetch_profile_stats_by_step(10)
    assert (both.ps.total_calls, one.ps.total_calls) == (2 * one.ps.total_calls, one.ps.total_calls)
    both.print_top_n_functions(n=3)
    assert "sorted" in capsys.readouterr().out
    assert analysis.fetch_profile_stats_by_step(99) is None
    assert analysis.fetch_profile_stats_by_time(1.5, 3.5).ps.total_calls == one.ps.total_calls
    assert analysis.fetch_pre_step_zero_profile_stats() is not None
    phases = analysis.fetch_profile_stats_by_job_phase()
    assert [name for name, found in phases.items() if found] == ["initialization", "training_loop"]
    assert list(analysis.fetch_profile_stats_by_training_phase()) == [(PythonProfileModes.TRAIN,) * 2]
    assert PyinstrumentAnalysis(str(tmp_path)).fetch_profile_stats_by_step(9) == []


def test_a_merged_timeline(profile: Path, tmp_path: Path) -> None:
    path = MergedTimeline(str(profile), output_directory=str(tmp_path)).merge_timeline(2, 4, unit=MergeUnit.STEP)
    events = json.loads(Path(path).read_text())["traceEvents"]
    assert 3 <= sum(one["name"] == "Step:ModeKeys.TRAIN" for one in events) <= 5        # and those that touch


class Bucket(BaseHTTPRequestHandler):
    """As much of S3 and of SageMaker as the readers ask for, over a folder."""

    root: Path
    asked: list[str]

    def do_POST(self) -> None:
        assert self.headers["X-Amz-Target"] == "SageMaker.DescribeTrainingJob"
        self.rfile.read(int(self.headers["Content-Length"]))
        config = {"S3OutputPath": "s3://bucket/out/"}
        self._answer(json.dumps({"TrainingJobStatus": "Completed", "ProfilerConfig": config}).encode())

    def do_GET(self) -> None:
        url = urlparse(self.path)
        given = parse_qs(url.query)
        self.asked.append(url.path)
        if "list-type" in given:
            prefix = given["prefix"][0]
            found = [path for path in sorted(self.root.rglob("*")) if path.is_file()]
            items = "".join(
                f"<Contents><Key>{prefix}{path.relative_to(self.root)}</Key><Size>{path.stat().st_size}</Size></Contents>"
                for path in found
            )
            self._answer(f"<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>".encode())
        else:
            self._answer((self.root / re.sub(r".*/profiler-output/", "", unquote(url.path))).read_bytes())

    def do_HEAD(self) -> None:
        path = self.root / re.sub(r".*/profiler-output/", "", unquote(urlparse(self.path).path))
        self.send_response(200)
        self.send_header("Content-Length", str(path.stat().st_size))
        self.end_headers()

    def _answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def endpoint(profile: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Bucket]]:
    handler = type("OurBucket", (Bucket,), {"root": profile, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}", "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    yield handler
    server.shutdown()
    server.server_close()


def test_a_job_by_its_name_through_the_api(endpoint: type[Bucket], capsys: pytest.CaptureFixture[str]) -> None:
    job = TrainingJob("mine", "us-east-1")
    job.wait_for_sys_profiling_data_to_be_available()
    assert "is available" in capsys.readouterr().out
    assert job.profiler_s3_output_path == "s3://bucket/out/mine/profiler-output"
    reader = job.get_systems_metrics_reader()
    before = len(endpoint.asked)
    reader.refresh_event_file_list()
    assert len(endpoint.asked) == before + 1                # a list, and no file that has not grown
    assert reader.get_events(0, 1e18)
    assert "<svg" in TimelineCharts(reader, select_dimensions=["CPU"], select_events=["total"]).html
    job.wait_for_framework_profiling_data_to_be_available()
    assert job.get_framework_metrics_reader().get_events_by_step(0, 1)
