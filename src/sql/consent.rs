//! Decisions, their fold, and the state of each customer for each purpose; suppression.

use super::job::Job;
use super::keys;
use super::places::at;
use super::text::{guard, list, literal, name};
use crate::plan::{
    Conflict, ConsentTable, DENIED, Denial, GRANTED, Match, Period, PeriodUnit, Shape, SourceId,
    Unmatchable,
};

/// Writes the points on which decisions can stand, those of each cluster, and what is shown.
pub fn write_points(job: &mut Job<'_>) {
    job.script.heading("Contact points and records, on which decisions can stand");
    let mut parts = vec![
        "SELECT CAST(0 AS BIGINT) AS record, '' AS subject, '' AS key, CAST([''] AS VARCHAR[]) AS found WHERE false".to_owned(),
    ];
    for field in job.contact_keys() {
        parts.push(format!(
            "SELECT record, {} AS subject, {} AS key, {} AS found FROM records WHERE {} IS NOT NULL",
            literal(&job.key_subject(field)),
            job.column("key", field),
            job.column("found", field),
            job.column("key", field)
        ));
    }
    for number in 0..job.plan.tables.len() {
        parts.push(format!(
            "SELECT record, {}, id, [optin_loose_id(id)] FROM records WHERE id IS NOT NULL AND \"table\" = {number}",
            literal(&job.record_subject(crate::plan::TableId(number)))
        ));
    }
    job.script.comment("point: equal keys that are found by the same forms are one");
    job.script.table(
        "record_points",
        &format!(
            "SELECT {} AS point, q.*\nFROM (\n{}\n) q",
            job.dialect.point(),
            parts.join("\nUNION ALL\n")
        ),
    );
    job.script.table("points", "SELECT DISTINCT point, subject, key, found FROM record_points");
    job.script.table("point_forms", "SELECT point, subject, unnest(found) AS form FROM points");
    let mut shown = vec![
        "SELECT r.cluster, p.point, p.subject, p.key, CASE WHEN p.subject LIKE 'key %' THEN 'other' WHEN r.shadow THEN 'left' ELSE 'record' END AS role\nFROM reached r JOIN record_points p ON p.record = r.record".to_owned(),
    ];
    for field in job.contact_keys() {
        shown.push(format!(
            "SELECT s.cluster, p.point, p.subject, p.key, 'shown' FROM shown s JOIN record_points p ON p.record = s.{} AND p.subject = {}",
            job.column("from", field),
            literal(&job.key_subject(field))
        ));
    }
    job.script.comment("role: shown by the customer; a record of his; of one that left him; other");
    job.script.table(
        "cluster_points",
        &format!("SELECT DISTINCT * FROM (\n{}\n)", shown.join("\nUNION ALL\n")),
    );
    job.script
        .comment("what is set aside shows all its contact points, a profile those that survive");
    job.script.table(
        "shows",
        "SELECT DISTINCT c.cluster, c.subject, c.key FROM cluster_points c JOIN fates f ON f.cluster = c.cluster
WHERE c.role = 'shown' OR (f.aside AND c.role = 'other')",
    );
}

/// What ties a row to people.
struct Ties {
    /// Subject, key and forms of each match, in SQL.
    points: Vec<(String, String, String)>,
    /// Whether a point is a record, in the same order.
    is_record: Vec<bool>,
    /// The texts of key cells, in SQL.
    cells: Vec<String>,
    joins: String,
}

fn ties(job: &Job<'_>, source: SourceId, matches: &[Match]) -> Ties {
    let mut ties =
        Ties { points: Vec::new(), is_record: Vec::new(), cells: Vec::new(), joins: String::new() };
    let text = |job: &Job<'_>, column: &str| keys::cell(job, source, column);
    for (number, item) in matches.iter().enumerate() {
        match item {
            Match::Key { field, column, region } => {
                let cell = text(job, column);
                let region = keys::region(region, |beside| text(job, beside));
                let key = keys::key(job, *field, &cell, &region, &format!("k{number}"));
                ties.joins.push_str(&key.join);
                ties.points.push((literal(&job.key_subject(*field)), key.key, key.denies));
                ties.is_record.push(false);
                ties.cells.push(cell);
            }
            // Refused by `write_suppression`.
            Match::Digest { .. } => {}
            Match::Record { table, column } => {
                let id = format!("optin_id({})", text(job, column));
                ties.points.push((literal(&job.record_subject(*table)), id, String::new()));
                ties.is_record.push(true);
            }
        }
    }
    ties
}

