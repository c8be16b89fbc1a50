//! Customer tables: which column is which field, how fields are compared, what links records.

use std::collections::{BTreeMap, HashSet};

use super::column::{Seen, What};
use super::regions;
use super::table::{Role, Table, shared_with_id};
use super::words;
use crate::plan::Type;

/// A field of a customer table.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name in the profile.
    pub name: String,
    /// The column.
    pub column: usize,
}

/// A customer table.
#[derive(Clone, Debug)]
pub struct Mapped {
    /// The table.
    pub table: usize,
    /// The column of ids.
    pub id: usize,
    /// True if it is surely one.
    pub id_is_sure: bool,
    /// The fields.
    pub fields: Vec<Field>,
}

/// How a field is compared.
#[derive(Clone, Debug)]
pub struct Key {
    /// The field.
    pub field: String,
    /// The normalizers, as one writes them.
    pub normalize: String,
    /// Why.
    pub because: String,
    /// What is not sure.
    pub unsure: Option<String>,
}

/// What makes two records one customer.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The fields that must agree.
    pub fields: Vec<String>,
    /// Why.
    pub because: String,
    /// What is not sure.
    pub unsure: Option<String>,
}

/// Where the region of phone numbers comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Region {
    /// From the field `country` of each record.
    Field,
    /// One for all.
    Fixed(String),
    /// Nobody knows.
    None,
}

/// All about customers.
#[derive(Debug)]
pub struct People {
    /// The tables, in the order of the files.
    pub tables: Vec<Mapped>,
    /// Keys.
    pub keys: Vec<Key>,
    /// Link rules, the strongest first.
    pub rules: Vec<Rule>,
    /// Countries of the records, the commonest first.
    pub countries: Vec<String>,
    /// The region of phone numbers.
    pub region: Region,
}

impl People {
    /// True if a customer table fills this field.
    pub fn has(&self, field: &str) -> bool {
        self.tables.iter().any(|table| table.fields.iter().any(|known| known.name == field))
    }

    /// What a customer table maps to a field.
    pub fn columns<'t>(
        &self,
        field: &str,
        tables: &'t [Table],
    ) -> impl Iterator<Item = (usize, &'t Seen)> {
        let found: Vec<(usize, &Seen)> = self
            .tables
            .iter()
            .flat_map(|mapped| mapped.fields.iter().map(move |known| (mapped.table, known)))
            .filter(|(_, known)| known.name == field)
            .map(|(table, known)| (table, &tables[table].columns[known.column]))
            .collect();
        found.into_iter()
    }
}

/// The name that all tables give to a field of this kind.
fn canonical(what: What) -> Option<&'static str> {
    Some(match what {
        What::Mail => "email",
        What::Phone => "phone",
        What::FirstName => "first_name",
        What::LastName => "last_name",
        What::FullName => "name",
        What::BirthDate => "birth_date",
        What::Updated => "updated_at",
        What::Created => "created_at",
        What::PostalCode => "postal_code",
        What::Country => "country",
        What::City => "city",
        What::Street => "street",
        What::Id | What::Decision | What::Purpose | What::Other => return None,
    })
}

/// The type that the pipeline declares for a column of a text file, or that a file of typed values has.
/// Where rows were not all looked at only those are declared that the pipeline needs: one value that does
/// not read would stop a run.
#[must_use]
pub fn type_of(table: &Table, column: usize) -> Type {
    let seen = &table.columns[column];
    if let Some(stored) = seen.stored {
        return stored;
    }
    let is_needed = seen.what == What::Updated;
    let plain = matches!(
        seen.what,
        What::Other | What::BirthDate | What::Updated | What::Created | What::Id
    );
    if !plain || (!table.looked.head.whole && !is_needed) {
        return Type::Text;
    }
    match (seen.times, seen.number) {
        (Some(times), _) if !seen.ambiguous && seen.what != What::Id => {
            let as_datetime =
                matches!(seen.what, What::Updated | What::Created) && times.format.is_none();
            if times.is_datetime || as_datetime { Type::Datetime } else { Type::Date }
        }
        (None, Some(number)) if seen.what == What::Other && !numbers_are_codes(seen) => number,
        _ => Type::Text,
    }
}

/// Numbers of one length, none of which means an amount: house numbers, postal codes, member numbers.
fn numbers_are_codes(seen: &Seen) -> bool {
    words::any(&seen.words, &["zip", "number", "no", "nr", "code", "year", "level"])
}

