//! Instance types and where they are offered.

use super::filter::{Filters, SIZES, one, page};
use super::{Answer, Call};
use crate::engine::catalogue::{self, InstanceType};
use crate::wire::{ApiError, Xml};

fn virtualizations(kind: &InstanceType) -> Vec<&'static str> {
    let pairs = [(kind.hvm, "hvm"), (kind.pv, "paravirtual")];
    pairs
        .into_iter()
        .filter(|(has, _)| *has)
        .map(|(_, name)| name)
        .collect()
}

fn strings(values: &[&str]) -> Option<Vec<String>> {
    Some(values.iter().map(|&value| value.to_owned()).collect())
}

fn value(kind: &InstanceType, name: &str) -> Option<Vec<String>> {
    match name {
        "auto-recovery-supported" => one(kind.current),
        "bare-metal" | "dedicated-hosts-supported" | "free-tier-eligible" | "hibernation-supported" => {
            one(name == "free-tier-eligible" && kind.name == "t2.micro")
        }
        "burstable-performance-supported" => one(kind.burstable),
        "current-generation" => one(kind.current),
        "ebs-info.nvme-support" => one(if kind.nitro { "required" } else { "unsupported" }),
        "hypervisor" => one(if kind.nitro { "nitro" } else { "xen" }),
        "instance-storage-supported" => one(kind.store.0 > 0),
        "instance-type" => one(kind.name),
        "memory-info.size-in-mib" => one(kind.memory_mib),
        "network-info.ena-support" => one(kind.ena),
        "processor-info.supported-architecture" => strings(&kind.architectures),
        "supported-boot-mode" => strings(boot_modes(kind)),
        "supported-root-device-type" => strings(root_types(kind)),
        "supported-usage-class" => strings(&["on-demand", "spot"]),
        "supported-virtualization-type" => strings(&virtualizations(kind)),
        "vcpu-info.default-cores" => one(kind.cores),
        "vcpu-info.default-vcpus" => one(kind.vcpus),
        _ => None,
    }
}

fn boot_modes(kind: &InstanceType) -> &'static [&'static str] {
    if kind.architectures.contains(&"arm64") {
        &["uefi"]
    } else if kind.nitro {
        &["legacy-bios", "uefi"]
    } else {
        &["legacy-bios"]
    }
}

fn root_types(kind: &InstanceType) -> &'static [&'static str] {
    if kind.store.0 > 0 && !kind.nitro {
        &["ebs", "instance-store"]
    } else {
        &["ebs"]
    }
}

/// The types that are offered in some zone of the region.
fn offered<'a>(call: &'a Call<'_>) -> impl Iterator<Item = &'static InstanceType> + 'a {
    catalogue::all().iter().filter(|kind| {
        let region = &call.region;
        region
            .zones
            .iter()
            .any(|zone| kind.is_offered(&region.name, &region.zones, zone))
    })
}

pub(super) fn describe(call: &mut Call<'_>) -> Answer {
    let names = call.params.list("InstanceType");
    for name in &names {
        if !offered(call).any(|kind| kind.name == *name) {
            return Err(ApiError::new(
                "InvalidInstanceType",
                format!("The following supplied instance types do not exist: [{name}]"),
            ));
        }
    }
    let filters = Filters::parse(call.params)?;
    let mut found = Vec::new();
    for kind in offered(call) {
        if (names.is_empty() || names.contains(&kind.name)) && filters.keep(|name| value(kind, name))? {
            found.push(kind);
        }
    }
    found.sort_by_key(|kind| kind.name);
    let (found, next) = page(call.params, found, |kind| kind.name, 5..=100)?;
    let mut xml = Xml::new();
    xml.list("instanceTypeSet", found, show);
    xml.opt("nextToken", next);
    Ok(xml)
}

