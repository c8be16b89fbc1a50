//! Over-linking: one value on very many records, and long chains of records that are linked one to
//! the next. The guards do what they say of themselves (docs/semantics.md, section 3), the run says
//! what they found, and nothing of it takes an amount of work that grows with the square.

use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::support::Folder;

/// Records that share one mail.
const SHARING: u64 = 200_000;
/// Records of a chain.
const CHAINED: u64 = 100_000;

const EXCEPTION: &str = "unless_different: [name]";
const MAX_CLUSTER: &str = "max_cluster: 50";
const MAX_SHARED: &str = "max_shared: 20";

/// A folder with so many people, and what each says of mail, phone and name.
fn people(count: u64, cells: impl Fn(u64) -> String) -> Folder {
    let mut text = "id,email,phone,name\n".to_owned();
    for number in 0..count {
        let _ = writeln!(text, "P-{number:06},{}", cells(number));
    }
    Folder::with(&[("people.csv", &text)])
}

/// Two fields in turn: the mail links 0 to 1, 2 to 3, and so on; the phone links 1 to 2, 3 to 4.
fn chained(number: u64, name: &str) -> String {
    format!("m-{}@contoso.com,t-{},{name}", number / 2, number.div_ceil(2))
}

/// Writes a pipeline with these lines under `identity`.
fn write_pipeline(folder: &Folder, rules: &str, lines: &[&str]) {
    let mut pipeline = format!(
        "version: 1\n\
         name: overlinking\n\
         out: out\n\
         sources:\n  - {{ name: people, path: people.csv }}\n\
         customers:\n  - source: people\n    id: id\n    \
         fields: {{ email: email, phone: phone, name: name }}\n\
         outputs: {{ identity: out/identity.csv }}\n\
         identity:\n  link_on: {rules}\n"
    );
    for line in lines {
        let _ = writeln!(pipeline, "  {line}");
    }
    folder.write("pipeline.yaml", pipeline);
}

fn run(folder: &Folder, rules: &str, lines: &[&str]) -> Json {
    write_pipeline(folder, rules, lines);
    folder.optin(&["run", "pipeline.yaml", "--json"]).done().json()
}

/// What a run made of the records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Found {
    customers: u64,
    quarantined: u64,
    large_clusters: u64,
    suggested_max_shared: Option<u64>,
    /// Warnings of over-linking.
    warnings: usize,
}

fn found(record: &Json) -> Found {
    let account = &record["account"];
    let count = |value: &Json| value.as_u64().expect("a count");
    let guards = &account["guards"];
    let warnings = record["warnings"].as_array().expect("a list");
    assert!(warnings.iter().all(|warning| warning["code"] == "over-linking"), "{warnings:?}");
    let suggested_max_shared = guards["suggested_max_shared"].as_u64();
    // What is suggested is said, in the words of the pipeline file.
    if let Some(suggested) = suggested_max_shared {
        let words = format!("`max_shared: {suggested}`");
        let helps = |warning: &Json| warning["help"].as_str().is_some_and(|h| h.contains(&words));
        assert!(warnings.iter().any(helps), "no warning says {words}: {warnings:?}");
    }
    Found {
        customers: count(&account["profiles"]),
        quarantined: count(&account["customers"][0]["quarantined_large_cluster"]),
        large_clusters: count(&guards["large_clusters"]),
        suggested_max_shared,
        warnings: warnings.len(),
    }
}

/// Size of clusters and how many are of it, smallest first.
fn sizes(record: &Json) -> Vec<(u64, u64)> {
    let count = |value: &Json| value.as_u64().expect("a count");
    let sizes = record["account"]["clusters"].as_array().expect("a list");
    sizes.iter().map(|size| (count(&size["records"]), count(&size["clusters"]))).collect()
}

