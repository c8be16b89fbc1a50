//! The book in `docs/`: each page stands in its contents, each YAML block of it and of the README is
//! checked, and what a page shows of a terminal is what the program prints.
//!
//! A page is played from its top to its end in a folder of its own, which has `data` and `pipelines`
//! as the repository has them. The words after a fence say what a block is:
//!
//! | fence | what is done with it |
//! |---|---|
//! | `yaml file=NAME` | the reader writes this pipeline: it passes `check` without a warning, and runs |
//! | `yaml file=NAME broken` | the same with a fault: `check` refuses it |
//! | `yaml part=NAME` | its sections in place of those of that pipeline: the whole is checked, and run |
//! | `yaml into=NAME` | the same, and the reader's file is from now on as changed |
//! | `yaml` | a whole pipeline beside `data` is checked; a part has keys that exist and values of the right kind |
//! | any other language and `file=NAME` | the reader writes this file |
//! | `console` | lines that begin with `$ ` are run, and print the lines below them |
//! | `sh` | is not run; the commands and options of `optin` in it exist |
//!
//! In what is printed a line `...` stands for any lines, and `...` in a line for any text. A command
//! ends with 0, unless the block is marked `fails` or `$ echo $?` comes next. A pipeline is tried
//! before the next `console` block, so that files it reads may be shown after it.
//!
//! `OPTIN_BLESS=1 cargo test --release docs_book` writes what is printed into the pages where it
//! differs, whole: shorten it by hand.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use optin::{RunOptions, check_file, spec};

use crate::docs::{Block, blocks, links, pages, read};
use crate::support::{Folder, root};

/// Where whole pipelines are checked: `../data` is the repository's.
const EXAMPLE: &str = "pipelines/example.yaml";

/// The README and all pages of the book but its contents, by their names from the root.
fn names() -> Vec<String> {
    let mut found = Vec::new();
    pages(&root().join("docs"), &mut found);
    let mut names: Vec<String> = found
        .iter()
        .map(|path| path.strip_prefix(root()).expect("below the root"))
        .map(|path| path.to_string_lossy().into_owned())
        .filter(|name| name != "docs/SUMMARY.md")
        .chain(["README.md".to_owned()])
        .collect();
    names.sort_unstable();
    names
}

// What pages show.

/// How many blocks of each kind were tried.
#[derive(Debug, Default)]
struct Counts {
    files: usize,
    broken: usize,
    parts: usize,
    whole: usize,
    loose: usize,
    commands: usize,
}

impl Counts {
    fn yaml(&self) -> usize {
        self.files + self.broken + self.parts + self.whole + self.loose
    }
}

/// A page that is being played.
struct Play<'a> {
    page: &'a str,
    folder: Folder,
    /// Pipelines that are still to be tried: place, file.
    due: Vec<(String, String)>,
    /// Exit status of the last command.
    last: i32,
    counts: Counts,
    problems: Vec<String>,
    /// Text of blocks that are to be written anew, by the line of their fence.
    blessed: Vec<(usize, String)>,
}

