//! The syntax tree of a rule.

use crate::diagnostics::{Span, Spanned};

/// A node of the tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Ast {
    /// What it is.
    pub kind: AstKind,
    /// Where it stands in the pipeline file, parentheses included.
    pub span: Span,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum AstKind {
    /// A field's name.
    Field {
        /// The name without its quotes.
        name: String,
        /// True where it stood in double quotes: then its case counts.
        quoted: bool,
    },
    /// `consent.<purpose>`.
    Consent {
        /// The purpose's name without its quotes.
        purpose: Spanned<String>,
        /// True where the purpose stood in double quotes.
        quoted: bool,
    },
    /// `'text'`, with `''` read as one quote.
    Text(String),
    /// A number as written, without a sign.
    Number(String),
    /// `TRUE` or `FALSE`.
    Bool(bool),
    /// `NULL`.
    Null,
    /// `DATE 'text'`; the text is not yet read.
    Date(Spanned<String>),
    /// `TIMESTAMP 'text'`; the text is not yet read.
    Timestamp(Spanned<String>),
    /// `INTERVAL`, its parts in the order written.
    Interval(Vec<IntervalPart>),
    /// AND of at least two.
    And(Vec<Ast>),
    /// OR of at least two.
    Or(Vec<Ast>),
    /// `NOT x`.
    Not(Box<Ast>),
    /// `-x`.
    Negate(Box<Ast>),
    /// `left op right`.
    Compare {
        /// The comparison and its place.
        op: Spanned<CompareOp>,
        /// Left side.
        left: Box<Ast>,
        /// Right side.
        right: Box<Ast>,
    },
    /// `left op right`.
    Arithmetic {
        /// The operator and its place.
        op: Spanned<ArithmeticOp>,
        /// Left side.
        left: Box<Ast>,
        /// Right side.
        right: Box<Ast>,
    },
    /// `value [NOT] IN (list)`; the list is not empty.
    In {
        /// What is looked for.
        value: Box<Ast>,
        /// Where it is looked for.
        list: Vec<Ast>,
        /// True for `NOT IN`.
        negated: bool,
    },
    /// `value [NOT] BETWEEN low AND high`.
    Between {
        /// What is compared.
        value: Box<Ast>,
        /// Lower bound, included.
        low: Box<Ast>,
        /// Upper bound, included.
        high: Box<Ast>,
        /// True for `NOT BETWEEN`.
        negated: bool,
    },
    /// `text [NOT] LIKE pattern`.
    Like {
        /// What is looked at.
        text: Box<Ast>,
        /// The pattern.
        pattern: Box<Ast>,
        /// True for `NOT LIKE`.
        negated: bool,
        /// True for `ILIKE`.
        ignore_case: bool,
    },
    /// `value IS [NOT] NULL`.
    IsNull {
        /// What is looked at.
        value: Box<Ast>,
        /// True for `IS NOT NULL`.
        negated: bool,
    },
    /// `value IS [NOT] TRUE` or `FALSE`.
    IsTruth {
        /// What is looked at.
        value: Box<Ast>,
        /// The truth value asked for.
        truth: bool,
        /// True for `IS NOT`.
        negated: bool,
    },
    /// `function(arguments)`.
    Call {
        /// The function and the place of its name.
        function: Spanned<Function>,
        /// Its arguments; their number is not yet checked.
        arguments: Vec<Ast>,
    },
    /// `related.aggregate(...)`.
    Aggregate(Box<AggregateCall>),
}

/// What a rule asks of the rows of a related table.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateCall {
    /// The related table's name without its quotes.
    pub related: Spanned<String>,
    /// True where the name stood in double quotes.
    pub quoted: bool,
    /// The aggregate and the place of its name.
    pub function: Spanned<AggregateFunction>,
    /// What is added up or compared; none for `count`.
    pub value: Option<Ast>,
    /// By what `last` orders the rows.
    pub by: Option<Ast>,
    /// Which rows count.
    pub filter: Option<Ast>,
}

/// The aggregates of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggregateFunction {
    /// `count()`
    Count,
    /// `sum(number)`
    Sum,
    /// `min(value)`
    Min,
    /// `max(value)`
    Max,
    /// `avg(number)`
    Avg,
    /// `last(value by time)`
    Last,
}

impl AggregateFunction {
    /// Every aggregate there is.
    pub const ALL: &'static [Self] =
        &[Self::Count, Self::Sum, Self::Min, Self::Max, Self::Avg, Self::Last];

    /// The name that users write, in any case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Avg => "avg",
            Self::Last => "last",
        }
    }

    /// The aggregate of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|function| function.name().eq_ignore_ascii_case(name))
    }
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// One part of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntervalPart {
    /// How many; may be negative.
    pub count: i64,
    /// Of what.
    pub unit: IntervalUnit,
}

/// Units of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalUnit {
    /// 12 months.
    Year,
    /// A calendar month.
    Month,
    /// 7 days.
    Week,
    /// A day.
    Day,
    /// An hour.
    Hour,
    /// A minute.
    Minute,
    /// A second.
    Second,
}

impl IntervalUnit {
    /// Reads `month` or `months`, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        Some(match name.strip_suffix('s').unwrap_or(&name) {
            "year" => Self::Year,
            "month" => Self::Month,
            "week" => Self::Week,
            "day" => Self::Day,
            "hour" => Self::Hour,
            "minute" => Self::Minute,
            "second" => Self::Second,
            _ => return None,
        })
    }
}

/// The functions of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `lower(text)`
    Lower,
    /// `upper(text)`
    Upper,
    /// `trim(text)`
    Trim,
    /// `length(text)`
    Length,
    /// `coalesce(a, b, ...)`
    Coalesce,
    /// `abs(number)`
    Abs,
    /// `round(number)` or `round(number, digits)`
    Round,
    /// `year(date)`
    Year,
    /// `month(date)`
    Month,
    /// `day(date)`
    Day,
    /// `days_since(date)`
    DaysSince,
}

impl Function {
    /// Every function there is.
    pub const ALL: &'static [Self] = &[
        Self::Lower,
        Self::Upper,
        Self::Trim,
        Self::Length,
        Self::Coalesce,
        Self::Abs,
        Self::Round,
        Self::Year,
        Self::Month,
        Self::Day,
        Self::DaysSince,
    ];

    /// The name that users write, in any case.
    #[must_use]
    pub const fn name(self) -> &'static str {
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

    /// The function of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|function| function.name().eq_ignore_ascii_case(name))
    }
}
