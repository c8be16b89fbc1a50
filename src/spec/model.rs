//! The keys of the pipeline file. Doc comments here are what editors show (`optin schema`).

use super::columns::ExportColumns;
use super::decode::{Decode, Entries, Mapping, NameOrMap, OneOrMany, spec_types, wrong_kind};
use super::draw::{Control, Limit};
use super::figures::Figures;
use super::identity::{Condition, FieldGroup, PathOrMap, Rule};
use super::node::{Node, Scalar};
use crate::diagnostics::{Code, Diagnostic, Sink, Spanned};

spec_types! {
    /// A pipeline: load, unify, join consent, apply rules, export.
    PipelineKeys("a pipeline file") {
        /// Version of the language: 1.
        version: required Spanned<u64>,
        /// Name of the pipeline; also the default folder of its run record.
        name: required Spanned<String>,
        /// The date as of which consent is judged; without it the start of the run.
        as_of: optional Spanned<String>,
        /// Folder of run.json; default ../out/NAME seen from this file.
        out: optional Spanned<String>,
        /// All files of a run are put below this address as well, such as s3://bucket/folder.
        copy_to: optional Spanned<String>,
        /// Where rows come from.
        sources: required Vec<Source>,
        /// How fields are compared.
        keys: optional Vec<Key>,
        /// Customer tables, most important first.
        customers: required Vec<CustomerTable>,
        /// Which records are one customer.
        identity: optional Identity,
        /// Which value of several a profile shows.
        profile: optional Profile,
        /// Ids that profiles share without being merged, such as households.
        groupings: optional Vec<Grouping>,
        /// Purposes, decisions, suppressions.
        consent: optional Consent,
        /// Tables with many rows a customer, such as orders, of which rules count and sum.
        related: optional Vec<RelatedTable>,
        /// Named sets of profiles behind a consent gate.
        segments: optional Vec<Segment>,
        /// Internal tables to write.
        outputs: optional Outputs,
        /// Segments to write.
        exports: optional Vec<Export>,
        /// Figures of customers by group.
        measures: optional Vec<Measure>,
    }

    /// Where rows come from: one file, or a glob of files with the same columns.
    Source("a source") {
        /// Name by which the pipeline speaks of it.
        name: required Spanned<String>,
        /// Path or glob, relative to this file, or in a bucket (s3://, az://, abfss://, gs://). Format by
        /// extension: .csv .tsv .ndjson .jsonl .parquet .ipc .arrow .feather .xlsx .xlsm .xlsb .xls .ods; text
        /// also .gz and .zst. Of a Delta table: its folder. With `query`: env:NAME, a variable of the
        /// environment that holds postgresql://USER:PASSWORD@HOST/DATABASE.
        path: required Spanned<String>,
        /// What is asked of a database: one SELECT.
        query: optional Spanned<String>,
        /// Format, where the extension does not tell it: csv, tsv, ndjson, parquet, ipc, excel, delta.
        format: optional Spanned<FileFormat>,
        /// The version of a Delta table; without it the newest.
        table_version: optional Spanned<u64>,
        /// The sheet of a workbook; without it the only one that is visible.
        sheet: optional Spanned<String>,
        /// Types of columns of text files and workbooks; all others are text. For Parquet and IPC: checked.
        types: optional Mapping<Spanned<NameOrMap>>,
        /// Delimiter of a text file, one ASCII character.
        delimiter: optional Spanned<String>,
        /// How fields are quoted: double (default) or none.
        quote: optional Spanned<Quote>,
        /// Texts that mean null; default: the empty text.
        nulls: optional Vec<Spanned<String>>,
        /// Zone of datetimes that have none, such as Europe/Berlin; default UTC.
        timezone: optional Spanned<String>,
        /// A consent or suppression source may hold no rows.
        allow_empty: optional bool,
        /// The run stops if the newest decision (or the file) is older, such as `7 days`.
        stale_after: optional Spanned<String>,
        /// What must hold for its number of rows.
        expect: optional Expect,
    }

    /// What must hold for a source's number of rows.
    Expect("`expect`") {
        /// Fewest rows.
        min_rows: optional Spanned<u64>,
        /// Largest loss against the run before, such as `10%`.
        max_drop: optional Spanned<String>,
    }

    /// How a field is compared. Comparing never changes what is stored or exported.
    Key("a key") {
        /// The unified field.
        field: required Spanned<String>,
        /// One normalizer or several, applied in order.
        normalize: required Spanned<OneOrMany<NameOrMap>>,
        /// Values that link nobody.
        never: optional Vec<Spanned<String>>,
    }

    /// A customer table.
    CustomerTable("a customer table") {
        /// Name of the source.
        source: required Spanned<String>,
        /// Column of the primary key: unique, not null.
        id: required Spanned<String>,
        /// Unified field: source column.
        fields: required Spanned<Mapping<Spanned<String>>>,
        /// Namespace of the ids; default the source's name. Keep it when a source is renamed.
        namespace: optional Spanned<String>,
        /// Records that link to no earlier table: keep (default) or drop.
        unmatched: optional Spanned<Unmatched>,
    }

    /// Which records are one customer.
    Identity("`identity`") {
        /// Link rules, strongest first: any rule links; all fields of a rule must agree; null
        /// never agrees.
        link_on: optional Vec<Spanned<Rule>>,
        /// Exceptions: two records that both have one of these fields and differ in it are never
        /// one customer, unless they have one id or an `always` pair joins them. At most four.
        unless_different: optional Vec<Spanned<String>>,
        /// Pairs of records that are one customer whatever the rules say.
        always: optional Vec<Pairs>,
        /// Pairs of records that are never one customer.
        never: optional Vec<Pairs>,
        /// A customer of more records than this is quarantined.
        max_cluster: optional Spanned<u64>,
        /// A value that more records than this share links nobody (rules without a similarity).
        max_shared: optional Spanned<u64>,
        /// The identity output of an earlier run, so that customers keep their ids: a path, or
        /// { path: PATH, allow_missing: true }.
        previous: optional Spanned<PathOrMap>,
    }

    /// A source of pairs of records: table and key of the one, table and key of the other.
    Pairs("a source of pairs") {
        /// Name of the source.
        source: required Spanned<String>,
        /// Column of the first record's table, a customer source; default table1.
        table1: optional Spanned<String>,
        /// Column of the first record's id; default key1.
        key1: optional Spanned<String>,
        /// Column of the second record's table; default table2.
        table2: optional Spanned<String>,
        /// Column of the second record's id; default key2.
        key2: optional Spanned<String>,
    }

    /// A condition of a link rule that is more than a field that must be equal.
    SimilarField("a condition") {
        /// The field.
        field: required Spanned<String>,
        /// Smallest similarity, above 0 up to 1: (longer length - Levenshtein distance) / longer
        /// length, in characters. Without it the field must be equal.
        similarity: optional Spanned<f64>,
    }

    /// A link rule with more to say than its fields.
    RuleKeys("a link rule") {
        /// The fields that must agree.
        on: required OneOrMany<Condition>,
        /// The customer sources it links, both records being of them; default all.
        only: optional Vec<Spanned<String>>,
    }

    /// Which value of several a profile shows.
    Profile("`profile`") {
        /// Which record wins: most_filled (default), importance (the order of the tables),
        /// { most_recent: FIELD }, { least_recent: FIELD }.
        keep: optional Spanned<NameOrMap>,
        /// Fields that are won as one unit: lists of fields, or { fields: [..], keep: .. }.
        groups: optional Vec<Spanned<FieldGroup>>,
        /// How a single field is won, where that is not by `keep`: field: policy.
        fields: optional Spanned<Mapping<Spanned<NameOrMap>>>,
    }

    /// Fields that are won as one unit, in a way of their own.
    GroupKeys("a group of fields") {
        /// The fields.
        fields: required Vec<Spanned<String>>,
        /// Which record wins; default that of the profile.
        keep: optional Spanned<NameOrMap>,
    }

    /// An id that profiles share without being merged, such as a household.
    Grouping("a grouping") {
        /// Name; also the column of the id.
        name: required Spanned<String>,
        /// Link rules between profiles, on the values that they show.
        link_on: required Vec<Spanned<Rule>>,
    }

    /// Purposes, decisions, suppressions.
    Consent("`consent`") {
        /// How tables that disagree are folded: strictest (default) or latest.
        conflict: optional Spanned<Conflict>,
        /// How far a denial reaches: person (default) or contact_point.
        denial: optional Spanned<Denial>,
        /// What consent is for.
        purposes: required Vec<Purpose>,
        /// Where decisions stand.
        tables: optional Vec<ConsentTable>,
        /// Who is never contacted, whatever the purpose.
        suppress: optional Vec<Suppression>,
    }

    /// What consent is for.
    Purpose("a purpose") {
        /// Name; the profile shows it as consent_NAME.
        name: required Spanned<String>,
        /// The field through which people are contacted; its key is a mail or a phone.
        via: required Spanned<String>,
        /// opt_in: only who granted passes. opt_out: who never decided passes too.
        model: required Spanned<Model>,
        /// When a grant ends, such as `24 months`.
        expires_after: optional Spanned<String>,
    }

    /// A table of decisions: wide (`values`) or long (`purpose` and `value`).
    ConsentTable("a consent table") {
        /// Name of the source; it may be a customer source.
        source: required Spanned<String>,
        /// Key field: column, or record: { CUSTOMER_SOURCE: COLUMN }.
        matches as "match": optional Spanned<Mapping<Any>>,
        /// Wide: purpose: column.
        values: optional Spanned<Mapping<Spanned<String>>>,
        /// Long: column of the purpose's name.
        purpose: optional Spanned<String>,
        /// Long: column of the value.
        value: optional Spanned<String>,
        /// Column of the time of the decision, a date or a datetime.
        at: optional Spanned<String>,
        /// The table's own words for a decision.
        words: optional Words,
        /// What a denial does that matches nobody's key: stop (default) or report.
        unmatchable: optional Spanned<Unmatchable>,
    }

    /// A table's own words for a decision, compared without case.
    Words("`words`") {
        /// Words that grant.
        granted: optional Vec<Spanned<String>>,
        /// Words that deny.
        denied: optional Vec<Spanned<String>>,
    }

    /// A list of who is never contacted.
    Suppression("a suppression list") {
        /// Name of the source.
        source: required Spanned<String>,
        /// Key field: column, or record: { CUSTOMER_SOURCE: COLUMN }.
        matches as "match": required Spanned<Mapping<Any>>,
        /// all (default), or the contact fields it binds.
        channels: optional Spanned<OneOrMany<Spanned<String>>>,
        /// What a row does that has no usable key: stop (default) or report.
        unmatchable: optional Spanned<Unmatchable>,
    }

    /// A table with many rows a customer, such as orders or visits. It never grants consent.
    RelatedTable("a related table") {
        /// Name by which rules speak of it; default the source's name.
        name: optional Spanned<String>,
        /// Name of the source.
        source: required Spanned<String>,
        /// record: { CUSTOMER_SOURCE: COLUMN }, or key field: column. Of several the first that the
        /// row fills.
        matches as "match": required Spanned<Mapping<Any>>,
    }

    /// A named set of profiles behind a consent gate.
    Segment("a segment") {
        /// Name.
        name: required Spanned<String>,
        /// The purposes that must all allow, or none.
        consent: optional Spanned<OneOrMany<Spanned<String>>>,
        /// The reason; required with `consent: none`.
        because: optional Spanned<String>,
        /// A SQL predicate over the profile.
        rule as "where": optional Spanned<String>,
        /// In at least one of these segments.
        union: optional Vec<Spanned<String>>,
        /// In each of these segments.
        intersect: optional Vec<Spanned<String>>,
        /// In none of these segments.
        except: optional Vec<Spanned<String>>,
        /// A stable share of those who would be in is kept out of it, to compare with: such as 10%,
        /// or { share: 10%, seed: TEXT }.
        control: optional Control,
        /// How many may be in at most: a number, which samples, or { count: N, top_by: FIELD,
        /// seed: TEXT }.
        limit: optional Limit,
    }

    /// A control group with more to say than its share.
    ControlKeys("a control group") {
        /// The share, such as 10%; up to four digits after the point.
        share: required Spanned<String>,
        /// Equal seeds draw the same customers, in all segments; default the segment's name.
        seed: optional Spanned<String>,
    }

    /// A limit with more to say than its number.
    LimitKeys("a limit") {
        /// The most customers that are in.
        count: required Spanned<u64>,
        /// Who comes first: a field, the greatest value first; or FIELD asc, the smallest first.
        /// Without it a sample.
        top_by: optional Spanned<String>,
        /// Equal seeds sample the same customers; default the segment's name.
        seed: optional Spanned<String>,
    }

    /// Internal tables to write; format by extension: .csv .tsv .ndjson .parquet .ipc.
    Outputs("`outputs`") {
        /// One row a customer.
        profiles: optional Spanned<String>,
        /// One row a record: its customer and the rule that linked it.
        identity: optional Spanned<String>,
        /// Records set aside, with the reason.
        quarantine: optional Spanned<String>,
        /// One row a customer and field: the source and record its value came from.
        provenance: optional Spanned<String>,
        /// The values that link most records.
        shared_keys: optional Spanned<String>,
        /// Customers of whom one record's yes meets another's no, and what links the two.
        conflicts: optional Spanned<String>,
        /// One row a customer, one column a segment: the verdict.
        segments: optional Spanned<String>,
        /// One row a stay of a customer in a segment, from when to when, over all runs: what stands
        /// there from earlier runs is carried on. Customers must keep their ids: see `previous`.
        memberships: optional Spanned<String>,
    }

    /// A segment to write.
    Export("an export") {
        /// Name of the segment.
        segment: required Spanned<String>,
        /// Where; format by extension. With `partition_by` a folder.
        path: required Spanned<String>,
        /// Fields among the columns, no keys and no contact points: a folder of Parquet files is written, one
        /// file per value, such as country=AT/part-0.parquet.
        partition_by: optional Spanned<OneOrMany<Spanned<String>>>,
        /// Of the files in the folder that `partition_by` makes: parquet.
        format: optional Spanned<FolderFormat>,
        /// customer_id, fields, consent_PURPOSE; default customer_id and the gate's contact fields.
        /// Of an audience: the platform's column: field.
        columns: optional ExportColumns,
        /// Write the platform's columns, hashed as it wants: google_customer_match or
        /// meta_custom_audience.
        audience: optional Spanned<AudiencePlatform>,
        /// Of an audience: where the identifiers go that the file before held and this one does not.
        removals: optional Spanned<String>,
        /// Contact fields that may leave although no gate covers them; needs `because`.
        allow_columns: optional Vec<Spanned<String>>,
        /// The reason for `allow_columns`.
        because: optional Spanned<String>,
        /// Guard text cells that a spreadsheet would run (default true; CSV and TSV).
        guard_formulas: optional bool,
        /// A table of a database that is to hold the same rows (of a CSV file), or an object in a bucket.
        copy_to: optional CopyTo,
    }

    /// A table of a database that takes the place of the one before, or an object that does.
    CopyTo("`copy_to`") {
        /// env:NAME, a variable of the environment that holds postgresql://USER:PASSWORD@HOST/DATABASE.
        database: optional Spanned<String>,
        /// The table: NAME or SCHEMA.NAME.
        table: optional Spanned<String>,
        /// The object: an address such as s3://bucket/folder/file.csv.
        object: optional Spanned<String>,
    }

    /// Figures of customers by group: counts, rates of consent, sums, averages, quantiles.
    Measure("a measure") {
        /// Name.
        name: required Spanned<String>,
        /// Whom it counts: profiles (default), or the name of a segment: those who are in it.
        of: optional Spanned<String>,
        /// A SQL predicate over the profile, as in segments: who of them counts.
        rule as "where": optional Spanned<String>,
        /// Fields of the profile, or consent_PURPOSE, whose values make the groups; none: one row.
        by: optional OneOrMany<Spanned<String>>,
        /// Column: figure, such as count, count(FIELD), sum(FIELD), avg(FIELD), median(FIELD),
        /// quantile(FIELD, 0.9), consent_count(PURPOSE, STATE), consent_rate(PURPOSE).
        compute: required Spanned<Figures>,
        /// Groups of fewer customers are put together, and no figure is made of the values of
        /// fewer; default 5.
        smallest_group: optional Spanned<u64>,
        /// Where its table goes; format by extension. Without it: the run record and the report.
        path: optional Spanned<String>,
    }

    /// The column a match reads, where its name alone is not enough.
    MatchColumn("a match") {
        /// The column.
        column: required Spanned<String>,
        /// Region of the phone numbers, ISO 3166 alpha-2.
        region: optional Spanned<String>,
        /// Column that holds each number's region.
        region_column: optional Spanned<String>,
        /// The column holds digests of keys, of this kind; in suppression lists.
        hashed: optional Spanned<Hashed>,
    }

    /// The options of the normalizer `phone`.
    PhoneOptions("`phone`") {
        /// Region of the numbers, ISO 3166 alpha-2.
        region: optional Spanned<String>,
        /// Field that holds each number's region.
        region_field: optional Spanned<String>,
    }

    /// The options of the normalizer `alias`.
    AliasOptions("`alias`") {
        /// Delimited text with a header, relative to the pipeline file; its first two columns are
        /// pairs of values that are the same.
        file: required Spanned<String>,
    }

    /// A path with options.
    PathKeys("a path") {
        /// The path, relative to this file.
        path: required Spanned<String>,
        /// Go on without it where it is not there, as before the first run.
        allow_missing: optional bool,
    }

    /// The options of the normalizer `email`.
    EmailOptions("`email`") {
        /// drop: what follows a + in the local part does not count.
        plus_tag: optional Spanned<DropOrKeep>,
        /// drop: dots in the local part of gmail.com addresses do not count.
        gmail_dots: optional Spanned<DropOrKeep>,
    }
}

