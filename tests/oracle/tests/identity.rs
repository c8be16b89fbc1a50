//! Links, exceptions, what is set aside, earlier customers, survivorship and groupings (sections 3
//! and 4), by hand.

use std::collections::BTreeMap;

use super::{EARLIER, ask, states};
use crate::oracle::links::similarity;
use crate::oracle::{Answer, customer_id};

/// Customers of two tables, `a` before `b`; `more` are the keys that follow.
fn two_tables(more: &str, a: &str, b: &str, others: &[(&str, &str)]) -> Answer {
    let yaml = format!(
        "
as_of: 2026-11-24T00:00:00Z
keys: [{{ field: email, normalize: email }}]
customers:
  - {{ source: a, id: id, fields: {{ email: mail, name: name, born: born, zip: zip }} }}
  - {{ source: b, id: id, fields: {{ email: mail, name: name, born: born, zip: zip }}%b }}
{more}"
    );
    let yaml = yaml.replace("%b", if more.contains("#drop") { ", unmatched: drop" } else { "" });
    let table = |rows: &str| format!("id,mail,name,born,zip\n{rows}");
    let (a, b) = (table(a), table(b));
    let mut sources = vec![("a", a.as_str()), ("b", b.as_str())];
    sources.extend(others);
    ask(&yaml, &sources)
}

/// The ids of each customer's records, as `a1 b2`; customers in the order of their first record.
fn clusters(answer: &Answer) -> Vec<String> {
    let mut clusters: BTreeMap<&String, Vec<String>> = BTreeMap::new();
    for ((source, id), customer) in &answer.identity {
        clusters.entry(customer).or_default().push(format!("{source}{id}"));
    }
    let mut clusters: Vec<String> = clusters.into_values().map(|ids| ids.join(" ")).collect();
    clusters.sort();
    clusters
}

fn rule(answer: &Answer, source: &str, id: &str) -> Option<String> {
    answer.rules[&(source.to_owned(), id.to_owned())].clone()
}

#[test]
fn similarity_counts_letters_of_the_longer_text() {
    for (a, b, wanted) in [
        ("meyer", "meyer", 1.0),
        ("meyer", "meier", 0.8),
        ("anna", "anne", 0.75),
        ("lee", "lea", 2.0 / 3.0),
        ("lee", "le", 2.0 / 3.0),
        ("li", "lo", 0.5),
        ("kitten", "sitting", 4.0 / 7.0),
        ("müller", "muller", 5.0 / 6.0),
        ("ab", "ba", 0.0),
        ("a", "xyz", 0.0),
    ] {
        assert!((similarity(a, b) - wanted).abs() < f64::EPSILON, "{a} {b}");
        assert!((similarity(b, a) - wanted).abs() < f64::EPSILON, "{b} {a}");
    }
}

#[test]
fn a_similarity_links_at_its_threshold_and_within_its_block() {
    let ask = |threshold: &str| {
        let rule = format!("[zip, {{ field: name, similarity: {threshold} }}]");
        let a = "1,,Meyer,,10115\n2,,Meier,,10115\n3,,Meier,,80331\n4,,Mayer,,10115\n";
        two_tables(&format!("identity: {{ link_on: [{rule}] }}\n"), a, "5,,Meir,,10115\n", &[])
    };
    // Meier and Mayer differ in two letters; Meyer is near to both.
    assert_eq!(clusters(&ask("0.8")), ["a1 a2 a4 b5", "a3"]);
    assert_eq!(clusters(&ask("0.81")), ["a1", "a2", "a3", "a4", "b5"]);
    let answer = ask("0.8");
    let (name, counts) = &answer.rule_accounts[0];
    assert_eq!(name, "zip + name ~ 0.8");
    assert_eq!((counts["links"], counts["records"], counts["alone"]), (3, 4, 3));
}

