//! What people see of a run: the terminal summary, at most 80 columns wide, and the [`page`] beside
//! the run record.

mod layout;
pub mod page;

use std::fmt::Write as _;

use crate::engine::account::{Account, SegmentAccount};
use crate::output::RunRecord;
use crate::output::audience::WrittenAudience;
use crate::plan::{CopyTo, said_date};
pub use layout::{counted, file_line, heading, number, table, tidy, wrap, wrap_words};
use layout::{line, nonzero, wrap_under};

/// The summary of a run.
#[must_use]
pub fn summary(record: &RunRecord) -> String {
    let account = &record.account;
    let mut text = String::new();
    let records: u64 = account.customers.iter().map(|a| a.read).sum();
    let title = format!(
        "{} from {}, as of {}{}",
        counted(account.profiles, "customer"),
        counted(records, "record"),
        said_date(&record.as_of),
        if record.replay { " (replay: nothing is exported)" } else { "" },
    );
    wrap_words(&mut text, &format!("{}: ", record.pipeline), title.split(' '));
    customers(&mut text, account);
    consent(&mut text, account);
    related(&mut text, account);
    if !account.segments.is_empty() {
        heading(&mut text, "Segments");
        for a in &account.segments {
            segment(&mut text, a);
            for of in account.memberships.iter().filter(|of| of.segment == a.segment) {
                let parts = [
                    format!("{} before", number(of.before)),
                    format!("entered {}", number(of.entered)),
                    format!("left {}", number(of.left)),
                ];
                wrap(&mut text, "    history: ", &parts);
            }
        }
    }
    measures(&mut text, account);
    written(&mut text, record);
    if !record.warnings.is_empty() {
        text.push('\n');
        text += &warnings(record);
    }
    let milliseconds: u64 = record.stages.iter().map(|stage| stage.milliseconds).sum();
    #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
    let seconds = milliseconds as f64 / 1000.0;
    let _ = writeln!(
        text,
        "\nEvery sum closes. Run record: {} ({seconds:.2} s)",
        tidy(&record.folder.join(crate::output::record::FILE))
    );
    text
}

/// The warnings of a run, as its summary tells them: nothing if there are none.
#[must_use]
pub fn warnings(record: &RunRecord) -> String {
    let mut text = String::new();
    for warning in &record.warnings {
        if !text.is_empty() {
            text.push('\n');
        }
        let lead = format!("warning[{}]: ", warning.code);
        wrap_words(&mut text, &lead, warning.message.split(' '));
        if let Some(help) = &warning.help {
            wrap_words(&mut text, "    ", help.split(' '));
        }
    }
    text
}

/// A summary with colours for a terminal: headings bold, warnings yellow, the last line green where all
/// is well. No letter moves.
#[must_use]
pub fn coloured(summary: &str) -> String {
    let mut text = String::new();
    for (at, line) in summary.lines().enumerate() {
        let is_heading = at == 0 || !line.starts_with(' ');
        let colour = match line {
            "" => None,
            _ if line.starts_with("warning[") => Some("33"),
            _ if line.starts_with("Every sum closes") => Some("32"),
            _ if is_heading => Some("1"),
            _ => None,
        };
        let _ = match colour {
            Some(colour) => writeln!(text, "\x1b[{colour}m{line}\x1b[0m"),
            None => writeln!(text, "{line}"),
        };
    }
    text
}

fn customers(text: &mut String, account: &Account) {
    heading(text, "Customer records");
    let rows = account.customers.iter().map(|a| {
        let aside = a.quarantined_no_id + a.quarantined_duplicate_id + a.quarantined_large_cluster;
        vec![
            a.source.clone(),
            number(a.read),
            number(a.kept),
            number(a.merged),
            number(aside + a.dropped),
        ]
    });
    table(text, &["source", "read", "kept", "merged", "set aside"], rows);
    for a in &account.customers {
        let parts = [
            ("no id", a.quarantined_no_id),
            ("duplicate id", a.quarantined_duplicate_id),
            ("cluster too large", a.quarantined_large_cluster),
            ("unmatched and dropped", a.dropped),
        ];
        line(text, &format!("set aside of {}", a.source), nonzero(&parts));
    }
    for a in &account.keys {
        let parts = [("unusable values", a.unusable), ("values that link nobody", a.never)];
        line(text, &format!("key {}", a.field), nonzero(&parts));
    }
    links(text, account);
    if let Some(a) = &account.previous {
        let parts = [
            ("created", a.created),
            ("kept", a.kept),
            ("merged", a.merged),
            ("split", a.split),
            ("ended", a.ended),
        ];
        line(text, "against the earlier run", nonzero(&parts));
    }
    for a in &account.groupings {
        let parts = [
            format!("{} groups", number(a.groups)),
            format!("{} of more than one customer", number(a.shared)),
            format!("the largest of {}", number(a.largest)),
        ];
        line(text, &a.grouping, parts.into_iter());
    }
}