impl Ties {
    /// A query of the ties of each row of a source; `more` are columns of its own.
    fn query(&self, table: &str, more: &[String]) -> String {
        let mut inner = vec!["s.\"row\"".to_owned()];
        let mut outer = vec!["t.*".to_owned()];
        inner.extend_from_slice(more);
        for (number, (_, key, forms)) in self.points.iter().enumerate() {
            inner.push(format!("{key} AS \"key {number}\""));
            if self.is_record[number] {
                outer.push(format!(
                    "CASE WHEN t.\"key {number}\" IS NOT NULL THEN [optin_loose_id(t.\"key {number}\")] END AS \"forms {number}\""
                ));
            } else {
                inner.push(format!("{forms} AS \"forms {number}\""));
            }
        }
        let keys: Vec<usize> = (0..self.points.len()).filter(|at| !self.is_record[*at]).collect();
        for (at, cell) in keys.iter().zip(&self.cells) {
            inner.push(format!("{cell} IS NOT NULL AS \"filled {at}\""));
        }
        let unusable: Vec<String> = keys
            .iter()
            .map(|at| format!("CAST(t.\"filled {at}\" AND t.\"key {at}\" IS NULL AS INTEGER)"))
            .collect();
        let unusable = if unusable.is_empty() { "0".to_owned() } else { unusable.join(" + ") };
        outer.push(format!("{unusable} AS unusable"));
        let any = |records: bool| {
            let there: Vec<String> = (0..self.points.len())
                .filter(|at| self.is_record[*at] == records)
                .map(|at| format!("t.\"key {at}\" IS NOT NULL"))
                .collect();
            if there.is_empty() { "false".to_owned() } else { there.join(" OR ") }
        };
        outer.push(format!("({}) AS has_key", any(false)));
        outer.push(format!("({}) AS has_record", any(true)));
        format!(
            "SELECT {}\nFROM (SELECT {}\n  FROM {} s{}) t",
            outer.join(",\n  "),
            inner.join(",\n    "),
            name(table),
            self.joins
        )
    }
}

/// Writes all decisions that are not hidden.
pub fn write_decisions(job: &mut Job<'_>) {
    let plan = job.plan;
    job.script.heading("Decisions");
    let mut all = Vec::new();
    for (number, table) in plan.consent.tables.iter().enumerate() {
        let source = plan.sources[table.source.0].name.clone();
        let place = job.places.line(at(&job.places.consent, number));
        job.script.comment(&format!("consent table {source} ({place})"));
        all.push(decisions_of(job, number, table));
    }
    all.push("SELECT 0 AS set_number, '' AS purpose, false AS granted, CAST(NULL AS TIMESTAMP) AS starts, CAST(NULL AS TIMESTAMP) AS sorts, '' AS subject, '' AS key, CAST([''] AS VARCHAR[]) AS forms WHERE false".to_owned());
    let hidden = if plan.as_of.is_some_and(|as_of| as_of.replay) {
        "starts > getvariable('as_of')"
    } else {
        job.script.comment("a grant after the run's date is hidden; a denial never is");
        "granted AND starts > getvariable('as_of')"
    };
    job.script.table(
        "decisions",
        &format!(
            "SELECT * FROM (\n{}\n)\nWHERE NOT coalesce({hidden}, false)",
            all.join("\nUNION ALL\n")
        ),
    );
}