#[test]
fn a_mail_that_very_many_records_share() {
    let folder = people(SHARING, |number| format!("all@contoso.com,,N-{number}"));
    let warned = Found { suggested_max_shared: Some(10), warnings: 1, ..Found::default() };
    let apart = Found { customers: SHARING, ..Found::default() };
    let cases: [(&[&str], Found); 6] = [
        // One for the value, one for the customer.
        (&[], Found { customers: 1, warnings: 2, ..warned }),
        (&[MAX_CLUSTER], Found { quarantined: SHARING, large_clusters: 1, warnings: 2, ..warned }),
        (&[MAX_SHARED], apart),
        // All names differ, so nobody is linked, though the mail would.
        (&[EXCEPTION], Found { customers: SHARING, ..warned }),
        (&[EXCEPTION, MAX_CLUSTER], Found { customers: SHARING, ..warned }),
        (&[EXCEPTION, MAX_SHARED], apart),
    ];
    for (lines, expected) in cases {
        let record = run(&folder, "[[email]]", lines);
        assert_eq!(found(&record), expected, "{lines:?}");
        let rule = &record["account"]["rules"][0];
        let blocked = lines.contains(&MAX_SHARED);
        assert_eq!(rule["blocked_values"], u64::from(blocked), "{lines:?}");
        assert_eq!(rule["largest"], if blocked { 0 } else { SHARING }, "{lines:?}");
    }
}

#[test]
fn a_long_chain() {
    let folder = people(CHAINED, |number| chained(number, &format!("N-{number}")));
    let whole = Found { customers: 1, warnings: 1, ..Found::default() };
    let apart = Found { customers: CHAINED, ..Found::default() };
    let cases: [(&[&str], Found); 6] = [
        (&[], whole),
        (
            &[MAX_CLUSTER],
            Found { quarantined: CHAINED, large_clusters: 1, warnings: 1, ..Found::default() },
        ),
        // No value is on more than two records.
        (&[MAX_SHARED], whole),
        (&[EXCEPTION], apart),
        (&[EXCEPTION, MAX_CLUSTER], apart),
        (&[EXCEPTION, MAX_SHARED], apart),
    ];
    for (lines, expected) in cases {
        let record = run(&folder, "[[email], [phone]]", lines);
        assert_eq!(found(&record), expected, "{lines:?}");
    }
}

/// Only the two ends differ. All mails are taken first, then the phones in the order of ids: the
/// last of them, between the last two pairs, is the link that is left out.
#[test]
fn a_long_chain_whose_ends_differ_is_cut_once() {
    let name = |number: u64| match number {
        0 => "first",
        _ if number == CHAINED - 1 => "last",
        _ => "",
    };
    let folder = people(CHAINED, |number| chained(number, name(number)));
    let rules = "[[email], [phone]]";
    let record = run(&folder, rules, &[EXCEPTION]);
    assert_eq!(sizes(&record), [(2, 1), (CHAINED - 2, 1)]);
    let identity = folder.csv("out/identity.csv");
    let ids = identity.column("id");
    let customers = identity.column("customer_id");
    let customer = |id: &str| customers[ids.iter().position(|known| *known == id).expect("an id")];
    let last = |back: u64| customer(&format!("P-{:06}", CHAINED - back));
    assert_eq!(last(1), last(2));
    assert_ne!(last(2), last(3));
    assert_eq!(last(3), customer("P-000000"));

    let record = run(&folder, rules, &[EXCEPTION, MAX_CLUSTER]);
    let expected = Found {
        customers: 1,
        quarantined: CHAINED - 2,
        large_clusters: 1,
        warnings: 1,
        ..Found::default()
    };
    assert_eq!(found(&record), expected);
    assert_eq!(sizes(&record), [(2, 1)]);
}

/// The warnings stand in the summary; a person reads those.
#[test]
fn the_summary_warns_of_over_linking() {
    let folder = people(12, |number| format!("canary@contoso.com,,N-{number}"));
    write_pipeline(&folder, "[[email]]", &["max_cluster: 11"]);
    let run = folder.optin(&["run", "pipeline.yaml"]).done();
    assert_eq!(run.stdout.matches("warning[over-linking]").count(), 2, "{}", run.stdout);
    assert!(run.stdout.contains("max_shared: 10"), "{}", run.stdout);
    assert!(!run.stdout.contains("canary"), "a cell is shown: {}", run.stdout);

    // Ten records may share a value, and twelve records may be one customer.
    let folder = people(10, |number| format!("canary@contoso.com,,N-{number}"));
    write_pipeline(&folder, "[[email]]", &["max_cluster: 10"]);
    let run = folder.optin(&["run", "pipeline.yaml"]).done();
    assert!(!run.stdout.contains("warning"), "{}", run.stdout);
}
