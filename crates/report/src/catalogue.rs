//! The texts, in the reader's language.
//!
//! They are Fluent messages (<https://projectfluent.org/fluent/guide/>) in `locales/`, compiled in. A variable that a text
//! names and nobody gave is the word `missing`: a text that can do without has a variant for it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use comeback_audit::model::Money;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};
use jiff::tz::TimeZone;
use unic_langid::LanguageIdentifier;

use crate::harmless::harmless;
use crate::options::{Lang, Options};

const ENGLISH: [&str; 2] = [
    include_str!("../locales/en.ftl"),
    include_str!("../locales/rules.en.ftl"),
];
const JAPANESE: [&str; 2] = [
    include_str!("../locales/ja.ftl"),
    include_str!("../locales/rules.ja.ftl"),
];

/// What a variable holds that nobody gave.
const MISSING: &str = "missing";

/// The texts of one language and time zone.
pub struct Texts {
    lang: Lang,
    zone: TimeZone,
    bundle: FluentBundle<FluentResource>,
    /// Variables of each message and attribute, by `id` and `id.attribute`.
    variables: BTreeMap<String, BTreeSet<String>>,
}

impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Texts")
            .field("lang", &self.lang)
            .field("messages", &self.variables.len())
            .finish_non_exhaustive()
    }
}

impl Texts {
    /// The texts for a reader.
    pub fn new(options: &Options) -> Self {
        Self::of(options.lang, options.zone.clone())
    }

