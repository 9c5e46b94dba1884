//! What is known of the source's root before anything happens, where somebody has a copy of it.
//!
//! EC2 shows nobody the disk of an instance, so a plan is mostly made without. Who has a copy gets more: a disk that cannot be
//! converted is refused before the source stops, and a guest that boots on Nitro goes there at once.

use serde::{Deserialize, Serialize};

use super::refuse::Refusal;
use super::target::Wanted;
use super::{Notice, Platform};

/// What was read on a copy of the source's root, and what a conversion in memory made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DiskSeen {
    /// The copy.
    pub name: String,
    /// Where it boots once it is converted, by the inspection of the result.
    pub boots: Vec<Platform>,
    /// Why it cannot be converted, if it cannot.
    pub refused: Option<String>,
    /// What a person has to know of it; where it is refused, what stands against it.
    pub findings: Vec<Notice>,
}

impl DiskSeen {
    /// Narrows what was asked for to where the guest boots. Nitro is preferred: its types are current and cheaper.
    pub(super) fn narrow(&self, wanted: &Wanted) -> Wanted {
        let best = [Platform::Nitro, Platform::XenHvm]
            .into_iter()
            .find(|platform| self.boots.contains(platform));
        Wanted {
            instance_type: wanted.instance_type.clone(),
            // Of a type that was asked for, the platform follows.
            platform: match wanted.instance_type {
                Some(_) => wanted.platform,
                None => wanted.platform.or(best),
            },
        }
    }

    /// What stands against a target on this platform.
    pub(super) fn against(&self, platform: Option<Platform>) -> Option<Refusal> {
        if let Some(why) = &self.refused {
            let mut instead: Vec<&str> = self
                .findings
                .iter()
                .filter_map(|finding| finding.remedy.as_deref())
                .collect();
            instead.dedup();
            return Some(Refusal::new(
                "disk-not-convertible",
                format!("{} cannot be converted: {why}", self.name),
                match instead.as_slice() {
                    [] => "mend it in the instance while it runs".to_owned(),
                    some => some.join("; "),
                },
            ));
        }
        let platform = platform.filter(|platform| !self.boots.contains(platform))?;
        Some(Refusal::new(
            "disk-does-not-boot-there",
            format!(
                "by its inspection, {} does not boot on {} once it is converted",
                self.name,
                platform.name()
            ),
            match self.boots.as_slice() {
                [] => "comeback inspect says what it lacks".to_owned(),
                some => format!(
                    "take a type of another platform: --target {}",
                    some.iter()
                        .map(|platform| platform.name())
                        .collect::<Vec<_>>()
                        .join(" or ")
                ),
            },
        ))
    }

    /// Why the target is on its platform.
    pub(super) fn why(&self, platform: Platform) -> String {
        format!(
            "{}, as by its inspection {} boots there once it is converted",
            platform.name(),
            self.name
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(boots: &[Platform]) -> DiskSeen {
        DiskSeen {
            name: "root.img".to_owned(),
            boots: boots.to_vec(),
            refused: None,
            findings: Vec::new(),
        }
    }

    #[test]
    fn a_guest_goes_where_it_boots_unless_a_person_says_otherwise() {
        let both = [Platform::XenHvm, Platform::Nitro];
        let nothing = Wanted::default();
        let a_type = Wanted {
            instance_type: Some("t2.small".to_owned()),
            platform: None,
        };
        let xen = Wanted {
            instance_type: None,
            platform: Some(Platform::XenHvm),
        };
        for (boots, wanted, goes) in [
            (&both[..], &nothing, Some(Platform::Nitro)),
            (&both[..1], &nothing, Some(Platform::XenHvm)),
            (&[], &nothing, None),
            (&both[..], &xen, Some(Platform::XenHvm)),
            (&both[..], &a_type, None),
        ] {
            assert_eq!(seen(boots).narrow(wanted).platform, goes, "{boots:?} {wanted:?}");
        }
    }

    #[test]
    fn what_is_not_proven_is_refused_with_what_is() {
        let xen = seen(&[Platform::XenHvm]);
        assert_eq!(xen.against(Some(Platform::XenHvm)), None);
        let refusal = xen.against(Some(Platform::Nitro)).expect("it does not boot there");
        assert!(refusal.instead.ends_with("--target xen-hvm"), "{refusal:?}");
        let broken = DiskSeen {
            refused: Some("no kernel".to_owned()),
            ..xen
        };
        let refusal = broken.against(None).expect("it cannot be converted");
        assert_eq!(refusal.id, "disk-not-convertible");
    }
}
