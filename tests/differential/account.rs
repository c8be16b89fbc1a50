//! The account in the run record against the oracle's.

use std::collections::BTreeMap;

use optin::plan::Plan;
use serde_json::Value as Json;

use crate::harness::Differences;
use crate::oracle::{Answer, OracleProfile};

/// The states of a profile for a purpose.
pub const STATES: [&str; 5] = ["granted", "denied", "expired", "unknown", "no_contact_point"];

/// Compares the figures of the run record. What it says beyond the oracle's figures is left alone.
pub fn compare(found: &mut Differences, plan: &Plan, account: &Json, oracle: &Answer) {
    compare_identity(found, account, oracle);
    let number = |count: usize| u64::try_from(count).expect("a small number");
    let mut section = |name: &str, wanted: &[BTreeMap<&'static str, u64>]| {
        let given = account[name].as_array().map_or(0, Vec::len);
        found.equal(format!("accounts of {name}"), &given, &wanted.len());
        for (at, wanted) in wanted.iter().enumerate() {
            let given: BTreeMap<&'static str, u64> = wanted
                .keys()
                .filter_map(|key| {
                    let key_there = match *key {
                        "no id" => "quarantined_no_id",
                        "duplicate id" => "quarantined_duplicate_id",
                        "cluster too large" => "quarantined_large_cluster",
                        other => other,
                    };
                    account[name][at][key_there].as_u64().map(|count| (*key, count))
                })
                .collect();
            found.equal(format!("account {at} of {name}"), &given, wanted);
        }
    };
    section("customers", &oracle.customer_accounts);
    section("consent", &oracle.consent_accounts);
    section("suppression", &oracle.suppress_accounts);
    let verdicts: Vec<_> = oracle.verdicts.iter().map(|(_, counts)| counts.clone()).collect();
    section("segments", &verdicts);
    let exports: Vec<_> = plan
        .exports
        .iter()
        .zip(&oracle.exports)
        .map(|(export, leaves)| {
            let inside = oracle.members[export.segment.0].1.len();
            let shared = inside - leaves.len();
            let figures = [
                ("in_segment", inside),
                ("written", leaves.len()),
                ("shared_contact_point", shared),
            ];
            figures.map(|(name, count)| (name, number(count))).into()
        })
        .collect();
    if !plan.as_of.is_some_and(|as_of| as_of.replay) {
        section("exports", &exports);
    }
    let measures: Vec<_> = oracle.measures.iter().map(|of| of.account.clone()).collect();
    section("measures", &measures);
    let states: Vec<_> = (0..plan.consent.purposes.len())
        .map(|purpose| {
            STATES
                .map(|state| {
                    let has = |profile: &&OracleProfile| profile.consent[purpose] == state;
                    (state, number(oracle.profiles.iter().filter(has).count()))
                })
                .into()
        })
        .collect();
    section("purposes", &states);

    let purposes = account["purposes"].as_array().cloned().unwrap_or_default();
    let expiring: Vec<_> = purposes.iter().map(|purpose| purpose["expiring"].clone()).collect();
    found.equal("expiring", &Json::from(expiring), &serde_json::json!(oracle.expiring));
    let name = |segment: usize| &plan.segments[segment].name;
    let overlaps: Vec<Json> = oracle
        .overlaps
        .iter()
        .map(|(one, two, both)| {
            serde_json::json!({ "segments": [name(*one), name(*two)], "profiles": both })
        })
        .collect();
    found.equal("overlaps", &account["overlaps"], &Json::from(overlaps));

    let all = account["profiles"].as_u64();
    found.equal("profiles counted", &all, &Some(number(oracle.profiles.len())));
    let sum = |name: &str| -> u64 {
        let tables = account["consent"].as_array().into_iter().flatten();
        tables.filter_map(|table| table[name].as_u64()).sum()
    };
    found.equal("unmatchable denials", &sum("unmatchable_denials"), &oracle.unmatchable_denials);
    let withdrawn = sum("withdrawn_after_as_of");
    found.equal("withdrawn after as_of", &withdrawn, &oracle.withdrawn_after_as_of);
}

/// The figures of link rules, pairs, earlier customers and groupings, each looked up by its name.
fn compare_identity(found: &mut Differences, account: &Json, oracle: &Answer) {
    let mut one = |what: String, given: &Json, wanted: &BTreeMap<&'static str, u64>| {
        let given: BTreeMap<&'static str, u64> = wanted
            .keys()
            .filter_map(|key| given[key].as_u64().map(|count| (*key, count)))
            .collect();
        found.equal(what, &given, wanted);
    };
    let entry = |part: &str, names: &[(&str, &str)]| {
        let entries = account[part].as_array().into_iter().flatten();
        let mut named =
            entries.filter(|entry| names.iter().all(|(key, name)| entry[*key] == **name));
        named.next().cloned().unwrap_or_default()
    };
    for (rule, wanted) in &oracle.rule_accounts {
        one(format!("account of rule {rule}"), &entry("rules", &[("rule", rule)]), wanted);
    }
    for pairs in &oracle.pair_accounts {
        let given = entry("pairs", &[("source", &pairs.source), ("kind", pairs.kind)]);
        one(format!("account of {} pairs {}", pairs.kind, pairs.source), &given, &pairs.counts);
    }
    for grouping in &oracle.grouping_accounts {
        let given = entry("groupings", &[("grouping", &grouping.grouping)]);
        one(format!("account of grouping {}", grouping.grouping), &given, &grouping.counts);
    }
    match &oracle.previous_account {
        Some(wanted) => one("earlier customers".to_owned(), &account["previous"], wanted),
        None => found.equal("earlier customers", &account["previous"].is_null(), &true),
    }
    let count = |part: &str| account[part].as_array().map_or(0, Vec::len);
    let (pairs, groupings) = (count("pairs"), count("groupings"));
    found.equal("accounts of pairs", &pairs, &oracle.pair_accounts.len());
    found.equal("accounts of groupings", &groupings, &oracle.grouping_accounts.len());
}
