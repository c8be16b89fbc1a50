//! What will be done: typed, ids instead of names, no engine, no I/O.
//!
//! A [`Plan`] is made by `resolve` alone. Everything in it is known to exist and to fit: a field id
//! names a field, a segment has a gate, an export stands behind one. It is plain data and
//! serializes, so that `explain --json`, the engines and other tools read the same thing.

pub mod address;
pub mod catalog;
mod draw;
mod explain;
pub mod expr;
mod expr_text;
mod measures;
mod outputs;
pub mod partition;
mod period;
mod related;
mod source;
mod veiled;
mod words;

pub use draw::{Control, Limit, Share, TopBy};
pub use explain::explain;
pub use expr::{Expr, Type};
pub use measures::{ConsentState, Figure, Fraction, Measure, Measured, SMALLEST_GROUP};
pub use outputs::{
    Allowed, CopyAll, CopyTo, Export, OutColumn, Outputs, PAGE, PlatformFile, RECORD, Target,
    TargetFormat,
};
pub use period::{DAY, Instant, Period, PeriodUnit, civil, utc_text};
pub use related::{Aggregate, AggregateFunction, AggregateId, Related, RelatedId};
pub use source::{Away, Compression, Database, Delta, Format, Object, Objects, Source};
pub use veiled::Veiled;
pub use words::{DENIED, GRANTED, Words};

use std::path::PathBuf;

use serde::Serialize;

use crate::normalize::platform::{Platform, Trait};
use crate::normalize::{Chain, Kind, Region};

macro_rules! id {
    ($($(#[$doc:meta])+ $name:ident,)+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        pub struct $name(pub usize);
    )+};
}

id! {
    /// Index into [`Plan::sources`].
    SourceId,
    /// Index into [`Plan::fields`].
    FieldId,
    /// Index into [`Plan::tables`].
    TableId,
    /// Index into [`Consent::purposes`].
    PurposeId,
    /// Index into [`Plan::segments`].
    SegmentId,
    /// Index into [`Plan::groupings`].
    GroupingId,
}

/// Bytes as lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A whole pipeline, resolved.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The pipeline's name.
    pub name: String,
    /// The date of the run, if the file or the command line fixes it.
    pub as_of: Option<AsOf>,
    /// Where rows come from.
    pub sources: Vec<Source>,
    /// Files that were read while the plan was made: lists of aliases.
    pub beside: Vec<Beside>,
    /// The unified fields, in the order in which the profile shows them.
    pub fields: Vec<Field>,
    /// Customer tables, most important first.
    pub tables: Vec<Table>,
    /// What makes two records one customer.
    pub identity: Identity,
    /// Which value of several a profile shows.
    pub survivorship: Survivorship,
    /// Ids that profiles share without being merged.
    pub groupings: Vec<Grouping>,
    /// Purposes, consent tables, suppressions.
    pub consent: Consent,
    /// Tables with many rows a customer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    /// What rules ask of them, each question once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aggregates: Vec<Aggregate>,
    /// Segments as declared.
    pub segments: Vec<Segment>,
    /// The segments in an order in which each comes after those it refers to.
    pub segment_order: Vec<SegmentId>,
    /// Internal tables to write.
    pub outputs: Outputs,
    /// Segments to write.
    pub exports: Vec<Export>,
    /// Figures of customers by group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<Measure>,
    /// Folder of the run record.
    pub out: PathBuf,
    /// Where all files of a run are put as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_to: Option<CopyAll>,
}

/// A file that is a part of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Beside {
    /// Where.
    pub path: PathBuf,
    /// Its size in bytes, as stored.
    pub bytes: u64,
    /// XXH3-128 of its bytes as stored, in hex.
    pub xxh3: String,
    /// Its records.
    pub rows: u64,
}

/// The date as of which consent is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AsOf {
    /// The instant. A date alone is the end of that UTC day.
    pub at: Instant,
    /// True for `--replay`: later denials are hidden too, and nothing is exported.
    pub replay: bool,
}

