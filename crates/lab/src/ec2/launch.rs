//! `RunInstances`.

use std::net::Ipv4Addr;

use base64::Engine as _;

use super::attributes::set_metadata;
use super::volumes::{self, Wanted};
use super::{Answer, Call};
use crate::engine::image::Image;
use crate::engine::instance::{Ephemeral, Instance, Metadata, State, Virtualization};
use crate::engine::interface::{Interface, InterfaceAttachment};
use crate::engine::network::Subnet;
use crate::engine::volume::{AttachState, Attachment};
use crate::engine::{aki, settle};
use crate::wire::{ApiError, Params, Xml};

/// A volume to make and where to attach it.
#[derive(Debug, Clone)]
struct Mapping {
    device: String,
    delete_on_termination: bool,
    wanted: Wanted,
}

/// Where an instance gets its network from.
#[derive(Debug)]
struct Network {
    subnet: Subnet,
    interfaces: Vec<Plan>,
    wants_public: bool,
}

/// An interface to make, or one that is there.
#[derive(Debug)]
struct Plan {
    index: u32,
    existing: Option<String>,
    groups: Vec<String>,
    address: Option<Ipv4Addr>,
    description: String,
    delete_on_termination: bool,
}

pub(super) fn run(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    if params.iter().any(|(name, _)| name.starts_with("LaunchTemplate.")) {
        return Err(ApiError::unsupported("The lab has no launch templates"));
    }
    let least: u32 = params
        .parsed("MinCount")?
        .ok_or_else(|| ApiError::missing("MinCount"))?;
    let most: u32 = params
        .parsed("MaxCount")?
        .ok_or_else(|| ApiError::missing("MaxCount"))?;
    if least == 0 || most < least || most > 1000 {
        return Err(ApiError::invalid("minCount", &least.to_string()));
    }
    let image = call.region.image(params.required("ImageId")?)?.clone();
    let network = network(call)?;
    let template = template(call, &image, &network)?;
    super::attributes::check_type(call, &template, &template.kind).map_err(unsupported_pair)?;
    let (mappings, ephemeral) = mappings(call, &image)?;
    let existing = network
        .interfaces
        .iter()
        .any(|plan| plan.existing.is_some() || plan.address.is_some());
    if existing && most > 1 {
        return Err(ApiError::combination(
            "An address or an interface can be given to one instance only",
        ));
    }
    let reservation = call.world.id("r");
    let mut made = Vec::new();
    for index in 0..most {
        let instance = Instance {
            id: call.world.id("i"),
            reservation: reservation.clone(),
            index,
            ephemeral: ephemeral.clone(),
            ..template.clone()
        };
        made.push(launch(call, instance, &network, &mappings)?);
    }
    let instances: Vec<&Instance> = made.iter().filter_map(|id| call.region.instances.get(id)).collect();
    let mut xml = Xml::new();
    super::reservation(&mut xml, call.region, &reservation, &instances);
    Ok(xml)
}

/// What `RunInstances` says where `ModifyInstanceAttribute` speaks of a combination.
fn unsupported_pair(error: ApiError) -> ApiError {
    if error.code == "InvalidParameterCombination" && error.message.starts_with("Virtualization") {
        return ApiError::combination(format!(
            "Non-Windows instances with this virtualization type do not run on it: {}",
            error.message
        ));
    }
    error
}

