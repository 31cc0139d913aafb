//! Conversations with a server that is played by the test: what goes out, what comes in, and what is left at the end.

use std::future::IntoFuture;

use prost::Message;
use rialto_proto::v1::{self, RefusalCode, client_frame::Command as Wire, server_frame::Frame};

use super::{stage::*, *};
use crate::{
    error::Refusal, kept::BYTES_PER_MESSAGE, room::JoinOptions, status::Report, step::Ending,
    token::TokenSource,
};

#[tokio::test]
async fn rooms_are_joined_again_on_the_next_stream() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let (mut stage, opening) = self::stage(&kept);
    let first = async {
        let room = chat(&link).room("general");
        let serve = async {
            let (number, _) = stage.hears().await;
            stage.says(number, joined(&["general"])).await;
        };
        tokio::join!(room.join_with(JoinOptions::default().presence(true)), serve).0.unwrap();
        drop(stage);
    };
    let (ending, ()) = tokio::join!(converse(opening, &mut far, &mut kept), first);
    assert!(matches!(ending, Ending::Lost(Error::Unavailable(_))), "{ending:?}");

    let (stage, opening) = self::stage(&kept);
    assert_eq!(stage.greeting.joins, [v1::Join { presence: true, ..join(&["general"]) }]);
    assert_eq!(stage.greeting.resume, None, "a server that holds no sessions is not asked for one");
    drop(opening);
}

#[tokio::test]
async fn a_room_that_is_refused_after_a_reconnect_spares_the_others_and_is_told() {
    let (link, mut far) = attached();
    let mut reports = link.audience().reports();
    let mut kept = Kept::default();
    kept.membership().done(&Wire::Join(join(&["a", "b"])));
    let (mut stage, opening) = self::stage(&kept);
    let server = async {
        assert_eq!(stage.greeting.joins, [join(&["a", "b"])]);
        stage.says(0, refused(None)).await;
        let (first, _) = stage.hears().await;
        stage.says(first, refused(None)).await;
        let (second, _) = stage.hears().await;
        stage.says(second, joined(&["b"])).await;
        let report = reports.recv().await.unwrap();
        drop(stage);
        report
    };
    let (_, report) = tokio::join!(converse(opening, &mut far, &mut kept), server);
    let refusal =
        Refusal::from(v1::Refused { code: RefusalCode::Forbidden.into(), ..v1::Refused::default() });
    let expected = Report::RejoinRefused { namespace: "chat".into(), room: "a".into(), refusal };
    assert_eq!(report, expected);
    assert_eq!(kept.greeting().joins, [join(&["b"])]);
}

