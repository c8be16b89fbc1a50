use super::*;
use crate::diagnostics::{Code, Diagnostic, Span};

fn parsed(text: &str) -> Ast {
    let map = SpanMap::new(text, Span::new(0, text.len()), text);
    match parse(text, &map) {
        Ok(ast) => ast,
        Err(faults) => panic!("{text}: {faults:?}"),
    }
}

fn faults(text: &str) -> Vec<Diagnostic> {
    let map = SpanMap::new(text, Span::new(0, text.len()), text);
    match parse(text, &map) {
        Ok(ast) => panic!("{text} was read: {ast:?}"),
        Err(faults) => faults.0,
    }
}

/// A fault's code, what its place covers, its message and help.
#[track_caller]
fn refused(text: &str, code: Code, place: &str, message: &str, help: &str) {
    let faults = faults(text);
    let fault = &faults[0];
    let span = fault.labels[0].span;
    assert_eq!((fault.code, &text[span.start..span.end]), (code, place), "{text}: {fault:?}");
    assert!(fault.message.contains(message), "{text}: {}", fault.message);
    let found = fault.help.as_deref().unwrap_or_default();
    assert!(found.contains(help), "{text}: {found}");
}

#[track_caller]
fn unsupported(text: &str, place: &str, message: &str, help: &str) {
    refused(text, Code::RuleUnsupported, place, message, help);
}

#[track_caller]
fn malformed(text: &str, place: &str, message: &str) {
    refused(text, Code::RuleSyntax, place, message, "");
}

/// The tree in brackets.
fn show(ast: &Ast) -> String {
    let not = |negated: bool| if negated { "not " } else { "" };
    let list = |items: &[Ast]| items.iter().map(show).collect::<Vec<_>>().join(", ");
    match &ast.kind {
        AstKind::Field { name, quoted: false } => name.clone(),
        AstKind::Field { name, quoted: true } => format!("\"{name}\""),
        AstKind::Consent { purpose, quoted } => {
            format!("consent({}{})", purpose.value, if *quoted { " quoted" } else { "" })
        }
        AstKind::Text(text) => format!("'{text}'"),
        AstKind::Number(number) => number.clone(),
        AstKind::Bool(value) => value.to_string(),
        AstKind::Null => "null".to_owned(),
        AstKind::Date(text) => format!("date {}", text.value),
        AstKind::Timestamp(text) => format!("timestamp {}", text.value),
        AstKind::Interval(parts) => {
            let parts: Vec<_> =
                parts.iter().map(|part| format!("{} {:?}", part.count, part.unit)).collect();
            format!("interval({})", parts.join(" "))
        }
        AstKind::And(members) => format!("and[{}]", list(members)),
        AstKind::Or(members) => format!("or[{}]", list(members)),
        AstKind::Not(inner) => format!("not[{}]", show(inner)),
        AstKind::Negate(inner) => format!("neg[{}]", show(inner)),
        AstKind::Compare { op, left, right } => {
            format!("{:?}[{}, {}]", op.value, show(left), show(right))
        }
        AstKind::Arithmetic { op, left, right } => {
            format!("{:?}[{}, {}]", op.value, show(left), show(right))
        }
        AstKind::In { value, list: items, negated } => {
            format!("{}in[{}; {}]", not(*negated), show(value), list(items))
        }
        AstKind::Between { value, low, high, negated } => {
            format!("{}between[{}, {}, {}]", not(*negated), show(value), show(low), show(high))
        }
        AstKind::Like { text, pattern, negated, ignore_case } => {
            let name = if *ignore_case { "ilike" } else { "like" };
            format!("{}{name}[{}, {}]", not(*negated), show(text), show(pattern))
        }
        AstKind::IsNull { value, negated } => format!("{}null[{}]", not(*negated), show(value)),
        AstKind::IsTruth { value, truth, negated } => {
            format!("{}{truth}[{}]", not(*negated), show(value))
        }
        AstKind::Call { function, arguments } => {
            format!("{}({})", function.value.name(), list(arguments))
        }
        AstKind::Aggregate(call) => {
            let part = |word: &str, part: &Option<Ast>| {
                part.as_ref().map_or_else(String::new, |part| format!("{word}{}", show(part)))
            };
            format!(
                "{}.{}({}{}{})",
                call.related.value,
                call.function.value.name(),
                part("", &call.value),
                part(" by ", &call.by),
                part(" where ", &call.filter)
            )
        }
    }
}

