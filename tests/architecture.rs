//! The house keeps its shape: rooms use only the rooms they may, and files stay readable.

use std::fs;
use std::path::{Path, PathBuf};

/// Room, and the rooms it may use. Keep the table in `src/lib.rs` and ARCHITECTURE.md true.
const ROOMS: [(&str, &[&str]); 19] = [
    ("diagnostics", &[]),
    ("planted", &[]),
    ("normalize", &[]),
    ("spec", &["diagnostics"]),
    ("rule", &["diagnostics"]),
    ("plan", &["diagnostics", "normalize"]),
    ("resolve", &["diagnostics", "normalize", "spec", "rule", "plan"]),
    ("engine", &["diagnostics", "normalize", "plan", "planted"]),
    ("proof", &["diagnostics", "normalize", "plan", "engine", "planted"]),
    ("database", &["diagnostics", "plan"]),
    ("store", &["diagnostics", "plan"]),
    (
        "output",
        &["diagnostics", "normalize", "plan", "engine", "proof", "planted", "database", "store"],
    ),
    ("report", &["plan", "engine", "output"]),
    ("inspect", &["diagnostics", "normalize", "plan", "engine", "proof", "output", "report"]),
    ("init", &["diagnostics", "normalize", "spec", "plan", "resolve", "engine", "report"]),
    ("sql", &["diagnostics", "normalize", "plan"]),
    ("spark", &["diagnostics", "plan", "sql"]),
    ("generate", &[]),
    (
        "cli",
        &[
            "diagnostics",
            "plan",
            "engine",
            "report",
            "inspect",
            "generate",
            "spec",
            "resolve",
            "sql",
            "Failure",
            "RunOptions",
            "SparkOptions",
            "check_file",
            "compile_file",
            "init_files",
            "run_file",
            "run_spark_file",
            "simulate_file",
            "why_file",
            "receipt_file",
            "forget_file",
        ],
    ),
];

/// Rooms that must stay free of the engine's crate.
const WITHOUT_POLARS: [&str; 13] = [
    "diagnostics",
    "normalize",
    "spec",
    "rule",
    "plan",
    "resolve",
    "database",
    "store",
    "init",
    "sql",
    "spark",
    "generate",
    "cli",
];

/// Rooms that never touch a file.
const WITHOUT_FILES: [&str; 7] =
    ["diagnostics", "normalize", "spec", "rule", "plan", "resolve", "sql"];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&root, &mut found);
    found
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(&root).expect("below src").to_path_buf();
            let room = inside.components().next().expect("a part").as_os_str().to_string_lossy();
            let room = room.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).expect("a source file");
            (room, inside, text)
        })
        .collect()
}

/// The first names behind every `crate::`, those in braces too.
fn used(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let list = match rest.strip_prefix('{') {
            Some(inside) => inside.split('}').next().unwrap_or_default().to_owned(),
            None => rest.to_owned(),
        };
        let braces = rest.starts_with('{');
        for part in list.split(',') {
            let name: String =
                part.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            names.push(name);
            if !braces {
                break;
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn rooms_use_only_what_they_may() {
    let mut faults = Vec::new();
    let mut seen = 0;
    for (room, path, text) in sources() {
        let Some((_, may)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            assert!(["lib", "main", "run"].contains(&room.as_str()), "no room for {room}");
            continue;
        };
        seen += 1;
        let without_docs: String = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        for name in used(&without_docs) {
            if name != room && !may.contains(&name.as_str()) {
                faults.push(format!("{} uses crate::{name}", path.display()));
            }
        }
        if WITHOUT_POLARS.contains(&room.as_str())
            && (without_docs.contains("polars::") || without_docs.contains("use polars"))
        {
            faults.push(format!("{} speaks of polars", path.display()));
        }
        if WITHOUT_FILES.contains(&room.as_str()) && without_docs.contains("std::fs") {
            faults.push(format!("{} reads or writes files", path.display()));
        }
    }
    assert!(seen > 40, "only {seen} files were looked at");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_reader_of_uses_sees_them() {
    assert_eq!(
        used("use crate::plan::{A, B};\nuse crate::{spec, rule::x};"),
        ["plan", "spec", "rule"]
    );
}

#[test]
fn files_stay_readable() {
    let large: Vec<_> = sources()
        .into_iter()
        .filter(|(_, _, text)| text.len() > 26_000)
        .map(|(_, path, text)| format!("{}: {} bytes", path.display(), text.len()))
        .collect();
    assert!(large.is_empty(), "{}", large.join("\n"));
}
