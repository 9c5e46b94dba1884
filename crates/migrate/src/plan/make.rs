//! Making plans.

use comeback_cloud::ids::{AccountId, ImageId, InstanceId};
use comeback_cloud::model::{Architecture, Image, ImageState, RootDeviceType, Virtualization};
use comeback_cloud::{CloudError, Region};
use jiff::Timestamp;

use super::refuse::{self, Refusal};
use super::target::{self, Market, Wanted};
use super::{
    Cost, Downtime, HostImage, Plan, Reach, Source, Target, VERSION, Verify, Volumes, cost, devices, gather, notices,
};

/// The newest Amazon Linux 2023, kept by AWS as a public parameter
/// (<https://docs.aws.amazon.com/linux/al2023/ug/ec2.html>).
const HOST_PARAMETER: &str = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishes {
    /// Type and platform of the target.
    pub target: Wanted,
    /// Which volumes the target gets.
    pub volumes: Volumes,
    /// Image of the host; nothing means the newest Amazon Linux 2023.
    pub host_image: Option<ImageId>,
    /// Who logs in there; nothing means who does by custom on the image.
    pub host_user: Option<String>,
    /// How the target is proven.
    pub verify: Verify,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            target: Wanted::default(),
            volumes: Volumes::Original,
            host_image: None,
            host_user: None,
            verify: Verify {
                ports: Vec::new(),
                command: None,
                within_s: 900,
                reach: Reach::Public,
                ssh_port: 22,
            },
        }
    }
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A call failed.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// There is no such instance.
    #[error("{0} is not there; check account and region")]
    NoInstance(InstanceId),
    /// The account is not known.
    #[error("the credentials tell no account")]
    NoAccount,
    /// The image of the host will not do.
    #[error("image {image} cannot be the host's: {why}; take another with --host-image")]
    HostImage {
        /// The image.
        image: ImageId,
        /// Why not.
        why: String,
    },
    /// The instance cannot be migrated.
    #[error("{instance} cannot be migrated: {}", .reasons.iter().map(|refusal| refusal.reason.as_str()).collect::<Vec<_>>().join("; "))]
    Refused {
        /// The instance.
        instance: InstanceId,
        /// Every reason.
        reasons: Vec<Refusal>,
    },
}

/// Makes a plan for each instance. What they have in common is asked for once.
///
/// # Errors
/// What concerns all of them; what concerns one is in its place.
pub async fn make(
    region: &Region,
    ids: &[InstanceId],
    wishes: &Wishes,
) -> Result<Vec<Result<Plan, PlanError>>, PlanError> {
    let account = region.account().cloned().ok_or(PlanError::NoAccount)?;
    let sources = gather::gather(region, ids).await?;
    let host = host_image(region, wishes).await?;
    let types = region.instance_types_where(&[]).await?;
    let mut offers = std::collections::BTreeMap::new();
    for source in sources.iter().flatten() {
        let zone = &source.instance.zone;
        if !offers.contains_key(zone) {
            offers.insert(zone.clone(), region.offerings(zone).await?);
        }
    }
    let now = Timestamp::now();
    let mut plans = Vec::new();
    for (id, source) in ids.iter().zip(sources) {
        let Some(source) = source else {
            plans.push(Err(PlanError::NoInstance(id.clone())));
            continue;
        };
        let offered = &offers[&source.instance.zone];
        let market = Market {
            types: &types,
            offered,
            region: region.name(),
        };
        plans.push(plan(region, &account, source, &host, market, wishes, now));
    }
    Ok(plans)
}

