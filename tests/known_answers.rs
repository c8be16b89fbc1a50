//! Known answers: the data in `data/` through the pipelines in `pipelines/`, held against figures
//! that were not made by this program (data/README.md, data/contoso/README.md); and what must not
//! change them, running again and the order of rows.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use optin::report::number;
use serde_json::Value as Json;

use crate::support::{Folder, Table, files, optin, root};

/// A pipeline of `pipelines/`, its sources by their whole path.
fn with_whole_paths(pipeline: &str) -> String {
    let text = fs::read_to_string(root().join("pipelines").join(pipeline)).expect("a pipeline");
    let data = root().join("data");
    text.replace("../data", data.to_str().expect("a path in UTF-8"))
}

fn count(value: &Json) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

// FEBRL.

/// `rec-1496-dup-1` is person 1496.
fn person(record: &str) -> u32 {
    record.split('-').nth(1).and_then(|n| n.parse().ok()).expect("a record's id names its person")
}

fn pairs(n: u64) -> u64 {
    n * (n - 1) / 2
}

/// Pairs of records of one person, as the data's own documentation counts them.
const FEBRL_PAIRS: u64 = 6538;

/// What a link table says, held against the truth.
#[derive(Debug, PartialEq, Eq)]
struct Linkage {
    clusters: usize,
    true_pairs: u64,
    false_pairs: u64,
}

impl Linkage {
    /// How many in a thousand of the pairs found are true, rounded down.
    fn precision(&self) -> u64 {
        1000 * self.true_pairs / (self.true_pairs + self.false_pairs)
    }

    /// How many in a thousand of the true pairs are found, rounded down.
    fn recall(&self) -> u64 {
        1000 * self.true_pairs / FEBRL_PAIRS
    }
}

fn linkage(identity: &Table) -> Linkage {
    // For each cluster the number of its records, by person.
    let mut clusters: HashMap<&str, HashMap<u32, u64>> = HashMap::new();
    for (record, customer) in identity.column("id").into_iter().zip(identity.column("customer_id"))
    {
        *clusters.entry(customer).or_default().entry(person(record)).or_default() += 1;
    }
    let all: u64 = clusters.values().map(|people| pairs(people.values().sum())).sum();
    let true_pairs = clusters.values().flat_map(HashMap::values).map(|n| pairs(*n)).sum();
    Linkage { clusters: clusters.len(), true_pairs, false_pairs: all - true_pairs }
}

#[test]
fn febrl_is_linked_as_known() {
    let both = with_whole_paths("febrl-exact.yaml");
    let second = "    - [given_name, surname, date_of_birth]\n";
    assert!(both.contains(second), "the second rule has changed");
    let first = both.replace(second, "");
    for (pipeline, expected) in [
        (first, Linkage { clusters: 2291, true_pairs: 5601, false_pairs: 0 }),
        (both, Linkage { clusters: 2148, true_pairs: 6058, false_pairs: 0 }),
    ] {
        let folder = Folder::with(&[("febrl.yaml", &pipeline)]);
        let run = folder.optin(&["run", "febrl.yaml", "--json", "--out", "."]).done();
        let identity = folder.csv("out/febrl-exact/identity.csv");
        assert_eq!(identity.rows.len(), 5000);
        assert_eq!(linkage(&identity), expected);
        assert_eq!(count(&run.json()["account"]["profiles"]), expected.clusters as u64);
        // The truth itself.
        let mut people: HashMap<u32, u64> = HashMap::new();
        for record in identity.column("id") {
            *people.entry(person(record)).or_default() += 1;
        }
        assert_eq!(people.values().map(|n| pairs(*n)).sum::<u64>(), FEBRL_PAIRS);
    }
}

/// With similarities, beside the exact rules above: 0.992 of the pairs instead of 0.927.
#[test]
fn febrl_with_similarities_is_linked_as_known() {
    let folder = Folder::with(&[("febrl.yaml", &with_whole_paths("febrl.yaml"))]);
    let run = folder.optin(&["run", "febrl.yaml", "--json", "--out", "."]).done();
    let identity = folder.csv("out/febrl/identity.csv");
    assert_eq!(identity.rows.len(), 5000);
    let found = linkage(&identity);
    // What any choice of rules must reach, and what this one does.
    assert!(found.precision() >= 999 && found.recall() >= 985, "{found:?}");
    assert_eq!(found, Linkage { clusters: 2015, true_pairs: 6488, false_pairs: 0 });
    assert_eq!(count(&run.json()["account"]["profiles"]), 2015);
}

// Contoso.

