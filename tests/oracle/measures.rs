//! Measures (section 13), group by group, with figures in long decimals.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use optin::plan::{ConsentState, FieldId, Measure, Measured, OutColumn, Share, Type};

use super::World;
use super::eval::{Subject, truth};
use super::segments::IN_SEGMENT;
use super::value::{Value, null_last};

/// A measure: its table, and whom it counted.
#[derive(Clone, Debug)]
pub struct MeasureAnswer {
    /// Names and types of the columns.
    pub columns: Vec<(String, Type)>,
    /// The rows.
    pub rows: Vec<Vec<Option<Value>>>,
    /// The figures of the account.
    pub account: BTreeMap<&'static str, u64>,
}

/// What measures see of one profile.
pub struct Measurable {
    /// The values that it shows, by field.
    pub fields: Vec<Option<Value>>,
    /// Its state, by purpose.
    pub states: Vec<&'static str>,
    /// Whether it would pass each purpose's gate.
    pub passes: Vec<bool>,
    /// Its verdict, by segment.
    pub verdicts: Vec<&'static str>,
}

pub fn measure(world: &World<'_>, profiles: &[Measurable]) -> Vec<MeasureAnswer> {
    world.plan.measures.iter().map(|measure| one(world, measure, profiles)).collect()
}

fn one(world: &World<'_>, measure: &Measure, profiles: &[Measurable]) -> MeasureAnswer {
    let names =
        ["outside", "rule_false", "rule_unknown", "customers", "folded_customers", "hidden"];
    let mut account: BTreeMap<&'static str, u64> = names.map(|name| (name, 0)).into();
    let mut counted: Vec<&Measurable> = Vec::new();
    for profile in profiles {
        let subject =
            Subject { fields: &profile.fields, passes: &profile.passes, as_of: world.as_of };
        let outside = measure.of.is_some_and(|segment| profile.verdicts[segment.0] != IN_SEGMENT);
        let holds = measure.rule.as_ref().map(|rule| truth(&rule.expr, &subject));
        let place = match (outside, holds) {
            (true, _) => "outside",
            (false, Some(Some(false))) => "rule_false",
            (false, Some(None)) => "rule_unknown",
            (false, None | Some(Some(true))) => {
                counted.push(profile);
                "customers"
            }
        };
        *account.entry(place).or_default() += 1;
    }

    let groups = groups(world, measure, &counted);
    let has_groups = !measure.by.is_empty();
    let folded = if has_groups { folded(&groups, measure.smallest_group) } else { Vec::new() };
    account.insert("groups", number(groups.iter().filter(|(_, of)| !of.is_empty()).count()));
    account.insert("folded_groups", number(folded.len()));
    let mut rows = Vec::new();
    let mut together: Vec<&Measurable> = Vec::new();
    for (at, (key, of)) in groups.iter().enumerate() {
        if folded.contains(&at) {
            together.extend(of);
        } else {
            rows.push(row(world, measure, (key, 0), of, &mut account));
        }
    }
    if !folded.is_empty() {
        account.insert("folded_customers", number(together.len()));
        let nameless = vec![None; measure.by.len()];
        rows.push(row(world, measure, (&nameless, folded.len()), &together, &mut account));
    }
    let in_rows = account["customers"];
    account.insert("in_rows", in_rows);

    let mut columns = Vec::new();
    for column in &measure.by {
        let ty = match column {
            OutColumn::Field(field) => world.plan.fields[field.0].ty,
            _ => Type::Text,
        };
        columns.push((world.plan.column_name(*column), ty));
    }
    columns.extend(has_groups.then(|| ("folded_groups".to_owned(), Type::Int)));
    for figure in &measure.compute {
        let ty = match figure.measured {
            Measured::Customers | Measured::Values(_) | Measured::States(..) => Type::Int,
            Measured::Sum(field) => world.plan.fields[field.0].ty,
            _ => Type::Float,
        };
        columns.push((figure.name.clone(), ty));
    }
    MeasureAnswer { columns, rows, account }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).expect("a small number")
}

type Key = Vec<Option<Value>>;

/// A value as it is compared: of texts and whole numbers the key.
fn compared(world: &World<'_>, column: &OutColumn, value: Option<&Value>) -> Option<Value> {
    let value = value?;
    if let (OutColumn::Field(field), Value::Text(_) | Value::Int(_)) = (column, value) {
        let text = value.text().expect("it has a text");
        return world.key(*field, &text, None).map(|key| Value::Text(key.text));
    }
    Some(value.clone())
}

