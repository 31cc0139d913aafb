//! What operators and backends ask for, of all nodes: each answers for its own sessions, and what they say is put together. A node
//! that does not answer is named.

use std::collections::{BTreeMap, HashSet};

use rialto_proto::{
    node::{errand, errand_done},
    v1::{self, PresenceBy, RefusalCode},
};

use super::{
    Router,
    directory::{Reach, may_read, no_session, page_size},
    errand::Everywhere,
};
use crate::{
    auth::Identity,
    base::{limits::PAGE_ENTRIES_MAX, refusal::Refusal},
};

/// What this node has of what it was asked; nothing where it does not know the namespace, which others may know.
fn here<T: Default>(outcome: Result<T, Refusal>, alone: bool) -> Result<(T, Option<Refusal>), Refusal> {
    match outcome {
        Ok(page) => Ok((page, None)),
        Err(refusal) if !alone && is_unknown(&refusal) => Ok((T::default(), Some(refusal))),
        Err(refusal) => Err(refusal),
    }
}

fn is_unknown(refusal: &Refusal) -> bool {
    matches!(refusal.code, RefusalCode::NamespaceUnknown | RefusalCode::NotFound)
}

impl Router {
    fn alone(&self) -> bool {
        self.bridge.is_none()
    }

    /// Namespaces by name, on all nodes.
    pub async fn list_namespaces(
        &self,
        identity: &Identity,
        request: v1::ListNamespacesRequest,
    ) -> Result<v1::ListNamespacesResponse, Refusal> {
        let size = page_size(request.page_size)?;
        if self.alone() {
            return self.list_namespaces_here(identity, request);
        }
        // They are few, and each node has others that the identity may see: so all are looked at.
        let mut all: BTreeMap<String, v1::Namespace> = BTreeMap::new();
        let (mut token, mut nodes_missing) = (String::new(), Vec::new());
        loop {
            let page_size = u32::try_from(PAGE_ENTRIES_MAX).unwrap_or(u32::MAX);
            let ask = v1::ListNamespacesRequest { page_size, page_token: std::mem::take(&mut token) };
            let everywhere = self.everywhere(&errand::What::ListNamespaces(ask.clone())).await;
            let mut pages = vec![self.list_namespaces_here(&Identity::open(None), ask)?];
            pages.extend(everywhere.answers.into_iter().filter_map(|done| match done.what {
                Some(errand_done::What::Namespaces(page)) => Some(page),
                _ => None,
            }));
            nodes_missing.extend(everywhere.missing);
            // What comes after the shortest page is not known of all nodes yet.
            let ends = pages.iter().map(|page| &page.next_page_token).filter(|token| !token.is_empty());
            token = ends.min().cloned().unwrap_or_default();
            let known = |name: &str| token.is_empty() || name <= token.as_str();
            let found = pages.into_iter().flat_map(|page| page.namespaces);
            for namespace in found.filter(|namespace| known(&namespace.namespace)) {
                match all.get_mut(&namespace.namespace) {
                    Some(known) => add(known, &namespace),
                    None => drop(all.insert(namespace.namespace.clone(), namespace)),
                }
            }
            if token.is_empty() {
                break;
            }
        }
        all.retain(|name, _| may_read(identity, name, None));
        nodes_missing.sort();
        nodes_missing.dedup();
        let total_count = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let after = all.into_values().filter(|namespace| namespace.namespace > request.page_token);
        let (namespaces, more) = cut(after.collect(), size, false);
        let next_page_token = last(&namespaces, more, |namespace| namespace.namespace.clone());
        Ok(v1::ListNamespacesResponse { namespaces, next_page_token, total_count, nodes_missing })
    }

    /// One namespace, on all nodes.
    pub async fn get_namespace(
        &self,
        identity: &Identity,
        request: v1::GetNamespaceRequest,
    ) -> Result<v1::GetNamespaceResponse, Refusal> {
        let outcome = self.get_namespace_here(identity, request.namespace.clone());
        let (mut namespace, unknown) = here(outcome.map(Some), self.alone())?;
        let what = errand::What::GetNamespace(request);
        let all = self.everywhere(&what).await;
        let rooms = namespace.as_ref().map_or(0, |namespace| namespace.room_count);
        let mut names = Names::new(self.names_of(&what), rooms);
        for answer in all.answers {
            let Some(errand_done::What::Namespace(other)) = answer.what else { continue };
            names.add(&answer.names, other.room_count);
            match &mut namespace {
                Some(known) => add(known, &other),
                None => namespace = Some(other),
            }
        }
        if let (None, Some(refusal)) = (&namespace, unknown) {
            return Err(refusal);
        }
        namespace.iter_mut().for_each(|namespace| namespace.room_count = names.count());
        Ok(v1::GetNamespaceResponse { namespace, nodes_missing: all.missing })
    }

