//! Who is asked for, from `FIELD=VALUE`.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use crate::diagnostics::{Code, Diagnostic, Faults, Outcome, nearest};
use crate::engine::trace::Asked;
use crate::normalize::Kind;
use crate::plan::{Field, FieldId, Plan, SegmentId, Table, TableId, Type};

/// The name of the id of a profile, beside fields and tables.
const CUSTOMER_ID: &str = "customer_id";

/// Reads who is asked for: a field and its value, `customer_id` and one, or a customer table's name
/// (or `NAME.id`, where a field has this name too) and an id.
///
/// # Errors
/// A text of another shape; a name that is none.
pub fn asked(plan: &Plan, text: &str) -> Outcome<Asked> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(fault("--customer takes FIELD=VALUE".to_owned(), names(plan)));
    };
    let name = name.trim();
    if value.trim().is_empty() {
        let help = "give the value behind `=`, as it stands in a source or in another form of it";
        return Err(fault("--customer has no value".to_owned(), help.to_owned()));
    }
    if let Some(field) = plan.fields.iter().position(|field| field.name == name) {
        return Ok(Asked::Value(FieldId(field), usable(&plan.fields[field], value)?));
    }
    if name == CUSTOMER_ID {
        let value = value.trim();
        let is_one = value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        return match u128::from_str_radix(value, 16) {
            Ok(id) if is_one => Ok(Asked::Customer(id.to_be_bytes())),
            _ => Err(fault(
                "this is no customer_id".to_owned(),
                "a customer_id has 32 hexadecimal digits, as exports show it".to_owned(),
            )),
        };
    }
    let table = name.strip_suffix(".id").unwrap_or(name);
    match plan.tables.iter().position(|of| source(plan, of) == table) {
        Some(at) => Ok(Asked::Record(TableId(at), value.to_owned())),
        None => Err(fault(format!("no field and no customer table is called `{name}`"), {
            let fields = plan.fields.iter().map(|field| field.name.as_str());
            let tables = plan.tables.iter().map(|table| source(plan, table));
            match nearest(name, fields.chain([CUSTOMER_ID]).chain(tables)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => names(plan),
            }
        })),
    }
}

/// A value in the form in which the field's own values are compared with it. One that no value of the field can
/// be like would be found nowhere, which is no answer.
fn usable(field: &Field, value: &str) -> Outcome<String> {
    let text = value.trim();
    let (read, help) = match field.ty {
        // A phone number may stand in a column of ints, and is written in many ways.
        Type::Int if field.key.chain.is_trim() => {
            (text.parse::<i64>().ok().map(|number| number.to_string()), "digits alone, such as 12")
        }
        Type::Text | Type::Int => return with_key(field, value),
        // The engine refuses them.
        Type::Float | Type::Decimal(_) => return Ok(value.to_owned()),
        Type::Bool => {
            let word = text.to_ascii_lowercase();
            (["true", "false"].contains(&word.as_str()).then_some(word), "true or false")
        }
        Type::Date => {
            (text.parse::<civil::Date>().ok().map(|day| day.to_string()), "it as 1980-01-02")
        }
        Type::Datetime => (datetime(text), "it as 1980-01-02T10:00:00Z"),
    };
    let (name, ty) = (&field.name, field.ty.name());
    read.ok_or_else(|| {
        fault(
            format!("this is no value of `{name}`, which is of type {ty}"),
            format!("write {help}"),
        )
    })
}

/// A text of which the field's normalizers leave something.
fn with_key(field: &Field, value: &str) -> Outcome<String> {
    let chain = &field.key.chain;
    // Without a region more is taken for a number than with one.
    if [None, field.key.fixed_region()].iter().any(|of| chain.apply(value, *of).is_some()) {
        return Ok(value.to_owned());
    }
    let name = &field.name;
    let (what, help) = match chain.kind() {
        Kind::Mail => ("this is no mail address", "write one such as ann@example.com"),
        Kind::Phone => ("this is no phone number", "write one such as +49 30 1234567"),
        Kind::Text => ("nothing is left of this value", "give one with letters or digits"),
    };
    Err(fault(format!("{what}, as `{name}` is compared"), help.to_owned()))
}

/// A time as cells show it: an instant in UTC; without a zone it is of UTC.
fn datetime(text: &str) -> Option<String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.to_string());
    }
    let at: civil::DateTime = text.strip_suffix('Z').unwrap_or(text).parse().ok()?;
    let zoned = at.to_zoned_datetime(TimeZone::UTC).ok();
    Some(zoned.map_or_else(|| format!("{at}Z"), |zoned| zoned.timestamp().to_string()))
}

/// The segment that is asked for.
///
/// # Errors
/// A name that is none.
pub fn asked_segment(plan: &Plan, name: &str) -> Outcome<SegmentId> {
    if let Some(at) = plan.segments.iter().position(|segment| segment.name == name) {
        return Ok(SegmentId(at));
    }
    let names = || plan.segments.iter().map(|segment| segment.name.as_str());
    let help = match nearest(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if plan.segments.is_empty() => "the pipeline has no segments".to_owned(),
        None => format!("the segments are: {}", names().collect::<Vec<_>>().join(", ")),
    };
    let message = format!("no segment is called `{name}`");
    Err(Diagnostic::error(Code::UnknownSegment, message).help(help).into())
}

fn source<'p>(plan: &'p Plan, table: &Table) -> &'p str {
    &plan.sources[table.source.0].name
}

fn names(plan: &Plan) -> String {
    let list = |names: Vec<&str>| names.join(", ");
    format!(
        "FIELD is one of {}; or `{CUSTOMER_ID}`; or a customer table, then VALUE is its id: {}",
        list(plan.fields.iter().map(|field| field.name.as_str()).collect()),
        list(plan.tables.iter().map(|table| source(plan, table)).collect()),
    )
}

fn fault(message: String, help: String) -> Faults {
    Diagnostic::error(Code::UnknownField, message).help(help).into()
}
