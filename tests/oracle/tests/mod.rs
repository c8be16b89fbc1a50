//! The oracle on cases small enough to work out by hand.
//!
//! An oracle that is only ever compared with an engine could be wrong with it. Each answer here was
//! found with pencil and paper from `docs/semantics.md`, or is published.

mod fold;
mod identity;
mod segments;

use std::collections::BTreeMap;

use super::{Answer, RawTable, answer};
use crate::cases::csv::{Look, read};
use crate::harness::load_plan;

/// The name by which the plan knows the identity table of an earlier run.
const EARLIER: &str = "identity.previous";

/// Answers a pipeline on CSV sources: `name` gives the text of `../data/name.csv`.
/// `replay` hides later denials too.
fn ask_again(yaml: &str, sources: &[(&str, &str)], replay: bool) -> Answer {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data).expect("the folder can be made");
    let mut declared = vec!["version: 1\nname: by_hand\nsources:\n".to_owned()];
    let mut tables: BTreeMap<String, RawTable> = BTreeMap::new();
    for (name, text) in sources {
        // A first line `#...` gives further keys of the source.
        let (keys, text) = match text.strip_prefix('#') {
            Some(rest) => rest.split_once('\n').expect("a line of keys"),
            None => ("", *text),
        };
        // What an earlier run wrote is no source: the pipeline names its path.
        if *name != EARLIER {
            declared.push(format!("  - {{ name: {name}, path: data/{name}.csv, {keys} }}\n"));
        }
        std::fs::write(data.join(format!("{name}.csv")), text).expect("the file can be written");
        tables.insert((*name).to_owned(), read(text, &Look::default()));
    }
    let file = folder.path().join("case.yaml");
    std::fs::write(&file, format!("{}{yaml}", declared.concat())).expect("the file can be written");
    let mut plan = load_plan(&file);
    let as_of = plan.as_of.as_mut().expect("these cases give as_of");
    as_of.replay = replay;
    let as_of = as_of.at;
    answer(&plan, &tables, as_of)
}

fn ask(yaml: &str, sources: &[(&str, &str)]) -> Answer {
    ask_again(yaml, sources, false)
}

/// Customers `contacts` with an id and a mail, and one opt-in purpose `p` via mail.
const ONE_PURPOSE: &str = "
as_of: 2026-11-24T00:00:00Z
keys: [{ field: email, normalize: email }]
customers: [{ source: contacts, id: id, fields: { email: mail } }]
segments: [{ name: s, consent: [p] }]
";

/// The state of each profile for the first purpose, by the mail it shows.
fn states(answer: &Answer) -> BTreeMap<String, &'static str> {
    let of = |profile: &super::OracleProfile| {
        (profile.fields[0].clone().unwrap_or_default(), profile.consent[0])
    };
    answer.profiles.iter().map(of).collect()
}

/// Who is in a segment, by mail.
fn members(answer: &Answer, segment: &str) -> Vec<String> {
    let (_, ids) = answer.members.iter().find(|(name, _)| name == segment).expect("the segment");
    let mail = |id: &String| {
        let profile = answer.profiles.iter().find(|profile| profile.customer_id == *id);
        profile.expect("a member is a profile").fields[0].clone().unwrap_or_default()
    };
    ids.iter().map(mail).collect()
}

const HOLLY_AND_FRANK: &str = "
as_of: 2026-11-24T00:00:00Z
keys: [{ field: email, normalize: email }]
customers: [{ source: contacts, id: ContactId, fields: { email: Email } }]
segments:
  - { name: newsletter, consent: [newsletter] }
  - { name: product_update, consent: [product_update] }
consent:
  purposes:
    - { name: newsletter, via: email, model: opt_in }
    - { name: product_update, via: email, model: opt_in }
  tables:
";

#[test]
fn the_published_example_with_one_table_and_with_two() {
    let contacts = ("contacts", "ContactId,Email\nC1,Holly@Contoso.com\nC2,frank@contoso.com\n");
    let one = ask(
        &format!(
            "{HOLLY_AND_FRANK}    - source: consent\n      match: {{ email: Email }}\n      \
             values: {{ newsletter: News, product_update: Product }}\n"
        ),
        &[
            contacts,
            (
                "consent",
                "Email,News,Product\nholly@contoso.com,True,True\nfrank@contoso.com,True,False\n",
            ),
        ],
    );
    let two = ask(
        &format!(
            "{HOLLY_AND_FRANK}    - {{ source: news, match: {{ email: Email }}, \
             values: {{ newsletter: News }} }}\n    - {{ source: product, match: {{ email: Email }}, \
             values: {{ product_update: Product }} }}\n"
        ),
        &[
            contacts,
            ("news", "Email,News\nholly@contoso.com,True\nfrank@contoso.com,True\n"),
            ("product", "Email,Product\nholly@contoso.com,True\nfrank@contoso.com,False\n"),
        ],
    );
    for answer in [one, two] {
        let mut newsletter = members(&answer, "newsletter");
        newsletter.sort();
        assert_eq!(newsletter, ["Holly@Contoso.com", "frank@contoso.com"]);
        assert_eq!(members(&answer, "product_update"), ["Holly@Contoso.com"]);
    }
}

