//! `optin forget`: who is looked for is found wherever he stands, nobody else is, and after the rows
//! are gone and the list of digests is read he stands nowhere any more.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use crate::support::{Folder, optin, root};

const CONTOSO: &str = "pipelines/contoso.yaml";

const PIPELINE: &str = r"version: 1
name: p
out: out
sources:
  - { name: shop, path: shop.csv }
  - { name: app, path: app.csv }
  - { name: consent, path: consent.csv }
  - { name: bounces, path: bounces.csv }
  - { name: pairs, path: pairs.csv }
  - { name: notes, path: notes.csv }
keys:
  - { field: mail, normalize: email }
  - { field: tel, normalize: { phone: { region: DE } } }
customers:
  - { source: shop, id: id, fields: { mail: mail, tel: tel, card: card } }
  - { source: app, id: id, fields: { mail: address, card: card } }
identity:
  link_on: [[card]]
  never: [{ source: pairs, table1: t1, key1: k1, table2: t2, key2: k2 }]
consent:
  purposes: [{ name: news, via: mail, model: opt_in }]
  tables: [{ source: consent, match: { mail: mail, tel: tel }, values: { news: news } }]
  suppress:
    - { source: bounces, match: { mail: mail } }
segments: [{ name: news, consent: news }]
outputs: { profiles: out/profiles.csv, identity: out/identity.parquet, segments: out/segments.csv }
exports: [{ segment: news, path: out/news.csv, columns: [mail] }]
";

fn shop() -> Folder {
    Folder::with(&[
        ("p.yaml", PIPELINE),
        (
            "shop.csv",
            "id,mail,tel,card\n1,Ann@x.de,030 1234567,c1\n2,bob@x.de,,c2\n3,ann@x.de,,c3\n",
        ),
        ("app.csv", "id,address,card\na,ann.old@x.de,c1\nb,bob.old@x.de,c2\n"),
        (
            "consent.csv",
            "mail,tel,news\nann@x.de,,yes\nbob@x.de,,yes\n,+49 30 1234567,\nann+tag@x.de,,maybe\n",
        ),
        ("bounces.csv", "mail\nzoe@x.de\nann.old@x.de\n"),
        ("pairs.csv", "t1,k1,t2,k2\nshop,1,shop,3\nshop,2,shop,3\n"),
        ("notes.csv", "note\nann@x.de\n"),
    ])
}

fn list(of: &Json) -> &[Json] {
    of.as_array().map_or(&[], Vec::as_slice)
}

fn rows(of: &Json) -> Vec<String> {
    let row = |of: &Json| {
        let place = &of["place"];
        format!(
            "{} {} {}",
            place["source"].as_str().unwrap_or_default(),
            place["row"],
            of["found_by"].as_str().unwrap_or_default()
        )
    };
    list(of).iter().map(row).collect()
}

fn sha(text: &str) -> String {
    optin::plan::hex(&Sha256::digest(text.as_bytes()))
}

#[test]
fn a_person_is_found_wherever_he_stands() {
    let folder = shop();
    folder.optin(&["run", "p.yaml", "--quiet"]).done();
    let before = folder.files();
    let asked = ["forget", "p.yaml", "--customer", "shop=1", "--json"];
    let answer = folder.optin(&asked).done().json();
    assert_eq!(
        rows(&answer["delete"]),
        [
            "shop 1 record",
            "app 1 record",
            "consent 1 equal",
            "consent 3 equal",
            "consent 4 looser",
            "pairs 1 equal"
        ]
    );
    assert_eq!(rows(&answer["suppressed_by"]), ["bounces 2 equal"]);
    assert_eq!(rows(&answer["shared_with"]), ["shop 3 equal"]);
    assert_eq!(answer["not_searched"], serde_json::json!(["notes"]));
    assert_eq!(list(&answer["delete"][2]["columns"])[0], "mail");
    let id = answer["customer_id"].as_str().expect("a customer");
    let profiles = folder.read("out/profiles.csv");
    let at = profiles.lines().position(|line| line.contains(id)).expect("his profile") as u64;
    let written = list(&answer["written"]);
    let of = |name: &str| {
        let file = written.iter().find(|of| of["name"] == name);
        file.map(|of| of["rows"].clone()).unwrap_or_default()
    };
    // The other customer shows his address, so that his row holds it, too.
    let mut due: Vec<u64> = profiles
        .lines()
        .enumerate()
        .filter(|(_, line)| line.to_lowercase().contains("ann@x.de"))
        .map(|(at, _)| at as u64)
        .collect();
    assert!(due.contains(&at) && due.len() == 2);
    due.sort_unstable();
    assert_eq!(of("profiles"), serde_json::json!(due));
    assert_eq!(of("segments"), serde_json::json!([at]));
    assert_eq!(list(&of("identity")).len(), 2);
    // The bounce of his old address keeps him out.
    assert!(of("news").is_null());
    assert_eq!(folder.files(), before, "nothing is written");
    let text = folder.optin(&asked[..4]).done().stdout;
    assert!(!text.contains("ann.old") && text.contains("optin edits no source"), "{text}");
}

