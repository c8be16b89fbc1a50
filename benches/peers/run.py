"""One job in optin and in other engines, in turn: seconds, memory, and whether all give the same.

    optin generate --customers 1000000 DIR
    pip install duckdb polars pandas pyarrow scipy
    python benches/peers/run.py DIR --job one_segment --format parquet --runs 5

README.md says what the jobs are and what the others do not do. Each run is a process of its own,
so its start and its imports are in the time, and what this process holds is kept small: a child's
peak memory would never be less.
"""

import argparse
import csv
import datetime
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import jobs

HERE = pathlib.Path(__file__).resolve().parent
ERROR = re.compile(r"error|[\w.]*(Error|Exception)\b")  # how the line that says why begins
# What each engine needs; the first one's version is shown.
PEERS = {"duckdb": ["duckdb"], "polars": ["polars"], "pandas": ["pandas", "pyarrow", "scipy"]}


def parse():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=pathlib.Path, help="what `optin generate` wrote")
    arguments.add_argument("--job", choices=jobs.JOBS, default="one_segment")
    arguments.add_argument("--format", choices=["parquet", "csv"], default="parquet")
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--engines", default="optin,duckdb,polars,pandas")
    arguments.add_argument("--optin", default="optin", help="the program")
    arguments.add_argument("--timeout", type=float, default=900, help="seconds for each run")
    arguments.add_argument("--json", type=pathlib.Path, help="append the figures to this file")
    args = arguments.parse_args()
    args.engines = args.engines.split(",")
    if unknown := set(args.engines) - {"optin", *PEERS}:
        arguments.error(f"no such engine: {', '.join(sorted(unknown))}")
    if args.runs < 1:
        arguments.error("--runs is at least 1")
    return args


def missing(engine, optin):
    """What must be installed before the engine can run."""
    if engine == "optin":
        return [] if shutil.which(optin) else [optin]
    return [name for name in PEERS[engine] if not importlib.util.find_spec(name)]


def version(engine, optin):
    if engine == "optin":
        return subprocess.check_output([optin, "--version"], text=True).split()[-1]
    return importlib.metadata.version(PEERS[engine][0])


def duckdb_does(folder, what):
    """Has DuckDB convert or read, in a process of its own."""
    command = [sys.executable, HERE / "duckdb_jobs.py", folder, what]
    return subprocess.check_output(command, text=True).strip()


def timed(command, timeout):
    """Seconds, peak memory in MB, and why it failed, if it did."""
    with tempfile.TemporaryFile() as errors:
        since = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        late = threading.Event()
        timer = threading.Timer(timeout, lambda: (late.set(), child.kill()))
        timer.start()
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - since
        timer.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip().splitlines()
    failure = None
    if late.is_set():
        failure = f"not done after {timeout:g} s"
    elif child.returncode < 0:
        failure = f"killed by signal {-child.returncode}"
    elif child.returncode:
        why = next(filter(ERROR.match, said), said[-1] if said else "")
        failure = f"exit code {child.returncode}: {why[:200]}"
    return seconds, usage.ru_maxrss / 1024, failure


def results(out, job, can_read):
    """What the engine wrote, in short: each segment's size and a digest of its mails, and the
    profiles' number and hash."""
    wrote = {}
    for name in jobs.JOBS[job]:
        with open(out / f"{name}.csv", newline="") as text:
            mails = sorted(row["email"].strip().lower() for row in csv.DictReader(text))
        digest = hashlib.sha256("\n".join(mails).encode()).hexdigest()
        wrote[name] = (f"{len(mails):,} mails", digest)
    if job == "all_profiles" and can_read:
        rows, digest = duckdb_does(out / jobs.PROFILES, "fingerprint").split()
        wrote["profiles"] = (f"{int(rows):,} rows", digest)
    return wrote


