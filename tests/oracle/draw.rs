//! The control group and the limit of a segment (section 10).

use std::cmp::Ordering;

use optin::plan::{Control, Limit, Segment, Share};
use sha2::{Digest as _, Sha256};

use super::identity::{People, Profile};
use super::segments::IN_SEGMENT;
use super::value::{Value, null_last};

/// Takes those out of a segment whom its draw does not let in.
pub fn draw(people: &People, segment: &Segment, verdicts: &mut [&'static str]) {
    if let Some(control) = &segment.control {
        keep_out(people, segment, control, verdicts);
    }
    if let Some(limit) = &segment.limit {
        cut_off(people, limit, verdicts);
    }
}

/// Hex digits sort as the numbers that they write.
fn ticket(what: &str, seed: &str, customer: &str) -> String {
    let text = format!("{what}\u{1f}{seed}\u{1f}{customer}");
    let digits = Sha256::digest(text).into_iter().take(8).map(|byte| format!("{byte:02x}"));
    digits.collect::<Vec<String>>().concat()
}

/// Below it are the tickets of a share: as many of a million as it has millionths.
fn end(share: Share) -> String {
    let text = share.to_string();
    let number = text.strip_suffix('%').expect("a percentage");
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let millionths: u128 = format!("{whole}{fraction:0<4}").parse().expect("digits");
    format!("{:016x}", millionths * 18_446_744_073_709_551_616 / 1_000_000)
}

fn keep_out(people: &People, segment: &Segment, control: &Control, verdicts: &mut [&'static str]) {
    let end = end(control.share);
    for (verdict, profile) in verdicts.iter_mut().zip(&people.profiles) {
        let drawn = ticket("control", &control.seed, &profile.customer_id) < end;
        if *verdict == IN_SEGMENT && drawn {
            *verdict = "control_group";
        }
    }
    // Whoever shares a contact point with one of the group is of it, and so on.
    loop {
        let shares = |one: &Profile, other: &Profile| {
            segment.channels.iter().any(|channel| {
                let shown = people.shown_key(&one.cluster, *channel);
                shown.is_some() && shown == people.shown_key(&other.cluster, *channel)
            })
        };
        let joins = |at: &usize| {
            let mut group = people.profiles.iter().zip(verdicts.iter());
            verdicts[*at] == IN_SEGMENT
                && group.any(|(other, verdict)| {
                    *verdict == "control_group" && shares(&people.profiles[*at], other)
                })
        };
        let Some(next) = (0..verdicts.len()).find(joins) else { return };
        verdicts[next] = "control_group";
    }
}

fn cut_off(people: &People, limit: &Limit, verdicts: &mut [&'static str]) {
    let value = |at: usize| -> Option<Value> {
        let field = limit.top_by?.field;
        people.shown_values(&people.profiles[at])[field.0].clone()
    };
    let before = |one: usize, other: usize| -> Ordering {
        let ascending = limit.top_by.is_some_and(|top_by| top_by.ascending);
        let wanted = |order: Ordering| if ascending { order } else { order.reverse() };
        let of = |at: usize| ticket("sample", &limit.seed, &people.profiles[at].customer_id);
        null_last(value(one).as_ref(), value(other).as_ref(), wanted)
            .then_with(|| of(one).cmp(&of(other)))
    };
    let mut line: Vec<usize> =
        (0..verdicts.len()).filter(|at| verdicts[*at] == IN_SEGMENT).collect();
    line.sort_by(|one, other| before(*one, *other));
    for at in line.into_iter().skip(usize::try_from(limit.count).unwrap_or(usize::MAX)) {
        verdicts[at] = "over_limit";
    }
}
