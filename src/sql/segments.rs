//! Verdicts and exports.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::dialect::Dialect;
use super::draw;
use super::job::Job;
use super::places::at;
use super::rule::Scope;
use super::script::{self, Rounds, Step};
use super::text::{Names, list, literal, name};
use crate::normalize::Kind;
use crate::plan::{
    CopyTo, Export, FieldId, Model, OutColumn, PurposeId, Segment, SegmentId, Target, TargetFormat,
    Type,
};

/// Columns of the table `judged`.
struct Judged {
    /// By purpose: its state.
    states: Vec<String>,
    /// By purpose: whether the profile would pass its gate.
    passes: Vec<String>,
    /// By set of channels: whether the profile is suppressed for what goes out through it.
    suppressed: BTreeMap<Vec<FieldId>, String>,
}

/// Writes the verdicts of all segments, and the exports.
pub fn write(job: &mut Job<'_>) {
    let judged = write_judged(job);
    let plan = job.plan;
    job.script.heading("Segments: the first verdict that applies");
    for SegmentId(number) in &plan.segment_order {
        let segment = &plan.segments[*number];
        let place = job.places.line(at(&job.places.segments, *number));
        job.script.comment(&format!("segment {} ({place})", segment.name));
        if let Some(rule) = &segment.rule {
            job.script.comment(&format!("where: {}", rule.text));
            if !rule.expr.aggregates().is_empty() {
                job.refuse(
                    at(&job.places.wheres, *number),
                    "a rule that asks for rows of a related table",
                    "run it with `optin run`, or make the figures a column of a customer table",
                );
            }
        }
        let query = verdict(job, &judged, segment);
        if segment.draws() {
            draw::write(job, SegmentId(*number), segment, &query);
        } else {
            job.script.table(&job.verdict_table(SegmentId(*number)), &query);
        }
    }
    write_outputs(job, &judged);
    if plan.as_of.is_some_and(|as_of| as_of.replay) {
        job.script.comment("a replay exports nothing");
        return;
    }
    if !plan.exports.is_empty() {
        job.script.heading("Exports");
    }
    for (number, export) in plan.exports.iter().enumerate() {
        write_export(job, &judged, number, export);
    }
}

/// The channels for which it is asked whether a profile is suppressed, each once.
fn channels(job: &Job<'_>) -> Vec<Vec<FieldId>> {
    let of_segments = job.plan.segments.iter().map(|segment| segment.channels.clone());
    let of_purposes = job.plan.consent.purposes.iter().map(|purpose| vec![purpose.via]);
    let mut all: Vec<Vec<FieldId>> = of_segments.chain(of_purposes).collect();
    for channels in &mut all {
        channels.sort_unstable();
    }
    all.sort();
    all.dedup();
    all
}

fn write_judged(job: &mut Job<'_>) -> Judged {
    let plan = job.plan;
    job.script.heading("What segments ask of each profile");
    let mut names = Names::default();
    let mut suppressed = BTreeMap::new();
    let mut columns = vec!["p.*".to_owned()];
    let mut joins = String::new();
    for channels in channels(job) {
        let named: Vec<&str> =
            channels.iter().map(|field| plan.fields[field.0].name.as_str()).collect();
        let table = names.unique(&format!("suppressed {}", named.join(" ")));
        // No list has this number.
        let lists = job.lists(&channels).unwrap_or_else(|| "-1".to_owned());
        let subjects: Vec<String> = channels.iter().map(|field| job.key_subject(*field)).collect();
        job.script.comment(&format!("for what goes out through: {}", named.join(", ")));
        job.script.table(
            &table,
            &format!(
                "SELECT cluster FROM hits WHERE list IN ({lists})\nUNION SELECT s.cluster FROM hits h JOIN shows o ON o.cluster = h.cluster JOIN shows s ON s.subject = o.subject AND s.key = o.key\nWHERE h.list IN ({lists}) AND s.subject IN {}",
                list(subjects.iter().map(String::as_str))
            ),
        );
        suppressed.insert(channels, table);
    }
    for (number, table) in suppressed.values().enumerate() {
        columns.push(format!("x{number}.cluster IS NOT NULL AS {}", name(table)));
        let _ = write!(
            joins,
            "\n  LEFT JOIN {} x{number} ON x{number}.cluster = p.cluster",
            name(table)
        );
    }
    let (mut states, mut passes) = (Vec::new(), Vec::new());
    let mut outer = vec!["q.*".to_owned()];
    for (number, purpose) in plan.consent.purposes.iter().enumerate() {
        let state = names.unique(&format!("state {}", purpose.name));
        let pass = names.unique(&format!("passes {}", purpose.name));
        let _ = write!(
            joins,
            "\n  JOIN states s{number} ON s{number}.cluster = p.cluster AND s{number}.purpose = {}",
            literal(&purpose.name)
        );
        columns.push(format!("s{number}.state AS {}", name(&state)));
        let good = match purpose.model {
            Model::OptIn => "('granted')",
            Model::OptOut => "('granted', 'unknown')",
        };
        let barred = suppressed.get(&vec![purpose.via]).map(String::as_str).unwrap_or_default();
        outer.push(format!(
            "q.{} IN {good} AND NOT q.{} AS {}",
            name(&state),
            name(barred),
            name(&pass)
        ));
        states.push(state);
        passes.push(pass);
    }
    job.script.table(
        "judged",
        &format!(
            "SELECT {}\nFROM (SELECT {}\n  FROM profiles p{joins}) q",
            outer.join(",\n  "),
            columns.join(",\n    ")
        ),
    );
    Judged { states, passes, suppressed }
}

