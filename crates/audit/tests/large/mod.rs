//! An estate of ten thousand instances, at EC2's own request rates and some way off.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "each test uses a part of it, and fails by panicking"
)]

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::process::Command;

use comeback_lab::{Fault, FaultKind, Keys, Lab, Scenario, Serving};

/// Accounts of the organization.
pub const ACCOUNTS: u64 = 20;
/// Regions of each of them.
pub const REGIONS: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];
/// Instances of all.
pub const INSTANCES: u64 = 10_000;
/// How long each answer takes on its way, in milliseconds.
pub const LATENCY: u64 = 20;

/// The number of an account, counted from 1.
pub fn account(number: u64) -> String {
    format!("{number:012}")
}

/// A lab with the estate.
pub struct World {
    pub lab: Lab,
    serving: Serving,
    keys: Keys,
}

impl World {
    /// With instances in the first `used` regions of the first `holders` accounts.
    pub fn new(holders: u64, used: usize) -> Self {
        let lab = Lab::builder()
            .instant()
            .seed(7)
            .rates(1.0)
            .scenario(Scenario::parse("scale", &scenario(holders, used)).unwrap())
            .build()
            .unwrap();
        lab.faults()
            .set(Fault::new(FaultKind::Latency { milliseconds: LATENCY }));
        Self {
            serving: lab.serve(0).unwrap(),
            keys: lab.keys().remove(0),
            lab,
        }
    }

    /// A program that takes the lab for AWS, with keys of the account that manages the organization.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("AWS_ENDPOINT_URL", self.serving.url())
            .env("AWS_ACCESS_KEY_ID", &self.keys.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &self.keys.secret_key)
            .env("AWS_REGION", "ap-northeast-1")
            .env("AWS_DEFAULT_REGION", "ap-northeast-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        command
    }
}

/// An estate: the first `holders` accounts have instances in the first `used` regions, one of five paravirtual in Tokyo.
fn scenario(holders: u64, used: usize) -> String {
    let mut text = String::from("name = \"scale\"\ndescription = \"ten thousand instances\"\n");
    let places = holders * u64::try_from(used).unwrap();
    let mut place = 0;
    for account in 1..=ACCOUNTS {
        let id = self::account(account);
        writeln!(
            text,
            "[[accounts]]\nid = \"{id}\"\nname = \"client {account}\"\nroles = [\"audit\"]"
        )
        .unwrap();
        for region in REGIONS.iter().take(if account <= holders { used } else { 0 }) {
            // So many that all places together have exactly as many as there should be.
            let count = INSTANCES * (place + 1) / places - INSTANCES * place / places;
            place += 1;
            let paravirtual = if *region == "ap-northeast-1" { count / 5 } else { 0 };
            writeln!(text, "[[regions]]\naccount = \"{id}\"\nname = \"{region}\"").unwrap();
            for (name, kind, rest, count) in [
                ("old", "m3.medium", "kernel = \"aki-44992845\"\n", paravirtual),
                ("xen", "m4.large", "", (count - paravirtual) / 2),
                ("new", "m5.large", "", count - paravirtual - (count - paravirtual) / 2),
            ] {
                if count > 0 {
                    writeln!(
                        text,
                        "[[regions.instances]]\nname = \"{name}\"\ncount = {count}\ntype = \"{kind}\"\n{rest}launched = \"-30d\"\n\
                         elastic_ip = true\ntags = {{ Project = \"scale\", Owner = \"operations\" }}\n\
                         root = {{ device = \"/dev/sda1\", size = 8 }}"
                    )
                    .unwrap();
                }
            }
        }
    }
    text
}
