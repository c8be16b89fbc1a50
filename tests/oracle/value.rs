//! Values: what the text of a cell means under the type of its column (section 1).

use std::cmp::Ordering;

use optin::plan::Type;
use optin::plan::catalog::ColumnType;

use super::calendar::{self, DAY, Point};

/// A value that is not null.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Days since 1970-01-01.
    Date(i64),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Datetime(i64),
}

impl Value {
    /// Reads a cell. A cell that does not fit its column is a fault of the case, not of the rules.
    pub fn read(cell: &str, column: &ColumnType, timezone: &str) -> Self {
        let format = match column {
            ColumnType::Parsed { format, .. } => format.as_deref(),
            _ => None,
        };
        let ty = column.usable().unwrap_or_else(|| panic!("the case uses an unusable column"));
        Self::parse(cell, ty, format, timezone)
            .unwrap_or_else(|| panic!("the case holds {cell:?}, which is no {}", ty.name()))
    }

    /// Reads a text as a type.
    pub fn parse(cell: &str, ty: Type, format: Option<&str>, timezone: &str) -> Option<Self> {
        Some(match ty {
            Type::Text => Self::Text(cell.to_owned()),
            Type::Bool => Self::Bool(match cell {
                "true" => true,
                "false" => false,
                _ => return None,
            }),
            Type::Int => Self::Int(cell.parse().ok()?),
            Type::Float | Type::Decimal(_) => Self::Float(cell.parse().ok()?),
            Type::Date => Self::Date(match format {
                None => calendar::parse_date(cell)?,
                Some(format) => {
                    let date = jiff::civil::Date::strptime(format, cell).ok()?;
                    calendar::parse_date(&date.to_string())?
                }
            }),
            Type::Datetime => match read_point(cell, ty, format, timezone)? {
                Point::Day(days) => Self::Datetime(days * DAY),
                Point::At(micros) | Point::Span(micros, _) => Self::Datetime(micros),
            },
        })
    }

    /// The same value as another type of the profile, where tables differ.
    pub fn widened(self, ty: Type) -> Self {
        match (self, ty) {
            #[expect(clippy::cast_precision_loss, reason = "that is what widening means")]
            (Self::Int(int), Type::Float | Type::Decimal(_)) => Self::Float(int as f64),
            (Self::Date(days), Type::Datetime) => Self::Datetime(days * DAY),
            (value, Type::Text) => value.text().map_or(value, Self::Text),
            (value, _) => value,
        }
    }

    /// The text that keys and ids compare; none for floats and decimals, which are neither.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Bool(bool) => Some(bool.to_string()),
            Self::Int(int) => Some(int.to_string()),
            Self::Float(_) => None,
            Self::Date(days) => Some(calendar::date_text(*days)),
            Self::Datetime(micros) => Some(calendar::datetime_text(*micros)),
        }
    }

    /// Order of two values of one type; none of different types, or of numbers that have none.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Int(b))
            | (Self::Date(a), Self::Date(b))
            | (Self::Datetime(a), Self::Datetime(b)) => Some(a.cmp(b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(b),
            _ => None,
        }
    }
}

/// When something was decided, as written: the cell of an `at` column.
pub fn read_moment(cell: &str, column: &ColumnType, timezone: &str) -> Point {
    let (ty, format) = match column {
        ColumnType::Parsed { ty, format } => (*ty, format.as_deref()),
        ColumnType::Stored(ty) => (*ty, None),
        ColumnType::Unusable(_) => panic!("the case uses an unusable column"),
    };
    let point = match read_point(cell, ty, format, timezone) {
        Some(Point::Day(days)) => calendar::day_in_zone(days, timezone),
        point => point,
    };
    point.unwrap_or_else(|| panic!("the case holds {cell:?}, which is no {}", ty.name()))
}

fn read_point(cell: &str, ty: Type, format: Option<&str>, timezone: &str) -> Option<Point> {
    match (ty, format) {
        (Type::Date, _) => match Value::parse(cell, ty, format, timezone)? {
            Value::Date(days) => Some(Point::Day(days)),
            _ => None,
        },
        (Type::Datetime, Some(format)) => {
            let clock = jiff::civil::DateTime::strptime(format, cell).ok()?;
            calendar::parse_datetime(&clock.to_string(), timezone)
        }
        (Type::Datetime, None) => calendar::parse_datetime(cell, timezone),
        _ => None,
    }
}

/// Null last, whichever way the values themselves are ordered.
pub fn null_last(
    a: Option<&Value>,
    b: Option<&Value>,
    order: impl Fn(Ordering) -> Ordering,
) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => order(a.compare(b).unwrap_or(Ordering::Equal)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}
