//! Plans, made in a lab without machines: what is refused, and what goes stale.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use comeback_cloud::ids::ImageId;
use comeback_cloud::model::{Architecture, ScalingState, SnapshotState, Tags, Virtualization};
use comeback_cloud::{ImageRequest, NewDevice, Region};
use comeback_migrate::plan::{Plan, Platform, drift, gather};
use comeback_migrate::plan::{PlanError, Wishes, make};
use world::{World, wishes};

async fn planned(world: &World, name: &str, wishes: &Wishes) -> Result<Plan, PlanError> {
    let region = world.region(None).await;
    let id = world.id(name).await;
    make::make(&region, &[id], wishes).await.unwrap().remove(0)
}

fn reasons(outcome: Result<Plan, PlanError>) -> Vec<String> {
    match outcome {
        Err(PlanError::Refused { reasons, .. }) => reasons.into_iter().map(|refusal| refusal.id).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_reason_has_its_name() {
    let world = World::new("estate");
    for (name, expected) in [
        ("on-instance-store", "instance-store-root"),
        ("bid", "not-on-demand"),
        ("scaled", "auto-scaling"),
        ("bought", "marketplace"),
        ("with-ramdisk", "kernel-not-on-disk"),
    ] {
        let reasons = reasons(planned(&world, name, &wishes()).await);
        assert!(reasons.iter().any(|reason| reason == expected), "{name}: {reasons:?}");
    }
}

#[tokio::test]
async fn a_member_on_standby_is_planned_until_it_serves_again() {
    let world = World::new("estate");
    let plan = planned(&world, "set-aside", &wishes()).await.unwrap();
    assert!(
        plan.notices.iter().any(|notice| notice.id == "auto-scaling-standby"),
        "{:?}",
        plan.notices
    );
    let mut serving = plan.source.clone();
    serving.scaling.as_mut().unwrap().state = ScalingState::InService;
    let drifts = drift::between(&plan.source, &serving);
    assert_eq!(drifts.len(), 1, "{drifts:?}");
    assert_eq!(drifts[0].field, "scaling.state");
}

#[tokio::test]
async fn one_that_is_not_there_takes_no_other_with_it() {
    let world = World::new("estate");
    let region = world.region(None).await;
    let ids = ["i-0123456789abcdef0".parse().unwrap(), world.id("archive").await];
    let plans = make::make(&region, &ids, &wishes()).await.unwrap();
    assert!(matches!(&plans[0], Err(PlanError::NoInstance(id)) if *id == ids[0]));
    assert_eq!(plans[1].as_ref().unwrap().instance(), &ids[1]);
}

#[tokio::test]
async fn losses_are_told() {
    let world = World::new("estate");
    let told = async |name| {
        let plan = planned(&world, name, &wishes()).await.unwrap();
        plan.notices.into_iter().map(|notice| notice.id).collect::<Vec<_>>()
    };
    let archive = told("archive").await;
    assert!(archive.iter().any(|id| id == "instance-store-lost"), "{archive:?}");
    assert!(archive.iter().any(|id| id == "key-is-tried"), "{archive:?}");
    let plain = planned(&World::new("tokyo"), "shop", &wishes()).await.unwrap();
    let plain: Vec<_> = plain.notices.into_iter().map(|notice| notice.id).collect();
    assert!(!plain.iter().any(|id| id == "key-is-tried"), "{plain:?}");
}

#[tokio::test]
async fn thirty_two_bits_find_a_type() {
    let world = World::new("estate");
    let plan = planned(&world, "small-words", &wishes()).await.unwrap();
    assert_eq!(plan.target.platform, Platform::XenHvm);
    assert_eq!(plan.source.instance.architecture, Architecture::I386);
}

/// An image like one of those that AWS keeps, but for its firmware.
async fn image(world: &World, region: &Region, boot_mode: &str) -> ImageId {
    let source = region.instance(&world.id("archive").await).await.unwrap();
    let volume = &source.root().unwrap().volume;
    let snapshot = region.create_snapshot(volume, "", &Tags::new()).await.unwrap();
    while region.snapshot(&snapshot.id).await.unwrap().state != SnapshotState::Completed {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let request = ImageRequest {
        name: format!("host-{boot_mode}"),
        description: String::new(),
        architecture: Architecture::X86_64,
        virtualization: Virtualization::Hvm,
        kernel: None,
        ramdisk: None,
        root_device_name: "/dev/xvda".to_owned(),
        devices: vec![NewDevice::Volume {
            device: "/dev/xvda".to_owned(),
            snapshot: Some(snapshot.id),
            size_gib: None,
            kind: None,
            delete_on_termination: true,
            encrypted: None,
            kms_key: None,
        }],
        ena_support: true,
        sriov: false,
        boot_mode: Some(boot_mode.to_owned()),
        tags: Tags::new(),
    };
    region.register_image(&request).await.unwrap()
}

#[tokio::test]
async fn no_host_starts_by_what_its_target_cannot() {
    let world = World::new("estate");
    let region = world.region(None).await;
    let preferred = image(&world, &region, "uefi-preferred").await;
    let legacy = image(&world, &region, "legacy-bios").await;
    let mut wishes = wishes();
    wishes.host_image = Some(preferred.clone());
    let xen = planned(&world, "archive", &wishes).await.unwrap();
    assert_eq!((xen.host.image, xen.target.platform), (preferred, Platform::XenHvm));

    wishes.target.platform = Some(Platform::Nitro);
    assert_eq!(
        reasons(planned(&world, "archive", &wishes).await),
        ["host-image-prefers-uefi"]
    );
    wishes.host_image = Some(legacy.clone());
    let nitro = planned(&world, "archive", &wishes).await.unwrap();
    assert_eq!((nitro.host.image, nitro.target.platform), (legacy, Platform::Nitro));
}

#[tokio::test]
async fn a_plan_goes_stale_by_what_it_rests_on() {
    let world = World::new("estate");
    let region = world.region(None).await;
    let plan = planned(&world, "archive", &wishes()).await.unwrap();
    let now = async || {
        let mut found = gather::gather(&region, &[plan.instance().clone()]).await.unwrap();
        found.remove(0).unwrap()
    };
    assert_eq!(drift::between(&plan.source, &now().await), []);

    let tag = [("Owner".to_owned(), "nobody".to_owned())].into();
    region.create_tags(&[plan.instance().as_str()], &tag).await.unwrap();
    let fields: Vec<_> = drift::between(&plan.source, &now().await)
        .into_iter()
        .map(|drift| format!("{} {} {}", drift.field, drift.was, drift.is))
        .collect();
    assert_eq!(fields, ["instance.tags.Owner records nobody"]);
}