/// A pipeline file as written, and what was wrong with its structure.
#[derive(Debug)]
pub struct Pipeline {
    /// The keys.
    pub keys_of_file: PipelineKeys,
    /// Structural faults found while reading; `resolve` adds its own and reports all.
    pub faults: Sink,
}

impl std::ops::Deref for Pipeline {
    type Target = PipelineKeys;
    fn deref(&self) -> &PipelineKeys {
        &self.keys_of_file
    }
}

impl Source {
    /// A file of the program's own, such as an earlier output, seen as a source.
    #[must_use]
    pub fn at_path(name: &str, path: Spanned<String>) -> Self {
        Self {
            name: Spanned::new(name.to_owned(), path.span),
            path,
            query: None,
            format: None,
            table_version: None,
            sheet: None,
            types: None,
            delimiter: None,
            quote: None,
            nulls: None,
            timezone: None,
            allow_empty: None,
            stale_after: None,
            expect: None,
        }
    }
}

impl schemars::JsonSchema for Pipeline {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pipeline".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        PipelineKeys::json_schema(generator)
    }
}

impl Decode for Pipeline {
    fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self> {
        let keys_of_file = PipelineKeys::decode(node, sink)?;
        Some(Self { keys_of_file, faults: Sink::default() })
    }
}

/// A node whose shape depends on the key it stands under; decoded by `resolve`.
#[derive(Clone, Debug)]
pub struct Any(pub Spanned<Node>);

