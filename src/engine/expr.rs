//! Segment rules as Polars expressions.
//!
//! In comes a typed [`crate::plan::Expr`], out goes a lazy expression of type Boolean over the
//! profile's columns. What [`crate::plan::expr`] says of null, zero and overflow must hold here to
//! the row, since a row more in a segment is a person written to. Polars alone wraps ints around,
//! divides to infinity, holds NaN equal to itself, and panics on dates that its calendar lacks; so
//! arithmetic and the calendar are functions of our own, applied element by element. They also take
//! each operand once: a guard that names its operand twice doubles with every level of nesting.
//!
//! Columns: text String, bool Boolean, int Int64, float Float64, date Date, datetime
//! Datetime(Microseconds) without a zone, meaning UTC.

use polars::prelude::*;

use crate::plan::expr::{
    ArithmeticOp, CompareOp, Expr as Typed, ExprKind, Function, Interval, Literal as Constant, Type,
};
use crate::plan::{AggregateId, FieldId, Instant, PurposeId};

/// The columns of what a rule speaks of.
pub struct Names<'a> {
    /// Of a field.
    pub field: &'a dyn Fn(FieldId) -> String,
    /// Of whether a profile would pass a purpose's gate.
    pub consent: &'a dyn Fn(PurposeId) -> String,
    /// Of what the rows of a related table come to.
    pub aggregate: &'a dyn Fn(AggregateId) -> String,
}

/// The lazy expression of a rule. `as_of` is the run's date.
pub fn lower(expr: &Typed, names: &Names<'_>, as_of: Instant) -> Expr {
    Lowering { names, as_of: as_of.0, today: day_of(as_of.0) }.expr(expr)
}

struct Lowering<'a> {
    names: &'a Names<'a>,
    as_of: i64,
    today: i64,
}

impl Lowering<'_> {
    fn expr(&self, expr: &Typed) -> Expr {
        match &expr.kind {
            ExprKind::Field(id) => {
                let column = column((self.names.field)(*id));
                // NaN is no number: it equals and exceeds nothing, as null does.
                if expr.ty == Type::Float { column.fill_nan(lit(NULL)) } else { column }
            }
            ExprKind::Consent(id) => column((self.names.consent)(*id)),
            ExprKind::Aggregate(id) => column((self.names.aggregate)(*id)),
            ExprKind::AsOf => lit(scalar(&Constant::Datetime(self.as_of), Type::Datetime)),
            ExprKind::Literal(constant) => lit(scalar(constant, expr.ty)),
            ExprKind::Cast(inner) => {
                let value = self.expr(inner);
                if expr.ty == Type::Datetime {
                    from_epoch(map_int(value.cast(DataType::Int64), midnight), Type::Datetime)
                } else {
                    value.cast(DataType::Float64)
                }
            }
            ExprKind::Compare(op, left, right) => {
                let (left, right) = (self.expr(left), self.expr(right));
                match op {
                    CompareOp::Equal => left.eq(right),
                    CompareOp::NotEqual => left.neq(right),
                    CompareOp::Less => left.lt(right),
                    CompareOp::LessEqual => left.lt_eq(right),
                    CompareOp::Greater => left.gt(right),
                    CompareOp::GreaterEqual => left.gt_eq(right),
                }
            }
            // On Booleans these are Kleene's.
            ExprKind::And(members) => balanced(self.all(members), Expr::and),
            ExprKind::Or(members) => balanced(self.all(members), Expr::or),
            ExprKind::Not(inner) => self.expr(inner).not(),
            ExprKind::In(value, list) => self.is_in(value, list),
            ExprKind::Like { text, pattern, ignore_case } => {
                self.expr(text).str().contains(lit(regex(pattern, *ignore_case)), true)
            }
            ExprKind::IsNull(inner) => self.expr(inner).is_null(),
            ExprKind::Arithmetic(op, left, right) => {
                let (left, right) = (self.expr(left), self.expr(right));
                match expr.ty {
                    Type::Int => int_arithmetic(*op, left, right),
                    _ => float_arithmetic(*op, left, right),
                }
            }
            ExprKind::Shift { base, sign, interval } => {
                let (sign, interval, ty) = (*sign, *interval, expr.ty);
                let epoch = self.expr(base).cast(DataType::Int64);
                from_epoch(map_int(epoch, move |at| shift(at, ty, sign, interval)), ty)
            }
            ExprKind::Call(function, arguments) => self.call(*function, arguments, expr.ty),
        }
    }

    fn all(&self, exprs: &[Typed]) -> Vec<Expr> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn is_in(&self, value: &Typed, list: &[Typed]) -> Expr {
        let constants: Option<Vec<_>> = list
            .iter()
            .map(|item| match &item.kind {
                ExprKind::Literal(constant) if *constant != Constant::Null => {
                    Some(any_value(constant))
                }
                _ => None,
            })
            .collect();
        // One look into a set; null stays null, as it does below.
        if let Some(values) = constants
            && let Ok(series) = Series::from_any_values_and_dtype(
                PlSmallStr::EMPTY,
                &values,
                &data_type(value.ty),
                true,
            )
        {
            return self.expr(value).is_in(lit(series).implode(true), false);
        }
        let value = self.expr(value);
        let equal = list.iter().map(|item| value.clone().eq(self.expr(item))).collect();
        balanced(equal, Expr::or)
    }

    fn call(&self, function: Function, arguments: &[Typed], ty: Type) -> Expr {
        let Some(first) = arguments.first() else { return lit(Scalar::null(data_type(ty))) };
        if function == Function::Coalesce {
            return coalesce(&self.all(arguments));
        }
        let value = self.expr(first);
        let instant = first.ty == Type::Datetime;
        let civil = move |at: i64| civil(if instant { day_of(at) } else { at });
        match function {
            Function::Lower => value.str().to_lowercase(),
            Function::Upper => value.str().to_uppercase(),
            Function::Trim => value.str().strip_chars(lit(NULL).cast(DataType::String)),
            Function::Length => value.str().len_chars().cast(DataType::Int64),
            Function::Coalesce => value,
            Function::Abs if ty == Type::Int => map_int(value, i64::checked_abs),
            Function::Abs => value.abs(),
            Function::Round => {
                let digits = match arguments.get(1).map(|digits| &digits.kind) {
                    Some(ExprKind::Literal(Constant::Int(digits))) => {
                        u32::try_from(*digits).unwrap_or(0)
                    }
                    _ => 0,
                };
                value.round(digits, RoundMode::HalfAwayFromZero)
            }
            Function::Year => map_int(epoch(value), move |at| Some(civil(at).0)),
            Function::Month => map_int(epoch(value), move |at| Some(civil(at).1)),
            Function::Day => map_int(epoch(value), move |at| Some(civil(at).2)),
            Function::DaysSince => {
                let today = self.today;
                map_int(epoch(value), move |at| Some(today - if instant { day_of(at) } else { at }))
            }
        }
    }
}