impl<'a> Play<'a> {
    fn new(page: &'a str) -> Self {
        let folder = Folder::new();
        folder.link_data();
        for entry in fs::read_dir(root().join("pipelines")).expect("the pipelines") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                // What needs a server is not played.
                continue;
            }
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            folder.write(&format!("pipelines/{name}"), fs::read(&path).expect("a pipeline"));
        }
        Self {
            page,
            folder,
            due: Vec::new(),
            last: 0,
            counts: Counts::default(),
            problems: Vec::new(),
            blessed: Vec::new(),
        }
    }

    fn problem(&mut self, at: &str, what: &str) {
        self.problems.push(format!("{at}: {what}"));
    }

    fn block(&mut self, block: &Block) {
        let at = format!("{}, line {}", self.page, block.line);
        match (block.language(), block.value("file")) {
            ("yaml" | "yml", _) => self.yaml(&at, block),
            ("console", _) => {
                self.try_pipelines();
                self.console(&at, block);
            }
            (_, Some(name)) => self.folder.write(name, &block.text),
            ("sh", None) => self.options_exist(&at, block),
            _ if block.text.lines().any(|line| line.starts_with("$ optin")) => {
                self.problem(&at, "commands stand in a block `console`, so that they are tried");
            }
            _ => {}
        }
    }

    fn yaml(&mut self, at: &str, block: &Block) {
        let based = [("part", block.value("part")), ("into", block.value("into"))];
        if let Some(name) = block.value("file") {
            self.folder.write(name, &block.text);
            if block.has("broken") {
                self.counts.broken += 1;
                if check_file(&self.folder.at(name), &RunOptions::default()).is_ok() {
                    self.problem(at, "this has no fault, but is said to be broken");
                }
            } else {
                self.counts.files += 1;
                self.due.push((at.to_owned(), name.to_owned()));
            }
        } else if let Some((how, name)) =
            based.into_iter().find_map(|(how, name)| Some((how, name?)))
        {
            self.counts.parts += 1;
            let whole = replaced(&self.folder.read(name), &block.text);
            let target = match how {
                "into" => name.to_owned(),
                _ => format!("part-{}-{name}", self.counts.parts),
            };
            self.folder.write(&target, whole);
            self.due.push((at.to_owned(), target));
        } else if is_whole(&block.text) {
            self.counts.whole += 1;
            self.folder.write(EXAMPLE, &block.text);
            self.check(at, EXAMPLE);
        } else {
            self.counts.loose += 1;
            let faults = faults_of_part(&block.text);
            if !faults.is_empty() {
                self.problem(at, &faults);
            }
        }
    }

    fn check(&mut self, at: &str, file: &str) {
        match check_file(&self.folder.at(file), &RunOptions::default()) {
            Ok(loaded) if loaded.warnings.is_empty() => {}
            Ok(loaded) => self.problem(at, &format!("{:#?}", loaded.warnings)),
            Err(failure) => self.problem(at, &failure.to_string()),
        }
    }

    /// Checks and runs the pipelines that were shown since the last time.
    fn try_pipelines(&mut self) {
        for (at, file) in std::mem::take(&mut self.due) {
            self.check(&at, &file);
            let run = self.folder.optin(&["run", &file, "--out", "tried", "--quiet"]);
            if run.code != 0 {
                self.problem(&at, &format!("does not run:\n{}", run.stderr));
            }
        }
    }

    fn console(&mut self, at: &str, block: &Block) {
        let mut commands: Vec<(&str, Vec<&str>)> = Vec::new();
        for line in block.text.lines() {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push((command, Vec::new())),
                (None, Some((_, shown))) => shown.push(line),
                (None, None) => self.problem(at, "begins without a command"),
            }
        }
        let mut text = String::new();
        let mut differs = false;
        for (number, (command, shown)) in commands.iter().enumerate() {
            self.counts.commands += 1;
            let printed = self.sh(command);
            let printed: Vec<&str> = printed.lines().map(str::trim_end).collect();
            let asked = commands.get(number + 1).is_some_and(|(next, _)| *next == "echo $?");
            if self.last != 0 && !block.has("fails") && !asked {
                self.problem(at, &format!("`{command}` ends with {}", self.last));
            }
            let agree = agrees(shown, &printed);
            if !agree {
                differs = true;
                let printed = printed.join("\n");
                self.problem(at, &format!("`{command}` prints other words:\n{printed}"));
            }
            let lines: Vec<String> = if agree {
                shown.iter().map(|line| (*line).to_owned()).collect()
            } else {
                printed.iter().map(|line| without_time(line)).collect()
            };
            for line in [format!("$ {command}")].iter().chain(&lines) {
                text.push_str(line);
                text.push('\n');
            }
        }
        if differs {
            self.blessed.push((block.line, text));
        }
    }

    fn options_exist(&mut self, at: &str, block: &Block) {
        for line in block.text.lines() {
            let mut words = line.split_whitespace();
            let (Some("optin"), Some(command)) = (words.next(), words.next()) else { continue };
            let help = self.folder.optin(&[command, "--help"]);
            if help.code != 0 {
                self.problem(at, &format!("there is no command `optin {command}`"));
            }
            for option in words.filter(|word| word.starts_with("--")) {
                if !help.stdout.split([' ', '\n', ',', '=']).any(|word| word == option) {
                    self.problem(at, &format!("`optin {command}` has no option `{option}`"));
                }
            }
        }
    }

    /// What a command prints, errors too. `$?` in it is the status of the one before.
    fn sh(&mut self, command: &str) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_optin"));
        let mut path = program.parent().expect("a folder").as_os_str().to_owned();
        if let Some(others) = std::env::var_os("PATH") {
            path.push(":");
            path.push(others);
        }
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1\n(exit {})\n{command}", self.last)])
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("LC_ALL", "C")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .output()
            .expect("a shell");
        self.last = output.status.code().unwrap_or(-1);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// Plays a page; gives what was tried and what is wrong with it.
