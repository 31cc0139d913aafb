//! What the history of a room keeps: where to begin, in which direction, page by page. Values and one stream; asks
//! `room_calls.rs`.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::SystemTime,
};

use futures_util::{Stream, StreamExt, stream};
use rialto_proto::v1::{self, get_history_request::Start};

use crate::{error::Error, event::Event, room_calls::RoomCalls};

/// Events that one page may have.
const PAGE_MAX: u32 = 300;

/// The history of a room, seen from one end: from the newest event backward, unless told otherwise.
///
/// ```no_run
/// # async fn example(room: rialto_client::Room) -> Result<(), rialto_client::Error> {
/// let last = room.history().newest(20).await?;
/// let page = room.history().from_offset(7).page().await?;
/// # Ok(()) }
/// ```
///
/// *Errors*: [`Error::Invalid`] with two starts; `FORBIDDEN` without the right `history`; `POSITION_GONE` for a place that the history does not have.
#[derive(Debug, Clone)]
#[must_use = "a history is read page by page"]
pub struct History {
    calls: RoomCalls,
    request: v1::GetHistoryRequest,
    /// It was told to begin at two places.
    conflicts: bool,
}

/// Some events of a history, in the order in which they happened.
#[derive(Debug, Clone)]
pub struct HistoryPage {
    /// The events, by rising offset.
    pub events: Vec<Event>,
    /// What to hand to [`History::page_token`] for the next page; empty when there are no more in that direction.
    pub next: String,
    /// Which life of the history offsets count in; empty when the room keeps none or never had an event.
    pub epoch: String,
    /// The oldest event that is kept; `next_offset` when there is none.
    pub first_offset: u64,
    /// The offset that the next event will have.
    pub next_offset: u64,
}

impl From<v1::GetHistoryResponse> for HistoryPage {
    fn from(response: v1::GetHistoryResponse) -> Self {
        Self {
            events: response.events.into_iter().map(Event::from_history).collect(),
            next: response.next_page_token,
            epoch: response.epoch,
            first_offset: response.first_offset,
            next_offset: response.next_offset,
        }
    }
}

impl History {
    pub(crate) fn new(calls: RoomCalls) -> Self {
        let request = v1::GetHistoryRequest {
            namespace: calls.namespace.clone(),
            room: calls.room.clone(),
            ..v1::GetHistoryRequest::default()
        };
        Self { calls, request, conflicts: false }
    }

    fn start(mut self, start: Start) -> Self {
        self.conflicts |= self.request.start.replace(start).is_some();
        self
    }

    /// Begins with this event and goes forward; 0 begins with the oldest that is kept.
    pub fn from_offset(self, offset: u64) -> Self {
        self.start(Start::FromOffset(offset))
    }

    /// Begins with the event before this one and goes backward.
    pub fn before(self, offset: u64) -> Self {
        self.start(Start::BeforeOffset(offset))
    }

    /// Begins with the first event taken at this time or later, by the server's clock, and goes forward.
    pub fn since(self, time: SystemTime) -> Self {
        self.start(Start::Since(time.into()))
    }

    /// Goes forward to this event and not beyond it.
    pub fn to_offset(mut self, offset: u64) -> Self {
        self.request.to_offset = Some(offset);
        self
    }

    /// Which life of the history the offsets count in; another one than the present is refused with `POSITION_GONE`.
    pub fn epoch(mut self, epoch: impl Into<String>) -> Self {
        self.request.epoch = epoch.into();
        self
    }

    /// At most so many events a page. Default 50, at most 300.
    pub fn page_size(mut self, events: u32) -> Self {
        self.request.page_size = Some(events);
        self
    }

    /// Goes on after the page that had this as [`HistoryPage::next`]; all else must be as it was.
    pub fn page_token(mut self, token: impl Into<String>) -> Self {
        self.request.page_token = token.into();
        self
    }

    /// One page.
    pub async fn page(&self) -> Result<HistoryPage, Error> {
        if self.conflicts {
            return Err(Error::Invalid("a history has one start".to_owned()));
        }
        let request = self.request.clone();
        let answer = self.calls.ask(request, async |mut service, request| service.get_history(request).await);
        answer.await.map(HistoryPage::from)
    }

    /// All pages in this direction. Ends after the first error.
    ///
    /// *Cancel safety*: nothing is lost.
    pub fn pages(self) -> HistoryPages {
        let pages = stream::unfold(Some(self), async |history| {
            let history = history?;
            let page = history.page().await;
            let next = match &page {
                Ok(page) if !page.next.is_empty() => Some(history.page_token(page.next.clone())),
                _ => None,
            };
            Some((page, next))
        });
        HistoryPages { pages: Box::pin(pages) }
    }

    /// The newest so many events, or all that there are, in the order in which they happened. That is a start too.
    pub async fn newest(mut self, events: u32) -> Result<Vec<Event>, Error> {
        self.conflicts |= self.request.start.is_some();
        let count = usize::try_from(events).unwrap_or(usize::MAX);
        let mut pages = self.page_size(events.clamp(1, PAGE_MAX)).pages();
        let mut newest = std::collections::VecDeque::new();
        while newest.len() < count {
            let Some(page) = pages.next().await else { break };
            for event in page?.events.into_iter().rev() {
                newest.push_front(event);
            }
        }
        newest.drain(..newest.len().saturating_sub(count));
        Ok(newest.into())
    }
}

/// The pages of a history, one after the other.
pub struct HistoryPages {
    pages: Pin<Box<dyn Stream<Item = Result<HistoryPage, Error>> + Send>>,
}

impl HistoryPages {
    /// The next page; `None` after the last one.
    pub async fn next(&mut self) -> Option<Result<HistoryPage, Error>> {
        StreamExt::next(self).await
    }
}

impl Stream for HistoryPages {
    type Item = Result<HistoryPage, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.pages.as_mut().poll_next(context)
    }
}

impl fmt::Debug for HistoryPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryPages").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;

    #[tokio::test]
    async fn a_history_with_two_starts_makes_no_sense() {
        let client = Client::new("http://127.0.0.1:1").unwrap();
        let history = || client.history("chat", "hall");
        for wrong in
            [history().from_offset(1).before(9), history().since(SystemTime::UNIX_EPOCH).from_offset(1)]
        {
            assert!(matches!(wrong.page().await, Err(Error::Invalid(_))));
        }
        assert!(matches!(history().before(7).newest(3).await, Err(Error::Invalid(_))));
    }
}
