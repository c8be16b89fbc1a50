//! `optin receipt`: of the people of contoso, held against what `optin why` says of them.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value as Json;

use crate::support::{Folder, Run, optin, root};

const CONTOSO: &str = "pipelines/contoso.yaml";

fn ask(customer: &str, others: &[&str]) -> Run {
    let mut args = vec!["receipt", CONTOSO, "--customer", customer];
    args.extend(others);
    optin(root(), &args)
}

fn list(of: &Json) -> &[Json] {
    of.as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn a_receipt_says_what_why_says() {
    for asked in [
        "shop=C000002",
        "email=oeztuerk.felix@example.org",
        "email=neumann.sophie_44@gmail.com",
        "email=ursula.becker_58@gmail.com",
        "email=soeren_schuster@example.net",
        "email=m.schwarz@example.com",
    ] {
        let receipt = ask(asked, &[]).done().json();
        let why = ["why", CONTOSO, "--customer", asked, "--json"];
        let why = optin(root(), &why).done().json();
        let person = &why["customer"];
        let header = &receipt["header"];
        if person["customer_id"].is_null() {
            assert_eq!(header["pii_principal_id_is"], "contact_points", "{asked}");
        } else {
            assert_eq!(header["pii_principal_id"], person["customer_id"], "{asked}");
        }
        assert_eq!(header["as_of"], why["as_of"]);
        let purposes = list(&receipt["processing"]["purposes"]);
        assert_eq!(purposes.len(), list(&person["purposes"]).len(), "{asked}");
        for (mine, theirs) in purposes.iter().zip(list(&person["purposes"])) {
            assert_eq!(mine["purpose"], theirs["purpose"], "{asked}");
            assert_eq!(mine["state"], theirs["state"], "{asked}");
        }
        // Each row that was heard is an event, and no event is of another row.
        let mut rows: Vec<(String, u64, String)> = Vec::new();
        for purpose in list(&person["purposes"]) {
            for heard in list(&purpose["contacts"]).iter().flat_map(|of| list(&of["decisions"])) {
                let said = match heard["says"].as_str().expect("a word") {
                    "granted" => "given",
                    "denied" => "withdrawn",
                    other => other,
                };
                rows.push((
                    heard["place"]["source"].to_string(),
                    heard["place"]["row"].as_u64().expect("a row"),
                    said.to_owned(),
                ));
            }
        }
        for heard in list(&person["suppressed_by"]) {
            rows.push((
                heard["place"]["source"].to_string(),
                heard["place"]["row"].as_u64().expect("a row"),
                "suppressed".to_owned(),
            ));
        }
        let events = list(&receipt["events"]).iter().filter(|of| of["event_state"] != "expired");
        let mut events: Vec<(String, u64, String)> = events
            .map(|of| {
                let state = of["event_state"].as_str().expect("a state").to_owned();
                (
                    of["source"]["source"].to_string(),
                    of["source"]["record"].as_u64().expect("a record"),
                    state,
                )
            })
            .collect();
        for all in [&mut rows, &mut events] {
            all.sort();
            all.dedup();
        }
        assert!(!rows.is_empty(), "{asked} has no decision to tell of");
        assert_eq!(events, rows, "{asked}");
    }
}

#[test]
fn states_and_events_are_those_of_the_data() {
    let expired = ask("email=ursula.becker_58@gmail.com", &[]).done().json();
    let states: Vec<&str> =
        list(&expired["events"]).iter().filter_map(|of| of["event_state"].as_str()).collect();
    assert!(states.contains(&"given") && states.contains(&"expired"), "{states:?}");
    let listed = ask("email=neumann.sophie_44@gmail.com", &[]).done().json();
    assert_eq!(listed["processing"]["suppressed"], true);
    let denied = ask("email=oeztuerk.felix@example.org", &[]).done().json();
    let purpose = &denied["processing"]["purposes"][0];
    assert_eq!(purpose["purpose"], "newsletter");
    assert_eq!(purpose["state"], "denied");
    assert_eq!(purpose["lawful_basis"], "consent");
    assert!(purpose["consent_type"].is_null() && purpose["valid_until"].is_null(), "{purpose}");
    assert!(list(&denied["parties"]).is_empty());
    assert!(!list(&denied["not_recorded"]).is_empty());
}

#[test]
fn the_same_date_gives_the_same_bytes_and_another_date_another_receipt() {
    let asked = "email=oeztuerk.felix@example.org";
    let one = ask(asked, &[]).done().stdout;
    assert_eq!(one, ask(asked, &[]).done().stdout);
    let (one, other) =
        (ask(asked, &[]).done().json(), ask(asked, &["--as-of", "2026-11-30"]).done().json());
    let id = |of: &Json, name: &str| of["header"][name].as_str().expect("an id").to_owned();
    assert_eq!(id(&one, "record_id"), id(&other, "record_id"));
    assert_ne!(id(&one, "receipt_id"), id(&other, "receipt_id"));
    assert_eq!(id(&one, "receipt_id").len(), 64);
}

#[test]
fn a_file_is_its_owners_and_never_an_input() {
    let folder = Folder::new();
    let file = folder.at("receipt.json");
    let path = file.to_str().expect("a path");
    let asked = "shop=C000002";
    ask(asked, &["--output", path]).done();
    assert_eq!(folder.read("receipt.json"), ask(asked, &[]).done().stdout);
    let mode = std::fs::metadata(&file).expect("the receipt").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let csv = folder.at("receipt.csv");
    let refused = ask(asked, &["--output", csv.to_str().expect("a path"), "--json"]);
    assert_eq!(
        (refused.code, refused.json()["faults"][0]["code"].as_str()),
        (1, Some("output-path"))
    );
    // Under another name, too.
    let folder = Folder::with(&[
        (
            "p.yaml",
            "version: 1\nname: p\nout: out\nsources:\n  - { name: s, path: s.json, format: ndjson }\ncustomers:\n  - { source: s, id: id, fields: { name: name } }\n",
        ),
        ("s.json", "{\"id\":\"1\",\"name\":\"n\"}\n"),
    ]);
    std::fs::hard_link(folder.at("s.json"), folder.at("t.json")).expect("a second name");
    let args = ["receipt", "p.yaml", "--customer", "s=1", "--output", "t.json", "--json"];
    let refused = folder.optin(&args);
    assert_eq!(
        (refused.code, refused.json()["faults"][0]["code"].as_str()),
        (1, Some("output-path"))
    );
    assert_eq!(folder.read("s.json"), "{\"id\":\"1\",\"name\":\"n\"}\n");
}

#[test]
fn nobody_and_several_have_no_receipt() {
    for asked in ["email=nobody@example.com", "phone=+49 89 99998890"] {
        let refused = ask(asked, &["--json"]);
        let code = refused.json()["faults"][0]["code"].clone();
        assert_eq!((refused.code, code.as_str()), (1, Some("not-one-person")), "{asked}");
    }
    assert_eq!(ask("nothing=1", &[]).code, 2);
}
