//! The engine against the oracle, on random pipelines.
//!
//! `OPTIN_CASES` says how many seeds are tried (500 unless given), `OPTIN_SEED` tries one alone.
//! Where a case fails its folder stays, and the message names it and the seed.

mod account;
mod audiences;
mod compare;

use std::collections::BTreeMap;

use account::STATES;
use compare::compare;
use optin::plan::{AsOf, Instant};

use crate::cases::generate;
use crate::harness::{in_folder, load_plan, run_engine, try_seeds};
use crate::oracle::calendar::DAY;
use crate::oracle::{OracleProfile, answer};

/// Seeds that are tried unless `OPTIN_CASES` says otherwise.
const CASES: u64 = 500;

#[test]
fn the_engine_agrees_with_the_oracle() {
    try_seeds(CASES, |seed| {
        let case = generate(seed);
        let (found, folder) = in_folder(&case, |dir, file| {
            let plan = load_plan(file);
            let oracle = answer(&plan, &case.tables, case.as_of);
            let engine = run_engine(dir, file, case.exports, None);
            let mut found = compare(&plan, &engine, &oracle);
            let as_of = plan.as_of.map(|as_of| (as_of.at, as_of.replay));
            found.equal("the date of the run", &as_of, &Some((case.as_of, false)));
            found.0
        });
        if found.is_empty() { Ok(()) } else { Err((found, vec![folder])) }
    });
}

/// As of an earlier date, as the world was then: later denials are hidden too, and nothing is
/// exported.
#[test]
fn the_engine_agrees_in_a_replay() {
    try_seeds(CASES, |seed| {
        let case = generate(seed);
        let days = i64::try_from(seed % 5).expect("a small number") * 100;
        let at = Instant(case.as_of.0 - days * DAY);
        let as_of = AsOf { at, replay: true };
        let (found, folder) = in_folder(&case, |dir, file| {
            let mut plan = load_plan(file);
            plan.as_of = Some(as_of);
            let oracle = answer(&plan, &case.tables, at);
            let engine = run_engine(dir, file, 0, Some(as_of));
            let mut found = compare(&plan, &engine, &oracle);
            for export in &plan.exports {
                found.equal("an export is written", &export.target.path.exists(), &false);
            }
            found.0
        });
        if found.is_empty() { Ok(()) } else { Err((found, vec![folder])) }
    });
}

/// The cases are worth little if they all come to the same end. Everything that can happen to a
/// profile, a decision or a row must happen in a good share of them.
#[test]
fn the_cases_reach_every_end() {
    const SEEDS: u64 = 300;
    const ENOUGH: u64 = 15;
    let mut seeds: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 0..SEEDS {
        let case = generate(seed);
        let ((plan, oracle), _) = in_folder(&case, |_, file| {
            let plan = load_plan(file);
            let oracle = answer(&plan, &case.tables, case.as_of);
            (plan, oracle)
        });
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let mut add = |what: String, count: u64| *counts.entry(what).or_default() += count;
        let accounts = [
            ("customers", &oracle.customer_accounts),
            ("consent", &oracle.consent_accounts),
            ("suppression", &oracle.suppress_accounts),
        ];
        for (kind, accounts) in accounts {
            for (name, count) in accounts.iter().flatten() {
                add(format!("{kind}: {name}"), *count);
            }
        }
        for (verdict, count) in oracle.verdicts.iter().flat_map(|(_, counts)| counts) {
            add(format!("verdict: {verdict}"), *count);
        }
        for state in STATES {
            let has = |profile: &&OracleProfile| profile.consent.contains(&state);
            let count = oracle.profiles.iter().filter(has).count();
            add(format!("state: {state}"), count.try_into().expect("few profiles"));
        }
        for (name, count) in oracle.measures.iter().flat_map(|measure| &measure.account) {
            add(format!("measure: {name}"), *count);
        }
        for (export, leaves) in plan.exports.iter().zip(&oracle.exports) {
            let inside = oracle.members[export.segment.0].1.len();
            let shared = inside - leaves.len();
            add("export: written".to_owned(), leaves.len().try_into().expect("few"));
            add("export: shared".to_owned(), shared.try_into().expect("few"));
        }
        for (rule, counts) in &oracle.rule_accounts {
            let kind = if rule.contains('~') { "fuzzy" } else { "exact" };
            for (name, count) in counts {
                add(format!("{kind} rules: {name}"), *count);
            }
        }
        for pairs in &oracle.pair_accounts {
            for (name, count) in &pairs.counts {
                add(format!("{} pairs: {name}", pairs.kind), *count);
            }
        }
        for (name, count) in oracle.previous_account.iter().flatten() {
            add(format!("earlier customers: {name}"), *count);
        }
        for grouping in &oracle.grouping_accounts {
            add("grouping: shared".to_owned(), grouping.counts["shared"]);
        }
        for (name, count) in oracle.expiring.iter().flatten() {
            add(format!("expiring: {name}"), *count);
        }
        for (_, _, both) in &oracle.overlaps {
            add("in two segments".to_owned(), *both);
        }
        for rule in ["always", "same id"] {
            let linked = oracle.rules.values().filter(|by| by.as_deref() == Some(rule)).count();
            add(format!("linked by: {rule}"), linked.try_into().expect("few records"));
        }
        add("closures that an exception splits".to_owned(), oracle.split);
        add("withdrawn after as_of".to_owned(), oracle.withdrawn_after_as_of);
        add("unmatchable denials".to_owned(), oracle.unmatchable_denials);
        for (what, count) in counts {
            *seeds.entry(what).or_default() += u64::from(count > 0);
        }
    }
    let rare: Vec<_> = seeds.iter().filter(|(_, seeds)| **seeds < ENOUGH).collect();
    assert!(rare.is_empty(), "of {SEEDS} seeds too few reach {rare:?}");
}
