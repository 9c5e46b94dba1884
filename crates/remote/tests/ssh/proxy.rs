//! A bad way to another machine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What happens when the bytes that may pass have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed.
    Cut,
    /// Nothing passes any more, in either direction, and nobody is told.
    Hang,
}

/// Passes connections on.
#[derive(Debug)]
pub struct Proxy {
    pub address: SocketAddr,
    left: Arc<AtomicU64>,
}

impl Proxy {
    pub async fn to(server: SocketAddr, fault: Fault) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let left = Arc::new(AtomicU64::new(u64::MAX));
        let budget = Arc::clone(&left);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server, Arc::clone(&budget), fault));
            }
        });
        Proxy { address, left }
    }

    /// From now on, so many bytes may pass from the client to the server.
    pub fn allow(&self, bytes: u64) {
        self.left.store(bytes, Ordering::SeqCst);
    }
}

async fn pass(client: TcpStream, server: SocketAddr, left: Arc<AtomicU64>, fault: Fault) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = Arc::clone(&left);
    let answers = tokio::spawn(async move {
        let mut bytes = [0; 4096];
        while let Ok(len @ 1..) = from_server.read(&mut bytes).await {
            if back.load(Ordering::SeqCst) == 0 {
                std::future::pending::<()>().await;
            }
            if to_client.write_all(&bytes[..len]).await.is_err() {
                break;
            }
        }
    });
    let mut bytes = [0; 4096];
    while let Ok(len @ 1..) = from_client.read(&mut bytes).await {
        let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| match left {
            u64::MAX => None,
            left => Some(left.saturating_sub(len as u64)),
        });
        if before.is_ok_and(|before| before < len as u64) {
            match fault {
                Fault::Cut => answers.abort(),
                Fault::Hang => std::future::pending::<()>().await,
            }
            return;
        }
        if to_server.write_all(&bytes[..len]).await.is_err() {
            break;
        }
    }
    answers.abort();
}
