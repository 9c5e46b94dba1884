//! What somebody does not want to see, why, and until when.

use comeback_cloud::ids::AccountId;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::facts::Facts;
use crate::model::Finding;
use crate::rules;

/// Findings that are not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// The rule; nothing means every rule.
    pub rule: Option<String>,
    /// A pattern for the instance's id.
    pub instance: Option<String>,
    /// A tag of the instance or its account, and a pattern for its value.
    pub tag: Option<(String, String)>,
    /// A pattern for the account's number, or for its client.
    pub account: Option<String>,
    /// Why.
    pub reason: String,
    /// The last day on which it holds, in UTC.
    pub until: Date,
}

/// All of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Silences(Vec<Silence>);

/// A file of silences that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// It is not what is expected.
    #[error(
        "{0}; expected is a list of [[silence]] with `rule`, `instance`, `tag` or `account`, and `reason` and `until`"
    )]
    Malformed(String),
    /// An entry of it cannot be followed.
    #[error("[[silence]] number {number}: {why}")]
    Entry {
        /// Counted from 1.
        number: usize,
        /// What is wrong.
        why: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    silence: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    rule: Option<String>,
    instance: Option<String>,
    tag: Option<String>,
    account: Option<String>,
    reason: Option<String>,
    until: Option<toml::Value>,
}

impl Silences {
    /// Reads a file.
    ///
    /// # Errors
    /// Says which entry is wrong, and how: a reason and an end are compulsory, and so is something that it is about.
    pub fn parse(text: &str) -> Result<Self, SilenceError> {
        let file: File = toml::from_str(text).map_err(|error| SilenceError::Malformed(error.message().to_owned()))?;
        let entries = file.silence.into_iter().enumerate();
        let silences: Result<Vec<Silence>, _> = entries
            .map(|(index, entry)| {
                entry
                    .silence()
                    .map_err(|why| SilenceError::Entry { number: index + 1, why })
            })
            .collect();
        silences.map(Self)
    }

    /// Whether a tag of instances has to be known.
    pub fn wants_tag(&self, key: &str) -> bool {
        self.0
            .iter()
            .any(|silence| silence.tag.as_ref().is_some_and(|(wanted, _)| wanted == key))
    }

    /// Those that no longer hold.
    pub fn expired(&self, now: Timestamp) -> impl Iterator<Item = &Silence> {
        self.0.iter().filter(move |silence| !silence.holds(now))
    }

    /// The first that silences a finding.
    pub fn of(&self, facts: &Facts, finding: &Finding) -> Option<&Silence> {
        let mut all = self.0.iter();
        all.find(|silence| silence.holds(facts.now) && silence.is_about(facts, finding))
    }
}

impl Silence {
    fn holds(&self, now: Timestamp) -> bool {
        now.to_zoned(TimeZone::UTC).date() <= self.until
    }

    fn is_about(&self, facts: &Facts, finding: &Finding) -> bool {
        let account: &AccountId = &facts.place.account;
        let all = |pattern: &Option<String>, fits: &dyn Fn(&str) -> bool| pattern.as_deref().is_none_or(fits);
        all(&self.rule, &|rule| rule == finding.rule)
            && all(&self.instance, &|pattern| fits(pattern, facts.machine.id.as_str()))
            && all(&self.account, &|pattern| {
                fits(pattern, account.as_str())
                    || facts
                        .place
                        .client
                        .as_deref()
                        .is_some_and(|client| fits(pattern, client))
            })
            && self.tag.as_ref().is_none_or(|(key, pattern)| {
                let values = [facts.machine.tags.get(key), facts.place.tags.get(key)];
                values.into_iter().flatten().any(|value| fits(pattern, value))
            })
    }

    /// What it is about, for a person.
    pub fn subject(&self) -> String {
        let tag = self.tag.as_ref().map(|(key, pattern)| format!("{key}={pattern}"));
        let parts = [
            ("rule", &self.rule),
            ("instance", &self.instance),
            ("tag", &tag),
            ("account", &self.account),
        ];
        let said = parts
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)));
        said.collect::<Vec<_>>().join(", ")
    }
}

impl Entry {
    fn silence(self) -> Result<Silence, String> {
        if let Some(rule) = &self.rule
            && !rules::all().iter().any(|known| known.id == *rule)
        {
            return Err(format!("there is no rule {rule}"));
        }
        if self.rule.is_none() && self.instance.is_none() && self.tag.is_none() && self.account.is_none() {
            return Err("it is about nothing: it needs `rule`, `instance`, `tag` or `account`".to_owned());
        }
        let tag = match &self.tag {
            None => None,
            Some(text) => {
                let (key, pattern) = text
                    .split_once('=')
                    .ok_or_else(|| format!("the tag {text} is not of the form Key=pattern"))?;
                Some((key.to_owned(), pattern.to_owned()))
            }
        };
        let reason = self.reason.filter(|reason| !reason.trim().is_empty());
        let until = self.until.ok_or("it needs `until`: the last day on which it holds")?;
        // With quotes or without: a date of TOML's own.
        let until = until.as_str().map_or_else(|| until.to_string(), str::to_owned);
        Ok(Silence {
            rule: self.rule,
            instance: self.instance,
            tag,
            account: self.account,
            reason: reason.ok_or("it needs a `reason`")?,
            until: until
                .parse()
                .map_err(|_| format!("{until} is no day; expected is such as 2027-03-31"))?,
        })
    }
}

