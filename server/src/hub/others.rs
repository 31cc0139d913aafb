//! The members of a room on other nodes, as those nodes say. What a node says is complete or changes what it said before; when
//! it does not fit that, something was not heard, and the node is to be asked again. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use indexmap::IndexMap;
use rialto_proto::{
    node::Members,
    v1::{Member, Sender},
};
use tokio_util::sync::CancellationToken;

use super::counting::Counting;
use crate::base::ids::{NodeId, UserName};

/// The members of a room on other nodes.
#[derive(Debug)]
pub(super) struct Others {
    nodes: BTreeMap<NodeId, There>,
    /// Sessions of each user that is named, and of nobody in particular.
    users: HashMap<String, u32>,
    nameless: u32,
    /// Who was asked and has not answered.
    asked: HashSet<NodeId>,
    /// Cancelled when everybody has answered for the first time.
    known: CancellationToken,
    /// How this node tells the others of its own members.
    pub(super) telling: Counting,
}

/// The members on one node.
#[derive(Debug)]
struct There {
    /// By session; `None` when they are counted, or not known.
    named: Option<IndexMap<String, Member>>,
    members: u32,
    users: u32,
}

/// What has changed by something that was said.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Heard {
    /// Who came, or is described anew.
    pub(super) joined: Vec<Member>,
    /// Who went.
    pub(super) left: Vec<Sender>,
    /// There are more or fewer now, or they cannot be named any more, or can again.
    pub(super) counts: bool,
    /// Something was not heard before, and the node is not being asked yet: it is to be.
    pub(super) ask: bool,
}

impl Default for There {
    fn default() -> Self {
        Self { named: Some(IndexMap::new()), members: 0, users: 0 }
    }
}

impl Others {
    /// Nobody yet: these nodes are being asked.
    pub(super) fn new(asked: impl IntoIterator<Item = NodeId>) -> Self {
        let others = Self {
            nodes: BTreeMap::new(),
            users: HashMap::new(),
            nameless: 0,
            asked: asked.into_iter().collect(),
            known: CancellationToken::new(),
            telling: Counting::default(),
        };
        others.note_known();
        others
    }

    /// Cancelled when everybody has answered for the first time.
    pub(super) fn known(&self) -> &CancellationToken {
        &self.known
    }

    fn note_known(&self) {
        if self.asked.is_empty() {
            self.known.cancel();
        }
    }

    /// A node is being asked.
    pub(super) fn ask(&mut self, node: NodeId) {
        self.asked.insert(node);
    }

    /// A node has answered.
    pub(super) fn answered(&mut self, node: NodeId) {
        self.asked.remove(&node);
        self.note_known();
    }

    /// A node says who its members are.
    pub(super) fn hear(&mut self, node: NodeId, mut said: Members) -> Heard {
        let (mut heard, before) = (Heard::default(), self.totals());
        self.move_on(node, &mut said);
        let There { named, .. } = self.nodes.remove(&node).unwrap_or_default();
        let was_named = named.is_some();
        // Who nobody is, is known.
        let nobody = said.member_count == 0;
        let counted = said.counted && !nobody;
        let named = match (named, said.whole || nobody) {
            (named, true) if !counted => {
                let all = if nobody { Vec::new() } else { said.joined };
                Some(self.replace(named.unwrap_or_default(), all, &mut heard))
            }
            (Some(named), false) if !counted => Some(self.change(named, &mut said, &mut heard)),
            (named, _) => named,
        };
        // Those who are not all are as good as unknown.
        let all = |named: &IndexMap<_, _>| !counted && named.len() == said.member_count as usize;
        let named = named.filter(|named| {
            let all = all(named);
            if !all {
                named.values().for_each(|member| self.forget_user(member));
            }
            all
        });
        if named.is_none() {
            (heard.joined, heard.left) = (Vec::new(), Vec::new());
        }
        let is_named = named.is_some();
        if said.whole {
            self.answered(node);
        }
        heard.ask = named.is_none() && !counted && self.asked.insert(node);
        if said.member_count > 0 || named.is_none() {
            self.nodes.insert(node, There { named, members: said.member_count, users: said.user_count });
        }
        heard.counts = before != self.totals() || was_named != is_named;
        heard
    }

    /// Those who are there are these, whoever was before.
    fn replace(
        &mut self,
        mut before: IndexMap<String, Member>,
        all: Vec<Member>,
        heard: &mut Heard,
    ) -> IndexMap<String, Member> {
        let mut named = IndexMap::with_capacity(all.len());
        for member in all {
            let known = before.swap_remove(session_of(&member));
            known.iter().for_each(|known| self.forget_user(known));
            let known = known.or_else(|| self.take(session_of(&member)));
            self.note_user(&member);
            if known.as_ref() != Some(&member) {
                heard.joined.push(member.clone());
            }
            named.insert(session_of(&member).to_owned(), member);
        }
        for member in before.into_values() {
            self.forget_user(&member);
            heard.left.extend(member.who);
        }
        named
    }

