//! Audiences of random cases: each row holds the digests of what its customer shows by the oracle, worked
//! out here once more, and nobody is in it whom the oracle does not let leave.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use optin::plan::FieldId;
use sha2::{Digest as _, Sha256};

use crate::cases::generate;
use crate::harness::{Differences, in_folder, load_plan, try_seeds};
use crate::oracle::{OracleProfile, answer};
use crate::support::Table;

fn digest(text: Option<String>) -> String {
    let hex = |text: String| {
        Sha256::digest(text).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    };
    text.filter(|text| !text.is_empty()).map(hex).unwrap_or_default()
}

/// The address that a platform reads in a cell.
fn mail(cell: &str, is_google: bool) -> Option<String> {
    let lower = cell.to_lowercase();
    let text: String =
        if is_google { lower.split_whitespace().collect() } else { lower.trim().to_owned() };
    let parts: Vec<&str> = text.split('@').collect();
    let [local, domain] = parts[..] else { return None };
    let odd = |c: char| c.is_whitespace() || c.is_control() || "<>()[],;:\"\\".contains(c);
    let labels: Vec<&str> = domain.split('.').collect();
    if local.is_empty() || text.contains(odd) || labels.len() < 2 || labels.contains(&"") {
        return None;
    }
    if is_google && ["gmail.com", "googlemail.com"].contains(&domain) {
        let local = local.split_once('+').map_or(local, |(before, _)| before).replace('.', "");
        return (!local.is_empty()).then(|| format!("{local}@{domain}"));
    }
    Some(text)
}

#[test]
fn audiences_hold_the_digests_of_who_leaves() {
    let compared = AtomicU64::new(0);
    try_seeds(200, |seed| {
        let mut case = generate(seed);
        if case.exports == 0 {
            return Ok(());
        }
        let (plan, _) = in_folder(&case, |_, file| load_plan(file));
        let field = |name: &str| plan.fields.iter().position(|field| field.name == name);
        let Some(email) = field("email") else { return Ok(()) };
        let first_name = field("first_name");
        let mut audiences = Vec::new();
        for export in &plan.exports {
            let mut columns =
                vec![("meta_custom_audience", "email: email, extern_id: customer_id")];
            if first_name.is_some() {
                columns.push(("google_customer_match", "First Name: first_name, Email: email"));
            }
            for (platform, columns) in columns {
                let segment = &plan.segments[export.segment.0].name;
                let path = format!("out/audience_{}.csv", audiences.len());
                let _ = writeln!(
                    case.yaml,
                    "  - {{ segment: {segment}, path: ../{path}, audience: {platform}, columns: \
                     {{ {columns} }}, allow_columns: [email], because: a contract }}"
                );
                audiences.push((platform, path));
            }
        }
        let (found, folder) = in_folder(&case, |dir, file| {
            let plan = load_plan(file);
            let mut found = Differences::default();
            if let Err(failure) = optin::run_file(file, &optin::RunOptions::default()) {
                // Google drops blanks, so a denial that is no address here may be one there.
                let said = failure.to_string();
                if !said.contains("with the digest of a contact point") {
                    found.0.push(said);
                }
                return found.0;
            }
            let oracle = answer(&plan, &case.tables, case.as_of);
            for (at, (platform, path)) in audiences.iter().enumerate() {
                let is_google = *platform == "google_customer_match";
                let cell = |profile: &OracleProfile, FieldId(field): FieldId| {
                    profile.fields[field].clone().filter(|cell| !cell.trim().is_empty())
                };
                let row = |id: &String| -> Vec<String> {
                    let profile = oracle.profiles.iter().find(|of| of.customer_id == *id);
                    let profile = profile.expect("who leaves has a profile");
                    let mail =
                        cell(profile, FieldId(email)).and_then(|cell| mail(&cell, is_google));
                    let beside = if is_google {
                        let name = cell(profile, FieldId(first_name.expect("a field")));
                        name.map(|name| name.trim().to_lowercase())
                    } else {
                        Some(id.clone())
                    };
                    vec![digest(mail), digest(beside)]
                };
                let leaves = &oracle.exports[case.exports + at];
                let due: Vec<Vec<String>> = leaves.iter().map(row).collect();
                let text = std::fs::read_to_string(dir.join(path)).expect("an audience");
                let written = Table::read(&text, ',');
                let names =
                    if is_google { ["Email", "First Name"] } else { ["email", "extern_id"] };
                let [mails, beside] = names.map(|name| written.column(name));
                let written: Vec<Vec<String>> = mails
                    .into_iter()
                    .zip(beside)
                    .map(|(mail, beside)| vec![mail.to_owned(), beside.to_owned()])
                    .collect();
                compared.fetch_add(due.len() as u64, Ordering::Relaxed);
                found.equal(format!("{platform} in {path}"), &written, &due);
            }
            found.0
        });
        if found.is_empty() { Ok(()) } else { Err((found, vec![folder])) }
    });
    let one = std::env::var_os("OPTIN_SEED").is_some();
    let compared = compared.into_inner();
    assert!(one || compared > 100, "only {compared} rows were compared");
}
