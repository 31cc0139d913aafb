//! The proxy between client and node that misbehaves as it is told, tested with targets that say back what they hear.

use std::{
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use rialto_tests::{
    eventually,
    proxy::{Direction, Proxy},
    within,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::Instant,
};

/// Longer than any test waits.
const FOR_EVER: Duration = Duration::from_secs(86_400);

/// Says back what it hears, after its greeting, and says the end of each connection back too.
struct Echo {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Echo {
    async fn start(greeting: &'static [u8]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.spawn(async move {
                    stream.write_all(greeting).await?;
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await?;
                    to.shutdown().await
                });
            }
        });
        Self { address, _tasks: tasks }
    }
}

async fn echo_behind_a_proxy() -> (Echo, Proxy) {
    let echo = Echo::start(b"").await;
    let proxy = Proxy::start(echo.address).await.unwrap();
    (echo, proxy)
}

/// The `number`th connection of a test, once the proxy has it.
async fn connect(proxy: &Proxy, number: u64) -> TcpStream {
    let stream = within("a connection", TcpStream::connect(proxy.address())).await.unwrap();
    within("the proxy to accept", proxy.accepted(number)).await;
    stream
}

async fn hear(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut heard = vec![0; count];
    within("bytes", stream.read_exact(&mut heard)).await.unwrap();
    heard
}

async fn echoes(stream: &mut TcpStream, text: &[u8]) {
    within("room to write", stream.write_all(text)).await.unwrap();
    assert_eq!(hear(stream, text.len()).await, text);
}

/// What comes until the end, and how that was.
async fn rest(stream: &mut TcpStream) -> (Vec<u8>, io::Result<usize>) {
    let mut heard = Vec::new();
    let end = within("the end", stream.read_to_end(&mut heard)).await;
    (heard, end)
}

#[tokio::test]
async fn without_faults_everything_passes_both_ways_to_its_end() {
    let (_echo, proxy) = echo_behind_a_proxy().await;
    let mut client = connect(&proxy, 1).await;
    let said: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let (mut from, mut to) = client.split();
    let mut heard = Vec::new();
    let say = async {
        to.write_all(&said).await.unwrap();
        to.shutdown().await.unwrap();
    };
    within("everything", async { tokio::join!(say, async { from.read_to_end(&mut heard).await.unwrap() }) })
        .await;
    assert!(heard == said, "{} of {} bytes came back", heard.len(), said.len());
    eventually("the connection is forgotten", async || proxy.connections().is_empty()).await;
}

