//! What changed between two audits.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod example;

use comeback_audit::model::{Coverage, Finding, Level, Silenced, Unread, Value};
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
    let later = example::time("2018-01-10T12:00:00Z");
    new.instances[1].deadline.as_mut().unwrap().not_before = Some(later);
    new.instances[1].findings[0]
        .values
        .insert("not-before".to_owned(), Value::Time(later));
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
    assert_eq!(
        (told.moved[0].was, told.moved[0].is),
        (Some(example::time("2018-01-04T12:00:00Z")), Some(later))
    );
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

/// A reboot that AWS has scheduled. Some old events have no name.
fn reboot(event: Option<&str>, day: u8) -> Finding {
    let begins = example::time(&format!("2018-02-{day:02}T00:00:00Z"));
    let mut finding = example::finding(
        "event-system-reboot",
        Level::Critical,
        &[
            ("code", example::text("system-reboot")),
            ("not-before", Value::Time(begins)),
        ],
        &[],
    );
    if let Some(event) = event {
        finding.values.insert("event".to_owned(), example::text(event));
    }
    finding
}

/// One instance can have several events under one rule.
#[test]
fn each_event_of_an_instance_is_itself() {
    let with = |events: &[Finding]| {
        let mut audit = example::audit();
        audit.instances[0].findings = events.to_vec();
        audit
    };
    let (a, b) = ("instance-event-0a", "instance-event-0b");
    let old = with(&[reboot(Some(a), 1)]);
    // A second one is new, though the rule has seen one before.
    let both = with(&[reboot(Some(a), 1), reboot(Some(b), 3)]);
    let told = changes(&old, &both);
    assert_eq!(
        told.new.iter().map(|(_, finding)| *finding).collect::<Vec<_>>(),
        [&reboot(Some(b), 3)]
    );
    assert!(told.gone.is_empty() && told.moved.is_empty(), "{told:?}");
    // One goes, and the other did not move for that: it is only the next one now.
    let mut last = with(&[reboot(Some(b), 3)]);
    last.instances[0].deadline = last.instances[1].deadline.clone();
    let told = changes(&both, &last);
    assert_eq!(
        told.gone.iter().map(|(_, finding)| *finding).collect::<Vec<_>>(),
        [&reboot(Some(a), 1)]
    );
    assert!(told.new.is_empty() && told.moved.is_empty(), "{told:?}");
    // One is another's successor, at the same time.
    let successor = with(&[reboot(Some(b), 1)]);
    let told = changes(&old, &successor);
    assert_eq!((told.new.len(), told.gone.len(), told.moved.len()), (1, 1, 0));
    // The later one is put off, and their order stays.
    let moved = with(&[reboot(Some(a), 1), reboot(Some(b), 9)]);
    let told = changes(&both, &moved);
    assert_eq!(told.moved.len(), 1);
    assert_eq!(told.moved[0].finding, &reboot(Some(b), 9));
    let text = notify::difference_text(&both, &moved, &Options::new(Lang::En));
    assert!(
        text.contains("A reboot onto another host is scheduled: from Sat 3 February"),
        "{text}"
    );
    // Without names they are counted.
    let (one, two) = (with(&[reboot(None, 1)]), with(&[reboot(None, 1), reboot(None, 3)]));
    let told = changes(&one, &two);
    assert_eq!((told.new.len(), told.gone.len(), told.moved.len()), (1, 0, 0));
    // One of them is silenced, the other one is gone.
    let mut silent = with(&[]);
    silent.silenced.push(Silenced {
        finding: reboot(Some(b), 3),
        client: silent.instances[0].client.clone(),
        account: silent.instances[0].account.clone(),
        region: silent.instances[0].region.clone(),
        instance: silent.instances[0].id.clone(),
        name: None,
        reason: "known".to_owned(),
        until: jiff::civil::date(2018, 3, 1),
    });
    let told = changes(&both, &silent);
    assert_eq!(
        told.gone.iter().map(|(_, finding)| *finding).collect::<Vec<_>>(),
        [&reboot(Some(a), 1)]
    );
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
        denied: None,
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