    fn change(
        &mut self,
        mut named: IndexMap<String, Member>,
        said: &mut Members,
        heard: &mut Heard,
    ) -> IndexMap<String, Member> {
        for member in std::mem::take(&mut said.joined) {
            let known = named.swap_remove(session_of(&member));
            known.iter().for_each(|known| self.forget_user(known));
            let known = known.or_else(|| self.take(session_of(&member)));
            self.note_user(&member);
            named.insert(session_of(&member).to_owned(), member.clone());
            if known.as_ref() != Some(&member) {
                heard.joined.push(member);
            }
        }
        for who in &said.left {
            if let Some(member) = named.swap_remove(&who.session) {
                self.forget_user(&member);
                heard.left.extend(member.who);
            }
        }
        named
    }

    /// Those who went from a node to another one are with that, if it has not said so itself.
    fn move_on(&mut self, node: NodeId, said: &mut Members) {
        let Ok(to) = said.moved_to.parse() else { return };
        for who in std::mem::take(&mut said.left) {
            if let Some(member) = self.take_from(node, &who.session) {
                self.place(to, member);
            }
        }
    }

    /// Takes out a session wherever it is named: it is with one node alone.
    pub(super) fn take(&mut self, session: &str) -> Option<Member> {
        let names = |there: &There| there.named.as_ref().is_some_and(|named| named.contains_key(session));
        let node = self.nodes.iter().find(|(_, there)| names(there)).map(|(node, _)| *node)?;
        self.take_from(node, session)
    }

    /// The same where a node names it.
    pub(super) fn take_from(&mut self, node: NodeId, session: &str) -> Option<Member> {
        let there = self.nodes.get_mut(&node)?;
        let member = there.named.as_mut()?.swap_remove(session)?;
        there.members = there.members.saturating_sub(1);
        if there.members == 0 {
            self.nodes.remove(&node);
        }
        self.forget_user(&member);
        Some(member)
    }

    /// Notes that a member is with a node from now on, which will say that itself.
    pub(super) fn place(&mut self, node: NodeId, member: Member) {
        let there = self.nodes.entry(node).or_default();
        let Some(named) = &mut there.named else {
            there.members += 1;
            return;
        };
        if named.insert(session_of(&member).to_owned(), member.clone()).is_none() {
            there.members += 1;
            self.note_user(&member);
        }
    }

    /// How many members there are, and how many users that seem to be.
    fn totals(&self) -> (u32, u32) {
        (self.count(), self.users_with(&HashMap::new()))
    }

    /// A node is gone, and its members with it.
    pub(super) fn lose(&mut self, node: NodeId) -> Heard {
        self.answered(node);
        let Some(There { named, members, .. }) = self.nodes.remove(&node) else { return Heard::default() };
        let named: Vec<Member> = named.unwrap_or_default().into_values().collect();
        named.iter().for_each(|member| self.forget_user(member));
        let left = named.into_iter().filter_map(|member| member.who).collect();
        Heard { left, counts: members > 0, ..Heard::default() }
    }

    fn note_user(&mut self, member: &Member) {
        match user_of(member) {
            "" => self.nameless += 1,
            user => *self.users.entry(user.to_owned()).or_default() += 1,
        }
    }