/// A date as people read it: one that is the end of a UTC day, which a date alone is, is that day.
#[must_use]
pub fn said_date(at: &str) -> &str {
    at.strip_suffix("T23:59:59.999999Z").unwrap_or(at)
}

/// One unified field.
#[derive(Clone, Debug, Serialize)]
pub struct Field {
    /// Name in the profile.
    pub name: String,
    /// Type in the profile.
    pub ty: Type,
    /// How its values are compared.
    pub key: Key,
}

/// How the values of one field are compared. Comparing never changes what is stored.
#[derive(Clone, Debug, Serialize)]
pub struct Key {
    /// Normalizers, in order. A field without an entry under `keys` has `trim` alone.
    pub chain: Chain,
    /// Where the phone normalizer finds the region of a customer's number.
    pub region: RegionFrom<FieldId>,
    /// Values that link nobody, as written; compared after normalizing.
    pub never: Veiled,
}

impl Key {
    /// Mail, phone or plain text.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.chain.kind()
    }

    /// The region of all numbers, if one is declared.
    #[must_use]
    pub fn fixed_region(&self) -> Option<Region> {
        match self.region {
            RegionFrom::Fixed(region) => Some(region),
            RegionFrom::None | RegionFrom::Of(_) => None,
        }
    }
}

/// Where the region of a phone number comes from. `C` names a field or a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RegionFrom<C> {
    /// No region: a national number equals only itself.
    None,
    /// One region for all.
    Fixed(Region),
    /// The region stands beside the number: ISO 3166 alpha-2, any case.
    Of(C),
}

/// A customer table.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// Where its rows come from.
    pub source: SourceId,
    /// Namespace of its ids; goes into `customer_id`.
    pub namespace: String,
    /// Column of the primary key.
    pub id: String,
    /// Unified field and source column.
    pub mapping: Vec<(FieldId, String)>,
    /// Whether records leave that link to no earlier table.
    pub drop_unmatched: bool,
}

/// What makes two records one customer.
#[derive(Clone, Debug, Serialize)]
pub struct Identity {
    /// Any rule links, the strongest first. None: every record (id) is a customer of its own.
    pub rules: Vec<LinkRule>,
    /// Two records that have one of these keys and differ in it are never one customer.
    pub unless_different: Vec<FieldId>,
    /// Pairs of records that are one customer.
    pub always: Vec<Pairs>,
    /// Pairs of records that are never one customer.
    pub never: Vec<Pairs>,
    /// A cluster of more records (ids) is set aside.
    pub max_cluster: Option<u64>,
    /// A value that more records (ids) share links nobody under a rule without a similarity.
    pub max_shared: Option<u64>,
    /// The customers of an earlier run.
    pub previous: Option<Previous>,
}

impl Identity {
    /// True where some records may not be one customer although they are linked.
    #[must_use]
    pub fn has_exceptions(&self) -> bool {
        !self.unless_different.is_empty() || !self.never.is_empty()
    }
}

/// Two records that meet all conditions are one customer.
#[derive(Clone, Debug, Serialize)]
pub struct LinkRule {
    /// As shown to users, such as `phone + last_name`.
    pub name: String,
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// Both records must be of these tables; none: of any.
    pub only: Option<Vec<TableId>>,
}

/// One condition of a link rule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Both records have this key and it is equal.
    Exact(FieldId),
    /// Both records have this key, and the two are alike.
    Similar {
        /// The field.
        field: FieldId,
        /// Smallest similarity, above 0 up to 1: (longer length - Levenshtein distance) / longer
        /// length, in characters of the keys.
        threshold: f64,
    },
}

impl Condition {
    /// The field that is compared.
    #[must_use]
    pub fn field(&self) -> FieldId {
        match self {
            Self::Exact(field) | Self::Similar { field, .. } => *field,
        }
    }
}