#[track_caller]
fn reads(text: &str, tree: &str) {
    assert_eq!(show(&parsed(text)), tree, "{text}");
}

/// All nodes with what their places cover, outermost first.
fn places<'a>(ast: &Ast, text: &'a str, all: &mut Vec<&'a str>) {
    all.push(&text[ast.span.start..ast.span.end]);
    let children: Vec<&Ast> = match &ast.kind {
        AstKind::And(items) | AstKind::Or(items) | AstKind::Call { arguments: items, .. } => {
            items.iter().collect()
        }
        AstKind::Not(inner) | AstKind::Negate(inner) => vec![inner],
        AstKind::Compare { left, right, .. } | AstKind::Arithmetic { left, right, .. } => {
            vec![left, right]
        }
        AstKind::In { value, list, .. } => std::iter::once(&**value).chain(list.iter()).collect(),
        AstKind::Between { value, low, high, .. } => vec![value, low, high],
        AstKind::Like { text, pattern, .. } => vec![text, pattern],
        AstKind::IsNull { value, .. } | AstKind::IsTruth { value, .. } => vec![value],
        _ => Vec::new(),
    };
    for child in children {
        places(child, text, all);
    }
}

#[track_caller]
fn stands(text: &str, expected: &[&str]) {
    let mut all = Vec::new();
    places(&parsed(text), text, &mut all);
    assert_eq!(all, expected, "{text}");
}

#[test]
fn comparisons() {
    reads("a = 1", "Equal[a, 1]");
    reads("a <> 1", "NotEqual[a, 1]");
    reads("a != 1.5", "NotEqual[a, 1.5]");
    reads("a < 1e3", "Less[a, 1e3]");
    reads("a <= 'x'", "LessEqual[a, 'x']");
    reads("a > b", "Greater[a, b]");
    reads("a>=TRUE", "GreaterEqual[a, true]");
    reads("a = NULL", "Equal[a, null]");
    reads("a = 'O''Brien'", "Equal[a, 'O'Brien']");
    reads(r"a = 'C:\x'", r"Equal[a, 'C:\x']");
}

#[test]
fn truth() {
    reads("flag", "flag");
    reads("NOT flag", "not[flag]");
    reads("a AND b AND c", "and[a, b, c]");
    reads("a OR b AND c OR d", "or[a, and[b, c], d]");
    reads("(a OR b) AND NOT (c OR d)", "and[or[a, b], not[or[c, d]]]");
    reads("NOT a = 1 AND b", "and[not[Equal[a, 1]], b]");
    reads("NOT NOT a", "not[not[a]]");
    reads("((a))", "a");
    reads("(a AND b) = TRUE", "Equal[and[a, b], true]");
    reads("(a OR b AND c) IS NOT TRUE", "not true[or[a, and[b, c]]]");
    reads("a IS TRUE or b is false", "or[true[a], false[b]]");
    reads("a IS NOT TRUE AND b IS NOT FALSE", "and[not true[a], not false[b]]");
    reads("coalesce(NOT a, b OR c)", "coalesce(not[a], or[b, c])");
}

#[test]
fn predicates() {
    reads("a IN (1, 2)", "in[a; 1, 2]");
    reads("a NOT IN ('x')", "not in[a; 'x']");
    reads("a BETWEEN 1 AND 2 AND b", "and[between[a, 1, 2], b]");
    reads("a NOT BETWEEN 1 AND b + 2 OR c", "or[not between[a, 1, Add[b, 2]], c]");
    reads("a BETWEEN 1 AND (2)", "between[a, 1, 2]");
    reads("a BETWEEN (1) AND (2) AND (b)", "and[between[a, 1, 2], b]");
    reads("a LIKE 'x%' AND b NOT LIKE '_'", "and[like[a, 'x%'], not like[b, '_']]");
    reads("a ILIKE 'x%' OR b NOT ILIKE '_'", "or[ilike[a, 'x%'], not ilike[b, '_']]");
    reads("a IS NULL AND b IS NOT NULL", "and[null[a], not null[b]]");
    reads("a + 1 IS NULL", "null[Add[a, 1]]");
}

