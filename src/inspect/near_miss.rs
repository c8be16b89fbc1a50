//! What would have to be otherwise for a customer to be in a segment.
//!
//! Each answer is complete: if all of it were so, and nothing else changed, the customer would be in.
//! So denials are lifted here, and what is then left is folded again.

use super::chain::{Chain, Counted};
use super::plainly::plainly;
use super::why::{ContactName, NearMiss};
use crate::engine::Verdict;
use crate::engine::trace::{Condition, TracedSegment};
use crate::plan::{Gate, Model, PurposeId, Segment, SegmentId};
use crate::proof::{Said, Stand};
use crate::report::number;

/// All that would have to be otherwise, each a half sentence that goes on from `would be in if`.
pub fn near_miss(chain: &Chain<'_>, segment: &Segment, traced: &TracedSegment) -> Vec<NearMiss> {
    let mut all = Vec::new();
    if traced.suppressed {
        all.extend(suppressed(chain, segment, traced.suppressed_through_others));
    }
    if let Gate::Purposes(purposes) = &segment.gate {
        for purpose in purposes {
            let model = chain.plan.consent.purposes[purpose.0].model;
            if !chain.trace.states[purpose.0].state.passes(model) {
                all.extend(consent(chain, *purpose));
            }
        }
    }
    for condition in &traced.conditions {
        let (text, values) = (&condition.text, values(chain, condition));
        let text = match condition.value {
            // What is asked for above makes it true.
            _ if condition.holds_behind_gate => continue,
            Some(true) => format!("`{text}` stayed true"),
            Some(false) => format!("`{text}` were true{values}"),
            None => format!("`{text}` were true, not unknown{values}"),
        };
        all.push(miss("rule", text));
    }
    all.extend(set_operations(chain, segment, traced));
    all.extend(draw(chain, segment, traced));
    all
}

/// What the draw would have to come to. Others may come in with the customer, so a limit is told of
/// whoever is out, with his place among those who are there now.
fn draw(chain: &Chain<'_>, segment: &Segment, traced: &TracedSegment) -> Vec<NearMiss> {
    let mut all = Vec::new();
    if let Some(control) = &segment.control {
        let group = format!("the control group ({}, seed `{}`)", control.share, control.seed);
        if traced.drawn.control {
            all.push(miss("control", format!("the customer were not drawn into {group}")));
        } else if traced.drawn.control_through_others {
            let text =
                format!("no customer who shows the same contact point were drawn into {group}");
            all.push(miss("control", text));
        }
    }
    if let (Some(limit), Some((place, of))) = (&segment.limit, traced.drawn.place) {
        let stands = if traced.verdict == Verdict::OverLimit { "is" } else { "would be" };
        let text = format!(
            "the customer were among the first {}, {} ({stands} number {} of {})",
            number(limit.count),
            chain.plan.order_of(limit),
            number(place),
            number(of),
        );
        all.push(miss("limit", text));
    }
    all
}

fn miss(needs: &'static str, text: String) -> NearMiss {
    NearMiss { needs, text, place: None, contacts: Vec::new() }
}

/// Whom a suppression would have to leave out.
fn suppressed(chain: &Chain<'_>, segment: &Segment, through_others: bool) -> Vec<NearMiss> {
    let mut all: Vec<NearMiss> = Vec::new();
    for listed in chain.hearing.listed.iter().flatten() {
        let list = &chain.plan.consent.suppress[listed.list];
        let binds = list
            .channels
            .as_ref()
            .is_none_or(|bound| bound.iter().any(|field| segment.channels.contains(field)));
        let place = chain.places.place(list.source, listed.row);
        if binds && !all.iter().any(|known| known.place.as_ref() == Some(&place)) {
            let text = format!("{place} were not on the list");
            all.push(NearMiss { place: Some(place), ..miss("not_suppressed", text) });
        }
    }
    if through_others {
        all.push(miss(
            "not_suppressed",
            "no other customer who shows the same contact point were on a list".to_owned(),
        ));
    }
    all
}

/// A denial that stands, with the contact points and records that it reaches.
struct Standing {
    said: Said,
    /// True if a grant that follows lifts it; else it must not be there.
    is_followed: bool,
    contacts: Vec<usize>,
}

