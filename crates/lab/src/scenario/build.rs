//! From a scenario to the state that it describes.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{InstancePlan, InterfacePlan, RegionPlan, Scenario, ScenarioError, VolumePlan, times};
use crate::accounts::{Key, Member, Role, Saved};
use crate::engine::address::{Address, Association};
use crate::engine::event::Event;
use crate::engine::image::{Image, ImageMapping};
use crate::engine::instance::{Ephemeral, Instance, Metadata, ProductCode, State, Virtualization};
use crate::engine::interface::{Interface, InterfaceAttachment};
use crate::engine::network::{KeyPair, Rule, SecurityGroup};
use crate::engine::target_group::{Target, TargetGroup};
use crate::engine::volume::{AttachState, Attachment, Snapshot, Volume, VolumeState};
use crate::engine::{Region, World, catalogue};
use crate::files::FileError;
use crate::policy::Policy;

/// The octet of the first network, 127.16.0.0/16.
const FIRST_OCTET: u8 = 16;
/// How many networks there can be: above them are the public addresses.
const NETWORKS: usize = 90;

/// The guest that the lab's host images are made of.
const HOST: &str = "lab-host";

fn wrong(message: impl Into<String>) -> ScenarioError {
    ScenarioError::SetUp(message.into())
}

impl From<FileError> for ScenarioError {
    fn from(error: FileError) -> Self {
        wrong(error.to_string())
    }
}

/// The accounts and their regions.
pub(crate) fn build(world: &World, scenario: &Scenario) -> Result<(Saved, Vec<Region>), ScenarioError> {
    let mut saved = Saved::default();
    for account in &scenario.accounts {
        if account.id.len() != 12 || !account.id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong(format!("the account id {} is not twelve digits", account.id)));
        }
        saved.organization.push(Member {
            id: account.id.clone(),
            name: account.name.clone().unwrap_or_else(|| account.id.clone()),
            suspended: account.suspended,
            off: account.not_opted_in.clone(),
        });
        let policy = account
            .policy
            .as_deref()
            .map(Policy::parse)
            .transpose()
            .map_err(wrong)?;
        let id = account
            .access_key
            .clone()
            .unwrap_or_else(|| format!("AKIALAB{:0>13}", &account.id[3..]));
        let key = Key {
            // Not secret: it opens nothing but this lab.
            secret: format!("lab/{}", crate::digest(&id, 36)),
            arn: format!("arn:aws:iam::{}:user/operator", account.id),
            account: account.id.clone(),
            token: None,
            expires: None,
            policies: policy.into_iter().collect(),
            id: id.clone(),
        };
        saved.keys.insert(id, key);
        for name in &account.roles {
            let arn = format!("arn:aws:iam::{}:role/{name}", account.id);
            let role = Role {
                arn: arn.clone(),
                account: account.id.clone(),
                policies: Vec::new(),
            };
            saved.roles.insert(arn, role);
        }
    }
    let mut regions = Vec::new();
    for plan in &scenario.regions {
        let account = scenario.accounts.iter().find(|account| account.id == plan.account);
        let account = account.ok_or_else(|| wrong(format!("there is no account {}", plan.account)))?;
        let mut region = new_region(world, &plan.account, &plan.name, regions.len())?;
        region.off.clone_from(&account.not_opted_in);
        fill(world, &mut region, plan)?;
        regions.push(region);
    }
    Ok((saved, regions))
}