/// Reads the customer tables.
pub fn people(tables: &[Table]) -> People {
    let customers: Vec<usize> =
        (0..tables.len()).filter(|at| tables[*at].role == Role::Customers).collect();
    let mut shared: BTreeMap<(usize, usize), String> = BTreeMap::new();
    let mut shared_names: Vec<(String, usize, usize)> = Vec::new();
    for &of in &customers {
        share_ids(of, &customers, tables, &mut shared, &mut shared_names);
    }
    let mut mapped: Vec<Mapped> = Vec::new();
    let mut types: BTreeMap<String, Type> = BTreeMap::new();
    for &at in &customers {
        let (id, id_is_sure) = tables[at].id();
        let fields = fields(at, id, &tables[at], &shared, &mut types);
        mapped.push(Mapped { table: at, id, id_is_sure, fields });
    }
    let mut people = People {
        tables: mapped,
        keys: Vec::new(),
        rules: Vec::new(),
        countries: Vec::new(),
        region: Region::None,
    };
    people.countries = countries(&people, tables);
    people.rules = rules(&people, tables, &shared_names);
    let (keys, region) = keys(&people, tables, &shared_names);
    (people.keys, people.region) = (keys, region);
    people
}

/// Numbers in one customer table that are ids of another: a card, a member number.
fn share_ids(
    of: usize,
    customers: &[usize],
    tables: &[Table],
    shared: &mut BTreeMap<(usize, usize), String>,
    names: &mut Vec<(String, usize, usize)>,
) {
    for &other in customers.iter().filter(|other| **other != of) {
        for column in tables[of].of(What::Id).filter(|column| *column != tables[of].id().0) {
            let (values, hits) = shared_with_id(&tables[of], column, &tables[other]);
            if hits < 2 || hits * 2 < values {
                continue;
            }
            let (id, _) = tables[other].id();
            let name = words::slug(&tables[other].columns[id].name);
            shared.insert((of, column), name.clone());
            shared.insert((other, id), name.clone());
            match names.iter_mut().find(|(known, ..)| *known == name) {
                Some((_, all, of_all)) => {
                    *all += hits;
                    *of_all += values;
                }
                None => names.push((name, hits, values)),
            }
        }
    }
}

fn fields(
    at: usize,
    id: usize,
    table: &Table,
    shared: &BTreeMap<(usize, usize), String>,
    types: &mut BTreeMap<String, Type>,
) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    let mut taken: HashSet<String> = HashSet::new();
    for (column, seen) in table.columns.iter().enumerate() {
        let is_shared = shared.get(&(at, column));
        let is_contact = matches!(seen.what, What::Mail | What::Phone);
        if seen.unusable
            || seen.what == What::Decision
            || (column == id && is_shared.is_none() && !is_contact)
        {
            continue;
        }
        let first = best_of(table, seen.what);
        let usual = canonical(seen.what).filter(|_| first == Some(column));
        let own = match words::slug(&seen.name) {
            slug if slug.is_empty() => format!("column_{}", column + 1),
            slug => slug,
        };
        let mut name = is_shared.cloned().or_else(|| usual.map(str::to_owned)).unwrap_or(own);
        let ty = comparable(type_of(table, column));
        let differs = |name: &String| types.get(name).is_some_and(|known| *known != ty);
        let reserved = name.starts_with("consent_")
            || ["customer_id", "previous_customer_ids"].contains(&name.as_str());
        if reserved || differs(&name) || taken.contains(&name) {
            name = format!("{}_{name}", table.name);
        }
        let mut number = 2;
        let stem = name.clone();
        while differs(&name) || taken.contains(&name) {
            name = format!("{stem}_{number}");
            number += 1;
        }
        types.insert(name.clone(), ty);
        taken.insert(name.clone());
        fields.push(Field { name, column });
    }
    fields
}

/// Int and float are one in a field.
fn comparable(ty: Type) -> Type {
    if ty == Type::Float { Type::Int } else { ty }
}

/// The column that has the usual name of its kind: of contact points the one with most values, of others
/// only one that stands alone.
fn best_of(table: &Table, what: What) -> Option<usize> {
    let mut all = table.of(what);
    match what {
        What::Mail | What::Phone => {
            all.max_by_key(|at| (table.columns[*at].filled, std::cmp::Reverse(*at)))
        }
        _ => {
            let first = all.next();
            if all.next().is_some() { None } else { first }
        }
    }
}