#[test]
fn a_rule_may_speak_of_some_tables_only() {
    let ask = |only: &str| {
        let more = format!("identity: {{ link_on: [{{ on: email, only: [{only}] }}] }}\n");
        two_tables(&more, "1,x@x.de,,,\n2,x@x.de,,,\n", "3,x@x.de,,,\n", &[])
    };
    assert_eq!(clusters(&ask("a")), ["a1 a2", "b3"]);
    assert_eq!(clusters(&ask("b")), ["a1", "a2", "b3"]);
    assert_eq!(clusters(&ask("a, b")), ["a1 a2 b3"]);
}

#[test]
fn a_value_that_too_many_share_links_nobody() {
    let a = "1,x@x.de,,,\n1,x@x.de,,,\n2,x@x.de,,,\n,x@x.de,,,\n3,y@x.de,,,\n";
    let ask = |most: &str, b: &str| {
        two_tables(&format!("identity: {{ link_on: [email], max_shared: {most} }}\n"), a, b, &[])
    };
    // Two ids share it: the row without an id and the second row of 1 do not count.
    assert_eq!(clusters(&ask("2", "")), ["a1 a2", "a3"]);
    let answer = ask("2", "4,X@x.de,,,\n");
    assert_eq!(clusters(&answer), ["a1", "a2", "a3", "b4"]);
    assert_eq!(answer.rule_accounts[0].1["links"], 0);
    assert_eq!(rule(&answer, "a", "1").as_deref(), Some("same id"));
}

#[test]
fn an_exception_splits_from_the_weakest_link() {
    let more = "identity: { link_on: [[email], [name]], unless_different: [born] }\n";
    // 2 hangs on 1 by its mail and on 3 by its name; the mail is stronger.
    let a = "1,x@x.de,A,1990,\n2,x@x.de,B,,\n3,y@x.de,B,1984,\n4,y@x.de,C,,\n";
    let answer = two_tables(more, a, "", &[]);
    assert_eq!(clusters(&answer), ["a1 a2", "a3 a4"]);
    assert_eq!(answer.split, 1);
    assert_eq!(rule(&answer, "a", "2").as_deref(), Some("email"));
    // Links are counted, but the one by name brings nobody together.
    let alone: Vec<_> = answer.rule_accounts.iter().map(|(_, counts)| counts["alone"]).collect();
    assert_eq!(alone, [2, 0]);
    assert_eq!(answer.rule_accounts[1].1["links"], 1);
}

#[test]
fn within_one_set_each_joins_the_first_it_may() {
    let more = "identity: { link_on: [email], unless_different: [born] }\n";
    let a = "1,x@x.de,,1990,\n2,x@x.de,,1984,\n3,x@x.de,,1984,\n4,x@x.de,,,\n";
    // 4 has no date and joins the first of the two; 2 and 3 agree.
    assert_eq!(clusters(&two_tables(more, a, "", &[])), ["a1 a4", "a2 a3"]);
    // An id that has two dates itself conflicts with every one that has a date.
    let a = "1,x@x.de,,1990,\n1,x@x.de,,1984,\n2,x@x.de,,1984,\n3,x@x.de,,,\n";
    assert_eq!(clusters(&two_tables(more, a, "", &[])), ["a1 a3", "a2"]);
}

#[test]
fn the_more_similar_is_linked_first() {
    let more = "identity: { link_on: [[zip, { field: name, similarity: 0.5 }]], \
                unless_different: [born] }\n";
    // 3 is nearer to 2 (4/5) than to 1 (3/5), although 1 comes first.
    let a = "1,,Maier,1990,1\n2,,Meyer,1984,1\n3,,Meier,,1\n";
    let more_alike = a.replace("Maier", "Maxxr").replace("Meier", "Meyar");
    assert_eq!(clusters(&two_tables(more, &more_alike, "", &[])), ["a1", "a2 a3"]);
    // At equal similarity the records decide: 1 and 3 before 2 and 3.
    assert_eq!(clusters(&two_tables(more, a, "", &[])), ["a1 a3", "a2"]);
}

