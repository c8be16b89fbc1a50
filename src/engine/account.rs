//! The account of a run: whatever is read is kept, used, or counted with a reason.

use serde::Serialize;

use super::identity::{Guards, PairAccount, PreviousAccount, RuleStatistics};
use super::measures::MeasureAccount;
use super::memberships::MembershipAccount;
use crate::diagnostics::{Code, Diagnostic};

/// What became of a customer source's records.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CustomerAccount {
    /// Name of the source.
    pub source: String,
    /// Records read.
    pub read: u64,
    /// Anchors of profiles.
    pub kept: u64,
    /// Records that joined a profile anchored by another one.
    pub merged: u64,
    /// Set aside: no id.
    pub quarantined_no_id: u64,
    /// Set aside: an id that another record of the table has too.
    pub quarantined_duplicate_id: u64,
    /// Set aside: its cluster is too large.
    pub quarantined_large_cluster: u64,
    /// Left out: it links to no earlier table.
    pub dropped: u64,
}

/// What became of the decisions of one consent table.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ConsentAccount {
    /// Name of the source.
    pub source: String,
    /// Decisions read.
    pub read: u64,
    /// The decisions that stand for their contact points.
    pub used: u64,
    /// Decisions on a contact point that has another one in the same table.
    pub folded: u64,
    /// Null or blank.
    pub no_decision: u64,
    /// Words that are not in the vocabulary.
    pub unrecognized: u64,
    /// Purposes that the pipeline does not declare.
    pub other_purpose: u64,
    /// No usable key.
    pub unmatchable: u64,
    /// Of the unmatchable, those that deny.
    pub unmatchable_denials: u64,
    /// Hidden, because later than the run's date.
    pub after_as_of: u64,
    /// Denials later than the run's date that deny all the same; among used and folded.
    pub withdrawn_after_as_of: u64,
    /// Of the unrecognized, those about a purpose that who said nothing passes. A run warns of them; they
    /// stand in no account.
    #[serde(skip)]
    pub doubtful: u64,
    /// Whether a decision stands on the contact point or the id of some record. Told as `doubtful`.
    #[serde(skip)]
    pub heard: bool,
}

impl ConsentAccount {
    /// Adds the counts of another part of the same table.
    pub fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.used += other.used;
        self.folded += other.folded;
        self.no_decision += other.no_decision;
        self.unrecognized += other.unrecognized;
        self.other_purpose += other.other_purpose;
        self.unmatchable += other.unmatchable;
        self.unmatchable_denials += other.unmatchable_denials;
        self.after_as_of += other.after_as_of;
        self.withdrawn_after_as_of += other.withdrawn_after_as_of;
        self.doubtful += other.doubtful;
        self.heard |= other.heard;
    }
}

/// What became of the entries of one suppression list.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SuppressionAccount {
    /// Name of the source.
    pub source: String,
    /// Entries read.
    pub read: u64,
    /// Distinct entries.
    pub used: u64,
    /// Entries that stand in the list already.
    pub folded: u64,
    /// No usable key.
    pub unmatchable: u64,
    /// Profiles that the list hits.
    pub profiles: u64,
    /// Whether it has entries of which none is a digest and none is of a record. A run warns of it; it
    /// stands in no account.
    #[serde(skip)]
    pub unheard: bool,
}

/// What became of the rows of one related table.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RelatedAccount {
    /// Name of the related table.
    pub related: String,
    /// Name of its source.
    pub source: String,
    /// Rows read.
    pub read: u64,
    /// Rows of customers.
    pub matched: u64,
    /// Of these, rows that count for more than one customer: several have the key.
    pub of_several: u64,
    /// Rows that find only records which stand in no profile.
    pub set_aside: u64,
    /// Rows with a key that no record has.
    pub unmatched: u64,
    /// Rows without a usable key.
    pub without_key: u64,
}

impl RelatedAccount {
    /// Adds the counts of another part of the same table.
    pub fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.matched += other.matched;
        self.of_several += other.of_several;
        self.set_aside += other.set_aside;
        self.unmatched += other.unmatched;
        self.without_key += other.without_key;
    }
}

