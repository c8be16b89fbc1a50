//! Segments: the consent gate, the rule, the set operations, and who may leave.
//!
//! An [`Audience`] can be made only here, by judging every profile; what writes exports takes
//! nothing else. So an export that skips the gate does not compile.

use polars::prelude::*;
use rayon::prelude::*;

use super::account::{ExportAccount, SegmentAccount};
use super::consent::State;
use super::consent::state::States;
use super::consent::suppress::Suppressed;
use super::digest::DigestSet;
use super::engine_fault;
use super::expr::{Names, lower};
use super::identity::{Clusters, CustomerId};
use super::keys::Keys;
use super::profile::{ProfileColumns, Rows, Shown, ShownField};
use super::records::Records;
use super::related::Aggregates;
use crate::diagnostics::Outcome;
use crate::plan::{
    AggregateId, Export, Expr, Gate, Instant, Model, OutColumn, Plan, PurposeId, Rule, Segment,
};
use crate::planted;

/// Why a profile is, or is not, in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// On a suppression list.
    Suppressed,
    /// A gating purpose is denied.
    Denied,
    /// A gating purpose's grant has ended.
    Expired,
    /// Nobody decided on a gating purpose.
    Unknown,
    /// Nothing to contact through.
    NoContactPoint,
    /// The rule is false.
    RuleFalse,
    /// The rule is null.
    RuleUnknown,
    /// Out by union, intersect or except.
    SetOperation,
    /// Kept out, to compare with.
    ControlGroup,
    /// Cut off by the limit.
    OverLimit,
    /// In.
    InSegment,
}

impl Verdict {
    /// All verdicts, in the order of reasons.
    pub const ALL: [Self; 11] = [
        Self::Suppressed,
        Self::Denied,
        Self::Expired,
        Self::Unknown,
        Self::NoContactPoint,
        Self::RuleFalse,
        Self::RuleUnknown,
        Self::SetOperation,
        Self::ControlGroup,
        Self::OverLimit,
        Self::InSegment,
    ];

    /// The verdict of a name; none if it is not one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.name() == name)
    }

    /// The name in the segments table and in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Suppressed => "suppressed",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::NoContactPoint => "no_contact_point",
            Self::RuleFalse => "rule_false",
            Self::RuleUnknown => "rule_unknown",
            Self::SetOperation => "set_operation",
            Self::ControlGroup => "control_group",
            Self::OverLimit => "over_limit",
            Self::InSegment => "in_segment",
        }
    }
}

/// Every profile's verdict in every segment.
#[derive(Debug)]
pub struct Verdicts {
    /// By segment, then profile.
    pub of: Vec<Vec<Verdict>>,
    /// One a segment.
    pub accounts: Vec<SegmentAccount>,
}

/// The profiles of a segment that may leave through one export: gated, and each contact point
/// once.
#[derive(Debug)]
pub struct Audience {
    /// In profile order.
    profiles: Vec<u32>,
    /// Their `customer_id`s.
    ids: Vec<CustomerId>,
    account: ExportAccount,
}

impl Audience {
    /// The profiles that leave, in profile order.
    #[must_use]
    pub fn profiles(&self) -> &[u32] {
        &self.profiles
    }

    /// Their `customer_id`s.
    #[must_use]
    pub fn ids(&self) -> &[CustomerId] {
        &self.ids
    }

    /// How many are in the segment, and how many of them leave.
    #[must_use]
    pub fn account(&self) -> &ExportAccount {
        &self.account
    }
}

/// What judging needs.
pub struct Court<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The states of all profiles.
    pub states: &'a States,
    /// Who is suppressed.
    pub suppressed: &'a Suppressed,
    /// What profiles show.
    pub shown: &'a Shown,
    /// The records.
    pub records: &'a Records,
    /// The clusters.
    pub clusters: &'a Clusters,
    /// The keys of their records.
    pub keys: &'a Keys,
    /// The run's date.
    pub as_of: Instant,
}