fn countries(people: &People, tables: &[Table]) -> Vec<String> {
    let mut all: Vec<Option<String>> = Vec::new();
    for mapped in &people.tables {
        let country = mapped.fields.iter().find(|field| field.name == "country");
        if let Some(country) = country {
            all.extend(tables[mapped.table].looked.head.cells[country.column].iter().cloned());
        }
    }
    regions::codes(&all).unwrap_or_default()
}

/// Values of a field in all customer tables: how many, how many different ones, how often the commonest.
fn spread(people: &People, tables: &[Table], field: &str) -> (usize, usize, usize) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for mapped in &people.tables {
        for known in mapped.fields.iter().filter(|known| known.name == field) {
            for cell in tables[mapped.table].looked.head.cells[known.column].iter().flatten() {
                let cell = cell.trim().to_lowercase();
                if !cell.is_empty()
                    && !words::NULLS.iter().any(|null| cell.eq_ignore_ascii_case(null))
                {
                    *counts.entry(cell).or_default() += 1;
                }
            }
        }
    }
    (counts.values().sum(), counts.len(), counts.values().copied().max().unwrap_or(0))
}

/// Words of numbers that many customers share by right.
const OF_MANY: [&str; 22] = [
    "household",
    "family",
    "company",
    "account",
    "store",
    "shop",
    "branch",
    "order",
    "campaign",
    "session",
    "product",
    "region",
    "city",
    "country",
    "state",
    "group",
    "type",
    "segment",
    "tier",
    "firm",
    "employer",
    "street",
];

fn rules(people: &People, tables: &[Table], shared: &[(String, usize, usize)]) -> Vec<Rule> {
    let mut rules = Vec::new();
    let together = |fields: &[&str]| {
        people.tables.iter().any(|mapped| {
            fields.iter().all(|field| mapped.fields.iter().any(|known| known.name == *field))
        })
    };
    let said = |field: &str| {
        let (values, distinct, _) = spread(people, tables, field);
        format!("{} values looked at, {} different", number(values), number(distinct))
    };
    for (name, hits, values) in shared {
        rules.push(Rule {
            fields: vec![name.clone()],
            because: format!(
                "{} of {} different numbers elsewhere are ids of this table",
                number(*hits),
                number(*values)
            ),
            unsure: None,
        });
    }
    if people.has("email") {
        let because = format!("one mail, one customer: {}", said("email"));
        rules.push(Rule { fields: vec!["email".to_owned()], because, unsure: None });
    }
    let names = ["last_name", "name", "first_name"];
    if let Some(name) = names.into_iter().find(|name| together(&["phone", name])) {
        rules.push(Rule {
            fields: vec!["phone".to_owned(), name.to_owned()],
            because: format!("not the phone alone, families share one: {}", said("phone")),
            unsure: None,
        });
    }
    for mapped in &people.tables {
        for field in &mapped.fields {
            let seen = &tables[mapped.table].columns[field.column];
            let rows = tables[mapped.table].looked.head.rows;
            let is_person_number = seen.what == What::Id
                && seen.may_be_id()
                && field.column != mapped.id
                && !shared.iter().any(|(name, ..)| *name == field.name)
                && !words::any(&seen.words, &OF_MANY)
                && seen.filled * 2 >= rows
                && seen.distinct * 10 >= seen.filled * 3
                && seen.most <= 20
                && seen.filled > 0;
            if is_person_number && !rules.iter().any(|rule| rule.fields[0] == field.name) {
                rules.push(Rule {
                    fields: vec![field.name.clone()],
                    because: format!(
                        "{}; none stands in more than {} records",
                        said(&field.name),
                        number(seen.most)
                    ),
                    unsure: Some(format!(
                        "is `{}` the number of one person? If not, take this rule out",
                        field.name
                    )),
                });
            }
        }
    }
    if together(&["first_name", "last_name", "birth_date"]) {
        rules.push(Rule {
            fields: ["first_name", "last_name", "birth_date"].map(str::to_owned).to_vec(),
            because: format!("one name and one birth date: {}", said("birth_date")),
            unsure: None,
        });
    } else if together(&["name", "birth_date"]) {
        rules.push(Rule {
            fields: ["name", "birth_date"].map(str::to_owned).to_vec(),
            because: format!("one name and one birth date: {}", said("birth_date")),
            unsure: None,
        });
    }
    rules
}