#[test]
fn arithmetic() {
    reads("a + 1 > b * 2 - 3 / c", "Greater[Add[a, 1], Subtract[Multiply[b, 2], Divide[3, c]]]");
    reads("(a + 1) * 2 > 3", "Greater[Multiply[Add[a, 1], 2], 3]");
    reads("-a < -1", "Less[neg[a], neg[1]]");
    reads("- - a < .5", "Less[neg[neg[a]], .5]");
    reads("a - -1 = 0", "Equal[Subtract[a, neg[1]], 0]");
    reads("(a + 1) > 2 AND (b)", "and[Greater[Add[a, 1], 2], b]");
}

#[test]
fn names() {
    reads("\"Points earned\" > 5", "Greater[\"Points earned\", 5]");
    reads("\"a \"\" b\" IS NULL", "null[\"a \" b\"]");
    reads("größe > 5", "Greater[größe, 5]");
    reads("consent.newsletter", "consent(newsletter)");
    reads("CONSENT.\"x y\" = TRUE", "Equal[consent(x y quoted), true]");
    reads("NOT consent.product_update", "not[consent(product_update)]");
    // Words that SQL uses elsewhere are names here.
    for word in [
        "date",
        "year",
        "user",
        "value",
        "name",
        "position",
        "interval",
        "timestamp",
        "first",
        "array",
        "text",
        "trim",
        "end",
        "at",
        "any",
        "map",
        "struct",
        "binary",
        "lower",
        "prior",
        "lambda",
    ] {
        reads(&format!("{word} = 'x'"), &format!("Equal[{word}, 'x']"));
        reads(&format!("x = {word} AND y"), &format!("and[Equal[x, {word}], y]"));
        reads(&format!("(({word}) IS NULL)"), &format!("null[{word}]"));
    }
}

#[test]
fn functions() {
    reads("lower(a) = upper(b)", "Equal[lower(a), upper(b)]");
    reads("TRIM(a) = 'x'", "Equal[trim(a), 'x']");
    reads("Length (a) > 3", "Greater[length(a), 3]");
    reads("coalesce(a, b, 0) = abs(c)", "Equal[coalesce(a, b, 0), abs(c)]");
    reads("round(a) = round(b, 2)", "Equal[round(a), round(b, 2)]");
    reads("year(a) = month(b) + day(c)", "Equal[year(a), Add[month(b), day(c)]]");
    reads("days_since(a) > 30", "Greater[days_since(a), 30]");
    reads("trim(coalesce(a, '')) = ''", "Equal[trim(coalesce(a, '')), '']");
}

#[test]
fn dates() {
    reads("a > DATE '2026-01-31'", "Greater[a, date 2026-01-31]");
    reads("a > timestamp '2026-01-31 10:00'", "Greater[a, timestamp 2026-01-31 10:00]");
    reads("a + INTERVAL '3' MONTH > b", "Greater[Add[a, interval(3 Month)], b]");
    reads("a - INTERVAL '3 months' > b", "Greater[Subtract[a, interval(3 Month)], b]");
    reads("a + interval 2 weeks > b", "Greater[Add[a, interval(2 Week)], b]");
    reads(
        "a + INTERVAL '1 year 6 months -2 days' > b",
        "Greater[Add[a, interval(1 Year 6 Month -2 Day)], b]",
    );
    for unit in ["year", "MONTH", "week", "day", "hour", "minute", "second"] {
        for text in [format!("'1' {unit}"), format!("'1' {unit}s"), format!("'1 {unit}s'")] {
            assert!(show(&parsed(&format!("a + INTERVAL {text} = b"))).contains("interval(1 "));
        }
    }
}