    /// Rooms with members, by name, on all nodes.
    pub async fn list_rooms(
        &self,
        identity: &Identity,
        request: v1::ListRoomsRequest,
    ) -> Result<v1::ListRoomsResponse, Refusal> {
        let size = page_size(request.page_size)?;
        let (page, mut unknown) = here(self.list_rooms_here(identity, request.clone()), self.alone())?;
        let what = errand::What::ListRooms(request);
        let all = self.everywhere(&what).await;
        let mut names = Names::new(self.names_of(&what), page.total_count);
        let mut more = !page.next_page_token.is_empty();
        let mut rooms: BTreeMap<String, v1::Room> = BTreeMap::new();
        for room in page.rooms {
            rooms.insert(room.room.clone(), room);
        }
        for answer in all.answers {
            let Some(errand_done::What::Rooms(other)) = answer.what else { continue };
            unknown = None;
            more |= !other.next_page_token.is_empty();
            names.add(&answer.names, other.total_count);
            for room in other.rooms {
                if !may_read(identity, &room.namespace, Some(&room.room)) {
                    continue;
                }
                match rooms.get_mut(&room.room) {
                    Some(known) => known.member_count += room.member_count,
                    None => drop(rooms.insert(room.room.clone(), room)),
                }
            }
        }
        if let Some(refusal) = unknown {
            return Err(refusal);
        }
        let (rooms, more) = cut(rooms.into_values().collect(), size, more);
        let next_page_token = last(&rooms, more, |room| room.room.clone());
        let total_count = names.count();
        Ok(v1::ListRoomsResponse { rooms, next_page_token, total_count, nodes_missing: all.missing })
    }

    /// One room, on all nodes.
    pub async fn get_room(
        &self,
        identity: &Identity,
        request: v1::GetRoomRequest,
    ) -> Result<v1::GetRoomResponse, Refusal> {
        let (mut room, mut unknown) =
            here(self.get_room_here(identity, request.clone()).map(Some), self.alone())?;
        let all = self.everywhere(&errand::What::GetRoom(request)).await;
        for answer in all.answers {
            let Some(errand_done::What::Room(other)) = answer.what else { continue };
            unknown = None;
            match &mut room {
                Some(known) => known.member_count += other.member_count,
                None => room = Some(other),
            }
        }
        match unknown {
            Some(refusal) => Err(refusal),
            None => Ok(v1::GetRoomResponse { room, nodes_missing: all.missing }),
        }
    }

    /// Members of a room or of a namespace, by session id, on all nodes.
    pub async fn list_members(
        &self,
        identity: &Identity,
        request: v1::ListMembersRequest,
    ) -> Result<v1::ListMembersResponse, Refusal> {
        let size = page_size(request.page_size)?;
        let (mut page, mut unknown) = here(self.list_members_here(identity, request.clone()), self.alone())?;
        let all = self.everywhere(&errand::What::ListMembers(request)).await;
        let mut more = !page.next_page_token.is_empty();
        for answer in all.answers {
            let Some(errand_done::What::Members(other)) = answer.what else { continue };
            unknown = None;
            more |= !other.next_page_token.is_empty();
            page.total_count += other.total_count;
            page.members.extend(other.members);
        }
        if let Some(refusal) = unknown {
            return Err(refusal);
        }
        let (members, more) = by_session(page.members, size, more);
        let next_page_token = last(&members, more, session_of);
        Ok(v1::ListMembersResponse { members, next_page_token, nodes_missing: all.missing, ..page })
    }

    /// One session, on whatever node it is, with those of its namespaces that the identity may see.
    pub async fn get_session(&self, identity: &Identity, id: &str) -> Result<v1::Session, Refusal> {
        let Some(session) = self.may_be_elsewhere(id) else { return self.get_session_here(identity, id) };
        let what = errand::What::GetSession(v1::GetSessionRequest { session_id: id.to_owned() });
        let Some(errand_done::What::Session(mut session)) = self.send_to_host(session, what).await?.what
        else {
            return Err(no_session());
        };
        let free = session.memberships.is_empty();
        session.memberships.retain(|place| may_read(identity, &place.namespace, None));
        if session.memberships.is_empty() && !(free && may_read(identity, "", None)) {
            return Err(no_session());
        }
        Ok(session)
    }

    /// Makes sessions join rooms, on all nodes.
    pub async fn join_members(
        &self,
        identity: &Identity,
        request: v1::JoinMembersRequest,
    ) -> Result<(Reach, Vec<String>), Refusal> {
        let outcome = self.join_members_here(identity, request.clone()).await;
        self.reach_everywhere(outcome, errand::What::JoinMembers(request)).await
    }

    /// Makes sessions part rooms, on all nodes.
    pub async fn part_members(
        &self,
        identity: &Identity,
        request: v1::PartMembersRequest,
    ) -> Result<(Reach, Vec<String>), Refusal> {
        let outcome = self.part_members_here(identity, request.clone());
        self.reach_everywhere(outcome, errand::What::PartMembers(request)).await
    }

