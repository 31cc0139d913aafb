//! What rooms keep, for those who may see it: history, presence, keyed state.

use std::{sync::Arc, time::Duration};

use rialto_proto::v1::{self, PresenceBy, Sender, StateSet, server_frame::Frame as Body};

use tokio::time::{MissedTickBehavior, interval};

use super::{
    Router,
    asking::{Answer, Answered, Ask},
    dispatch::forbidden,
    keep::storage_failed,
    lane::Deed,
    part::Part,
    reading,
};
use crate::{
    auth::{Identity, Right},
    base::{
        clock,
        config::NamespaceSettings,
        limits::{PAGE_ENTRIES_MAX, ROOMS_PER_COMMAND_MAX},
        refusal::Refusal,
    },
    history::StagedState,
    hub::{self, info},
    session::{Session, owed::StateAfter},
    wire::{Frame, state::SetState, target},
};

/// Entries of a page when the request does not say.
const ENTRIES_PER_PAGE: u32 = 100;
/// How often expired values are taken away and the log is looked after.
const UPKEEP_EVERY: Duration = Duration::from_secs(1);

/// A room that somebody asks about.
struct Room {
    namespace: String,
    room: String,
}

/// Hears what became of a key.
pub(super) type Done = Box<dyn FnOnce(&Router, Result<StateSet, Refusal>) + Send>;

impl Router {
    fn room(
        &self,
        identity: &Identity,
        right: Right,
        (namespace, room): (String, String),
    ) -> Result<Room, Refusal> {
        let namespace = target::namespace(namespace)?.into_string();
        let room = target::room("room", room)?.into_string();
        if !identity.may(right, &namespace, Some(&room)) {
            return Err(forbidden());
        }
        if self.hub.namespaces.settings(&namespace).is_none() {
            return Err(hub::unknown());
        }
        Ok(Room { namespace, room })
    }

    /// A page of history.
    pub async fn get_history(
        &self,
        identity: &Identity,
        request: v1::GetHistoryRequest,
    ) -> Result<v1::GetHistoryResponse, Refusal> {
        let names = (request.namespace.clone(), request.room.clone());
        let room = self.room(identity, Right::History, names)?;
        reading::check(request.clone())?;
        let part = self.parts.of(&room.namespace, &room.room);
        match self.ask_owner_of(part, Ask::History(Box::new(request))).await? {
            Answer::History(page) => Ok(page),
            _ => Err(storage_failed()),
        }
    }

    /// Who is in a room.
    pub(super) fn get_presence_here(
        &self,
        identity: &Identity,
        request: v1::GetPresenceRequest,
    ) -> Result<v1::GetPresenceResponse, Refusal> {
        let Room { namespace, room } =
            self.room(identity, Right::Presence, (request.namespace, request.room))?;
        let by =
            PresenceBy::try_from(request.by).map_err(|_| Refusal::invalid("by", "is not a known value"))?;
        let size = page_size(request.page_size)?;
        let (member_count, user_count) = self.hub.counts(&namespace, &room);
        let mut response = v1::GetPresenceResponse { member_count, user_count, ..Default::default() };
        if request.counts_only {
            return Ok(response);
        }
        if by == PresenceBy::User {
            let page = self.hub.users(&namespace, &room, &request.page_token, size);
            response.next_page_token =
                next_token(page.more, page.entries.last().map(|user| user.user.clone()));
            response.users = page.entries;
        } else {
            let page = self.hub.members(&namespace, &room, &request.page_token, size);
            let last = page.entries.last().map(|session| session.id.to_string());
            response.next_page_token = next_token(page.more, last);
            response.members = page.entries.iter().map(|session| info(session)).collect();
        }
        Ok(response)
    }

    /// The keyed state of a room.
    pub async fn get_state(
        &self,
        identity: &Identity,
        request: v1::GetStateRequest,
    ) -> Result<v1::GetStateResponse, Refusal> {
        let names = (request.namespace.clone(), request.room.clone());
        let Room { namespace, room } = self.room(identity, Right::Join, names)?;
        if request.keys.len() > ROOMS_PER_COMMAND_MAX {
            return Err(Refusal::invalid(
                "keys",
                format_args!("has more than {ROOMS_PER_COMMAND_MAX} entries"),
            ));
        }
        page_size(request.page_size)?;
        let part = self.parts.of(&namespace, &room);
        match self.ask_owner_of(part, Ask::Keys(Box::new(request))).await? {
            Answer::Keys(page) => Ok(page),
            _ => Err(storage_failed()),
        }
    }

    /// Sets a key without a session.
    pub async fn publish_state(&self, identity: &Identity, set: SetState) -> Result<StateSet, Refusal> {
        self.allow_state(identity, &set)?;
        let user = identity.user.as_ref().map(ToString::to_string).unwrap_or_default();
        let by = Sender { session: String::new(), user };
        let (tells, hears) = tokio::sync::oneshot::channel();
        self.writable().await;
        // The caller may have gone: then nobody wants to know.
        let done: Done = Box::new(move |_, outcome| drop(tells.send(outcome)));
        self.ask_state(set, by, done);
        hears.await.unwrap_or_else(|_| Err(storage_failed()))
    }

