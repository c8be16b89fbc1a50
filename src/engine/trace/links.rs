//! What links the records of one customer.

use std::collections::HashSet;

use super::Link;
use super::few::Few;
use crate::engine::digest::Digest;
use crate::engine::identity::{Clusters, RuleView};
use crate::engine::keys::Keys;
use crate::engine::records::Record;
use crate::plan::Plan;

/// Of a larger cluster links are not looked for, as this compares pair by pair.
const MOST_LINKED: usize = 100;

/// Looks for what links the members of one customer, and his shadows, which are behind them.
pub struct Linking<'a> {
    rules: Vec<RuleView<'a>>,
    /// The ids that pairs name, in both orders.
    always: HashSet<(Digest, Digest)>,
    few: &'a Few,
    all: &'a Clusters,
}

impl<'a> Linking<'a> {
    /// Of a few records; `all` are the clusters that they are from.
    pub fn new(plan: &'a Plan, all: &'a Clusters, few: &'a Few, keys: &'a Keys) -> Self {
        let rules = plan.identity.rules.iter().zip(&all.blocked).map(|(rule, blocked)| {
            let mut view = RuleView::new(plan, &few.records, keys, rule);
            view.blocked.clone_from(blocked);
            view
        });
        let id = |record: Record| all.id_digests.of(record);
        let pairs = all.always.iter().map(|(one, other)| (id(*one), id(*other)));
        let always = pairs.flat_map(|(one, other)| [(one, other), (other, one)]).collect();
        Self { rules: rules.collect(), always, few, all }
    }

    /// The strongest that links two records directly, as the identity table ranks it: a pair, a rule,
    /// the same id.
    fn strongest(&self, one: Record, other: Record, with: usize) -> Option<(usize, Link)> {
        let id = |record: Record| self.all.id_digests.of(self.few.all[record as usize]);
        if self.always.contains(&(id(one), id(other))) {
            return Some((0, Link::Pair { with }));
        }
        match self.rules.iter().position(|rule| rule.agrees(one, other)) {
            Some(rule) => Some((rule + 1, Link::Rule { rule, with })),
            None if id(one) == id(other) && id(one) != 0 => {
                Some((usize::MAX, Link::SameId { with }))
            }
            None => None,
        }
    }

    /// What links each member to one before it in the chain that holds all together by the strongest
    /// links there are. It begins at the first member, and is told by the places of members.
    pub fn of_members(&self, members: &[Record]) -> Vec<Link> {
        let mut links: Vec<Option<Link>> = vec![None; members.len()];
        if let Some(first) = links.first_mut() {
            *first = Some(Link::First);
        }
        if members.len() > MOST_LINKED {
            return links.into_iter().map(|link| link.unwrap_or(Link::Unsaid)).collect();
        }
        // For each member that is not linked yet the strongest link to one that is.
        let mut best: Vec<Option<(usize, Link)>> = vec![None; members.len()];
        let mut last = 0;
        for _ in 1..members.len() {
            for at in (0..members.len()).filter(|at| links[*at].is_none()) {
                let link = self.strongest(members[at], members[last], last);
                if let Some((strength, _)) = link
                    && best[at].is_none_or(|(known, _)| strength < known)
                {
                    best[at] = link;
                }
            }
            let open = (0..members.len()).filter(|at| links[*at].is_none());
            let next = open.filter_map(|at| Some((best[at]?, at)));
            match next.min_by_key(|((strength, _), at)| (*strength, *at)) {
                Some(((_, link), at)) => {
                    links[at] = Some(link);
                    last = at;
                }
                None => break,
            }
        }
        links.into_iter().map(|link| link.unwrap_or(Link::Through)).collect()
    }

    /// By which rule a shadow agrees with a member.
    pub fn of_shadow(&self, members: &[Record], shadow: Record) -> Link {
        let agrees = |(with, member): (usize, &Record)| {
            let rule = self.rules.iter().position(|rule| rule.agrees(shadow, *member))?;
            Some((rule, with))
        };
        Link::Shadow { by: members.iter().enumerate().filter_map(agrees).min() }
    }
}