/// A column by its name, whatever the name: `col` would read `*` and `^...$` as patterns.
fn column(name: String) -> Expr {
    Expr::Column(name.into())
}

/// Members joined two by two, so that thousands of them are not thousands of levels deep.
fn balanced(mut members: Vec<Expr>, join: fn(Expr, Expr) -> Expr) -> Expr {
    while members.len() > 1 {
        let mut pairs = Vec::with_capacity(members.len().div_ceil(2));
        let mut rest = members.into_iter();
        while let Some(left) = rest.next() {
            pairs.push(match rest.next() {
                Some(right) => join(left, right),
                None => left,
            });
        }
        members = pairs;
    }
    members.pop().unwrap_or_else(|| lit(Scalar::null(DataType::Boolean)))
}

fn data_type(ty: Type) -> DataType {
    match ty {
        Type::Text => DataType::String,
        Type::Bool => DataType::Boolean,
        Type::Int => DataType::Int64,
        Type::Float | Type::Decimal(_) => DataType::Float64,
        Type::Date => DataType::Date,
        Type::Datetime => DataType::Datetime(TimeUnit::Microseconds, None),
    }
}

fn any_value(constant: &Constant) -> AnyValue<'static> {
    match constant {
        Constant::Null => AnyValue::Null,
        Constant::Text(text) => AnyValue::StringOwned(text.as_str().into()),
        Constant::Bool(value) => AnyValue::Boolean(*value),
        Constant::Int(number) => AnyValue::Int64(*number),
        Constant::Float(number) => AnyValue::Float64(*number),
        Constant::Date(days) => AnyValue::Date(*days),
        Constant::Datetime(micros) => AnyValue::Datetime(*micros, TimeUnit::Microseconds, None),
    }
}

/// Of just the type it says: a bare number would take the type of its neighbour.
fn scalar(constant: &Constant, ty: Type) -> Scalar {
    Scalar::new(data_type(ty), any_value(constant))
}

