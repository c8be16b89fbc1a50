#
#   spark-submit JOB.py                                on a cluster, or in a notebook
#   python3 JOB.py --remote sc://HOST:15002            through Spark Connect
#
# --root URI   stands before every relative path (s3a://bucket/folder, abfss://..., /mnt/...); paths are
#              else taken as they are seen from the working folder, by every machine of the cluster
# --work URI   where the tables of the job are written; it can be deleted when the job has ended
#
# Every table is written as Parquet and read from there. What is exported is written into the folder
# of the job first, held against decisions and lists anew, and published when all of it is whole and
# proved: an error before that publishes nothing.
# An output is a folder of part files. Spark 4.0 or later.

import argparse
import os
import sys
import uuid
from datetime import datetime, timezone

from pyspark.sql import SparkSession

arguments = argparse.ArgumentParser()
arguments.add_argument("--remote")
arguments.add_argument("--root", default="")
arguments.add_argument("--work")
arguments = arguments.parse_args()

builder = SparkSession.builder
spark = (builder.remote(arguments.remote) if arguments.remote else builder).getOrCreate()
spark.conf.set("spark.sql.session.timeZone", "UTC")
spark.conf.set("spark.sql.ansi.enabled", "true")
tables, views, outputs, as_of = 0, 0, [], None


def place(path):
    """A path as Spark sees it: relative ones below --root."""
    if "://" in path or path.startswith("/"):
        return path
    root = arguments.root.rstrip("/") or os.getcwd()
    return f"{root}/{path}"


work = (arguments.work or place(".optin-spark")).rstrip("/") + "/" + uuid.uuid4().hex


def begin(at):
    global as_of
    now = int(datetime.now(timezone.utc).timestamp() * 1_000_000)
    as_of = now if at is None else at


def sql(query):
    if ":optin_as_of:" not in query:
        return spark.sql(query)
    return spark.sql(query.replace(":optin_as_of:", f"timestamp_micros({as_of})"))


def view(name, rows):
    """Gives rows a name, whatever is in it: servers differ in how they take names of views."""
    global views
    views += 1
    rows.createOrReplaceTempView(f"optin_{views}")
    name = name.replace("`", "``")
    spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW `{name}` AS SELECT * FROM optin_{views}")


def keep(name, rows):
    """Writes rows down as a table. Where there are none a server may write no file."""
    global tables
    tables += 1
    path = f"{work}/{tables:04}"
    rows.write.mode("error").parquet(path)
    view(name, spark.read.schema(rows.schema).parquet(path))


def read(name, files, form, options, columns):
    """Files as a table. Text is written down as Parquet: it is slow to read twice."""
    reader = spark.read.format(form).options(**options)
    reader = reader.schema(columns) if columns else reader
    rows = reader.load([place(file) for file in files])
    (keep if form in ("csv", "json") else view)(name, rows)


def table(name, query):
    keep(name, sql(query))


def expect(otherwise, *queries):
    """Ends the job unless one of the queries gives true."""
    if not any(sql(query).collect()[0][0] for query in queries):
        sys.exit(f"optin: {otherwise}")


def rounds(name, start, again, done):
    """A table that is made anew of itself until it is done."""
    table(name, start)
    while not sql(done).collect()[0][0]:
        table(name, again)


def output(called, path, form, options, query):
    """Rows of an output, written down; publish() makes files of them."""
    table(f"output {len(outputs)}", query)
    outputs.append((called, place(path), form, options))


def prove(segment, query):
    """Ends the job if the query, which asks decisions and lists anew, finds customers who may not leave."""
    found = ", ".join(f"{row['customers']} {row['why']}" for row in sql(query).collect())
    if found:
        sys.exit(f"optin: the export of {segment} holds customers whom the consent sources do not allow: {found}")


def publish():
    for number, (called, path, form, options) in enumerate(outputs):
        rows = spark.sql(f"SELECT * FROM `output {number}`")
        rows.write.mode("overwrite").format(form).options(**options).save(path)
        print(f"{called}: {rows.count()} rows in {path}")