/// Makes one instance with its volumes and interfaces, and gives it power.
fn launch(
    call: &mut Call<'_>,
    instance: Instance,
    network: &Network,
    mappings: &[Mapping],
) -> Result<String, ApiError> {
    let id = instance.id.clone();
    let mut interfaces = Vec::new();
    for plan in &network.interfaces {
        let mut interface = match &plan.existing {
            Some(existing) => call.region.interface(existing)?.clone(),
            None => make_interface(call, &network.subnet, plan)?,
        };
        interface.attachment = Some(InterfaceAttachment {
            id: call.world.id("eni-attach"),
            instance: id.clone(),
            index: plan.index,
            delete_on_termination: plan.delete_on_termination,
            since: call.now,
            due: Some(call.world.after(call.world.timings.attach)),
            leaving: None,
        });
        // In at once, so that the next one does not get the same address.
        call.region.interfaces.insert(interface.id.clone(), interface.clone());
        interfaces.push((interface.id, plan.existing.is_none()));
    }
    let mut volumes = Vec::new();
    for mapping in mappings {
        let attachment = Attachment {
            instance: id.clone(),
            device: mapping.device.clone(),
            state: AttachState::Attaching,
            due: Some(call.world.after(call.world.timings.attach)),
            since: call.now,
            delete_on_termination: mapping.delete_on_termination,
        };
        match volumes::make(call, &mapping.wanted, &instance.zone, Some(attachment)) {
            Ok(volume) => volumes.push(volume),
            Err(error) => {
                // Nothing of an instance stays that could not be made whole.
                for volume in volumes {
                    call.region.volumes.remove(&volume);
                    call.region.tags.remove(&volume);
                    if let Err(error) = call.world.files.remove(&volume) {
                        crate::log(format_args!("{error}"));
                    }
                }
                for (interface, new) in interfaces {
                    if new {
                        call.region.interfaces.remove(&interface);
                    } else if let Some(interface) = call.region.interfaces.get_mut(&interface) {
                        interface.attachment = None;
                    }
                }
                return Err(error);
            }
        }
    }
    for (interface, new) in interfaces {
        if new {
            call.tag_new("network-interface", &interface);
        }
    }
    call.region.instances.insert(id.clone(), instance);
    call.tag_new("instance", &id);
    let failed = volumes.iter().any(|id| {
        call.region
            .volumes
            .get(id)
            .is_some_and(|volume| volume.status() == "error")
    });
    if failed || super::lifecycle::kms_refuses(call, &id) {
        settle::fail_start(
            call.world,
            call.region,
            &id,
            true,
            "Client.InvalidKMSKey.InvalidState",
            "Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state",
        );
    } else {
        settle::power_on(call.world, call.region, &id, true);
    }
    Ok(id)
}

fn make_interface(call: &Call<'_>, subnet: &Subnet, plan: &Plan) -> Result<Interface, ApiError> {
    super::interfaces::make(call, &subnet.id, plan.groups.clone(), plan.address, &plan.description)
}

