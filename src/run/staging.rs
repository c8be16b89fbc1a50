//! Sources that are not on this machine: asked for their columns when a pipeline is checked, and for their rows
//! when somebody needs them. What they hold is written down in a folder that goes with the pipeline.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::slice::from_ref;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use tempfile::TempDir;

use crate::database::Queries;
use crate::diagnostics::{Code, Diagnostic, Faults, Outcome, Site, Span};
use crate::engine::source::{catalog, parquet};
use crate::plan::catalog::{Listing, Request};
use crate::plan::{Away, Delta, Export, Format, Object, Objects, Plan};
use crate::store::{Found, Stores, Table};

/// How much of a text object is fetched for its header; of a compressed one this is enough text, too.
const HEAD: u64 = 2 << 20;
/// How much of a Parquet or IPC object is fetched for its footer at once.
const TAIL: u64 = 64 << 10;

/// What is written down of sources that are elsewhere.
#[derive(Debug, Default)]
pub struct Staging {
    folder: Option<TempDir>,
    queries: Queries,
    stores: OnceLock<Stores>,
    objects: Vec<Staged>,
    tables: Vec<(String, Table, PathBuf, Span)>,
    /// The files, and what is said instead of their names.
    shown: Vec<(PathBuf, String)>,
}

/// An object, and the file that is to hold it.
#[derive(Debug)]
struct Staged {
    source: String,
    format: Format,
    found: Found,
    file: PathBuf,
    span: Span,
}

impl Staging {
    /// The columns of a source that is elsewhere. The request is then for the files in which its rows will stand.
    ///
    /// # Errors
    /// What the server says; below `--root` nothing is asked.
    pub fn describe(
        &mut self,
        request: &mut Request,
        below_root: bool,
    ) -> Result<Listing, Diagnostic> {
        if below_root {
            let what = match request.away {
                Some(Away::Database(_)) => "a database",
                Some(Away::Delta(_)) => "a Delta table",
                _ => "a bucket",
            };
            let message = format!("{what} is not below --root");
            return Err(Diagnostic::error(Code::OutsideRoot, message)
                .at(request.span, "this source")
                .help("run without --root if you know who wrote the pipeline file"));
        }
        match request.away.clone() {
            Some(Away::Database(database)) => {
                let file = self.new_file(&format!("the query of {}", request.name))?;
                let span = request.span;
                let columns =
                    self.queries.describe(&request.name, &database, span, file.clone())?;
                request.pattern.clone_from(&file);
                Ok(Listing { files: vec![file], bytes: 0, columns, open: false })
            }
            Some(Away::Objects(objects)) => {
                self.objects(request, objects).map_err(|fault| labelled(fault, request.span))
            }
            Some(Away::Delta(delta)) => {
                self.table(request, &delta).map_err(|fault| labelled(fault, request.span))
            }
            None => catalog::list(request),
        }
    }

    /// Writes down the rows of all sources that are elsewhere, as they are now; of Parquet objects the columns that
    /// `in_use` says of a source, or all.
    ///
    /// # Errors
    /// A server that fails or refuses; a file that cannot be written.
    pub fn fetch(&self, in_use: impl Fn(&str) -> Option<Vec<String>>) -> Outcome<()> {
        self.queries.fetch()?;
        let mut due = Vec::new();
        for staged in &self.objects {
            let names =
                (staged.format == Format::Parquet).then(|| in_use(&staged.source)).flatten();
            let ranges = match names {
                Some(names) => parquet::ranges(&staged.file, &names)?,
                None => std::iter::once(0..staged.found.bytes).collect(),
            };
            due.push((staged, ranges));
        }
        let bytes: u64 = due.iter().map(|(_, ranges)| bytes_of(ranges)).sum();
        if !due.is_empty() {
            tracing::info!(objects = due.len(), bytes, "fetched from buckets");
        }
        each(&due, |(staged, ranges)| self.get(staged, ranges))?;
        for (source, table, file, span) in &self.tables {
            tracing::info!(source, version = table.version(), "read of a Delta table");
            let columns = in_use(source);
            write(file, table, |open| table.write(columns.as_deref(), open))
                .map_err(|fault| labelled(fault, *span))?;
        }
        Ok(())
    }

