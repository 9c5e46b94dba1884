//! Talks to a lab that runs in the background: the pages under `/lab/`.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// The longest that a lab takes to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A lab on a port of this machine.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    address: SocketAddr,
}

/// The lab did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens, or the connection broke.
    #[error("asking the lab at {address}: {source}")]
    Io {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// It said no.
    #[error("the lab says: {0}")]
    Refused(String),
}

impl Client {
    /// A lab on this port of 127.0.0.1.
    pub fn new(port: u16) -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        }
    }

    /// Reads a page.
    ///
    /// # Errors
    /// Nobody listens, or there is no such page.
    pub fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.json("GET", path, &Value::Null)
    }

    /// Asks for something to be done.
    ///
    /// # Errors
    /// Nobody listens, or it cannot be done.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.json("POST", path, body)
    }

    /// As [`Self::post`], where the answer is bytes.
    ///
    /// # Errors
    /// Nobody listens, or it cannot be done.
    pub fn bytes(&self, path: &str, body: &Value) -> Result<Vec<u8>, ClientError> {
        self.request("POST", path, body)
    }

    fn json(&self, method: &str, path: &str, body: &Value) -> Result<Value, ClientError> {
        let answer = self.request(method, path, body)?;
        serde_json::from_slice(&answer)
            .map_err(|error| ClientError::Refused(format!("something that is no JSON: {error}")))
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> Result<Vec<u8>, ClientError> {
        let failed = |source| ClientError::Io {
            address: self.address,
            source,
        };
        let exchange = || -> std::io::Result<Vec<u8>> {
            let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(2))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            let body = if body.is_null() {
                String::new()
            } else {
                body.to_string()
            };
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                self.address,
                body.len()
            );
            stream.write_all(head.as_bytes())?;
            stream.write_all(body.as_bytes())?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            Ok(answer)
        };
        let answer = exchange().map_err(failed)?;
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
        let (Some(end), Some(status)) = (end, answer.get(9..12)) else {
            return Err(ClientError::Refused("something that is no HTTP".to_owned()));
        };
        let body = answer.get(end + 4..).unwrap_or_default().to_vec();
        if status == b"200" {
            return Ok(body);
        }
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        let error = value.get("error").and_then(Value::as_str);
        Err(ClientError::Refused(error.map_or_else(
            || String::from_utf8_lossy(&body).into_owned(),
            str::to_owned,
        )))
    }
}