fn verdict(job: &Job<'_>, judged: &Judged, segment: &Segment) -> String {
    let plan = job.plan;
    let mut channels = segment.channels.clone();
    channels.sort_unstable();
    let suppressed = judged.suppressed.get(&channels).map(String::as_str).unwrap_or_default();
    let mut gate = vec![format!("WHEN j.{} THEN 'suppressed'", name(suppressed))];
    for state in ["denied", "expired", "unknown", "no_contact_point"] {
        let stops: Vec<String> = segment
            .gate
            .purposes()
            .iter()
            .filter(|purpose| {
                state != "unknown" || plan.consent.purposes[purpose.0].model == Model::OptIn
            })
            .map(|purpose| format!("j.{} = '{state}'", name(&judged.states[purpose.0])))
            .collect();
        if !stops.is_empty() {
            gate.push(format!("WHEN {} THEN '{state}'", stops.join(" OR ")));
        }
    }
    let rule = match &segment.rule {
        None => "true".to_owned(),
        Some(rule) => Scope { job, passes: &judged.passes }.expr(&rule.expr),
    };
    let mut joins = String::new();
    let mut members: Vec<SegmentId> = Vec::new();
    for member in segment.union.iter().chain(&segment.intersect).chain(&segment.except) {
        if !members.contains(member) {
            members.push(*member);
            let _ = write!(
                joins,
                "\n  JOIN {} m{} ON m{}.cluster = j.cluster",
                job.verdicts(*member),
                member.0,
                member.0
            );
        }
    }
    let inside = |member: &SegmentId| format!("m{}.verdict = 'in_segment'", member.0);
    let mut conditions = Vec::new();
    if !segment.union.is_empty() {
        let any: Vec<String> = segment.union.iter().map(inside).collect();
        conditions.push(format!("({})", any.join(" OR ")));
    }
    conditions.extend(segment.intersect.iter().map(inside));
    conditions.extend(segment.except.iter().map(|member| format!("NOT {}", inside(member))));
    let belongs = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") };
    format!(
        "SELECT cluster, CASE WHEN gate IS NOT NULL THEN gate WHEN NOT rule THEN 'rule_false' WHEN rule IS NULL THEN 'rule_unknown' WHEN NOT belongs THEN 'set_operation' ELSE 'in_segment' END AS verdict\nFROM (SELECT g.cluster, g.gate, g.belongs, CASE WHEN g.gate IS NULL THEN {rule} END AS rule\n  FROM (SELECT j.cluster, CASE {} END AS gate, {belongs} AS belongs FROM judged j{joins}) g\n  JOIN judged j ON j.cluster = g.cluster)",
        gate.join(" ")
    )
}

/// The columns of a file, in SQL.
fn columns(job: &Job<'_>, judged: &Judged, of: &[OutColumn], file: &File<'_>) -> String {
    let plan = job.plan;
    let text_file = !matches!(file.target.format, TargetFormat::Parquet | TargetFormat::Ipc);
    let columns = of.iter().map(|column| {
        let value = match column {
            OutColumn::CustomerId => "j.customer_id".to_owned(),
            OutColumn::PreviousIds | OutColumn::Grouping(_) => "CAST(NULL AS VARCHAR)".to_owned(),
            OutColumn::Consent(purpose) => format!("j.{}", name(&judged.states[purpose.0])),
            OutColumn::Field(field) => {
                let value = format!("j.{}", job.column("field", *field));
                let known = &plan.fields[field.0];
                match known.ty {
                    Type::Text if file.guards => {
                        let (phone, mail) =
                            (known.key.kind() == Kind::Phone, known.key.kind() == Kind::Mail);
                        format!("optin_formula({value}, {phone}, {mail})")
                    }
                    Type::Datetime if text_file => format!("optin_datetime_text({value})"),
                    // As the engine writes it: a number of JSON need not be read exactly.
                    Type::Decimal(_) | Type::Date if text_file => {
                        format!("CAST({value} AS VARCHAR)")
                    }
                    _ => value,
                }
            }
        };
        format!("{value} AS {}", name(&plan.column_name(*column)))
    });
    columns.collect::<Vec<String>>().join(", ")
}

