//! `optin` unifies the customers of several tables, joins their consent, and exports segments in
//! which nobody stands who did not consent.
//!
//! One way through, one public function an arrow:
//!
//! ```text
//! pipeline.yaml --spec::load--------> Pipeline (as written, every leaf with its place)
//!               --resolve::resolve--> Plan     (typed, ids not names, no engine, no I/O)
//!               --engine::execute---> Results  (account, tables, gated audiences)
//!               --output::publish---> files    (staged, read back, renamed; run.json last)
//! ```
//!
//! | room | holds | may use |
//! |---|---|---|
//! | [`diagnostics`] | faults with their places, the registry of codes, the renderer | nothing |
//! | [`normalize`] | how keys are compared | nothing |
//! | [`spec`] | what the user wrote | diagnostics |
//! | [`rule`] | the predicate of `where:` as a syntax tree | diagnostics |
//! | [`plan`] | what will be done | diagnostics, normalize |
//! | [`resolve`] | the only maker of a plan | diagnostics, normalize, spec, rule, plan |
//! | [`engine`] | Polars: scan, keys, identity, survivorship, groupings, consent, segments | diagnostics, normalize, plan |
//! | [`proof`] | every staged export against the consent sources, on the texts themselves | diagnostics, normalize, plan, engine's readers |
//! | [`output`] | formats, staging, publishing, the run record | diagnostics, normalize, plan, engine, proof, database, store |
//! | [`report`] | the terminal summary, and the page about a run | plan, engine's account, output's record |
//! | [`inspect`] | questions about a pipeline, persons or runs: `why`, `receipt`, `forget`, `simulate`, `bench`, `verify`, `diff` | diagnostics, normalize, plan, engine, proof, output, report |
//! | [`init`] | a first pipeline for data files: `optin init` | diagnostics, normalize, spec, plan, resolve, engine's readers, report |
//! | [`database`] | queries of `PostgreSQL` as sources, its tables as copies of exports | diagnostics, plan |
//! | [`store`] | objects in buckets as sources, copies of what was published there, Delta tables (features `objects`, `delta`) | diagnostics, plan |
//! | [`sql`] | a plan as SQL that a database runs by itself | diagnostics, normalize, plan |
//! | `spark` | a job played on a server of Spark Connect (feature `spark`) | diagnostics, plan, sql |
//! | `planted` | nothing, but for tests: faults that they must find | nothing |
//! | [`generate`] | synthetic data for trials | nothing |
//! | [`cli`] | the commands | all |
//!
//! A test (`tests/architecture.rs`) holds the `use crate::` lines to this table.

pub mod cli;
pub mod database;
pub mod diagnostics;
pub mod engine;
pub mod generate;
pub mod init;
pub mod inspect;
pub mod normalize;
pub mod output;
pub mod plan;
pub mod proof;
pub mod report;
pub mod resolve;
pub mod rule;
#[cfg(feature = "spark")]
pub mod spark;
pub mod spec;
pub mod sql;
pub mod store;

mod planted;
mod run;

pub use run::{
    Failure, Loaded, RunOptions, check_file, check_text, compile_file, forget_file, init_files,
    load_plan, receipt_file, run_file, simulate_file, why_file,
};
#[cfg(feature = "spark")]
pub use run::{SparkOptions, run_spark_file};
