//! Machine images (AMI) and kernel images (AKI).

use super::filter::{Filters, maybe, one, page};
use super::{Answer, Call, done, owner, tag_set};
use crate::engine::aki::{self, Aki};
use crate::engine::image::{Image, ImageMapping};
use crate::engine::instance::{State, Virtualization};
use crate::engine::settle;
use crate::engine::volume::Volume;
use crate::wire::{ApiError, Params, Xml, iso};

/// Makes an image of an instance. Unless it is told otherwise it reboots the instance, as EC2 does.
pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let instance = call.region.instance(call.params.required("InstanceId")?)?.clone();
    let name = call.params.required("Name")?.to_owned();
    check_name(call, &name)?;
    if !matches!(instance.state, State::Running | State::Stopped) {
        return Err(ApiError::new(
            "IncorrectState",
            format!(
                "The instance '{}' is not in the 'running' or 'stopped' state.",
                instance.id
            ),
        ));
    }
    if instance.root_type != "ebs" {
        return Err(ApiError::new(
            "InvalidParameterValue",
            format!("Instance '{}' does not have a volume attached at root", instance.id),
        ));
    }
    if instance.state == State::Running && !call.params.is_set("NoReboot")? {
        settle::reboot(call.world, call.region, &instance.id);
    }
    let volumes: Vec<Volume> = call.region.volumes_of(&instance.id).cloned().collect();
    let description = format!("Created by CreateImage({}) for {name}", instance.id);
    let taken: Result<Vec<String>, ApiError> = super::snapshots::frozen(call, Some(&instance.id), |call| {
        let take = |volume| super::snapshots::take(call, volume, &description);
        volumes.iter().map(take).collect()
    });
    let mut mappings = Vec::new();
    for (volume, snapshot) in volumes.iter().zip(taken?) {
        call.tag_new("snapshot", &snapshot);
        let at = volume.attachment.as_ref();
        mappings.push(ImageMapping {
            device: at.map(|at| at.device.clone()).unwrap_or_default(),
            snapshot: Some(snapshot),
            size: volume.size,
            kind: volume.kind.clone(),
            delete_on_termination: at.is_some_and(|at| at.delete_on_termination),
            encrypted: volume.encrypted,
            ephemeral: None,
        });
    }
    let image = Image {
        id: call.world.id("ami"),
        name,
        description: call.params.get("Description").unwrap_or_default().to_owned(),
        owner: call.region.account.clone(),
        owner_alias: None,
        public: false,
        architecture: instance.architecture.clone(),
        virtualization: instance.virtualization,
        kernel: instance.kernel.clone(),
        ramdisk: instance.ramdisk.clone(),
        root_device: instance.root_device.clone(),
        root_type: instance.root_type.clone(),
        mappings,
        ena: instance.ena,
        sriov: instance.sriov.clone(),
        boot_mode: None,
        created: call.now,
        product_codes: instance.product_codes.clone(),
        source: Some(instance.id.clone()),
    };
    add(call, image)
}

fn check_name(call: &Call<'_>, name: &str) -> Result<(), ApiError> {
    if let Some(other) = call
        .region
        .images
        .values()
        .find(|image| image.name == name && !image.public)
    {
        return Err(ApiError::new(
            "InvalidAMIName.Duplicate",
            format!("AMI name {name} is already in use by AMI {}", other.id),
        ));
    }
    if !(3..=128).contains(&name.chars().count()) {
        return Err(ApiError::new(
            "InvalidAMIName.Malformed",
            "AMI names must be between 3 and 128 characters long",
        ));
    }
    Ok(())
}

fn add(call: &mut Call<'_>, image: Image) -> Answer {
    let id = image.id.clone();
    call.region.images.insert(id.clone(), image);
    call.tag_new("image", &id);
    let mut xml = Xml::new();
    xml.text("imageId", id);
    Ok(xml)
}

/// Makes an image of snapshots. As in EC2 it is a 32-bit PV image unless it is told otherwise.
pub(super) fn register(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let name = params.required("Name")?.to_owned();
    check_name(call, &name)?;
    let virtualization = match params.one_of("VirtualizationType", &["hvm", "paravirtual"])? {
        Some("hvm") => Virtualization::Hvm,
        _ => Virtualization::Paravirtual,
    };
    let architecture = params
        .one_of("Architecture", &["i386", "x86_64", "arm64"])?
        .unwrap_or("i386");
    let kernel = params.text("KernelId").map(str::to_owned);
    if virtualization == Virtualization::Hvm && (kernel.is_some() || params.text("RamdiskId").is_some()) {
        return Err(ApiError::combination(
            "Kernel and ramdisk cannot be specified for an HVM image",
        ));
    }
    if let Some(kernel) = &kernel
        && aki::find(&call.region.name, kernel).is_none()
    {
        return Err(ApiError::new(
            "InvalidAMIID.NotFound",
            format!("The image id '[{kernel}]' does not exist"),
        ));
    }
    let root_device = params.required("RootDeviceName")?.to_owned();
    let mut mappings = Vec::new();
    for mapping in params.structs("BlockDeviceMapping") {
        mappings.push(parse_mapping(call, &mapping)?);
    }
    if !mappings
        .iter()
        .any(|mapping| mapping.device == root_device && mapping.snapshot.is_some())
    {
        return Err(ApiError::new(
            "InvalidBlockDeviceMapping",
            "The root device is not specified in the block device mapping, or it has no snapshot",
        ));
    }
    let image = Image {
        id: call.world.id("ami"),
        name,
        description: params.get("Description").unwrap_or_default().to_owned(),
        owner: call.region.account.clone(),
        owner_alias: None,
        public: false,
        architecture: architecture.to_owned(),
        virtualization,
        kernel,
        ramdisk: params.text("RamdiskId").map(str::to_owned),
        root_device,
        root_type: "ebs".to_owned(),
        mappings,
        ena: params.is_set("EnaSupport")?,
        sriov: params.text("SriovNetSupport").map(str::to_owned),
        boot_mode: params
            .one_of("BootMode", &["legacy-bios", "uefi", "uefi-preferred"])?
            .map(str::to_owned),
        created: call.now,
        product_codes: Vec::new(),
        source: None,
    };
    add(call, image)
}

