//! A job played on a server of Spark Connect: `optin run --engine spark`.
//!
//! The steps are those of [`crate::sql::spark`], in the same order as the program in Python plays them.
//! Then each export is proved, all outputs are staged and compared with what was meant, and published
//! together. The server must see the folders of this machine under the same names.

mod publish;
mod server;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::plan::said_date;
use crate::sql::spark::{Job, Step, name};
pub use publish::private_folder;
use server::Server;

/// Where a job is played.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The server: `sc://host:port`.
    pub remote: &'a str,
    /// A folder of this run, which the server sees too. The caller removes it.
    pub work: &'a Path,
    /// A name of this run that no other has.
    pub run: &'a str,
}

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub struct Ran {
    /// The pipeline.
    pub pipeline: String,
    /// The date as of which consent was judged.
    pub as_of: String,
    /// The server's version of Spark.
    pub spark: String,
    /// Customers who are not set aside.
    pub profiles: u64,
    /// By segment, in the order of the pipeline.
    pub segments: Vec<Counted>,
    /// What was published.
    pub outputs: Vec<Output>,
    /// What the user should look at: warnings about the pipeline file.
    pub warnings: Vec<String>,
}

/// Verdicts of a segment.
#[derive(Clone, Debug, Serialize)]
pub struct Counted {
    /// The segment.
    pub segment: String,
    /// Customers by verdict; they sum up to the profiles.
    pub verdicts: BTreeMap<String, u64>,
}

/// An output that was published.
#[derive(Clone, Debug, Serialize)]
pub struct Output {
    /// The segment, or the internal table.
    pub called: String,
    /// The folder of its files.
    pub path: PathBuf,
    /// Its rows.
    pub rows: u64,
}

impl Ran {
    /// For a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!(
            "{}, as of {}, on Spark {}: {} profiles\n",
            self.pipeline,
            said_date(&self.as_of),
            self.spark,
            self.profiles
        );
        for Counted { segment, verdicts } in &self.segments {
            let inside = verdicts.get("in_segment").copied().unwrap_or_default();
            let others: Vec<String> = verdicts
                .iter()
                .filter(|(verdict, _)| *verdict != "in_segment")
                .map(|(verdict, customers)| format!("{verdict} {customers}"))
                .collect();
            let _ = write!(out, "\n{segment}: {inside} in the segment");
            if !others.is_empty() {
                let _ = write!(out, "; {}", others.join(", "));
            }
        }
        out.push_str("\n\n");
        if self.outputs.is_empty() {
            out.push_str("Nothing was to be written\n");
        }
        for Output { called, path, rows } in &self.outputs {
            let _ = writeln!(out, "{called}: {rows} rows in {}", path.display());
        }
        for warning in &self.warnings {
            let _ = writeln!(out, "warning: {warning}");
        }
        out
    }
}

/// Plays a job, of which all paths are absolute, and publishes its outputs.
///
/// # Errors
/// What the server refuses, a guard, an export that is not allowed, what does not read back. Nothing is
/// published then.
pub fn run(job: &Job, as_of: &str, setting: &Setting<'_>) -> Outcome<Ran> {
    let mut server = Server::connect(setting.remote, setting.work, job)?;
    let outcome = play(&mut server, job, as_of, setting.run);
    server.stop();
    outcome
}

fn play(server: &mut Server, job: &Job, as_of: &str, run: &str) -> Outcome<Ran> {
    let mut writes = Vec::new();
    for step in &job.steps {
        match step {
            Step::Write(write) => {
                let table = format!("output {}", writes.len());
                server.table(&table, &write.query)?;
                writes.push((write, table));
            }
            step => server.play(step)?,
        }
    }
    let rows = |server: &Server, table: &str| {
        let query = format!("SELECT count(*) AS rows FROM {}", name(table));
        server.count(&format!("the table `{table}`"), &query)
    };
    let profiles = rows(server, "profiles")?;
    let segments = count_verdicts(server, job, profiles)?;
    tracing::info!("proof");
    prove(server, job)?;
    let mut outputs = Vec::new();
    let mut staged = Vec::new();
    for (write, table) in &writes {
        tracing::info!(output = write.called, "staged");
        let rows = rows(server, table)?;
        staged.push(publish::stage(server, write, table, run)?);
        outputs.push(Output { called: write.called.clone(), path: write.path.clone(), rows });
    }
    publish::publish(staged)?;
    let (pipeline, as_of) = (job.pipeline.clone(), as_of.to_owned());
    let (spark, warnings) = (server.version.clone(), Vec::new());
    Ok(Ran { pipeline, as_of, spark, profiles, segments, outputs, warnings })
}

/// Every profile has one verdict in every segment.
fn count_verdicts(server: &Server, job: &Job, profiles: u64) -> Outcome<Vec<Counted>> {
    let mut all = Vec::new();
    for known in &job.verdicts {
        let query = format!(
            "SELECT verdict, count(*) AS customers FROM {} GROUP BY verdict ORDER BY verdict",
            name(&known.table)
        );
        let verdicts = numbers(&server.ask(&format!("the table `{}`", known.table), &query)?);
        let judged: u64 = verdicts.values().sum();
        if judged != profiles {
            return Err(Diagnostic::error(
                Code::AccountFault,
                format!(
                    "the segment `{}` has {judged} verdicts for {profiles} profiles",
                    known.segment
                ),
            )
            .help("nothing was published; please report it, with the server and its version")
            .into());
        }
        all.push(Counted { segment: known.segment.clone(), verdicts });
    }
    Ok(all)
}

fn numbers(rows: &[Vec<String>]) -> BTreeMap<String, u64> {
    let pair = |row: &Vec<String>| Some((row.first()?.clone(), row.get(1)?.parse().ok()?));
    rows.iter().filter_map(pair).collect()
}

/// Asks of each export whether all who leave may.
fn prove(server: &Server, job: &Job) -> Outcome<()> {
    for proof in &job.proofs {
        let what = format!("the proof of the export of `{}`", proof.segment);
        let rows = server.ask(&what, &proof.query)?;
        if rows.is_empty() {
            continue;
        }
        let why: Vec<String> = rows
            .iter()
            .map(|row| row.iter().rev().map(String::as_str).collect::<Vec<_>>().join(" "))
            .collect();
        return Err(Diagnostic::error(
            Code::ProofFailed,
            format!(
                "the export of `{}` holds customers whom the consent sources do not allow: {}",
                proof.segment,
                why.join(", ")
            ),
        )
        .help("nothing was published; please report it, with the server and its version")
        .into());
    }
    Ok(())
}
