//! What all messages have (SAML core 3.2).

use tenterhook_contract::Timestamp;

use super::ReadError;
use crate::{
    NameId,
    date::date_time,
    names::{DS, SAML, SAMLP},
    xml::tree::{Element, Tree, trim},
};

/// Characters of an ID at most.
const ID_CHARS_MAX: usize = 256;

/// The attributes and elements that all messages have.
pub(super) struct Head {
    pub(super) id: String,
    pub(super) issuer: String,
    pub(super) issue_instant: Timestamp,
    pub(super) destination: Option<String>,
    pub(super) is_signed: bool,
}

/// The root element, which must have this name.
pub(super) fn root<'t, 'a>(tree: &'t Tree<'a>, name: &'static str) -> Result<Element<'t, 'a>, ReadError> {
    let root = tree.root();
    if root.is(SAMLP, name) { Ok(root) } else { Err(ReadError::WrongRoot(name)) }
}

impl Head {
    pub(super) fn of(root: Element<'_, '_>) -> Result<Self, ReadError> {
        if root.required("Version")? != "2.0" {
            return Err(ReadError::WrongVersion);
        }
        let issuer = root.child(SAML, "Issuer")?.ok_or(ReadError::Missing("Issuer"))?;
        let issuer = issuer.text("Issuer")?;
        if issuer.is_empty() {
            return Err(ReadError::Invalid("Issuer"));
        }
        Ok(Self {
            id: id(root.required("ID")?, "ID")?,
            issuer,
            issue_instant: date_time(root.required("IssueInstant")?).ok_or(ReadError::Invalid("IssueInstant"))?,
            destination: text(root, "Destination"),
            is_signed: root.child(DS, "Signature")?.is_some(),
        })
    }
}

/// An attribute that is there and not empty.
pub(super) fn text(element: Element<'_, '_>, name: &str) -> Option<String> {
    element.attribute(name).map(trim).filter(|value| !value.is_empty()).map(str::to_owned)
}

/// An `xs:ID`: a name without a colon (XML Schema 1.1 part 2, 3.4.8). Some libraries begin them with a digit, which no
/// receiver refuses.
pub(super) fn id(value: &str, name: &'static str) -> Result<String, ReadError> {
    let valid = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-' | '.');
    if value.is_empty() || value.chars().count() > ID_CHARS_MAX || !value.chars().all(valid) {
        return Err(ReadError::Invalid(name));
    }
    Ok(value.to_owned())
}

/// `saml:NameID`; the other ways to name a user are refused by name.
pub(super) fn name_id(parent: Element<'_, '_>) -> Result<Option<NameId>, ReadError> {
    for unsupported in ["EncryptedID", "BaseID"] {
        if parent.child(SAML, unsupported)?.is_some() {
            return Err(ReadError::Unsupported(unsupported));
        }
    }
    let Some(element) = parent.child(SAML, "NameID")? else { return Ok(None) };
    let value = element.text("NameID")?;
    if value.is_empty() {
        return Err(ReadError::Invalid("NameID"));
    }
    Ok(Some(NameId {
        value,
        format: text(element, "Format"),
        name_qualifier: text(element, "NameQualifier"),
        sp_name_qualifier: text(element, "SPNameQualifier"),
    }))
}