fn decisions_of(job: &mut Job<'_>, number: usize, table: &ConsentTable) -> String {
    let plan = job.plan;
    let source = name(&job.tables[table.source.0].table);
    let cell = |job: &Job<'_>, column: &str| keys::cell(job, table.source, column);
    let mut ties = ties(job, table.source, &table.matches);
    // The row's own record, in a customer table.
    let own = table.customers.map(|customers| {
        let id = format!("optin_id({})", cell(job, &plan.tables[customers.0].id));
        (literal(&job.record_subject(customers)), id, String::new())
    });
    if let Some(own) = own {
        ties.points.push(own);
        ties.is_record.push(true);
    }
    let (from, to) = match &table.at {
        None => ("CAST(NULL AS TIMESTAMP)".to_owned(), "CAST(NULL AS TIMESTAMP)".to_owned()),
        Some(at) => {
            let times = job.tables[table.source.0].times.get(at).cloned().unwrap_or_default();
            (format!("s.{}", name(&times.0)), format!("s.{}", name(&times.1)))
        }
    };
    let mut rows = Vec::new();
    match &table.shape {
        Shape::Wide(values) => {
            for (purpose, column) in values {
                let purpose = literal(&plan.consent.purposes[purpose.0].name);
                rows.push(format!(
                    "SELECT s.\"row\", {purpose} AS purpose, optin_word({}) AS word FROM {source} s",
                    cell(job, column)
                ));
            }
        }
        Shape::Long { purpose, value } => {
            let named = "n.named";
            let purposes = &plan.consent.purposes;
            let all_ascii = purposes.iter().all(|purpose| purpose.name.is_ascii());
            let fault = guard(
                "the name of a purpose beyond ASCII, whose case SQL may change in another way",
            );
            let cases: Vec<String> = purposes
                .iter()
                .map(|purpose| {
                    let lower = literal(&purpose.name.trim().to_lowercase());
                    format!("WHEN {named} = {lower} THEN {}", literal(&purpose.name))
                })
                .collect();
            rows.push(format!(
                "SELECT n.\"row\", CASE WHEN {} THEN error({fault}) {} END AS purpose, n.word\nFROM (SELECT s.\"row\", optin_word({}) AS named, optin_word({}) AS word FROM {source} s) n",
                odd_word(named, all_ascii),
                cases.join(" "),
                cell(job, purpose),
                cell(job, value)
            ));
        }
    }
    let tied = format!("tied {number}");
    job.script.table(
        &tied,
        &ties.query(
            &job.tables[table.source.0].table.clone(),
            &[format!("{from} AS starts"), format!("{to} AS ends")],
        ),
    );
    let said_table = format!("said {number}");
    job.script.table(
        &said_table,
        &format!(
            "SELECT \"row\", purpose, granted\nFROM (SELECT *, {} AS granted FROM (\n{}))\nWHERE purpose IS NOT NULL AND granted IS NOT NULL",
            said(table),
            rows.join("\nUNION ALL\n")
        ),
    );
    let (tied, said_table) = (name(&tied), name(&said_table));
    if table.unmatchable == Unmatchable::Stop {
        job.expect(
            &format!(
                "(SELECT count(*) FROM {said_table} d JOIN {tied} t ON t.\"row\" = d.\"row\" WHERE NOT d.granted AND NOT t.has_record AND (t.unusable > 0 OR NOT t.has_key)) = 0"
            ),
            &format!(
                "source {}: a denial can be matched to nobody",
                plan.sources[table.source.0].name
            ),
        );
    }
    let set = match plan.consent.conflict {
        Conflict::Strictest => number,
        Conflict::Latest => 0,
    };
    let points: Vec<String> = ties
        .points
        .iter()
        .enumerate()
        .map(|(number, (subject, _, _))| {
            format!(
                "SELECT {set} AS set_number, d.purpose, d.granted, t.starts, CASE WHEN d.granted THEN t.starts ELSE t.ends END AS sorts, {subject} AS subject, t.\"key {number}\" AS key, t.\"forms {number}\" AS forms\nFROM {said_table} d JOIN {tied} t ON t.\"row\" = d.\"row\" WHERE t.\"key {number}\" IS NOT NULL"
            )
        })
        .collect();
    points.join("\nUNION ALL\n")
}

/// True for a word that may equal another one once its case is changed, in a way that SQL has not.
/// The Kelvin sign is the one character beyond ASCII whose lower case is ASCII.
fn odd_word(word: &str, all_ascii: bool) -> String {
    if all_ascii { format!("optin_kelvin({word})") } else { format!("NOT optin_ascii({word})") }
}

/// What the column `word` says: true, false, or null for what is no decision.
fn said(table: &ConsentTable) -> String {
    let word = "word";
    let own = |words: &[String]| list(words.iter().map(String::as_str));
    let mut cases = Vec::new();
    if !table.words.granted.is_empty() || !table.words.denied.is_empty() {
        let all_ascii = table.words.granted.iter().chain(&table.words.denied).all(|w| w.is_ascii());
        let odd = odd_word(word, all_ascii);
        let fault = guard(
            "a word of a consent table beyond ASCII, whose case SQL may change in another way",
        );
        cases.push(format!("WHEN {odd} THEN error({fault})"));
        cases.push(format!("WHEN {word} IN {} THEN false", own(&table.words.denied)));
        cases.push(format!("WHEN {word} IN {} THEN true", own(&table.words.granted)));
    }
    cases.push(format!("WHEN {word} IN {} THEN false", list(DENIED)));
    cases.push(format!("WHEN {word} IN {} THEN true", list(GRANTED)));
    format!("CASE {} END", cases.join(" "))
}