#[test]
fn pairs_are_stronger_than_rules_and_never_than_always() {
    let more = "identity:
  link_on: [email]
  unless_different: [born]
  always: [{ source: same }]
  never: [{ source: apart }]
";
    let a = "1,x@x.de,,1990,\n2,x@x.de,,1984,\n3,z@x.de,,,\n4,z@x.de,,,\n";
    let columns = "table1,key1,table2,key2";
    // b5-a3 comes after a3-a4 by order, and would bring 4 and 5 together.
    let same = format!(
        "{columns}\nb,5,a,3\na,2,a,1\n a ,1,a,2\na,3,a,4\na,,b,5\nc,1,a,1\na,9,a,1\nb,5,b,5\n"
    );
    let apart = format!("{columns}\nb,5,a,4\n");
    let answer =
        two_tables(more, a, "5,,,,\n", &[("same", same.as_str()), ("apart", apart.as_str())]);
    assert_eq!(clusters(&answer), ["a1 a2", "a3 a4", "b5"]);
    let counts = |at: usize| {
        let of = &answer.pair_accounts[at].counts;
        ["read", "used", "folded", "incomplete", "unknown_table", "unknown_id", "same_record"]
            .map(|name| of[name])
    };
    assert_eq!(counts(0), [8, 3, 1, 1, 1, 1, 1]);
    assert_eq!(answer.pair_accounts[0].counts["refused"], 1);
    assert_eq!(counts(1), [1, 1, 0, 0, 0, 0, 0]);
    assert_eq!(rule(&answer, "a", "1").as_deref(), Some("always"));
    assert_eq!(rule(&answer, "b", "5"), None);
    // The pairs keep all together that the rule does.
    assert_eq!(answer.rule_accounts[0].1["alone"], 0);
}

/// One purpose by mail, which `t` decides, of those with the same name.
const BY_NAME: &str = "consent:
  purposes: [{ name: p, via: email, model: opt_in }]
  tables: [{ source: t, match: { email: mail, record: { b: of } }, values: { p: ok } }]
";

#[test]
fn what_is_too_large_makes_no_profile_and_denies_all_its_addresses() {
    let more = format!("identity: {{ link_on: [name], max_cluster: 2 }}\n{BY_NAME}");
    let a = "1,x@x.de,A,,\n2,y@x.de,A,,\n2,y@x.de,A,,\n3,z@x.de,A,,\n4,z@x.de,B,,\n5,v@x.de,C,,\n";
    let t = "mail,of,ok\nx@x.de,,no\nz@x.de,,yes\nv@x.de,,yes\n";
    let answer = two_tables(&more, a, "6,z@x.de,D,,\n", &[("t", t)]);
    assert_eq!(clusters(&answer), ["a4", "a5", "b6"]);
    assert_eq!(states(&answer)["z@x.de"], "denied", "3 was shown on it");
    assert_eq!(states(&answer)["v@x.de"], "granted");
    assert_eq!(answer.quarantine[&("a".to_owned(), "cluster too large")], 4);
    assert_eq!(answer.customer_accounts[0]["duplicate id"], 0);
    assert_eq!(answer.customer_accounts[0]["read"], 6);
}

#[test]
fn who_links_to_no_earlier_table_is_dropped_and_still_denies() {
    let more = format!("#drop\nidentity: {{ link_on: [name] }}\n{BY_NAME}");
    let a = "1,x@x.de,A,,\n2,y@x.de,B,,\n";
    let b = "3,x@x.de,A,,\n4,y@x.de,Z,,\n5,w@x.de,Y,,\n";
    let t = "mail,of,ok\nx@x.de,,yes\ny@x.de,,yes\n,3,yes\n,4,no\n";
    let answer = two_tables(&more, a, b, &[("t", t)]);
    assert_eq!(clusters(&answer), ["a1 b3", "a2"]);
    assert_eq!(states(&answer)["x@x.de"], "granted");
    assert_eq!(states(&answer)["y@x.de"], "denied", "4 is gone, and had this address");
    assert_eq!(answer.customer_accounts[1]["dropped"], 2);
    assert_eq!(answer.customer_accounts[1]["merged"], 1);
    assert!(answer.quarantine.is_empty());
}