/// A region as every account finds it: a default network, and public images. `place` is how many there are already.
pub(crate) fn new_region(world: &World, account: &str, name: &str, place: usize) -> Result<Region, ScenarioError> {
    let octet = u8::try_from(place % NETWORKS).unwrap_or(0) + FIRST_OCTET;
    let mut region = Region::new(account, name, octet, |kind| world.id(kind));
    let created: Timestamp = Timestamp::UNIX_EPOCH
        .checked_add(jiff::SignedDuration::from_secs(1_790_000_000))
        .unwrap_or(Timestamp::UNIX_EPOCH);
    for (image, owner, alias, root_device) in [
        (
            "al2023-ami-2023.12.20261012.0-kernel-6.1-x86_64",
            "137112412989",
            "amazon",
            "/dev/xvda",
        ),
        ("debian-12-amd64-20261005-2256", "136693071363", "debian", "/dev/xvda"),
    ] {
        // The same id for every account, as real images have.
        let digits = crate::digest(&format!("{name} {image}"), 16);
        let snapshot = format!("snap-0{digits}");
        let size = world.files.guest_size(HOST).unwrap_or(8).max(2);
        region.snapshots.insert(
            snapshot.clone(),
            Snapshot {
                id: snapshot.clone(),
                volume: "vol-ffffffff".to_owned(),
                size,
                description: format!("of {image}"),
                encrypted: false,
                key: None,
                started: created,
                due: None,
                error: None,
                guest: Some(HOST.to_owned()),
                owner_alias: Some(alias.to_owned()),
                product_codes: Vec::new(),
            },
        );
        let image = Image {
            id: format!("ami-0{digits}"),
            name: image.to_owned(),
            description: "The lab's host image: Debian with cloud-init and an SSH server".to_owned(),
            owner: owner.to_owned(),
            owner_alias: Some(alias.to_owned()),
            public: true,
            architecture: "x86_64".to_owned(),
            virtualization: Virtualization::Hvm,
            kernel: None,
            ramdisk: None,
            root_device: root_device.to_owned(),
            root_type: "ebs".to_owned(),
            mappings: vec![ImageMapping {
                device: root_device.to_owned(),
                snapshot: Some(snapshot),
                size,
                kind: "gp3".to_owned(),
                delete_on_termination: true,
                encrypted: false,
                ephemeral: None,
            }],
            ena: true,
            sriov: Some("simple".to_owned()),
            boot_mode: None,
            created,
            product_codes: Vec::new(),
            source: None,
        };
        region.images.insert(image.id.clone(), image);
    }
    Ok(region)
}

fn fill(world: &World, region: &mut Region, plan: &RegionPlan) -> Result<(), ScenarioError> {
    for key in &plan.key_pairs {
        let public = key
            .public
            .clone()
            .or_else(|| world.files.guest_key())
            .unwrap_or_default();
        region.keys.insert(
            key.name.clone(),
            KeyPair {
                id: world.id("key"),
                name: key.name.clone(),
                fingerprint: crate::digest(&public, 32),
                public,
                created: world.now(),
            },
        );
    }
    let vpc = region.vpcs.keys().next().cloned().unwrap_or_default();
    for group in &plan.security_groups {
        let rule = |&port: &u16| Rule {
            protocol: "tcp".to_owned(),
            from: Some(port.into()),
            to: Some(port.into()),
            ranges: vec!["0.0.0.0/0".to_owned()],
            groups: Vec::new(),
        };
        let group = SecurityGroup {
            id: world.id("sg"),
            name: group.name.clone(),
            description: group.description.clone(),
            vpc: vpc.clone(),
            ingress: group.ports.iter().map(rule).collect(),
        };
        region.groups.insert(group.id.clone(), group);
    }
    let mut names = BTreeMap::new();
    for each in &plan.instances {
        for number in 1..=each.count.unwrap_or(1) {
            let name = match each.count {
                Some(_) => format!("{}-{number:04}", each.name),
                None => each.name.clone(),
            };
            let id =
                instance(world, region, each, &name).map_err(|error| wrong(format!("instance {name}: {error}")))?;
            names.insert(name, id);
        }
    }
    for group in &plan.target_groups {
        let arn = format!(
            "arn:aws:elasticloadbalancing:{}:{}:targetgroup/{}/{}",
            region.name,
            region.account,
            group.name,
            crate::digest(&group.name, 16)
        );
        let target = |name: &String| {
            let id = names
                .get(name)
                .ok_or_else(|| wrong(format!("there is no instance {name}")))?;
            Ok(Target {
                id: id.clone(),
                port: group.port,
            })
        };
        let targets: Result<Vec<Target>, ScenarioError> = group.targets.iter().map(target).collect();
        region.tags.insert(arn.clone(), group.tags.clone());
        region.target_groups.insert(
            arn.clone(),
            TargetGroup {
                arn,
                name: group.name.clone(),
                protocol: "HTTP".to_owned(),
                port: group.port,
                vpc: vpc.clone(),
                target_type: "instance".to_owned(),
                targets: targets?,
            },
        );
    }
    Ok(())
}

