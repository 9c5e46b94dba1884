//! Whether a kernel can run as a paravirtual guest, and whether it can run as an HVM guest.

use super::ImageFile;
use crate::drivers::Evidence;
use crate::drivers::version;
use crate::kernel::config::{KernelConfig, Setting};
use crate::kernel::image::{Architecture, Format};
use crate::tri::Tri;

/// What is known of a kernel.
pub(super) struct Facts<'a> {
    pub(super) release: Option<&'a str>,
    pub(super) image: Option<&'a ImageFile>,
    pub(super) config: Option<(&'a str, &'a KernelConfig)>,
    pub(super) modules: Option<&'a str>,
}

/// What follows from it.
pub(super) struct Judged {
    pub(super) architecture: Option<Architecture>,
    pub(super) runs_pv: Tri,
    pub(super) runs_hvm: Tri,
    pub(super) reasons: Vec<Evidence>,
}

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let mut reasons = Vec::new();
    let mut decide = |answer: Option<(Tri, Evidence)>| match answer {
        Some((tri, evidence)) => {
            if !reasons.contains(&evidence) {
                reasons.push(evidence);
            }
            tri
        }
        None => Tri::Unknown,
    };
    let runs_pv = decide(facts.pv());
    let runs_hvm = decide(facts.hvm());
    let architecture = facts.architecture().map(|(architecture, evidence)| {
        if let Some(evidence) = evidence {
            reasons.push(evidence);
        }
        architecture
    });
    Judged {
        architecture,
        runs_pv,
        runs_hvm,
        reasons,
    }
}

impl Facts<'_> {
    /// The name of the kernel's file, or else of its folder of modules.
    fn place(&self) -> String {
        self.image
            .map(|image| image.canonical.clone())
            .or_else(|| self.modules.map(str::to_owned))
            .unwrap_or_default()
    }

    fn configured(&self, option: &str, text: String) -> Option<Evidence> {
        let (path, config) = self.config?;
        Some(Evidence {
            path: path.to_owned(),
            line: config.get(option).line,
            text,
        })
    }

    /// That this is a classic Xen kernel, by its configuration or else by its name.
    fn classic(&self) -> Option<Evidence> {
        match self.config {
            Some((_, config)) => {
                let (option, _) = config.classic_xen()?;
                self.configured(option, format!("CONFIG_{option}=y: a classic Xen kernel"))
            }
            None => {
                let release = self.release?;
                classic_name(release).then(|| Evidence {
                    path: self.place(),
                    line: None,
                    text: format!("the name of the release, {release}, is that of a classic Xen kernel"),
                })
            }
        }
    }

    fn pv(&self) -> Option<(Tri, Evidence)> {
        if let Some(notes) = self.image.and_then(|image| image.notes.as_ref()) {
            let (answer, text) = if notes.pv_entry {
                (Tri::Yes, "Xen note ENTRY: an entry point for paravirtual guests")
            } else {
                (Tri::No, "no Xen note ENTRY: no entry point for paravirtual guests")
            };
            let evidence = Evidence {
                path: self.place(),
                line: None,
                text: text.to_owned(),
            };
            return Some((answer, evidence));
        }
        if let Some(evidence) = self.classic() {
            return Some((Tri::Yes, evidence));
        }
        let (_, config) = self.config?;
        if !config.has("XEN") {
            return Some((Tri::No, self.configured("XEN", "no CONFIG_XEN=y".to_owned())?));
        }
        // `XEN_PV` became an option of its own in Linux 4.12; before, `XEN` stood for it.
        let separate = self.release.and_then(version).is_some_and(|version| version >= (4, 12));
        let choice = config.get("XEN_PV");
        match (choice.setting, choice.line) {
            (Setting::Off, None) if !separate => Some((Tri::Yes, self.configured("XEN", "CONFIG_XEN=y".to_owned())?)),
            (Setting::Off, _) => Some((Tri::No, self.configured("XEN_PV", "no CONFIG_XEN_PV=y".to_owned())?)),
            _ => Some((Tri::Yes, self.configured("XEN_PV", "CONFIG_XEN_PV=y".to_owned())?)),
        }
    }

    fn hvm(&self) -> Option<(Tri, Evidence)> {
        if let Some(evidence) = self.classic() {
            return Some((Tri::No, evidence));
        }
        let image = self.image.and_then(|image| image.content.ok());
        let format = image.map(|image| image.format);
        let (answer, text) = match format {
            Some(Format::BzImage) => (Tri::Yes, "a bzImage that is no classic Xen kernel"),
            Some(Format::Elf | Format::ElfGz) => (Tri::No, "an ELF file, which GRUB's linux command does not start"),
            Some(Format::ZImage | Format::Unknown) | None => return None,
        };
        let evidence = Evidence {
            path: self.place(),
            line: None,
            text: text.to_owned(),
        };
        Some((answer, evidence))
    }

    /// The architecture, with what says so where that is not the image itself.
    fn architecture(&self) -> Option<(Architecture, Option<Evidence>)> {
        if let Some(architecture) = self
            .image
            .and_then(|image| image.content.ok())
            .and_then(|image| image.architecture)
        {
            return Some((architecture, None));
        }
        if let Some((_, config)) = self.config {
            for (option, architecture) in [("X86_64", Architecture::X86_64), ("X86_32", Architecture::X86)] {
                if config.has(option) {
                    let evidence = self.configured(option, format!("CONFIG_{option}=y"));
                    return Some((architecture, evidence));
                }
            }
        }
        let release = self.release?;
        let architecture = architecture_of_name(release)?;
        let evidence = Evidence {
            path: self.place(),
            line: None,
            text: format!("the name of the release, {release}"),
        };
        Some((architecture, Some(evidence)))
    }
}

/// Names of classic Xen kernels: RHEL 5 (`2.6.18-419.el5xen`), SLES (`3.0.101-63-xen`, `2.6.16.60-0.54.5-xenpae`,
/// `2.6.32.12-0.7-ec2`), Ubuntu 8.04 to 10.04 (`2.6.24-26-xen`, `2.6.32-305-ec2`), Amazon's first (`2.6.16-xenU`,
/// `2.6.21.7-2.fc8xen`). Debian 5 and 6 name theirs `2.6.32-5-xen-amd64`, which is a pvops kernel from Debian 6 on; that
/// is told by its configuration only.
fn classic_name(release: &str) -> bool {
    let lower = release.to_ascii_lowercase();
    let lower = ["x86_64", "i686", "i386"]
        .iter()
        .find_map(|arch| lower.strip_suffix(&format!(".{arch}")))
        .unwrap_or(&lower);
    let Some(version) = version(lower) else {
        return false;
    };
    // Nobody has forward-ported XenLinux to kernels newer than SLES 11's 3.0 and openSUSE's 4.x by these names.
    ["xen", "xenu", "xenpae", "-ec2"]
        .iter()
        .any(|suffix| lower.ends_with(suffix))
        && version < (4, 13)
}

fn architecture_of_name(release: &str) -> Option<Architecture> {
    const WIDE: [&str; 2] = ["x86_64", "amd64"];
    const NARROW: [&str; 6] = ["i686", "i386", "-686", "-686-pae", "-generic-pae", "i586"];
    if WIDE.iter().any(|name| release.contains(name)) {
        Some(Architecture::X86_64)
    } else if NARROW.iter().any(|name| release.ends_with(name)) {
        Some(Architecture::X86)
    } else {
        None
    }
}
