//! What random sessions do to a hub, and the bounds within which they do it. Made by proptest for [`super`]; carried out
//! by [`super::bench`].

use proptest::prelude::*;

pub(super) const NAMESPACES: [&str; 4] = ["chat", "tenant-a", "tenant-b", "nowhere"];
pub(super) const ROOMS: [&str; 4] = ["red", "blue", "green", "pink"];
pub(super) const USERS: [&str; 2] = ["ann", "bob"];
/// Small enough for every limit to be met now and then.
pub(super) const ROOMS_PER_SESSION: usize = 4;
pub(super) const NAMESPACES_PER_SESSION: usize = 2;
pub(super) const ROOMS_PER_NAMESPACE: usize = 3;
pub(super) const DYNAMIC_NAMESPACES: usize = 1;
pub(super) const SESSIONS_PER_USER: usize = 3;
pub(super) const SESSIONS_PER_ADDRESS: usize = 6;

/// One step. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Open(Option<usize>),
    Join(usize, usize, Vec<usize>, bool),
    Part(usize, usize, Vec<usize>),
    Leave(usize, usize),
    Emit(usize, usize, Aim),
    Describe(usize, u8),
    Exit(usize),
}

#[derive(Debug, Clone)]
pub(super) struct Aim {
    pub(super) kind: Reach,
    pub(super) except_rooms: Vec<usize>,
    pub(super) except_sessions: Vec<usize>,
    pub(super) include_sender: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Reach {
    Everyone,
    AnyOf(usize),
    Union(Vec<usize>, Vec<usize>, Vec<usize>),
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (who, namespace, user) = (0..8_usize, 0..NAMESPACES.len(), 0..USERS.len());
    let some = |max: usize, most: usize| prop::collection::vec(0..max, 0..=most);
    let rooms = || some(ROOMS.len(), 3);
    let kind = prop_oneof![
        1 => Just(Reach::Everyone),
        1 => (0..ROOMS.len()).prop_map(Reach::AnyOf),
        4 => (rooms(), some(8, 2), some(USERS.len(), 1))
            .prop_map(|(rooms, sessions, users)| Reach::Union(rooms, sessions, users)),
    ];
    let aim = (kind, some(ROOMS.len(), 1), some(8, 1), any::<bool>()).prop_map(
        |(kind, except_rooms, except_sessions, include_sender)| Aim {
            kind,
            except_rooms,
            except_sessions,
            include_sender,
        },
    );
    let step = prop_oneof![
        2 => prop::option::weighted(0.8, user).prop_map(Step::Open),
        8 => (who.clone(), namespace.clone(), rooms(), any::<bool>())
            .prop_map(|(who, namespace, rooms, presence)| Step::Join(who, namespace, rooms, presence)),
        3 => (who.clone(), namespace.clone(), rooms())
            .prop_map(|(who, namespace, rooms)| Step::Part(who, namespace, rooms)),
        1 => (who.clone(), namespace.clone()).prop_map(|(who, namespace)| Step::Leave(who, namespace)),
        6 => (who.clone(), namespace, aim).prop_map(|(who, namespace, aim)| Step::Emit(who, namespace, aim)),
        1 => (who.clone(), any::<u8>()).prop_map(|(who, mood)| Step::Describe(who, mood)),
        1 => who.prop_map(Step::Exit),
    ];
    prop::collection::vec(step, 1..80)
}