/// Writes what the decisions on one point come to.
pub fn write_folds(job: &mut Job<'_>) {
    let plan = job.plan;
    job.script.heading("The fold: what the decisions on one point come to");
    job.script.comment(
        "a grant holds for the equal key alone, a denial for all whom one of its forms finds",
    );
    job.script.table(
        "heard",
        "SELECT p.point, d.purpose, d.set_number, d.granted, d.starts, d.sorts
FROM decisions d JOIN points p ON p.subject = d.subject AND p.key = d.key
UNION ALL
SELECT f.point, d.purpose, d.set_number, d.granted, d.starts, d.sorts
FROM (SELECT *, unnest(forms) AS form FROM decisions WHERE NOT granted) d
JOIN point_forms f ON f.subject = d.subject AND f.form = d.form",
    );
    job.script.comment(
        "within a set: an undated denial denies; else the newest counts, at equal times the denial",
    );
    job.script.table(
        "sets",
        "SELECT point, purpose, set_number, denies, NOT denies AND (newest_grant IS NOT NULL OR undated_grant) AS grants, newest_grant AS granted_at
FROM (SELECT *, undated_denial OR coalesce(newest_denial >= newest_grant, newest_denial IS NOT NULL) AS denies
  FROM (SELECT point, purpose, set_number,
      coalesce(bool_or(NOT granted AND sorts IS NULL), false) AS undated_denial,
      coalesce(bool_or(granted AND sorts IS NULL), false) AS undated_grant,
      max(sorts) FILTER (WHERE NOT granted) AS newest_denial,
      max(sorts) FILTER (WHERE granted) AS newest_grant
    FROM heard GROUP BY point, purpose, set_number))",
    );
    let expired: Vec<String> = plan
        .consent
        .purposes
        .iter()
        .filter_map(|purpose| {
            let period = purpose.expires_after?;
            Some(format!(
                "WHEN {} THEN coalesce({} <= getvariable('as_of'), true)",
                literal(&purpose.name),
                ends("granted_at", period)
            ))
        })
        .collect();
    let expired = if expired.is_empty() {
        "false".to_owned()
    } else {
        format!("CASE purpose {} ELSE false END", expired.join(" "))
    };
    job.script
        .comment("across sets: any denial; else a grant that has not ended; else one that has");
    job.script.table(
        "folds",
        &format!(
            "SELECT point, purpose, CASE WHEN bool_or(denies) THEN 'denied' WHEN bool_or(grants AND NOT ended) THEN 'granted' WHEN bool_or(grants) THEN 'expired' ELSE 'unknown' END AS state\nFROM (SELECT *, {expired} AS ended FROM sets) GROUP BY point, purpose"
        ),
    );
}

/// Writes the purposes and what holds for each customer and purpose.
pub fn write_states(job: &mut Job<'_>) {
    let plan = job.plan;
    job.script.heading("States: what holds for each customer and purpose");
    let mut via = Vec::new();
    for (number, purpose) in plan.consent.purposes.iter().enumerate() {
        let place = job.places.line(at(&job.places.purposes, number));
        job.script.comment(&format!("purpose {} ({place})", purpose.name));
        via.push(format!(
            "({}, {}, {})",
            literal(&purpose.name),
            literal(&job.key_subject(purpose.via)),
            number
        ));
    }
    if via.is_empty() {
        job.script.table("purposes", "SELECT '' AS purpose, '' AS via, 0 AS number WHERE false");
    } else {
        job.script.table(
            "purposes",
            &format!("SELECT * FROM (VALUES {}) p(purpose, via, number)", via.join(", ")),
        );
    }
    // Only fields that some consent table matches on, and those that people are contacted through,
    // can be heard of: no decision stands on others.
    let others = match plan.consent.denial {
        Denial::Person => " OR c.role = 'other'",
        Denial::ContactPoint => "",
    };
    job.script.comment("own: what is shown, and the cluster's records; others can only deny");
    job.script.table(
        "own_states",
        &format!(
            "SELECT c.cluster, f.purpose,
  bool_or(f.state = 'denied' AND (c.role IN ('record', 'left') OR (c.role = 'shown' AND c.subject = p.via){others})) AS denied,
  bool_or(f.state = 'granted' AND (c.role = 'record' OR (c.role = 'shown' AND c.subject = p.via))) AS granted,
  bool_or(f.state = 'expired' AND (c.role = 'record' OR (c.role = 'shown' AND c.subject = p.via))) AS expired
FROM cluster_points c JOIN folds f ON f.point = c.point JOIN purposes p ON p.purpose = f.purpose
GROUP BY c.cluster, f.purpose"
        ),
    );
    job.script
        .comment("who shows a contact point that a denied one shows is denied too, in one step");
    job.script.table(
        "denied_points",
        "SELECT DISTINCT o.purpose, s.subject, s.key FROM own_states o JOIN purposes p ON p.purpose = o.purpose
JOIN shows s ON s.cluster = o.cluster AND s.subject = p.via WHERE o.denied",
    );
    job.script.table(
        "states",
        "SELECT r.cluster, p.purpose, CASE
  WHEN coalesce(o.denied, false) OR d.key IS NOT NULL THEN 'denied'
  WHEN s.key IS NULL AND coalesce(o.expired, false) AND NOT coalesce(o.granted, false) THEN 'expired'
  WHEN s.key IS NULL THEN 'no_contact_point'
  WHEN coalesce(o.granted, false) THEN 'granted'
  WHEN coalesce(o.expired, false) THEN 'expired'
  ELSE 'unknown' END AS state
FROM profiles r CROSS JOIN purposes p
LEFT JOIN own_states o ON o.cluster = r.cluster AND o.purpose = p.purpose
LEFT JOIN shows s ON s.cluster = r.cluster AND s.subject = p.via
LEFT JOIN denied_points d ON d.purpose = p.purpose AND d.subject = s.subject AND d.key = s.key",
    );
}