#[test]
fn every_node_has_its_place() {
    stands("a = 1", &["a = 1", "a", "1"]);
    stands("  a\n  =  'x y'  ", &["a\n  =  'x y'", "a", "'x y'"]);
    stands("(a + 1) * 2 > 3", &["(a + 1) * 2 > 3", "(a + 1) * 2", "(a + 1)", "a", "1", "2", "3"]);
    stands(
        "(a OR b) AND NOT (c)",
        &["(a OR b) AND NOT (c)", "(a OR b)", "a", "b", "NOT (c)", "(c)"],
    );
    stands(
        "a IS NOT NULL OR b IS TRUE",
        &["a IS NOT NULL OR b IS TRUE", "a IS NOT NULL", "a", "b IS TRUE", "b"],
    );
    stands("x NOT IN ('a', - 2)", &["x NOT IN ('a', - 2)", "x", "'a'", "- 2", "2"]);
    stands("x NOT BETWEEN 1 AND (2)", &["x NOT BETWEEN 1 AND (2)", "x", "1", "(2)"]);
    stands("lower( a ) LIKE 'ü%'", &["lower( a ) LIKE 'ü%'", "lower( a )", "a", "'ü%'"]);
    stands(
        "d + INTERVAL '3' MONTH > DATE '2026-01-01'",
        &[
            "d + INTERVAL '3' MONTH > DATE '2026-01-01'",
            "d + INTERVAL '3' MONTH",
            "d",
            "INTERVAL '3' MONTH",
            "DATE '2026-01-01'",
        ],
    );
    stands(
        "ü = 'ä' AND \"ö ö\" = consent . \"x y\"",
        &[
            "ü = 'ä' AND \"ö ö\" = consent . \"x y\"",
            "ü = 'ä'",
            "ü",
            "'ä'",
            "\"ö ö\" = consent . \"x y\"",
            "\"ö ö\"",
            "consent . \"x y\"",
        ],
    );
    // Only a line feed ends a line for the tokenizer; blanks may be any of Unicode's.
    stands(
        "a\r\n= 1 AND\rb\u{a0}= 2",
        &["a\r\n= 1 AND\rb\u{a0}= 2", "a\r\n= 1", "a", "1", "b\u{a0}= 2", "b", "2"],
    );
}

#[test]
fn operators_and_purposes_have_places() {
    let text = "a  <=  b";
    let AstKind::Compare { op, .. } = parsed(text).kind else { panic!("no comparison") };
    assert_eq!(&text[op.span.start..op.span.end], "<=");
    let text = "x = consent.\"a b\"";
    let AstKind::Compare { right, .. } = parsed(text).kind else { panic!("no comparison") };
    let AstKind::Consent { purpose, .. } = right.kind else { panic!("no consent") };
    assert_eq!(&text[purpose.span.start..purpose.span.end], "\"a b\"");
    let text = "x = ROUND (y)";
    let AstKind::Compare { right, .. } = parsed(text).kind else { panic!("no comparison") };
    let AstKind::Call { function, .. } = right.kind else { panic!("no call") };
    assert_eq!(&text[function.span.start..function.span.end], "ROUND");
}

