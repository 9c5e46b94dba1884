//! A round through a real endpoint: one PV instance is stopped, its root goes to a new HVM instance and back.
//!
//! It runs where `AWS_ENDPOINT_URL` and keys lead, so it is not run by itself: it changes the account. It was made for
//! a lab: `eval "$(comeback lab up --instant)" && cargo test -p comeback-cloud --test endpoint -- --ignored --nocapture`.

use comeback_cloud::{
    AddressUse, CloudError, ErrorKind, Filter, NetworkUse, Options, Polling, Region, RunRequest, Session,
    VolumeRequest,
    model::{AttachState, AutoRecovery, CheckState, InstanceState, RebootMigration, SnapshotState, Tags, VolumeState},
};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(120);

async fn region() -> (Session, Region) {
    let polling = Polling {
        first: Duration::from_millis(20),
        longest: Duration::from_millis(500),
        ..Polling::default()
    };
    let session = Session::load(Options {
        polling,
        share: 1.0,
        ..Options::default()
    })
    .await
    .expect("a session");
    let name = session.default_region().expect("a region in the environment");
    let region = session.region(&name);
    (session, region)
}

fn tags() -> Tags {
    [("comeback:test".to_owned(), "endpoint".to_owned())].into()
}

#[tokio::test]
#[ignore = "changes the account that the environment names"]
async fn reads_come_out_whole() {
    let (session, region) = region().await;
    println!("{:?}", session.identity());
    assert!(session.regions().await.expect("regions").contains(region.name()));
    let instances = region.instances_where(&[]).await.expect("instances");
    assert!(!instances.is_empty());
    let mut faults: Vec<String> = Vec::new();
    for instance in &instances {
        let mut look = |what: &str, error: Option<CloudError>| {
            if let Some(error) = error {
                faults.push(format!("{} {what}: {error}", instance.id));
            }
        };
        look("attributes", region.attributes(&instance.id).await.err());
        look("console", region.console_output(&instance.id, false).await.err());
        if let Some(kernel) = &instance.kernel {
            let kernels = region.kernels(std::slice::from_ref(kernel)).await.expect("kernels");
            assert_eq!(kernels.len(), 1, "{kernel} is an image of the region");
            println!("{} {kernel} {:?}", instance.id, kernels[0].name);
        }
        let volumes: Vec<_> = instance
            .block_devices
            .iter()
            .map(|device| device.volume.clone())
            .collect();
        assert_eq!(
            region.volumes(&volumes).await.expect("volumes").len(),
            volumes.len(),
            "{}",
            instance.id
        );
        let groups: Vec<_> = instance.security_groups.iter().map(|group| group.id.clone()).collect();
        assert_eq!(
            region.security_groups(&groups).await.expect("groups").len(),
            groups.len()
        );
        let subnets: Vec<_> = instance.subnet.iter().cloned().collect();
        assert_eq!(region.subnets(&subnets).await.expect("subnets").len(), subnets.len());
        let interfaces: Vec<_> = instance
            .interfaces
            .iter()
            .map(|interface| interface.id.clone())
            .collect();
        assert_eq!(
            region.interfaces(&interfaces).await.expect("interfaces").len(),
            interfaces.len()
        );
        let types = region
            .instance_types(std::slice::from_ref(&instance.instance_type))
            .await
            .expect("types");
        assert_eq!(types.len(), 1, "{}", instance.instance_type);
        assert!(
            types[0].virtualization.contains(&instance.virtualization),
            "{:?}",
            types[0]
        );
        if types[0].burstable {
            look("credits", region.credits(&instance.id).await.err());
        }
        look("targets", region.targets_of(&instance.id, &[]).await.err());
        assert!(
            region
                .offerings(&instance.zone)
                .await
                .expect("offerings")
                .contains(&instance.instance_type)
        );
    }
    region.addresses_where(&[]).await.expect("addresses");
    region.snapshots_where(&[]).await.expect("snapshots");
    let statuses = region.statuses_where(&[]).await.expect("statuses");
    assert!(
        statuses
            .iter()
            .all(|status| status.system.state != CheckState::Other(String::new()))
    );
    for status in &statuses {
        println!("{} {} {:?}", status.instance, status.guest.state, status.events);
    }
    let parameter = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
    let image = region.newest_image(parameter).await.expect("an image");
    println!("{:?}", region.image(&image).await.expect("the image"));
    let ghost = "i-0123456789abcdef0".parse().expect("id");
    let mut ids: Vec<_> = instances.iter().map(|instance| instance.id.clone()).collect();
    ids.push(ghost);
    assert_eq!(region.instances(&ids).await.expect("instances").len(), instances.len());
    assert_eq!(region.statuses(&ids).await.expect("statuses").len(), instances.len());
    assert_eq!(faults, Vec::<String>::new());
}

