//! Which instance type a source becomes.
//!
//! The converter refuses a disk that is not proven to boot on the target's platform. A type can be undone, but what was
//! migrated in vain cost a stop. So, as long as nobody has looked at the disk, the target is a Xen type: every guest that can be
//! converted at all runs there, and it can move on to Nitro by a change of type. An operator who knows better says so.

use std::collections::BTreeSet;

use comeback_cloud::ids::RegionName;
use comeback_cloud::model::{Instance, InstanceType};
use comeback_cloud::{market, prices};

use super::refuse::Refusal;
use super::{Platform, Target};

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// This type and no other.
    pub instance_type: Option<String>,
    /// This platform and no other.
    pub platform: Option<Platform>,
}

/// Types that can take an instance, and where they are offered.
#[derive(Debug, Clone, Copy)]
pub struct Market<'a> {
    /// All types of the region.
    pub types: &'a [InstanceType],
    /// Names of those that the source's zone offers.
    pub offered: &'a BTreeSet<String>,
    /// The region, for prices.
    pub region: &'a RegionName,
}

impl<'a> Market<'a> {
    /// The type of a name.
    pub(super) fn kind(&self, name: &str) -> Option<&'a InstanceType> {
        self.types.iter().find(|kind| kind.name == name)
    }
}

/// Chooses a type, and says why.
///
/// # Errors
/// A refusal when none fits, or the one that was asked for does not.
pub fn choose(source: &Instance, wanted: &Wanted, market: Market<'_>) -> Result<Target, Refusal> {
    let now = market.types.iter().find(|kind| kind.name == source.instance_type);
    if let Some(name) = &wanted.instance_type {
        let Some(kind) = market.types.iter().find(|kind| kind.name == *name) else {
            return Err(Refusal::new(
                "type-unknown",
                format!("there is no type {name} in {}", market.region),
                "aws ec2 describe-instance-types lists them",
            ));
        };
        let against = objections(source, now, kind, wanted, market);
        if !against.is_empty() {
            return Err(Refusal::new(
                "type-does-not-fit",
                format!("{name} does not fit: {}", against.join("; ")),
                "leave --type out to have one chosen",
            ));
        }
        let mut why = vec![format!("{name} was asked for")];
        if let Some(now) = now.filter(|now| kind.memory_mib < now.memory_mib || kind.vcpus < now.vcpus) {
            why.push(format!(
                "it is smaller: {} processors and {} MiB, {} has {} and {}",
                kind.vcpus, kind.memory_mib, now.name, now.vcpus, now.memory_mib
            ));
        }
        why.extend(burst(kind));
        return Ok(target(kind, why, now, market));
    }
    let Some(now) = now else {
        return Err(Refusal::new(
            "type-unknown",
            format!(
                "{} is not in the list of types, so nothing is known of its size",
                source.instance_type
            ),
            "choose a type with --type",
        ));
    };
    let platform = wanted.platform.unwrap_or(Platform::XenHvm);
    let is_chosen = wanted.platform.is_none();
    let wanted = Wanted {
        platform: Some(platform),
        ..wanted.clone()
    };
    let candidates = market
        .types
        .iter()
        .filter(|kind| objections(source, Some(now), kind, &wanted, market).is_empty());
    let fitting = market::as_large(now, candidates, market.region);
    let Some(best) = fitting.first() else {
        return Err(Refusal::new(
            "no-type",
            format!(
                "no {} type of {} takes a guest of {} with {} processors and {} MiB",
                platform.name(),
                source.zone,
                source.architecture,
                now.vcpus,
                now.memory_mib
            ),
            if source.architecture == comeback_cloud::model::Architecture::I386 {
                "32-bit guests run on the smallest Xen types only: choose one with --type, or install a 64-bit system"
            } else {
                "choose one with --type, or another platform with --target"
            },
        ));
    };
    let mut why = vec![format!(
        "{} has {} processors and {} MiB, {} has {} and {}",
        best.name, best.vcpus, best.memory_mib, now.name, now.vcpus, now.memory_mib
    )];
    if prices::hourly(&best.name, market.region).is_some() {
        why.push(format!(
            "it is the cheapest of {} {} types that are as large and offered in {}",
            fitting.len(),
            platform.name(),
            source.zone
        ));
    }
    if is_chosen && platform == Platform::XenHvm {
        why.push(
            "Xen, as every guest that can be converted runs there; `--target nitro` is for those that have its drivers"
                .to_owned(),
        );
    }
    why.extend(burst(best));
    Ok(target(best, why, Some(now), market))
}

/// What a burstable type means.
fn burst(kind: &InstanceType) -> Option<String> {
    kind.burstable.then(|| {
        format!(
            "{} is burstable: it slows down when its credits are used up; a type with --type that is not costs more",
            kind.name
        )
    })
}

