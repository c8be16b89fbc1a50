//! What a pipeline writes: internal tables, and exports of segments.

use std::path::{Component, Path, PathBuf};

use serde::Serialize;

use super::{Compression, FieldId, Format, GroupingId, Plan, PurposeId, SegmentId};
use crate::normalize::platform::{Platform, Trait};

/// Name of the run record's file.
pub const RECORD: &str = "run.json";
/// Name of the file of the page about a run, beside the run record.
pub const PAGE: &str = "report.html";

/// The internal tables to write; each optional.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outputs {
    /// One row a customer.
    pub profiles: Option<Target>,
    /// One row a record: its customer and the rule that linked it.
    pub identity: Option<Target>,
    /// Records set aside, with the reason.
    pub quarantine: Option<Target>,
    /// One row a customer, one column a segment: the verdict.
    pub segments: Option<Target>,
    /// One row a customer and field: where its value came from.
    pub provenance: Option<Target>,
    /// The values that link most records.
    pub shared_keys: Option<Target>,
    /// Customers of whom one record's grant meets another's denial.
    pub conflicts: Option<Target>,
    /// Who was in which segment, from when to when; made of what stands there from earlier runs.
    pub memberships: Option<Target>,
}

impl Outputs {
    /// The tables by name, those that are not asked for among them.
    #[must_use]
    pub fn named(&self) -> [(&'static str, Option<&Target>); 8] {
        [
            ("profiles", self.profiles.as_ref()),
            ("identity", self.identity.as_ref()),
            ("quarantine", self.quarantine.as_ref()),
            ("segments", self.segments.as_ref()),
            ("provenance", self.provenance.as_ref()),
            ("shared_keys", self.shared_keys.as_ref()),
            ("conflicts", self.conflicts.as_ref()),
            ("memberships", self.memberships.as_ref()),
        ]
    }
}

/// A file to write, or a folder of files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Where.
    pub path: PathBuf,
    /// How.
    pub format: TargetFormat,
    /// Columns by their places, whose values are folders, as [`partition`](super::partition) names them: then
    /// the path is that of the whole folder. Empty for one file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partition_by: Vec<usize>,
}

impl Target {
    /// True where it is a folder of files.
    #[must_use]
    pub const fn is_folder(&self) -> bool {
        !self.partition_by.is_empty()
    }
}

/// Formats that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetFormat {
    /// Comma-separated text.
    Csv,
    /// Tab-separated text.
    Tsv,
    /// One JSON object a line.
    Ndjson,
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow IPC file.
    Ipc,
    /// A workbook of Excel.
    Xlsx,
}

impl TargetFormat {
    /// The format that a file's name tells, in any case.
    #[must_use]
    pub fn of_name(path: &str) -> Option<Self> {
        let extension = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
        Some(match extension.as_str() {
            "csv" => Self::Csv,
            "tsv" => Self::Tsv,
            "ndjson" | "jsonl" => Self::Ndjson,
            "parquet" => Self::Parquet,
            "ipc" | "arrow" | "feather" => Self::Ipc,
            "xlsx" => Self::Xlsx,
            _ => return None,
        })
    }

    /// How such a file is read back.
    #[must_use]
    pub const fn read_back(self) -> Format {
        match self {
            Self::Csv => Format::written_text(b','),
            Self::Tsv => Format::written_text(b'\t'),
            Self::Ndjson => Format::Ndjson { compression: Compression::None },
            Self::Parquet => Format::Parquet,
            Self::Ipc => Format::Ipc,
            Self::Xlsx => Format::Excel,
        }
    }
}

/// A segment to write.
#[derive(Clone, Debug, Serialize)]
pub struct Export {
    /// Which.
    pub segment: SegmentId,
    /// Where and how.
    pub target: Target,
    /// What it shows, in order.
    pub columns: Vec<OutColumn>,
    /// Contact points of which each value leaves once: the gate's `via` fields, or for
    /// `consent: none` those among the columns.
    pub contacts: Vec<FieldId>,
    /// Whether text cells that spreadsheets would run are guarded.
    pub guard_formulas: bool,
    /// Contact fields that leave although no gate covers them, and why.
    pub allowed: Option<Allowed>,
    /// Set where it is an audience for an advertising platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<PlatformFile>,
    /// A table or an object that is to hold the same rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_to: Option<CopyTo>,
}

/// What takes the place of the same before, elsewhere.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum CopyTo {
    /// A table of a database.
    Table {
        /// The variable of the environment that says where the database is.
        variable: String,
        /// The table: `name`, or `schema.name`.
        table: String,
    },
    /// An object in a bucket.
    Object {
        /// Its address.
        object: String,
    },
}