/// Whether a text fits a pattern, in which `*` is any text.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        // The first place where a part fits leaves the most to those after it.
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::rules::testing::{old, pv};

    fn silenced(entry: &str) -> Vec<String> {
        let text = format!("[[silence]]\n{entry}\nreason = \"known\"\nuntil = 2026-12-31\n");
        let silences = Silences::parse(&text).unwrap();
        let facts = old();
        let all = rules::check(&facts);
        let gone = all.iter().filter(|finding| silences.of(&facts, finding).is_some());
        gone.map(|finding| finding.rule.clone()).collect()
    }

    #[test]
    fn what_it_is_about_is_silenced() {
        assert_eq!(silenced("rule = \"pv-grub-1.03\""), ["pv-grub-1.03"]);
        let all = ["pv-grub-1.03", "previous-generation"];
        for entry in [
            "instance = \"i-0123456789abcdef0\"",
            "instance = \"i-01*\"",
            "tag = \"Name=sh*\"",
            "account = \"111122223333\"",
            "account = \"Saku*\"",
        ] {
            assert_eq!(silenced(entry), all, "{entry}");
        }
        for entry in [
            "instance = \"i-02*\"",
            "tag = \"Owner=*\"",
            "account = \"4*\"",
            "rule = \"already-dead\"",
            "rule = \"pv-grub-1.03\"\ninstance = \"i-02*\"",
        ] {
            assert_eq!(silenced(entry), [""; 0], "{entry}");
        }
    }

    #[test]
    fn it_holds_to_the_end_of_its_last_day() {
        let silences =
            Silences::parse("[[silence]]\nrule = \"pv-grub-1.03\"\nreason = \"known\"\nuntil = \"2026-11-24\"")
                .unwrap();
        let mut facts = old();
        let finding = rules::check(&facts).remove(0);
        for (now, holds) in [("2026-11-24T23:59:59Z", true), ("2026-11-25T00:00:00Z", false)] {
            facts.now = now.parse().unwrap();
            assert_eq!(silences.of(&facts, &finding).is_some(), holds, "{now}");
            assert_eq!(silences.expired(facts.now).count(), usize::from(!holds), "{now}");
        }
        assert_eq!(silences.0[0].subject(), "rule pv-grub-1.03");
    }

    #[test]
    fn tags_of_the_account_count_too() {
        let silences =
            Silences::parse("[[silence]]\ntag = \"Contract=none\"\nreason = \"not ours\"\nuntil = 2026-12-31").unwrap();
        assert!(silences.wants_tag("Contract") && !silences.wants_tag("Owner"));
        let mut facts = pv("aki-44992845");
        let finding = rules::check(&facts).remove(0);
        assert!(silences.of(&facts, &finding).is_none());
        let mut place = (*facts.place).clone();
        place.tags.insert("Contract".to_owned(), "none".to_owned());
        facts.place = place.into();
        assert!(silences.of(&facts, &finding).is_some());
    }

    #[test]
    fn reason_end_and_subject_are_compulsory() {
        let wrong = |entry: &str| {
            Silences::parse(&format!("[[silence]]\n{entry}"))
                .unwrap_err()
                .to_string()
        };
        assert!(wrong("rule = \"long-uptime\"\nuntil = 2027-01-01").contains("`reason`"));
        assert!(wrong("rule = \"long-uptime\"\nuntil = 2027-01-01\nreason = \" \"").contains("`reason`"));
        assert!(wrong("rule = \"long-uptime\"\nreason = \"x\"").contains("`until`"));
        assert!(wrong("rule = \"long-uptime\"\nreason = \"x\"\nuntil = \"soon\"").contains("soon"));
        assert!(wrong("reason = \"x\"\nuntil = 2027-01-01").contains("about nothing"));
        assert!(wrong("rule = \"nonsense\"\nreason = \"x\"\nuntil = 2027-01-01").contains("no rule nonsense"));
        assert!(wrong("tag = \"Owner\"\nreason = \"x\"\nuntil = 2027-01-01").contains("Key=pattern"));
    }

    #[test]
    fn patterns_fit_or_do_not() {
        for (pattern, text) in [
            ("*", ""),
            ("a*", "a"),
            ("*b", "ab"),
            ("a*c*e", "abcde"),
            ("a**b", "ab"),
            ("", ""),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("a", "ab"),
            ("a*b", "a"),
            ("a*c*e", "abde"),
            ("ab*ba", "aba"),
            ("*x*", "abc"),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }
}
