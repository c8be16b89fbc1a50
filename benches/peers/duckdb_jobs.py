"""The jobs in DuckDB, and what the runner needs it for.

python duckdb_jobs.py DIR JOB FORMAT OUT
python duckdb_jobs.py DIR convert         CSV files of DIR to Parquet, where that is missing
python duckdb_jobs.py FILE fingerprint    a table of profiles: rows, a hash of what they hold
"""

import pathlib
import sys

import duckdb

import jobs

TYPES = {"text": "VARCHAR", "date": "DATE", "datetime": "TIMESTAMP", "int": "BIGINT"}
FIELDS = list(jobs.FIELDS["contacts"])

# The state of each mail: the newest decision of each table, then any table that denies; a grant
# ends after 24 months. And the mails that nobody may write to.
CONSENT = f"""
  wide AS (
    SELECT lower(trim(Email)) AS key, "Recorded at" AS moment,
           lower("Newsletter consent") IN {jobs.GRANTS} AS granted
    FROM newsletter_consent WHERE Email IS NOT NULL AND "Newsletter consent" IS NOT NULL),
  long AS (
    SELECT lower(trim(address)) AS key, ts AS moment, status = 'subscribed' AS granted
    FROM consent_events WHERE purpose = 'newsletter'),
  newest AS (
    SELECT key, arg_max(granted, row(moment, (NOT granted))) AS granted, max(moment) AS moment
    FROM wide GROUP BY key
    UNION ALL
    SELECT key, arg_max(granted, row(moment, (NOT granted))), max(moment) FROM long GROUP BY key),
  consent AS (
    SELECT key, CASE WHEN NOT bool_and(granted) THEN 'denied'
                     WHEN max(moment) + INTERVAL 24 MONTH > TIMESTAMP '{jobs.AS_OF}' THEN 'granted'
                     ELSE 'expired' END AS state
    FROM newest GROUP BY key),
  suppressed AS (
    SELECT DISTINCT lower(trim(address)) AS key FROM bounces WHERE address IS NOT NULL)
"""


def connect(folder, end):
    """A connection with a view on each source, of which only the columns in use are read."""
    db = duckdb.connect()
    for name, columns in jobs.SOURCES.items():
        path = folder / f"{name}.{end}"
        if end == "parquet":
            reader = f"read_parquet('{path}')"
        else:
            types = {column: TYPES[kind] for column, kind in columns.items()}
            reader = (
                f"read_csv('{path}', auto_detect=false, header=true, delim=',', quote='\"',"
                f" escape='\"', nullstr='', columns={types})"
            )
        db.execute(f"CREATE VIEW {name} AS FROM {reader}")
    return db


def people(fields):
    """The records of both customer tables, with the key of their mail."""
    tables = []
    for number, (table, columns) in enumerate(jobs.FIELDS.items()):
        mapped = ", ".join(f"{columns[field]} AS {field}" for field in fields if field in columns)
        key = f"lower(trim({columns['email']})) AS key"
        record = f"{number} AS tbl, {jobs.ID[table]} AS id"
        tables.append(f"SELECT {record}, {key}, {mapped} FROM {table}")
    return " UNION ALL BY NAME ".join(tables)


def most_recent(fields):
    """The fields of a profile: the most recent value that is not null."""
    return ", ".join(f"arg_max({field}, (updated_at, -tbl, id)) AS {field}" for field in fields)


def one_segment(folder, end, out):
    """Consent first: nobody else can be in the segment, so only these people get a profile."""
    db = connect(folder, end)
    db.execute(f"""
        COPY (
          WITH {CONSENT},
          granted AS MATERIALIZED (
            SELECT key FROM consent WHERE state = 'granted' AND key NOT IN (FROM suppressed)),
          people AS ({people(jobs.FEW)}),
          profiles AS (
            SELECT {most_recent(["email", "country", "points"])}
            FROM people WHERE key IN (FROM granted) GROUP BY key)
          SELECT email, country FROM profiles WHERE {jobs.US["us"][1]} ORDER BY email
        ) TO '{out}/us.csv' (HEADER)""")


def all_profiles(folder, end, out):
    """Only keys that occur twice are aggregated. The segments read the profiles as written."""
    db = connect(folder, end)
    db.execute("SET preserve_insertion_order = false")
    profiles = out / jobs.PROFILES
    dated = [field for field in FIELDS if field != "updated_at"]
    db.execute(f"""
        COPY (
          WITH {CONSENT},
          people AS ({people(FIELDS)}),
          twice AS MATERIALIZED (
            SELECT key FROM people WHERE key IS NOT NULL GROUP BY key HAVING count(*) > 1),
          profiles AS (
            SELECT key, id, {", ".join(FIELDS)} FROM people
            WHERE key IS NULL OR key NOT IN (FROM twice)
            UNION ALL BY NAME
            SELECT key, min(id) AS id, {most_recent(dated)}, max(updated_at) AS updated_at
            FROM people WHERE key IN (FROM twice) GROUP BY key)
          SELECT id AS customer_id, {", ".join(FIELDS)},
                 CASE WHEN key IS NULL THEN 'no_contact_point' ELSE coalesce(state, 'unknown') END
                   AS consent_newsletter
          FROM profiles LEFT JOIN consent USING (key)
        ) TO '{profiles}' (COMPRESSION zstd)""")
    db.execute(f"""
        CREATE TEMP TABLE reachable AS
        SELECT customer_id, email, country, tier, points, consent_newsletter = 'granted' AS granted
        FROM read_parquet('{profiles}')
        WHERE email IS NULL OR lower(trim(email)) NOT IN
          (SELECT lower(trim(address)) FROM bounces WHERE address IS NOT NULL)""")
    for name, (gate, rule) in jobs.JOBS["all_profiles"].items():
        rule = rule.replace("consent.newsletter", "granted")
        gate = "granted" if gate == "newsletter" else "TRUE"
        db.execute(f"""
            COPY (SELECT customer_id, email, country FROM reachable
                  WHERE {gate} AND ({rule}) ORDER BY email)
            TO '{out}/{name}.csv' (HEADER)""")