#[tokio::test]
async fn a_reset_reaches_every_client_as_a_reset() {
    let (_echo, proxy) = echo_behind_a_proxy().await;
    let mut clients = [connect(&proxy, 1).await, connect(&proxy, 2).await];
    for client in &mut clients {
        echoes(client, b"before").await;
    }
    proxy.reset_all();
    for client in &mut clients {
        assert_eq!(rest(client).await.1.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    echoes(&mut connect(&proxy, 3).await, b"a new connection is whole").await;
}

#[tokio::test]
async fn a_cut_reaches_a_client_as_an_end_and_others_go_on() {
    let (_echo, proxy) = echo_behind_a_proxy().await;
    let (mut first, mut second) = (connect(&proxy, 1).await, connect(&proxy, 2).await);
    echoes(&mut first, b"before").await;
    proxy.connection(1).unwrap().cut();
    let (heard, end) = rest(&mut first).await;
    assert!(heard.is_empty() && end.is_ok(), "{end:?}");
    echoes(&mut second, b"still here").await;
}

#[tokio::test]
async fn a_connection_is_cut_after_exactly_so_many_bytes() {
    let (_echo, proxy) = echo_behind_a_proxy().await;
    for (number, bytes) in [0_u64, 1, 7, 16_384, 16_385, 100_000].into_iter().enumerate() {
        let mut client = connect(&proxy, number as u64 + 1).await;
        echoes(&mut client, b"these do not count").await;
        proxy.all().cut_after(Direction::Down, bytes);
        let said: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        let (mut from, mut to) = client.split();
        let mut heard = Vec::new();
        let hear = async { from.read_to_end(&mut heard).await.unwrap() };
        // What is said after the end may be refused.
        let (_said, _heard) = within("the end", async { tokio::join!(to.write_all(&said), hear) }).await;
        assert!(heard == said[..bytes as usize], "{} bytes came instead of {bytes}", heard.len());
    }
}

#[tokio::test]
async fn the_next_connection_alone_can_be_ended_within_its_first_bytes() {
    let (_echo, proxy) = echo_behind_a_proxy().await;
    let mut before = connect(&proxy, 1).await;
    proxy.next().cut_after(Direction::Up, 3);
    let mut hit = connect(&proxy, 2).await;
    hit.write_all(b"hello").await.unwrap();
    let heard = rest(&mut hit).await.0;
    assert!(b"hel".starts_with(&heard), "{heard:?} came back");
    within("three bytes up", proxy.carried(Direction::Up, 3)).await;
    echoes(&mut before, b"not this one").await;
    echoes(&mut connect(&proxy, 3).await, b"nor this one").await;
}

#[tokio::test]
async fn a_reset_after_bytes_is_a_reset() {
    let (_echo, proxy) = echo_behind_a_proxy().await;
    let mut client = connect(&proxy, 1).await;
    proxy.all().reset_after(Direction::Up, 2);
    client.write_all(b"hello").await.unwrap();
    assert_eq!(rest(&mut client).await.1.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_half_open_connection_forwards_one_way_and_loses_nothing() {
    let echo = Echo::start(b"welcome").await;
    let proxy = Proxy::start(echo.address).await.unwrap();
    proxy.all().half_open(Direction::Up);
    let mut client = connect(&proxy, 1).await;
    client.write_all(b"are you there").await.unwrap();
    assert_eq!(hear(&mut client, 7).await, b"welcome");
    let mut free = connect(&proxy, 2).await;
    proxy.connection(2).unwrap().heal();
    assert_eq!(hear(&mut free, 7).await, b"welcome");
    echoes(&mut free, b"the other direction of another connection is open").await;
    assert_eq!(client.try_read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    proxy.heal();
    assert_eq!(hear(&mut client, 13).await, b"are you there");
}

#[tokio::test]
async fn a_black_hole_takes_old_and_new_connections_and_answers_none() {
    let echo = Echo::start(b"welcome").await;
    let proxy = Proxy::start(echo.address).await.unwrap();
    let mut old = connect(&proxy, 1).await;
    assert_eq!(hear(&mut old, 7).await, b"welcome");
    proxy.black_hole();
    old.write_all(b"old").await.unwrap();
    let mut new = connect(&proxy, 2).await;
    new.write_all(b"new").await.unwrap();
    let mut chosen = connect(&proxy, 3).await;
    proxy.connection(3).unwrap().heal();
    assert_eq!(hear(&mut chosen, 7).await, b"welcome");
    echoes(&mut chosen, b"one is healed").await;
    for silent in [&mut old, &mut new] {
        assert_eq!(silent.try_read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    proxy.heal();
    assert_eq!(hear(&mut old, 3).await, b"old");
    assert_eq!(hear(&mut new, 10).await, b"welcomenew");
}

#[tokio::test]
async fn an_end_is_held_back_like_everything_else() {
    let (_echo, proxy) = echo_behind_a_proxy().await;
    let mut client = connect(&proxy, 1).await;
    echoes(&mut client, b"before").await;
    proxy.black_hole();
    client.shutdown().await.unwrap();
    let mut other = connect(&proxy, 2).await;
    proxy.connection(2).unwrap().heal();
    echoes(&mut other, b"meanwhile").await;
    assert_eq!(proxy.connections(), [1, 2]);
    proxy.heal();
    assert!(rest(&mut client).await.1.is_ok());
}

#[tokio::test]
async fn a_delayed_connection_is_overtaken_and_comes_in_order_when_it_is_healed() {
    let (_echo, proxy) = echo_behind_a_proxy().await;
    let (mut slow, mut quick) = (connect(&proxy, 1).await, connect(&proxy, 2).await);
    proxy.connection(1).unwrap().delay(Direction::Up, FOR_EVER);
    slow.write_all(b"one ").await.unwrap();
    slow.write_all(b"two").await.unwrap();
    echoes(&mut quick, b"overtakes").await;
    assert_eq!(slow.try_read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    proxy.heal();
    assert_eq!(hear(&mut slow, 7).await, b"one two");
}

#[tokio::test]
async fn a_delay_lasts_as_long_as_it_says() {
    let (_echo, proxy) = echo_behind_a_proxy().await;
    let mut client = connect(&proxy, 1).await;
    echoes(&mut client, b"before").await;
    proxy.all().delay(Direction::Up, Duration::from_millis(40));
    proxy.all().delay(Direction::Down, Duration::from_millis(30));
    let start = Instant::now();
    echoes(&mut client, b"there and back").await;
    assert!(start.elapsed() >= Duration::from_millis(70), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_limited_connection_is_slow_until_it_is_healed() {
    let (_echo, proxy) = echo_behind_a_proxy().await;
    let mut client = connect(&proxy, 1).await;
    proxy.all().limit(Direction::Down, 10_000);
    let start = Instant::now();
    echoes(&mut client, &[7; 1_500]).await;
    // The last twentieth of a second need not be over.
    assert!(start.elapsed() >= Duration::from_millis(95), "{:?}", start.elapsed());
    proxy.all().limit(Direction::Down, 1);
    client.write_all(&[8; 100_000]).await.unwrap();
    proxy.heal();
    assert_eq!(hear(&mut client, 100_000).await, [8; 100_000]);
}

#[tokio::test]
async fn one_byte_is_inverted_where_it_was_asked_for() {
    let (_echo, proxy) = echo_behind_a_proxy().await;
    let mut client = connect(&proxy, 1).await;
    echoes(&mut client, b"before").await;
    proxy.connection(1).unwrap().flip_after(Direction::Up, 2);
    client.write_all(b"hello").await.unwrap();
    assert_eq!(hear(&mut client, 5).await, [b'h', b'e', !b'l', b'l', b'o']);
    echoes(&mut client, b"once").await;
}

#[tokio::test]
async fn new_connections_are_refused_and_old_ones_go_on() {
    let (_echo, proxy) = echo_behind_a_proxy().await;
    let mut old = connect(&proxy, 1).await;
    proxy.refuse_new();
    let refused = within("an answer", TcpStream::connect(proxy.address())).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    echoes(&mut old, b"still here").await;
    proxy.heal();
    echoes(&mut connect(&proxy, 2).await, b"welcome back").await;
}

#[tokio::test]
async fn a_target_may_move_to_another_port() {
    let (first, second) = (Echo::start(b"first").await, Echo::start(b"second").await);
    let proxy = Proxy::start(first.address).await.unwrap();
    let mut old = connect(&proxy, 1).await;
    assert_eq!(hear(&mut old, 5).await, b"first");
    proxy.forward_to(second.address);
    assert_eq!(hear(&mut connect(&proxy, 2).await, 6).await, b"second");
    echoes(&mut old, b"stays where it is").await;
}

#[tokio::test]
async fn a_target_that_is_not_there_is_a_reset() {
    let (echo, proxy) = echo_behind_a_proxy().await;
    drop(echo);
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    proxy.forward_to(nobody);
    let mut client = within("a connection", TcpStream::connect(proxy.address())).await.unwrap();
    assert_eq!(rest(&mut client).await.1.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn dropping_the_proxy_ends_every_connection_and_every_task() {
    let (_echo, proxy) = echo_behind_a_proxy().await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let (mut flowing, mut held) = (connect(&proxy, 1).await, connect(&proxy, 2).await);
    echoes(&mut flowing, b"before").await;
    proxy.black_hole();
    held.write_all(b"lost").await.unwrap();
    let address = proxy.address();
    drop(proxy);
    for client in [&mut flowing, &mut held] {
        assert!(rest(client).await.0.is_empty());
    }
    eventually("nobody listens", async || TcpStream::connect(address).await.is_err()).await;
    drop((flowing, held));
    eventually("no task is left", async || tasks() < before).await;
}
