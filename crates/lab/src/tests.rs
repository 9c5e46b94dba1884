//! The rules of EC2 that a migration meets, one by one, in a lab whose clock stands still until it is moved.

use jiff::SignedDuration;

use crate::engine::Timings;
use crate::{Builder, Clock, Fault, FaultKind, Lab, Policy, Scenario};

const ROOT: &str = "/dev/sda1";

struct Bench {
    lab: Lab,
    clock: Clock,
    key: String,
}

impl Bench {
    fn with(scenario: &str, adapt: impl FnOnce(Builder) -> Builder) -> Self {
        let clock = Clock::at("2026-11-24T12:00:00Z".parse().unwrap());
        let builder = Lab::builder()
            .scenario(Scenario::load(scenario).unwrap())
            .instant()
            .seed(1)
            .clock(clock.clone());
        let lab = adapt(builder).build().unwrap();
        let key = lab.keys().remove(0).access_key;
        Self { lab, clock, key }
    }

    fn new(scenario: &str) -> Self {
        Self::with(scenario, |builder| builder)
    }

    /// The answer's body, or the error's code and message.
    fn call(&self, form: &str) -> Result<String, String> {
        let reply = self.lab.service.ask(&self.key, "ec2", "ap-northeast-1", form);
        let body = String::from_utf8(reply.body).unwrap();
        if reply.status == 200 {
            Ok(body)
        } else {
            Err(format!("{}: {}", first(&body, "Code"), first(&body, "Message")))
        }
    }

    fn ok(&self, form: &str) -> String {
        self.call(form).unwrap_or_else(|error| panic!("{form}: {error}"))
    }

    #[track_caller]
    fn refused(&self, code: &str, form: &str) -> String {
        let error = self.call(form).expect_err(form);
        assert!(error.starts_with(&format!("{code}: ")), "{form}: {error}");
        error
    }

    fn id(&self, name: &str) -> String {
        let body = self.ok(&format!(
            "Action=DescribeInstances&Filter.1.Name=tag:Name&Filter.1.Value.1={name}"
        ));
        first(&body, "instanceId")
    }

    fn root(&self, instance: &str) -> String {
        let form = format!(
            "Action=DescribeVolumes&Filter.1.Name=attachment.instance-id&Filter.1.Value.1={instance}&Filter.2.Name=attachment.device&Filter.2.Value.1={ROOT}"
        );
        first(&self.ok(&form), "volumeId")
    }

    fn state(&self, instance: &str) -> String {
        let body = self.ok(&format!("Action=DescribeInstances&InstanceId.1={instance}"));
        first(body.split("<instanceState>").nth(1).unwrap(), "name")
    }

    fn check(&self, instance: &str) -> String {
        let form = format!("Action=DescribeInstanceStatus&IncludeAllInstances=true&InstanceId.1={instance}");
        let body = self.ok(&form);
        first(body.split("<instanceStatus>").nth(1).unwrap(), "status")
    }

    fn image(&self) -> String {
        first(
            &self.ok("Action=DescribeImages&Owner.1=amazon&Filter.1.Name=name&Filter.1.Value.1=al2023*"),
            "imageId",
        )
    }

    fn run(&self, more: &str) -> Result<String, String> {
        let image = self.image();
        self.call(&format!(
            "Action=RunInstances&MinCount=1&MaxCount=1&ImageId={image}&{more}"
        ))
    }
}

/// The text of the first element of a name.
#[track_caller]
fn first(body: &str, name: &str) -> String {
    let open = format!("<{name}>");
    let rest = body
        .split(&open)
        .nth(1)
        .unwrap_or_else(|| panic!("no {name} in {body}"));
    rest.split('<').next().unwrap_or_default().to_owned()
}

#[test]
fn the_incident() {
    let lab = Bench::new("tokyo");
    let (shop, second) = (lab.id("shop"), lab.id("shop-2"));
    assert_eq!(lab.check(&shop), "ok");
    assert_eq!(lab.lab.fire("shop"), Some(shop.clone()));
    // It runs, it costs, it does not answer.
    assert_eq!(lab.state(&shop), "running");
    assert_eq!(lab.check(&shop), "impaired");
    assert!(
        lab.ok(&format!("Action=DescribeInstanceStatus&InstanceId.1={shop}"))
            .contains("[Completed] ")
    );
    let console = lab.lab.console("shop").unwrap();
    assert!(
        String::from_utf8(console)
            .unwrap()
            .contains("unknown compression format")
    );
    lab.ok(&format!("Action=RebootInstances&InstanceId.1={second}"));
    assert_eq!(lab.check(&second), "ok");
    assert_eq!(lab.lab.fire("shop"), None, "it is over");
}