/// The groups, each named by the spelling that most have (of equal ones the first), in the order of
/// these; without `by` one of all.
fn groups<'p>(
    world: &World<'_>,
    measure: &Measure,
    counted: &[&'p Measurable],
) -> Vec<(Key, Vec<&'p Measurable>)> {
    if measure.by.is_empty() {
        return vec![(Vec::new(), counted.to_vec())];
    }
    let value = |profile: &Measurable, column: &OutColumn| match column {
        OutColumn::Field(field) => profile.fields[field.0].clone(),
        OutColumn::Consent(purpose) => Some(Value::Text(profile.states[purpose.0].to_owned())),
        other => panic!("a measure by {other:?}"),
    };
    let written =
        |profile: &Measurable| -> Key { measure.by.iter().map(|of| value(profile, of)).collect() };
    let order = |a: &Key, b: &Key| {
        let orders = a.iter().zip(b).map(|(a, b)| null_last(a.as_ref(), b.as_ref(), |order| order));
        orders.fold(Ordering::Equal, Ordering::then)
    };
    let mut groups: Vec<(Key, Vec<&Measurable>)> = Vec::new();
    for profile in counted {
        let columns = measure.by.iter();
        let key: Key = columns.map(|of| compared(world, of, value(profile, of).as_ref())).collect();
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, of)) => of.push(*profile),
            None => groups.push((key, vec![*profile])),
        }
    }
    for (name, of) in &mut groups {
        let mut spellings: Vec<Key> = of.iter().map(|profile| written(profile)).collect();
        spellings.sort_by(order);
        let often = |spelling: &Key| of.iter().filter(|of| written(of) == *spelling).count();
        // The first of those that occur most often.
        let most = spellings.iter().map(often).max().expect("a group has a member");
        name.clone_from(spellings.iter().find(|spelling| often(spelling) == most).expect("one"));
    }
    groups.sort_by(|(a, _), (b, _)| order(a, b));
    groups
}

/// Which groups stand in one row together: the small ones; and as long as these have too few
/// customers, the next smallest.
fn folded(groups: &[(Key, Vec<&Measurable>)], smallest: u64) -> Vec<usize> {
    let size = |at: &usize| number(groups[*at].1.len());
    let mut folded: Vec<usize> = (0..groups.len()).filter(|at| size(at) < smallest).collect();
    let mut others: Vec<usize> = (0..groups.len()).filter(|at| size(at) >= smallest).collect();
    others.sort_by_key(size);
    let mut others = others.into_iter();
    while !folded.is_empty() && folded.iter().map(size).sum::<u64>() < smallest {
        match others.next() {
            Some(next) => folded.push(next),
            None => break,
        }
    }
    folded
}

/// A row: its group and how many groups are folded into it, and its figures.
fn row(
    world: &World<'_>,
    measure: &Measure,
    (key, folded): (&Key, usize),
    of: &[&Measurable],
    account: &mut BTreeMap<&'static str, u64>,
) -> Vec<Option<Value>> {
    let mut cells = key.clone();
    let int = |count: usize| Some(Value::Int(i64::try_from(count).expect("a small number")));
    if !measure.by.is_empty() {
        cells.push(int(folded));
    }
    for figure in &measure.compute {
        let mut amounts = |field: FieldId| {
            let values: Vec<Value> =
                of.iter().filter_map(|profile| profile.fields[field.0].clone()).collect();
            let too_few = number(values.len()) < measure.smallest_group;
            if too_few && !values.is_empty() {
                *account.entry("hidden").or_default() += 1;
            }
            if too_few || values.is_empty() { None } else { Some(values) }
        };
        let in_state = |purpose: usize, state: ConsentState| {
            of.iter().filter(|profile| profile.states[purpose] == state.name()).count()
        };
        cells.push(match figure.measured {
            Measured::Customers => int(of.len()),
            Measured::Values(field) => {
                int(of.iter().filter(|profile| profile.fields[field.0].is_some()).count())
            }
            Measured::Sum(field) => amounts(field).and_then(|values| {
                let text = Long::sum(&values).text(1);
                match world.plan.fields[field.0].ty {
                    Type::Int => text.split('.').next()?.parse().ok().map(Value::Int),
                    _ => float(&text),
                }
            }),
            Measured::Mean(field) => amounts(field)
                .and_then(|values| float(&Long::sum(&values).text(number(values.len())))),
            Measured::Quantile(field, share) => {
                amounts(field).and_then(|values| float(&quantile(values, share)))
            }
            Measured::States(purpose, state) => int(in_state(purpose.0, state)),
            Measured::Rate(purpose, state) => rate(in_state(purpose.0, state), of.len()),
            Measured::RateOfContactable(purpose, state) => {
                let without = in_state(purpose.0, ConsentState::NoContactPoint);
                rate(in_state(purpose.0, state), of.len() - without)
            }
        });
    }
    cells
}

