//! What changed between two audits.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod example;

use comeback_audit::model::{Coverage, Silenced, Unread};
use comeback_report::changes::changes;
use comeback_report::{Lang, Options, notify};

#[test]
fn nothing_changed_calls_nobody() {
    let audit = example::audit();
    assert!(changes(&audit, &audit).is_empty());
    assert_eq!(notify::difference(&audit, &audit, &Options::new(Lang::En)), None);
}

#[test]
fn what_is_new_gone_and_moved_is_told() {
    let old = example::audit();
    let mut new = example::audit();
    let gone = new.instances[1].findings.pop().unwrap();
    new.instances[1].deadline.as_mut().unwrap().not_before = Some(example::time("2018-01-10T12:00:00Z"));
    let mut fresh = example::subject(
        example::FIRST,
        "111122223333",
        "ap-northeast-1",
        "i-00000000000000001",
        "db",
    );
    fresh.findings = vec![gone.clone()];
    new.instances.push(fresh);
    let told = changes(&old, &new);
    assert_eq!(told.new.len(), 1);
    assert_eq!(told.new[0].0.id.as_str(), "i-00000000000000001");
    assert_eq!(told.gone.len(), 1);
    assert_eq!(told.gone[0].1, &gone);
    assert_eq!(told.moved.len(), 1);
    assert!(told.unread.is_empty() && told.read_again.is_empty());
    let message = notify::difference(&old, &new, &Options::new(Lang::Ja)).unwrap();
    assert!(
        message["text"]
            .as_str()
            .unwrap()
            .contains("2018年1月10日(水) 21:00 JST"),
        "{message}"
    );
    // The other client is not told of it.
    let mut options = Options::new(Lang::En);
    options.client = Some(example::SECOND.to_owned());
    assert_eq!(notify::difference(&old, &new, &options), None);
}

#[test]
fn what_was_not_looked_for_is_not_gone() {
    let old = example::audit();
    let mut new = example::audit();
    new.instances.retain(|subject| subject.region.as_str() != "us-east-1");
    assert_eq!(changes(&old, &new).gone.len(), 4);
    new.ledger.entries[5].coverage = Coverage::Unread {
        why: Unread::Throttled,
        detail: String::new(),
    };
    let told = changes(&old, &new);
    assert_eq!(told.gone, []);
    assert_eq!(told.unread, [&new.ledger.entries[5]]);
    let back = changes(&new, &old);
    assert_eq!(back.read_again, [&old.ledger.entries[5]]);
    // An account that was left out of this audit was not looked for either.
    new.ledger.entries.remove(5);
    assert_eq!(changes(&old, &new).gone, []);
}

#[test]
fn what_is_silenced_is_not_gone() {
    let old = example::audit();
    let mut new = example::audit();
    let subject = new.instances.pop().unwrap();
    new.silenced.push(Silenced {
        client: subject.client,
        account: subject.account,
        region: subject.region,
        instance: subject.id,
        name: subject.name,
        finding: subject.findings[0].clone(),
        reason: "known".to_owned(),
        until: jiff::civil::date(2018, 3, 1),
    });
    assert_eq!(changes(&old, &new).gone, []);
}

#[test]
fn a_message_stays_within_the_limits_of_a_chat() {
    let mut audit = example::audit();
    let one = audit.instances[0].clone();
    for _ in 0..500 {
        audit.instances.push(one.clone());
    }
    let message = notify::summary(&audit, &Options::new(Lang::En));
    let blocks = message["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    for block in blocks {
        assert!(block["text"]["text"].as_str().unwrap().chars().count() <= 3000);
    }
    assert!(message["text"].as_str().unwrap().contains("more"));
}
