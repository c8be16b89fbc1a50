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

/// Codes and messages of the warnings of a run with one text of the pipeline replaced.
fn warnings(from: &str, to: &str) -> Vec<String> {
    assert!(PIPELINE.contains(from), "{from}");
    let folder = Folder::with(&[
        ("pipeline.yaml", &PIPELINE.replacen(from, to, 1)),
        ("people.csv", "id,mail,name\n1,a@x.com,Ann\n2,b@x.com,Ann\n3,c@x.com,Ann\n"),
        ("log.csv", "mail,topic,says,other\na@x.com,news,yes,q@x.com\nb@x.com,news,no,r@x.com\n"),
    ]);
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
            "unheard-consent: none of 2 decisions stands on an address of a customer",
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
