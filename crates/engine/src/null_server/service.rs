//! The null server's service: so many requests at a time, each for its time; the others queue.
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::NullOptions;
use crate::rng::Rng;

/// How long a request occupies one of the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Always the same.
    Fixed,
    /// Exponentially distributed about the service time.
    Exponential,
}

/// The servers of the queue, and the clients whose requests are served or wait. Nothing here has a clock.
#[derive(Debug)]
pub struct Servers {
    mean_ns: u64,
    service: Service,
    servers: Option<usize>,
    rng: Rng,
    /// When each request in service is done, and whose it is.
    serving: BinaryHeap<Reverse<(u64, u64)>>,
    queue: VecDeque<u64>,
}

impl Servers {
    pub fn new(options: &NullOptions) -> Self {
        Self {
            mean_ns: options.service_time_ns,
            service: options.service,
            servers: options.servers,
            rng: Rng::new(options.seed),
            serving: BinaryHeap::new(),
            queue: VecDeque::new(),
        }
    }

    /// Requests are answered without being served.
    pub fn take_no_time(&self) -> bool {
        self.mean_ns == 0
    }

    /// Put the client's request into service, or let it queue.
    pub fn admit(&mut self, client: u64, now_ns: u64) {
        if self
            .servers
            .is_none_or(|servers| self.serving.len() < servers)
        {
            self.serve(client, now_ns);
        } else {
            self.queue.push_back(client);
        }
    }

    fn serve(&mut self, client: u64, from_ns: u64) {
        let takes_ns = match self.service {
            Service::Fixed => self.mean_ns,
            Service::Exponential => (self.rng.exponential() * self.mean_ns as f64) as u64,
        };
        self.serving.push(Reverse((from_ns + takes_ns, client)));
    }

    /// When the next request is done; `u64::MAX` for none.
    pub fn next_ns(&self) -> u64 {
        self.serving.peek().map_or(u64::MAX, |Reverse((at, _))| *at)
    }

    /// Whose request is done. The next in the queue begins when its predecessor ended, not when we noticed.
    pub fn pop_done(&mut self, now_ns: u64) -> Option<u64> {
        if self.next_ns() > now_ns {
            return None;
        }
        let Reverse((done_ns, client)) = self.serving.pop()?;
        if let Some(next) = self.queue.pop_front() {
            self.serve(next, done_ns);
        }
        Some(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(servers: usize) -> Servers {
        Servers::new(&NullOptions {
            service_time_ns: 100,
            servers: Some(servers),
            ..NullOptions::default()
        })
    }

    /// Two requests at one server, noticed late: the second began when the first ended.
    #[test]
    fn a_queued_request_begins_when_its_predecessor_ends() {
        let mut servers = servers(1);
        servers.admit(7, 1_000);
        servers.admit(8, 1_010);
        assert_eq!(servers.next_ns(), 1_100);
        assert_eq!(servers.pop_done(1_099), None);
        assert_eq!(servers.pop_done(1_150), Some(7));
        assert_eq!(servers.next_ns(), 1_200);
        assert_eq!(servers.pop_done(1_199), None);
        assert_eq!(servers.pop_done(1_200), Some(8));
        assert_eq!(servers.next_ns(), u64::MAX);
    }

    #[test]
    fn as_many_are_served_at_a_time_as_there_are_servers() {
        let mut servers = servers(2);
        for client in 0..3 {
            servers.admit(client, 0);
        }
        let done: Vec<u64> = std::iter::from_fn(|| servers.pop_done(100)).collect();
        assert_eq!(done, [0, 1]);
        assert_eq!(servers.pop_done(200), Some(2));
    }
}
