//! Calls as an endpoint sees them, and answers as callers see them.

mod fake;

use comeback_cloud::{
    AddressUse, ErrorKind, Filter, ImageId, InstanceId, NetworkUse, NewDevice, Options, RunRequest, Session, SubnetId,
    VolumeId, VolumeRequest, actions,
    model::{AddressOwner, InstanceState, RebootMigration, UserData, Virtualization},
};
use fake::{Fake, Log, ec2, error, list, volume};
use std::sync::{Arc, Mutex};

fn volume_id(number: u32) -> VolumeId {
    VolumeId::from_api(format!("vol-{number:08x}"))
}

fn spawnable<T: Send>(value: T) -> T {
    value
}

#[tokio::test]
async fn every_error_has_its_kind_and_nothing_of_it_is_lost() {
    let cases: &[(u16, &str, &str, ErrorKind)] = &[
        (
            400,
            "InvalidVolume.NotFound",
            "The volume 'vol-1' does not exist.",
            ErrorKind::NotFound,
        ),
        (
            400,
            "IncorrectState",
            "Volume is not in the correct state",
            ErrorKind::IncorrectState,
        ),
        (
            400,
            "IncorrectInstanceState",
            "The instance is not in a state",
            ErrorKind::IncorrectState,
        ),
        (
            400,
            "VolumeInUse",
            "vol-1 is already attached to an instance",
            ErrorKind::InUse,
        ),
        (
            400,
            "InvalidParameterValue",
            "Attachment point /dev/sdf is already in use",
            ErrorKind::InUse,
        ),
        (400, "InvalidParameterValue", "bad", ErrorKind::InvalidParameter),
        (
            400,
            "InvalidInstanceID.Malformed",
            "Invalid id",
            ErrorKind::InvalidParameter,
        ),
        (400, "IdempotentParameterMismatch", "other", ErrorKind::AlreadyExists),
        (400, "VolumeLimitExceeded", "too many", ErrorKind::LimitExceeded),
        (400, "DryRunOperation", "would have succeeded", ErrorKind::DryRun),
        (500, "InsufficientInstanceCapacity", "no room", ErrorKind::Capacity),
        (400, "UnsupportedOperation", "no", ErrorKind::Unsupported),
        (
            403,
            "UnauthorizedOperation",
            "You are not authorized to perform this operation.",
            ErrorKind::Denied {
                action: "ec2:AttachVolume".to_owned(),
                code: "UnauthorizedOperation".into(),
            },
        ),
        (
            403,
            "UnauthorizedOperation",
            "You are not authorized to perform this operation. User: arn:aws:iam::1:user/x is not authorized to perform: \
             iam:PassRole on resource: y Encoded authorization failure message: secretblob",
            ErrorKind::Denied {
                action: "iam:PassRole".to_owned(),
                code: "UnauthorizedOperation".into(),
            },
        ),
        (
            401,
            "AuthFailure",
            "AWS was not able to validate the provided access credentials",
            ErrorKind::Credentials,
        ),
        (400, "SomethingNew", "news", ErrorKind::Other("SomethingNew".to_owned())),
    ];
    let fake = Fake::start().await;
    let region = fake.region().await;
    for (status, code, message, kind) in cases {
        let (status, code, message) = (*status, code.to_string(), message.to_string());
        let said = message.clone();
        fake.on("AttachVolume", move |_| (status, error(&code, &said)));
        let instance = InstanceId::from_api("i-1a2b3c4d");
        let failed = region
            .attach_volume(&volume_id(1), &instance, "/dev/sdf")
            .await
            .expect_err("an error");
        assert_eq!(failed.kind, *kind, "{failed}");
        assert_eq!(failed.request_id.as_deref(), Some("req-1234"), "{failed}");
        let text = failed.to_string();
        assert!(
            text.starts_with("ec2:AttachVolume (vol-00000001 to i-1a2b3c4d as /dev/sdf): "),
            "{text}"
        );
        assert!(!text.contains("secretblob") && !failed.help().is_empty(), "{text}");
    }
    assert_eq!(
        fake.asked("AttachVolume").len(),
        cases.len(),
        "none of these is tried again"
    );
}