#[tokio::test]
#[ignore = "changes the account that the environment names"]
async fn a_root_goes_to_a_new_instance_and_back() {
    let (_, region) = region().await;
    let paravirtual = [
        Filter::new("virtualization-type", ["paravirtual"]),
        Filter::new("instance-state-name", ["running"]),
        Filter::new("root-device-type", ["ebs"]),
    ];
    let source = region.instances_where(&paravirtual).await.expect("instances").remove(0);
    let root = source.root().expect("a root").clone();
    let snapshots = region
        .create_snapshots(&source.id, false, "round", &tags())
        .await
        .expect("snapshots");
    assert_eq!(snapshots.len(), source.block_devices.len());
    for snapshot in &snapshots {
        let complete =
            |s: &comeback_cloud::model::Snapshot| (s.state == SnapshotState::Completed).then(|| s.tags.clone());
        assert_eq!(
            region
                .snapshot_when(&snapshot.id, SOON, complete)
                .await
                .expect("complete"),
            tags()
        );
    }
    region
        .set_maintenance_options(
            &source.id,
            Some(&AutoRecovery::Disabled),
            Some(&RebootMigration::Disabled),
        )
        .await
        .expect("maintenance options");
    let maintenance = region.instance(&source.id).await.expect("instance").maintenance_options;
    assert_eq!(maintenance.auto_recovery, AutoRecovery::Disabled);
    assert_eq!(maintenance.reboot_migration, Some(RebootMigration::Disabled));

    region.stop(&source.id, false).await.expect("stop");
    let stopped = |i: &comeback_cloud::model::Instance| (i.state == InstanceState::Stopped).then_some(());
    let running = |i: &comeback_cloud::model::Instance| (i.state == InstanceState::Running).then_some(());
    region.instance_when(&source.id, SOON, stopped).await.expect("stopped");
    region
        .detach_volume(&root.volume, &source.id, false)
        .await
        .expect("detach");
    let free = |v: &comeback_cloud::model::Volume| (v.state == VolumeState::Available).then_some(());
    region.volume_when(&root.volume, SOON, free).await.expect("free");

    let parameter = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
    let image = region.newest_image(parameter).await.expect("an image");
    let network = NetworkUse::Subnet {
        subnet: source.subnet.clone().expect("a subnet"),
        groups: source.security_groups.iter().map(|group| group.id.clone()).collect(),
        private_ip: None,
        public_ip: None,
    };
    let token = format!("round-{}", std::process::id());
    let mut request = RunRequest::new(token, image, "t3.medium", network);
    request.tags = tags();
    let host = region.run_instance(&request).await.expect("run");
    let again = region.run_instance(&request).await.expect("run again");
    assert_eq!(host.id, again.id, "the same token launches once");
    region.instance_when(&host.id, SOON, running).await.expect("running");
    region
        .attach_volume(&root.volume, &host.id, "/dev/sdf")
        .await
        .expect("attach");
    let attached = |v: &comeback_cloud::model::Volume| {
        let attachment = v.attachment_to(&host.id)?;
        (attachment.state == AttachState::Attached).then_some(())
    };
    region
        .volume_when(&root.volume, SOON, attached)
        .await
        .expect("attached");
    let busy = region
        .attach_volume(&root.volume, &host.id, "/dev/sdg")
        .await
        .expect_err("attached already");
    assert_eq!(busy.kind, ErrorKind::InUse, "{busy}");
    region.stop(&host.id, false).await.expect("stop");
    region.instance_when(&host.id, SOON, stopped).await.expect("stopped");
    let own = region
        .instance(&host.id)
        .await
        .expect("instance")
        .root()
        .expect("a root")
        .clone();
    for volume in [&root.volume, &own.volume] {
        region.detach_volume(volume, &host.id, false).await.expect("detach");
        region.volume_when(volume, SOON, free).await.expect("free");
    }
    region
        .attach_volume(&root.volume, &host.id, &own.device)
        .await
        .expect("attach as root");
    region.start(&host.id).await.expect("start");
    region.instance_when(&host.id, SOON, running).await.expect("running");
    let host_seen = region.instance(&host.id).await.expect("instance");
    assert_eq!(host_seen.root().map(|device| &device.volume), Some(&root.volume));

    // The address, when there is one, goes over and comes back.
    let behind = [Filter::new("instance-id", [source.id.to_string()])];
    if let Some(address) = region
        .addresses_where(&behind)
        .await
        .expect("addresses")
        .into_iter()
        .next()
    {
        let allocation = address.allocation.clone().expect("an allocation");
        for instance in [&host_seen, &source] {
            let interface = instance.primary_interface().expect("an interface").id.clone();
            let to = AddressUse {
                interface,
                private: None,
                reassociate: true,
            };
            region.associate_address(&allocation, &to).await.expect("associate");
        }
        let back = region.addresses(&[allocation]).await.expect("address").remove(0);
        assert_eq!(back.instance, Some(source.id.clone()));
    }

    region.stop(&host.id, true).await.expect("stop");
    region.instance_when(&host.id, SOON, stopped).await.expect("stopped");
    region
        .detach_volume(&root.volume, &host.id, false)
        .await
        .expect("detach");
    region.volume_when(&root.volume, SOON, free).await.expect("free");
    region
        .attach_volume(&root.volume, &source.id, &root.device)
        .await
        .expect("attach");
    region
        .set_delete_on_termination(&source.id, &root.device, root.delete_on_termination)
        .await
        .expect("delete on termination");
    region.start(&source.id).await.expect("start");
    region.instance_when(&source.id, SOON, running).await.expect("running");
    assert_eq!(region.instance(&source.id).await.expect("instance").root(), Some(&root));
    region
        .set_termination_protection(&host.id, true)
        .await
        .expect("protect");
    let refused = region.terminate(&host.id).await.expect_err("protected");
    assert_eq!(refused.kind, ErrorKind::IncorrectState, "{refused}");
    region
        .set_termination_protection(&host.id, false)
        .await
        .expect("no longer");
    region.terminate(&host.id).await.expect("terminate");
    region.delete_volume(&own.volume).await.expect("delete");
    region.volume_gone(&own.volume, SOON).await.expect("gone");
    for snapshot in &snapshots {
        region.delete_snapshot(&snapshot.id).await.expect("delete");
    }
}

