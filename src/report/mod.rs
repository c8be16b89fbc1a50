//! What people see of a run: the terminal summary, at most 80 columns wide.

use std::fmt::Write as _;
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};

use crate::engine::account::{Account, SegmentAccount};
use crate::output::RunRecord;

/// The summary of a run.
#[must_use]
pub fn summary(record: &RunRecord) -> String {
    let account = &record.account;
    let mut text = String::new();
    let records: u64 = account.customers.iter().map(|a| a.read).sum();
    let title = format!(
        "{} customers from {} records, as of {}{}",
        number(account.profiles),
        number(records),
        record.as_of,
        if record.replay { " (replay: nothing is exported)" } else { "" },
    );
    wrap_words(&mut text, &format!("{}: ", record.pipeline), title.split(' '));
    customers(&mut text, account);
    consent(&mut text, account);
    if !account.segments.is_empty() {
        heading(&mut text, "Segments");
        for a in &account.segments {
            segment(&mut text, a);
        }
    }
    written(&mut text, record);
    for warning in &record.warnings {
        let _ = writeln!(text, "\nwarning[{}]: {}", warning.code, warning.message);
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

fn customers(text: &mut String, account: &Account) {
    heading(text, "Customer records");
    let rows = account.customers.iter().map(|a| {
        let aside = a.quarantined_no_id + a.quarantined_duplicate_id;
        vec![a.source.clone(), number(a.read), number(a.kept), number(a.merged), number(aside)]
    });
    table(text, &["source", "read", "kept", "merged", "set aside"], rows);
    for a in &account.customers {
        let parts = [("no id", a.quarantined_no_id), ("duplicate id", a.quarantined_duplicate_id)];
        line(text, &format!("set aside of {}", a.source), nonzero(&parts));
    }
    let linked = account.rules.iter().map(|rule| format!("{} {}", rule.rule, number(rule.links)));
    line(text, "links", linked);
    for a in &account.keys {
        let parts = [("unusable values", a.unusable), ("values that link nobody", a.never)];
        line(text, &format!("key {}", a.field), nonzero(&parts));
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

fn written(text: &mut String, record: &RunRecord) {
    if record.exports.is_empty() && record.outputs.is_empty() {
        return;
    }
    heading(text, "Written");
    for export in &record.exports {
        *text += &file_line(&export.file.path, export.file.rows, export.file.bytes);
    }
    for output in &record.outputs {
        *text += &file_line(&output.path, output.rows, output.bytes);
    }
    for a in &record.account.exports {
        let parts = [("share a contact point that left already", a.shared_contact_point)];
        let parts =
            parts.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{} {what}", number(*n)));
        line(text, &format!("not written of {}", a.segment), parts);
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
    ];
    let out = nonzero(&parts).collect::<Vec<_>>();
    if !out.is_empty() {
        wrap(text, "    out: ", &out);
    }
}

fn nonzero(parts: &[(&str, u64)]) -> impl Iterator<Item = String> {
    parts.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{what} {}", number(*n)))
}

fn heading(text: &mut String, title: &str) {
    let _ = writeln!(text, "\n{title}");
}

/// `  name: part, part`, wrapped; nothing if there is no part.
fn line(text: &mut String, name: &str, parts: impl Iterator<Item = String>) {
    let parts: Vec<_> = parts.collect();
    if !parts.is_empty() {
        wrap(text, &format!("  {name}: "), &parts);
    }
}

/// Parts behind a lead, separated by commas, broken before column 80.
fn wrap(text: &mut String, lead: &str, parts: &[String]) {
    let last = parts.len().saturating_sub(1);
    let parts: Vec<String> = parts
        .iter()
        .enumerate()
        .map(|(at, part)| if at < last { format!("{part},") } else { part.clone() })
        .collect();
    wrap_words(text, lead, parts.iter().map(String::as_str));
}

/// Words behind a lead, broken before column 80.
fn wrap_words<'a>(text: &mut String, lead: &str, words: impl Iterator<Item = &'a str>) {
    let indent = " ".repeat(lead.chars().take_while(|c| *c == ' ').count() + 4);
    let mut width = lead.chars().count();
    text.push_str(lead);
    for (at, word) in words.enumerate() {
        let length = word.chars().count();
        if at > 0 {
            if width + 1 + length > 80 {
                let _ = write!(text, "\n{indent}");
                width = indent.len();
            } else {
                text.push(' ');
                width += 1;
            }
        }
        text.push_str(word);
        width += length;
    }
    text.push('\n');
}

fn table(text: &mut String, header: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for (at, column) in table.column_iter_mut().enumerate() {
        if at > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
        column.set_padding((if at == 0 { 2 } else { 1 }, 1));
    }
    for line in table.lines() {
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

/// A written file: rows, size, path.
#[must_use]
pub fn file_line(path: &Path, rows: u64, bytes: u64) -> String {
    format!("  {:>12} rows  {:>9}  {}\n", number(rows), size(bytes), tidy(path))
}

/// A path as short as it can be said: from the working folder, without `folder/..`.
fn tidy(path: &Path) -> String {
    use std::path::Component;
    let mut short = std::path::PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(short.components().next_back(), Some(Component::Normal(_))) =>
            {
                short.pop();
            }
            other => short.push(other),
        }
    }
    short.display().to_string()
}

/// A whole number with thousands separated.
#[must_use]
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a size for people")]
    let bytes = bytes as f64;
    if bytes < 1e3 {
        format!("{bytes} B")
    } else if bytes < 1e6 {
        format!("{:.1} kB", bytes / 1e3)
    } else if bytes < 1e9 {
        format!("{:.1} MB", bytes / 1e6)
    } else {
        format!("{:.1} GB", bytes / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_234_567), "1,234,567");
    }

    #[test]
    fn lines_stay_within_eighty_columns() {
        let mut text = String::new();
        let parts: Vec<_> = (0..20).map(|n| format!("reason {n}")).collect();
        wrap(&mut text, "  out: ", &parts);
        assert!(text.lines().count() > 1);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn paths_are_tidied() {
        assert_eq!(tidy(Path::new("pipelines/../out/a.csv")), "out/a.csv");
        assert_eq!(tidy(Path::new("../out/a.csv")), "../out/a.csv");
    }
}
