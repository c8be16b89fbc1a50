use super::*;
use crate::plan::{FieldId, PurposeId};
use crate::rule::{SpanMap, parse};

fn fields() -> Vec<(String, Type)> {
    [
        ("country", Type::Text),
        ("zip", Type::Text),
        ("points", Type::Int),
        ("score", Type::Float),
        ("price", Type::Decimal(2)),
        ("active", Type::Bool),
        ("birth_date", Type::Date),
        ("updated_at", Type::Datetime),
        ("Points earned", Type::Int),
        ("Status", Type::Text),
        ("status", Type::Int),
        ("Größe", Type::Float),
    ]
    .into_iter()
    .map(|(name, ty)| (name.to_owned(), ty))
    .collect()
}

fn related() -> Vec<Related> {
    let columns = [
        ("status", Type::Text),
        ("amount", Type::Decimal(2)),
        ("pieces", Type::Int),
        ("weight", Type::Float),
        ("ordered_at", Type::Datetime),
        ("sent_on", Type::Date),
        ("gift", Type::Bool),
    ];
    let columns = columns.map(|(name, ty)| (name.to_owned(), ty)).to_vec();
    let name = "orders".to_owned();
    vec![Related { name, source: crate::plan::SourceId(0), matches: Vec::new(), columns }]
}

pub(super) fn resolved(text: &str) -> (Option<Expr>, Vec<Diagnostic>) {
    let map = SpanMap::new(text, Span::new(0, text.len()), text);
    let ast = parse(text, &map).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    let fields = fields();
    let purposes = ["newsletter".to_owned(), "product update".to_owned()];
    let mut sink = Sink::default();
    let related = related();
    let scope = Scope { fields: &fields, purposes: &purposes, related: &related, rows_of: None };
    let typed = resolve_rule(&ast, &scope, &mut Vec::new(), &mut sink);
    (typed, sink.into_faults())
}

/// The expression in brackets.
fn show(e: &Expr) -> String {
    let list = |items: &[Expr]| items.iter().map(show).collect::<Vec<_>>().join(", ");
    match &e.kind {
        ExprKind::Field(FieldId(at)) => fields()[*at].0.clone(),
        ExprKind::Consent(PurposeId(at)) => format!("consent {at}"),
        ExprKind::AsOf => "as_of".to_owned(),
        ExprKind::Aggregate(at) => format!("{} aggregate {}", e.ty.name(), at.0),
        ExprKind::Literal(Literal::Null) => format!("null {}", e.ty.name()),
        ExprKind::Literal(Literal::Text(text)) => format!("'{text}'"),
        ExprKind::Literal(Literal::Bool(value)) => value.to_string(),
        ExprKind::Literal(Literal::Int(number)) => number.to_string(),
        ExprKind::Literal(Literal::Float(number)) => format!("{number:?}"),
        ExprKind::Literal(Literal::Date(days)) => format!("date {days}"),
        ExprKind::Literal(Literal::Datetime(micros)) => format!("datetime {micros}"),
        ExprKind::Cast(inner) => format!("{}<{}>", e.ty.name(), show(inner)),
        ExprKind::Compare(op, l, r) => format!("{op:?}[{}, {}]", show(l), show(r)),
        ExprKind::And(members) => format!("and[{}]", list(members)),
        ExprKind::Or(members) => format!("or[{}]", list(members)),
        ExprKind::Not(inner) => format!("not[{}]", show(inner)),
        ExprKind::In(value, items) => format!("in[{}; {}]", show(value), list(items)),
        ExprKind::Like { text, pattern, ignore_case } => {
            format!("{}like[{}, '{pattern}']", if *ignore_case { "i" } else { "" }, show(text))
        }
        ExprKind::IsNull(inner) => format!("null[{}]", show(inner)),
        ExprKind::Arithmetic(op, l, r) => format!("{op:?}[{}, {}]", show(l), show(r)),
        ExprKind::Shift { base, sign, interval: i } => {
            format!("shift[{}, {sign} * {}m {}d {}us]", show(base), i.months, i.days, i.micros)
        }
        ExprKind::Call(function, arguments) => format!("{function:?}({})", list(arguments)),
    }
}

