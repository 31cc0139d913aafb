//! The owner of a session's connection: connects, greets, converses, and after an ending waits or stops as `step.rs`
//! says. One task per session. Handles reach it through `link.rs` only.

use std::{collections::VecDeque, time::Duration};

use rialto_proto::v1::{
    AttachRequest, ClientFrame, Hello, ServerFrame, client_frame::Command as Wire,
    messaging_service_client::MessagingServiceClient, server_frame::Frame,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Endpoint};

use crate::{
    backoff::{Backoff, STABLE},
    conversation::{MESSAGES_WAITING, Opening, converse},
    error::{Closing, Error, deepest},
    kept::{Greeting, Kept},
    line::{Line, bearer},
    link::FarEnd,
    settings::{MESSAGE_BYTES_MAX, Settings},
    status::{Arrival, Report, Status},
    step::{Ending, Known, Step, next_step, stopped_by},
    token::{Renewal, Token},
};

type Inbound = Streaming<rialto_proto::v1::AttachResponse>;

/// One session's life.
pub(crate) struct Actor {
    settings: Settings,
    endpoint: Endpoint,
    far: FarEnd,
    kept: Kept,
    backoff: Backoff,
    turned_down: bool,
    /// Why its stream ended.
    lost_by: String,
    /// Who waits for the session to be attached for the first time.
    first: Option<oneshot::Sender<Result<(), Error>>>,
}

impl Actor {
    pub(crate) fn new(
        settings: Settings,
        endpoint: Endpoint,
        far: FarEnd,
        first: oneshot::Sender<Result<(), Error>>,
    ) -> Self {
        Self {
            settings,
            endpoint,
            kept: Kept::at(far.whereabouts.clone()),
            far,
            backoff: Backoff::default(),
            turned_down: false,
            lost_by: String::new(),
            first: Some(first),
        }
    }

    /// Lives until the session is closed for good.
    pub(crate) async fn run(mut self) {
        loop {
            self.far.status.send_replace(Status::Connecting);
            self.far.backlog.detached(&self.lost_by);
            let resuming = self.kept.resumes();
            let ending = self.attempt().await;
            let unsent = self.kept.ended(&ending);
            if unsent > 0 {
                self.far.audience.tell(Report::Unsent(unsent));
            }
            let ending = if self.far.stop.is_wanted() { stopped_by(ending) } else { ending };
            let cause = cause_of(&ending);
            let renewable = self.settings.token.renewable();
            let known = Known { renewable, turned_down: self.turned_down, resuming };
            let (not_before, turned_down) = match next_step(ending, known) {
                Step::Stop(error) => return self.finish(error),
                Step::Again { not_before, turned_down } => (not_before, turned_down),
            };
            // Who connects for the first time learns at once that nobody is there, unless it asked for patience.
            if self.first.is_some() && !self.settings.patient && !turned_down {
                return self.finish(cause);
            }
            self.turned_down |= turned_down;
            let delay = self.backoff.next(rand::random()).max(not_before);
            tracing::debug!(%cause, ?delay, "session waits before it connects again");
            self.wait(delay, &cause).await;
        }
    }

    /// One stream: opens it and uses it until it ends.
    async fn attempt(&mut self) -> Ending {
        let greeting = self.kept.greeting();
        let opening = open(&self.settings, &self.endpoint, greeting, &self.far.line);
        let opened = tokio::select! {
            opened = timeout(self.settings.connect_timeout, opening) => opened,
            () = self.far.stop.wanted() => return Ending::Stopped,
        };
        let opening = match opened {
            Ok(Ok(opening)) => opening,
            Ok(Err(error)) => return Ending::Failed(error),
            Err(_) => {
                let within = self.settings.connect_timeout;
                return Ending::Failed(Error::Unavailable(format!("no welcome within {within:?}")));
            }
        };
        let attached_at = Instant::now();
        if opening.welcome.resumed && self.kept.session() != Some(&opening.welcome.session_id) {
            return Ending::Mistaken;
        }
        self.attached(&opening);
        let ending = converse(opening, &mut self.far, &mut self.kept).await;
        self.lost_by = cause_of(&ending).to_string();
        self.backoff.ended_after(attached_at.elapsed());
        if attached_at.elapsed() >= STABLE {
            self.turned_down = false;
        }
        ending
    }

    fn attached(&mut self, opening: &Opening<Inbound>) {
        let welcome = &opening.welcome;
        tracing::debug!(session = welcome.session_id, node = welcome.node, "session attached");
        if !welcome.resumed {
            self.far.backlog.drop_replies();
            // Before the status says that it is attached: rooms must not seem to be joined that are not.
            self.kept.afresh();
        }
        self.far.status.send_replace(Status::Attached {
            session: welcome.session_id.clone(),
            user: welcome.user.clone(),
            node: welcome.node.clone(),
            limits: welcome.limits.unwrap_or_default(),
            arrival: match (welcome.resumed, self.kept.session()) {
                (true, _) => Arrival::Resumed,
                (false, None) => Arrival::First,
                (false, Some(_)) => Arrival::Afresh,
            },
        });
        if let Some(before) = self.kept.session().map(ToOwned::to_owned) {
            let now = welcome.session_id.clone();
            let cause = std::mem::take(&mut self.lost_by);
            self.far.audience.tell(Report::Reconnected { before, now, resumed: welcome.resumed, cause });
        }
        if let Some(first) = self.first.take() {
            // Nobody waits any more: then the last handle is gone too, and the session ends by that.
            first.send(Ok(())).ok();
        }
    }

