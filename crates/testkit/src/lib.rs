//! What tests need and nothing ships: databases and file systems of their own, a private PKI, scripted external services with
//! their faults, a scripted extension point, a sink for records, and the one place where a test waits.

pub mod clock;
pub mod disk;
pub mod endpoint;
pub mod faults;
pub mod hook;
pub mod lines;
pub mod origin;
pub mod pki;
pub mod point;
pub mod postgres;
pub mod raw;
pub mod records;
#[cfg(feature = "platform")]
pub mod rig;
pub mod service;
pub mod smtp;
pub mod standby;
#[cfg(feature = "transport")]
pub mod transports;
pub mod wait;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The value, also after a test has panicked while it held the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
