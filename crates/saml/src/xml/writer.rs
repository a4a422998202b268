//! Writes elements in the form in which exclusive canonicalization leaves them (Canonical XML 1.0 section 2.3,
//! Exclusive XML Canonicalization 1.0): every element has an end tag, a namespace is declared where a name first uses it,
//! declarations come first, attributes are sorted, and only the characters that must be escaped are.

use tenterhook_contract::saml::assertion::is_xml_text;

use crate::names;

/// A text has a character that XML cannot hold, not even escaped (XML 1.0 section 2.2). It says of which element or
/// attribute the text is, and shows nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text of `{member}` has a character that XML 1.0 does not allow")]
pub struct TextError {
    /// The name of the element or attribute.
    pub member: &'static str,
}

/// A namespace declaration.
#[derive(Clone, Copy)]
pub(crate) struct Namespace {
    prefix: &'static str,
    uri: &'static str,
}

pub(crate) const SAML: Namespace = Namespace { prefix: "saml", uri: names::SAML };
pub(crate) const SAMLP: Namespace = Namespace { prefix: "samlp", uri: names::SAMLP };
pub(crate) const MD: Namespace = Namespace { prefix: "md", uri: names::MD };
pub(crate) const DS: Namespace = Namespace { prefix: "ds", uri: names::DS };
pub(crate) const XS: Namespace = Namespace { prefix: "xs", uri: names::XS };
pub(crate) const XSI: Namespace = Namespace { prefix: "xsi", uri: names::XSI };

/// Where nothing is declared.
pub(crate) const NONE: &[Namespace] = &[];

/// An attribute; one without a value is left out.
pub(crate) type Attribute<'a> = (&'static str, Option<&'a str>);

/// The text of a document that grows.
#[derive(Default)]
pub(crate) struct Writer {
    text: String,
}

impl Writer {
    /// An element. `namespaces` are sorted by prefix. `attributes` are sorted by name, those with a prefix last; the
    /// only one of these is `xsi:type`.
    pub(crate) fn element<E: From<TextError>>(
        &mut self,
        name: &'static str,
        namespaces: &[Namespace],
        attributes: &[Attribute<'_>],
        content: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        debug_assert!(namespaces.is_sorted_by_key(|namespace| namespace.prefix));
        debug_assert!(attributes.is_sorted_by_key(|(name, _)| (name.contains(':'), *name)));
        self.text.push('<');
        self.text.push_str(name);
        for Namespace { prefix, uri } in namespaces {
            self.text.push_str(" xmlns:");
            self.text.push_str(prefix);
            self.text.push_str("=\"");
            self.text.push_str(uri);
            self.text.push('"');
        }
        for (name, value) in attributes {
            let Some(value) = value else { continue };
            self.text.push(' ');
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.escape(value, name, |character| match character {
                '&' => Some("&amp;"),
                '<' => Some("&lt;"),
                '"' => Some("&quot;"),
                '\t' => Some("&#x9;"),
                '\n' => Some("&#xA;"),
                '\r' => Some("&#xD;"),
                _ => None,
            })?;
            self.text.push('"');
        }
        self.text.push('>');
        content(self)?;
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
        Ok(())
    }

    /// An element with a text.
    pub(crate) fn text_element(
        &mut self,
        name: &'static str,
        namespaces: &[Namespace],
        attributes: &[Attribute<'_>],
        text: &str,
    ) -> Result<(), TextError> {
        self.element(name, namespaces, attributes, |writer| {
            writer.escape(text, name, |character| match character {
                '&' => Some("&amp;"),
                '<' => Some("&lt;"),
                '>' => Some("&gt;"),
                '\r' => Some("&#xD;"),
                _ => None,
            })
        })
    }

    /// An element with nothing in it.
    pub(crate) fn empty_element(
        &mut self,
        name: &'static str,
        namespaces: &[Namespace],
        attributes: &[Attribute<'_>],
    ) -> Result<(), TextError> {
        self.element(name, namespaces, attributes, |_| Ok(()))
    }

    /// An element that was written before.
    pub(crate) fn written(&mut self, xml: &str) {
        self.text.push_str(xml);
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// The document.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    /// Appends `text`, each character as `replacement` says. All that are replaced are ASCII.
    fn escape(
        &mut self,
        text: &str,
        member: &'static str,
        replacement: impl Fn(char) -> Option<&'static str>,
    ) -> Result<(), TextError> {
        if !is_xml_text(text) {
            return Err(TextError { member });
        }
        self.text.reserve(text.len());
        for character in text.chars() {
            match replacement(character) {
                Some(escaped) => self.text.push_str(escaped),
                None => self.text.push(character),
            }
        }
        Ok(())
    }
}