    async fn wait(&mut self, delay: Duration, cause: &Error) {
        let hurry = std::sync::Arc::clone(&self.far.hurry);
        let hurried = hurry.notified();
        let cause = cause.to_string();
        self.far.status.send_replace(Status::Waiting { until: Instant::now() + delay, cause: cause.clone() });
        self.far.backlog.detached(&cause);
        tokio::select! {
            () = sleep(delay) => {}
            () = hurried => {}
            () = self.far.stop.wanted() => {}
        }
    }

    fn finish(mut self, error: Error) {
        let closing = error.closing();
        tracing::debug!(%closing, "session is over");
        self.far.status.send_replace(Status::Closed(closing.clone()));
        self.far.backlog.close(&closing);
        self.far.audience.dismiss();
        if let Some(first) = self.first.take() {
            first.send(Err(error)).ok();
        }
    }
}

fn cause_of(ending: &Ending) -> Error {
    match ending {
        Ending::Closed(closing) => Error::Closed(closing.clone()),
        Ending::Failed(error) | Ending::Lost(error) => error.clone(),
        Ending::Moved => Error::Unavailable("the server asked to connect again".to_owned()),
        Ending::UsedUp => Error::Unavailable("the session has used up its numbers".to_owned()),
        Ending::Mistaken => Error::Unavailable("the server went on with another session".to_owned()),
        Ending::Stopped => Error::Closed(Closing::by_application()),
    }
}

/// Connects and greets; done when the welcome has come.
async fn open(
    settings: &Settings,
    endpoint: &Endpoint,
    greeting: Greeting,
    line: &Line,
) -> Result<Opening<Inbound>, Error> {
    let token = settings.token.fetch().await?;
    let renewal = Renewal::new(settings.token.clone(), token.as_ref().and_then(Token::life));
    let channel = endpoint.connect().await.map_err(|error| Error::Unavailable(deepest(&error)))?;
    let bearer = token.as_ref().map(|token| bearer(token.text())).transpose()?;
    line.connected(channel.clone(), bearer);
    let mut client = MessagingServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let (outbound, requests) = mpsc::channel(MESSAGES_WAITING);
    let joins = greeting.joins.clone();
    if outbound.try_send(hello(settings, token, greeting)).is_err() {
        return Err(Error::Invalid("the greeting found no place".to_owned()));
    }
    let mut inbound =
        client.attach(ReceiverStream::new(requests)).await.map_err(Error::of_stream)?.into_inner();
    loop {
        let Some(message) = inbound.message().await.map_err(Error::of_stream)? else {
            return Err(Error::Unavailable("the server ended the stream before its welcome".to_owned()));
        };
        let welcome_seq = message.first_seq;
        let mut rest = VecDeque::from(message.frames);
        let Some(first) = rest.pop_front() else { continue };
        let welcome = welcome(first)?;
        return Ok(Opening { inbound, outbound, welcome, welcome_seq, rest, joins, renewal });
    }
}

fn hello(settings: &Settings, token: Option<Token>, greeting: Greeting) -> AttachRequest {
    let hello = Hello {
        token: token.map(Token::into_text).unwrap_or_default(),
        user: settings.user.clone(),
        attributes: settings.attributes.clone(),
        client: Some(settings.program.clone()),
        resume: greeting.resume,
        joins: greeting.joins,
    };
    AttachRequest { frames: vec![ClientFrame { r#ref: 0, command: Some(Wire::Hello(hello)) }] }
}

fn welcome(first: ServerFrame) -> Result<rialto_proto::v1::Welcome, Error> {
    match first.frame {
        Some(Frame::Welcome(welcome)) => Ok(welcome),
        Some(Frame::Close(close)) => Err(Error::Closed(close.into())),
        Some(Frame::Refused(refused)) => Err(Error::Refused(refused.into())),
        _ => Err(Error::unexpected("the greeting")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::link;

    #[tokio::test(start_paused = true)]
    async fn the_next_attempt_begins_at_once_when_the_application_wants_it() {
        let settings = Settings { patient: true, ..Settings::new("http://127.0.0.1:1".to_owned()) };
        let endpoint = settings.endpoint().unwrap();
        let (link, far) = link(&settings);
        let (first, _attached) = oneshot::channel();
        let mut status = link.status();
        let life = Actor::new(settings, endpoint, far, first).run();
        let second = Duration::from_secs(1);
        let asking = async {
            let long = |status: &Status| matches!(status, Status::Waiting { until, .. } if *until > Instant::now() + second);
            status.wait_for(long).await.unwrap();
            let asked = Instant::now();
            link.hurry();
            // The attempt may have failed by the time at which this looks, so it does not ask for what the status is.
            status.changed().await.unwrap();
            assert!(asked.elapsed() < second);
        };
        tokio::select! {
            () = life => panic!("the session is over"),
            () = asking => {}
        }
    }
}