#[test]
fn event_happens_when_its_time_has_come() {
    let lab = Bench::new("tokyo");
    let shop = lab.id("shop");
    lab.clock.advance(SignedDuration::from_hours(24 * 41));
    assert_eq!(lab.check(&shop), "ok");
    lab.clock.advance(SignedDuration::from_hours(24 * 2));
    assert_eq!(lab.check(&shop), "impaired");
}

#[test]
fn own_reboot_with_a_system_reboot_ahead_moves_unless_it_is_told_not_to() {
    for (option, done) in [("default", true), ("disabled", false)] {
        let lab = Bench::new("tokyo");
        let shop = lab.id("shop");
        lab.ok(&format!(
            "Action=ModifyInstanceMaintenanceOptions&InstanceId={shop}&RebootMigration={option}"
        ));
        lab.ok(&format!("Action=RebootInstances&InstanceId.1={shop}"));
        let status = lab.ok(&format!("Action=DescribeInstanceStatus&InstanceId.1={shop}"));
        assert_eq!(status.contains("[Completed] "), done, "{option}");
    }
}

#[test]
fn event_is_put_off_by_the_rules() {
    let lab = Bench::new("tokyo");
    let shop = lab.id("shop");
    let event = first(
        &lab.ok(&format!("Action=DescribeInstanceStatus&InstanceId.1={shop}")),
        "instanceEventId",
    );
    let form = |at: &str| {
        format!("Action=ModifyInstanceEventStartTime&InstanceId={shop}&InstanceEventId={event}&NotBefore={at}")
    };
    lab.refused("InvalidParameterValue", &form("2026-11-24T12:30:00Z"));
    lab.refused("InvalidParameterValue", &form("2027-01-18T13:00:01Z"));
    let body = lab.ok(&form("2027-01-18T13:00:00Z"));
    assert_eq!(first(&body, "notBefore"), "2027-01-18T13:00:00.000Z");
    assert_eq!(first(&body, "notAfter"), "2027-01-18T15:00:00.000Z");
    lab.clock.advance(SignedDuration::from_hours(24 * 55 + 1));
    // Within five minutes of its beginning, or after it.
    lab.refused("UnsupportedOperation", &form("2027-01-18T13:00:00Z"));
}

#[test]
fn states_take_their_time() {
    let lab = Bench::with("tokyo", |builder| {
        builder.timings(Timings {
            start: 5000,
            stop: 5000,
            ..Timings::default()
        })
    });
    let shop = lab.id("shop");
    lab.ok(&format!("Action=StopInstances&InstanceId.1={shop}"));
    assert_eq!(lab.state(&shop), "stopping");
    lab.refused(
        "IncorrectInstanceState",
        &format!("Action=StartInstances&InstanceId.1={shop}"),
    );
    lab.clock.advance(SignedDuration::from_secs(6));
    assert_eq!(lab.state(&shop), "stopped");
    // Stopping what is stopped is no error.
    lab.ok(&format!("Action=StopInstances&InstanceId.1={shop}"));
    lab.ok(&format!("Action=StartInstances&InstanceId.1={shop}"));
    assert_eq!(lab.state(&shop), "pending");
    lab.refused(
        "IncorrectInstanceState",
        &format!("Action=StopInstances&InstanceId.1={shop}"),
    );
    lab.refused(
        "IncorrectInstanceState",
        &format!("Action=RebootInstances&InstanceId.1={shop}"),
    );
    lab.clock.advance(SignedDuration::from_secs(6));
    assert_eq!(lab.state(&shop), "running");
}

