"""The jobs in pandas on Arrow columns, of which only those in use are read; components by SciPy.

python pandas_jobs.py DIR JOB FORMAT OUT
"""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

import jobs

TYPES = {
    "text": pa.string(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
    "int": pa.int64(),
}
FIELDS = list(jobs.FIELDS["contacts"])
PROFILE = ["email", "country", "points"]


def read(folder, end, name, columns):
    """The columns of a source: {new name: column}."""
    names = list(columns.values())
    if end == "parquet":
        table = pa.parquet.read_table(folder / f"{name}.parquet", columns=names)
    else:
        types = {column: TYPES[jobs.SOURCES[name][column]] for column in names}
        convert = pa.csv.ConvertOptions(
            include_columns=names,
            column_types=types,
            timestamp_parsers=["%Y-%m-%dT%H:%M:%SZ"],
            null_values=[""],
            strings_can_be_null=True,
        )
        table = pa.csv.read_csv(folder / f"{name}.csv", convert_options=convert)
    return table.rename_columns(list(columns)).to_pandas(types_mapper=pd.ArrowDtype)


def trimmed(column):
    return column.str.strip().str.lower()


def people(folder, end, fields):
    """The records of both customer tables, with the key of their mail, the most recent first."""
    tables = []
    for number, (table, columns) in enumerate(jobs.FIELDS.items()):
        used = {field: columns[field] for field in fields if field in columns}
        records = read(folder, end, table, {"id": jobs.ID[table], **used})
        tables.append(records.assign(tbl=number))
    records = pd.concat(tables, ignore_index=True)
    records["key"] = trimmed(records["email"])
    return records.sort_values(
        ["updated_at", "tbl", "id"], ascending=[False, True, False], ignore_index=True
    )


def most_recent(records, by, fields):
    """The fields of each profile: the first value that is not null."""
    firsts = {}
    for field in fields:
        known = records[[by, field]].dropna().drop_duplicates(by)
        firsts[field] = known.set_index(by)[field]
    return pd.DataFrame(firsts)


def consent(folder, end):
    """The state of each mail: the newest decision of each table, then any table that denies; a
    grant ends after 24 months."""
    columns = {"key": "Email", "granted": "Newsletter consent", "moment": "Recorded at"}
    wide = read(folder, end, "newsletter_consent", columns).dropna(subset=["key", "granted"])
    wide["granted"] = wide["granted"].str.lower().isin(jobs.GRANTS)
    columns = {"key": "address", "purpose": "purpose", "granted": "status", "moment": "ts"}
    long = read(folder, end, "consent_events", columns)
    long = long[long.pop("purpose") == "newsletter"]
    long["granted"] = long["granted"] == "subscribed"
    newest = []
    for table in (wide, long):
        table = table.assign(key=trimmed(table["key"]), granted=table["granted"].astype(bool))
        table = table.sort_values(["moment", "granted"], ascending=[False, True])
        newest.append(table.drop_duplicates("key"))
    folded = pd.concat(newest).groupby("key", sort=False).agg({"granted": "all", "moment": "max"})
    after = pd.Timestamp(jobs.AS_OF) - pd.DateOffset(months=24)
    states = np.select(
        [~folded["granted"], (folded["moment"] > after).astype(bool)],
        ["denied", "granted"],
        "expired",
    )
    return pd.Series(states, index=folded.index, dtype=pd.ArrowDtype(pa.string()))


def suppressed(folder, end):
    return trimmed(read(folder, end, "bounces", {"key": "address"})["key"].dropna())


def in_us(profiles):
    return (profiles["country"] == "US") & (profiles["points"] >= 1000)


def write(profiles, columns, file):
    table = pa.Table.from_pandas(profiles[columns].sort_values("email"), preserve_index=False)
    pa.csv.write_csv(table, file)


def one_segment(folder, end, out):
    """Consent first: nobody else can be in the segment, so only these people get a profile."""
    states = consent(folder, end)
    granted = states.index[states == "granted"].difference(suppressed(folder, end), sort=False)
    records = people(folder, end, jobs.FEW)
    profiles = most_recent(records[records["key"].isin(granted)], "key", PROFILE)
    write(profiles[in_us(profiles)], ["email", "country"], out / "us.csv")


def all_profiles(folder, end, out):
    """Only keys that occur twice are aggregated."""
    records = people(folder, end, FIELDS)
    twice = records["key"].notna() & records["key"].duplicated(keep=False)
    merged = most_recent(records[twice], "key", FIELDS).reset_index(names="key")
    first = records[twice].groupby("key", sort=False)["id"].min()
    merged["id"] = first.reindex(merged["key"]).array
    profiles = pd.concat([records[~twice], merged], ignore_index=True)
    states = profiles["key"].map(consent(folder, end)).fillna("unknown")
    profiles["consent_newsletter"] = states.where(profiles["key"].notna(), "no_contact_point")
    profiles = profiles.rename(columns={"id": "customer_id"})
    columns = ["customer_id", *FIELDS, "consent_newsletter"]
    profiles[columns].to_parquet(out / jobs.PROFILES, compression="zstd", index=False)

    reachable = profiles[~profiles["key"].isin(suppressed(folder, end))]
    country, tier, points = reachable["country"], reachable["tier"], reachable["points"]
    granted = reachable["consent_newsletter"] == "granted"
    segments = {
        "us_active": granted & in_us(reachable),
        "dach_gold": granted & country.isin(["DE", "AT"]) & tier.isin(["gold", "platinum"]),
        "newsletter": granted,
        "small_or_silver": granted
        & country.isin(["GB", "FR"])
        & ((points < 1000) | (tier == "silver")),
        "not_reached": (points >= 5000) & reachable["email"].notna() & ~granted,
    }
    columns = ["customer_id", "email", "country"]
    for name, rule in segments.items():
        write(reachable[rule.fillna(False)], columns, out / f"{name}.csv")


def components(records, rules):
    """The cluster of each record; every record is tied to the first one with the same key."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = len(records)
    ends = []
    for keys in rules:
        known = records[keys].dropna()
        group = known.groupby(keys, sort=False).ngroup().to_numpy()
        rows = known.index.to_numpy()
        first = rows[np.unique(group, return_index=True)[1]]
        ends.append((rows, first[group]))
    a, b = (np.concatenate(side) for side in zip(*ends))
    edges = coo_array((np.ones(len(a), bool), (a, b)), (size, size))
    return connected_components(edges, directed=False)[1]


def link_rules(folder, end, out):
    """Links, then components, then consent; only clusters that may be written to get a profile."""
    records = people(folder, end, jobs.FEW + jobs.LINKED)
    records["phone"] = records["phone"].str.replace("[^0-9]", "", regex=True)
    records["last_name"] = trimmed(records["last_name"])
    records["postal_code"] = trimmed(records["postal_code"])
    rules = (["key"], ["phone"], ["last_name", "birth_date", "postal_code"])
    cluster = records["cluster"] = components(records, rules)
    states = records["state"] = records["key"].map(consent(folder, end))
    refused = (states == "denied").fillna(False) | records["key"].isin(suppressed(folder, end))
    granted = (states == "granted").fillna(False)
    good = np.setdiff1d(cluster[granted], cluster[refused])
    records = records[np.isin(cluster, good)]
    profiles = most_recent(records, "cluster", PROFILE)
    shown = records[records["key"].notna()].drop_duplicates("cluster").set_index("cluster")["state"]
    profiles = profiles[in_us(profiles) & (shown.reindex(profiles.index) == "granted")]
    write(profiles, ["email", "country"], out / "us.csv")


if __name__ == "__main__":
    jobs.main({"one_segment": one_segment, "all_profiles": all_profiles, "link_rules": link_rules})