/// Why profiles are, or are not, in a segment; the counts sum to all profiles.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SegmentAccount {
    /// Name of the segment.
    pub segment: String,
    /// The purposes that gate it.
    pub consent: Vec<String>,
    /// The reason of a segment that asks for no consent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// All profiles.
    pub profiles: u64,
    /// On a suppression list.
    pub suppressed: u64,
    /// A denial holds.
    pub denied: u64,
    /// The grant has ended.
    pub expired: u64,
    /// Nobody decided.
    pub unknown: u64,
    /// Nothing to contact through.
    pub no_contact_point: u64,
    /// The rule is false.
    pub rule_false: u64,
    /// The rule is null.
    pub rule_unknown: u64,
    /// Out by union, intersect or except.
    pub set_operation: u64,
    /// Kept out, to compare with; none of a segment without a control group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_group: Option<u64>,
    /// Cut off; none of a segment without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_limit: Option<u64>,
    /// In.
    pub in_segment: u64,
}

/// What left of a segment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ExportAccount {
    /// Name of the segment.
    pub segment: String,
    /// Profiles in the segment.
    pub in_segment: u64,
    /// Rows written.
    pub written: u64,
    /// Profiles whose contact point left with another profile.
    pub shared_contact_point: u64,
}

/// When the grants end of the profiles that are granted, counted from the run's date, if nobody decides
/// anew. Each profile is counted once; the counts sum to the granted.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Expiring {
    /// In 30 days at the latest.
    pub days_1_to_30: u64,
    /// After that, in 60 days at the latest.
    pub days_31_to_60: u64,
    /// After that, in 90 days at the latest.
    pub days_61_to_90: u64,
    /// After that, or never.
    pub later_or_never: u64,
}

/// How many profiles two segments have in common.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OverlapAccount {
    /// The two segments, in the order in which they are declared.
    pub segments: [String; 2],
    /// Profiles that are in both.
    pub profiles: u64,
}

/// The states of all profiles for one purpose.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PurposeAccount {
    /// Name of the purpose.
    pub purpose: String,
    /// Profiles by state.
    pub granted: u64,
    /// See [`granted`](Self::granted).
    pub denied: u64,
    /// See [`granted`](Self::granted).
    pub expired: u64,
    /// See [`granted`](Self::granted).
    pub unknown: u64,
    /// See [`granted`](Self::granted).
    pub no_contact_point: u64,
    /// Profiles of which one contact point or record is granted and another denied.
    pub conflicting: u64,
    /// When the grants of the granted end.
    pub expiring: Expiring,
}

/// Values that were there but gave no key.
#[derive(Clone, Debug, Default, Serialize)]
pub struct KeyAccount {
    /// The field.
    pub field: String,
    /// Values that are not null.
    pub values: u64,
    /// Values that normalize to nothing.
    pub unusable: u64,
    /// Values that stand in `never`.
    pub never: u64,
}

/// What a grouping came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct GroupingAccount {
    /// Its name.
    pub grouping: String,
    /// Groups.
    pub groups: u64,
    /// Groups of more than one profile.
    pub shared: u64,
    /// Profiles in the largest group.
    pub largest: u64,
}

/// How many clusters have how many records.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ClusterSize {
    /// Records in the cluster.
    pub records: u64,
    /// Clusters of that size.
    pub clusters: u64,
}

/// The whole account.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Account {
    /// All profiles.
    pub profiles: u64,
    /// A customer source each.
    pub customers: Vec<CustomerAccount>,
    /// A key field each.
    pub keys: Vec<KeyAccount>,
    /// A link rule each.
    pub rules: Vec<RuleStatistics>,
    /// A source of pairs each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<PairAccount>,
    /// What looks like over-linking.
    pub guards: Guards,
    /// Customers of an earlier run, if one is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousAccount>,
    /// A grouping each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groupings: Vec<GroupingAccount>,
    /// Profiles by number of records, smallest first.
    pub clusters: Vec<ClusterSize>,
    /// A purpose each.
    pub purposes: Vec<PurposeAccount>,
    /// A consent table each.
    pub consent: Vec<ConsentAccount>,
    /// A suppression list each.
    pub suppression: Vec<SuppressionAccount>,
    /// A related table each, of those that rules ask.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<RelatedAccount>,
    /// A segment each.
    pub segments: Vec<SegmentAccount>,
    /// Two segments each: every pair of them once; none if there are more than 100 segments.
    pub overlaps: Vec<OverlapAccount>,
    /// A segment each, where a membership history is written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub memberships: Vec<MembershipAccount>,
    /// An export each.
    pub exports: Vec<ExportAccount>,
    /// A measure each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<MeasureAccount>,
}

