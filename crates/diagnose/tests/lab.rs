//! The incident in the lab, looked at from outside.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use comeback_cloud::ids::InstanceId;
use comeback_cloud::policy::{Needs, document};
use comeback_cloud::{Filter, Keys, Options, Region, Session};
use comeback_diagnose::{Health, Way, judge, look, policy};
use comeback_lab::{Lab, Scenario, Serving};
use jiff::Timestamp;

struct World {
    lab: Lab,
    _serving: Serving,
    region: Region,
}

impl World {
    async fn new() -> Self {
        let lab = Lab::builder()
            .instant()
            .seed(7)
            .scenario(Scenario::load("tokyo").unwrap())
            .build()
            .unwrap();
        let serving = lab.serve(0).unwrap();
        let keys = lab.keys().remove(0);
        let session = Session::load(Options {
            region: Some("ap-northeast-1".parse().unwrap()),
            share: 1.0,
            endpoint: Some(serving.url()),
            keys: Some(Keys {
                access_key: keys.access_key,
                secret_key: keys.secret_key,
            }),
            ..Options::default()
        });
        let session = session.await.unwrap();
        Self {
            lab,
            _serving: serving,
            region: session.region(&session.default_region().unwrap()),
        }
    }

    async fn id(&self, name: &str) -> InstanceId {
        let named = [Filter::new("tag:Name", [name])];
        self.region.instances_where(&named).await.unwrap().remove(0).id
    }

    fn restrict(&self, calls: &[&'static comeback_cloud::Action]) {
        let policy = document(calls.iter().copied(), &Needs::default());
        let key = self.lab.keys().remove(0).access_key;
        assert!(self.lab.set_policy(&key, Some(serde_json::from_str(&policy).unwrap())));
    }
}

#[tokio::test]
async fn the_incident_is_told_from_outside() {
    let world = World::new().await;
    let shop = world.id("shop").await;
    world.restrict(&policy::diagnose());
    let before = judge(&look(&world.region, &shop, Timestamp::now()).await.unwrap());
    assert_eq!((before.health, before.events.len()), (Health::Well, 1), "{before:#?}");
    assert_eq!(before.loader.as_deref(), Some("PV-GRUB 1.03 (aki-44992845)"));

    world.lab.fire(shop.as_str()).unwrap();
    let seen = look(&world.region, &shop, Timestamp::now()).await.unwrap();
    assert_eq!(seen.successor.as_ref().unwrap().kernel.as_str(), "aki-7077ab11");
    let after = judge(&seen);
    let problem = after.problem.unwrap();
    assert_eq!((after.health, problem.id), (Health::Wrong, "pv-kernel-compression"));
    assert!(problem.evidence[0].text.contains("unknown compression format"));
    assert!(after.outage.is_some());
    // A lab without machines has no disk, and names no kernel on its console.
    assert_eq!(after.advice.way, Way::NineSteps);
    assert_eq!(seen.unread, [""; 0]);
}

#[tokio::test]
async fn what_may_not_be_read_is_told() {
    let world = World::new().await;
    let shop = world.id("shop").await;
    for (missing, needed) in [
        ("ec2:GetConsoleOutput", false),
        ("ec2:DescribeVolumes", false),
        ("ec2:DescribeImages", false),
        ("ec2:DescribeInstanceStatus", true),
        ("ec2:DescribeInstances", true),
    ] {
        let rest: Vec<_> = policy::diagnose()
            .into_iter()
            .filter(|call| call.name != missing)
            .collect();
        world.restrict(&rest);
        let name = missing.trim_start_matches("ec2:");
        match look(&world.region, &shop, Timestamp::now()).await {
            Err(error) => assert!(needed && error.to_string().contains(name), "{missing}: {error}"),
            Ok(seen) => {
                assert!(
                    !needed && seen.unread.len() == 1 && seen.unread[0].contains(name),
                    "{missing}: {:?}",
                    seen.unread
                );
                assert!(judge(&seen).notes.contains(&seen.unread[0]));
            }
        }
    }
}

#[tokio::test]
async fn hvm_instances_are_looked_at_too() {
    let world = World::new().await;
    let stopped = world.id("reports").await;
    let diagnosis = judge(&look(&world.region, &stopped, Timestamp::now()).await.unwrap());
    assert_eq!(diagnosis.problem.unwrap().id, "stopped");
    assert_eq!(diagnosis.advice.way, Way::Start);
    world.region.start(&stopped).await.unwrap();
    let ok = |status: &comeback_cloud::model::Status| status.is_ok().then_some(());
    world
        .region
        .status_when(&stopped, std::time::Duration::from_secs(20), ok)
        .await
        .unwrap();
    let diagnosis = judge(&look(&world.region, &stopped, Timestamp::now()).await.unwrap());
    assert_eq!((diagnosis.health, diagnosis.loader), (Health::Well, None));
}