/// The tables of a Markdown text by their first header cell; cells trimmed.
fn markdown_tables(text: &str) -> BTreeMap<String, Vec<Vec<String>>> {
    let mut tables: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    let mut table: Vec<Vec<String>> = Vec::new();
    for line in text.lines().chain([""]) {
        if let Some(inside) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) {
            table.push(inside.split('|').map(|cell| cell.trim().to_owned()).collect());
        } else if !table.is_empty() {
            let mut rows = std::mem::take(&mut table);
            rows.remove(1);
            tables.insert(rows[0][0].clone(), rows);
        }
    }
    tables
}

/// Holds a table of the README against a part of the account: its rows are entries, its columns
/// counts.
fn hold(table: &[Vec<String>], part: &Json, name: &str, columns: &[(&str, &str)]) {
    let entries = part.as_array().expect("a list");
    assert_eq!(table.len() - 1, entries.len(), "{name}: another number of rows");
    for row in &table[1..] {
        let entry = entries.iter().find(|entry| entry[name] == row[0]);
        let entry = entry.unwrap_or_else(|| panic!("{} is not in the account", row[0]));
        assert_eq!(row.len() - 1, columns.len(), "{name}: another number of columns");
        for (at, (header, member)) in columns.iter().enumerate() {
            assert_eq!(table[0][at + 1], *header);
            let is = number(count(&entry[*member]));
            assert_eq!(row[at + 1], is, "{} {header}: the README against the run", row[0]);
        }
    }
}

#[test]
fn contoso_gives_the_figures_of_its_readme() {
    let folder = Folder::with(&[("contoso.yaml", &with_whole_paths("contoso.yaml"))]);
    let run = folder.optin(&["run", "contoso.yaml", "--json", "--out", "."]).done();
    let account = &run.json()["account"];
    let readme = fs::read_to_string(root().join("data/contoso/README.md")).expect("the README");
    let tables = markdown_tables(&readme);

    hold(
        &tables["purpose"],
        &account["purposes"],
        "purpose",
        &[
            ("granted", "granted"),
            ("denied", "denied"),
            ("expired", "expired"),
            ("unknown", "unknown"),
            ("no contact point", "no_contact_point"),
        ],
    );
    hold(
        &tables["consent source"],
        &account["consent"],
        "source",
        &[
            ("read", "read"),
            ("used", "used"),
            ("folded", "folded"),
            ("no decision", "no_decision"),
            ("unrecognized", "unrecognized"),
            ("other purpose", "other_purpose"),
            ("unmatchable", "unmatchable"),
            ("after as_of", "after_as_of"),
        ],
    );
    // A segment's row ends with what its export wrote.
    let mut segments = account["segments"].clone();
    for segment in segments.as_array_mut().expect("segments") {
        let exports = account["exports"].as_array().expect("exports");
        let export = exports.iter().find(|export| export["segment"] == segment["segment"]);
        let export = export.expect("every segment is exported");
        segment["shared"] = export["shared_contact_point"].clone();
        segment["written"] = export["written"].clone();
    }
    hold(
        &tables["segment"],
        &segments,
        "segment",
        &[
            ("suppressed", "suppressed"),
            ("denied", "denied"),
            ("expired", "expired"),
            ("unknown", "unknown"),
            ("no contact", "no_contact_point"),
            ("rule false", "rule_false"),
            ("rule unknown", "rule_unknown"),
            ("set", "set_operation"),
            ("in segment", "in_segment"),
            ("shared", "shared"),
            ("written", "written"),
        ],
    );

    // The figures in prose.
    let sum = |part: &str, member: &str| -> u64 {
        account[part].as_array().expect("a list").iter().map(|a| count(&a[member])).sum()
    };
    let of_size = |records: u64| {
        let sizes = account["clusters"].as_array().expect("sizes");
        let size = sizes.iter().find(|size| count(&size["records"]) == records);
        number(size.map_or(0, |size| count(&size["clusters"])))
    };
    let list = |name: &str| {
        let lists = account["suppression"].as_array().expect("lists");
        let list = lists.iter().find(|list| list["source"] == name).expect("the list");
        (count(&list["read"]), count(&list["folded"]))
    };
    let (bounces, do_not_contact) = (list("bounces"), list("do_not_contact"));
    let prose = [
        format!(
            "{} records become {} customers: {} of one record, {} of two, {} of three",
            number(sum("customers", "read")),
            number(count(&account["profiles"])),
            of_size(1),
            of_size(2),
            of_size(3)
        ),
        format!(
            "Set aside: {} for a duplicate id, {} for no id.",
            sum("customers", "quarantined_duplicate_id"),
            sum("customers", "quarantined_no_id")
        ),
        format!("Of the unmatchable {} are denials.", sum("consent", "unmatchable_denials")),
        format!(
            "Of {} bounces {} are folded, of {} entries of `do_not_contact` {}.",
            bounces.0, bounces.1, do_not_contact.0, do_not_contact.1
        ),
    ];
    let readme = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    for sentence in prose {
        assert!(readme.contains(&sentence), "the README does not say: {sentence}");
    }
}

// All pipelines.