fn network(call: &Call<'_>) -> Result<Network, ApiError> {
    let params = call.params;
    let given = params.structs("NetworkInterface");
    let groups = groups(call)?;
    if given.is_empty() {
        let subnet = subnet(call, params.text("SubnetId"))?;
        let plan = Plan {
            index: 0,
            existing: None,
            groups,
            address: params.parsed("PrivateIpAddress")?,
            description: String::new(),
            delete_on_termination: true,
        };
        check_address(call, &subnet, &plan)?;
        let wants_public = subnet.public;
        return Ok(Network {
            subnet,
            interfaces: vec![plan],
            wants_public,
        });
    }
    let top_level = ["SubnetId", "PrivateIpAddress"]
        .iter()
        .any(|name| params.text(name).is_some());
    if top_level || !groups.is_empty() {
        return Err(ApiError::combination(
            "Network interfaces and an instance-level subnet ID, private address or security groups may not be specified on the same request",
        ));
    }
    let mut interfaces = Vec::new();
    let mut place: Option<Subnet> = None;
    let mut wants_public = None;
    for each in &given {
        let index: u32 = each
            .parsed("DeviceIndex")?
            .ok_or_else(|| ApiError::missing(&each.full("DeviceIndex")))?;
        let existing = each.text("NetworkInterfaceId");
        let subnet = match existing {
            Some(id) => {
                let interface = call.region.interface(id)?;
                if interface.attachment.is_some() {
                    return Err(ApiError::new(
                        "InvalidNetworkInterface.InUse",
                        format!("Interface: [{id}] in use."),
                    ));
                }
                check_existing(each)?;
                call.region.subnet(&interface.subnet)?.clone()
            }
            None => subnet(call, each.text("SubnetId"))?,
        };
        if index == 0 {
            wants_public = each.flag("AssociatePublicIpAddress")?;
        }
        if place.as_ref().is_some_and(|place| place.zone != subnet.zone) {
            return Err(ApiError::combination(
                "The network interfaces are not in the same availability zone",
            ));
        }
        let plan = Plan {
            index,
            existing: existing.map(str::to_owned),
            groups: each.list("SecurityGroupId").into_iter().map(str::to_owned).collect(),
            address: each.parsed("PrivateIpAddress")?,
            description: each.get("Description").unwrap_or_default().to_owned(),
            delete_on_termination: each.flag("DeleteOnTermination")?.unwrap_or(existing.is_none()),
        };
        for group in &plan.groups {
            call.region.group(group)?;
        }
        if existing.is_none() {
            check_address(call, &subnet, &plan)?;
        }
        if index == 0 || place.is_none() {
            place = Some(subnet);
        }
        interfaces.push(plan);
    }
    let mut indices: Vec<u32> = interfaces.iter().map(|plan| plan.index).collect();
    indices.sort_unstable();
    indices.dedup();
    let (Some(subnet), Some(0), true) = (place, indices.first(), indices.len() == interfaces.len()) else {
        return Err(ApiError::combination(
            "Each network interface requires a device index of its own, and one of them has to be 0",
        ));
    };
    let new = interfaces.iter().any(|plan| plan.index == 0 && plan.existing.is_none());
    Ok(Network {
        wants_public: wants_public.unwrap_or(subnet.public && new),
        subnet,
        interfaces,
    })
}

/// An interface that is there has its place and addresses already, and is not deleted with an instance that it outlived once
/// (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceNetworkInterfaceSpecification.html>).
fn check_existing(given: &Params) -> Result<(), ApiError> {
    let own = [
        "SubnetId",
        "PrivateIpAddress",
        "Description",
        "SecondaryPrivateIpAddressCount",
    ];
    let says_more = own.iter().any(|name| given.text(name).is_some())
        || !given.list("SecurityGroupId").is_empty()
        || given.flag("AssociatePublicIpAddress")?.is_some()
        || given.flag("DeleteOnTermination")? == Some(true);
    if says_more {
        return Err(ApiError::combination(
            "A network interface may not specify both a network interface ID and a subnet, security groups, a description, \
             private addresses, an associated public address or deletion on termination",
        ));
    }
    Ok(())
}

fn check_address(call: &Call<'_>, subnet: &Subnet, plan: &Plan) -> Result<(), ApiError> {
    call.region.free_address(subnet, plan.address).map(drop)
}

fn groups(call: &Call<'_>) -> Result<Vec<String>, ApiError> {
    let mut groups = Vec::new();
    for id in call.params.list("SecurityGroupId") {
        groups.push(call.region.group(id)?.id.clone());
    }
    for name in call.params.list("SecurityGroup") {
        let found = call.region.groups.values().find(|group| group.name == name);
        let found = found.ok_or_else(|| ApiError::not_found("InvalidGroup.NotFound", "security group", name))?;
        groups.push(found.id.clone());
    }
    Ok(groups)
}

