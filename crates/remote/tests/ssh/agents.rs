//! Agents that say something else than they should.

use std::path::Path;
use std::sync::Mutex;

use comeback_remote::protocol::{Event, FailureKind, Stage};
use comeback_remote::{Conversion, Converter as _, RemoteError, SshConverter, Target};

use crate::server::{Server, payload};

const HELLO: &str = r#"echo '{"agent":"0.1.0","protocol":1}'"#;

async fn with(server: &Server, script: &str) -> SshConverter {
    let converter = server
        .converter(server.address, payload(server.folder.path(), script))
        .await;
    converter.push().await.unwrap();
    converter
}

fn conversion() -> Conversion {
    Conversion {
        device: "/dev/it's a disk".into(),
        target: Target::Nitro,
        saved: "/saved".into(),
        dry_run: false,
    }
}

#[tokio::test]
async fn what_an_agent_says_comes_as_it_says_it() {
    let Some(server) = Server::started() else { return };
    let script = format!(
        r#"{HELLO}; echo '{{"event":"stage","stage":"applying"}}'
        [ "$1 $2 $3 $4 $5 $6" = "convert /dev/it's a disk --target nitro --keep /saved" ] || exit 9
        echo '{{"event":"converted","applied":true,"resumed":false,"target":"nitro","saved":"/saved","set_aside":null,"changed":7}}'"#
    );
    let converter = with(&server, &script).await;
    let heard = Mutex::new(Vec::new());
    let done = converter
        .convert(&conversion(), &|event| heard.lock().unwrap().push(event.clone()))
        .await
        .unwrap();
    assert!(done.converted.applied && done.planned.is_none());
    assert_eq!(done.converted.changed, 7);
    let heard = heard.into_inner().unwrap();
    assert_eq!(heard[0], Event::Stage { stage: Stage::Applying });
    assert_eq!(heard.len(), 2);
}

#[tokio::test]
async fn a_failure_comes_with_its_kind() {
    let Some(server) = Server::started() else { return };
    let script = format!(
        r#"{HELLO}; echo '{{"event":"failed","kind":"in-use","message":"it is mounted","findings":null,"candidates":[]}}'; exit 3"#
    );
    let error = with(&server, &script)
        .await
        .convert(&conversion(), &|_| ())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("it is mounted"), "{error}");
    match error {
        RemoteError::Agent { failure, .. } => assert_eq!(failure.kind, FailureKind::InUse),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn an_agent_that_dies_says_nothing_or_is_another_one_is_an_error() {
    let Some(server) = Server::started() else { return };
    let cases = [
        (format!("{HELLO}; echo boom >&2; kill -9 $$"), "boom"),
        (format!("{HELLO}; exit 0"), "exit code 0"),
        (
            "echo '{\"agent\":\"9.0.0\",\"protocol\":2}'".to_owned(),
            "speaks protocol 2",
        ),
        ("echo nonsense; echo why >&2".to_owned(), "nonsense"),
        (
            format!("{HELLO}; echo '{{\"event\":\"disks\",\"disks\":[]}}'"),
            "answered something else",
        ),
    ];
    for (script, word) in cases {
        let error = with(&server, &script)
            .await
            .convert(&conversion(), &|_| ())
            .await
            .unwrap_err();
        assert!(error.to_string().contains(word), "{word:?} is not in: {error}");
    }
}

#[tokio::test]
async fn an_agent_that_was_not_sent_is_an_error_that_says_so() {
    let Some(server) = Server::started() else { return };
    let converter = server
        .converter(server.address, payload(server.folder.path(), "true"))
        .await;
    let error = converter.disks().await.unwrap_err().to_string();
    assert!(error.contains("send the agent first"), "{error}");
    let into = server.folder.path().join("back");
    let error = converter
        .bring_back(Path::new("/saved"), &into)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("send the agent first") && !into.exists(), "{error}");
}

#[tokio::test]
async fn a_file_that_was_changed_over_there_is_sent_again() {
    let Some(server) = Server::started() else { return };
    let converter = with(&server, "true").await;
    let names = ["comeback-agent", "comeback-boot/boot.img", "comeback-boot/core.img"];
    assert_eq!(converter.push().await.unwrap().kept, names);
    std::fs::write(server.there().join(names[2]), "something else").unwrap();
    let pushed = converter.push().await.unwrap();
    assert_eq!(
        (pushed.sent, pushed.kept),
        (
            vec![names[2].to_owned()],
            vec![names[0].to_owned(), names[1].to_owned()]
        )
    );
}