fn keys(
    people: &People,
    tables: &[Table],
    shared: &[(String, usize, usize)],
) -> (Vec<Key>, Region) {
    let mut keys: Vec<Key> = Vec::new();
    let mut region = Region::None;
    let mut seen_fields: Vec<&str> = Vec::new();
    for field in people.tables.iter().flat_map(|mapped| &mapped.fields) {
        if seen_fields.contains(&field.name.as_str()) {
            continue;
        }
        seen_fields.push(&field.name);
        let columns: Vec<(usize, &Seen)> = people.columns(&field.name, tables).collect();
        let filled: usize = columns.iter().map(|(_, seen)| seen.filled).sum();
        let in_rule = people.rules.iter().any(|rule| rule.fields.contains(&field.name));
        match columns.first().map(|(_, seen)| seen.what) {
            Some(What::Mail) => {
                let mails = columns.iter().map(|(_, seen)| seen.mails).sum();
                let because = looked_at("mail", mails, filled, "read as addresses");
                let normalize = "email".to_owned();
                keys.push(Key { field: field.name.clone(), normalize, because, unsure: None });
            }
            Some(What::Phone) => {
                let (key, of) = phone_key(people, tables, &field.name, &columns, filled);
                if field.name == "phone" || region == Region::None {
                    region = of;
                }
                keys.push(key);
            }
            Some(What::FirstName | What::LastName | What::FullName) if in_rule => keys.push(Key {
                field: field.name.clone(),
                normalize: "[lower, unaccent, strip_symbols]".to_owned(),
                because: "case, accents and hyphens do not make another person".to_owned(),
                unsure: None,
            }),
            _ if shared.iter().any(|(name, ..)| *name == field.name) => keys.push(Key {
                field: field.name.clone(),
                normalize: "[strip_whitespace, strip_symbols]".to_owned(),
                because: "the same number, with and without blanks and hyphens".to_owned(),
                unsure: None,
            }),
            _ => {}
        }
    }
    (keys, region)
}

fn phone_key(
    people: &People,
    tables: &[Table],
    field: &str,
    columns: &[(usize, &Seen)],
    filled: usize,
) -> (Key, Region) {
    let phones: usize = columns.iter().map(|(_, seen)| seen.phones).sum();
    let because = looked_at("phone", phones, filled, "look like numbers");
    let key = |normalize: String, because: String, unsure| Key {
        field: field.to_owned(),
        normalize,
        because,
        unsure,
    };
    if !people.countries.is_empty() {
        let without: Vec<&str> = columns
            .iter()
            .map(|(table, _)| *table)
            .filter(|table| {
                let mapped = people.tables.iter().find(|mapped| mapped.table == *table);
                mapped.is_some_and(|of| !of.fields.iter().any(|field| field.name == "country"))
            })
            .map(|table| tables[table].name.as_str())
            .collect();
        let unsure = (!without.is_empty()).then(|| {
            format!(
                "no country stands in {}: its numbers without a country code equal only themselves",
                without.join(", ")
            )
        });
        let because = format!("{because}; a national one is read in the record's country");
        return (
            key("{ phone: { region_field: country } }".to_owned(), because, unsure),
            Region::Field,
        );
    }
    let cells: Vec<Option<String>> = columns
        .iter()
        .flat_map(|(table, seen)| {
            let of = &tables[*table];
            let column = of.columns.iter().position(|known| known.name == seen.name);
            column.map(|column| of.looked.head.cells[column].clone()).unwrap_or_default()
        })
        .collect();
    match regions::guess(&[], &cells) {
        Some(guess) => {
            let because = format!(
                "{because}; {} of {} numbers without a country code are valid in {}",
                number(guess.fits.1),
                number(guess.fits.0),
                guess.region
            );
            let unsure =
                format!("are numbers without a country code of `{field}` from {}?", guess.region);
            let normalize =
                format!("{{ phone: {{ region: {} }} }}", super::text::scalar(&guess.region));
            (key(normalize, because, Some(unsure)), Region::Fixed(guess.region))
        }
        None => (key("phone".to_owned(), because, None), Region::None),
    }
}

/// How many values of a field are so, in words.
fn looked_at(what: &str, count: usize, filled: usize, so: &str) -> String {
    match (count * 100).checked_div(filled) {
        Some(percent) => format!("{what}: {percent} % of {} values looked at {so}", number(filled)),
        None => format!("{what}, by the name of the column; no value yet"),
    }
}

/// A whole number with thousands separated.
pub fn number(n: usize) -> String {
    crate::report::number(n as u64)
}
