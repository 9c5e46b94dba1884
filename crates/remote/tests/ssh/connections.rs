//! Connecting, and commands.

use std::time::{Duration, Instant};

use comeback_remote::{KeyPair, Limits, RemoteError, Session};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::server::{Server, limits};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_command_has_input_output_errors_and_an_exit_code() {
    let Some(server) = Server::started() else { return };
    let session = Session::connect(&server.login(), &limits()).await.unwrap();
    let mut out = Vec::new();
    let command = "tr a-z A-Z; echo why >&2; exit 7";
    let input = vec![b'x'; 5 << 20];
    let ended = session
        .run("shouting", command, &input, 60 * SECOND, &mut |bytes| {
            out.extend_from_slice(bytes)
        })
        .await
        .unwrap();
    assert_eq!((ended.code, ended.stderr.as_str()), (7, "why"));
    assert!(out == vec![b'X'; 5 << 20], "{} bytes came back", out.len());
    // One that does not listen.
    let ended = session
        .run("not listening", "exit 3", &input, 60 * SECOND, &mut |_| ())
        .await
        .unwrap();
    assert_eq!(ended.code, 3);
    let killed = session
        .run("dying", "kill -9 $$", &[], 60 * SECOND, &mut |_| ())
        .await
        .unwrap();
    assert!(killed.code >= 128, "{killed:?}");
    session.close().await;
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_not_waited_for() {
    let Some(server) = Server::started() else { return };
    let session = Session::connect(&server.login(), &limits()).await.unwrap();
    let error = session
        .run("sleeping", "sleep 600", &[], SECOND, &mut |_| ())
        .await
        .unwrap_err();
    assert!(
        matches!(error, RemoteError::TimedOut { .. }) && error.is_connection(),
        "{error}"
    );
    assert!(error.to_string().contains("sleeping took longer than 1.0 s"), "{error}");
}

#[tokio::test]
async fn another_host_key_is_an_error_at_once_that_names_both() {
    let Some(server) = Server::started() else { return };
    Session::connect(&server.login(), &limits()).await.unwrap();
    let started = Instant::now();
    let expected = KeyPair::generate().unwrap();
    let mut login = server.login();
    login.host_key = expected.public();
    let error = Session::connect(&login, &limits()).await.unwrap_err();
    assert!(matches!(error, RemoteError::HostKey { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains(&expected.fingerprint()) && text.contains(&server.host.fingerprint()),
        "{text}"
    );
    assert!(!error.is_connection());
    assert!(started.elapsed() < limits().connect / 2, "it was tried again");
}

#[tokio::test]
async fn host_keys_of_other_kinds_only_are_an_error_at_once() {
    let Some(mut server) = Server::prepared() else { return };
    server.replace_host_key("ecdsa");
    let connecting = server.login();
    server.start();
    let started = Instant::now();
    let error = Session::connect(&connecting, &limits()).await.unwrap_err();
    assert!(matches!(error, RemoteError::HostKey { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("ecdsa-sha2-nistp256") && text.contains(&server.host.fingerprint()),
        "{text}"
    );
    assert!(started.elapsed() < limits().connect / 2, "it was tried again");
}

#[tokio::test]
async fn a_machine_that_is_still_starting_is_waited_for() {
    let Some(mut server) = Server::prepared() else { return };
    let login = server.login();
    let connecting = tokio::spawn(async move { Session::connect(&login, &limits()).await.map(drop) });
    sleep(SECOND).await;
    assert!(!connecting.is_finished());
    server.start();
    connecting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_key_that_is_not_known_yet_is_tried_again_for_a_while() {
    let Some(server) = Server::started() else { return };
    server.let_in(&KeyPair::generate().unwrap());
    let error = Session::connect(&server.login(), &limits()).await.unwrap_err();
    assert!(matches!(error, RemoteError::Refused { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("root") && text.contains(&server.user.fingerprint()),
        "{text}"
    );

    let login = server.login();
    let patient = Limits {
        refused: 20 * SECOND,
        ..limits()
    };
    let connecting = tokio::spawn(async move { Session::connect(&login, &patient).await.map(drop) });
    sleep(SECOND).await;
    assert!(!connecting.is_finished());
    server.let_in(&server.user);
    connecting.await.unwrap().unwrap();
}

#[tokio::test]
async fn nobody_and_somebody_who_says_nothing_are_waited_for_until_the_deadline() {
    let Some(server) = Server::prepared() else { return };
    let short = Limits {
        connect: 2 * SECOND,
        attempt: SECOND,
        ..limits()
    };
    let error = Session::connect(&server.login(), &short).await.unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, RemoteError::Unreachable { .. }) && error.is_connection(),
        "{text}"
    );
    assert!(
        text.contains("refused") && text.contains(&format!("TCP port {}", server.address.port())),
        "{text}"
    );

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let started = Instant::now();
    let login = server.login_by(silent.local_addr().unwrap());
    let error = Session::connect(&login, &short).await.unwrap_err();
    assert!(error.to_string().contains("no answer within 1 s"), "{error}");
    assert!(started.elapsed() < 10 * SECOND);
}
