//! The way through, from a file's name to a run record.

mod key_tables;
#[cfg(feature = "spark")]
mod on_spark;
mod places;
mod root;
mod staging;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::diagnostics::{
    Code, Diagnostic, Faults, Outcome, Severity, Sink, Style, advice, render_all, veil,
};
use crate::engine::source::{catalog, read_pairs};
use crate::engine::{Memory, Setting, columns_in_use, execute, unbroken};
use crate::init::{Proposal, propose};
use crate::inspect::forget::{Forget, forget};
use crate::inspect::receipt::{Receipt, receipt};
use crate::inspect::simulate::{Simulated, simulate};
use crate::inspect::why::{Why, why};
use crate::output::journal::recover;
use crate::output::record::previous_rows;
use crate::output::{MakePage, Origin, RunRecord, mark, private_file, publish};
use crate::plan::catalog::{Listing, Request};
use crate::plan::{AsOf, Instant, Plan, Previous, hex};
use crate::planted;
use crate::report::page::page;
use crate::resolve::{Aliases, Extra, ExtraKind, Found, Overrides, extras, requests, resolve};
use crate::{spec, sql};
#[cfg(feature = "spark")]
pub use on_spark::{SparkOptions, run_spark_file};
use root::Root;
use staging::Staging;

/// What a caller of [`run_file`] may choose.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// The run's date, over the file's.
    pub as_of: Option<AsOf>,
    /// Every output goes below this folder.
    pub out: Option<PathBuf>,
    /// How many bytes of memory a run may take; without it four fifths of what there is.
    pub limit_memory: Option<u64>,
    /// Every path of the pipeline must lead below this folder.
    pub root: Option<PathBuf>,
    /// True if the page about the run, `report.html`, is not to be written.
    pub no_report: bool,
}

/// A pipeline that could not be read or run: every fault, and the text their places are in.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The faults; at least one is an error.
    pub faults: Vec<Diagnostic>,
    /// The pipeline file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// True if the pipeline file is to blame, false for data, files and the machine.
    pub pipeline_at_fault: bool,
}

impl Failure {
    /// Of a run: what it reads or writes is to blame.
    pub(crate) fn of_run(path: &Path, text: &str, Faults(faults): Faults) -> Self {
        let (path, text) = (path.to_path_buf(), text.to_owned());
        Self { faults, path, text, pipeline_at_fault: false }
    }

    /// All faults as text.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        render_all(&self.faults, &self.path.display().to_string(), &self.text, style)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render(Style::Plain))
    }
}

impl std::error::Error for Failure {}

/// A pipeline, ready to run.
#[derive(Debug)]
pub struct Loaded {
    /// What will be done.
    pub plan: Plan,
    /// What the user should look at.
    pub warnings: Vec<Diagnostic>,
    /// The pipeline file's text.
    pub text: String,
    /// What the plan was made of.
    pipeline: spec::Pipeline,
    /// Its sources that are not on this machine.
    staging: Staging,
}

impl Loaded {
    /// Where the parts of the plan stand in the pipeline file.
    fn places(&self, path: &Path) -> sql::Places {
        places::of(path, &self.text, &self.pipeline, &self.plan)
    }

    /// Writes down the rows of sources that are not on this machine. Who executes the plan asks for them first,
    /// and keeps this value until that is done.
    ///
    /// # Errors
    /// A server that fails or cannot be reached; rows that cannot be written down.
    pub fn fetch(&self) -> Outcome<()> {
        self.staging.fetch(|_| None)
    }

    /// As [`Self::fetch`], of the columns that a run reads.
    fn fetch_in_use(&self) -> Outcome<()> {
        let in_use = columns_in_use(&self.plan);
        self.staging.fetch(|source| in_use.get(source).cloned())
    }

    /// What stopped a run of the plan.
    fn stopped(&self, path: &Path, faults: Faults) -> Failure {
        Failure::of_run(path, &self.text, self.staging.shown(faults))
    }
}

/// Reads and resolves a pipeline file with its sources' schemas; reads no rows.
///
/// # Errors
/// Every fault of the file and of the schemas, at once.
pub fn check_file(path: &Path, options: &RunOptions) -> Result<Loaded, Failure> {
    unbroken(|| Ok(check(path, options)))
        .unwrap_or_else(|faults| Err(Failure::of_run(path, "", faults)))
}

fn check(path: &Path, options: &RunOptions) -> Result<Loaded, Failure> {
    let failure = |faults: Vec<Diagnostic>, text: &str| failed(path, faults, text);
    let text = match read_regular(path) {
        Ok(bytes) => spec::text_of(path, bytes).map_err(|fault| failure(vec![fault], ""))?,
        Err(error) => {
            let fault = Diagnostic::error(
                Code::PipelineUnreadable,
                format!("the pipeline file {} cannot be read: {error}", path.display()),
            )
            .help(advice(&error));
            return Err(failure(vec![fault], ""));
        }
    };
    check_text(path, text, options)
}

