//! From what was traced and heard to what is told.

use super::chain::{Chain, Counted, Places, contacts, named};
use super::near_miss::near_miss;
use super::why::{
    AggregateLine, Candidate, ConditionLine, ContactLine, ExportLine, FieldLine, GroupLine, Heard,
    LinkLine, OtherValue, Person, Place, PurposeLine, RecordLine, SegmentLine, SourceFile,
    ValueLine,
};
use crate::diagnostics::Outcome;
use crate::engine::trace::{
    Fate, Found, Link, Trace, TracedRecord, TracedSegment, Won, compared_fields,
};
use crate::engine::{Setting, SourceRecord, Verdict};
use crate::plan::{DAY, FieldId, Instant, Keep, Plan, PurposeId, Segment, SegmentId, hex};
use crate::proof::{Contact, Counts, Hearing, Said, Stand, hear};

/// Tells of customers of one run.
pub struct Telling<'a> {
    plan: &'a Plan,
    setting: &'a Setting,
    places: Places<'a>,
}

impl<'a> Telling<'a> {
    /// Of a plan, and of what was read.
    pub fn new(plan: &'a Plan, setting: &'a Setting, sources: &'a [SourceRecord]) -> Self {
        Self { plan, setting, places: Places::new(plan, sources) }
    }

    /// The files that were spoken of.
    pub fn files(&self) -> Vec<SourceFile> {
        self.places.files()
    }

    /// One of several.
    pub fn candidate(&self, found: &Found) -> Candidate {
        let place = |(table, row): &(crate::plan::TableId, usize)| {
            self.places.place(self.plan.tables[table.0].source, *row)
        };
        Candidate {
            customer_id: found.customer_id.as_ref().map(|id| hex(id)),
            fate: fate(found.fate),
            records: found.records.iter().map(place).collect(),
        }
    }

    /// One customer, in all segments or one.
    pub fn person(&self, trace: &Trace, segment: Option<SegmentId>) -> Outcome<Person> {
        let plan = self.plan;
        let contacts = contacts(plan, trace);
        let all: Vec<Contact> = contacts.iter().map(|spoken| spoken.contact.clone()).collect();
        let hearing = hear(plan, self.setting, self.places.sources(), &all)?;
        tracing::debug!("decisions heard");
        let (as_of, places) = (self.setting.as_of.at, &self.places);
        let chain = Chain { plan, as_of, trace, contacts: &contacts, hearing: &hearing, places };
        let purposes = (0..plan.consent.purposes.len()).map(PurposeId);
        let segments = plan.segments.iter().zip(&trace.segments).enumerate();
        let segments = segments.filter(|(at, _)| segment.is_none_or(|asked| asked.0 == *at));
        let (previous, since) = trace.earlier.as_ref().map_or((&[][..], None), |(ids, since)| {
            (ids.as_slice(), since.map(|since| since.to_string()))
        });
        let group = |(grouping, (id, customers)): (&crate::plan::Grouping, &(String, usize))| {
            GroupLine { grouping: grouping.name.clone(), id: id.clone(), customers: *customers }
        };
        Ok(Person {
            customer_id: trace.customer_id.as_ref().map(|id| hex(id)),
            fate: fate(trace.fate),
            previous_customer_ids: previous.iter().map(|id| hex(id)).collect(),
            since,
            records_in_all: trace.size,
            records: trace.records.iter().map(|record| self.record(trace, record)).collect(),
            fields: match trace.customer_id {
                Some(_) => self.fields(trace),
                None => Vec::new(),
            },
            groupings: plan.groupings.iter().zip(&trace.groups).map(group).collect(),
            purposes: purposes.map(|purpose| self.purpose(&chain, purpose)).collect(),
            suppressed_by: (0..contacts.len())
                .flat_map(|at| self.listed(&contacts[at].contact, &hearing, at))
                .collect(),
            segments: segments
                .map(|(at, (segment, traced))| self.segment(&chain, SegmentId(at), segment, traced))
                .collect(),
        })
    }

    fn segment(
        &self,
        chain: &Chain<'_>,
        id: SegmentId,
        segment: &Segment,
        traced: &TracedSegment,
    ) -> SegmentLine {
        let condition = |condition: &crate::engine::trace::Condition| ConditionLine {
            condition: condition.text.clone(),
            value: truth(condition.value),
            aggregates: condition
                .aggregates
                .iter()
                .map(|(aggregate, value)| AggregateLine {
                    aggregate: aggregate.clone(),
                    value: value.clone(),
                })
                .collect(),
        };
        let exports = self.plan.exports.iter().filter(|export| export.segment == id);
        let exports = exports.zip(&traced.leaves).map(|(export, leaves)| ExportLine {
            file: export.target.path.clone(),
            leaves: *leaves,
        });
        SegmentLine {
            segment: segment.name.clone(),
            verdict: traced.verdict.name(),
            rule: segment.rule.is_some().then_some(truth(traced.rule)),
            conditions: traced.conditions.iter().map(condition).collect(),
            would_be_in_if: if traced.verdict == Verdict::InSegment {
                Vec::new()
            } else {
                near_miss(chain, segment, traced)
            },
            exports: exports.collect(),
        }
    }