    /// Faults that speak of the file in which rows stand, speaking of the source instead.
    #[must_use]
    pub fn shown(&self, Faults(mut faults): Faults) -> Faults {
        for site in faults.iter_mut().filter_map(|fault| fault.site.as_mut()) {
            if let Some((_, name)) = self.shown.iter().find(|(file, _)| *file == site.file) {
                site.file = name.into();
            }
        }
        let folder = self.folder.as_ref().map(|folder| folder.path().display().to_string());
        let quotes = |text: &str| folder.as_ref().is_some_and(|folder| text.contains(folder));
        for fault in &mut faults {
            for text in std::iter::once(&mut fault.message).chain(&mut fault.help) {
                if quotes(text) {
                    // The longest first: `/7` is the beginning of `/77`.
                    for (file, name) in self.shown.iter().rev() {
                        *text = text.replace(&file.display().to_string(), name);
                    }
                }
            }
        }
        Faults(faults)
    }

    /// Finds the objects of a source, and fetches as much of each as its columns take.
    fn objects(&mut self, request: &mut Request, objects: Objects) -> Result<Listing, Diagnostic> {
        let found = self.stores()?.list(&objects.address)?;
        if found.is_empty() {
            let message = format!("no object is, or matches, {}", objects.address);
            let help = if request.name == "identity.previous" {
                "before the first run write `previous: { path: .., allow_missing: true }`"
            } else {
                "a pattern such as s3://bucket/folder/*.csv names the objects of a folder"
            };
            return Err(Diagnostic::error(Code::MissingFile, message).help(help));
        }
        let bytes = found.iter().map(|found| found.bytes).sum();
        let object =
            |found: &Found| Object { address: found.address.clone(), etag: found.etag.clone() };
        let address = objects.address;
        request.away =
            Some(Away::Objects(Objects { address, found: found.iter().map(object).collect() }));
        let mut files = Vec::new();
        let first = self.objects.len();
        for found in found {
            let file = self.new_file(&found.address)?;
            let (source, format) = (request.name.clone(), request.format);
            files.push(file.clone());
            self.objects.push(Staged { source, format, found, file, span: request.span });
        }
        each(&self.objects[first..], |staged| self.look(staged))?;
        if let Some(first) = files.first() {
            request.pattern.clone_from(first);
        }
        let listed = catalog::of_files(request, files).map_err(|fault| {
            let Faults(mut faults) = self.shown(fault.into());
            faults.remove(0)
        })?;
        Ok(Listing { bytes, ..listed })
    }

    /// Reads the log of a Delta table. Its version then is the one that will be read.
    fn table(&mut self, request: &mut Request, delta: &Delta) -> Result<Listing, Diagnostic> {
        Table::built_in()?;
        let table = Table::open(self.stores()?, delta)?;
        let version = Some(table.version());
        request.away = Some(Away::Delta(Delta { version, ..delta.clone() }));
        let file = self.new_file(&delta.address)?;
        write(&file, &table, |open| table.write_head(open))?;
        request.pattern.clone_from(&file);
        let listed = catalog::of_files(request, vec![file.clone()]);
        self.tables.push((request.name.clone(), table, file, request.span));
        listed
    }