#[test]
fn parts_that_rules_do_not_have() {
    unsupported("a = (SELECT 1)", "SELECT", "a subquery", "intersect");
    unsupported("a IN (SELECT b)", "SELECT", "a subquery", "intersect");
    unsupported("EXISTS (a)", "EXISTS", "a subquery", "intersect");
    unsupported("a = ANY (b)", "ANY", "a subquery", "");
    unsupported("CAST(a AS int) = 1", "CAST", "a cast", "types:");
    unsupported("a::int = 1", "::", "a cast", "types:");
    unsupported("CASE WHEN a THEN b END", "CASE", "CASE", "AND and OR");
    unsupported("lower(a) OVER (PARTITION BY b) = 1", "OVER", "a window function", "one profile");
    unsupported("count(a) > 1", "count", "an aggregate", "under `related`");
    unsupported("sum(*) > 1", "sum", "an aggregate", "under `related`");
    unsupported("coalesce(*) > 1", "coalesce", "`*`", "");
    unsupported("a || b = 'x'", "||", "`||`", "write OR");
    unsupported("a == 1", "==", "`==`", "write `=`");
    unsupported("a => 1", "=>", "`=>`", "write `>=`");
    unsupported("a && b", "&&", "`&&`", "write AND");
    unsupported("!a", "!", "`!`", "NOT");
    unsupported("a % 2 = 0", "%", "`%`", "a rule has");
    unsupported("a ^ 2 = 0", "^", "`^`", "a rule has");
    unsupported("a = ?", "?", "a placeholder", "");
    unsupported("a = :x", ":", "a placeholder", "");
    unsupported("a = $1", "$1", "a placeholder", "");
    unsupported("a = {x}", "{x}", "a placeholder", "");
    unsupported("a[1] = 1", "[1]", "a bracket", "( )");
    unsupported("a = 1;", ";", "`;`", "");
    unsupported("a = 0x1F", "0x1F", "a hexadecimal constant", "");
    unsupported("a = ‘x’", "‘x’", "a typographic quote", "'x'");
    unsupported("“a b” = 1", "“a b”", "a typographic quote", "straight");
    unsupported("`a b` = 1", "`a b`", "a backtick", "double quotes");
    unsupported("a ~ 'x'", "~", "a regular expression", "LIKE");
    unsupported("a REGEXP 'x'", "REGEXP", "a regular expression", "LIKE");
    unsupported("a NOT RLIKE 'x'", "NOT", "a regular expression", "LIKE");
    unsupported("a SIMILAR TO 'x'", "SIMILAR", "SIMILAR TO", "LIKE");
    unsupported("a COLLATE x = 'b'", "COLLATE", "COLLATE", "lower");
    unsupported("a AT TIME ZONE 'x' > b", "AT", "AT TIME ZONE", "timezone");
    unsupported("a IS DISTINCT FROM b", "IS", "IS DISTINCT", "IS NULL");
    unsupported("a IS UNKNOWN", "IS", "IS UNKNOWN", "IS NULL");
    unsupported("a NOT NULL", "NOT", "this form", "write IS NOT NULL");
    unsupported("a LIKE 'x!%' ESCAPE '!'", "ESCAPE", "ESCAPE", "escapes");
    unsupported("(a, b) = 1", "(", "a list of values", "IN");
    unsupported("a = +1", "+", "this sign", "");
    unsupported("a XOR b", "XOR", "this operator", "");
    unsupported("t.a = 1", "t.a", "this name", "write a;");
    unsupported("consent.a.b", "consent.a.b", "this name", "consent.<purpose>");
    unsupported("consent.lower(a)", "lower", "a function `lower`", "");
    unsupported("lowr(a) = 'x'", "lowr", "a function `lowr`", "did you mean `lower`?");
    unsupported("frobnicate(a)", "frobnicate", "a function `frobnicate`", "days_since");
    unsupported("\"lower\"(a) = 'x'", "\"lower\"", "a function", "not quoted");
    unsupported("CURRENT_DATE > a", "CURRENT_DATE", "`CURRENT_DATE`", "days_since");
    unsupported("now() > a", "now", "the current date", "days_since");
    unsupported("EXTRACT(year FROM a) = 1", "EXTRACT", "EXTRACT", "year(x)");
    unsupported("substring(a, 1) = 'x'", "substring", "this function", "LIKE");
    unsupported("ifnull(a, 1) = 1", "ifnull", "this function", "coalesce");
    unsupported("trim(both 'x' from a) = ''", "trim", "this form of trim", "");
    unsupported("a > DATETIME '2026-01-01'", "DATETIME", "this constant", "TIMESTAMP");
    unsupported("a > TIME '10:00'", "TIME", "this constant", "TIMESTAMP");
    unsupported("a + INTERVAL '1' QUARTER > b", "QUARTER", "this unit", "year month");
    unsupported("a -- x", "-- x", "an SQL comment", "#");
    unsupported("a /* x */ = 1", "/* x */", "an SQL comment", "#");
    unsupported("a = 5--1 AND b", "--1 AND b", "an SQL comment", "`- -1`");
}

