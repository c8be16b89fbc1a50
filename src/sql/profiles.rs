//! Survivorship: which value of several a customer shows; ids and the order of profiles.

use super::job::Job;
use super::text::literal;
use crate::plan::{FieldId, Keep};

/// Writes what each cluster shows, and the profiles.
pub fn write(job: &mut Job<'_>) {
    let plan = job.plan;
    let fields: Vec<FieldId> = (0..plan.fields.len()).map(FieldId).collect();
    let place = job.places.line(job.places.profile);
    job.script.heading("Survivorship: which value of several a customer shows");
    job.script.comment(&format!("the order of records, best first, by each policy ({place})"));
    let mut keeps: Vec<Keep> = vec![plan.survivorship.keep];
    for keep in plan.survivorship.keeps() {
        if !keeps.contains(&keep) {
            keeps.push(keep);
        }
    }
    let ranks: Vec<String> = keeps
        .iter()
        .enumerate()
        .map(|(number, keep)| {
            let order = order(job, *keep, &fields);
            format!(
                "row_number() OVER (PARTITION BY m.cluster ORDER BY {order}) AS \"rank {number}\""
            )
        })
        .collect();
    let own = order(job, plan.survivorship.keep, &fields);
    job.script.comment("gives: of the rows of one id the best alone gives values");
    job.script.table(
        "ranked",
        &format!(
            "SELECT m.cluster, r.*,\n  {},\n  row_number() OVER (PARTITION BY m.cluster, r.\"table\", r.id ORDER BY {own}) = 1 AS gives\nFROM reached m JOIN records r ON r.record = m.record WHERE NOT m.shadow",
            ranks.join(",\n  ")
        ),
    );
    let mut shown =
        vec!["k.cluster".to_owned(), "min(optin_anchor(k.\"table\", k.id)) AS anchor".to_owned()];
    for field in &fields {
        let (keep, group) = plan.survivorship.of(*field);
        let rank = keeps.iter().position(|known| *known == keep).unwrap_or(0);
        let any: Vec<String> = group.iter().map(|of| job.usable("k", *of)).collect();
        let taken = |column: String| {
            job.dialect.first(
                &format!("CASE WHEN {} THEN k.{column} END", job.usable("k", *field)),
                &format!("k.\"rank {rank}\""),
                &format!("k.gives AND ({})", any.join(" OR ")),
            )
        };
        let column = job.column("field", *field);
        shown.push(format!("{} AS {column}", taken(column.clone())));
        if job.is_contact_key(*field) {
            let key = job.column("key", *field);
            shown.push(format!("{} AS {key}", taken(key.clone())));
            shown.push(format!("{} AS {}", taken("record".to_owned()), job.column("from", *field)));
        }
    }
    job.script.table(
        "shown",
        &format!("SELECT {}\nFROM ranked k GROUP BY k.cluster", shown.join(",\n  ")),
    );

    job.script.heading("Profiles: the customers that are not set aside, with their ids");
    job.script.comment("customer_id: the first 128 bits of SHA-256 over namespace, the byte 0x1F and id of the first record");
    let spaces: Vec<String> = plan
        .tables
        .iter()
        .enumerate()
        .map(|(number, table)| format!("WHEN {number} THEN {}", literal(&table.namespace)))
        .collect();
    let position = job.dialect.position();
    job.script.table(
        "profiles",
        &format!(
            "SELECT {position} AS position, q.*\nFROM (SELECT s.anchor.tab AS anchor_table, left(sha256(CASE s.anchor.tab {} END || chr(31) || s.anchor.id), 32) AS customer_id, s.*\n  FROM shown s JOIN fates f ON f.cluster = s.cluster WHERE NOT f.aside) q",
            spaces.join(" ")
        ),
    );
}

/// The order of records of a cluster, best first.
fn order(job: &Job<'_>, keep: Keep, fields: &[FieldId]) -> String {
    let usable_value = |field: FieldId| {
        format!("CASE WHEN {} THEN r.{} END", job.usable("r", field), job.column("field", field))
    };
    let mut order = match keep {
        Keep::MostFilled => {
            let filled: Vec<String> = fields
                .iter()
                .map(|field| format!("CAST({} AS INTEGER)", job.usable("r", *field)))
                .collect();
            vec![format!("{} DESC", filled.join(" + "))]
        }
        Keep::Importance => Vec::new(),
        Keep::MostRecent(field) => vec![format!("{} DESC NULLS LAST", usable_value(field))],
        Keep::LeastRecent(field) => vec![format!("{} ASC NULLS LAST", usable_value(field))],
    };
    order.push("r.\"table\"".to_owned());
    order.push("r.id DESC".to_owned());
    order.extend(fields.iter().map(|field| format!("{} ASC NULLS LAST", usable_value(*field))));
    order.join(", ")
}
