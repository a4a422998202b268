//! Reads a document within bounds, with the parser that the signature library verifies with.

use uppsala::{Document, NodeId, dom::NodeKind, parser::Parser};

use crate::read::ReadError;

/// Bytes of a document at most.
pub const DOCUMENT_BYTES_MAX: usize = 128 * 1024;
/// Elements within elements at most.
pub const DOCUMENT_DEPTH_MAX: u32 = 64;
/// Nodes of a document at most: elements, attributes, declarations of namespaces, texts, comments.
pub const DOCUMENT_NODES_MAX: usize = 10_000;
/// Attributes and declarations of namespaces of an element at most.
pub const ELEMENT_ATTRIBUTES_MAX: usize = 64;

/// Declarations of namespaces of a document at most.
pub const NAMESPACES_MAX: usize = 128;

/// The names of attributes that the signature library takes for an ID, in any namespace.
const ID_NAMES: [&str; 4] = ["ID", "Id", "id", "AssertionID"];

/// A document: well-formed, within bounds, without a document type, processing instructions and duplicate IDs.
pub(crate) struct Tree<'a> {
    document: Document<'a>,
    root: NodeId,
    text: &'a str,
}

/// An element of a tree.
#[derive(Clone, Copy)]
pub(crate) struct Element<'t, 'a> {
    tree: &'t Tree<'a>,
    id: NodeId,
}

impl<'a> Tree<'a> {
    /// Parses a document in UTF-8.
    pub(crate) fn parse(xml: &'a [u8]) -> Result<Self, ReadError> {
        if xml.len() > DOCUMENT_BYTES_MAX {
            return Err(ReadError::TooLarge);
        }
        let text = std::str::from_utf8(xml).map_err(|_| ReadError::NotUtf8)?;
        check_markup(text)?;
        let parser = Parser::new().with_max_depth(DOCUMENT_DEPTH_MAX).with_forbid_dtd(true).with_forbid_entities(true);
        let document = parser.parse(text).map_err(|_| ReadError::NotWellFormed)?;
        // XML 1.1 has other characters, names and line ends in the same bytes (XML 1.1 section 1.3), which readers of XML 1.0 do not see.
        if document.xml_declaration.as_ref().is_some_and(|declaration| declaration.version != "1.0") {
            return Err(ReadError::OtherVersion);
        }
        // Its author and other readers see other characters in the same bytes; US-ASCII is UTF-8 where the bytes are ASCII.
        let declared = document.xml_declaration.as_ref().and_then(|declaration| declaration.encoding.as_deref());
        let is_declared = |encoding: &str| declared.is_some_and(|own| own.eq_ignore_ascii_case(encoding));
        if declared.is_some() && !is_declared("UTF-8") && !(is_declared("US-ASCII") && text.is_ascii()) {
            return Err(ReadError::OtherEncoding);
        }
        let root = document.document_element().ok_or(ReadError::NotWellFormed)?;
        let tree = Self { document, root, text };
        tree.check()?;
        Ok(tree)
    }

    /// The root element.
    pub(crate) fn root(&self) -> Element<'_, 'a> {
        Element { tree: self, id: self.root }
    }

    /// The parsed document, for the signature library.
    pub(crate) fn document(&self) -> &Document<'a> {
        &self.document
    }

    /// The text that was parsed.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    fn check(&self) -> Result<(), ReadError> {
        let mut nodes = 0;
        let mut ids = std::collections::HashSet::new();
        for id in self.document.descendants(self.document.root()) {
            nodes += 1;
            match self.document.node_kind(id) {
                Some(NodeKind::Element(element)) => {
                    let attributes = element.attributes.len() + element.namespace_declarations.len();
                    if attributes > ELEMENT_ATTRIBUTES_MAX {
                        return Err(ReadError::TooManyNodes);
                    }
                    nodes += attributes;
                    let own = element.attributes.iter();
                    let own = own.filter(|attribute| ID_NAMES.contains(&&*attribute.name.local_name));
                    for attribute in own {
                        if !ids.insert(&*attribute.value) {
                            return Err(ReadError::DuplicateId);
                        }
                    }
                }
                Some(NodeKind::ProcessingInstruction(_)) => return Err(ReadError::ProcessingInstruction),
                _ => {}
            }
            if nodes > DOCUMENT_NODES_MAX {
                return Err(ReadError::TooManyNodes);
            }
        }
        Ok(())
    }
}