/// What the rules and pairs linked, and how large customers are.
fn links(text: &mut String, account: &Account) {
    if !account.rules.is_empty() {
        heading(text, "Links (alone: links that no other rule makes)");
        let _ = writeln!(text, "  {:>11} {:>11} {:>11}  rule", "links", "records", "alone");
        for a in &account.rules {
            let lead = format!(
                "  {:>11} {:>11} {:>11}  ",
                number(a.links),
                number(a.records),
                number(a.alone)
            );
            // A condition stays in one line: `last_name ~ 0.8`.
            let conditions: Vec<&str> = a.rule.split_inclusive(" + ").map(str::trim_end).collect();
            wrap_under(text, &lead, lead.len() + 2, conditions.into_iter());
        }
        for a in &account.rules {
            let parts = [("values shared by too many, which link nobody", a.blocked_values)];
            line(text, &a.rule, nonzero(&parts));
        }
    }
    for a in &account.pairs {
        let parts = [
            ("used", a.used),
            ("again", a.folded),
            ("incomplete", a.incomplete),
            ("unknown table", a.unknown_table),
            ("unknown id", a.unknown_id),
            ("same record", a.same_record),
            ("refused", a.refused),
        ];
        line(text, &format!("{} (pairs, {})", a.source, a.kind), nonzero(&parts));
    }
    let merged: Vec<_> = account.clusters.iter().filter(|size| size.records > 1).collect();
    if let Some(largest) = merged.last() {
        let customers: u64 = merged.iter().map(|size| size.clusters).sum();
        let parts = [
            format!("{} of several records", number(customers)),
            format!("the largest of {}", number(largest.records)),
        ];
        line(text, "customers", parts.into_iter());
    }
}

fn consent(text: &mut String, account: &Account) {
    if !account.consent.is_empty() {
        heading(text, "Decisions");
        let rows = account.consent.iter().map(|a| {
            let other = a.unrecognized + a.other_purpose + a.unmatchable + a.after_as_of;
            vec![
                a.source.clone(),
                number(a.read),
                number(a.used),
                number(a.folded),
                number(a.no_decision),
                number(other),
            ]
        });
        table(text, &["source", "read", "used", "folded", "none", "no effect"], rows);
        for a in &account.consent {
            let parts = [
                ("unrecognized", a.unrecognized),
                ("other purpose", a.other_purpose),
                ("unmatchable", a.unmatchable),
                ("after as_of", a.after_as_of),
                ("withdrawn after as_of", a.withdrawn_after_as_of),
            ];
            line(text, &a.source, nonzero(&parts));
        }
    }
    if !account.purposes.is_empty() {
        heading(text, "Consent of customers");
        for a in &account.purposes {
            let parts = [
                ("granted", a.granted),
                ("denied", a.denied),
                ("expired", a.expired),
                ("unknown", a.unknown),
                ("no contact point", a.no_contact_point),
                ("yes and no in conflict", a.conflicting),
            ];
            line(text, &a.purpose, nonzero(&parts));
        }
    }
    if !account.suppression.is_empty() {
        heading(text, "Suppression lists");
        for a in &account.suppression {
            let parts = [
                ("entries", a.read),
                ("of them again", a.folded),
                ("unmatchable", a.unmatchable),
                ("customers hit", a.profiles),
            ];
            line(text, &a.source, nonzero(&parts));
        }
    }
}

fn related(text: &mut String, account: &Account) {
    if account.related.is_empty() {
        return;
    }
    heading(text, "Related tables");
    let rows = account.related.iter().map(|a| {
        vec![
            a.related.clone(),
            number(a.read),
            number(a.matched),
            number(a.set_aside),
            number(a.unmatched),
            number(a.without_key),
        ]
    });
    table(text, &["table", "rows", "matched", "set aside", "unmatched", "no key"], rows);
    for a in &account.related {
        let parts = [("count for several customers", a.of_several)];
        line(text, &format!("of the matched of {}", a.related), nonzero(&parts));
    }
}