fn pipelines() -> Vec<String> {
    let names: Vec<String> = files(&root().join("pipelines"))
        .into_iter()
        .filter(|name| Path::new(name).extension().is_some_and(|e| e == "yaml"))
        // Those need a server.
        .filter(|name| !name.starts_with("external"))
        .collect();
    assert!(names.len() >= 4, "only {names:?} were found");
    names
}

#[test]
fn every_pipeline_passes_check_and_explain() {
    for name in pipelines() {
        let path = root().join("pipelines").join(&name);
        let path = path.to_str().expect("a path in UTF-8");
        for command in ["check", "explain"] {
            let run = optin(root(), &[command, path]).done();
            assert!(run.stderr.is_empty() && !run.stdout.is_empty(), "{command} {name}: {run:?}");
        }
    }
}

/// A small linear congruential generator (Knuth, MMIX), so that a failure can be seen again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % n
    }
}

/// Puts the records of a text file into another order; a CSV file's header stays.
fn shuffled(text: &str, has_header: bool, dice: &mut Dice) -> String {
    let mut records: Vec<String> = Vec::new();
    let (mut record, mut quoted) = (String::new(), false);
    for c in text.chars() {
        record.push(c);
        // In NDJSON a line break never stands in a value; in CSV it may, between quotes.
        quoted ^= c == '"' && has_header;
        if c == '\n' && !quoted {
            records.push(std::mem::take(&mut record));
        }
    }
    if !record.is_empty() {
        records.push(record + "\n");
    }
    let first = usize::from(has_header);
    for at in (first + 1..records.len()).rev() {
        records.swap(at, first + dice.below(at + 1 - first));
    }
    records.concat()
}

#[test]
fn a_shuffle_changes_the_order_of_records_and_nothing_else() {
    let text = "h\n1\n\"2\nx\"\n3\n4\n5\n6";
    let other = shuffled(text, true, &mut Dice(1));
    assert!(
        other.starts_with("h\n") && other.contains("\"2\nx\"\n") && other != text.to_owned() + "\n"
    );
    let sorted = |text: &str| {
        let mut chars: Vec<char> = text.chars().collect();
        chars.sort_unstable();
        chars
    };
    assert_eq!(sorted(&other), sorted(&(text.to_owned() + "\n")));
}

/// Runs a pipeline of a copy; gives its outputs and its account.
fn outputs(copy: &Folder, pipeline: &str, out: &str) -> (BTreeMap<PathBuf, Vec<u8>>, Json) {
    let path = format!("pipelines/{pipeline}");
    // A date, for pipelines that have none: they must not differ by the clock.
    let args = ["run", &path, "--out", out, "--json", "--as-of", "2026-11-24"];
    let account = copy.optin(&args).done().json()["account"].clone();
    let written = files(&copy.at(out))
        .into_iter()
        .filter(|name| !["run.json", "report.html"].contains(&name.as_str()))
        .map(|name| (PathBuf::from(&name), copy.bytes(&format!("{out}/{name}"))))
        .collect();
    (written, account)
}

#[test]
fn running_again_and_the_order_of_rows_change_no_output() {
    let copy = Folder::new();
    for folder in ["pipelines", "data"] {
        for name in files(&root().join(folder)) {
            let bytes = fs::read(root().join(folder).join(&name)).expect("a file");
            copy.write(&format!("{folder}/{name}"), bytes);
        }
    }
    let names = pipelines();
    let first: Vec<_> =
        names.iter().map(|name| outputs(&copy, name, &format!("1/{name}"))).collect();

    let mut dice = Dice(20_261_124);
    let mut changed = 0;
    for name in files(&copy.at("data")) {
        let has_header = match Path::new(&name).extension().and_then(|e| e.to_str()) {
            Some("csv") => true,
            Some("ndjson") => false,
            _ => continue,
        };
        let text = copy.read(&format!("data/{name}"));
        let other = shuffled(&text, has_header, &mut dice);
        changed += usize::from(other != text);
        copy.write(&format!("data/{name}"), other);
    }
    assert!(changed >= 8, "only {changed} files were shuffled");

    let mut faults = String::new();
    for (name, (written, account)) in names.iter().zip(&first) {
        assert!(!written.is_empty(), "{name} writes nothing");
        let again = outputs(&copy, name, &format!("2/{name}"));
        for (path, bytes) in written {
            if again.0.get(path) != Some(bytes) {
                let _ = writeln!(faults, "{name}: {} differs", path.display());
            }
        }
        if again.0.len() != written.len() || again.1 != *account {
            let _ = writeln!(faults, "{name}: other files or another account");
        }
        // On the same bytes once more.
        let third = outputs(&copy, name, &format!("3/{name}"));
        if third != again {
            let _ = writeln!(faults, "{name}: a second run on the same files differs");
        }
    }
    assert!(faults.is_empty(), "{faults}");
}
