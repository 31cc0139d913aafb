//! How a run ends: faults are healed, everybody gets what there is, what is stored is read once more; then all go, and
//! nothing of them may be left.

use std::{sync::Weak, time::Duration};

use futures_util::FutureExt;
use rialto_proto::v1::{
    Bye, ClientFrame, GetHistoryRequest, GetHistoryResponse, GetStateRequest, GetStateResponse,
    ListRoomsRequest, client_frame::Command, content, get_history_request::Start, state_entry,
};
use rialto_server::auth::Identity;
use tokio::{task::yield_now, time::sleep};

use super::{client::Watched, world::World};
use crate::checks::{Checker, Message, Position, Seen, Verdict, check_all};

/// Rounds within which everybody has got what there is.
const ROUNDS_MAX: usize = 600;
/// Who reads histories.
const READER: &str = "reader";

impl World {
    /// Brings a run to its end, and says what is wrong with it.
    pub(super) async fn end(&mut self) -> (Verdict, Vec<String>) {
        self.notes.trace.note("healed");
        self.heal().await;
        self.come_to_rest().await;
        self.read_histories().await;
        self.compare_states().await;
        self.close_epochs().await;
        self.everybody_goes().await;
        let mut verdict = check_all(&self.notes.recorder.run());
        if self.scene.forgets {
            // What a history lets go without anybody having been there is nowhere.
            verdict.breaches.retain(|breach| breach.checker != Checker::NothingLost);
        }
        let mut complaints = std::mem::take(&mut self.complaints);
        complaints.extend(self.clients.iter().flat_map(|client| client.complaints.iter().cloned()));
        (verdict, complaints)
    }

    async fn heal(&mut self) {
        self.disk.heal();
        self.disk.set_space(None);
        if self.node.as_ref().is_some_and(|node| node.has_failed()) {
            self.crash(false).await;
        }
        if self.node.is_none() {
            self.start().await;
            self.read_histories().await;
        }
        for client in &mut self.clients {
            (client.away_until, client.silent_until) = (None, None);
        }
    }

    async fn come_to_rest(&mut self) {
        for _ in 0..ROUNDS_MAX {
            self.round().await;
            if self.is_at_rest() {
                return;
            }
        }
        self.complaints.push(format!("nobody came to rest within {ROUNDS_MAX} rounds"));
    }

    /// Everybody does all that there is to do.
    async fn round(&mut self) {
        let Some(node) = &self.node else { return };
        let router = std::sync::Arc::clone(&node.router);
        for at in 0..self.clients.len() {
            let client = &mut self.clients[at];
            for (mut stream, _) in std::mem::take(&mut client.half_open) {
                stream.break_off(&router);
            }
            if client.stream.is_none() {
                client.connect(&mut self.notes);
            }
            while client.is_greeted()
                && let Some(again) = client.again.pop_front()
            {
                client.emit_again(again, &mut self.notes);
            }
            if let Some(stream) = &mut client.stream {
                let greeted = stream.session().is_some();
                while stream.take(&router) {}
                while stream.write(&router) {}
                if let (false, Some(session)) = (greeted, stream.session()) {
                    self.sessions.push(session);
                }
            }
            while self.read(at) {}
        }
        if let Some(node) = &self.node {
            node.log.flush().ok();
        }
        yield_now().await;
        sleep(Duration::from_millis(20)).await;
    }

    fn is_at_rest(&self) -> bool {
        self.clients.iter().all(|client| {
            let quiet = client.stream.as_ref().is_some_and(|stream| stream.is_quiet());
            client.is_greeted() && quiet && client.pending.is_empty() && client.again.is_empty()
        })
    }

    /// Reads the history of every room, the whole of it.
    pub(super) async fn read_histories(&mut self) {
        for room in self.scene.rooms.clone() {
            let pages = self.history(&room.namespace, &room.name).await;
            let Some(first) = pages.first().filter(|page| !page.epoch.is_empty()) else { continue };
            let (epoch, first_offset) = (first.epoch.as_str().into(), first.first_offset);
            let events = pages.iter().flat_map(|page| &page.events);
            let read = events.map(|event| (event.offset.unwrap_or_default(), message(event))).collect();
            let seen = Seen::HistoryRead { room, epoch, first_offset, events: read };
            self.notes.seen(READER, seen);
        }
    }

    async fn history(&mut self, namespace: &str, room: &str) -> Vec<GetHistoryResponse> {
        let Some(node) = &self.node else { return Vec::new() };
        let (mut pages, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = GetHistoryRequest {
                namespace: namespace.to_owned(),
                room: room.to_owned(),
                start: Some(Start::FromOffset(0)),
                page_token: page_token.clone(),
                page_size: Some(100),
                ..GetHistoryRequest::default()
            };
            match node.router.get_history(&Identity::open(None), request).await {
                Ok(page) => {
                    page_token.clone_from(&page.next_page_token);
                    pages.push(page);
                }
                Err(refusal) => {
                    self.complaints.push(format!("the history of {room} is not read: {refusal:?}"));
                    return pages;
                }
            }
            if page_token.is_empty() {
                return pages;
            }
        }
    }

