"""One segment from Parquet or CSV: optin and DuckDB in turn, and whether both give the same mails.

    optin generate --customers 1000000 DIR
    pip install duckdb
    python benches/peers/one_segment.py DIR --runs 5 [--csv] [--optin target/release/optin]

The job: one mail key, the most recent record wins, one purpose whose grants end after 24 months,
two consent tables of which any denial denies, one suppression list, one rule. DuckDB gets it as a
skilled user would write it for these data. It does less: no address is read as RFC 5322 has it, no
denial matches more loosely than a grant, nothing is counted, digested or read back.
"""

import argparse
import csv
import os
import pathlib
import statistics
import subprocess
import sys
import time

TYPES = {
    "contacts": {
        "BirthDate": "DATE",
        "CreatedOn": "TIMESTAMP",
        "ModifiedOn": "TIMESTAMP",
        "Points": "BIGINT",
    },
    "loyalty": {"Points": "BIGINT", "Changed": "TIMESTAMP"},
    "newsletter_consent": {"Recorded at": "TIMESTAMP"},
    "consent_events": {"ts": "TIMESTAMP"},
    "bounces": {},
}

SQL = """
COPY (
  WITH people AS (
    SELECT 0 AS tbl, ContactId AS id, lower(trim(Email)) AS key, Email AS email,
           Country AS country, Points AS points, ModifiedOn AS updated FROM {contacts}
    UNION ALL
    SELECT 1, LoyaltyId, lower(trim(EMail)), EMail, Country, Points, Changed FROM {loyalty}),
  profiles AS (
    SELECT any_value(key) AS key,
           arg_max(email, (updated, -tbl, id)) FILTER (email IS NOT NULL) AS email,
           arg_max(country, (updated, -tbl, id)) FILTER (country IS NOT NULL) AS country,
           arg_max(points, (updated, -tbl, id)) FILTER (points IS NOT NULL) AS points
    FROM people GROUP BY coalesce(key, tbl || id)),
  wide AS (
    SELECT lower(trim(Email)) AS key, "Recorded at" AS moment,
           lower("Newsletter consent") IN ('true', 'yes', 'opt-in') AS granted
    FROM {newsletter_consent} WHERE Email IS NOT NULL AND "Newsletter consent" IS NOT NULL),
  long AS (
    SELECT lower(trim(address)) AS key, ts AS moment, status = 'subscribed' AS granted
    FROM {consent_events} WHERE purpose = 'newsletter'),
  newest AS (
    SELECT key, arg_max(granted, row(moment, (NOT granted))) AS granted, max(moment) AS moment
    FROM wide GROUP BY key
    UNION ALL
    SELECT key, arg_max(granted, row(moment, (NOT granted))), max(moment) FROM long GROUP BY key),
  consent AS (
    SELECT key, bool_and(granted) AS granted, max(moment) AS moment FROM newest GROUP BY key)
  SELECT email, country FROM profiles JOIN consent USING (key)
  WHERE granted AND moment + INTERVAL 24 MONTH > TIMESTAMP '2026-11-24'
    AND country = 'US' AND points >= 1000
    AND key NOT IN (SELECT lower(trim(address)) FROM {bounces} WHERE address IS NOT NULL)
  ORDER BY email
) TO '{out}' (HEADER)
"""

PIPELINE = """
version: 1
name: one-segment
as_of: 2026-11-24T00:00:00Z
sources:
{sources}
keys: [{{ field: email, normalize: email }}]
customers:
  - source: contacts
    id: ContactId
    fields: {{ email: Email, country: Country, points: Points, updated_at: ModifiedOn }}
  - source: loyalty
    id: LoyaltyId
    fields: {{ email: EMail, country: Country, points: Points, updated_at: Changed }}
identity: {{ link_on: [[email]] }}
profile: {{ keep: {{ most_recent: updated_at }} }}
consent:
  purposes: [{{ name: newsletter, via: email, model: opt_in, expires_after: 24 months }}]
  tables:
    - source: newsletter_consent
      match: {{ email: Email }}
      values: {{ newsletter: Newsletter consent }}
      at: Recorded at
    - {{ source: consent_events, match: {{ email: address }}, purpose: purpose, value: status, at: ts }}
  suppress: [{{ source: bounces, match: {{ email: address }} }}]
segments:
  - {{ name: us, consent: [newsletter], where: country = 'US' AND points >= 1000 }}
exports: [{{ segment: us, path: us.csv, columns: [customer_id, email, country] }}]
"""


def reader(folder, name, as_csv):
    if not as_csv:
        return f"read_parquet('{folder / name}.parquet')"
    types = ", ".join(f"'{column}': '{kind}'" for column, kind in TYPES[name].items())
    types = f", types={{{types}}}" if types else ""
    return f"read_csv('{folder / name}.csv', header=true, nullstr=''{types})"


def to_parquet(folder):
    import duckdb

    for name in TYPES:
        if not (folder / f"{name}.parquet").exists():
            query = f"SELECT * FROM {reader(folder, name, True)}"
            duckdb.sql(f"COPY ({query}) TO '{folder / name}.parquet' (COMPRESSION zstd)")


def pipeline(folder, as_csv):
    sources = []
    for name, types in TYPES.items():
        declared = ", ".join(
            f'"{column}": {dict(DATE="date", TIMESTAMP="datetime", BIGINT="int")[kind]}'
            for column, kind in types.items()
        )
        declared = f", types: {{ {declared} }}" if as_csv and types else ""
        end = "csv" if as_csv else "parquet"
        sources.append(f"  - {{ name: {name}, path: {name}.{end}{declared} }}")
    file = folder / "one_segment.yaml"
    file.write_text(PIPELINE.format(sources="\n".join(sources)))
    return file


def timed(command):
    """Seconds and the most memory in MB of a process."""
    since = time.perf_counter()
    child = subprocess.Popen(command)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{command[0]} failed")
    return time.perf_counter() - since, usage.ru_maxrss / 1024


def mails(file):
    with open(file, newline="") as text:
        return sorted(row["email"].strip().lower() for row in csv.DictReader(text))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--csv", action="store_true")
    arguments.add_argument("--optin", default="optin")
    arguments.add_argument("--duckdb", help=argparse.SUPPRESS)
    args = arguments.parse_args()
    folder = args.folder.resolve()
    if args.duckdb:
        import duckdb

        tables = {name: reader(folder, name, args.csv) for name in TYPES}
        duckdb.sql(SQL.format(out=args.duckdb, **tables))
        return
    to_parquet(folder)
    out = folder / "peers"
    out.mkdir(exist_ok=True)
    theirs = [sys.executable, __file__, str(folder), "--duckdb", str(out / "duckdb.csv")]
    ours = [args.optin, "run", str(pipeline(folder, args.csv)), "--quiet", "--out", str(out)]
    engines = {"optin": ours, "duckdb": theirs + (["--csv"] if args.csv else [])}
    figures = {name: [] for name in engines}
    for _ in range(args.runs):
        for name, command in engines.items():
            figures[name].append(timed(command))
    same = mails(out / "us.csv") == mails(out / "duckdb.csv")
    print(f"{len(mails(out / 'us.csv')):,} mails; the same from both: {same}")
    for name, runs in figures.items():
        seconds = statistics.median(run[0] for run in runs)
        memory = max(run[1] for run in runs)
        print(f"{name:8} {seconds:7.2f} s  {memory:8,.0f} MB")
    ratio = statistics.median(o[0] / t[0] for o, t in zip(*figures.values()))
    print(f"optin / duckdb, median of the pairs: {ratio:.2f}")
    if not same:
        sys.exit("the segments differ")


main()
