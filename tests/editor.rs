//! What editors, shells and `man` are told: the schema beside the examples, the line that names it, and that no
//! command is missing.
//!
//! `OPTIN_BLESS=1 cargo test --release editor` writes `pipelines/optin.schema.json` anew.

use std::fs;

use optin::spec;
use serde_json::Value as Json;

use crate::support::{Folder, optin, root};

const LINE: &str = "# yaml-language-server: $schema=optin.schema.json";

#[test]
fn the_schema_beside_the_examples_is_that_of_the_program() {
    let path = root().join("pipelines/optin.schema.json");
    let due = optin(root(), &["schema"]).done().stdout;
    if std::env::var_os("OPTIN_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, due).expect("the schema is writable");
        return;
    }
    let written = fs::read_to_string(&path).expect("the schema");
    assert!(written == due, "pipelines/optin.schema.json is out of date; OPTIN_BLESS=1 writes it");
}

/// The names of properties without a description, by where they stand.
fn undescribed(schema: &Json, at: &str, found: &mut Vec<String>, seen: &mut usize) {
    match schema {
        Json::Object(members) => {
            if let Some(Json::Object(properties)) = members.get("properties") {
                for (name, property) in properties {
                    *seen += 1;
                    let text = property["description"].as_str().unwrap_or_default();
                    if text.trim().is_empty() {
                        found.push(format!("{at}.{name}"));
                    }
                }
            }
            for (name, member) in members {
                undescribed(member, &format!("{at}.{name}"), found, seen);
            }
        }
        Json::Array(items) => items.iter().for_each(|item| undescribed(item, at, found, seen)),
        _ => {}
    }
}

#[test]
fn every_field_of_the_schema_is_described() {
    let (mut found, mut seen) = (Vec::new(), 0);
    undescribed(&spec::schema(), "", &mut found, &mut seen);
    assert!(found.is_empty(), "{found:?}");
    assert!(seen > 80, "only {seen} fields were seen");
}

#[test]
fn every_example_names_the_schema_in_its_first_line() {
    let mut seen = 0;
    for entry in fs::read_dir(root().join("pipelines")).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            seen += 1;
            let text = fs::read_to_string(&path).expect("a pipeline");
            assert_eq!(text.lines().next(), Some(LINE), "{}", path.display());
        }
    }
    assert!(seen >= 7, "only {seen} examples were seen");
}

/// The commands, as `optin --help` lists them.
fn commands() -> Vec<String> {
    let help = optin(root(), &["--help"]).done().stdout;
    let (_, list) = help.split_once("Commands:\n").expect("a list of commands");
    let names: Vec<String> = list
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect();
    assert!(names.len() >= 12, "{names:?}");
    names
}

#[test]
fn every_shell_completes_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = optin(root(), &["completions", shell]).done().stdout;
        for command in commands() {
            assert!(script.contains(&command), "{shell} does not know {command}");
        }
        for option in ["as-of", "limit-memory", "force"] {
            assert!(script.contains(option), "{shell} does not know --{option}");
        }
    }
    assert_eq!(optin(root(), &["completions", "tcsh"]).code, 2);
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = Folder::new();
    folder.optin(&["man", "man/man1"]).done();
    let main = folder.read("man/man1/optin.1");
    for command in commands() {
        let page = folder.read(&format!("man/man1/optin-{command}.1"));
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{command}");
        assert!(main.contains(&format!("optin\\-{command}(1)")), "{command} is not named");
    }
    assert_eq!(folder.files().len(), commands().len() + 1);
    // Again, over the pages that are there.
    folder.optin(&["man", "man/man1"]).done();
    folder.write("file", "x");
    assert_eq!(folder.optin(&["man", "file"]).code, 1);
}

/// What people read in a terminal of 80 columns.
#[test]
fn help_fits_eighty_columns() {
    for command in commands() {
        for help in ["-h", "--help"] {
            let text = optin(root(), &[&command, help]).done().stdout;
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{command} {help}: {line}");
            }
        }
    }
}
