//! Where the kernel looks for a hibernated system: `/etc/initramfs-tools/conf.d/resume`.
//!
//! Source: `initramfs-tools(7)`, `initramfs.conf(5)`: `RESUME=` names the device, `none` and `auto` are words of their own.

use serde::Serialize;

use crate::defaults::{last, shell_assignments};
use crate::spec::Spec;
use crate::text::Spanned;

/// The device that `RESUME=` names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resume {
    /// The value as it stands there.
    pub value: Spanned<String>,
    /// What it names; `None` for `none`, `auto` and nothing.
    pub device: Option<Spec>,
}

impl Resume {
    /// Parses the file; `None` if it does not say.
    pub fn parse(content: &[u8]) -> Option<Self> {
        let assignments = shell_assignments(content);
        let value = last(&assignments, "RESUME")?.value.clone();
        let device = match value.value.as_str() {
            "" | "none" | "auto" => None,
            text => Some(Spec::parse(text)),
        };
        Some(Resume { value, device })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_words() {
        let content = b"# written by the installer\nRESUME=UUID=c8f9-12\n";
        let resume = Resume::parse(content).unwrap();
        assert_eq!(resume.device, Some(Spec::Uuid("c8f9-12".into())));
        assert_eq!(content[resume.value.span.clone()], *b"UUID=c8f9-12");
        let disk = Resume::parse(b"RESUME=/dev/sda3").unwrap().device.unwrap();
        assert_eq!(disk.disk().unwrap().partition, Some(3));
        assert_eq!(Resume::parse(b"RESUME=none\n").unwrap().device, None);
        assert_eq!(Resume::parse(b"#RESUME=none\n"), None);
    }
}
