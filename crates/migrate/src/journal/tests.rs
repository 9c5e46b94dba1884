#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use serde_json::json;

fn head(name: &str) -> Head {
    Head {
        id: RunId::from_journal(name.to_owned()),
        created: "2017-12-29T03:04:05Z".parse().unwrap(),
        account: "111122223333".to_owned(),
        region: "ap-northeast-1".to_owned(),
        instance: "i-0123456789abcdef0".to_owned(),
    }
}

fn journal() -> (tempfile::TempDir, Journal) {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(&folder.path().join("state/journal.db")).unwrap();
    (folder, journal)
}

#[tokio::test]
async fn what_was_written_is_read() {
    let (_folder, journal) = journal();
    let run = head("20171229-abcde");
    journal.begin(&run, &json!({"plan": 1})).await.unwrap();
    let entries = [
        Entry::about(Kind::Intent, "stop/source", serde_json::Value::Null),
        Entry::about(Kind::Done, "stop/source", json!({"was": "running"})),
        Entry::about(Kind::Intent, "host/launch", serde_json::Value::Null),
        Entry::about(Kind::Failed, "host/launch", json!("no capacity")),
        Entry::state(State::RollingBack),
        Entry::about(Kind::UndoIntent, "stop/source", serde_json::Value::Null),
        Entry::about(Kind::Undone, "stop/source", serde_json::Value::Null),
    ];
    for entry in &entries {
        journal.append(&run.id, entry.clone()).await.unwrap();
    }
    // Another process sees the same.
    let other = Journal::open(journal.path()).unwrap();
    assert_eq!(other.runs().unwrap(), std::slice::from_ref(&run));
    assert_eq!(other.plan(&run.id).unwrap(), json!({"plan": 1}));
    let rows: Vec<_> = other.rows(&run.id).unwrap().into_iter().map(|row| row.entry).collect();
    assert_eq!(rows, entries);
    let record = other.record(&run.id).unwrap();
    assert_eq!(record.state, State::RollingBack);
    assert_eq!(record.progress("stop/source"), Some(&Progress::Undone));
    assert_eq!(
        record.progress("host/launch"),
        Some(&Progress::Failed("no capacity".to_owned()))
    );
    assert_eq!(record.outputs["stop/source"], json!({"was": "running"}));
    assert_eq!(record.progress("never"), None);
}

#[tokio::test]
async fn many_at_once_are_all_written() {
    let (_folder, journal) = journal();
    let run = head("20171229-abcde");
    journal.begin(&run, &json!(null)).await.unwrap();
    let writes = (0..500).map(|number| {
        let (journal, run) = (journal.clone(), run.id.clone());
        tokio::spawn(async move { journal.append(&run, Entry::about(Kind::Note, "n", json!(number))).await })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.unwrap().unwrap();
    }
    let mut numbers: Vec<_> = journal
        .rows(&run.id)
        .unwrap()
        .iter()
        .map(|row| row.entry.data.as_i64().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..500).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_bad_row_does_not_take_others_with_it() {
    let (_folder, journal) = journal();
    let run = head("20171229-abcde");
    journal.begin(&run, &json!(null)).await.unwrap();
    let nobody = RunId::from_journal("nobody".to_owned());
    let (good, bad) = tokio::join!(
        journal.append(&run.id, Entry::state(State::Complete)),
        journal.append(&nobody, Entry::state(State::Complete)),
    );
    good.unwrap();
    let error = bad.unwrap_err().to_string();
    assert!(error.contains("journal.db") && error.contains("FOREIGN KEY"), "{error}");
    assert_eq!(journal.record(&run.id).unwrap().state, State::Complete);
    // The same run cannot begin twice.
    journal.begin(&run, &json!(null)).await.unwrap_err();
}

#[tokio::test]
async fn runs_are_found_by_the_beginning_of_their_name() {
    let (_folder, journal) = journal();
    for name in ["20171229-abcde", "20171229-abxyz", "20171230-abcde", "2017"] {
        journal.begin(&head(name), &json!(null)).await.unwrap();
    }
    assert_eq!(journal.find("20171230").unwrap().id.as_str(), "20171230-abcde");
    assert_eq!(journal.find("2017").unwrap().id.as_str(), "2017");
    let several = journal.find("20171229-ab").unwrap_err().to_string();
    assert!(several.contains("20171229-abcde, 20171229-abxyz"), "{several}");
    for unknown in ["20180101", ""] {
        let error = journal.find(unknown).unwrap_err().to_string();
        assert!(error.contains("comeback runs"), "{error}");
    }
}

#[test]
fn a_journal_of_later_is_left_alone() {
    let (_folder, journal) = journal();
    let path = journal.path().to_owned();
    drop(journal);
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    let error = Journal::open(&path).unwrap_err().to_string();
    assert!(error.contains("version 99"), "{error}");
}

#[test]
fn rubbish_is_no_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    std::fs::write(&path, "this is not a database, and longer than its header".repeat(100)).unwrap();
    let error = Journal::open(&path).unwrap_err().to_string();
    assert!(error.contains("journal.db"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap().len(), 5000, "it was written to");
}

#[test]
fn the_folder_is_the_users_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, journal) = journal();
    let mode = journal
        .path()
        .parent()
        .unwrap()
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn names_of_runs() {
    let day = jiff::civil::date(2018, 1, 4);
    let (one, other) = (RunId::new(day), RunId::new(day));
    assert!(
        one.as_str().starts_with("20180104-") && one.as_str().len() == 14,
        "{one}"
    );
    assert_ne!(one, other);
    for state in State::ALL {
        assert_eq!(State::parse(state.name()), Some(state));
    }
    for kind in Kind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), json!(kind.name()));
    }
}