impl CopyTo {
    /// What it has of the export, and what it is.
    #[must_use]
    pub fn words(&self) -> (&'static str, String) {
        match self {
            Self::Table { variable, table } => {
                ("the same rows", format!("table {table} of env:{variable}"))
            }
            Self::Object { object } => ("the same file", object.clone()),
        }
    }
}

/// Where all files of a run are put as well.
#[derive(Clone, Debug, Serialize)]
pub struct CopyAll {
    /// An address such as `s3://bucket/folder`, without a slash at its end.
    pub address: String,
    /// The pipeline file's folder: a file goes below the address as it stands below this.
    pub base: PathBuf,
}

/// What a platform is to read of an export.
#[derive(Clone, Debug, Serialize)]
pub struct PlatformFile {
    /// The platform.
    pub platform: Platform,
    /// What each column of the export is there.
    pub columns: Vec<Trait>,
    /// Where the identifiers go that the file before held and this one does not.
    pub removals: Option<Target>,
}

impl CopyAll {
    /// Where a file goes: as it stands below the pipeline file's folder. None if it does not, or is no text.
    #[must_use]
    pub fn address_of(&self, file: &Path) -> Option<String> {
        let mut address = self.address.clone();
        for part in file.strip_prefix(&self.base).ok()?.components() {
            match part {
                Component::Normal(part) => {
                    address.push('/');
                    address.push_str(part.to_str()?);
                }
                Component::CurDir => {}
                _ => return None,
            }
        }
        (address.len() > self.address.len()).then_some(address)
    }
}

impl Plan {
    /// The addresses of all objects that a run puts somewhere, with what each is called.
    #[must_use]
    pub fn objects(&self) -> Vec<(&str, String)> {
        let mut all: Vec<(&str, String)> = Vec::new();
        for export in &self.exports {
            if let Some(CopyTo::Object { object }) = &export.copy_to {
                all.push((&self.segments[export.segment.0].name, object.clone()));
            }
        }
        if let Some(copy) = &self.copy_to {
            let files = self.files();
            all.extend(files.filter_map(|(name, file)| Some((name, copy.address_of(&file)?))));
        }
        all
    }

    /// The run record's file.
    #[must_use]
    pub fn record(&self) -> PathBuf {
        self.out.join(RECORD)
    }

    /// All files that a run writes, with what each is called: the tables, the run record and the page about it.
    pub fn files(&self) -> impl Iterator<Item = (&str, PathBuf)> {
        let targets = self.targets().map(|(name, target)| (name, target.path.clone()));
        targets.chain([RECORD, PAGE].map(|name| (name, self.out.join(name))))
    }

    /// All tables that are written, with what each is called: internal tables, exports by their
    /// segments, the removal files of audiences, and measures.
    pub fn targets(&self) -> impl Iterator<Item = (&str, &Target)> {
        let outputs = self.outputs.named().into_iter();
        let outputs = outputs.filter_map(|(name, target)| Some((name, target?)));
        let exports = self.exports.iter().flat_map(|export| {
            let removals = export.audience.as_ref().and_then(|file| file.removals.as_ref());
            let segment = self.segments[export.segment.0].name.as_str();
            std::iter::once(&export.target).chain(removals).map(move |target| (segment, target))
        });
        let measures = self.measures.iter();
        let measures =
            measures.filter_map(|measure| Some((measure.name.as_str(), measure.target.as_ref()?)));
        outputs.chain(exports).chain(measures)
    }
}

impl Export {
    /// The name of a column of this export, by its place.
    #[must_use]
    pub fn header(&self, plan: &Plan, at: usize) -> String {
        match &self.audience {
            Some(file) => file.platform.column(file.columns[at]).to_owned(),
            None => plan.column_name(self.columns[at]),
        }
    }

    /// The names of all columns.
    #[must_use]
    pub fn headers(&self, plan: &Plan) -> Vec<String> {
        (0..self.columns.len()).map(|at| self.header(plan, at)).collect()
    }
}

/// Contact fields that leave although no gate of the segment covers them.
#[derive(Clone, Debug, Serialize)]
pub struct Allowed {
    /// The fields.
    pub fields: Vec<FieldId>,
    /// The reason; stands in the run record.
    pub because: String,
}

/// A column of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutColumn {
    /// `customer_id`.
    CustomerId,
    /// `previous_customer_ids`: ids that its records had in an earlier run, beside its own.
    PreviousIds,
    /// The id of a grouping.
    Grouping(GroupingId),
    /// A field of the profile.
    Field(FieldId),
    /// `consent_<purpose>`.
    Consent(PurposeId),
}