impl Decode for Any {
    fn decode(node: &Spanned<Node>, _: &mut Sink) -> Option<Self> {
        Some(Self(node.clone()))
    }
}

impl schemars::JsonSchema for Any {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ColumnOrMatch".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "anyOf": [{ "type": "string" }, { "type": "object" }] })
    }
}

/// Words of which one may stand in a place.
macro_rules! choices {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident { $($variant:ident = $word:literal,)+ }
    )+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, schemars::JsonSchema)]
        pub enum $name {
            $(
                #[doc = concat!("`", $word, "`")]
                #[schemars(rename = $word)]
                $variant,
            )+
        }

        impl Decode for $name {
            fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self> {
                let Node::Scalar(Scalar::Text(word)) = &node.value else {
                    sink.push(wrong_kind(node, concat!("one of", $(" `", $word, "`",)+)));
                    return None;
                };
                match word.as_str() {
                    $($word => Some(Self::$variant),)+
                    _ => {
                        let known = [$($word),+];
                        sink.push(
                            Diagnostic::error(Code::BadValue, format!("`{word}` is not known here"))
                                .at(node.span, "not known")
                                .help(format!("write one of: {}", known.join(", "))),
                        );
                        None
                    }
                }
            }
        }
    )+};
}

choices! {
    /// Formats of source files.
    FileFormat {
        Csv = "csv",
        Tsv = "tsv",
        Ndjson = "ndjson",
        Parquet = "parquet",
        Ipc = "ipc",
        Excel = "excel",
        Delta = "delta",
    }

    /// Formats of files in a folder that is written.
    FolderFormat {
        Parquet = "parquet",
    }

    /// How fields of a text file are quoted.
    Quote {
        Double = "double",
        None = "none",
    }

    /// How tables that disagree are folded.
    Conflict {
        Strictest = "strictest",
        Latest = "latest",
    }

    /// How far a denial reaches.
    Denial {
        Person = "person",
        ContactPoint = "contact_point",
    }

    /// Who passes a purpose's gate.
    Model {
        OptIn = "opt_in",
        OptOut = "opt_out",
    }

    /// What becomes of records that link to no earlier table.
    Unmatched {
        Keep = "keep",
        Drop = "drop",
    }

    /// How digests are made.
    Hashed {
        Sha256 = "sha256",
    }

    /// What an unmatchable denial does.
    Unmatchable {
        Stop = "stop",
        Report = "report",
    }

    /// Advertising platforms.
    AudiencePlatform {
        GoogleCustomerMatch = "google_customer_match",
        MetaCustomAudience = "meta_custom_audience",
    }

    /// Whether a part of a mail address counts.
    DropOrKeep {
        Drop = "drop",
        Keep = "keep",
    }
}
