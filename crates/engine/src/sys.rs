//! The few system calls of the engine: epoll, a timer in the epoll set, a wake-up, sockets, clocks.
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::sys::socket::sockopt::IpBindAddressNoPort;
pub use rustix::event::epoll::EventFlags;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec,
};

/// What one wake-up may deliver; more stay ready for the next.
const BATCH: usize = 64;

/// Nanoseconds of the monotonic clock.
pub fn now_ns() -> u64 {
    ns(rustix::time::clock_gettime(ClockId::Monotonic))
}

/// Add this to a monotonic time to get Unix time. Of three readings the one that took the shortest: between two clocks a
/// thread may be put aside.
pub fn unix_offset_ns() -> i64 {
    let read = || {
        let before = now_ns() as i64;
        let unix = ns(rustix::time::clock_gettime(ClockId::Realtime)) as i64;
        let took = now_ns() as i64 - before;
        (took, unix - before - took / 2)
    };
    let (_, offset) = read().min(read()).min(read());
    offset
}

/// Nanoseconds since 1970, of the wall clock.
pub fn unix_ns() -> u64 {
    ns(rustix::time::clock_gettime(ClockId::Realtime))
}

/// CPU time that the calling thread has used.
pub fn thread_cpu_ns() -> u64 {
    ns(rustix::time::clock_gettime(ClockId::ThreadCPUTime))
}

/// Cores that this process may use.
pub fn cores() -> usize {
    rustix::thread::sched_getaffinity(None)
        .map_or(1, |set| set.count() as usize)
        .max(1)
}

fn ns(time: Timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn timespec(at_ns: u64) -> Timespec {
    Timespec {
        tv_sec: (at_ns / 1_000_000_000) as i64,
        tv_nsec: (at_ns % 1_000_000_000) as i64,
    }
}

/// A level-triggered epoll set. Tokens are the caller's own numbers.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

/// Room for what one wake-up delivers.
pub struct Events(Vec<epoll::Event>);

impl Events {
    pub fn new() -> Self {
        let none = epoll::Event {
            flags: EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        };
        Self(vec![none; BATCH])
    }

    /// Token and readiness of the event at `at`.
    pub fn get(&self, at: usize) -> (u64, EventFlags) {
        let event = self.0[at];
        (event.data.u64(), event.flags)
    }
}

impl Epoll {
    pub fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    pub fn add(&self, fd: &impl AsFd, token: u64, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::add(
            &self.0,
            fd,
            epoll::EventData::new_u64(token),
            flags,
        )?)
    }

    pub fn modify(&self, fd: &impl AsFd, token: u64, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::modify(
            &self.0,
            fd,
            epoll::EventData::new_u64(token),
            flags,
        )?)
    }

    /// Wait without end (a timer in the set ends it); returns how many events are in `events`.
    pub fn wait(&self, events: &mut Events) -> io::Result<usize> {
        self.wait_for(events, None)
    }

    /// The same without waiting.
    pub fn look(&self, events: &mut Events) -> io::Result<usize> {
        self.wait_for(events, Some(&timespec(0)))
    }

    fn wait_for(&self, events: &mut Events, longest: Option<&Timespec>) -> io::Result<usize> {
        match epoll::wait(&self.0, events.0.as_mut_slice(), longest) {
            Ok(count) => Ok(count),
            Err(Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

/// A timer at absolute monotonic times; readable from its time until it is armed again.
#[derive(Debug)]
pub struct Timer {
    fd: OwnedFd,
    armed_ns: u64,
}

impl Timer {
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self {
            fd: rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?,
            armed_ns: 0,
        })
    }

    /// Fire at `at_ns`; a system call only when that differs from what is armed.
    pub fn arm(&mut self, at_ns: u64) -> io::Result<()> {
        if at_ns == self.armed_ns {
            return Ok(());
        }
        let zero = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let value = Itimerspec {
            it_interval: zero,
            it_value: timespec(at_ns.max(1)),
        };
        rustix::time::timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &value)?;
        self.armed_ns = at_ns;
        Ok(())
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Wakes an epoll set from another thread.
#[derive(Debug, Clone)]
pub struct Wake(Arc<OwnedFd>);

impl Wake {
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(
            0,
            EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC,
        )?)))
    }

    pub fn wake(&self) {
        // Fails only when the counter is full, and then the wake-up is already pending.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    pub fn clear(&self) {
        // Fails only when nothing was pending.
        let _ = rustix::io::read(&self.0, &mut [0u8; 8]);
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Begin to connect, from `source` where it is given; the socket is writable when that has ended, one way or the other
/// ([`socket_error`] tells).
pub fn connect(address: &SocketAddr, source: Option<IpAddr>) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&fd, true)?;
    if let Some(source) = source {
        // The port is chosen when connecting, so that one port serves connections to different places.
        nix::sys::socket::setsockopt(&fd, IpBindAddressNoPort, &true)?;
        rustix::net::bind(&fd, &SocketAddr::new(source, 0))?;
    }
    match rustix::net::connect(&fd, address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(fd),
        Err(error) => Err(error.into()),
    }
}

/// How an attempt to connect ended.
pub fn socket_error(fd: &OwnedFd) -> io::Result<()> {
    Ok(sockopt::socket_error(fd)??)
}

pub fn recv(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::net::recv(fd, buffer, RecvFlags::empty())?.0)
}

pub fn send(fd: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(fd, bytes, SendFlags::NOSIGNAL)?)
}

/// Bind and listen; port 0 takes a free one.
pub fn listen_on(address: IpAddr, port: u16) -> io::Result<(OwnedFd, u16)> {
    let listener = std::net::TcpListener::bind((address, port))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    // The standard library listens with a backlog of 128; thousands of users connect at once.
    rustix::net::listen(&listener, 4096)?;
    Ok((listener.into(), port))
}

/// The next connection that waits, if any.
pub fn accept(listener: &OwnedFd) -> io::Result<OwnedFd> {
    let fd = rustix::net::accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
    sockopt::set_tcp_nodelay(&fd, true)?;
    Ok(fd)
}
