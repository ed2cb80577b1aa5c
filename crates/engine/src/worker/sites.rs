//! One thread's view of the origins: where each is reached, and its connections that carry nothing.
use std::io;
use std::net::{IpAddr, SocketAddr};

use rustls::pki_types::ServerName;

use super::connections::Way;
use super::{Share, Worker};
use crate::origins::{Book, Found, Reach};
use crate::plan::compile::{Compiled, Origin};
use crate::record::{ErrorKind, phase};
use crate::tls::{self, TlsSetup};

/// What to do about EADDRNOTAVAIL (connect(2)).
const NO_PORT_LEFT: &str = "; every local port to it is in use, or closed less than a minute ago (some 28,000 for each \
    source address, net.ipv4.ip_local_port_range): keep connections alive, ask for fewer, or name more addresses of this \
    machine in http.source_addresses";

/// One origin, as one thread sees it.
pub struct Site {
    /// Slots of the connections that can take a request; the last one is used first.
    pub idle: Vec<u32>,
    /// May a new connection speak HTTP/2?
    pub multiplexes: bool,
    /// How many streams it last said that it takes on one.
    pub streams_told: Option<u32>,
    pub reach: Reach,
    /// What its certificate must bear; None for an origin without TLS.
    pub tls_name: Option<ServerName<'static>>,
    /// Users whose requests wait until it is looked up for the first time.
    pub expecting: Vec<u32>,
    /// The series of the first step that goes there: what concerns the origin as a whole is told under it.
    pub told_under: Option<usize>,
}

impl Site {
    /// The sites of a plan, by the number of their origin.
    pub fn all(plan: &Compiled, book: &Book, share: Share) -> Vec<Self> {
        let planned = plan.origins.planned().iter().enumerate();
        planned
            .map(|(at, origin)| Self::new(at, origin, plan, book, share))
            .collect()
    }

    fn new(at: usize, origin: &Origin, plan: &Compiled, book: &Book, share: Share) -> Self {
        let page = book
            .page(at)
            .unwrap_or(Found::Refused("not looked up".into()));
        Self {
            idle: vec![],
            multiplexes: origin.multiplexed(plan.version).is_some(),
            streams_told: None,
            reach: Reach::new(page, share.thread as usize),
            tls_name: origin
                .tls
                .then(|| tls::server_name(origin.tls_host()).ok())
                .flatten(),
            expecting: vec![],
            told_under: plan.first_series_of(at),
        }
    }
}

impl Worker {
    /// Names were looked up before the start.
    pub(super) fn tell_first_lookups(&mut self) {
        (0..self.sites.len()).for_each(|origin| self.tell_lookups(origin));
    }

    /// This user's step goes to `origin`, which no step of the plan names: the first one does the telling.
    pub(super) fn begin_telling(&mut self, user: u32, origin: usize) {
        if self.sites[origin].told_under.is_none() {
            self.sites[origin].told_under = self.users[user as usize].series(&self.plan);
            self.tell_lookups(origin);
        }
    }

    /// Lookups wait in the book until a thread has a step to tell them under.
    fn tell_lookups(&mut self, origin: usize) {
        let Some(series) = self.sites[origin].told_under else {
            return;
        };
        for took_ns in self.book.take_lookups_ns(origin) {
            self.second.steps[series].phases[phase::DNS].record(took_ns);
        }
    }

    /// A name was looked up again. Connections to addresses that it no longer leads to end once they carry nothing.
    pub(super) fn looked_up(&mut self, origin: u32) {
        let Some(page) = self.book.page(origin as usize) else {
            return;
        };
        let Some(site) = self.sites.get_mut(origin as usize) else {
            // This thread has not met it.
            return;
        };
        if site.tls_name.is_some() && self.tls.is_none() {
            self.tls = self.book.tls().map(TlsSetup::for_thread);
        }
        site.reach.change(page);
        for slot in &mut self.slots {
            if let Some(conn) = &mut slot.conn
                && conn.way.site == origin
            {
                conn.way.retired = !site.reach.has(&conn.way.address);
            }
        }
        for at in site.idle.clone() {
            match self.conn(at) {
                Some(conn) if conn.way.retired && conn.multiplex.is_some() => self.take_leave(at),
                Some(conn) if conn.way.retired => self.close(at),
                _ => {}
            }
        }
        self.tell_lookups(origin as usize);
        self.go_on_where_expected(origin);
    }

    /// The sites of origins that were met since the last time.
    pub(super) fn meet_sites(&mut self) {
        let known = self.sites.len();
        for (at, origin) in self.plan.origins.iter().enumerate().skip(known) {
            let site = Site::new(at, origin, &self.plan, &self.book, self.share);
            self.sites.push(site);
        }
        if self.tls.is_none() {
            self.tls = self.book.tls().map(TlsSetup::for_thread);
        }
    }

    /// The first answer for an origin that was met: whoever waits for it goes on.
    fn go_on_where_expected(&mut self, origin: u32) {
        let expecting = std::mem::take(&mut self.sites[origin as usize].expecting);
        for user in expecting {
            self.send_elsewhere(user);
        }
    }

    /// Nobody waits for this user's origin any more; false where nobody did.
    pub(super) fn stop_expecting(&mut self, user: u32) -> bool {
        let mut lists = self.sites.iter_mut().map(|site| &mut site.expecting);
        let at = lists.find_map(|list| Some((list.iter().position(|one| *one == user)?, list)));
        at.map(|(at, list)| list.swap_remove(at)).is_some()
    }

    /// Where every connection is open and another site has one that carries nothing, that one makes room. An HTTP/2
    /// connection that could carry more but is in use stays: then there is one more connection than was asked for.
    pub(super) fn make_room(&mut self) {
        if self.open - self.leaving < self.connections_max {
            return;
        }
        let mut listed = self.sites.iter().flat_map(|site| &site.idle);
        let idle = listed.find(|at| {
            let conn = self.slots[**at as usize].conn.as_ref();
            conn.is_some_and(|conn| {
                conn.multiplex
                    .as_ref()
                    .is_none_or(|it| it.carries_nothing())
            })
        });
        if let Some(at) = idle.copied() {
            self.close(at);
        }
    }

    /// Where the next connection to `address` comes from: the plan's source addresses of its family, by turns.
    pub(super) fn next_source(&mut self, address: &SocketAddr) -> Option<IpAddr> {
        let all = &self.plan.sources;
        for _ in 0..all.len() {
            let source = all[self.next_source % all.len()];
            self.next_source = (self.next_source + 1) % all.len();
            if source.is_ipv4() == address.is_ipv4() {
                return Some(source);
            }
        }
        None
    }

    /// No connection came about: the request takes the next address, once each; then it fails.
    pub(super) fn not_reached(&mut self, user: u32, way: Way, error: &io::Error) {
        let site = &mut self.sites[way.site as usize];
        // No port was left, or no such address is ours: another address of the origin changes nothing.
        let ours = error.kind() == io::ErrorKind::AddrNotAvailable;
        if !ours {
            site.reach.pass_over(&way.address, self.now_ns);
            if !site.idle.is_empty() {
                // Another connection came about meanwhile.
                return self.send_somewhere(user);
            }
            if (way.tries as usize) + 1 < site.reach.len() {
                return self.open_at_next_address(user, way.tries + 1);
            }
        }
        self.fail(user, ErrorKind::Connect, || {
            let cure = if ours { NO_PORT_LEFT } else { "" };
            format!("cannot connect to {}: {error}{cure}", way.address)
        });
    }
}
