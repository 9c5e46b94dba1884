//! `finalize --keep-private-ip` on the command line, after a run whose host only seemed to answer: in a lab without machines none does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use comeback_cloud::model::UserData;
use comeback_cloud::{Filter, Keys, Options, Session};
use comeback_migrate::action::Context;
use comeback_migrate::actions;
use comeback_migrate::engine::{Engine, OnFailure};
use comeback_migrate::hosts::{Converted, Door, Host, HostError, Hosts, Job};
use comeback_migrate::plan::{Wishes, make};
use comeback_migrate::run::{RunId, State};
use comeback_migrate::store::Store;
use world::{World, has};

#[derive(Debug)]
struct Obliging;

#[async_trait]
impl Hosts for Obliging {
    fn user_data(&self, _folder: &Path) -> Result<UserData, HostError> {
        Ok(UserData(b"#cloud-config\n".to_vec()))
    }

    fn forget(&self, _folder: &Path) -> Result<(), HostError> {
        Ok(())
    }

    async fn open(&self, _door: &Door, _folder: &Path) -> Result<Box<dyn Host>, HostError> {
        Ok(Box::new(Obliging))
    }
}

#[async_trait]
impl Host for Obliging {
    async fn disks(&self) -> Result<Vec<String>, HostError> {
        Ok(vec!["/dev/nvme0n1".to_owned()])
    }

    async fn convert(
        &self,
        _job: &Job,
        _folder: &Path,
        _progress: &(dyn Fn(String) + Send + Sync),
    ) -> Result<Converted, HostError> {
        Ok(Converted {
            device: "/dev/nvme1n1".to_owned(),
            written: true,
            patch_bytes: 192_000,
            verdicts: vec![("nitro".to_owned(), "boots".to_owned())],
        })
    }
}

/// Carries a run out in the state folder of the program; gives its name and the private address of its source.
#[tokio::main(flavor = "current_thread")]
async fn complete(world: &World, name: &str) -> (String, String) {
    let key = world.keys().remove(0);
    let of_key = |field: &str| key[field].as_str().unwrap().to_owned();
    let session = Session::load(Options {
        region: Some("ap-northeast-1".parse().unwrap()),
        endpoint: Some(world.export("AWS_ENDPOINT_URL").to_owned()),
        keys: Some(Keys {
            access_key: of_key("access_key"),
            secret_key: of_key("secret_key"),
        }),
        ..Options::default()
    })
    .await
    .unwrap();
    let region = session.region(&session.default_region().unwrap());
    let named = [Filter::new("tag:Name", [name])];
    let id = region.instances_where(&named).await.unwrap().remove(0).id;
    let mut wishes = Wishes::default();
    wishes.verify.within_s = 0;
    let plan = make::make(&region, &[id], &wishes).await.unwrap().remove(0).unwrap();
    let address = plan.source.instance.private_ip.unwrap().to_string();
    let store = Store::open(&world.path("comeback")).unwrap();
    let run = RunId::new(jiff::civil::date(2017, 12, 29));
    let held = store.hold(&run).unwrap();
    let folder = held.folder.clone();
    let context = Context::new(run.clone(), plan.clone(), region, Arc::new(Obliging), folder);
    let value = serde_json::to_value(&plan).unwrap();
    let mut engine = Engine::begin(store.journal().clone(), context, &value, None)
        .await
        .unwrap();
    let state = engine.forward(&actions::all(&plan), OnFailure::Stop).await.unwrap();
    assert_eq!(state, State::Complete);
    (run.to_string(), address)
}

/// Lets an action be refused until the faults are cleared.
fn refuse(world: &World, action: &str) {
    let code = ["--code", "UnauthorizedOperation"];
    let set = ["lab", "fault", "set", "refuse", "--action", action];
    world.ends(0, &[&set[..], &code[..]].concat());
}