fn parse_mapping(call: &Call<'_>, mapping: &Params) -> Result<ImageMapping, ApiError> {
    let ebs = mapping.sub("Ebs");
    let wanted = super::volumes::Wanted::parse(&ebs, "VolumeSize")?;
    if mapping.text("VirtualName").is_none() {
        super::volumes::check(call, &wanted)?;
    }
    let snapshot = wanted
        .snapshot
        .as_deref()
        .map(|id| call.region.snapshot(id))
        .transpose()?;
    Ok(ImageMapping {
        device: mapping.required("DeviceName")?.to_owned(),
        size: wanted.size.or(snapshot.map(|snapshot| snapshot.size)).unwrap_or(0),
        kind: wanted.kind.unwrap_or_else(|| "gp2".to_owned()),
        delete_on_termination: ebs.flag("DeleteOnTermination")?.unwrap_or(true),
        encrypted: snapshot.is_some_and(|snapshot| snapshot.encrypted),
        ephemeral: mapping.text("VirtualName").map(str::to_owned),
        snapshot: wanted.snapshot,
    })
}

pub(super) fn deregister(call: &mut Call<'_>) -> Answer {
    let id = call.params.required("ImageId")?.to_owned();
    if call.region.image(&id)?.owner_alias.is_some() {
        return Err(ApiError::new("AuthFailure", format!("Not authorized for image:{id}")));
    }
    call.region.images.remove(&id);
    call.region.tags.remove(&id);
    done()
}

fn image_value(call: &Call<'_>, image: &Image, name: &str) -> Option<Vec<String>> {
    match name {
        "architecture" => one(&image.architecture),
        "block-device-mapping.snapshot-id" => Some(
            image
                .mappings
                .iter()
                .filter_map(|mapping| mapping.snapshot.clone())
                .collect(),
        ),
        "description" => one(&image.description),
        "ena-support" => one(image.ena),
        "hypervisor" => one("xen"),
        "image-id" => one(&image.id),
        "image-type" => one("machine"),
        "is-public" => one(image.public),
        "kernel-id" => maybe(image.kernel.as_ref()),
        "manifest-location" => one(format!("{}/{}", image.owner, image.name)),
        "name" => one(&image.name),
        "owner-alias" => maybe(owner::alias(image.owner_alias.as_ref())),
        "owner-id" => one(&image.owner),
        "platform" => Some(Vec::new()),
        "product-code" => Some(image.product_codes.iter().map(|code| code.id.clone()).collect()),
        "ramdisk-id" => maybe(image.ramdisk.as_ref()),
        "root-device-name" => one(&image.root_device),
        "root-device-type" => one(&image.root_type),
        "state" => one("available"),
        "virtualization-type" => one(image.virtualization.name()),
        _ => call.tag_filter(&image.id, name),
    }
}

fn aki_value(aki: &Aki, name: &str) -> Option<Vec<String>> {
    match name {
        "architecture" => one(aki.arch),
        "description" => one(aki.description()),
        "hypervisor" => one("xen"),
        "image-id" => one(aki.id),
        "image-type" => one("kernel"),
        "is-public" => one(true),
        "manifest-location" => one(aki.location()),
        "name" => one(aki.name),
        "owner-alias" => one("amazon"),
        "owner-id" => one(owner::AMAZON),
        "state" => one("available"),
        "virtualization-type" => one("paravirtual"),
        "root-device-type" => one("instance-store"),
        "ena-support" => one(false),
        "kernel-id"
        | "ramdisk-id"
        | "platform"
        | "product-code"
        | "root-device-name"
        | "block-device-mapping.snapshot-id"
        | "tag-key"
        | "tag-value" => Some(Vec::new()),
        _ if name.starts_with("tag:") => Some(Vec::new()),
        _ => None,
    }
}

