//! What is written in other languages is told once, at its place, with what to write here.

use super::{SpanMap, parse};
use crate::diagnostics::{Diagnostic, Span};

#[track_caller]
fn fault(text: &str) -> Diagnostic {
    let map = SpanMap::new(text, Span::new(0, text.len()), text);
    let mut faults = match parse(text, &map) {
        Ok(ast) => panic!("{text} was read: {ast:?}"),
        Err(faults) => faults.0,
    };
    assert_eq!(faults.len(), 1, "{text}: {faults:?}");
    faults.remove(0)
}

/// What the place of the only fault covers, and a part of its help.
#[track_caller]
fn told(text: &str, place: &str, help: &str) {
    let fault = fault(text);
    let span = fault.labels[0].span;
    assert_eq!(&text[span.start..span.end], place, "{text}: {fault:?}");
    let found = fault.help.as_deref().unwrap_or_default();
    assert!(found.contains(help), "{text}: {found}");
}

#[test]
fn searches_in_texts() {
    told("country CONTAINS 'D'", "CONTAINS", "write country LIKE '%D%'");
    told("country contains D", "contains", "write country LIKE '%text%'");
    told("country NOT CONTAINS 'D'", "NOT", "write country NOT LIKE '%D%'");
    told("x AND (country STARTS WITH 'D')", "STARTS", "write country LIKE 'D%'");
    told("\"a b\" STARTSWITH '5%'", "STARTSWITH", "write \"a b\" LIKE '5\\%%'");
    told("country ENDS WITH 'D''s'", "ENDS", "write country LIKE '%D''s'");
    told("lower(country) CONTAINS 'd'", "CONTAINS", "write LIKE '%d%'");
    told("startswith(country, 'D')", "startswith", "write country LIKE 'D%'");
    told("ends_with(country, 'D')", "ends_with", "write country LIKE '%D'");
    told("contains(country, 'D')", "contains", "write country LIKE '%D%'");
    told("contains('D', country)", "contains", "write x LIKE '%text%'");
    told("country.contains('D')", "contains", "write country LIKE '%D%'");
    told("country.lower() = 'de'", "lower", "write lower(country)");
    told("concat(country, 'x') = 'DEx'", "concat", "texts cannot be joined");
}

#[test]
fn nulls() {
    told("country ISNULL", "ISNULL", "write country IS NULL");
    told("country NOTNULL AND x", "NOTNULL", "write country IS NOT NULL");
    told("country NOT NULL", "NOT", "write IS NOT NULL");
    told("isnull(country)", "isnull", "write country IS NULL");
    told("isnull(country, 'x') = 'x'", "isnull", "coalesce");
    told("country == NULL", "==", "write IS NULL");
    told("NULL == country", "==", "write IS NULL");
    told("country == 'NULL'", "==", "write `=`");
}

#[test]
fn constants() {
    told("points > 1_000", "1_000", "write 1000");
    told("points > 1_000_000 AND x", "1_000_000", "write 1000000");
    told("coalesce(points, 1_000) > 5", "1_000", "write 1000");
    told("points > 1,000", "1,000", "write 1000");
    told("points BETWEEN 1,000 AND 2", "1,000", "write 1000");
    told("points > 1,000,000.5", "1,000,000.5", "write 1000000.5");
    told("score > 1,5", "1,5", "write 1.5");
    told("points > 1, 000", ",", "");
    told("country = ''DE''", "''DE''", "write 'DE'");
    told("country = ''D E'' AND x", "''D E''", "write 'D E'");
    told("country IN (''DE'', 'AT')", "''DE''", "write 'DE'");
    told("born > DATE('2000-01-01')", "DATE", "write DATE '2000-01-01'");
    told("born > date(\"2000-01-01\")", "date", "write DATE '2000-01-01'");
    told("x > to_timestamp('2000-01-01')", "to_timestamp", "write TIMESTAMP '2000-01-01'");
    told("born > to_date('1.1.2000', 'D.M.Y')", "to_date", "DATE '2026-01-31'");
    told("date(seen) > born", "date", "under `types:`");
}

