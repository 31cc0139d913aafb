//! Who is in a room: asked for when it is needed, and told as it changes. Values and one stream; asks `room_calls.rs`.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt};
use rialto_proto::v1;
use tokio::sync::mpsc;

use crate::{
    audience::{Delivery, Interest, Kind},
    directory::PageOf,
    error::Error,
    link::Link,
    room_calls::RoomCalls,
};

/// Who is in a room. Needs the right `presence`.
#[derive(Debug, Clone)]
pub struct Presence {
    calls: RoomCalls,
}

/// How many are in a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PresenceCounts {
    /// Sessions.
    pub members: u32,
    /// Users: sessions of one user count once, sessions without a user each.
    pub users: u32,
    /// Nodes that were asked and did not answer: who is with them is neither counted nor named.
    pub nodes_missing: Vec<String>,
}

/// Who is in a room now, as far as the session knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Present {
    /// The members that are named, by session. None is in a room of more than 256.
    pub members: BTreeMap<String, Member>,
    /// How many there are.
    pub counts: PresenceCounts,
    /// All of them are named.
    pub complete: bool,
}

/// Some of those who are in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresencePage<T> {
    /// Who.
    pub items: Vec<T>,
    /// Token of the next page; empty on the last one.
    pub next: String,
    /// How many there are on all pages.
    pub counts: PresenceCounts,
}

/// A session in a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    /// Id of the session.
    pub session: String,
    /// Its user; empty when none is known.
    pub user: String,
    /// What it says about itself.
    pub attributes: BTreeMap<String, String>,
    /// Its connection is lost; it may come back.
    pub away: bool,
}

impl From<v1::Member> for Member {
    fn from(member: v1::Member) -> Self {
        let who = member.who.unwrap_or_default();
        Self { session: who.session, user: who.user, attributes: member.attributes, away: member.away }
    }
}

/// A user in a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PresentUser {
    /// The user.
    pub user: String,
    /// How many of its sessions are members.
    pub sessions: u32,
    /// The connections of all of them are lost; they may come back.
    pub away: bool,
}

impl From<v1::UserPresence> for PresentUser {
    fn from(user: v1::UserPresence) -> Self {
        Self { user: user.user, sessions: user.session_count, away: user.away }
    }
}

impl Presence {
    pub(crate) fn new(calls: RoomCalls) -> Self {
        Self { calls }
    }

    async fn ask(&self, request: v1::GetPresenceRequest) -> Result<v1::GetPresenceResponse, Error> {
        let request = v1::GetPresenceRequest {
            namespace: self.calls.namespace.clone(),
            room: self.calls.room.clone(),
            ..request
        };
        self.calls.ask(request, async |mut service, request| service.get_presence(request).await).await
    }

    /// How many are there. Costs the same however large the room is.
    pub async fn counts(&self) -> Result<PresenceCounts, Error> {
        let request = v1::GetPresenceRequest { counts_only: true, ..v1::GetPresenceRequest::default() };
        self.ask(request).await.map(|response| counts(&response))
    }

    /// The sessions that are members, by id.
    pub async fn members(&self, page: PageOf) -> Result<PresencePage<Member>, Error> {
        let response = self.ask(request(v1::PresenceBy::Session, page)).await?;
        let counts = counts(&response);
        let items = response.members.into_iter().map(Member::from).collect();
        Ok(PresencePage { items, next: response.next_page_token, counts })
    }

    /// The users, by name; sessions without a user are not among them.
    pub async fn users(&self, page: PageOf) -> Result<PresencePage<PresentUser>, Error> {
        let response = self.ask(request(v1::PresenceBy::User, page)).await?;
        let counts = counts(&response);
        let items = response.users.into_iter().map(PresentUser::from).collect();
        Ok(PresencePage { items, next: response.next_page_token, counts })
    }

    /// Who is there now, as the last answer and the changes since have it; nothing is asked. `None` unless the session has
    /// joined the room with presence.
    ///
    /// *Errors*: [`Error::Invalid`] for a client without a session, which is told nothing.
    pub fn current(&self) -> Result<Option<Present>, Error> {
        let place = (self.calls.namespace.clone(), self.calls.room.clone());
        Ok(self.session()?.audience().present(&place))
    }

    fn session(&self) -> Result<&Link, Error> {
        self.calls
            .session()
            .ok_or_else(|| Error::Invalid("presence is told to members, which have a session".to_owned()))
    }

    /// Changes, from now on, in a room that the session joins with presence.
    ///
    /// *Errors*: [`Error::Invalid`] for a client without a session, which is told nothing.
    pub fn changes(&self) -> Result<PresenceChanges, Error> {
        let link = self.session()?;
        let interest = Interest {
            namespace: Some(self.calls.namespace.clone()),
            room: Some(self.calls.room.clone()),
            kind: Kind::Presence,
        };
        let receiver = link.audience().listen(interest, link.events_waiting());
        Ok(PresenceChanges { receiver, _link: link.clone() })
    }
}

fn request(by: v1::PresenceBy, page: PageOf) -> v1::GetPresenceRequest {
    v1::GetPresenceRequest {
        by: by.into(),
        page_size: page.size,
        page_token: page.token,
        ..v1::GetPresenceRequest::default()
    }
}

fn counts(response: &v1::GetPresenceResponse) -> PresenceCounts {
    PresenceCounts {
        members: response.member_count,
        users: response.user_count,
        nodes_missing: response.nodes_missing.clone(),
    }
}

/// Members came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceChange {
    /// The namespace.
    pub namespace: String,
    /// The room.
    pub room: String,
    /// Those who came, whose attributes changed, or who are away or back. Empty in rooms of more than 256 members.
    pub joined: Vec<Member>,
    /// Sessions that went, with their users. Empty in rooms of more than 256 members.
    pub left: Vec<v1::Sender>,
    /// How many members the room has now.
    pub member_count: u32,
    /// How many users that are.
    pub user_count: u32,
}

impl From<v1::Presence> for PresenceChange {
    fn from(presence: v1::Presence) -> Self {
        Self {
            namespace: presence.namespace,
            room: presence.room,
            joined: presence.joined.into_iter().map(Member::from).collect(),
            left: presence.left,
            member_count: presence.member_count,
            user_count: presence.user_count,
        }
    }
}

/// Changes of membership in a room that is joined with presence. Order, limits and falling behind as for
/// [`Events`](crate::Events).
#[derive(Debug)]
pub struct PresenceChanges {
    receiver: mpsc::Receiver<Delivery>,
    _link: Link,
}

impl PresenceChanges {
    /// The next change; `None` when the session is over.
    pub async fn next(&mut self) -> Option<PresenceChange> {
        StreamExt::next(self).await
    }
}

impl Stream for PresenceChanges {
    type Item = PresenceChange;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<PresenceChange>> {
        loop {
            match std::task::ready!(self.receiver.poll_recv(context)) {
                Some(Delivery::Presence(raw)) => {
                    return Poll::Ready(Some(Arc::unwrap_or_clone(raw).into()));
                }
                Some(_) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}
