//! Ids of invocations.

use std::sync::{Arc, Mutex, PoisonError};

use tenterhook_contract::id::EventId;

use crate::Entropy;

/// Ids that are drawn together: one draw from a cryptographic generator costs more than the rest of an admission.
const DRAWN: usize = 64;
/// Random bytes of one id.
const BYTES: usize = 16;

/// Gives out ids, each once.
pub(crate) struct EventIds {
    entropy: Arc<dyn Entropy>,
    drawn: Mutex<Drawn>,
}

struct Drawn {
    bytes: [u8; DRAWN * BYTES],
    given: usize,
}

impl EventIds {
    pub(crate) fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self { entropy, drawn: Mutex::new(Drawn { bytes: [0; DRAWN * BYTES], given: DRAWN }) }
    }

    pub(crate) fn next(&self) -> EventId {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.given == DRAWN {
            // Reset only after the draw: if the draw panics, no id is given out twice.
            self.entropy.fill(&mut drawn.bytes);
            drawn.given = 0;
        }
        let (ids, _) = drawn.bytes.as_chunks::<BYTES>();
        // `given` is less than the number of ids.
        let bytes = ids.get(drawn.given).copied().unwrap_or_default();
        drawn.given += 1;
        EventId::from_entropy(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashSet,
        sync::atomic::{AtomicU64, Ordering},
    };

    use super::*;

    /// Numbers that count up, in place of randomness.
    struct Numbers(AtomicU64);

    impl Entropy for Numbers {
        fn fill(&self, bytes: &mut [u8]) {
            for word in bytes.as_chunks_mut::<8>().0 {
                *word = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            }
        }
    }

    #[test]
    fn no_id_is_given_twice() {
        let ids = EventIds::new(Arc::new(Numbers(AtomicU64::new(0))));
        let given: HashSet<_> = (0..=DRAWN * 3).map(|_| ids.next()).collect();
        assert_eq!(given.len(), DRAWN * 3 + 1);
    }
}