#[test]
#[ignore = "waits for a minute: cargo xtask test"]
fn it_is_asked_for_shown_gone_on_with_and_done() {
    let world = World::new("estate");
    let (run, address) = complete(&world, "archive");
    let run = run.as_str();
    has(&world.ends(0, &["status", run]).out, &["--keep-private-ip"]);
    world.ends(64, &["finalize", run, "--keep-private-ip", "--keep-source"]);
    let asked = world.ends(64, &["finalize", run, "--keep-private-ip"]);
    has(
        &asked.err,
        &[
            &address,
            "a second outage begins",
            "then on the way back is the image",
            "the first target",
            "taken before anything was changed",
            "--yes",
        ],
    );
    assert!(!asked.err.contains("has no public address"), "it has an Elastic IP");
    has(&world.ends(0, &["status", run]).out, &["is complete"]);

    // What fails before the termination is taken back.
    refuse(&world, "RegisterImage");
    let back = world.ends(1, &["finalize", run, "--keep-private-ip", "--yes"]);
    has(&back.err, &["RegisterImage", "undo: stop the target", "is complete"]);
    world.ends(0, &["lab", "fault", "clear"]);

    // What fails after it waits for a person.
    refuse(&world, "AttachVolume");
    let stuck = world.ends(3, &["finalize", run, "--keep-private-ip", "--yes"]);
    has(
        &stuck.err,
        &[
            "run-instances --region ap-northeast-1 --image-id ami-",
            "is readdressing",
        ],
    );
    let status = world.ends(0, &["status", run]).out;
    has(
        &status,
        &[
            "is readdressing, stuck",
            "@ keep the primary private address",
            "By hand: aws ec2 run-instances",
            &format!("comeback finalize {run} --keep-private-ip goes on"),
        ],
    );
    for refused in [["resume", run], ["rollback", run], ["finalize", run]] {
        let said = world.ends(
            1,
            &[&refused[..], &["--yes"][usize::from(refused[0] == "resume")..]].concat(),
        );
        has(&said.err, &["--keep-private-ip` goes on"]);
    }
    has(
        &world
            .ends(64, &["finalize", run, "--keep-private-ip", "--keep-snapshots", "--yes"])
            .err,
        &["too late"],
    );
    world.ends(0, &["lab", "fault", "clear"]);
    let (code, screen) = world.on_terminal(&["finalize", run, "--keep-private-ip", "--yes"]);
    assert_eq!(code, Some(0), "{screen}");
    has(
        &screen,
        &[
            "goes on where it ended",
            "attach the converted root and the data volumes",
            "delete what is no longer needed",
            "is finalized, after ",
            "Final instance, with the source's private address: i-",
            "Second outage, for the private address: ",
            "The source as it was, paravirtual, is image ami-",
        ],
    );
    // Once more is no error, and changes nothing.
    world.ends(0, &["finalize", run, "--keep-private-ip", "--yes"]);
    assert_eq!(world.runs()[0]["state"], "finalized");
}

/// Interrupted before the termination, all of the run can still be taken back.
#[test]
#[ignore = "carries out a run: cargo xtask test"]
fn it_is_taken_back_where_it_was_interrupted() {
    let world = World::new("estate");
    let (run, _) = complete(&world, "archive");
    let run = run.as_str();
    for action in ["DetachVolume", "StartInstances"] {
        refuse(&world, action);
    }
    world.ends(3, &["finalize", run, "--keep-private-ip", "--yes"]);
    world.ends(0, &["lab", "fault", "clear"]);
    has(
        &world.ends(0, &["status", run]).out,
        &[
            &format!("comeback finalize {run} --keep-private-ip goes on"),
            &format!("comeback rollback {run} takes all of the run back"),
        ],
    );
    has(
        &world.ends(64, &["rollback", run]).err,
        &["has everything again", "--yes"],
    );
    let back = world.ends(0, &["rollback", run, "--yes"]);
    has(&back.err, &["undo: stop the target", "is rolled-back"]);
    assert_eq!(world.runs()[0]["state"], "rolled-back");
}

#[test]
fn its_policy_is_printed() {
    let world = World::new("tokyo");
    let policy = world.ends(0, &["iam-policy", "keep-private-ip"]).out;
    has(
        &policy,
        &[
            "ec2:RegisterImage",
            "ec2:TerminateInstances",
            "iam:PassRole",
            "kms:CreateGrant",
        ],
    );
}
