//! Reading what rooms keep, a page at a time, wherever it is asked from: what clients are owed, and what they ask for.

use std::time::SystemTime;

use rialto_proto::{
    node::{EventPage, Head, KeptEvent, StatePage},
    v1::{self, RefusalCode, StateChanges, get_history_request::Start},
};

use super::asking::{Answer, Ask};
use crate::{
    base::{
        limits::EVENTS_PER_PAGE_MAX,
        refusal::{Refusal, Retry},
    },
    history::{Histories, Kept, Page, ReadError, StateCursor},
    session::owed::{StateAfter, Stretch},
};

/// Events of one page that a client is owed: a quarter of an outbox, so that what is new still finds a place.
const OWED_EVENTS_MAX: usize = 64;
/// Bytes of one such page.
const OWED_BYTES_MAX: usize = 64 << 10;
/// Bytes of one page that a client has asked for. It may have to go from one node to another in one message.
const PAGE_BYTES_MAX: usize = 512 << 10;
/// Events of a page when the request does not say.
const EVENTS_PER_PAGE: u32 = 50;
/// Entries of a page when the request does not say.
const ENTRIES_PER_PAGE: u32 = 100;

/// Reads. May wait for the disk or the network.
pub(super) fn read(histories: &Histories, what: Ask) -> Result<Answer, Refusal> {
    match what {
        Ask::Events(stretch) => Ok(Answer::Events(events(histories, &stretch))),
        Ask::State(after) => Ok(Answer::State(state(histories, after))),
        Ask::History(request) => history(histories, *request).map(Answer::History),
        Ask::Keys(request) => keys(histories, &request).map(Answer::Keys),
        Ask::Keep(_) | Ask::Set(..) | Ask::Heads(..) => {
            Err(Refusal::new(RefusalCode::Internal, "that is not to be read"))
        }
    }
}

impl Histories {
    /// How far a room has come.
    pub(super) fn stand(&self, namespace: &str, room: &str) -> Head {
        let mut stand = Head::default();
        if let Some(head) = self.head(namespace, room) {
            stand.epoch = head.epoch.to_string();
            (stand.first_offset, stand.last_offset) = (head.first_offset, head.last_offset);
        }
        if let Some((epoch, revision)) = self.state_head(namespace, room) {
            (stand.state_epoch, stand.revision) = (epoch.to_string(), revision);
        }
        stand
    }
}

/// A page of events that somebody is owed.
fn events(histories: &Histories, stretch: &Stretch) -> EventPage {
    let Stretch { namespace, room, epoch, from, to } = stretch;
    let bounds = (OWED_EVENTS_MAX, OWED_BYTES_MAX);
    let page = match histories.read((namespace, room), Some(epoch), *from..=*to, bounds) {
        Ok(page) => page,
        Err(error) => {
            if let ReadError::Log(_) | ReadError::Record(_) = &error {
                tracing::error!(%error, "a history was not read");
            }
            return EventPage { lost: true, ..EventPage::default() };
        }
    };
    let next = page.next_offset(*from);
    let (gone_from, gone_to) = page.gone.map_or((0, 0), |gone| (*gone.start(), *gone.end()));
    let event = |kept: Kept| KeptEvent {
        offset: kept.offset,
        record: kept.frame.into_record(),
        excluded: kept.excluded.map(|id| id.to_string()).unwrap_or_default(),
    };
    EventPage {
        events: page.events.into_iter().map(event).collect(),
        gone_from,
        gone_to,
        // What lies beyond the newest event is not there yet and comes when it is new.
        next: if page.more && next <= *to { next } else { 0 },
        lost: false,
    }
}

/// A page of what has changed in the state of a room.
fn state(histories: &Histories, after: StateAfter) -> StatePage {
    let cursor = StateCursor::new(after.epoch.as_str(), after.revision, after.known);
    let cursor = Some(&cursor).filter(|_| !after.epoch.is_empty());
    let page = histories.state_changes_since(&after.namespace, &after.room, cursor, OWED_BYTES_MAX);
    let changes = StateChanges {
        namespace: after.namespace.to_string(),
        room: after.room.to_string(),
        epoch: page.epoch.map(|epoch| epoch.to_string()).unwrap_or_default(),
        entries: page.entries,
        reset: page.reset,
        complete: page.complete,
    };
    StatePage { changes: Some(changes), revision: page.next.revision(), known: page.next.known() }
}

/// A page of keys for a client.
fn keys(histories: &Histories, request: &v1::GetStateRequest) -> Result<v1::GetStateResponse, Refusal> {
    let size = if request.page_size == 0 { ENTRIES_PER_PAGE } else { request.page_size } as usize;
    let after = (!request.page_token.is_empty()).then_some(request.page_token.as_str());
    let place = (request.namespace.as_str(), request.room.as_str());
    let page = histories.state_page(place, &request.keys, after, (size, PAGE_BYTES_MAX));
    let last = page.entries.last().map(|entry| entry.key.clone());
    Ok(v1::GetStateResponse {
        next_page_token: last.filter(|_| page.more).unwrap_or_default(),
        entries: page.entries,
        epoch: page.epoch.map(|epoch| epoch.to_string()).unwrap_or_default(),
        revision: page.revision,
        total_count: u32::try_from(page.total_count).unwrap_or(u32::MAX),
    })
}

/// A page of events for a client.
fn history(histories: &Histories, request: v1::GetHistoryRequest) -> Result<v1::GetHistoryResponse, Refusal> {
    let (namespace, room) = (request.namespace.clone(), request.room.clone());
    let wanted = Wanted::of(request)?;
    wanted.read(histories, (&namespace, &room))
}

/// Whether a page of events can be asked for like that.
pub(super) fn check(request: v1::GetHistoryRequest) -> Result<(), Refusal> {
    Wanted::of(request).map(drop)
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
    fn of(request: v1::GetHistoryRequest) -> Result<Self, Refusal> {
        let size = request.page_size.unwrap_or(EVENTS_PER_PAGE);
        if size == 0 || size > EVENTS_PER_PAGE_MAX {
            let what = format_args!("is not between 1 and {EVENTS_PER_PAGE_MAX}");
            return Err(Refusal::invalid("page_size", what));
        }
        let size = size as usize;
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

    fn read(&self, histories: &Histories, place: (&str, &str)) -> Result<v1::GetHistoryResponse, Refusal> {
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
