//! The configuration that a kernel was built with (`/boot/config-*`).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::text::lines;

/// The largest configuration that is read, in bytes; real ones have 50 to 300 KiB.
pub const MAX_SIZE: u64 = 4 << 20;

/// The options that this crate asks for. Others are not kept.
pub const OPTIONS: [&str; 36] = [
    "64BIT",
    "X86_64",
    "X86_32",
    // Classic Xen kernels (XenLinux): they run PV only.
    "X86_XEN",
    "X86_64_XEN",
    // Kernels of kernel.org.
    "XEN",
    "XEN_PV",
    "XEN_PVHVM",
    "XEN_PVHVM_GUEST",
    "XEN_PVH",
    "XEN_PLATFORM_PCI",
    "XEN_BLKDEV_FRONTEND",
    "XEN_NETDEV_FRONTEND",
    "HVC_XEN",
    "ATA_PIIX",
    "BLK_DEV_PIIX",
    "BLK_DEV_IDEDISK",
    "IDE_GD",
    "IDE_GD_ATA",
    "SATA_AHCI",
    "BLK_DEV_SD",
    "BLK_DEV_NVME",
    "NVME_CORE",
    "ENA_ETHERNET",
    "NET_VENDOR_AMAZON",
    "SERIAL_8250",
    "SERIAL_8250_CONSOLE",
    "EXT2_FS",
    "EXT3_FS",
    "EXT4_FS",
    "EXT4_USE_FOR_EXT23",
    "EXT4_USE_FOR_EXT2",
    "EFI_STUB",
    "BLK_DEV_INITRD",
    "DEVTMPFS",
    "MODULES",
];

/// What an option is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// `=y`
    BuiltIn,
    /// `=m`
    Module,
    /// `# CONFIG_… is not set`, or not mentioned at all (its prerequisites are missing).
    Off,
}

/// An option and its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// What it is set to.
    pub setting: Setting,
    /// Line number, from 1; none where the option is not mentioned.
    pub line: Option<usize>,
}

/// The configuration of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KernelConfig {
    choices: BTreeMap<&'static str, Choice>,
}

impl KernelConfig {
    /// Reads those of [`OPTIONS`] that the file mentions. `None` when no line of the file is about any option: then it
    /// is not a configuration.
    pub fn parse(content: &[u8]) -> Option<KernelConfig> {
        let mut choices = BTreeMap::new();
        let mut any = false;
        for line in lines(content) {
            let Some((name, setting)) = choice(line.bytes) else {
                continue;
            };
            any = true;
            if let Some(known) = OPTIONS.iter().find(|option| option.as_bytes() == name) {
                let choice = Choice {
                    setting,
                    line: Some(line.number),
                };
                choices.insert(*known, choice);
            }
        }
        any.then_some(KernelConfig { choices })
    }

    /// What an option is set to. The name is without `CONFIG_`, and one of [`OPTIONS`].
    pub fn get(&self, option: &str) -> Choice {
        self.choices.get(option).copied().unwrap_or(Choice {
            setting: Setting::Off,
            line: None,
        })
    }

    /// Whether the option is built in or a module.
    pub fn has(&self, option: &str) -> bool {
        self.get(option).setting != Setting::Off
    }

    /// Whether this is a classic Xen kernel (XenLinux), which runs as a paravirtual guest and nowhere else. Gives the
    /// option that says so.
    pub fn classic_xen(&self) -> Option<(&'static str, Choice)> {
        ["X86_XEN", "X86_64_XEN"]
            .into_iter()
            .map(|option| (option, self.get(option)))
            .find(|(_, choice)| choice.setting == Setting::BuiltIn)
    }
}

/// The option of a line and its setting; values that are no y, m or n count as set.
fn choice(line: &[u8]) -> Option<(&[u8], Setting)> {
    if let Some(rest) = line.strip_prefix(b"CONFIG_") {
        let equals = rest.iter().position(|&byte| byte == b'=')?;
        let (name, value) = (rest.get(..equals)?, rest.get(equals + 1..)?);
        let setting = match value.trim_ascii() {
            b"m" => Setting::Module,
            b"n" => Setting::Off,
            _ => Setting::BuiltIn,
        };
        return Some((name, setting));
    }
    let name = line
        .strip_prefix(b"# CONFIG_")?
        .trim_ascii_end()
        .strip_suffix(b" is not set")?;
    Some((name, Setting::Off))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn options_have_settings_and_lines() {
        let config = KernelConfig::parse(
            b"#\n# Automatically generated make config: don't edit\n#\nCONFIG_64BIT=y\nCONFIG_XEN=y\n\
              # CONFIG_XEN_PV is not set\nCONFIG_XEN_BLKDEV_FRONTEND=m\r\nCONFIG_ARCH_DEFCONFIG=\"arch/x86\"\n",
        )
        .unwrap();
        let at = |option| (config.get(option).setting, config.get(option).line);
        assert_eq!(at("64BIT"), (Setting::BuiltIn, Some(4)));
        assert_eq!(at("XEN"), (Setting::BuiltIn, Some(5)));
        assert_eq!(at("XEN_PV"), (Setting::Off, Some(6)));
        assert_eq!(at("XEN_BLKDEV_FRONTEND"), (Setting::Module, Some(7)));
        assert_eq!(at("BLK_DEV_NVME"), (Setting::Off, None));
        assert_eq!(config.classic_xen(), None);
    }

    #[test]
    fn classic_xen_kernels_are_told_apart() {
        let suse = KernelConfig::parse(b"CONFIG_X86_64=y\nCONFIG_X86_XEN=y\nCONFIG_XEN=y\n").unwrap();
        assert_eq!(suse.classic_xen().unwrap().0, "X86_XEN");
        let rhel5 = KernelConfig::parse(b"CONFIG_X86_64=y\nCONFIG_X86_64_XEN=y\n").unwrap();
        assert_eq!(rhel5.classic_xen().unwrap().1.line, Some(2));
    }

    #[test]
    fn a_file_without_options_is_no_configuration() {
        assert_eq!(KernelConfig::parse(b"hello\n"), None);
        assert_eq!(KernelConfig::parse(b""), None);
    }

    proptest! {
        #[test]
        fn never_panics(content in proptest::collection::vec(any::<u8>(), 0..400), text in "(# )?CONFIG_[A-Z=ymn \n]{0,40}( is not set)?") {
            KernelConfig::parse(&content);
            KernelConfig::parse(text.as_bytes());
        }
    }
}
