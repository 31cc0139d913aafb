//! What operators and backends ask for, of this node: who is where, and changes to it; `everywhere` asks the others too. Reading needs the right `presence`, changing
//! needs `admin`; a namespace that the identity has no right in is not even named.

use std::{sync::Arc, time::Duration};

use rialto_proto::v1::{self, CloseCode, RefusalCode, Then, server_frame::Frame as Body};

use super::{Router, dispatch::forbidden, recover::Before};
use crate::{
    auth::{Identity, Right},
    base::{
        clock,
        config::NamespaceSettings,
        ids::RoomName,
        limits::PAGE_ENTRIES_MAX,
        refusal::{Closing, Refusal, Retry},
        text::truncate,
    },
    hub::{self, Joining, Namespace, Wishes},
    session::Session,
    wire::{
        Frame, content, settings,
        target::{self, Target, Who},
    },
};

/// Entries of a page when the request does not say.
const PAGE_ENTRIES_DEFAULT: usize = 100;
/// How often everybody is taken out of a namespace that is deleted before it is given up: joins under way are over in
/// microseconds.
const DELETE_ROUNDS: usize = 10_000;
/// Bytes of the reason that a disconnected client is given.
const REASON_BYTES_MAX: usize = 256;

/// How many sessions an operation changed, and how many it could not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reach {
    /// Changed.
    pub changed: u32,
    /// At a limit.
    pub refused: u32,
}

impl Router {
    /// Namespaces by name.
    pub(super) fn list_namespaces_here(
        &self,
        identity: &Identity,
        request: v1::ListNamespacesRequest,
    ) -> Result<v1::ListNamespacesResponse, Refusal> {
        let size = page_size(request.page_size)?;
        let seen = |namespace: &Namespace| may_read(identity, &namespace.name, None);
        let page = self.hub.namespaces.page(&request.page_token, size, seen);
        let last = page.entries.last().filter(|_| page.more).map(|namespace| namespace.name.to_string());
        Ok(v1::ListNamespacesResponse {
            namespaces: page.entries.iter().map(|namespace| shown(namespace)).collect(),
            next_page_token: last.unwrap_or_default(),
            total_count: count(page.total),
            nodes_missing: Vec::new(),
        })
    }

    /// One namespace.
    pub(super) fn get_namespace_here(
        &self,
        identity: &Identity,
        name: String,
    ) -> Result<v1::Namespace, Refusal> {
        let name = target::namespace(name)?;
        require(may_read(identity, name.as_str(), None))?;
        let namespace = self.hub.namespaces.get(name.as_str()).ok_or_else(hub::unknown)?;
        Ok(shown(&namespace))
    }

    /// Makes a namespace.
    pub(super) fn create_namespace_here(
        &self,
        identity: &Identity,
        request: v1::CreateNamespaceRequest,
    ) -> Result<v1::Namespace, Refusal> {
        let name = target::namespace(request.namespace)?;
        require(identity.may(Right::Admin, name.as_str(), None))?;
        let change = request.settings.unwrap_or_default();
        let settings = settings::apply(&NamespaceSettings::default(), change, &self.limits)?;
        self.hub.namespaces.create(&name, settings).map(|namespace| shown(&namespace))
    }

    /// Changes a namespace.
    pub(super) fn update_namespace_here(
        &self,
        identity: &Identity,
        request: v1::UpdateNamespaceRequest,
    ) -> Result<v1::Namespace, Refusal> {
        let name = target::namespace(request.namespace)?;
        require(identity.may(Right::Admin, name.as_str(), None))?;
        let namespace = self.hub.namespaces.get(name.as_str()).ok_or_else(hub::unknown)?;
        let change = request.settings.unwrap_or_default();
        let mut outcome = Ok(());
        // Tried again when another change came in between, so that none is lost.
        namespace.settings.rcu(|settings| match settings::apply(settings, change, &self.limits) {
            Ok(settings) => Arc::new(settings),
            Err(refusal) => {
                outcome = Err(refusal);
                Arc::clone(settings)
            }
        });
        outcome.map(|()| shown(&namespace))
    }