/// Operands have the types that the doc comments of `plan::expr` promise to engines.
fn check(e: &Expr) {
    let same = |items: &[&Expr]| {
        assert!(items.windows(2).all(|pair| pair[0].ty == pair[1].ty), "{}", show(e));
        assert!(!matches!(items[0].ty, Type::Decimal(_)), "{}", show(e));
    };
    let bools = |items: &[Expr]| {
        assert!(items.len() >= 2 && items.iter().all(|item| item.ty == Type::Bool), "{}", show(e));
    };
    let children: Vec<&Expr> = match &e.kind {
        ExprKind::Field(_)
        | ExprKind::Consent(_)
        | ExprKind::Literal(_)
        | ExprKind::AsOf
        | ExprKind::Aggregate(_) => Vec::new(),
        ExprKind::Cast(inner) => {
            let fits = matches!(
                (inner.ty, e.ty),
                (Type::Int | Type::Decimal(_), Type::Float) | (Type::Date, Type::Datetime)
            );
            assert!(fits, "{}", show(e));
            vec![inner]
        }
        ExprKind::Compare(_, l, r) => {
            same(&[l, r]);
            vec![l, r]
        }
        ExprKind::And(items) | ExprKind::Or(items) => {
            bools(items);
            items.iter().collect()
        }
        ExprKind::Not(inner) => {
            assert_eq!(inner.ty, Type::Bool);
            vec![inner]
        }
        ExprKind::In(value, items) => {
            let all: Vec<_> = std::iter::once(&**value).chain(items).collect();
            same(&all);
            all
        }
        ExprKind::Like { text, .. } => {
            assert_eq!(text.ty, Type::Text);
            vec![text]
        }
        ExprKind::IsNull(inner) => vec![inner],
        ExprKind::Arithmetic(op, l, r) => {
            same(&[l, r, e]);
            assert!(e.ty == Type::Float || (e.ty == Type::Int && *op != ArithmeticOp::Divide));
            vec![l, r]
        }
        ExprKind::Shift { base, interval, .. } => {
            assert_eq!(base.ty, e.ty);
            assert!(e.ty == Type::Datetime || (e.ty == Type::Date && interval.micros == 0));
            vec![base]
        }
        ExprKind::Call(function, arguments) => {
            if *function == Function::Coalesce {
                let mut all: Vec<_> = arguments.iter().collect();
                all.push(e);
                same(&all);
            }
            arguments.iter().collect()
        }
    };
    children.into_iter().for_each(check);
}

#[track_caller]
fn types(text: &str, expected: &str) {
    let (typed, faults) = resolved(text);
    assert_eq!(faults, [], "{text}");
    let typed = typed.expect("no fault, so there is an expression");
    assert_eq!(show(&typed), expected, "{text}");
    assert_eq!(typed.ty, Type::Bool);
    check(&typed);
}

/// Code, what the first place covers, message and help of the only fault.
#[track_caller]
fn refused(text: &str, code: Code, place: &str, message: &str, help: &str) {
    let (typed, faults) = resolved(text);
    assert_eq!((typed, faults.len()), (None, 1), "{text}: {faults:?}");
    let span = faults[0].labels[0].span;
    assert_eq!((faults[0].code, &text[span.start..span.end]), (code, place), "{text}: {faults:?}");
    assert!(faults[0].message.contains(message), "{text}: {}", faults[0].message);
    let found = faults[0].help.as_deref().unwrap_or_default();
    assert!(found.contains(help), "{text}: {found}");
}

#[track_caller]
fn mistyped(text: &str, place: &str, message: &str, help: &str) {
    refused(text, Code::RuleType, place, message, help);
}