impl Court<'_> {
    /// For each segment what stops each profile before the rule; `InSegment` where nothing does.
    #[must_use]
    pub fn gate(&self) -> Vec<Vec<Verdict>> {
        let gate = |segment: &Segment| {
            let suppressed = self.suppressed_through(&segment.channels);
            let verdict = |profile: usize| {
                if suppressed[profile] && !planted::fault("suppression-ignored") {
                    return Verdict::Suppressed;
                }
                self.stopped_by_gate(segment, profile).unwrap_or(Verdict::InSegment)
            };
            (0..self.clusters.profiles).into_par_iter().with_min_len(4096).map(verdict).collect()
        };
        self.plan.segments.iter().map(gate).collect()
    }

    /// For each profile whether some rule asks for its rows in related tables: the gate of that segment
    /// lets it through. A measure may ask for those of all.
    #[must_use]
    pub fn asks_for_rows(&self, gated: &[Vec<Verdict>]) -> Vec<bool> {
        let mut asked = vec![false; self.clusters.profiles];
        for (segment, verdicts) in self.plan.segments.iter().zip(gated) {
            if segment.rule.as_ref().is_some_and(|rule| !rule.expr.aggregates().is_empty()) {
                asked.par_iter_mut().zip(verdicts).for_each(|(asked, verdict)| {
                    *asked |= *verdict == Verdict::InSegment;
                });
            }
        }
        let asks = |rule: &Rule| !rule.expr.aggregates().is_empty();
        for measure in self.plan.measures.iter().filter(|of| of.rule.as_ref().is_some_and(asks)) {
            match measure.of {
                None => asked.fill(true),
                Some(segment) => asked
                    .par_iter_mut()
                    .zip(&gated[segment.0])
                    .for_each(|(asked, verdict)| *asked |= *verdict == Verdict::InSegment),
            }
        }
        asked
    }

    /// Judges every profile in every segment. A rule is evaluated for those alone that the gate lets
    /// through: whom it stops, no rule brings in.
    ///
    /// # Errors
    /// Faults of the engine.
    pub fn judge(
        &self,
        mut of: Vec<Vec<Verdict>>,
        columns: &ProfileColumns<'_>,
        aggregates: &Aggregates,
    ) -> Outcome<Verdicts> {
        let profiles = self.clusters.profiles;
        for id in &self.plan.segment_order {
            let segment = &self.plan.segments[id.0];
            let mut verdicts = std::mem::take(&mut of[id.0]);
            if !(segment.union.is_empty()
                && segment.intersect.is_empty()
                && segment.except.is_empty())
            {
                let is_out = |profile: usize| {
                    let is_in = |member: &crate::plan::SegmentId| {
                        of[member.0][profile] == Verdict::InSegment
                    };
                    let union = segment.union.is_empty() || segment.union.iter().any(is_in);
                    let intersect = segment.intersect.iter().all(is_in);
                    !union || !intersect || segment.except.iter().any(is_in)
                };
                verdicts.par_iter_mut().enumerate().with_min_len(4096).for_each(
                    |(profile, verdict)| {
                        if *verdict == Verdict::InSegment && is_out(profile) {
                            *verdict = Verdict::SetOperation;
                        }
                    },
                );
            }
            if let Some(rule) = &segment.rule {
                let open = |verdict| matches!(verdict, Verdict::InSegment | Verdict::SetOperation);
                let candidates: Vec<u32> = (0..u32::try_from(profiles).unwrap_or(u32::MAX))
                    .into_par_iter()
                    .with_min_len(4096)
                    .filter(|profile| open(verdicts[*profile as usize]))
                    .collect();
                let rule = self.evaluate(&rule.expr, (columns, aggregates), &candidates)?;
                for (profile, holds) in candidates.iter().zip(rule) {
                    match holds {
                        Some(true) => {}
                        Some(false) => verdicts[*profile as usize] = Verdict::RuleFalse,
                        None => verdicts[*profile as usize] = Verdict::RuleUnknown,
                    }
                }
            }
            if segment.draws() {
                self.draw(segment, &mut verdicts, columns)?;
            }
            of[id.0] = verdicts;
        }
        let accounts = self
            .plan
            .segments
            .iter()
            .zip(&of)
            .map(|(segment, of)| self.account(segment, of))
            .collect();
        Ok(Verdicts { of, accounts })
    }

    /// For each profile whether it is suppressed for what goes out through these fields.
    #[must_use]
    pub fn suppressed_through(&self, channels: &[crate::plan::FieldId]) -> Vec<bool> {
        self.suppressed.through(self.plan, channels, self.shown, self.clusters, self.keys)
    }

    /// True if a list that binds one of these channels hits somebody else who shows the same contact
    /// point there as a profile.
    #[must_use]
    pub fn suppressed_through_others(
        &self,
        channels: &[crate::plan::FieldId],
        profile: usize,
    ) -> bool {
        let Self { plan, clusters, keys, shown, .. } = *self;
        self.suppressed.through_others(plan, channels, shown, (clusters, keys), profile)
    }

    /// True if somebody else is denied a purpose by what is decided on himself, and shows the contact
    /// point that a profile shows.
    #[must_use]
    pub fn denied_through_others(&self, purpose: PurposeId, profile: usize) -> bool {
        let Self { plan, clusters, keys, shown, .. } = *self;
        self.states.denied_through_others(plan, purpose, shown, (clusters, keys), profile)
    }

    /// The first state, in the order of reasons, by which the gate stops a profile.
    fn stopped_by_gate(&self, segment: &Segment, profile: usize) -> Option<Verdict> {
        let mut first: Option<Verdict> = None;
        for purpose in segment.gate.purposes() {
            let model = self.plan.consent.purposes[purpose.0].model;
            let state = self.states.of[purpose.0][profile];
            if state.passes(model) {
                continue;
            }
            let reason = match state {
                State::Denied => Verdict::Denied,
                State::Expired => Verdict::Expired,
                State::Unknown => Verdict::Unknown,
                State::NoContactPoint => Verdict::NoContactPoint,
                State::Granted => continue,
            };
            if first.is_none_or(|known| (reason as u8) < known as u8) {
                first = Some(reason);
            }
        }
        first
    }

    /// The value of a rule for each of the given profiles; none where it is unknown.
    ///
    /// # Errors
    /// Faults of the engine.
    pub fn evaluate(
        &self,
        expr: &Expr,
        (columns, aggregates): (&ProfileColumns<'_>, &Aggregates),
        profiles: &[u32],
    ) -> Outcome<Vec<Option<bool>>> {
        let of = |aggregate, profiles: &[u32]| aggregates.of(aggregate, profiles);
        let passes = |purpose| self.passes(purpose);
        evaluate(self.plan, self.as_of, expr, (columns, &of), profiles, passes)
    }

    /// For each profile whether it would pass a purpose's gate: state, and no suppression.
    #[must_use]
    pub fn passes(&self, purpose: PurposeId) -> Vec<bool> {
        let declared = &self.plan.consent.purposes[purpose.0];
        let model: Model = declared.model;
        let suppressed = self.suppressed_through(&[declared.via]);
        let states = &self.states.of[purpose.0];
        states.iter().zip(suppressed).map(|(state, out)| state.passes(model) && !out).collect()
    }

    fn account(&self, segment: &Segment, verdicts: &[Verdict]) -> SegmentAccount {
        let counts = verdicts
            .par_iter()
            .fold(
                || [0_u64; Verdict::ALL.len()],
                |mut counts, verdict| {
                    counts[*verdict as usize] += 1;
                    counts
                },
            )
            .reduce(|| [0; Verdict::ALL.len()], |a, b| std::array::from_fn(|at| a[at] + b[at]));
        let because = match &segment.gate {
            Gate::None { because } => Some(because.clone()),
            Gate::Purposes(_) => None,
        };
        let purposes = segment.gate.purposes().iter();
        SegmentAccount {
            segment: segment.name.clone(),
            consent: purposes.map(|p| self.plan.consent.purposes[p.0].name.clone()).collect(),
            because,
            profiles: verdicts.len() as u64,
            suppressed: counts[Verdict::Suppressed as usize],
            denied: counts[Verdict::Denied as usize],
            expired: counts[Verdict::Expired as usize],
            unknown: counts[Verdict::Unknown as usize],
            no_contact_point: counts[Verdict::NoContactPoint as usize],
            rule_false: counts[Verdict::RuleFalse as usize],
            rule_unknown: counts[Verdict::RuleUnknown as usize],
            set_operation: counts[Verdict::SetOperation as usize],
            control_group: segment.control.as_ref().map(|_| counts[Verdict::ControlGroup as usize]),
            over_limit: segment.limit.as_ref().map(|_| counts[Verdict::OverLimit as usize]),
            in_segment: counts[Verdict::InSegment as usize],
        }
    }

    /// Who leaves through an export: in profile order, each contact point once.
    #[must_use]
    pub fn audience(&self, export: &Export, verdicts: &Verdicts) -> Audience {
        let contacts: Vec<ShownField<'_>> =
            export.contacts.iter().map(|field| self.shown.field(*field, self.keys)).collect();
        let mut left: Vec<DigestSet> = vec![DigestSet::default(); contacts.len()];
        let profiles: Vec<u32> = (0_u32..)
            .zip(&verdicts.of[export.segment.0])
            .filter(|(_, verdict)| {
                **verdict == Verdict::InSegment || planted::fault("mask-skipped")
            })
            .map(|(profile, _)| profile)
            .collect();
        let in_segment = profiles.len() as u64;
        let mut named = self.clusters.names.sorted(self.plan, self.records, &profiles);
        // Who shares no contact point is not asked for one.
        if !export.contacts.iter().all(|field| self.clusters.tell_apart(self.plan, *field)) {
            named.retain(|(profile, _)| {
                let keys = || contacts.iter().map(|shown| shown.key(*profile as usize));
                if keys().zip(&left).any(|(key, left)| key != 0 && left.contains(&key)) {
                    return false;
                }
                for (key, left) in keys().zip(&mut left) {
                    if key != 0 {
                        left.insert(key);
                    }
                }
                true
            });
        }
        let (profiles, ids): (Vec<u32>, Vec<CustomerId>) = named.into_iter().unzip();
        let written = profiles.len() as u64;
        let account = ExportAccount {
            segment: self.plan.segments[export.segment.0].name.clone(),
            in_segment,
            written,
            shared_contact_point: in_segment - written,
        };
        Audience { profiles, ids, account }
    }
}

