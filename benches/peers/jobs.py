"""What all engines share: the sources, the jobs, the optin pipelines, an engine's command line."""

import argparse
import pathlib

AS_OF = "2026-11-24"  # the day after the data ends
GRANTS = ("true", "yes", "opt-in")  # words of newsletter_consent that grant; the others deny

# Columns of the files that `optin generate` writes.
SOURCES = {
    "contacts": {
        "ContactId": "text",
        "FirstName": "text",
        "LastName": "text",
        "Email": "text",
        "Mobile": "text",
        "BirthDate": "date",
        "Street": "text",
        "City": "text",
        "Zip": "text",
        "Country": "text",
        "CreatedOn": "datetime",
        "ModifiedOn": "datetime",
        "Points": "int",
        "Tier": "text",
    },
    "loyalty": {
        "LoyaltyId": "text",
        "EMail": "text",
        "Phone": "text",
        "Surname": "text",
        "PostCode": "text",
        "Country": "text",
        "Points": "int",
        "Changed": "datetime",
    },
    "newsletter_consent": {
        "Email": "text",
        "Newsletter consent": "text",
        "Recorded at": "datetime",
    },
    "consent_events": {"ts": "datetime", "address": "text", "purpose": "text", "status": "text"},
    "bounces": {"address": "text", "reason": "text"},
}

# Each customer table, the most important first: unified field -> its column.
ID = {"contacts": "ContactId", "loyalty": "LoyaltyId"}
FIELDS = {
    "contacts": {
        "email": "Email",
        "phone": "Mobile",
        "first_name": "FirstName",
        "last_name": "LastName",
        "birth_date": "BirthDate",
        "street": "Street",
        "city": "City",
        "postal_code": "Zip",
        "country": "Country",
        "tier": "Tier",
        "points": "Points",
        "created_at": "CreatedOn",
        "updated_at": "ModifiedOn",
    },
    "loyalty": {
        "email": "EMail",
        "phone": "Phone",
        "last_name": "Surname",
        "postal_code": "PostCode",
        "country": "Country",
        "points": "Points",
        "updated_at": "Changed",
    },
}
# What the one segment of two jobs needs.
FEW = ("email", "country", "points", "updated_at")
LINKED = ("phone", "last_name", "birth_date", "postal_code")

# Each job's segments: name -> (consent gate, rule). The rules are SQL, as optin and DuckDB have it.
US = {"us": ("newsletter", "country = 'US' AND points >= 1000")}
JOBS = {
    "one_segment": US,
    "all_profiles": {
        "us_active": US["us"],
        "dach_gold": ("newsletter", "country IN ('DE', 'AT') AND tier IN ('gold', 'platinum')"),
        "newsletter": ("newsletter", "TRUE"),
        "small_or_silver": (
            "newsletter",
            "country IN ('GB', 'FR') AND (points < 1000 OR tier = 'silver')",
        ),
        "not_reached": ("none", "points >= 5000 AND email IS NOT NULL AND NOT consent.newsletter"),
    },
    "link_rules": US,
}
PROFILES = "profiles.parquet"  # what all_profiles writes besides its segments

PHONE = "[strip_symbols, strip_whitespace]"  # leaves the digits of every phone in these data
NAME = "[lower, trim]"
KEYS = {
    "one_segment": {"email": "email"},
    "all_profiles": {"email": "email"},
    "link_rules": {"email": "email", "phone": PHONE, "last_name": NAME, "postal_code": NAME},
}
LINK_ON = {
    "one_segment": "[[email]]",
    "all_profiles": "[[email]]",
    "link_rules": "[[email], [phone], [last_name, birth_date, postal_code]]",
}

PIPELINE = """\
version: 1
name: {job}
as_of: {as_of}T00:00:00Z
out: .
sources:
{sources}
keys:
{keys}
customers:
{customers}
identity: {{ link_on: {link_on} }}
profile: {{ keep: {{ most_recent: updated_at }} }}
consent:
  purposes: [{{ name: newsletter, via: email, model: opt_in, expires_after: 24 months }}]
  tables:
    - source: newsletter_consent
      match: {{ email: Email }}
      values: {{ newsletter: Newsletter consent }}
      at: Recorded at
    - source: consent_events
      match: {{ email: address }}
      purpose: purpose
      value: status
      at: ts
  suppress: [{{ source: bounces, match: {{ email: address }} }}]
segments:
{segments}
{outputs}exports:
{exports}
"""


def lines(items):
    return "\n".join(f"  - {item}" for item in items)


def source(name, end):
    types = ", ".join(f'"{c}": {kind}' for c, kind in SOURCES[name].items() if kind != "text")
    types = f", types: {{ {types} }}" if end == "csv" and types else ""
    return f"{{ name: {name}, path: {name}.{end}{types} }}"


def customers(job, table):
    used = {"one_segment": FEW, "link_rules": FEW + LINKED}.get(job, FIELDS["contacts"])
    fields = ", ".join(f"{f}: {c}" for f, c in FIELDS[table].items() if f in used)
    return f"{{ source: {table}, id: {ID[table]}, fields: {{ {fields} }} }}"


def segment(name, gate, rule):
    because = ", because: a benchmark" if gate == "none" else ""
    return f'{{ name: {name}, consent: {gate}{because}, where: "{rule}" }}'


def write_pipeline(folder, job, end):
    """Writes optin's pipeline of the job, for files that end with `end`, and gives its path."""
    file = folder / f"{job}_{end}.yaml"
    text = PIPELINE.format(
        job=job,
        as_of=AS_OF,
        sources=lines(source(name, end) for name in SOURCES),
        keys=lines(f"{{ field: {f}, normalize: {n} }}" for f, n in KEYS[job].items()),
        customers=lines(customers(job, table) for table in FIELDS),
        link_on=LINK_ON[job],
        segments=lines(segment(name, *what) for name, what in JOBS[job].items()),
        outputs=f"outputs: {{ profiles: {PROFILES} }}\n" if job == "all_profiles" else "",
        exports=lines(
            f"{{ segment: {name}, path: {name}.csv, columns: [customer_id, email, country] }}"
            for name in JOBS[job]
        ),
    )
    file.write_text(text)
    return file


def main(jobs):
    """Command line of an engine's file: DIR JOB FORMAT OUT."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("job", choices=jobs)
    arguments.add_argument("format", choices=["parquet", "csv"])
    arguments.add_argument("out", type=pathlib.Path)
    args = arguments.parse_args()
    jobs[args.job](args.folder, args.format, args.out)
