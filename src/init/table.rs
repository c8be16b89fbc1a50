//! What a file is for: customers, decisions, people who must not be contacted, or nothing here.

use std::collections::HashSet;

use super::column::{Seen, What, bare};
use super::look::Looked;
use super::words;

/// What a file is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// It holds customers (and perhaps decisions).
    Customers,
    /// It holds decisions.
    Consent,
    /// Who stands in it must not be contacted.
    Suppression,
    /// Nothing of what a pipeline needs, for this reason.
    Unused(&'static str),
}

/// A file that was looked at.
#[derive(Debug)]
pub struct Table {
    /// Its name in the pipeline.
    pub name: String,
    /// Its path from the pipeline.
    pub path: String,
    /// Its head.
    pub looked: Looked,
    /// Its columns.
    pub columns: Vec<Seen>,
    /// What it is for.
    pub role: Role,
    /// True if the role is a guess, because nothing else fits.
    pub is_guess: bool,
}

/// Purpose and decision of a long consent table: the columns.
#[derive(Clone, Copy, Debug)]
pub struct Long {
    pub purpose: usize,
    pub value: usize,
}

impl Table {
    /// A table of no role yet, with a name that none of the `others` has.
    pub fn new(path: String, looked: Looked, others: &[Self]) -> Self {
        let stem = path.rsplit('/').next().unwrap_or(&path);
        let stem = words::slug(stem.split('.').next().unwrap_or(stem));
        let stem = if stem.is_empty() { "data".to_owned() } else { stem };
        let is_taken = |name: &String| others.iter().any(|other| other.name == *name);
        let mut name = stem.clone();
        let mut number = 2;
        while is_taken(&name) {
            name = format!("{stem}_{number}");
            number += 1;
        }
        let head = &looked.head;
        let columns = head
            .columns
            .iter()
            .zip(&head.cells)
            .map(|(column, cells)| Seen::new(column, cells, looked.is_text))
            .collect();
        Self { name, path, looked, columns, role: Role::Unused(""), is_guess: false }
    }

    /// The columns that are this, by number.
    pub fn of(&self, what: What) -> impl Iterator<Item = usize> + '_ {
        (0..self.columns.len()).filter(move |at| self.columns[*at].what == what)
    }

    /// Mails and phones, by number.
    pub fn contacts(&self) -> Vec<usize> {
        self.of(What::Mail).chain(self.of(What::Phone)).collect()
    }

    /// The columns of a row a decision, if it is such a table.
    pub fn long(&self) -> Option<Long> {
        let purpose = self.of(What::Purpose).next()?;
        let named = |column: &Seen| {
            words::any(
                &column.words,
                &["status", "value", "decision", "consent", "state", "action"],
            ) || words::of_consent(&column.words)
        };
        let rows = self.looked.head.rows;
        let may = |at: &usize| {
            let column = &self.columns[*at];
            *at != purpose
                && !column.unusable
                && (column.reads_as_decision() || (rows == 0 && named(column)))
        };
        let mut candidates: Vec<usize> = (0..self.columns.len()).filter(may).collect();
        candidates.sort_by_key(|at| (!named(&self.columns[*at]), *at));
        Some(Long { purpose, value: *candidates.first()? })
    }

    /// The column of ids: it is filled, no value stands twice, and its name says so; else the likeliest.
    /// With it whether that is sure.
    pub fn id(&self) -> (usize, bool) {
        let rows = self.looked.head.rows;
        let score = |at: usize| {
            let column = &self.columns[at];
            let is_amount = column.number.is_some_and(|ty| ty != crate::plan::Type::Int);
            if !column.may_be_id() {
                return None;
            }
            let named = column.what == What::Id;
            let is_key = column.is_key_of(rows);
            let says_id = words::any(&column.words, &["id", "guid", "uuid", "key"]);
            let points = match (named, is_key) {
                (true, true) => 4 + u8::from(at == 0) + u8::from(says_id),
                _ if is_amount => 0,
                (false, true) => match column.what {
                    What::Mail => 3,
                    What::Other | What::Phone => 2,
                    _ => 1,
                },
                (true, false) => 1,
                (false, false) => 0,
            };
            Some(points)
        };
        let ranked = (0..self.columns.len()).filter_map(|at| {
            let points = score(at)?;
            let distinct = if points == 0 { self.columns[at].distinct } else { 0 };
            Some((points, distinct, std::cmp::Reverse(at)))
        });
        ranked.max().map_or((0, false), |(points, _, at)| (at.0, points >= 4 && rows > 0))
    }

    /// True for a table of pairs of records, as `identity.always` and `never` take them.
    fn is_of_pairs(&self) -> bool {
        ["table1", "key1", "table2", "key2"]
            .iter()
            .all(|name| self.columns.iter().any(|column| column.name == *name))
    }

    /// True for one line of names and no row.
    pub fn is_empty(&self) -> bool {
        self.looked.head.rows == 0
    }

    /// The values of a column without marks.
    fn bare(&self, column: usize) -> HashSet<String> {
        bare(&self.looked.head.cells[column]).into_keys().collect()
    }

    /// Says what the file is for, as far as it tells alone.
    fn role_alone(&self) -> Role {
        let is = |what| self.of(what).next().is_some();
        let has_name = is(What::FirstName) || is(What::LastName) || is(What::FullName);
        let personal =
            [What::Mail, What::Phone, What::BirthDate, What::Street, What::City, What::PostalCode];
        let personal = personal.into_iter().filter(|what| is(*what)).count();
        let contacts = self.contacts();
        let decides = self.long().is_some() || is(What::Decision);
        let file = words::words(&self.name);
        let has_id = self.of(What::Id).any(|at| self.columns[at].is_key_of(self.looked.head.rows));
        if self.long().is_some() {
            Role::Consent
        } else if !self.columns.iter().any(Seen::may_be_id) {
            Role::Unused("no column of it can be an id")
        } else if has_name || personal >= 3 {
            Role::Customers
        } else if decides {
            Role::Consent
        } else if self.is_of_pairs() {
            Role::Unused(
                "it holds pairs of records; name it under `identity: { always: .. }` or `never`",
            )
        } else if contacts.is_empty() {
            Role::Unused("no names, mails or phones stand in it, and no decisions")
        } else if words::is_suppression(&file) || (!has_id && self.columns.len() <= 5) {
            Role::Suppression
        } else {
            Role::Customers
        }
    }
}

