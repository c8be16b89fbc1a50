//! Segment rules, one profile at a time, with the three values of SQL.

use optin::plan::expr::{
    ArithmeticOp, CompareOp, Expr, ExprKind, Function, Interval, Literal, Type,
};

use super::calendar::{self, DAY};
use super::value::Value;

/// What a rule sees of one profile.
pub struct Subject<'a> {
    /// The values that the profile shows, by field.
    pub fields: &'a [Option<Value>],
    /// Whether the profile would pass the gate of each purpose.
    pub passes: &'a [bool],
    /// What the profile's rows in related tables come to, by aggregate.
    pub aggregates: &'a [Option<Value>],
    /// The run's date in microseconds.
    pub as_of: i64,
}

/// True, false, or null.
pub fn truth(expr: &Expr, subject: &Subject<'_>) -> Option<bool> {
    match eval(expr, subject)? {
        Value::Bool(bool) => Some(bool),
        other => panic!("a condition has the value {other:?}"),
    }
}

/// A value, or null.
pub fn eval(expr: &Expr, subject: &Subject<'_>) -> Option<Value> {
    match &expr.kind {
        ExprKind::Field(field) => subject.fields[field.0].clone(),
        ExprKind::Consent(purpose) => Some(Value::Bool(subject.passes[purpose.0])),
        ExprKind::Literal(literal) => constant(literal),
        ExprKind::AsOf => Some(Value::Datetime(subject.as_of)),
        ExprKind::Aggregate(aggregate) => subject.aggregates[aggregate.0].clone(),
        ExprKind::Cast(inner) => eval(inner, subject).map(|value| value.widened(expr.ty)),
        ExprKind::Compare(op, left, right) => {
            compare(*op, eval(left, subject), eval(right, subject)).map(Value::Bool)
        }
        ExprKind::And(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| truth(part, subject)).collect();
            and(&parts).map(Value::Bool)
        }
        ExprKind::Or(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| truth(part, subject)).collect();
            or(&parts).map(Value::Bool)
        }
        ExprKind::Not(inner) => truth(inner, subject).map(|bool| Value::Bool(!bool)),
        ExprKind::In(left, list) => {
            let left = eval(left, subject);
            let parts: Vec<_> = list
                .iter()
                .map(|item| compare(CompareOp::Equal, left.clone(), eval(item, subject)))
                .collect();
            or(&parts).map(Value::Bool)
        }
        ExprKind::Like { text, pattern, ignore_case } => {
            let text: Vec<char> = text_of(eval(text, subject)?).chars().collect();
            Some(Value::Bool(like(&text, &pattern_parts(pattern), *ignore_case)))
        }
        ExprKind::IsNull(inner) => Some(Value::Bool(eval(inner, subject).is_none())),
        ExprKind::Arithmetic(op, left, right) => {
            arithmetic(*op, eval(left, subject)?, eval(right, subject)?)
        }
        ExprKind::Shift { base, sign, interval } => {
            Some(shift(eval(base, subject)?, i64::from(*sign), *interval))
        }
        ExprKind::Call(function, arguments) => call(*function, arguments, expr.ty, subject),
    }
}

fn constant(literal: &Literal) -> Option<Value> {
    Some(match literal {
        Literal::Null => return None,
        Literal::Text(text) => Value::Text(text.clone()),
        Literal::Bool(bool) => Value::Bool(*bool),
        Literal::Int(int) => Value::Int(*int),
        Literal::Float(float) => Value::Float(*float),
        Literal::Date(days) => Value::Date(i64::from(*days)),
        Literal::Datetime(micros) => Value::Datetime(*micros),
    })
}

fn and(parts: &[Option<bool>]) -> Option<bool> {
    if parts.contains(&Some(false)) {
        Some(false)
    } else if parts.contains(&None) {
        None
    } else {
        Some(true)
    }
}

fn or(parts: &[Option<bool>]) -> Option<bool> {
    if parts.contains(&Some(true)) {
        Some(true)
    } else if parts.contains(&None) {
        None
    } else {
        Some(false)
    }
}