#[test]
fn differences_of_dates() {
    for text in ["datediff(born, as_of) > 3", "date_diff('day', born, now()) > 3", "age(born) > 3"]
    {
        let fault = fault(text);
        assert!(fault.message.starts_with("a difference of dates"), "{text}: {fault:?}");
        let help = fault.help.unwrap_or_default();
        assert!(help.contains("days_since(x)") && help.contains("INTERVAL"), "{text}: {help}");
    }
}

#[test]
fn related_tables() {
    told("orders.count(*) > 1", "*", "write orders.count()");
    told("orders.count(* where paid) > 1", "*", "write count(where CONDITION)");
    told("orders.count(1) > 1", "1", "write orders.count()");
    told("orders.sum(*) > 1", "*", "write sum(VALUE)");
    told("orders.count > 0", "orders.count", "write orders.count()");
    told("orders.SUM > 0", "orders.SUM", "write orders.sum(VALUE)");
    told("orders.count( > 1", "(", "");
    told("shop.country = 'DE'", "shop.country", "write country;");
    told("orders.sum(orders.amount) > 5", "orders.amount", "write amount:");
    told("consents.newsletter", "consents.newsletter", "did you mean `consent.newsletter`?");
}

#[test]
fn pairs_are_told_once() {
    told("`country` = 'DE'", "`country`", "double quotes where it has blanks: country");
    told("`a b` = 'DE'", "`a b`", "blanks: \"a b\"");
    told("`a = 'DE'", "`", "double quotes");
    told("country = ‘DE’", "‘DE’", "straight quotes: 'DE'");
    told("country = “DE”", "“DE”", "single quotes: 'DE'");
    told("country = «DE»", "«DE»", "single quotes: 'DE'");
    told("[country] = 'DE'", "[country]", "blanks: country");
    told("[a b] = 'DE'", "[a b]", "blanks: \"a b\"");
    told("country IN ['DE', 'AT']", "['DE', 'AT']", "IN ('DE', 'AT')");
    told("country IN ['DE'", "[", "( )");
    told("{{ country }} = 'DE'", "{{ country }}", "the value itself");
    told("country = ${x} AND y", "${x}", "the value itself");
    told("country IN ['DE'] AND y", "['DE']", "IN ('DE')");
    told("`a` AND b", "`a`", "blanks: a");
    told("a = $1 OR b", "$1", "the value itself");
    told("country = {x", "{", "the value itself");
}

#[test]
fn wholes_are_told_once() {
    told("EXISTS (SELECT 1 FROM o WHERE now() > x)", "EXISTS", "`union`");
    told("NOT EXISTS (SELECT 1) AND x", "EXISTS", "`union`");
    told("a IN (SELECT b FROM c WHERE count(*) > (1)) AND x", "SELECT", "`union`");
    told("ROW_NUMBER() OVER () = 1", "ROW_NUMBER", "one profile");
    told("sum(a) OVER (PARTITION BY b ORDER BY now()) > 1", "sum", "one profile");
    told("count(*) FILTER (WHERE a) > 1", "count", "under `related`");
}

#[test]
fn several_are_told_each() {
    let text = "a == 1 AND `b` = 2 AND [c] = now() AND d == NULL";
    let map = SpanMap::new(text, Span::new(0, text.len()), text);
    let faults = parse(text, &map).expect_err("it is refused");
    assert_eq!(faults.0.len(), 5, "{faults:?}");
}

#[test]
fn comments_of_yaml() {
    for (rule, told) in [
        ("country = 'D #E'", "a text is never closed"),
        ("country = \"D #E\"", "a quoted name is never closed"),
        ("(a = 1 #)", "a `(` is never closed"),
        ("o.count( #)", "a `(` is never closed"),
        ("country = #E", "expected a field"),
    ] {
        let source = format!("where: {rule}\n");
        let value = rule.split(" #").next().unwrap_or_default();
        let map = SpanMap::new(&source, Span::new(7, 7 + value.len()), value);
        let faults = parse(value, &map).expect_err("it is refused");
        assert!(faults.0[0].message.starts_with(told), "{rule}: {faults:?}");
        let help = faults.0[0].help.as_deref().unwrap_or_default();
        assert!(help.contains("begins a comment"), "{rule}: {help}");
    }
    let help = fault("country = 'D").help.unwrap_or_default();
    assert!(help.contains("written twice"), "{help}");
}
