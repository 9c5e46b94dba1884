//! A type that AWS no longer calls current, with what takes its place.

use super::{Rule, text};
use crate::facts::{Facts, seen};
use crate::model::{Finding, Level, Money, Value};

pub(super) const RULE: Rule = Rule {
    id: "previous-generation",
    level: Level::Low,
    values: &[
        ("type", "text: its type"),
        (
            "target?",
            "text: the cheapest type that is as large and takes it as it is",
        ),
        (
            "saving?",
            "money: what the target costs less in a month, on the price list; negative if it costs more",
        ),
    ],
    link: "https://aws.amazon.com/ec2/previous-generation/",
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let Some(kind) = facts.kind.as_ref().filter(|kind| !kind.current_generation) else {
        return Vec::new();
    };
    let successor = facts.successor.as_ref();
    let saving = successor
        .and_then(|successor| successor.monthly_difference.as_ref())
        .map(|difference| Money {
            micros: difference.micros.saturating_neg(),
            currency: difference.currency.clone(),
        });
    vec![
        RULE.finding(RULE.level)
            .with("type", text(&kind.name))
            .maybe("target", successor.map(|successor| text(&successor.instance_type)))
            .maybe("saving", saving.map(Value::Money))
            .because(seen(
                "DescribeInstanceTypes",
                "CurrentGeneration",
                kind.current_generation,
            )),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{nitro, of, old};

    #[test]
    fn an_old_type_is_told_with_what_another_saves() {
        let finding = of(RULE, &old()).remove(0);
        assert_eq!(finding.values["target"], text("t2.medium"));
        let saving = Money {
            micros: 25_696_000,
            currency: "USD".to_owned(),
        };
        assert_eq!(finding.values["saving"], Value::Money(saving));
    }

    #[test]
    fn without_a_price_or_a_target_nothing_is_made_up() {
        let mut facts = old();
        facts.successor = None;
        let names: Vec<_> = of(RULE, &facts).remove(0).values.into_keys().collect();
        assert_eq!(names, ["type"]);
        facts.kind = None;
        assert_eq!(of(RULE, &facts), [], "the type was not read");
        assert_eq!(of(RULE, &nitro()), []);
    }
}
