//! While one call opens a connection to a host, other calls to that host wait to find out whether they can share it.
//!
//! The pool dials for each call that finds no connection. One HTTP/2 connection carries all calls to a host, so the
//! other connections of a burst would be opened for nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// The result of a connection attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialled {
    /// The connection can carry other calls too.
    Shared,
    /// The connection carries one call at a time, or there is none.
    NotShared,
}

type Attempts = HashMap<String, watch::Receiver<Option<Dialled>>>;

/// The connection attempts of a pool, by host. There are at most as many as calls in flight.
#[derive(Clone, Default)]
pub(crate) struct Gates(Arc<Mutex<Attempts>>);

/// Which call connects to a host.
pub(crate) enum Dial {
    /// The calling one.
    Own(Attempt),
    /// Another call, which is connecting already.
    Others(Wait),
}

/// A connection attempt that other calls may wait for until it is dropped.
pub(crate) struct Attempt {
    gates: Gates,
    host: String,
    sender: watch::Sender<Option<Dialled>>,
}

/// The wait for another call's attempt.
pub(crate) struct Wait(watch::Receiver<Option<Dialled>>);

impl Gates {
    /// Returns which call connects to `host`.
    pub(crate) fn dial(&self, host: &str) -> Dial {
        let mut attempts = self.attempts();
        if let Some(attempt) = attempts.get(host) {
            return Dial::Others(Wait(attempt.clone()));
        }
        let (sender, receiver) = watch::channel(None);
        attempts.insert(host.to_owned(), receiver);
        Dial::Own(Attempt { gates: self.clone(), host: host.to_owned(), sender })
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        // No code that runs under the lock can leave the state half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    /// Ends the attempt and tells the waiting calls its result.
    pub(crate) fn ended(self, dialled: Dialled) {
        self.sender.send_replace(Some(dialled));
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.gates.attempts().remove(&self.host);
    }
}

impl Wait {
    /// The result of the attempt; `None` when its call went away before there was one.
    pub(crate) async fn dialled(mut self) -> Option<Dialled> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|dialled| *dialled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_call_at_a_time_connects_to_a_host_and_the_others_learn_what_became_of_it() {
        for dialled in [Some(Dialled::Shared), Some(Dialled::NotShared), None] {
            let gates = Gates::default();
            let Dial::Own(attempt) = gates.dial("one") else { panic!("nobody else connects") };
            assert!(matches!(gates.dial("two"), Dial::Own(_)), "hosts do not wait for each other");
            let waits = (0..3).map(|_| match gates.dial("one") {
                Dial::Others(wait) => wait,
                Dial::Own(_) => panic!("a second attempt"),
            });
            let waits = waits.collect::<Vec<_>>();
            match dialled {
                Some(dialled) => attempt.ended(dialled),
                None => drop(attempt),
            }
            for wait in waits {
                assert_eq!(wait.dialled().await, dialled);
            }
            let Dial::Own(next) = gates.dial("one") else { panic!("nobody connects any more") };
            drop(next);
            assert!(gates.attempts().is_empty(), "nothing is kept");
        }
    }
}