fn compare(op: CompareOp, left: Option<Value>, right: Option<Value>) -> Option<bool> {
    let (left, right) = (left?, right?);
    let Some(order) = left.compare(&right) else {
        panic!("a rule compares {left:?} with {right:?}");
    };
    Some(match op {
        CompareOp::Equal => order.is_eq(),
        CompareOp::NotEqual => order.is_ne(),
        CompareOp::Less => order.is_lt(),
        CompareOp::LessEqual => order.is_le(),
        CompareOp::Greater => order.is_gt(),
        CompareOp::GreaterEqual => order.is_ge(),
    })
}

/// One step of a `LIKE` pattern.
enum Part {
    Any,
    One,
    Char(char),
}

fn pattern_parts(pattern: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        parts.push(match char {
            '%' => Part::Any,
            '_' => Part::One,
            '\\' => Part::Char(chars.next().unwrap_or('\\')),
            other => Part::Char(other),
        });
    }
    parts
}

fn like(text: &[char], pattern: &[Part], ignore_case: bool) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((Part::Any, rest)) => {
            (0..=text.len()).any(|skipped| like(&text[skipped..], rest, ignore_case))
        }
        Some((Part::One, rest)) => !text.is_empty() && like(&text[1..], rest, ignore_case),
        Some((Part::Char(wanted), rest)) => match text.split_first() {
            Some((found, others)) => {
                same_char(*wanted, *found, ignore_case) && like(others, rest, ignore_case)
            }
            None => false,
        },
    }
}

fn same_char(a: char, b: char, ignore_case: bool) -> bool {
    a == b || ignore_case && a.to_lowercase().eq(b.to_lowercase())
}

fn arithmetic(op: ArithmeticOp, left: Value, right: Value) -> Option<Value> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => match op {
            ArithmeticOp::Add => a.checked_add(b),
            ArithmeticOp::Subtract => a.checked_sub(b),
            ArithmeticOp::Multiply => a.checked_mul(b),
            ArithmeticOp::Divide => panic!("a rule divides two ints"),
        }
        .map(Value::Int),
        (Value::Float(a), Value::Float(b)) => match op {
            ArithmeticOp::Add => Some(a + b),
            ArithmeticOp::Subtract => Some(a - b),
            ArithmeticOp::Multiply => Some(a * b),
            ArithmeticOp::Divide => (b != 0.0).then_some(a / b),
        }
        .map(Value::Float),
        (left, right) => panic!("a rule computes with {left:?} and {right:?}"),
    }
}

/// Months first, then days, then the time: the order in which one says it.
fn shift(base: Value, sign: i64, interval: Interval) -> Value {
    let months = sign * i64::from(interval.months);
    let days = sign * i64::from(interval.days);
    match base {
        Value::Date(date) => Value::Date(calendar::add_months(date, months) + days),
        Value::Datetime(at) => Value::Datetime(
            calendar::add_months_to_datetime(at, months) + days * DAY + sign * interval.micros,
        ),
        other => panic!("a rule shifts {other:?}"),
    }
}

fn call(function: Function, arguments: &[Expr], ty: Type, subject: &Subject<'_>) -> Option<Value> {
    if function == Function::Coalesce {
        return arguments.iter().find_map(|argument| eval(argument, subject));
    }
    let value = eval(&arguments[0], subject)?;
    Some(match function {
        Function::Lower => Value::Text(text_of(value).to_lowercase()),
        Function::Upper => Value::Text(text_of(value).to_uppercase()),
        Function::Trim => Value::Text(text_of(value).trim().to_owned()),
        Function::Length => Value::Int(i64::try_from(text_of(value).chars().count()).ok()?),
        Function::Abs => match value {
            Value::Int(int) => Value::Int(int.checked_abs()?),
            Value::Float(float) => Value::Float(float.abs()),
            other => panic!("abs of {other:?}"),
        },
        Function::Round => {
            let digits = match arguments.get(1) {
                None => 0,
                Some(argument) => match eval(argument, subject) {
                    Some(Value::Int(digits)) => i32::try_from(digits).ok()?,
                    other => panic!("round to {other:?} digits"),
                },
            };
            match value.widened(Type::Float) {
                Value::Float(float) => {
                    let scale = 10f64.powi(digits);
                    Value::Float((float * scale).round() / scale)
                }
                other => panic!("round of {other:?}"),
            }
        }
        Function::Year => Value::Int(calendar::from_days(days_of(&value)).year),
        Function::Month => Value::Int(calendar::from_days(days_of(&value)).month),
        Function::Day => Value::Int(calendar::from_days(days_of(&value)).day),
        Function::DaysSince => Value::Int(subject.as_of.div_euclid(DAY) - days_of(&value)),
        Function::Coalesce => unreachable!("coalesce of type {} returned above", ty.name()),
    })
}