fn rate(part: usize, whole: usize) -> Option<Value> {
    let float = |count: usize| f64::from(u32::try_from(count).expect("a small number"));
    (whole > 0).then(|| Value::Float(float(part) / float(whole)))
}

/// The nearest float of a decimal, by the reader of the standard library; none beyond the largest.
fn float(text: &str) -> Option<Value> {
    let value: f64 = text.parse().expect("a number");
    value.is_finite().then_some(Value::Float(value))
}

/// With n values in order, what stands at (n - 1) * share, between two in proportion; as a decimal.
fn quantile(mut values: Vec<Value>, share: Share) -> String {
    values.sort_by(|a, b| a.compare(b).expect("numbers"));
    let place = (number(values.len()) - 1) * u64::from(share.0);
    let whole = u64::from(Share::WHOLE);
    let at = usize::try_from(place / whole).expect("a small number");
    let right = place % whole;
    let mut between = Long::default();
    between.add(&values[at], whole - right);
    if right > 0 {
        between.add(&values[at + 1], right);
    }
    between.text(whole)
}

/// Digits after the point: those of any float of a case.
const FRACTION: usize = 120;
/// Digits before the point.
const WHOLE: usize = 60;

/// A long decimal, smallest digit first. While numbers are added a digit may be any number; what all
/// of them come to is found out at the end.
#[derive(Default)]
struct Long(BTreeMap<usize, i128>);

impl Long {
    fn sum(values: &[Value]) -> Self {
        let mut sum = Self::default();
        for value in values {
            sum.add(value, 1);
        }
        sum
    }

    /// Adds a number so many times.
    fn add(&mut self, value: &Value, times: u64) {
        let text = match value {
            Value::Int(int) => int.to_string(),
            Value::Float(float) => {
                let text = format!("{float:.FRACTION$}");
                assert_eq!(text.parse::<f64>(), Ok(*float), "a float of more digits");
                text
            }
            other => panic!("{other:?} is no number"),
        };
        let (sign, text) = text.strip_prefix('-').map_or((1, text.as_str()), |text| (-1, text));
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{fraction:0<FRACTION$}");
        for (place, digit) in digits.chars().rev().enumerate() {
            let digit = i128::from(digit.to_digit(10).expect("a digit"));
            *self.0.entry(place).or_default() += sign * digit * i128::from(times);
        }
    }

    /// The number divided by another, written out; a last digit stands for all that follow.
    fn text(&self, by: u64) -> String {
        let digits = |sign: i128| {
            let mut carry = 0;
            let mut digits = Vec::new();
            for place in 0..WHOLE + FRACTION {
                let sum = sign * self.0.get(&place).copied().unwrap_or(0) + carry;
                digits.push(sum.rem_euclid(10));
                carry = sum.div_euclid(10);
            }
            (carry == 0).then_some(digits)
        };
        // Below zero a carry is left at the end.
        let (sign, digits) = match digits(1) {
            Some(digits) => ("", digits),
            None => ("-", digits(-1).expect("a number of so many digits")),
        };
        let (mut text, mut rest) = (sign.to_owned(), 0);
        let by = i128::from(by);
        for (behind, digit) in digits.iter().rev().chain(&[0; 200]).enumerate() {
            if behind == WHOLE {
                text.push('.');
            }
            let left = rest * 10 + digit;
            text.push_str(&(left / by).to_string());
            rest = left % by;
        }
        if rest > 0 {
            text.push('1');
        }
        text
    }
}

#[test]
fn long_decimals_are_exact() {
    let floats =
        |floats: &[f64]| floats.iter().map(|float| Value::Float(*float)).collect::<Vec<_>>();
    let sum = |values: &[f64]| float(&Long::sum(&floats(values)).text(1));
    assert_eq!(sum(&[0.1; 10]), Some(Value::Float(1.0)));
    assert_eq!(sum(&[1e16, 1.0, -1e16]), Some(Value::Float(1.0)));
    assert_eq!(sum(&[-0.5, 0.25]), Some(Value::Float(-0.25)));
    assert_eq!(quantile(floats(&[4.0, 1.0, 2.0]), Share(900_000)).parse(), Ok(3.6));
    assert_eq!(
        float(&Long::sum(&floats(&[-1.0, 0.0, 0.0])).text(3)),
        Some(Value::Float(-1.0 / 3.0))
    );
    let most = [Value::Int(i64::MAX), Value::Int(i64::MAX)];
    assert!(Long::sum(&most).text(1).contains("18446744073709551614."));
}