fn instance(world: &World, region: &mut Region, plan: &InstancePlan, name: &str) -> Result<String, ScenarioError> {
    let now = world.now();
    let kind = catalogue::find(&plan.kind).ok_or_else(|| wrong(format!("there is no instance type {}", plan.kind)))?;
    let virtualization = plan.virtualization.unwrap_or(match plan.kernel {
        Some(_) => Virtualization::Paravirtual,
        None => Virtualization::Hvm,
    });
    if !kind.supports(virtualization) {
        return Err(wrong(format!("{} does not do {}", plan.kind, virtualization.name())));
    }
    let zone = match &plan.zone {
        Some(letter) => format!("{}{letter}", region.name),
        None => region.zones.first().cloned().unwrap_or_default(),
    };
    let subnet = region.subnets.values().find(|subnet| subnet.zone == zone);
    let subnet = subnet
        .ok_or_else(|| wrong(format!("there is no zone {zone}")))?
        .id
        .clone();
    let launched = times::parse(&plan.launched, now).ok_or_else(|| wrong(format!("{} is no time", plan.launched)))?;
    let died = plan
        .dead_since
        .as_ref()
        .map(|text| times::parse(text, now).ok_or_else(|| wrong(format!("{text} is no time"))));
    let died = died.transpose()?;
    if died.is_some() && (plan.stopped || plan.dies_at_reboot.is_none()) {
        return Err(wrong(
            "dead_since is for one that is not stopped and has dies_at_reboot",
        ));
    }
    let id = world.id("i");
    let root_device = plan.root.as_ref().map_or("/dev/sda1", |root| &root.device);
    let mut instance = Instance {
        id: id.clone(),
        reservation: world.id("r"),
        index: 0,
        client_token: None,
        image: format!("ami-{}", crate::digest(&format!("image of {}", plan.name), 8)),
        kernel: plan.kernel.clone(),
        ramdisk: plan.ramdisk.clone(),
        kind: plan.kind.clone(),
        state: if plan.stopped { State::Stopped } else { State::Running },
        due: None,
        launched,
        powered: Some(died.unwrap_or(launched)),
        ended: None,
        reason: None,
        transition: String::new(),
        zone,
        subnet: subnet.clone(),
        vpc: region.vpcs.keys().next().cloned().unwrap_or_default(),
        tenancy: plan.tenancy.clone().unwrap_or_else(|| "default".to_owned()),
        placement_group: String::new(),
        key_name: plan.key.clone(),
        user_data: plan.user_data.as_ref().map(|text| {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.encode(text)
        }),
        virtualization,
        architecture: plan.architecture.clone().unwrap_or_else(|| "x86_64".to_owned()),
        root_device: root_device.to_owned(),
        root_type: if plan.root.is_some() { "ebs" } else { "instance-store" }.to_owned(),
        ephemeral: plan
            .ephemeral
            .iter()
            .enumerate()
            .map(|(number, device)| Ephemeral {
                device: device.clone(),
                name: format!("ephemeral{number}"),
            })
            .collect(),
        monitoring: plan.monitoring,
        profile: plan
            .profile
            .as_ref()
            .map(|name| format!("arn:aws:iam::{}:instance-profile/{name}", region.account)),
        termination_protected: plan.termination_protection,
        stop_protected: false,
        on_shutdown: plan.shutdown_behavior.clone().unwrap_or_else(|| "stop".to_owned()),
        ebs_optimized: false,
        ena: plan.ena.unwrap_or(kind.nitro),
        sriov: None,
        source_dest_check: true,
        product_codes: plan
            .product_codes
            .iter()
            .map(|code| ProductCode {
                id: code.clone(),
                kind: "marketplace".to_owned(),
            })
            .collect(),
        lifecycle: plan.lifecycle.clone(),
        auto_recovery: plan.auto_recovery.clone().unwrap_or_else(|| "default".to_owned()),
        reboot_migration: plan.reboot_migration.clone().unwrap_or_else(|| "default".to_owned()),
        metadata: Metadata {
            tokens: plan.metadata_tokens.clone().unwrap_or_else(|| "optional".to_owned()),
            ..Metadata::default()
        },
        credit: None,
        events: Vec::new(),
        wants_public: true,
        public: None,
        host: region.new_host(),
        unchecked: !plan.stopped && died.is_none(),
        doom: plan.dies_at_reboot.clone(),
        spared_by: plan.comes_up_with.clone(),
        scaling_state: plan.scaling_state.clone(),
    };
    for event in &plan.events {
        let at = |text: &String| times::parse(text, now).ok_or_else(|| wrong(format!("{text} is no time")));
        instance.events.push(Event {
            id: world.id("instance-event"),
            code: event.code,
            description: event
                .description
                .clone()
                .unwrap_or_else(|| event.code.description().to_owned()),
            not_before: at(&event.not_before)?,
            not_after: event.not_after.as_ref().map(at).transpose()?,
            deadline: event.deadline.as_ref().map(at).transpose()?,
        });
    }
    let mut groups = Vec::new();
    for name in &plan.security_groups {
        let found = region.groups.values().find(|group| group.name == *name);
        groups.push(
            found
                .ok_or_else(|| wrong(format!("there is no security group {name}")))?
                .id
                .clone(),
        );
    }
    if groups.is_empty() {
        groups.extend(
            region
                .groups
                .values()
                .find(|group| group.name == "default")
                .map(|group| group.id.clone()),
        );
    }
    let primary = InterfacePlan {
        description: "Primary network interface".to_owned(),
        secondary: 0,
        elastic_ip: plan.elastic_ip,
    };
    for (index, interface) in (0..).zip(std::iter::once(&primary).chain(&plan.interfaces)) {
        add_interface(world, region, &instance, index, interface, &groups)?;
    }
    if !plan.elastic_ip && !plan.stopped {
        instance.public = Some(region.new_public());
    }
    for volume in plan.root.iter().chain(&plan.volumes) {
        add_volume(world, region, &instance, volume, name)?;
    }
    let tags = region.tags.entry(id.clone()).or_default();
    tags.insert("Name".to_owned(), name.to_owned());
    tags.extend(plan.tags.clone());
    region.instances.insert(id.clone(), instance);
    Ok(id)
}