/// Gives every table its role. One is of customers: where none says so the likeliest, of those that have a
/// column which can be an id.
pub fn assign(tables: &mut [Table]) {
    for table in tables.iter_mut() {
        table.role = table.role_alone();
    }
    if tables.iter().any(|table| table.role == Role::Customers) {
        return;
    }
    let rank = |table: &Table| match table.role {
        Role::Consent if table.long().is_none() => 0,
        Role::Suppression if !words::is_suppression(&words::words(&table.name)) => 1,
        Role::Unused(_) => 2,
        _ => 3,
    };
    let may = |at: &usize| tables[*at].columns.iter().any(Seen::may_be_id);
    let best = (0..tables.len()).filter(may).min_by_key(|at| (rank(&tables[*at]), *at));
    if let Some(best) = best {
        tables[best].role = Role::Customers;
        tables[best].is_guess = true;
    }
}

/// A column with ids of the records of a customer table.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// The column.
    pub column: usize,
    /// The customer table.
    pub table: usize,
    /// Different values, and how many of them are ids there.
    pub hits: (usize, usize),
}

/// The column of a consent table or list that names records of a customer table, if one does: nearly all
/// of its values are ids there, as they stand, and its name speaks of a customer.
pub fn names_records(of: &Table, tables: &[Table]) -> Option<Names> {
    let speaks = [
        "customer",
        "contact",
        "member",
        "user",
        "client",
        "person",
        "kunde",
        "kunden",
        "account",
        "subscriber",
        "guest",
        "patient",
        "record",
        "rec",
    ];
    for (at, table) in tables.iter().enumerate().filter(|(_, table)| table.role == Role::Customers)
    {
        let (id, _) = table.id();
        let known: HashSet<&str> =
            table.looked.head.cells[id].iter().flatten().map(String::as_str).collect();
        let own = &table.columns[id];
        for (column, seen) in of.columns.iter().enumerate() {
            let shares = seen.words.iter().any(|word| own.words.contains(word) && word.len() > 4);
            if seen.what == What::Mail || !(words::any(&seen.words, &speaks) || shares) {
                continue;
            }
            let values: HashSet<&str> =
                of.looked.head.cells[column].iter().flatten().map(String::as_str).collect();
            let hits = values.iter().filter(|value| known.contains(*value)).count();
            if hits > 0 && hits * 10 >= values.len() * 8 {
                return Some(Names { column, table: at, hits: (values.len(), hits) });
            }
        }
    }
    None
}

/// How many different values of a column are ids of another table, compared without marks and blanks.
pub fn shared_with_id(of: &Table, column: usize, table: &Table) -> (usize, usize) {
    let (id, _) = table.id();
    let (values, known) = (of.bare(column), table.bare(id));
    (values.len(), values.iter().filter(|value| known.contains(*value)).count())
}