impl Account {
    /// Checks every sum.
    ///
    /// # Errors
    /// The first sum that does not close: such a run has failed.
    pub fn close(&self) -> Result<(), Diagnostic> {
        let mut kept = 0;
        for a in &self.customers {
            let sum = a.kept
                + a.merged
                + a.quarantined_no_id
                + a.quarantined_duplicate_id
                + a.quarantined_large_cluster
                + a.dropped;
            sums("customer source", &a.source, a.read, sum)?;
            kept += a.kept;
        }
        sums("profiles", "kept records", self.profiles, kept)?;
        let clustered: u64 = self.clusters.iter().map(|size| size.clusters).sum();
        sums("profiles", "clusters by size", self.profiles, clustered)?;
        for a in &self.pairs {
            let sum =
                a.used + a.folded + a.incomplete + a.unknown_table + a.unknown_id + a.same_record;
            sums("source of pairs", &a.source, a.read, sum)?;
        }
        if let Some(a) = &self.previous {
            let sum = a.created + a.kept + a.merged + a.split;
            sums("profiles", "earlier customers", self.profiles, sum)?;
        }
        for a in &self.consent {
            let sum = a.used
                + a.folded
                + a.no_decision
                + a.unrecognized
                + a.other_purpose
                + a.unmatchable
                + a.after_as_of;
            sums("consent source", &a.source, a.read, sum)?;
        }
        for a in &self.suppression {
            sums("suppression source", &a.source, a.read, a.used + a.folded + a.unmatchable)?;
        }
        for a in &self.related {
            let sum = a.matched + a.set_aside + a.unmatched + a.without_key;
            sums("related table", &a.related, a.read, sum)?;
        }
        for a in &self.purposes {
            let sum = a.granted + a.denied + a.expired + a.unknown + a.no_contact_point;
            sums("purpose", &a.purpose, self.profiles, sum)?;
            let ends = &a.expiring;
            let sum =
                ends.days_1_to_30 + ends.days_31_to_60 + ends.days_61_to_90 + ends.later_or_never;
            sums("grants of", &a.purpose, a.granted, sum)?;
        }
        for a in &self.segments {
            let sum = a.suppressed
                + a.denied
                + a.expired
                + a.unknown
                + a.no_contact_point
                + a.rule_false
                + a.rule_unknown
                + a.set_operation
                + a.control_group.unwrap_or(0)
                + a.over_limit.unwrap_or(0)
                + a.in_segment;
            sums("segment", &a.segment, self.profiles, sum)?;
        }
        for a in &self.overlaps {
            let in_segment = |name: &String| {
                let segment = self.segments.iter().find(|segment| segment.segment == *name);
                segment.map_or(0, |segment| segment.in_segment)
            };
            // Who is in both is in each.
            let smaller = a.segments.iter().map(in_segment).min().unwrap_or(0);
            let pair = a.segments.join(" and ");
            sums("segments", &pair, a.profiles.min(smaller), a.profiles)?;
        }
        for a in &self.memberships {
            sums("memberships in", &a.segment, a.before + a.entered, a.left + a.in_segment)?;
            let now = self.segments.iter().find(|segment| segment.segment == a.segment);
            sums("members of", &a.segment, now.map_or(0, |now| now.in_segment), a.in_segment)?;
        }
        for a in &self.exports {
            sums("export of", &a.segment, a.in_segment, a.written + a.shared_contact_point)?;
        }
        for a in &self.measures {
            let sum = a.outside + a.rule_false + a.rule_unknown + a.customers;
            sums("measure", &a.measure, self.profiles, sum)?;
            sums("rows of measure", &a.measure, a.customers, a.in_rows)?;
        }
        Ok(())
    }
}

fn sums(what: &str, name: &str, whole: u64, parts: u64) -> Result<(), Diagnostic> {
    if whole == parts {
        return Ok(());
    }
    Err(Diagnostic::error(
        Code::AccountFault,
        format!("the account of {what} `{name}` does not close: {whole} in, {parts} accounted for"),
    )
    .help("this is a fault of the program; nothing was published. Please report it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_does_not_close_is_a_fault() {
        let mut account = Account {
            profiles: 2,
            customers: vec![CustomerAccount { read: 3, kept: 2, merged: 1, ..Default::default() }],
            clusters: vec![ClusterSize { records: 1, clusters: 2 }],
            ..Account::default()
        };
        assert!(account.close().is_ok());
        account.segments.push(SegmentAccount { denied: 1, ..Default::default() });
        assert_eq!(account.close().expect_err("open").code, Code::AccountFault);
    }
}
