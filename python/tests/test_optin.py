"""The package, on the pipelines of the repository."""

import json
import pathlib
import threading

import pytest

import optin

ROOT = pathlib.Path(__file__).parents[2]
QUICKSTART = ROOT / "pipelines" / "quickstart.yaml"


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def record(out):
    return optin.run(QUICKSTART, out=out, as_of="2026-11-24")


def test_a_run_gives_its_record(record, out):
    written = json.loads(next(out.rglob("run.json")).read_text())
    assert written == dict(record)
    assert record["pipeline"] == "quickstart" and record.warnings == []
    assert repr(record).startswith("<run of quickstart")
    assert repr(record.exports["newsletter"]).startswith("<newsletter: ")


def test_exports_are_frames(record):
    polars = pytest.importorskip("polars")
    for written in record.exports.values():
        frame = written.frame()
        assert isinstance(frame, polars.DataFrame)
        assert frame.height == written.rows
        assert frame.equals(polars.read_csv(written.path, infer_schema=False))


def test_types_are_kept(tmp_path):
    polars = pytest.importorskip("polars")
    record = optin.run(ROOT / "pipelines" / "contoso.yaml", out=tmp_path, report=False)
    profiles = record.outputs["profiles"].frame()
    assert profiles.equals(polars.read_parquet(record.outputs["profiles"].path))
    assert profiles.schema["revenue"] == polars.Decimal(38, 2)


def test_faults_are_raised_with_their_places(tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text(QUICKSTART.read_text().replace("../data", str(ROOT / "data")).replace("segments:", "segmets:"))
    for ask in (optin.check, optin.run):
        with pytest.raises(optin.OptinError) as told:
            ask(broken)
        assert "segmets" in str(told.value)
        assert told.value.codes and told.value.faults[0]["code"] == told.value.codes[0]
    with pytest.raises(ValueError):
        optin.run(QUICKSTART, as_of="yesterday")


def test_check_and_why(record):
    assert optin.check(QUICKSTART) == []
    told = optin.why(QUICKSTART, "email=holly@contoso.com", as_of="2026-11-24")
    assert json.dumps(told).count("newsletter") > 0
    with pytest.raises(optin.OptinError):
        optin.why(QUICKSTART, "shoe_size=44")


def test_other_threads_go_on(tmp_path):
    seen = []
    runs = [threading.Thread(target=lambda at=at: seen.append(optin.run(QUICKSTART, out=tmp_path / str(at)))) for at in range(3)]
    [run.start() for run in runs]
    [run.join() for run in runs]
    assert len(seen) == 3 and all(one["account"] == seen[0]["account"] for one in seen)
