//! Related tables through the program: what does not change what rows come to, what stops a run, and what
//! other commands say of rows.

use std::fs;

use serde_json::Value as Json;

use crate::support::{Folder, optin, root};

const PIPELINE: &str = r"version: 1
name: p
as_of: 2026-06-30T00:00:00Z
out: out
sources:
  - { name: shop, path: shop.csv }
  - { name: app, path: app.csv }
  - { name: orders, path: orders.csv, types: { at: datetime, amount: decimal, weight: float, pieces: int } }
keys: [{ field: mail, normalize: email }]
customers:
  - { source: shop, id: id, fields: { mail: mail } }
  - { source: app, id: id, fields: { mail: mail } }
identity: { link_on: [mail] }
consent:
  purposes: [{ name: news, via: mail, model: opt_in }]
  tables: [{ source: shop, values: { news: news } }]
related:
  - { source: orders, match: { record: { shop: no, app: app }, mail: buyer } }
segments:
  - { name: two, consent: news, where: orders.count() >= 2 }
  - { name: rich, consent: news, where: orders.sum(amount) > 100 AND orders.avg(weight) < 2 }
  - { name: back, consent: news, where: orders.last(status by at) = 'back' }
outputs: { segments: out/segments.csv }
exports: [{ segment: two, path: out/two.csv, columns: [mail] }]
";

const ORDERS: &str = "no,app,buyer,at,amount,weight,pieces,status
1,,,2026-01-01,60.10,0.1,1,paid
,a,,2026-02-01,60.10,0.2,2,back
,,BOB@x.de,2026-02-01,5,1e300,1,paid
,,bob@x.de,2026-03-01,5,-1e300,1,paid
2,,,2026-03-01,5,1,1,back
7,,,2026-03-01,5,1,1,back
,,,2026-03-01,5,1,1,back
";

fn shop() -> Folder {
    Folder::with(&[
        ("p.yaml", PIPELINE),
        ("shop.csv", "id,mail,news\n1,ann@x.de,yes\n2,bob@x.de,yes\n3,cleo@x.de,yes\n"),
        ("app.csv", "id,mail\na,Ann@x.de\n"),
        ("orders.csv", ORDERS),
    ])
}

fn run(folder: &Folder) -> (String, Json) {
    folder.optin(&["run", "p.yaml", "--quiet"]).done();
    (folder.read("out/segments.csv"), folder.json("out/run.json"))
}

/// What a run that fails says.
fn refused(folder: &Folder) -> String {
    let run = folder.optin(&["run", "p.yaml", "--quiet"]);
    assert_ne!(run.code, 0, "{}", run.stdout);
    run.stderr
}

#[test]
fn rows_follow_the_customer_and_are_all_accounted_for() {
    let folder = shop();
    let (segments, record) = run(&folder);
    let verdicts: Vec<String> = segments
        .lines()
        .skip(1)
        .map(|line| line.split_once(',').expect("cells").1.to_owned())
        .collect();
    let mut sorted = verdicts.clone();
    sorted.sort();
    assert_eq!(
        sorted,
        [
            "in_segment,in_segment,in_segment",
            // Of two orders of one day the greater status is the last: paid.
            "in_segment,rule_false,rule_false",
            "rule_false,rule_unknown,rule_unknown"
        ]
    );
    let account = &record["account"]["related"][0];
    let of = |name: &str| account[name].as_u64();
    assert_eq!(
        ["read", "matched", "set_aside", "unmatched", "without_key"].map(of),
        [7, 5, 0, 1, 1].map(Some)
    );
    let sources = record["sources"].as_array().expect("sources");
    let orders =
        sources.iter().find(|source| source["name"] == "orders").expect("orders were read");
    assert_eq!(orders["rows"], 7);
    assert_eq!(orders["files"][0]["xxh3"].as_str().map(str::len), Some(32));
    // A changed table is seen by `verify`.
    folder.optin(&["verify", "out/run.json"]).done();
    folder.write("orders.csv", ORDERS.replace("60.10", "60.11"));
    assert_eq!(folder.optin(&["verify", "out/run.json"]).code, 1);
}

#[test]
fn the_order_of_rows_and_files_and_the_number_of_threads_change_nothing() {
    let folder = shop();
    let (segments, _) = run(&folder);
    let header = ORDERS.lines().next().expect("a header");
    let mut rows: Vec<&str> = ORDERS.lines().skip(1).collect();
    rows.reverse();
    for at in 0..rows.len() {
        let (one, two) = rows.split_at(at);
        for (name, rows) in [("orders-1.csv", two), ("orders-2.csv", one)] {
            folder.write(name, format!("{header}\n{}\n", rows.join("\n")).replace("\n\n", "\n"));
        }
        folder.write("p.yaml", PIPELINE.replace("path: orders.csv", "path: orders-*.csv"));
        assert_eq!(run(&folder).0, segments, "split at {at}");
    }
    folder.write("p.yaml", PIPELINE);
    for threads in ["1", "3"] {
        let run = crate::support::command(folder.path())
            .args(["run", "p.yaml", "--quiet"])
            .env("RAYON_NUM_THREADS", threads)
            .env("POLARS_MAX_THREADS", threads)
            .status();
        assert!(run.expect("the program starts").success());
        assert_eq!(folder.read("out/segments.csv"), segments);
    }
}