impl LinkRule {
    /// The fields that are compared.
    pub fn fields(&self) -> impl Iterator<Item = FieldId> + '_ {
        self.conditions.iter().map(Condition::field)
    }

    /// The fields that must agree exactly.
    pub fn exact_fields(&self) -> impl Iterator<Item = FieldId> + '_ {
        self.conditions.iter().filter_map(|condition| match condition {
            Condition::Exact(field) => Some(*field),
            Condition::Similar { .. } => None,
        })
    }

    /// The fields that must be alike, and how much.
    pub fn similar_fields(&self) -> impl Iterator<Item = (FieldId, f64)> + '_ {
        self.conditions.iter().filter_map(|condition| match condition {
            Condition::Exact(_) => None,
            Condition::Similar { field, threshold } => Some((*field, *threshold)),
        })
    }

    /// True where a field need only be alike.
    #[must_use]
    pub fn is_fuzzy(&self) -> bool {
        self.similar_fields().next().is_some()
    }

    /// True where the rule speaks of the records of a table.
    #[must_use]
    pub fn covers(&self, table: TableId) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&table))
    }
}

/// A source of pairs of records.
#[derive(Clone, Debug, Serialize)]
pub struct Pairs {
    /// Where the rows come from.
    pub source: SourceId,
    /// For the first and the second record: column of the table's name, column of the id.
    pub columns: [(String, String); 2],
}

/// The customers of an earlier run.
#[derive(Clone, Debug, Serialize)]
pub struct Previous {
    /// Its identity output; none where it is not there and need not be.
    pub source: Option<Source>,
}

impl Previous {
    /// The columns of an earlier identity output that are read: `namespace` or `source`, the ids,
    /// and `since` if it is there.
    ///
    /// # Errors
    /// The columns that are missing.
    pub fn columns(source: &Source) -> Result<Vec<&'static str>, Vec<&'static str>> {
        let has = |name: &str| source.columns.iter().any(|column| column.name == name);
        let table = if has("namespace") { "namespace" } else { "source" };
        let mut columns = vec![table, "id", "customer_id"];
        let missing: Vec<_> = columns.iter().copied().filter(|name| !has(name)).collect();
        if !missing.is_empty() {
            return Err(missing);
        }
        if has("since") {
            columns.push("since");
        }
        Ok(columns)
    }
}

/// Which value of several a profile shows.
#[derive(Clone, Debug, Serialize)]
pub struct Survivorship {
    /// Which record wins.
    pub keep: Keep,
    /// Fields that are won as one unit.
    pub groups: Vec<FieldGroup>,
    /// Fields that are won in a way of their own.
    pub fields: Vec<(FieldId, Keep)>,
}

/// Fields that are won as one unit.
#[derive(Clone, Debug, Serialize)]
pub struct FieldGroup {
    /// The fields.
    pub fields: Vec<FieldId>,
    /// Which record wins.
    pub keep: Keep,
}

impl Survivorship {
    /// By which policy a field is won, and together with which fields (itself among them).
    #[must_use]
    pub fn of(&self, field: FieldId) -> (Keep, Vec<FieldId>) {
        if let Some(group) = self.groups.iter().find(|group| group.fields.contains(&field)) {
            return (group.keep, group.fields.clone());
        }
        let own = self.fields.iter().find(|(id, _)| *id == field);
        (own.map_or(self.keep, |(_, keep)| *keep), vec![field])
    }

    /// The policies of the profile, its groups and its fields.
    pub fn keeps(&self) -> impl Iterator<Item = Keep> + '_ {
        let fields = self.fields.iter().map(|(_, keep)| *keep);
        fields.chain(self.groups.iter().map(|group| group.keep)).chain([self.keep])
    }
}

/// Which record of a cluster wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The one with most usable fields.
    MostFilled,
    /// The one of the most important table.
    Importance,
    /// The greatest value of the field; null last.
    MostRecent(FieldId),
    /// The smallest value of the field; null last.
    LeastRecent(FieldId),
}

