//! Enveloped signatures: what is accepted, and each known way to make a verifier accept what nobody signed.

use std::slice::from_ref;

use bergshamra_dsig::{DsigContext, sign::sign as sign_template};
use bergshamra_keys::{Key, KeysManager, loader::load_pem_auto};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use tenterhook_saml::{
    Certificate,
    read::{AuthnRequest, ReadError},
    verify::{CERTIFICATES_MAX, VerifyError, enveloped, response},
    write::{Outcome, Signed},
};

use crate::support::{OURS, THEIRS, authn_request};

const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const INCLUSIVE: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

/// How a request is signed.
struct Template<'a> {
    canonicalization: &'a str,
    algorithm: &'a str,
    uri: &'a str,
    transforms: &'a [&'a str],
    digest: &'a str,
    more: &'a str,
}

const GOOD: Template<'static> = Template {
    canonicalization: EXCLUSIVE,
    algorithm: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    uri: "#_r1",
    transforms: &[ENVELOPED, EXCLUSIVE],
    digest: SHA256,
    more: "",
};

impl Template<'_> {
    fn signature(&self) -> String {
        let transforms = self.transforms.iter().map(|own| format!(r#"<ds:Transform Algorithm="{own}"/>"#));
        format!(
            r#"<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo>
            <ds:CanonicalizationMethod Algorithm="{}"/><ds:SignatureMethod Algorithm="{}"/>
            <ds:Reference URI="{}"><ds:Transforms>{}</ds:Transforms><ds:DigestMethod Algorithm="{}"/>
            <ds:DigestValue></ds:DigestValue></ds:Reference></ds:SignedInfo>
            <ds:SignatureValue></ds:SignatureValue>{}</ds:Signature>"#,
            self.canonicalization,
            self.algorithm,
            self.uri,
            transforms.collect::<String>(),
            self.digest,
            self.more,
        )
    }

    /// The request with a signature that is not made yet.
    fn request(&self) -> String {
        let rest = "<saml:Subject><saml:NameID>ada<!-- x --></saml:NameID></saml:Subject>";
        authn_request("", &format!("<saml:Issuer>urn:example:sp</saml:Issuer>{}{rest}", self.signature()))
    }
}

fn sign_with(key: Key, template: &str) -> String {
    let mut keys = KeysManager::new();
    keys.add_key(key);
    sign_template(&DsigContext::new_permissive(keys), template).unwrap()
}

fn sign(template: &str) -> String {
    sign_with(load_pem_auto(THEIRS.private_key_pem.expose().as_bytes(), None).unwrap(), template)
}

fn verify(xml: &str) -> Result<(), VerifyError> {
    enveloped(xml.as_bytes(), &[OURS.certificate.clone(), THEIRS.certificate.clone()])
}

#[test]
fn a_signed_request_is_accepted() {
    let signed = sign(&GOOD.request());
    assert_eq!(verify(&signed), Ok(()));
    assert!(AuthnRequest::parse(signed.as_bytes()).unwrap().is_signed);
    let whole_document = Template { uri: "", ..GOOD };
    assert_eq!(verify(&sign(&whole_document.request())), Ok(()));
    for (algorithm, digest) in [("rsa-sha384", "xmldsig-more#sha384"), ("rsa-sha512", "xmlenc#sha512")] {
        let algorithm = format!("http://www.w3.org/2001/04/xmldsig-more#{algorithm}");
        let digest = format!("http://www.w3.org/2001/04/{digest}");
        let template = Template { algorithm: &algorithm, digest: &digest, ..GOOD };
        assert_eq!(verify(&sign(&template.request())), Ok(()), "{algorithm}");
    }
}

#[test]
fn a_request_that_is_signed_with_an_elliptic_curve_is_accepted() {
    for (kind, algorithm) in [(&PKCS_ECDSA_P256_SHA256, "ecdsa-sha256"), (&PKCS_ECDSA_P384_SHA384, "ecdsa-sha384")] {
        let pair = KeyPair::generate_for(kind).unwrap();
        let certificate = CertificateParams::default().self_signed(&pair).unwrap();
        let certificate = Certificate::from_der(certificate.der()).unwrap();
        let key = load_pem_auto(pair.serialize_pem().as_bytes(), None).unwrap();
        let algorithm = format!("http://www.w3.org/2001/04/xmldsig-more#{algorithm}");
        let signed = sign_with(key, &Template { algorithm: &algorithm, ..GOOD }.request());
        assert_eq!(enveloped(signed.as_bytes(), from_ref(&certificate)), Ok(()));
        assert_eq!(verify(&signed), Err(VerifyError::NotValid));
    }
}

#[test]
fn a_change_of_a_signed_request_is_seen() {
    let signed = sign(&GOOD.request());
    for (from, to) in [
        (">ada<", ">eve<"),
        ("urn:example:sp", "urn:example:other"),
        ("10:05:00Z", "10:06:00Z"),
        ("Version=", "ForceAuthn=\"true\" Version="),
        ("<saml:Subject>", "<samlp:NameIDPolicy/><saml:Subject>"),
        ("<ds:DigestValue>", "<ds:DigestValue>AAAA"),
        ("<ds:SignatureValue>", "<ds:SignatureValue>AAAA"),
    ] {
        let changed = signed.replacen(from, to, 1);
        assert_ne!(changed, signed);
        assert_eq!(verify(&changed), Err(VerifyError::NotValid), "{from} {to}");
    }
    // What is not part of the canonical form may change, and does not change what is read.
    let same = signed.replace("<!-- x -->", "<!-- y -->").replace("Version=\"2.0\"", "Version='2.0'");
    assert_eq!(verify(&same), Ok(()));
    assert_eq!(AuthnRequest::parse(same.as_bytes()).unwrap().subject.unwrap().value, "ada");
}

#[test]
fn keys_come_from_the_registered_certificates_alone() {
    let own = THEIRS.certificate.base64();
    let inside =
        format!("<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{own}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>");
    let signed = sign(&Template { more: &inside, ..GOOD }.request());
    assert_eq!(enveloped(signed.as_bytes(), from_ref(&THEIRS.certificate)), Ok(()));
    assert_eq!(enveloped(signed.as_bytes(), from_ref(&OURS.certificate)), Err(VerifyError::NotValid));
    assert_eq!(enveloped(signed.as_bytes(), &[]), Err(VerifyError::NoCertificate));
    let many = |others: usize| [vec![OURS.certificate.clone(); others], vec![THEIRS.certificate.clone()]].concat();
    assert_eq!(enveloped(signed.as_bytes(), &many(CERTIFICATES_MAX - 1)), Ok(()));
    assert_eq!(enveloped(signed.as_bytes(), &many(CERTIFICATES_MAX)), Err(VerifyError::NotValid));
}

#[test]
fn algorithms_that_are_no_longer_allowed_are_refused_by_name() {
    // Refused before a number is looked at, so that the signatures need not be made.
    let check = |template: Template<'_>, expected| assert_eq!(verify(&template.request()), Err(expected));
    for algorithm in [
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "none",
    ] {
        check(Template { algorithm, ..GOOD }, VerifyError::Algorithm);
    }
    for digest in ["http://www.w3.org/2000/09/xmldsig#sha1", "http://www.w3.org/2001/04/xmldsig-more#md5"] {
        check(Template { digest, ..GOOD }, VerifyError::Digest);
    }
    for canonicalization in [INCLUSIVE, "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"] {
        check(Template { canonicalization, ..GOOD }, VerifyError::Canonicalization);
    }
    assert!(VerifyError::Algorithm.to_string().contains("SHA-1"));
}

#[test]
fn only_two_transforms_are_accepted() {
    let check = |transforms: &[&str]| {
        assert_eq!(verify(&Template { transforms, ..GOOD }.request()), Err(VerifyError::Transform), "{transforms:?}");
    };
    let xpath = "http://www.w3.org/TR/1999/REC-xpath-19991116";
    check(&[]);
    check(&[ENVELOPED]);
    check(&[EXCLUSIVE]);
    check(&[EXCLUSIVE, ENVELOPED]);
    check(&[ENVELOPED, INCLUSIVE]);
    check(&[ENVELOPED, "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"]);
    check(&[ENVELOPED, xpath, EXCLUSIVE]);
    check(&["http://www.w3.org/TR/1999/REC-xslt-19991116", EXCLUSIVE]);
    check(&["http://www.w3.org/2000/09/xmldsig#base64", ENVELOPED, EXCLUSIVE]);
}

#[test]
fn a_signature_that_is_not_whole_is_refused() {
    let signed = sign(&GOOD.request());
    let check = |from: &str, to: &str, expected| {
        let changed = signed.replace(from, to);
        assert_ne!(changed, signed);
        assert_eq!(verify(&changed), Err(expected), "{from} {to}");
    };
    check("ds:SignedInfo", "ds:Signed", VerifyError::Malformed("SignedInfo"));
    check("ds:SignatureValue", "ds:Value", VerifyError::Malformed("SignatureValue"));
    check("ds:DigestValue", "ds:Value", VerifyError::Malformed("DigestValue"));
    check("ds:Reference", "ds:Ref", VerifyError::Malformed("Reference"));
    check("ds:Signature ", "ds:Signature ID='_r1' ", VerifyError::Read(ReadError::DuplicateId));
    check("#_r1", "#_other", VerifyError::NotOfTheRoot);
    check("#_r1", "_r1", VerifyError::NotOfTheRoot);
    check("#_r1", "#xpointer(id('_r1'))", VerifyError::NotOfTheRoot);
    check("#_r1", "http://attacker.example/", VerifyError::NotOfTheRoot);
    check("URI=\"#_r1\"", "", VerifyError::NotOfTheRoot);
    // The signature library looks at the local name of an attribute only.
    let prefixed = "<ds:SignatureMethod ds:Algorithm=\"http://www.w3.org/2000/09/xmldsig#rsa-sha1\" ";
    check("<ds:SignatureMethod ", prefixed, VerifyError::Malformed("SignatureMethod"));
    check("URI=", "ds:URI='#_other' URI=", VerifyError::NotOfTheRoot);
    let not_signed = authn_request("", "<saml:Issuer>urn:example:sp</saml:Issuer>");
    assert_eq!(verify(&not_signed), Err(VerifyError::NotSigned));
    assert_eq!(verify("<a"), Err(VerifyError::Read(ReadError::NotWellFormed)));
}

/// The parts of a signed request from which wrapped documents are built.
struct Parts {
    /// The signed request, with its signature.
    original: String,
    /// The same without the signature.
    bare: String,
    /// The signature alone.
    signature: String,
}

fn parts() -> Parts {
    let original = sign(&GOOD.request());
    let start = original.find("<ds:Signature ").unwrap();
    let end = original.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    let bare = format!("{}{}", &original[..start], &original[end..]);
    Parts { signature: original[start..end].to_owned(), bare, original }
}

/// The attacker's request, for another user, with `content` behind its issuer.
fn evil(id: &str, content: &str) -> String {
    let subject = "<saml:Subject><saml:NameID>eve</saml:NameID></saml:Subject>";
    authn_request("", &format!("<saml:Issuer>urn:example:sp</saml:Issuer>{content}{subject}")).replace("_r1", id)
}

/// Makes the wrapped document with the attacker's ID.
type Wrap<'a> = &'a dyn Fn(&str) -> String;

/// The eight kinds of signature wrapping of "On Breaking SAML" (Somorovsky et al., USENIX Security 2012), on requests: a
/// document in which a verifier finds the signed request, and a reader the attacker's. Each with the attacker's own ID,
/// with the same ID, and without one.
#[test]
fn no_kind_of_wrapping_is_accepted() {
    let Parts { original, bare, signature } = parts();
    let in_signature = |inner: &str| signature.replace("</ds:Signature>", &format!("{inner}</ds:Signature>"));
    let rows: [(&str, Wrap<'_>); 8] = [
        ("XSW1: the original inside of the signature, which is the attacker's", &|id| evil(id, &in_signature(&bare))),
        ("XSW2: the signature beside the original", &|id| evil(id, &format!("{signature}{bare}"))),
        ("XSW3: the original, signed, inside of the attacker's, first", &|id| {
            evil(id, "").replacen("<saml:Issuer>", &format!("{original}<saml:Issuer>"), 1)
        }),
        ("XSW4: the attacker's around the original, signed, last", &|id| {
            evil(id, "").replace("</samlp:AuthnRequest>", &format!("{original}</samlp:AuthnRequest>"))
        }),
        ("XSW5: the attacker's with the signature, the original last", &|id| {
            evil(id, &signature).replace("</samlp:AuthnRequest>", &format!("{bare}</samlp:AuthnRequest>"))
        }),
        ("XSW6: the original in the key information of the signature", &|id| {
            evil(id, &in_signature(&format!("<ds:KeyInfo>{bare}</ds:KeyInfo>")))
        }),
        ("XSW7: the original, signed, in the extensions", &|id| {
            evil(id, &format!("<samlp:Extensions>{original}</samlp:Extensions>"))
        }),
        ("XSW8: the original in an object of the signature", &|id| {
            evil(id, &in_signature(&format!("<ds:Object>{bare}</ds:Object>")))
        }),
    ];
    for (kind, wrapped) in rows {
        for id in ["_evil", "_r1"] {
            let xml = wrapped(id);
            // What a reader would take it for.
            let root = roxmltree::Document::parse(&xml).unwrap();
            assert!(
                root.root_element()
                    .children()
                    .any(|child| child.has_tag_name((SAML, "Subject")) && text(child) == "eve")
            );
            assert!(verify(&xml).is_err(), "{kind}, with the ID {id}: {xml}");
        }
        let without_id = wrapped("_evil").replacen(r#"ID="_evil""#, "", 1);
        assert!(verify(&without_id).is_err(), "{kind}, without an ID");
    }
    assert_eq!(verify(&original), Ok(()));
}

/// A response whose assertion has a signature of its own, as most service providers get it.
#[test]
fn a_response_is_accepted_with_its_signature_and_with_that_of_its_assertion_besides() {
    let written = |signed| {
        let outcome = Outcome::SignedOn(Box::new(crate::support::draft(crate::support::sample_assertion())));
        crate::support::response(outcome).to_signed_xml(&OURS.signing, signed, None).unwrap()
    };
    let ours = |xml: &str| response(xml.as_bytes(), from_ref(&OURS.certificate));
    let both = written(Signed::Both);
    assert_eq!((ours(&both), ours(&written(Signed::Response))), (Ok(()), Ok(())));
    assert_eq!(enveloped(both.as_bytes(), from_ref(&OURS.certificate)), Err(VerifyError::SeveralSignatures));
    assert_eq!(ours(&written(Signed::Assertion)), Err(VerifyError::NotOfTheRoot));
    assert_eq!(response(both.as_bytes(), from_ref(&THEIRS.certificate)), Err(VerifyError::NotValid));
    assert_eq!(response(both.as_bytes(), &[]), Err(VerifyError::NoCertificate));

    // Any change of what one of them covers.
    for (from, to) in [
        ("</saml:NameID>", ".evil</saml:NameID>"),
        ("</saml:Audience>", ".evil</saml:Audience>"),
        ("status:Success", "status:Responder"),
        ("<saml:Issuer", "<saml:Issuer Format=\"urn:x\""),
    ] {
        assert!(both.contains(from));
        assert_eq!(ours(&both.replacen(from, to, 1)), Err(VerifyError::NotValid), "{from}");
    }
    let (assertion_at, assertion_end) =
        (both.find("<saml:Assertion ").unwrap(), both.find("</saml:Assertion>").unwrap());
    let assertion = &both[assertion_at..assertion_end + "</saml:Assertion>".len()];
    let signature_end = "</ds:Signature>".len();
    let signature = |xml: &str| {
        let at = xml.find("<ds:Signature ").unwrap();
        xml[at..xml.find("</ds:Signature>").unwrap() + signature_end].to_owned()
    };
    let (of_response, of_assertion) = (signature(&both), signature(assertion));
    let evil = assertion
        .replace(&of_assertion, "")
        .replace("ID=\"", "ID=\"_evil")
        .replace("</saml:NameID>", ".evil</saml:NameID>");
    for (kind, xml) in [
        ("without that of the response", both.replacen(&of_response, "", 1)),
        ("with that of the assertion as that of the response", both.replacen(&of_response, &of_assertion, 1)),
        ("without that of the assertion", both.replacen(&of_assertion, "", 1)),
        ("with another assertion before it", both.replacen(assertion, &format!("{evil}{assertion}"), 1)),
        ("with another assertion behind it", both.replacen(assertion, &format!("{assertion}{evil}"), 1)),
        ("with the assertion inside of another one", {
            let around = evil.replacen("</saml:Assertion>", &format!("{assertion}</saml:Assertion>"), 1);
            both.replacen(assertion, &around, 1)
        }),
        ("with the signed assertion in the status", {
            let hidden = format!("<samlp:StatusDetail>{assertion}</samlp:StatusDetail></samlp:Status>");
            both.replacen(assertion, &evil, 1).replacen("</samlp:Status>", &hidden, 1)
        }),
        ("with a second one of the response", both.replacen(&of_response, &format!("{of_response}{of_response}"), 1)),
        ("with a second one of the assertion", {
            both.replacen(&of_assertion, &format!("{of_assertion}{of_assertion}"), 1)
        }),
    ] {
        assert!(ours(&xml).is_err(), "{kind}: {xml}");
    }
}

/// The library of the receiver, not our writer: an assertion's signature that covers the whole document covers it by its own root only.
#[test]
fn the_signature_of_an_assertion_refers_to_the_assertion_by_its_id() {
    let outcome = Outcome::SignedOn(Box::new(crate::support::draft(crate::support::sample_assertion())));
    let both = crate::support::response(outcome).to_signed_xml(&OURS.signing, Signed::Both, None).unwrap();
    let at = both.rfind("<ds:Reference URI=\"#").unwrap();
    let (head, rest) = both.split_at(at);
    let (_, rest) = rest.split_once("\">").unwrap();
    let whole = format!("{head}<ds:Reference URI=\"\">{rest}");
    assert_eq!(response(whole.as_bytes(), from_ref(&OURS.certificate)), Err(VerifyError::NotOfTheRoot));
}

const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";

fn text(node: roxmltree::Node<'_, '_>) -> String {
    node.descendants().filter_map(|node| node.text().filter(|_| node.is_text())).collect()
}

#[test]
fn two_signatures_are_refused() {
    let Parts { original, signature, .. } = parts();
    let twice = original.replace("</samlp:AuthnRequest>", &format!("{signature}</samlp:AuthnRequest>"));
    assert_eq!(verify(&twice), Err(VerifyError::SeveralSignatures));
    let hidden = original.replace("</ds:Signature>", "<ds:Object><ds:Manifest/></ds:Object></ds:Signature>");
    assert_eq!(verify(&hidden), Err(VerifyError::Object));
}