#[test]
fn what_cannot_be_read_stops_the_run() {
    let folder = shop();
    folder.write("orders.csv", ORDERS.replace("60.10", "sixty"));
    assert!(refused(&folder).contains("error[value-type]"));
    folder.write("orders.csv", ORDERS.replace(",back\n", "\n"));
    assert!(refused(&folder).contains("error[field-count]"));
    fs::remove_file(folder.at("orders.csv")).expect("it was there");
    assert!(refused(&folder).contains("error[missing-file]"));
    folder.write("orders.csv", ORDERS);
    let strict = PIPELINE.replace(
        "name: orders, path: orders.csv,",
        "name: orders, path: orders.csv, expect: { min_rows: 8 },",
    );
    folder.write("p.yaml", &strict);
    assert!(refused(&folder).contains("error[expected-rows]"));
    assert!(!folder.at("out").exists(), "nothing was published");
}

#[test]
fn a_table_that_no_rule_asks_is_not_read() {
    let folder = shop();
    let kept = PIPELINE.lines().filter(|line| !line.contains("where: orders"));
    let unasked = kept.collect::<Vec<_>>().join("\n") + "\n";
    let unasked = unasked.replace("segments:\n", "segments:\n  - { name: two, consent: news }\n");
    folder.write("p.yaml", &unasked);
    folder.write("orders.csv", ORDERS.replace("60.10", "sixty"));
    let (_, record) = run(&folder);
    assert_eq!(record["account"]["related"], Json::Null);
    // But whoever asks to be forgotten stands there.
    let forget = folder.optin(&["forget", "p.yaml", "--customer", "mail=bob@x.de", "--json"]);
    let forget = forget.done().json();
    assert_eq!(places(&forget["delete"]), ["orders 3", "orders 4", "orders 5", "shop 2"]);
}

/// Source and row of each row.
fn places(rows: &Json) -> Vec<String> {
    let place = |row: &Json| {
        format!("{} {}", row["place"]["source"].as_str().unwrap_or_default(), row["place"]["row"])
    };
    let mut places: Vec<String> = rows.as_array().expect("rows").iter().map(place).collect();
    places.sort();
    places
}

#[test]
fn why_and_forget_speak_of_rows() {
    let folder = shop();
    run(&folder);
    let why = folder.optin(&["why", "p.yaml", "--customer", "mail=ann@x.de", "--json"]).done();
    let text = why.json().to_string();
    assert!(text.contains(r#"{"aggregate":"orders.sum(amount)","value":"120.20"}"#), "{text}");
    assert!(text.contains(r#"{"aggregate":"orders.last(status by at)","value":"back"}"#), "{text}");
    let why = folder.optin(&["why", "p.yaml", "--customer", "mail=bob@x.de"]).done().stdout;
    assert!(why.contains("(orders.last(status by at) is paid)"), "{why}");
    let why = folder.optin(&["why", "p.yaml", "--customer", "mail=cleo@x.de"]).done().stdout;
    assert!(why.contains("(orders.count() is 0)"), "{why}");
    assert!(why.contains("(orders.last(status by at) is empty)"), "{why}");
    let forget = folder.optin(&["forget", "p.yaml", "--customer", "mail=ann@x.de", "--json"]);
    let forget = forget.done().json();
    assert_eq!(places(&forget["delete"]), ["app 1", "orders 1", "orders 2", "shop 1"]);
    let delete = forget["delete"].as_array().expect("rows");
    let order = delete.iter().find(|row| row["place"]["source"] == "orders").expect("an order");
    assert_eq!(order["holds"], Json::from(["related"]));
}

#[test]
fn explain_says_what_is_asked_and_sql_refuses_it() {
    let folder = shop();
    let explained = folder.optin(&["explain", "p.yaml"]).done().stdout;
    assert!(
        explained
            .contains("rows of orders (orders) belong to customers by id in shop, id in app, mail"),
        "{explained}"
    );
    assert!(explained.contains("orders.last(status by at)"), "{explained}");
    for dialect in ["duckdb", "spark"] {
        let job = folder.optin(&["compile", "p.yaml", "--dialect", dialect]);
        assert_eq!(job.code, 2, "{}", job.stdout);
        assert!(job.stderr.contains("error[sql-unsupported]"), "{}", job.stderr);
        assert!(job.stderr.contains("where: orders.count() >= 2"), "{}", job.stderr);
    }
}

#[test]
fn simulated_settings_count_the_same_rows() {
    let folder = shop();
    let (_, record) = run(&folder);
    let simulated = folder.optin(&["simulate", "p.yaml", "--json"]).done().stdout;
    let now = record["account"]["segments"][0]["in_segment"].as_u64();
    assert_eq!(now, Some(2));
    assert!(simulated.contains("\"two\""), "{simulated}");
}

#[test]
fn the_example_gives_what_its_comments_say() {
    let folder = Folder::new();
    let out = folder.path().to_str().expect("UTF-8");
    optin(root(), &["run", "pipelines/related.yaml", "--quiet", "--out", out]).done();
    for (segment, names) in [
        ("good", vec!["Ben"]),
        ("win_back", vec!["Anna"]),
        ("no_order", vec!["Finn"]),
        ("returned", vec!["Carla"]),
        ("looked", vec!["Anna"]),
    ] {
        let name =
            folder.files().into_iter().find(|name| name.ends_with(&format!("{segment}.csv")));
        let table = folder.csv(&name.expect("an export"));
        let found: Vec<&str> = table.rows.iter().map(|row| row[1].as_str()).collect();
        assert_eq!(found, names, "{segment}");
    }
}
