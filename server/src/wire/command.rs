//! A client's frame, checked once at the edge. What is a [`Command`] obeys the rules of names, enums, counts and
//! sizes; what remains to be asked is whether it is allowed and possible now.

use std::{collections::BTreeMap, time::Duration};

use rialto_proto::v1::{self, ClientFrame, Content, Delivery, RefusalCode, client_frame, reply};

use super::{
    Class, content,
    state::SetState,
    target::{self, Target},
};
use crate::base::{
    ids::{NamespaceName, RoomName, SessionId, UserName},
    limits::{
        EVENTS_PER_PAGE_MAX, ID_BYTES_MAX, IDEMPOTENCY_KEY_BYTES_MAX, JOINS_PER_HELLO_MAX, SessionLimits,
        TOKEN_BYTES_MAX,
    },
    refusal::Refusal,
};

/// What a client asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Greets. Boxed: it comes once and is large.
    Hello(Box<Hello>),
    /// Enters a namespace.
    Enter(NamespaceName),
    /// Leaves a namespace.
    Leave(NamespaceName),
    /// Joins rooms.
    Join(Join),
    /// A join of a greeting that is wrong: it is refused in its turn.
    Wrong(Refusal),
    /// Parts rooms.
    Part(NamespaceName, Vec<RoomName>),
    /// Sends an event.
    Emit(Box<Emit>),
    /// Answers an event.
    Reply(Reply),
    /// Confirms frames up to a sequence number.
    Seen(u32),
    /// Hands in a new token.
    Refresh(String),
    /// Asks for a `Pong`.
    Ping,
    /// Answers a `Ping`.
    Pong,
    /// Ends the session.
    Bye,
    /// Sets a key of a room. Boxed: it is rare and large.
    SetState(Box<SetState>),
}

/// The greeting.
#[derive(Debug, Clone, PartialEq)]
pub struct Hello {
    /// Token, empty for none.
    pub token: String,
    /// User, as the client calls itself.
    pub user: Option<UserName>,
    /// What others see beside the session.
    pub attributes: BTreeMap<String, String>,
    /// Name and version of the program.
    pub client: v1::ClientInfo,
    /// The session to take up, if there was one.
    pub resume: Option<Resume>,
    /// First joins, each checked by itself: one that is wrong is refused and the session goes on.
    pub joins: Vec<Result<Join, Refusal>>,
}

/// A session to take up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// Its id, as the client gave it.
    pub session: String,
    /// Its secret.
    pub secret: String,
    /// The last frame that the client has seen.
    pub seq: u32,
    /// Open a new one when that cannot be.
    pub afresh: bool,
}

/// A place in the history of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The room.
    pub room: RoomName,
    /// Which life of the history.
    pub epoch: String,
    /// The last event that was seen.
    pub offset: u64,
}

/// Rooms to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Where.
    pub namespace: NamespaceName,
    /// Which; not empty.
    pub rooms: Vec<RoomName>,
    /// Whether members are to be told and reported.
    pub presence: bool,
    /// After which positions events are to come again; of rooms that are joined.
    pub recover: Vec<Place>,
    /// How many of the newest events are to come from the other rooms.
    pub newest: u32,
    /// Whether keyed state is to be told.
    pub state: bool,
    /// Whether deltas are understood.
    pub delta: bool,
}

/// An event to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Emit {
    /// Where.
    pub namespace: NamespaceName,
    /// To whom.
    pub target: Target,
    /// What.
    pub content: Content,
    /// What may happen to it on the way.
    pub class: Class,
    /// How long replies are waited for, when they are.
    pub replies: Option<Duration>,
    /// Names the emit for ever; empty for none.
    pub idempotency_key: String,
}

/// An answer to an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// Which event.
    pub token: String,
    /// The answer.
    pub body: Option<reply::Body>,
    /// Its media type.
    pub content_type: String,
}

