//! Writing, encrypting and signing a response with an assertion.
//!
//! A signature takes 0.6 ms of CPU, and stays on the thread of its request as the signatures of tokens do: there another thread costs
//! more than it saves (`docs/performance.md`, tokens). What grows with the assertion is digested, encrypted and copied several times
//! besides, so that a large one is written on a thread of its own, of which there are few.

use std::{
    sync::{Arc, LazyLock},
    thread::available_parallelism,
    time::Duration,
};

use tenterhook_contract::{
    id::OrgId,
    saml::{assertion::Assertion, size::AssertionSize},
};
use tenterhook_platform::fair_queue::{Bounds, FairQueue};
use tenterhook_saml::{
    keys::{KeyError, SigningKey},
    write::{EncryptTo, Outcome, Response, Signed},
};

use super::error::SamlProblem;

/// Bytes of XML that are written on the thread of the request.
const AT_ONCE_BYTES_MAX: usize = 64 * 1_024;
/// Bytes of XML around the text of a value: its tags and declarations.
const VALUE_BYTES: usize = 200;
/// Large responses that are written at the same time, if there are as many cores.
const WRITING_MAX: usize = 2;
/// How long a large response may wait.
const WAIT: Duration = Duration::from_secs(3);
/// Large responses that may wait: in all, and of an org.
const WAITING_MAX: Bounds = Bounds { in_all: 256, of_same: &[64] };
/// The queue of this process.
static WRITING: LazyLock<FairQueue<OrgId, ()>> = LazyLock::new(|| {
    let cores = available_parallelism().map_or(1, usize::from);
    FairQueue::new(vec![(); cores.min(WRITING_MAX)], WAITING_MAX)
});

/// How a response is signed and encrypted.
pub(super) struct Signing {
    pub(super) key: Arc<SigningKey>,
    pub(super) signed: Signed,
    pub(super) encryption: Option<EncryptTo>,
}

impl Signing {
    /// The signed response.
    pub(super) async fn write(self, org: &OrgId, response: Response) -> Result<String, SamlProblem> {
        if !is_large(&response) {
            return self.xml(&response);
        }
        let permit = WRITING.acquire(std::slice::from_ref(org), WAIT).await.ok_or(SamlProblem::TooManyLarge)?;
        // The work continues when its caller has gone, so the work holds the permit.
        let writing = tokio::task::spawn_blocking(move || permit.with(|()| self.xml(&response)));
        writing.await.map_err(|_| KeyError::NotSigned)?
    }

    fn xml(&self, response: &Response) -> Result<String, SamlProblem> {
        Ok(response.to_signed_xml(&self.key, self.signed, self.encryption.as_ref())?)
    }
}

fn is_large(response: &Response) -> bool {
    match &response.outcome {
        Outcome::SignedOn(draft) => xml_bytes(&draft.assertion) > AT_ONCE_BYTES_MAX,
        Outcome::Failed(_) => false,
    }
}

/// About as many bytes as an assertion has as XML.
fn xml_bytes(assertion: &Assertion) -> usize {
    let AssertionSize { values, text_bytes } = AssertionSize::of(assertion);
    values * VALUE_BYTES + text_bytes
}