/// The folder that the paths in a pipeline file are seen from.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// As [`check_file`], of a text that stands, or is to stand, in the file `path`.
///
/// # Errors
/// As [`check_file`].
pub fn check_text(path: &Path, text: String, options: &RunOptions) -> Result<Loaded, Failure> {
    let failure = |faults: Vec<Diagnostic>, text: &str| failed(path, faults, text);
    let base = folder_of(path);
    let mut pipeline = spec::load(&text).map_err(|Faults(faults)| failure(faults, &text))?;
    let mut sink = std::mem::take(&mut pipeline.faults);
    let root = options.root.as_deref().map(Root::new).transpose();
    let root = root.map_err(|fault| failure(vec![fault], &text))?;
    if let Some(root) = root.as_ref().filter(|_| options.out.is_none()) {
        root.refuse_outputs(&pipeline, &base).into_iter().for_each(|fault| sink.push(fault));
    }
    let requests = requests(&pipeline, &base, &mut sink);
    let mut staging = Staging::default();
    let listings = requests
        .into_iter()
        .map(|request| {
            let mut request = request?;
            let listed = match request.away {
                None => list(&request, root.as_ref()),
                Some(_) => staging.describe(&mut request, root.is_some()),
            };
            let listing = sink.take(listed.map_err(Faults::from))?;
            Some((request, listing))
        })
        .collect();
    let found = find_extras(&pipeline, &base, listings, (root.as_ref(), &mut staging), &mut sink);
    let overrides = Overrides { as_of: options.as_of, out: options.out.clone() };
    match resolve(&pipeline, &text, &base, found, &overrides, sink) {
        Ok((plan, warnings)) => Ok(Loaded { plan, warnings, text, pipeline, staging }),
        Err(Faults(faults)) => Err(failure(faults, &text)),
    }
}

/// The files and columns of a source, if they are where they may be.
fn list(request: &Request, root: Option<&Root>) -> Result<Listing, Diagnostic> {
    let refused = root.and_then(|root| root.refuse_source(&request.pattern, request.span));
    if let Some(fault) = refused {
        return Err(fault);
    }
    catalog::list_unless(request, |files| {
        root.and_then(|root| root.refuse_found(files, request.span))
    })
}

/// A file's bytes; a pipe is not waited for.
fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "it is no regular file"));
    }
    std::fs::read(path)
}

fn failed(path: &Path, faults: Vec<Diagnostic>, text: &str) -> Failure {
    let errors = faults.iter().filter(|fault| fault.severity == Severity::Error);
    let pipeline_at_fault = errors.clone().any(|fault| !is_of_data(fault.code));
    Failure { faults, path: path.to_path_buf(), text: text.to_owned(), pipeline_at_fault }
}

/// Proposes a first pipeline for data files, to stand in the file `path`. What is returned was checked.
///
/// # Errors
/// Files of which none can be used; a text that does not pass the check, which is a fault of the program.
pub fn init_files(data: &[PathBuf], path: &Path) -> Result<Proposal, Failure> {
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = name.filter(|name| !name.is_empty() && path != Path::new(NO_FILE));
    let proposed = unbroken(|| propose(data, &folder_of(path), name.as_deref()));
    let proposal = proposed.map_err(|faults| Failure::of_run(path, "", faults))?;
    check_text(path, proposal.text.clone(), &RunOptions::default())?;
    Ok(proposal)
}

/// Stands for a pipeline file of the working folder that has no name yet.
pub const NO_FILE: &str = "-";

/// Looks for the files beside the sources: the identity table of an earlier run, and aliases,
/// which are a part of the pipeline and so are read here.
fn find_extras(
    pipeline: &spec::Pipeline,
    base: &Path,
    listings: Vec<Option<(Request, Listing)>>,
    (root, staging): (Option<&Root>, &mut Staging),
    sink: &mut Sink,
) -> Found {
    let mut found = Found { listings, ..Found::default() };
    for extra in extras(pipeline, base, sink) {
        if extra.request.away.is_some() {
            find_away(extra, root.is_some(), staging, &mut found, sink);
            continue;
        }
        let request = &extra.request;
        let refused =
            root.is_some_and(|root| root.refuse_source(&request.pattern, request.span).is_some());
        // A link that leads nowhere is a mistake.
        let looked = request.pattern.symlink_metadata();
        let missing =
            !refused && looked.is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if extra.allow_missing && missing {
            found.previous = Some(Previous { source: None });
            continue;
        }
        let listed = list(&extra.request, root).map_err(Faults::from);
        let Some(listing) = sink.take(listed) else { continue };
        let source = extra.source(listing, sink);
        match extra.kind {
            ExtraKind::Previous => found.previous = Some(Previous { source: Some(source) }),
            ExtraKind::Aliases => {
                if let Some((pairs, files)) = sink.take(read_pairs(&source, extra.path.span)) {
                    let written = extra.path.value.clone();
                    found.aliases.push(Aliases { written, files, pairs });
                }
            }
        }
    }
    found
}