#[tokio::test]
async fn what_may_have_been_done_is_repeated_only_where_twice_is_as_good_as_once() {
    let fake = Fake::start().await;
    let region = fake.region().await;
    for action in ["AttachVolume", "CreateVolume", "StopInstances", "DescribeVolumes"] {
        fake.on(action, |_| {
            (500, error("InternalError", "An internal error has occurred"))
        });
    }
    let instance = InstanceId::from_api("i-1a2b3c4d");
    let failed = region
        .attach_volume(&volume_id(1), &instance, "/dev/sdf")
        .await
        .expect_err("an error");
    assert_eq!(failed.kind, ErrorKind::Server);
    assert!(failed.outcome_unknown() && failed.help().contains("may have been carried out"));
    assert_eq!(fake.asked("AttachVolume").len(), 1);

    let request = VolumeRequest {
        token: "run-7-volume-1".to_owned(),
        zone: "ap-northeast-1a".to_owned(),
        snapshot: None,
        size_gib: Some(8),
        kind: "gp3".to_owned(),
        iops: None,
        throughput: None,
        encrypted: None,
        kms_key: None,
        tags: [("comeback:run".to_owned(), "7".to_owned())].into(),
    };
    region.create_volume(&request).await.expect_err("an error");
    let asked = fake.asked("CreateVolume");
    assert_eq!(asked.len(), 4);
    assert!(
        asked.iter().all(|form| form["ClientToken"] == "run-7-volume-1"),
        "each attempt has the same token"
    );
    assert_eq!(asked[0]["TagSpecification.1.Tag.1.Key"], "comeback:run");

    region.stop(&instance, false).await.expect_err("an error");
    assert_eq!(
        fake.asked("StopInstances").len(),
        4,
        "stopping twice is as good as once"
    );
    let failed = region.volumes_where(&[]).await.expect_err("an error");
    assert!(!failed.outcome_unknown(), "a read changes nothing");
    assert_eq!(fake.asked("DescribeVolumes").len(), 4);
}

#[tokio::test]
async fn a_throttled_call_is_always_made_again() {
    let fake = Fake::start().await;
    let region = fake.region().await;
    let mut calls = 0;
    fake.on("AttachVolume", move |_| {
        calls += 1;
        match calls {
            1..=2 => (503, error("RequestLimitExceeded", "Request limit exceeded.")),
            _ => (
                200,
                ec2(
                    "AttachVolume",
                    "<volumeId>vol-00000001</volumeId><status>attaching</status>",
                ),
            ),
        }
    });
    region
        .attach_volume(&volume_id(1), &InstanceId::from_api("i-1a2b3c4d"), "/dev/sdf")
        .await
        .expect("attached");
    assert_eq!(fake.asked("AttachVolume").len(), 3);
}

#[tokio::test]
async fn nothing_listens_is_told_from_a_lost_answer() {
    let fake = Fake::start().await;
    let session = Session::load(Options {
        endpoint: Some("http://127.0.0.1:1".to_owned()),
        ..fake.options()
    })
    .await;
    let failed = session.expect_err("an error");
    assert_eq!(failed.kind, ErrorKind::Unreachable, "{failed}");
    assert!(!failed.outcome_unknown());
    assert!(!format!("{failed} {failed:?} {:?}", fake.options()).contains("verysecret"));
}

#[tokio::test]
async fn pages_are_followed_and_asked_for() {
    let fake = Fake::start().await;
    let region = fake.region().await;
    fake.on("DescribeVolumes", |form| {
        let page: u32 = form
            .get("NextToken")
            .map_or(0, |token| token.parse().expect("a number"));
        let next = if page < 2 {
            format!("<nextToken>{}</nextToken>", page + 1)
        } else {
            "<nextToken/>".to_owned()
        };
        let item = volume(&format!("vol-{page:08x}"), "available");
        (
            200,
            ec2("DescribeVolumes", &format!("<volumeSet>{item}</volumeSet>{next}")),
        )
    });
    let found = region
        .volumes_where(&[Filter::new("status", ["available", "in-use"])])
        .await
        .expect("volumes");
    assert_eq!(
        found.iter().map(|v| v.id.clone()).collect::<Vec<_>>(),
        [volume_id(0), volume_id(1), volume_id(2)]
    );
    let asked = fake.asked("DescribeVolumes");
    assert_eq!(asked.len(), 3);
    assert!(
        asked
            .iter()
            .all(|form| form["MaxResults"] == "500" && form["Filter.1.Value.2"] == "in-use")
    );
}