impl Keep {
    /// The field whose value ranks records, if it is one.
    #[must_use]
    pub const fn field(self) -> Option<FieldId> {
        match self {
            Self::MostRecent(field) | Self::LeastRecent(field) => Some(field),
            Self::MostFilled | Self::Importance => None,
        }
    }
}

/// An id that profiles share without being merged.
#[derive(Clone, Debug, Serialize)]
pub struct Grouping {
    /// Its name, and the column of the id.
    pub name: String,
    /// What puts two profiles into one group, on the values they show.
    pub rules: Vec<LinkRule>,
}

/// Purposes, consent tables, suppressions.
#[derive(Clone, Debug, Serialize)]
pub struct Consent {
    /// How tables that disagree are folded.
    pub conflict: Conflict,
    /// How far a denial reaches.
    pub denial: Denial,
    /// What consent is for.
    pub purposes: Vec<Purpose>,
    /// Where decisions stand.
    pub tables: Vec<ConsentTable>,
    /// Who is never contacted.
    pub suppress: Vec<Suppression>,
}

/// How several decisions on one contact point become one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// Newest within a table; then any denial denies.
    Strictest,
    /// Newest of all tables.
    Latest,
}

/// How far a denial reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Denial {
    /// The whole person, whatever contact point it stands on.
    Person,
    /// Only the contact point (or record) it stands on.
    ContactPoint,
}

/// What consent is for.
#[derive(Clone, Debug, Serialize)]
pub struct Purpose {
    /// Name; the profile shows it as `consent_<name>`.
    pub name: String,
    /// The field through which people are contacted.
    pub via: FieldId,
    /// Who passes.
    pub model: Model,
    /// When a grant ends.
    pub expires_after: Option<Period>,
}

/// Who passes a purpose's gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// Only who granted.
    OptIn,
    /// Who granted and who never decided.
    OptOut,
}

/// A table of decisions.
#[derive(Clone, Debug, Serialize)]
pub struct ConsentTable {
    /// Where its rows come from.
    pub source: SourceId,
    /// Set where the source is a customer table: a decision belongs to its record too.
    pub customers: Option<TableId>,
    /// What ties a decision to people; at least one, unless `customers` is set.
    pub matches: Vec<Match>,
    /// Where purpose and value stand.
    pub shape: Shape,
    /// Column of the time of the decision; a date or a datetime.
    pub at: Option<String>,
    /// The table's own words beside the closed vocabulary, in lower case.
    pub words: Words,
    /// What an unmatchable denial does.
    pub unmatchable: Unmatchable,
}

/// Where purpose and value of a decision stand.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// One column a purpose.
    Wide(Vec<(PurposeId, String)>),
    /// One row a decision.
    Long {
        /// Column of the purpose's name.
        purpose: String,
        /// Column of the value.
        value: String,
    },
}

/// What ties a row of a consent table or suppression list to people.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// By the key of a field.
    Key {
        /// The field whose key is compared.
        field: FieldId,
        /// Column that holds the value.
        column: String,
        /// Where the phone normalizer finds the region, in this source's columns.
        region: RegionFrom<String>,
    },
    /// By SHA-256 digests of the keys of a contact field, and of their looser forms: in suppression
    /// lists only.
    Digest {
        /// The field whose keys are digested.
        field: FieldId,
        /// Column that holds the digest.
        column: String,
    },
    /// By the id of a record of a customer table.
    Record {
        /// The customer table.
        table: TableId,
        /// Column that holds the id.
        column: String,
    },
}

impl Match {
    /// The columns of its source that it needs.
    pub fn columns(&self) -> impl Iterator<Item = String> + use<> {
        let (column, region) = match self {
            Self::Key { column, region: RegionFrom::Of(region), .. } => (column, Some(region)),
            Self::Key { column, .. }
            | Self::Digest { column, .. }
            | Self::Record { column, .. } => (column, None),
        };
        std::iter::once(column.clone()).chain(region.cloned())
    }
}

