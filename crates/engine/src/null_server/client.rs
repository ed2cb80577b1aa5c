//! One client of the null server: its socket, and what was not yet read or sent.
use std::io;
use std::os::fd::OwnedFd;

use super::stream::Wanted;
use crate::sys;

pub struct Client {
    pub fd: OwnedFd,
    pub unread: Vec<u8>,
    pub unsent: Vec<u8>,
    pub close_after: bool,
    pub head_only: bool,
    /// A request is being served: the next one on this connection waits.
    pub busy: bool,
    /// Events that it is still to be told.
    pub stream: Option<Wanted>,
    /// Has switched to a WebSocket.
    pub talks: bool,
    /// Watched for readiness to write.
    pub watched: bool,
}

impl Client {
    pub fn new(fd: OwnedFd) -> Self {
        Self {
            fd,
            unread: vec![],
            unsent: vec![],
            close_after: false,
            head_only: false,
            busy: false,
            stream: None,
            talks: false,
            watched: false,
        }
    }

    /// Send what the socket takes, behind what it did not take before; the rest waits for [`flush`](Self::flush).
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = if self.unsent.is_empty() {
            sent(&self.fd, bytes)?
        } else {
            0
        };
        self.unsent.extend_from_slice(&bytes[sent..]);
        Ok(())
    }

    pub fn flush(&mut self) -> io::Result<()> {
        let sent = sent(&self.fd, &self.unsent)?;
        self.unsent.drain(..sent);
        Ok(())
    }
}

fn sent(fd: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    match sys::send(fd, bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// The other side makes room before the socket is looked at again.
    #[test]
    fn what_could_not_be_sent_comes_before_what_is_sent_later() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut client = Client::new(ours.into());
        let long = vec![b'a'; 4 << 20];
        client.send(&long).unwrap();
        let mut got = vec![0; long.len() - client.unsent.len()];
        assert!(!client.unsent.is_empty(), "the socket took it all");
        theirs.read_exact(&mut got).unwrap();

        client.send(b"b").unwrap();
        theirs.set_nonblocking(true).unwrap();
        while !client.unsent.is_empty() {
            client.flush().unwrap();
            // Ends with WouldBlock: there is no more for now.
            let _ = theirs.read_to_end(&mut got);
        }
        let _ = theirs.read_to_end(&mut got);
        assert_eq!(got.len(), long.len() + 1);
        assert_eq!(got.last(), Some(&b'b'));
    }
}
