//! The registry of fault codes. A code, once published, keeps its name and meaning.

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// The kind of a fault. Each has a fixture under `tests/diagnostics` that shows it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[doc = $doc])+ $variant,)+ }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name that users see.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What the code means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+)),+ }
            }
        }
    };
}

codes! {
    // The file itself.
    /// The text is not YAML, or not one this program reads.
    YamlSyntax = "yaml-syntax",
    /// A key of the pipeline file that the language does not have.
    UnknownKey = "unknown-key",
    /// A key that must be there is not.
    MissingKey = "missing-key",
    /// A value is not of the kind that stands here.
    WrongKind = "wrong-kind",
    /// A value is of the right kind, but not one of those allowed here.
    BadValue = "bad-value",
    /// The pipeline file itself cannot be read, or is no pipeline.
    PipelineUnreadable = "pipeline-unreadable",
    /// The pipeline's `version` is not one this program knows.
    UnknownVersion = "unknown-version",

    // Names.
    /// Two things of one kind have the same name.
    DuplicateName = "duplicate-name",
    /// No source of that name.
    UnknownSource = "unknown-source",
    /// The source has no column of that name.
    UnknownColumn = "unknown-column",
    /// No customer table maps a field of that name.
    UnknownField = "unknown-field",
    /// No normalizer of that name.
    UnknownNormalizer = "unknown-normalizer",
    /// No purpose of that name.
    UnknownPurpose = "unknown-purpose",
    /// No related table of that name.
    UnknownRelated = "unknown-related",
    /// No segment of that name.
    UnknownSegment = "unknown-segment",
    /// A name that the program needs for itself, or that is no name.
    ReservedName = "reserved-name",
    /// A field that one customer table alone maps has nearly the name of another field.
    NearName = "near-name",

    // Sources.
    /// A source that no part of the pipeline uses.
    UnusedSource = "unused-source",
    /// A source's file is not there.
    MissingFile = "missing-file",
    /// A source's file is there but cannot be read.
    UnreadableFile = "unreadable-file",
    /// A path leads out of the folder that `--root` names.
    OutsideRoot = "outside-root",
    /// The format cannot be told from the file's name.
    UnknownFormat = "unknown-format",
    /// Files of one source have different columns.
    SchemaMismatch = "schema-mismatch",
    /// A column is not of the declared type, or of a type that cannot be used here.
    ColumnType = "column-type",

    // Meaning.
    /// A field gets values of different types from different tables.
    FieldType = "field-type",
    /// A link rule, a survivorship policy or a match cannot work as written.
    IdentityFault = "identity-fault",
    /// A consent table, purpose or suppression cannot work as written.
    ConsentFault = "consent-fault",
    /// A related table that nothing ties to customers.
    RelatedFault = "related-fault",
    /// A segment has no consent gate.
    MissingGate = "missing-gate",
    /// `consent: none` without a reason.
    MissingBecause = "missing-because",
    /// Segments refer to each other in a circle.
    SegmentCycle = "segment-cycle",
    /// An export would let out a contact point that no gate of the segment covers.
    UngatedContact = "ungated-contact",
    /// A column leaves as text that no purpose covers, though its name says that it holds contact points.
    UncoveredContact = "uncovered-contact",
    /// An output's path cannot be used.
    OutputPath = "output-path",
    /// An export cannot be divided into folders as written.
    PartitionFault = "partition-fault",
    /// An audience for an advertising platform cannot be made as written.
    AudienceFault = "audience-fault",
    /// A measure cannot be taken as written.
    MeasureFault = "measure-fault",
    /// The platform's files have no column of that name.
    UnknownPlatformColumn = "unknown-platform-column",

    // Rules.
    /// A segment rule is not a predicate this program reads.
    RuleSyntax = "rule-syntax",
    /// A segment rule uses a part of SQL that the language leaves out.
    RuleUnsupported = "rule-unsupported",
    /// A segment rule compares or computes with types that do not fit.
    RuleType = "rule-type",

    // Reading.
    /// A text file is not UTF-8.
    Encoding = "encoding",
    /// A text file ends its lines with a bare carriage return.
    LineEnds = "line-ends",
    /// A record has more or fewer fields than the header.
    FieldCount = "field-count",
    /// A quote is opened and never closed, or stands where none may stand.
    Quote = "quote",
    /// A text file has no header, or a header that cannot be used.
    Header = "header",
    /// A line of an NDJSON file is not an object this program reads.
    JsonLine = "json-line",
    /// A value does not read as its column's declared type.
    ValueType = "value-type",
    /// A source holds no record where one is needed.
    EmptySource = "empty-source",
    /// A source is older than `stale_after` allows.
    StaleSource = "stale-source",
    /// A source has fewer records than `expect` asks for.
    ExpectedRows = "expected-rows",
    /// A denial cannot be matched to anybody and so cannot be honoured.
    UnmatchableDenial = "unmatchable-denial",

    /// A value links so many records, or a customer has so many, that it is hardly one person.
    OverLinking = "over-linking",
    /// Consent was read, and a part of it or all of it says nothing of any customer.
    UnheardConsent = "unheard-consent",

    // One person.
    /// Nobody, or more than one customer, is what a command for one person was asked for.
    NotOnePerson = "not-one-person",
    /// A file that should be a suppression list of digests has another shape.
    SuppressionFile = "suppression-file",

    // Runs that were.
    /// A file that should be the record of a run is none.
    RunRecord = "run-record",
    /// A run wrote no table of who is in which segment.
    MissingMembers = "missing-members",
    /// A file that a run wrote is no longer the one that its run record names.
    ChangedOutput = "changed-output",

    // Audiences.
    /// A value that is to be hashed is a hash already.
    HashedAlready = "hashed-already",
    /// The audience file that stands there already cannot be read as one.
    EarlierAudience = "earlier-audience",
    /// The membership history that stands there already cannot be read as one, or goes on after the date
    /// of the run.
    EarlierHistory = "earlier-history",

    // SQL.
    /// SQL cannot say a part of the pipeline exactly, so `compile` refuses it.
    SqlUnsupported = "sql-unsupported",
    /// This program was built without what the command line or the pipeline file asks for.
    NotBuiltIn = "not-built-in",
    /// A field has more values that SQL cannot normalize than a run on another engine may take.
    KeyLimit = "key-limit",
    /// A guard ended a job: it met what it cannot treat as the pipeline asks.
    JobGuard = "job-guard",
    /// A server to which the run was given failed, or cannot be reached; its own words could quote data.
    ServerFailed = "server-failed",
    /// A variable of the environment that a pipeline names is not set, or does not hold what it should.
    MissingVariable = "missing-variable",
    /// A table of a database or an object in a bucket is left as it is, because `--out` leads outputs elsewhere.
    NotCopied = "not-copied",
    /// A store of objects failed, refused, or cannot be reached; its own words could quote keys.
    StoreFailed = "store-failed",
    /// A database failed, refused a query, or cannot be reached; its own words could quote data.
    DatabaseFailed = "database-failed",

    // Running.
    /// The run takes more memory than it may.
    MemoryLimit = "memory-limit",
    /// The values of an export make too many partitions, or one that no folder can be named after.
    PartitionLimit = "partition-limit",
    /// A file cannot be written.
    WriteFailed = "write-failed",
    /// Another run published into the folder of outputs since this one began.
    PublishedMeanwhile = "published-meanwhile",
    /// What was written does not read back as it was meant.
    VerifyFailed = "verify-failed",
    /// An export holds a row that the consent sources do not allow.
    ProofFailed = "proof-failed",
    /// The account of the run does not close.
    AccountFault = "account-fault",
    /// The engine failed; its own words are withheld where they could quote data.
    EngineFault = "engine-fault",
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn names_are_unique_and_kebab() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.iter().all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
    }
}
