"""Makes the Delta tables of the tests: python3 make.py (needs deltalake and pyarrow).

newsletter_consent   the rows of data/contoso/newsletter_consent.csv, partitioned, in four commits: half of them, the
                     others beside some that are wrong, a deletion of those, an added column with later rows
mapped               written by hand, as no writer here has them: column mapping by name, a deletion vector in the
                     log, a partition value with blanks, a column that is missing from older files
unknown              a table that needs a feature that does not exist
"""

import base64
import csv
import datetime as dt
import json
import os
import shutil
import struct
import sys
import zoneinfo
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))


def newsletter():
    path = os.path.join(root, "data/delta/newsletter_consent")
    shutil.rmtree(path, ignore_errors=True)
    rows = list(csv.DictReader(open(os.path.join(root, "data/contoso/newsletter_consent.csv"), encoding="utf-8")))

    def table(rows, wrong):
        def text(name):
            return pa.array([row[name] or None for row in rows], pa.string())

        def at(cell):
            return dt.datetime.fromisoformat(cell).replace(tzinfo=berlin).astimezone(dt.timezone.utc) if cell else None

        return pa.table({
            "Email": text("Email"),
            "Newsletter": text("Newsletter"),
            "Product updates": text("Product updates"),
            "Recorded at": pa.array([at(row["Recorded at"]) for row in rows], pa.timestamp("us", tz="UTC")),
            "year": pa.array([int(row["Recorded at"][:4]) if row["Recorded at"] else None for row in rows], pa.int32()),
            "wrong": pa.array([wrong] * len(rows), pa.bool_()),
        })

    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    half = len(rows) // 2
    wrong = [row | {"Newsletter": "True"} for row in rows[:500]]
    last = rows[-20:]
    write_deltalake(path, table(rows[:half], False), partition_by=["year"])
    write_deltalake(path, pa.concat_tables([table(rows[half:-20], False), table(wrong, True)]), mode="append")
    DeltaTable(path).delete("wrong = true")
    more = table(last, False).append_column("channel", pa.array(["shop"] * len(last), pa.string()))
    write_deltalake(path, more, mode="append", schema_mode="merge")


def roaring(rows):
    """Row numbers below 65,536 as the specification's RoaringBitmapArray, without its length and check sum."""
    values = b"".join(struct.pack("<H", row) for row in sorted(rows))
    container = struct.pack("<II", 12346, 1) + struct.pack("<HH", 0, len(rows) - 1)
    container += struct.pack("<I", len(container) + 4) + values
    return struct.pack("<IQ", 1681511377, 1) + struct.pack("<I", 0) + container


Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
B85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"


def z85(data):
    padded = data + bytes(-len(data) % 4)
    return base64.b85encode(padded).decode().translate(str.maketrans(B85, Z85))


def log(path, version, actions):
    os.makedirs(os.path.join(path, "_delta_log"), exist_ok=True)
    with open(os.path.join(path, "_delta_log", f"{version:020}.json"), "w", encoding="utf-8") as file:
        for action in actions:
            file.write(json.dumps(action, ensure_ascii=False, separators=(",", ":")) + "\n")


