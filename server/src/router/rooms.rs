//! What rooms keep, for those who may see it: history, presence, keyed state.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rialto_proto::v1::{
    self, PresenceBy, RefusalCode, Sender, StateSet, get_history_request::Start, server_frame::Frame as Body,
};

use tokio::time::{MissedTickBehavior, interval};

use super::{Router, dispatch::forbidden, keep::storage_failed, lane::Deed};
use crate::{
    auth::{Identity, Right},
    base::{
        clock,
        config::NamespaceSettings,
        limits::{EVENTS_PER_PAGE_MAX, PAGE_ENTRIES_MAX, ROOMS_PER_COMMAND_MAX},
        refusal::{Refusal, Retry},
        tasks,
    },
    history::{Histories, Page, ReadError, StagedState},
    hub::{self, info},
    session::{Session, owed::StateAfter},
    wire::{Frame, state::SetState, target},
};

/// Events of a page when the request does not say.
const EVENTS_PER_PAGE: u32 = 50;
/// Entries of a page when the request does not say.
const ENTRIES_PER_PAGE: u32 = 100;
/// How often expired values are taken away and the log is looked after.
const UPKEEP_EVERY: Duration = Duration::from_secs(1);
/// Bytes of one page of events or state.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// A room that somebody asks about.
struct Room {
    namespace: String,
    room: String,
}

