//! `optin diff` (docs/diff.md): two runs of one pipeline, the same world at two dates or with other
//! data, and who joined and left in between, counted and one by one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value as Json, json};

use crate::support::{Folder, optin, root};

const PIPELINE: &str = "
version: 1
name: shop
out: out
sources:
  - { name: people, path: people.csv, types: { Points: int } }
  - { name: consent, path: consent.csv, types: { at: date } }
  - { name: stop, path: stop.csv, allow_empty: true }
keys: [{ field: email, normalize: email }]
customers: [{ source: people, id: Id, fields: { email: Mail, card: Card, points: Points } }]
identity: { link_on: [[card]] }
consent:
  purposes: [{ name: news, via: email, model: opt_in, expires_after: 12 months }]
  tables: [{ source: consent, match: { email: mail }, values: { news: news }, at: at }]
  suppress: [{ source: stop, match: { email: mail } }]
segments:
  - { name: news, consent: news }
  - { name: rich, consent: news, where: points >= 100 }
  - { name: rest, consent: news, except: [rich] }
outputs:
  segments: out/segments.csv
  identity: out/identity.ndjson
exports: [{ segment: news, path: out/news.csv, columns: [email] }]
";

const PEOPLE: &str = "Id,Mail,Card,Points\n\
    expires,expires@fabrikam.com,,150\n\
    withdraws,withdraws@fabrikam.com,,50\n\
    stopped,stopped@fabrikam.com,,50\n\
    stays,stays@fabrikam.com,,150\n\
    joins,joins@fabrikam.com,,150\n\
    poorer,poorer@fabrikam.com,,150\n\
    one,one@fabrikam.com,,10\n\
    two,two@fabrikam.com,,10\n\
    leaves,leaves@fabrikam.com,,10\n";

const CONSENT: &str = "mail,news,at\n\
    expires@fabrikam.com,yes,2025-03-01\n\
    withdraws@fabrikam.com,yes,2025-10-01\n\
    withdraws@fabrikam.com,no,2026-04-01\n\
    stopped@fabrikam.com,yes,2025-10-01\n\
    stays@fabrikam.com,yes,2025-10-01\n\
    joins@fabrikam.com,yes,2026-04-15\n\
    poorer@fabrikam.com,yes,2025-10-01\n\
    one@fabrikam.com,yes,2025-10-01\n\
    two@fabrikam.com,yes,2025-10-01\n\
    leaves@fabrikam.com,yes,2025-10-01\n\
    new@fabrikam.com,yes,2025-10-01\n";

/// What a run at a date into a folder of its own leaves.
fn run(folder: &Folder, date: &str, out: &str) -> String {
    folder.optin(&["run", "pipeline.yaml", "--replay", date, "--out", out, "--quiet"]).done();
    format!("{out}/run.json")
}

fn shop() -> Folder {
    Folder::with(&[
        ("pipeline.yaml", PIPELINE),
        ("people.csv", PEOPLE),
        ("consent.csv", CONSENT),
        ("stop.csv", "mail\n"),
    ])
}

/// The world in January and in May: one consent expires, one is withdrawn, one person is put on the
/// list, one loses points, two become one, one goes, one comes, one grants.
fn two_runs() -> Folder {
    let folder = shop();
    run(&folder, "2026-01-01", "january");
    folder.write("stop.csv", "mail\nstopped@fabrikam.com\n");
    let people = PEOPLE
        .replace("poorer@fabrikam.com,,150", "poorer@fabrikam.com,,1")
        .replace("one@fabrikam.com,,10", "one@fabrikam.com,c,10")
        .replace("two@fabrikam.com,,10", "two@fabrikam.com,c,10")
        .replace("leaves,leaves@fabrikam.com,,10\n", "new,new@fabrikam.com,,10\n");
    folder.write("people.csv", people);
    run(&folder, "2026-05-01", "may");
    folder
}

fn codes(run: &crate::support::Run) -> Vec<String> {
    let faults = run.json()["faults"].as_array().expect("faults").clone();
    faults.iter().map(|fault| fault["code"].as_str().expect("a code").to_owned()).collect()
}

