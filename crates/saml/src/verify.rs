//! Verifies enveloped signatures of messages (SAML core 5.4), as narrowly as SAML allows.
//!
//! A signature is accepted only if it is a child of the root element, and has one reference, to the root element: then all
//! that the reader can see is signed, and none of the known ways to wrap a signed element in another one is left. It is the
//! one signature of the document, but for a response, whose assertion may have one of its own. Keys come from the
//! certificates that the caller gives, never from the message.

use bergshamra_dsig::{
    DsigContext,
    verify::{VerifyResult, verify_all_document_with_source},
};
use bergshamra_keys::KeysManager;

use crate::{
    Certificate, SignatureAlgorithm,
    names::{DS, ENVELOPED, EXCLUSIVE_C14N, SAML, is_digest},
    read::ReadError,
    xml::tree::{Element, Tree},
};

/// Certificates that are tried at most.
pub const CERTIFICATES_MAX: usize = 10;

/// Why a signature is not accepted. The text contains nothing of the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The message cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is no signature.
    #[error("the message is not signed")]
    NotSigned,
    /// There is no certificate to verify it with.
    #[error("no certificate of the service provider is registered to verify the signature with")]
    NoCertificate,
    /// There is more than one signature.
    #[error("the message has more than one signature")]
    SeveralSignatures,
    /// The signature is not a child of the root element, or does not refer to its parent alone.
    #[error("the signature does not cover the root element, and nothing else")]
    NotOfTheRoot,
    /// A transform that is not accepted.
    #[error("the signature has a transform other than the enveloped signature and exclusive canonicalization")]
    Transform,
    /// A canonicalization that is not accepted.
    #[error("the signature is not canonicalized with exclusive canonicalization without comments")]
    Canonicalization,
    /// The signature contains an object of its own.
    #[error("the signature contains an `Object`, which is not accepted")]
    Object,
    /// An algorithm that is not accepted.
    #[error(
        "the signature's algorithm is not accepted: RSA or ECDSA with SHA-256, SHA-384 or SHA-512 are, SHA-1 and MD5 are not"
    )]
    Algorithm,
    /// A digest that is not accepted.
    #[error("the signature's digest is not accepted: SHA-256, SHA-384 and SHA-512 are, SHA-1 and MD5 are not")]
    Digest,
    /// An element of the signature is missing or not valid.
    #[error("the signature's `{0}` is missing or not valid")]
    Malformed(&'static str),
    /// The signature is not by one of the certificates' keys, or the message was changed.
    #[error("the signature is not valid: the message was changed, or signed with a key that is not registered")]
    NotValid,
}

/// Verifies the enveloped signature of a message with the key of one of `certificates`.
///
/// # Errors
/// [`VerifyError`].
pub fn enveloped(xml: &[u8], certificates: &[Certificate]) -> Result<(), VerifyError> {
    let tree = Tree::parse(xml)?;
    let root = tree.root();
    verify(&tree, &[Signed { element: root, signature: signature_of(root)? }], certificates)
}

/// Verifies the signature of a response, which covers all of it, and the assertion's own one if it has one, each for its parent, with
/// the keys of `certificates`. A response of which only the assertion is signed is not accepted: the status and the recipient of it
/// would be anybody's.
///
/// # Errors
/// [`VerifyError`].
pub fn response(xml: &[u8], certificates: &[Certificate]) -> Result<(), VerifyError> {
    let tree = Tree::parse(xml)?;
    let root = tree.root();
    let all = root.descendants_named(DS, "Signature").len();
    let mut signed: Vec<_> = Signed::of(root)?.into_iter().collect();
    if signed.is_empty() {
        return Err(if all == 0 { VerifyError::NotSigned } else { VerifyError::NotOfTheRoot });
    }
    let mut assertions = root.children_named(SAML, "Assertion");
    if let Some(assertion) = assertions.next() {
        signed.extend(Signed::of(assertion)?);
    }
    // One at another place.
    if all != signed.len() {
        return Err(VerifyError::SeveralSignatures);
    }
    verify(&tree, &signed, certificates)
}

/// An element with a signature of its own.
struct Signed<'t, 'a> {
    element: Element<'t, 'a>,
    signature: Element<'t, 'a>,
}

impl<'t, 'a> Signed<'t, 'a> {
    fn of(element: Element<'t, 'a>) -> Result<Option<Self>, VerifyError> {
        let signature = element.child(DS, "Signature").map_err(|_| VerifyError::SeveralSignatures)?;
        Ok(signature.map(|signature| Self { element, signature }))
    }
}

