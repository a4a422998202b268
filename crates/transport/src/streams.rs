//! Tracks which streams of an HTTP/2 connection the service says that it processes.
//!
//! For a request that was sent, the library reports whether a GOAWAY covers it (RFC 9113 section 6.8). For the one
//! request that it is handing over, or that waits for the service to allow one more stream, it reports only that the
//! connection ended. So this module reads the incoming frames: their headers, and the last stream id of a GOAWAY.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Notify;

/// Bytes of a frame header (RFC 9113 section 4.1).
const HEAD: usize = 9;
/// Bytes of a GOAWAY up to the end of its last id (section 6.8).
const GOAWAY_START: usize = HEAD + 4;
const GOAWAY: u8 = 7;
/// The highest bit of a stream id is reserved (section 4.1).
const RESERVED: u32 = 1 << 31;

/// The state of the streams of a connection.
#[derive(Debug)]
pub(crate) struct Streams {
    /// Requests whose bodies the connection has taken.
    taken: AtomicU32,
    /// The last stream id of the service's last GOAWAY; the maximum before there is one.
    processed: AtomicU32,
    /// Notified when a GOAWAY arrives, or when a body is taken after one.
    changed: Notify,
}

impl Default for Streams {
    fn default() -> Self {
        Self { taken: AtomicU32::new(0), processed: AtomicU32::new(u32::MAX), changed: Notify::new() }
    }
}

impl Streams {
    /// Records that the connection takes the body of a request.
    pub(crate) fn take(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
        if self.processed.load(Ordering::Relaxed) < u32::MAX {
            self.changed.notify_waiters();
        }
    }

    /// Waits until [`Self::next_is_unread`].
    pub(crate) async fn next_passed_over(&self) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Registered before the check, so no change is missed.
            changed.as_mut().enable();
            if self.next_is_unread() {
                return;
            }
            changed.await;
        }
    }

    /// Whether the service does not process a request that was handed over and whose body was not taken yet. The
    /// library hands over one request at a time and takes its body before the next one. So each request whose body was
    /// taken has a smaller id; ids are 1, 3, 5 and so on (section 5.1.1).
    pub(crate) fn next_is_unread(&self) -> bool {
        let id_min = u64::from(self.taken.load(Ordering::Relaxed)) * 2 + 1;
        u64::from(self.processed.load(Ordering::Relaxed)) < id_min
    }

    /// Whether the service ended the connection after it had processed some of its streams.
    pub(crate) fn some_were_processed(&self) -> bool {
        (1..u32::MAX).contains(&self.processed.load(Ordering::Relaxed))
    }
}

/// Finds frames in the received bytes.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// The received part of the current frame's start.
    start: Vec<u8>,
    /// Bytes to skip until the next frame.
    skip: usize,
}

impl Frames {
    /// Parses bytes that were read.
    pub(crate) fn read(&mut self, mut bytes: &[u8], streams: &Streams) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let missing = self.wanted().saturating_sub(self.start.len()).min(bytes.len());
            let (more, rest) = bytes.split_at_checked(missing).unwrap_or_default();
            self.start.extend_from_slice(more);
            bytes = rest;
            if self.start.len() < self.wanted() {
                continue;
            }
            if let Some(last) = self.start.get(HEAD..).and_then(<[u8]>::first_chunk) {
                streams.processed.fetch_min(u32::from_be_bytes(*last) & !RESERVED, Ordering::Relaxed);
                streams.changed.notify_waiters();
            }
            self.skip = (HEAD + self.payload_bytes()).saturating_sub(self.start.len());
            self.start.clear();
        }
    }

    /// Number of bytes of the current frame that are parsed.
    fn wanted(&self) -> usize {
        let is_go_away = self.start.len() >= HEAD && self.start.get(3) == Some(&GOAWAY);
        if is_go_away && self.payload_bytes() >= GOAWAY_START - HEAD { GOAWAY_START } else { HEAD }
    }

    fn payload_bytes(&self) -> usize {
        let length = self.start.first_chunk().map(|[high, middle, low]| u32::from_be_bytes([0, *high, *middle, *low]));
        length.and_then(|length| usize::try_from(length).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const GRACEFUL: u32 = u32::MAX >> 1;

    fn frame(kind: u8, id: u32, payload: &[u8]) -> Vec<u8> {
        let [_, length @ ..] = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
        [&length[..], &[kind, 0], &id.to_be_bytes(), payload].concat()
    }

    fn go_away(last: u32) -> Vec<u8> {
        frame(GOAWAY, 0, &[&last.to_be_bytes()[..], &[0; 4], b"why"].concat())
    }

    #[tokio::test]
    async fn a_request_that_waits_learns_that_it_is_passed_over() {
        let streams = Streams::default();
        let waiting = streams.next_passed_over();
        let going = async {
            streams.take();
            Frames::default().read(&go_away(3), &streams);
            tokio::task::yield_now().await;
            // This request has the id 3, so the next one has 5.
            streams.take();
        };
        tokio::join!(waiting, going);
        assert!(streams.next_is_unread());
    }

    #[test]
    fn the_next_request_is_unread_when_the_service_processes_none_as_new() {
        // Three bodies were taken: the next request has the id 7 or a greater one.
        for (frames, unread, some) in [
            (vec![], false, false),
            (frame(HEADERS, 5, b"h"), false, false),
            (go_away(7), false, true),
            (go_away(5), true, true),
            (go_away(0), true, false),
            (go_away(5 | RESERVED), true, true),
            (go_away(GRACEFUL), false, true),
            ([go_away(GRACEFUL), frame(DATA, 1, b"{}"), go_away(1)].concat(), true, true),
            // Bytes that are an incomplete GOAWAY, or that only look like one.
            (go_away(5).into_iter().take(12).collect(), false, false),
            (frame(GOAWAY, 0, &[0; 3]), false, false),
            (frame(DATA, 1, &go_away(5)), false, false),
            ([frame(DATA, 1, &vec![0; 70_000]), go_away(5)].concat(), true, true),
        ] {
            for piece in [1, 2, 5, 8, 9, 13, 1_000, usize::MAX] {
                let (streams, mut read) = (Streams::default(), Frames::default());
                for _ in 0..3 {
                    streams.take();
                }
                for bytes in frames.chunks(piece) {
                    read.read(bytes, &streams);
                }
                let start = frames.get(..20.min(frames.len()));
                assert_eq!(streams.next_is_unread(), unread, "{start:?} in pieces of {piece}");
                assert_eq!(streams.some_were_processed(), some, "{start:?} in pieces of {piece}");
            }
        }
    }
}