#[test]
fn who_has_no_record_is_found_by_decisions_and_who_is_nowhere_is_refused() {
    let folder = shop();
    let ask = |who: &str| folder.optin(&["forget", "p.yaml", "--customer", who, "--json"]);
    let answer = ask("mail=Zoe@x.de").done().json();
    assert_eq!(rows(&answer["suppressed_by"]), ["bounces 1 equal"]);
    assert!(answer["customer_id"].is_null());
    for who in ["mail=nobody@x.de", "mail=ann@x.de"] {
        let refused = ask(who);
        assert_eq!(refused.code, 1, "{who}");
        assert_eq!(refused.json()["faults"][0]["code"], "not-one-person", "{who}");
    }
    assert_eq!(ask("nothing=1").code, 2);
}

#[test]
fn an_entry_holds_digests_only_and_keeps_the_person_out() {
    let folder = shop();
    let enter = |who: &str| {
        let args = ["forget", "p.yaml", "--customer", who, "--suppress", "erased.csv", "--json"];
        folder.optin(&args).done().json()["entry"].clone()
    };
    let entry = enter("app=b");
    assert_eq!((entry["added"].as_u64(), entry["is_read"].as_bool()), (Some(2), Some(false)));
    let mut lines = [format!("{},", sha("bob.old@x.de")), format!("{},", sha("bob@x.de"))];
    lines.sort();
    assert_eq!(
        folder.read("erased.csv"),
        format!("mail_sha256,tel_sha256\n{}\n", lines.join("\n"))
    );
    let file = folder.at("erased.csv");
    let mode = |expected: u32| {
        let mode = fs::metadata(&file).expect("the list").permissions().mode();
        assert_eq!(mode & 0o777, expected);
    };
    mode(0o600);
    // Again: nothing is added. Another one: behind the first.
    let bytes = folder.read("erased.csv");
    assert_eq!(enter("app=b")["there"], 2);
    assert_eq!(folder.read("erased.csv"), bytes);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("it may be read");
    assert_eq!(enter("shop=1")["added"], 4, "two mails; the number's key and its looser form");
    assert!(folder.read("erased.csv").starts_with(&bytes));
    assert!(!folder.read("erased.csv").contains('@'));
    mode(0o640);
    // The pipeline reads it: who is in it is out, and the list may be added to.
    folder.write("bounces.csv", "mail\nzoe@x.de\n");
    let pipeline = folder.read("p.yaml");
    let pipeline = pipeline.replace(
        "    - { source: bounces,",
        "    - { source: erased, match: { mail: { column: mail_sha256, hashed: sha256 }, tel: { column: tel_sha256, hashed: sha256 } } }\n    - { source: bounces,",
    );
    let pipeline = pipeline
        .replace("  - { name: notes", "  - { name: erased, path: erased.csv }\n  - { name: notes");
    folder.write("p.yaml", pipeline);
    folder.optin(&["run", "p.yaml", "--quiet"]).done();
    assert_eq!(folder.read("out/news.csv"), "mail\n");
    let why = ["why", "p.yaml", "--customer", "shop=2", "--json"];
    let why = folder.optin(&why).done().json();
    assert_eq!(why["customer"]["segments"][0]["verdict"], "suppressed");
    assert_eq!(why["customer"]["suppressed_by"][0]["place"]["source"], "erased");
    assert_eq!(enter("shop=2")["is_read"], true);
    let sql = folder.optin(&["compile", "p.yaml", "--dialect", "duckdb", "--json"]);
    assert!(sql.stdout.contains("sql-unsupported"), "{}", sql.stdout);
    let explained = folder.optin(&["explain", "p.yaml"]).done().stdout;
    assert!(explained.contains("mail by SHA-256 digests"), "{explained}");
}

