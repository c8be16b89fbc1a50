//! `optin run --engine spark`.

use clap::CommandFactory as _;
use clap::error::ErrorKind;

use super::args::{Args, Engine, RunArgs};
use super::{WRONG, refuse};
use crate::RunOptions;

/// Refuses options that mean nothing to the engine that was chosen; the exit code if there are some.
pub fn refuse_options(args: &RunArgs) -> Option<u8> {
    let spark = [
        ("--remote", args.remote.is_some()),
        ("--work", args.work.is_some()),
        ("--max-keys", args.max_keys.is_some()),
    ];
    let own = [("--limit-memory", args.limit_memory.is_some()), ("--no-report", args.no_report)];
    let (of, why) = match args.engine {
        Engine::Polars => (&spark[..], "is an option of `--engine spark`"),
        Engine::Spark => (&own[..], "means nothing to `--engine spark`, leave it out"),
    };
    let (option, _) = of.iter().find(|(_, given)| *given)?;
    let error = Args::command()
        .error(ErrorKind::ArgumentConflict, format!("the argument '{option}' {why}"));
    let _ = error.print();
    Some(WRONG)
}

/// Runs a pipeline on a server of Spark Connect.
#[cfg(feature = "spark")]
pub fn run(args: &RunArgs, options: &RunOptions) -> u8 {
    /// Values of a field whose keys this program makes: some hundreds of bytes of memory each.
    const MAX_KEYS: u64 = 5_000_000;
    let spark = crate::SparkOptions {
        remote: args.remote.clone().unwrap_or_default(),
        work: args.work.clone(),
        max_keys: args.max_keys.unwrap_or(MAX_KEYS),
    };
    match crate::run_spark_file(&args.file, options, &spark) {
        Ok(ran) if args.json => super::print_published_json(&ran),
        Ok(ran) if args.quiet => {
            for warning in &ran.warnings {
                super::say(&format!("warning: {warning}\n"));
            }
            super::DONE
        }
        Ok(ran) => super::print_published(&ran.text()),
        Err(failure) => refuse(&failure, args.json),
    }
}

/// Says that this program cannot.
#[cfg(not(feature = "spark"))]
pub fn run(args: &RunArgs, _: &RunOptions) -> u8 {
    use crate::diagnostics::{Code, Diagnostic};

    let fault = Diagnostic::error(
        Code::NotBuiltIn,
        "this program was built without the client of Spark Connect, which `--engine spark` needs",
    )
    .help(
        "build it with `cargo install --path . --features spark` (it needs `protoc`), or write a job for \
         `spark-submit` with `optin compile --dialect spark`",
    );
    let failure = crate::Failure {
        faults: vec![fault],
        path: args.file.clone(),
        text: String::new(),
        pipeline_at_fault: true,
    };
    refuse(&failure, args.json)
}