impl Command {
    /// Checks a frame.
    pub fn parse(frame: ClientFrame, limits: &SessionLimits) -> Result<Self, Refusal> {
        use client_frame::Command as Kind;
        let kind = frame.command.ok_or_else(|| Refusal::invalid("command", "is missing or not known"))?;
        Ok(match kind {
            Kind::Hello(hello) => Self::Hello(Box::new(Hello::parse(hello, limits)?)),
            Kind::Enter(enter) => Self::Enter(target::namespace(enter.namespace)?),
            Kind::Leave(leave) => Self::Leave(target::namespace(leave.namespace)?),
            Kind::Join(join) => Self::Join(Join::parse(join)?),
            Kind::Part(part) => Self::Part(target::namespace(part.namespace)?, room_list(part.rooms)?),
            Kind::Emit(emit) => Self::Emit(Box::new(Emit::parse(emit, limits)?)),
            Kind::Reply(reply) => Self::Reply(Reply::parse(reply)?),
            Kind::Seen(seen) => Self::Seen(seen.seq),
            Kind::Refresh(refresh) => Self::Refresh(token(refresh.token)?),
            Kind::Ping(_) => Self::Ping,
            Kind::Pong(_) => Self::Pong,
            Kind::Bye(_) => Self::Bye,
            Kind::SetState(set) => Self::SetState(Box::new(SetState::parse(set)?)),
        })
    }
}

impl Hello {
    /// Checks a greeting.
    pub fn parse(hello: v1::Hello, limits: &SessionLimits) -> Result<Self, Refusal> {
        content::pairs("attributes", &hello.attributes, limits)?;
        let client = hello.client.unwrap_or_default();
        client_text("client.name", &client.name)?;
        client_text("client.version", &client.version)?;
        if hello.joins.len() > JOINS_PER_HELLO_MAX {
            return Err(Refusal::invalid(
                "joins",
                format_args!("has more than {JOINS_PER_HELLO_MAX} entries"),
            ));
        }
        Ok(Self {
            token: token(hello.token)?,
            user: user(hello.user)?,
            attributes: hello.attributes,
            client,
            resume: hello.resume.map(Resume::parse).transpose()?,
            joins: hello.joins.into_iter().map(Join::parse).collect(),
        })
    }
}

impl Join {
    fn parse(join: v1::Join) -> Result<Self, Refusal> {
        let rooms = room_list(join.rooms)?;
        if join.newest > EVENTS_PER_PAGE_MAX {
            return Err(Refusal::invalid("newest", format_args!("is more than {EVENTS_PER_PAGE_MAX}")));
        }
        Ok(Self {
            namespace: target::namespace(join.namespace)?,
            recover: places(join.recover, &rooms)?,
            rooms,
            presence: join.presence,
            newest: join.newest,
            state: join.state,
            delta: join.delta,
        })
    }
}

impl Resume {
    fn parse(resume: v1::Resume) -> Result<Self, Refusal> {
        let v1::Resume { session_id, session_secret, seq, afresh } = resume;
        if session_id.len() > ID_BYTES_MAX || session_secret.len() > ID_BYTES_MAX {
            return Err(Refusal::invalid("resume", "holds an id or a secret that is none"));
        }
        Ok(Self { session: session_id, secret: session_secret, seq, afresh })
    }
}

/// Checks positions: each in a room that is joined, each room once.
fn places(positions: Vec<v1::RoomPosition>, rooms: &[RoomName]) -> Result<Vec<Place>, Refusal> {
    let mut places: Vec<Place> = Vec::with_capacity(positions.len().min(rooms.len()));
    for v1::RoomPosition { room, epoch, offset } in positions {
        let room = target::room("recover.room", room)?;
        if !rooms.contains(&room) || places.iter().any(|place| place.room == room) {
            return Err(Refusal::invalid("recover", "names a room that is not joined, or one twice"));
        }
        if epoch.len() > ID_BYTES_MAX {
            return Err(Refusal::invalid("recover.epoch", "is none"));
        }
        places.push(Place { room, epoch, offset });
    }
    Ok(places)
}

