//! Where requests go: each origin's addresses as its name was last looked up.
//!
//! The book is shared by all threads and locked only when a command says that a page of it changed, or when a request leads to an
//! origin that nobody has heard of; never for any other request. Whoever looks names up hears of such an origin by `asked`. A thread's own view of an address list, [`Reach`], gives the address of the next connection: round robin,
//! the families by turns, an address that refused passed over for a while.
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::plan::Plan;
use crate::plan::origins::{Origins, Place};
use crate::sys::Wake;
use crate::tls::TlsSetup;

/// An address that could not be reached is not tried for so long, where there is another.
const PASSED_OVER_NS: u64 = 5_000_000_000;

/// What looking a name up has given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Addresses(Arc<[SocketAddr]>),
    /// It is being looked up for the first time: requests wait.
    Asked,
    /// The answer may not be used, and why: no connection is opened until another answer may.
    Refused(Arc<str>),
}

impl Found {
    /// The addresses in the order of their use: families by turns, beginning with the first (RFC 8305, 4).
    pub fn addresses(found: &[IpAddr], port: u16) -> Self {
        let first_is_v4 = found.first().is_some_and(IpAddr::is_ipv4);
        let (first, other): (Vec<IpAddr>, Vec<IpAddr>) =
            found.iter().partition(|ip| ip.is_ipv4() == first_is_v4);
        let mut ordered: Vec<&IpAddr> = vec![];
        for at in 0..first.len().max(other.len()) {
            ordered.extend(first.get(at));
            ordered.extend(other.get(at));
        }
        let with_port = ordered.into_iter().map(|ip| SocketAddr::new(*ip, port));
        Self::Addresses(with_port.collect())
    }
}

/// The last answer for every origin of the run, by the origin's number.
#[derive(Debug)]
pub struct Book {
    pages: Mutex<Pages>,
    asked: Wake,
    /// For origins with TLS that were met, where the plan's own have none.
    tls: OnceLock<TlsSetup>,
}

#[derive(Debug)]
struct Pages {
    found: Vec<Found>,
    /// How long lookups took that no thread has told yet, with their origins.
    lookups_ns: Vec<(usize, u64)>,
    /// Origins that nobody has looked up yet.
    asked: Vec<usize>,
    /// Somebody looks such origins up: without, none is entered.
    answered: bool,
    over: bool,
}

impl Book {
    /// What the plan was given to begin with.
    ///
    /// # Errors
    /// The system has no eventfd left.
    pub fn of(plan: &Plan) -> io::Result<Self> {
        let pages = plan.all_origins().map(|origin| match &plan.proxy {
            Some(proxy) => Found::addresses(&proxy.addresses, proxy.port),
            None => Found::addresses(&origin.addresses, origin.port),
        });
        let lookups = plan.all_origins().enumerate();
        let looked_up = lookups.filter_map(|(at, origin)| Some((at, origin.lookup_ns?)));
        Ok(Self {
            pages: Mutex::new(Pages {
                found: pages.collect(),
                lookups_ns: looked_up.collect(),
                asked: vec![],
                answered: false,
                over: false,
            }),
            asked: Wake::new()?,
            tls: OnceLock::new(),
        })
    }

    /// The number of the origin at this place. One that is new is entered, and whoever looks names up is told.
    ///
    /// # Errors
    /// There are too many, or nobody looks names up.
    pub fn number_of(&self, origins: &Origins, place: &Place<'_>) -> Result<usize, String> {
        if let Some(known) = origins.number_of(place) {
            return Ok(known);
        }
        let mut pages = self.pages();
        if let Some(known) = origins.number_of(place) {
            return Ok(known);
        }
        if !pages.answered || pages.over {
            return Err("neither this target nor another origin of the plan".into());
        }
        let number = origins.add(place)?;
        pages.found.push(Found::Asked);
        pages.asked.push(number);
        drop(pages);
        self.asked.wake();
        Ok(number)
    }

