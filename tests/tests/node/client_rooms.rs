//! What the Rust client knows of its rooms without asking: whether it is in them, how far it has heard them, who is there,
//! what their state is.

use std::future::IntoFuture;

use rialto_client::{
    Client, Error, Event, Events, JoinOptions, Report, Room, RoomStatus, Session, Status, Target,
};
use rialto_tests::{
    node::TestNode,
    proxied::{ProxiedNode, lost, reconnected, report},
    within,
};

async fn next(events: &mut Events) -> Event {
    within("an event", events.next()).await.expect("the session lives")
}

/// The reports up to and with the one that the session is back in its rooms.
async fn rejoined(session: &Session, during: impl Future<Output = ()>) {
    let mut reports = session.reports();
    during.await;
    assert!(!reconnected(&mut reports).await, "the node was restarted");
    while !matches!(report(&mut reports).await, Report::Rejoined { .. }) {}
}

#[tokio::test]
async fn the_status_of_a_room_follows_what_becomes_of_its_session() {
    let mut place = ProxiedNode::start().await;
    let ann = place.session("ann").await;
    let (room, lobby) = (ann.namespace("chat").room("general"), ann.namespace("chat").room("lobby"));
    let statuses = || [room.status(), lobby.status()];
    assert_eq!(statuses(), [RoomStatus::Out; 2]);
    room.join().await.unwrap();
    let mut reports = ann.reports();
    let directory = Client::new(place.node().url()).unwrap().directory();
    within("a join", directory.join_members("chat", &Target::user("ann"), ["lobby"])).await.unwrap();
    assert!(matches!(report(&mut reports).await, Report::Joined { .. }));
    assert_eq!(statuses(), [RoomStatus::In; 2]);

    let mut status = ann.status();
    place.part();
    lost(&mut status).await;
    assert_eq!(statuses(), [RoomStatus::Recovering; 2]);
    place.proxy.heal();
    within("the way back", status.wait_for(|status| matches!(status, Status::Attached { .. })))
        .await
        .unwrap();
    assert_eq!(statuses(), [RoomStatus::In; 2], "the session goes on");

    rejoined(&ann, async {
        place.restart().await;
        assert_eq!(room.status(), RoomStatus::Recovering);
        place.proxy.heal();
    })
    .await;
    assert_eq!(
        statuses(),
        [RoomStatus::In, RoomStatus::Out],
        "it returns to where its application wants to be"
    );
    assert!(room.part().await.unwrap());
    assert_eq!(room.status(), RoomStatus::Out);
    room.join().await.unwrap();
    ann.close().await;
    assert_eq!(room.status(), RoomStatus::Out);
}

#[tokio::test]
async fn another_session_goes_on_where_a_room_was_left() {
    let place = ProxiedNode::start().await;
    let ann = place.session("ann").await;
    let room = ann.namespace("chat").room("general");
    let mut heard = room.events();
    assert_eq!(room.position(), None);
    room.join().await.unwrap();
    place.publish("chat", "general", 0..5).await;
    for _ in 0..5 {
        assert!(!next(&mut heard).await.past());
    }
    let left_at = room.position().expect("the room has a history");
    assert_eq!((left_at.room.as_str(), left_at.offset), ("general", 5));
    room.part().await.unwrap();
    assert_eq!(room.position().as_ref(), Some(&left_at), "it is told after the room was left too");
    place.publish("chat", "general", 5..8).await;
    ann.close().await;
    assert_eq!(room.position().as_ref(), Some(&left_at));

    let bob = place.session("bob").await;
    let room = bob.namespace("chat").room("general");
    let mut heard = room.events();
    room.join_with(JoinOptions::default().recover(left_at)).await.unwrap();
    place.publish("chat", "general", 8..9).await;
    for (number, past) in [("5", true), ("6", true), ("7", true), ("8", false)] {
        let event = next(&mut heard).await;
        assert_eq!((event.text(), event.past()), (Some(number), past));
    }
    assert_eq!(room.position().map(|position| position.offset), Some(9));
    let kept = within("the history", room.history().newest(1)).await.unwrap();
    assert!(kept[0].past());
}

/// Users that are known to be there, and whether these are all.
fn present(room: &Room) -> Option<(Vec<String>, bool)> {
    let present = room.presence().current().expect("a session")?;
    let mut users: Vec<String> = present.members.values().map(|member| member.user.clone()).collect();
    users.sort_unstable();
    Some((users, present.complete))
}

fn all(users: &[&str]) -> Option<(Vec<String>, bool)> {
    Some((users.iter().map(|user| (*user).to_owned()).collect(), true))
}

#[tokio::test]
async fn who_is_in_a_room_is_known_without_asking_also_after_the_session_was_lost() {
    let mut place = ProxiedNode::start().await;
    let (ann, bob) = (place.session("ann").await, place.session("bob").await);
    let (room, there) = (ann.namespace("chat").room("general"), bob.namespace("chat").room("general"));
    let mut changes = room.presence().changes().unwrap();
    room.join().await.unwrap();
    assert_eq!(present(&room), None, "presence was not asked for");
    room.join_with(JoinOptions::default().presence(true)).await.unwrap();
    assert_eq!(present(&room), all(&["ann"]));
    there.join().await.unwrap();
    within("a change", changes.next()).await.unwrap();
    assert_eq!(present(&room), all(&["ann", "bob"]));

    rejoined(&ann, async {
        place.part();
        bob.close().await;
        place.restart().await;
        place.proxy.heal();
    })
    .await;
    let told = within("what became different", async {
        loop {
            let change = changes.next().await.expect("the session lives");
            if change.left.iter().any(|gone| gone.user == "bob") {
                return change;
            }
        }
    });
    assert_eq!(told.await.member_count, 1);
    assert_eq!(present(&room), all(&["ann"]));
    room.part().await.unwrap();
    assert_eq!(present(&room), None);
    let client = Client::new(place.node().url()).unwrap();
    assert!(matches!(client.presence("chat", "general").current(), Err(Error::Invalid(_))));
}

#[tokio::test]
async fn the_state_of_a_room_is_known_without_asking() {
    let node = TestNode::start().await;
    let ann = within("a session", Session::connect(node.url()).user("ann").into_future()).await.unwrap();
    let room = ann.namespace("chat").room("general");
    let state = room.state();
    let mut watch = state.watch().unwrap();
    room.join_with(JoinOptions::default().state(true)).await.unwrap();
    within("all of it", watch.next()).await.unwrap();
    assert_eq!(state.current(), Ok(Some(std::collections::BTreeMap::new())));
    within("a set", state.set("topic", "apples").into_future()).await.unwrap();
    within("a change", watch.next()).await.unwrap();
    let known = state.current().unwrap().expect("it is joined with its state");
    assert_eq!(known["topic"].value.as_ref().and_then(|value| value.text()), Some("apples"));
    within("a set", state.set("topic", ()).into_future()).await.unwrap();
    within("a change", watch.next()).await.unwrap();
    let known = state.current().unwrap().expect("it is joined with its state");
    let nothing = known["topic"].value.as_ref().map(|value| value.bytes().len());
    assert_eq!(nothing, Some(0), "to set a key to nothing does not take it away");
    room.part().await.unwrap();
    assert_eq!(state.current(), Ok(None));
    let client = Client::new(node.url()).unwrap();
    assert!(matches!(client.state("chat", "general").current(), Err(Error::Invalid(_))));
}
