"""The jobs in Polars: lazy plans on the streaming engine, which read only the columns in use.

python polars_jobs.py DIR JOB FORMAT OUT
"""

import datetime

import polars as pl

import jobs

# Text is parsed to datetimes by the plans, and so only where a column is in use.
TYPES = {"text": pl.String, "date": pl.Date, "datetime": pl.String, "int": pl.Int64}
FIELDS = list(jobs.FIELDS["contacts"])
ORDER = pl.struct("updated_at", -pl.col("tbl"), "id").alias("order")
PROFILE = ("email", "country", "points")
IN_US = (pl.col("country") == "US") & (pl.col("points") >= 1000)
STREAMING = {"engine": "streaming"}


def scan(folder, end, name):
    columns = jobs.SOURCES[name]
    if end == "parquet":
        return pl.scan_parquet(folder / f"{name}.parquet")
    dated = [column for column, kind in columns.items() if kind == "datetime"]
    schema = {column: TYPES[kind] for column, kind in columns.items()}
    return pl.scan_csv(folder / f"{name}.csv", schema=schema).with_columns(
        pl.col(dated).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", cache=False)
    )


def trimmed(column):
    return pl.col(column).str.strip_chars().str.to_lowercase()


def people(folder, end, fields):
    """The records of both customer tables, with the key of their mail."""
    tables = []
    for number, (table, columns) in enumerate(jobs.FIELDS.items()):
        mapped = [pl.col(columns[field]).alias(field) for field in fields if field in columns]
        tables.append(
            scan(folder, end, table).select(
                pl.lit(number, pl.Int8).alias("tbl"),
                pl.col(jobs.ID[table]).alias("id"),
                trimmed(columns["email"]).alias("key"),
                *mapped,
            )
        )
    return pl.concat(tables, how="diagonal")


def most_recent(field):
    """The most recent value that is not null."""
    known = pl.col(field).is_not_null()
    return pl.col(field).filter(known).max_by(pl.col("order").filter(known))


def consent(folder, end):
    """The state of each mail: the newest decision of each table, then any table that denies; a
    grant ends after 24 months."""
    wide = (
        scan(folder, end, "newsletter_consent")
        .drop_nulls(["Email", "Newsletter consent"])
        .select(
            key=trimmed("Email"),
            moment="Recorded at",
            granted=pl.col("Newsletter consent").str.to_lowercase().is_in(jobs.GRANTS),
        )
    )
    long = (
        scan(folder, end, "consent_events")
        .filter(pl.col("purpose") == "newsletter")
        .select(key=trimmed("address"), moment="ts", granted=pl.col("status") == "subscribed")
    )
    newest = [
        table.group_by("key").agg(
            pl.col("moment").max(),
            pl.col("granted").max_by(pl.struct("moment", ~pl.col("granted"))),
        )
        for table in (wide, long)
    ]
    as_of = datetime.datetime.fromisoformat(jobs.AS_OF)
    return (
        pl.concat(newest)
        .group_by("key")
        .agg(pl.col("granted").all(), pl.col("moment").max())
        .select(
            "key",
            state=pl.when(~pl.col("granted"))
            .then(pl.lit("denied"))
            .when(pl.col("moment").dt.offset_by("24mo") > as_of)
            .then(pl.lit("granted"))
            .otherwise(pl.lit("expired")),
        )
    )


def suppressed(folder, end):
    return scan(folder, end, "bounces").select(key=trimmed("address")).drop_nulls().unique()


def one_segment(folder, end, out):
    """Consent first: nobody else can be in the segment, so only these people get a profile."""
    granted = (
        consent(folder, end)
        .filter(pl.col("state") == "granted")
        .join(suppressed(folder, end), on="key", how="anti")
    )
    (
        people(folder, end, jobs.FEW)
        .join(granted, on="key", how="semi")
        .with_columns(ORDER)
        .group_by("key")
        .agg(most_recent(field) for field in PROFILE)
        .filter(IN_US)
        .select("email", "country")
        .sort("email")
        .sink_csv(out / "us.csv", **STREAMING)
    )


