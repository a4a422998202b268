//! A service provider's metadata (SAML metadata 2.4.4).

use crate::{
    Certificate, CertificateError,
    names::{DS, MD, SAMLP},
    read::ReadError,
    xml::tree::{Element, Tree, trim},
};

/// Why metadata cannot be used. The text contains nothing of the metadata.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// The document cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A certificate cannot be used.
    #[error("an `X509Certificate` {0}")]
    Certificate(#[from] CertificateError),
}

/// What a service provider says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceProvider {
    /// `entityID`.
    pub entity_id: String,
    /// `AssertionConsumerService`, in their order; at least one.
    pub assertion_consumer_services: Vec<AssertionConsumerService>,
    /// `SingleLogoutService`.
    pub single_logout_services: Vec<Endpoint>,
    /// The certificates with whose keys it signs.
    pub signing_certificates: Vec<Certificate>,
    /// The certificates to whose keys assertions are encrypted.
    pub encryption_certificates: Vec<Certificate>,
    /// `NameIDFormat`, URIs.
    pub name_id_formats: Vec<String>,
    /// `AuthnRequestsSigned`: whether it signs its requests.
    pub authn_requests_signed: bool,
    /// `WantAssertionsSigned`.
    pub want_assertions_signed: bool,
}

/// Where a message is sent, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `Binding`, a URI.
    pub binding: String,
    /// `Location`.
    pub location: String,
    /// `ResponseLocation`: where responses are sent, if not to `location`.
    pub response_location: Option<String>,
}

/// An assertion consumer service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertionConsumerService {
    /// `Binding`, a URI.
    pub binding: String,
    /// `Location`.
    pub location: String,
    /// `index`.
    pub index: u16,
    /// `isDefault`; to be there and `false` is not the same as not to be there.
    pub is_default: Option<bool>,
}

impl ServiceProvider {
    /// Reads an `EntityDescriptor` with an `SPSSODescriptor`. A signature of the metadata is not verified: who registers
    /// it vouches for it.
    ///
    /// # Errors
    /// [`MetadataError`].
    pub fn parse(xml: &[u8]) -> Result<Self, MetadataError> {
        let tree = Tree::parse(xml)?;
        let root = tree.root();
        if !root.is(MD, "EntityDescriptor") {
            return Err(ReadError::WrongRoot("EntityDescriptor").into());
        }
        let role = root.child(MD, "SPSSODescriptor")?.ok_or(ReadError::Missing("SPSSODescriptor"))?;
        // A list of namespaces (SAML metadata 2.4.1).
        if !role.required("protocolSupportEnumeration")?.split_ascii_whitespace().any(|protocol| protocol == SAMLP) {
            return Err(ReadError::Invalid("protocolSupportEnumeration").into());
        }
        let services = role.children_named(MD, "AssertionConsumerService");
        let services = services.map(AssertionConsumerService::of).collect::<Result<Vec<_>, _>>()?;
        if services.is_empty() {
            return Err(ReadError::Missing("AssertionConsumerService").into());
        }
        let formats = role.children_named(MD, "NameIDFormat");
        let formats = formats.map(|format| format.text("NameIDFormat"));
        Ok(Self {
            entity_id: root.required("entityID")?.to_owned(),
            assertion_consumer_services: services,
            single_logout_services: role
                .children_named(MD, "SingleLogoutService")
                .map(Endpoint::of)
                .collect::<Result<_, _>>()?,
            signing_certificates: certificates(role, "signing")?,
            encryption_certificates: certificates(role, "encryption")?,
            name_id_formats: formats.collect::<Result<_, ReadError>>()?,
            authn_requests_signed: role.boolean("AuthnRequestsSigned")?,
            want_assertions_signed: role.boolean("WantAssertionsSigned")?,
        })
    }

    /// The assertion consumer service of a request that names none: the first that says it is the default, or else the
    /// first that does not deny it, or else the first (SAML metadata 2.2.3).
    pub fn default_assertion_consumer_service(&self) -> Option<&AssertionConsumerService> {
        let first = |is_default| self.assertion_consumer_services.iter().find(move |own| own.is_default == is_default);
        first(Some(true)).or_else(|| first(None)).or(self.assertion_consumer_services.first())
    }
}

impl Endpoint {
    fn of(element: Element<'_, '_>) -> Result<Self, ReadError> {
        Ok(Self {
            binding: element.required("Binding")?.to_owned(),
            location: element.required("Location")?.to_owned(),
            response_location: element.attribute("ResponseLocation").map(str::to_owned),
        })
    }
}

impl AssertionConsumerService {
    fn of(element: Element<'_, '_>) -> Result<Self, ReadError> {
        let index = trim(element.required("index")?).parse().map_err(|_| ReadError::Invalid("index"))?;
        Ok(Self {
            binding: element.required("Binding")?.to_owned(),
            location: element.required("Location")?.to_owned(),
            index,
            is_default: element.attribute("isDefault").map(|_| element.boolean("isDefault")).transpose()?,
        })
    }
}

/// The certificates of the keys for `usage`: of those descriptors that name it or no usage (SAML metadata 2.4.1.1).
fn certificates(role: Element<'_, '_>, usage: &str) -> Result<Vec<Certificate>, MetadataError> {
    let descriptors = role.children_named(MD, "KeyDescriptor");
    let own = descriptors.filter(|descriptor| descriptor.attribute("use").is_none_or(|own| own == usage));
    let texts = own.flat_map(|descriptor| descriptor.descendants_named(DS, "X509Certificate"));
    texts.map(|element| Ok(Certificate::from_text(&element.text("X509Certificate")?)?)).collect()
}
