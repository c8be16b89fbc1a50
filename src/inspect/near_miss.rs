//! What would have to be otherwise for a customer to be in a segment.

use std::fmt::Write as _;

use super::why::Place;
use crate::engine::State;
use crate::engine::trace::{Condition, Trace, TracedSegment};
use crate::plan::{FieldId, Gate, Plan, PurposeId, Segment, SegmentId, SourceId};
use crate::proof::{Contact, Hearing, Stand};

/// A customer's chain, as far as it is known.
pub struct Chain<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The customer.
    pub trace: &'a Trace,
    /// What decisions may speak of, and whether grants count there.
    pub contacts: &'a [(bool, Contact)],
    /// What they say.
    pub hearing: &'a Hearing<'a>,
}

/// All that would have to be otherwise, each a half sentence that goes on from `would be in if`. `place`
/// tells where a row of a source is.
pub fn near_miss(
    chain: &Chain<'_>,
    segment: &Segment,
    traced: &TracedSegment,
    place: impl Fn(SourceId, usize) -> Place,
) -> Vec<String> {
    let mut all = Vec::new();
    if traced.suppressed {
        all.extend(suppressed(chain, segment, &place));
    }
    if let Gate::Purposes(purposes) = &segment.gate {
        for purpose in purposes {
            let model = chain.plan.consent.purposes[purpose.0].model;
            if !chain.trace.states[purpose.0].passes(model) {
                all.push(consent(chain, *purpose, &place));
            }
        }
    }
    for condition in &traced.conditions {
        let (text, values) = (&condition.text, values(chain, condition));
        match condition.value {
            Some(true) => {}
            Some(false) => all.push(format!("`{text}` were true{values}")),
            None => all.push(format!("`{text}` were true and not unknown{values}")),
        }
    }
    all.extend(set_operations(chain, segment, &traced.member_of));
    all
}

fn suppressed(
    chain: &Chain<'_>,
    segment: &Segment,
    place: &impl Fn(SourceId, usize) -> Place,
) -> Vec<String> {
    let mut all = Vec::new();
    for listed in &chain.hearing.listed {
        for row in listed {
            let list = &chain.plan.consent.suppress[row.list];
            let binds = list
                .channels
                .as_ref()
                .is_none_or(|bound| bound.iter().any(|field| segment.channels.contains(field)));
            if binds {
                all.push(format!("{} did not suppress", place(list.source, row.row)));
            }
        }
    }
    if all.is_empty() {
        all.push(
            "no other customer who shows the same contact point were on a suppression list".into(),
        );
    }
    all
}

/// What is missing at the gate of one purpose.
fn consent(
    chain: &Chain<'_>,
    purpose: PurposeId,
    place: &impl Fn(SourceId, usize) -> Place,
) -> String {
    let declared = &chain.plan.consent.purposes[purpose.0];
    let via = &chain.plan.fields[declared.via.0].name;
    let name = &declared.name;
    match chain.trace.states[purpose.0] {
        State::Granted => String::new(),
        State::NoContactPoint => format!("some record had a usable {via}"),
        State::Unknown => format!("{name} were granted for the {via} that the profile shows"),
        State::Expired => match declared.expires_after {
            Some(period) => format!("{name} were granted anew: a grant ends after {period}"),
            None => format!("{name} were granted anew"),
        },
        State::Denied => denied(chain, purpose, place),
    }
}

/// What would lift the denials of a purpose.
fn denied(
    chain: &Chain<'_>,
    purpose: PurposeId,
    place: &impl Fn(SourceId, usize) -> Place,
) -> String {
    let declared = &chain.plan.consent.purposes[purpose.0];
    let via = &chain.plan.fields[declared.via.0].name;
    let own = |at: usize| match &chain.contacts[at] {
        (shown, Contact::Value(field, ..)) => *shown && *field == declared.via,
        (shown, Contact::Record(..)) => *shown,
    };
    let (mut places, mut granted) = (Vec::new(), false);
    for at in 0..chain.contacts.len() {
        match chain.hearing.stand(at, purpose) {
            Stand::Granted => granted |= own(at),
            Stand::Denied => {
                for said in chain.hearing.denials(at, purpose) {
                    let source = chain.plan.consent.tables[said.table].source;
                    // Where dates stand a later grant lifts a denial, and is a grant itself.
                    let dated = said.decision.at.is_some();
                    granted |= dated && own(at);
                    let lifted = if dated { "were followed by a grant" } else { "did not deny" };
                    let line = format!("{} {lifted}", place(source, said.row));
                    if !places.contains(&line) {
                        places.push(line);
                    }
                }
            }
            Stand::Unknown | Stand::Expired => {}
        }
    }
    if places.is_empty() {
        return format!("no other customer who shows the same {via} had denied {}", declared.name);
    }
    let mut all = places.join(" and ");
    if !granted {
        let _ =
            write!(all, " and {} were granted for the {via} that the profile shows", declared.name);
    }
    all
}

/// The values of the fields that a condition names.
fn values(chain: &Chain<'_>, condition: &Condition) -> String {
    let value = |field: &FieldId| {
        let winner = chain.trace.winners[field.0];
        let value =
            winner.and_then(|winner| chain.trace.records[winner].values[field.0].as_deref());
        format!("{} is {}", chain.plan.fields[field.0].name, value.unwrap_or("empty"))
    };
    let mut named: Vec<String> = condition.fields.iter().map(value).collect();
    named.extend(condition.purposes.iter().map(|purpose| {
        let state = chain.trace.states[purpose.0].name();
        format!("{} is {state}", chain.plan.consent.purposes[purpose.0].name)
    }));
    if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) }
}

fn set_operations(chain: &Chain<'_>, segment: &Segment, member_of: &[SegmentId]) -> Vec<String> {
    let name = |id: &SegmentId| format!("`{}`", chain.plan.segments[id.0].name);
    let is_in = |id: &&SegmentId| member_of.contains(id);
    let mut all = Vec::new();
    if !segment.union.is_empty() && !segment.union.iter().any(|id| member_of.contains(id)) {
        let names: Vec<String> = segment.union.iter().map(name).collect();
        all.push(format!("the customer were in {}", names.join(" or ")));
    }
    let missing = segment.intersect.iter().filter(|id| !is_in(id));
    all.extend(missing.map(|id| format!("the customer were in {}", name(id))));
    let present = segment.except.iter().filter(is_in);
    all.extend(present.map(|id| format!("the customer were not in {}", name(id))));
    all
}
