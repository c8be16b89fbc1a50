//! The engine against two others that know nothing of it, on random pipelines and data: the oracle
//! of the tests, row by row in plain Rust, and the pipeline as SQL run by DuckDB itself.
//!
//! ```text
//! cargo run --release --example differential -- --cases 10000 --seed 1 --sql --plain
//! ```
//!
//! A case is drawn from its seed; case `n` of a run has the seed `--seed` + n. It prints what was
//! compared, what was skipped and why, and each difference with the seed of its case and the folder
//! in which it is kept. It ends with 1 if there is one.

#![allow(dead_code, reason = "the tests use more of these modules")]
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit, reason = "a command")]
#![allow(clippy::struct_excessive_bools, reason = "options of a command")]

#[path = "../tests/differential/account.rs"]
mod account;
#[path = "../tests/cases/mod.rs"]
mod cases;
#[path = "../tests/differential/compare.rs"]
mod compare;
#[path = "../tests/duck.rs"]
mod duck;
#[path = "../tests/harness.rs"]
mod harness;
#[path = "../tests/oracle/mod.rs"]
mod oracle;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use optin::plan::Plan;

use cases::Case;
use duck::{Duck, Outcome};
use harness::EngineResult;

/// So many differences are told; the rest are counted.
const TOLD: usize = 10;

/// The engine against the oracle, and against DuckDB.
#[derive(Debug, Parser)]
struct Args {
    /// How many cases.
    #[arg(long, default_value_t = 1000)]
    cases: u64,
    /// The seed of the first case.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Compile each case to SQL and run it in DuckDB too. `OPTIN_DUCKDB_PYTHON` names a Python that
    /// has the module `duckdb`; without it `python3` is asked.
    #[arg(long)]
    sql: bool,
    /// Make key tables, so that SQL can say every normalizer.
    #[arg(long, requires = "sql")]
    keys: bool,
    /// Draw cases that SQL can say.
    #[arg(long)]
    plain: bool,
    /// Leave the oracle out.
    #[arg(long)]
    no_oracle: bool,
    /// End after so many seconds, whatever is left.
    #[arg(long)]
    seconds: Option<u64>,
}

#[derive(Default)]
struct Count {
    cases: u64,
    oracle: u64,
    sql: u64,
    skipped: BTreeMap<String, u64>,
    rows: u64,
    exported: u64,
    different: Vec<u64>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut duck = match (args.sql, Duck::start()) {
        (false, _) => None,
        (true, Some(duck)) => {
            println!("DuckDB {}", duck.version);
            Some(duck)
        }
        (true, None) => {
            println!("there is no Python with DuckDB; OPTIN_DUCKDB_PYTHON names one");
            return ExitCode::FAILURE;
        }
    };
    let began = Instant::now();
    let mut count = Count::default();
    for seed in args.seed..args.seed.saturating_add(args.cases) {
        if args.seconds.is_some_and(|most| began.elapsed() > Duration::from_secs(most)) {
            println!("the time is up");
            break;
        }
        let found = catch_unwind(AssertUnwindSafe(|| one(&args, duck.as_mut(), seed, &mut count)));
        let found = found.unwrap_or_else(|_| vec!["it panicked, see above".to_owned()]);
        count.cases += 1;
        if !found.is_empty() {
            count.different.push(seed);
            if count.different.len() <= TOLD {
                println!("seed {seed}:");
                for difference in found.iter().take(6) {
                    println!("  {difference}");
                }
            }
        }
    }
    report(&args, &count, began.elapsed());
    if count.different.is_empty() && count.cases > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The differences of one case.
fn one(args: &Args, duck: Option<&mut Duck>, seed: u64, count: &mut Count) -> Vec<String> {
    let case = if args.plain { cases::generate_plain(seed) } else { cases::generate(seed) };
    let (found, folder) = harness::in_folder(&case, |dir, file| {
        let plan = harness::load_plan(file);
        let engine = harness::run_engine(dir, file, case.exports, None);
        count.rows += engine.segments.rows.len() as u64;
        count.exported += engine.exports.iter().map(|table| table.rows.len() as u64).sum::<u64>();
        let mut found = Vec::new();
        if !args.no_oracle {
            found.extend(by_oracle(&plan, &case, &engine));
            count.oracle += 1;
        }
        if let Some(duck) = duck {
            found.extend(by_sql(args, duck, dir, file, &plan, &engine, count));
        }
        found
    });
    if !found.is_empty() {
        println!("seed {seed} is kept in {}", folder.keep().display());
    }
    found
}

fn by_oracle(plan: &Plan, case: &Case, engine: &EngineResult) -> Vec<String> {
    let answer = oracle::answer(plan, &case.tables, case.as_of);
    compare::compare(plan, engine, &answer).0
}

fn by_sql(
    args: &Args,
    duck: &mut Duck,
    dir: &Path,
    file: &Path,
    plan: &Plan,
    engine: &EngineResult,
    count: &mut Count,
) -> Vec<String> {
    match duck::check(duck, dir, file, plan, engine, args.keys) {
        Outcome::Compared(found) => {
            count.sql += 1;
            found
        }
        Outcome::Skipped(why) => {
            *count.skipped.entry(why).or_default() += 1;
            Vec::new()
        }
    }
}

fn report(args: &Args, count: &Count, took: Duration) {
    let kind = if args.plain { "plain cases" } else { "cases" };
    let last = args.seed + count.cases.saturating_sub(1);
    println!(
        "{} {kind}, seeds {} to {last}: {} customers, {} exported rows, {:.0} s",
        count.cases,
        args.seed,
        count.rows,
        count.exported,
        took.as_secs_f64()
    );
    if !args.no_oracle {
        println!("engine and oracle: {} compared", count.oracle);
    }
    if args.sql {
        let skipped: u64 = count.skipped.values().sum();
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = 100.0 * count.sql as f64 / count.cases.max(1) as f64;
        println!("engine and DuckDB: {} compared ({share:.1} %), {skipped} skipped", count.sql);
        for (reason, cases) in duck::by_count(&count.skipped) {
            println!("  {cases:>6}  {reason}");
        }
    }
    println!("differences: {} {:?}", count.different.len(), count.different);
}