    /// Fetches what the catalog reads of an object: the beginning of a text, the footer of Parquet and IPC.
    fn look(&self, staged: &Staged) -> Result<(), Diagnostic> {
        let bytes = staged.found.bytes;
        match staged.format {
            Format::Delimited { .. } | Format::Ndjson { .. } => {
                self.get(staged, from_ref(&(0..HEAD.min(bytes))))
            }
            Format::Excel => self.get(staged, from_ref(&(0..bytes))),
            Format::Parquet | Format::Ipc => {
                let tail = bytes.saturating_sub(TAIL);
                // The other end has a mark, too.
                self.get(staged, &[0..bytes.min(8), tail..bytes])?;
                let read = |error: io::Error| Diagnostic::unwritable(&staged.file, &error);
                let file = File::open(&staged.file).map_err(read)?;
                let mut last = [0; 10];
                let Some(at) = bytes.checked_sub(10) else { return Ok(()) };
                file.read_exact_at(&mut last, at).map_err(read)?;
                let footer = match staged.format {
                    Format::Parquet => parquet::footer(bytes, &last[2..]),
                    _ => catalog::ipc_footer(bytes, &last),
                };
                // What is none is told by who reads it.
                match footer {
                    Some(from) if from < tail => self.get(staged, from_ref(&(from..tail))),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Fetches ranges of an object to their places in its file, which looks as old as the object.
    fn get(&self, staged: &Staged, ranges: &[Range<u64>]) -> Result<(), Diagnostic> {
        let unwritable = |error: io::Error| Diagnostic::unwritable(&staged.file, &error);
        let file = OpenOptions::new().write(true).open(&staged.file).map_err(unwritable)?;
        let got = self.stores()?.fetch(&staged.found, ranges, &file);
        got.map_err(|fault| labelled(fault, staged.span))?;
        let is_sparse = matches!(staged.format, Format::Parquet | Format::Ipc);
        if is_sparse {
            file.set_len(staged.found.bytes).map_err(unwritable)?;
        }
        file.set_modified(staged.found.modified).map_err(unwritable)
    }

    /// That files of the run before, on which this one builds, are on this machine if they are in the bucket where all
    /// files of a run are put: else they would be taken for none, and be replaced there.
    ///
    /// # Errors
    /// They are in the bucket alone; a store that fails.
    pub fn expect_history(&self, plan: &Plan) -> Outcome<()> {
        let Some(all) = &plan.copy_to else { return Ok(()) };
        let removes =
            |export: &Export| export.audience.as_ref().is_some_and(|of| of.removals.is_some());
        let builds_on = plan.outputs.memberships.is_some()
            || plan.exports.iter().any(removes)
            || plan.sources.iter().any(|source| source.max_drop.is_some());
        let record = plan.record();
        if !builds_on || record.exists() {
            return Ok(());
        }
        let Some(address) = all.address_of(&record) else { return Ok(()) };
        if self.stores()?.list(&address)?.is_empty() {
            return Ok(());
        }
        let message = "the files of the run before are in the bucket, and not on this machine";
        Err(Diagnostic::error(Code::MissingFile, message)
            .in_file(Site { file: record, ..Site::default() })
            .help(format!(
                "`memberships`, `removals` and `max_drop` go on from them: fetch what is below {} first, to the same paths here",
                all.address
            ))
            .into())
    }

    fn stores(&self) -> Result<&Stores, Diagnostic> {
        if let Some(stores) = self.stores.get() {
            return Ok(stores);
        }
        let opened = Stores::open()?;
        Ok(self.stores.get_or_init(|| opened))
    }

    /// An empty file that its owner alone may read, and what is said instead of its name.
    fn new_file(&mut self, shown: &str) -> Result<PathBuf, Diagnostic> {
        let folder = match self.folder.take() {
            Some(folder) => folder,
            None => private_folder()?,
        };
        let file = folder.path().join(self.shown.len().to_string());
        self.folder = Some(folder);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)
            .map_err(|error| Diagnostic::unwritable(&file, &error))?;
        self.shown.push((file.clone(), shown.to_owned()));
        Ok(file)
    }
}

/// Works on all, some at once: each waits for a server.
fn each<T: Sync>(
    all: &[T],
    work: impl Fn(&T) -> Result<(), Diagnostic> + Sync,
) -> Result<(), Diagnostic> {
    const AT_ONCE: usize = 16;
    let next = AtomicUsize::new(0);
    let turn = || {
        while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(fault) = work(one) {
                next.store(all.len(), Ordering::Relaxed);
                return Err(fault);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let turns: Vec<_> = (0..AT_ONCE.min(all.len())).map(|_| scope.spawn(turn)).collect();
        let ended = turns.into_iter().map(|turn| {
            let lost = || Diagnostic::error(Code::EngineFault, "a thread did not end");
            turn.join().unwrap_or_else(|_| Err(lost()))
        });
        ended.fold(Ok(()), Result::and)
    })
}

/// Writes rows of a table anew into a file, which looks as old as they are.
fn write(
    file: &Path,
    table: &Table,
    write: impl FnOnce(File) -> Result<(), Diagnostic>,
) -> Result<(), Diagnostic> {
    let unwritable = |error: io::Error| Diagnostic::unwritable(file, &error);
    let open = || OpenOptions::new().write(true).truncate(true).open(file).map_err(unwritable);
    write(open()?)?;
    let open = OpenOptions::new().write(true).open(file).map_err(unwritable)?;
    // A log that was cleaned does not say it: then it is as old as can be.
    let at = table.written().unwrap_or(SystemTime::UNIX_EPOCH);
    open.set_modified(at).map_err(unwritable)
}

/// A folder for a while, which its owner alone may read.
fn private_folder() -> Result<TempDir, Diagnostic> {
    let base = std::env::temp_dir();
    let mut folder = tempfile::Builder::new();
    folder.prefix("optin-rows-").permissions(Permissions::from_mode(0o700));
    folder.tempdir_in(&base).map_err(|error| Diagnostic::unwritable(&base, &error))
}

fn labelled(fault: Diagnostic, span: Span) -> Diagnostic {
    if fault.labels.is_empty() { fault.at(span, "this source") } else { fault }
}

fn bytes_of(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}