/// What the rows of some profiles come to.
pub type AggregateOf<'a> = dyn Fn(AggregateId, &[u32]) -> Outcome<Series> + Sync + 'a;

/// The value of a rule for each of the given profiles; none where it is unknown. `passes` says of a
/// purpose for each profile whether it would pass its gate.
///
/// # Errors
/// Faults of the engine.
pub fn evaluate(
    plan: &Plan,
    as_of: Instant,
    expr: &Expr,
    (columns, aggregate_of): (&ProfileColumns<'_>, &AggregateOf<'_>),
    profiles: &[u32],
    passes: impl Fn(PurposeId) -> Vec<bool>,
) -> Outcome<Vec<Option<bool>>> {
    let fault = |e: PolarsError| engine_fault("evaluating a rule", &e);
    let (fields, purposes) = expr.names();
    let wanted: Vec<OutColumn> = fields.into_iter().map(OutColumn::Field).collect();
    // No field's name holds a control character, so these columns collide with none.
    let consent_name = |purpose: PurposeId| format!("\u{1}consent {}", purpose.0);
    let passes: Vec<(String, Vec<bool>)> =
        purposes.into_iter().map(|p| (consent_name(p), passes(p))).collect();
    let field_name = |field: crate::plan::FieldId| plan.column_name(OutColumn::Field(field));
    let aggregate_name = |aggregate: AggregateId| format!("\u{1}aggregate {}", aggregate.0);
    let aggregates = expr.aggregates();
    let result = "\u{1}rule";
    let names = Names { field: &field_name, consent: &consent_name, aggregate: &aggregate_name };
    let rule = lower(expr, &names, as_of).alias(result);
    let piece = |profiles: &[u32]| -> Outcome<Vec<Option<bool>>> {
        let mut frame = columns.frame(&wanted, profiles, None)?;
        for (name, passes) in &passes {
            let passes = profiles.iter().map(|profile| Some(passes[*profile as usize]));
            let column = BooleanChunked::from_iter_options(name.as_str().into(), passes);
            frame.with_column(column.into_series().into()).map_err(fault)?;
        }
        for aggregate in &aggregates {
            let series = aggregate_of(*aggregate, profiles)?;
            let series = series.with_name(aggregate_name(*aggregate).into());
            frame.with_column(series.into()).map_err(fault)?;
        }
        if frame.width() == 0 {
            let ones = BooleanChunked::full("\u{1}".into(), true, profiles.len());
            frame =
                DataFrame::new(profiles.len(), vec![ones.into_series().into()]).map_err(fault)?;
        }
        let out = frame.lazy().with_column(rule.clone()).collect().map_err(fault)?;
        let rule = out.column(result).map_err(fault)?.as_materialized_series();
        Ok(rule.bool().map_err(fault)?.iter().collect())
    };
    let pieces: Outcome<Vec<_>> = profiles.par_chunks(Rows::piece_rows()).map(piece).collect();
    Ok(pieces?.concat())
}
