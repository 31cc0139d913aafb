//! How long a session outlives its stream. Time is paused and moved.

use std::{
    task::{Context, Poll, Waker},
    time::Duration,
};

use prost::Message;
use rialto_proto::v1::AttachResponse;

use super::*;
use crate::{
    auth::Authenticator,
    base::{config::Config, metrics::Metrics, tasks::Tasks},
    history::{Histories, SettingsOf, Tuning},
    hub::Namespaces,
    router::{Kept, now},
    session::outbox::Next,
};

const WINDOW: Duration = Duration::from_secs(120);
const ALMOST: Duration = Duration::from_secs(119);

fn router(change: impl FnOnce(&mut Config)) -> Arc<Router> {
    let mut config = Config::default();
    config.limits.session.resume_window = WINDOW;
    change(&mut config);
    let namespaces = Arc::new(Namespaces::new(&config.namespaces, 1, Default::default()));
    let settings: SettingsOf = Arc::new(|_| None);
    let histories = Histories::open(None, settings, clock::wall(), Tuning::default()).unwrap();
    let kept = Kept {
        namespaces,
        histories: Arc::new(histories),
        parts: 0,
        namespace_register: None,
        revocations: super::super::revoking::Keeper::default(),
        jobs: None,
        uploads: Arc::new(crate::uploads::MemoryUploads::new(0)),
        bridge: None,
    };
    let metrics = Arc::new(Metrics::default());
    let router = Router::new(&config, Authenticator::open(), kept, metrics, Tasks::default());
    router.tasks.spawn("timers", Arc::clone(&router).run_timers());
    router
}

fn hello(router: &Router, resume: Option<v1::Resume>) -> Hello {
    let hello = v1::Hello { user: "ann".to_owned(), resume, ..v1::Hello::default() };
    Hello::parse(hello, &router.limits.session).unwrap()
}

/// From one address, as all in these tests are.
fn peer() -> Peer {
    Peer { address: Some(IpAddr::from([192, 0, 2, 1])), ..Peer::default() }
}

fn greet(router: &Router) -> Arc<Session> {
    now(router.greet(hello(router, None), peer())).unwrap().0
}

/// Comes back to a session, or to one that is not there any more, of which `seq` frames were seen.
fn resume(router: &Router, session: &Session, seq: u32) -> Result<u32, RefusalCode> {
    let resume = v1::Resume {
        session_id: session.id.to_string(),
        session_secret: session.secret(),
        seq,
        afresh: false,
    };
    let resumed = now(router.greet(hello(router, Some(resume)), peer()));
    resumed.map(|(_, stream)| stream).map_err(|refusal| refusal.code)
}

/// Reads everything that there is for a stream. Returns the number of the last frame.
fn read(session: &Session, stream: u32) -> u32 {
    let mut seq = 0;
    let next = || session.outbox.poll_next(stream, clock::now(), &mut Context::from_waker(Waker::noop()));
    while let Poll::Ready(Next::Burst(burst)) = next() {
        let response = AttachResponse::decode(burst.encode_to_vec().as_slice()).unwrap();
        if response.first_seq != 0 {
            seq = response.first_seq + response.frames.len() as u32 - 1;
        }
    }
    seq
}

fn say(session: &Session) {
    session.outbox.answer(Frame::answer(0, Body::Ping(v1::Ping {})));
}

/// Assertion 51: however long nothing was heard, up to the end of the window.
#[tokio::test(start_paused = true)]
async fn a_session_is_kept_for_its_whole_window_and_not_longer() {
    let router = router(|_| ());
    let session = greet(&router);
    say(&session);
    assert_eq!(read(&session, 0), 2);
    router.detach(&session, 0);
    say(&session);
    tokio::time::sleep(ALMOST).await;
    assert_eq!(router.metrics.sessions_away.get(), 1);
    // Nothing was received, and what was sent two minutes ago is still held.
    assert_eq!(resume(&router, &session, 0), Ok(1));
    assert_eq!(read(&session, 1), 3);
    assert_eq!(router.metrics.sessions_away.get(), 0);

    // It is there for as long as its stream is, and then for a whole window again.
    tokio::time::sleep(WINDOW * 3).await;
    router.detach(&session, 1);
    tokio::time::sleep(ALMOST).await;
    assert_eq!(resume(&router, &session, 3), Ok(2));
    router.detach(&session, 2);
    tokio::time::sleep(WINDOW + Duration::from_secs(1)).await;
    assert_eq!(resume(&router, &session, 3), Err(RefusalCode::ResumeLate));
    assert_eq!((router.metrics.sessions.get(), router.metrics.sessions_away.get()), (0, 0));
}

/// A stream that is noticed to be lost only after another one has come makes nobody away.
#[tokio::test(start_paused = true)]
async fn a_stream_that_is_missed_after_it_was_replaced_begins_no_window() {
    let router = router(|_| ());
    let session = greet(&router);
    assert_eq!(resume(&router, &session, 0), Ok(1));
    router.detach(&session, 0);
    assert_eq!(router.metrics.sessions_away.get(), 0);
    tokio::time::sleep(WINDOW * 2).await;
    assert!(session.closing().is_none() && session.outbox.attached());
    assert_eq!(router.metrics.sessions.get(), 1);
    assert_eq!(resume(&router, &session, 0), Ok(2));
}

/// A session that ends in the moment in which its stream is lost leaves nothing.
#[tokio::test(start_paused = true)]
async fn a_session_that_was_closed_is_not_away_when_its_stream_goes() {
    let router = router(|_| ());
    let session = greet(&router);
    router.close(&session, &Closing::new(CloseCode::Bye, "bye"));
    router.detach(&session, 0);
    assert_eq!(router.metrics.sessions_away.get(), 0);
    assert_eq!(resume(&router, &session, 0), Err(RefusalCode::ResumeLate));
    assert_eq!(session.outbox.waiting(), (0, 0));
}

/// At the limit of an address, as at that of a user, one that is away gives way.
#[tokio::test(start_paused = true)]
async fn at_the_limit_of_an_address_one_that_is_away_gives_way() {
    let router = router(|config| config.limits.node.sessions_per_address_max = 2);
    let (away, present) = (greet(&router), greet(&router));
    let refused = now(router.greet(hello(&router, None), peer())).unwrap_err();
    assert_eq!(refused.limit, "sessions_per_address_max");
    router.detach(&away, 0);
    greet(&router);
    assert_eq!(resume(&router, &away, 0), Err(RefusalCode::ResumeLate));
    assert_eq!(resume(&router, &present, 0), Ok(1));
    let refused = now(router.greet(hello(&router, None), peer())).unwrap_err();
    assert_eq!(refused.limit, "sessions_per_address_max");
}

/// What was accepted at the greeting may have been revoked before the session has it.
#[tokio::test]
async fn a_session_that_comes_back_with_what_has_just_been_revoked_ends() {
    let router = router(|_| ());
    let (session, other) = (greet(&router), greet(&router));
    let revoked = v1::Revoked { what: Some(v1::revoked::What::TokenId("lost".to_owned())) };
    let request = v1::RevokeRequest { revoked: Some(revoked), ..v1::RevokeRequest::default() };
    let nobody = Identity::open(None);
    assert_eq!(router.revoke(&nobody, request).await.unwrap().sessions_ended, 0);
    router.back(&session, Identity::open(session.identity().user.clone()).by_token(Some("lost"), None));
    assert_eq!(session.closing().map(|closing| closing.code), Some(CloseCode::Unauthenticated));
    router.back(&other, Identity::open(other.identity().user.clone()).by_token(Some("kept"), None));
    assert!(other.closing().is_none());
}