/// What is missing at the gate of one purpose.
fn consent(chain: &Chain<'_>, purpose: PurposeId) -> Vec<NearMiss> {
    let declared = &chain.plan.consent.purposes[purpose.0];
    let via = &chain.plan.fields[declared.via.0].name;
    let name = &declared.name;
    let (mut standing, mut best) = (Vec::new(), Stand::Unknown);
    for at in 0..chain.contacts.len() {
        let counted = chain.counted(at, purpose);
        if counted == Counted::No {
            continue;
        }
        let left = lift(chain, at, purpose, &mut standing);
        if counted == Counted::All {
            best = best.max(left);
        }
    }
    let mut all: Vec<NearMiss> =
        standing.iter().map(|standing| lifted(chain, name, standing)).collect();
    if chain.trace.states[purpose.0].denied_through_others {
        let text = format!("no other customer who shows the same {via} had denied {name}");
        all.push(miss("not_denied", text));
    }
    let shown = chain.shown(declared.via);
    if shown.is_none() {
        all.push(miss("contact_point", format!("some record had a usable {via}")));
    }
    match (best, declared.model, declared.expires_after) {
        (Stand::Granted, ..) | (Stand::Unknown, Model::OptOut, _) => {}
        (best, _, period) => {
            let whom = match shown {
                Some(value) => format!("{via} {}", plainly(value)),
                None => "it".to_owned(),
            };
            let text = match period {
                Some(period) if best == Stand::Expired => {
                    format!("{name} were granted anew for {whom} (a grant ends after {period})")
                }
                _ => format!("{name} were granted for {whom}"),
            };
            let contacts = shown.map(|value| ContactName {
                kind: "field",
                of: via.clone(),
                value: value.to_owned(),
            });
            let contacts = contacts.into_iter().collect();
            all.push(NearMiss { contacts, ..miss("grant", text) });
        }
    }
    all
}

/// Lifts all denials that stand on a contact, and gives what is left. Where dates stand a later grant
/// lifts a denial, unless the denial is as late as the date judged by.
fn lift(
    chain: &Chain<'_>,
    contact: usize,
    purpose: PurposeId,
    standing: &mut Vec<Standing>,
) -> Stand {
    let hearing = chain.hearing;
    let mut decisions = hearing.counting(contact, purpose);
    loop {
        let stands =
            |said: &Said| !said.decision.granted && !hearing.is_superseded(said, &decisions);
        let (denials, mut rest): (Vec<Said>, Vec<Said>) =
            decisions.iter().copied().partition(stands);
        if denials.is_empty() {
            return hearing.fold(&decisions, purpose);
        }
        for said in denials {
            let as_of = chain.as_of.0;
            let is_followed = said.decision.at.is_some_and(|at| at < as_of);
            let known = standing.iter_mut().find(|known: &&mut Standing| {
                (known.said.table, known.said.row) == (said.table, said.row)
                    && known.is_followed == is_followed
            });
            match known {
                Some(known) => known.contacts.push(contact),
                None => standing.push(Standing { said, is_followed, contacts: vec![contact] }),
            }
            if is_followed {
                let mut grant = said;
                grant.decision.granted = true;
                grant.decision.at = Some(as_of);
                rest.extend([said, grant]);
            }
        }
        decisions = rest;
    }
}

fn lifted(chain: &Chain<'_>, purpose: &str, standing: &Standing) -> NearMiss {
    let table = &chain.plan.consent.tables[standing.said.table];
    let place = chain.places.place(table.source, standing.said.row);
    let contacts: Vec<ContactName> = standing.contacts.iter().map(|at| chain.named(*at)).collect();
    let (needs, text) = if standing.is_followed {
        let whom: Vec<String> = contacts.iter().map(ToString::to_string).collect();
        let whom = whom.join(" and ");
        ("later_grant", format!("{place} were followed by a grant of {purpose} for {whom}"))
    } else {
        ("not_denied", format!("{place} did not deny {purpose}"))
    };
    NearMiss { place: Some(place), contacts, ..miss(needs, text) }
}