#[tokio::test]
#[ignore = "changes the account that the environment names"]
async fn a_volume_is_made_once_for_its_token() {
    let (_, region) = region().await;
    let zone = region.instances_where(&[]).await.expect("instances").remove(0).zone;
    let request = VolumeRequest {
        token: format!("volume-{}", std::process::id()),
        zone,
        snapshot: None,
        size_gib: Some(1),
        kind: "gp3".to_owned(),
        iops: None,
        throughput: None,
        encrypted: None,
        kms_key: None,
        tags: tags(),
    };
    let volume = region.create_volume(&request).await.expect("volume");
    assert_eq!(region.create_volume(&request).await.expect("volume").id, volume.id);
    let other = VolumeRequest {
        size_gib: Some(2),
        ..request
    };
    let refused = region.create_volume(&other).await.expect_err("another size");
    assert_eq!(refused.kind, ErrorKind::AlreadyExists, "{refused}");
    let free = |v: &comeback_cloud::model::Volume| (v.state == VolumeState::Available).then_some(());
    region.volume_when(&volume.id, SOON, free).await.expect("available");
    region
        .create_tags(&[volume.id.as_str()], &[("Name".to_owned(), "x".to_owned())].into())
        .await
        .expect("tags");
    region
        .delete_tags(&[volume.id.as_str()], &["comeback:test"])
        .await
        .expect("tags");
    let seen = region.volume(&volume.id).await.expect("volume").tags;
    assert_eq!(seen, [("Name".to_owned(), "x".to_owned())].into());
    region.delete_volume(&volume.id).await.expect("delete");
    region.volume_gone(&volume.id, SOON).await.expect("gone");
}