fn plan(
    region: &Region,
    account: &AccountId,
    source: Source,
    host: &HostImage,
    market: Market<'_>,
    wishes: &Wishes,
    now: Timestamp,
) -> Result<Plan, PlanError> {
    let mut reasons = refuse::reasons(&source, now);
    let chosen = target::choose(&source.instance, &wishes.target, market);
    reasons.extend(
        chosen
            .as_ref()
            .ok()
            .and_then(|target| starts_by_uefi(target, host, market)),
    );
    let store_gb = market
        .types
        .iter()
        .find(|kind| kind.name == source.instance.instance_type)
        .map_or(0, |kind| kind.instance_store_gb);
    let assigned = devices::assign(&source, &host.root_device);
    match (chosen, assigned) {
        (Ok(mut target), Some(devices)) if reasons.is_empty() => {
            target.devices = devices;
            let mut plan = Plan {
                version: VERSION,
                made: now,
                account: account.clone(),
                region: region.name().clone(),
                source,
                target,
                host: host.clone(),
                volumes: wishes.volumes,
                verify: wishes.verify.clone(),
                notices: Vec::new(),
                cost: Cost::default(),
                downtime_s: Downtime { usual: 0, longest: 0 },
            };
            plan.notices = notices::of(&plan, store_gb);
            plan.cost = cost::of(&plan);
            plan.downtime_s = cost::downtime(&plan);
            Ok(plan)
        }
        (chosen, assigned) => {
            reasons.extend(chosen.err());
            if assigned.is_none() && source.instance.root().is_some() {
                reasons.push(Refusal::new(
                    "too-many-volumes",
                    "it has more volumes than there are device names for HVM instances",
                    "detach some, and attach them after the migration",
                ));
            }
            Err(PlanError::Refused {
                instance: source.instance.id,
                reasons,
            })
        }
    }
}

/// On a type that can, an image that prefers UEFI gives an instance that starts by it.
fn starts_by_uefi(target: &Target, host: &HostImage, market: Market<'_>) -> Option<Refusal> {
    let prefers = host.boot_mode.as_deref() == Some("uefi-preferred");
    let kind = market.types.iter().find(|kind| kind.name == target.instance_type)?;
    (prefers && kind.boot_modes.iter().any(|mode| mode == "uefi")).then(|| {
        Refusal::new(
            "host-image-prefers-uefi",
            format!(
                "on {} the image {} starts by UEFI, and so would the target, whose disk has boot code for BIOS",
                kind.name, host.image
            ),
            "take an image with boot mode legacy-bios by --host-image, such as Debian's, or a type that has BIOS only",
        )
    })
}

async fn host_image(region: &Region, wishes: &Wishes) -> Result<HostImage, PlanError> {
    let id = match &wishes.host_image {
        Some(id) => id.clone(),
        None => region.newest_image(HOST_PARAMETER).await?,
    };
    let image = region.image(&id).await?;
    let bad = |why: &str| PlanError::HostImage {
        image: id.clone(),
        why: why.to_owned(),
    };
    if image.state != ImageState::Available {
        return Err(bad(&format!("it is {}", image.state)));
    }
    if image.virtualization != Some(Virtualization::Hvm) {
        return Err(bad("it is not HVM"));
    }
    if image.architecture != Architecture::X86_64 && image.architecture != Architecture::I386 {
        return Err(bad(&format!("it is for {} processors", image.architecture)));
    }
    // The instance keeps the boot mode of the image that it was launched from, and a converted root has boot code for BIOS only
    // (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-boot-mode.html).
    if image.boot_mode.as_deref() == Some("uefi") {
        return Err(bad(
            "it starts by UEFI, and so would the target, whose disk has boot code for BIOS",
        ));
    }
    if image.root_device_type != Some(RootDeviceType::Ebs) {
        return Err(bad("its root is not on EBS"));
    }
    let root_device = image
        .root_device_name
        .clone()
        .ok_or_else(|| bad("it names no root device"))?;
    Ok(HostImage {
        name: image.name.clone().unwrap_or_default(),
        boot_mode: image.boot_mode.clone(),
        user: wishes
            .host_user
            .clone()
            .unwrap_or_else(|| customary_user(&image).to_owned()),
        image: id,
        root_device,
    })
}

/// Who logs in by custom (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/managing-users.html>).
fn customary_user(image: &Image) -> &'static str {
    // Whoever makes an image of another says in its description what it is.
    let texts = [&image.name, &image.description];
    let name = texts
        .into_iter()
        .flatten()
        .cloned()
        .collect::<Vec<_>>()
        .join(" ")
        .to_ascii_lowercase();
    if name.contains("debian") {
        "admin"
    } else if name.contains("ubuntu") {
        "ubuntu"
    } else {
        "ec2-user"
    }
}