#[test]
fn a_list_of_another_shape_is_refused_and_stays() {
    let folder = shop();
    let enter = |list: &str| {
        let args = ["forget", "p.yaml", "--customer", "app=b", "--suppress", list, "--json"];
        let run = folder.optin(&args);
        assert_eq!(run.code, 1, "{list}: {}", run.stdout);
        run.json()["faults"][0]["code"].as_str().expect("a code").to_owned()
    };
    for text in [
        "",
        "mail_sha256\n",
        "tel_sha256,mail_sha256\n",
        "mail_sha256,tel_sha256\nbob@x.de,\n",
        "mail_sha256,tel_sha256\n,,\n",
        "\u{feff}mail_sha256,tel_sha256\n",
    ] {
        folder.write("erased.csv", text);
        assert_eq!(enter("erased.csv"), "suppression-file", "{text}");
        assert_eq!(folder.read("erased.csv"), text);
    }
    for input in ["p.yaml", "shop.csv", "bounces.csv", "out/news.csv"] {
        folder.write("out/news.csv", "");
        let before = folder.read(input);
        assert_eq!(enter(input), "output-path", "{input}");
        assert_eq!(folder.read(input), before);
    }
}

/// A list is CSV, whatever its name says: so its name says so.
#[test]
fn a_list_has_the_name_of_its_format() {
    let folder = shop();
    for name in ["erased.parquet", "erased.csv.gz", "erased"] {
        let asked = ["forget", "p.yaml", "--customer", "shop=1", "--suppress", name, "--json"];
        let refused = folder.optin(&asked);
        assert_eq!(refused.code, 1, "{name}");
        assert_eq!(refused.json()["faults"][0]["code"], "output-path", "{name}");
        assert!(!folder.at(name).exists(), "{name}");
    }
}

#[test]
fn people_of_contoso_are_found_with_all_their_records() {
    for asked in ["shop=C000002", "app=u-8ae5922ebb", "email=neumann.sophie_44@gmail.com"] {
        let answer = ["forget", CONTOSO, "--customer", asked, "--json"];
        let answer = optin(root(), &answer).done().json();
        let why = ["why", CONTOSO, "--customer", asked, "--json"];
        let why = optin(root(), &why).done().json();
        let place = |of: &Json| format!("{} {}", of["place"]["source"], of["place"]["row"]);
        let found: Vec<String> = ["delete", "suppressed_by", "shared_with"]
            .iter()
            .flat_map(|part| list(&answer[part]).iter().map(place))
            .collect();
        let person = &why["customer"];
        let records = list(&person["records"]).iter().map(place);
        let purposes = list(&person["purposes"]).iter();
        let contacts = purposes.flat_map(|purpose| list(&purpose["contacts"]));
        let heard = contacts.flat_map(|contact| list(&contact["decisions"])).map(place);
        let listed = list(&person["suppressed_by"]).iter().map(place);
        let due: Vec<String> = records.chain(heard).chain(listed).collect();
        assert!(due.len() > 1, "{asked}");
        let missed: Vec<&String> = due.iter().filter(|of| !found.contains(of)).collect();
        assert!(missed.is_empty(), "{asked}: {missed:?} are not found");
    }
}

/// The example: he who is on the list of digests is out.
#[test]
fn the_example_keeps_frank_out() {
    let folder = Folder::new();
    let out = folder.at("out");
    let out = out.to_str().expect("a path");
    optin(root(), &["run", "pipelines/erasure.yaml", "--quiet", "--out", out]).done();
    let files = folder.files();
    let csv = files.iter().find(|name| name.ends_with("newsletter.csv")).expect("the export");
    let csv = folder.read(csv);
    let mails: Vec<&str> = csv.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
    assert_eq!(mails, ["holly@contoso.com"]);
    let list = fs::read_to_string(root().join("data/erasure/erased.csv")).expect("the list");
    assert!(list.contains(&sha("frank@contoso.com")), "{list}");
}
