//! The parts of a case while it is being made.

use super::csv::Look;
use super::pools::Person;
use super::rng::Rng;
use super::times::Times;

/// A source and its rows.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Option<String>>>,
    /// Zone of its datetimes that have none.
    pub timezone: Option<&'static str>,
    pub look: Look,
    /// It stands under `sources`; other files are named where they are used.
    pub is_declared: bool,
}

#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    /// The declared type, if it is not text.
    pub ty: Option<&'static str>,
}

impl Source {
    pub fn new(rng: &mut Rng, name: String, rows: usize) -> Self {
        let text = str::to_owned;
        let nulls = match rng.below(6) {
            0 => vec![text("N/A"), text("")],
            1 => vec![text(""), text("-")],
            // Here an empty cell is a text like any other, and normalizes to nothing.
            2 if rng.chance(50) => vec![text("N/A")],
            _ => vec![text("")],
        };
        let look = Look {
            delimiter: rng.pick(&[',', ',', ',', ';', '|']),
            nulls,
            line_end: rng.pick(&["\n", "\n", "\n", "\r\n"]),
            byte_order_mark: rng.chance(5),
            quote_all: rng.chance(10),
            ends_with_line_end: !rng.chance(10),
        };
        let timezone = rng.chance(35).then_some("Europe/Berlin");
        let rows = vec![Vec::new(); rows];
        Self { name, columns: Vec::new(), rows, timezone, look, is_declared: true }
    }

    /// The zone of its datetimes that have none.
    pub fn zone(&self) -> &'static str {
        self.timezone.unwrap_or("UTC")
    }

    /// Adds a column; `cell` gives the cell of each row, which it may look at.
    pub fn add(
        &mut self,
        name: &str,
        ty: Option<&'static str>,
        mut cell: impl FnMut(usize) -> Option<String>,
    ) {
        self.columns.push(Column { name: name.to_owned(), ty });
        for (at, row) in self.rows.iter_mut().enumerate() {
            // What stands in the file for null is null, whoever put it there.
            let value = cell(at).filter(|value| !self.look.nulls.contains(value));
            row.push(value);
        }
    }

    /// The cells of a column.
    pub fn cells(&self, name: &str) -> Vec<Option<String>> {
        let at = self.columns.iter().position(|column| column.name == name);
        let at = at.unwrap_or_else(|| panic!("{} has no column {name}", self.name));
        self.rows.iter().map(|row| row[at].clone()).collect()
    }

    /// Its entry under `sources`, if it has one.
    pub fn yaml(&self) -> String {
        if !self.is_declared {
            return String::new();
        }
        let mut keys = vec![
            format!("name: {}", self.name),
            format!("path: {}", quoted(&format!("../data/{}.csv", self.name))),
            "allow_empty: true".to_owned(),
        ];
        if self.look.delimiter != ',' {
            keys.push(format!("delimiter: {}", quoted(&self.look.delimiter.to_string())));
        }
        if self.look.nulls != [""] {
            keys.push(format!("nulls: {}", list(&self.look.nulls)));
        }
        if let Some(timezone) = self.timezone {
            keys.push(format!("timezone: {timezone}"));
        }
        let typed = self
            .columns
            .iter()
            .filter_map(|column| column.ty.map(|ty| format!("{}: {ty}", quoted(&column.name))));
        let typed: Vec<String> = typed.collect();
        if !typed.is_empty() {
            keys.push(format!("types: {{ {} }}", typed.join(", ")));
        }
        format!("  - {{ {} }}\n", keys.join(", "))
    }
}

/// A unified field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: &'static str,
    pub ty: &'static str,
}

/// Where the phone key finds its region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhoneRegion {
    None,
    Fixed(&'static str),
    Country,
}

/// A customer table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Index of its source.
    pub source: usize,
    pub id: String,
    /// Field and column.
    pub mapping: Vec<(&'static str, String)>,
    /// Its namespace, if it is not the source's name.
    pub namespace: Option<String>,
    /// Records that link to no earlier table are dropped.
    pub drops: bool,
}

#[derive(Clone, Debug)]
pub struct Purpose {
    pub name: &'static str,
    pub via: &'static str,
}

/// What all parts of a case share.
pub struct Ground {
    pub people: Vec<Person>,
    pub times: Times,
    pub sources: Vec<Source>,
    pub fields: Vec<Field>,
    pub phone_region: PhoneRegion,
    pub tables: Vec<Table>,
    pub purposes: Vec<Purpose>,
    /// Columns that the profile has beside fields and purposes.
    pub columns: Vec<String>,
    /// Names of related tables.
    pub related: Vec<String>,
    /// All of the identity language may be used; else link rules of equal fields alone.
    pub is_rich: bool,
    /// Only what SQL can say is drawn.
    pub is_plain: bool,
    /// How many denials in a hundred decisions.
    pub denials: usize,
}

impl Ground {
    pub fn has_field(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }

    /// The names of the customer tables' sources.
    pub fn names_of_tables(&self) -> Vec<&str> {
        self.tables.iter().map(|table| self.sources[table.source].name.as_str()).collect()
    }

    /// The fields that are contact points.
    pub fn contacts(&self) -> Vec<&'static str> {
        let contacts = ["email", "phone", "alt_email"].into_iter();
        contacts.filter(|name| self.has_field(name)).collect()
    }
}

/// A YAML text, whatever is in it.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A YAML list of texts.
pub fn list<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item.as_ref())).collect();
    format!("[{}]", items.join(", "))
}
