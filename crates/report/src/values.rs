//! What findings hold, as texts take it.

use std::collections::BTreeMap;

use comeback_audit::model::{Money, Value};
use fluent_bundle::FluentValue;

use crate::catalogue::{Texts, message_id};
use crate::harmless::harmless;
use crate::when;

/// A finding's values as a text takes them: in the reader's language and zone, and harmless. A word that the catalogue
/// has (`word-NAME-WORD`) is given as that text, another as it is: texts choose by it. Beside an amount of money stands
/// `NAME-sign`, `positive` or `negative`, and the amount itself has none.
pub fn of(texts: &Texts, values: &BTreeMap<String, Value>) -> Vec<(String, FluentValue<'static>)> {
    let mut all = Vec::with_capacity(values.len());
    for (name, value) in values {
        let value = match value {
            Value::Text(text) => harmless(text).into(),
            Value::Number(number) => (*number).into(),
            Value::Time(time) => when::both(texts, *time).into(),
            Value::Seconds(seconds) => when::length(texts, *seconds).into(),
            Value::Money(money) => {
                let sign = if money.micros < 0 { "negative" } else { "positive" };
                all.push((format!("{name}-sign"), sign.into()));
                let amount = Money {
                    micros: money.micros.saturating_abs(),
                    currency: money.currency.clone(),
                };
                texts.money(&amount).into()
            }
            Value::Word(word) => texts
                .find(&format!("word-{name}-{}", message_id(word)), &[])
                .unwrap_or_else(|| harmless(word))
                .into(),
        };
        all.push((name.clone(), value));
    }
    all
}
