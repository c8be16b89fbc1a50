//! The proof: whether those who are about to leave may, asked anew of decisions and lists.
//!
//! The job decides by folds, states and verdicts. These queries use none of them: they begin with the
//! customers of whom an export consists, look up their contact points and records, and search for a
//! denial, a missing grant or an entry of a list. What a contact point is found by, which records are one
//! customer and what he shows is the job's answer. They are no stricter than the rules, so that a right
//! job always passes; that a denial reaches others who show the same contact point is not asked.

use super::consent::ends;
use super::draw;
use super::job::Job;
use super::text::{literal, name};
use crate::plan::{Denial, Export, Model, PurposeId};

/// A query that gives reasons (`why`) and the number of customers (`customers`) who may not leave for
/// it; no rows if all may. None where nothing can forbid an export.
pub fn query(job: &Job<'_>, number: usize, export: &Export) -> Option<String> {
    let segment = &job.plan.segments[export.segment.0];
    let leaving = name(&format!("leaving {number}"));
    let mut offenders = Vec::new();
    for purpose in segment.gate.purposes() {
        offenders.extend(of_purpose(job, &leaving, *purpose));
    }
    offenders.extend(job.lists(&segment.channels).map(|lists| of_lists(&leaving, &lists)));
    offenders.extend(draw::offenders(segment, &leaving));
    if offenders.is_empty() {
        return None;
    }
    Some(format!(
        "SELECT why, count(*) AS customers\nFROM (SELECT DISTINCT why, cluster FROM (\n{}\n) f) o\nGROUP BY why ORDER BY why",
        offenders.join("\nUNION ALL\n")
    ))
}

/// Those of whom an entry of a list knows a contact point or a record.
fn of_lists(leaving: &str, lists: &str) -> String {
    let owned = owned(leaving, "true");
    let entries = format!("SELECT subject, key, forms FROM entries WHERE list IN ({lists})");
    format!(
        "SELECT 'suppressed' AS why, o.cluster FROM ({owned}) o JOIN ({entries}) e ON e.subject = o.subject AND e.key = o.key
UNION ALL
SELECT 'suppressed' AS why, o.cluster FROM (SELECT cluster, subject, unnest(found) AS form FROM ({owned}) q) o
JOIN (SELECT subject, unnest(forms) AS form FROM ({entries}) q) e ON e.subject = o.subject AND e.form = o.form"
    )
}

/// The contact points and records of those who leave.
fn owned(leaving: &str, which: &str) -> String {
    format!(
        "SELECT l.cluster, p.subject, p.key, p.found FROM {leaving} l JOIN cluster_points c ON c.cluster = l.cluster JOIN points p ON p.point = c.point WHERE {which}"
    )
}

/// Those who did not consent to a purpose, for each reason.
fn of_purpose(job: &Job<'_>, leaving: &str, purpose: PurposeId) -> Vec<String> {
    let purpose = &job.plan.consent.purposes[purpose.0];
    let called = literal(&purpose.name);
    let via = literal(&job.key_subject(purpose.via));
    let key = job.column("key", purpose.via);
    let shown = format!("(c.role = 'shown' AND c.subject = {via})");
    let others = match job.plan.consent.denial {
        Denial::Person => " OR c.role = 'other'",
        Denial::ContactPoint => "",
    };
    let denied = owned(leaving, &format!("(c.role IN ('record', 'left') OR {shown}{others})"));
    let said =
        |granted: &str| format!("SELECT * FROM decisions WHERE {granted} AND purpose = {called}");
    let denials = said("NOT granted");
    // A denial counts unless a grant of the same set for the same key is newer.
    let counts = format!(
        "SELECT 'denied' AS why, d.cluster FROM (
  SELECT o.cluster, d.set_number, o.subject, o.key, d.sorts FROM ({denied}) o JOIN ({denials}) d ON d.subject = o.subject AND d.key = o.key
  UNION ALL
  SELECT l.cluster, d.set_number, d.subject, d.key, d.sorts FROM {leaving} l JOIN ({denials}) d ON d.subject = {via} AND d.key = l.{key}
  UNION ALL
  SELECT o.cluster, d.set_number, o.subject, o.key, d.sorts
  FROM (SELECT cluster, subject, key, unnest(found) AS form FROM ({denied}) q) o
  JOIN (SELECT set_number, subject, sorts, unnest(forms) AS form FROM ({denials}) q) d ON d.subject = o.subject AND d.form = o.form
) d LEFT JOIN (SELECT set_number, subject, key, max(sorts) AS newest FROM ({}) q GROUP BY set_number, subject, key) g
ON g.set_number = d.set_number AND g.subject = d.subject AND g.key = d.key
WHERE d.sorts IS NULL OR g.newest IS NULL OR g.newest <= d.sorts",
        said("granted")
    );
    let mut all = vec![
        counts,
        format!(
            "SELECT 'without a contact point' AS why, l.cluster FROM {leaving} l WHERE l.{key} IS NULL"
        ),
    ];
    if purpose.model == Model::OptIn {
        let running = purpose.expires_after.map_or_else(String::new, |period| {
            format!(" AND NOT coalesce({} <= getvariable('as_of'), true)", ends("d.sorts", period))
        });
        let granting = owned(leaving, &format!("(c.role = 'record' OR {shown})"));
        all.push(format!(
            "SELECT 'not granted' AS why, l.cluster FROM {leaving} l LEFT JOIN (
  SELECT DISTINCT o.cluster FROM ({granting}) o JOIN ({}) d ON d.subject = o.subject AND d.key = o.key{running}
) g ON g.cluster = l.cluster WHERE g.cluster IS NULL",
            said("granted")
        ));
    }
    all
}
