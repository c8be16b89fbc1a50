//! `optin forget`: where one person stands, in all sources and in all files that were written; and an
//! entry for a suppression list that holds digests only.
//!
//! No source is edited, and no file that was written: the answer says what must be deleted where. The
//! names of the types' fields are the names in JSON (docs/forget.md): they stay.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::asked::asked;
use super::chain::Places;
use super::erasure::{Entry, enter};
use super::receipt::refuse_all_but_one;
use super::why::{Place, SourceFile};
use super::written::{Needles, Written, written};
use crate::diagnostics::Outcome;
use crate::engine::trace::{Asked, Trace, contact_fields, trace, unread};
use crate::engine::{Setting, SourceRecord, unbroken};
use crate::normalize::Kind;
use crate::plan::{FieldId, Match, Outputs, Plan, SourceId, hex};
use crate::proof::{Contact, mentions};

/// Where one person stands.
#[derive(Clone, Debug, Serialize)]
pub struct Forget {
    /// The pipeline.
    pub pipeline: String,
    /// Who was asked for, as written.
    pub asked: String,
    /// The id of a profile.
    pub customer_id: Option<String>,
    /// Rows that must be deleted: the person's own records, and rows of decisions, pairs and related
    /// tables.
    pub delete: Vec<Row>,
    /// Rows of suppression lists: they keep the person from being contacted.
    pub suppressed_by: Vec<Row>,
    /// Records of other customers with the same contact point: whether it is the same person only a look
    /// can tell.
    pub shared_with: Vec<Row>,
    /// Files that were written and hold the person now: a run without those rows writes them anew.
    pub written: Vec<Written>,
    /// Files that could not be looked through.
    pub not_read: Vec<NotRead>,
    /// Sources that nothing ties to people, so that nobody looked.
    pub not_searched: Vec<String>,
    /// The entry in a suppression list, if one was asked for.
    pub entry: Option<Entry>,
    /// The files of the sources that are spoken of.
    pub files: Vec<SourceFile>,
}

/// A row of a source.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Where it is.
    pub place: Place,
    /// What the source is: `customers`, `consent`, `suppression`, `pairs`, `related`.
    pub holds: Vec<&'static str>,
    /// The columns by which it was found.
    pub columns: Vec<String>,
    /// `record`: it is one of the person. `equal`: it holds an equal contact point or id. `looser`: only
    /// such as a denial takes for the same.
    pub found_by: &'static str,
}