/// Everything that speaks against a type.
fn objections(
    source: &Instance,
    now: Option<&InstanceType>,
    kind: &InstanceType,
    wanted: &Wanted,
    market: Market<'_>,
) -> Vec<String> {
    let mut against = Vec::new();
    let mut object = |is: bool, why: String| {
        if is {
            against.push(why);
        }
    };
    object(!kind.runs_hvm(), "it runs no HVM guests".to_owned());
    object(
        !kind.architectures.contains(&source.architecture),
        format!("it runs no {} guests", source.architecture),
    );
    object(kind.bare_metal, "it is bare metal".to_owned());
    object(
        !market.offered.contains(&kind.name),
        format!("{} does not offer it", source.zone),
    );
    object(
        !kind.root_device_types.is_empty() && !kind.root_device_types.contains(&source.root_device_type),
        format!("its root cannot be {}", source.root_device_type),
    );
    if let Some(platform) = wanted.platform {
        object(
            platform_of(kind) != platform,
            format!("it is {}, not {}", platform_of(kind).name(), platform.name()),
        );
    }
    let interfaces = u32::try_from(source.interfaces.len()).unwrap_or(u32::MAX);
    object(
        interfaces > kind.max_interfaces,
        format!(
            "it takes {} network interfaces, the source has {interfaces}",
            kind.max_interfaces
        ),
    );
    let addresses = source
        .interfaces
        .iter()
        .map(|interface| interface.addresses.len())
        .max();
    let addresses = u32::try_from(addresses.unwrap_or_default()).unwrap_or(u32::MAX);
    object(
        addresses > kind.addresses_per_interface,
        format!(
            "an interface of it takes {} addresses, the source has one with {addresses}",
            kind.addresses_per_interface
        ),
    );
    if let Some(now) = now.filter(|_| wanted.instance_type.is_some()) {
        object(
            kind.memory_mib * 2 < now.memory_mib,
            format!("it has {} MiB, less than half of {}", kind.memory_mib, now.memory_mib),
        );
    }
    against
}

fn platform_of(kind: &InstanceType) -> Platform {
    if kind.is_nitro() {
        Platform::Nitro
    } else {
        Platform::XenHvm
    }
}

fn target(kind: &InstanceType, mut why: Vec<String>, now: Option<&InstanceType>, market: Market<'_>) -> Target {
    let price = |name: &str| prices::monthly(name, market.region).map(prices::Price::amount);
    if let Some((was, is)) = now.and_then(|now| Some((price(&now.name)?, price(&kind.name)?))) {
        let change = is - was;
        why.push(if change <= 0.0 {
            format!("it saves {:.2} USD a month ({was:.2} to {is:.2})", -change)
        } else {
            format!("it costs {change:.2} USD a month more ({was:.2} to {is:.2})")
        });
    }
    Target {
        instance_type: kind.name.clone(),
        platform: platform_of(kind),
        why,
        devices: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing;

    fn chosen(source: &Instance, wanted: &Wanted, names: &[&str]) -> Result<Target, Refusal> {
        let mut types: Vec<_> = names.iter().map(|name| testing::kind(name)).collect();
        types.push(testing::kind(&source.instance_type));
        let offered = names.iter().map(|&name| name.to_owned()).collect();
        let region = "ap-northeast-1".parse().unwrap();
        choose(
            source,
            wanted,
            Market {
                types: &types,
                offered: &offered,
                region: &region,
            },
        )
    }

    #[test]
    fn several_processors_are_not_given_up_for_credits() {
        let source = testing::instance("m3.xlarge");
        let target = chosen(&source, &Wanted::default(), &["t2.xlarge", "m4.xlarge"]).unwrap();
        assert_eq!(target.instance_type, "m4.xlarge");
        assert!(chosen(&source, &Wanted::default(), &["t2.xlarge"]).is_err());
        // Who asks for it gets it, and is told.
        let wanted = Wanted {
            instance_type: Some("t2.xlarge".to_owned()),
            platform: None,
        };
        let target = chosen(&source, &wanted, &["t2.xlarge"]).unwrap();
        assert!(
            target.why.iter().any(|why| why.contains("burstable")),
            "{:?}",
            target.why
        );
    }

    #[test]
    fn one_processor_may_become_burstable() {
        let source = testing::instance("m3.medium");
        let target = chosen(&source, &Wanted::default(), &["t2.medium", "m4.large", "m5.large"]).unwrap();
        assert_eq!(
            (target.instance_type.as_str(), target.platform),
            ("t2.medium", Platform::XenHvm)
        );
        assert!(
            target.why.iter().any(|why| why.contains("burstable")),
            "{:?}",
            target.why
        );
    }

    #[test]
    fn nitro_is_for_those_who_ask() {
        let wanted = Wanted {
            platform: Some(Platform::Nitro),
            ..Wanted::default()
        };
        let target = chosen(&testing::instance("m3.medium"), &wanted, &["t2.medium", "m5.large"]).unwrap();
        assert_eq!(
            (target.instance_type.as_str(), target.platform),
            ("m5.large", Platform::Nitro)
        );
    }

    #[test]
    fn thirty_two_bits_go_where_they_can() {
        let mut source = testing::instance("m1.small");
        source.architecture = comeback_cloud::model::Architecture::I386;
        let target = chosen(&source, &Wanted::default(), &["m4.large", "t2.small"]).unwrap();
        assert_eq!(target.instance_type, "t2.small");
        let refusal = chosen(&source, &Wanted::default(), &["m4.large"]).unwrap_err();
        assert_eq!(refusal.id, "no-type");
        assert!(refusal.instead.contains("32-bit"), "{}", refusal.instead);
    }

    #[test]
    fn a_type_that_was_asked_for_is_told_all_that_is_wrong() {
        let mut source = testing::instance("m1.small");
        source.architecture = comeback_cloud::model::Architecture::I386;
        let wanted = Wanted {
            instance_type: Some("m5.large".to_owned()),
            platform: Some(Platform::XenHvm),
        };
        let refusal = chosen(&source, &wanted, &["m5.large"]).unwrap_err();
        assert_eq!(
            refusal.reason,
            "m5.large does not fit: it runs no i386 guests; it is nitro, not xen-hvm"
        );
    }
}
