//! Typed expressions of segment rules.
//!
//! Made by `resolve` from the syntax tree of `rule`; every operand has the type its operator
//! needs, so an engine lowers without checking. Three-valued as in SQL: null is not true.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{AggregateId, FieldId, PurposeId};

/// The types of fields and expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// UTF-8 text.
    Text,
    /// True or false.
    Bool,
    /// 64-bit signed integer.
    Int,
    /// 64-bit floating point.
    Float,
    /// Decimal of 38 digits with this many after the point. Rules compute with it as float.
    Decimal(u8),
    /// Calendar date.
    Date,
    /// Point in time, microseconds, UTC.
    Datetime,
}

impl Type {
    /// The name that users write and see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Decimal(_) => "decimal",
            Self::Date => "date",
            Self::Datetime => "datetime",
        }
    }

    /// True for int, float and decimal.
    #[must_use]
    pub const fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Float | Self::Decimal(_))
    }
}

/// A typed expression.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// The type of its value.
    pub ty: Type,
}

impl Expr {
    /// The fields and purposes it speaks of, each once, in order.
    #[must_use]
    pub fn names(&self) -> (BTreeSet<FieldId>, BTreeSet<PurposeId>) {
        let mut names = (BTreeSet::new(), BTreeSet::new());
        self.each_leaf(|leaf| match leaf {
            ExprKind::Field(field) => {
                names.0.insert(*field);
            }
            ExprKind::Consent(purpose) => {
                names.1.insert(*purpose);
            }
            _ => {}
        });
        names
    }

    /// The aggregates of related tables it speaks of, each once, in order.
    #[must_use]
    pub fn aggregates(&self) -> BTreeSet<AggregateId> {
        let mut aggregates = BTreeSet::new();
        self.each_leaf(|leaf| {
            if let ExprKind::Aggregate(aggregate) = leaf {
                aggregates.insert(*aggregate);
            }
        });
        aggregates
    }

    fn each_leaf(&self, mut leaf: impl FnMut(&ExprKind)) {
        let mut left = vec![self];
        while let Some(expr) = left.pop() {
            match &expr.kind {
                ExprKind::Field(_)
                | ExprKind::Consent(_)
                | ExprKind::Literal(_)
                | ExprKind::AsOf
                | ExprKind::Aggregate(_) => leaf(&expr.kind),
                ExprKind::Cast(inner)
                | ExprKind::Not(inner)
                | ExprKind::IsNull(inner)
                | ExprKind::Like { text: inner, .. }
                | ExprKind::Shift { base: inner, .. } => left.push(inner),
                ExprKind::Compare(_, a, b) | ExprKind::Arithmetic(_, a, b) => {
                    left.extend([&**a, &**b]);
                }
                ExprKind::And(all) | ExprKind::Or(all) | ExprKind::Call(_, all) => left.extend(all),
                ExprKind::In(inner, list) => {
                    left.push(inner);
                    left.extend(list);
                }
            }
        }
    }
}

/// What an expression is. Operands are of equal type unless a variant says otherwise; `resolve`
/// puts a [`ExprKind::Cast`] where one must be widened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExprKind {
    /// A field of the profile.
    Field(FieldId),
    /// True where the profile would pass the purpose's gate; never null.
    Consent(PurposeId),
    /// A constant.
    Literal(Literal),
    /// The run's date, a datetime.
    AsOf,
    /// What the customer's rows in a related table come to.
    Aggregate(AggregateId),
    /// Widening: int to float, decimal to float, date to datetime (midnight UTC).
    Cast(Box<Expr>),
    /// Comparison; null if a side is null.
    Compare(CompareOp, Box<Expr>, Box<Expr>),
    /// Three-valued AND of at least two.
    And(Vec<Expr>),
    /// Three-valued OR of at least two.
    Or(Vec<Expr>),
    /// Three-valued NOT.
    Not(Box<Expr>),
    /// `x IN (a, b)`: as `x = a OR x = b`, three-valued; the list is not empty.
    In(Box<Expr>, Vec<Expr>),
    /// `LIKE`: `%` any text, `_` one character, `\` escapes; the whole text must match.
    Like {
        /// Text to look at.
        text: Box<Expr>,
        /// The pattern as written.
        pattern: String,
        /// True for `ILIKE`.
        ignore_case: bool,
    },
    /// `IS NULL`; never null itself.
    IsNull(Box<Expr>),
    /// Arithmetic on two ints or two floats; `/` is on floats only, and null where the divisor is
    /// zero. An int result out of range is null.
    Arithmetic(ArithmeticOp, Box<Expr>, Box<Expr>),
    /// Date or datetime plus (`sign` 1) or minus (`sign` -1) a calendar interval.
    Shift {
        /// Date or datetime.
        base: Box<Expr>,
        /// 1 or -1.
        sign: i8,
        /// The interval.
        interval: Interval,
    },
    /// A function.
    Call(Function, Vec<Expr>),
}

/// A constant. Text is compared byte by byte.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Literal {
    /// Null of the expression's type.
    Null,
    /// Text.
    Text(String),
    /// Bool.
    Bool(bool),
    /// Int.
    Int(i64),
    /// Float, finite.
    Float(f64),
    /// Date: days since 1970-01-01.
    Date(i32),
    /// Datetime: microseconds since 1970-01-01T00:00:00Z.
    Datetime(i64),
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CompareOp {
    /// `=`
    Equal,
    /// `<>` or `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
}

/// Arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ArithmeticOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
}

/// A calendar interval; months clamp to the month's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Interval {
    /// Calendar months (a year is 12).
    pub months: i32,
    /// Days (a week is 7).
    pub days: i32,
    /// Microseconds; only for a datetime base.
    pub micros: i64,
}

/// The functions of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// Text to lower case (Unicode).
    Lower,
    /// Text to upper case (Unicode).
    Upper,
    /// Text without blanks (Unicode white space) at its ends.
    Trim,
    /// Characters of a text, as int.
    Length,
    /// The first that is not null; all of one type.
    Coalesce,
    /// Absolute value of an int or float.
    Abs,
    /// Float rounded half away from zero; the second argument, an int literal from 0 to 15 in
    /// [`ExprKind::Literal`], is the number of digits after the point.
    Round,
    /// Year of a date or datetime (UTC), as int.
    Year,
    /// Month of a date or datetime (UTC), as int.
    Month,
    /// Day of the month of a date or datetime (UTC), as int.
    Day,
    /// Whole UTC days from a date or datetime to the run's date, as int: the difference of the two
    /// calendar dates; negative if it lies after.
    DaysSince,
}