/// A file that could not be looked through.
#[derive(Clone, Debug, Serialize)]
pub struct NotRead {
    /// The table, or the segment of an export.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// Looks for one person everywhere. With `list` an entry is added to this suppression list.
///
/// # Errors
/// As a run; nobody or several are meant; a list that cannot be written.
pub fn forget(
    plan: &Plan,
    setting: &Setting,
    text: &str,
    pipeline: &Path,
    list: Option<&Path>,
) -> Outcome<Forget> {
    let who = asked(plan, text)?;
    let narrow = Plan { outputs: Outputs::default(), measures: Vec::new(), ..plan.clone() };
    unbroken(|| {
        let traces = trace(&narrow, setting, &who)?;
        let contacts = match (&traces.one, &who) {
            (Some(one), _) => contacts(plan, one),
            (None, Asked::Value(field, value)) if traces.count == 0 => {
                let region = plan.fields[field.0].key.fixed_region();
                vec![Contact::Value(*field, value.clone(), region)]
            }
            _ => Vec::new(),
        };
        let sources = all_sources(plan, &traces.sources)?;
        let places = Places::new(plan, &sources);
        let rows = rows(plan, traces.one.as_ref(), &contacts, &places)?;
        let somebody = traces.one.is_some() || !rows.is_empty();
        refuse_all_but_one(traces.count.max(usize::from(somebody)))?;
        let ids = traces.one.as_ref().map(|one| {
            let earlier = one.earlier.iter().flat_map(|(ids, _)| ids);
            one.customer_id.iter().chain(earlier).map(|id| hex(id)).collect::<Vec<_>>()
        });
        let needles = Needles::new(plan, ids.unwrap_or_default(), &contacts);
        let (written, not_read) = written(plan, &needles);
        let mut forget = Forget {
            pipeline: plan.name.clone(),
            asked: text.to_owned(),
            customer_id: traces.one.as_ref().and_then(|one| Some(hex(&one.customer_id?))),
            delete: Vec::new(),
            suppressed_by: Vec::new(),
            shared_with: Vec::new(),
            written,
            not_read,
            not_searched: not_searched(plan),
            entry: list.map(|list| enter(plan, &contacts, list, pipeline)).transpose()?,
            files: places.files(),
        };
        for row in rows {
            let is = |kind| row.holds.contains(&kind);
            match row.found_by {
                "record" => forget.delete.push(row),
                _ if is("customers") => forget.shared_with.push(row),
                _ if is("consent") || is("pairs") || is("related") => forget.delete.push(row),
                _ => forget.suppressed_by.push(row),
            }
        }
        Ok(forget)
    })
}

/// What was read, and the sources of related tables of which no rule asks anything.
fn all_sources(plan: &Plan, read: &[SourceRecord]) -> Outcome<Vec<SourceRecord>> {
    let mut all = read.to_vec();
    for related in &plan.related {
        let name = &plan.sources[related.source.0].name;
        if !all.iter().any(|known| known.name == *name) {
            all.push(unread(plan, related.source)?);
        }
    }
    Ok(all)
}

/// All contact points of all records, each once, and the records.
fn contacts(plan: &Plan, trace: &Trace) -> Vec<Contact> {
    let mut decided = contact_fields(plan);
    let related = plan.related.iter().flat_map(|related| &related.matches);
    decided.extend(related.filter_map(|matched| match matched {
        Match::Key { field, .. } | Match::Digest { field, .. } => Some(*field),
        Match::Record { .. } => None,
    }));
    let fields = (0..plan.fields.len()).map(FieldId);
    let fields: Vec<FieldId> = fields
        .filter(|of| decided.contains(of) || plan.fields[of.0].key.kind() != Kind::Text)
        .collect();
    let mut contacts = Vec::new();
    for record in &trace.records {
        let values = fields.iter().filter(|of| record.usable[of.0]).filter_map(|of| {
            let value = record.values[of.0].clone()?;
            Some(Contact::Value(*of, value, record.regions[of.0]))
        });
        let id = record.id.as_ref().map(|id| Contact::Record(record.table, id.clone()));
        for contact in values.chain(id) {
            if !contacts.contains(&contact) {
                contacts.push(contact);
            }
        }
    }
    contacts
}

/// All rows that hold the person, in the order of sources and rows.
fn rows(
    plan: &Plan,
    one: Option<&Trace>,
    contacts: &[Contact],
    places: &Places<'_>,
) -> Outcome<Vec<Row>> {
    let mut found: BTreeMap<(SourceId, usize), (Vec<String>, &'static str)> = BTreeMap::new();
    for record in one.iter().flat_map(|one| &one.records) {
        let table = &plan.tables[record.table.0];
        found.insert((table.source, record.row), (Vec::new(), "record"));
    }
    for mention in mentions(plan, places.sources(), contacts)? {
        let by = if mention.exact { "equal" } else { "looser" };
        let (columns, found_by) =
            found.entry((mention.source, mention.row)).or_insert_with(|| (Vec::new(), by));
        columns.push(mention.column);
        if *found_by == "looser" {
            *found_by = by;
        }
    }
    let row = |((source, row), (columns, found_by)): (_, (Vec<String>, _))| Row {
        place: places.place(source, row),
        holds: holds(plan, source),
        columns,
        found_by,
    };
    Ok(found.into_iter().map(row).collect())
}

/// What a source is to the pipeline.
fn holds(plan: &Plan, source: SourceId) -> Vec<&'static str> {
    let consent = &plan.consent;
    let mut pairs = plan.identity.always.iter().chain(&plan.identity.never);
    let all = [
        ("customers", plan.tables.iter().any(|of| of.source == source)),
        ("consent", consent.tables.iter().any(|of| of.source == source)),
        ("suppression", consent.suppress.iter().any(|of| of.source == source)),
        ("pairs", pairs.any(|of| of.source == source)),
        ("related", plan.related.iter().any(|of| of.source == source)),
    ];
    all.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect()
}

/// Sources whose rows nothing ties to people.
fn not_searched(plan: &Plan) -> Vec<String> {
    let sources = plan.sources.iter().enumerate();
    let unused = sources.filter(|(at, _)| holds(plan, SourceId(*at)).is_empty());
    unused.map(|(_, source)| source.name.clone()).collect()
}
