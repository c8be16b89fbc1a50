//! Rules that are well formed and cannot be what was meant: told once, with what to write.

use super::tests::resolved;
use crate::diagnostics::Code;

/// Code, what the first place covers, and a part of the help of the only fault.
#[track_caller]
fn refused(text: &str, code: Code, place: &str, help: &str) {
    let (typed, faults) = resolved(text);
    assert_eq!((typed, faults.len()), (None, 1), "{text}: {faults:?}");
    let span = faults[0].labels[0].span;
    assert_eq!((faults[0].code, &text[span.start..span.end]), (code, place), "{text}: {faults:?}");
    let found = faults[0].help.as_deref().unwrap_or_default();
    assert!(found.contains(help), "{text}: {found}");
}

#[track_caller]
fn told(text: &str, place: &str, help: &str) {
    refused(text, Code::RuleType, place, help);
}

#[track_caller]
fn good(text: &str) {
    let (typed, faults) = resolved(text);
    assert!(typed.is_some() && faults.is_empty(), "{text}: {faults:?}");
}

#[test]
fn lists_are_told_once() {
    let numbers: Vec<_> = (0..300).map(|number: i32| number.to_string()).collect();
    told(&format!("country IN ({})", numbers.join(",")), "country", "; 299 more values do not fit");
    told("points IN (1, 'x', '2')", "points", "; 1 more value does not fit either");
    told("points IN ('x', TRUE)", "points", "a number stands without quotes; 1 more value");
    told("points BETWEEN '1' AND '2'", "points", "write 1 without quotes; 1 more value");
    told("birth_date IN ('a', 'b')", "'a'", "'2026-01-31'; 1 more value");
    told("points IN (NULL, 1, NULL)", "NULL", "IS NULL");
}

#[test]
fn lists_of_names_are_told_once() {
    let text = "country IN (DE, country, AT, \"C H\")";
    refused(text, Code::UnknownField, "DE", "2 more names in this list are unknown;");
    refused(text, Code::UnknownField, "DE", "in single quotes: 'DE', 'AT', 'C H'");
    refused("country IN (a, b, c, d, e, f)", Code::UnknownField, "a", "'e', ...");
    refused("country IN (DE, 'AT')", Code::UnknownField, "DE", "'DE'");
    let text = "orders.count(where status IN (paid, open)) > 1";
    refused(text, Code::UnknownColumn, "paid", "1 more name in this list is unknown;");
}

#[test]
fn chains() {
    told("100 < points < 200", "100 < points < 200", "write points > 100 AND points < 200");
    told("200 >= points > -5", "200 >= points > -5", "write points <= 200 AND points > -5");
    told(
        "'2020-01-01' < birth_date < DATE '2021-01-01'",
        "'2020-01-01' < birth_date < DATE '2021-01-01'",
        "write birth_date > '2020-01-01' AND birth_date < DATE '2021-01-01'",
    );
    told("points < score < 3", "points < score < 3", "write points < score AND score < 3");
    told("1 < points + 1 < 3", "1 < points + 1 < 3", "each comparison by itself");
    told("(points < 3) < 3", "(points < 3)", "write TRUE or FALSE");
    good("points > 1 = TRUE");
}

#[test]
fn numbers_and_bools() {
    told("points = TRUE", "points", "compare a number with a number, such as points > 0");
    told("FALSE = price", "FALSE", "compare a number with a number, such as price > 0");
    told("points + 1 = TRUE", "points + 1", "compare a number with a number");
    told("active = 1", "active", "write TRUE or FALSE");
    told("coalesce(points, TRUE) > 1", "points", "write a number");
    told("coalesce(active, 0)", "active", "write TRUE or FALSE");
}

#[test]
fn empty_ranges() {
    told("points BETWEEN 200 AND 100", "200 AND 100", "write BETWEEN 100 AND 200");
    told("points NOT BETWEEN 1.5 AND -1", "1.5 AND -1", "write BETWEEN -1 AND 1.5");
    told("country BETWEEN 'b' AND 'a'", "'b' AND 'a'", "write BETWEEN 'a' AND 'b'");
    told(
        "birth_date BETWEEN DATE '2021-01-01' AND '2020-01-01'",
        "DATE '2021-01-01' AND '2020-01-01'",
        "write BETWEEN '2020-01-01' AND DATE '2021-01-01'",
    );
    good("points BETWEEN 1 AND 1");
    good("points BETWEEN status AND 1");
}

#[test]
fn constants_divided_by_zero() {
    told("points > 1/0", "1/0", "write the number that is meant");
    told("points > 1 / 0.0 + 1", "1 / 0.0", "write the number that is meant");
    // What is documented to be null where the divisor is 0.
    good("points / 0 > 1");
    good("1 / points > 1");
    good("0 / 1 < points");
}

#[test]
fn comparisons_with_null() {
    told("country != NULL", "NULL", "write IS NOT NULL");
    told("country <> NULL", "NULL", "write IS NOT NULL");
    told("country = NULL", "NULL", "write IS NULL");
}
