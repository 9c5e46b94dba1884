//! Connections that break, and machines that hang.

use std::fs;
use std::time::{Duration, Instant};

use comeback_remote::{Converter as _, Payload, RemoteError};
use tokio::time::timeout;

use crate::proxy::{Fault, Proxy};
use crate::server::{Server, limits, payload_of};

/// A payload that takes some time.
fn large(server: &Server) -> Payload {
    let agent = server.folder.path().join("large");
    let bytes: Vec<u8> = (0..4_000_000_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    fs::write(&agent, bytes).unwrap();
    payload_of(server.folder.path(), &agent)
}

#[tokio::test]
async fn a_connection_that_is_cut_in_the_middle_of_a_file_leaves_none_and_is_made_again() {
    let Some(server) = Server::started() else { return };
    let proxy = Proxy::to(server.address, Fault::Cut).await;
    let converter = server.converter(proxy.address, large(&server)).await;
    let agent = server.there().join("comeback-agent");
    for allowed in [1_000, 500_000, 3_900_000] {
        proxy.allow(allowed);
        let error = converter.push().await.unwrap_err();
        assert!(
            matches!(error, RemoteError::Cut { .. }) && error.is_connection(),
            "{error}"
        );
        assert!(!agent.exists(), "half a file has the name of a whole one");
        proxy.allow(u64::MAX);
    }
    let pushed = converter.push().await.unwrap();
    assert_eq!(
        pushed.sent,
        ["comeback-agent", "comeback-boot/boot.img", "comeback-boot/core.img"]
    );
    assert_eq!(fs::metadata(agent).unwrap().len(), 4_000_000);
}

#[tokio::test]
async fn a_machine_that_hangs_is_not_waited_for() {
    let Some(server) = Server::started() else { return };
    let proxy = Proxy::to(server.address, Fault::Hang).await;
    let converter = server.converter(proxy.address, large(&server)).await;
    proxy.allow(500_000);
    let started = Instant::now();
    let error = converter.push().await.unwrap_err();
    assert!(error.is_connection(), "{error}");
    // Three signs of life that do not come, long before the limit of a transfer.
    assert!(started.elapsed() < limits().transfer / 2, "{:?}", started.elapsed());
    proxy.allow(u64::MAX);
    converter.push().await.unwrap();
}

#[tokio::test]
async fn a_call_that_is_given_up_does_not_spoil_the_next() {
    let Some(server) = Server::started() else { return };
    let proxy = Proxy::to(server.address, Fault::Hang).await;
    let converter = server.converter(proxy.address, large(&server)).await;
    proxy.allow(500_000);
    timeout(Duration::from_millis(300), converter.push()).await.unwrap_err();
    proxy.allow(u64::MAX);
    let started = Instant::now();
    converter.push().await.unwrap();
    assert!(started.elapsed() < limits().command / 2, "the old connection was used");
}