    fn record_place(&self, record: &TracedRecord) -> Place {
        self.places.place(self.plan.tables[record.table.0].source, record.row)
    }

    fn field(&self, field: FieldId) -> &str {
        &self.plan.fields[field.0].name
    }

    fn record(&self, trace: &Trace, record: &TracedRecord) -> RecordLine {
        let compared = compared_fields(self.plan);
        let values = (0..self.plan.fields.len()).filter_map(|at| {
            Some(ValueLine {
                field: self.field(FieldId(at)).to_owned(),
                value: record.values[at].clone()?,
                key: record.keys[at].clone(),
                usable: record.usable[at],
                compared: compared.contains(&FieldId(at)),
            })
        });
        RecordLine {
            place: self.record_place(record),
            id: record.id.clone(),
            link: self.link(trace, record.link),
            duplicate_id: record.duplicate,
            values: values.collect(),
        }
    }

    fn link(&self, trace: &Trace, link: Link) -> LinkLine {
        let (by, rule, with) = match link {
            Link::First => ("first", None, None),
            Link::Rule { rule, with } => ("rule", Some(rule), Some(with)),
            Link::SameId { with } => ("same_id", None, Some(with)),
            Link::Pair { with } => ("always", None, Some(with)),
            Link::Through => ("left_out", None, None),
            Link::Unsaid => ("not_looked_for", None, None),
            Link::Shadow { by } => ("shadow", by.map(|(rule, _)| rule), by.map(|(_, with)| with)),
            Link::Nothing => ("none", None, None),
        };
        LinkLine {
            by,
            rule: rule.map(|rule| self.plan.identity.rules[rule].name.clone()),
            with: with.map(|with| self.record_place(&trace.records[with])),
        }
    }

    fn fields(&self, trace: &Trace) -> Vec<FieldLine> {
        let line = |at: usize| {
            let won = trace.winners[at];
            let winner = won.map(|(winner, _)| &trace.records[winner]);
            let value = winner.and_then(|winner| winner.values[at].clone());
            let others = trace.records.iter().filter(|record| !record.link.is_shadow());
            let others = others.filter_map(|record| {
                let other = record.values[at].clone()?;
                (Some(&other) != value.as_ref())
                    .then(|| OtherValue { place: self.record_place(record), value: other })
            });
            FieldLine {
                field: self.field(FieldId(at)).to_owned(),
                from: winner.map(|winner| self.record_place(winner)),
                decided_by: won.map(|(_, won)| match won {
                    Won::Alone => "alone",
                    Won::Rank => "policy",
                    Won::Table => "table",
                    Won::Id => "id",
                    Won::Values => "values",
                }),
                why: self.why_field(trace, FieldId(at)),
                others: others.collect(),
                value,
            }
        };
        (0..self.plan.fields.len()).map(line).collect()
    }

    /// Why a field shows what it shows.
    fn why_field(&self, trace: &Trace, field: FieldId) -> String {
        let (keep, unit) = self.plan.survivorship.of(field);
        let Some((winner, won)) = trace.winners[field.0] else {
            let mut unit = unit.iter().filter(|of| **of != field);
            return match unit.find_map(|of| trace.winners[of.0]) {
                Some((winner, _)) => format!(
                    "empty in {}, which gives the group",
                    self.record_place(&trace.records[winner])
                ),
                None => "no record has a usable value".to_owned(),
            };
        };
        let winner = &trace.records[winner];
        let by = |field: FieldId| match &winner.values[field.0] {
            Some(value) => format!("{} {}", self.field(field), super::plainly::plainly(value)),
            None => format!("no {}", self.field(field)),
        };
        let alone = trace.records.iter().filter(|record| !record.link.is_shadow()).count() == 1;
        let mut why = match (won, keep) {
            (Won::Alone, _) if alone => "the only record".to_owned(),
            (Won::Alone, _) => "no other record has one".to_owned(),
            (Won::Rank, Keep::MostRecent(of)) => format!("the newest ({})", by(of)),
            (Won::Rank, Keep::LeastRecent(of)) => format!("the oldest ({})", by(of)),
            (Won::Rank, _) => "the most filled record".to_owned(),
            (Won::Table, Keep::Importance) => "the most important table".to_owned(),
            (Won::Table, Keep::MostFilled) => {
                "of equally filled records that of the most important table".to_owned()
            }
            (Won::Table, Keep::MostRecent(of) | Keep::LeastRecent(of)) => {
                format!("of records with {} that of the most important table", by(of))
            }
            (Won::Id, _) => "of equal records of one table that with the greater id".to_owned(),
            (Won::Values, _) => "of equal records with one id that with smaller values".to_owned(),
        };
        let others: Vec<&str> =
            unit.iter().filter(|of| **of != field).map(|of| self.field(*of)).collect();
        if !others.is_empty() {
            why = format!("{why}; together with {}", others.join(", "));
        }
        why
    }