#[tokio::test(start_paused = true)]
async fn a_room_that_may_be_joined_later_is_joined_later() {
    let (_link, mut far) = attached();
    let mut kept = Kept::default();
    kept.membership().done(&Wire::Join(join(&["a"])));
    let (mut stage, opening) = self::stage(&kept);
    let server = async {
        let after = prost_types::Duration { seconds: 3, nanos: 0 };
        let retry = v1::Retry { advice: v1::RetryAdvice::Later.into(), after: Some(after) };
        stage.says(0, refused(Some(retry))).await;
        let asked = Instant::now();
        let (_, again) = stage.hears().await;
        drop(stage);
        (again, asked.elapsed())
    };
    let (_, (again, waited)) = tokio::join!(converse(opening, &mut far, &mut kept), server);
    assert_eq!(again, Wire::Join(join(&["a"])));
    assert!(waited >= Duration::from_secs(3), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn joins_of_a_greeting_that_nobody_answers_are_asked_for_once_more() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    kept.membership().done(&Wire::Join(join(&["a"])));
    let (mut stage, opening) = self::stage(&kept);
    chat(&link).room("general").emit("message", "hi").post().await.unwrap();
    let server = async {
        let said = [stage.hears().await.1, stage.hears().await.1];
        drop(stage);
        said
    };
    let (_, [first, second]) = tokio::join!(converse(opening, &mut far, &mut kept), server);
    assert_eq!((emitted(&first), second), ("message", Wire::Join(join(&["a"]))));
}

#[tokio::test(start_paused = true)]
async fn a_slow_application_stops_the_reading_and_loses_nothing() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let mut events = chat(&link).room("general").events();
    let (mut stage, opening) = self::stage(&kept);
    let (ready, may_read) = tokio::sync::oneshot::channel();
    let server = async move {
        // Four wait in the queue, one is parked, one waits in the stream itself.
        let mut sent = 0;
        while tokio::time::timeout(Duration::from_millis(50), stage.says(0, event(sent))).await.is_ok() {
            sent += 1;
            assert!(sent <= 6, "the session goes on reading");
        }
        ready.send(()).unwrap();
        sent
    };
    let application = async {
        may_read.await.unwrap();
        let mut heard = Vec::new();
        while heard.len() < 6 {
            heard.push(events.next().await.unwrap().name().to_owned());
        }
        heard
    };
    let conversation = converse(opening, &mut far, &mut kept);
    let (_, sent, heard) = tokio::join!(conversation, server, application);
    assert_eq!(sent, 6);
    assert_eq!(heard, ["0", "1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn a_hole_in_the_numbers_ends_the_stream() {
    let (_link, mut far) = attached();
    let mut kept = Kept::default();
    let (mut stage, opening) = self::stage(&kept);
    stage.seq += 1;
    let (ending, ()) = tokio::join!(converse(opening, &mut far, &mut kept), stage.says(0, event(1)));
    assert!(matches!(ending, Ending::Lost(Error::Failed { code: Code::DataLoss, .. })), "{ending:?}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_moves_the_session_in_the_time_it_was_given() {
    let (_link, mut far) = attached();
    let mut kept = Kept::default();
    let (mut stage, opening) = self::stage(&kept);
    let second = prost_types::Duration { seconds: 1, nanos: 500_000_000 };
    let drain = Frame::Drain(v1::Drain { delay: Some(second), reconnect_within: None });
    let began = Instant::now();
    let (ending, ()) = tokio::join!(converse(opening, &mut far, &mut kept), stage.says(0, drain));
    assert_eq!((ending, began.elapsed()), (Ending::Moved, Duration::from_millis(1500)));
}

#[tokio::test(start_paused = true)]
async fn a_command_on_its_way_is_answered_before_the_session_moves() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let (mut stage, opening) = self::stage(&kept);
    let within = Some(prost_types::Duration { seconds: 5, nanos: 0 });
    let drain = Frame::Drain(v1::Drain { delay: None, reconnect_within: within });
    let server = async {
        let (number, _) = stage.hears().await;
        stage.says(0, drain).await;
        stage.says(number, Frame::Accepted(v1::Accepted::default())).await;
        stage
    };
    let emit = chat(&link).room("general").emit("message", "hi").into_future();
    let (ending, _stage, outcome) = tokio::join!(converse(opening, &mut far, &mut kept), server, emit);
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(ending, Ending::Moved);
}

#[tokio::test]
async fn the_last_handle_says_goodbye_after_what_was_handed_over_before() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let (mut stage, opening) = self::stage(&kept);
    chat(&link).room("general").emit("message", "bye").post().await.unwrap();
    drop(link);
    let server = async {
        let said = [stage.hears().await.1, stage.hears().await.1];
        let close = v1::Close { code: v1::CloseCode::Bye.into(), ..v1::Close::default() };
        stage.says(0, Frame::Close(close)).await;
        said
    };
    let (ending, [first, second]) = tokio::join!(converse(opening, &mut far, &mut kept), server);
    assert!(matches!((first, second), (Wire::Emit(_), Wire::Bye(_))));
    assert!(matches!(ending, Ending::Closed(_)), "{ending:?}");
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_that_is_not_answered_is_not_waited_for_for_ever() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let (_stage, opening) = self::stage(&kept);
    drop(link);
    assert_eq!(converse(opening, &mut far, &mut kept).await, Ending::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_new_token_is_handed_in_before_the_old_one_expires() {
    let (_link, mut far) = attached();
    let mut kept = Kept::default();
    let source = TokenSource::callback(|| async { Ok(Token::new("next")) });
    let (mut stage, mut opening) = self::stage(&kept);
    opening.renewal = Renewal::new(source, Some(Duration::from_secs(10)));
    let server = async {
        let (_, command) = stage.hears().await;
        drop(stage);
        command
    };
    let (_, command) = tokio::join!(converse(opening, &mut far, &mut kept), server);
    assert_eq!(command, Wire::Refresh(Refresh { token: "next".into() }));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_is_given_up() {
    let (_link, mut far) = attached();
    let mut kept = Kept::default();
    let (_stage, mut opening) = self::stage(&kept);
    opening.welcome.ping_interval = Some(prost_types::Duration { seconds: 10, nanos: 0 });
    let began = Instant::now();
    let ending = converse(opening, &mut far, &mut kept).await;
    assert!(matches!(ending, Ending::Lost(Error::Unavailable(_))), "{ending:?}");
    assert_eq!(began.elapsed(), Duration::from_secs(25));
}

#[tokio::test]
async fn many_large_frames_travel_in_several_messages() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let (mut stage, opening) = self::stage(&kept);
    let large = "x".repeat(BYTES_PER_MESSAGE / 2 - 100);
    for _ in 0..5 {
        chat(&link).room("general").emit("message", large.as_str()).post().await.unwrap();
    }
    let server = async {
        let mut sizes = Vec::new();
        while sizes.iter().sum::<usize>() < 5 {
            let message = stage.up.recv().await.unwrap();
            assert!(message.encoded_len() <= BYTES_PER_MESSAGE + 1024);
            sizes.push(message.frames.len());
        }
        drop(stage);
        sizes
    };
    let (_, sizes) = tokio::join!(converse(opening, &mut far, &mut kept), server);
    assert_eq!(sizes, [2, 2, 1]);
}

#[tokio::test]
async fn a_ping_is_answered_to_who_asked() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let (mut stage, opening) = self::stage(&kept);
    let server = async {
        let (number, _) = stage.hears().await;
        stage.says(number, Frame::Pong(v1::Pong {})).await;
        stage
    };
    let asking = async {
        let ping = link.ask(Wire::Ping(v1::Ping {}), Duration::from_secs(1));
        let (stage, answer) = tokio::join!(server, ping);
        drop(stage);
        answer
    };
    let (_, answer) = tokio::join!(converse(opening, &mut far, &mut kept), asking);
    assert_eq!(answer, Ok(Frame::Pong(v1::Pong {})));
}
