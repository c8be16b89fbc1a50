//! A run that goes well and in which nobody is, because a column of the pipeline is the wrong one, says
//! so (`engine::silence`). It says nothing where there is nothing to say.

use crate::support::Folder;

const PIPELINE: &str = "
version: 1
name: shop
as_of: 2026-06-30
out: out
sources:
  - { name: people, path: people.csv }
  - { name: log, path: log.csv }
keys:
  - { field: email, normalize: email }
customers:
  - { source: people, id: id, fields: { email: mail, name: name } }
consent:
  purposes:
    - { name: news, via: email, model: opt_in }
  tables:
    - { source: log, match: { email: mail }, purpose: topic, value: says }
segments:
  - { name: news, consent: news }
";

const PEOPLE: &str = "id,mail,name\n1,a@x.com,Ann\n2,b@x.com,Ann\n3,c@x.com,Ann\n";
const LOG: &str = "mail,topic,says,other\na@x.com,news,yes,q@x.com\nb@x.com,news,no,r@x.com\n";

/// Codes and messages of the warnings of a run with one text of the pipeline replaced.
fn warnings(from: &str, to: &str) -> Vec<String> {
    assert!(PIPELINE.contains(from), "{from}");
    warnings_of(&PIPELINE.replacen(from, to, 1), &[("log.csv", LOG)])
}

/// Codes and messages of the warnings of a run over these files and the people.
fn warnings_of(pipeline: &str, files: &[(&str, &str)]) -> Vec<String> {
    let folder = Folder::with(&[("pipeline.yaml", pipeline), ("people.csv", PEOPLE)]);
    for (name, text) in files {
        folder.write(name, text);
    }
    let record = folder.optin(&["run", "pipeline.yaml", "--json"]).done().json();
    let warnings = record["warnings"].as_array().expect("warnings");
    let text = |warning: &serde_json::Value, name: &str| {
        warning[name].as_str().expect("a text").to_owned()
    };
    warnings.iter().map(|it| format!("{}: {}", text(it, "code"), text(it, "message"))).collect()
}

#[test]
fn wrong_columns_are_told() {
    for (from, to, said) in [
        (
            "match: { email: mail }",
            "match: { email: other }",
            "unheard-consent: of 2 decisions in `log` none stands on an address or record of a customer",
        ),
        (
            "value: says",
            "value: mail",
            "unheard-consent: no value of `log` says yes or no: 2 are words that are not known",
        ),
        (
            "purpose: topic",
            "purpose: says",
            "unheard-consent: no row of `log` is about a purpose of the pipeline",
        ),
        (
            "id: id",
            "id: name",
            "over-linking: 2 of 3 records of `people` have the id of another one, and are one person \
             with it",
        ),
    ] {
        assert_eq!(warnings(from, to), [said], "{to}");
    }
}

#[test]
fn right_columns_are_not() {
    assert!(warnings("name: shop", "name: shop").is_empty());
    // Nothing was heard yet, and that is all.
    assert!(
        warnings("value: says", "value: says, words: { granted: [no], denied: [yes] }").is_empty()
    );
}

/// Under `opt_out` a no in a word that is not known would be heard by nobody.
#[test]
fn words_that_are_not_known_are_told_where_they_let_somebody_pass() {
    let said = |model: &str, cells: [&str; 3]| {
        let pipeline = PIPELINE.replace("model: opt_in", &format!("model: {model}"));
        let [a, b, c] = cells;
        let log =
            format!("mail,topic,says\na@x.com,news,{a}\nb@x.com,news,{b}\nc@x.com,news,{c}\n");
        warnings_of(&pipeline, &[("log.csv", &log)])
    };
    let one = "unheard-consent: 1 value of `log` is neither yes nor no";
    let two = "unheard-consent: 2 values of `log` are neither yes nor no";
    let all = "unheard-consent: no value of `log` says yes or no: 3 are words that are not known";
    assert_eq!(said("opt_out", ["yes", "nein", ""]), [one]);
    assert_eq!(said("opt_out", ["no", "nein", "bounced"]), [two]);
    assert_eq!(said("opt_out", ["nein", "nein", "ja"]), [all]);
    assert!(said("opt_out", ["yes", "no", ""]).is_empty());
    // Where somebody must have said yes, such a word lets nobody pass.
    assert!(said("opt_in", ["yes", "nein", "bounced"]).is_empty());
}

/// Each table and each list by itself: what the others say does not hide it.
#[test]
fn what_reaches_nobody_is_told_of_each_table_and_list() {
    const LEFT: &str = "mail,says\na@x.com,no\n";
    const LIST: &str = "mail\nc@x.com\n";
    let pipeline = PIPELINE
        .replace(
            "  - { name: log, path: log.csv }\n",
            "  - { name: log, path: log.csv }\n  - { name: left, path: left.csv }\n  \
             - { name: list, path: list.csv, allow_empty: true }\n",
        )
        .replace(
            "value: says }\n",
            "value: says }\n    - { source: left, match: { email: mail }, values: { news: says } }\n  \
             suppress:\n    - { source: list, match: { email: mail } }\n",
        );
    let told = |left: &str, list: &str| {
        warnings_of(&pipeline, &[("log.csv", LOG), ("left.csv", left), ("list.csv", list)])
    };
    assert!(told(LEFT, LIST).is_empty());
    // A list is looser than a grant, and a list without entries is none that could reach anybody.
    assert!(told("mail,says\na+tag@x.com,no\n", "mail\nc+tag@x.com\n").is_empty());
    assert!(told("mail,says\na@x.com,\n", "mail\n").is_empty());
    let of_table = "unheard-consent: of 1 decision in `left` none stands on an address or record of a customer";
    assert_eq!(told("mail,says\nz@x.com,no\n", LIST), [of_table]);
    let of_list = "unheard-consent: of 20 entries in the list `list` none is of a customer";
    let strangers = |count: usize| {
        (0..count).fold("mail\n".to_owned(), |list, n| list + &format!("stranger{n}@x.com\n"))
    };
    assert_eq!(told(LEFT, &strangers(20)), [of_list]);
    assert!(told(LEFT, &strangers(19)).is_empty(), "so few say nothing");

    // Who is listed by a digest has been erased, as a rule.
    let hashed = pipeline.replace(
        "- { source: list, match: { email: mail } }",
        "- { source: list, match: { email: { column: mail, hashed: sha256 } } }",
    );
    let list = format!("mail\n{}\n", "0a".repeat(32));
    let files = [("log.csv", LOG), ("left.csv", LEFT), ("list.csv", list.as_str())];
    assert!(warnings_of(&hashed, &files).is_empty());
}