#[test]
fn names() {
    types("active", "active");
    types("ACTIVE", "active");
    types("größe > 1.5", "Greater[Größe, 1.5]");
    types("\"Points earned\" > 5", "Greater[Points earned, 5]");
    types("status > 5", "Greater[status, 5]");
    types("Status = 'x'", "Equal[Status, 'x']");
    types("consent.newsletter", "consent 0");
    types("NOT consent.Newsletter", "not[consent 0]");
    types("consent.\"product update\" = TRUE", "Equal[consent 1, true]");
}

#[test]
fn unknown_names() {
    let unknown =
        |text, place, message, help| refused(text, Code::UnknownField, place, message, help);
    unknown("contry = 'DE'", "contry", "no field `contry`", "did you mean `country`?");
    unknown("country = DE", "DE", "no field `DE`", "'DE'");
    unknown("country = \"DE\"", "\"DE\"", "no field `DE`", "'DE'");
    unknown("\"ACTIVE\"", "\"ACTIVE\"", "no field `ACTIVE`", "did you mean `active`?");
    refused("STATUS = 1", Code::UnknownField, "STATUS", "`STATUS` may be two fields", "quotes");
    unknown("STATUS_ = 1", "STATUS_", "no field", "did you mean `Status`?");
    unknown("\"STATUS\" = 1", "\"STATUS\"", "no field", "did you mean");
    unknown("consent = TRUE", "consent", "no field", "consent.<purpose>");
    unknown("consent_newsletter = TRUE", "consent_newsletter", "", "`consent.newsletter`?");
    unknown("newsletter", "newsletter", "", "did you mean `consent.newsletter`?");
    unknown("xyzzy = 1", "xyzzy", "no field", "fields: country, zip,");
    let unknown =
        |text, place, message, help| refused(text, Code::UnknownPurpose, place, message, help);
    unknown("consent.newsleter", "newsleter", "no purpose `newsleter`", "`newsletter`?");
    unknown("consent.\"x\"", "\"x\"", "no purpose `x`", "purposes: newsletter, product update");
    unknown("consent.\"Newsletter\"", "\"Newsletter\"", "no purpose", "did you mean");
}

#[test]
fn names_that_differ_in_case_only() {
    let fields = [("Ab".to_owned(), Type::Bool), ("aB".to_owned(), Type::Bool)];
    let purposes = ["Ab".to_owned(), "aB".to_owned()];
    for (text, code) in [("ab", Code::UnknownField), ("consent.AB", Code::UnknownPurpose)] {
        let ast = parse(text, &SpanMap::new(text, Span::new(0, text.len()), text)).expect("a rule");
        let mut sink = Sink::default();
        let scope = Scope { fields: &fields, purposes: &purposes, related: &[], rows_of: None };
        assert_eq!(resolve_rule(&ast, &scope, &mut Vec::new(), &mut sink), None);
        let faults = sink.into_faults();
        assert_eq!(faults[0].code, code);
        assert!(faults[0].labels[0].text.contains("`Ab` or `aB`?"));
    }
}

#[test]
fn comparisons() {
    types("country = 'DE'", "Equal[country, 'DE']");
    types("'DE' <> country", "NotEqual['DE', country]");
    types("points >= 1000", "GreaterEqual[points, 1000]");
    types("points > 1.5", "Greater[float<points>, 1.5]");
    types("score > 1", "Greater[score, 1.0]");
    types("score < points", "Less[score, float<points>]");
    types("price = 1", "Equal[float<price>, 1.0]");
    types("price <= price", "LessEqual[float<price>, float<price>]");
    types("points > price", "Greater[float<points>, float<price>]");
    types("active = TRUE", "Equal[active, true]");
    types("active <> (points > 1)", "NotEqual[active, Greater[points, 1]]");
    types("'a' < 'b'", "Less['a', 'b']");
    types("points = -9223372036854775808", "Equal[points, -9223372036854775808]");
    types("score = -1e3", "Equal[score, -1000.0]");
    types("points = - -5", "Equal[points, Subtract[0, -5]]");
    types("-points < -score", "Less[float<Subtract[0, points]>, Subtract[0.0, score]]");
}