/// What can be seen without parsing: a document type, which is refused by name, and roughly how many tags, attributes and
/// namespaces there are. The parser compares each attribute of an element with the others, and looks each prefix up in all
/// declarations around it, so that the work on a small document could grow with the square of its size.
fn check_markup(text: &str) -> Result<(), ReadError> {
    if text.contains("<!DOCTYPE") || text.contains("<!ENTITY") {
        return Err(ReadError::DocumentType);
    }
    let (mut tags, mut equals) = (0, 0);
    for byte in text.bytes() {
        match byte {
            b'<' => (tags, equals) = (tags + 1, 0),
            b'=' => equals += 1,
            _ => {}
        }
        // An element has a start tag and an end tag; values of attributes contain `=` too.
        if tags > 2 * DOCUMENT_NODES_MAX || equals > 4 * ELEMENT_ATTRIBUTES_MAX {
            return Err(ReadError::TooManyNodes);
        }
    }
    if text.matches("xmlns").count() > NAMESPACES_MAX { Err(ReadError::TooManyNodes) } else { Ok(()) }
}

impl<'t, 'a> Element<'t, 'a> {
    /// Its node, for the signature library.
    pub(crate) fn id(self) -> NodeId {
        self.id
    }

    /// Whether it has this name.
    pub(crate) fn is(self, namespace: &str, name: &str) -> bool {
        self.tree.document.element(self.id).is_some_and(|element| element.matches_name_ns(namespace, name))
    }

    /// The value of an attribute without a namespace.
    pub(crate) fn attribute(self, name: &str) -> Option<&'t str> {
        let element = self.tree.document.element(self.id)?;
        let own = element.attributes.iter().find(|attribute| attribute.name.matches(None, name))?;
        Some(&own.value)
    }

    /// The value of an attribute that must be there.
    pub(crate) fn required(self, name: &'static str) -> Result<&'t str, ReadError> {
        self.attribute(name).ok_or(ReadError::Missing(name))
    }

    /// An `xs:boolean` attribute; `false` where it is not there.
    pub(crate) fn boolean(self, name: &'static str) -> Result<bool, ReadError> {
        match self.attribute(name).map(trim) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err(ReadError::Invalid(name)),
        }
    }

    /// Whether it has an attribute of this local name in a namespace.
    pub(crate) fn has_prefixed(self, name: &str) -> bool {
        let element = self.tree.document.element(self.id);
        element.is_some_and(|element| {
            let mut attributes = element.attributes.iter();
            attributes.any(|own| &*own.name.local_name == name && own.name.namespace_uri.is_some())
        })
    }

    /// Its elements, in any namespace.
    pub(crate) fn children(self) -> impl Iterator<Item = Element<'t, 'a>> {
        let document = &self.tree.document;
        document
            .children_iter(self.id)
            .filter(|id| document.element(*id).is_some())
            .map(move |id| Element { tree: self.tree, id })
    }

    /// Its elements of this name.
    pub(crate) fn children_named(self, namespace: &str, name: &str) -> impl Iterator<Item = Element<'t, 'a>> {
        self.children().filter(move |child| child.is(namespace, name))
    }

    /// Its one element of this name, if it has one.
    pub(crate) fn child(self, namespace: &str, name: &'static str) -> Result<Option<Element<'t, 'a>>, ReadError> {
        let mut children = self.children_named(namespace, name);
        let first = children.next();
        if children.next().is_some() { Err(ReadError::Repeated(name)) } else { Ok(first) }
    }

    /// All elements below it of this name, at any depth.
    pub(crate) fn descendants_named(self, namespace: &str, name: &str) -> Vec<Element<'t, 'a>> {
        let below = self.tree.document.descendants(self.id).into_iter();
        let below = below.filter(|id| *id != self.id).map(|id| Element { tree: self.tree, id });
        below.filter(|element| element.is(namespace, name)).collect()
    }

    /// Its whole text, without white space around it. Comments and the limits of CDATA sections do not divide it: canonicalization leaves them out, so
    /// that a signature does not protect them. An element inside is an error.
    pub(crate) fn text(self, name: &'static str) -> Result<String, ReadError> {
        let document = &self.tree.document;
        let mut text = String::new();
        for child in document.children_iter(self.id) {
            match document.node_kind(child) {
                Some(NodeKind::Text(part) | NodeKind::CData(part)) => text.push_str(part),
                Some(NodeKind::Comment(_)) => {}
                _ => return Err(ReadError::NotText(name)),
            }
        }
        Ok(trim(&text).to_owned())
    }
}

/// A text without the white space of XML around it (XML 1.0, 2.3). Other white space is part of a name.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}
