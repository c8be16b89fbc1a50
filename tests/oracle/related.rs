//! Related tables: whose rows they are, and what they come to (section 10).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use optin::plan::expr::ExprKind;
use optin::plan::{
    Aggregate, AggregateFunction, AggregateId, Expr, FieldId, Match, Plan, Related, RelatedId,
    TableId, Type,
};

use super::eval::{Subject, eval, truth};
use super::identity::People;
use super::records::Record;
use super::value::Value;
use super::{World, count};

/// What all profiles' rows come to, and what became of each row.
pub struct Rows {
    /// By profile, then aggregate.
    pub values: Vec<Vec<Option<Value>>>,
    /// By related table that some rule asks.
    pub accounts: Vec<BTreeMap<&'static str, u64>>,
}

/// What a row stands on.
enum On {
    Record(TableId, String),
    Key(FieldId, String),
}

impl On {
    fn is(&self, record: &Record) -> bool {
        match self {
            Self::Record(table, id) => record.table == *table && record.id.as_ref() == Some(id),
            Self::Key(field, key) => record.compared(*field) == Some(key),
        }
    }
}

pub fn read(world: &World<'_>, people: &People) -> Rows {
    let plan = world.plan;
    let mut rows = Rows {
        values: vec![vec![None; plan.aggregates.len()]; people.profiles.len()],
        accounts: Vec::new(),
    };
    for (number, related) in plan.related.iter().enumerate() {
        let asked: Vec<(AggregateId, &Aggregate)> = asked(plan, RelatedId(number));
        if asked.is_empty() {
            continue;
        }
        let mut account: BTreeMap<&'static str, u64> =
            ["read", "matched", "of_several", "set_aside", "unmatched", "without_key"]
                .map(|name| (name, 0))
                .into();
        let mut of_profile: Vec<Vec<&[Option<String>]>> = vec![Vec::new(); people.profiles.len()];
        for row in &world.raw(related.source).rows {
            count(&mut account, "read", 1);
            let Some(on) = stands_on(world, related, row) else {
                count(&mut account, "without_key", 1);
                continue;
            };
            let mut whose = 0;
            for (profile, rows) in people.profiles.iter().zip(&mut of_profile) {
                let mut members = profile.cluster.members.iter();
                if members.any(|member| on.is(&people.records[*member])) {
                    rows.push(row);
                    whose += 1;
                }
            }
            let became = match whose {
                0 if people.records.iter().any(|record| on.is(record)) => "set_aside",
                0 => "unmatched",
                _ => "matched",
            };
            count(&mut account, became, 1);
            count(&mut account, "of_several", u64::from(whose > 1));
        }
        for (values, rows) in rows.values.iter_mut().zip(of_profile) {
            for (id, aggregate) in &asked {
                values[id.0] = come_to(world, related, aggregate, &rows);
            }
        }
        rows.accounts.push(account);
    }
    rows
}

fn asked(plan: &Plan, of: RelatedId) -> Vec<(AggregateId, &Aggregate)> {
    let all = plan.aggregates.iter().enumerate();
    all.filter(|(_, one)| one.of == of).map(|(at, one)| (AggregateId(at), one)).collect()
}

/// The first match that the row fills.
fn stands_on(world: &World<'_>, related: &Related, row: &[Option<String>]) -> Option<On> {
    related.matches.iter().find_map(|matched| match matched {
        Match::Record { table, column } => {
            Some(On::Record(*table, world.id(related.source, row, column)?))
        }
        Match::Key { field, column, region } => {
            let text = world.text(related.source, row, column)?;
            let region =
                World::region(region, |beside: &String| world.text(related.source, row, beside));
            let key = world.key(*field, &text, region)?;
            let mut never = world.plan.fields[field.0].key.never.values();
            let barred = never.any(|never| {
                world.key(*field, never, region).is_some_and(|of| of.text == key.text)
            });
            (!barred).then_some(On::Key(*field, key.text))
        }
        Match::Digest { .. } => panic!("a related table has no digests"),
    })
}