#[test]
fn given_address_is_lost_at_stop_and_elastic_ip_stays() {
    let lab = Bench::new("tokyo");
    let body = lab.run("InstanceType=t3.micro").unwrap();
    let id = first(&body, "instanceId");
    let address = |id: &str| {
        let body = lab.ok(&format!("Action=DescribeInstances&InstanceId.1={id}"));
        body.contains("<ipAddress>").then(|| first(&body, "ipAddress"))
    };
    let (given, elastic) = (address(&id).unwrap(), address(&lab.id("shop")).unwrap());
    for each in [&id, &lab.id("shop")] {
        lab.ok(&format!("Action=StopInstances&InstanceId.1={each}"));
    }
    assert_eq!(address(&id), None);
    assert_eq!(address(&lab.id("shop")), Some(elastic));
    lab.ok(&format!("Action=StartInstances&InstanceId.1={id}"));
    let second = address(&id).unwrap();
    assert_ne!(second, given);
}

#[test]
fn root_swap_is_by_device_name() {
    let lab = Bench::new("tokyo");
    let shop = lab.id("shop");
    let root = lab.root(&shop);
    lab.refused("OperationNotPermitted", &format!("Action=DetachVolume&VolumeId={root}"));
    lab.ok(&format!("Action=StopInstances&InstanceId.1={shop}"));
    lab.refused(
        "InvalidAttachment.NotFound",
        &format!("Action=DetachVolume&VolumeId={root}&Device=/dev/sdf"),
    );
    lab.ok(&format!("Action=DetachVolume&VolumeId={root}"));
    lab.refused("IncorrectState", &format!("Action=DetachVolume&VolumeId={root}"));
    let start = format!("Action=StartInstances&InstanceId.1={shop}");
    let error = lab.refused("InvalidParameterValue", &start);
    assert!(
        error.contains("Instance does not have a volume attached at root (/dev/sda1)"),
        "{error}"
    );
    lab.ok(&format!(
        "Action=AttachVolume&VolumeId={root}&InstanceId={shop}&Device=/dev/sdf"
    ));
    lab.refused("InvalidParameterValue", &start);
    lab.ok(&format!("Action=DetachVolume&VolumeId={root}"));
    lab.ok(&format!(
        "Action=AttachVolume&VolumeId={root}&InstanceId={shop}&Device={ROOT}"
    ));
    lab.ok(&start);
    assert_eq!(lab.state(&shop), "running");
}

#[test]
fn zones_do_not_mix() {
    let lab = Bench::new("tokyo");
    let volume = first(
        &lab.ok("Action=CreateVolume&AvailabilityZone=ap-northeast-1d&Size=1"),
        "volumeId",
    );
    let shop = lab.id("shop");
    lab.refused(
        "InvalidVolume.ZoneMismatch",
        &format!("Action=AttachVolume&VolumeId={volume}&InstanceId={shop}&Device=/dev/sdf"),
    );
    let error = lab
        .run("InstanceType=m3.medium&Placement.AvailabilityZone=ap-northeast-1d")
        .unwrap_err();
    assert!(error.starts_with("Unsupported: "), "{error}");
}

#[test]
fn pv_instances_cannot_mix_whole_disks_and_partitions() {
    let lab = Bench::new("tokyo");
    let shop = lab.id("shop");
    let attach = |device: &str| {
        let volume = first(
            &lab.ok("Action=CreateVolume&AvailabilityZone=ap-northeast-1a&Size=1"),
            "volumeId",
        );
        format!("Action=AttachVolume&VolumeId={volume}&InstanceId={shop}&Device={device}")
    };
    lab.ok(&attach("/dev/sdf1"));
    lab.ok(&attach("/dev/sdf2"));
    lab.refused("InvalidParameterValue", &attach("/dev/sdf"));
}

#[test]
fn virtualization_and_ena_decide_about_types() {
    let lab = Bench::new("tokyo");
    let shop = lab.id("shop");
    lab.ok(&format!("Action=StopInstances&InstanceId.1={shop}"));
    let modify = |kind: &str| format!("Action=ModifyInstanceAttribute&InstanceId={shop}&InstanceType.Value={kind}");
    lab.refused("InvalidParameterCombination", &modify("t2.micro"));
    lab.refused("InvalidParameterValue", &modify("m9.huge"));
    lab.ok(&modify("m1.small"));
    lab.refused(
        "InvalidParameterValue",
        &format!("Action=ModifyInstanceAttribute&InstanceId={shop}&Attribute=virtualizationType&Value=hvm"),
    );
    let build = lab.id("build");
    let nitro = format!("Action=ModifyInstanceAttribute&InstanceId={build}&InstanceType.Value=m5.large");
    let error = lab.refused("InvalidParameterCombination", &nitro);
    assert!(error.contains("ENA"), "{error}");
    lab.ok(&format!(
        "Action=ModifyInstanceAttribute&InstanceId={build}&EnaSupport.Value=true"
    ));
    lab.ok(&nitro);
    lab.refused(
        "InvalidParameterCombination",
        &format!("Action=ModifyInstanceAttribute&InstanceId={build}&EbsOptimized.Value=true&EnaSupport.Value=true"),
    );
}

