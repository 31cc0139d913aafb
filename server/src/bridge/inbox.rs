//! What is heard of all other nodes, wherever it was said, in the order of each that says it.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::SelectAll};
use tokio::{sync::mpsc, task::coop::unconstrained};

use super::{envelope::Heard, interest::Listening, order::Ordering, subjects::Place};

/// Everything that is heard.
#[derive(Debug)]
pub struct Inbox {
    begun: mpsc::Receiver<Listening>,
    listenings: SelectAll<Parsed>,
    ordering: Ordering<Heard>,
    closed: bool,
}

impl Inbox {
    /// An inbox that hears what listenings bring that have begun.
    pub(super) fn new(begun: mpsc::Receiver<Listening>) -> Self {
        Self { begun, listenings: SelectAll::new(), ordering: Ordering::default(), closed: false }
    }

    /// What comes next, in the order of each node that says it. Never empty; `None` when nothing can be heard any more.
    ///
    /// *Cancel safety*: nothing is lost.
    pub async fn next(&mut self) -> Option<Vec<Heard>> {
        // With a budget a listening would seem to be empty when it is not, and what it holds would come too late.
        unconstrained(poll_fn(|cx| {
            while !self.closed
                && let Poll::Ready(begun) = self.begun.poll_recv(cx)
            {
                match begun {
                    Some(listening) => self.listenings.push(Parsed(listening)),
                    None => self.closed = true,
                }
            }
            match self.ordering.poll(&mut self.listenings, cx) {
                Poll::Pending if self.closed && self.listenings.is_empty() => Poll::Ready(None),
                ready => ready.map(Some),
            }
        }))
        .await
    }
}

/// A listening whose messages are read; those that are none are passed over.
struct Parsed(Listening);

impl fmt::Debug for Parsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parsed")
    }
}

impl Stream for Parsed {
    type Item = Heard;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let next: Option<(Place, Bytes)> = ready!(self.0.poll_next_unpin(cx));
            match next.map(|(place, message)| Heard::parse(place, message)) {
                Some(Ok(heard)) => return Poll::Ready(Some(heard)),
                Some(Err(error)) => tracing::warn!(%error, "passed over"),
                None => return Poll::Ready(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rialto_proto::node::{Announce, envelope::What};
    use tokio_stream::wrappers::ReceiverStream;

    use super::*;
    use crate::{base::ids::NodeId, bridge::envelope};

    #[tokio::test]
    async fn however_much_waits_in_however_many_listenings_it_is_heard_in_order() {
        const LISTENINGS: u64 = 64;
        const MESSAGES: u64 = 5_000;
        let (begin, begun) = mpsc::channel(LISTENINGS as usize);
        let mut inbox = Inbox::new(begun);
        let mut senders = Vec::new();
        for _ in 0..LISTENINGS {
            let (sender, messages) = mpsc::channel(MESSAGES as usize);
            let listening: Listening =
                ReceiverStream::new(messages).map(|message| (Place::Cluster, message)).boxed();
            begin.try_send(listening).unwrap_or_else(|_| panic!("there is room"));
            senders.push(sender);
        }
        let node = NodeId::random();
        for seq in 1..=MESSAGES {
            let announce = What::Announce(Announce::default());
            let message = envelope::message(node, (seq, 0), 1, announce);
            senders[(seq / 50 % LISTENINGS) as usize].try_send(message).unwrap();
        }
        let mut heard = Vec::new();
        while heard.len() < MESSAGES as usize {
            heard.extend(inbox.next().await.unwrap().into_iter().map(|heard| heard.seq));
        }
        assert_eq!(heard, (1..=MESSAGES).collect::<Vec<_>>());
    }
}