/// A `LIKE` pattern as a regular expression over the whole text.
fn regex(pattern: &str, ignore_case: bool) -> String {
    let mut regex = String::from(if ignore_case { "(?si)^" } else { "(?s)^" });
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let literal = match c {
            '%' => {
                regex.push_str(".*");
                continue;
            }
            '_' => {
                regex.push('.');
                continue;
            }
            '\\' => chars.next().unwrap_or('\\'),
            other => other,
        };
        if r"\.+*?()|[]{}^$#&-~".contains(literal) {
            regex.push('\\');
        }
        regex.push(literal);
    }
    regex.push('$');
    regex
}

// Functions element by element.

fn map_int(value: Expr, f: impl Fn(i64) -> Option<i64> + Copy + Send + Sync + 'static) -> Expr {
    value.map(
        move |column| {
            let mapped: Int64Chunked =
                arity::unary_elementwise(column.i64()?, |value: Option<i64>| value.and_then(f));
            Ok(mapped.into_column())
        },
        |_, field| Ok(Field::new(field.name().clone(), DataType::Int64)),
    )
}

fn int_arithmetic(op: ArithmeticOp, left: Expr, right: Expr) -> Expr {
    let f = match op {
        ArithmeticOp::Add => i64::checked_add,
        ArithmeticOp::Subtract => i64::checked_sub,
        ArithmeticOp::Multiply => i64::checked_mul,
        ArithmeticOp::Divide => i64::checked_div,
    };
    left.map_many(
        move |columns| {
            let (left, right) = (columns[0].i64()?, columns[1].i64()?);
            let result: Int64Chunked = arity::broadcast_binary_elementwise(
                left,
                right,
                |a: Option<i64>, b: Option<i64>| f(a?, b?),
            );
            Ok(result.into_column())
        },
        &[right],
        |_, fields| Ok(Field::new(fields[0].name().clone(), DataType::Int64)),
    )
}

fn float_arithmetic(op: ArithmeticOp, left: Expr, right: Expr) -> Expr {
    let f = move |a: f64, b: f64| match op {
        ArithmeticOp::Add => a + b,
        ArithmeticOp::Subtract => a - b,
        ArithmeticOp::Multiply => a * b,
        // NaN, and so null.
        ArithmeticOp::Divide if b == 0.0 => f64::NAN,
        ArithmeticOp::Divide => a / b,
    };
    left.map_many(
        move |columns| {
            let (left, right) = (columns[0].f64()?, columns[1].f64()?);
            let result: Float64Chunked = arity::broadcast_binary_elementwise(
                left,
                right,
                |a: Option<f64>, b: Option<f64>| Some(f(a?, b?)).filter(|number| !number.is_nan()),
            );
            Ok(result.into_column())
        },
        &[right],
        |_, fields| Ok(Field::new(fields[0].name().clone(), DataType::Float64)),
    )
}

// The calendar: proleptic Gregorian, in days and microseconds since 1970-01-01T00:00:00Z.

const DAY: i64 = 86_400_000_000;

/// Days or microseconds as an int.
fn epoch(value: Expr) -> Expr {
    value.cast(DataType::Int64)
}

/// Back from an int that lies in the type's range.
fn from_epoch(value: Expr, ty: Type) -> Expr {
    match ty {
        Type::Date => value.cast(DataType::Int32).cast(DataType::Date),
        _ => value.cast(data_type(ty)),
    }
}

fn day_of(micros: i64) -> i64 {
    micros.div_euclid(DAY)
}

fn midnight(day: i64) -> Option<i64> {
    day.checked_mul(DAY)
}

/// A date (days) or datetime (microseconds) plus or minus an interval: first the months, clamped to
/// the month's end, then the days, then the time. None out of range.
fn shift(at: i64, ty: Type, sign: i8, interval: Interval) -> Option<i64> {
    let sign = i64::from(sign);
    let (day, time) = if ty == Type::Date { (at, 0) } else { (day_of(at), at.rem_euclid(DAY)) };
    let (year, month, day_of_month) = civil(day);
    let months = year * 12 + (month - 1) + sign * i64::from(interval.months);
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    let first = days_from_civil(year, month, 1);
    let next = days_from_civil(year + month / 12, month % 12 + 1, 1);
    let day = first + (day_of_month - 1).min(next - first - 1) + sign * i64::from(interval.days);
    if ty == Type::Date {
        return i32::try_from(day).ok().map(i64::from);
    }
    midnight(day)?.checked_add(time)?.checked_add(sign.checked_mul(interval.micros)?)
}

/// Year, month and day of a day since 1970-01-01 (Howard Hinnant, `civil_from_days`).
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// Days since 1970-01-01 of a date (Howard Hinnant, `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests;