/// Hears what became of a key.
type Done = Box<dyn FnOnce(&Router, Result<StateSet, Refusal>) + Send>;

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
        let size = request.page_size.unwrap_or(EVENTS_PER_PAGE);
        if size == 0 || size > EVENTS_PER_PAGE_MAX {
            return Err(Refusal::invalid(
                "page_size",
                format_args!("is not between 1 and {EVENTS_PER_PAGE_MAX}"),
            ));
        }
        let wanted = Wanted::of(request, size as usize)?;
        let histories = Arc::clone(&self.histories);
        // The disk may have to be waited for.
        let read = tasks::blocking(move || wanted.read(&histories, &room));
        read.await.map_err(|_| Refusal::draining())?
    }

    /// Who is in a room.
    pub fn get_presence(
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
    pub fn get_state(
        &self,
        identity: &Identity,
        request: v1::GetStateRequest,
    ) -> Result<v1::GetStateResponse, Refusal> {
        let Room { namespace, room } = self.room(identity, Right::Join, (request.namespace, request.room))?;
        if request.keys.len() > ROOMS_PER_COMMAND_MAX {
            return Err(Refusal::invalid(
                "keys",
                format_args!("has more than {ROOMS_PER_COMMAND_MAX} entries"),
            ));
        }
        let size = page_size(request.page_size)?;
        let after = (!request.page_token.is_empty()).then_some(request.page_token.as_str());
        let page =
            self.histories.state_page((&namespace, &room), &request.keys, after, (size, PAGE_BYTES_MAX));
        Ok(v1::GetStateResponse {
            next_page_token: next_token(page.more, page.entries.last().map(|entry| entry.key.clone())),
            entries: page.entries,
            epoch: page.epoch.map(|epoch| epoch.to_string()).unwrap_or_default(),
            revision: page.revision,
            total_count: u32::try_from(page.total_count).unwrap_or(u32::MAX),
        })
    }

    /// Sets a key without a session.
    pub async fn publish_state(&self, identity: &Identity, set: SetState) -> Result<StateSet, Refusal> {
        let settings = self.allow_state(identity, &set)?;
        let user = identity.user.as_ref().map(ToString::to_string).unwrap_or_default();
        let by = Sender { session: String::new(), user };
        let (tells, hears) = tokio::sync::oneshot::channel();
        self.writable().await;
        // The caller may have gone: then nobody wants to know.
        let done: Done = Box::new(move |_, outcome| drop(tells.send(outcome)));
        self.take_state(&settings, set, by, done);
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
        let settings = self.allow_state(&session.identity(), &set)?;
        let session = Arc::clone(session);
        session.pipeline.write();
        let by = session.sender();
        let done: Done = Box::new(move |router, outcome| {
            match outcome {
                Ok(_) if reference == 0 => {}
                Ok(set) => router.answer(&session, Frame::answer(reference, Body::StateSet(set))),
                Err(refusal) => router.refuse(&session, reference, refusal),
            }
            router.written(&session);
        });
        self.take_state(&settings, set, by, done);
        Ok(())
    }

    fn allow_state(&self, identity: &Identity, set: &SetState) -> Result<Arc<NamespaceSettings>, Refusal> {
        if !identity.may(Right::Emit, set.namespace.as_str(), Some(set.room.as_str())) {
            return Err(forbidden());
        }
        self.hub.namespaces.settings(set.namespace.as_str()).ok_or_else(hub::unknown)
    }

    fn take_state(&self, settings: &NamespaceSettings, set: SetState, by: Sender, done: Done) {
        let mut done = Some(done);
        let staged = self.lane.stage(|| {
            let staged = self.histories.stage_state(settings, set, by, clock::wall())?;
            let Some(done) = done.take() else { return Ok(None) };
            match staged.position {
                Some(position) => Ok(Some((position, show_later(staged, done)))),
                None => {
                    self.show(&staged);
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
    fn show(&self, staged: &StagedState) {
        self.hub.tell_state(&staged.namespace, &staged.room, || {
            self.histories.publish_state(staged);
            // Without an entry nothing has changed, and nobody is told.
            let entry = staged.entry.as_deref()?;
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
    }

    /// Takes away values that have expired.
    fn expire_state(&self) {
        self.lane.stage_all(|| {
            let mut later = Vec::new();
            for staged in self.histories.expire_state(clock::wall()).staged {
                match staged.position {
                    Some(position) => later.push((position, show_later(staged, Box::new(|_, _| ())))),
                    None => self.show(&staged),
                }
            }
            later
        });
    }

    /// Writes down what the histories amount to, so that the next start is quick.
    pub async fn close_histories(&self) {
        let histories = Arc::clone(&self.histories);
        // The disk has to be waited for.
        let closed = tokio::task::spawn_blocking(move || histories.close());
        if let Ok(Err(error)) = closed.await {
            // Nothing is lost by that: the log itself is read instead.
            tracing::warn!(%error, "no snapshot of the histories was written");
        }
    }

    /// Lets go what is too old, and cleans the log, until the node stops.
    pub async fn run_upkeep(self: Arc<Self>) {
        let mut ticks = interval(UPKEEP_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.tasks.stopping().cancelled() => return,
            }
            self.expire_state();
            let histories = Arc::clone(&self.histories);
            // The disk has to be waited for.
            let done = tasks::blocking(move || {
                histories.sweep(clock::wall());
                histories.maintain()
            });
            if let Ok(Err(error)) = done.await {
                tracing::error!(%error, "the log was not cleaned");
            }
        }
    }
}

fn show_later(staged: StagedState, done: Done) -> Deed {
    Box::new(move |router, durable| match durable {
        Ok(()) => {
            router.show(&staged);
            done(router, Ok(staged.set));
        }
        Err(_) => done(router, Err(storage_failed())),
    })
}

/// What is wanted of a history.
struct Wanted {
    way: Way,
    epoch: String,
    to: u64,
    size: usize,
    /// Whether the client has named the first event: then it is refused when it is not there.
    strict: bool,
}

enum Way {
    Forward(u64),
    Since(SystemTime),
    Backward(Option<u64>),
}

impl Wanted {
    fn of(request: v1::GetHistoryRequest, size: usize) -> Result<Self, Refusal> {
        let (mut strict, mut epoch) = (false, request.epoch);
        let mut way = match request.start {
            Some(Start::FromOffset(from)) => {
                strict = from > 0;
                Way::Forward(from)
            }
            Some(Start::Since(time)) => {
                let time = SystemTime::try_from(time);
                Way::Since(time.map_err(|_| Refusal::invalid("since", "is no time"))?)
            }
            Some(Start::BeforeOffset(0)) => return Err(Refusal::invalid("before_offset", "is 0")),
            Some(Start::BeforeOffset(before)) => Way::Backward(Some(before)),
            None => Way::Backward(None),
        };
        let to = request.to_offset.unwrap_or(u64::MAX);
        if let Way::Forward(from) = way
            && to < from
        {
            return Err(Refusal::invalid("to_offset", "comes before from_offset"));
        }
        if !request.page_token.is_empty() {
            let (life, offset) = page_token(&request.page_token)?;
            epoch = life;
            way = if matches!(way, Way::Backward(_)) {
                Way::Backward(Some(offset))
            } else {
                Way::Forward(offset)
            };
        }
        Ok(Self { way, epoch, to, size, strict })
    }

    fn read(&self, histories: &Histories, room: &Room) -> Result<v1::GetHistoryResponse, Refusal> {
        let place = (room.namespace.as_str(), room.room.as_str());
        let epoch = (!self.epoch.is_empty()).then_some(self.epoch.as_str());
        let bounds = (self.size, PAGE_BYTES_MAX);
        let (page, backward) = match self.way {
            Way::Forward(from) => (histories.read(place, epoch, from..=self.to, bounds), false),
            Way::Since(time) => {
                let from = histories.offset_at(place.0, place.1, time).unwrap_or(1);
                (histories.read(place, epoch, from..=self.to.max(from), bounds), false)
            }
            Way::Backward(before) => (histories.read_back(place, epoch, before, bounds), true),
        };
        match page {
            Ok(page) if self.strict && page.gone.is_some() => {
                Err(gone("the history does not reach back so far"))
            }
            Ok(page) => Ok(response(page, backward)),
            Err(ReadError::None) if self.epoch.is_empty() => {
                Ok(v1::GetHistoryResponse { first_offset: 1, next_offset: 1, ..Default::default() })
            }
            Err(error @ (ReadError::None | ReadError::OtherEpoch(_) | ReadError::Ahead(_))) => {
                Err(gone(&error.to_string()))
            }
            Err(error @ (ReadError::Log(_) | ReadError::Record(_))) => {
                tracing::error!(%error, "a history was not read");
                Err(Refusal::new(RefusalCode::StorageFailed, "the history cannot be read"))
            }
        }
    }
}

fn response(page: Page, backward: bool) -> v1::GetHistoryResponse {
    let epoch = page.head.epoch.to_string();
    let edge = if backward { page.events.first() } else { page.events.last() };
    let next = edge.map(|kept| if backward { kept.offset } else { kept.offset + 1 });
    let token = next.filter(|_| page.more).map(|offset| format!("{epoch}.{offset}"));
    v1::GetHistoryResponse {
        events: page.events.iter().flat_map(|kept| kept.frame.events()).collect(),
        next_page_token: token.unwrap_or_default(),
        epoch,
        first_offset: page.head.first_offset,
        next_offset: page.head.last_offset + 1,
    }
}

fn page_token(token: &str) -> Result<(String, u64), Refusal> {
    let parts =
        token.split_once('.').and_then(|(epoch, offset)| Some((epoch.to_owned(), offset.parse().ok()?)));
    parts.ok_or_else(|| Refusal::invalid("page_token", "is none of this list"))
}

fn gone(reason: &str) -> Refusal {
    let refusal = Refusal::new(RefusalCode::PositionGone, reason.to_owned());
    Refusal { retry: Retry::AfterChange, ..refusal }
}

fn page_size(size: u32) -> Result<usize, Refusal> {
    let size = if size == 0 { ENTRIES_PER_PAGE } else { size } as usize;
    if size > PAGE_ENTRIES_MAX {
        return Err(Refusal::invalid("page_size", format_args!("is more than {PAGE_ENTRIES_MAX}")));
    }
    Ok(size)
}

fn next_token(more: bool, last: Option<String>) -> String {
    last.filter(|_| more).unwrap_or_default()
}
