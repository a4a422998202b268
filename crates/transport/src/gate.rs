//! While a connection to a host is being made, the other calls to it wait to see what it will be.
//!
//! The pool asks for a connection for each call that finds none. Of a host that speaks HTTP/2 one connection carries them all:
//! those that a burst would make beside it would be made for nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// What became of a connection attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialled {
    /// A connection that carries other calls too.
    Shared,
    /// A connection that carries one call at a time, or none.
    NotShared,
}

type Attempts = HashMap<String, watch::Receiver<Option<Dialled>>>;

/// The connection attempts of a pool that others wait for, by host. No more than there are calls in flight.
#[derive(Clone, Default)]
pub(crate) struct Gates(Arc<Mutex<Attempts>>);

/// Who connects to a host.
pub(crate) enum Dial {
    /// The caller.
    Own(Attempt),
    /// Another call, which does so already.
    Others(Wait),
}

/// A connection attempt that others wait for, until it is dropped.
pub(crate) struct Attempt {
    gates: Gates,
    host: String,
    sender: watch::Sender<Option<Dialled>>,
}

/// The wait for another call's attempt.
pub(crate) struct Wait(watch::Receiver<Option<Dialled>>);

impl Gates {
    /// Who connects to `host`.
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
        // Nothing that runs under the lock can leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    /// Ends the attempt and tells those who wait what became of it.
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
    /// What became of the attempt; `None` when its call has gone before that was known.
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
