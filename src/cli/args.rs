//! The command line, as clap reads it.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::plan::Instant;
use crate::resolve::parse_as_of;

/// Unify customers, honour their consent, export segments.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 80, after_help = EXIT)]
pub struct Args {
    /// Say on stderr what is being done (-vv: more); never a customer's data.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// For pipeline files of others: every path in them must lead below this folder.
    #[arg(long, global = true, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT: &str = "Exit status: 0 done; 1 the run failed or was refused, nothing was published \
    (verify: a file changed; receipt, forget: not exactly one person is meant); 2 the pipeline file or the command line is wrong.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a pipeline: publish all outputs and exports, or nothing.
    Run(RunArgs),
    /// Report every fault of a pipeline file at once; reads no rows.
    Check {
        /// The pipeline file.
        file: PathBuf,
        /// Print JSON for machines.
        #[arg(long)]
        json: bool,
    },
    /// Show what a run would do.
    Explain {
        /// The pipeline file.
        file: PathBuf,
        /// Print the whole plan as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Tell of one customer what was read, linked and decided, and why he is in a segment or not.
    ///
    /// Prints personal data, of whom you ask for; writes nothing.
    Why {
        /// The pipeline file.
        file: PathBuf,
        /// Who: a field and its value, such as `email=ann@example.com`; `customer_id` and one; or the
        /// name of a customer table and an id.
        #[arg(long, value_name = "FIELD=VALUE")]
        customer: String,
        /// Only this segment.
        #[arg(long, value_name = "NAME")]
        segment: Option<String>,
        /// Judge consent as of this date, over the file's.
        #[arg(long, value_name = "DATE", value_parser = date)]
        as_of: Option<Instant>,
        /// Print JSON for machines.
        #[arg(long)]
        json: bool,
    },
    /// Write one person's consent receipt: purposes, states, and all decisions that were heard.
    ///
    /// JSON, shaped after ISO/IEC TS 27560. Holds personal data, of whom you ask for.
    Receipt {
        /// The pipeline file.
        file: PathBuf,
        /// Who, as in `optin why`.
        #[arg(long, value_name = "FIELD=VALUE")]
        customer: String,
        /// Judge consent as of this date, over the file's.
        #[arg(long, value_name = "DATE", value_parser = date)]
        as_of: Option<Instant>,
        /// Write the receipt to this file, readable by its owner only; without it to standard output.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Print the faults as JSON, too.
        #[arg(long)]
        json: bool,
    },
    /// Say where one person stands: rows of all sources, and files that were written. Deletes nothing.
    ///
    /// Prints where personal data stands, of whom you ask for, and no values.
    Forget {
        /// The pipeline file.
        file: PathBuf,
        /// Who, as in `optin why`.
        #[arg(long, value_name = "FIELD=VALUE")]
        customer: String,
        /// Add the person to this list of digests (CSV), which a pipeline reads with `hashed: sha256`.
        #[arg(long, value_name = "FILE")]
        suppress: Option<PathBuf>,
        /// Print JSON for machines.
        #[arg(long)]
        json: bool,
    },
    /// Say how large each segment would be under other settings of consent; publishes nothing.
    Simulate {
        /// The pipeline file.
        file: PathBuf,
        /// Judge consent as of this date, over the file's.
        #[arg(long, value_name = "DATE", value_parser = date)]
        as_of: Option<Instant>,
        /// Print JSON for machines.
        #[arg(long)]
        json: bool,
    },
    /// Read again the files that a run read and wrote, and say which are not the same any more.
    Verify {
        /// The run record: `run.json`.
        record: PathBuf,
        /// See relative paths from this folder, such as one of copies, not from where the run saw them.
        #[arg(long, value_name = "DIR")]
        directory: Option<PathBuf>,
        /// Print JSON for machines.
        #[arg(long)]
        json: bool,
    },
    /// Say who joined and who left each segment from one run to another, and why: in counts.
    Diff {
        /// The run record of the earlier run: its `run.json`.
        from: PathBuf,
        /// That of the later run.
        to: PathBuf,
        /// Write each customer who joined or left, with the reason, as CSV; no contact points.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Print JSON for machines.
        #[arg(long)]
        json: bool,
    },
    /// Look at data files and write a first pipeline for them.
    ///
    /// Says of each choice why it was made, and tells on stderr what was not sure. Reads the head of
    /// each file only, and quotes no cell.
    Init {
        /// Data files, the most important customer table first: CSV, TSV, NDJSON (also .gz, .zst), Parquet, IPC, workbooks.
        #[arg(required = true)]
        data: Vec<PathBuf>,
        /// Write the pipeline to this file, from which its paths are seen; else to stdout.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Write over a file that is there.
        #[arg(long, requires = "output")]
        force: bool,
    },
    /// Write the pipeline as SQL that another engine runs by itself.
    ///
    /// What SQL cannot say exactly is refused, with its place.
    Compile {
        /// The pipeline file.
        file: PathBuf,
        /// The engine.
        #[arg(long, value_enum)]
        dialect: Dialect,
        /// Write the job to this file, for its owner alone; without it to standard output.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Judge consent as of this date, over the file's.
        #[arg(long, value_name = "DATE", value_parser = date)]
        as_of: Option<Instant>,
        /// As things stood at this date: a job that exports nothing.
        #[arg(long, value_name = "DATE", value_parser = date, conflicts_with = "as_of")]
        replay: Option<Instant>,
        /// Make the keys that SQL cannot make in this folder, of the rows that the sources hold now.
        #[arg(long, value_name = "DIR")]
        keys: Option<PathBuf>,
        /// Print the faults as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of the pipeline file, for editors.
    Schema,
    /// Print a script that completes commands and options in a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write a manual page for each command.
    Man {
        /// Folder for the pages; pages that are there are written anew.
        dir: PathBuf,
    },
    /// Write synthetic customers and consents, and a pipeline that runs on them.
    Generate {
        /// How many customers.
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        customers: u64,
        /// The same seed gives the same bytes.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Folder for the files; existing files are not overwritten.
        dir: PathBuf,
    },
    /// Run a pipeline several times, publish nothing, and say how fast it is.
    Bench {
        /// The pipeline file; without it one on synthetic data.
        file: Option<PathBuf>,
        /// How many synthetic customers.
        #[arg(
            long,
            default_value_t = 1_000_000,
            value_parser = clap::value_parser!(u64).range(1..),
            conflicts_with = "file"
        )]
        customers: u64,
        /// How often it is run.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
        runs: u16,
        /// Print JSON for machines.
        #[arg(long)]
        json: bool,
    },
}