#[test]
fn who_joined_and_left_is_counted_by_reason() {
    let folder = two_runs();
    let diff = folder.optin(&["diff", "january/run.json", "may/run.json", "--json"]).done().json();
    assert_eq!(diff["from"]["as_of"], "2026-01-01T23:59:59.999999Z");
    assert_eq!((&diff["from"]["profiles"], &diff["to"]["profiles"]), (&json!(9), &json!(8)));
    assert_eq!(
        diff["customers"],
        json!({
            "same": 7, "renamed": 0,
            "ended": { "merged": 1, "gone_customer": 1 },
            "begun": { "new_customer": 1 },
        })
    );
    assert_eq!(
        diff["segments"],
        json!([
            {
                "segment": "news", "before": 8, "after": 5, "stayed": 3, "joined": 2, "left": 5,
                "joined_by": { "unknown": 1, "new_customer": 1 },
                "left_by": {
                    "suppressed": 1, "withdrawn": 1, "expired": 1, "merged": 1, "gone_customer": 1,
                },
            },
            {
                "segment": "rich", "before": 3, "after": 2, "stayed": 1, "joined": 1, "left": 2,
                "joined_by": { "unknown": 1 },
                "left_by": { "expired": 1, "rule": 1 },
            },
            {
                "segment": "rest", "before": 5, "after": 3, "stayed": 1, "joined": 2, "left": 4,
                "joined_by": { "set_operation": 1, "new_customer": 1 },
                "left_by": { "suppressed": 1, "withdrawn": 1, "merged": 1, "gone_customer": 1 },
            },
        ])
    );
    assert_eq!(diff["notes"], json!([]));
    // The sums are those of the two records.
    for (side, out) in [("before", "january"), ("after", "may")] {
        let account = folder.json(&format!("{out}/run.json"))["account"].clone();
        for (at, of) in diff["segments"].as_array().expect("segments").iter().enumerate() {
            assert_eq!(of[side], account["segments"][at]["in_segment"], "{of}");
        }
    }
    let text = folder.optin(&["diff", "january/run.json", "may/run.json"]).done().stdout;
    for words in [
        "news: 8, then 5 (3 stayed)",
        "left 5: suppressed 1, withdrawn 1, expired 1, merged 1, gone customer 1",
        "joined 2: consent was unknown 1, new customer 1",
    ] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn everybody_who_joined_or_left_stands_in_the_file() {
    let folder = two_runs();
    let args = ["diff", "january/run.json", "may/run.json", "--output", "changes/c.csv"];
    let said = folder.optin(&args).done().stdout;
    assert!(said.contains("Written: 16 rows"), "{said}");
    let mode = fs::metadata(folder.at("changes/c.csv")).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(folder.files().iter().filter(|name| name.starts_with("changes/")).count(), 1);
    // By the records' own ids.
    let mut names = std::collections::BTreeMap::new();
    for out in ["january", "may"] {
        for line in folder.read(&format!("{out}/out/identity.ndjson")).lines() {
            let record: Json = serde_json::from_str(line).expect("JSON");
            let word = |name: &str| record[name].as_str().expect("a text").to_owned();
            names.entry(word("customer_id")).or_insert_with(|| word("id"));
        }
    }
    let table = folder.csv("changes/c.csv");
    let mut rows: Vec<String> = table
        .rows
        .iter()
        .filter(|row| row[0] == "news")
        .map(|row| {
            let other = names.get(&row[6]).map(String::as_str).unwrap_or_default();
            format!("{} {} {} {}>{} {other}", row[1], names[&row[2]], row[3], row[4], row[5])
        })
        .collect();
    rows.sort();
    assert_eq!(
        rows,
        [
            "joined joins unknown unknown>in_segment ",
            "joined new new_customer >in_segment ",
            "left expires expired in_segment>expired ",
            "left leaves gone_customer in_segment> ",
            "left stopped suppressed in_segment>suppressed ",
            "left two merged in_segment> one",
            "left withdraws withdrawn in_segment>denied ",
        ]
    );
    // The same again gives the same bytes, over the same file.
    let before = folder.bytes("changes/c.csv");
    folder.optin(&args).done();
    assert_eq!(folder.bytes("changes/c.csv"), before);
    // And the other way round who left joins.
    let back = folder.optin(&["diff", "may/run.json", "january/run.json", "--json"]).done().json();
    let news = &back["segments"][0];
    assert_eq!((&news["joined"], &news["left"]), (&json!(5), &json!(2)));
    assert_eq!(news["joined_by"]["unmerged"], 1);
}

#[test]
fn a_customer_under_another_id_has_not_left() {
    let folder = shop();
    run(&folder, "2026-01-01", "first");
    // Another record of the same person comes first by its id, and names the customer.
    let people = PEOPLE
        .replace("stays,stays@fabrikam.com,,150", "stays,stays@fabrikam.com,c,150\nearlier,,c,");
    folder.write("people.csv", people);
    run(&folder, "2026-01-01", "second");
    let diff = folder.optin(&["diff", "first/run.json", "second/run.json", "--json"]).done().json();
    assert_eq!(diff["customers"]["renamed"], 1);
    assert_eq!(diff["customers"]["same"], 8);
    for of in diff["segments"].as_array().expect("segments") {
        assert_eq!((&of["joined"], &of["left"]), (&json!(0), &json!(0)), "{of}");
    }
}

#[test]
fn without_identity_tables_merged_customers_are_gone_and_it_says_so() {
    let folder = shop();
    let pipeline = PIPELINE.replace("  identity: out/identity.ndjson\n", "");
    folder.write("pipeline.yaml", pipeline);
    run(&folder, "2026-01-01", "first");
    let people = PEOPLE
        .replace("one@fabrikam.com,,10", "one@fabrikam.com,c,10")
        .replace("two@fabrikam.com,,10", "two@fabrikam.com,c,10");
    folder.write("people.csv", people);
    run(&folder, "2026-01-01", "second");
    let diff = folder.optin(&["diff", "first/run.json", "second/run.json", "--json"]).done().json();
    assert_eq!(diff["segments"][0]["left_by"], json!({ "gone_customer": 1 }));
    assert!(diff["notes"][0].as_str().expect("a note").contains("identity table"), "{diff}");
}

/// `identity.previous` hands ids on, and the profiles say which ids a customer had.
#[test]
fn previous_customer_ids_tell_who_was_merged() {
    let folder = shop();
    let pipeline = PIPELINE
        .replace(
            "identity: { link_on",
            "identity: { previous: { path: ids.csv, allow_missing: true }, link_on",
        )
        .replace("  identity: out/identity.ndjson\n", "  profiles: out/profiles.csv\n");
    folder.write("pipeline.yaml", &pipeline);
    // The earlier identity table, made by a run of its own.
    let with_identity = PIPELINE.replace("out/identity.ndjson", "out/identity.csv");
    folder.write("earlier.yaml", with_identity);
    folder
        .optin(&["run", "earlier.yaml", "--replay", "2026-01-01", "--out", "e", "--quiet"])
        .done();
    folder.write("ids.csv", folder.bytes("e/out/identity.csv"));
    run(&folder, "2026-01-01", "first");
    let people = PEOPLE
        .replace("one@fabrikam.com,,10", "one@fabrikam.com,c,10")
        .replace("two@fabrikam.com,,10", "two@fabrikam.com,c,10");
    folder.write("people.csv", people);
    run(&folder, "2026-01-01", "second");
    let diff = folder.optin(&["diff", "first/run.json", "second/run.json", "--json"]).done().json();
    assert_eq!(diff["segments"][0]["left_by"], json!({ "merged": 1 }), "{diff}");
    assert_eq!(diff["notes"], json!([]));
}

#[test]
fn segments_of_one_run_alone_are_named_and_so_is_another_pipeline_file() {
    let folder = shop();
    run(&folder, "2026-01-01", "first");
    folder.write("pipeline.yaml", PIPELINE.replace("rich", "wealthy"));
    run(&folder, "2026-01-01", "second");
    let args = ["diff", "first/run.json", "second/run.json"];
    let diff = folder.optin(&[&args[..], &["--json"]].concat()).done().json();
    assert_eq!(
        (&diff["only_in_first"], &diff["only_in_second"]),
        (&json!(["rich"]), &json!(["wealthy"]))
    );
    let names: Vec<_> =
        diff["segments"].as_array().expect("segments").iter().map(|of| &of["segment"]).collect();
    assert_eq!(names, ["news", "rest"]);
    assert!(diff["notes"][0].as_str().expect("a note").contains("pipeline file changed"), "{diff}");
    let text = folder.optin(&args).done().stdout;
    assert!(text.contains("only in the first run: rich"), "{text}");
    assert!(text.contains("note: the pipeline file changed"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn tables_that_changed_or_are_missing_are_refused() {
    let folder = two_runs();
    let args = ["diff", "january/run.json", "may/run.json", "--json"];
    let table = folder.bytes("may/out/segments.csv");
    let mut other = table.clone();
    other.extend_from_slice(b"\n");
    folder.write("may/out/segments.csv", other);
    let run = folder.optin(&args);
    assert_eq!((run.code, codes(&run)), (1, vec!["changed-output".to_owned()]), "{run:?}");
    fs::remove_file(folder.at("may/out/segments.csv")).expect("removed");
    let run = folder.optin(&args);
    assert_eq!((run.code, codes(&run)), (1, vec!["changed-output".to_owned()]), "{run:?}");
    folder.write("may/out/segments.csv", table);
    folder.write("may/out/identity.ndjson", "{}\n");
    let run = folder.optin(&args);
    assert_eq!((run.code, codes(&run)), (1, vec!["changed-output".to_owned()]), "{run:?}");

    // A run without the table.
    folder.write("pipeline.yaml", PIPELINE.replace("  segments: out/segments.csv\n", ""));
    self::run(&folder, "2026-05-01", "none");
    let run = folder.optin(&["diff", "january/run.json", "none/run.json", "--json"]);
    assert_eq!((run.code, codes(&run)), (1, vec!["missing-members".to_owned()]), "{run:?}");
    let words = run.json()["faults"][0]["help"].as_str().expect("help").to_owned();
    assert!(words.contains("segments: PATH"), "{words}");

    // What is no record, and what is none any more.
    for file in ["people.csv", "none.json", "january/out/identity.ndjson"] {
        let run = folder.optin(&["diff", file, "january/run.json", "--json"]);
        assert_eq!((run.code, codes(&run)), (1, vec!["run-record".to_owned()]), "{file}: {run:?}");
        assert!(!run.stdout.contains("fabrikam"), "{run:?}");
    }
    let run = folder.optin(&["diff", "january/run.json"]);
    assert_eq!(run.code, 2, "{run:?}");
}

/// A pipe in place of a record is refused like one given to `verify`; nobody writes to it, so who
/// waited would wait for ever.
#[test]
fn a_pipe_is_no_run_record() {
    let folder = two_runs();
    let made = Command::new("mkfifo").arg(folder.at("pipe")).status().expect("mkfifo starts");
    assert!(made.success());
    for args in [&["verify", "pipe"][..], &["diff", "pipe", "pipe"]] {
        let run = folder.optin(&[args, &["--json"]].concat());
        assert_eq!((run.code, codes(&run)), (1, vec!["run-record".to_owned()]), "{args:?}");
        assert!(run.stdout.contains("it is no regular file"), "{run:?}");
    }
}

#[test]
fn the_file_of_changes_overwrites_nothing_that_a_run_read_or_wrote() {
    let folder = two_runs();
    let before: Vec<_> = folder.files().into_iter().map(|name| folder.bytes(&name)).collect();
    for (file, code) in [
        ("people.csv", "output-path"),
        ("may/out/segments.csv", "output-path"),
        ("./january/out/../out/segments.csv", "output-path"),
        ("changes.parquet", "output-path"),
        ("people.csv/changes.csv", "write-failed"),
    ] {
        let run =
            folder.optin(&["diff", "january/run.json", "may/run.json", "--json", "--output", file]);
        assert_eq!((run.code, codes(&run)), (1, vec![code.to_owned()]), "{file}: {run:?}");
    }
    let after: Vec<_> = folder.files().into_iter().map(|name| folder.bytes(&name)).collect();
    assert_eq!(before, after);
}

/// The example at two dates, in all formats of the segments table: the same counts.
#[test]
fn every_format_of_the_table_gives_the_same() {
    let text = fs::read_to_string(root().join("pipelines/contoso.yaml")).expect("the example");
    let data = root().join("data").display().to_string();
    let folder = Folder::new();
    let mut counts: Vec<Json> = Vec::new();
    for format in ["csv", "tsv", "ndjson", "parquet", "ipc"] {
        let text = text
            .replace("../data", &data)
            .replace("segments.csv", &format!("segments.{format}"))
            .replace("identity.parquet", &format!("identity.{format}"));
        folder.write("pipelines/contoso.yaml", text);
        let out = |name: &str| folder.at(&format!("{format}/{name}")).display().to_string();
        for date in ["2026-01-01", "2026-11-01"] {
            let args =
                ["run", "pipelines/contoso.yaml", "--quiet", "--replay", date, "--out", &out(date)];
            folder.optin(&args).done();
        }
        let records = ["2026-01-01", "2026-11-01"].map(|date| out(date) + "/run.json");
        let diff =
            optin(folder.path(), &["diff", "--json", &records[0], &records[1]]).done().json();
        let mut left = 0;
        for of in diff["segments"].as_array().expect("segments") {
            let sum = |by: &str| -> u64 {
                let by = of[by].as_object().expect("reasons").values();
                by.map(|count| count.as_u64().expect("a count")).sum()
            };
            let count = |name: &str| of[name].as_u64().expect("a count");
            assert_eq!(count("joined"), sum("joined_by"));
            assert_eq!(count("left"), sum("left_by"));
            assert_eq!(count("before"), count("stayed") + count("left"));
            assert_eq!(count("after"), count("stayed") + count("joined"));
            left += count("left");
        }
        assert!(left > 50, "only {left} left");
        counts.push(diff["segments"].clone());
    }
    assert!(counts.windows(2).all(|pair| pair[0] == pair[1]));
}
