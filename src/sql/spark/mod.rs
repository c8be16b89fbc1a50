//! A plan as a job for Apache Spark: steps, each a table that is written down before the next reads it.
//!
//! Spark asks a query anew wherever its table is read, and forgets it. A job that made records, their
//! numbers and its guards anew at each reading would neither be fast nor sure, so every table is
//! written as Parquet into a folder of the job, and read from there: the sources are read once.
//!
//! What is written here is [`python()`], a job that stands alone; the runner of the feature `spark`
//! plays the same steps through Spark Connect.

mod python;
mod translate;

use super::text::remark;
use super::{job, proof};
use crate::plan::{SegmentId, TargetFormat};

pub use super::script::{Read, ReadFormat, Rounds, Step, Write};
pub use python::text as python;
pub use translate::{literal, name};

/// A job, in the language of Spark.
#[derive(Clone, Debug)]
pub struct Job {
    /// The pipeline.
    pub pipeline: String,
    /// Its file.
    pub file: String,
    /// The date as of which consent is judged, in microseconds since 1970; none where it is the time
    /// at which the job runs.
    pub as_of: Option<i64>,
    /// What it does.
    pub steps: Vec<Step>,
    /// Where it keeps who is in which segment, in the order of the pipeline.
    pub verdicts: Vec<Verdicts>,
    /// What a runner asks when the outputs are written down, before it publishes them.
    pub proofs: Vec<Proof>,
}

/// The table of a segment's verdicts: a row a profile, with the column `verdict`.
#[derive(Clone, Debug)]
pub struct Verdicts {
    /// The segment.
    pub segment: String,
    /// The table, without quotes.
    pub table: String,
}

/// A question about an export.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The segment.
    pub segment: String,
    /// Reasons (`why`) for which customers may not leave, and how many (`customers`). No rows if all may.
    pub query: String,
}

/// The parameter that stands in queries for a date that is not known yet.
pub const AS_OF: &str = ":optin_as_of:";

impl Job {
    /// The steps in the language of Spark.
    pub(super) fn new(mut of: job::Job<'_>) -> Self {
        let steps = std::mem::take(&mut of.script).into_steps();
        let (plan, places) = (of.plan, of.places);
        let as_of = plan.as_of.map(|as_of| as_of.at.0);
        let instant = as_of.map_or_else(|| AS_OF.to_owned(), super::rule::instant);
        let query = |text: &str| translate::query(text, &instant);
        let ask = |text: &str| query(&format!("SELECT {text} AS holds"));
        let steps = steps
            .into_iter()
            .map(|step| match step {
                same @ (Step::Heading(_) | Step::Comment(_) | Step::Read(_)) => same,
                Step::Table { table, query: of } => Step::Table { table, query: query(&of) },
                Step::Expect { any, otherwise } => {
                    Step::Expect { any: any.iter().map(|of| ask(of)).collect(), otherwise }
                }
                Step::Rounds(of) => Step::Rounds(Rounds {
                    table: of.table,
                    start: query(&of.start),
                    again: query(&of.again),
                    done: ask(&of.done),
                }),
                Step::Write(of) => Step::Write(Write { query: query(&of.query), ..of }),
            })
            .collect();
        let verdicts = plan.segments.iter().enumerate().map(|(number, segment)| Verdicts {
            segment: segment.name.clone(),
            table: of.verdict_table(SegmentId(number)),
        });
        // A replay exports nothing.
        let exports =
            if plan.as_of.is_some_and(|as_of| as_of.replay) { &[] } else { &*plan.exports };
        let proofs = exports.iter().enumerate().filter_map(|(number, export)| {
            Some(Proof {
                segment: plan.segments[export.segment.0].name.clone(),
                query: query(&proof::query(&of, number, export)?),
            })
        });
        Self {
            pipeline: remark(&plan.name),
            file: remark(&places.file),
            as_of,
            verdicts: verdicts.collect(),
            proofs: proofs.collect(),
            steps,
        }
    }
}

/// Spark's name of a format.
#[must_use]
pub fn format_of(format: TargetFormat) -> &'static str {
    match format {
        TargetFormat::Csv | TargetFormat::Tsv => "csv",
        TargetFormat::Ndjson => "json",
        TargetFormat::Parquet | TargetFormat::Ipc | TargetFormat::Xlsx => "parquet",
    }
}

/// The options by which Spark writes a format.
#[must_use]
pub fn write_options(format: TargetFormat) -> Vec<(&'static str, &'static str)> {
    let text = |delimiter| {
        vec![
            ("header", "true"),
            ("sep", delimiter),
            ("quote", "\""),
            ("escape", "\""),
            ("nullValue", ""),
            ("emptyValue", "\"\""),
            ("ignoreLeadingWhiteSpace", "false"),
            ("ignoreTrailingWhiteSpace", "false"),
        ]
    };
    match format {
        TargetFormat::Csv => text(","),
        TargetFormat::Tsv => text("\t"),
        TargetFormat::Ndjson => vec![("ignoreNullFields", "false")],
        TargetFormat::Parquet | TargetFormat::Ipc | TargetFormat::Xlsx => {
            vec![("compression", "zstd")]
        }
    }
}

/// Spark's name of a format that is read, the options, and the columns where they are not in the file.
#[must_use]
pub fn reading(format: &ReadFormat) -> (&'static str, Vec<(&'static str, String)>, Option<String>) {
    match format {
        ReadFormat::Delimited { delimiter, columns, .. } => {
            let columns: Vec<String> =
                columns.iter().map(|column| format!("{} STRING", name(column))).collect();
            let options = [
                ("header", "true"),
                ("quote", "\""),
                ("escape", "\""),
                ("multiLine", "true"),
                ("mode", "FAILFAST"),
                ("enforceSchema", "true"),
                ("nullValue", "\u{1}"),
                ("emptyValue", ""),
                ("ignoreLeadingWhiteSpace", "false"),
                ("ignoreTrailingWhiteSpace", "false"),
                ("maxCharsPerColumn", "-1"),
            ];
            let mut options: Vec<(&str, String)> =
                options.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
            options.push(("sep", delimiter.to_string()));
            if let ReadFormat::Delimited { gzip: true, .. } = format {
                options.push(("compression", "gzip".to_owned()));
            }
            ("csv", options, Some(columns.join(", ")))
        }
        ReadFormat::Lines => {
            ("text", vec![("lineSep", "\n".to_owned())], Some("line STRING".to_owned()))
        }
        ReadFormat::Parquet => ("parquet", Vec::new(), None),
        ReadFormat::KeyTable => (
            "json",
            Vec::new(),
            Some("value STRING, region STRING, key STRING, links BOOLEAN, denies ARRAY<STRING>, found ARRAY<STRING>".to_owned()),
        ),
    }
}