fn play(name: &str) -> Play<'_> {
    let page = read(name);
    let mut play = Play::new(name);
    let (blocks, _) = blocks(&page);
    for block in &blocks {
        play.block(block);
    }
    play.try_pipelines();
    let fences = page.lines().map(str::trim_start).filter(|line| {
        line.strip_prefix("```y").is_some_and(|rest| rest.starts_with("aml") || rest == "ml")
    });
    let fences = fences.count();
    if fences != play.counts.yaml() {
        let tried = play.counts.yaml();
        play.problem(name, &format!("{fences} blocks of YAML, but {tried} were looked at"));
    }
    if !play.blessed.is_empty() && std::env::var_os("OPTIN_BLESS").is_some_and(|it| it == "1") {
        bless(name, &page, &play.blessed);
        play.problem(name, "was written anew: read the difference and shorten it");
    }
    play
}

fn bless(name: &str, page: &str, blocks: &[(usize, String)]) {
    let mut text = String::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        text.push_str(line);
        text.push('\n');
        if let Some((_, block)) = blocks.iter().find(|(fence, _)| *fence == at + 1) {
            text.push_str(block);
            let end = lines.find(|(_, line)| line.starts_with("```"));
            text.push_str(end.map_or("```", |(_, line)| line));
            text.push('\n');
        }
    }
    fs::write(root().join(name), text).expect("the page is writable");
}

#[test]
fn pages_show_what_is_so() {
    let mut problems = Vec::new();
    let mut counts = Counts::default();
    for name in names() {
        let play = play(&name);
        counts.files += play.counts.files;
        counts.broken += play.counts.broken;
        counts.parts += play.counts.parts;
        counts.whole += play.counts.whole;
        counts.loose += play.counts.loose;
        counts.commands += play.counts.commands;
        problems.extend(play.problems);
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
    // Fewer than there were: a page or a way to read it was lost.
    assert!(counts.files >= 8 && counts.parts >= 8 && counts.whole >= 2, "{counts:?}");
    assert!(counts.loose > 15 && counts.commands >= 25, "{counts:?}");
}

/// True for a pipeline, false for a part of one.
fn is_whole(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#'));
    first == Some("version: 1")
}

/// What is wrong with a part by itself. Names are not looked up.
fn faults_of_part(part: &str) -> String {
    let mut text = String::new();
    for required in ["version: 1", "name: part", "sources: []", "customers: []"] {
        let key = required.split(' ').next().unwrap_or_default();
        if !part.lines().any(|line| line.starts_with(key)) {
            text.push_str(required);
            text.push('\n');
        }
    }
    text.push_str(part);
    let faults = match spec::load(&text) {
        Ok(pipeline) => pipeline.faults.into_faults(),
        Err(faults) => faults.0,
    };
    if faults.is_empty() { String::new() } else { format!("{faults:#?}") }
}

/// A pipeline with the sections of a part in place of its own.
fn replaced(whole: &str, part: &str) -> String {
    let mut sections = sections(whole);
    for (name, text) in self::sections(part) {
        match sections.iter_mut().find(|(found, _)| *found == name) {
            Some((_, found)) => *found = text,
            None => sections.push((name, text)),
        }
    }
    sections.into_iter().map(|(_, text)| text).collect()
}

/// The top-level keys of a pipeline with their text, from line to line.
fn sections(text: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        let key = line.split(':').next().unwrap_or_default();
        if line.starts_with(|c: char| c.is_ascii_lowercase()) {
            sections.push((key.to_owned(), String::new()));
        } else if sections.is_empty() {
            sections.push((String::new(), String::new()));
        }
        let (_, section) = sections.last_mut().expect("a section");
        section.push_str(line);
        section.push('\n');
    }
    sections
}

/// Whether what a page shows, with its `...`, is what was printed.
fn agrees(shown: &[&str], printed: &[&str]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first.trim() == "..." => {
            (0..=printed.len()).any(|skipped| agrees(rest, &printed[skipped..]))
        }
        Some((first, rest)) => printed
            .split_first()
            .is_some_and(|(line, others)| line_agrees(first, line) && agrees(rest, others)),
    }
}

fn line_agrees(shown: &str, printed: &str) -> bool {
    let Some((start, rest)) = shown.trim_end().split_once("...") else {
        return shown.trim_end() == printed;
    };
    let Some(mut left) = printed.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once("...").unwrap_or(("", rest));
    for piece in middle.split("...").filter(|piece| !piece.is_empty()) {
        let Some(at) = left.find(piece) else { return false };
        left = &left[at + piece.len()..];
    }
    left.ends_with(end)
}

/// A line without the time that a run took, which is another each time.
fn without_time(line: &str) -> String {
    match line.rsplit_once(" (") {
        Some((start, time)) if time.ends_with(" s)") => format!("{start} (... s)"),
        _ => line.to_owned(),
    }
}