/// A file to write.
struct File<'a> {
    target: &'a Target,
    guards: bool,
}

/// Refuses a file of which two columns have names that are one to DuckDB.
fn refuse_equal_names<'n>(
    job: &mut Job<'_>,
    span: crate::diagnostics::Span,
    mut columns: impl Iterator<Item = &'n str>,
) {
    let mut names = Names::default();
    if let Some(column) = columns.find(|column| names.unique(column) != **column) {
        job.refuse(
            span,
            format!("a column `{column}` beside one whose name differs from it in case alone"),
            format!("{} would take them for one; leave one out", job.dialect.engine()),
        );
    }
}

/// A file of a query.
fn copy(
    job: &mut Job<'_>,
    span: crate::diagnostics::Span,
    called: &str,
    query: String,
    target: &Target,
) {
    if target.format == TargetFormat::Ipc {
        let why = format!("{} writes none by itself; write Parquet", job.dialect.engine());
        job.refuse(span, "an Arrow IPC file", why);
    } else if target.format == TargetFormat::Xlsx {
        let why = format!("{} writes none by itself; write CSV or Parquet", job.dialect.engine());
        job.refuse(span, "a workbook", why);
    } else if target.path.to_str().is_none_or(|path| path.contains('\0')) {
        job.refuse(span, "a path that is no text", "rename the file");
    } else {
        job.script.step(Step::Write(script::Write {
            called: called.to_owned(),
            query,
            path: target.path.clone(),
            format: target.format,
        }));
    }
}

fn write_export(job: &mut Job<'_>, judged: &Judged, number: usize, export: &Export) {
    let plan = job.plan;
    let span = at(&job.places.exports, number);
    if let Some(file) = &export.audience {
        let why =
            "an audience is made of normal forms that only `optin run` makes; write it with a run";
        job.refuse(span, format!("`audience: {}`", file.platform.name()), why);
        return;
    }
    if let Some(copy) = &export.copy_to {
        let why = "only `optin run` proves the file of which a copy is made; write it with a run";
        let into = match copy {
            CopyTo::Table { table, .. } => format!("the table {table}"),
            CopyTo::Object { object } => object.clone(),
        };
        job.refuse(span, format!("a copy into {into}"), why);
        return;
    }
    if export.target.is_folder() {
        let why =
            "the job could not say in which order rows stand in their files; write it with a run";
        job.refuse(span, "`partition_by`".to_owned(), why);
        return;
    }
    let segment = &plan.segments[export.segment.0];
    let grouping = export.columns.iter().find_map(|column| match column {
        OutColumn::Grouping(grouping) => Some(*grouping),
        _ => None,
    });
    if let Some(grouping) = grouping {
        job.refuse(
            at(&job.places.groupings, grouping.0),
            format!("the ids of the grouping `{}`", plan.groupings[grouping.0].name),
            "leave the column out of the export",
        );
    }
    let names: Vec<String> = export.columns.iter().map(|of| plan.column_name(*of)).collect();
    refuse_equal_names(job, span, names.iter().map(String::as_str));
    let place = job.places.line(span);
    job.script.comment(&format!("export of {} ({place})", segment.name));
    let leaving = format!("leaving {number}");
    let members = format!(
        "SELECT j.* FROM judged j JOIN {} v ON v.cluster = j.cluster WHERE v.verdict = 'in_segment'",
        job.verdicts(export.segment)
    );
    let keys: Vec<String> = export.contacts.iter().map(|field| job.column("key", *field)).collect();
    match keys.as_slice() {
        [] => job.script.table(&leaving, &members),
        [key] => {
            job.script.comment("of those who show one contact point the first");
            job.script.table(
                &leaving,
                &format!(
                    "SELECT * FROM (SELECT j.*, row_number() OVER (PARTITION BY j.{key} ORDER BY j.position) AS turn\nFROM ({members}) j) j\nWHERE j.{key} IS NULL OR j.turn = 1"
                ),
            );
        }
        several => {
            job.script.comment(
                "who shows a contact point of one who leaves before stays: decided in rounds, each",
            );
            job.script.comment("deciding all of whom those before that share a contact point with them are decided");
            let shared: Vec<String> = several
                .iter()
                .map(|key| {
                    format!("SELECT a.position AS earlier, b.position AS later FROM {{inside}} a JOIN {{inside}} b ON a.{key} = b.{key} AND a.position < b.position")
                })
                .collect();
            let named = ["inside", "shared", "decided"].map(|part| format!("{part} {number}"));
            let [inside, share, decided] = named.each_ref().map(|table| name(table));
            job.script.table(&named[0], &members);
            let shared = shared.join("\nUNION ").replace("{inside}", &inside);
            job.script.table(&named[1], &shared);
            write_turns(job, &named[2], &inside, &share);
            job.script.table(
                &leaving,
                &format!("SELECT i.* FROM {inside} i JOIN {decided} d ON d.position = i.position WHERE d.leaves"),
            );
        }
    }
    let text_file = matches!(export.target.format, TargetFormat::Csv | TargetFormat::Tsv);
    let file = File { target: &export.target, guards: export.guard_formulas && text_file };
    let columns = columns(job, judged, &export.columns, &file);
    let query = format!("SELECT {columns} FROM {} j", name(&leaving));
    copy(job, span, &segment.name, query, &export.target);
}

