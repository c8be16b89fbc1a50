//! `optin init`: what it proposes passes `check`, runs on the data it was made of, quotes no cell, and is
//! the same every time.
//!
//! `OPTIN_BLESS=1 cargo test --release init` writes the expected pipelines in `tests/init` anew.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use optin::diagnostics::Code;
use optin::{RunOptions, init_files, run_file};

use crate::support::{Folder, Run, files, root};

/// A folder with the data of the repository in it.
fn beside_data() -> Folder {
    let folder = Folder::new();
    folder.link_data();
    folder
}

/// Proposes a pipeline, looks that it passes and runs, and gives its text and what was not sure.
#[track_caller]
fn proposed(folder: &Folder, data: &[&str]) -> (String, String) {
    let run = init(folder, data).done();
    assert!(run.stdout.starts_with("# yaml-language-server: $schema=optin.schema.json\n"));
    folder.write("proposed.yaml", &run.stdout);
    folder.optin(&["check", "proposed.yaml"]).done();
    folder.optin(&["run", "proposed.yaml", "--quiet"]).done();
    (run.stdout, run.stderr)
}

fn init(folder: &Folder, data: &[&str]) -> Run {
    folder.optin(&[&["init"], data].concat())
}

#[track_caller]
fn expect(name: &str, text: &str) {
    let path = root().join("tests/init").join(name);
    if std::env::var_os("OPTIN_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, text).expect("the expected text is writable");
        return;
    }
    let due = fs::read_to_string(&path).expect("the expected text");
    assert_eq!(text, due, "{name} differs; OPTIN_BLESS=1 writes it anew");
}

const CONTOSO: [&str; 9] = [
    "data/contoso/shop.csv",
    "data/contoso/loyalty.csv",
    "data/contoso/app_users.ndjson",
    "data/contoso/newsletter_consent.csv",
    "data/contoso/sms_consent.csv",
    "data/contoso/consent_events.csv",
    "data/contoso/bounces.csv",
    "data/contoso/do_not_contact.csv",
    "data/contoso/checked_by_hand.csv",
];

#[test]
fn contoso_is_recognized() {
    let folder = beside_data();
    let (text, unsure) = proposed(&folder, &CONTOSO);
    expect("contoso.yaml", &text);
    expect("contoso.txt", &unsure);
    assert_eq!(init(&folder, &CONTOSO).done().stdout, text, "the same files, another text");
    // No mail, no number.
    for said in [&text, &unsure] {
        assert!(!said.contains('@'), "{said}");
        let mut runs = said.split(|c: char| !c.is_ascii_digit());
        assert!(runs.all(|digits| digits.len() < 6), "{said}");
    }
    // Every line that is named says so.
    let lines: Vec<&str> = text.lines().collect();
    for line in unsure.lines() {
        let (_, number) = line.rsplit_once(", line ").expect("a line");
        let number: usize = number.parse().expect("a number");
        assert!(lines[number - 1].contains("# Unsure:"), "{line}: {}", lines[number - 1]);
    }
    let record = folder.json("out/contoso/run.json");
    let of = |list: &str, key: &str, name: &str, count: &str| {
        let all = record["account"][list].as_array().expect("a list");
        all.iter().find(|one| one[key] == name).expect("it")[count].as_u64().expect("a count")
    };
    assert_eq!(of("consent", "source", "newsletter_consent", "read"), 14_258);
    assert_eq!(of("suppression", "source", "do_not_contact", "unmatchable"), 0);
    assert!(of("purposes", "purpose", "newsletter", "granted") > 3_000);
    assert!(of("segments", "segment", "sms_angebote", "in_segment") > 1_000);
}

#[test]
fn febrl_is_recognized() {
    let folder = beside_data();
    let (text, _) = proposed(&folder, &["data/febrl/dataset3.csv"]);
    expect("febrl.yaml", &text);
}