/// An image of either kind.
enum Any<'a> {
    Machine(&'a Image),
    Kernel(&'static Aki),
}

impl Any<'_> {
    fn id(&self) -> &str {
        match self {
            Self::Machine(image) => &image.id,
            Self::Kernel(aki) => aki.id,
        }
    }
}

pub(super) fn describe(call: &mut Call<'_>) -> Answer {
    // Nothing here is ever deprecated or disabled: both say what is so already.
    call.params.flag("IncludeDeprecated")?;
    call.params.flag("IncludeDisabled")?;
    let ids = call.params.list("ImageId");
    let region = &*call.region;
    let kernels = || aki::all().iter().filter(|aki| aki.region == region.name);
    for id in &ids {
        if id.starts_with("aki-") {
            if aki::find(&region.name, id).is_none() {
                return Err(ApiError::new(
                    "InvalidAMIID.NotFound",
                    format!("The image id '[{id}]' does not exist"),
                ));
            }
        } else {
            region.image(id)?;
        }
    }
    let owners = call.params.list("Owner");
    let filters = Filters::parse(call.params)?;
    let owned = |owner: &str, alias: Option<&str>| {
        owners.is_empty()
            || owners.iter().any(|&wanted| {
                wanted == owner || Some(wanted) == alias || (wanted == "self" && owner == region.account)
            })
    };
    let named = |id: &str| ids.is_empty() || ids.contains(&id);
    let mut found = Vec::new();
    for image in region.images.values() {
        if named(&image.id)
            && owned(&image.owner, image.owner_alias.as_deref())
            && filters.keep(|name| image_value(call, image, name))?
        {
            found.push(Any::Machine(image));
        }
    }
    for aki in kernels() {
        if named(aki.id) && owned(owner::AMAZON, Some("amazon")) && filters.keep(|name| aki_value(aki, name))? {
            found.push(Any::Kernel(aki));
        }
    }
    found.sort_by(|one, other| one.id().cmp(other.id()));
    let (found, next) = page(call.params, found, |any| any.id(), 1..=1000)?;
    let mut xml = Xml::new();
    xml.list("imagesSet", found, |xml, any| match any {
        Any::Machine(image) => show(xml, call, image),
        Any::Kernel(aki) => show_kernel(xml, aki),
    });
    xml.opt("nextToken", next);
    Ok(xml)
}

fn show(xml: &mut Xml, call: &Call<'_>, image: &Image) {
    // An image is there once its snapshots are.
    let pending = image.mappings.iter().any(|mapping| {
        let snapshot = mapping.snapshot.as_ref().and_then(|id| call.region.snapshots.get(id));
        snapshot.is_some_and(|snapshot| snapshot.state() == "pending")
    });
    xml.text("imageId", &image.id)
        .text("imageLocation", format!("{}/{}", image.owner, image.name))
        .text("imageState", if pending { "pending" } else { "available" })
        .text("imageOwnerId", &image.owner)
        .text("creationDate", iso(image.created))
        .text("isPublic", image.public);
    super::describe_instances::product_codes(xml, &image.product_codes);
    xml.text("architecture", &image.architecture)
        .text("imageType", "machine")
        .opt("kernelId", image.kernel.as_ref())
        .opt("ramdiskId", image.ramdisk.as_ref())
        .opt("sriovNetSupport", image.sriov.as_ref())
        .text("enaSupport", image.ena)
        .opt("imageOwnerAlias", owner::alias(image.owner_alias.as_ref()))
        .text("name", &image.name)
        .text("description", &image.description)
        .text("rootDeviceType", &image.root_type)
        .text("rootDeviceName", &image.root_device);
    xml.list("blockDeviceMapping", &image.mappings, |xml, mapping| {
        xml.text("deviceName", &mapping.device);
        if let Some(name) = &mapping.ephemeral {
            xml.text("virtualName", name);
            return;
        }
        xml.element("ebs", |xml| {
            xml.opt("snapshotId", mapping.snapshot.as_ref())
                .text("volumeSize", mapping.size)
                .text("deleteOnTermination", mapping.delete_on_termination)
                .text("volumeType", &mapping.kind)
                .text("encrypted", mapping.encrypted);
        });
    });
    xml.text("virtualizationType", image.virtualization.name());
    tag_set(xml, call.region, &image.id);
    xml.text("hypervisor", "xen")
        .opt("bootMode", image.boot_mode.as_ref())
        .text("platformDetails", "Linux/UNIX")
        .text("usageOperation", "RunInstances")
        .opt("sourceInstanceId", image.source.as_ref());
}

fn show_kernel(xml: &mut Xml, aki: &Aki) {
    xml.text("imageId", aki.id)
        .text("imageLocation", aki.location())
        .text("imageState", "available")
        .text("imageOwnerId", owner::AMAZON)
        .text("isPublic", true)
        .text("architecture", aki.arch)
        .text("imageType", "kernel")
        .text("imageOwnerAlias", "amazon")
        .text("name", aki.name)
        .text("description", aki.description())
        .text("rootDeviceType", "instance-store");
    xml.element("blockDeviceMapping", |_| {})
        .text("virtualizationType", "paravirtual")
        .text("hypervisor", "xen");
}
