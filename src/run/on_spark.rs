//! A pipeline run by a server of Spark Connect.

use std::path::{Path, PathBuf};

use super::{Failure, RunOptions, check_file, failed, key_tables};
use crate::diagnostics::{Code, Diagnostic, Faults, Outcome};
use crate::engine::unbroken;
use crate::output::journal::recover;
use crate::plan::{AsOf, Instant};
use crate::spark::{self, Ran, Setting};
use crate::sql;
use crate::sql::spark::{Job, Step};

/// What a caller of [`run_spark_file`] may choose beside [`RunOptions`].
#[derive(Clone, Debug)]
pub struct SparkOptions {
    /// The server: `sc://host:port`.
    pub remote: String,
    /// Where the job keeps its tables; without it `.optin-spark` in the working folder.
    pub work: Option<PathBuf>,
    /// How many values a field may have whose keys this program must make.
    pub max_keys: u64,
}

/// Runs a pipeline file on a server of Spark Connect: publishes all outputs and exports, or nothing.
///
/// # Errors
/// As [`check_file`]; whatever SQL cannot say exactly, with its place; whatever stops the run.
pub fn run_spark_file(
    path: &Path,
    options: &RunOptions,
    spark: &SparkOptions,
) -> Result<Ran, Failure> {
    let now = Instant::now();
    let mut loaded = check_file(path, options)?;
    let recovered = recover(&loaded.plan.out);
    if recovered.map_err(|faults| Failure::of_run(path, &loaded.text, faults))?.is_some() {
        loaded = check_file(path, options)?;
    }
    let as_of = *loaded.plan.as_of.get_or_insert(AsOf { at: now, replay: false });
    let of_pipeline = |Faults(faults): Faults| failed(path, faults, &loaded.text);
    let of_run = |faults: Faults| Failure::of_run(path, &loaded.text, faults);
    let places = loaded.places(path);
    // Refused before anything is made.
    sql::spark(&loaded.plan, &places, Some(Path::new("keys"))).map_err(of_pipeline)?;
    let work = Work::new(spark.work.as_deref()).map_err(of_run)?;
    let keys = work.folder.path().join("keys");
    let played = (|| {
        spark::private_folder(&keys)?;
        let mut job = sql::spark(&loaded.plan, &places, Some(&keys))?;
        make_absolute(&mut job)?;
        refuse_patterns(&job)?;
        unbroken(|| {
            key_tables::write(&loaded.plan, &keys, Some(spark.max_keys))?;
            let (folder, run) = (work.folder.path(), work.run.as_str());
            let setting = Setting { remote: &spark.remote, work: folder, run };
            spark::run(&job, &as_of.at.to_string(), &setting)
        })
    })();
    work.remove();
    let mut ran = played.map_err(of_run)?;
    ran.warnings = loaded
        .warnings
        .iter()
        .map(|warning| format!("{}: {}", warning.code.name(), warning.message))
        .collect();
    Ok(ran)
}

/// The folder of a run: it holds personal data, so nobody else may read it, and it goes with the run.
struct Work {
    folder: tempfile::TempDir,
    run: String,
    base: PathBuf,
    is_default: bool,
}

impl Work {
    fn new(chosen: Option<&Path>) -> Outcome<Self> {
        let base = chosen.unwrap_or(Path::new(".optin-spark"));
        let base = absolute(base)?;
        let made = std::fs::create_dir_all(&base).and_then(|()| {
            tempfile::Builder::new().prefix("run-").rand_bytes(12).tempdir_in(&base)
        });
        let folder = made.map_err(|error| Diagnostic::unwritable(&base, &error))?;
        let name = folder.path().file_name().unwrap_or_default().to_string_lossy();
        let run = name.trim_start_matches("run-").to_owned();
        Ok(Self { folder, run, base, is_default: chosen.is_none() })
    }

    fn remove(self) {
        let path = self.folder.path().to_path_buf();
        if let Err(error) = self.folder.close() {
            let (kind, path) = (error.kind(), path.display());
            tracing::warn!(?kind, %path, "the folder of this run could not be removed; it holds personal data");
        }
        if self.is_default {
            // Another run may be in it.
            let _ = std::fs::remove_dir(&self.base);
        }
    }
}

fn absolute(path: &Path) -> Outcome<PathBuf> {
    std::path::absolute(path).map_err(|error| Diagnostic::unwritable(path, &error).into())
}

/// Spark takes some characters of a path as a pattern, and would read other files. In names of files
/// the job itself refuses them; here it is the folders above that count, which a job does not know.
fn refuse_patterns(job: &Job) -> Outcome<()> {
    let files = job.steps.iter().filter_map(|step| match step {
        Step::Read(read) => Some(&read.files),
        _ => None,
    });
    match files.flatten().find(|file| sql::Dialect::Spark.is_pattern(file)) {
        None => Ok(()),
        Some(file) => Err(Diagnostic::error(
            Code::SqlUnsupported,
            format!("Spark takes the name of {file} as a pattern, and would read other files"),
        )
        .help("run in a folder whose name has none of * ? [ ] { } and \\, with such a `--work`")
        .into()),
    }
}

/// The server has another working folder.
fn make_absolute(job: &mut Job) -> Outcome<()> {
    for step in &mut job.steps {
        match step {
            Step::Read(read) => {
                for file in &mut read.files {
                    *file = absolute(Path::new(file.as_str()))?.display().to_string();
                }
            }
            Step::Write(write) => write.path = absolute(&write.path)?,
            _ => {}
        }
    }
    Ok(())
}