/// A line for each measure; its figures stand in its table, in the record and on the page.
fn measures(text: &mut String, account: &Account) {
    if account.measures.is_empty() {
        return;
    }
    heading(text, "Measures");
    for a in &account.measures {
        let counted = format!("{} of {}", number(a.customers), a.of);
        let parts = [
            ("groups", a.groups),
            ("of them small and in one row", a.folded_groups),
            ("figures not shown, of too few values", a.hidden),
        ];
        line(text, &a.measure, std::iter::once(counted).chain(nonzero(&parts)));
    }
}

fn written(text: &mut String, record: &RunRecord) {
    if record.exports.is_empty() && record.outputs.is_empty() {
        return;
    }
    heading(text, "Written");
    for export in &record.exports {
        *text += &file_line(&export.file.path, export.file.rows, export.file.bytes);
        if let Some(files) = export.file.files {
            let _ = writeln!(text, "    a folder with {}", counted(files, "file"));
        }
        if let Some((what, place)) = export.copied.as_ref().map(CopyTo::words) {
            let _ = writeln!(text, "    {what}: {place}");
        }
        if let Some(audience) = &export.audience {
            self::audience(text, &export.file.name, export.file.rows, audience);
        }
    }
    for output in &record.outputs {
        *text += &file_line(&output.path, output.rows, output.bytes);
    }
    if let Some(address) = &record.copied_to {
        let _ = writeln!(text, "  all files of the run, too: {address}");
    }
    let (rows, points) = record.proof.exports.iter().fold((0, 0), |(rows, points), export| {
        (rows + export.rows, points + export.contact_points)
    });
    if rows > 0 {
        let words = format!(
            "{} rows with {} contact points, read back, each against the consent sources ({} decisions)",
            number(rows),
            number(points),
            number(record.proof.decisions)
        );
        wrap_under(text, "  proved: ", 4, words.split(' '));
    }
    for a in &record.account.exports {
        let parts = [("share a contact point that left already", a.shared_contact_point)];
        let parts =
            parts.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{} {what}", number(*n)));
        line(text, &format!("not written of {}", a.segment), parts);
    }
}

/// What an audience for a platform can be matched by, and who is no longer in it.
fn audience(text: &mut String, name: &str, rows: u64, a: &WrittenAudience) {
    let (matchable, of) = (number(a.matchable), number(rows));
    let carried = a.carried.iter();
    let parts = carried.map(|of| format!("{} {}", of.column, number(of.rows)));
    let parts: Vec<String> =
        std::iter::once(format!("{matchable} of {of} can be matched")).chain(parts).collect();
    wrap(text, &format!("    {} of {name}: ", a.platform), &parts);
    let empty: Vec<String> = a
        .left_empty
        .iter()
        .map(|of| format!("{} ({}) {}", of.reason.words(), of.column, number(of.rows)))
        .collect();
    if !empty.is_empty() {
        wrap(text, "    left empty: ", &empty);
    }
    let Some(removals) = &a.removals else { return };
    *text += &file_line(&removals.file.path, removals.file.rows, removals.file.bytes);
    match &removals.earlier {
        None => {
            wrap_words(
                text,
                "    ",
                "no audience stood there before: nobody is removed".split(' '),
            );
        }
        Some(earlier) => {
            let parts = [
                ("removed", removals.file.rows),
                ("still in", earlier.still_in),
                ("removed with another row", earlier.again),
                ("without an identifier", earlier.without_identifier),
            ];
            let lead = format!("    of {} before: ", counted(earlier.rows, "row"));
            let parts: Vec<String> = nonzero(&parts).collect();
            wrap(text, &lead, &parts);
        }
    }
}

fn segment(text: &mut String, a: &SegmentAccount) {
    let gate = match &a.because {
        Some(because) => format!("no consent asked: {because}"),
        None => a.consent.join(" and "),
    };
    let words = format!("{} of {} ({gate})", number(a.in_segment), number(a.profiles));
    wrap_words(text, &format!("  {}: ", a.segment), words.split(' '));
    let parts = [
        ("suppressed", a.suppressed),
        ("denied", a.denied),
        ("expired", a.expired),
        ("unknown", a.unknown),
        ("no contact point", a.no_contact_point),
        ("rule false", a.rule_false),
        ("rule unknown", a.rule_unknown),
        ("set operation", a.set_operation),
        ("control group", a.control_group.unwrap_or(0)),
        ("over the limit", a.over_limit.unwrap_or(0)),
    ];
    let out = nonzero(&parts).collect::<Vec<_>>();
    if !out.is_empty() {
        wrap(text, "    out: ", &out);
    }
}