#[test]
fn dates() {
    types("birth_date > '1970-01-02'", "Greater[birth_date, date 1]");
    types("'1970-01-02' < birth_date", "Less[date 1, birth_date]");
    types("birth_date = DATE '1970-01-02'", "Equal[birth_date, date 1]");
    types("updated_at > '1970-01-02'", "Greater[updated_at, datetime 86400000000]");
    types("updated_at > '1970-01-01 00:01Z'", "Greater[updated_at, datetime 60000000]");
    types("updated_at > DATE '1970-01-02'", "Greater[updated_at, datetime 86400000000]");
    types(
        "birth_date < TIMESTAMP '1970-01-01 00:01'",
        "Less[datetime<birth_date>, datetime 60000000]",
    );
    types("birth_date < updated_at", "Less[datetime<birth_date>, updated_at]");
    types(
        "updated_at >= birth_date + INTERVAL '1 month 2 days'",
        "GreaterEqual[updated_at, datetime<shift[birth_date, 1 * 1m 2d 0us]>]",
    );
    types(
        "updated_at - INTERVAL '3' HOUR > '1970-01-01'",
        "Greater[shift[updated_at, -1 * 0m 0d 10800000000us], datetime 0]",
    );
    types(
        "INTERVAL '1' YEAR + birth_date > '1970-01-01'",
        "Greater[shift[birth_date, 1 * 12m 0d 0us], date 0]",
    );
    types("birth_date IN ('1970-01-02', DATE '1970-01-03')", "in[birth_date; date 1, date 2]");
    types(
        "birth_date BETWEEN '1970-01-02' AND '1970-01-03'",
        "and[GreaterEqual[birth_date, date 1], LessEqual[birth_date, date 2]]",
    );
    types(
        "coalesce('1970-01-02', birth_date) = birth_date",
        "Equal[Coalesce(date 1, birth_date), birth_date]",
    );
}

#[test]
fn predicates() {
    types("country IN ('DE', zip)", "in[country; 'DE', zip]");
    types("points NOT IN (1, 2)", "not[in[points; 1, 2]]");
    types("points IN (1, 2.5)", "in[float<points>; 1.0, 2.5]");
    types("points BETWEEN 1 AND 5", "and[GreaterEqual[points, 1], LessEqual[points, 5]]");
    types(
        "points NOT BETWEEN 1 AND 5.5",
        "not[and[GreaterEqual[float<points>, 1.0], LessEqual[float<points>, 5.5]]]",
    );
    types("country LIKE 'D%'", "like[country, 'D%']");
    types("lower(country) NOT ILIKE 'd\\%\\\\'", "not[ilike[Lower(country), 'd\\%\\\\']]");
    types("points IS NULL", "null[points]");
    types("price IS NOT NULL", "not[null[price]]");
    types("active IS TRUE", "Coalesce(active, false)");
    types("active IS NOT TRUE", "not[Coalesce(active, false)]");
    types("active IS FALSE", "not[Coalesce(active, true)]");
    types("active IS NOT FALSE", "Coalesce(active, true)");
    types("active AND NULL", "and[active, null bool]");
    types("NOT NULL OR NULL IS TRUE", "or[not[null bool], Coalesce(null bool, false)]");
    types("(active OR points > 1) = FALSE", "Equal[or[active, Greater[points, 1]], false]");
    types("active = NOT active", "Equal[active, not[active]]");
}