fn subnet(call: &Call<'_>, id: Option<&str>) -> Result<Subnet, ApiError> {
    let zone = call.params.text("Placement.AvailabilityZone");
    if let Some(zone) = zone.filter(|zone| !call.region.zones.iter().any(|each| each == zone)) {
        return Err(ApiError::new(
            "InvalidParameterValue",
            format!("Invalid availability zone: [{zone}]"),
        ));
    }
    let found = match id {
        Some(id) => Some(call.region.subnet(id)?),
        None => call
            .region
            .subnets
            .values()
            .filter(|subnet| zone.is_none_or(|zone| subnet.zone == zone))
            .min_by(|one, other| one.zone.cmp(&other.zone)),
    };
    let found = found.ok_or_else(|| ApiError::new("MissingInput", "No subnets found for the default VPC"))?;
    if zone.is_some_and(|zone| zone != found.zone) {
        return Err(ApiError::new(
            "InvalidParameterValue",
            format!("The availability zone does not match that of the subnet '{}'", found.id),
        ));
    }
    Ok(found.clone())
}

/// The instance as it will be, apart from its own id.
fn template(call: &Call<'_>, image: &Image, network: &Network) -> Result<Instance, ApiError> {
    let params = call.params;
    let pv = image.virtualization == Virtualization::Paravirtual;
    let kernel = params
        .text("KernelId")
        .map(str::to_owned)
        .or_else(|| image.kernel.clone());
    if kernel.is_some() && !pv {
        return Err(ApiError::combination(
            "The kernel and ramdisk cannot be specified for an HVM image",
        ));
    }
    if let Some(kernel) = params.text("KernelId")
        && aki::find(&call.region.name, kernel).is_none()
    {
        return Err(ApiError::new(
            "InvalidAMIID.NotFound",
            format!("The image id '[{kernel}]' does not exist"),
        ));
    }
    if let Some(name) = params.text("KeyName")
        && !call.region.keys.contains_key(name)
    {
        return Err(ApiError::new(
            "InvalidKeyPair.NotFound",
            format!("The key pair '{name}' does not exist"),
        ));
    }
    let user_data = params.text("UserData").map(str::to_owned);
    if let Some(text) = &user_data {
        let decoded = base64::engine::general_purpose::STANDARD
            .decode(text)
            .map_err(|_| ApiError::new("InvalidParameterValue", "Invalid BASE64 encoding of user data."))?;
        if decoded.len() > 16 << 10 {
            return Err(ApiError::new(
                "InvalidParameterValue",
                "User data is limited to 16384 bytes",
            ));
        }
    }
    let profile = match (
        params.text("IamInstanceProfile.Arn"),
        params.text("IamInstanceProfile.Name"),
    ) {
        (Some(arn), _) => Some(arn.to_owned()),
        (None, Some(name)) => Some(format!("arn:aws:iam::{}:instance-profile/{name}", call.region.account)),
        (None, None) => None,
    };
    let mut instance = Instance {
        id: String::new(),
        reservation: String::new(),
        index: 0,
        client_token: params.text("ClientToken").map(str::to_owned),
        image: image.id.clone(),
        kernel,
        ramdisk: params
            .text("RamdiskId")
            .map(str::to_owned)
            .or_else(|| image.ramdisk.clone()),
        kind: params.text("InstanceType").unwrap_or("m1.small").to_owned(),
        state: State::Pending,
        due: None,
        launched: call.now,
        powered: None,
        ended: None,
        reason: None,
        transition: String::new(),
        zone: network.subnet.zone.clone(),
        subnet: network.subnet.id.clone(),
        vpc: network.subnet.vpc.clone(),
        tenancy: params
            .one_of("Placement.Tenancy", &["default", "dedicated", "host"])?
            .unwrap_or("default")
            .to_owned(),
        placement_group: params.get("Placement.GroupName").unwrap_or_default().to_owned(),
        key_name: params.text("KeyName").map(str::to_owned),
        user_data,
        virtualization: image.virtualization,
        architecture: image.architecture.clone(),
        root_device: image.root_device.clone(),
        root_type: image.root_type.clone(),
        ephemeral: Vec::new(),
        monitoring: params.is_set("Monitoring.Enabled")?,
        profile,
        termination_protected: params.is_set("DisableApiTermination")?,
        stop_protected: params.is_set("DisableApiStop")?,
        on_shutdown: params
            .one_of("InstanceInitiatedShutdownBehavior", &["stop", "terminate"])?
            .unwrap_or("stop")
            .to_owned(),
        ebs_optimized: params.is_set("EbsOptimized")?,
        ena: image.ena,
        sriov: image.sriov.clone(),
        source_dest_check: true,
        product_codes: image.product_codes.clone(),
        lifecycle: params.text("InstanceMarketOptions.MarketType").map(str::to_owned),
        auto_recovery: params
            .one_of("MaintenanceOptions.AutoRecovery", &["disabled", "default"])?
            .unwrap_or("default")
            .to_owned(),
        reboot_migration: "default".to_owned(),
        metadata: Metadata::default(),
        credit: params.text("CreditSpecification.CpuCredits").map(str::to_owned),
        events: Vec::new(),
        wants_public: network.wants_public,
        public: None,
        host: 0,
        unchecked: false,
        doom: None,
        spared_by: Vec::new(),
        scaling_state: None,
    };
    set_metadata(&params.sub("MetadataOptions"), &mut instance)?;
    Ok(instance)
}

