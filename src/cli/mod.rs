//! The commands: thin, each one call into the library and one way to print.

mod args;
mod compile;
mod init;
mod out;
mod person;
mod progress;
mod shell;
mod spark;
mod told;

use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use crate::diagnostics::{Faults, Style, render_all};
use crate::plan::{AsOf, Instant, explain};
use crate::{
    Failure, RunOptions, check_file, generate, inspect, report, run_file, simulate_file, spec,
    why_file,
};
use args::{Args, Command, Engine, RunArgs};
use out::{print, print_json, print_published, print_published_json, say};
use told::told;

/// Done.
const DONE: u8 = 0;
/// The run failed or was refused; nothing was published.
const FAILED: u8 = 1;
/// The pipeline file or the command line is wrong.
const WRONG: u8 = 2;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    // A panic's own words could quote data; its place is what a report needs.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(io::stderr(), "internal error at {place}");
    }));
    logging(args.verbose);
    let options = RunOptions { root: args.root.clone(), ..RunOptions::default() };
    let code = match &args.command {
        Command::Run(run) => self::run(run, options, args.verbose > 0),
        Command::Check { file, json } => check(file, &options, *json),
        Command::Explain { file, json } => explain_plan(file, &options, *json),
        Command::Why { file, customer, segment, as_of, json } => {
            let as_of = as_of.map(|at| AsOf { at, replay: false });
            let options = RunOptions { as_of, ..options };
            match why_file(file, &options, customer, segment.as_deref()) {
                Ok(why) if *json => print_json(&why, DONE),
                Ok(why) => print(&why.text(), DONE),
                Err(failure) => refuse(&failure, *json),
            }
        }
        Command::Receipt { file, customer, as_of, output, json } => {
            let options = RunOptions { as_of: date_of(*as_of, None), ..options };
            person::receipt(file, &options, customer, output.as_deref(), *json)
        }
        Command::Forget { file, customer, suppress, json } => {
            person::forget(file, &options, customer, suppress.as_deref(), *json)
        }
        Command::Simulate { file, as_of, json } => {
            let as_of = as_of.map(|at| AsOf { at, replay: false });
            match simulate_file(file, &RunOptions { as_of, ..options }) {
                Ok(simulated) if *json => print_json(&simulated, DONE),
                Ok(simulated) => print(&simulated.text(), DONE),
                Err(failure) => refuse(&failure, *json),
            }
        }
        Command::Verify { record, directory, json } => verify(record, directory.as_deref(), *json),
        Command::Diff { from, to, output, json } => diff(from, to, output.as_deref(), *json),
        Command::Init { data, output, force } => init::init(data, output.as_deref(), *force),
        Command::Compile { file, dialect, output, as_of, replay, keys, json } => {
            let options = RunOptions { as_of: date_of(*as_of, *replay), ..options };
            let output = output.as_deref();
            compile::compile(file, *dialect, &options, output, keys.as_deref(), *json)
        }
        Command::Schema => print(&(pretty(&spec::schema()) + "\n"), DONE),
        Command::Completions { shell } => shell::completions(*shell),
        Command::Man { dir } => shell::man(dir),
        Command::Generate { customers, seed, dir } => generate_data(*customers, *seed, dir),
        Command::Bench { file, customers, runs, json } => {
            bench(file.as_deref(), &options, *customers, usize::from(*runs), *json)
        }
    };
    ExitCode::from(code)
}

/// Begins anew with an allocator that gives large blocks back to the system at once. It reads its
/// settings only when a process begins, and costs a quarter of the time, so this is for runs that
/// have a limit. What cannot begin anew goes on as it is.
fn give_memory_back() {
    const SETTINGS: &str = "GLIBC_TUNABLES";
    if !cfg!(all(target_os = "linux", target_env = "gnu")) || std::env::var_os(SETTINGS).is_some() {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        let error = std::process::Command::new(program)
            .args(std::env::args_os().skip(1))
            .env(SETTINGS, "glibc.malloc.mmap_threshold=1048576")
            .exec();
        tracing::debug!(kind = ?error.kind(), "cannot begin anew");
    }
}