#[test]
fn what_is_left_out_of_a_page_agrees_with_anything() {
    assert!(agrees(&["a", "...", "d"], &["a", "b", "c", "d"]));
    assert!(agrees(&["a", "...", "b"], &["a", "b"]));
    assert!(!agrees(&["a", "..."], &["b"]));
    assert!(!agrees(&["a"], &["a", "b"]));
    assert!(line_agrees("id 9f... of ... (... s)", "id 9f12 of us (0.3 s)"));
    assert!(!line_agrees("id 9f... (... s)", "id 9f12 of us (0.3 m)"));
    assert!(!line_agrees("a...a", "a"));
}

#[test]
fn a_part_takes_the_place_of_sections() {
    let whole = "# A comment.\nname: a\nkeys: []\n\nsources:\n  - b\n";
    let part = "keys:\n  # why\n  - c\nconsent: d\n";
    let expected = "# A comment.\nname: a\nkeys:\n  # why\n  - c\nsources:\n  - b\nconsent: d\n";
    assert_eq!(replaced(whole, part), expected);
}

#[test]
fn the_readme_shows_the_quickstart_as_it_is() {
    let file = read("pipelines/quickstart.yaml");
    let (blocks, _) = blocks(&read("README.md"));
    let shown = blocks.iter().find(|block| block.language() == "yaml" && is_whole(&block.text));
    let shown = &shown.expect("a whole pipeline in README.md").text;
    assert!(file.ends_with(shown), "README.md shows another pipeline than quickstart.yaml");
}

// The book itself.

#[test]
fn every_page_stands_once_in_the_contents() {
    let mut found = Vec::new();
    pages(&root().join("docs"), &mut found);
    let pages: BTreeSet<String> = found
        .iter()
        .map(|path| path.strip_prefix(root().join("docs")).expect("a page of the book"))
        .map(|path| path.to_string_lossy().into_owned())
        .filter(|name| name != "SUMMARY.md")
        .collect();
    let listed = links(&read("docs/SUMMARY.md"));
    let distinct: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(distinct.len(), listed.len(), "a page stands twice in docs/SUMMARY.md");
    let missing: Vec<_> = pages.difference(&distinct).collect();
    let lost: Vec<_> = distinct.difference(&pages).collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md does not list {missing:?}");
    assert!(lost.is_empty(), "docs/SUMMARY.md lists {lost:?}, which are no pages of the book");
    assert!(read("docs/book.toml").contains("src = \".\""), "pages stand beside SUMMARY.md");
}

/// Pictures are found by a page, have words for who cannot see them, and need nothing from elsewhere.
#[test]
fn pictures_have_words_and_two_schemes() {
    let linked: String = names().iter().map(|name| read(name)).collect();
    let mut seen = 0;
    for entry in fs::read_dir(root().join("docs/images")).expect("the pictures") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "svg") {
            continue;
        }
        seen += 1;
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a picture");
        assert!(linked.contains(&format!("images/{name})")), "no page shows {name}");
        for part in ["role=\"img\"", "<title", "<desc", "viewBox", "prefers-color-scheme: dark"] {
            assert!(text.contains(part), "{name} has no {part}");
        }
        let elsewhere = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!elsewhere.contains("http") && !text.contains("<script"), "{name}");
    }
    assert!(seen >= 4, "only {seen} pictures were found");
}

/// The picture of the waterfall and the table beside it show what a run of `contoso.yaml` must give.
#[test]
fn the_waterfall_is_that_of_contoso() {
    let answers = read("data/contoso/README.md");
    let row = answers.lines().find(|line| line.starts_with("| newsletter_dach |"));
    let row: Vec<&str> = row.expect("the segment").split('|').map(str::trim).collect();
    let (verdicts, customers) = (&row[2..=10], "10,383");
    assert!(answers.contains(&format!("{customers} customers")), "not so many customers any more");
    let page = read("docs/explanation.md");
    let table: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| line.trim_end_matches('|').rsplit('|').next())
        .map(str::trim)
        .collect();
    assert_eq!(table, verdicts, "docs/explanation.md");
    assert!(page.contains(&format!("Its {customers} customers")), "docs/explanation.md");
    let picture = read("docs/images/waterfall.svg");
    let shown: Vec<&str> = picture
        .split("</text>")
        .filter_map(|text| text.rsplit('>').next())
        .filter(|text| text.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    assert_eq!(shown, [&[customers], verdicts].concat(), "docs/images/waterfall.svg");
}
