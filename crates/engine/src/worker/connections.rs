//! Connections: opening, the pool of idle ones, their deadlines, closing.
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use super::Worker;
use super::http2::Multiplex;
use super::socket::Socket;
use super::users::UNRESERVED;
use crate::http1::{Clocks, Exchange, Kept};
use crate::http2::Stream;
use crate::record::{ErrorKind, phase};
use crate::sys::{self, EventFlags};
use crate::timers::Due;
use crate::tls::Tls;

/// A place for a connection. It outlives its connections, so that one timer entry serves them all.
pub struct Slot {
    pub conn: Option<Conn>,
    /// Tells events of an earlier connection in this place apart.
    generation: u32,
    /// When the slot's timer fires; `u64::MAX` for not armed.
    armed_ns: u64,
}

/// In `Conn::idle_at`: it can take no request now.
const NOT_LISTED: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Connecting,
    /// Waits for a proxy to open a tunnel.
    Tunnelling,
    Handshaking,
    Idle,
    /// Idle, and for its own user alone.
    Reserved,
    Busy,
    /// A user's WebSocket.
    Socket,
}

pub struct Conn {
    pub fd: OwnedFd,
    pub tls: Option<Box<Tls>>,
    pub state: State,
    /// Who uses it; meaningless while idle.
    pub user: u32,
    /// Its place in its site's list of those that can take a request; `NOT_LISTED` for none.
    idle_at: u32,
    pub way: Way,
    /// Has carried an answer before.
    pub used: bool,
    /// When the current stage of opening began.
    pub begun_ns: u64,
    pub clocks: Clocks,
    /// When what it does has taken too long; `u64::MAX` for never.
    pub deadline_ns: u64,
    pub exchange: Exchange,
    pub socket: Option<Box<Socket>>,
    /// What makes it one that many share: HTTP/2, or an opening that may lead there.
    pub multiplex: Option<Box<Multiplex>>,
    /// What the socket would not take yet.
    pub rest: Vec<u8>,
    /// Nothing is read for now: who asked has not taken what was read.
    pub halted: bool,
}

/// Where a connection leads.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// The number of the origin.
    pub site: u32,
    pub address: SocketAddr,
    /// How many addresses were tried for its first request before.
    pub tries: u32,
    /// The name no longer leads to this address: not to be used again.
    pub retired: bool,
}

/// Where a request runs.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The connection's slot.
    pub at: u32,
    /// HTTP/2's stream on it; 0 with HTTP/1.1.
    pub stream: u32,
}

impl Slot {
    /// An HTTP/2 stream of the connection here.
    pub fn stream(&mut self, id: u32) -> Option<&mut Stream> {
        let multiplex = self.conn.as_mut()?.multiplex.as_mut()?;
        multiplex.connection.streams.get(id)
    }
}

impl Place {
    /// Whose answer is read here, its clocks, and what was kept of it.
    pub fn reading(self, slots: &mut [Slot]) -> Option<(u32, Clocks, &mut Kept)> {
        let conn = slots[self.at as usize].conn.as_mut()?;
        if self.stream != 0 {
            let streams = &mut conn.multiplex.as_mut()?.connection.streams;
            let stream = streams.get(self.stream)?;
            return Some((stream.user, stream.clocks, &mut stream.kept));
        }
        Some((conn.user, conn.clocks, &mut conn.exchange.kept))
    }
}

impl Worker {
    pub(super) fn has_room(&self) -> bool {
        self.idle > 0 || self.open - self.leaving < self.connections_max
    }

    pub(super) fn conn(&mut self, at: u32) -> Option<&mut Conn> {
        self.slots[at as usize].conn.as_mut()
    }

    /// Find the connection that an event is for; None when it is gone.
    pub(super) fn slot_of(&self, token: u64) -> Option<u32> {
        let (generation, at) = ((token >> 32) as u32, token as u32);
        let slot = self.slots.get(at as usize)?;
        (slot.generation == generation && slot.conn.is_some()).then_some(at)
    }

    pub(super) fn token(&self, at: u32) -> u64 {
        u64::from(self.slots[at as usize].generation) << 32 | u64::from(at)
    }