#[test]
fn faults_of_form() {
    malformed("", "", "empty");
    malformed("  \n ", "  \n ", "empty");
    malformed("a =", "", "expected a field, a constant or a condition, found the end");
    malformed("a = AND b", "AND", "found `AND`");
    malformed("a = 1 AND", "", "found the end of the rule");
    malformed("AND a", "AND", "found `AND`");
    malformed("a = )", ")", "closes nothing");
    malformed("(a = 1", "(", "never closed");
    malformed("(a = 1 OR (b)", "(", "never closed");
    malformed("a IN ()", ")", "found `)`");
    malformed("a IN 1", "1", "found `1`");
    malformed("a IS 1", "1", "NULL, TRUE or FALSE after IS");
    refused("a NOT 1", Code::RuleSyntax, "NOT", "found `NOT`", "before IN, BETWEEN");
    malformed("a BETWEEN 1", "", "expected AND");
    malformed("a BETWEEN 1 OR 2", "OR", "expected AND");
    malformed("a 1", "1", "expected AND, OR or the end, found `1`");
    malformed("(a 1) AND b", "1", "expected AND, OR or the end, found `1`");
    malformed("first name = 'x'", "name", "found `name`");
    malformed("coalesce(DISTINCT a) > 1", "a", "expected `)`, found `a`");
    refused("a =< 1", Code::RuleSyntax, "<", "found `<`", "comparisons: = <>");
    malformed("a = 'x", "'x", "a text is never closed");
    malformed("a = 'it's'", "'", "a text is never closed");
    malformed("\"a b = 1 ", "\"a b = 1", "a quoted name is never closed");
    malformed("a = 1 /* x ", "/* x", "");
    malformed("a + INTERVAL 'x' MONTH > b", "'x'", "an interval");
    malformed("a + INTERVAL '3' > b", "'3'", "an interval");
    malformed("a + INTERVAL '3 moons' > b", "'3 moons'", "an interval");
    malformed("a + INTERVAL '1.5' DAY > b", "'1.5'", "an interval");
    malformed("a + INTERVAL '1-2' YEAR TO MONTH > b", "'1-2'", "an interval");
    malformed("a = OR = b", "OR", "found `OR`");
    malformed("a NOT AND b", "AND", "found `AND`");
    malformed("IN (1)", "IN", "found `IN`");
    malformed("a AND NOT", "", "found the end");
    malformed("a AND LIKE 'x'", "LIKE", "found `LIKE`");
    malformed("(OR)", "OR", "found `OR`");
    malformed("a = 1 b = 2 AND c d", "b", "found `b`");
    malformed("country 'DE'", "'DE'", "found `'DE'`");
    malformed("a = 1 AND ü ß", "ß", "found `ß`");
}

#[test]
fn every_part_that_rules_do_not_have_is_told() {
    let text = "cast(a AS int) = 1 AND b COLLATE x = 'y' OR (c IS UNKNOWN AND d ^ 2 = 1)";
    let by_token: Vec<_> = faults(text).iter().map(|fault| fault.labels[0].span.start).collect();
    assert_eq!(by_token, [0, 64]);
    let text = "b COLLATE x = 'y' OR (c IS UNKNOWN AND d = 1)";
    assert_eq!(faults(text).len(), 2);
}

#[test]
fn long_chains_are_flat() {
    let text = vec!["a = 1"; 20_000].join(" AND ");
    let AstKind::And(members) = parsed(&text).kind else { panic!("no AND") };
    assert_eq!(members.len(), 20_000);
    let text = format!("b AND (({}))", vec!["a"; 20_000].join(" OR "));
    let AstKind::And(members) = parsed(&text).kind else { panic!("no AND") };
    let AstKind::Or(members) = &members[1].kind else { panic!("no OR") };
    assert_eq!(members.len(), 20_000);
    let text = format!("a IN ({})", vec!["1"; 20_000].join(", "));
    let AstKind::In { list, .. } = parsed(&text).kind else { panic!("no IN") };
    assert_eq!(list.len(), 20_000);
    // The fault comes last, when most has been read.
    let text = format!("({}) AND", vec!["a"; 20_000].join(" OR "));
    malformed(&text, "", "found the end");
}

