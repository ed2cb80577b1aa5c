//! Messages that came before a step asked for one, in one buffer that is used again.
use std::collections::VecDeque;

/// The oldest go when there are more, or more bytes.
const MESSAGES_MAX: usize = 1_000;
const BYTES_MAX: usize = 1 << 20;
/// A buffer that grew beyond this is given back once it is empty.
const KEPT_BYTES: usize = 16 * 1024;

#[derive(Debug, Default)]
pub struct Unread {
    bytes: Vec<u8>,
    /// Where the oldest begins.
    start: usize,
    lengths: VecDeque<usize>,
}

impl Unread {
    pub fn keep(&mut self, message: &[u8]) {
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(message);
        self.lengths.push_back(message.len());
        while self.lengths.len() > MESSAGES_MAX || self.bytes.len() - self.start > BYTES_MAX {
            self.drop_oldest();
        }
    }

    /// Write the oldest over what is in `into`; false when there is none.
    pub fn take(&mut self, into: &mut Vec<u8>) -> bool {
        let Some(length) = self.lengths.front() else {
            return false;
        };
        into.clear();
        into.extend_from_slice(&self.bytes[self.start..self.start + length]);
        self.drop_oldest();
        true
    }

    pub fn clear(&mut self) {
        self.lengths.clear();
        self.bytes.clear();
        self.start = 0;
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = vec![];
        }
    }

    fn drop_oldest(&mut self) {
        self.start += self.lengths.pop_front().unwrap_or(0);
        if self.lengths.is_empty() {
            self.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(unread: &mut Unread) -> Vec<Vec<u8>> {
        let mut taken = vec![];
        let mut message = vec![];
        while unread.take(&mut message) {
            taken.push(message.clone());
        }
        taken
    }

    #[test]
    fn they_come_out_as_they_came_in_the_empty_ones_too() {
        let mut unread = Unread::default();
        let mut message = vec![];
        let (mut wanted, mut got) = (vec![], vec![]);
        for number in 0..200usize {
            let text = vec![b'x'; number % 7];
            unread.keep(&text);
            wanted.push(text);
            if number % 3 == 0 && unread.take(&mut message) {
                got.push(message.clone());
            }
        }
        got.extend(all(&mut unread));
        assert_eq!(got, wanted);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_too_much() {
        let mut unread = Unread::default();
        for number in 0..MESSAGES_MAX + 5 {
            unread.keep(&number.to_ne_bytes());
        }
        let taken = all(&mut unread);
        assert_eq!(taken.len(), MESSAGES_MAX);
        assert_eq!(taken[0], 5usize.to_ne_bytes());

        for fill in [b'a', b'b', b'c'] {
            unread.keep(&vec![fill; BYTES_MAX / 2]);
        }
        let taken = all(&mut unread);
        assert_eq!((taken.len(), taken[0][0]), (2, b'b'));
        assert!(unread.bytes.capacity() <= KEPT_BYTES);
    }
}
