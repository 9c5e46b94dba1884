//! Audits of moto, an EC2 that nobody here wrote: what holds of the lab has to hold of it.
//!
//! Needs a Python with what `lab/requirements-proof.txt` names, named by `COMEBACK_PROOF_PYTHON`; `cargo xtask python proof` makes
//! one. `tests/moto/serve.py` says what of it is moto's own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod estate;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use comeback_audit::audit;
use comeback_audit::model::Audit;
use comeback_audit::read::Reading;
use comeback_audit::silence::Silences;
use comeback_cloud::{Keys, Options};

/// A moto with the instances of the scenario. It ends with its standard input.
struct Moto {
    child: Child,
    endpoint: String,
    keys: Keys,
}

impl Moto {
    fn start() -> Self {
        let python = std::env::var_os("COMEBACK_PROOF_PYTHON")
            .expect("COMEBACK_PROOF_PYTHON has to name a Python with moto; `cargo xtask python proof` prints one");
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut child = Command::new(python)
            .arg(here.join("tests/moto/serve.py"))
            .arg(here.join("../../lab/scenarios/clients.toml"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.reopen().unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let said: serde_json::Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("moto did not start: {}", std::fs::read_to_string(log.path()).unwrap()));
        let text = |key: &str| said[key].as_str().unwrap().to_owned();
        Self {
            endpoint: text("endpoint"),
            keys: Keys {
                access_key: text("access_key"),
                secret_key: text("secret_key"),
            },
            child,
        }
    }

    async fn audit(self) -> Audit {
        let reading = Reading {
            options: Options {
                endpoint: Some(self.endpoint.clone()),
                keys: Some(self.keys.clone()),
                region: Some("ap-northeast-1".parse().unwrap()),
                backoff: Duration::from_millis(1),
                ..Options::default()
            },
        };
        audit::run(&estate::organization(), &reading, &Silences::default(), Arc::new(())).await
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[tokio::test]
#[ignore = "needs COMEBACK_PROOF_PYTHON"]
async fn all_holds_that_holds_of_every_ec2() {
    estate::holds(&Moto::start().audit().await);
}