/// What some rows come to.
fn come_to(
    world: &World<'_>,
    related: &Related,
    aggregate: &Aggregate,
    rows: &[&[Option<String>]],
) -> Option<Value> {
    let typed: Vec<Vec<Option<Value>>> = rows
        .iter()
        .map(|row| {
            let columns = related.columns.iter();
            columns.map(|(name, _)| world.value(related.source, row, name)).collect()
        })
        .collect();
    let subject = |fields| Subject { fields, passes: &[], aggregates: &[], as_of: world.as_of };
    let counted: Vec<usize> = (0..rows.len())
        .filter(|at| match &aggregate.filter {
            None => true,
            Some(filter) => truth(filter, &subject(&typed[*at])) == Some(true),
        })
        .collect();
    let of = |expr: &Option<Expr>, at: usize| {
        expr.as_ref().and_then(|expr| eval(expr, &subject(&typed[at])))
    };
    let values = || counted.iter().filter_map(|at| of(&aggregate.value, *at));
    let order = |a: &Value, b: &Value| a.compare(b).expect("values of one type");
    match aggregate.function {
        AggregateFunction::Count => Some(Value::Int(i64::try_from(counted.len()).ok()?)),
        AggregateFunction::Min => values().min_by(order),
        AggregateFunction::Max => values().max_by(order),
        AggregateFunction::Last => {
            let mut last: Option<(Value, Option<Value>)> = None;
            for at in counted {
                let Some(by) = of(&aggregate.by, at) else { continue };
                let value = of(&aggregate.value, at);
                let is_later = last.as_ref().is_none_or(|(last_by, last_value)| {
                    let by_value = match (&value, last_value) {
                        (Some(one), Some(other)) => order(one, other),
                        (one, other) => one.is_some().cmp(&other.is_some()),
                    };
                    order(&by, last_by).then(by_value) == Ordering::Greater
                });
                if is_later {
                    last = Some((by, value));
                }
            }
            last.and_then(|(_, value)| value)
        }
        AggregateFunction::Sum | AggregateFunction::Avg => {
            let value = aggregate.value.as_ref()?;
            let cells: Vec<&str> = match (&value.kind, value.ty) {
                // To the last digit, which a float would not keep.
                (ExprKind::Field(column), Type::Decimal(_)) => {
                    let name = &related.columns[column.0].0;
                    counted
                        .iter()
                        .filter_map(|at| world.cell(related.source, rows[*at], name))
                        .collect()
                }
                _ => Vec::new(),
            };
            let values: Vec<Value> = values().collect();
            sum(&values, &cells, value.ty, aggregate.function == AggregateFunction::Avg)
        }
    }
}

fn sum(values: &[Value], cells: &[&str], ty: Type, is_average: bool) -> Option<Value> {
    if values.is_empty() {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "an average is a float")]
    let number = values.len() as f64;
    #[expect(clippy::cast_precision_loss, reason = "an average is a float")]
    let (whole, as_float) = match ty {
        Type::Int => {
            let ints = values.iter().map(|value| match value {
                Value::Int(int) => i128::from(*int),
                other => panic!("an int is {other:?}"),
            });
            let sum: i128 = ints.sum();
            (i64::try_from(sum).ok().map(Value::Int), sum as f64)
        }
        Type::Decimal(scale) => {
            let sum: i128 = cells.iter().map(|cell| steps(cell, usize::from(scale))).sum();
            let float = sum as f64 / 10_f64.powi(i32::from(scale));
            (Some(Value::Float(float)), float)
        }
        _ => {
            let floats = values.iter().map(|value| match value {
                Value::Float(float) => *float,
                other => panic!("a float is {other:?}"),
            });
            let sum = exact(floats);
            (Some(Value::Float(sum)), sum)
        }
    };
    if is_average { Some(Value::Float(as_float / number)) } else { whole }
}

/// A decimal in steps of its last digit.
fn steps(cell: &str, scale: usize) -> i128 {
    let (whole, fraction) = cell.split_once('.').unwrap_or((cell, ""));
    let digits = format!("{whole}{fraction:0<scale$}");
    digits.parse().unwrap_or_else(|_| panic!("the case holds {cell:?}, which is no decimal"))
}

/// The sum of floats, rounded once: partial sums that do not overlap (Shewchuk), the largest last.
fn exact(values: impl Iterator<Item = f64>) -> f64 {
    let mut partials: Vec<f64> = Vec::new();
    for mut value in values {
        let mut kept = Vec::new();
        for mut partial in partials {
            if value.abs() < partial.abs() {
                std::mem::swap(&mut value, &mut partial);
            }
            let high = value + partial;
            let low = partial - (high - value);
            if low != 0.0 {
                kept.push(low);
            }
            value = high;
        }
        kept.push(value);
        partials = kept;
    }
    let Some(mut high) = partials.pop() else { return 0.0 };
    while let Some(partial) = partials.pop() {
        let before = high;
        high = before + partial;
        let low = partial - (high - before);
        if low != 0.0 {
            // Half a step: what is below says to which side.
            if let Some(next) = partials.last()
                && (low < 0.0) == (*next < 0.0)
            {
                let twice = low * 2.0;
                let other = high + twice;
                if twice.to_bits() == (other - high).to_bits() {
                    high = other;
                }
            }
            break;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_floats_are_rounded_once() {
        assert_eq!(exact([0.1; 10].into_iter()).to_bits(), 1.0_f64.to_bits());
        assert_eq!(exact([1e100, 1.0, -1e100].into_iter()).to_bits(), 1.0_f64.to_bits());
        let half = 9_007_199_254_740_992.0;
        assert_eq!(exact([half, 1.0, 1e-9].into_iter()).to_bits(), (half + 2.0).to_bits());
    }

    #[test]
    fn decimals_are_counted_in_steps() {
        assert_eq!(steps("-0.5", 2), -50);
        assert_eq!(steps("12", 2), 1200);
        assert_eq!(steps("1.25", 4), 12_500);
    }
}
