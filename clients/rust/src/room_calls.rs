//! Asking a server what it keeps of a room, with or without a session: where the call goes, with which credentials, and
//! its deadline. `history`, `presence` and `state` say what is asked.

use rialto_proto::v1::room_service_client::RoomServiceClient;
use tokio::time::{Instant, timeout_at};
use tonic::{Request, Response, Status, transport::Channel};

use crate::{client::Client, error::Error, line::signed, link::Link, settings::MESSAGE_BYTES_MAX};

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum Asker {
    /// A program without a session.
    Client(Client),
    /// A session, over its own connection.
    Session(Link),
}

/// A room that is asked about. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct RoomCalls {
    pub(crate) asker: Asker,
    pub(crate) namespace: String,
    pub(crate) room: String,
}

impl RoomCalls {
    pub(crate) fn new(asker: Asker, namespace: &str, room: &str) -> Self {
        Self { asker, namespace: namespace.to_owned(), room: room.to_owned() }
    }

    /// The session, if one asks.
    pub(crate) fn session(&self) -> Option<&Link> {
        match &self.asker {
            Asker::Session(link) => Some(link),
            Asker::Client(_) => None,
        }
    }

    /// Sends one request; waits for the session to be attached first. Not repeated by itself.
    pub(crate) async fn ask<T, R, F>(
        &self,
        message: T,
        call: impl FnOnce(RoomServiceClient<Channel>, Request<T>) -> F,
    ) -> Result<R, Error>
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let call = |channel, request| {
            let service = RoomServiceClient::new(channel);
            call(service.max_decoding_message_size(MESSAGE_BYTES_MAX), request)
        };
        let link = match &self.asker {
            Asker::Client(client) => return client.unary(message, client.deadline(), call).await,
            Asker::Session(link) => link,
        };
        let within = link.deadline();
        let deadline = Instant::now() + within;
        let present = link.line(deadline).await?.present();
        let (channel, bearer) = present.ok_or_else(|| Error::Unavailable("not connected yet".to_owned()))?;
        let mut request = signed(Request::new(message), &bearer);
        request.set_timeout(deadline.saturating_duration_since(Instant::now()));
        match timeout_at(deadline, call(channel, request)).await {
            Ok(response) => Ok(response?.into_inner()),
            Err(_) => Err(Error::TimedOut(format!("no answer within {within:?}"))),
        }
    }
}
