//! `optin simulate`: the row "as written" is the account of a run, and each other row that of a run in which
//! this one setting is changed.

use std::collections::BTreeMap;

use optin::engine::account::Account;
use optin::engine::{Memory, Setting, execute};
use optin::inspect::simulate::{Simulated, simulate};
use optin::plan::{AsOf, Conflict, Denial, Instant, Model, Period, PeriodUnit, Plan};
use serde_json::Value as Json;

use crate::cases::generate;
use crate::harness::{in_folder, load_plan, try_seeds};
use crate::support::{Folder, optin, root};

/// Random cases that are tried unless `OPTIN_CASES` says otherwise.
const CASES: u64 = 60;

fn setting(as_of: Instant) -> Setting {
    let memory = Memory::new(None, std::env::temp_dir());
    let as_of = AsOf { at: as_of, replay: false };
    Setting { as_of, now: Instant::now(), previous_rows: BTreeMap::new(), memory }
}

fn run(plan: &Plan, as_of: Instant) -> Account {
    match execute(plan, &setting(as_of), |results| Ok(results.account)) {
        Ok(account) => account,
        Err(faults) => panic!("the run was refused: {faults:?}"),
    }
}

/// The plan with the change that a row names, read from its JSON alone.
fn changed(plan: &Plan, change: &Json) -> Plan {
    let mut plan = plan.clone();
    for (key, value) in change.as_object().expect("a mapping") {
        match (key.as_str(), value.as_str()) {
            ("conflict", Some("latest")) => plan.consent.conflict = Conflict::Latest,
            ("conflict", Some("strictest")) => plan.consent.conflict = Conflict::Strictest,
            ("denial", Some("person")) => plan.consent.denial = Denial::Person,
            ("denial", Some("contact_point")) => plan.consent.denial = Denial::ContactPoint,
            _ => {
                for (purpose, value) in value.as_object().expect("values by purpose") {
                    let mut all = plan.consent.purposes.iter_mut();
                    let purpose = all.find(|known| known.name == *purpose).expect("a purpose");
                    match key.as_str() {
                        "model" if value == "opt_in" => purpose.model = Model::OptIn,
                        "model" if value == "opt_out" => purpose.model = Model::OptOut,
                        "expires_after" => {
                            purpose.expires_after = value.as_str().map(|text| {
                                let count = text.strip_suffix(" months").expect("months");
                                let count = count.parse().expect("a number");
                                Period { count, unit: PeriodUnit::Months }
                            });
                        }
                        other => panic!("an unknown change: {other}"),
                    }
                }
            }
        }
    }
    plan
}

/// Where a row differs from the run that it stands for.
fn differences(plan: &Plan, simulated: &Simulated, as_of: Instant) -> Vec<String> {
    let mut found = Vec::new();
    for row in &simulated.settings {
        let account = run(&changed(plan, &row.change), as_of);
        let segments: Vec<_> = account.segments.iter().map(Into::into).collect();
        let purposes: Vec<_> = account.purposes.iter().map(Into::into).collect();
        if row.segments != segments || row.purposes != purposes {
            found.push(format!(
                "{}:\n  {:?} {:?}\n  run: {segments:?} {purposes:?}",
                row.setting, row.segments, row.purposes
            ));
        }
        if simulated.profiles != account.profiles {
            found.push(format!("{} profiles, and {}", simulated.profiles, account.profiles));
        }
    }
    found
}

#[test]
fn every_row_is_a_run_on_random_cases() {
    let (mut rows, mut moved) = (0, 0);
    let counts = std::sync::Mutex::new((&mut rows, &mut moved));
    try_seeds(CASES, |seed| {
        let case = generate(seed);
        let (found, folder) = in_folder(&case, |_, file| {
            let plan = load_plan(file);
            let simulated = match simulate(&plan, &setting(case.as_of)) {
                Ok(simulated) => simulated,
                Err(faults) => return vec![format!("{faults:?}")],
            };
            let mut counts = counts.lock().expect("the counts");
            for row in &simulated.settings {
                *counts.0 += 1;
                *counts.1 += usize::from(row.segments != simulated.settings[0].segments);
            }
            differences(&plan, &simulated, case.as_of)
        });
        if found.is_empty() { Ok(()) } else { Err((found, vec![folder])) }
    });
    // Worth little if no setting changed anything.
    assert!(std::env::var_os("OPTIN_SEED").is_some() || moved * 10 > rows, "{moved} of {rows}");
}