    /// Watch for readiness to write, or no longer.
    pub(super) fn watch_writable(&mut self, at: u32, writable: bool) {
        let token = self.token(at);
        if let Some(conn) = &self.slots[at as usize].conn {
            let mut flags = EventFlags::empty();
            flags.set(EventFlags::IN, !conn.halted);
            flags.set(EventFlags::OUT, writable);
            // Fails only for a descriptor that is not in the set, and this one is.
            let _ = self.epoll.modify(&conn.fd, token, flags);
        }
    }

    /// The user's request is started: on an idle connection, or on a new one.
    pub(super) fn occupy(&mut self, user: u32) {
        let at = &mut self.users[user as usize];
        at.busy = true;
        if let Some(request) = at.request(&self.plan) {
            self.second.steps[request.series].started += 1;
        }
        self.send_somewhere(user);
    }

    pub(super) fn send_somewhere(&mut self, user: u32) {
        let reserved = std::mem::replace(&mut self.users[user as usize].reserved, UNRESERVED);
        if reserved != UNRESERVED {
            return self.send_on_own(user, reserved);
        }
        let origin = self.users[user as usize].origin(&self.plan);
        if origin >= self.sites.len() {
            self.meet_sites();
        }
        let Some(at) = self.sites[origin].idle.last().copied() else {
            self.make_room();
            return self.open_for(user);
        };
        if let Some(conn) = self.conn(at) {
            if conn.multiplex.is_some() {
                return self.join(at, user);
            }
            conn.state = State::Busy;
            conn.idle_at = NOT_LISTED;
            conn.user = user;
        }
        self.sites[origin].idle.pop();
        self.idle -= 1;
        self.send_request(at);
    }

    /// Send on the connection that the user has kept, unless the request goes to another origin.
    fn send_on_own(&mut self, user: u32, at: u32) {
        let origin = self.users[user as usize].origin(&self.plan);
        match self.conn(at) {
            Some(conn) if conn.way.site as usize == origin => {
                conn.state = State::Busy;
                self.send_request(at);
            }
            _ => {
                self.close(at);
                self.open_for(user);
            }
        }
    }

    pub(super) fn open_for(&mut self, user: u32) {
        self.open_at_next_address(user, 0);
    }

