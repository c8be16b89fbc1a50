//! The folder in which faults happen, and what is looked at after each.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use polars::prelude::*;
use serde_json::Value as Json;

use crate::support::{Folder, command, digest_of, digest_of_folder};

/// Formats of outputs, and with those of text compressed, of sources.
pub const OUTPUTS: [&str; 5] = ["csv", "parquet", "ndjson", "ipc", "tsv"];
pub const SOURCES: [&str; 5] = ["csv", "parquet", "ndjson", "ipc", "csv.gz"];

/// What is published, and where `run.json` stands.
pub const TARGETS: [&str; 6] =
    ["out/deep/profiles", "out/identity", "out/quarantine", "out/all", "out/few", "out/run.json"];

/// How long a run may take; most take a twentieth of a second.
const LIMIT: Duration = Duration::from_secs(20);

/// Sources in one format and outputs in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Formats {
    pub sources: &'static str,
    pub outputs: &'static str,
    /// True if a folder of partitions is published, too.
    pub folder: bool,
}

impl Formats {
    /// One of all, by turns.
    pub fn turn(number: usize) -> Self {
        // Different steps, so that pairs differ.
        let outputs = OUTPUTS[(number + number / 5) % 5];
        Self { sources: SOURCES[number % 5], outputs, folder: false }
    }

    /// The same, and a folder of partitions, if that is wanted.
    pub fn with_folder(self, folder: bool) -> Self {
        Self { folder, ..self }
    }

    /// The path of a target.
    pub fn target(self, name: &str) -> String {
        if name.contains('.') { name.to_owned() } else { format!("{name}.{}", self.outputs) }
    }

    /// The path of a source.
    pub fn source(self, name: &str) -> String {
        format!("in/{name}.{}", self.sources)
    }
}