#[test]
fn the_consent_examples_make_the_documented_segments() {
    for consent in [&["consent.csv"][..], &["newsletter_consent.csv", "product_update_consent.csv"]]
    {
        let folder = beside_data();
        let names = std::iter::once("customers.csv").chain(consent.iter().copied());
        let data: Vec<String> = names.map(|name| format!("data/consent-examples/{name}")).collect();
        let data: Vec<&str> = data.iter().map(String::as_str).collect();
        proposed(&folder, &data);
        let first = |name: &str| {
            let written = folder.csv(&format!("out/consent_examples/segment_{name}.csv"));
            let mut names: Vec<String> =
                written.column("first_name").into_iter().map(str::to_owned).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(first("newsletter"), ["Frank", "Holly"]);
        assert_eq!(first("product_update"), ["Holly"]);
    }
}

#[test]
fn generated_data_is_recognized() {
    let folder = Folder::new();
    folder.optin(&["generate", "--customers", "2000", "gen"]).done();
    let all = ["contacts", "loyalty", "newsletter_consent", "consent_events", "bounces"];
    let data: Vec<String> = all.iter().map(|name| format!("gen/{name}.csv")).collect();
    let data: Vec<&str> = data.iter().map(String::as_str).collect();
    let (text, _) = proposed(&folder, &data);
    for line in [
        "- { field: email, normalize: email }",
        "keep: { most_recent: updated_at }",
        "name: product_update, via: email, model: opt_in",
        "at: Recorded at",
        "channels: [email]",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(folder.csv("out/gen/segment_newsletter.csv").rows.len() > 500);
}

const PEOPLE: &str = "Id,Name,Mail\n1,Ann Alder,ann@x.com\n2,Bob Birch,bob@x.com\n";

#[test]
fn a_file_of_one_column_is_customers_alone_and_a_list_beside_others() {
    let folder =
        Folder::with(&[("one.csv", "email\nann@x.com\nbob@x.com\n"), ("people.csv", PEOPLE)]);
    let (text, unsure) = proposed(&folder, &["one.csv"]);
    assert!(text.contains("id: email"), "{text}");
    assert!(unsure.contains("is one a table of customers?"), "{unsure}");
    assert!(!text.contains("exports:"), "{text}");
    let (text, unsure) = proposed(&folder, &["people.csv", "one.csv"]);
    assert!(text.contains("  suppress:\n"), "{text}");
    assert!(unsure.contains("read as a list of people who must not be contacted"), "{unsure}");
}

#[test]
fn files_that_cannot_be_used_are_refused_alone_and_left_out_beside_others() {
    let folder = Folder::with(&[
        ("people.csv", PEOPLE),
        ("empty.csv", ""),
        ("no_header.csv", "7,Quillfeather,wren@x.com\n8,Ottavianus,owl@x.com\n"),
        ("twice.csv", "Id,Mail,Mail\n1,a@x.com,b@x.com\n"),
        ("picture.png", "x"),
    ]);
    for (file, code, says) in [
        ("empty.csv", "header", "the file is empty"),
        ("no_header.csv", "header", "the first line holds values, and no names"),
        ("twice.csv", "header", "has the name of an earlier one"),
        ("picture.png", "unknown-format", "cannot be told from its name"),
    ] {
        let alone = init(&folder, &[file]);
        assert_eq!((alone.code, alone.stdout.as_str()), (1, ""), "{alone:?}");
        assert!(alone.stderr.contains(&format!("error[{code}]")), "{alone:?}");
        assert!(alone.stderr.contains(says) && alone.stderr.contains("help:"), "{alone:?}");
        let (text, unsure) = proposed(&folder, &["people.csv", file]);
        assert!(unsure.contains(&format!("{file} is left out: ")), "{unsure}");
        for cell in ["Quillfeather", "wren@x.com"] {
            assert!(!(text.contains(cell) || alone.stderr.contains(cell)), "{cell}");
        }
    }
}

/// It could have held denials.
#[test]
fn a_file_that_is_named_and_is_not_there_is_an_error() {
    let folder = Folder::with(&[("people.csv", PEOPLE)]);
    for data in
        [&["nope.csv"][..], &["people.csv", "nope.csv"], &["nope.csv", "people.csv", "nope.csv"]]
    {
        let run = init(&folder, data);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
        assert_eq!(run.stderr.matches("error[missing-file]").count(), 1, "{run:?}");
        assert!(run.stderr.contains("nope.csv"), "{run:?}");
        assert!(run.stderr.contains("seen from the working folder"), "{run:?}");
    }
    let near = init(&folder, &["peopel.csv"]);
    assert_eq!(near.code, 2, "{near:?}");
    assert!(near.stderr.contains("did you mean people.csv?"), "{near:?}");
    let once = init(&folder, &["people.csv"]).done().stdout;
    assert_eq!(init(&folder, &["people.csv", "./people.csv"]).done().stdout, once);
}

#[test]
fn a_file_of_a_header_alone_is_read_by_its_names() {
    let folder = Folder::with(&[("customers.csv", "CustomerId,Email,Newsletter consent\n")]);
    let (text, unsure) = proposed(&folder, &["customers.csv"]);
    assert!(text.contains("allow_empty: true"), "{text}");
    assert!(text.contains("newsletter: Newsletter consent"), "{text}");
    assert!(unsure.contains("has no rows yet"), "{unsure}");
}

#[test]
fn formats_and_compressions_give_the_same_choices() {
    let folder = beside_data();
    let rows = fs::read(root().join("data/contoso/loyalty.csv")).expect("the data");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&rows).expect("packed");
    folder.write("a/loyalty.csv.gz", packed.finish().expect("packed"));
    folder.write("b/loyalty.csv.zst", zstd::encode_all(&*rows, 1).expect("packed"));
    let tabs = String::from_utf8(rows.clone()).expect("text").replace(',', "\t");
    folder.write("c/loyalty.tsv", tabs);
    folder.write("d/loyalty.csv", &rows);
    let choices = |file: &str| {
        let (text, _) = proposed(&folder, &[file]);
        text.lines()
            .filter(|line| !line.contains("path:") && !line.contains("name:"))
            .filter(|line| !line.contains("out/") && !line.contains("out:"))
            .flat_map(|line| [line, "\n"])
            .collect::<String>()
    };
    let due = choices("d/loyalty.csv");
    for file in ["a/loyalty.csv.gz", "b/loyalty.csv.zst", "c/loyalty.tsv"] {
        assert_eq!(choices(file), due, "{file}");
    }
    // Typed files, as the program writes them itself.
    folder.write(
        "typed.yaml",
        "version: 1\nname: typed\nout: typed\nsources: [{ name: l, path: d/loyalty.csv, \
         types: { Points: int, Changed: datetime } }]\ncustomers: [{ source: l, id: CardNo, fields: \
         { card: CardNo, email: EMail, surname: Surname, points: Points, changed: Changed } }]\n\
         outputs: { profiles: typed/people.parquet, identity: typed/ids.ipc }\n",
    );
    folder.optin(&["run", "typed.yaml", "--quiet"]).done();
    let (text, _) = proposed(&folder, &["typed/people.parquet", "typed/ids.ipc"]);
    assert!(text.contains("keep: { most_recent: updated_at }"), "{text}");
    assert!(!text.contains("types:"), "{text}");
}

#[test]
fn words_that_mean_the_contrary_and_words_of_other_languages_are_declared() {
    let folder = Folder::with(&[
        ("people.csv", PEOPLE),
        ("out.csv", "mail,unsubscribed,changed\nann@x.com,true,2026-01-01\nbob@x.com,false,\n"),
        ("de.csv", "mail;Einwilligung Angebote\nann@x.com;Ja\nbob@x.com;Nein\n"),
    ]);
    let (text, unsure) = proposed(&folder, &["people.csv", "out.csv", "de.csv"]);
    assert!(text.contains("denied: [\"true\", \"t\", \"yes\", \"y\", \"1\"]"), "{text}");
    assert!(text.contains("granted: [\"ja\"], denied: [\"nein\"]"), "{text}");
    assert!(unsure.contains("yes in this column of out is read as no"), "{unsure}");
    assert_eq!(folder.csv("out/people/segment_marketing.csv").column("email"), ["bob@x.com"]);
    assert_eq!(folder.csv("out/people/segment_angebote.csv").column("email"), ["ann@x.com"]);
}

#[test]
fn numbers_and_dates_that_could_mean_two_things_are_said() {
    let folder = Folder::with(&[(
        "people.csv",
        "Id,Name,Phone,Born,Changed\n\
         1,Ann,(425) 555-0101,x,01/02/2026\n2,Bob,206-555-0102,x,03/04/2026\n\
         3,Eve,(206) 555-0103,x,05/06/2026\n",
    )]);
    let (text, unsure) = proposed(&folder, &["people.csv"]);
    assert!(text.contains("phone: { region: US }"), "{text}");
    assert!(unsure.contains("from US?"), "{unsure}");
    assert!(unsure.contains("could be either way round"), "{unsure}");
    assert!(!text.contains("types:"), "{text}");
}

#[test]
fn no_file_is_written_over_without_force() {
    let folder = Folder::with(&[("people.csv", PEOPLE), ("old.yaml", "mine\n")]);
    let refused = folder.optin(&["init", "people.csv", "--output", "old.yaml"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("--force"), "{refused:?}");
    assert_eq!(folder.read("old.yaml"), "mine\n");
    let same = folder.optin(&["init", "people.csv", "--output", "people.csv", "--force"]);
    assert_eq!(same.code, 2, "{same:?}");
    assert_eq!(folder.read("people.csv"), PEOPLE);
    folder.optin(&["init", "people.csv", "--output", "old.yaml", "--force"]).done();
    let done = folder.optin(&["init", "people.csv", "-o", "new/first.yaml"]).done();
    assert_eq!(done.stdout, "");
    assert!(done.stderr.contains("Next: read new/first.yaml"), "{done:?}");
    let text = folder.read("new/first.yaml");
    assert!(text.contains("name: first") && text.contains("path: ../people.csv"), "{text}");
    folder.optin(&["run", "new/first.yaml", "--quiet"]).done();
    assert!(folder.files().contains(&"new/out/first/run.json".to_owned()));
}

#[test]
fn a_long_file_is_looked_at_only_at_its_head() {
    let folder = Folder::new();
    let mut text = String::from("Id,Email,Points\n");
    for row in 0..30_000 {
        text.extend([format!("c{row},p{row}@x.com,{row}\n")]);
    }
    // Nobody looks so far.
    text += "c30000,last@x.com,many\n";
    folder.write("people.csv", text);
    let (text, _) = proposed(&folder, &["people.csv"]);
    assert!(text.contains("the first 20,000 rows"), "{text}");
    assert!(!text.contains("types:"), "{text}");
}

/// Whatever file somebody names, alone or with its neighbours: it is refused for what is wrong with it, or gives
/// a pipeline that passes and runs.
#[test]
fn every_data_file_of_the_tests_is_refused_or_runs() {
    let mut sets: Vec<Vec<PathBuf>> = Vec::new();
    let is_data = |path: &PathBuf| {
        let name = path.to_string_lossy();
        let ends = [".csv", ".tsv", ".ndjson", ".parquet", ".ipc", ".gz", ".zst"];
        ends.iter().any(|end| name.ends_with(end)) && !name.contains("expected")
    };
    for folder in ["tests/golden", "tests/adversarial"] {
        let mut by_folder: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
        for name in files(&root().join(folder)) {
            let path = root().join(folder).join(name);
            if is_data(&path) {
                let above = path.parent().expect("a folder").to_path_buf();
                by_folder.entry(above).or_default().push(path);
            }
        }
        for (_, paths) in by_folder {
            sets.extend(paths.iter().map(|path| vec![path.clone()]));
            if folder.ends_with("golden") {
                sets.push(paths);
            }
        }
    }
    let (mut ran, mut refused) = (0, 0);
    for set in sets {
        let folder = Folder::new();
        let file = folder.at("first.yaml");
        let proposal = match init_files(&set, &file) {
            Ok(proposal) => proposal,
            Err(failure) => {
                refused += 1;
                assert!(!failure.pipeline_at_fault, "{set:?}: {failure}");
                assert!(failure.text.is_empty(), "{set:?}: {failure}");
                continue;
            }
        };
        folder.write("first.yaml", &proposal.text);
        if let Err(failure) = run_file(&file, &RunOptions::default()) {
            // Of a file of typed values only the types are known before.
            let of_values = failure.faults.iter().all(|fault| fault.code == Code::ValueType);
            assert!(of_values, "{set:?}: {failure}\n{}", proposal.text);
            continue;
        }
        ran += 1;
    }
    assert!(ran > 600 && refused > 100, "{ran} ran, {refused} were refused");
}