#[test]
fn a_dropped_record_is_a_shadow_of_those_that_stay() {
    let yaml = "
as_of: 2026-11-24T00:00:00Z
keys: [{ field: email, normalize: email }]
customers:
  - { source: a, id: id, fields: { email: mail, name: name } }
  - { source: b, id: id, fields: { email: mail, name: name }, unmatched: drop }
  - { source: c, id: id, fields: { email: mail, name: name } }
identity: { link_on: [name] }
consent:
  purposes: [{ name: p, via: email, model: opt_in }]
  tables: [{ source: t, match: { email: mail, record: { b: of } }, values: { p: ok } }]
";
    let answer = |t: &str| {
        let t = format!("mail,of,ok\nx@x.de,,yes\n{t}");
        let (a, b, c) =
            ("id,mail,name\n", "id,mail,name\n1,y@x.de,A\n", "id,mail,name\n2,x@x.de,A\n");
        ask(yaml, &[("a", a), ("b", b), ("c", c), ("t", &t)])
    };
    assert_eq!(clusters(&answer("")), ["c2"]);
    assert_eq!(rule(&answer(""), "c", "2").as_deref(), Some("name"), "it was linked to 1");
    assert_eq!(answer("").identity[&("c".to_owned(), "2".to_owned())], customer_id("c", "2"));
    assert_eq!(states(&answer(""))["x@x.de"], "granted");
    assert_eq!(states(&answer("y@x.de,,no\n"))["x@x.de"], "denied");
    assert_eq!(states(&answer(",1,no\n"))["x@x.de"], "denied");
    assert_eq!(states(&answer(",1,yes\nx@x.de,,no\n"))["x@x.de"], "denied", "it grants nothing");
}

/// Customers of an earlier run against those of today, who are linked by mail.
fn after(earlier: &str, a: &str) -> Answer {
    let more = "identity: { link_on: [email], previous: data/identity.previous.csv }\n";
    two_tables(more, a, "", &[(EARLIER, earlier)])
}

fn fates(answer: &Answer) -> BTreeMap<&'static str, u64> {
    answer.previous_account.clone().expect("earlier customers are named")
}

#[test]
fn merged_customers_take_the_oldest_id_and_split_ones_their_origin() {
    let [one, two, three] = ["1", "2", "3"].map(|id| customer_id("a", id));
    let earlier = format!(
        "source,id,customer_id,since\na,1,{one},2026-01-01T00:00:00Z\n\
         a,2,{two},2025-01-01T00:00:00Z\na,3,{two},2025-01-01T00:00:00Z\n"
    );
    // 1 and 2 are merged; 3 leaves 2.
    let answer = after(&earlier, "1,x@x.de,,,\n2,x@x.de,,,\n3,z@x.de,,,\n");
    let profile = |id: &String| {
        let found = answer.profiles.iter().find(|profile| profile.customer_id == *id);
        found.unwrap_or_else(|| panic!("no customer {id}"))
    };
    assert_eq!(profile(&two).previous_ids.as_ref(), Some(&one));
    assert_eq!(profile(&two).since.as_deref(), Some("2025-01-01T00:00:00Z"));
    assert_eq!(profile(&three).previous_ids.as_ref(), Some(&two));
    assert_eq!(profile(&three).since.as_deref(), Some("2026-11-24T00:00:00Z"));
    let fates = fates(&answer);
    assert_eq!((fates["merged"], fates["split"], fates["created"], fates["kept"]), (1, 1, 0, 0));
    assert_eq!((fates["ended"], fates["records"]), (1, 3));
}