    fn purpose(&self, chain: &Chain<'_>, purpose: PurposeId) -> PurposeLine {
        let mut lines = Vec::new();
        for (at, spoken) in chain.contacts.iter().enumerate() {
            let counting = chain.hearing.counting(at, purpose);
            let said = chain.hearing.said[at].iter().filter(|said| said.purpose == purpose);
            let decisions: Vec<Heard> = said
                .map(|said| {
                    let superseded = chain.hearing.is_superseded(said, &counting);
                    self.said(&spoken.contact, said, superseded)
                })
                .collect();
            let counted = chain.counted(at, purpose);
            let is_shown = matches!(spoken.contact, Contact::Value(..)) && counted == Counted::All;
            if decisions.is_empty() && !is_shown {
                continue;
            }
            lines.push(ContactLine {
                contact: chain.named(at),
                counts: match counted {
                    Counted::All => "all",
                    Counted::Denials => "denials",
                    Counted::No => "none",
                },
                comes_to: match chain.hearing.fold(&counting, purpose) {
                    Stand::Unknown => "unknown",
                    Stand::Expired => "expired",
                    Stand::Granted => "granted",
                    Stand::Denied => "denied",
                },
                decisions,
            });
        }
        let state = chain.trace.states.get(purpose.0);
        PurposeLine {
            purpose: self.plan.consent.purposes[purpose.0].name.clone(),
            state: state.map(|traced| traced.state.name()),
            denied_through_others: state.is_some_and(|traced| traced.denied_through_others),
            contacts: lines,
        }
    }

    fn said(&self, contact: &Contact, said: &Said, superseded: bool) -> Heard {
        let table = &self.plan.consent.tables[said.table];
        let purpose = &self.plan.consent.purposes[said.purpose.0];
        let at = said.decision.at.map(|at| match said.day {
            Some(day) => {
                let day = Instant(day.saturating_mul(DAY)).to_string();
                day.split('T').next().unwrap_or_default().to_owned()
            }
            None => Instant(at).to_string(),
        });
        let ends = said.decision.at.zip(purpose.expires_after);
        let ends = ends.map(|(at, period)| period.after(Instant(at)).to_string());
        Heard {
            place: self.places.place(table.source, said.row),
            contact: named(self.plan, contact),
            says: match (said.counts, said.decision.granted) {
                (Counts::Unrecognized, _) => "unrecognized",
                (_, true) => "granted",
                (_, false) => "denied",
            },
            purpose: Some(purpose.name.clone()),
            at,
            ends: ends.filter(|_| said.decision.granted),
            counts: match said.counts {
                Counts::Later => "later",
                Counts::Unrecognized => "no_word",
                Counts::Yes if superseded => "superseded",
                Counts::Yes => "yes",
            },
        }
    }

    fn listed(&self, contact: &Contact, hearing: &Hearing<'_>, at: usize) -> Vec<Heard> {
        let listed = |listed: &crate::proof::Listed| Heard {
            place: self.places.place(self.plan.consent.suppress[listed.list].source, listed.row),
            contact: named(self.plan, contact),
            says: "suppressed",
            purpose: None,
            at: None,
            ends: None,
            counts: "yes",
        };
        hearing.listed[at].iter().map(listed).collect()
    }

    /// What sources say of a value that no record has.
    pub fn nobody(&self, field: FieldId, value: &str) -> Outcome<Vec<Heard>> {
        let region = self.plan.fields[field.0].key.fixed_region();
        let contact = Contact::Value(field, value.to_owned(), region);
        let (sources, one) = (self.places.sources(), std::slice::from_ref(&contact));
        let hearing = hear(self.plan, self.setting, sources, one)?;
        let of_purpose = |said: &Said| hearing.counting(0, said.purpose);
        let said = hearing.said[0].iter();
        let mut all: Vec<Heard> = said
            .map(|said| self.said(&contact, said, hearing.is_superseded(said, &of_purpose(said))))
            .collect();
        all.extend(self.listed(&contact, &hearing, 0));
        Ok(all)
    }
}

const fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Profile(_) => "profile",
        Fate::NoId => "no_id",
        Fate::TooLarge => "cluster_too_large",
        Fate::Dropped => "dropped",
    }
}

const fn truth(value: Option<bool>) -> &'static str {
    match value {
        Some(true) => "true",
        Some(false) => "false",
        None => "unknown",
    }
}