    /// Everybody who watches the state of a room knows what is in it; what was acknowledged is in it.
    async fn compare_states(&mut self) {
        // Values that expire go, and are told to have gone.
        for _ in 0..160 {
            self.round().await;
        }
        for (at, room) in self.scene.rooms.clone().iter().enumerate() {
            let Some(state) = self.state(&room.namespace, &room.name).await else { continue };
            let lost = self.notes.sets.lost(at, &state);
            self.complaints.extend(lost.into_iter().map(|lost| format!("the state of {room}: {lost}")));
            let right = watched(&state);
            for client in &self.clients {
                let known = client.members.get(&at).and_then(|membership| membership.state.as_ref());
                let same = known.is_none_or(|known| known.entries == right.entries && known.complete);
                if !same {
                    let name = &client.name;
                    self.complaints.push(format!("{name} knows the state of {room} as {known:?}: {right:?}"));
                }
            }
        }
    }

    async fn state(&self, namespace: &str, room: &str) -> Option<GetStateResponse> {
        let request = GetStateRequest {
            namespace: namespace.to_owned(),
            room: room.to_owned(),
            ..GetStateRequest::default()
        };
        self.node.as_ref()?.router.get_state(&Identity::open(None), request).await.ok()
    }

    /// Who joined before the first event, and saw none of those that there are.
    async fn close_epochs(&mut self) {
        for (at, room) in self.scene.rooms.clone().into_iter().enumerate() {
            let pages = self.history(&room.namespace, &room.name).await;
            let Some(epoch) = pages.first().map(|page| page.epoch.clone()).filter(|epoch| !epoch.is_empty())
            else {
                continue;
            };
            for client in &self.clients {
                let begins = client.members.get(&at).is_some_and(|one| one.epoch.as_deref() == Some(""));
                if begins {
                    let seen = Seen::Reset { room: room.clone(), at: Position::new(&epoch, 0) };
                    self.notes.seen(&client.name, seen);
                }
            }
        }
    }

    /// All go, some without a word, and nothing of them is left.
    async fn everybody_goes(&mut self) {
        let Some(node) = &self.node else { return };
        let router = std::sync::Arc::clone(&node.router);
        for client in &mut self.clients {
            let Some(mut stream) = client.stream.take() else { continue };
            if self.notes.chance.one_in(2) {
                let bye = ClientFrame { r#ref: 0, command: Some(Command::Bye(Bye {})) };
                stream.up.push_back(bye);
                while stream.take(&router) {}
                while stream.write(&router) {
                    stream.down.clear();
                }
            }
            stream.break_off(&router);
        }
        let window = self.scene.config.limits.session.resume_window;
        sleep(window + Duration::from_secs(20)).await;
        // Values that have expired meanwhile are in the log.
        node.log.flush().ok();
        sleep(Duration::from_millis(1)).await;
        let metrics = &node.metrics;
        let left = [
            ("sessions", metrics.sessions.get()),
            ("sessions away", metrics.sessions_away.get()),
            ("rooms", metrics.rooms.get()),
            ("replies outstanding", metrics.replies_outstanding.get()),
            ("sessions in memory", self.sessions.iter().filter_map(Weak::upgrade).count() as i64),
            ("deeds that wait for the log", i64::from(router.settled().now_or_never().is_none())),
        ];
        let left = left.into_iter().filter(|(_, count)| *count != 0);
        self.complaints.extend(left.map(|(what, count)| format!("{count} {what} are left")));
        for room in &self.scene.rooms {
            let request = ListRoomsRequest { namespace: room.namespace.to_string(), ..Default::default() };
            let listed = router.list_rooms(&Identity::open(None), request).await;
            if listed.is_ok_and(|listed| listed.total_count > 0) {
                self.complaints.push(format!("rooms of {} are left", room.namespace));
            }
        }
    }
}

fn message(event: &rialto_proto::v1::Event) -> Message {
    match event.content.as_ref().and_then(|content| content.body.as_ref()) {
        Some(content::Body::Text(text)) => Message::read(text),
        _ => Message::read(""),
    }
}

fn watched(state: &GetStateResponse) -> Watched {
    let text = |entry: &rialto_proto::v1::StateEntry| match &entry.body {
        Some(state_entry::Body::Text(text)) => text.clone(),
        _ => String::new(),
    };
    let entry = |entry: &rialto_proto::v1::StateEntry| (entry.key.clone(), (entry.revision, text(entry)));
    Watched { epoch: state.epoch.clone(), entries: state.entries.iter().map(entry).collect(), complete: true }
}