    /// Deletes a namespace, if that is allowed.
    pub(super) fn delete_namespace_as(&self, identity: &Identity, name: String) -> Result<u32, Refusal> {
        let name = target::namespace(name)?;
        require(identity.may(Right::Admin, name.as_str(), None))?;
        self.delete_namespace_here(name.as_str())
    }

    /// Deletes a namespace; everyone in it is told that they have left. Returns how many they were.
    pub(super) fn delete_namespace_here(&self, name: &str) -> Result<u32, Refusal> {
        self.hub.namespaces.shut(name)?;
        let mut left = 0;
        // Joins that were under way when it was shut are over soon; no new ones begin.
        for _ in 0..DELETE_ROUNDS {
            if self.hub.namespaces.remove_shut(name) {
                return Ok(left);
            }
            for session in self.hub.select(name, &Target::of(Who::Everyone)) {
                let changed = self.hub.leave(&session, name, |rooms| {
                    let namespace = name.to_owned();
                    Some(Frame::answer(0, Body::Left(v1::Left { namespace, rooms })))
                });
                left += u32::from(changed.changed);
                self.settle_change(changed);
            }
            std::thread::yield_now();
        }
        let refusal = Refusal::new(RefusalCode::Internal, "sessions are still leaving the namespace");
        Err(Refusal { retry: Retry::After(Duration::from_secs(1)), ..refusal })
    }

    /// Rooms with members, by name.
    pub(super) fn list_rooms_here(
        &self,
        identity: &Identity,
        request: v1::ListRoomsRequest,
    ) -> Result<v1::ListRoomsResponse, Refusal> {
        let namespace = self.readable(identity, request.namespace, None)?;
        let size = page_size(request.page_size)?;
        let page = self.hub.rooms(&namespace.name, &request.prefix, &request.page_token, size);
        let last = page.entries.last().filter(|_| page.more).map(|(name, _)| name.to_string());
        let room = |(name, members): &(Arc<str>, u32)| v1::Room {
            namespace: namespace.name.to_string(),
            room: name.to_string(),
            member_count: *members,
        };
        let seen = page.entries.iter().filter(|(name, _)| may_read(identity, &namespace.name, Some(name)));
        Ok(v1::ListRoomsResponse {
            rooms: seen.map(room).collect(),
            next_page_token: last.unwrap_or_default(),
            total_count: count(page.total),
            nodes_missing: Vec::new(),
        })
    }

    /// One room.
    pub(super) fn get_room_here(
        &self,
        identity: &Identity,
        request: v1::GetRoomRequest,
    ) -> Result<v1::Room, Refusal> {
        let room = target::room("room", request.room)?;
        let namespace = self.readable(identity, request.namespace, Some(room.as_str()))?;
        Ok(v1::Room {
            namespace: namespace.name.to_string(),
            member_count: self.hub.member_count(&namespace.name, room.as_str()),
            room: room.into_string(),
        })
    }

    /// Members of a room or of a namespace, by session id.
    pub(super) fn list_members_here(
        &self,
        identity: &Identity,
        request: v1::ListMembersRequest,
    ) -> Result<v1::ListMembersResponse, Refusal> {
        let room = if request.room.is_empty() { None } else { Some(target::room("room", request.room)?) };
        let room = room.as_ref().map(RoomName::as_str);
        let namespace = self.readable(identity, request.namespace, room)?;
        let size = page_size(request.page_size)?;
        let page = self.hub.members(&namespace.name, room.unwrap_or_default(), &request.page_token, size);
        let last = page.entries.last().filter(|_| page.more).map(|session| session.id.to_string());
        Ok(v1::ListMembersResponse {
            members: page.entries.iter().map(|session| hub::info(session)).collect(),
            next_page_token: last.unwrap_or_default(),
            total_count: count(page.total),
            nodes_missing: Vec::new(),
        })
    }