#[test]
fn arithmetic_and_functions() {
    types(
        "points + 1 > 2 * points - 3",
        "Greater[Add[points, 1], Subtract[Multiply[2, points], 3]]",
    );
    types("points / 2 > 1", "Greater[Divide[float<points>, 2.0], 1.0]");
    types("points * 1.5 = score", "Equal[Multiply[float<points>, 1.5], score]");
    types("price + 1 > 0", "Greater[Add[float<price>, 1.0], 0.0]");
    types("lower(trim(country)) = upper('de')", "Equal[Lower(Trim(country)), Upper('de')]");
    types("length(zip) = 5", "Equal[Length(zip), 5]");
    types("coalesce(points, 0) > 5", "Greater[Coalesce(points, 0), 5]");
    types(
        "coalesce(points, NULL, 0.5) > 5",
        "Greater[Coalesce(float<points>, null float, 0.5), 5.0]",
    );
    types("coalesce(price, price) > 5", "Greater[Coalesce(float<price>, float<price>), 5.0]");
    types("coalesce(active, FALSE)", "Coalesce(active, false)");
    types("abs(points) > abs(price)", "Greater[float<Abs(points)>, Abs(float<price>)]");
    types("round(points) = round(score, 2)", "Equal[Round(float<points>), Round(score, 2)]");
    types(
        "year(birth_date) = month(updated_at) + day(birth_date)",
        "Equal[Year(birth_date), Add[Month(updated_at), Day(birth_date)]]",
    );
    types("days_since(updated_at) <= 30", "LessEqual[DaysSince(updated_at), 30]");
    types("days_since(DATE '1970-01-01') > 0", "Greater[DaysSince(date 0), 0]");
}

#[test]
fn types_that_do_not_fit() {
    mistyped(
        "zip = 12345",
        "zip",
        "text cannot be compared with int",
        "text '12345', or declare the column of `zip` under `types:`",
    );
    mistyped(
        "12345 = zip",
        "12345",
        "int cannot be compared with text",
        "`types: { COLUMN: int }`",
    );
    mistyped("zip < points", "zip", "text cannot be compared with int", "types:");
    mistyped(
        "points = '5'",
        "points",
        "int cannot be compared with text",
        "write 5 without quotes",
    );
    mistyped("points = 'x'", "points", "int cannot be compared with text", "without quotes");
    mistyped(
        "price > '5.0'",
        "price",
        "decimal cannot be compared with text",
        "write 5.0 without quotes",
    );
    mistyped(
        "active = 'True'",
        "active",
        "bool cannot be compared with text",
        "TRUE or FALSE, without quotes",
    );
    mistyped("consent.newsletter = 'True'", "consent.newsletter", "bool", "TRUE or FALSE");
    mistyped("active = 1", "active", "bool cannot be compared with int", "TRUE or FALSE");
    mistyped("zip = TRUE", "zip", "text cannot be compared with bool", "`types: { COLUMN: bool }`");
    mistyped(
        "zip > DATE '2026-01-01'",
        "zip",
        "text cannot be compared with date",
        "`types: { COLUMN: date }`",
    );
    mistyped(
        "birth_date > 2000",
        "birth_date",
        "date cannot be compared with int",
        "DATE '2026-01-31'",
    );
    mistyped("updated_at > 5", "updated_at", "datetime cannot be compared with int", "TIMESTAMP");
    mistyped("active = birth_date", "active", "bool cannot be compared with date", "");
    mistyped("active > FALSE", "active", "no order", "");
    mistyped("active BETWEEN FALSE AND TRUE", "active", "no order", "");
    mistyped("active IN (TRUE)", "active", "IN takes no", "IS NOT NULL");
    mistyped("points IN (1, 'x')", "points", "int cannot be compared with text", "");
    mistyped(
        "coalesce(points, 'x') = 1",
        "points",
        "coalesce takes values of one type, not int and text",
        "",
    );
    mistyped("birth_date = '31.01.2026'", "'31.01.2026'", "is not a date", "'YYYY-MM-DD'");
    mistyped(
        "birth_date = '2026-01-31 10:00'",
        "'2026-01-31 10:00'",
        "is not a date",
        "'YYYY-MM-DD'",
    );
    mistyped("updated_at = 'yesterday'", "'yesterday'", "is not a datetime", "hh:mm:ss");
    mistyped("updated_at = TIMESTAMP 'x'", "'x'", "is not a datetime", "hh:mm:ss");
    mistyped("birth_date = DATE '2026-02-30'", "'2026-02-30'", "is not a date", "");
    // Both places are labelled with what stands there.
    let (_, faults) = resolved("zip = 12345");
    let labels: Vec<_> = faults[0].labels.iter().map(|label| label.text.as_str()).collect();
    assert_eq!(labels, ["`zip` is text", "int"]);
}

