//! Images and instance types.

use super::{product_codes, said, tags, time_of, unsigned};
use crate::{
    ids::{KernelId, RamdiskId, SnapshotId},
    model::{Image, ImageDevice, InstanceType, Support},
};
use aws_sdk_ec2::types as sdk;

/// Nothing without the image's name or state.
pub(crate) fn image(from: sdk::Image) -> Option<Image> {
    Some(Image {
        id: from.image_id?,
        kind: from.image_type.as_ref().map_or("machine", |kind| kind.as_str()).into(),
        name: said(from.name),
        description: said(from.description),
        state: from.state?.as_str().into(),
        owner: said(from.owner_id),
        owner_alias: said(from.image_owner_alias),
        architecture: from
            .architecture
            .as_ref()
            .map_or("", |architecture| architecture.as_str())
            .into(),
        virtualization: from.virtualization_type.map(|kind| kind.as_str().into()),
        kernel: said(from.kernel_id).map(KernelId::from_api),
        ramdisk: said(from.ramdisk_id).map(RamdiskId::from_api),
        root_device_name: said(from.root_device_name),
        root_device_type: from.root_device_type.map(|kind| kind.as_str().into()),
        devices: from
            .block_device_mappings
            .unwrap_or_default()
            .into_iter()
            .filter_map(device)
            .collect(),
        ena_support: from.ena_support.unwrap_or(false),
        sriov: said(from.sriov_net_support),
        boot_mode: from.boot_mode.map(|mode| mode.as_str().to_owned()),
        product_codes: product_codes(from.product_codes),
        platform_details: said(from.platform_details),
        created: time_of(from.creation_date),
        tags: tags(from.tags),
    })
}

fn device(from: sdk::BlockDeviceMapping) -> Option<ImageDevice> {
    let ebs = from.ebs;
    Some(ImageDevice {
        device: from.device_name?,
        virtual_name: said(from.virtual_name),
        snapshot: ebs
            .as_ref()
            .and_then(|ebs| said(ebs.snapshot_id.clone()))
            .map(SnapshotId::from_api),
        size_gib: ebs
            .as_ref()
            .and_then(|ebs| ebs.volume_size)
            .map(|size| unsigned(Some(size))),
        kind: ebs
            .as_ref()
            .and_then(|ebs| ebs.volume_type.as_ref())
            .map(|kind| kind.as_str().to_owned()),
        delete_on_termination: ebs.as_ref().and_then(|ebs| ebs.delete_on_termination),
        encrypted: ebs.and_then(|ebs| ebs.encrypted),
    })
}

/// Nothing without the type's name.
pub(crate) fn instance_type(from: sdk::InstanceTypeInfo) -> Option<InstanceType> {
    let network = from.network_info;
    let storage = from.instance_storage_info;
    let memory = from.memory_info.and_then(|memory| memory.size_in_mib).unwrap_or(0);
    Some(InstanceType {
        name: from.instance_type?.as_str().to_owned(),
        virtualization: words(from.supported_virtualization_types, |kind| kind.as_str().into()),
        architectures: words(from.processor_info.and_then(|p| p.supported_architectures), |a| {
            a.as_str().into()
        }),
        vcpus: unsigned(from.v_cpu_info.and_then(|cpu| cpu.default_v_cpus)),
        memory_mib: u64::try_from(memory).unwrap_or(0),
        hypervisor: from.hypervisor.map(|hypervisor| hypervisor.as_str().into()),
        ena: support(
            network
                .as_ref()
                .and_then(|n| n.ena_support.as_ref())
                .map(|s| s.as_str()),
        ),
        nvme: support(
            from.ebs_info
                .as_ref()
                .and_then(|e| e.nvme_support.as_ref())
                .map(|s| s.as_str()),
        ),
        current_generation: from.current_generation.unwrap_or(false),
        burstable: from.burstable_performance_supported.unwrap_or(false),
        instance_store_gb: storage
            .and_then(|s| s.total_size_in_gb)
            .and_then(|size| u64::try_from(size).ok())
            .unwrap_or(0),
        max_interfaces: unsigned(network.as_ref().and_then(|n| n.maximum_network_interfaces)),
        addresses_per_interface: unsigned(network.as_ref().and_then(|n| n.ipv4_addresses_per_interface)),
        bare_metal: from.bare_metal.unwrap_or(false),
        root_device_types: words(from.supported_root_device_types, |kind| kind.as_str().into()),
        usage_classes: words(from.supported_usage_classes, |class| class.as_str().to_owned()),
        boot_modes: words(from.supported_boot_modes, |mode| mode.as_str().to_owned()),
        auto_recovery: from.auto_recovery_supported.unwrap_or(false),
    })
}

fn words<F, T>(from: Option<Vec<F>>, convert: impl Fn(&F) -> T) -> Vec<T> {
    from.unwrap_or_default().iter().map(convert).collect()
}

fn support(word: Option<&str>) -> Support {
    Support::from(word.unwrap_or("unsupported"))
}

/// The name of an offered type.
pub(crate) fn offering(from: sdk::InstanceTypeOffering) -> Option<String> {
    from.instance_type.map(|name| name.as_str().to_owned())
}
