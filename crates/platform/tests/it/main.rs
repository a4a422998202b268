//! What leaves the process, against servers with real sockets.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod smtp;