#[test]
fn the_published_four_rows_make_two_customers() {
    let answer = ask(
        "
as_of: 2026-11-24
keys: [{ field: email, normalize: email }, { field: phone, normalize: phone }]
customers: [{ source: contacts, id: id, fields: { email: mail, phone: tel, name: name } }]
identity: { link_on: [[name, phone], [name, email]] }
",
        &[(
            "contacts",
            "id,name,tel,mail\n1,Person 1,+493012345678,x@x.de\n2,Person 1,+493012345678,y@x.de\n\
             3,Person 1,+493087654321,y@x.de\n4,Person 2,+493012345678,z@x.de\n",
        )],
    );
    let of = |id: &str| &answer.identity[&("contacts".to_owned(), id.to_owned())];
    assert_eq!(of("1"), of("2"));
    assert_eq!(of("1"), of("3"));
    assert_ne!(of("1"), of("4"));
    assert_eq!(answer.profiles.len(), 2);
    assert_eq!(answer.customer_accounts[0]["kept"], 2);
    assert_eq!(answer.customer_accounts[0]["merged"], 2);
}

#[test]
fn a_customer_id_is_the_head_of_a_sha_256() {
    let answer = ask(ONE_PURPOSE_ALONE, &[("contacts", "id,mail\nA1,a@x.de\n")]);
    // printf 'contacts\x1fA1' | sha256sum
    assert_eq!(answer.profiles[0].customer_id, "a2c23f1fc3ee4b28029bc3b0b49ab363");
}

const ONE_PURPOSE_ALONE: &str = "
as_of: 2026-11-24T00:00:00Z
keys: [{ field: email, normalize: email, never: [Noreply@x.de] }]
customers: [{ source: contacts, id: id, fields: { email: mail } }]
identity: { link_on: [[email]] }
";

/// One purpose, phone beside mail, records linked by mail, a consent table in long form.
fn people(settings: &str, contacts: &str, decisions: &str) -> Answer {
    let yaml = format!(
        "
as_of: 2026-11-24T00:00:00Z
keys: [{{ field: email, normalize: email }}, {{ field: phone, normalize: phone }}]
customers: [{{ source: contacts, id: id, fields: {{ email: mail, phone: tel, name: name }} }}]
identity: {{ link_on: [[name]] }}
consent:
  purposes: [{{ name: p, via: email, model: opt_in }}]
  tables:
    - source: t
      match: {{ email: mail, phone: tel, record: {{ contacts: of }} }}
      purpose: purpose
      value: value
      unmatchable: report
{settings}
segments: [{{ name: s, consent: [p] }}]
exports: [{{ segment: s, path: out.csv, columns: [customer_id, email] }}]
"
    );
    let contacts = format!("id,name,mail,tel\n{contacts}");
    let decisions = format!("mail,tel,of,purpose,value\n{decisions}");
    ask(&yaml, &[("contacts", &contacts), ("t", &decisions)])
}

#[test]
fn a_denial_reaches_looser_addresses_and_a_grant_does_not() {
    let state = |mail: &str, row: &str| {
        let answer = people("", &format!("1,A,{mail},030 12345678\n"), row);
        states(&answer)[mail]
    };
    assert_eq!(state("a.b@gmail.com", "ab+x@googlemail.com,,,p,yes\n"), "unknown");
    let both = "a.b@gmail.com,,,p,yes\nab+x@googlemail.com,,,p,no\n";
    assert_eq!(state("a.b@gmail.com", both), "denied");
    assert_eq!(state("a.b@x.de", "a.b@x.de,,,p,yes\nab@x.de,,,p,no\n"), "granted");
    // The number of the record has no country code, so any country's national number denies.
    let by_phone = "a@x.de,,,p,yes\n,+49 30 12345678,,p,no\n";
    assert_eq!(state("a@x.de", by_phone), "denied");
    assert_eq!(state("a@x.de", "a@x.de,,,p,yes\n,+49 40 12345678,,p,no\n"), "granted");
}