#[test]
fn create_image_reboots_unless_it_is_told_not_to() {
    let lab = Bench::new("tokyo");
    let shop = lab.id("shop");
    lab.ok(&format!(
        "Action=CreateImage&InstanceId={shop}&Name=first&NoReboot=true"
    ));
    assert_eq!(lab.check(&shop), "ok");
    lab.refused(
        "InvalidAMIName.Duplicate",
        &format!("Action=CreateImage&InstanceId={shop}&Name=first"),
    );
    lab.ok(&format!("Action=CreateImage&InstanceId={shop}&Name=second"));
    assert_eq!(lab.check(&shop), "impaired", "that is what kills it");
}

#[test]
fn client_tokens_make_once() {
    let lab = Bench::new("tokyo");
    let form = "Action=CreateVolume&AvailabilityZone=ap-northeast-1a&Size=1&ClientToken=t";
    let volume = first(&lab.ok(form), "volumeId");
    assert_eq!(first(&lab.ok(form), "volumeId"), volume);
    lab.refused("IdempotentParameterMismatch", &form.replace("Size=1", "Size=2"));
    // A refusal is not remembered.
    let bad = "Action=CreateVolume&AvailabilityZone=nowhere&Size=1&ClientToken=u";
    lab.refused("InvalidZone.NotFound", bad);
    lab.ok(&bad.replace("nowhere", "ap-northeast-1a"));
}

#[test]
fn dry_run_changes_nothing() {
    let lab = Bench::new("tokyo");
    let before = lab.lab.snapshot_of_state();
    let shop = lab.id("shop");
    lab.refused(
        "DryRunOperation",
        &format!("Action=StopInstances&InstanceId.1={shop}&DryRun=true"),
    );
    lab.refused("DryRunOperation", "Action=DescribeVolumes&DryRun=true");
    assert_eq!(lab.lab.snapshot_of_state(), before);
}