def all_profiles(folder, end, out):
    """Only keys that occur twice are aggregated. The segments read the profiles as written."""
    records = people(folder, end, FIELDS)
    twice = (
        records.group_by("key")
        .len()
        .filter(pl.col("len") > 1, pl.col("key").is_not_null())
        .select("key")
    )
    once = records.join(twice, on="key", how="anti").select("key", "id", *FIELDS)
    merged = (
        records.join(twice, on="key", how="semi")
        .with_columns(ORDER)
        .group_by("key")
        .agg(pl.col("id").min(), *(most_recent(field) for field in FIELDS))
    )
    (
        pl.concat([once, merged])
        .join(consent(folder, end), on="key", how="left")
        .select(
            pl.col("id").alias("customer_id"),
            *FIELDS,
            pl.when(pl.col("key").is_null())
            .then(pl.lit("no_contact_point"))
            .otherwise(pl.col("state").fill_null("unknown"))
            .alias("consent_newsletter"),
        )
        .sink_parquet(out / jobs.PROFILES, compression="zstd", maintain_order=False, **STREAMING)
    )
    reachable = (
        pl.scan_parquet(out / jobs.PROFILES)
        .with_columns(key=trimmed("email"))
        .join(suppressed(folder, end), on="key", how="anti")
    )
    country, tier, points = pl.col("country"), pl.col("tier"), pl.col("points")
    granted = pl.col("consent_newsletter") == "granted"
    segments = {
        "us_active": granted & IN_US,
        "dach_gold": granted & country.is_in(["DE", "AT"]) & tier.is_in(["gold", "platinum"]),
        "newsletter": granted,
        "small_or_silver": granted
        & country.is_in(["GB", "FR"])
        & ((points < 1000) | (tier == "silver")),
        "not_reached": (points >= 5000) & pl.col("email").is_not_null() & ~granted,
    }
    sinks = [
        reachable.filter(rule)
        .select("customer_id", "email", "country")
        .sort("email")
        .sink_csv(out / f"{name}.csv", lazy=True)
        for name, rule in segments.items()
    ]
    pl.collect_all(sinks, **STREAMING)


def ties(records, keys):
    """Ties every record to the first one with the same keys."""
    known = records.drop_nulls(keys)
    first = (
        known.group_by(keys).agg(pl.col("rid").min().alias("b"), pl.len()).filter(pl.col("len") > 1)
    )
    return (
        known.join(first, on=keys)
        .select(pl.col("rid").alias("a"), "b")
        .filter(pl.col("a") != pl.col("b"))
    )


def components(edges):
    """The clusters of edges (a > b): each node hooks to its least neighbour, twice, and edges
    between the nodes so reached are what is left, until there are none."""
    nodes = pl.concat([edges["a"], edges["b"]]).unique()
    clusters = pl.DataFrame({"rid": nodes, "cluster": nodes})
    while edges.height:
        least = edges.group_by("a").agg(pl.col("b").min())
        hooks = least.select("a", b=pl.col("b").replace(least["a"], least["b"]))
        to = {"old": hooks["a"], "new": hooks["b"]}
        x, y = pl.col("a").replace(**to), pl.col("b").replace(**to)
        edges = edges.select(a=pl.max_horizontal(x, y), b=pl.min_horizontal(x, y))
        edges = edges.filter(pl.col("a") != pl.col("b")).unique()
        clusters = clusters.with_columns(pl.col("cluster").replace(**to))
    return clusters


def link_rules(folder, end, out):
    """Links, then components, then consent; only clusters that may be written to get a profile."""
    records = (
        people(folder, end, jobs.FEW + jobs.LINKED)
        .with_columns(
            pl.col("phone").str.replace_all("[^0-9]", ""),
            trimmed("last_name"),
            trimmed("postal_code"),
        )
        .with_row_index("rid")
        .collect(**STREAMING)
    )
    rules = (["key"], ["phone"], ["last_name", "birth_date", "postal_code"])
    edges = pl.concat([ties(records.lazy(), keys) for keys in rules]).unique().collect(**STREAMING)
    records = (
        records.lazy()
        .join(components(edges).lazy(), on="rid", how="left")
        .join(consent(folder, end), on="key", how="left")
        .join(suppressed(folder, end).with_columns(suppressed=True), on="key", how="left")
        .with_columns(pl.coalesce("cluster", "rid").alias("cluster"), ORDER)
    )
    refused = (pl.col("state") == "denied") | pl.col("suppressed").is_not_null()
    granted = (
        records.group_by("cluster")
        .agg(
            granted=(pl.col("state") == "granted").any(),
            refused=refused.any(),
        )
        .filter(pl.col("granted") & ~pl.col("refused"))
    )
    shown = pl.col("key").is_not_null()
    (
        records.join(granted, on="cluster", how="semi")
        .group_by("cluster")
        .agg(
            *(most_recent(field) for field in PROFILE),
            pl.col("state").filter(shown).max_by(pl.col("order").filter(shown)),
        )
        .filter(pl.col("state") == "granted", IN_US)
        .select("email", "country")
        .sort("email")
        .sink_csv(out / "us.csv", **STREAMING)
    )


if __name__ == "__main__":
    jobs.main({"one_segment": one_segment, "all_profiles": all_profiles, "link_rules": link_rules})