#[test]
fn a_denial_elsewhere_denies_the_person_unless_it_shall_not() {
    let contacts = "1,A,a@x.de,+493012345678\n2,A,old@x.de,\n";
    // 2 is the greater id, but 1 has more fields, so the profile shows a@x.de.
    let decisions = "a@x.de,,,p,yes\nold@x.de,,,p,no\n";
    let state =
        |settings: &str, decisions: &str| states(&people(settings, contacts, decisions))["a@x.de"];
    let narrow = "  denial: contact_point";
    assert_eq!(state("", decisions), "denied");
    assert_eq!(state(narrow, decisions), "granted");
    // What stands on a record of the cluster is the person's own either way.
    assert_eq!(state(narrow, "a@x.de,,,p,yes\n,,2,p,no\n"), "denied");
    assert_eq!(state("", ",,2,p,yes\n"), "granted");
    // A grant on an address that is not shown grants nothing.
    assert_eq!(state("", "old@x.de,,,p,yes\n"), "unknown");
}

#[test]
fn who_shares_a_denied_address_is_denied_and_it_leaves_once() {
    let contacts = "1,A,a@x.de,\n2,B,A@X.de,\n3,C,c@x.de,\n";
    let answer = people("", contacts, "a@x.de,,,p,yes\nc@x.de,,,p,yes\n");
    assert_eq!(answer.members[0].1.len(), 3);
    assert_eq!(answer.exports[0].len(), 2, "1 and 2 show one address");
    // A denial on the record of 2 alone.
    let answer = people("", contacts, "a@x.de,,,p,yes\nc@x.de,,,p,yes\n,,2,p,no\n");
    assert_eq!(answer.verdicts[0].1["denied"], 2);
    assert_eq!(members(&answer, "s"), ["c@x.de"]);
}

#[test]
fn a_record_without_an_id_only_casts_a_shadow() {
    // The row without an id agrees with 1 and 2 by name, which stay two customers only if their
    // names differ; here they are one already, and a third stands apart.
    let contacts = "1,A,a@x.de,\n,A,shadow@x.de,\n3,C,c@x.de,\n ,D,d@x.de,\n";
    let answer = people("", contacts, "a@x.de,,,p,yes\nc@x.de,,,p,yes\nshadow@x.de,,,p,no\n");
    assert_eq!(answer.profiles.len(), 2);
    assert_eq!(states(&answer)["a@x.de"], "denied");
    assert_eq!(states(&answer)["c@x.de"], "granted");
    assert_eq!(answer.quarantine[&("contacts".to_owned(), "no id")], 2);
}

#[test]
fn shadows_bring_no_clusters_together() {
    let yaml = ONE_PURPOSE_ALONE.replace("{ email: mail }", "{ email: mail, name: name }");
    let yaml = yaml.replace("[[email]]", "[[email], [name]]");
    let contacts = "id,mail,name\n1,a@x.de,A\n,a@x.de,B\n2,b@x.de,B\n";
    assert_eq!(ask(&yaml, &[("contacts", contacts)]).profiles.len(), 2);
    let with_id = contacts.replace("\n,a", "\n3,a");
    assert_eq!(ask(&yaml, &[("contacts", &with_id)]).profiles.len(), 1);
}

#[test]
fn what_stands_in_never_links_nobody_and_denies_all_the_same() {
    let contacts = "id,mail\n1,noreply@x.de\n2,NoReply@x.de\n3,a@x.de\n4,A@x.de\n5,\n6,\n";
    let answer = ask(ONE_PURPOSE_ALONE, &[("contacts", contacts)]);
    assert_eq!(answer.profiles.len(), 5);
}

#[test]
fn of_equal_ids_the_best_stays() {
    let contacts = "1,A,,\n1,A,a@x.de,+493012345678\n1,A,b@x.de,\n 1,A,blank@x.de,\n";
    let answer = people("", contacts, "a@x.de,,,p,yes\n");
    // ` 1` is another id; it is linked by the name.
    assert_eq!(answer.quarantine[&("contacts".to_owned(), "duplicate id")], 2);
    assert_eq!(answer.profiles.len(), 1);
    assert_eq!(answer.profiles[0].fields[0].as_deref(), Some("a@x.de"));
    let account = &answer.customer_accounts[0];
    assert_eq!((account["read"], account["kept"], account["merged"]), (4, 1, 1));
    assert_eq!(account["duplicate id"], 2);
    // The duplicate gives no value, but a denial on its address denies.
    let answer = people("", contacts, "a@x.de,,,p,yes\nb@x.de,,,p,no\n");
    assert_eq!(states(&answer)["a@x.de"], "denied");
}

