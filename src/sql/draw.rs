//! The draw of a segment: its control group and its limit.
//!
//! Tickets are made of hex digits of SHA-256, which both engines have and which sort as their numbers do.

use super::dialect::Dialect;
use super::job::Job;
use super::script::{Rounds, Step};
use super::text::{literal, name};
use crate::plan::{Control, Limit, Segment, SegmentId, Type};

/// A customer's ticket, of the table `of`.
fn ticket(of: &str, word: &str, seed: &str) -> String {
    let (word, seed) = (literal(word), literal(seed));
    format!("left(sha256({word} || chr(31) || {seed} || chr(31) || {of}.customer_id), 16)")
}

/// True of those who are drawn into a control group, of the table `of`.
pub fn is_drawn(of: &str, control: &Control) -> String {
    let end = format!("{:016x}", control.share.end());
    format!("{} < {}", ticket(of, "control", &control.seed), literal(&end))
}

/// Writes the verdicts of a segment that draws; `query` gives them as they are before.
pub fn write(job: &mut Job<'_>, id: SegmentId, segment: &Segment, query: &str) {
    let number = id.0;
    let mut before = format!("before draw {number}");
    job.script.table(&before, query);
    let verdicts = job.verdict_table(id);
    if let Some(control) = &segment.control {
        let after = if segment.limit.is_some() {
            format!("without control {number}")
        } else {
            verdicts.clone()
        };
        write_control(job, number, (segment, control), &before, &after);
        before = after;
    }
    if let Some(limit) = &segment.limit {
        write_limit(job, limit, &before, &verdicts);
    }
}

fn write_control(
    job: &mut Job<'_>,
    number: usize,
    (segment, control): (&Segment, &Control),
    before: &str,
    after: &str,
) {
    let said = format!("control group of {} with the seed {}", control.share, control.seed);
    job.script.comment(&said);
    let named =
        ["drawn", "shared contacts", "control group"].map(|part| format!("{part} {number}"));
    let [drawn, shared, group] = named.each_ref().map(|table| name(table));
    let before = name(before);
    let keys: Vec<String> = segment.channels.iter().map(|of| job.column("key", *of)).collect();
    let columns: Vec<String> = keys.iter().map(|key| format!(", j.{key}")).collect();
    let columns = columns.concat();
    job.script.table(
        &named[0],
        &format!(
            "SELECT j.cluster, {} AS drawn{columns} FROM judged j JOIN {before} v ON v.cluster = j.cluster WHERE v.verdict = 'in_segment'",
            is_drawn("j", control)
        ),
    );
    let pairs: Vec<String> = keys
        .iter()
        .map(|key| {
            format!("SELECT a.cluster AS one, b.cluster AS other FROM {drawn} a JOIN {drawn} b ON a.{key} = b.{key} AND a.cluster <> b.cluster")
        })
        .collect();
    job.script.table(&named[1], &pairs.join("\nUNION "));
    job.script.comment("and whoever shows the same contact point as one of the group, in rounds");
    let first = format!("SELECT cluster FROM {drawn} WHERE drawn");
    match job.dialect {
        Dialect::Duckdb => job.script.table(
            &named[2],
            &format!("WITH RECURSIVE found(cluster) AS (\n{first}\nUNION SELECT s.other FROM found f JOIN {shared} s ON s.one = f.cluster)\nSELECT cluster FROM found"),
        ),
        Dialect::Spark => job.script.step(Step::Rounds(Rounds {
            table: named[2].clone(),
            start: first,
            again: format!(
                "SELECT cluster FROM {group}\nUNION SELECT s.other AS cluster FROM {group} f JOIN {shared} s ON s.one = f.cluster"
            ),
            done: format!(
                "(SELECT count(*) FROM {group} f JOIN {shared} s ON s.one = f.cluster LEFT JOIN {group} o ON o.cluster = s.other WHERE o.cluster IS NULL) = 0"
            ),
        })),
    }
    job.script.table(
        after,
        &format!(
            "SELECT v.cluster, CASE WHEN g.cluster IS NOT NULL THEN 'control_group' ELSE v.verdict END AS verdict\nFROM {before} v LEFT JOIN {group} g ON g.cluster = v.cluster"
        ),
    );
}

fn write_limit(job: &mut Job<'_>, limit: &Limit, before: &str, after: &str) {
    let plan = job.plan;
    let said = format!("at most {}, {}", limit.count, plan.order_of(limit));
    job.script.comment(&said);
    let mut order = Vec::new();
    if let Some(top_by) = limit.top_by {
        let value = format!("j.{}", job.column("field", top_by.field));
        let value = match plan.fields[top_by.field.0].ty {
            // Minus zero is zero.
            Type::Float => format!("optin_number({value}) + 0"),
            _ => value,
        };
        let way = if top_by.ascending { "ASC" } else { "DESC" };
        order.push(format!("{value} {way} NULLS LAST"));
    }
    order.push(ticket("j", "sample", &limit.seed));
    order.push("j.customer_id".to_owned());
    let before = name(before);
    job.script.table(
        after,
        &format!(
            "SELECT v.cluster, CASE WHEN t.turn > {} THEN 'over_limit' ELSE v.verdict END AS verdict\nFROM {before} v LEFT JOIN (SELECT j.cluster, row_number() OVER (ORDER BY {}) AS turn\n  FROM judged j JOIN {before} i ON i.cluster = j.cluster WHERE i.verdict = 'in_segment') t ON t.cluster = v.cluster",
            limit.count,
            order.join(", ")
        ),
    );
}

/// Those among the table `leaving` whom the draw of their segment does not let leave, with the reason.
pub fn offenders(segment: &Segment, leaving: &str) -> Vec<String> {
    let control = segment.control.as_ref().map(|control| {
        let drawn = is_drawn("l", control);
        format!("SELECT 'of the control group' AS why, l.cluster FROM {leaving} l WHERE {drawn}")
    });
    let limit = segment.limit.as_ref().map(|limit| {
        format!(
            "SELECT 'over the limit' AS why, l.cluster FROM {leaving} l WHERE (SELECT count(*) FROM {leaving}) > {}",
            limit.count
        )
    });
    control.into_iter().chain(limit).collect()
}