    /// Open a connection for the user's request, after so many addresses that could not be reached.
    pub(super) fn open_at_next_address(&mut self, user: u32, tries: u32) {
        let now = self.clock();
        let site = self.users[user as usize].origin(&self.plan);
        if site >= self.sites.len() {
            self.meet_sites();
        }
        self.begin_telling(user, site);
        let address = match self.sites[site].reach.next(now) {
            Ok(address) => address,
            Err(_) if self.sites[site].reach.is_asked() => {
                return self.sites[site].expecting.push(user);
            }
            Err(why) => return self.fail(user, ErrorKind::Dns, || why.to_string()),
        };
        let source = self.next_source(&address);
        let way = Way {
            site: site as u32,
            address,
            tries,
            retired: false,
        };
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                conn: None,
                generation: 0,
                armed_ns: u64::MAX,
            });
            (self.slots.len() - 1) as u32
        });
        let token = self.token(at);
        let opened = sys::connect(&address, source).and_then(|fd| {
            self.epoll
                .add(&fd, token, EventFlags::IN | EventFlags::OUT)?;
            Ok(fd)
        });
        match opened {
            Ok(fd) => {
                self.open += 1;
                self.slots[at as usize].conn = Some(Conn {
                    fd,
                    tls: None,
                    state: State::Connecting,
                    user,
                    idle_at: NOT_LISTED,
                    way,
                    used: false,
                    begun_ns: now,
                    clocks: Clocks::default(),
                    deadline_ns: u64::MAX,
                    exchange: Exchange::default(),
                    socket: None,
                    multiplex: self.sites[site].multiplexes.then(|| Multiplex::new(user)),
                    rest: vec![],
                    halted: false,
                });
                self.set_deadline(at, now.saturating_add(self.plan.connect_timeout_ns));
                self.list_by_room(at);
            }
            Err(error) => {
                self.free.push(at);
                self.not_reached(user, way, &error);
            }
        }
    }

    /// The attempt to connect has ended.
    pub(super) fn connected(&mut self, at: u32) {
        let Some(conn) = self.conn(at) else { return };
        if let Err(error) = sys::socket_error(&conn.fd) {
            self.clock();
            return self.unreached(at, &error);
        }
        if !self.asks_for_tunnel(at) {
            self.reached(at);
        }
    }

    /// Bytes go to the origin and back: now TLS, or the request.
    pub(super) fn reached(&mut self, at: u32) {
        let now = self.clock();
        let Some(conn) = &mut self.slots[at as usize].conn else {
            return;
        };
        let took_ns = now - conn.begun_ns;
        conn.begun_ns = now;
        let site = &self.sites[conn.way.site as usize];
        let tls = match (&self.tls, &site.tls_name) {
            (Some(setup), Some(name)) => Some(setup.connect(name.clone())),
            _ => None,
        };
        self.record_opening(at, phase::CONNECT, took_ns);
        let Some(tls) = tls else {
            self.watch_writable(at, false);
            return self.opened(at);
        };
        match tls {
            Ok(tls) => {
                if let Some(conn) = self.conn(at) {
                    conn.tls = Some(Box::new(tls));
                    conn.state = State::Handshaking;
                }
                self.watch_writable(at, false);
                self.put_tls(at);
            }
            Err(error) => self.break_off(at, ErrorKind::Tls, || error.to_string()),
        }
    }

    /// The handshake has ended.
    pub(super) fn secured(&mut self, at: u32) {
        let now = self.clock();
        let Some(conn) = self.conn(at) else { return };
        let took_ns = now - conn.begun_ns;
        self.record_opening(at, phase::TLS, took_ns);
        self.opened(at);
    }

    fn opened(&mut self, at: u32) {
        if let Some(conn) = self.conn(at) {
            if conn.multiplex.is_some() {
                return self.opened_multiplex(at);
            }
            conn.state = State::Busy;
        }
        self.send_request(at);
    }

    /// The connection did not come about: whoever waits for it looks further.
    fn unreached(&mut self, at: u32, error: &io::Error) {
        let Some(conn) = self.conn(at) else { return };
        let way = conn.way;
        let users = match &mut conn.multiplex {
            Some(multiplex) => std::mem::take(&mut multiplex.joining),
            None => vec![conn.user],
        };
        self.close(at);
        for user in users {
            self.not_reached(user, way, error);
        }
    }

    fn record_opening(&mut self, at: u32, phase: usize, took_ns: u64) {
        let Some(conn) = &self.slots[at as usize].conn else {
            return;
        };
        // Of those who join, the one who opened it may have given up.
        let user = match &conn.multiplex {
            Some(multiplex) => multiplex.joining.first().copied(),
            None => Some(conn.user),
        };
        if let Some(request) = user.and_then(|user| self.users[user as usize].request(&self.plan)) {
            self.second.steps[request.series].phases[phase].record(took_ns);
        }
    }

    /// The same user sends another request where its last was answered, or on a new connection.
    pub(super) fn send_again(&mut self, place: Place, user: u32, keep: bool) {
        if place.stream != 0 {
            self.release(place, keep);
            self.send_elsewhere(user);
        } else if keep {
            if let Some(conn) = self.conn(place.at) {
                conn.used = true;
            }
            self.send_request(place.at);
        } else {
            self.close(place.at);
            self.open_for(user);
        }
    }

    /// The connection has done its work: keep it for the next, or close it.
    pub(super) fn release(&mut self, place: Place, keep: bool) {
        let at = place.at;
        if place.stream != 0 {
            return self.release_stream(at, place.stream, keep);
        }
        let per_user = self.plan.connection_per_user;
        let Some(conn) = self.conn(at) else { return };
        if !keep || conn.way.retired {
            return self.close(at);
        }
        conn.used = true;
        conn.deadline_ns = u64::MAX;
        if per_user {
            conn.state = State::Reserved;
            let user = conn.user;
            self.users[user as usize].reserved = at;
            return;
        }
        conn.state = State::Idle;
        self.list(at);
    }

    /// The connection can take a request.
    pub(super) fn list(&mut self, at: u32) {
        let Some(conn) = &mut self.slots[at as usize].conn else {
            return;
        };
        if conn.idle_at == NOT_LISTED {
            let idle = &mut self.sites[conn.way.site as usize].idle;
            conn.idle_at = idle.len() as u32;
            idle.push(at);
            self.idle += 1;
        }
    }

    pub(super) fn unlist(&mut self, at: u32) {
        if let Some(conn) = self.conn(at) {
            let (site, idle_at) = (conn.way.site, conn.idle_at);
            conn.idle_at = NOT_LISTED;
            self.take_off(site, idle_at);
        }
    }

    fn take_off(&mut self, site: u32, idle_at: u32) {
        if idle_at == NOT_LISTED {
            return;
        }
        let idle = &mut self.sites[site as usize].idle;
        idle.swap_remove(idle_at as usize);
        self.idle -= 1;
        if let Some(moved) = idle.get(idle_at as usize).copied()
            && let Some(moved) = self.conn(moved)
        {
            moved.idle_at = idle_at;
        }
    }

    /// The user's iteration is over: a connection that was kept for it is closed.
    pub(super) fn let_go(&mut self, user: u32) {
        let reserved = self.users[user as usize].reserved;
        if reserved != UNRESERVED {
            self.close(reserved);
        }
    }

    pub(super) fn close(&mut self, at: u32) {
        let slot = &mut self.slots[at as usize];
        let Some(conn) = slot.conn.take() else { return };
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(at);
        self.open -= 1;
        if conn.state == State::Reserved
            && let Some(user) = self.users.get_mut(conn.user as usize)
        {
            user.reserved = UNRESERVED;
        }
        self.leaving -= usize::from(conn.multiplex.is_some_and(|it| it.leaving));
        self.take_off(conn.way.site, conn.idle_at);
    }

    /// Costs nothing while the slot's timer fires earlier anyway: it will look again then.
    pub(super) fn set_deadline(&mut self, at: u32, deadline_ns: u64) {
        let slot = &mut self.slots[at as usize];
        let Some(conn) = &mut slot.conn else { return };
        conn.deadline_ns = deadline_ns;
        if deadline_ns < slot.armed_ns {
            slot.armed_ns = deadline_ns;
            self.set_timer(deadline_ns, Due::Slot(at));
        }
    }

    pub(super) fn look_at_deadline(&mut self, at: u32, fired_ns: u64, now: u64) {
        let slot = &mut self.slots[at as usize];
        if slot.armed_ns != fired_ns {
            // An earlier entry was armed since, and has taken over.
            return;
        }
        slot.armed_ns = u64::MAX;
        let Some(conn) = &slot.conn else { return };
        let (deadline_ns, state) = (conn.deadline_ns, conn.state);
        if conn.multiplex.is_some() && state == State::Busy {
            self.look_at_streams(at, now);
        } else if deadline_ns > now {
            if deadline_ns != u64::MAX {
                self.set_deadline(at, deadline_ns);
            }
        } else if state == State::Socket {
            self.socket_timeout(at);
        } else if state == State::Busy {
            self.overdue(at, now);
        } else {
            let limit_ms = self.plan.connect_timeout_ns as f64 / 1e6;
            match state {
                State::Connecting => {
                    let late = io::Error::other(format!("no connection within {limit_ms} ms"));
                    self.unreached(at, &late);
                }
                State::Tunnelling => self.break_off(at, ErrorKind::Connect, || {
                    format!("the proxy opened no tunnel within {limit_ms} ms")
                }),
                _ => self.break_off(at, ErrorKind::Tls, || {
                    format!("no TLS handshake within {limit_ms} ms")
                }),
            }
        }
    }

    /// The answer is not complete in time; a stream may have been listened to for as long as was wanted.
    fn overdue(&mut self, at: u32, now: u64) {
        if self.stream_lasted(at, now) {
            return;
        }
        let Some(conn) = self.conn(at) else { return };
        let id = conn.user;
        let limit_ms = self.users[id as usize].timeout_ns(&self.plan) as f64 / 1e6;
        self.break_off(at, ErrorKind::Timeout, || {
            format!("no complete answer within {limit_ms} ms")
        });
    }
}
