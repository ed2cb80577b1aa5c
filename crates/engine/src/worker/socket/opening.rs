//! A socket is opened by a request that is answered with 101, again where it was lost.
use super::{Held, Socket};
use crate::record::ErrorKind;
use crate::rng::Rng;
use crate::websocket::{self, Key};
use crate::worker::Worker;
use crate::worker::connections::{Place, State};

impl Worker {
    /// The server agrees to switch: check that it means it, and read what came with the agreement.
    pub(in crate::worker) fn switched(&mut self, at: u32, rest: &[u8]) {
        let Some(conn) = &mut self.slots[at as usize].conn else {
            return;
        };
        let user = &self.users[conn.user as usize];
        let Some(request) = user.request(&self.plan) else {
            return;
        };
        let Some(upgrade) = &request.upgrade else {
            return;
        };
        let key = Key::draw(&mut user.rng(self.plan.seed));
        let answer = conn.exchange.kept.answer(101);
        if let Err(reason) = websocket::check_answer(&answer, &key, &upgrade.subprotocols) {
            return self.break_off(at, ErrorKind::Protocol, || format!("got {reason}"));
        }
        let rng = Rng::of(self.plan.seed ^ self.now_ns, user.number);
        let socket = Socket::new(request.series, upgrade.keeps_unread, rng);
        conn.socket = Some(Box::new(socket));
        conn.state = State::Socket;
        conn.deadline_ns = u64::MAX;
        let id = conn.user;
        self.users[id as usize].socket = Held::Open(at);
        let read = self.read_frames(at, rest);
        self.answered(Place { at, stream: 0 }, 101, true);
        self.after_frames(at, id, read);
    }

    /// The socket's steps are over or were never begun: which one comes after them?
    pub(in crate::worker) fn after_opening(&mut self, id: u32, opened: bool) {
        let user = &mut self.users[id as usize];
        let request = user.request(&self.plan);
        let Some(upgrade) = request.and_then(|request| request.upgrade.as_deref()) else {
            return;
        };
        match (opened, std::mem::take(&mut user.resume)) {
            (false, _) => user.step = upgrade.past - 1,
            (true, 0) => {}
            // One is added to it, as after every request.
            (true, resume) => user.step = resume - 1,
        }
    }
}