    /// One session, with those of its namespaces that the identity may see.
    pub(super) fn get_session_here(&self, identity: &Identity, id: &str) -> Result<v1::Session, Refusal> {
        let id = id.parse::<crate::base::ids::SessionId>().map_err(|_| no_session())?;
        let session =
            self.hub.sessions.get(id.key).filter(|session| session.id == id).ok_or_else(no_session)?;
        let memberships = memberships(&session);
        let seen = |place: &v1::Membership| may_read(identity, &place.namespace, None);
        let seen: Vec<_> = memberships.iter().filter(|place| seen(place)).cloned().collect();
        if seen.is_empty() && !(memberships.is_empty() && may_read(identity, "", None)) {
            return Err(no_session());
        }
        let (outbox_frames, outbox_bytes) = session.outbox.waiting();
        Ok(v1::Session {
            member: Some(hub::info(&session)),
            client: Some(session.client.clone()),
            node: self.node.to_string(),
            since: Some(session.since.into()),
            memberships: seen,
            outbox_frames,
            outbox_bytes,
        })
    }

    /// Makes sessions join rooms, once this node hears those.
    pub(super) async fn join_members_here(
        &self,
        identity: &Identity,
        request: v1::JoinMembersRequest,
    ) -> Result<Reach, Refusal> {
        let namespace = target::namespace(request.namespace.clone())?;
        require(identity.may(Right::Admin, namespace.as_str(), None))?;
        let rooms = room_list(request.rooms)?;
        let _heard = self.hear(namespace.as_str(), &rooms).await?;
        let (namespace, sessions) = self.selected(identity, request.namespace, request.target)?;
        let mut reach = Reach::default();
        for session in sessions {
            let joining = Joining {
                session: &session,
                namespace: &namespace,
                rooms: &rooms,
                wishes: Wishes::default(),
                arriving: false,
                now: clock::now(),
            };
            let joined = self.hub.join(joining, |found, changed| {
                let about = (0, &*identity, namespace.as_str());
                changed.then(|| self.told(about, found, Before::NOTHING))
            });
            match joined {
                Ok(changed) => {
                    reach.changed += u32::from(changed.changed);
                    self.settle_change(changed);
                }
                Err(_) => reach.refused += 1,
            }
        }
        Ok(reach)
    }

    /// Makes sessions part rooms.
    pub(super) fn part_members_here(
        &self,
        identity: &Identity,
        request: v1::PartMembersRequest,
    ) -> Result<Reach, Refusal> {
        let (namespace, sessions) = self.selected(identity, request.namespace, request.target)?;
        let rooms = room_list(request.rooms)?;
        let mut reach = Reach::default();
        for session in sessions {
            let changed = self.hub.part(&session, &namespace, &rooms, |rooms| {
                let parted = v1::Parted { namespace: namespace.clone(), rooms };
                (!parted.rooms.is_empty()).then(|| Frame::answer(0, Body::Parted(parted)))
            });
            reach.changed += u32::from(changed.changed);
            self.settle_change(changed);
        }
        Ok(reach)
    }

    /// Ends sessions.
    pub(super) fn disconnect_members_here(
        &self,
        identity: &Identity,
        request: v1::DisconnectMembersRequest,
    ) -> Result<Reach, Refusal> {
        let (_, sessions) = self.selected(identity, request.namespace, request.target)?;
        let then = match Then::try_from(request.then) {
            Ok(Then::Unspecified) => Then::StayAway,
            Ok(then) => then,
            Err(_) => return Err(Refusal::invalid("then", "is not a known value")),
        };
        let reason = truncate(&request.reason, REASON_BYTES_MAX).to_owned();
        let closing = Closing { then, ..Closing::new(CloseCode::Disconnected, reason) };
        sessions.iter().for_each(|session| self.close(session, &closing));
        Ok(Reach { changed: count(sessions.len()), refused: 0 })
    }