#[test]
fn every_row_is_a_run_on_contoso() {
    let plan = load_plan(&root().join("pipelines/contoso.yaml"));
    let as_of = plan.as_of.expect("a date").at;
    let simulated = simulate(&plan, &setting(as_of)).expect("sizes");
    let labels: Vec<&str> = simulated.settings.iter().map(|row| row.setting.as_str()).collect();
    assert_eq!(
        labels,
        [
            "as written",
            "newsletter: opt_out",
            "product_update: opt_out",
            "sms_offers: opt_out",
            "all: opt_out",
            "expires_after: none",
            "expires_after: 6 months",
            "expires_after: 12 months",
            "expires_after: 24 months",
            "expires_after: 36 months",
            "conflict: latest",
            "denial: contact_point",
        ]
    );
    let found = differences(&plan, &simulated, as_of);
    assert!(found.is_empty(), "{}", found.join("\n"));
    for row in &simulated.settings[1..] {
        let first = &simulated.settings[0];
        assert!(
            row.segments != first.segments || row.purposes != first.purposes,
            "{} changes nothing",
            row.setting
        );
    }
}

/// The file itself, changed as a user would: text in, run record out.
#[test]
fn a_row_is_what_the_changed_file_gives() {
    let copy = Folder::new();
    copy.link_data();
    let text = std::fs::read_to_string(root().join("pipelines/contoso.yaml")).expect("the file");
    copy.write("pipelines/contoso.yaml", &text);
    let simulated = copy.optin(&["simulate", "pipelines/contoso.yaml", "--json"]).done().json();
    let sizes = |list: &Json, key: &str, count: &str| -> Vec<(String, u64)> {
        let all = list.as_array().expect("a list").iter();
        all.map(|one| {
            let name = one[key].as_str().expect("a name").to_owned();
            (name, one[count].as_u64().expect("a count"))
        })
        .collect()
    };
    for (row, from, to) in [
        ("as written", "version: 1", "version: 1"),
        ("conflict: latest", "  purposes:\n", "  conflict: latest\n  purposes:\n"),
        ("denial: contact_point", "  purposes:\n", "  denial: contact_point\n  purposes:\n"),
        (
            "newsletter: opt_out",
            "newsletter, via: email, model: opt_in",
            "newsletter, via: email, model: opt_out",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        copy.write("pipelines/changed.yaml", text.replacen(from, to, 1));
        let run = copy.optin(&["run", "pipelines/changed.yaml", "--json"]).done().json();
        let rows = simulated["settings"].as_array().expect("rows");
        let found = rows.iter().find(|one| one["setting"] == row).expect("the row");
        let account = &run["account"];
        for (list, key, count) in
            [("segments", "segment", "in_segment"), ("purposes", "purpose", "granted")]
        {
            let (one, other) = (sizes(&found[list], key, count), sizes(&account[list], key, count));
            assert_eq!(one, other, "{row}");
        }
    }
}

#[test]
fn the_table_fits_and_nothing_is_published() {
    let copy = Folder::new();
    for (folder, name) in [("pipelines", "contoso.yaml"), ("pipelines", "febrl-exact.yaml")] {
        let text = std::fs::read_to_string(root().join(folder).join(name)).expect("the file");
        copy.write(&format!("{folder}/{name}"), text);
    }
    copy.link_data();
    let run = copy.optin(&["simulate", "pipelines/contoso.yaml"]).done();
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 80), "{}", run.stdout);
    assert!(run.stdout.starts_with("contoso: 10,383 customers, as of 2026-11-24T00:00:00Z\n"));
    assert!(run.stdout.contains("newsletter_dach") && run.stdout.contains("denial: contact_point"));
    assert!(!copy.at("out").exists(), "something was published");
    // Without consent there is nothing to change.
    let run = copy.optin(&["simulate", "pipelines/febrl-exact.yaml", "--json"]).done().json();
    assert_eq!(run["settings"].as_array().map(Vec::len), Some(1));
    let early = copy.optin(&["simulate", "pipelines/contoso.yaml", "--as-of", "2025-01-01"]).done();
    assert!(early.stdout.contains("as of 2025-01-01"), "{}", early.stdout);
    assert_eq!(optin(copy.path(), &["simulate", "nothing.yaml"]).code, 2);
}