/// Engines that `optin compile` writes for.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Dialect {
    /// DuckDB 2.0: SQL.
    Duckdb,
    /// Apache Spark 4: a program in Python that holds the SQL.
    Spark,
}

/// Engines that run a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// The one of this program, on this machine.
    Polars,
    /// Apache Spark 4, or what speaks Spark Connect; writes no run record and no report.
    Spark,
}

/// `optin run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// The pipeline file.
    pub file: PathBuf,
    /// Judge consent as of this date, over the file's; later withdrawals still count.
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub as_of: Option<Instant>,
    /// As things stood at this date: later withdrawals are hidden too, so nothing is exported.
    #[arg(long, value_name = "DATE", value_parser = date, conflicts_with = "as_of")]
    pub replay: Option<Instant>,
    /// Put every output below this folder.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Take no more memory than this, such as 2GB: work on disk, or stop. Without it four fifths of
    /// what the machine has.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub limit_memory: Option<u64>,
    /// Do not write `report.html`, the page about the run.
    #[arg(long)]
    pub no_report: bool,
    /// Which engine runs the pipeline.
    #[arg(long, value_enum, default_value_t = Engine::Polars)]
    pub engine: Engine,
    /// With `--engine spark`: the server of Spark Connect, such as `sc://host:15002`. It must see the
    /// files of this machine under the same names.
    #[arg(long, value_name = "URL", required_if_eq("engine", "spark"))]
    pub remote: Option<String>,
    /// With `--engine spark`: where the job keeps its tables while it runs, seen by the server too.
    /// Without it `.optin-spark` in the working folder.
    #[arg(long, value_name = "DIR")]
    pub work: Option<PathBuf>,
    /// With `--engine spark`: how many different values a field may have whose keys this program must
    /// make itself; more are refused. Without it 5000000.
    #[arg(long, value_name = "N")]
    pub max_keys: Option<u64>,
    /// Print nothing but warnings.
    #[arg(short, long)]
    pub quiet: bool,
    /// Print the run record (or the faults) as JSON.
    #[arg(long)]
    pub json: bool,
}

/// A number of bytes with its unit: powers of 1000, or of 1024 as in `GiB`.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || "not a size; write a number and a unit, such as 800MB, 2GB or 2GiB".to_owned();
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = lower.split_at(digits);
    let factor: u64 = match unit.trim() {
        "b" => 1,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(wrong)
}

fn date(text: &str) -> Result<Instant, String> {
    parse_as_of(text).ok_or_else(|| {
        "not a date; write 2026-11-24T00:00:00Z, or 2026-11-24 for the end of that day".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("2GB"), Ok(2_000_000_000));
        assert_eq!(size(" 3 gib "), Ok(3 << 30));
        assert_eq!(size("512MiB"), Ok(512 << 20));
        for wrong in ["", "2", "GB", "2.5GB", "-1GB", "2G", "99999999999TB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