    /// Sets a key for a session and answers it.
    pub(super) fn set_state(
        &self,
        session: &Arc<Session>,
        reference: u32,
        set: SetState,
    ) -> Result<(), Refusal> {
        let taken = session.take_emit(&self.limits.session, clock::now());
        taken.map_err(|after| Refusal::rate("emits_per_second", after))?;
        self.allow_state(&session.identity(), &set)?;
        let session = Arc::clone(session);
        session.pipeline.write(self.parts.of(set.namespace.as_str(), set.room.as_str()));
        let by = session.sender();
        let done: Done = Box::new(move |router, outcome| {
            match outcome {
                Ok(_) if reference == 0 => {}
                Ok(set) => router.answer(&session, Frame::answer(reference, Body::StateSet(set))),
                Err(refusal) => router.refuse(&session, reference, refusal),
            }
            router.written(&session);
        });
        self.ask_state(set, by, done);
        Ok(())
    }

    fn allow_state(&self, identity: &Identity, set: &SetState) -> Result<Arc<NamespaceSettings>, Refusal> {
        if !identity.may(Right::Emit, set.namespace.as_str(), Some(set.room.as_str())) {
            return Err(forbidden());
        }
        self.hub.namespaces.settings(set.namespace.as_str()).ok_or_else(hub::unknown)
    }

    /// Has the owner of its room change a key.
    fn ask_state(&self, set: SetState, by: Sender, done: Done) {
        let part = self.parts.of(set.namespace.as_str(), set.room.as_str());
        let answered: Answered = Box::new(move |router, outcome| match outcome {
            Ok(Answer::Set(set)) => done(router, Ok(set)),
            Ok(_) => done(router, Err(storage_failed())),
            Err(refusal) => done(router, Err(refusal)),
        });
        self.ask_owner(part, Ask::Set(Box::new(set), by), answered);
    }

    /// Changes a key of a room that is kept here.
    pub(super) fn take_state(
        &self,
        part: &Arc<Part>,
        settings: &NamespaceSettings,
        (set, by): (SetState, Sender),
        done: Done,
    ) {
        let mut done = Some(done);
        let staged = part.lane.stage(|| {
            let staged = part.histories.stage_state(settings, set, by, clock::wall())?;
            let Some(done) = done.take() else { return Ok(None) };
            match staged.position {
                Some(position) => Ok(Some((position, show_later(part, staged, done)))),
                None => {
                    self.show(part, &staged);
                    done(self, Ok(staged.set));
                    Ok(None)
                }
            }
        });
        if let (Err(refusal), Some(done)) = (staged, done) {
            done(self, Err(refusal));
        }
    }

    /// Shows a change of a key to everyone who wants to know.
    fn show(&self, part: &Part, staged: &StagedState) {
        self.hub.tell_state(&staged.namespace, &staged.room, || {
            part.histories.publish_state(staged);
            // Without an entry nothing has changed, and nobody is told.
            let entry = staged.entry.as_deref()?;
            self.mirror_change(&staged.namespace, &staged.room, (&staged.set.epoch, entry.revision));
            let changes = v1::StateChanges {
                namespace: staged.namespace.to_string(),
                room: staged.room.to_string(),
                epoch: staged.set.epoch.clone(),
                entries: vec![entry.clone()],
                reset: false,
                complete: true,
            };
            let before = StateAfter {
                namespace: Arc::clone(&staged.namespace),
                room: Arc::clone(&staged.room),
                epoch: staged.set.epoch.clone(),
                revision: entry.revision.saturating_sub(1),
                known: entry.revision.saturating_sub(1),
            };
            Some((Frame::answer(0, Body::StateChanges(changes)), before))
        });
        if let (Some(bridge), Some(entry)) = (&self.bridge, staged.entry.as_deref()) {
            self.count_lost(bridge.say_state(
                &staged.namespace,
                &staged.room,
                &staged.set.epoch,
                entry.clone(),
            ));
        }
    }

    /// Takes away values that have expired.
    fn expire_state(&self, part: &Arc<Part>) {
        part.lane.stage_all(|| {
            let mut later = Vec::new();
            for staged in part.histories.expire_state(clock::wall()).staged {
                match staged.position {
                    Some(position) => later.push((position, show_later(part, staged, Box::new(|_, _| ())))),
                    None => self.show(part, &staged),
                }
            }
            later
        });
    }

    /// Writes down what the histories amount to, so that the next start is quick.
    pub async fn close_histories(&self) {
        for part in self.parts.all_here() {
            part.close().await;
        }
    }

    /// Lets go what is too old, and cleans the logs, until the node stops.
    pub async fn run_upkeep(self: Arc<Self>) {
        let mut ticks = interval(UPKEEP_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = self.tasks.stopping().cancelled() => return,
                _ = ticks.tick() => {}
            }
            for part in self.parts.all_here() {
                self.expire_state(&part);
                part.tidy().await;
            }
        }
    }
}

fn show_later(part: &Arc<Part>, staged: StagedState, done: Done) -> Deed {
    let part = Arc::clone(part);
    Box::new(move |router, durable| match durable {
        Ok(()) => {
            router.show(&part, &staged);
            done(router, Ok(staged.set));
        }
        Err(_) => done(router, Err(storage_failed())),
    })
}

pub(super) fn page_size(size: u32) -> Result<usize, Refusal> {
    let size = if size == 0 { ENTRIES_PER_PAGE } else { size } as usize;
    if size > PAGE_ENTRIES_MAX {
        return Err(Refusal::invalid("page_size", format_args!("is more than {PAGE_ENTRIES_MAX}")));
    }
    Ok(size)
}

fn next_token(more: bool, last: Option<String>) -> String {
    last.filter(|_| more).unwrap_or_default()
}