def components(db):
    """Makes `clusters` of `edges` (a > b): each node hooks to its least neighbour, twice, and edges
    between the nodes so reached are what is left, until there are none."""
    db.execute("""
        CREATE TEMP TABLE clusters AS
        SELECT DISTINCT unnest([a, b]) AS rid, rid AS cluster FROM edges""")
    while db.execute("SELECT count(*) FROM edges").fetchone()[0]:
        db.execute("""
            CREATE OR REPLACE TEMP TABLE hooks AS
            WITH least AS (SELECT a, min(b) AS b FROM edges GROUP BY a)
            SELECT one.a, coalesce(two.b, one.b) AS b
            FROM least one LEFT JOIN least two ON one.b = two.a;
            CREATE OR REPLACE TEMP TABLE edges AS
            SELECT DISTINCT greatest(x, y) AS a, least(x, y) AS b
            FROM (SELECT one.b AS x, coalesce(two.b, edges.b) AS y
                  FROM edges JOIN hooks one ON edges.a = one.a
                  LEFT JOIN hooks two ON edges.b = two.a)
            WHERE x <> y;
            CREATE OR REPLACE TEMP TABLE clusters AS
            SELECT rid, coalesce(b, cluster) AS cluster
            FROM clusters LEFT JOIN hooks ON cluster = a""")


def link_rules(folder, end, out):
    """Every record is tied to the first one with the same key; then components, then consent."""
    db = connect(folder, end)
    db.execute(f"""
        CREATE TEMP TABLE people AS
        SELECT row_number() OVER () AS rid, * REPLACE (
                 regexp_replace(phone, '[^0-9]', '', 'g') AS phone,
                 lower(trim(last_name)) AS last_name, lower(trim(postal_code)) AS postal_code)
        FROM ({people(jobs.FEW + jobs.LINKED)})""")
    rules = ("key", "phone", "last_name, birth_date, postal_code")
    db.execute(
        "CREATE TEMP TABLE edges AS "
        + " UNION ".join(
            f"""
        SELECT rid AS a, first AS b
        FROM people JOIN (SELECT {keys}, min(rid) AS first FROM people
                          GROUP BY {keys} HAVING count(*) > 1) USING ({keys})
        WHERE rid <> first"""
            for keys in rules
        )
    )
    components(db)
    db.execute(f"""
        COPY (
          WITH {CONSENT},
          records AS MATERIALIZED (
            SELECT people.*, coalesce(cluster, rid) AS cluster, state,
                   state = 'denied' OR key IN (FROM suppressed) AS refused
            FROM people LEFT JOIN clusters USING (rid) LEFT JOIN consent USING (key)),
          granted AS MATERIALIZED (
            SELECT cluster FROM records GROUP BY cluster
            HAVING bool_or(state = 'granted') AND NOT coalesce(bool_or(refused), false)),
          profiles AS (
            SELECT {most_recent(["email", "country", "points"])},
                   arg_max(coalesce(state, 'unknown'), (updated_at, -tbl, id))
                     FILTER (key IS NOT NULL) AS state
            FROM records WHERE cluster IN (FROM granted) GROUP BY cluster)
          SELECT email, country FROM profiles
          WHERE state = 'granted' AND {jobs.US["us"][1]} ORDER BY email
        ) TO '{out}/us.csv' (HEADER)""")


def convert(folder):
    db = connect(folder, "csv")
    for name in jobs.SOURCES:
        if not (folder / f"{name}.parquet").exists():
            db.execute(f"COPY {name} TO '{folder}/{name}.parquet' (COMPRESSION zstd)")


def fingerprint(file):
    columns = ", ".join(
        f"CAST({name} AS TIMESTAMP)" if name.endswith("_at") else name
        for name in [*FIELDS, "consent_newsletter"]
    )
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    query = f"SELECT count(*), sum(hash({columns})) FROM read_parquet('{file}')"
    print(*db.execute(query).fetchone())


if __name__ == "__main__":
    if sys.argv[2] == "convert":
        convert(pathlib.Path(sys.argv[1]))
    elif sys.argv[2] == "fingerprint":
        fingerprint(sys.argv[1])
    else:
        jobs.main(
            {"one_segment": one_segment, "all_profiles": all_profiles, "link_rules": link_rules}
        )