/// An extra file that is an object in a bucket.
fn find_away(
    mut extra: Extra,
    below_root: bool,
    staging: &mut Staging,
    found: &mut Found,
    sink: &mut Sink,
) {
    if extra.kind == ExtraKind::Aliases {
        sink.push(
            Diagnostic::error(Code::BadValue, "aliases are a file of this machine")
                .at(extra.path.span, "not in a bucket")
                .help("they are a part of the pipeline: keep them beside its file"),
        );
        return;
    }
    match staging.describe(&mut extra.request, below_root) {
        Ok(listing) => {
            let source = extra.source(listing, sink);
            found.previous = Some(Previous { source: Some(source) });
        }
        Err(fault) if extra.allow_missing && fault.code == Code::MissingFile => {
            found.previous = Some(Previous { source: None });
        }
        Err(fault) => sink.push(fault),
    }
}

/// The plan of a pipeline file.
///
/// # Errors
/// As [`check_file`].
pub fn load_plan(path: &Path) -> Result<Plan, Failure> {
    check_file(path, &RunOptions::default()).map(|loaded| loaded.plan)
}

/// True if some source may not lose more than a share of its records.
fn compares_with_before(plan: &Plan) -> bool {
    plan.sources.iter().any(|source| source.max_drop.is_some())
}

/// Runs a pipeline file: publishes all outputs and exports, or nothing.
///
/// # Errors
/// As [`check_file`], and whatever stops the run.
pub fn run_file(path: &Path, options: &RunOptions) -> Result<RunRecord, Failure> {
    let now = Instant::now();
    let mut loaded = check_file(path, options)?;
    let recovered = recover(&loaded.plan.out).map_err(|faults| loaded.stopped(path, faults))?;
    if let Some(recovered) = recovered {
        tracing::warn!(?recovered, "a run before was killed while it published");
        // What it published may be what this run reads.
        loaded = check_file(path, options)?;
    }
    let before = mark(&loaded.plan.out);
    let as_of = loaded.plan.as_of.unwrap_or(AsOf { at: now, replay: false });
    let needed = compares_with_before(&loaded.plan);
    let previous_rows =
        previous_rows(&loaded.plan.out, needed).map_err(|faults| loaded.stopped(path, faults))?;
    unbroken(|| {
        loaded.staging.expect_history(&loaded.plan)?;
        loaded.fetch_in_use()
    })
    .map_err(|faults| loaded.stopped(path, faults))?;
    let memory = Memory::new(options.limit_memory, loaded.plan.out.clone());
    let setting = Setting { as_of, now, previous_rows, memory };
    let origin = Origin {
        pipeline: path.to_path_buf(),
        pipeline_sha256: hex(&Sha256::digest(loaded.text.as_bytes())),
        started: now,
        before,
        warnings: std::mem::take(&mut loaded.warnings),
    };
    let private = spec::private_places(&loaded.text);
    let shown = veil(&loaded.text);
    let page = |record: &RunRecord| page(record, &shown, &private);
    let page: Option<MakePage<'_>> = if options.no_report { None } else { Some(&page) };
    unbroken(|| {
        planted::place("the pipeline is read");
        execute(&loaded.plan, &setting, |results| {
            publish(&loaded.plan, &setting, &origin, page, results)
        })
    })
    .map_err(|faults| loaded.stopped(path, faults))
}