def machine():
    cpu = platform.processor() or platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def customers(folder):
    with open(folder / "contacts.csv", "rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) - 1


def summary(runs, optin):
    """An engine's figures, and optin's time by its time as the median of the pairs."""
    seconds = [run[0] for run in runs]
    figures = {
        "seconds": round(statistics.median(seconds), 3),
        "min": round(min(seconds), 3),
        "max": round(max(seconds), 3),
        "peak_mb": round(max(run[1] for run in runs)),
        "runs": len(runs),
    }
    if optin and optin is not runs:
        ratio = statistics.median(ours[0] / theirs[0] for ours, theirs in zip(optin, runs))
        figures["optin_by_it"] = round(ratio, 3)
    return figures


def show(record):
    print(f"{record['job']}, {record['format']}, {record['customers']:,} customers")
    print(
        "{cpu}, {cores} cores, {memory_gib} GiB, {os}, Python {python}".format(**record["machine"])
    )
    print(
        f"{'engine':8} {'version':>9} {'median s':>9} {'min - max':>15} {'peak MB':>8}  optin / it"
    )
    for engine, what in record["engines"].items():
        row = f"{engine:8} {what['version']:>9} "
        if "seconds" in what:
            spread = f"{what['min']:.2f} - {what['max']:.2f}"
            row += f"{what['seconds']:9.2f} {spread:>15} {what['peak_mb']:8,}  "
            row += f"{what['optin_by_it']:.2f}" if "optin_by_it" in what else ""
        if "failed" in what:
            row += f"failed: {what['failed']}"
        print(row.rstrip())
    for name, what in record["wrote"].items():
        print(f"{name}: {what}")


def main():
    args = parse()
    folder = args.folder.resolve()
    if not (folder / "contacts.csv").exists():
        sys.exit(f"{folder} holds no contacts.csv; `optin generate` writes it")
    engines = {}
    for engine in args.engines:
        if lacks := missing(engine, args.optin):
            print(f"{engine}: skipped, because {', '.join(lacks)} is not installed")
        else:
            engines[engine] = {"version": version(engine, args.optin)}
    if not engines:
        sys.exit("no engine to run")
    has_duckdb = not missing("duckdb", None)
    files = [folder / f"{name}.{args.format}" for name in jobs.SOURCES]
    if args.format == "parquet" and not all(file.exists() for file in files):
        if not has_duckdb:
            sys.exit("duckdb is not installed; it is needed to convert the files to Parquet")
        duckdb_does(folder, "convert")

    commands = {}
    for engine in engines:
        out = folder / "peers" / engine
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        if engine == "optin":
            file = jobs.write_pipeline(folder, args.job, args.format)
            commands[engine] = [args.optin, "run", file, "--quiet", "--out", out]
        else:
            file = HERE / f"{engine}_jobs.py"
            commands[engine] = [sys.executable, file, folder, args.job, args.format, out]

    runs = {engine: [] for engine in engines}
    for _ in range(args.runs):
        for engine, command in commands.items():
            if "failed" in engines[engine]:
                continue
            *run, failure = timed(command, args.timeout)
            if failure:
                engines[engine]["failed"] = failure
            else:
                runs[engine].append(run)

    wrote = {}
    for engine, what in engines.items():
        if runs[engine]:
            what.update(summary(runs[engine], runs.get("optin")))
        if "failed" not in what:
            wrote[engine] = results(folder / "peers" / engine, args.job, has_duckdb)
    first = next(iter(wrote.values()), {})
    differ = {
        name: {engine: results[name][0] for engine, results in wrote.items()}
        for name in first
        if len({results[name] for results in wrote.values()}) > 1
    }
    record = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        "job": args.job,
        "format": args.format,
        "customers": customers(folder),
        "engines": engines,
        "wrote": {name: what for name, (what, _) in first.items()},
        "compared": len(wrote),
        "same": not differ,
    }
    show(record)
    if args.json:
        with open(args.json, "a") as file:
            file.write(json.dumps(record) + "\n")
    for name, sizes in differ.items():
        print(f"{name} differs: {', '.join(f'{engine} {size}' for engine, size in sizes.items())}")
    if differ:
        sys.exit(1)
    print(f"the same from all {len(wrote)}" if len(wrote) > 1 else "nothing to compare with")
    if any("failed" in what for what in engines.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
