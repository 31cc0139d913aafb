//! Looking into a node from outside: HTTP/1.1 as a monitoring system speaks it, the metrics, rooms and sessions. It
//! changes nothing in the node.

use std::{fmt, net::SocketAddr};

use rialto_proto::v1::{GetRoomRequest, GetSessionRequest, RefusalCode, Session};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::{Code, Status};

use crate::{
    eventually,
    node::{TestNode, settled},
    reason, within,
};

/// The value of a sample of the node that listens there; 0 when it is not there.
pub async fn metric(address: SocketAddr, sample: &str) -> u64 {
    let (status, text) = get(address, "/metrics").await;
    assert_eq!(status, 200);
    let value = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse::<u64>().expect("a whole number"))
}

impl TestNode {
    /// What a GET over HTTP/1.1 answers: status and body.
    pub async fn get(&self, path: &str) -> (u16, String) {
        get(self.address(), path).await
    }

    /// The value of a sample, by its name and labels as they are written; 0 when it is not there. Of several nodes the sum.
    pub async fn metric(&self, sample: &str) -> u64 {
        let mut sum = 0;
        for address in self.addresses() {
            sum += metric(address, sample).await;
        }
        sum
    }

    /// How many events were dropped for receivers that fell behind, of all that was said by now.
    pub async fn dropped_behind(&self) -> u64 {
        settled().await;
        self.metric("rialto_drops_total{cause=\"behind\"}").await
    }

    /// How often the node has refused for this reason.
    pub async fn refusals(&self, code: RefusalCode) -> u64 {
        let code = code.as_str_name().trim_start_matches("REFUSAL_CODE_");
        self.metric(&format!("rialto_refusals_total{{code=\"{code}\"}}")).await
    }

    /// How many members a room of `chat` has.
    pub async fn members(&self, room: &str) -> u32 {
        let request = GetRoomRequest { namespace: "chat".to_owned(), room: room.to_owned() };
        let room = self.directory().await.get_room(request).await.expect("the directory answers");
        room.into_inner().room.expect("a room").member_count
    }

    /// A session as the directory sees it; `None` when it is gone.
    pub async fn session(&self, id: &str) -> Option<Session> {
        let request = GetSessionRequest { session_id: id.to_owned() };
        match self.directory().await.get_session(request).await {
            Ok(response) => response.into_inner().session,
            Err(status) if status.code() == Code::NotFound => None,
            Err(status) if reason(&status) == "SESSION_UNKNOWN" => None,
            Err(status) => panic!("the directory failed: {status}"),
        }
    }

    /// Waits until a session is gone.
    pub async fn forgets(&self, id: &str) {
        eventually("the end of the session", async || self.session(id).await.is_none()).await;
    }
}

/// Fails unless a status has this gRPC code and this reason of ours.
pub fn assert_status(status: &Status, code: Code, expected: impl fmt::Display) {
    assert_eq!((status.code(), reason(status)), (code, expected.to_string()), "{status:?}");
}

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let fetch = async {
        let mut socket = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = within("an answer over HTTP/1.1", fetch).await.expect("the node answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}