/// The pipeline. Without `internal` only exports are published, so that values are read late.
pub fn pipeline(formats: Formats, internal: bool) -> String {
    let Formats { sources, outputs, folder } = formats;
    let folder = if folder {
        "  - { segment: all, path: out/by, format: parquet, partition_by: [city], columns: [mail, city] }\n"
    } else {
        ""
    };
    let (previous, tables) = if internal {
        (
            format!("previous: {{ path: out/identity.{outputs}, allow_missing: true }}"),
            format!(
                "outputs: {{ profiles: out/deep/profiles.{outputs}, identity: out/identity.{outputs}, \
                 quarantine: out/quarantine.{outputs} }}\n"
            ),
        )
    } else {
        ("max_cluster: 20".to_owned(), String::new())
    };
    format!(
        "version: 1
name: faults
as_of: 2026-06-01T00:00:00Z
out: out
sources:
  - {{ name: people, path: in/people.{sources} }}
  - {{ name: consent, path: in/consent.{sources} }}
  - {{ name: bounces, path: in/bounces.{sources} }}
keys:
  - {{ field: mail, normalize: email }}
  - {{ field: name, normalize: [lower, {{ alias: {{ file: in/alias.csv }} }}] }}
customers:
  - {{ source: people, id: id, fields: {{ mail: mail, name: name, city: city }} }}
identity: {{ link_on: [[mail]], {previous} }}
consent:
  purposes: [{{ name: news, via: mail, model: opt_in }}]
  tables: [{{ source: consent, match: {{ mail: mail }}, values: {{ news: news }} }}]
  suppress: [{{ source: bounces, match: {{ mail: mail }} }}]
segments:
  - {{ name: all, consent: news }}
  - {{ name: few, consent: news, where: \"city = 'Bonn'\" }}
{tables}exports:
  - {{ segment: all, path: out/all.{outputs}, columns: [customer_id, mail, name] }}
  - {{ segment: few, path: out/few.{outputs}, columns: [mail, city] }}
{folder}"
    )
}

/// A table of texts.
pub type Texts = (Vec<&'static str>, Vec<Vec<String>>);

/// So many people; each but every fifth has a grant, every seventh is suppressed. The last one lives where
/// nobody does in another number of people.
pub fn tables(people: usize) -> [(&'static str, Texts); 3] {
    let mail = |number: usize| format!("m{number}@fabrikam.com");
    let person = |number: usize| {
        let city = if number + 1 == people {
            format!("Of {people}")
        } else {
            ["Bonn", "Ulm", "Jena"][number % 3].to_owned()
        };
        vec![format!("p{number}"), mail(number), format!("Name \"{number}\", x"), city]
    };
    let consent = |number: usize| {
        vec![mail(number), ["no", "yes"][usize::from(!number.is_multiple_of(5))].into()]
    };
    let bounced = |number: usize| vec![mail(number * 7), "hard".to_owned()];
    [
        ("people", (vec!["id", "mail", "name", "city"], (0..people).map(person).collect())),
        ("consent", (vec!["mail", "news"], (0..people).map(consent).collect())),
        ("bounces", (vec!["mail", "why"], (0..people / 7).map(bounced).collect())),
    ]
}

/// A table in a format.
pub fn encode((header, rows): &Texts, format: &str) -> Vec<u8> {
    let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
    let csv = || {
        let lines = rows.iter().map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(","));
        let lines: Vec<String> = std::iter::once(header.join(",")).chain(lines).collect();
        (lines.join("\n") + "\n").into_bytes()
    };
    let mut bytes = Vec::new();
    match format {
        "csv" => bytes = csv(),
        "csv.gz" => {
            let mut packed = flate2::write::GzEncoder::new(&mut bytes, flate2::Compression::fast());
            packed.write_all(&csv()).expect("packed");
            packed.finish().expect("packed");
        }
        "ndjson" => {
            for row in rows {
                let cells = header.iter().zip(row);
                let object: serde_json::Map<String, Json> =
                    cells.map(|(name, cell)| ((*name).to_owned(), cell.as_str().into())).collect();
                bytes.extend(serde_json::to_vec(&object).expect("JSON"));
                bytes.push(b'\n');
            }
        }
        _ => {
            let columns = header.iter().enumerate().map(|(at, name)| {
                let cells = rows.iter().map(|row| Some(row[at].as_str()));
                StringChunked::from_iter_options((*name).into(), cells).into_series().into()
            });
            let mut frame = DataFrame::new(rows.len(), columns.collect()).expect("columns");
            if format == "ipc" {
                IpcWriter::new(&mut bytes).finish(&mut frame).expect("written");
            } else {
                let writer = ParquetWriter::new(&mut bytes).with_row_group_size(Some(7));
                writer.finish(&mut frame).expect("written");
            }
        }
    }
    bytes
}

/// Writes sources of so many people, and the file of aliases.
pub fn write_sources(folder: &Folder, formats: Formats, people: usize) {
    for (name, table) in tables(people) {
        folder.write(&formats.source(name), encode(&table, formats.sources));
    }
    folder.write("in/alias.csv", "written,means\nbill,william\n");
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    File(Vec<u8>),
    Link(String),
    Other(&'static str),
}

pub type Tree = BTreeMap<String, Entry>;

/// All that stands below a folder, but folders; those that cannot be looked into are left out.
pub fn tree(folder: &Path) -> Tree {
    let mut found = Tree::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let entry = entry.expect("an entry");
            let (path, kind) = (entry.path(), entry.file_type().expect("a kind"));
            if kind.is_dir() {
                folders.push(path);
                continue;
            }
            let entry = if kind.is_symlink() {
                Entry::Link(fs::read_link(&path).expect("a link").to_string_lossy().into_owned())
            } else if kind.is_file() {
                Entry::File(fs::read(&path).expect("a file"))
            } else if kind.is_fifo() {
                Entry::Other("pipe")
            } else {
                Entry::Other("socket or device")
            };
            let name = path.strip_prefix(folder).expect("below the folder");
            found.insert(name.to_string_lossy().into_owned(), entry);
        }
    }
    found
}

/// What holds times, and so is another file after each run.
const TIMED: [&str; 2] = ["out/run.json", "out/report.html"];

/// Without the run record and the page about it, which hold times.
pub fn published(tree: &Tree) -> Tree {
    let is_output = |name: &&String| name.starts_with("out/") && !TIMED.contains(&name.as_str());
    let outputs = tree.keys().filter(is_output);
    outputs.map(|name| (name.clone(), tree[name].clone())).collect()
}

/// Who reads outputs reads the run record first: if there is one, each file that it names must be there
/// as it says.
pub fn is_whole(folder: &Path) -> Result<bool, String> {
    let Ok(text) = fs::read(folder.join("out/run.json")) else { return Ok(false) };
    let record: Json = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let lists = ["outputs", "exports"].map(|list| record[list].as_array().expect("files").clone());
    for file in lists.into_iter().flatten().chain([record["report"].clone()]) {
        let path = file["path"].as_str().expect("a path");
        let digest = if file["files"].is_u64() {
            digest_of_folder(&folder.join(path))
        } else {
            let bytes = fs::read(folder.join(path)).map_err(|error| format!("{path}: {error}"))?;
            digest_of(&bytes)
        };
        if file["sha256"] != digest.as_str() {
            return Err(format!("{path} is not the file that the run record names"));
        }
    }
    Ok(true)
}

/// A folder before a run, and the same after one that nothing hinders.
pub struct Prepared {
    pub formats: Formats,
    /// With the outputs of an earlier run, from fewer people.
    pub older: bool,
    pub before: Tree,
    pub after: Tree,
}

impl Prepared {
    pub fn new(formats: Formats, older: bool, internal: bool, people: usize) -> Self {
        let folder = Folder::new();
        folder.write("pipeline.yaml", pipeline(formats, internal));
        if older {
            write_sources(&folder, formats, people * 8 / 11);
            folder.optin(&["run", "pipeline.yaml"]).done();
        }
        write_sources(&folder, formats, people);
        let before = tree(folder.path());
        folder.optin(&["run", "pipeline.yaml"]).done();
        let after = tree(folder.path());
        assert!(!older || published(&before) != published(&after), "a run changes the outputs");
        Self { formats, older, before, after }
    }

    /// A new folder as before the run.
    pub fn folder(&self) -> Folder {
        let folder = Folder::new();
        for (name, entry) in &self.before {
            let Entry::File(bytes) = entry else { panic!("{name} is a file") };
            folder.write(name, bytes);
            // As the program leaves them; the record must be its own user's.
            fs::set_permissions(folder.at(name), fs::Permissions::from_mode(0o600))
                .expect("a mode");
        }
        folder
    }

    /// That a run which nothing hinders leaves what it always leaves: outputs, and nothing beside.
    pub fn expect_after(&self, now: &Tree) -> Result<(), String> {
        let names = |tree: &Tree| tree.keys().cloned().collect::<Vec<_>>();
        if names(now) != names(&self.after) {
            return Err(format!("files {:?} instead of {:?}", names(now), names(&self.after)));
        }
        let mut timeless = self.after.iter().filter(|(name, _)| !TIMED.contains(&name.as_str()));
        let other = timeless.find(|(name, entry)| now[*name] != **entry);
        other.map_or(Ok(()), |(name, _)| Err(format!("{name} is another file")))
    }
}

/// Prepared folders, each made once.
#[derive(Default)]
pub struct Prepares(Mutex<Vec<(Formats, bool, &'static Prepared)>>);

impl Prepares {
    pub fn get(&self, formats: Formats, older: bool) -> &'static Prepared {
        let mut known = self.0.lock().expect("no panic");
        if let Some(found) = known.iter().find(|of| (of.0, of.1) == (formats, older)) {
            return found.2;
        }
        // As long as the tests.
        let made: &'static Prepared = Box::leak(Box::new(Prepared::new(formats, older, true, 55)));
        known.push((formats, older, made));
        made
    }
}

/// What a run gave.
#[derive(Debug)]
pub struct Seen {
    /// None where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command, but no longer than it may take: what hangs must not hang the tests.
pub fn play(command: &mut Command) -> Result<Seen, String> {
    let printed = Folder::new();
    let file = |name: &str| File::create(printed.at(name)).expect("a file");
    let child = command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr")).spawn();
    let mut child = child.map_err(|error| format!("it cannot be started: {error}"))?;
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a status") {
            break status;
        }
        if started.elapsed() > LIMIT {
            child.kill().expect("it can be ended");
            child.wait().expect("it has ended");
            return Err("it hangs".to_owned());
        }
        thread::sleep(Duration::from_millis(2));
    };
    let text = |name: &str| String::from_utf8_lossy(&printed.bytes(name)).into_owned();
    Ok(Seen { code: status.code(), stdout: text("stdout"), stderr: text("stderr") })
}

/// The program, about to run the pipeline.
pub fn run_in(folder: &Path) -> Command {
    let mut command = command(folder);
    command.args(["run", "pipeline.yaml", "--json"]);
    command
}

/// What must come of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The run is refused with one of these codes, and all files are as they were.
    Refused(&'static [&'static str]),
    /// The run is done: what was spoilt does not hinder it, and is no more.
    Done,
}

