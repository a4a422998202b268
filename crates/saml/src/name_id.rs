//! Name identifiers.

/// A name identifier (SAML core 2.2.3). Its `Debug` shows nothing of the name.
#[derive(Clone, PartialEq, Eq)]
pub struct NameId {
    /// The name: the whole text of the element, also where a comment divides it.
    pub value: String,
    /// `Format`.
    pub format: Option<String>,
    /// `NameQualifier`.
    pub name_qualifier: Option<String>,
    /// `SPNameQualifier`.
    pub sp_name_qualifier: Option<String>,
}

impl std::fmt::Debug for NameId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("NameId").field("format", &self.format).finish_non_exhaustive()
    }
}
