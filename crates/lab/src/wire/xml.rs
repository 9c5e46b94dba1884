//! Writes the XML of answers.

use std::fmt::{Display, Write as _};

use quick_xml::escape::escape;

/// The inside of an element, written from front to back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Xml(String);

impl Xml {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// `<name>value</name>`
    pub(crate) fn text(&mut self, name: &str, value: impl Display) -> &mut Self {
        let value = value.to_string();
        // Control characters have no place in XML 1.0, and console output or user's text may hold them.
        let clean: String = value
            .chars()
            .filter(|&character| character >= ' ' || matches!(character, '\t' | '\n' | '\r'))
            .collect();
        // Writing to a string cannot fail.
        let _ = write!(self.0, "<{name}>{}</{name}>", escape(clean.as_str()));
        self
    }

    /// As [`Self::text`], or nothing.
    pub(crate) fn opt(&mut self, name: &str, value: Option<impl Display>) -> &mut Self {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    /// `<name>…</name>`
    pub(crate) fn element(&mut self, name: &str, inside: impl FnOnce(&mut Xml)) -> &mut Self {
        let _ = write!(self.0, "<{name}>");
        inside(self);
        let _ = write!(self.0, "</{name}>");
        self
    }

    /// `<name><item>…</item>…</name>`
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut inside: impl FnMut(&mut Xml, T),
    ) -> &mut Self {
        self.list_of(name, "item", items, &mut inside)
    }

    /// As [`Self::list`], with another name than `item`, such as `member`.
    pub(crate) fn list_of<T>(
        &mut self,
        name: &str,
        item: &str,
        items: impl IntoIterator<Item = T>,
        mut inside: impl FnMut(&mut Xml, T),
    ) -> &mut Self {
        self.element(name, |xml| {
            for each in items {
                xml.element(item, |xml| inside(xml, each));
            }
        })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_clean() {
        let mut xml = Xml::new();
        xml.text("a", "<&>\u{1b}[0m\n").list("b", [1, 2], |xml, number| {
            xml.text("c", number);
        });
        assert_eq!(
            xml.as_str(),
            "<a>&lt;&amp;&gt;[0m\n</a><b><item><c>1</c></item><item><c>2</c></item></b>"
        );
    }
}
