//! The image that the host starts from.
//!
//! The host becomes the target, and is launched when the source has already been stopped. So whatever of its image would
//! keep it from starting, or the target after it, is found here and not there.

use comeback_cloud::Region;
use comeback_cloud::model::{Architecture, Image, ImageState, InstanceType, RootDeviceType, Support, Virtualization};

use super::refuse::Refusal;
use super::{HostImage, PlanError, Wishes};

/// Amazon Linux kept by AWS as public parameters, the newest release first
/// (<https://docs.aws.amazon.com/linux/al2023/ug/ec2.html>). The older one is for types on which the newer starts by UEFI.
const PARAMETERS: [&str; 2] = [
    "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
    "/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-x86_64-gp2",
];

/// An image that may become a host's.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// What a plan keeps of it.
    pub(super) host: HostImage,
    /// What AWS says of it.
    image: Image,
}

/// The images to choose from, the best first: the one that was asked for, or what AWS keeps.
///
/// # Errors
/// What a call can fail with, and when the first of them can be no host's at all.
pub(super) async fn candidates(region: &Region, wishes: &Wishes) -> Result<Vec<Candidate>, PlanError> {
    if let Some(id) = &wishes.host_image {
        return Ok(vec![candidate(region.image(id).await?, id, wishes)?]);
    }
    let [newest, older] = PARAMETERS;
    let id = region.newest_image(newest).await?;
    let mut found = vec![candidate(region.image(&id).await?, &id, wishes)?];
    // It is there for its firmware alone, and not missed otherwise.
    let by_uefi = |found: &Candidate| {
        found
            .image
            .boot_mode
            .as_deref()
            .is_some_and(|mode| mode.starts_with("uefi"))
    };
    if found.iter().any(by_uefi) {
        match region.newest_image(older).await {
            Ok(id) => found.extend(candidate(region.image(&id).await?, &id, wishes)),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

/// The first image whose instances of a type can carry the converter, and start the converted disk.
///
/// # Errors
/// All that speaks against the first one, when none will do.
pub(super) fn choose<'a>(candidates: &'a [Candidate], kind: &InstanceType) -> Result<&'a HostImage, Vec<Refusal>> {
    let fitting = candidates
        .iter()
        .find(|candidate| objections(&candidate.image, kind).is_empty());
    match (fitting, candidates.first()) {
        (Some(candidate), _) => Ok(&candidate.host),
        (None, Some(first)) => Err(objections(&first.image, kind)),
        (None, None) => Err(Vec::new()),
    }
}

/// What speaks against an image as a host's of a type.
fn objections(image: &Image, kind: &InstanceType) -> Vec<Refusal> {
    let mut against = Vec::new();
    let mut object = |id: &str, why: String, instead: &str| {
        against.push(Refusal::new(
            id,
            format!("image {} of the host {why}", image.id),
            instead,
        ));
    };
    // An instance keeps the boot mode that its image asked for
    // (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-boot-mode.html), and RunInstances cannot ask for another.
    if image.boot_mode.as_deref() == Some("uefi-preferred") && kind.boot_modes.iter().any(|mode| mode == "uefi") {
        object(
            "host-image-prefers-uefi",
            format!(
                "starts by UEFI on {}, and so would the target, whose disk has boot code for BIOS",
                kind.name
            ),
            "take an image without a boot mode, or with legacy-bios, by --host-image, or a type that has BIOS only",
        );
    }
    if kind.ena == Support::Required && !image.ena_support {
        object(
            "host-image-network",
            format!(
                "is not marked as having the driver of ENA, without which {} does not start",
                kind.name
            ),
            "take an image with ENA support with --host-image, or a Xen type",
        );
    }
    against
}

fn candidate(image: Image, id: &comeback_cloud::ids::ImageId, wishes: &Wishes) -> Result<Candidate, PlanError> {
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
    if image.boot_mode.as_deref() == Some("uefi") {
        return Err(bad(
            "it starts by UEFI, and so would the target, whose disk has boot code for BIOS",
        ));
    }
    if image.architecture != Architecture::X86_64 {
        return Err(bad(&format!(
            "it is for {}, and the converter runs on x86_64",
            image.architecture
        )));
    }
    if image.root_device_type != Some(RootDeviceType::Ebs) {
        return Err(bad("its root is not on EBS"));
    }
    if let Some(code) = image.product_codes.first() {
        return Err(bad(&format!(
            "it carries the product code {}, which the target would be billed for",
            code.code
        )));
    }
    let root_device = image
        .root_device_name
        .clone()
        .ok_or_else(|| bad("it names no root device"))?;
    let host = HostImage {
        name: image.name.clone().unwrap_or_default(),
        boot_mode: image.boot_mode.clone(),
        user: wishes
            .host_user
            .clone()
            .unwrap_or_else(|| customary_user(&image).to_owned()),
        image: id.clone(),
        root_device,
    };
    Ok(Candidate { host, image })
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

#[cfg(test)]
mod tests {
    use comeback_cloud::model::ImageType;

    use super::*;
    use crate::plan::testing;

    fn image(id: &str) -> Image {
        Image {
            id: id.to_owned(),
            kind: ImageType::Machine,
            name: Some("al2023-ami".to_owned()),
            description: None,
            state: ImageState::Available,
            owner: None,
            owner_alias: Some("amazon".to_owned()),
            architecture: Architecture::X86_64,
            virtualization: Some(Virtualization::Hvm),
            kernel: None,
            ramdisk: None,
            root_device_name: Some("/dev/xvda".to_owned()),
            root_device_type: Some(RootDeviceType::Ebs),
            devices: Vec::new(),
            ena_support: true,
            sriov: None,
            boot_mode: None,
            product_codes: Vec::new(),
            platform_details: None,
            created: None,
            tags: comeback_cloud::model::Tags::default(),
        }
    }

    fn made(image: Image) -> Candidate {
        let id = image.id.parse().unwrap();
        candidate(image, &id, &Wishes::default()).unwrap()
    }

    fn against(image: &Image, kind: &InstanceType) -> Vec<String> {
        objections(image, kind).into_iter().map(|refusal| refusal.id).collect()
    }

    #[test]
    fn a_host_starts_as_its_target_will() {
        let (xen, nitro) = (testing::kind("m4.large"), testing::kind("m5.large"));
        let with = |mode: Option<&str>| Image {
            boot_mode: mode.map(str::to_owned),
            ..image("ami-00000001")
        };
        for mode in [None, Some("legacy-bios")] {
            assert_eq!(against(&with(mode), &xen), [""; 0], "{mode:?}");
            assert_eq!(against(&with(mode), &nitro), [""; 0], "{mode:?}");
        }
        assert_eq!(against(&with(Some("uefi-preferred")), &xen), [""; 0]);
        assert_eq!(
            against(&with(Some("uefi-preferred")), &nitro),
            ["host-image-prefers-uefi"]
        );
    }

    fn why_not(image: Image) -> String {
        match candidate(image, &"ami-00000001".parse().unwrap(), &Wishes::default()) {
            Err(PlanError::HostImage { why, .. }) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_would_fail_after_the_stop_is_found_before() {
        let without = Image {
            ena_support: false,
            ..image("ami-00000001")
        };
        assert_eq!(against(&without, &testing::kind("m4.large")), [""; 0]);
        assert_eq!(against(&without, &testing::kind("m5.large")), ["host-image-network"]);
        for architecture in [Architecture::Arm64, Architecture::I386] {
            let other = Image {
                architecture,
                ..image("ami-00000001")
            };
            assert!(why_not(other).contains("runs on x86_64"));
        }
        let uefi = Image {
            boot_mode: Some("uefi".to_owned()),
            ..image("ami-00000001")
        };
        assert!(why_not(uefi).contains("boot code for BIOS"));
    }

    #[test]
    fn the_older_release_helps_where_the_newer_starts_by_uefi() {
        let newer = Image {
            boot_mode: Some("uefi-preferred".to_owned()),
            ..image("ami-00000001")
        };
        let both = [made(newer.clone()), made(image("ami-00000002"))];
        let chosen = |name| choose(&both, &testing::kind(name)).unwrap().image.as_str();
        assert_eq!(chosen("m4.large"), "ami-00000001");
        assert_eq!(chosen("m5.large"), "ami-00000002");
        let refusals = choose(&both[..1], &testing::kind("m5.large")).unwrap_err();
        assert_eq!(
            refusals[0].reason,
            "image ami-00000001 of the host starts by UEFI on m5.large, and so would the target, whose disk has boot code for BIOS"
        );
    }

    #[test]
    fn nobody_is_billed_for_what_the_host_was() {
        let sold = Image {
            product_codes: vec![comeback_cloud::model::ProductCode {
                code: "abc".to_owned(),
                kind: "marketplace".to_owned(),
            }],
            ..image("ami-00000001")
        };
        assert!(why_not(sold).contains("product code abc"));
    }
}