fn show(xml: &mut Xml, kind: &InstanceType) {
    let items = |xml: &mut Xml, name: &str, values: &[&str]| {
        xml.element(name, |xml| {
            for value in values {
                xml.text("item", value);
            }
        });
    };
    xml.text("instanceType", kind.name)
        .text("currentGeneration", kind.current)
        .text("freeTierEligible", kind.name == "t2.micro");
    items(xml, "supportedUsageClasses", &["on-demand", "spot"]);
    items(xml, "supportedRootDeviceTypes", root_types(kind));
    items(xml, "supportedVirtualizationTypes", &virtualizations(kind));
    xml.text("bareMetal", false)
        .text("hypervisor", if kind.nitro { "nitro" } else { "xen" })
        .element("processorInfo", |xml| {
            items(xml, "supportedArchitectures", &kind.architectures)
        })
        .element("vCpuInfo", |xml| {
            xml.text("defaultVCpus", kind.vcpus)
                .text("defaultCores", kind.cores)
                .text("defaultThreadsPerCore", kind.vcpus / kind.cores);
        })
        .element("memoryInfo", |xml| {
            xml.text("sizeInMiB", kind.memory_mib);
        })
        .text("instanceStorageSupported", kind.store.0 > 0);
    if kind.store.0 > 0 {
        let (count, size) = kind.store;
        xml.element("instanceStorageInfo", |xml| {
            xml.text("totalSizeInGB", count * size);
            xml.list("disks", [()], |xml, ()| {
                xml.text("sizeInGB", size).text("count", count).text("type", "ssd");
            });
            xml.text("nvmeSupport", kind.nvme);
        });
    }
    xml.element("ebsInfo", |xml| {
        xml.text(
            "ebsOptimizedSupport",
            if kind.nitro { "default" } else { "unsupported" },
        )
        .text(
            "encryptionSupport",
            if kind.name.starts_with("t1") {
                "unsupported"
            } else {
                "supported"
            },
        )
        .text("nvmeSupport", if kind.nitro { "required" } else { "unsupported" })
        .text("maximumEbsAttachments", if kind.nitro { 28 } else { 39 });
    })
    .element("networkInfo", |xml| {
        xml.text("networkPerformance", kind.network)
            .text("maximumNetworkInterfaces", kind.interfaces)
            .text("ipv4AddressesPerInterface", kind.addresses)
            .text("ipv6Supported", kind.current)
            .text("enaSupport", kind.ena);
    })
    .element("placementGroupInfo", |xml| {
        items(xml, "supportedStrategies", &["partition", "spread"])
    })
    .text("hibernationSupported", false)
    .text("burstablePerformanceSupported", kind.burstable)
    .text("dedicatedHostsSupported", false)
    .text("autoRecoverySupported", kind.current);
    items(xml, "supportedBootModes", boot_modes(kind));
    xml.text(
        "rebootMigrationSupport",
        if kind.current { "supported" } else { "unsupported" },
    );
}

pub(super) fn describe_offerings(call: &mut Call<'_>) -> Answer {
    let by = call
        .params
        .one_of("LocationType", &["region", "availability-zone", "availability-zone-id"])?
        .unwrap_or("region");
    let filters = Filters::parse(call.params)?;
    let region = &*call.region;
    let mut found = Vec::new();
    for kind in offered(call) {
        let zones = region
            .zones
            .iter()
            .filter(|zone| kind.is_offered(&region.name, &region.zones, zone));
        let places: Vec<String> = match by {
            "region" => vec![region.name.clone()],
            "availability-zone" => zones.cloned().collect(),
            _ => zones.map(|zone| super::network::zone_id(region, zone)).collect(),
        };
        for place in places {
            let keep = filters.keep(|name| match name {
                "instance-type" => one(kind.name),
                "location" => one(&place),
                _ => None,
            })?;
            if keep {
                found.push((format!("{} {place}", kind.name), kind.name, place));
            }
        }
    }
    found.sort();
    let (found, next) = page(call.params, found, |each| &each.0, SIZES)?;
    let mut xml = Xml::new();
    xml.list("instanceTypeOfferingSet", found, |xml, (_, kind, place)| {
        xml.text("instanceType", kind)
            .text("locationType", by)
            .text("location", place);
    });
    xml.opt("nextToken", next);
    Ok(xml)
}
