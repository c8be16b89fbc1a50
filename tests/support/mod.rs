//! What the tests of the program share: running it, temporary folders, reading what it wrote.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;
use tempfile::TempDir;

/// A small pipeline: `people.csv` (id, email) and `said.csv` (email, news) make the export of one segment.
pub const NEWS: &str = "version: 1
name: news
out: out
sources: [{ name: people, path: people.csv }, { name: said, path: said.csv }]
keys: [{ field: email, normalize: email }]
customers: [{ source: people, id: id, fields: { email: email } }]
consent:
  purposes: [{ name: news, via: email, model: opt_in }]
  tables: [{ source: said, match: { email: email }, values: { news: news } }]
segments: [{ name: news, consent: news }]
exports: [{ segment: news, path: elsewhere/news.csv, columns: [email] }]
";

/// What a run of the program gave.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Standard output as JSON.
    pub fn json(&self) -> Json {
        match serde_json::from_str(&self.stdout) {
            Ok(json) => json,
            Err(error) => panic!("stdout is no JSON: {error}\n{self:?}"),
        }
    }

    /// Fails the test unless the program said that all went well.
    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self
    }
}

/// Runs the program in a folder.
pub fn optin<S: AsRef<OsStr>>(folder: &Path, args: &[S]) -> Run {
    let output = command(folder).args(args).output().expect("the program starts");
    Run {
        code: output.status.code().expect("the program ends by itself"),
        stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

/// The program, to be started in a folder.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_optin"));
    command.current_dir(folder).env_remove("NO_COLOR").env_remove("RUST_LOG");
    command
}

/// The folder of this crate.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A temporary folder that goes away with the value.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// A folder with these files.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self::new();
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    /// The repository's `data`, seen in this folder.
    pub fn link_data(&self) {
        std::os::unix::fs::symlink(root().join("data"), self.at("data")).expect("a link");
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("a folder above")).expect("a folder");
        fs::write(path, bytes).expect("a file is written");
    }

    pub fn read(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).expect("the file is UTF-8")
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let path = self.at(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub fn csv(&self, name: &str) -> Table {
        Table::read(&self.read(name), ',')
    }

    pub fn json(&self, name: &str) -> Json {
        serde_json::from_str(&self.read(name)).expect("the file is JSON")
    }

    pub fn optin<S: AsRef<OsStr>>(&self, args: &[S]) -> Run {
        optin(self.path(), args)
    }

    /// All files below, by their names from here, sorted.
    pub fn files(&self) -> Vec<String> {
        files(self.path())
    }
}

/// SHA-256 in hex.
pub fn digest_of(bytes: &[u8]) -> String {
    optin::plan::hex(&<sha2::Sha256 as sha2::Digest>::digest(bytes))
}

/// What a run record says of a folder: SHA-256 of the sorted lines that `sha256sum` prints of its files.
pub fn digest_of_folder(folder: &Path) -> String {
    let line = |name: &String| {
        let bytes = fs::read(folder.join(name)).expect("a file");
        format!("{}  {name}\n", digest_of(&bytes))
    };
    let mut lines: Vec<String> = files(folder).iter().map(line).collect();
    lines.sort();
    digest_of(lines.concat().as_bytes())
}

/// All files below a folder, by their names from there, sorted.
pub fn files(folder: &Path) -> Vec<String> {
    fn walk(top: &Path, folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(top, &path, found);
            } else {
                let name = path.strip_prefix(top).expect("below the folder");
                found.push(name.to_string_lossy().into_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort_unstable();
    found
}

/// A table that was read from delimited text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads RFC 4180, strictly. The program writes null and the empty text alike: both are empty.
    pub fn read(text: &str, delimiter: char) -> Self {
        let mut rows = records(text, delimiter);
        let header = if rows.is_empty() { Vec::new() } else { rows.remove(0) };
        for row in &rows {
            assert_eq!(row.len(), header.len(), "a ragged record: {row:?}");
        }
        Self { header, rows }
    }

    /// The cells of a column.
    pub fn column(&self, name: &str) -> Vec<&str> {
        let at = self.header.iter().position(|known| known == name);
        let at = at.unwrap_or_else(|| panic!("no column {name} in {:?}", self.header));
        self.rows.iter().map(|row| row[at].as_str()).collect()
    }

    /// As CSV again.
    pub fn to_csv(&self) -> String {
        let mut text = String::new();
        for row in std::iter::once(&self.header).chain(&self.rows) {
            let cells: Vec<String> =
                row.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
            text.push_str(&cells.join(","));
            text.push('\n');
        }
        text
    }
}

fn records(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut chars = text.chars().peekable();
    while chars.peek().is_some() {
        let mut cell = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next().expect("a quote is closed") {
                    '"' if chars.next_if_eq(&'"').is_some() => cell.push('"'),
                    '"' => break,
                    c => cell.push(c),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| *c != delimiter && *c != '\n' && *c != '\r') {
                cell.push(c);
            }
        }
        row.push(cell);
        match chars.next() {
            Some(c) if c == delimiter => {
                if chars.peek().is_none() {
                    row.push(String::new());
                }
                continue;
            }
            Some('\r') => assert_eq!(chars.next(), Some('\n'), "a bare carriage return"),
            Some('\n') | None => {}
            Some(c) => panic!("{c:?} stands after a closing quote"),
        }
        rows.push(std::mem::take(&mut row));
    }
    if !row.is_empty() {
        rows.push(row);
    }
    rows
}

#[test]
fn the_reader_of_csv_knows_quotes_delimiters_and_line_ends() {
    let table = Table::read("a,b\r\n\"x,\n\"\"y\"\"\",\n,z\n", ',');
    assert_eq!(table.header, ["a", "b"]);
    assert_eq!(table.column("a"), ["x,\n\"y\"", ""]);
    assert_eq!(table.column("b"), ["", "z"]);
    assert_eq!(Table::read(&table.to_csv(), ','), table);
    assert_eq!(Table::read("a,b\n1,", ',').rows, [["1", ""]]);
}