    /// Ends sessions, on all nodes.
    pub async fn disconnect_members(
        &self,
        identity: &Identity,
        request: v1::DisconnectMembersRequest,
    ) -> Result<(Reach, Vec<String>), Refusal> {
        let outcome = self.disconnect_members_here(identity, request.clone());
        self.reach_everywhere(outcome, errand::What::DisconnectMembers(request)).await
    }

    /// Sets and removes attributes, on all nodes.
    pub async fn update_attributes(
        &self,
        identity: &Identity,
        request: v1::UpdateAttributesRequest,
    ) -> Result<(Reach, Vec<String>), Refusal> {
        let outcome = self.update_attributes_here(identity, request.clone());
        self.reach_everywhere(outcome, errand::What::UpdateAttributes(request)).await
    }

    async fn reach_everywhere(
        &self,
        outcome: Result<Reach, Refusal>,
        what: errand::What,
    ) -> Result<(Reach, Vec<String>), Refusal> {
        let (mut reach, mut unknown) = here(outcome, self.alone())?;
        let Everywhere { answers, missing } = self.everywhere(&what).await;
        for answer in answers {
            let Some(errand_done::What::Reach(other)) = answer.what else { continue };
            unknown = None;
            reach.changed += other.changed;
            reach.refused += other.refused;
        }
        unknown.map_or(Ok((reach, missing)), Err)
    }

    /// Who is in a room, on all nodes.
    pub async fn get_presence(
        &self,
        identity: &Identity,
        request: v1::GetPresenceRequest,
    ) -> Result<v1::GetPresenceResponse, Refusal> {
        let (mut page, mut unknown) = here(self.get_presence_here(identity, request.clone()), self.alone())?;
        let size = super::rooms::page_size(request.page_size)?;
        let by_user = request.by == i32::from(PresenceBy::User);
        let what = errand::What::GetPresence(request);
        let all = self.everywhere(&what).await;
        let mut more = !page.next_page_token.is_empty();
        let mut names = Names::new(self.names_of(&what), page.user_count);
        for answer in all.answers {
            let Some(errand_done::What::Presence(other)) = answer.what else { continue };
            unknown = None;
            more |= !other.next_page_token.is_empty();
            page.member_count += other.member_count;
            names.add(&answer.names, other.user_count);
            page.members.extend(other.members);
            page.users.extend(other.users);
        }
        if let Some(refusal) = unknown {
            return Err(refusal);
        }
        page.nodes_missing = all.missing;
        page.user_count = names.count();
        if by_user {
            let (users, more) = cut(by_name(page.users), size, more);
            page.next_page_token = last(&users, more, |user| user.user.clone());
            page.users = users;
        } else {
            let (members, more) = by_session(page.members, size, more);
            page.next_page_token = last(&members, more, session_of);
            page.members = members;
        }
        Ok(page)
    }
}

/// Names on several nodes, each counted once; or more than once when they are too many to be told.
struct Names {
    hashes: HashSet<u64>,
    untold: u32,
}

impl Names {
    fn new(names: Vec<u64>, count: u32) -> Self {
        let mut all = Self { hashes: HashSet::new(), untold: 0 };
        all.add(&names, count);
        all
    }

    /// Adds those of one node. What has no name counts too, and what is not told.
    fn add(&mut self, names: &[u64], count: u32) {
        self.hashes.extend(names);
        self.untold += count.saturating_sub(u32::try_from(names.len()).unwrap_or(u32::MAX));
    }

    fn count(&self) -> u32 {
        self.untold + u32::try_from(self.hashes.len()).unwrap_or(u32::MAX)
    }
}

/// Adds what another node has of a namespace.
fn add(known: &mut v1::Namespace, other: &v1::Namespace) {
    known.session_count += other.session_count;
    known.room_count += other.room_count;
}

/// The first entries of a list, and whether there are more.
fn cut<T>(mut entries: Vec<T>, size: usize, more: bool) -> (Vec<T>, bool) {
    let more = more || entries.len() > size;
    entries.truncate(size);
    (entries, more)
}

fn last<T>(entries: &[T], more: bool, name: impl Fn(&T) -> String) -> String {
    entries.last().filter(|_| more).map(name).unwrap_or_default()
}

fn by_session(mut members: Vec<v1::Member>, size: usize, more: bool) -> (Vec<v1::Member>, bool) {
    members.sort_by_key(session_of);
    cut(members, size, more)
}

fn session_of(member: &v1::Member) -> String {
    member.who.as_ref().map(|who| who.session.clone()).unwrap_or_default()
}

/// Users by name, each once.
fn by_name(users: Vec<v1::UserPresence>) -> Vec<v1::UserPresence> {
    let mut all: BTreeMap<String, v1::UserPresence> = BTreeMap::new();
    for user in users {
        match all.get_mut(&user.user) {
            Some(known) => {
                known.session_count += user.session_count;
                known.away &= user.away;
            }
            None => drop(all.insert(user.user.clone(), user)),
        }
    }
    all.into_values().collect()
}
