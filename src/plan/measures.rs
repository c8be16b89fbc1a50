//! Measures: figures of customers by group, for whoever runs the pipeline.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{FieldId, OutColumn, Plan, PurposeId, Rule, SegmentId, Target};

/// The smallest group whose figures stand in a run record and on a page about a run. It is also the
/// smallest group of a measure that does not say another.
pub const SMALLEST_GROUP: u64 = 5;

/// A table of figures, a row for each group of customers.
#[derive(Clone, Debug, Serialize)]
pub struct Measure {
    /// Its name.
    pub name: String,
    /// Whom it counts: those who are in this segment; none: all profiles.
    pub of: Option<SegmentId>,
    /// Who of them counts.
    pub rule: Option<Rule>,
    /// What makes the groups: fields and consent states. None: one row.
    pub by: Vec<OutColumn>,
    /// The figures, in the order of their columns.
    pub compute: Vec<Figure>,
    /// Groups of fewer customers are put together in one row, and no figure is made of the values
    /// of fewer customers; at least 1.
    pub smallest_group: u64,
    /// Where its table goes, if it is written.
    pub target: Option<Target>,
}

impl Measure {
    /// True if its figures may stand in the run record and on the page about the run, which hold
    /// nothing of single persons.
    #[must_use]
    pub const fn is_recorded(&self) -> bool {
        self.smallest_group >= SMALLEST_GROUP
    }
}

/// A column of a measure.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// The name of the column.
    pub name: String,
    /// As written, such as `sum(revenue)`.
    pub text: String,
    /// What is computed.
    pub measured: Measured,
}

/// What is computed of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// `count`: its customers.
    Customers,
    /// `count(FIELD)`: the customers who show a value.
    Values(FieldId),
    /// `sum(FIELD)`, of the field's type; a float is rounded once.
    Sum(FieldId),
    /// `avg(FIELD)`: the mean, a float that is rounded once.
    Mean(FieldId),
    /// `median(FIELD)`, `quantile(FIELD, SHARE)`: linear between the two nearest values (type 7 of
    /// Hyndman and Fan), a float that is rounded once.
    Quantile(FieldId, Fraction),
    /// `consent_count(PURPOSE, STATE)`: the customers in this state.
    States(PurposeId, ConsentState),
    /// `consent_rate(PURPOSE, STATE)`: those in this state, of all customers of the group.
    Rate(PurposeId, ConsentState),
    /// `consent_rate_of_contactable(PURPOSE, STATE)`: of those who are not in the state
    /// `no_contact_point`.
    RateOfContactable(PurposeId, ConsentState),
}

impl Measured {
    /// The field whose values it asks for.
    #[must_use]
    pub const fn field(self) -> Option<FieldId> {
        match self {
            Self::Values(field)
            | Self::Sum(field)
            | Self::Mean(field)
            | Self::Quantile(field, _) => Some(field),
            Self::Customers | Self::States(..) | Self::Rate(..) | Self::RateOfContactable(..) => {
                None
            }
        }
    }

    /// The purpose whose states it asks for.
    #[must_use]
    pub const fn purpose(self) -> Option<PurposeId> {
        match self {
            Self::States(purpose, _)
            | Self::Rate(purpose, _)
            | Self::RateOfContactable(purpose, _) => Some(purpose),
            Self::Customers
            | Self::Values(_)
            | Self::Sum(_)
            | Self::Mean(_)
            | Self::Quantile(..) => None,
        }
    }

    /// True for a share of customers, from 0 to 1.
    #[must_use]
    pub const fn is_rate(self) -> bool {
        matches!(self, Self::Rate(..) | Self::RateOfContactable(..))
    }
}

/// A share from 0 to 1, in millionths: quantiles are computed exactly, so theirs must be exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fraction(pub u32);

impl Fraction {
    /// A whole.
    pub const WHOLE: u32 = 1_000_000;

    /// Reads `0.25`; none for what is no share, or has more than six digits after the point.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_share = matches!(whole, "0" | "1" | "")
            && fraction.len() <= 6
            && !(whole.is_empty() && fraction.is_empty())
            && is_digits(fraction);
        let millionths: u32 = format!("{fraction:0<6}").parse().ok().filter(|_| is_share)?;
        let share = if whole == "1" { Self::WHOLE + millionths } else { millionths };
        (share <= Self::WHOLE).then_some(Self(share))
    }
}

/// The state of a profile for one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentState {
    /// A grant holds.
    Granted,
    /// A denial holds.
    Denied,
    /// There was a grant; it has ended.
    Expired,
    /// Nobody decided.
    Unknown,
    /// Nothing to contact through.
    NoContactPoint,
}

impl ConsentState {
    /// All states.
    pub const ALL: [Self; 5] =
        [Self::Granted, Self::Denied, Self::Expired, Self::Unknown, Self::NoContactPoint];

    /// The name in `consent_<purpose>` columns and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::NoContactPoint => "no_contact_point",
        }
    }
}

impl Plan {
    /// The fields that measures speak of.
    #[must_use]
    pub fn measured_fields(&self) -> BTreeSet<FieldId> {
        let grouped = self.measures.iter().flat_map(|measure| &measure.by);
        let grouped = grouped.filter_map(|column| match column {
            OutColumn::Field(field) => Some(*field),
            _ => None,
        });
        let figures = self.measures.iter().flat_map(|measure| &measure.compute);
        let rules = self.measures.iter().filter_map(|measure| measure.rule.as_ref());
        grouped
            .chain(figures.filter_map(|figure| figure.measured.field()))
            .chain(rules.flat_map(|rule| rule.expr.names().0))
            .collect()
    }

    /// Whom a measure counts, in words: `profiles`, or the segment's name.
    #[must_use]
    pub fn measured_of(&self, measure: &Measure) -> &str {
        measure.of.map_or("profiles", |segment| self.segments[segment.0].name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Fraction;

    #[test]
    fn shares_are_read_exactly() {
        for (text, millionths) in
            [("0", 0), ("0.5", 500_000), (".25", 250_000), ("0.000001", 1), ("1", 1_000_000)]
        {
            assert_eq!(Fraction::parse(text), Some(Fraction(millionths)), "{text}");
        }
        assert_eq!(Fraction::parse("1.0"), Some(Fraction(1_000_000)));
        for text in
            ["", ".", "1.1", "2", "-0.1", "+0.5", "0.1234567", "0,5", "half", "00.5", "0. 5"]
        {
            assert_eq!(Fraction::parse(text), None, "{text}");
        }
    }
}
