//! Related tables: many rows a customer, such as orders, and what rules ask of them.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Expr, FieldId, Match, Plan, SourceId, Type};

/// Index into [`Plan::related`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct RelatedId(pub usize);

/// Index into [`Plan::aggregates`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct AggregateId(pub usize);

/// A table with many rows a customer. It never grants consent.
#[derive(Clone, Debug, Serialize)]
pub struct Related {
    /// Name in rules.
    pub name: String,
    /// Where its rows come from.
    pub source: SourceId,
    /// What ties a row to a customer: of several the first that the row fills.
    pub matches: Vec<Match>,
    /// The columns that rules may name. In aggregates of this table a [`FieldId`] is an index here.
    pub columns: Vec<(String, Type)>,
}

/// What a rule asks of a customer's rows in a related table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Aggregate {
    /// The table.
    pub of: RelatedId,
    /// What is made of the rows.
    pub function: AggregateFunction,
    /// The value of a row; none for `count`. Its fields are columns of the table.
    pub value: Option<Expr>,
    /// By what `last` orders the rows: an int, a date or a datetime.
    pub by: Option<Expr>,
    /// Which rows count: those for which it is true. None: all.
    pub filter: Option<Expr>,
    /// The type of the result.
    pub ty: Type,
}

/// Aggregates. Of no row, or of nulls alone, a count is 0 and all others are null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AggregateFunction {
    /// How many rows, as int.
    Count,
    /// The exact sum: of ints an int (null beyond 64 bits), of decimals a decimal, of floats the float
    /// that is nearest to it.
    Sum,
    /// The smallest value.
    Min,
    /// The greatest value.
    Max,
    /// The exact sum as a float, divided by the number of values.
    Avg,
    /// The value, null if it is null, of the row with the greatest `by` that is not null; at equal
    /// `by` the greatest value, null last.
    Last,
}

impl AggregateFunction {
    /// The name that users write.
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
}

impl Aggregate {
    /// What it looks at of a row.
    pub fn parts(&self) -> impl Iterator<Item = &Expr> {
        self.value.iter().chain(&self.by).chain(&self.filter)
    }

    /// As one would write it in a rule.
    #[must_use]
    pub fn text(&self, plan: &Plan) -> String {
        let related = &plan.related[self.of.0];
        let part = |word: &str, part: &Option<Expr>| {
            part.as_ref().map(|part| format!("{word}{}", part.text_of_row(plan, related)))
        };
        let parts = [part("", &self.value), part("by ", &self.by), part("where ", &self.filter)];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        format!(
            "{}.{}({})",
            super::expr_text::name(&related.name),
            self.function.name(),
            parts.join(" ")
        )
    }
}

impl Plan {
    /// The aggregates of a related table, with their numbers.
    pub fn aggregates_of(&self, of: RelatedId) -> impl Iterator<Item = (AggregateId, &Aggregate)> {
        let all = self.aggregates.iter().enumerate();
        all.filter(move |(_, aggregate)| aggregate.of == of).map(|(at, one)| (AggregateId(at), one))
    }

    /// The related tables of which some rule asks something; others are not read.
    pub fn related_in_use(&self) -> impl Iterator<Item = (RelatedId, &Related)> {
        let all = self.related.iter().enumerate().map(|(at, related)| (RelatedId(at), related));
        all.filter(|(id, _)| self.aggregates_of(*id).next().is_some())
    }

    /// The columns of a related table that its aggregates name, by their numbers.
    #[must_use]
    pub fn columns_in_use(&self, of: RelatedId) -> BTreeSet<FieldId> {
        self.aggregates_of(of)
            .flat_map(|(_, aggregate)| aggregate.parts())
            .flat_map(|part| part.names().0)
            .collect()
    }

    /// The names of all columns of its source that a related table needs.
    #[must_use]
    pub fn related_columns(&self, of: RelatedId) -> BTreeSet<String> {
        let related = &self.related[of.0];
        let named = self.columns_in_use(of).into_iter();
        let named = named.map(|column| related.columns[column.0].0.clone());
        named.chain(related.matches.iter().flat_map(Match::columns)).collect()
    }
}
