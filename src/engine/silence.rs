//! Warns of a run that went well and says nothing: consent that was read and reaches no customer, and
//! an id that is none. What is wrong then is a column in the pipeline, most likely; nobody is in a
//! segment who should not be, but everybody is out who should be in.

use super::account::{Account, ConsentAccount, CustomerAccount};
use crate::diagnostics::{Code, Diagnostic};

/// Looks at the counts of a run.
pub fn warn(account: &Account, warnings: &mut Vec<Diagnostic>) {
    warnings.extend(account.customers.iter().filter_map(repeated_ids));
    let of_tables: Vec<_> = account.consent.iter().filter_map(no_decisions).collect();
    let silent = of_tables.is_empty();
    warnings.extend(of_tables);
    let heard: u64 = account.consent.iter().map(|table| table.used).sum();
    let states: u64 = account.purposes.iter().map(|of| of.granted + of.denied + of.expired).sum();
    if silent && heard > 0 && states == 0 && account.profiles > 0 {
        let message = format!("none of {heard} decisions stands on an address of a customer");
        warnings.push(Diagnostic::warning(Code::UnheardConsent, message).help(
            "do the columns under `match` hold what the customers' fields hold? `optin why` shows one of them",
        ));
    }
}

/// More than half of a table's records have an id that an earlier one has.
fn repeated_ids(table: &CustomerAccount) -> Option<Diagnostic> {
    let repeated = table.quarantined_duplicate_id;
    (repeated * 2 > table.read).then(|| {
        let message = format!(
            "{repeated} of {} records of `{}` have the id of another one, and are one person with it",
            table.read, table.source
        );
        Diagnostic::warning(Code::OverLinking, message)
            .help("is `id` the column of the primary key?")
    })
}

/// A table that holds rows and no decision.
fn no_decisions(table: &ConsentAccount) -> Option<Diagnostic> {
    let ConsentAccount { source, read, unrecognized, other_purpose, .. } = table;
    let (message, help) = if *read > 0 && unrecognized + table.no_decision == *read {
        if *unrecognized == 0 {
            return None;
        }
        (
            format!(
                "no value of `{source}` says yes or no: {unrecognized} are words that are not known"
            ),
            "declare them under `words`, or is the column of decisions another one?",
        )
    } else if *read > 0 && other_purpose == read {
        (
            format!("no row of `{source}` is about a purpose of the pipeline"),
            "a purpose has the name that the table has, in any case; is `purpose` the right column?",
        )
    } else {
        return None;
    };
    Some(Diagnostic::warning(Code::UnheardConsent, message).help(help))
}
