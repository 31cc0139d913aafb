//! One connection: two lanes between two sockets, and how they end. It obeys its line and decides nothing.

use std::{io, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::future::{join, try_join};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, sink},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Instant,
};

use super::{
    Shared,
    line::{Direction, Ending, Line},
};

/// What is read at once.
const CHUNK_BYTES_MAX: usize = 16 * 1024;
/// What a lane holds, beside the buffers of the system.
const LANE_BYTES_MAX: usize = 256 * 1024;
/// The same in chunks, for small ones that are delayed.
const LANE_CHUNKS_MAX: usize = 4096;

struct Chunk {
    arrived: Instant,
    /// Empty: no more will come.
    bytes: Bytes,
    _space: Option<OwnedSemaphorePermit>,
}

/// Carries a connection to its end.
pub(super) async fn connection(shared: &Shared, mut client: TcpStream, line: &Line) {
    let connected = async {
        line.open().await;
        TcpStream::connect(shared.target()).await
    };
    let target = tokio::select! {
        biased;
        ending = line.ended(|_| true) => return end(ending, line, client, None).await,
        target = connected => target,
    };
    let Ok(mut target) = target else {
        return end(Ending::Reset, line, client, None).await;
    };
    let plain = client.set_nodelay(true).and_then(|()| target.set_nodelay(true));
    let ending = tokio::select! {
        biased;
        ending = line.ended(|_| true) => Some(ending),
        carried = both(shared, &mut client, &mut target, line) => {
            carried.and(plain).err().map(|_| Ending::Reset)
        }
    };
    if let Some(ending) = ending {
        end(ending, line, client, Some(target)).await;
    }
}

async fn both(
    shared: &Shared,
    client: &mut TcpStream,
    target: &mut TcpStream,
    line: &Line,
) -> io::Result<()> {
    let (from_client, to_client) = client.split();
    let (from_target, to_target) = target.split();
    let up = lane(shared, line, Direction::Up, (from_client, to_target));
    let down = lane(shared, line, Direction::Down, (from_target, to_client));
    try_join(up, down).await.map(|_| ())
}

async fn lane(
    shared: &Shared,
    line: &Line,
    direction: Direction,
    (from, to): (ReadHalf<'_>, WriteHalf<'_>),
) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel(LANE_CHUNKS_MAX);
    let taken = take(line, direction, from, sender);
    let handed = hand_over(shared, line, direction, (receiver, to));
    try_join(taken, handed).await.map(|_| ())
}

/// Reads until the end. A lane that is held is not read from, so that its sender feels it.
async fn take(
    line: &Line,
    direction: Direction,
    mut from: ReadHalf<'_>,
    sender: mpsc::Sender<Chunk>,
) -> io::Result<()> {
    let space = Arc::new(Semaphore::new(LANE_BYTES_MAX));
    let mut buffer = BytesMut::new();
    loop {
        line.flows(direction).await;
        let Ok(mut permit) = space.clone().acquire_many_owned(CHUNK_BYTES_MAX as u32).await else {
            return Ok(());
        };
        buffer.reserve(CHUNK_BYTES_MAX);
        let mut room = (&mut buffer).limit(CHUNK_BYTES_MAX);
        let read = tokio::select! {
            biased;
            () = line.held(direction) => continue,
            read = from.read_buf(&mut room) => read?,
        };
        let _space = permit.split(read);
        let chunk = Chunk { arrived: Instant::now(), bytes: buffer.split().freeze(), _space };
        if sender.send(chunk).await.is_err() || read == 0 {
            return Ok(());
        }
    }
}

/// Writes what was taken, when it is due.
async fn hand_over(
    shared: &Shared,
    line: &Line,
    direction: Direction,
    (mut receiver, mut to): (mpsc::Receiver<Chunk>, WriteHalf<'_>),
) -> io::Result<()> {
    let mut free_at = Instant::now();
    while let Some(Chunk { arrived, mut bytes, _space }) = receiver.recv().await {
        line.due(direction, arrived, free_at).await;
        if bytes.is_empty() {
            return to.shutdown().await;
        }
        while !bytes.is_empty() {
            line.due(direction, arrived, free_at).await;
            let claim = line.claim(direction, bytes.len());
            let mut slice = BytesMut::from(bytes.split_to(claim.count));
            if let Some(flipped) = claim.flip.and_then(|flip| slice.get_mut(flip)) {
                *flipped = !*flipped;
            }
            to.write_all(&slice).await?;
            shared.note_carried(direction, claim.count as u64);
            free_at = free_at.max(Instant::now()) + claim.busy;
            if let Some(ending) = claim.ending {
                line.change(|rules| rules.end(ending));
                std::future::pending::<()>().await;
            }
        }
    }
    Ok(())
}

async fn end(ending: Ending, line: &Line, mut client: TcpStream, mut target: Option<TcpStream>) {
    if ending == Ending::Cut {
        tokio::select! {
            biased;
            _ = line.ended(|ending| ending == Ending::Reset) => {}
            _ = join(finish(Some(&mut client)), finish(target.as_mut())) => return,
        }
    }
    for stream in [Some(client), target].into_iter().flatten() {
        // Where that fails the other side has gone already.
        drop(stream.set_zero_linger());
    }
}

/// Says that no more comes, and takes what still does: closing before that would be a reset.
async fn finish(stream: Option<&mut TcpStream>) -> io::Result<()> {
    let Some(stream) = stream else { return Ok(()) };
    stream.shutdown().await?;
    copy(stream, &mut sink()).await.map(|_| ())
}