    fn forget_user(&mut self, member: &Member) {
        let user = user_of(member);
        if user.is_empty() {
            self.nameless = self.nameless.saturating_sub(1);
        } else if let Some(sessions) = self.users.get_mut(user) {
            *sessions -= 1;
            if *sessions == 0 {
                self.users.remove(user);
            }
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        self.nodes.values().map(|there| there.members).sum()
    }

    /// How many users they and those here are. A user who is named counts once, wherever; one who is counted counts once on
    /// each node.
    pub(super) fn users_with(&self, here: &HashMap<UserName, u32>) -> u32 {
        let both = if here.len() < self.users.len() {
            here.keys().filter(|user| self.users.contains_key(user.as_str())).count()
        } else {
            self.users.keys().filter(|user| here.contains_key(user.as_str())).count()
        };
        let named = u32::try_from(here.len() + self.users.len() - both).unwrap_or(u32::MAX);
        let counted = self.nodes.values().filter(|there| there.named.is_none()).map(|there| there.users);
        named + self.nameless + counted.sum::<u32>()
    }

    /// Whether a user is among those who are named.
    pub(super) fn names(&self, user: &str) -> bool {
        self.users.contains_key(user)
    }

    /// Whether all of them can be named.
    pub(super) fn are_named(&self) -> bool {
        self.nodes.values().all(|there| there.named.is_some())
    }

    /// Those who can be named.
    pub(super) fn named(&self) -> impl Iterator<Item = &Member> {
        self.nodes.values().flat_map(|there| &there.named).flat_map(|named| named.values())
    }
}

fn session_of(member: &Member) -> &str {
    member.who.as_ref().map_or("", |who| who.session.as_str())
}

fn user_of(member: &Member) -> &str {
    member.who.as_ref().map_or("", |who| who.user.as_str())
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn member(session: &str, user: &str) -> Member {
        let who = Some(Sender { session: session.to_owned(), user: user.to_owned() });
        Member { who, ..Member::default() }
    }

    fn said(member_count: u32, joined: &[Member]) -> Members {
        Members { joined: joined.to_vec(), member_count, user_count: member_count, ..Members::default() }
    }

    #[test]
    fn a_node_is_asked_once_when_what_it_says_does_not_fit_what_it_said() {
        let (mut others, node) = (Others::new([]), NodeId::random());
        let (ann, bob) = (member("1", "ann"), member("2", "bob"));
        assert_eq!(others.hear(node, said(1, from_ref(&ann))).joined, from_ref(&ann));
        let heard = others.hear(node, said(3, from_ref(&bob)));
        assert_eq!((heard.ask, heard.joined.len(), others.are_named()), (true, 0, false));
        assert!(!others.hear(node, said(4, &[])).ask, "it is being asked");
        let all = [ann.clone(), bob, member("3", ""), member("4", "ann")];
        let heard = others.hear(node, Members { whole: true, ..said(4, &all) });
        assert_eq!((heard.ask, others.are_named(), others.count()), (false, true, 4));
        let heard = others.hear(node, Members { left: ann.who.into_iter().collect(), ..said(2, &[]) });
        assert!(heard.ask, "another one has left as well");
    }

    #[test]
    fn users_count_once_wherever_they_are_named_and_on_each_node_where_they_are_counted() {
        let (mut others, nodes) = (Others::new([]), [(); 2].map(|()| NodeId::random()));
        let here = HashMap::from([("ann".parse().unwrap(), 1), ("eve".parse().unwrap(), 2)]);
        let whole = |members: &[Member]| Members { whole: true, ..said(3, members) };
        others.hear(nodes[0], whole(&[member("1", "ann"), member("2", "bob"), member("3", "")]));
        assert_eq!((others.users_with(&here), others.users_with(&HashMap::new())), (4, 3));
        others.hear(nodes[1], Members { counted: true, ..whole(&[]) });
        assert_eq!(others.users_with(&here), 7);
        others.lose(nodes[0]);
        assert_eq!((others.users_with(&here), others.count()), (5, 3));
    }

    #[test]
    fn everybody_has_answered_when_the_last_node_has_answered_or_is_gone() {
        let nodes = [(); 3].map(|()| NodeId::random());
        let mut others = Others::new(nodes);
        others.hear(nodes[0], Members { whole: true, ..said(0, &[]) });
        others.hear(nodes[1], said(1, &[member("1", "ann")]));
        others.lose(nodes[2]);
        assert!(!others.known().is_cancelled());
        others.answered(nodes[1]);
        assert!(others.known().is_cancelled());
    }

    #[test]
    fn a_session_that_moves_is_with_one_node_and_nobody_is_told() {
        let (mut others, nodes) = (Others::new([]), [(); 2].map(|()| NodeId::random()));
        let (ann, bob) = (member("1", "ann"), member("2", "bob"));
        others.hear(nodes[0], said(1, from_ref(&ann)));
        let moved = Members {
            left: ann.who.clone().into_iter().collect(),
            moved_to: nodes[1].to_string(),
            ..said(0, &[])
        };
        // The old node is heard first, or the new one: both with the same outcome.
        assert_eq!(others.hear(nodes[0], moved.clone()), Heard::default());
        assert_eq!((others.count(), others.names("ann")), (1, true));
        assert_eq!(others.hear(nodes[1], said(1, from_ref(&ann))), Heard::default());
        assert_eq!(others.hear(nodes[0], said(1, from_ref(&ann))), Heard::default());
        assert_eq!(
            others.hear(nodes[1], Members { moved_to: nodes[0].to_string(), ..moved }),
            Heard::default()
        );
        assert_eq!((others.count(), others.users_with(&HashMap::new())), (1, 1));
        // Only what is new of it is told.
        let away = Member { away: true, ..ann };
        let heard = others.hear(nodes[1], said(1, from_ref(&away)));
        assert_eq!((heard.joined, heard.counts, others.count()), (vec![away], false, 1));
        assert_eq!(others.hear(nodes[1], said(2, from_ref(&bob))).joined, [bob]);
        assert_eq!(others.lose(nodes[1]).left.len(), 2);
        assert_eq!(others.count(), 0);
    }
}
