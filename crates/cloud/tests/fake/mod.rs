//! An endpoint that answers each action with a canned text, and remembers what it was asked.

// Each test program uses a part of it.
#![allow(dead_code)]

use axum::{Router, body::Bytes, extract::State, http::StatusCode, response::IntoResponse, routing::any};
use comeback_cloud::{Call, Keys, Observer, Options, Outcome, Polling, Region, Session};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Fields of a request.
pub type Form = BTreeMap<String, String>;
/// Makes an answer: status and body.
pub type Answer = Box<dyn FnMut(&Form) -> (u16, String) + Send>;

#[derive(Default)]
struct Inner {
    answers: Mutex<BTreeMap<String, Answer>>,
    requests: Mutex<Vec<Form>>,
}

/// The endpoint.
#[derive(Clone)]
pub struct Fake {
    inner: Arc<Inner>,
    pub url: String,
}

impl Fake {
    pub async fn start() -> Fake {
        let inner = Arc::new(Inner::default());
        let app = Router::new().fallback(any(answer)).with_state(Arc::clone(&inner));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let fake = Fake { inner, url };
        fake.on("GetCallerIdentity", |_| {
            (
                200,
                r#"<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
                <Arn>arn:aws:iam::111122223333:user/ops</Arn><UserId>AIDAEXAMPLE</UserId><Account>111122223333</Account>
                </GetCallerIdentityResult><ResponseMetadata><RequestId>r-sts</RequestId></ResponseMetadata>
                </GetCallerIdentityResponse>"#
                    .to_owned(),
            )
        });
        fake
    }

    /// Sets what an action answers.
    pub fn on(&self, action: &str, answer: impl FnMut(&Form) -> (u16, String) + Send + 'static) {
        self.inner
            .answers
            .lock()
            .expect("lock")
            .insert(action.to_owned(), Box::new(answer));
    }

    /// The requests of an action so far.
    pub fn asked(&self, action: &str) -> Vec<Form> {
        let requests = self.inner.requests.lock().expect("lock");
        requests
            .iter()
            .filter(|form| form.get("Action").map(String::as_str) == Some(action))
            .cloned()
            .collect()
    }

    pub fn options(&self) -> Options {
        Options {
            region: Some("ap-northeast-1".parse().expect("region")),
            share: 1.0,
            polling: Polling {
                first: Duration::from_millis(5),
                longest: Duration::from_millis(40),
                grace: Duration::from_millis(300),
            },
            backoff: Duration::from_millis(1),
            endpoint: Some(self.url.clone()),
            keys: Some(Keys {
                access_key: "AKIDEXAMPLE".to_owned(),
                secret_key: "verysecret".to_owned(),
            }),
            ..Options::default()
        }
    }

    pub async fn region(&self) -> Region {
        let session = Session::load(self.options()).await.expect("session");
        session.region(&"ap-northeast-1".parse().expect("region"))
    }
}

async fn answer(State(inner): State<Arc<Inner>>, body: Bytes) -> impl IntoResponse {
    let form = form(&body);
    let action = form.get("Action").cloned().unwrap_or_default();
    inner.requests.lock().expect("lock").push(form.clone());
    let mut answers = inner.answers.lock().expect("lock");
    let (status, text) = match answers.get_mut(&action) {
        Some(answer) => answer(&form),
        None => (400, error("InvalidAction", &format!("nothing is canned for {action}"))),
    };
    // AWS sends the id as a header too, and the SDK takes it from there.
    let id = if status == 200 { "req-5678" } else { "req-1234" };
    let status = StatusCode::from_u16(status).expect("status");
    (status, [("content-type", "text/xml"), ("x-amzn-requestid", id)], text)
}

/// Reads `a=b&c=d` with percent signs.
fn form(body: &[u8]) -> Form {
    let text = String::from_utf8_lossy(body);
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(k, v)| (decoded(k), decoded(v)))
        .collect()
}

fn decoded(text: &str) -> String {
    let bytes = text.replace('+', " ").into_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (bytes[at], hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).expect("text")
}

/// An EC2 error.
pub fn error(code: &str, message: &str) -> String {
    format!(
        "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
         <RequestID>req-1234</RequestID></Response>"
    )
}

/// An EC2 answer.
pub fn ec2(action: &str, body: &str) -> String {
    format!(
        r#"<{action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>req-5678</requestId>{body}</{action}Response>"#
    )
}

/// Values of `Prefix.1`, `Prefix.2`, …
pub fn list(form: &Form, prefix: &str) -> Vec<String> {
    (1..)
        .map_while(|n| form.get(&format!("{prefix}.{n}")).cloned())
        .collect()
}

/// A volume in a state.
pub fn volume(id: &str, state: &str) -> String {
    format!(
        "<item><volumeId>{id}</volumeId><size>8</size><snapshotId/><availabilityZone>ap-northeast-1a</availabilityZone>\
         <status>{state}</status><createTime>2014-05-01T10:00:00.000Z</createTime><attachmentSet/>\
         <volumeType>standard</volumeType><encrypted>false</encrypted></item>"
    )
}

/// Remembers calls and how they ended.
#[derive(Debug, Default)]
pub struct Log(pub Mutex<Vec<(Call, Option<Outcome>)>>);

#[async_trait::async_trait]
impl Observer for Log {
    async fn before(&self, call: &Call) {
        self.0.lock().expect("lock").push((call.clone(), None));
    }

    async fn after(&self, call: &Call, outcome: &Outcome) {
        self.0.lock().expect("lock").push((call.clone(), Some(outcome.clone())));
    }
}