#[test]
fn rows_that_match_nobody_are_counted() {
    let decisions = "n/a,,,p,no\nn/a,-,,p,no\n,,,p,no\nn/a,,1,p,yes\na@x.de,n/a,,p,yes\n\
                     a@x.de,,,P ,yes\n,,,q,no\na@x.de,,,,no\na@x.de,,,p,\n";
    let answer = people("", "1,A,a@x.de,\n", decisions);
    let account = &answer.consent_accounts[0];
    // 1: one mail cell; 2: two cells; 3: none filled; 5: the phone cell. Row 4 names a record.
    assert_eq!(account["unmatchable"], 5);
    assert_eq!(answer.unmatchable_denials, 4);
    assert_eq!(account["used"], 2, "the record 1 and a@x.de");
    assert_eq!(account["folded"], 1, "a@x.de twice");
    assert_eq!(account["other_purpose"], 2);
    assert_eq!(account["no_decision"], 1);
    assert_eq!(account["read"], 11);
    assert_eq!(states(&answer)["a@x.de"], "granted");
}

#[test]
fn consent_in_a_customer_table_is_its_records_too() {
    let yaml = "
as_of: 2026-11-24T00:00:00Z
keys: [{ field: email, normalize: email }]
customers: [{ source: contacts, id: id, fields: { email: mail } }]
consent:
  purposes: [{ name: p, via: email, model: opt_out }]
  tables: [{ source: contacts, match: { email: mail }, values: { p: ok }, unmatchable: report }]
";
    let contacts = "id,mail,ok\n1,a@x.de,yes\n2,n/a,no\n3,,yes\n,,no\n4,A@x.de,no\n";
    let answer = ask(yaml, &[("contacts", contacts)]);
    let of = |id: &str| {
        let customer = &answer.identity[&("contacts".to_owned(), id.to_owned())];
        let profile = answer.profiles.iter().find(|p| p.customer_id == *customer);
        profile.expect("a profile").consent[0]
    };
    assert_eq!(of("1"), "denied", "4 denies the address that 1 shows");
    assert_eq!(of("2"), "denied", "its mail is none, its record denies");
    assert_eq!(of("3"), "no_contact_point");
    let account = &answer.consent_accounts[0];
    assert_eq!((account["used"], account["folded"], account["unmatchable"]), (3, 1, 1));
}

#[test]
fn survivors_come_from_the_best_record_that_has_a_usable_value() {
    let answer = |keep: &str| {
        let yaml = format!(
            "
as_of: 2026-11-24T00:00:00Z
keys: [{{ field: email, normalize: email }}]
customers:
  - {{ source: one, id: id, fields: {{ name: name, email: mail, at: at }} }}
  - {{ source: two, id: id, fields: {{ name: name, email: mail, city: city, at: at }} }}
identity: {{ link_on: [[name]] }}
profile: {{ keep: {keep} }}
"
        );
        let typed = "#types: { at: datetime }\n";
        let answer = ask(
            &yaml,
            &[
                ("one", &format!("{typed}id,name,mail,at\n1,A,n/a,2026-01-01\n9,A,,\n")),
                (
                    "two",
                    &format!(
                        "{typed}id,name,mail,city,at\n1, A ,one@x.de,Bonn,\n2,A,two@x.de,,2025-01-01\n"
                    ),
                ),
            ],
        );
        assert_eq!(answer.profiles.len(), 1);
        answer.profiles[0]
            .fields
            .iter()
            .map(|cell| cell.clone().unwrap_or_default())
            .collect::<Vec<_>>()
    };
    let shown = |name: &str, mail: &str, at: &str| -> Vec<String> {
        [name, mail, at, "Bonn"].map(str::to_owned).to_vec()
    };
    // Two usable fields in one/1 (its mail is none), one in one/9, three in both of two, of which
    // the greater id comes first.
    assert_eq!(answer("most_filled"), shown("A", "two@x.de", "2025-01-01"));
    assert_eq!(answer("{ most_recent: at }"), shown("A", "two@x.de", "2026-01-01"));
    assert_eq!(answer("{ least_recent: at }"), shown("A", "two@x.de", "2025-01-01"));
}