#[tokio::test]
async fn names_are_asked_for_in_batches_and_a_missing_one_does_not_fail_the_others() {
    let fake = Fake::start().await;
    let region = fake.region().await;
    let missing = "vol-00000007";
    fake.on("DescribeVolumes", move |form| {
        let named = list(form, "VolumeId");
        assert!(named.is_empty() || !form.contains_key("MaxResults"), "EC2 refuses both");
        if named.iter().any(|id| id == missing) {
            return (
                400,
                error(
                    "InvalidVolume.NotFound",
                    &format!("The volume '{missing}' does not exist."),
                ),
            );
        }
        let wanted = if named.is_empty() {
            list(form, "Filter.1.Value")
        } else {
            named
        };
        assert!(form.contains_key("VolumeId.1") || wanted.len() <= 200);
        let items: String = wanted
            .iter()
            .filter(|id| *id != missing)
            .map(|id| volume(id, "in-use"))
            .collect();
        (200, ec2("DescribeVolumes", &format!("<volumeSet>{items}</volumeSet>")))
    });
    let ids: Vec<VolumeId> = (0..2300).map(volume_id).collect();
    let found = region.volumes(&ids).await.expect("volumes");
    assert_eq!(found.len(), 2299);
    // 1000 with the missing one, that again in five of 200, 1000, and 300.
    assert_eq!(fake.asked("DescribeVolumes").len(), 1 + 5 + 2);
    let failed = region.volume(&volume_id(7)).await.expect_err("missing");
    assert!(failed.is_not_found(), "{failed}");
}

#[tokio::test]
async fn an_instance_is_read_with_all_that_is_kept_of_it() {
    let fake = Fake::start().await;
    let region = fake.region().await;
    fake.on("DescribeInstances", |_| {
        (
            200,
            ec2(
                "DescribeInstances",
                r#"<reservationSet><item><reservationId>r-1</reservationId><instancesSet><item>
                <instanceId>i-1a2b3c4d</instanceId><imageId>ami-8f78188e</imageId>
                <instanceState><code>16</code><name>running</name></instanceState>
                <privateDnsName>ip-10-0-1-10.ec2.internal</privateDnsName><dnsName/>
                <instanceType>m3.medium</instanceType><launchTime>2014-05-01T10:00:00.000Z</launchTime>
                <placement><availabilityZone>ap-northeast-1a</availabilityZone><tenancy>default</tenancy></placement>
                <kernelId>aki-44992845</kernelId><monitoring><state>disabled</state></monitoring>
                <subnetId>subnet-1a2b3c4d</subnetId><privateIpAddress>10.0.1.10</privateIpAddress>
                <architecture>x86_64</architecture><rootDeviceType>ebs</rootDeviceType>
                <rootDeviceName>/dev/sda1</rootDeviceName>
                <blockDeviceMapping><item><deviceName>/dev/sda1</deviceName><ebs><volumeId>vol-1a2b3c4d</volumeId>
                <status>attached</status><deleteOnTermination>true</deleteOnTermination></ebs></item></blockDeviceMapping>
                <virtualizationType>paravirtual</virtualizationType><hypervisor>xen</hypervisor>
                <tagSet><item><key>Name</key><value>web</value></item></tagSet>
                <groupSet><item><groupId>sg-1a2b3c4d</groupId><groupName>web</groupName></item></groupSet>
                <networkInterfaceSet><item><networkInterfaceId>eni-1a2b3c4d</networkInterfaceId>
                <sourceDestCheck>true</sourceDestCheck>
                <attachment><attachmentId>eni-attach-1a2b3c4d</attachmentId><deviceIndex>0</deviceIndex>
                <status>attached</status><deleteOnTermination>true</deleteOnTermination></attachment>
                <privateIpAddressesSet>
                <item><privateIpAddress>10.0.1.11</privateIpAddress><primary>false</primary></item>
                <item><privateIpAddress>10.0.1.10</privateIpAddress><primary>true</primary>
                <association><publicIp>203.0.113.9</publicIp><ipOwnerId>111122223333</ipOwnerId></association></item>
                </privateIpAddressesSet></item></networkInterfaceSet>
                <maintenanceOptions><autoRecovery>default</autoRecovery><rebootMigration>disabled</rebootMigration>
                </maintenanceOptions></item></instancesSet></item></reservationSet>"#,
            ),
        )
    });
    let found = tokio::spawn(spawnable(async move { region.instances_where(&[]).await }))
        .await
        .expect("task");
    let instance = found.expect("instances").remove(0);
    assert_eq!(
        (&instance.state, &instance.virtualization),
        (&InstanceState::Running, &Virtualization::Paravirtual)
    );
    assert_eq!(instance.kernel.as_ref().map(|k| k.as_str()), Some("aki-44992845"));
    assert_eq!(instance.root().map(|root| root.volume.as_str()), Some("vol-1a2b3c4d"));
    assert_eq!(instance.name(), Some("web"));
    assert_eq!(
        instance.launch_time.map(|time| time.to_string()).as_deref(),
        Some("2014-05-01T10:00:00Z")
    );
    assert_eq!(
        instance.maintenance_options.reboot_migration,
        Some(RebootMigration::Disabled)
    );
    let primary = instance.primary_interface().expect("an interface");
    assert!(primary.addresses[0].primary, "the primary address comes first");
    let account = "111122223333".parse().expect("account");
    assert_eq!(primary.addresses[0].owner, Some(AddressOwner::Account(account)));
    assert_eq!(instance.public_dns, None, "an empty text is none");
    let json = serde_json::to_string(&instance).expect("json");
    assert_eq!(
        serde_json::from_str::<comeback_cloud::model::Instance>(&json).expect("instance"),
        instance
    );
}