/// What happens to a denial that cannot be matched to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unmatchable {
    /// The run stops.
    Stop,
    /// It is counted and shown.
    Report,
}

/// A list of who is never contacted.
#[derive(Clone, Debug, Serialize)]
pub struct Suppression {
    /// Where its rows come from.
    pub source: SourceId,
    /// What ties its rows to people.
    pub matches: Vec<Match>,
    /// Fields it binds; none: all.
    pub channels: Option<Vec<FieldId>>,
    /// What a row does that cannot be matched.
    pub unmatchable: Unmatchable,
}

impl Suppression {
    /// True if the list binds what goes out through one of these fields.
    #[must_use]
    pub fn binds(&self, channels: &[FieldId]) -> bool {
        let bound = self.channels.as_ref();
        bound.is_none_or(|bound| bound.iter().any(|field| channels.contains(field)))
    }
}

/// A named set of profiles behind a gate.
#[derive(Clone, Debug, Serialize)]
pub struct Segment {
    /// Name.
    pub name: String,
    /// Who may be in it at all.
    pub gate: Gate,
    /// Which of them are.
    pub rule: Option<Rule>,
    /// In at least one of these (if any is named).
    pub union: Vec<SegmentId>,
    /// In each of these.
    pub intersect: Vec<SegmentId>,
    /// In none of these.
    pub except: Vec<SegmentId>,
    /// A share of whom all this lets in is kept out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<Control>,
    /// How many of the others are in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// The contact fields it goes out through: the gate's `via` fields, or for `consent: none`
    /// the contact points its exports show (all contact points if it has no export).
    pub channels: Vec<FieldId>,
}

/// The consent a segment asks for.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// All of these purposes must allow.
    Purposes(Vec<PurposeId>),
    /// None, for the reason given.
    None {
        /// The reason; stands in the run record and the report.
        because: String,
    },
}

impl Gate {
    /// The gating purposes; empty for `consent: none`.
    #[must_use]
    pub fn purposes(&self) -> &[PurposeId] {
        match self {
            Self::Purposes(purposes) => purposes,
            Self::None { .. } => &[],
        }
    }
}

/// A segment rule.
#[derive(Clone, Debug, Serialize)]
pub struct Rule {
    /// As written.
    pub text: String,
    /// Typed; of type bool.
    pub expr: Expr,
}

impl Plan {
    /// The name a column has in files.
    #[must_use]
    pub fn column_name(&self, column: OutColumn) -> String {
        match column {
            OutColumn::CustomerId => "customer_id".to_owned(),
            OutColumn::PreviousIds => "previous_customer_ids".to_owned(),
            OutColumn::Grouping(grouping) => self.groupings[grouping.0].name.clone(),
            OutColumn::Field(field) => self.fields[field.0].name.clone(),
            OutColumn::Consent(purpose) => {
                format!("consent_{}", self.consent.purposes[purpose.0].name)
            }
        }
    }

    /// The platforms for which some export hashes the contact points of a field.
    #[must_use]
    pub fn hashed_for(&self, field: FieldId) -> Vec<Platform> {
        let of = |export: &Export| {
            let file = export.audience.as_ref()?;
            let mut columns = export.columns.iter().zip(&file.columns);
            let hashed = columns.any(|(column, of)| {
                *column == OutColumn::Field(field) && matches!(of, Trait::Mail | Trait::Phone)
            });
            hashed.then_some(file.platform)
        };
        let mut platforms: Vec<Platform> = self.exports.iter().filter_map(of).collect();
        platforms.sort_unstable();
        platforms.dedup();
        platforms
    }

    /// True where a field is a contact point: its key is of kind mail or phone.
    #[must_use]
    pub fn is_contact(&self, field: FieldId) -> bool {
        self.fields[field.0].key.kind() != Kind::Text
    }
}
