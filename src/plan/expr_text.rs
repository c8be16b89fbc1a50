//! A typed expression as text, as one would write it in a pipeline file.

use super::expr::{ArithmeticOp, CompareOp, Expr, ExprKind, Function, Interval, Literal};
use super::period::{DAY, Instant};
use super::{FieldId, OutColumn, Plan, Related};

/// What the fields of an expression are called.
#[derive(Clone, Copy)]
struct Naming<'p> {
    plan: &'p Plan,
    /// The related table of whose rows it speaks; none: of profiles.
    rows_of: Option<&'p Related>,
}

impl Naming<'_> {
    fn field(self, field: FieldId) -> String {
        match self.rows_of {
            Some(related) => related.columns[field.0].0.clone(),
            None => self.plan.column_name(OutColumn::Field(field)),
        }
    }
}

impl Expr {
    /// The conditions that must all hold: the parts of an `AND` at the top, or the whole.
    #[must_use]
    pub fn conditions(&self) -> &[Self] {
        match &self.kind {
            ExprKind::And(all) => all,
            _ => std::slice::from_ref(self),
        }
    }

    /// The text of an expression of a plan. What the language writes in several ways comes out in one.
    #[must_use]
    pub fn text(&self, plan: &Plan) -> String {
        self.written(Naming { plan, rows_of: None })
    }

    /// The text of an expression over the rows of a related table.
    #[must_use]
    pub fn text_of_row(&self, plan: &Plan, related: &Related) -> String {
        self.written(Naming { plan, rows_of: Some(related) })
    }

    fn written(&self, plan: Naming<'_>) -> String {
        match &self.kind {
            ExprKind::Field(field) => name(&plan.field(*field)),
            ExprKind::AsOf => "as_of".to_owned(),
            ExprKind::Aggregate(aggregate) => plan.plan.aggregates[aggregate.0].text(plan.plan),
            ExprKind::Consent(purpose) => {
                format!("consent.{}", name(&plan.plan.consent.purposes[purpose.0].name))
            }
            ExprKind::Literal(literal) => literal_text(literal),
            ExprKind::Cast(inner) => inner.written(plan),
            ExprKind::Compare(op, a, b) => {
                format!("{} {} {}", a.inner(plan), op.sign(), b.inner(plan))
            }
            ExprKind::And(all) => joined(all, " AND ", plan),
            ExprKind::Or(all) => joined(all, " OR ", plan),
            ExprKind::Not(inner) => match &inner.kind {
                ExprKind::IsNull(of) => format!("{} IS NOT NULL", of.inner(plan)),
                _ => format!("NOT {}", inner.inner(plan)),
            },
            ExprKind::In(inner, list) => {
                let list: Vec<String> = list.iter().map(|of| of.written(plan)).collect();
                format!("{} IN ({})", inner.inner(plan), list.join(", "))
            }
            ExprKind::Like { text, pattern, ignore_case } => {
                let word = if *ignore_case { "ILIKE" } else { "LIKE" };
                format!("{} {word} {}", text.inner(plan), quoted(pattern))
            }
            ExprKind::IsNull(inner) => format!("{} IS NULL", inner.inner(plan)),
            ExprKind::Arithmetic(op, a, b) => {
                format!("{} {} {}", a.inner(plan), op.sign(), b.inner(plan))
            }
            ExprKind::Shift { base, sign, interval } => {
                let sign = if *sign < 0 { '-' } else { '+' };
                format!("{} {sign} INTERVAL '{}'", base.inner(plan), interval_text(*interval))
            }
            ExprKind::Call(function, arguments) => {
                let all: Vec<String> = arguments.iter().map(|of| of.written(plan)).collect();
                format!("{}({})", function.name(), all.join(", "))
            }
        }
    }

    /// As a part of another expression: in parentheses where these are needed.
    fn inner(&self, plan: Naming<'_>) -> String {
        let text = self.written(plan);
        match &self.kind {
            ExprKind::Field(_)
            | ExprKind::Consent(_)
            | ExprKind::Literal(_)
            | ExprKind::AsOf
            | ExprKind::Aggregate(_)
            | ExprKind::Call(..) => text,
            ExprKind::Cast(inner) => inner.inner(plan),
            _ => format!("({text})"),
        }
    }
}

fn joined(all: &[Expr], by: &str, plan: Naming<'_>) -> String {
    let part = |of: &Expr| match of.kind {
        ExprKind::And(_) | ExprKind::Or(_) => of.inner(plan),
        _ => of.written(plan),
    };
    all.iter().map(part).collect::<Vec<_>>().join(by)
}

/// A name, quoted where it would not read as one.
pub(super) fn name(name: &str) -> String {
    let plain = name.bytes().enumerate().all(|(at, byte)| {
        byte == b'_' || byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit())
    });
    if plain && !name.is_empty() {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn literal_text(literal: &Literal) -> String {
    match literal {
        Literal::Null => "NULL".to_owned(),
        Literal::Text(text) => quoted(text),
        Literal::Bool(value) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
        Literal::Int(value) => value.to_string(),
        Literal::Float(value) => value.to_string(),
        Literal::Date(days) => {
            let at = Instant(i64::from(*days) * DAY).to_string();
            format!("DATE '{}'", at.get(..10).unwrap_or(&at))
        }
        Literal::Datetime(micros) => format!("TIMESTAMP '{}'", Instant(*micros)),
    }
}

fn interval_text(interval: Interval) -> String {
    let mut parts = Vec::new();
    for (number, unit) in [
        (i64::from(interval.months), "months"),
        (i64::from(interval.days), "days"),
        (interval.micros / 1_000_000, "seconds"),
        (interval.micros % 1_000_000, "microseconds"),
    ] {
        if number != 0 {
            parts.push(format!("{number} {unit}"));
        }
    }
    if parts.is_empty() { "0 days".to_owned() } else { parts.join(" ") }
}

impl CompareOp {
    /// As rules and SQL write it.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        }
    }
}

impl ArithmeticOp {
    const fn sign(self) -> char {
        match self {
            Self::Add => '+',
            Self::Subtract => '-',
            Self::Multiply => '*',
            Self::Divide => '/',
        }
    }
}

impl Function {
    const fn name(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Upper => "upper",
            Self::Trim => "trim",
            Self::Length => "length",
            Self::Coalesce => "coalesce",
            Self::Abs => "abs",
            Self::Round => "round",
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
            Self::DaysSince => "days_since",
        }
    }
}
