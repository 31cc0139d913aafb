//! What goes through nats-server, as its own monitor tells it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    ops::Sub,
    time::Duration,
};

use serde_json::Value;

use crate::Failure;

const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Where nats-server tells about itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Monitor(pub(crate) SocketAddr);

/// Messages and bytes that a broker has taken from its clients and given to them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traffic {
    pub(crate) messages_in: u64,
    pub(crate) messages_out: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

impl Monitor {
    /// What has gone through so far.
    pub(crate) fn read(self) -> Result<Traffic, Failure> {
        let mut socket = TcpStream::connect(self.0)?;
        socket.set_read_timeout(Some(ANSWER_WITHIN))?;
        socket.write_all(b"GET /varz HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").ok_or("the monitor of nats-server gave no answer")?;
        let figures: Value = serde_json::from_str(body)?;
        let number = |name: &str| figures[name].as_u64().ok_or_else(|| format!("/varz has no {name}"));
        Ok(Traffic {
            messages_in: number("in_msgs")?,
            messages_out: number("out_msgs")?,
            bytes_in: number("in_bytes")?,
            bytes_out: number("out_bytes")?,
        })
    }
}

impl Sub for Traffic {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            messages_in: self.messages_in - before.messages_in,
            messages_out: self.messages_out - before.messages_out,
            bytes_in: self.bytes_in - before.bytes_in,
            bytes_out: self.bytes_out - before.bytes_out,
        }
    }
}