/// Logs go to stderr: nothing without `-v`; names, numbers and times with it, never a cell.
fn logging(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => "optin=info",
        _ => "optin=debug",
    };
    let filter = tracing_subscriber::EnvFilter::new(level);
    let ansi = io::stderr().is_terminal() && may_colour();
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(ansi)
        .with_target(false)
        .try_init();
}

/// The date of a run, over the file's.
fn date_of(as_of: Option<Instant>, replay: Option<Instant>) -> Option<AsOf> {
    let kept = as_of.map(|at| AsOf { at, replay: false });
    kept.or(replay.map(|at| AsOf { at, replay: true }))
}

fn run(args: &RunArgs, options: RunOptions, is_logging: bool) -> u8 {
    if let Some(code) = spark::refuse_options(args) {
        return code;
    }
    if args.engine == Engine::Spark {
        let (as_of, out) = (date_of(args.as_of, args.replay), args.out.clone());
        return spark::run(args, &RunOptions { as_of, out, ..options });
    }
    if args.limit_memory.is_some() {
        give_memory_back();
    }
    let as_of = date_of(args.as_of, args.replay);
    let (out, limit_memory, no_report) = (args.out.clone(), args.limit_memory, args.no_report);
    let options = RunOptions { as_of, out, limit_memory, no_report, ..options };
    // Logs and a line that is written anew would be in each other's way.
    let is_shown = !args.quiet && !args.json && !is_logging && progress::can_be_shown();
    let line = is_shown.then(progress::Line::show);
    let outcome = run_file(&args.file, &options);
    drop(line);
    match outcome {
        Ok(record) if args.json => print_published_json(&record),
        Ok(record) if args.quiet => {
            say(&report::warnings(&record));
            DONE
        }
        Ok(record) => {
            let summary = report::summary(&record);
            let is_coloured = io::stdout().is_terminal() && may_colour();
            print_published(&if is_coloured { report::coloured(&summary) } else { summary })
        }
        Err(failure) => refuse(&failure, args.json),
    }
}

fn verify(record: &Path, from: Option<&Path>, json: bool) -> u8 {
    match inspect::verify::verify(record, from) {
        Ok(verified) => {
            let code = if verified.is_same() { DONE } else { FAILED };
            if json { print_json(&verified, code) } else { print(&verified.text(), code) }
        }
        Err(faults) => refuse(&Failure::of_run(record, "", faults), json),
    }
}

fn diff(from: &Path, to: &Path, output: Option<&Path>, json: bool) -> u8 {
    let outcome = inspect::diff::diff(from, to).and_then(|diff| {
        if let Some(file) = output {
            diff.write(file, [from, to])?;
        }
        Ok(diff)
    });
    match outcome {
        Ok(diff) if json => print_json(&diff, DONE),
        Ok(diff) => {
            let mut text = diff.text();
            if let Some(file) = output {
                let rows = report::number(diff.changes.len() as u64);
                let file = file.display().to_string();
                text += &["\nWritten: ", &rows, " rows  ", &file, "\n"].concat();
            }
            print(&text, DONE)
        }
        Err(faults) => refuse(&Failure::of_run(to, "", faults), json),
    }
}

fn check(file: &Path, options: &RunOptions, json: bool) -> u8 {
    match check_file(file, options) {
        Ok(loaded) => {
            let warnings = loaded.warnings.len();
            if json {
                let faults: Vec<_> =
                    loaded.warnings.iter().map(|w| w.to_json(&loaded.text)).collect();
                return print(
                    &(pretty(&serde_json::json!({ "ok": true, "faults": faults })) + "\n"),
                    DONE,
                );
            }
            let path = file.display().to_string();
            let _ = write!(
                io::stderr(),
                "{}",
                render_all(&loaded.warnings, &path, &loaded.text, style())
            );
            let plan = &loaded.plan;
            let with = match warnings {
                0 => String::new(),
                some => format!(", {}", report::counted(some as u64, "warning")),
            };
            let counts = [
                (plan.sources.len(), "source"),
                (plan.tables.len(), "customer table"),
                (plan.consent.purposes.len(), "purpose"),
                (plan.segments.len(), "segment"),
                (plan.exports.len(), "export"),
            ];
            let counts = counts.map(|(count, kind)| report::counted(count as u64, kind));
            let text = format!("{path}: no faults{with}. {}\n", counts.join(", "));
            print(&text, DONE)
        }
        Err(failure) => fail(&failure, json, WRONG),
    }
}