fn text_of(value: Value) -> String {
    match value {
        Value::Text(text) => text,
        other => panic!("a rule takes {other:?} for a text"),
    }
}

/// The UTC calendar day of a date or datetime.
fn days_of(value: &Value) -> i64 {
    match value {
        Value::Date(days) => *days,
        Value::Datetime(micros) => micros.div_euclid(DAY),
        other => panic!("a rule takes {other:?} for a date"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(text: &str, pattern: &str, ignore_case: bool) -> bool {
        let text: Vec<char> = text.chars().collect();
        like(&text, &pattern_parts(pattern), ignore_case)
    }

    #[test]
    fn like_takes_the_whole_text() {
        assert!(matches("Müller", "M_l%", false));
        assert!(matches("Müller", "%", false));
        assert!(matches("", "%%", false));
        assert!(!matches("Müller", "ller", false));
        assert!(!matches("Müller", "m%", false));
        assert!(matches("MÜLLER", "mü%r", true));
        assert!(matches("100%", "100\\%", false));
        assert!(!matches("1000", "100\\%", false));
        assert!(matches("a\nb", "a_b", false));
    }

    #[test]
    fn null_is_neither_true_nor_false() {
        assert_eq!(and(&[Some(true), None]), None);
        assert_eq!(and(&[Some(false), None]), Some(false));
        assert_eq!(or(&[Some(true), None]), Some(true));
        assert_eq!(or(&[Some(false), None]), None);
        assert_eq!(compare(CompareOp::NotEqual, None, Some(Value::Int(1))), None);
    }

    #[test]
    fn arithmetic_is_null_out_of_range_and_over_zero() {
        let (int, float) = (Value::Int, Value::Float);
        assert_eq!(arithmetic(ArithmeticOp::Add, int(i64::MAX), int(1)), None);
        assert_eq!(arithmetic(ArithmeticOp::Divide, float(1.0), float(0.0)), None);
        assert_eq!(arithmetic(ArithmeticOp::Divide, float(1.0), float(4.0)), Some(float(0.25)));
    }

    #[test]
    fn days_are_counted_between_calendar_dates() {
        let literal = |literal, ty| Expr { kind: ExprKind::Literal(literal), ty };
        let since = |micros: i64, as_of: i64| {
            let date = literal(Literal::Datetime(micros), Type::Datetime);
            let subject = Subject { fields: &[], passes: &[], aggregates: &[], as_of };
            call(Function::DaysSince, &[date], Type::Int, &subject)
        };
        // Two instants of one day, one before midnight and one after, and the other way round.
        assert_eq!(since(DAY, 2 * DAY - 1), Some(Value::Int(0)));
        assert_eq!(since(2 * DAY - 1, 2 * DAY), Some(Value::Int(1)));
        assert_eq!(since(2 * DAY, 2 * DAY - 1), Some(Value::Int(-1)));
    }

    #[test]
    fn intervals_clamp_months_before_they_add_days() {
        let date = |text| Value::Date(calendar::parse_date(text).expect("a date"));
        let interval = Interval { months: 1, days: 1, micros: 0 };
        assert_eq!(shift(date("2026-01-31"), 1, interval), date("2026-03-01"));
        assert_eq!(shift(date("2026-03-31"), -1, interval), date("2026-02-27"));
    }
}