    /// The texts in a language, with times in a zone.
    pub fn of(lang: Lang, zone: TimeZone) -> Self {
        // The codes are well-formed; the root language would only count differently.
        let identifier: LanguageIdentifier = lang.code().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![identifier]);
        // The marks would be seen as characters in a terminal, and hostile direction marks never come this far.
        bundle.set_use_isolating(false);
        bundle.set_formatter(Some(|value, _| match value {
            FluentValue::Number(number) if number.value.fract() == 0.0 => Some(grouped(number.value as i64)),
            _ => None,
        }));
        let mut variables = BTreeMap::new();
        for source in match lang {
            Lang::En => ENGLISH,
            Lang::Ja => JAPANESE,
        } {
            // A test parses them without an error; at run time the messages that parse are used.
            let resource = match FluentResource::try_new(source.to_owned()) {
                Ok(resource) => resource,
                Err((resource, _)) => resource,
            };
            variables.extend(variables_of(&resource));
            bundle.add_resource_overriding(resource);
        }
        Self {
            lang,
            zone,
            bundle,
            variables,
        }
    }

    /// Their language.
    pub fn lang(&self) -> Lang {
        self.lang
    }

    /// The reader's time zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The variables of every message, by `id` and `id.attribute`.
    pub fn variables(&self) -> &BTreeMap<String, BTreeSet<String>> {
        &self.variables
    }

    /// A text without variables.
    pub fn text(&self, id: &str) -> String {
        self.with(id, &[])
    }

    /// A text with its variables. An attribute is asked for as `message.attribute`. A text that does not exist is its id: a
    /// test sees to it that there is none.
    pub fn with(&self, id: &str, values: &[(&str, FluentValue<'_>)]) -> String {
        self.find(id, values).unwrap_or_else(|| id.to_owned())
    }

    /// As [`with`](Self::with), or nothing if there is no such text.
    pub fn find(&self, id: &str, values: &[(&str, FluentValue<'_>)]) -> Option<String> {
        let (message, attribute) = id
            .split_once('.')
            .map_or((id, None), |(message, attribute)| (message, Some(attribute)));
        let message = self.bundle.get_message(message)?;
        let pattern = match attribute {
            Some(attribute) => message.get_attribute(attribute)?.value(),
            None => message.value()?,
        };
        let mut arguments = FluentArgs::new();
        for variable in self.variables.get(id).into_iter().flatten() {
            arguments.set(variable.clone(), MISSING);
        }
        for (name, value) in values {
            arguments.set(Cow::Owned((*name).to_owned()), value.clone());
        }
        let text = self.bundle.format_pattern(pattern, Some(&arguments), &mut Vec::new());
        Some(text.into_owned())
    }

    /// An amount of money, to the cent; small ones to the hundredth of a cent, as prices of an hour are.
    pub fn money(&self, money: &Money) -> String {
        let micros = i128::from(money.micros);
        let (unit, digits) = if micros.abs() < 1_000_000 {
            (100, 4)
        } else {
            (10_000, 2)
        };
        let rounded = (micros.abs() + unit / 2) / unit;
        let scale = 10_i128.pow(digits);
        let whole = i64::try_from(rounded / scale).unwrap_or(i64::MAX);
        let mut amount = format!(
            "{}.{:0width$}",
            grouped(whole),
            rounded % scale,
            width = digits as usize
        );
        if digits == 4 && amount.ends_with("00") {
            amount.truncate(amount.len() - 2);
        }
        if micros < 0 {
            amount.insert(0, '-');
        }
        self.with(
            "money",
            &[
                ("amount", amount.into()),
                ("currency", harmless(&money.currency).into()),
            ],
        )
    }
}

/// The id of a message for a rule or word: Fluent has no dots in ids.
pub fn message_id(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
        .collect()
}

/// A number with its thousands apart, as both languages write it.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    if number < 0 {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn variables_of(resource: &FluentResource) -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for entry in resource.entries() {
        let Entry::Message(message) = entry else { continue };
        if let Some(pattern) = &message.value {
            let mut found = BTreeSet::new();
            in_pattern(pattern, &mut found);
            all.insert(message.id.name.to_owned(), found);
        }
        for attribute in &message.attributes {
            let mut found = BTreeSet::new();
            in_pattern(&attribute.value, &mut found);
            all.insert(format!("{}.{}", message.id.name, attribute.id.name), found);
        }
    }
    all
}

fn in_pattern(pattern: &Pattern<&str>, found: &mut BTreeSet<String>) {
    for element in &pattern.elements {
        if let PatternElement::Placeable { expression } = element {
            in_expression(expression, found);
        }
    }
}

fn in_expression(expression: &Expression<&str>, found: &mut BTreeSet<String>) {
    match expression {
        Expression::Inline(inline) => in_inline(inline, found),
        Expression::Select { selector, variants } => {
            in_inline(selector, found);
            for variant in variants {
                in_pattern(&variant.value, found);
            }
        }
    }
}

fn in_inline(inline: &InlineExpression<&str>, found: &mut BTreeSet<String>) {
    match inline {
        InlineExpression::VariableReference { id } => {
            found.insert(id.name.to_owned());
        }
        InlineExpression::Placeable { expression } => in_expression(expression, found),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lang: Lang) -> Texts {
        Texts::new(&Options::new(lang))
    }

    #[test]
    fn every_source_parses() {
        for source in ENGLISH.into_iter().chain(JAPANESE) {
            if let Err((_, errors)) = FluentResource::try_new(source.to_owned()) {
                panic!("{errors:?} in {}", &source[..40]);
            }
        }
    }

    #[test]
    fn both_languages_have_the_same_messages_and_variables() {
        assert_eq!(texts(Lang::En).variables(), texts(Lang::Ja).variables());
    }

    #[test]
    fn numbers_and_money_are_readable() {
        let texts = texts(Lang::En);
        assert_eq!(grouped(-1_234_567), "-1,234,567");
        let money = |micros| {
            texts.money(&Money {
                micros,
                currency: "USD".to_owned(),
            })
        };
        assert_eq!(money(1_234_560_000), "USD 1,234.56");
        assert_eq!(money(-12_000_000), "USD -12.00");
        assert_eq!(money(61_200), "USD 0.0612");
        assert_eq!(money(60_000), "USD 0.06");
        assert_eq!(money(999_999), "USD 1.00");
    }
}