/// When a period that begins at a time has ended; null where there is no time.
pub fn ends(start: &str, period: Period) -> String {
    let (by, times) = match period.unit {
        PeriodUnit::Hours => ("hours", 1),
        PeriodUnit::Days => ("hours", 24),
        PeriodUnit::Weeks => ("hours", 7 * 24),
        PeriodUnit::Months => ("months", 1),
        PeriodUnit::Years => ("months", 12),
    };
    format!("optin_plus_{by}({start}, {})", i64::from(period.count).saturating_mul(times))
}

/// Writes who stands on the suppression lists.
pub fn write_suppression(job: &mut Job<'_>) {
    let plan = job.plan;
    job.script.heading("Suppression: who is never contacted");
    let mut all = Vec::new();
    for (number, listed) in plan.consent.suppress.iter().enumerate() {
        let source = plan.sources[listed.source.0].name.clone();
        let place = job.places.line(at(&job.places.suppress, number));
        if listed.matches.iter().any(|of| matches!(of, Match::Digest { .. })) {
            let span = at(&job.places.suppress, number);
            job.refuse(span, "a suppression list of digests", "");
        }
        let ties = ties(job, listed.source, &listed.matches);
        let table = format!("listed {number}");
        job.script.comment(&format!("list {source} ({place})"));
        job.script.table(&table, &ties.query(&job.tables[listed.source.0].table.clone(), &[]));
        if listed.unmatchable == Unmatchable::Stop {
            job.expect(
                &format!(
                    "(SELECT count(*) FROM {} WHERE NOT has_record AND (unusable > 0 OR NOT has_key)) = 0",
                    name(&table)
                ),
                &format!("source {source}: an entry can be matched to nobody"),
            );
        }
        all.extend(ties.points.iter().enumerate().map(|(at, (subject, _, _))| {
            format!(
                "SELECT {number} AS list, {subject} AS subject, \"key {at}\" AS key, \"forms {at}\" AS forms FROM {} WHERE \"key {at}\" IS NOT NULL",
                name(&table)
            )
        }));
    }
    all.push(
        "SELECT 0 AS list, '' AS subject, '' AS key, CAST([''] AS VARCHAR[]) AS forms WHERE false"
            .to_owned(),
    );
    job.script.table("entries", &all.join("\nUNION ALL\n"));
    job.script.comment(
        "a list hits a customer through any contact point or record of his, equal or looser",
    );
    job.script.table(
        "hits",
        "SELECT DISTINCT e.list, c.cluster FROM (
  SELECT e.list, p.point FROM entries e JOIN points p ON p.subject = e.subject AND p.key = e.key
  UNION SELECT e.list, f.point FROM (SELECT *, unnest(forms) AS form FROM entries) e
    JOIN point_forms f ON f.subject = e.subject AND f.form = e.form) e
JOIN cluster_points c ON c.point = e.point",
    );
}