#[test]
fn conditions_are_true_or_false() {
    mistyped("country", "country", "this is text", "country = 'text'");
    mistyped("points", "points", "this is int", "points IS NOT NULL");
    mistyped("points + 1", "points + 1", "this is int", "");
    mistyped("active AND country", "country", "this is text", "");
    mistyped("NOT points", "points", "this is int", "");
    mistyped("country IS TRUE", "country", "this is text", "");
    mistyped("NULL", "NULL", "holds for nobody", "where");
}

#[test]
fn nulls() {
    mistyped("points = NULL", "NULL", "never true", "IS NULL");
    mistyped("NULL <> points", "NULL", "never true", "IS NOT NULL");
    mistyped("points IN (1, NULL)", "NULL", "equals nothing", "IS NULL");
    mistyped("NULL IN (1)", "NULL", "", "");
    mistyped("points + NULL > 1", "NULL", "is NULL", "coalesce");
    mistyped("NULL IS NULL", "NULL", "", "");
    mistyped("lower(NULL) = 'x'", "NULL", "", "");
    mistyped("points BETWEEN NULL AND 1", "NULL", "", "");
    mistyped("coalesce(NULL, NULL) = 1", "NULL", "a coalesce of NULLs", "");
}

#[test]
fn dates_and_intervals() {
    mistyped("birth_date - birth_date > 30", "-", "dates are not numbers", "days_since(x)");
    mistyped("birth_date + 30 > '2026-01-01'", "+", "dates are not numbers", "INTERVAL '30' DAY");
    mistyped(
        "birth_date + INTERVAL '3' HOUR > '2026-01-01'",
        "INTERVAL '3' HOUR",
        "no time of day",
        "days",
    );
    mistyped("points + INTERVAL '3' DAY > 1", "points", "an interval takes dates", "");
    mistyped("zip + INTERVAL '3' DAY > '2026-01-01'", "zip", "an interval takes dates", "types:");
    mistyped(
        "'2026-01-01' + INTERVAL '3' DAY > birth_date",
        "'2026-01-01'",
        "",
        "write DATE before it",
    );
    mistyped("birth_date > INTERVAL '3' DAY", "INTERVAL '3' DAY", "added to a date", "");
    mistyped("birth_date * INTERVAL '3' DAY = 1", "INTERVAL '3' DAY", "added to a date", "");
    mistyped("INTERVAL '3' DAY - birth_date = 1", "INTERVAL '3' DAY", "added to a date", "");
    mistyped("year(INTERVAL '3' DAY) = 1", "INTERVAL '3' DAY", "added to a date", "");
    mistyped(
        "birth_date + INTERVAL '999999999' YEAR > birth_date",
        "INTERVAL '999999999' YEAR",
        "too long",
        "",
    );
}