/// The values of the fields that a condition names.
fn values(chain: &Chain<'_>, condition: &Condition) -> String {
    let value = |field: &crate::plan::FieldId| {
        let value = chain.shown(*field).map_or_else(|| "empty".into(), plainly);
        format!("{} is {value}", chain.plan.fields[field.0].name)
    };
    let mut named: Vec<String> = condition.fields.iter().map(value).collect();
    named.extend(condition.purposes.iter().map(|purpose| {
        let state = chain.trace.states[purpose.0].state.name();
        format!("{} is {state}", chain.plan.consent.purposes[purpose.0].name)
    }));
    named.extend(condition.aggregates.iter().map(|(aggregate, value)| {
        let value = value.as_deref().map_or_else(|| "empty".into(), plainly);
        format!("{aggregate} is {value}")
    }));
    if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) }
}

fn set_operations(chain: &Chain<'_>, segment: &Segment, traced: &TracedSegment) -> Vec<NearMiss> {
    let name = |id: &SegmentId| format!("`{}`", chain.plan.segments[id.0].name);
    let names = |ids: &[SegmentId]| ids.iter().map(name).collect::<Vec<_>>().join(" or ");
    let is_in = |id: &SegmentId| traced.member_of.contains(id);
    let moves = |id: &SegmentId| may_move(chain, segment, traced, *id);
    let mut all = Vec::new();
    let mut say = |what: &str, which: String| {
        all.push(miss("segment", format!("the customer {what} {which}")));
    };
    let of_union: Vec<SegmentId> = segment.union.iter().copied().filter(is_in).collect();
    if of_union.is_empty() && !segment.union.is_empty() {
        say("were in", names(&segment.union));
    } else if !of_union.is_empty() && of_union.iter().all(moves) {
        say("stayed in", names(&of_union));
    }
    for id in &segment.intersect {
        if !is_in(id) {
            say("were in", name(id));
        } else if moves(id) {
            say("stayed in", name(id));
        }
    }
    for id in &segment.except {
        if is_in(id) {
            say("were not in", name(id));
        } else if moves(id) {
            say("stayed out of", name(id));
        }
    }
    all
}

/// True if what lets a customer through the gate of a segment may bring him into another one, or out of
/// it. It does not, where something keeps him out that has nothing to do with that gate.
fn may_move(
    chain: &Chain<'_>,
    segment: &Segment,
    traced: &TracedSegment,
    other: SegmentId,
) -> bool {
    let passes = |purpose: &PurposeId| {
        let model = chain.plan.consent.purposes[purpose.0].model;
        chain.trace.states[purpose.0].state.passes(model)
    };
    let is_lifted =
        |purpose: &PurposeId| !passes(purpose) && segment.gate.purposes().contains(purpose);
    // Who is on no list any more may pass any gate.
    let turns = |of: &Condition| {
        if traced.suppressed { !of.purposes.is_empty() } else { of.purposes.iter().any(is_lifted) }
    };
    let (of_other, there) = (&chain.plan.segments[other.0], &chain.trace.segments[other.0]);
    let parts = of_other.union.iter().chain(&of_other.intersect).chain(&of_other.except);
    let mut parts = parts.map(|part| may_move(chain, segment, traced, *part));
    // With others who come in, any draw comes out in another way.
    if of_other.draws() {
        return true;
    }
    if there.verdict == Verdict::InSegment {
        return there.conditions.iter().any(turns) || parts.any(|moves| moves);
    }
    let by_rule = there.conditions.iter().any(|of| of.value != Some(true) && !turns(of));
    let by_gate = of_other.gate.purposes().iter().any(|of| !passes(of) && !is_lifted(of));
    let by_list = there.suppressed && !traced.suppressed;
    let is_in = |id: &SegmentId| there.member_of.contains(id);
    let by_parts = (!of_other.union.is_empty() && !of_other.union.iter().any(is_in))
        || !of_other.intersect.iter().all(is_in)
        || of_other.except.iter().any(is_in);
    !by_rule && !by_gate && !by_list && (!by_parts || parts.any(|moves| moves))
}
