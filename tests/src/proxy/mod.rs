//! A TCP proxy in this process that misbehaves as it is told: tests put it between a client and a node. It forwards bytes
//! and knows nothing of what they mean. Faults are switched on for all connections, for one, or for the next; each holds
//! until [`Proxy::heal`]. Dropping the proxy ends its tasks and its connections.

#![allow(clippy::expect_used, reason = "a test that cannot go on fails")]

mod carry;
mod faults;
mod line;

use std::{
    collections::BTreeMap,
    future::poll_fn,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    task::{Poll, Waker},
};

use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinSet,
};

pub use faults::Faults;
pub use line::Direction;
use line::{Line, Rules};

const BACKLOG: u32 = 1024;

/// A proxy before one target.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    /// Bound and never listening: it keeps the port while new connections are refused.
    _port: TcpSocket,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    state: Mutex<State>,
    accepted: watch::Sender<u64>,
    carried: watch::Sender<Carried>,
}

/// Bytes that were handed over, of all connections.
#[derive(Debug, Clone, Copy, Default)]
struct Carried {
    up: u64,
    down: u64,
}

#[derive(Debug)]
struct State {
    target: SocketAddr,
    listener: Option<TcpListener>,
    /// Who accepts, while it waits.
    waker: Option<Waker>,
    /// For every new connection.
    rules: Rules,
    /// For the next one only.
    next: Option<Rules>,
    lines: BTreeMap<u64, Arc<Line>>,
}

impl Proxy {
    /// A proxy on a free port of the loopback address that forwards to `target`.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let port = socket((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = port.local_addr()?;
        let state = State {
            target,
            listener: Some(socket(address)?.listen(BACKLOG)?),
            waker: None,
            rules: Rules::default(),
            next: None,
            lines: BTreeMap::new(),
        };
        let shared = Arc::new(Shared {
            address,
            state: Mutex::new(state),
            accepted: watch::Sender::default(),
            carried: watch::Sender::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(shared.clone()));
        Ok(Self { shared, _port: port, _tasks: tasks })
    }

    /// Where it listens; the same for its whole life.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Connections from now on go to `target`: a node that was started again has another port.
    pub fn forward_to(&self, target: SocketAddr) {
        self.shared.state.lock().target = target;
    }

    /// Faults for every connection there is and will be.
    pub fn all(&self) -> Faults {
        Faults::of_all(self.shared.clone())
    }

    /// Faults for the next connection that is accepted, and no other.
    pub fn next(&self) -> Faults {
        Faults::of_next(self.shared.clone())
    }

    /// Faults for one connection: the first that was accepted is 1. None when it has ended or has not been accepted.
    pub fn connection(&self, number: u64) -> Option<Faults> {
        self.shared.state.lock().lines.get(&number).cloned().map(Faults::of_one)
    }

    /// The numbers of the connections there are.
    pub fn connections(&self) -> Vec<u64> {
        self.shared.state.lock().lines.keys().copied().collect()
    }

    /// Waits until `count` connections were accepted in all. A client believes itself connected a little earlier.
    pub async fn accepted(&self, count: u64) {
        let mut accepted = self.shared.accepted.subscribe();
        accepted.wait_for(|accepted| *accepted >= count).await.expect("the proxy lives");
    }

    /// Waits until `bytes` were handed over in one direction in all.
    pub async fn carried(&self, direction: Direction, bytes: u64) {
        let mut carried = self.shared.carried.subscribe();
        let enough = |carried: &Carried| match direction {
            Direction::Up => carried.up >= bytes,
            Direction::Down => carried.down >= bytes,
        };
        carried.wait_for(enough).await.expect("the proxy lives");
    }

    /// Every connection there is ends with a reset (RST) on both sides; what was under way is lost.
    pub fn reset_all(&self) {
        self.all().reset();
    }

    /// Every connection there is ends with a FIN on both sides.
    pub fn cut_all(&self) {
        self.all().cut();
    }

    /// Nothing is forwarded any more and nothing is closed; new connections are accepted and ignored.
    pub fn black_hole(&self) {
        self.all().black_hole();
    }

    /// Nobody listens: new connections are refused by the system. Connections there are go on.
    pub fn refuse_new(&self) {
        self.shared.state.lock().listener = None;
    }

    /// Ends every fault: what was held goes on, in order; new connections are accepted and forwarded. What has ended
    /// stays so.
    pub fn heal(&self) {
        self.all().heal();
        let mut state = self.shared.state.lock();
        state.next = None;
        if state.listener.is_none() {
            let listener = socket(self.address()).and_then(|socket| socket.listen(BACKLOG));
            state.listener = Some(listener.expect("the port is kept"));
        }
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

/// A socket that shares its port with others of this proxy.
fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn accept(shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            (client, number, line) = shared.connection() => {
                connections.spawn(serve(shared.clone(), client, number, line));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(shared: Arc<Shared>, client: TcpStream, number: u64, line: Arc<Line>) {
    carry::connection(&shared, client, &line).await;
    shared.state.lock().lines.remove(&number);
}

impl Shared {
    /// The next connection, with its faults on.
    async fn connection(&self) -> (TcpStream, u64, Arc<Line>) {
        let (client, number, line) = poll_fn(|context| {
            let mut state = self.state.lock();
            state.waker = Some(context.waker().clone());
            let Some(listener) = &state.listener else { return Poll::Pending };
            let client = match listener.poll_accept(context) {
                Poll::Ready(Ok((client, _))) => client,
                // A client that was gone before it was accepted.
                Poll::Ready(Err(_)) => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => return Poll::Pending,
            };
            let number = *self.accepted.borrow() + 1;
            let rules = state.next.take().unwrap_or(state.rules);
            let line = Arc::new(Line::new(rules));
            state.lines.insert(number, line.clone());
            Poll::Ready((client, number, line))
        })
        .await;
        self.accepted.send_replace(number);
        (client, number, line)
    }

    fn target(&self) -> SocketAddr {
        self.state.lock().target
    }

    fn note_carried(&self, direction: Direction, bytes: u64) {
        self.carried.send_modify(|carried| match direction {
            Direction::Up => carried.up += bytes,
            Direction::Down => carried.down += bytes,
        });
    }
}
