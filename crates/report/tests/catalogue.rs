//! The catalogue is complete: every text is used, every rule has its texts, and none falls apart where a value is missing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use comeback_audit::model::{Money, Value};
use comeback_audit::rules;
use comeback_report::catalogue::Texts;
use comeback_report::{Lang, Options, findings, values};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, all: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else {
            all.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_text_is_used() {
    let mut all = String::new();
    sources(&root().join("src"), &mut all);
    sources(&root().join("templates"), &mut all);
    let texts = Texts::new(&Options::new(Lang::En));
    for id in texts.variables().keys() {
        // The rules' texts are asked for by the rule's id, their words by a finding's value.
        if id.starts_with("rule-") || id.starts_with("word-") {
            continue;
        }
        assert!(all.contains(&format!("\"{id}\"")), "{id} is used nowhere");
    }
}

#[test]
fn every_rule_has_its_texts_and_there_is_no_other() {
    for lang in Lang::ALL {
        let texts = Texts::new(&Options::new(lang));
        let mut expected = BTreeSet::new();
        let messages = rules::all().iter().map(|rule| findings::message(rule.id));
        for message in messages.chain(["rule-unknown".to_owned()]) {
            for attribute in ["", ".finding", ".meaning", ".remedy"] {
                expected.insert(format!("{message}{attribute}"));
            }
        }
        let there: BTreeSet<_> = texts
            .variables()
            .keys()
            .filter(|id| id.starts_with("rule-"))
            .cloned()
            .collect();
        assert_eq!(there, expected, "{lang:?}");
    }
}

#[test]
fn texts_read_well_with_all_values_and_with_none() {
    for lang in Lang::ALL {
        let texts = Texts::new(&Options::new(lang));
        for (id, names) in texts.variables() {
            if !id.starts_with("rule-") {
                continue;
            }
            let mut values = BTreeMap::new();
            for name in names {
                let value = match name.as_str() {
                    "saving" | "cost" => Value::Money(Money {
                        micros: 1_500_000,
                        currency: "USD".to_owned(),
                    }),
                    "uptime" | "down" => Value::Seconds(864_000),
                    _ => Value::Text("VALUE".to_owned()),
                };
                values.insert(name.clone(), value);
            }
            for values in [values, BTreeMap::new()] {
                let owned = values::of(&texts, &values);
                let values: Vec<_> = owned
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.clone()))
                    .collect();
                let text = texts.with(id, &values);
                let odd = ["{", "}", "  ", " .", " ,", " ;", "..", "\n", "()", "\u{ff08}\u{ff09}"];
                for odd in odd {
                    assert!(!text.contains(odd), "{lang:?} {id}: \"{odd}\" in \"{text}\"");
                }
                assert!(!text.is_empty() && text == text.trim(), "{id}: \"{text}\"");
                assert!(owned.is_empty() || !text.contains("missing"), "{id}: {text}");
            }
        }
    }
}

/// A value that a rule always has may stand in a text without a variant for its absence; one that may be missing may not.
#[test]
fn what_may_be_missing_has_a_text_without() {
    let may_be_missing = [
        "since",
        "down",
        "cost",
        "not-before",
        "not-after",
        "movable-until",
        "name",
        "version",
        "confidence",
        "target",
        "saving",
        "addresses",
        "launched",
        "uptime",
    ];
    for lang in Lang::ALL {
        let texts = Texts::new(&Options::new(lang));
        for (id, names) in texts.variables().iter().filter(|(id, _)| id.starts_with("rule-")) {
            let always: BTreeMap<_, _> = names
                .iter()
                .filter(|name| !may_be_missing.contains(&name.as_str()))
                .map(|name| (name.clone(), Value::Text("VALUE".to_owned())))
                .collect();
            let owned = values::of(&texts, &always);
            let values: Vec<_> = owned
                .iter()
                .map(|(name, value)| (name.as_str(), value.clone()))
                .collect();
            let text = texts.with(id, &values);
            assert!(!text.contains("missing"), "{lang:?} {id}: {text}");
        }
    }
}

#[test]
fn the_documentation_of_findings_is_fresh() {
    let path = root().join("../../docs/findings.md");
    let page = findings::documentation();
    if std::env::var_os("COMEBACK_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &page).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == page,
        "docs/findings.md is stale: COMEBACK_BLESS=1 writes it anew"
    );
}