fn explain_plan(file: &Path, options: &RunOptions, json: bool) -> u8 {
    match check_file(file, options) {
        Ok(loaded) if json => print_json(&loaded.plan, DONE),
        Ok(loaded) => print(&explain(&loaded.plan), DONE),
        Err(failure) => fail(&failure, json, WRONG),
    }
}

fn generate_data(customers: u64, seed: u64, dir: &Path) -> u8 {
    match generate::generate(dir, &generate::Settings { customers, seed }) {
        Ok(summary) => {
            let mut text = String::new();
            for (path, rows, bytes) in &summary.files {
                text += &report::file_line(path, *rows, *bytes);
            }
            let next = dir.join("pipeline.yaml");
            text += "\nNext: optin run ";
            text += &next.display().to_string();
            text.push('\n');
            print(&text, DONE)
        }
        Err(error) => {
            let _ = writeln!(
                io::stderr(),
                "error: data cannot be written to {}: {error}",
                dir.display()
            );
            FAILED
        }
    }
}

fn bench(file: Option<&Path>, options: &RunOptions, customers: u64, runs: usize, json: bool) -> u8 {
    let Ok(scratch) = tempfile::tempdir() else {
        let _ = writeln!(io::stderr(), "error: no folder for a while can be made");
        return FAILED;
    };
    let file = match file {
        Some(file) => file.to_path_buf(),
        None => {
            let data = scratch.path().join("data");
            let settings = generate::Settings { customers, seed: 1 };
            if let Err(error) = generate::generate(&data, &settings) {
                let _ = writeln!(io::stderr(), "error: data cannot be written: {error}");
                return FAILED;
            }
            data.join("pipeline.yaml")
        }
    };
    let loaded = match check_file(&file, options) {
        Ok(loaded) => loaded,
        Err(failure) => return fail(&failure, json, WRONG),
    };
    let setting = inspect::bench::Setting { file: file.clone(), runs };
    let measured =
        loaded.fetch().and_then(|()| inspect::bench::bench(&setting, &loaded.plan, scratch.path()));
    match measured {
        Ok(measured) if json => print_json(&measured, DONE),
        Ok(measured) => print(&measured.text(), DONE),
        Err(Faults(faults)) => {
            let failure =
                Failure { faults, path: file, text: loaded.text, pipeline_at_fault: false };
            fail(&failure, json, FAILED)
        }
    }
}

/// As [`fail`], with the exit code that says whom to blame.
fn refuse(failure: &Failure, json: bool) -> u8 {
    fail(failure, json, if failure.pipeline_at_fault { WRONG } else { FAILED })
}

fn fail(failure: &Failure, json: bool, code: u8) -> u8 {
    let failure = told(failure);
    if json {
        let faults: Vec<_> =
            failure.faults.iter().map(|fault| fault.to_json(&failure.text)).collect();
        return print(
            &(pretty(&serde_json::json!({ "ok": false, "faults": faults })) + "\n"),
            code,
        );
    }
    let _ = write!(io::stderr(), "{}", failure.render(style()));
    code
}

fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Colours on a terminal that has some, unless `NO_COLOR` is set (no-color.org).
fn style() -> Style {
    if io::stderr().is_terminal() && may_colour() { Style::Coloured } else { Style::Plain }
}

fn may_colour() -> bool {
    !is_dumb() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// True for a terminal that only writes on.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|kind| kind == "dumb")
}