/// That a refusal has codes that are due, and says of each fault what to do.
pub fn expect_refusal(seen: &Seen, codes: &[&str]) -> Result<(), String> {
    if ![Some(1), Some(2)].contains(&seen.code) {
        return Err(format!("it ends with {:?}: {}{}", seen.code, seen.stdout, seen.stderr));
    }
    let broke_off = ["internal error", "panicked"].iter().any(|words| seen.stderr.contains(words));
    let json: Json = serde_json::from_str(&seen.stdout)
        .map_err(|error| format!("no JSON: {error}: {}{}", seen.stdout, seen.stderr))?;
    let faults = json["faults"].as_array().cloned().unwrap_or_default();
    let errors: Vec<&Json> = faults.iter().filter(|fault| fault["severity"] == "error").collect();
    if errors.is_empty() || broke_off {
        return Err(format!("it breaks off, or says nothing: {}{}", seen.stdout, seen.stderr));
    }
    for fault in errors {
        let code = fault["code"].as_str().unwrap_or_default();
        if !codes.contains(&code) {
            return Err(format!("it is refused as {code}, not as {codes:?}: {fault}"));
        }
        if fault["help"].as_str().is_none_or(str::is_empty) {
            return Err(format!("it does not say what to do: {fault}"));
        }
    }
    Ok(())
}

