//! Something that one node does for another, for sessions that are with it: told, waited for, and carried out. Whoever asks has
//! seen to it that it is allowed.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use rialto_proto::{
    node::{self, EndSession, Errand, ErrandDone, errand, errand_done},
    v1::CloseCode,
};
use sha2::{Digest, Sha256};
use tokio::{sync::oneshot, time::timeout};

use super::{
    Router,
    directory::{Reach, no_session},
    others::unreachable_part,
};
use crate::{
    auth::Identity,
    base::{
        ids::NodeId,
        refusal::{Closing, Refusal},
    },
    bridge::Bridge,
    wire::frame,
};

/// Names that are told by their hashes, so that they can be counted over nodes: beyond, some are counted more than once.
const NAMES_MAX: usize = 16 << 10;
/// How long one node is waited for.
const DONE_WITHIN: Duration = Duration::from_secs(2);

/// Errands that are waited for.
pub(super) type Errands = BTreeMap<u64, (NodeId, oneshot::Sender<ErrandDone>)>;

/// What all other nodes have answered, and which did not.
pub(super) struct Everywhere {
    pub(super) answers: Vec<ErrandDone>,
    pub(super) missing: Vec<String>,
}

impl Router {
    /// Has a node do something, and waits for what becomes of it.
    pub(super) async fn send_errand(&self, node: NodeId, what: errand::What) -> Result<ErrandDone, Refusal> {
        let Some(bridge) = &self.bridge else { return Err(unreachable_part()) };
        let id = self.next_ask.fetch_add(1, Ordering::Relaxed);
        let (tells, hears) = oneshot::channel();
        self.errands.lock().insert(id, (node, tells));
        let done = if bridge.send_errand(node, Errand { id, what: Some(what) }) {
            timeout(DONE_WITHIN, hears).await.ok().and_then(Result::ok)
        } else {
            None
        };
        self.errands.lock().remove(&id);
        match done {
            Some(ErrandDone { what: Some(errand_done::What::Refused(refusal)), .. }) => {
                let node::Refusal { refused, field } = refusal;
                Err(frame::refusal(refused.unwrap_or_default(), &field))
            }
            Some(done) => Ok(done),
            None => Err(unreachable_part()),
        }
    }

    /// Has all other nodes do something. A node that refuses it has nothing that it is about.
    pub(super) async fn everywhere(&self, what: &errand::What) -> Everywhere {
        let nodes = self.bridge.as_ref().map(|bridge| bridge.nodes()).unwrap_or_default();
        let sent = nodes.iter().map(|node| self.send_errand(*node, what.clone()));
        let mut everywhere = Everywhere { answers: Vec::new(), missing: Vec::new() };
        for (node, answer) in nodes.iter().zip(join_all(sent).await) {
            match answer {
                Ok(answer) => everywhere.answers.push(answer),
                Err(refusal) if refusal.code == unreachable_part().code => {
                    everywhere.missing.push(node.to_string());
                }
                Err(_) => {}
            }
        }
        everywhere
    }

    /// Tells the node of a session that its client has given it up, and waits until all that the session has said is heard: what
    /// the client says next must not overtake it.
    pub(super) async fn end_elsewhere(&self, session: String, secret: String) {
        let Some(id) = self.may_be_elsewhere(&session) else { return };
        let end = errand::What::End(EndSession { session, secret });
        // One that does not hear it ends the session with its window.
        drop(self.send_to_host(id, end).await);
    }

    /// Hears what became of an errand.
    pub(super) fn hear_errand_done(&self, from: NodeId, done: ErrandDone) {
        let mut errands = self.errands.lock();
        if errands.get(&done.id).is_some_and(|(node, _)| *node == from)
            && let Some((_, tells)) = errands.remove(&done.id)
        {
            // Whoever waited may have given up.
            drop(tells.send(done));
        }
    }

    /// A node is gone: nobody waits for it any more.
    pub(super) fn lose_errands(&self, node: NodeId) {
        self.errands.lock().retain(|_, (of, _)| *of != node);
    }

    /// Does something for another node.
    pub(super) fn hear_errand(self: &Arc<Self>, bridge: &Arc<Bridge>, from: NodeId, errand: Errand) {
        let (router, bridge) = (Arc::clone(self), Arc::clone(bridge));
        self.tasks.spawn("errand", async move {
            let what = errand.what.ok_or_else(|| Refusal::invalid("what", "is missing"));
            let names = what.as_ref().map(|what| router.names_of(what)).unwrap_or_default();
            let done = match what {
                Ok(what) => router.do_errand(what, from).await,
                Err(refusal) => Err(refusal),
            };
            let what = done.unwrap_or_else(|refusal| {
                let refused = Some(frame::refused(&refusal));
                errand_done::What::Refused(node::Refusal { refused, field: refusal.field.to_owned() })
            });
            bridge.errand_done(from, ErrandDone { id: errand.id, what: Some(what), names });
        });
    }

