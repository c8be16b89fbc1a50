//! The prose is true: tables are those of the registries, the reference names every key there is
//! and no other, links lead somewhere. What pages show is tried by `docs_book`.
//!
//! `OPTIN_BLESS=1 cargo test --release docs` writes the generated parts of the reference anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use optin::diagnostics::Code;
use optin::normalize::{Documented, Example, NORMALIZERS};
use optin::spec;
use serde_json::Value as Json;

use crate::support::root;

const REFERENCE: &str = "docs/pipeline-reference.md";

/// Keys under `match` and under the options of normalizers: the schema says only that a mapping
/// stands there, because its shape depends on what it is for.
const KEYS_BESIDE_THE_SCHEMA: [&str; 10] = [
    "record",
    "column",
    "region",
    "region_column",
    "hashed",
    "region_field",
    "plus_tag",
    "gmail_dots",
    "most_recent",
    "least_recent",
];

pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

// Generated parts.

#[test]
fn generated_parts_are_those_of_the_registries() {
    let written = read(REFERENCE);
    let mut due = written.clone();
    for (name, part) in [("normalizers", normalizers()), ("codes", codes())] {
        let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->"));
        let start = due.find(&begin).expect("the marker of the beginning") + begin.len();
        let length = due[start..].find(&end).expect("the marker of the end");
        due.replace_range(start..start + length, &part);
    }
    if due == written {
        return;
    }
    if std::env::var_os("OPTIN_BLESS").is_some_and(|value| value == "1") {
        fs::write(root().join(REFERENCE), due).expect("the reference is writable");
        return;
    }
    let differing = due.lines().zip(written.lines()).find(|(due, written)| due != written);
    panic!(
        "the generated parts of {REFERENCE} are out of date: {differing:#?}\n\
         OPTIN_BLESS=1 writes them anew"
    );
}

/// Every normalizer with its options and known answers.
fn normalizers() -> String {
    let mut text = String::new();
    for normalizer in NORMALIZERS {
        let _ = write!(text, "\n#### `{}`\n\n{}\n", normalizer.name, normalizer.summary);
        if !normalizer.options.is_empty() {
            text.push_str("\n| option | what it does |\n|---|---|\n");
            for (option, meaning) in normalizer.options {
                let _ = writeln!(text, "| `{option}` | {meaning} |");
            }
        }
        known_answers(normalizer, &mut text);
    }
    text.push('\n');
    text
}

fn known_answers(normalizer: &Documented, text: &mut String) {
    let examples = normalizer.examples;
    let has_region = examples.iter().any(|example| example.region.is_some());
    let has_options = examples.iter().any(|example| !example.options.is_empty());
    let row = |text: &mut String, value: &str, region: &str, options: &str, key: &str| {
        let region = if has_region { format!(" {region} |") } else { String::new() };
        let options = if has_options { format!(" {options} |") } else { String::new() };
        let _ = writeln!(text, "| {value} |{region}{options} {key} |");
    };
    text.push('\n');
    row(text, "value", "region", "option", "key");
    row(text, "---", "---", "---", "---");
    for Example { input, region, options, output } in examples {
        let options: Vec<_> =
            options.iter().map(|(name, value)| format!("`{name}: {value}`")).collect();
        let key = output.map_or_else(|| "nothing".to_owned(), shown);
        row(text, &shown(input), region.unwrap_or_default(), &options.join(", "), &key);
    }
}

/// A value in double quotes, in a code span of a table; what cannot be seen is escaped.
fn shown(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => {
                text.push('\\');
                text.push(c);
            }
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            // A table would take it for the end of its cell.
            '|' => text.push_str("\\|"),
            _ if is_unseen(c) => {
                let _ = write!(text, "\\u{{{:x}}}", u32::from(c));
            }
            _ => text.push(c),
        }
    }
    text.push('"');
    let fence = if text.contains('`') { "``" } else { "`" };
    format!("{fence}{text}{fence}")
}

fn is_unseen(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Every code of a fault with its meaning.
fn codes() -> String {
    let mut text = String::from("\n| code | what it means |\n|---|---|\n");
    for code in Code::ALL {
        let meaning: Vec<_> = code.meaning().split_whitespace().collect();
        let _ = writeln!(text, "| `{}` | {} |", code.name(), meaning.join(" "));
    }
    text.push('\n');
    text
}

// Keys.

/// All names of properties and all fixed words of the schema.
fn names_of_schema(node: &Json, keys: &mut BTreeSet<String>, words: &mut BTreeSet<String>) {
    match node {
        Json::Object(object) => {
            if let Some(Json::Object(properties)) = object.get("properties") {
                keys.extend(properties.keys().cloned());
            }
            if let Some(Json::String(word)) = object.get("const") {
                words.insert(word.clone());
            }
            for inner in object.values() {
                names_of_schema(inner, keys, words);
            }
        }
        Json::Array(list) => list.iter().for_each(|inner| names_of_schema(inner, keys, words)),
        _ => {}
    }
}

fn schema_names() -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut keys, mut words) = (BTreeSet::new(), BTreeSet::new());
    names_of_schema(&spec::schema(), &mut keys, &mut words);
    assert!(keys.len() > 40, "the schema names its keys: {keys:?}");
    (keys, words)
}

