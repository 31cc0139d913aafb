//! Clients that do not read. Their HTTP/2 windows are as small as the protocol allows by default, so that what a node
//! has for them waits in the node soon.

use rialto_proto::v1::{Hello, Join};
use tonic::transport::{Channel, Endpoint};

use crate::{
    node::TestNode,
    talker::{Shape, Talker},
    within,
};

/// The windows with which HTTP/2 begins, in bytes.
pub const WINDOW: u32 = 65_535;

impl TestNode {
    /// A connection that takes no more than [`WINDOW`] bytes which nobody reads.
    pub async fn narrow_channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(self.url()).expect("a URL");
        let endpoint = endpoint.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
        within("a connection", endpoint.connect()).await.expect("the node accepts")
    }

    /// A member of rooms of `chat` on a connection of its own, which stops reading as soon as it is one: whoever has
    /// it reads, or does not.
    pub async fn narrow_member(&self, user: &str, rooms: &[&str]) -> Talker {
        let rooms = rooms.iter().map(|room| (*room).to_owned()).collect();
        let join = Join { namespace: "chat".to_owned(), rooms, presence: false, ..Default::default() };
        let hello = Hello { user: user.to_owned(), joins: vec![join], ..Hello::default() };
        let opened = Talker::open_with_over(self.narrow_channel().await, Shape::Attach, hello).await;
        let mut talker = opened.expect("the node greets");
        talker.expect_joined().await;
        talker
    }
}