/// Who leaves, of those in `inside` of whom some come after others in `shared`.
fn write_turns(job: &mut Job<'_>, table: &str, inside: &str, shared: &str) {
    let first = format!(
        "SELECT i.position, true AS leaves FROM {inside} i WHERE NOT EXISTS (SELECT 1 FROM {shared} s WHERE s.later = i.position)"
    );
    let next = |decided: &str| {
        format!(
            "SELECT s.later AS position, NOT bool_or(coalesce(d.leaves, false)) AS leaves FROM {shared} s LEFT JOIN {decided} d ON d.position = s.earlier
WHERE NOT EXISTS (SELECT 1 FROM {decided} e WHERE e.position = s.later) GROUP BY s.later HAVING count(*) = count(d.position)"
        )
    };
    match job.dialect {
        Dialect::Duckdb => {
            let next = next("recurring.decided");
            job.script.table(
                table,
                &format!("WITH RECURSIVE decided(position, leaves) USING KEY (position) AS (\n{first}\nUNION (\n{next}))\nSELECT position, leaves FROM decided"),
            );
        }
        Dialect::Spark => {
            let decided = name(table);
            job.script.step(Step::Rounds(Rounds {
                table: table.to_owned(),
                start: first,
                again: format!(
                    "SELECT position, leaves FROM {decided}\nUNION ALL\n{}",
                    next(&decided)
                ),
                done: format!("(SELECT count(*) FROM {decided}) = (SELECT count(*) FROM {inside})"),
            }));
        }
    }
}

/// The internal tables that a job writes: profiles and verdicts.
fn write_outputs(job: &mut Job<'_>, judged: &Judged) {
    let plan = job.plan;
    if plan.copy_to.is_some() {
        let help =
            "only `optin run` puts its files there; have the job write to the bucket: --root";
        job.refuse(job.places.copy_to, "copies of all files in a bucket", help);
    }
    for number in 0..plan.measures.len() {
        let span = at(&job.places.measures, number);
        job.refuse(span, "a measure", "only `optin run` takes measures");
    }
    for (number, (called, target)) in plan.outputs.named().into_iter().enumerate() {
        let Some(target) = target else { continue };
        let span = at(&job.places.outputs, number);
        let place = job.places.line(span);
        match called {
            "segments" => {
                let mut columns = vec!["j.customer_id".to_owned()];
                let mut joins = String::new();
                for (number, segment) in plan.segments.iter().enumerate() {
                    columns.push(format!("v{number}.verdict AS {}", name(&segment.name)));
                    let _ = write!(
                        joins,
                        "\nJOIN {} v{number} ON v{number}.cluster = j.cluster",
                        job.verdicts(SegmentId(number))
                    );
                }
                let names = plan.segments.iter().map(|segment| segment.name.as_str());
                refuse_equal_names(job, span, std::iter::once("customer_id").chain(names));
                job.script.heading("Internal table: segments");
                let query = format!("SELECT {}\nFROM judged j{joins}", columns.join(", "));
                copy(job, span, called, query, target);
            }
            "profiles" if plan.groupings.is_empty() => {
                let mut of = vec![OutColumn::CustomerId];
                of.extend(plan.identity.previous.as_ref().map(|_| OutColumn::PreviousIds));
                of.extend((0..plan.fields.len()).map(|at| OutColumn::Field(FieldId(at))));
                let purposes = 0..plan.consent.purposes.len();
                of.extend(purposes.map(|at| OutColumn::Consent(PurposeId(at))));
                let names: Vec<String> = of.iter().map(|of| plan.column_name(*of)).collect();
                refuse_equal_names(job, span, names.iter().map(String::as_str));
                let columns = columns(job, judged, &of, &File { target, guards: false });
                job.script.heading("Internal table: profiles");
                let query = format!("SELECT {columns}\nFROM judged j");
                copy(job, span, called, query, target);
            }
            _ => job.script.comment(&format!("left out: the internal table {called} ({place})")),
        }
    }
}