/// Verifies every signature of a document, which are those of `signed`, each for its element.
fn verify(tree: &Tree<'_>, signed: &[Signed<'_, '_>], certificates: &[Certificate]) -> Result<(), VerifyError> {
    for Signed { element, signature } in signed {
        check(*element, *signature, element.id() == tree.root().id())?;
    }
    if certificates.is_empty() {
        return Err(VerifyError::NoCertificate);
    }
    let mut keys = KeysManager::new();
    keys.add_keys(certificates.iter().take(CERTIFICATES_MAX).map(|certificate| certificate.key().clone()));
    // Its defaults: keys of the manager only, references to the root element or next to the signature only.
    let context = DsigContext::new(keys);
    let results = verify_all_document_with_source(&context, tree.document(), Some(tree.text()));
    let results = results.map_err(|_| VerifyError::NotValid)?;
    if results.len() != signed.len() {
        return Err(VerifyError::NotValid);
    }
    signed.iter().try_for_each(|Signed { element, signature }| {
        let references = results.iter().find_map(|result| match result {
            VerifyResult::Valid { signature_node, references, .. } if *signature_node == signature.id() => {
                Some(references.as_slice())
            }
            _ => None,
        });
        match references {
            None => Err(VerifyError::NotValid),
            // No node stands for the whole document.
            Some([only])
                if only.digest_verified
                    && only.resolved_node.map_or(element.id() == tree.root().id(), |node| node == element.id()) =>
            {
                Ok(())
            }
            Some(_) => Err(VerifyError::NotOfTheRoot),
        }
    })
}

/// The one signature of the document, which must be a child of the root element.
fn signature_of<'t, 'a>(root: Element<'t, 'a>) -> Result<Element<'t, 'a>, VerifyError> {
    let mut all = root.descendants_named(DS, "Signature").into_iter();
    let first = all.next().ok_or(VerifyError::NotSigned)?;
    if all.next().is_some() {
        return Err(VerifyError::SeveralSignatures);
    }
    let is_child = root.children().any(|child| child.id() == first.id());
    if is_child { Ok(first) } else { Err(VerifyError::NotOfTheRoot) }
}

/// Checks all of a signature of an element but its numbers.
fn check(element: Element<'_, '_>, signature: Element<'_, '_>, is_root: bool) -> Result<(), VerifyError> {
    if !signature.descendants_named(DS, "Object").is_empty() {
        return Err(VerifyError::Object);
    }
    let signed_info = one(signature, "SignedInfo")?;
    one(signature, "SignatureValue")?;
    if algorithm(signed_info, "CanonicalizationMethod")? != EXCLUSIVE_C14N {
        return Err(VerifyError::Canonicalization);
    }
    if SignatureAlgorithm::of_uri(algorithm(signed_info, "SignatureMethod")?).is_none() {
        return Err(VerifyError::Algorithm);
    }
    let references = signature.descendants_named(DS, "Reference");
    let reference = one(signed_info, "Reference")?;
    if references.len() != 1 {
        return Err(VerifyError::NotOfTheRoot);
    }
    check_reference(element, reference, is_root)
}

fn check_reference(element: Element<'_, '_>, reference: Element<'_, '_>, is_root: bool) -> Result<(), VerifyError> {
    let id = element.attribute("ID").filter(|id| !id.is_empty()).ok_or(VerifyError::NotOfTheRoot)?;
    let uri = plain_attribute(reference, "URI").ok_or(VerifyError::NotOfTheRoot)?;
    // An empty URI is the whole document (XML Signature 1.1 section 4.4.3.2).
    let is_whole_document = uri.is_empty() && is_root;
    if !is_whole_document && uri.strip_prefix('#') != Some(id) {
        return Err(VerifyError::NotOfTheRoot);
    }
    if !is_digest(algorithm(reference, "DigestMethod")?) {
        return Err(VerifyError::Digest);
    }
    one(reference, "DigestValue")?;
    let mut kinds = Vec::new();
    for transform in one(reference, "Transforms")?.children() {
        if !transform.is(DS, "Transform") {
            return Err(VerifyError::Transform);
        }
        kinds.push(plain_attribute(transform, "Algorithm").unwrap_or_default());
    }
    // Without the second the canonical form would be another one (XML Signature 1.1 section 4.4.3.2).
    if kinds == [ENVELOPED, EXCLUSIVE_C14N] { Ok(()) } else { Err(VerifyError::Transform) }
}

fn one<'t, 'a>(parent: Element<'t, 'a>, name: &'static str) -> Result<Element<'t, 'a>, VerifyError> {
    parent.child(DS, name).ok().flatten().ok_or(VerifyError::Malformed(name))
}

fn algorithm<'t>(parent: Element<'t, '_>, name: &'static str) -> Result<&'t str, VerifyError> {
    plain_attribute(one(parent, name)?, "Algorithm").ok_or(VerifyError::Malformed(name))
}

/// An attribute that has no other of the same local name beside it: the signature library looks at the local name only.
fn plain_attribute<'t>(element: Element<'t, '_>, name: &str) -> Option<&'t str> {
    element.attribute(name).filter(|_| !element.has_prefixed(name))
}