#[test]
fn an_id_that_somebody_had_is_not_given_again() {
    let one = customer_id("a", "1");
    // The earlier customer with 1's own id now lives in 2, and 1 is new.
    let earlier = format!("namespace,id,customer_id\na,2,{one}\n");
    let answer = after(&earlier, "1,x@x.de,,,\n2,y@x.de,,,\n");
    let of = |id: &str| answer.identity[&("a".to_owned(), id.to_owned())].clone();
    assert_eq!(of("2"), one);
    // printf 'a\x1f1\x1f2' | sha256sum
    assert_eq!(of("1"), customer_id("a", "1\u{1f}2"));
    // Nobody knows since when, which is older than all.
    let two = answer.profiles.iter().find(|profile| profile.customer_id == one);
    assert_eq!(two.expect("a profile").since, None);
    assert_eq!(fates(&answer)["kept"], 1);
    assert_eq!(fates(&answer)["created"], 1);
}

#[test]
fn fields_may_be_won_alone_or_as_one() {
    let ask = |profile: &str| {
        let more = format!("identity: {{ link_on: [name] }}\nprofile: {profile}\n");
        let a = "1,,A,1990,\n";
        let b = "2,b@x.de,A,,10115\n3,c@x.de,A,1984,80331\n";
        let answer = two_tables(&more, a, b, &[]);
        let shown = answer.profiles[0].fields.iter().map(|cell| cell.clone().unwrap_or_default());
        shown.collect::<Vec<_>>()
    };
    // Most filled is b3, then b2.
    assert_eq!(ask("{ keep: most_filled }"), ["c@x.de", "A", "1984", "80331"]);
    assert_eq!(ask("{ keep: importance }"), ["c@x.de", "A", "1990", "80331"]);
    assert_eq!(ask("{ fields: { born: importance } }"), ["c@x.de", "A", "1990", "80331"]);
    // By importance the first record with one of the two is a1, which has no mail.
    let group = "{ groups: [{ fields: [born, email], keep: importance }] }";
    assert_eq!(ask(group), ["", "A", "1990", "80331"]);
    assert_eq!(ask("{ groups: [[born, email]] }"), ["c@x.de", "A", "1984", "80331"]);
}

#[test]
fn provenance_names_the_record_of_each_value() {
    let more = "identity: { link_on: [name] }\nprofile: { fields: { born: importance } }\n";
    let answer = two_tables(more, "1,,A,1990,\n", "2,b@x.de,A,1984,10115\n", &[]);
    let told: Vec<String> =
        answer.provenance.iter().map(|row| format!("{} {}{}", row[1], row[2], row[3])).collect();
    assert_eq!(told, ["email b2", "name b2", "born a1", "zip b2"]);
}

#[test]
fn a_grouping_puts_customers_together_that_show_the_same() {
    let more = "
identity: { link_on: [email] }
groupings:
  - { name: household, link_on: [[zip, { field: name, similarity: 0.75 }], born] }
";
    let a = "1,x@x.de,Anna,,1\n2,y@x.de,Anne,1990,1\n3,z@x.de,Bob,1990,2\n4,v@x.de,Cy,,1\n";
    let answer = two_tables(more, a, "", &[]);
    assert_eq!(answer.profiles.len(), 4);
    let mut groups: BTreeMap<&String, Vec<&str>> = BTreeMap::new();
    for profile in &answer.profiles {
        let name = profile.fields[1].as_deref().unwrap_or_default();
        groups.entry(&profile.groups[0]).or_default().push(name);
    }
    let mut sizes: Vec<usize> = groups.values().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 3]);
    let first = &answer.profiles[0].customer_id;
    assert_eq!(answer.profiles[0].groups[0], customer_id("household", first));
    let counts = &answer.grouping_accounts[0].counts;
    assert_eq!((counts["groups"], counts["shared"], counts["largest"]), (2, 1, 3));
}