    /// Readable when `take_asked` has something to say. From now on origins that are met are entered.
    pub fn answer(&self) -> BorrowedFd<'_> {
        self.pages().answered = true;
        self.asked.as_fd()
    }

    /// The origins that were entered since the last time; None once the run is gone.
    pub fn take_asked(&self) -> Option<Vec<usize>> {
        self.asked.clear();
        let mut pages = self.pages();
        (!pages.over).then(|| std::mem::take(&mut pages.asked))
    }

    /// The run is gone: nobody need answer any more.
    pub fn close(&self) {
        self.pages().over = true;
        self.asked.wake();
    }

    /// Have TLS ready for origins that were met.
    ///
    /// # Errors
    /// What is wrong with the plan's TLS.
    pub fn secure(&self, make: impl FnOnce() -> Result<TlsSetup, String>) -> Result<(), String> {
        if self.tls.get().is_none() {
            let made = make()?;
            self.tls.get_or_init(|| made);
        }
        Ok(())
    }

    /// What `secure` made.
    pub fn tls(&self) -> Option<&TlsSetup> {
        self.tls.get()
    }

    /// The page of an origin; None for one that nobody has entered.
    pub fn page(&self, origin: usize) -> Option<Found> {
        self.pages().found.get(origin).cloned()
    }

    /// Write another answer down, with how long it took to get; nothing for an origin that nobody has entered.
    pub fn change(&self, origin: usize, found: Found, took_ns: Option<u64>) {
        let mut pages = self.pages();
        if let Some(page) = pages.found.get_mut(origin) {
            *page = found;
            pages.lookups_ns.extend(took_ns.map(|ns| (origin, ns)));
        }
    }

    /// How long the lookups of an origin took, for the thread that tells them: each is given once.
    pub fn take_lookups_ns(&self, origin: usize) -> Vec<u64> {
        let mut taken = vec![];
        self.pages().lookups_ns.retain(|(of, took_ns)| {
            if *of == origin {
                taken.push(*took_ns);
            }
            *of != origin
        });
        taken
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thread's way to one origin.
#[derive(Debug)]
pub struct Reach {
    found: Found,
    next: usize,
    /// Until when each address is passed over.
    passed_over_ns: Vec<u64>,
}

impl Reach {
    /// Begin with the address at `first`, so that threads do not all begin with the same one.
    pub fn new(found: Found, first: usize) -> Self {
        let mut reach = Self {
            found,
            next: first,
            passed_over_ns: vec![],
        };
        reach.forget();
        reach
    }

    /// Is the first answer still to come?
    pub fn is_asked(&self) -> bool {
        self.found == Found::Asked
    }

    /// How many addresses there are.
    pub fn len(&self) -> usize {
        self.passed_over_ns.len()
    }

    pub fn has(&self, address: &SocketAddr) -> bool {
        matches!(&self.found, Found::Addresses(all) if all.contains(address))
    }

    /// Take another answer. What was learned of addresses that stay is kept.
    pub fn change(&mut self, found: Found) {
        let before = std::mem::replace(&mut self.found, found);
        let passed = std::mem::take(&mut self.passed_over_ns);
        self.forget();
        if let (Found::Addresses(old), Found::Addresses(new)) = (&before, &self.found) {
            for (address, until_ns) in old.iter().zip(passed) {
                if let Some(at) = new.iter().position(|one| one == address) {
                    self.passed_over_ns[at] = until_ns;
                }
            }
        }
    }

    fn forget(&mut self) {
        let count = match &self.found {
            Found::Addresses(all) => all.len(),
            Found::Asked | Found::Refused(_) => 0,
        };
        self.passed_over_ns = vec![0; count];
    }

    /// Where the next connection goes.
    ///
    /// # Errors
    /// Why there is none.
    pub fn next(&mut self, now_ns: u64) -> Result<SocketAddr, Arc<str>> {
        let all = match &self.found {
            Found::Addresses(all) if !all.is_empty() => all,
            Found::Addresses(_) => return Err("the name has no address".into()),
            Found::Asked => return Err("the name is being looked up".into()),
            Found::Refused(why) => return Err(why.clone()),
        };
        let count = all.len();
        let begin = self.next % count;
        let usable = (0..count)
            .map(|step| (begin + step) % count)
            .find(|at| self.passed_over_ns[*at] <= now_ns);
        // All of them refused: the one that was asked longest ago.
        let at = usable.unwrap_or_else(|| {
            (0..count)
                .min_by_key(|at| self.passed_over_ns[*at])
                .unwrap_or(begin)
        });
        self.next = at + 1;
        Ok(all[at])
    }

    /// It could not be reached: the others come first for a while.
    pub fn pass_over(&mut self, address: &SocketAddr, now_ns: u64) {
        if let Found::Addresses(all) = &self.found
            && let Some(at) = all.iter().position(|one| one == address)
        {
            self.passed_over_ns[at] = now_ns.saturating_add(PASSED_OVER_NS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(addresses: &[&str]) -> Found {
        let ips: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        Found::addresses(&ips, 80)
    }

    fn taken(reach: &mut Reach, now_ns: u64, count: usize) -> Vec<String> {
        (0..count)
            .map(|_| reach.next(now_ns).unwrap().ip().to_string())
            .collect()
    }

    #[test]
    fn addresses_take_turns_and_so_do_their_families() {
        let mut reach = Reach::new(found(&["::1", "::2", "127.0.0.1"]), 0);
        assert_eq!(taken(&mut reach, 0, 4), ["::1", "127.0.0.1", "::2", "::1"]);
        let mut second_thread = Reach::new(found(&["::1", "127.0.0.1"]), 1);
        assert_eq!(taken(&mut second_thread, 0, 2), ["127.0.0.1", "::1"]);
    }

    #[test]
    fn an_address_that_refused_is_passed_over_for_a_while() {
        let mut reach = Reach::new(found(&["127.0.0.1", "127.0.0.2"]), 0);
        let refused = reach.next(10).unwrap();
        reach.pass_over(&refused, 10);
        assert_eq!(taken(&mut reach, 11, 3), ["127.0.0.2"; 3]);
        assert_eq!(
            taken(&mut reach, 10 + PASSED_OVER_NS, 2),
            ["127.0.0.1", "127.0.0.2"]
        );
    }

    #[test]
    fn where_all_refused_the_one_of_longest_ago_is_asked() {
        let mut reach = Reach::new(found(&["127.0.0.1", "127.0.0.2"]), 0);
        for now_ns in [10, 20] {
            let refused = reach.next(now_ns).unwrap();
            reach.pass_over(&refused, now_ns);
        }
        assert_eq!(taken(&mut reach, 30, 1), ["127.0.0.1"]);
    }

    /// Whoever reads an answer can tell, at once, how long it took: nobody need wait for a command that follows.
    #[test]
    fn a_lookup_is_given_to_one_thread_once_it_is_written_down() {
        let pages = Pages {
            found: vec![Found::Asked, Found::Asked],
            lookups_ns: vec![(0, 3)],
            asked: vec![],
            answered: true,
            over: false,
        };
        let book = Book {
            pages: Mutex::new(pages),
            asked: Wake::new().unwrap(),
            tls: OnceLock::new(),
        };
        book.change(0, found(&["127.0.0.1"]), Some(5));
        book.change(1, found(&["127.0.0.1"]), Some(7));
        book.change(2, found(&["127.0.0.1"]), Some(9));
        let given = [0, 0, 1, 2].map(|origin| book.take_lookups_ns(origin));
        assert_eq!(given, [vec![3, 5], vec![], vec![7], vec![]]);
    }

    #[test]
    fn another_answer_keeps_what_was_learned_of_the_addresses_that_stay() {
        let mut reach = Reach::new(found(&["127.0.0.1", "127.0.0.2"]), 0);
        let refused = reach.next(10).unwrap();
        reach.pass_over(&refused, 10);
        reach.change(found(&["127.0.0.3", "127.0.0.1"]));
        assert!(reach.has(&refused) && reach.len() == 2);
        assert_eq!(taken(&mut reach, 11, 2), ["127.0.0.3"; 2]);
        reach.change(Found::Refused("not yours".into()));
        assert_eq!(reach.next(12), Err("not yours".into()));
        assert_eq!(reach.len(), 0);
    }
}
