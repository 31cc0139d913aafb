//! The socket as hyper sees it: every byte passes unchanged, while the frame heads of both directions are followed and
//! the client's control frames are weighed (`frames`). A client that floods gets GOAWAY with ENHANCE_YOUR_CALM if a
//! frame can be put in, and reading fails, which ends the connection. HTTP/1 passes untouched. Built by `drive`.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    connection::Connection,
    frames::{Follower, Tally},
};
use crate::base::clock;

/// GOAWAY, no stream was refused, ENHANCE_YOUR_CALM.
const CALM: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0xb];

/// Watches one connection's bytes.
#[derive(Debug)]
pub(super) struct Guard<T> {
    io: T,
    connection: Connection,
    received: Follower,
    sent: Follower,
    tally: Tally,
}

impl<T> Guard<T> {
    /// Watches `io`, permitting `control_frames_max` control frames that nothing explains.
    pub(super) fn new(io: T, connection: Connection, control_frames_max: u32) -> Self {
        Self {
            io,
            connection,
            received: Follower::client(),
            sent: Follower::server(),
            tally: Tally::new(control_frames_max, clock::now()),
        }
    }

    /// Takes account of received bytes; false when the client floods.
    fn receive(&mut self, bytes: &[u8]) -> bool {
        let greeting = matches!(self.received, Follower::Preface(_));
        let mut heads = 0_u32;
        self.received.follow(bytes, |head| {
            heads += 1;
            self.tally.count(head);
        });
        match self.received {
            Follower::Foreign => self.connection.bytes_came(),
            Follower::Head(..) | Follower::Payload(_) if greeting => self.connection.greeted(),
            _ => {}
        }
        heads == 0 || !self.tally.exceeded(clock::now())
    }

    fn send(&mut self, bytes: &[u8]) {
        if self.received != Follower::Foreign {
            self.sent.follow(bytes, |head| self.tally.explain(head));
        }
    }
}

impl<T: AsyncWrite + Unpin> Guard<T> {
    /// Says why the connection ends, if that needs no waiting.
    fn calm(&mut self, context: &mut Context<'_>) {
        if self.sent.between_frames() {
            let io = Pin::new(&mut self.io);
            if let Poll::Ready(Ok(_)) = io.poll_write(context, &CALM) {
                // The outcome changes nothing: the connection ends either way.
                drop(Pin::new(&mut self.io).poll_flush(context));
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guard<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let guard = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut guard.io).poll_read(context, buffer))?;
        let came = &buffer.filled()[before..];
        if !came.is_empty() && !guard.receive(came) {
            guard.calm(context);
            guard.connection.flooded();
            return Poll::Ready(Err(io::Error::other("too many control frames")));
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guard<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let guard = self.get_mut();
        let written = ready!(Pin::new(&mut guard.io).poll_write(context, bytes))?;
        guard.send(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let guard = self.get_mut();
        let written = ready!(Pin::new(&mut guard.io).poll_write_vectored(context, slices))?;
        let mut left = written;
        for slice in slices {
            let part = left.min(slice.len());
            guard.send(&slice[..part]);
            left -= part;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::{super::frames::PREFACE, *};

    const PING: [u8; 17] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];

    fn connection() -> Connection {
        Connection::new(SocketAddr::from(([192, 0, 2, 1], 4000)), false)
    }

    #[tokio::test]
    async fn a_flood_is_told_to_calm_down_and_ends() {
        let (mut client, server) = duplex(1 << 16);
        let mut guard = Guard::new(server, connection(), 5);
        client.write_all(PREFACE).await.unwrap();
        client.write_all(&PING.repeat(5)).await.unwrap();
        let mut read = [0; 109];
        guard.read_exact(&mut read).await.unwrap();
        client.write_all(&PING).await.unwrap();
        guard.read(&mut read).await.unwrap_err();
        assert!(guard.connection.is_flooded());
        let mut told = [0; 17];
        client.read_exact(&mut told).await.unwrap();
        assert_eq!(told, CALM);
    }

    #[tokio::test]
    async fn no_frame_is_put_into_the_middle_of_another() {
        let (mut client, server) = duplex(1 << 16);
        let mut guard = Guard::new(server, connection(), 1);
        guard.write_all(&[0, 0, 4, 0, 0, 0, 0, 0, 1, b'a']).await.unwrap();
        client.write_all(PREFACE).await.unwrap();
        client.write_all(&PING.repeat(5)).await.unwrap();
        guard.read(&mut [0; 200]).await.unwrap_err();
        drop(guard);
        let mut told = Vec::new();
        client.read_to_end(&mut told).await.unwrap();
        assert_eq!(told.len(), 10);
    }

    #[tokio::test]
    async fn http_1_passes_untouched() {
        let (mut client, server) = duplex(1 << 16);
        let mut guard = Guard::new(server, connection(), 1);
        let request = [b"GET / HTTP/1.1\r\n\r\n".as_slice(), &PING.repeat(50)].concat();
        client.write_all(&request).await.unwrap();
        let mut read = vec![0; request.len()];
        guard.read_exact(&mut read).await.unwrap();
        assert_eq!(read, request);
    }
}