#[test]
fn termination_follows_the_flags() {
    let lab = Bench::new("estate");
    let archive = lab.id("archive");
    let terminate = format!("Action=TerminateInstances&InstanceId.1={archive}");
    lab.refused("OperationNotPermitted", &terminate);
    lab.ok(&format!(
        "Action=ModifyInstanceAttribute&InstanceId={archive}&Attribute=disableApiTermination&Value=false"
    ));
    lab.ok(&terminate);
    assert_eq!(lab.state(&archive), "terminated");
    let state = lab.lab.snapshot_of_state();
    let region = &state["111122223333/ap-northeast-1"];
    let names: Vec<&str> = region["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|volume| volume["tags"]["Name"].as_str())
        .filter(|name| name.starts_with("archive"))
        .collect();
    assert_eq!(
        names,
        ["archive /dev/sda1", "archive /dev/sdf"],
        "/dev/sdg1 was to be deleted"
    );
    // The second interface and its addresses stay.
    assert!(region["interfaces"].to_string().contains("management"));
    assert_eq!(region["addresses"].as_array().unwrap().len(), 2);
}

#[test]
fn primary_interface_outlives_its_instance_and_starts_another() {
    let lab = Bench::with("estate", |builder| {
        builder.timings(Timings {
            stop: 5000,
            ..Timings::default()
        })
    });
    let archive = lab.id("archive");
    let primary = || {
        lab.ok(&format!(
            "Action=DescribeNetworkInterfaces&Filter.1.Name=attachment.instance-id&Filter.1.Value.1={archive}\
             &Filter.2.Name=attachment.device-index&Filter.2.Value.1=0"
        ))
    };
    let [id, attachment, address] =
        ["networkInterfaceId", "attachmentId", "privateIpAddress"].map(|name| first(&primary(), name));
    let launch = |more: &str| {
        format!(
            "InstanceType=t2.medium&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.NetworkInterfaceId={id}{more}"
        )
    };
    let busy = lab.run(&launch("")).unwrap_err();
    assert!(busy.starts_with("InvalidNetworkInterface.InUse: "), "{busy}");
    let keep = |attachment: &str| {
        format!(
            "Action=ModifyNetworkInterfaceAttribute&NetworkInterfaceId={id}&Attachment.AttachmentId={attachment}\
             &Attachment.DeleteOnTermination=false"
        )
    };
    lab.refused("InvalidAttachmentID.NotFound", &keep("eni-attach-0"));
    lab.ok(&keep(&attachment));
    lab.ok(&format!(
        "Action=ModifyInstanceAttribute&InstanceId={archive}&DisableApiTermination.Value=false"
    ));
    lab.ok(&format!("Action=TerminateInstances&InstanceId.1={archive}"));
    // As long as the instance is on its way, it has its interface.
    let status = || {
        let body = lab.ok(&format!("Action=DescribeNetworkInterfaces&NetworkInterfaceId.1={id}"));
        body.matches("<status>").count().to_string()
            + if body.contains("<status>available<") {
                " free"
            } else {
                " held"
            }
    };
    assert_eq!(status(), "2 held");
    let busy = lab.run(&launch("")).unwrap_err();
    assert!(busy.starts_with("InvalidNetworkInterface.InUse: "), "{busy}");
    lab.clock.advance(SignedDuration::from_secs(6));
    assert_eq!(status(), "1 free");
    // It brings its own place in the network along.
    for more in [
        "&NetworkInterface.1.SubnetId=subnet-0",
        "&NetworkInterface.1.SecurityGroupId.1=sg-0",
        "&NetworkInterface.1.AssociatePublicIpAddress=true",
        "&NetworkInterface.1.DeleteOnTermination=true",
    ] {
        let error = lab.run(&launch(more)).unwrap_err();
        assert!(error.starts_with("InvalidParameterCombination: "), "{more}: {error}");
    }
    let body = lab.run(&launch("")).unwrap();
    assert_eq!(first(&body, "privateIpAddress"), address);
    let body = lab.ok(&format!(
        "Action=DescribeInstances&InstanceId.1={}",
        first(&body, "instanceId")
    ));
    assert_eq!(first(&body, "privateIpAddress"), address);
    assert_eq!(first(&body, "networkInterfaceId"), id);
    assert!(first(&body, "ipAddress").contains('.'), "its Elastic IP came along");
}

#[test]
fn own_image_keeps_its_kernel_and_its_snapshots() {
    let lab = Bench::new("estate");
    let archive = lab.id("archive");
    let root = lab.root(&archive);
    let snapshot = first(&lab.ok(&format!("Action=CreateSnapshot&VolumeId={root}")), "snapshotId");
    let register = |name: &str, kernel: &str| {
        format!(
            "Action=RegisterImage&Name={name}&Architecture=x86_64&VirtualizationType=paravirtual&KernelId={kernel}\
             &RootDeviceName={ROOT}&BlockDeviceMapping.1.DeviceName={ROOT}&BlockDeviceMapping.1.Ebs.SnapshotId={snapshot}"
        )
    };
    lab.refused("InvalidAMIID.NotFound", &register("archive", "aki-00000000"));
    let image = first(&lab.ok(&register("archive", "aki-44992845")), "imageId");
    lab.refused("InvalidAMIName.Duplicate", &register("archive", "aki-44992845"));
    let body = lab.ok("Action=DescribeImages&Owner.1=self&Filter.1.Name=name&Filter.1.Value.1=archive");
    assert_eq!(first(&body, "imageId"), image);
    assert_eq!(first(&body, "kernelId"), "aki-44992845");
    assert_eq!(first(&body, "virtualizationType"), "paravirtual");
    lab.refused(
        "InvalidSnapshot.InUse",
        &format!("Action=DeleteSnapshot&SnapshotId={snapshot}"),
    );
    lab.ok(&format!("Action=DeregisterImage&ImageId={image}"));
    lab.ok(&format!("Action=DeleteSnapshot&SnapshotId={snapshot}"));
}

#[test]
fn retirement_stops_ebs_and_ends_instance_store() {
    let lab = Bench::new("estate");
    let archive = lab.lab.fire("archive").unwrap();
    assert_eq!(lab.state(&archive), "stopped");
    let stored = lab.id("on-instance-store");
    lab.refused(
        "UnsupportedOperation",
        &format!("Action=StopInstances&InstanceId.1={stored}"),
    );
    lab.refused(
        "UnsupportedOperation",
        &format!("Action=StopInstances&InstanceId.1={}", lab.id("bid")),
    );
}

#[test]
fn marketplace_volumes_attach_to_what_is_stopped() {
    let lab = Bench::new("estate");
    let bought = lab.id("bought");
    let root = lab.root(&bought);
    lab.ok(&format!("Action=DetachVolume&VolumeId={root}"));
    let attach = format!(
        "Action=AttachVolume&VolumeId={root}&InstanceId={}&Device=/dev/sdh",
        lab.id("archive")
    );
    lab.refused("IncorrectInstanceState", &attach);
}

#[test]
fn faults_strike_where_they_should() {
    let lab = Bench::new("estate");
    let faults = lab.lab.faults();
    let describe = "Action=DescribeVolumes&MaxResults=5";
    faults.set(Fault::new(FaultKind::Throttle).action("Describe*").count(1));
    lab.refused("RequestLimitExceeded", describe);
    lab.ok(describe);
    faults.set(Fault::new(FaultKind::Capacity).resource("t3.micro").count(1));
    assert!(lab.run("InstanceType=t3.small").is_ok());
    assert!(
        lab.run("InstanceType=t3.micro")
            .unwrap_err()
            .starts_with("InsufficientInstanceCapacity: ")
    );

    let volume = first(
        &lab.ok("Action=CreateVolume&AvailabilityZone=ap-northeast-1a&Size=1"),
        "volumeId",
    );
    let attach = format!(
        "Action=AttachVolume&VolumeId={volume}&InstanceId={}&Device=/dev/sdh",
        lab.id("archive")
    );
    faults.set(Fault::new(FaultKind::BusyDevice).resource("/dev/sdh").count(1));
    lab.refused("InvalidParameterValue", &attach);
    faults.set(Fault::new(FaultKind::StuckAttaching).count(1));
    lab.ok(&attach);
    let attachment = || {
        let body = lab.ok(&format!("Action=DescribeVolumes&VolumeId.1={volume}"));
        body.contains("<device>")
            .then(|| first(body.split("<attachmentSet>").nth(1).unwrap(), "status"))
    };
    lab.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(attachment().as_deref(), Some("attaching"));
    let detach = format!("Action=DetachVolume&VolumeId={volume}");
    lab.refused("IncorrectState", &detach);
    lab.ok(&format!("{detach}&Force=true"));
    assert_eq!(attachment(), None);

    faults.set(Fault::new(FaultKind::SnapshotError).count(1));
    let snapshot = first(
        &lab.ok(&format!("Action=CreateSnapshot&VolumeId={volume}")),
        "snapshotId",
    );
    assert_eq!(
        first(
            &lab.ok(&format!("Action=DescribeSnapshots&SnapshotId.1={snapshot}")),
            "status"
        ),
        "error"
    );

    let archive = lab.id("archive");
    let impaired = faults.set(Fault::new(FaultKind::Impaired).resource(&archive));
    assert_eq!(lab.check(&archive), "impaired");
    faults.clear(Some(impaired));
    assert_eq!(lab.check(&archive), "ok");

    let locked = lab.id("locked");
    faults.set(Fault::new(FaultKind::Kms).count(1));
    lab.ok(&format!("Action=StartInstances&InstanceId.1={locked}"));
    assert_eq!(lab.state(&locked), "stopped");
    let body = lab.ok(&format!("Action=DescribeInstances&InstanceId.1={locked}"));
    assert!(body.contains("Client.InvalidKMSKey.InvalidState"), "{body}");
    assert!(faults.list().is_empty());
}

#[test]
fn describes_lag_behind_changes() {
    let lab = Bench::with("tokyo", |builder| builder.timings(Timings::default()));
    lab.lab
        .faults()
        .set(Fault::new(FaultKind::Lag { milliseconds: 5000 }).action("Describe*"));
    let volume = first(
        &lab.ok("Action=CreateVolume&AvailabilityZone=ap-northeast-1a&Size=1"),
        "volumeId",
    );
    let describe = format!("Action=DescribeVolumes&VolumeId.1={volume}");
    lab.refused("InvalidVolume.NotFound", &describe);
    lab.clock.advance(SignedDuration::from_secs(4));
    lab.refused("InvalidVolume.NotFound", &describe);
    lab.clock.advance(SignedDuration::from_secs(2));
    assert!(lab.ok(&describe).contains("creating"));
    lab.clock.advance(SignedDuration::from_secs(5));
    assert!(lab.ok(&describe).contains("available"));
}

#[test]
fn policies_are_kept() {
    let lab = Bench::new("tokyo");
    let shop = lab.id("shop");
    let policy = |text: &str| lab.lab.set_policy(&lab.key, Some(Policy::parse(text).unwrap()));
    assert!(policy(
        r#"{"Statement": [
            {"Effect": "Allow", "Action": ["ec2:Describe*", "ec2:RunInstances"], "Resource": "*"},
            {"Effect": "Allow", "Action": "ec2:StopInstances", "Resource": "*",
             "Condition": {"StringEquals": {"ec2:ResourceTag/Project": "shop"}}}]}"#
    ));
    lab.ok("Action=DescribeVolumes");
    lab.refused(
        "UnauthorizedOperation",
        &format!("Action=TerminateInstances&InstanceId.1={shop}"),
    );
    lab.refused(
        "UnauthorizedOperation",
        &format!("Action=StopInstances&InstanceId.1={}", lab.id("build")),
    );
    lab.ok(&format!("Action=StopInstances&InstanceId.1={shop}"));
    // Tags of what is made need their own permission.
    let tagged = "InstanceType=t3.micro&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=a";
    assert!(lab.run(tagged).unwrap_err().contains("ec2:CreateTags"));
    lab.run("InstanceType=t3.micro").unwrap();
    assert!(
        lab.run("InstanceType=t3.micro&IamInstanceProfile.Name=p")
            .unwrap_err()
            .contains("iam:PassRole")
    );
}

