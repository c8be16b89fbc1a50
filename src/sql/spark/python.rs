//! A job for Spark as a program in Python, which every Spark can submit.

use std::fmt::Write as _;

use super::{Job, Rounds, Step, format_of, reading, write_options};
use crate::sql::script::heading_lines;

/// What stands before the steps: how tables are written down, asked and published.
const HEAD: &str = include_str!("job_head.py");
/// What stands behind them.
const FOOT: &str = "\npublish()\n";

/// The whole text.
#[must_use]
pub fn text(job: &Job) -> String {
    let mut out = format!(
        "#!/usr/bin/env python3\n# {} as a job for Apache Spark 4, made by optin {} of {}.\n",
        job.pipeline,
        env!("CARGO_PKG_VERSION"),
        job.file
    );
    out.push_str(HEAD);
    let as_of = job.as_of.map_or_else(|| "None".to_owned(), |at| at.to_string());
    let _ = write!(
        out,
        "\n# The date as of which consent is judged: microseconds since 1970; None is the time of the run\nAS_OF = {as_of}\n\nbegin(AS_OF)\n"
    );
    for step in &job.steps {
        match step {
            Step::Heading(text) => out.push_str(&heading_lines(text, "#")),
            Step::Comment(text) => {
                let _ = writeln!(out, "# {text}");
            }
            Step::Read(read) => {
                let (format, options, columns) = reading(&read.format);
                let options: Vec<String> = options
                    .iter()
                    .map(|(key, value)| format!("{}: {}", quoted(key), quoted(value)))
                    .collect();
                let files: Vec<String> = read.files.iter().map(|file| quoted(file)).collect();
                let _ = writeln!(
                    out,
                    "read({}, [{}], {}, {{{}}}, {})",
                    quoted(&read.table),
                    files.join(", "),
                    quoted(format),
                    options.join(", "),
                    columns.map_or_else(|| "None".to_owned(), |columns| quoted(&columns))
                );
            }
            Step::Table { table, query } => {
                let _ = writeln!(out, "table({}, {})", quoted(table), block(query));
            }
            Step::Expect { any, otherwise } => {
                let any: Vec<String> = any.iter().map(|one| block(one)).collect();
                let _ = writeln!(out, "expect({}, {})", quoted(otherwise), any.join(", "));
            }
            Step::Rounds(Rounds { table, start, again, done }) => {
                let _ = writeln!(
                    out,
                    "rounds({},\nstart={},\nagain={},\ndone={})",
                    quoted(table),
                    block(start),
                    block(again),
                    block(done)
                );
            }
            Step::Write(write) => {
                let options: Vec<String> = write_options(write.format)
                    .iter()
                    .map(|(key, value)| format!("{}: {}", quoted(key), quoted(value)))
                    .collect();
                let _ = writeln!(
                    out,
                    "output({}, {}, {}, {{{}}}, {})",
                    quoted(&write.called),
                    quoted(&write.path.to_string_lossy()),
                    quoted(format_of(write.format)),
                    options.join(", "),
                    block(&write.query)
                );
            }
        }
    }
    if !job.proofs.is_empty() {
        out.push_str(&heading_lines(
            "Proof: whether all who are about to leave may, without the folds",
            "#",
        ));
    }
    for proof in &job.proofs {
        let _ = writeln!(out, "prove({}, {})", quoted(&proof.segment), block(&proof.query));
    }
    out.push_str(FOOT);
    out
}

/// A text of one line.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c) => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A query, on lines of its own, as it is where Python lets it.
fn block(query: &str) -> String {
    let is_plain =
        !query.contains("\"\"\"") && !query.ends_with(['\\', '"']) && !query.contains('\r');
    if is_plain { format!("r\"\"\"\n{query}\"\"\"") } else { quoted(query) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_leave_its_quotes() {
        assert_eq!(quoted("a\"b\\\n\u{2028}"), "\"a\\\"b\\\\\\n\\u2028\"");
        assert_eq!(block("SELECT 1"), "r\"\"\"\nSELECT 1\"\"\"");
        assert_eq!(block("SELECT '\"\"\"'"), "\"SELECT '\\\"\\\"\\\"'\"");
        assert_eq!(block("SELECT x\\"), "\"SELECT x\\\\\"");
    }
}
