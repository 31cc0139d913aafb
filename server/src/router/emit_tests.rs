//! What an emit owes to others even when it is refused. Sessions whose outboxes nobody reads, so that they can be
//! filled to the last frame.

use std::{
    task::{Context, Poll, Waker},
    time::Duration,
};

use rialto_proto::v1::{self, ClientFrame, client_frame::Command};

use super::*;
use crate::{
    auth::Authenticator,
    base::{
        config::{Config, HistoryKind},
        metrics::Metrics,
        tasks::Tasks,
    },
    history::{Histories, SettingsOf, Tuning},
    hub::Namespaces,
    router::{Kept, life::Peer, now},
    session::outbox::Next,
    wire::command::Hello,
};

const OUTBOX_FRAMES: u32 = 16;
/// What a room takes at once when its rate is 1 per second.
const ROOM_BURST: usize = 100;

fn router() -> Arc<Router> {
    router_with(Duration::from_secs(120))
}

fn router_with(resume_window: Duration) -> Arc<Router> {
    let mut config = Config::default();
    config.limits.session.resume_window = resume_window;
    config.limits.session.emits_per_second = 0;
    config.limits.session.outbox_frames_max = OUTBOX_FRAMES;
    config.limits.node.sessions_per_user_max = 1000;
    config.namespaces[0].settings.room_emits_per_second = 1;
    config.namespaces[0].settings.delivery_window = Duration::from_secs(1);
    config.namespaces[0].settings.history = HistoryKind::Off;
    let metrics = Arc::new(Metrics::default());
    Router::new(&config, Authenticator::open(), nothing_kept(&config), metrics, Tasks::default())
}

/// Namespaces whose rooms have kept nothing.
fn nothing_kept(config: &Config) -> Kept {
    let namespaces = Arc::new(Namespaces::new(&config.namespaces, 1, Default::default()));
    let settings: SettingsOf = Arc::new(|_| None);
    let histories = Histories::open(None, settings, clock::wall(), Tuning::default()).unwrap();
    Kept {
        namespaces,
        histories: Arc::new(histories),
        parts: 0,
        namespace_register: None,
        revocations: super::super::revoking::Keeper::default(),
        jobs: None,
        uploads: Arc::new(crate::uploads::MemoryUploads::new(0)),
        bridge: None,
    }
}

fn member_of(router: &Router, room: &str) -> Arc<Session> {
    let hello = v1::Hello {
        joins: vec![v1::Join {
            namespace: "chat".into(),
            rooms: vec![room.into()],
            presence: false,
            ..Default::default()
        }],
        ..v1::Hello::default()
    };
    let hello = Hello::parse(hello, &router.limits.session).unwrap();
    now(router.greet(hello, Peer::default())).unwrap().0
}

/// Emits without an answer, unless it is refused.
fn say(router: &Router, session: &Arc<Session>, target: v1::Target) {
    let content = v1::Content { event: "move".into(), ..v1::Content::default() };
    let emit = v1::Emit {
        namespace: "chat".into(),
        target: Some(target),
        content: Some(content),
        ..v1::Emit::default()
    };
    router.dispatch(session, ClientFrame { r#ref: 0, command: Some(Command::Emit(emit)) });
}

fn room(name: &str) -> v1::Target {
    v1::Target { rooms: vec![name.into()], ..v1::Target::default() }
}

#[tokio::test(start_paused = true)]
async fn a_member_who_falls_behind_by_a_window_is_cut_though_the_emit_that_cut_it_is_refused() {
    let beside = || v1::Target { except_rooms: vec!["none".into()], ..room("other") };
    let window = Duration::from_secs(120);
    let cases = [(room("other"), window), (beside(), window), (beside(), Duration::ZERO)];
    for (refused, resume_window) in cases {
        let router = router_with(resume_window);
        let sender = member_of(&router, "busy");
        let victim = member_of(&router, "busy");
        let _crowd: Vec<_> = (0..64).map(|_| member_of(&router, "busy")).collect();
        let other = member_of(&router, "other");
        (0..ROOM_BURST).for_each(|_| say(&router, &other, room("other")));

        say(&router, &sender, room("busy"));
        say(&router, &sender, room("busy"));
        let to_victim = || v1::Target { sessions: vec![victim.id.to_string()], ..v1::Target::default() };
        while victim.outbox.waiting().0 < OUTBOX_FRAMES {
            say(&router, &other, to_victim());
        }
        assert!(victim.closing().is_none(), "what was gathered has not been handed out");
        assert_eq!(router.metrics.sessions_behind.get(), 0);
        let cut = || {
            let mut context = Context::from_waker(Waker::noop());
            let next = victim.outbox.poll_next(0, clock::now(), &mut context);
            matches!(next, Poll::Ready(Next::Cut(Some(_))))
        };

        say(&router, &sender, refused);
        match victim.closing() {
            None => assert!(!resume_window.is_zero() && cut(), "it fell behind, so its stream ends"),
            Some(closing) => {
                assert!(resume_window.is_zero());
                assert_eq!(closing.code, v1::CloseCode::FellBehind);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_emit_does_not_let_the_next_one_overtake_what_was_gathered() {
    let router = router();
    let sender = member_of(&router, "busy");
    let receiver = member_of(&router, "busy");
    let crowd: Vec<_> = (0..64).map(|_| member_of(&router, "busy")).collect();
    let waiting = || receiver.outbox.waiting().0;
    // All that the room takes but two, to nobody in it.
    let all = crowd.iter().chain([&receiver]).map(|one| one.id.to_string()).collect();
    let nobody = v1::Target { except_sessions: all, ..room("busy") };
    let before = waiting();
    (0..ROOM_BURST - 2).for_each(|_| say(&router, &sender, nobody.clone()));
    assert_eq!(waiting(), before);

    say(&router, &sender, room("busy"));
    say(&router, &sender, room("busy"));
    assert_eq!(waiting(), before + 1, "the second one is gathered");
    say(&router, &sender, room("busy"));
    assert_eq!(waiting(), before + 1, "the third one is refused");
    let direct = v1::Target { sessions: vec![receiver.id.to_string()], ..v1::Target::default() };
    say(&router, &sender, direct);
    assert_eq!(waiting(), before + 3, "what was gathered comes first, then the direct one");
}