#[test]
fn state_outlives_the_lab() {
    let folder = tempfile::tempdir().unwrap();
    let first = Bench::with("estate", |builder| builder.state(folder.path()));
    let archive = first.id("archive");
    first.ok(&format!("Action=StopInstances&InstanceId.1={archive}"));
    assert_eq!(first.state(&archive), "stopped");
    let before = first.lab.snapshot_of_state();
    first.lab.save().unwrap();
    drop(first);
    let second = Lab::builder().state(folder.path()).build().unwrap();
    assert_eq!(second.snapshot_of_state(), before);
    assert_eq!(second.status().scenario, "estate");
}

#[test]
fn machines_are_not_replaced_by_nothing() {
    let folder = tempfile::tempdir().unwrap();
    crate::state::State::new("tokyo", false).save(folder.path()).unwrap();
    let error = Lab::builder()
        .state(folder.path())
        .instant()
        .build()
        .unwrap_err()
        .to_string();
    assert!(error.contains("without --instant"), "{error}");
}

#[test]
fn normal_state_is_the_same_for_the_same_deeds() {
    let run = |seed| {
        let lab = Bench::with("estate", |builder| builder.seed(seed));
        let archive = lab.id("archive");
        lab.ok(&format!("Action=StopInstances&InstanceId.1={archive}"));
        lab.run("InstanceType=t3.micro").unwrap();
        lab.lab.snapshot_of_state()
    };
    assert_eq!(run(1), run(2));
    assert_ne!(run(1), Bench::new("estate").lab.snapshot_of_state());
}

#[test]
fn every_scenario_can_be_set_up() {
    for name in Scenario::names() {
        let lab = Bench::new(name);
        assert!(!lab.lab.status().instances.is_empty(), "{name}");
    }
    assert_eq!(Bench::new("fleet").lab.status().instances.len(), 500);
    let error = Scenario::load("nowhere").unwrap_err().to_string();
    assert!(error.contains("tokyo"), "{error}");
}

#[test]
fn lab_can_be_served_inside_a_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let status = runtime.block_on(async {
        let lab = Bench::new("tokyo").lab;
        let serving = lab.serve(0).unwrap();
        let client = crate::client::Client::new(serving.address().port());
        client.get("/lab/status").unwrap()
    });
    assert_eq!(status["scenario"], "tokyo");
}
