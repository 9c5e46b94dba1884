//! HTTP on a loopback address.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::LabError;
use crate::reply::Reply;
use crate::service::{Request, Service};

/// The largest request, in bytes.
const LARGEST: usize = 8 << 20;
/// How often changes are saved.
const SAVED: Duration = Duration::from_millis(200);

/// A lab that is being served. It ends when this is dropped.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    service: Arc<Service>,
    runtime: Option<Runtime>,
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer was lost, as the lab was told")]
struct Lost;

impl Serving {
    pub(crate) fn start(service: Arc<Service>, port: u16) -> Result<Self, LabError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("lab")
            .enable_all()
            .build()
            .map_err(LabError::Threads)?;
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let failed = |source| LabError::Listen {
            address: wanted,
            source,
        };
        // Not through the runtime: whoever serves a lab may be inside a runtime of their own.
        let listener = std::net::TcpListener::bind(wanted).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener).map_err(failed)?
        };
        runtime.spawn(accept(listener, Arc::clone(&service)));
        let saver = Arc::clone(&service);
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(SAVED).await;
                let service = Arc::clone(&saver);
                let saved = tokio::task::spawn_blocking(move || {
                    // Time passes also when nobody asks.
                    service.each_region(|_, _| ());
                    service.save()
                });
                if let Ok(Err(error)) = saved.await {
                    crate::log(format_args!("{error}"));
                }
            }
        });
        Ok(Self {
            address,
            service,
            runtime: Some(runtime),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `AWS_ENDPOINT_URL` is to be.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until it is told to end (`/lab/down`, SIGTERM or SIGINT).
    pub fn wait(&self) {
        let Some(runtime) = &self.runtime else { return };
        runtime.block_on(async {
            let terminated = async {
                match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
                    Ok(mut signal) => {
                        signal.recv().await;
                    }
                    Err(_) => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.service.ending.notified() => {
                    // The one who asked gets an answer first.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                () = terminated => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        });
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // It may be dropped where nothing may block.
            runtime.shutdown_background();
        }
        if let Err(error) = self.service.save() {
            crate::log(format_args!("{error}"));
        }
    }
}

async fn accept(listener: TcpListener, service: Arc<Service>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, Arc::clone(&service)));
            }
            Err(error) => {
                // Too many open files, most likely: it passes.
                crate::log(format_args!("accepting a connection: {error}"));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, service: Arc<Service>) {
    let respond = service_fn(move |request| respond(Arc::clone(&service), request));
    // Clients come and go; a connection that ends early is nothing to tell.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), respond)
        .await;
}

async fn respond(
    service: Arc<Service>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, Lost> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LARGEST).collect().await else {
        return Ok(plain(413, "the request is too large, or was cut off"));
    };
    let request = Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: body.to_bytes().to_vec(),
    };
    // Copying disks takes time: not in the threads that read requests.
    let answer = tokio::task::spawn_blocking(move || {
        if request.path.starts_with("/lab/") {
            service.control(&request)
        } else {
            service.answer(&request)
        }
    });
    let Ok(reply) = answer.await else {
        return Ok(plain(500, "the lab failed while it answered; its log says how"));
    };
    let Reply {
        status,
        content_type,
        body,
        delay,
        lost,
    } = reply;
    if delay > Duration::ZERO {
        tokio::time::sleep(delay).await;
    }
    if lost {
        return Err(Lost);
    }
    let response = hyper::Response::builder()
        .status(status)
        .header("content-type", content_type)
        .body(Full::new(Bytes::from(body)));
    Ok(response.unwrap_or_else(|error| plain(500, &error.to_string())))
}

fn plain(status: u16, text: &str) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::new(Full::new(Bytes::from(text.to_owned())));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    response
}
