//! Calls over real sockets: what is sent, what each fault is called, who may be called.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod bursts;
mod calls;
mod egress;
mod faults;
mod http2;
mod keep_alive;
mod matrix;
mod oauth;
mod reach;
mod rig;
mod tls;