/// Compiles a pipeline file to a job of SQL for an engine. With a folder for `keys`, the keys of values that SQL
/// cannot normalize are made there, of the rows that the sources hold now; else no row is read. With an `output`
/// the job is written there, too, for its owner alone: it can hold values that the page hides.
///
/// # Errors
/// As [`check_file`]; whatever SQL cannot say exactly, each with its place; a file that cannot be written.
pub fn compile_file(
    path: &Path,
    options: &RunOptions,
    dialect: sql::Dialect,
    keys: Option<&Path>,
    output: Option<&Path>,
) -> Result<String, Failure> {
    let loaded = check_file(path, options)?;
    let of_pipeline = |Faults(faults): Faults| failed(path, faults, &loaded.text);
    let of_run = |faults| Failure::of_run(path, &loaded.text, faults);
    if let Some(file) = output {
        private_file::refuse_over_files_of(file, &loaded.plan, path).map_err(of_run)?;
    }
    let places = loaded.places(path);
    let job = match dialect {
        sql::Dialect::Duckdb => sql::duckdb(&loaded.plan, &places, keys),
        sql::Dialect::Spark => {
            sql::spark(&loaded.plan, &places, keys).map(|job| sql::spark::python(&job))
        }
    };
    let job = job.map_err(of_pipeline)?;
    if let Some(folder) = keys {
        unbroken(|| key_tables::write(&loaded.plan, folder, None)).map_err(of_run)?;
    }
    if let Some(file) = output {
        private_file::write(file, |out| out.write_all(job.as_bytes())).map_err(of_run)?;
    }
    Ok(job)
}

/// Tells of a customer why he is in a segment or not, as a run would decide it now. Nothing is written.
///
/// # Errors
/// As [`check_file`]; a question that names nothing, and whatever stops a run before it writes.
pub fn why_file(
    path: &Path,
    options: &RunOptions,
    customer: &str,
    segment: Option<&str>,
) -> Result<Why, Failure> {
    ask_file(path, options, |plan, setting| why(plan, setting, customer, segment))
}

/// The consent receipt of one person, as of the run's date. With `output` it is written there, too.
///
/// # Errors
/// As [`why_file`]; nobody or several are meant; a file that cannot be written.
pub fn receipt_file(
    path: &Path,
    options: &RunOptions,
    customer: &str,
    output: Option<&Path>,
) -> Result<Receipt, Failure> {
    ask_file(path, options, |plan, setting| {
        let receipt = receipt(plan, setting, customer)?;
        output.map_or(Ok(()), |output| receipt.write(output, plan, path))?;
        Ok(receipt)
    })
}

/// Where one person stands, in all sources and in all files that were written. With `list` an entry is
/// added to this suppression list of digests; nothing else is written.
///
/// # Errors
/// As [`why_file`]; nobody or several are meant; a list that cannot be written.
pub fn forget_file(
    path: &Path,
    options: &RunOptions,
    customer: &str,
    list: Option<&Path>,
) -> Result<Forget, Failure> {
    ask_file(path, options, |plan, setting| forget(plan, setting, customer, path, list))
}

/// Answers a question about one person.
fn ask_file<T>(
    path: &Path,
    options: &RunOptions,
    answer: impl FnOnce(&Plan, &Setting) -> Outcome<T>,
) -> Result<T, Failure> {
    let now = Instant::now();
    let loaded = check_file(path, options)?;
    let as_of = loaded.plan.as_of.unwrap_or(AsOf { at: now, replay: false });
    let memory = Memory::new(options.limit_memory, std::env::temp_dir());
    let setting = Setting { as_of, now, previous_rows: BTreeMap::new(), memory };
    let answered = unbroken(|| loaded.fetch()).and_then(|()| answer(&loaded.plan, &setting));
    answered.map_err(|faults| {
        let Faults(faults) = loaded.staging.shown(faults);
        // What the question names is at fault, or what is read is.
        let of_question = [Code::UnknownField, Code::UnknownSegment];
        let pipeline_at_fault = faults.iter().all(|fault| of_question.contains(&fault.code));
        Failure { faults, path: path.to_path_buf(), text: loaded.text, pipeline_at_fault }
    })
}

/// How large each segment would be under other settings of consent, as of now. Nothing is written.
///
/// # Errors
/// As [`check_file`], and whatever stops a run before it writes.
pub fn simulate_file(path: &Path, options: &RunOptions) -> Result<Simulated, Failure> {
    let now = Instant::now();
    let loaded = check_file(path, options)?;
    let as_of = loaded.plan.as_of.unwrap_or(AsOf { at: now, replay: false });
    let memory = Memory::new(options.limit_memory, std::env::temp_dir());
    let simulated = unbroken(|| {
        let previous_rows = previous_rows(&loaded.plan.out, compares_with_before(&loaded.plan))?;
        loaded.fetch()?;
        simulate(&loaded.plan, &Setting { as_of, now, previous_rows, memory })
    });
    simulated.map_err(|faults| loaded.stopped(path, faults))
}

/// Faults for which the data, not the pipeline file, is to blame.
fn is_of_data(code: Code) -> bool {
    matches!(
        code,
        Code::MissingFile
            | Code::UnreadableFile
            | Code::SchemaMismatch
            | Code::Encoding
            | Code::LineEnds
            | Code::FieldCount
            | Code::Quote
            | Code::Header
            | Code::JsonLine
            | Code::MissingVariable
            | Code::DatabaseFailed
            | Code::StoreFailed
    )
}