/// The image's disks, changed by what the request says about them.
fn mappings(call: &Call<'_>, image: &Image) -> Result<(Vec<Mapping>, Vec<Ephemeral>), ApiError> {
    let mut disks: Vec<Mapping> = Vec::new();
    let mut ephemeral: Vec<Ephemeral> = Vec::new();
    for mapping in &image.mappings {
        if let Some(name) = &mapping.ephemeral {
            ephemeral.push(Ephemeral {
                device: mapping.device.clone(),
                name: name.clone(),
            });
            continue;
        }
        disks.push(Mapping {
            device: mapping.device.clone(),
            delete_on_termination: mapping.delete_on_termination,
            wanted: Wanted {
                snapshot: mapping.snapshot.clone(),
                size: Some(mapping.size),
                kind: Some(mapping.kind.clone()),
                ..Wanted::default()
            },
        });
    }
    for given in call.params.structs("BlockDeviceMapping") {
        let device = given.required("DeviceName")?.to_owned();
        if !super::attachments::is_device_name(&device, image.virtualization) {
            return Err(ApiError::new(
                "InvalidBlockDeviceMapping",
                format!("Invalid device name {device}"),
            ));
        }
        let ebs = given.sub("Ebs");
        if given.get("NoDevice").is_some() || given.text("VirtualName").is_some() {
            disks.retain(|disk| disk.device != device);
            if let Some(name) = given.text("VirtualName") {
                ephemeral.push(Ephemeral {
                    device,
                    name: name.to_owned(),
                });
            }
            continue;
        }
        change(&mut disks, device, &ebs)?;
    }
    for disk in &disks {
        volumes::check(call, &disk.wanted)?;
    }
    if image.root_type == "ebs" && !disks.iter().any(|disk| disk.device == image.root_device) {
        return Err(ApiError::new(
            "InvalidBlockDeviceMapping",
            "The root device of an EBS-backed image cannot be left out",
        ));
    }
    Ok((disks, ephemeral))
}

fn change(disks: &mut Vec<Mapping>, device: String, ebs: &Params) -> Result<(), ApiError> {
    let wanted = Wanted::parse(ebs, "VolumeSize")?;
    let delete = ebs.flag("DeleteOnTermination")?;
    match disks.iter_mut().find(|disk| disk.device == device) {
        Some(disk) => {
            let from_image = std::mem::take(&mut disk.wanted);
            disk.wanted = Wanted {
                snapshot: wanted.snapshot.or(from_image.snapshot),
                size: wanted.size.or(from_image.size),
                kind: wanted.kind.or(from_image.kind),
                ..wanted
            };
            disk.delete_on_termination = delete.unwrap_or(disk.delete_on_termination);
        }
        None => disks.push(Mapping {
            device,
            delete_on_termination: delete.unwrap_or(true),
            wanted,
        }),
    }
    Ok(())
}