/// A fault that happens to a prepared folder.
pub struct Case<'a> {
    pub what: String,
    pub prepared: &'a Prepared,
    pub spoil: &'a (dyn Fn(&Folder) + Sync),
    pub mend: &'a (dyn Fn(&Folder) + Sync),
    pub due: Due,
}

impl Case<'_> {
    /// What is wrong with what the program makes of it.
    pub fn problem(&self) -> Option<String> {
        let folder = self.prepared.folder();
        let older = if self.prepared.older { "with" } else { "without" };
        let told = self.differences(&folder).err()?;
        Some(format!("{} ({:?}, {older} older files): {told}", self.what, self.prepared.formats))
    }

    fn differences(&self, folder: &Folder) -> Result<(), String> {
        (self.spoil)(folder);
        let before = tree(folder.path());
        let seen = play(&mut run_in(folder.path()))?;
        let now = tree(folder.path());
        match self.due {
            Due::Refused(codes) => {
                expect_refusal(&seen, codes)?;
                let all = before.keys().chain(now.keys());
                if let Some(name) = all.clone().find(|name| before.get(*name) != now.get(*name)) {
                    return Err(format!("{name} is not as it was"));
                }
            }
            Due::Done => {
                if seen.code != Some(0) {
                    return Err(format!("it is not done: {}{}", seen.stdout, seen.stderr));
                }
                if published(&now) != published(&self.prepared.after) {
                    return Err("other files are published".to_owned());
                }
                is_whole(folder.path())?;
            }
        }
        (self.mend)(folder);
        let again = play(&mut run_in(folder.path()))?;
        if again.code != Some(0) {
            return Err(format!("the next run is not done: {}{}", again.stdout, again.stderr));
        }
        self.prepared
            .expect_after(&tree(folder.path()))
            .and_then(|()| is_whole(folder.path()).map(|_| ()))
            .map_err(|told| format!("after the next run: {told}"))
    }
}

/// Tries cases on all processors and tells all problems at once.
#[track_caller]
pub fn try_all(cases: &[Case<'_>], at_least: usize) {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let problems: Vec<String> = thread::scope(|scope| {
        let parts: Vec<_> = cases
            .chunks(cases.len().div_ceil(threads).max(1))
            .map(|part| scope.spawn(|| part.iter().filter_map(Case::problem).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().expect("no panic")).collect()
    });
    eprintln!("{} faults", cases.len());
    assert!(cases.len() >= at_least, "only {} faults", cases.len());
    tell(&problems);
}

#[track_caller]
pub fn tell(problems: &[String]) {
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// Removes whatever stands at a path, a folder with all in it too.
pub fn clear(folder: &Folder, name: &str) {
    let path = folder.at(name);
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path).expect("removed"),
        Ok(_) => fs::remove_file(path).expect("removed"),
        Err(_) => {}
    }
}

/// Puts a file as it was before, and removes what is there instead.
pub fn put_back(folder: &Folder, prepared: &Prepared, name: &str) {
    clear(folder, name);
    if let Some(Entry::File(bytes)) = prepared.before.get(name) {
        folder.write(name, bytes);
    }
}

/// A pipe that nobody writes to.
pub fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo starts");
    assert!(made.success(), "a pipe");
}

/// A socket that nobody answers at.
pub fn socket(path: &Path) {
    std::os::unix::net::UnixListener::bind(path).expect("a socket");
}
