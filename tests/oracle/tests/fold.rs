//! What the decisions on one contact point come to (sections 5 and 7).

use super::{ONE_PURPOSE, ask, ask_again, states};

/// Decisions on the one mail `a@x.de`, in the tables given; `settings` go into `consent`.
fn fold_of(settings: &str, purpose: &str, tables: &[&str]) -> &'static str {
    let mut consent = vec![format!(
        "consent:\n{settings}  purposes: [{{ name: p, via: email, model: opt_in{purpose} }}]\n  tables:\n"
    )];
    let names: Vec<String> = (0..tables.len()).map(|at| format!("t{at}")).collect();
    let mut sources = vec![("contacts", "id,mail\n1,a@x.de\n")];
    for (name, text) in names.iter().zip(tables) {
        let at = if text.contains(",at") { ", at: at" } else { "" };
        consent.push(format!(
            "    - {{ source: {name}, match: {{ email: mail }}, values: {{ p: ok }}{at} }}\n"
        ));
        sources.push((name, text));
    }
    let answer = ask(&format!("{ONE_PURPOSE}{}", consent.concat()), &sources);
    states(&answer)["a@x.de"]
}

const DATED: &str = "#types: { at: datetime }\nmail,ok,at\n";

fn dated(rows: &str) -> String {
    format!("{DATED}{rows}")
}

#[test]
fn the_newest_counts_and_at_equal_times_the_denial() {
    let fold = |rows: &str| fold_of("", "", &[&dated(rows)]);
    assert_eq!(fold("a@x.de,no,2026-01-01\na@x.de,yes,2026-02-01\n"), "granted");
    assert_eq!(fold("a@x.de,yes,2026-01-01\na@x.de,no,2026-02-01\n"), "denied");
    let noon = "2026-01-01T12:00:00Z";
    assert_eq!(fold(&format!("a@x.de,no,{noon}\na@x.de,yes,{noon}\n")), "denied");
    // The same instant in two zones.
    assert_eq!(
        fold(&format!("a@x.de,no,{noon}\na@x.de,yes,2026-01-01T13:00:00+01:00\n")),
        "denied"
    );
    assert_eq!(fold("b@x.de,yes,2026-01-01\n"), "unknown");
}

#[test]
fn a_denied_day_ends_late_and_a_granted_day_begins_early() {
    let fold = |rows: &str| fold_of("", "", &[&dated(rows)]);
    assert_eq!(fold("a@x.de,no,2026-01-01\na@x.de,yes,2026-01-01T23:59:59Z\n"), "denied");
    assert_eq!(fold("a@x.de,no,2026-01-01\na@x.de,yes,2026-01-02\n"), "granted");
    assert_eq!(fold("a@x.de,yes,2026-01-01\na@x.de,no,2026-01-01T00:00:01Z\n"), "denied");
    assert_eq!(fold("a@x.de,no,2026-01-01T00:00:00Z\na@x.de,yes,2026-01-01\n"), "denied");
}

#[test]
fn undated_denials_always_count_and_undated_grants_only_alone() {
    let fold = |rows: &str| fold_of("", "", &[&dated(rows)]);
    assert_eq!(fold("a@x.de,no,\na@x.de,yes,2026-02-01\n"), "denied");
    assert_eq!(fold("a@x.de,yes,\na@x.de,no,2026-02-01\n"), "denied");
    assert_eq!(fold("a@x.de,yes,\n"), "granted");
    assert_eq!(fold_of("", "", &["mail,ok\na@x.de,yes\na@x.de,no\n"]), "denied");
    // A dated grant that has ended is what counts; the undated one beside it does not.
    assert_eq!(
        fold_of("", ", expires_after: 1 month", &[&dated("a@x.de,yes,\na@x.de,yes,2026-01-01\n")]),
        "expired"
    );
}

#[test]
fn grants_end_at_the_clamped_months_end() {
    let fold = |at: &str| {
        let yaml = ONE_PURPOSE.replace("2026-11-24T00:00:00Z", "2026-02-28T10:00:00Z");
        let answer = ask(
            &format!(
                "{yaml}consent:\n  purposes: [{{ name: p, via: email, model: opt_in, \
                 expires_after: 1 month }}]\n  tables: [{{ source: t, match: {{ email: mail }}, \
                 values: {{ p: ok }}, at: at }}]\n"
            ),
            &[("contacts", "id,mail\n1,a@x.de\n"), ("t", &dated(&format!("a@x.de,yes,{at}\n")))],
        );
        states(&answer)["a@x.de"]
    };
    assert_eq!(fold("2026-01-28T10:00:00Z"), "expired");
    assert_eq!(fold("2026-01-28T10:00:00.000001Z"), "granted");
    assert_eq!(fold("2026-01-31T10:00:00Z"), "expired", "the 31st of February is the 28th");
    assert_eq!(fold("2026-01-31T10:00:01Z"), "granted");
    assert_eq!(fold(""), "expired", "nobody knows when an undated grant ends");
}