#[test]
fn deep_rules_are_refused() {
    let deep = |fault: &Diagnostic| fault.message.contains("nested too deep");
    for text in [
        format!("{}a{}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("{}a", "NOT ".repeat(100_000)),
        format!("{}a = 1", "- ".repeat(100_000)),
        format!("a{} > 0", " + 1".repeat(20_000)),
        format!("a{}", " IS TRUE".repeat(20_000)),
        format!("a{}", " COLLATE x".repeat(20_000)),
        format!("a{} > b", " AT TIME ZONE 'x'".repeat(20_000)),
        format!("a{}", " = 1".repeat(20_000)),
        format!("x{} = 1", ".x".repeat(20_000)),
        format!("coalesce(a{}, b)", " AND a".repeat(20_000)),
        format!("x BETWEEN 1 AND (a{})", " AND a".repeat(20_000)),
        format!("{}a{}", "coalesce(".repeat(10_000), ")".repeat(10_000)),
        format!("{}a{}", "coalesce(b, ".repeat(10_000), ")".repeat(10_000)),
        format!("{}a{}", "(a = (b AND ".repeat(10_000), "))".repeat(10_000)),
    ] {
        let faults = faults(&text);
        assert!(deep(&faults[0]), "{}: {:?}", &text[..20], faults[0]);
        assert_eq!(faults.len(), 1);
    }
    assert!(faults(&"(".repeat(10_000))[0].message.contains("never closed"));
    assert!(faults(&")".repeat(10_000))[0].message.contains("closes nothing"));
}

#[test]
fn rules_as_deep_as_allowed_are_read() {
    let around = [
        ("(", ")"),
        ("coalesce(", ")"),
        ("coalesce(b, ", ")"),
        ("-(", ")"),
        ("NOT ", ""),
        ("NOT (b = ", ")"),
        ("1 + (", ")"),
        ("(", " + 1)"),
        ("(", " AND b)"),
        ("(b AND ", ")"),
        ("b IN (1, ", ")"),
        ("(1 BETWEEN 2 AND ", ")"),
    ];
    for (before, after) in around {
        let nested = |levels: usize| {
            let text = format!("{}a{} > 1", before.repeat(levels), after.repeat(levels));
            let map = SpanMap::new(&text, Span::new(0, text.len()), &text);
            parse(&text, &map)
        };
        let refused = (1..=100).find(|levels| nested(*levels).is_err()).unwrap_or_default();
        assert!(refused > 3, "{before}: {refused}");
        let faults = nested(refused).expect_err("it was refused");
        assert!(faults.0[0].message.contains("nested too deep"), "{before}: {faults:?}");
    }
}

#[test]
fn calls_on_related_tables() {
    reads("orders.count() > 2", "Greater[orders.count(), 2]");
    reads(
        "x OR Orders.COUNT(where a = 'by' AND (b OR c)) = 0",
        "or[x, Equal[Orders.count( where and[Equal[a, 'by'], or[b, c]]), 0]]",
    );
    reads("NOT (o.sum(a * 2 where b) IS NULL)", "not[null[o.sum(Multiply[a, 2] where b)]]");
    reads(
        "\"web log\".last(\"by\" by coalesce(a, b)) = 1",
        "Equal[web log.last(\"by\" by coalesce(a, b)), 1]",
    );
    reads("days_since(o.max(a)) > 1", "Greater[days_since(o.max(a)), 1]");
    stands("x AND o.count() > 1", &["x AND o.count() > 1", "x", "o.count() > 1", "o.count()", "1"]);

    malformed("o.count(a) > 1", "a", "count takes no value");
    malformed("o.sum() > 1", "sum()", "sum takes a value");
    malformed("o.sum(where a) > 1", "sum(where a)", "sum takes a value");
    malformed("o.last(a) = 1", "last(a)", "last needs an order");
    malformed("o.last(a by) = 1", "last(a by)", "`by` names a time");
    malformed("o.last(a where b by c) = 1", "by", "`by` stands before `where`");
    malformed("o.max(a by b) = 1", "by", "max has no order");
    malformed("o.count(where) = 1", "where", "`where` has no condition");
    malformed("o.count(where a = ) = 1", "", "expected");
    malformed("o.count(where a b) = 1", "b", "expected AND, OR or the end");
    malformed("o.count( = 1", "(", "never closed");
    unsupported("o.median(a) = 1", "median", "an aggregate `median`", "aggregates: count");
    unsupported("o.cuont() = 1", "cuont", "an aggregate `cuont`", "did you mean `count`?");
    unsupported("o.sum(p.sum(a)) = 1", "p.sum(a)", "an aggregate inside", "one table");
    unsupported("o.count(where CASE = 1) = 1", "CASE", "CASE", "");
    unsupported("a.b.count() = 1", "count", "an aggregate", "");
}