impl Emit {
    fn parse(emit: v1::Emit, limits: &SessionLimits) -> Result<Self, Refusal> {
        let replies = emit.expect_replies.map(|expect| content::reply_timeout(expect.timeout)).transpose()?;
        Ok(Self {
            namespace: target::namespace(emit.namespace)?,
            target: Target::try_from(emit.target)?,
            content: content::content(emit.content, limits)?,
            class: class(emit.delivery)?,
            replies,
            idempotency_key: idempotency_key(emit.idempotency_key)?,
        })
    }

    /// Checks an event that is published without a session.
    pub fn publish(publish: v1::PublishRequest, limits: &SessionLimits) -> Result<Self, Refusal> {
        let v1::PublishRequest { namespace, target, content, delivery, idempotency_key } = publish;
        Self::parse(
            v1::Emit { namespace, target, content, delivery, idempotency_key, expect_replies: None },
            limits,
        )
    }

    /// Checks a question to one session.
    pub fn call(call: v1::CallRequest, limits: &SessionLimits) -> Result<Self, Refusal> {
        use v1::call_request::Callee;
        let target = match call.callee {
            Some(Callee::Session(session)) => v1::Target { sessions: vec![session], ..Default::default() },
            Some(Callee::AnyOf(any_of)) => v1::Target { any_of, ..Default::default() },
            None => return Err(Refusal::invalid("callee", "is missing")),
        };
        Self::parse(
            v1::Emit {
                namespace: call.namespace,
                target: Some(target),
                content: call.content,
                delivery: Delivery::Reliable.into(),
                expect_replies: Some(v1::ExpectReplies { timeout: call.timeout }),
                idempotency_key: String::new(),
            },
            limits,
        )
    }
}

impl Reply {
    fn parse(reply: v1::Reply) -> Result<Self, Refusal> {
        content::content_type("content_type", &reply.content_type)?;
        if let Some(reply::Body::Error(error)) = &reply.body {
            content::reply_error(error)?;
        }
        Ok(Self { token: reply.reply_token, body: reply.body, content_type: reply.content_type })
    }
}

fn class(delivery: i32) -> Result<Class, Refusal> {
    match Delivery::try_from(delivery) {
        Ok(Delivery::Unspecified | Delivery::Reliable) => Ok(Class::Reliable),
        Ok(Delivery::Volatile) => Ok(Class::Volatile),
        Ok(Delivery::Latest) => Ok(Class::Latest),
        Err(_) => Err(Refusal::invalid("delivery", "is not a known value")),
    }
}

fn room_list(names: Vec<String>) -> Result<Vec<RoomName>, Refusal> {
    if names.is_empty() {
        return Err(Refusal::invalid("rooms", "is empty"));
    }
    target::rooms("rooms", names)
}

fn idempotency_key(key: String) -> Result<String, Refusal> {
    if key.len() > IDEMPOTENCY_KEY_BYTES_MAX {
        let what = format_args!("is longer than {IDEMPOTENCY_KEY_BYTES_MAX} bytes");
        return Err(Refusal::invalid("idempotency_key", what));
    }
    Ok(key)
}

fn token(token: String) -> Result<String, Refusal> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Refusal::unauthenticated("the token is too long"));
    }
    Ok(token)
}

fn user(name: String) -> Result<Option<UserName>, Refusal> {
    if name.is_empty() {
        return Ok(None);
    }
    UserName::try_from(name).map(Some).map_err(|error| Refusal::name("user", error))
}

fn client_text(field: &'static str, text: &str) -> Result<(), Refusal> {
    if text.len() > 64 || text.chars().any(char::is_control) {
        return Err(Refusal::invalid(field, "is longer than 64 bytes or holds a control character"));
    }
    Ok(())
}

/// Checks the id of a session in a request.
pub fn session_id(text: &str) -> Result<SessionId, Refusal> {
    text.parse().map_err(|_| Refusal::new(RefusalCode::SessionUnknown, "there is no such session"))
}