#[test]
fn the_runs_date_hides_later_grants_but_no_denials() {
    let fold = |rows: &str| fold_of("", "", &[&dated(rows)]);
    assert_eq!(fold("a@x.de,yes,2026-11-24T00:00:00Z\n"), "granted");
    assert_eq!(fold("a@x.de,yes,2026-11-24T00:00:00.000001Z\n"), "unknown");
    assert_eq!(fold("a@x.de,yes,2026-01-01\na@x.de,no,2027-01-01\n"), "denied");
    // A hidden grant does not make the set a dated one.
    assert_eq!(fold("a@x.de,yes,\na@x.de,yes,2027-01-01\n"), "granted");
}

#[test]
fn a_replay_hides_later_denials_and_exports_nothing() {
    let yaml = format!(
        "{ONE_PURPOSE}consent:\n  purposes: [{{ name: p, via: email, model: opt_in }}]\n  tables: \
         [{{ source: t, match: {{ email: mail }}, values: {{ p: ok }}, at: at }}]\nexports: \
         [{{ segment: s, path: out.csv }}]\n"
    );
    // The second denial exists at the run's instant; as a day it sorts at that day's end.
    let decisions = dated(
        "a@x.de,yes,2026-01-01\na@x.de,no,2027-01-01\nb@x.de,yes,2026-01-01\nb@x.de,no,2026-11-24\n",
    );
    let sources = [("contacts", "id,mail\n1,a@x.de\n2,b@x.de\n"), ("t", decisions.as_str())];
    let answer = ask_again(&yaml, &sources, false);
    assert_eq!(states(&answer)["a@x.de"], "denied");
    assert_eq!(answer.withdrawn_after_as_of, 1);
    let answer = ask_again(&yaml, &sources, true);
    assert_eq!(states(&answer)["a@x.de"], "granted");
    assert_eq!(states(&answer)["b@x.de"], "denied");
    assert_eq!(answer.consent_accounts[0]["after_as_of"], 1);
    assert_eq!(answer.withdrawn_after_as_of, 0);
    assert_eq!(answer.members[0].1.len(), 1);
    assert!(answer.exports[0].is_empty());
}

#[test]
fn strictest_looks_at_each_table_and_latest_at_all() {
    let (old_no, new_yes) = (dated("a@x.de,no,2026-01-01\n"), dated("a@x.de,yes,2026-02-01\n"));
    assert_eq!(fold_of("", "", &[&old_no, &new_yes]), "denied");
    assert_eq!(fold_of("  conflict: latest\n", "", &[&old_no, &new_yes]), "granted");
    let undated_yes = "mail,ok\na@x.de,yes\n";
    // Each table for itself grants; all together the dated one counts, and it has ended.
    let expiring = ", expires_after: 6 months";
    let old_yes = dated("a@x.de,yes,2026-01-01\n");
    let fresh_yes = dated("a@x.de,yes,2026-11-01\n");
    assert_eq!(fold_of("", expiring, &[&old_yes, &fresh_yes]), "granted");
    assert_eq!(fold_of("", expiring, &[&old_yes, undated_yes]), "expired");
    assert_eq!(fold_of("  conflict: latest\n", "", &[&old_no, undated_yes]), "denied");
    assert_eq!(fold_of("", "", &[&old_yes, undated_yes]), "granted");
}

#[test]
fn words_are_read_without_case_and_own_words_win() {
    let fold = |word: &str| {
        let answer = ask(
            &format!(
                "{ONE_PURPOSE}consent:\n  purposes: [{{ name: p, via: email, model: opt_in }}]\n  \
                 tables: [{{ source: t, match: {{ email: mail }}, values: {{ p: ok }}, \
                 words: {{ granted: [Ja, \"0\"], denied: [\"yes\"] }} }}]\n"
            ),
            &[("contacts", "id,mail\n1,a@x.de\n"), ("t", &format!("mail,ok\na@x.de,{word}\n"))],
        );
        let account = &answer.consent_accounts[0];
        let place = ["used", "no_decision", "unrecognized"].into_iter().find(|n| account[n] == 1);
        (states(&answer)["a@x.de"], place)
    };
    assert_eq!(fold(" OPT-IN "), ("granted", Some("used")));
    assert_eq!(fold("Do Not Allow"), ("denied", Some("used")));
    assert_eq!(fold("JA"), ("granted", Some("used")));
    assert_eq!(fold("0"), ("granted", Some("used")));
    assert_eq!(fold("yes"), ("denied", Some("used")));
    assert_eq!(fold("perhaps"), ("unknown", Some("unrecognized")));
    assert_eq!(fold("  "), ("unknown", Some("no_decision")));
}