#[test]
fn the_reference_names_every_key_and_word_of_the_schema() {
    let reference = read(REFERENCE);
    let (keys, words) = schema_names();
    let missing: Vec<_> = keys
        .iter()
        .chain(&words)
        .map(String::as_str)
        .chain(KEYS_BESIDE_THE_SCHEMA)
        .filter(|name| !reference.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "{REFERENCE} does not name {missing:?}");
}

/// Tables whose first column is headed `key` are about keys of the pipeline file.
#[test]
fn the_reference_documents_no_key_that_is_not_there() {
    let reference = read(REFERENCE);
    let (mut known, _) = schema_names();
    known.extend(KEYS_BESIDE_THE_SCHEMA.map(str::to_owned));
    let mut in_table = false;
    let mut seen = 0;
    for line in reference.lines() {
        in_table = line.starts_with("| key |") || (in_table && line.starts_with('|'));
        if let Some(key) = line.strip_prefix("| `").and_then(|rest| rest.split('`').next())
            && in_table
        {
            seen += 1;
            assert!(known.contains(key), "{REFERENCE} documents a key `{key}` that does not exist");
        }
    }
    assert!(seen > 40, "only {seen} keys were looked at");
}

// Blocks.

/// A fenced block of a page: what stands after its fence, the line it begins on, its text.
pub struct Block {
    pub info: String,
    pub line: usize,
    pub text: String,
}

impl Block {
    pub fn language(&self) -> &str {
        self.info.split_whitespace().next().unwrap_or_default()
    }

    /// The value of `name=value` after the language.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.info.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    pub fn has(&self, word: &str) -> bool {
        self.info.split_whitespace().skip(1).any(|found| found == word)
    }
}

/// The fenced blocks of a page, and its text without them. A block in a list is indented as its fence.
pub fn blocks(page: &str) -> (Vec<Block>, String) {
    let mut blocks: Vec<Block> = Vec::new();
    let mut rest = String::new();
    let mut inside = None;
    for (at, line) in page.lines().enumerate() {
        if let Some(info) = line.trim_start().strip_prefix("```") {
            inside = match inside {
                None => {
                    let info = info.trim().to_owned();
                    blocks.push(Block { info, line: at + 1, text: String::new() });
                    Some(line.len() - line.trim_start().len())
                }
                Some(_) => None,
            };
        } else if let Some(indent) = inside {
            let block = blocks.last_mut().expect("a block was begun");
            let blanks = line.len() - line.trim_start().len();
            block.text.push_str(&line[indent.min(blanks)..]);
            block.text.push('\n');
        } else {
            rest.push_str(line);
            rest.push('\n');
        }
    }
    assert!(inside.is_none(), "a block is never closed");
    (blocks, rest)
}

// Links.

pub fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with('.') || ["target", "out"].contains(&name) {
            continue;
        }
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// Text without its code spans: from some backticks to the next equal number of them.
fn without_code_spans(text: &str) -> String {
    let ticks = |text: &str| text.len() - text.trim_start_matches('`').len();
    let mut prose = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('`') {
        prose.push_str(&rest[..start]);
        let fence = ticks(&rest[start..]);
        rest = &rest[start + fence..];
        let mut after = rest;
        while let Some(at) = after.find('`') {
            let found = ticks(&after[at..]);
            after = &after[at + found..];
            if found == fence {
                rest = after;
                break;
            }
        }
    }
    prose + rest
}

/// The targets of a page's links; code is no link.
pub fn links(page: &str) -> Vec<String> {
    let (_, prose) = blocks(page);
    let prose = without_code_spans(&prose);
    let mut targets = Vec::new();
    for (at, _) in prose.match_indices("](") {
        let rest = &prose[at + 2..];
        targets.extend(rest.split([')', ' ']).next().map(str::to_owned));
    }
    targets
}

/// The names under which GitHub finds a page's headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let (_, prose) = blocks(page);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let mut found = Vec::new();
    pages(root(), &mut found);
    assert!(found.len() > 5, "only {} pages were found", found.len());
    let mut dead = Vec::new();
    for path in &found {
        let page = fs::read_to_string(path).expect("a page");
        for link in links(&page) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => path.clone(),
                file => path.parent().expect("a folder").join(file),
            };
            let is_page = target.extension().is_some_and(|extension| extension == "md");
            let leads = target.exists()
                && (anchor.is_empty()
                    || !is_page
                    || anchors(&fs::read_to_string(&target).expect("a page")).contains(anchor));
            if !leads {
                dead.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

#[test]
fn the_reader_of_links_sees_them() {
    let page =
        "[a](b.md) and `[c](d)` or ``[`c](d)``\n```text\n[e](f)\n```\n[g](h.md#i \"title\")\n";
    assert_eq!(links(page), ["b.md", "h.md#i"]);
    assert!(anchors("## 2. What it *is*: `run.json`\n").contains("2-what-it-is-runjson"));
}

#[test]
fn values_are_shown_so_that_they_can_be_told_apart() {
    assert_eq!(shown(" a\u{a0}\"|"), "`\" a\\u{a0}\\\"\\|\"`");
    assert_eq!(shown("`"), "``\"`\"``");
}
