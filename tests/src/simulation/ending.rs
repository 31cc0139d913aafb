//! How a run ends: faults are healed, everybody gets what there is, what is stored is read once more; then all go, and
//! nothing of them may be left.

use std::{sync::Weak, time::Duration};

use futures_util::FutureExt;
use rialto_proto::v1::{
    Bye, ClientFrame, GetHistoryRequest, GetHistoryResponse, GetStateRequest, GetStateResponse,
    ListRoomsRequest, client_frame::Command, content, get_history_request::Start, state_entry,
};
use rialto_server::auth::Identity;
use tokio::{
    task::yield_now,
    time::{sleep, timeout},
};

use super::{
    client::{Client, Watched},
    node::SimulatedNode,
    site::Site,
    world::World,
};
use crate::checks::{Checker, Message, Position, Seen, Verdict, check_all};

/// Rounds within which everybody has got what there is.
const ROUNDS_MAX: usize = 2_000;
/// How long a read may take, of which the owner may have to be found.
const READ_WITHIN: Duration = Duration::from_secs(20);
/// Who reads histories.
const READER: &str = "reader";

impl World {
    /// Brings a run to its end, and says what is wrong with it.
    pub(super) async fn end(&mut self) -> (Verdict, Vec<String>) {
        self.notes.trace.note("healed");
        self.heal().await;
        self.come_to_rest().await;
        if self.notes.several {
            self.say_last_words().await;
        }
        self.work_off().await;
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

    /// Now that all is well, everybody is taken at the first attempt; and what was said last before is known to be missing by what
    /// comes after it.
    async fn say_last_words(&mut self) {
        for client in &mut self.clients {
            client.join_all(&mut self.notes);
        }
        self.come_to_rest().await;
        for client in &mut self.clients {
            client.emit_everywhere(&mut self.notes);
        }
        self.come_to_rest().await;
    }

    async fn heal(&mut self) {
        for at in 0..self.sites.len() {
            let site = &self.sites[at];
            site.disk.heal();
            site.disk.set_space(None);
            if site.node.as_ref().is_some_and(|node| node.has_failed()) {
                self.crash(at, false).await;
            }
            if self.sites[at].node.is_none() {
                self.start(at).await;
                if !self.notes.several {
                    self.read_histories().await;
                }
            }
        }
        if let Some(cluster) = &self.cluster {
            cluster.heal(self.sites.iter().filter_map(|site| site.node.as_ref()));
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
        for (at, router) in self.sites.iter().enumerate().filter_map(|(at, site)| Some((at, site.router()?)))
        {
            if self.notes.several && router.owned().now_or_never().is_none() {
                self.complaints.push(format!("node {at} knows of no owner of some part"));
            }
        }
        let busy: Vec<String> =
            self.clients.iter().filter(|client| !client.is_at_rest()).map(Client::state).collect();
        self.complaints
            .push(format!("within {ROUNDS_MAX} rounds these did not come to rest: {}", busy.join("; ")));
    }

    /// Everybody does all that there is to do.
    pub(super) async fn round(&mut self) {
        (0..self.sites.len()).for_each(|at| self.begin_to_serve(at));
        if self.notes.sites.len() < self.sites.len() {
            sleep(Duration::from_millis(20)).await;
            return;
        }
        for at in 0..self.clients.len() {
            let client = &mut self.clients[at];
            for (mut stream, _) in std::mem::take(&mut client.half_open) {
                self.sites[stream.site].router().iter().for_each(|router| stream.break_off(router));
            }
            if client.stream.is_none() {
                client.connect(&mut self.notes);
            }
            while client.is_greeted()
                && let Some(again) = client.again.pop_front()
            {
                client.emit_again(again, &mut self.notes);
            }
            if let Some(stream) = &mut client.stream
                && let site = &mut self.sites[stream.site]
                && let Some(router) = site.router().cloned()
            {
                let greeted = stream.session().is_some();
                while stream.take(&router) {}
                while stream.write(&router) {}
                if let (false, Some(session)) = (greeted, stream.session()) {
                    site.sessions.push(session);
                }
            }
            while self.read(at) {}
        }
        for node in self.sites.iter().filter_map(|site| site.node.as_ref()) {
            node.log.flush().ok();
        }
        self.labour.iter_mut().for_each(|labour| labour.wait(&mut self.notes.trace));
        yield_now().await;
        sleep(Duration::from_millis(20)).await;
    }

    fn is_at_rest(&self) -> bool {
        let owned = |site: &Site| site.router().is_none_or(|router| router.owned().now_or_never().is_some());
        let owned = !self.notes.several || self.sites.iter().all(owned);
        owned && self.clients.iter().all(Client::is_at_rest)
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
        let Some(router) = self.sites.iter().find_map(Site::router) else { return Vec::new() };
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
            let read = timeout(READ_WITHIN, router.get_history(&Identity::open(None), request)).await;
            match read {
                Ok(Ok(page)) => {
                    page_token.clone_from(&page.next_page_token);
                    pages.push(page);
                }
                failed => {
                    self.complaints.push(format!("the history of {room} is not read: {failed:?}"));
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
        let router = self.sites.iter().find_map(Site::router)?;
        timeout(READ_WITHIN, router.get_state(&Identity::open(None), request)).await.ok()?.ok()
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
        for client in &mut self.clients {
            let Some(mut stream) = client.stream.take() else { continue };
            let Some(router) = self.sites[stream.site].router() else { continue };
            if self.notes.chance.one_in(2) {
                let bye = ClientFrame { r#ref: 0, command: Some(Command::Bye(Bye {})) };
                stream.up.push_back(bye);
                while stream.take(router) {}
                while stream.write(router) {
                    stream.down.clear();
                }
            }
            stream.break_off(router);
        }
        let window = self.scene.config.limits.session.resume_window;
        sleep(window + Duration::from_secs(20)).await;
        // Values that have expired meanwhile are in the log.
        for node in self.sites.iter().filter_map(|site| site.node.as_ref()) {
            node.log.flush().ok();
        }
        sleep(Duration::from_millis(1)).await;
        for (at, site) in self.sites.iter().enumerate() {
            let Some(node) = &site.node else { continue };
            let left = left(site, node).into_iter().filter(|(_, count)| *count != 0);
            self.complaints.extend(left.map(|(what, count)| format!("{count} {what} are left at node {at}")));
            for room in &self.scene.rooms {
                let request =
                    ListRoomsRequest { namespace: room.namespace.to_string(), ..Default::default() };
                let listed = node.router.list_rooms(&Identity::open(None), request).await;
                if listed.is_ok_and(|listed| listed.total_count > 0) {
                    self.complaints.push(format!("rooms of {} are left at node {at}", room.namespace));
                }
            }
        }
    }
}

/// What a node still has.
fn left(site: &Site, node: &SimulatedNode) -> [(&'static str, i64); 6] {
    let metrics = &node.metrics;
    [
        ("sessions", metrics.sessions.get()),
        ("sessions away", metrics.sessions_away.get()),
        ("rooms", metrics.rooms.get()),
        ("replies outstanding", metrics.replies_outstanding.get()),
        ("sessions in memory", site.sessions.iter().filter_map(Weak::upgrade).count() as i64),
        ("deeds that wait for the log", i64::from(node.router.settled().now_or_never().is_none())),
    ]
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