    async fn do_errand(
        self: &Arc<Self>,
        what: errand::What,
        from: NodeId,
    ) -> Result<errand_done::What, Refusal> {
        let all = &Identity::open(None);
        Ok(match what {
            errand::What::Push(request) => errand_done::What::Push(self.push_here(request).await?),
            errand::What::End(end) => errand_done::What::Reach(self.end_given_up(&end).await?),
            errand::What::ListNamespaces(request) => {
                errand_done::What::Namespaces(self.list_namespaces_here(all, request)?)
            }
            errand::What::GetNamespace(request) => {
                errand_done::What::Namespace(self.get_namespace_here(all, request.namespace)?)
            }
            errand::What::ListRooms(request) => errand_done::What::Rooms(self.list_rooms_here(all, request)?),
            errand::What::GetRoom(request) => errand_done::What::Room(self.get_room_here(all, request)?),
            errand::What::ListMembers(request) => {
                errand_done::What::Members(self.list_members_here(all, request)?)
            }
            errand::What::GetSession(request) => {
                errand_done::What::Session(self.get_session_here(all, &request.session_id)?)
            }
            errand::What::Agreed(key) => {
                let changed = self.agree(&key).await?;
                reached(Reach { changed, refused: 0 })
            }
            errand::What::JoinMembers(request) => reached(self.join_members_here(all, request).await?),
            errand::What::PartMembers(request) => reached(self.part_members_here(all, request)?),
            errand::What::DisconnectMembers(request) => reached(self.disconnect_members_here(all, request)?),
            errand::What::UpdateAttributes(request) => reached(self.update_attributes_here(all, request)?),
            errand::What::GetPresence(request) => {
                errand_done::What::Presence(self.get_presence_here(all, request)?)
            }
            errand::What::AnyOf(fanout) => reached(self.emit_any_of(fanout)?),
            errand::What::UserSessions(ask) => errand_done::What::UserSessions(self.tell_user(ask, from)?),
            errand::What::Watch(watch) => errand_done::What::Reach(self.tell_rooms(&watch, from)?),
            errand::What::Unwatch(namespace) => errand_done::What::Reach(self.end_watch(&namespace, from)),
            errand::What::NameMembers(ask) => errand_done::What::Reach(self.name_members(&ask, from)?),
            errand::What::LeaveSession(ask) => errand_done::What::Leaving(self.leave_session(ask).await?),
            errand::What::TakeSession(ask) => errand_done::What::Piece(self.give_session(ask, from).await?),
            errand::What::FindSession(ask) => errand_done::What::SessionAt(self.session_at(&ask)),
            errand::What::MovedReply(moved) => errand_done::What::Reach(self.take_moved_reply(moved, from)?),
            errand::What::Adopt(adopt) => errand_done::What::Reach(self.adopt(adopt).await?),
            errand::What::Revoke(told) => errand_done::What::Reach(self.hear_revoked(told).await?),
            errand::What::Reinstate(told) => errand_done::What::Reach(self.hear_reinstated(told)?),
            errand::What::Moved(moved) => errand_done::What::Reach(self.hear_moved(&moved, from)?),
        })
    }

    /// Hashes of the names of all that an answer counts by name; none when they are too many.
    pub(super) fn names_of(&self, what: &errand::What) -> Vec<u64> {
        let names: Vec<String> = match what {
            errand::What::ListRooms(request) => {
                let page = self.hub.rooms(&request.namespace, &request.prefix, "", NAMES_MAX + 1);
                page.entries.iter().map(|(room, _)| room.to_string()).collect()
            }
            errand::What::GetNamespace(request) => {
                let page = self.hub.rooms(&request.namespace, "", "", NAMES_MAX + 1);
                page.entries.iter().map(|(room, _)| room.to_string()).collect()
            }
            errand::What::GetPresence(request) => {
                let page = self.hub.users(&request.namespace, &request.room, "", NAMES_MAX + 1);
                page.entries.into_iter().map(|user| user.user).collect()
            }
            _ => Vec::new(),
        };
        if names.len() > NAMES_MAX { Vec::new() } else { names.iter().map(|name| hash(name)).collect() }
    }

    /// Ends a session that its client has given up, if it is its own.
    async fn end_given_up(&self, end: &EndSession) -> Result<node::Reach, Refusal> {
        let session = self.find(&end.session).filter(|session| session.knows(&end.secret));
        let session = session.ok_or_else(no_session)?;
        let closing = Closing::new(CloseCode::SessionLost, "the client begins anew with another node");
        self.close(&session, &closing);
        self.round().await;
        Ok(node::Reach { changed: 1, refused: 0 })
    }
}

/// The same on all nodes.
fn hash(name: &str) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&Sha256::digest(name)[..8]);
    u64::from_le_bytes(first)
}

fn reached(reach: Reach) -> errand_done::What {
    errand_done::What::Reach(node::Reach { changed: reach.changed, refused: reach.refused })
}
