//! Who is in a room, by the words of a server that is played: what is missing is asked for once more, and once at a time.

use super::{stage::*, *};
use crate::{
    presence::Present,
    room::{JoinOptions, Room},
};

fn members(names: &[&str]) -> Vec<v1::Member> {
    let who = |name: &&str| v1::Sender { session: (*name).to_owned(), ..v1::Sender::default() };
    names.iter().map(|name| v1::Member { who: Some(who(name)), ..v1::Member::default() }).collect()
}

/// The answer to a join: so many members, of whom these are named.
fn found(count: u32, names: &[&str]) -> v1::server_frame::Frame {
    let state = v1::RoomState {
        room: "general".into(),
        member_count: count,
        user_count: count,
        members: members(names),
        ..v1::RoomState::default()
    };
    v1::server_frame::Frame::Joined(v1::Joined { namespace: "chat".into(), rooms: vec![state] })
}

/// A change after which there are so many.
fn came(count: u32, names: &[&str]) -> v1::server_frame::Frame {
    v1::server_frame::Frame::Presence(v1::Presence {
        namespace: "chat".into(),
        room: "general".into(),
        joined: members(names),
        member_count: count,
        user_count: count,
        ..v1::Presence::default()
    })
}

fn present(room: &Room) -> (Vec<String>, u32, bool) {
    let Present { members, counts, complete } =
        room.presence().current().expect("a session").expect("it is joined with presence");
    (members.into_keys().collect(), counts.members, complete)
}

/// The number of the join with which the client asks for names.
async fn asks_again(stage: &mut Stage) -> u32 {
    let (number, wire) = stage.hears().await;
    assert_eq!(wire, Wire::Join(v1::Join { presence: true, ..join(&["general"]) }));
    number
}

#[tokio::test(start_paused = true)]
async fn names_that_are_missing_are_asked_for_by_another_join_and_once_at_a_time() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let room = chat(&link).room("general");
    let mut changes = room.presence().changes().unwrap();
    let (mut stage, opening) = stage(&kept);
    let serving = async {
        let (number, _) = stage.hears().await;
        stage.says(number, found(300, &[])).await;
        stage.says(0, came(257, &[])).await;
        changes.next().await.unwrap();
        assert_eq!(present(&room), (vec![], 257, false), "so many are counted alone");
        // It is small enough by now, but names are too long to be told.
        stage.says(0, came(2, &[])).await;
        stage.says(0, came(3, &["b"])).await;
        let number = asks_again(&mut stage).await;
        stage.says(0, came(4, &["c"])).await;
        stage.says(number, found(4, &["a", "b", "c", "d"])).await;
        stage.says(0, came(5, &["e"])).await;
        let mut told = Vec::new();
        while told.last() != Some(&5) {
            told.push(changes.next().await.unwrap().member_count);
        }
        assert_eq!(told, [2, 3, 4, 4, 5], "what the join has found is told too");
        assert_eq!(present(&room), (["a", "b", "c", "d", "e"].map(str::to_owned).into(), 5, true));
        // A hole that comes later is filled later.
        stage.says(0, came(8, &["f"])).await;
        asks_again(&mut stage).await;
        stage.hears_out().await
    };
    let joining = room.join_with(JoinOptions::default().presence(true));
    let conversing = converse(opening, &mut far, &mut kept);
    let (joined, said, ending) = tokio::join!(joining, serving, conversing);
    assert!(joined.is_ok() && matches!(ending, Ending::Lost(_)));
    assert!(said.is_empty(), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_room_without_presence_is_not_joined_again_for_names() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let room = chat(&link).room("general");
    let (mut stage, opening) = stage(&kept);
    let serving = async {
        let (number, _) = stage.hears().await;
        stage.says(number, found(2, &[])).await;
        stage.says(0, came(3, &[])).await;
        stage.hears_out().await
    };
    let joining = room.join();
    let (joined, said, _) = tokio::join!(joining, serving, converse(opening, &mut far, &mut kept));
    assert!(joined.is_ok());
    assert!(said.is_empty(), "{said:?}");
    assert_eq!(room.presence().current(), Ok(None));
}