#[test]
fn arguments_and_operands() {
    mistyped("country + 1 > 0", "country", "`+` takes numbers, not text", "types:");
    mistyped("points * '2' > 0", "'2'", "`*` takes numbers, not text", "without quotes");
    mistyped("-active", "active", "`-` takes numbers, not bool", "");
    mistyped("lower(points) = 'x'", "points", "lower takes text, not int", "");
    mistyped("length(birth_date) = 1", "birth_date", "length takes text, not date", "");
    mistyped("abs(country) = 1", "country", "abs takes numbers, not text", "");
    mistyped("year(country) = 1", "country", "year takes dates and datetimes, not text", "types:");
    mistyped(
        "days_since('2026-01-01') = 1",
        "'2026-01-01'",
        "days_since takes dates",
        "write DATE",
    );
    mistyped("round(score, points) = 1", "points", "0 to 15 digits", "");
    mistyped("round(score, 16) = 1", "16", "0 to 15 digits", "");
    mistyped("round(score, -1) = 1", "-1", "0 to 15 digits", "");
    mistyped("lower(country, zip) = 'x'", "lower", "does not take 2 arguments", "write lower(x)");
    mistyped("round() = 1", "round", "does not take 0 arguments", "round(x, digits)");
    mistyped("coalesce(points) = 1", "coalesce", "does not take 1 argument", "");
    mistyped("points LIKE 'x'", "points", "LIKE takes text, not int", "");
    mistyped("country LIKE zip", "zip", "a text constant", "");
    mistyped("country LIKE 'x\\'", "'x\\'", "escapes nothing", "");
    let long = format!("country LIKE '{}'", "_".repeat(1001));
    mistyped(&long, &long[13..], "at most 1000 characters", "");
    mistyped("points = 9223372036854775808", "9223372036854775808", "too large", "quotes");
    mistyped("score = 1e999", "1e999", "too large", "");
}

#[test]
fn all_faults_are_told() {
    let text = "contry = 'DE' AND points > 'x' AND (lower(points) = zip OR NOT country) \
                AND consent.x AND points + country > zip + 1 AND points IN ('a', NULL, foo)";
    let (typed, faults) = resolved(text);
    assert_eq!(typed, None);
    let places: Vec<_> = faults
        .iter()
        .map(|fault| &text[fault.labels[0].span.start..fault.labels[0].span.end])
        .collect();
    assert_eq!(
        places,
        ["contry", "points", "points", "country", "x", "country", "zip", "NULL", "foo"]
    );
}

#[test]
fn long_rules_are_resolved() {
    let text = vec!["points = 1"; 20_000].join(" OR ");
    let (typed, faults) = resolved(&text);
    assert!(faults.is_empty() && typed.is_some());
}

#[test]
fn related_tables() {
    types("orders.count() >= 2", "GreaterEqual[int aggregate 0, 2]");
    types("ORDERS.sum(amount) > 5", "Greater[float<decimal aggregate 0>, 5.0]");
    types("orders.avg(pieces) = orders.sum(weight)", "Equal[float aggregate 0, float aggregate 1]");
    types("orders.count() = orders.count()", "Equal[int aggregate 0, int aggregate 0]");
    types("orders.last(gift by sent_on)", "bool aggregate 0");
    types("orders.max(sent_on) > as_of", "Greater[datetime<date aggregate 0>, as_of]");
    let unknown = |text, code, place, message, help| refused(text, code, place, message, help);
    unknown("order.count() > 1", Code::UnknownRelated, "order", "no related table", "`orders`");
    unknown("orders.sum(amonut) > 1", Code::UnknownColumn, "amonut", "no column", "`amount`");
    unknown(
        "orders.sum(points) > 1",
        Code::UnknownColumn,
        "points",
        "no column",
        "columns: status",
    );
    mistyped("orders.sum(status) > 1", "status", "sum takes numbers, not text", "under `types:`");
    mistyped("orders.max(gift)", "gift", "max takes what has an order", "count(where");
    mistyped("orders.last(status by weight) = 'x'", "weight", "by a date", "time of the row");
    mistyped("orders.count(where status) > 1", "status", "true or false", "");
    mistyped("orders.count(where consent.newsletter) > 1", "newsletter", "of customers", "outside");
    mistyped("orders.count() = 'x'", "orders.count()", "int cannot be compared with text", "");
}