#[tokio::test]
async fn a_launch_says_all_it_has_to_and_is_not_made_twice() {
    let fake = Fake::start().await;
    let region = fake.region().await;
    fake.on("RunInstances", |_| {
        (
            200,
            ec2(
                "RunInstances",
                "<instancesSet><item><instanceId>i-1a2b3c4d</instanceId><imageId>ami-1a2b3c4d</imageId>\
                 <instanceState><name>pending</name></instanceState><instanceType>t3.medium</instanceType>\
                 <virtualizationType>hvm</virtualizationType><architecture>x86_64</architecture></item></instancesSet>",
            ),
        )
    });
    let network = NetworkUse::Subnet {
        subnet: SubnetId::from_api("subnet-1a2b3c4d"),
        groups: vec![comeback_cloud::GroupId::from_api("sg-1a2b3c4d")],
        private_ip: None,
        public_ip: Some(true),
    };
    let mut request = RunRequest::new("run-7-host", ImageId::from_api("ami-1a2b3c4d"), "t3.medium", network);
    request.user_data = Some(UserData(b"#cloud-config\n".to_vec()));
    request.profile = Some("web".to_owned());
    request.tags = [("Name".to_owned(), "host".to_owned())].into();
    request.devices = vec![NewDevice::None {
        device: "/dev/sdb".to_owned(),
    }];
    let instance = region.run_instance(&request).await.expect("launched");
    assert_eq!(instance.state, InstanceState::Pending);
    let form = fake.asked("RunInstances").remove(0);
    for (key, value) in [
        ("ClientToken", "run-7-host"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("UserData", "I2Nsb3VkLWNvbmZpZwo="),
        ("IamInstanceProfile.Name", "web"),
        ("NetworkInterface.1.SubnetId", "subnet-1a2b3c4d"),
        ("NetworkInterface.1.SecurityGroupId.1", "sg-1a2b3c4d"),
        ("NetworkInterface.1.AssociatePublicIpAddress", "true"),
        ("TagSpecification.1.ResourceType", "instance"),
        ("BlockDeviceMapping.1.NoDevice", ""),
    ] {
        assert_eq!(form.get(key).map(String::as_str), Some(value), "{key}: {form:#?}");
    }
    assert!(
        !form.contains_key("SubnetId"),
        "EC2 refuses a subnet next to interfaces"
    );
}

#[tokio::test]
async fn observers_see_each_attempt_and_can_stop_it() {
    let fake = Fake::start().await;
    let log = Arc::new(Log::default());
    let options = Options {
        observer: Some(log.clone()),
        ..fake.options()
    };
    let session = Session::load(options).await.expect("session");
    let region = session.region(&"ap-northeast-1".parse().expect("region"));
    let mut calls = 0;
    fake.on("StopInstances", move |_| {
        calls += 1;
        if calls == 1 {
            (500, error("InternalError", "again"))
        } else {
            (200, ec2("StopInstances", "<instancesSet/>"))
        }
    });
    region
        .stop(&InstanceId::from_api("i-1a2b3c4d"), true)
        .await
        .expect("stopped");
    let log = log.0.lock().expect("lock");
    let seen: Vec<(&str, u32, bool)> = log
        .iter()
        .map(|(call, outcome)| (call.action.name, call.attempt, outcome.is_some()))
        .collect();
    assert_eq!(
        seen,
        [
            ("sts:GetCallerIdentity", 1, false),
            ("sts:GetCallerIdentity", 1, true),
            ("ec2:StopInstances", 1, false),
            ("ec2:StopInstances", 1, true),
            ("ec2:StopInstances", 2, false),
            ("ec2:StopInstances", 2, true),
        ]
    );
    assert_eq!(
        log[5].1,
        Some(comeback_cloud::Outcome::Done {
            request_id: Some("req-5678".to_owned())
        })
    );
    assert_eq!(fake.asked("StopInstances")[0]["Force"], "true");
    assert_eq!(log[2].0.account, Some("111122223333".parse().expect("account")));
}

/// Never comes back from the moment before, or after, a call of an action.
#[derive(Debug)]
struct Stuck {
    action: &'static str,
    before: bool,
    reached: tokio::sync::Notify,
}

#[async_trait::async_trait]
impl comeback_cloud::Observer for Stuck {
    async fn before(&self, call: &comeback_cloud::Call) {
        if self.before && call.action.name == self.action {
            self.reached.notify_one();
            std::future::pending::<()>().await;
        }
    }

    async fn after(&self, call: &comeback_cloud::Call, _: &comeback_cloud::Outcome) {
        if !self.before && call.action.name == self.action {
            self.reached.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

#[tokio::test]
async fn a_caller_that_is_dropped_in_the_middle_leaves_the_others_alone() {
    for before in [true, false] {
        let fake = Fake::start().await;
        let stuck = Arc::new(Stuck {
            action: "ec2:DetachVolume",
            before,
            reached: tokio::sync::Notify::new(),
        });
        fake.on("DetachVolume", |_| {
            (200, ec2("DetachVolume", "<status>detaching</status>"))
        });
        fake.on("DeleteVolume", |_| (200, ec2("DeleteVolume", "<return>true</return>")));
        let options = Options {
            observer: Some(stuck.clone()),
            ..fake.options()
        };
        let session = Session::load(options).await.expect("session");
        let region = session.region(&"ap-northeast-1".parse().expect("region"));
        let other = region.clone();
        let instance = InstanceId::from_api("i-1a2b3c4d");
        let task = tokio::spawn(async move { region.detach_volume(&volume_id(1), &instance, false).await });
        stuck.reached.notified().await;
        task.abort();
        assert!(task.await.expect_err("aborted").is_cancelled());
        assert_eq!(fake.asked("DetachVolume").len(), usize::from(!before));
        other.delete_volume(&volume_id(1)).await.expect("deleted");
    }
}

#[tokio::test]
async fn an_address_is_moved_only_where_that_was_said() {
    let fake = Fake::start().await;
    let region = fake.region().await;
    fake.on("AssociateAddress", |_| {
        (
            200,
            ec2(
                "AssociateAddress",
                "<return>true</return><associationId>eipassoc-1a2b3c4d</associationId>",
            ),
        )
    });
    let to = AddressUse {
        interface: "eni-1a2b3c4d".parse().expect("id"),
        private: Some("10.0.1.10".parse().expect("address")),
        reassociate: false,
    };
    let address = "eipalloc-1a2b3c4d".parse().expect("id");
    let association = region.associate_address(&address, &to).await.expect("associated");
    assert_eq!(association.as_str(), "eipassoc-1a2b3c4d");
    let form = fake.asked("AssociateAddress").remove(0);
    assert_eq!(form["AllowReassociation"], "false");
    assert_eq!(form["PrivateIpAddress"], "10.0.1.10");
}

#[tokio::test]
async fn console_output_and_user_data_are_bytes() {
    let fake = Fake::start().await;
    let region = fake.region().await;
    let id = InstanceId::from_api("i-1a2b3c4d");
    fake.on("GetConsoleOutput", |_| {
        (
            200,
            ec2(
                "GetConsoleOutput",
                "<instanceId>i-1a2b3c4d</instanceId><output>WGVuIE1pbmlt\nYWwgT1MhDQo=</output>",
            ),
        )
    });
    assert_eq!(
        region.console_output(&id, false).await.expect("console"),
        b"Xen Minimal OS!\r\n"
    );
    fake.on("DescribeInstanceAttribute", |form| {
        let body = match form["Attribute"].as_str() {
            "userData" => "<userData><value>c2VjcmV0</value></userData>",
            "disableApiTermination" => "<disableApiTermination><value>true</value></disableApiTermination>",
            "disableApiStop" => "<disableApiStop><value>false</value></disableApiStop>",
            _ => "<instanceInitiatedShutdownBehavior><value>terminate</value></instanceInitiatedShutdownBehavior>",
        };
        (
            200,
            ec2(
                "DescribeInstanceAttribute",
                &format!("<instanceId>i-1a2b3c4d</instanceId>{body}"),
            ),
        )
    });
    let attributes = region.attributes(&id).await.expect("attributes");
    assert_eq!(attributes.user_data, Some(UserData(b"secret".to_vec())));
    assert!(attributes.termination_protected && !attributes.stop_protected);
    assert_eq!(attributes.shutdown_behavior.as_str(), "terminate");
}

#[tokio::test]
async fn sessions_of_one_account_share_their_budget_and_roles_are_taken_on() {
    let fake = Fake::start().await;
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    fake.on("AssumeRole", move |form| {
        *count.lock().expect("lock") += 1;
        assert_eq!(form["ExternalId"], "client-42");
        (
            200,
            r#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
            <AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
            <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"#
                .to_owned(),
        )
    });
    let session = Session::load(fake.options()).await.expect("session");
    let role = "arn:aws:iam::111122223333:role/comeback";
    let assumed = session.assume(role, Some("client-42")).await.expect("role");
    assert_eq!(*asked.lock().expect("lock"), 1);
    assert_eq!(assumed.identity().account.as_str(), "111122223333");
    fake.on("AttachVolume", |_| {
        (200, ec2("AttachVolume", "<status>attaching</status>"))
    });
    let name = "ap-northeast-1".parse().expect("region");
    let begun = tokio::time::Instant::now();
    let instance = InstanceId::from_api("i-1a2b3c4d");
    for number in 0..53 {
        let region = if number % 2 == 0 {
            session.region(&name)
        } else {
            assumed.region(&name)
        };
        region
            .attach_volume(&volume_id(number), &instance, "/dev/sdf")
            .await
            .expect("attached");
    }
    // 50 at once, then 5 a second for both together.
    assert!(begun.elapsed().as_millis() >= 390, "{:?}", begun.elapsed());
}

/// The SDK takes roles on by itself, below the call that needs them.
#[tokio::test]
async fn a_role_that_may_not_be_taken_on_is_told_as_what_it_is() {
    let fake = Fake::start().await;
    let session = Session::load(fake.options()).await.expect("session");
    let role = "arn:aws:iam::444455556666:role/audit";
    let said = format!(
        "User: arn:aws:iam::111122223333:user/ops is not authorized to perform: sts:AssumeRole on resource: {role}"
    );
    for (status, code, kind) in [
        (
            403,
            "AccessDenied",
            ErrorKind::Denied {
                action: "sts:AssumeRole".to_owned(),
                code: "AccessDenied".into(),
            },
        ),
        (403, "ExpiredToken", ErrorKind::Credentials),
        (400, "SomethingNew", ErrorKind::Other("SomethingNew".to_owned())),
    ] {
        let message = said.clone();
        fake.on("AssumeRole", move |_| {
            (
                status,
                format!(
                    "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Code>{code}</Code>\
                     <Message>{message}</Message></Error><RequestId>req-7</RequestId></ErrorResponse>"
                ),
            )
        });
        let failed = session.assume(role, None).await.expect_err("denied");
        assert_eq!(failed.kind, kind);
        assert_eq!(
            (failed.action, failed.message.as_str()),
            (&actions::ASSUME_ROLE, said.as_str())
        );
        let denial = failed.denial();
        assert_eq!(denial.is_some(), code == "AccessDenied");
        if let Some(denial) = denial {
            assert_eq!(denial.resource.as_deref(), Some(role));
            assert!(failed.help().contains("trust policy"), "{}", failed.help());
        }
    }
}

#[test]
fn policies_name_the_calls_and_nothing_else() {
    let actions = [
        &actions::DESCRIBE_INSTANCES,
        &actions::RUN_INSTANCES,
        &actions::GET_PARAMETER,
        &actions::GET_CALLER_IDENTITY,
    ];
    let needs = comeback_cloud::policy::Needs {
        instance_profile: true,
        ..Default::default()
    };
    let text = comeback_cloud::policy::document(actions, &needs);
    let document: serde_json::Value = serde_json::from_str(&text).expect("json");
    let allowed: Vec<&str> = document["Statement"]
        .as_array()
        .expect("statements")
        .iter()
        .flat_map(|statement| statement["Action"].as_array().expect("actions"))
        .filter_map(|action| action.as_str())
        .collect();
    assert_eq!(
        allowed,
        [
            "ec2:DescribeInstances",
            "ec2:RunInstances",
            "ssm:GetParameter",
            "iam:PassRole"
        ]
    );
    assert!(!text.contains("kms:") && text.contains("\n"), "{text}");
}