def mapped():
    path = os.path.join(here, "mapped")
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)

    def field(name, kind, physical, number):
        metadata = {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": physical}
        return {"name": name, "type": kind, "nullable": True, "metadata": metadata}

    fields = [
        field("Mail address", "string", "col-1", 1),
        field("granted", "boolean", "col-2", 2),
        field("decided", "timestamp", "col-3", 3),
        field("price", "decimal(10,2)", "col-4", 4),
        field("shop name", "string", "col-5", 5),
        field("born", "date", "col-6", 6),
        field("tags", {"type": "array", "elementType": "string", "containsNull": True}, "col-7", 7),
    ]
    utc = pa.timestamp("us", tz="UTC")

    def write(name, rows, with_born):
        at = lambda text: dt.datetime.fromisoformat(text).replace(tzinfo=dt.timezone.utc)
        columns = {
            "col-1": pa.array([row[0] for row in rows], pa.string()),
            "col-2": pa.array([row[1] for row in rows], pa.bool_()),
            "col-3": pa.array([at(row[2]) for row in rows], utc),
            "col-4": pa.array([Decimal(row[3]) for row in rows], pa.decimal128(10, 2)),
            "col-7": pa.array([["a"]] * len(rows), pa.list_(pa.string())),
        }
        if with_born:
            columns["col-6"] = pa.array([row[4] and dt.date.fromisoformat(row[4]) for row in rows], pa.date32())
        ids = {"col-1": 1, "col-2": 2, "col-3": 3, "col-4": 4, "col-6": 6, "col-7": 7}
        table = pa.table(columns)
        schema = pa.schema([field.with_metadata({"PARQUET:field_id": str(ids[field.name])}) for field in table.schema])
        pq.write_table(table.cast(schema), os.path.join(path, name))
        return os.path.getsize(os.path.join(path, name))

    one = [
        ("ann@example.com", True, "2026-01-01T10:00:00", "12.50"),
        ("bob@example.com", True, "2026-01-01T10:00:00", "0.01"),
        ("gone@example.com", True, "2026-01-01T10:00:00", "1.00"),
        ("dan@example.com", True, "2026-01-01T10:00:00", "7.00"),
    ]
    two = [
        ("bob@example.com", False, "2026-02-01T00:00:00.25", "99999999.99", "1980-02-29"),
        ("eva@example.com", True, "2026-02-01T00:00:00", "3.00", "1990-05-01"),
    ]
    sizes = write("one.parquet", one, False), write("two.parquet", two, True)
    bitmap = roaring([2])
    vector = {"storageType": "i", "pathOrInlineDv": z85(bitmap), "sizeInBytes": len(bitmap), "cardinality": 1}

    def add(name, size, shop, extra):
        action = {"path": name, "partitionValues": {"col-5": shop}, "size": size, "modificationTime": 1767261600000, "dataChange": True}
        return {"add": action | extra}

    # Deletion vectors need the numbers of rows.
    count = lambda rows: {"stats": json.dumps({"numRecords": len(rows)})}
    log(path, 0, [
        {"commitInfo": {"timestamp": 1767261600000, "operation": "WRITE"}},
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["columnMapping", "deletionVectors"],
                      "writerFeatures": ["columnMapping", "deletionVectors"]}},
        {"metaData": {"id": "5fba94ed-9794-4965-ba6e-6ee3c0d22af9", "format": {"provider": "parquet", "options": {}},
                      "schemaString": json.dumps({"type": "struct", "fields": fields}), "partitionColumns": ["shop name"],
                      "configuration": {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "7",
                                        "delta.enableDeletionVectors": "true"}, "createdTime": 1767261600000}},
        add("one.parquet", sizes[0], "Am Markt 1", count(one)),
    ])
    log(path, 1, [
        {"commitInfo": {"timestamp": 1769904000000, "operation": "DELETE"}},
        {"remove": {"path": "one.parquet", "deletionTimestamp": 1769904000000, "dataChange": True,
                    "partitionValues": {"col-5": "Am Markt 1"}, "size": sizes[0]}},
        add("one.parquet", sizes[0], "Am Markt 1", count(one) | {"deletionVector": vector}),
        add("two.parquet", sizes[1], None, count(two)),
    ])


def unknown():
    path = os.path.join(here, "unknown")
    shutil.rmtree(path, ignore_errors=True)
    schema = {"type": "struct", "fields": [{"name": "id", "type": "string", "nullable": True, "metadata": {}}]}
    log(path, 0, [
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["timeFolding"], "writerFeatures": ["timeFolding"]}},
        {"metaData": {"id": "1b3c8f2e-6d2a-4f5b-9c7e-0a1b2c3d4e5f", "format": {"provider": "parquet", "options": {}},
                      "schemaString": json.dumps(schema), "partitionColumns": [], "configuration": {}, "createdTime": 0}},
    ])


if "--newsletter" in sys.argv:
    newsletter()
mapped()
unknown()