    /// Sets and removes attributes.
    pub(super) fn update_attributes_here(
        &self,
        identity: &Identity,
        request: v1::UpdateAttributesRequest,
    ) -> Result<Reach, Refusal> {
        let (_, sessions) = self.selected(identity, request.namespace, request.target)?;
        content::pairs("set", &request.set, &self.limits.session)?;
        let mut reach = Reach::default();
        for session in sessions {
            let before = session.attributes();
            let mut attributes = (*before).clone();
            request.remove.iter().for_each(|key| drop(attributes.remove(key)));
            attributes.extend(request.set.clone());
            if content::pairs("attributes", &attributes, &self.limits.session).is_err() {
                reach.refused += 1;
            } else if attributes != *before {
                session.describe(attributes);
                reach.changed += 1;
                self.settle_change(self.hub.describe(&session));
            }
        }
        Ok(reach)
    }

    fn readable(
        &self,
        identity: &Identity,
        name: String,
        room: Option<&str>,
    ) -> Result<Arc<Namespace>, Refusal> {
        let name = target::namespace(name)?;
        require(may_read(identity, name.as_str(), room))?;
        self.hub.namespaces.get(name.as_str()).ok_or_else(hub::unknown)
    }

    /// The sessions that an operation is about, if it is allowed.
    fn selected(
        &self,
        identity: &Identity,
        namespace: String,
        target: Option<v1::Target>,
    ) -> Result<(String, Vec<Arc<Session>>), Refusal> {
        let namespace = target::namespace(namespace)?;
        require(identity.may(Right::Admin, namespace.as_str(), None))?;
        let target = Target::try_from(target)?;
        if matches!(target.who, Who::AnyOf(_)) {
            return Err(Refusal::invalid("target.any_of", "is not for operations on members"));
        }
        self.hub.namespaces.get(namespace.as_str()).ok_or_else(hub::unknown)?;
        let sessions = self.hub.select(namespace.as_str(), &target);
        Ok((namespace.into_string(), sessions))
    }
}

pub(super) fn may_read(identity: &Identity, namespace: &str, room: Option<&str>) -> bool {
    identity.may(Right::Presence, namespace, room) || identity.may(Right::Admin, namespace, room)
}

/// Nobody knows it, or nobody may.
pub(super) fn no_session() -> Refusal {
    Refusal::new(RefusalCode::NotFound, "there is no such session")
}

pub(super) fn require(allowed: bool) -> Result<(), Refusal> {
    if allowed { Ok(()) } else { Err(forbidden()) }
}

pub(super) fn page_size(size: u32) -> Result<usize, Refusal> {
    match size as usize {
        0 => Ok(PAGE_ENTRIES_DEFAULT),
        size if size <= PAGE_ENTRIES_MAX => Ok(size),
        _ => Err(Refusal::invalid("page_size", format_args!("is more than {PAGE_ENTRIES_MAX}"))),
    }
}

fn room_list(names: Vec<String>) -> Result<Vec<RoomName>, Refusal> {
    if names.is_empty() {
        return Err(Refusal::invalid("rooms", "is empty"));
    }
    target::rooms("rooms", names)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn shown(namespace: &Namespace) -> v1::Namespace {
    v1::Namespace {
        namespace: namespace.name.to_string(),
        origin: namespace.origin.into(),
        settings: Some(settings::shown(&namespace.settings.load())),
        session_count: namespace.session_count(),
        room_count: namespace.room_count(),
    }
}

fn memberships(session: &Session) -> Vec<v1::Membership> {
    let memberships = session.memberships.lock();
    let membership = |place: &crate::session::memberships::Place| {
        let mut rooms: Vec<String> = place.rooms.iter().map(|room| room.to_string()).collect();
        rooms.sort_unstable();
        v1::Membership { namespace: place.namespace.to_string(), rooms }
    };
    memberships.places().iter().map(membership).collect()
}
