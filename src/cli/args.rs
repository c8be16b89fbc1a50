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
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT: &str = "Exit status: 0 done; 1 the run failed or was refused, nothing was published; \
    2 the pipeline file or the command line is wrong.";

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
    /// Print the JSON Schema of the pipeline file, for editors.
    Schema,
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
    /// Print nothing if all goes well.
    #[arg(short, long)]
    pub quiet: bool,
    /// Print the run record (or the faults) as JSON.
    #[arg(long)]
    pub json: bool,
}

fn date(text: &str) -> Result<Instant, String> {
    parse_as_of(text).ok_or_else(|| {
        "not a date; write 2026-11-24T00:00:00Z, or 2026-11-24 for the end of that day".to_owned()
    })
}
