//! Warns of a run that went well and says nothing: consent that was read and reaches no customer, and
//! an id that is none. What is wrong then is a column in the pipeline, most likely: everybody is out who
//! should be in, or in who has said no.

use super::account::{Account, ConsentAccount, CustomerAccount, SuppressionAccount};
use crate::diagnostics::{Code, Diagnostic};

/// Looks at the counts of a run.
pub fn warn(account: &Account, warnings: &mut Vec<Diagnostic>) {
    warnings.extend(account.customers.iter().filter_map(repeated_ids));
    let of_words: Vec<_> = account.consent.iter().filter_map(unknown_words).collect();
    let mut of_tables: Vec<_> = account.consent.iter().filter_map(no_decisions).collect();
    if account.profiles > 0 {
        of_tables.extend(account.consent.iter().filter_map(of_nobody));
    }
    let silent = of_tables.is_empty();
    warnings.extend(of_words);
    warnings.extend(of_tables);
    let heard: u64 = account.consent.iter().map(|table| table.used).sum();
    let states: u64 = account.purposes.iter().map(|of| of.granted + of.denied + of.expired).sum();
    if silent && heard > 0 && states == 0 && account.profiles > 0 {
        let of = many(heard, "decision", "decisions");
        let message = format!("of {of} none stands on an address that a customer shows");
        warnings.push(Diagnostic::warning(Code::UnheardConsent, message).help(SEE));
    }
    if account.profiles > 0 {
        warnings.extend(account.suppression.iter().filter_map(list_of_nobody));
    }
}

/// How many entries a list must have to be wondered at if it hits nobody.
const MANY: u64 = 20;

/// What to do about decisions that reach nobody.
const SEE: &str = "do the columns under `match` hold what the customers' fields hold? `optin why` shows \
                   one of them";

/// `1 value`, `2 values`.
fn many(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
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
    let (message, help) = if says_nothing(table) {
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

/// True if a table has rows, and each is blank or a word that is not known.
fn says_nothing(table: &ConsentAccount) -> bool {
    table.read > 0 && table.unrecognized + table.no_decision == table.read
}

/// A table with decisions and, beside them, words that are not known, about purposes that who said nothing
/// passes.
fn unknown_words(table: &ConsentAccount) -> Option<Diagnostic> {
    if table.doubtful == 0 || says_nothing(table) {
        return None;
    }
    let of = many(table.doubtful, "value", "values");
    let are = if table.doubtful == 1 { "is" } else { "are" };
    let message = format!("{of} of `{}` {are} neither yes nor no", table.source);
    Some(Diagnostic::warning(Code::UnheardConsent, message).help(
        "under `opt_out` who said them passes: declare them under `words`, or under `nulls` of the source if \
         they say that nobody decided",
    ))
}

/// A table with decisions, none of which stands on anything that a record has.
fn of_nobody(table: &ConsentAccount) -> Option<Diagnostic> {
    (table.used > 0 && !table.heard).then(|| {
        let of = many(table.used, "decision", "decisions");
        let message = format!(
            "of {of} in `{}` none stands on an address or record of a customer",
            table.source
        );
        Diagnostic::warning(Code::UnheardConsent, message).help(SEE)
    })
}

/// A suppression list with entries, none of which is a record's.
fn list_of_nobody(list: &SuppressionAccount) -> Option<Diagnostic> {
    // A handful of strangers says nothing.
    (list.unheard && list.used >= MANY).then(|| {
        let of = many(list.used, "entry", "entries");
        let message = format!("of {of} in the list `{}` none is of a customer", list.source);
        Diagnostic::warning(Code::UnheardConsent, message).help(
            "that may be so; if it should not, do the columns under `match` hold what the customers' fields \
             hold?",
        )
    })
}