fn add_interface(
    world: &World,
    region: &mut Region,
    instance: &Instance,
    index: u32,
    plan: &InterfacePlan,
    groups: &[String],
) -> Result<(), ScenarioError> {
    let subnet = region
        .subnet(&instance.subnet)
        .map_err(|error| wrong(error.to_string()))?
        .clone();
    let mut addresses = Vec::new();
    for _ in 0..=plan.secondary {
        let free = subnet.free(|address| region.is_taken(address) || addresses.contains(&address));
        addresses.push(free.ok_or_else(|| wrong(format!("subnet {} is full", subnet.id)))?);
    }
    let id = world.id("eni");
    let digits = crate::digest(&id, 10);
    let pairs: Vec<&str> = digits
        .as_bytes()
        .chunks(2)
        .filter_map(|pair| std::str::from_utf8(pair).ok())
        .collect();
    let private = addresses.first().copied();
    region.interfaces.insert(
        id.clone(),
        Interface {
            id: id.clone(),
            subnet: subnet.id,
            vpc: subnet.vpc,
            zone: subnet.zone,
            description: plan.description.clone(),
            mac: format!("0a:{}", pairs.join(":")),
            addresses,
            groups: groups.to_vec(),
            source_dest_check: true,
            attachment: Some(InterfaceAttachment {
                id: world.id("eni-attach"),
                instance: instance.id.clone(),
                index,
                delete_on_termination: index == 0,
                since: instance.launched,
                due: None,
                leaving: None,
            }),
        },
    );
    if let Some(private) = private.filter(|_| plan.elastic_ip) {
        let address = Address {
            id: world.id("eipalloc"),
            public: region.new_public(),
            association: Some(Association {
                id: world.id("eipassoc"),
                interface: id,
                private,
            }),
        };
        region.addresses.insert(address.id.clone(), address);
    }
    Ok(())
}

fn add_volume(
    world: &World,
    region: &mut Region,
    instance: &Instance,
    plan: &VolumePlan,
    name: &str,
) -> Result<(), ScenarioError> {
    let id = world.id("vol");
    let least = match &plan.guest {
        Some(guest) => world.files.guest_size(guest)?,
        None => 1,
    };
    let size = plan
        .size
        .unwrap_or(least)
        .max(if world.files.exist() { least } else { 1 });
    if world.files.exist() {
        match &plan.guest {
            Some(guest) => world.files.copy(&world.files.guest(guest)?, &id, size)?,
            None => world.files.blank(&id, size)?,
        }
    }
    let tags = region.tags.entry(id.clone()).or_default();
    tags.insert("Name".to_owned(), format!("{name} {}", plan.device));
    tags.extend(plan.tags.clone());
    let key = format!(
        "arn:aws:kms:{}:{}:key/00000000-0000-4000-8000-0000000000eb",
        region.name, region.account
    );
    region.volumes.insert(
        id.clone(),
        Volume {
            id,
            size,
            kind: plan.kind.clone().unwrap_or_else(|| "standard".to_owned()),
            iops: None,
            throughput: None,
            encrypted: plan.encrypted,
            key: plan.encrypted.then_some(key),
            zone: instance.zone.clone(),
            snapshot: plan
                .guest
                .as_ref()
                .map(|guest| format!("snap-{}", crate::digest(guest, 8))),
            created: instance.launched,
            state: VolumeState::Ready,
            due: None,
            attachment: Some(Attachment {
                instance: instance.id.clone(),
                device: plan.device.clone(),
                state: AttachState::Attached,
                due: None,
                since: instance.launched,
                delete_on_termination: plan.delete_on_termination,
            }),
            product_codes: instance.product_codes.clone(),
        },
    );
    Ok(())
}
