//! What is known from the field, one table: failures, waits, and what only looks bad.
//!
//! Sources: the console messages in AWS's "Troubleshoot instances with failed status checks", reports of people whose
//! instances did not come back, and the sources of SeaBIOS, GRUB, initramfs-tools, dracut, systemd, upstart and Linux.

use std::sync::LazyLock;

use regex::bytes::RegexSet;

use crate::{Finding, Stage};

/// What a sign means for the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// The boot has failed; nothing better can follow.
    Fatal,
    /// The boot has failed if nothing follows: a prompt that waits for somebody. It says little about the cause, so an
    /// earlier [`Weight::Telling`] sign of the same stage is named instead.
    Prompt,
    /// It may go on, but if the boot does not succeed, this is why.
    Telling,
    /// Worth showing beside a timeout; it decides nothing.
    Hint,
    /// The guest is at work; wait longer.
    Wait,
    /// The guest is at work and will restart by itself when done.
    WillRestart,
    /// Fatal here, but only because the stand-in for `xen-hvm` shows the disk by another name: the verdict is unknown.
    StandIn,
    /// Looks bad and is not.
    Harmless,
}

/// Where a sign is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenOn {
    /// Only on paravirtual instances. A rehearsal never shows it; a console fetched from EC2 may.
    Pv,
    /// Only on machines with a BIOS.
    Hvm,
    /// On both.
    Both,
}

/// One sign.
#[derive(Debug)]
pub struct Signature {
    /// Stable name, in kebab case.
    pub id: &'static str,
    /// What it means for the verdict.
    pub weight: Weight,
    /// Which stage shows it. Signs of firmware and boot loader count only until the kernel has started.
    pub stage: Stage,
    /// Where it is seen.
    pub seen_on: SeenOn,
    /// Regular expression for one line without escape sequences; empty when silence or an event is the sign.
    pub pattern: &'static str,
    /// One sentence for a person.
    pub title: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

impl Signature {
    /// It was seen in this line.
    pub fn at(&'static self, line: String) -> Finding {
        Finding {
            id: self.id,
            title: self.title,
            line,
            stage: self.stage,
            remedy: self.remedy,
        }
    }
}

/// The table. Where several match a line, the first one counts.
pub static SIGNATURES: &[Signature] = &[
    // ------------------------------------------------------------------------------------------------ harmless
    Signature {
        id: "tpm-front",
        weight: Weight::Harmless,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Pv,
        pattern: r"Tpmfront:Error|Init TPM Front",
        title: "PV-GRUB 1.04 and 1.05 look for a TPM that is not there",
        remedy: "nothing; every instance shows it",
    },
    Signature {
        id: "no-spcr-table",
        weight: Weight::Harmless,
        stage: Stage::Kernel,
        seen_on: SeenOn::Hvm,
        pattern: r"ACPI: (?:SPCR|.*ERST|.*GHES)|SPCR table",
        title: "the firmware describes no serial console",
        remedy: "nothing; the kernel's command line names the console",
    },
    Signature {
        id: "pci-config-nagging",
        weight: Weight::Harmless,
        stage: Stage::Kernel,
        seen_on: SeenOn::Hvm,
        pattern: r"PCI: Fatal: No config space access function found|pci_hp_register failed|MTRR.*(?:blank|disabled)|Fast TSC calibration failed",
        title: "the kernel misses hardware that a virtual machine does not have",
        remedy: "nothing",
    },
    Signature {
        id: "i8042-missing",
        weight: Weight::Harmless,
        stage: Stage::Kernel,
        seen_on: SeenOn::Both,
        pattern: r"i8042: No controller found|i8042.*(?:Can't read CTR|probe.*failed)|piix4_smbus.*SMBus|intel_rapl|kvm: (?:no hardware support|disabled by bios)|Spectre V2|MDS CPU bug|RETBleed",
        title: "the kernel reports on its processor or keyboard controller",
        remedy: "nothing",
    },
    Signature {
        id: "empty-drive",
        weight: Weight::Harmless,
        stage: Stage::Kernel,
        seen_on: SeenOn::Hvm,
        pattern: r"I/O error,? (?:on )?(?:dev|device|logical block.*dev) (?:fd|sr)\d",
        title: "the kernel tries to read a floppy or CD drive that is empty",
        remedy: "nothing",
    },
    Signature {
        id: "pv-elf-kernel",
        weight: Weight::Harmless,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Pv,
        pattern: r"xc_dom_probe_bzimage_kernel: kernel is not a bzImage",
        title: "PV-GRUB tries the formats of kernels one after the other; this one is none of bzImage",
        remedy: "nothing, unless no loader is found at all",
    },
    Signature {
        id: "no-rtc",
        weight: Weight::Harmless,
        stage: Stage::Kernel,
        seen_on: SeenOn::Both,
        pattern: r"unable to open rtc device|hwclock: (?:Cannot access|Can't open|cannot access)|rtc_cmos.*(?:fail|error|unable)",
        title: "Xen guests have no clock of their own",
        remedy: "nothing; the time comes from Xen",
    },
    Signature {
        id: "acpi-noise",
        weight: Weight::Harmless,
        stage: Stage::Kernel,
        seen_on: SeenOn::Both,
        pattern: r"ACPI in unprivileged domain disabled|ACPI (?:BIOS )?(?:Error|Warning|Exception)|ACPI: (?:Unable|Failed|PCC probe failed)|ACPI PCC probe failed",
        title: "the kernel complains about tables of a firmware that a virtual machine has little of",
        remedy: "nothing; every instance shows it",
    },
    Signature {
        id: "xen-console-parameter",
        weight: Weight::Harmless,
        stage: Stage::Kernel,
        seen_on: SeenOn::Hvm,
        pattern: r"Cannot get hvm parameter CONSOLE_EVTCHN",
        title: "the kernel asks for a Xen console that EC2 does not have; the serial one is used",
        remedy: "nothing; every HVM instance on Xen shows it",
    },
    Signature {
        id: "blkfront-barriers",
        weight: Weight::Harmless,
        stage: Stage::Kernel,
        seen_on: SeenOn::Both,
        pattern: r"blkfront: .*(?:barrier|flush).*(?:disabled|enabled)",
        title: "the disk driver tells how it flushes",
        remedy: "nothing",
    },
    Signature {
        id: "upstart-noise",
        weight: Weight::Harmless,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"init: (?:ureadahead|plymouth\S*|udev-fallback-graphics|console-font|mountall-net)\S* .*(?:terminated|killed)",
        title: "helpers that have nothing to do on a server end",
        remedy: "nothing; every Ubuntu of that time shows it",
    },
    // ------------------------------------------------------------------------------------------------ waiting
    Signature {
        id: "fsck-running",
        weight: Weight::Wait,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"has gone \d+ days without being checked, check forced|has been mounted \d+ times without being checked, check forced|contains a file system with errors, check forced|was not cleanly unmounted, check forced|Checking (?:disk drives|drive .*): *\d+%|fsck.*in progress|A start job is running for File System Check",
        title: "the file system is being checked, which takes minutes on a large volume",
        remedy: "wait; or run `e2fsck -f` on the volume beforehand, so that no check is due",
    },
    Signature {
        id: "network-wait",
        weight: Weight::Wait,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"cloud-init-nonet.*waiting|Waiting (?:up to )?\d+ (?:more )?seconds for network|Waiting for network configuration",
        title: "the guest waits for a network, which a rehearsal does not have",
        remedy: "wait; on EC2 there is a network",
    },
    Signature {
        id: "selinux-relabel",
        weight: Weight::WillRestart,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"SELinux targeted policy relabel is required|Relabeling could take a very long time|Starting Relabel all filesystems|selinux-autorelabel",
        title: "SELinux labels every file anew and restarts the guest",
        remedy: "wait; it happens once",
    },
    Signature {
        id: "fsck-restarts",
        weight: Weight::WillRestart,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"REBOOT LINUX|System should be rebooted|The system will be (?:restarted|rebooted) when the check|Automatic reboot in progress|fsck: *.*exit(?:ed with)? status(?: code)?:? [23]\b|fsck succeeded, but reboot is required",
        title: "the file system check has changed the root file system and restarts the guest",
        remedy: "wait; it happens once",
    },
    // ------------------------------------------------------------------------------------------------ firmware
    Signature {
        id: "not-a-bootable-disk",
        weight: Weight::Telling,
        stage: Stage::Firmware,
        seen_on: SeenOn::Hvm,
        pattern: r"Boot failed: not a bootable disk|Boot Disk Failure",
        title: "the disk has no boot code: its first sector lacks the mark 55 aa",
        remedy: "`comeback convert` installs boot code",
    },
    Signature {
        id: "boot-disk-unreadable",
        weight: Weight::Telling,
        stage: Stage::Firmware,
        seen_on: SeenOn::Hvm,
        pattern: r"Boot failed: could not read the boot disk",
        title: "the firmware cannot read the first sector of the disk",
        remedy: "check the image; it may be truncated",
    },
    Signature {
        id: "no-bootable-device",
        weight: Weight::Prompt,
        stage: Stage::Firmware,
        seen_on: SeenOn::Hvm,
        pattern: r"No bootable device|Non-system disk|NO BOOTABLE DEVICE|No Operating System",
        title: "the firmware finds nothing to boot",
        remedy: "`comeback convert` installs boot code",
    },
    // ------------------------------------------------------------------------------------------------ boot loader
    Signature {
        id: "mbr-no-system",
        weight: Weight::Fatal,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Hvm,
        pattern: r"^(?:Missing operating system|Error loading operating system|Operating System not found|Invalid partition table|No active partition|FATAL: No bootable medium found|Missing OS|MBR error|This is not a bootable disk\.|no active partition found)",
        title: "the boot code in the first sector finds no partition to go on with",
        remedy: "`comeback convert` installs boot code that finds the guest's boot menu",
    },
    Signature {
        id: "grub-read-error",
        weight: Weight::Fatal,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Hvm,
        pattern: r"^GRUB ?(?:(?:Hard Disk|Geom|Read|Floppy)? ?Error|Read)|^GRUB(?: loading[^E]*)?(?:Geom|Read|Hard Disk) Error|^\.?(?:Geom|Read) Error$",
        title: "GRUB's first sector cannot read the rest of GRUB",
        remedy: "the block list in the boot sector is wrong or the disk is too short: convert again",
    },
    Signature {
        id: "grub-not-a-loader",
        weight: Weight::Telling,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Hvm,
        pattern: r"^LI?L? ?(?:[0-9A-F]{2} )*$|^LIL-|^L 99 99|^SYSLINUX.*(?:Boot failed|boot failed)|^Boot error$|^Could not find kernel image|^No DEFAULT or UI configuration directive found|Failed to load (?:ldlinux|COM32)",
        title: "another boot loader (LILO, syslinux) cannot load the kernel",
        remedy: "`comeback convert` replaces the boot code",
    },
    Signature {
        id: "grub-legacy-error",
        weight: Weight::Fatal,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Both,
        pattern: r"Error (?:1[0-46-9]|[2-8]|2\d|3[0-5])\b ?:|GRUB Loading stage1\.5.*Error \d+|^Error 9: ",
        title: "GRUB legacy cannot carry out the boot menu's entry",
        remedy: "16 and 17 mean a file system or a partition that it cannot read: compare `root (hd0)` with the disk; `comeback inspect` names the entry",
    },
    Signature {
        id: "boot-menu-names-missing-file",
        weight: Weight::Fatal,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Both,
        pattern: r"Error 15: File not found|Error 15\b",
        title: "the boot menu names a kernel or an initramfs that is not there",
        remedy: "correct the entry in menu.lst; `comeback inspect` lists what is missing",
    },
    Signature {
        id: "grub-file-not-found",
        weight: Weight::Telling,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Both,
        pattern: r"error: (?:[\w/.-]+:\d+:)?\s*file [`'‘].*?['’] not found|error: couldn't open file|error: no such file",
        title: "GRUB misses a file",
        remedy: "correct the boot menu's entry or put the file back; `comeback inspect` lists what is missing",
    },
    Signature {
        id: "grub-no-such-partition",
        weight: Weight::Telling,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Hvm,
        pattern: r"error: (?:[\w/.-]+:\d+:)?\s*no such partition",
        title: "GRUB looks for a partition that the disk does not have",
        remedy: "the partition table changed after GRUB was installed: convert again, or correct `root` in the boot menu",
    },
    Signature {
        id: "grub-no-such-device",
        weight: Weight::Telling,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Hvm,
        pattern: r"error: (?:[\w/.-]+:\d+:)?\s*(?:no such (?:device|disk)|disk [`'‘].*['’] not found|hd\d+ (?:read error|cannot get C/H/S)|failure reading sector|attempt to read or write outside of (?:disk|partition))",
        title: "GRUB looks for a disk or file system that is not there, or cannot read it",
        remedy: "compare the UUID or label in the boot menu with the file system's",
    },
    Signature {
        id: "grub-unknown-filesystem",
        weight: Weight::Telling,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Hvm,
        pattern: r"error: (?:[\w/.-]+:\d+:)?\s*(?:unknown filesystem|not a correct XFS inode|invalid (?:inode|extent)|unsupported (?:feature|inode))",
        title: "GRUB cannot read the file system",
        remedy: "the file system has a feature that this GRUB does not know; `comeback inspect` names it",
    },
    Signature {
        id: "grub-symbol-not-found",
        weight: Weight::Telling,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Hvm,
        pattern: r"error: (?:[\w/.-]+:\d+:)?\s*(?:symbol [`'‘].*['’] not found|invalid arch[- ]independent ELF|incompatible license|premature end of file|not an assembler|invalid file name|out of memory)",
        title: "GRUB's core image and its modules do not belong together, or a file is damaged",
        remedy: "install boot code again: `comeback convert`",
    },
    Signature {
        id: "grub-invalid-kernel",
        weight: Weight::Telling,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Both,
        pattern: r"not (?:a )?xen image|error: (?:[\w/.-]+:\d+:)?\s*(?:invalid magic number|only ELF|unsupported .*image|bad shim signature|invalid signature|kernel too old|no loader)",
        title: "GRUB cannot start this kernel image",
        remedy: "choose another kernel in the boot menu",
    },
    Signature {
        id: "grub-no-kernel-loaded",
        weight: Weight::Telling,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Both,
        pattern: r"you need to load the kernel first|no kernel specified|error: (?:[\w/.-]+:\d+:)?\s*no server is specified",
        title: "the boot menu's entry loads no kernel",
        remedy: "correct the entry; the error before it names the file",
    },
    Signature {
        id: "grub-command-not-found",
        weight: Weight::Telling,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Hvm,
        pattern: r"error: (?:[\w/.-]+:\d+:)?\s*(?:can't find command|unknown command|syntax error|Incorrect command|unrecognized (?:number|token))",
        title: "the boot menu has a line that GRUB does not understand",
        remedy: "correct the line",
    },
    Signature {
        id: "boot-menu-empty",
        weight: Weight::Telling,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Hvm,
        pattern: r"Minimal BASH-like line editing is supported",
        title: "GRUB runs but found no boot menu",
        remedy: "see that menu.lst or grub.cfg is where GRUB looks for it",
    },
    Signature {
        id: "boot-menu-waits",
        weight: Weight::Hint,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Hvm,
        pattern: r"keys to select which entry is highlighted|Press any key to continue",
        title: "the boot menu was shown; without a timeout it waits for somebody",
        remedy: "set a timeout in the boot menu",
    },
    Signature {
        id: "grub-rescue",
        weight: Weight::Prompt,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Hvm,
        pattern: r"^grub rescue>",
        title: "GRUB cannot find its own files and waits in its rescue prompt",
        remedy: "install boot code again: `comeback convert`",
    },
    Signature {
        id: "grub-prompt",
        weight: Weight::Prompt,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Hvm,
        pattern: r"^grub> ?",
        title: "GRUB found no boot menu and waits in its prompt",
        remedy: "see that menu.lst or grub.cfg is where GRUB looks for it",
    },
    Signature {
        id: "boot-loader-hang",
        weight: Weight::Fatal,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Hvm,
        pattern: "",
        title: "the boot code was started, and nothing followed: the processor never left real mode",
        remedy: "`comeback convert` replaces the boot code",
    },
    Signature {
        id: "grub-hang",
        weight: Weight::Fatal,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Hvm,
        pattern: "",
        title: "GRUB's first sector was started and hangs while it loads the rest",
        remedy: "the block list in the boot sector is wrong: install boot code again with `comeback convert`",
    },
    // ------------------------------------------------------------------------------------------------ PV-GRUB
    Signature {
        id: "pv-kernel-compression",
        weight: Weight::Fatal,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Pv,
        pattern: r"unknown compression format|unable to \w+ decompress kernel",
        title: "PV-GRUB cannot unpack the kernel: xz needs 1.04, lz4 and zstd work with none",
        remedy: "boot an older kernel, or `comeback convert`",
    },
    Signature {
        id: "pv-wrong-word-size",
        weight: Weight::Fatal,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Pv,
        pattern: r"guest type xen-\S+ not supported by xen kernel",
        title: "a 64-bit PV-GRUB cannot start a 32-bit kernel, nor the reverse",
        remedy: "use the PV-GRUB of the kernel's own architecture, or another kernel in menu.lst",
    },
    Signature {
        id: "pv-invalid-kernel",
        weight: Weight::Fatal,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Pv,
        pattern: r"ERROR Invalid kernel|xc_dom_parse_image returned -1|xc_dom_find_loader: no loader found|elf_xen_note_check",
        title: "the kernel cannot run on paravirtual Xen",
        remedy: "choose another kernel in menu.lst, or `comeback convert`",
    },
    Signature {
        id: "pv-no-boot-menu",
        weight: Weight::Prompt,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Pv,
        pattern: r"^grubdom>",
        title: "PV-GRUB found no menu.lst",
        remedy: "use PV-GRUB 1.05, which looks into partitions too, or move menu.lst to where this one looks",
    },
    Signature {
        id: "pv-mmu-update",
        weight: Weight::Fatal,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Pv,
        pattern: r"mmu_update failed with rc=-22",
        title: "PV-GRUB 1.01 fails for 32-bit guests",
        remedy: "use PV-GRUB 1.02 or later",
    },
    Signature {
        id: "pv-handed-over",
        weight: Weight::Hint,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Pv,
        pattern: r"close blk: backend=",
        title: "PV-GRUB handed over to the kernel, which said nothing",
        remedy: "compare the kernel with the one that ran last; `comeback convert`",
    },
    Signature {
        id: "grub-install-device-map",
        weight: Weight::Hint,
        stage: Stage::Init,
        seen_on: SeenOn::Hvm,
        pattern: r"cannot find a GRUB drive for",
        title: "grub-install inside the guest does not find its disk",
        remedy: "remove /boot/grub/device.map",
    },
    // ------------------------------------------------------------------------------------------------ stand-in
    Signature {
        id: "root-named-xvd",
        weight: Weight::StandIn,
        stage: Stage::Init,
        seen_on: SeenOn::Hvm,
        pattern: r#"ALERT! +/dev/(?:xvd\w+|disk/by-\w+/xvd\w+) +does not exist|Cannot open root device "(?:/dev/)?xvd\w+"|Warning: /dev/xvd\w+ does not exist|(?:error mounting|Unable to (?:mount|open)) (?:/dev/)?xvd\w+"#,
        title: "the guest looks for its root at xvd…, which EC2's Xen shows and this stand-in does not",
        remedy: "name the root by UUID or label, or try it under a real Xen",
    },
    // ------------------------------------------------------------------------------------------------ kernel
    Signature {
        id: "root-device-unopenable",
        weight: Weight::Telling,
        stage: Stage::Kernel,
        seen_on: SeenOn::Both,
        pattern: r"VFS: Cannot open root device|Please append a correct .root=. boot option|Unable to determine major/minor number of root device",
        title: "the kernel has no device by the name that root= gives",
        remedy: "name the root by UUID (with an initramfs) or by the name that the target shows",
    },
    Signature {
        id: "vfs-unable-to-mount-root",
        weight: Weight::Fatal,
        stage: Stage::Kernel,
        seen_on: SeenOn::Both,
        pattern: r"VFS: Unable to mount root fs",
        title: "the kernel cannot mount the root file system",
        remedy: "it lacks the initramfs, or the disk driver in it, or root= names a device that is not there",
    },
    Signature {
        id: "init-not-found",
        weight: Weight::Fatal,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"No (?:working )?init found|Kernel panic - not syncing: (?:Requested init|No init)|can't find /sbin/init|No init found\. Try passing init=|Target filesystem doesn't have (?:requested )?/sbin/init",
        title: "the root file system has no init that runs",
        remedy: "see that root= names the right file system and that its init fits the kernel's architecture",
    },
    Signature {
        id: "kernel-too-old",
        weight: Weight::Fatal,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"FATAL: kernel too old",
        title: "the C library needs a newer kernel",
        remedy: "choose a newer kernel in the boot menu",
    },
    Signature {
        id: "binary-format",
        weight: Weight::Telling,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"runaway loop modprobe binfmt|Failed to execute /(?:s?bin/)?init \(error -8\)|request_module: runaway loop",
        title: "the kernel cannot run the guest's programs: 64-bit programs on a 32-bit kernel",
        remedy: "choose a kernel of the guest's architecture",
    },
    Signature {
        id: "kernel-panic",
        weight: Weight::Fatal,
        stage: Stage::Kernel,
        seen_on: SeenOn::Both,
        pattern: r"Kernel panic - not syncing|Kernel panic: |end Kernel panic",
        title: "the kernel panicked",
        remedy: "the line names the reason; another kernel of the boot menu may work",
    },
    Signature {
        id: "kernel-needs-processor",
        weight: Weight::Fatal,
        stage: Stage::Kernel,
        seen_on: SeenOn::Hvm,
        pattern: r"This kernel requires .* (?:CPU|processor)|Unable to boot - please use a kernel appropriate for your CPU|-- System halted$",
        title: "the kernel does not run on this processor, or cannot unpack itself",
        remedy: "choose another kernel in the boot menu",
    },
    Signature {
        id: "initramfs-damaged",
        weight: Weight::Telling,
        stage: Stage::Kernel,
        seen_on: SeenOn::Both,
        pattern: r"Initramfs unpacking failed|junk (?:in|within) compressed archive|RAMDISK: (?:incomplete write|ran out of compressed data)|initrd (?:overwritten|extends beyond end of memory)|Couldn't find valid RAM disk image",
        title: "the kernel cannot unpack its initramfs",
        remedy: "build the initramfs again, or choose another kernel",
    },
    Signature {
        id: "xenbus-no-driver",
        weight: Weight::Telling,
        stage: Stage::Kernel,
        seen_on: SeenOn::Both,
        pattern: r"XENBUS: Device with no driver: device/vbd/",
        title: "the kernel has no driver for Xen's disks",
        remedy: "put xen-blkfront into the initramfs",
    },
    Signature {
        id: "xenbus-timeout",
        weight: Weight::Telling,
        stage: Stage::Kernel,
        seen_on: SeenOn::Both,
        pattern: r"XENBUS: (?:Timeout connecting to devices|Waiting for devices to initialise.*\b0s)",
        title: "Xen's devices do not answer this kernel",
        remedy: "the kernel is too old for the host: take a newer one, or `comeback convert`",
    },
    Signature {
        id: "nvme-timeout",
        weight: Weight::Telling,
        stage: Stage::Kernel,
        seen_on: SeenOn::Hvm,
        pattern: r"nvme(?: |\d|n|:).*(?:Device not ready; aborting|controller is down|Removing after probe failure|I/O \d+ QID \d+ timeout, (?:disable|reset))",
        title: "the NVMe disk does not answer the kernel",
        remedy: "take a newer kernel",
    },
    Signature {
        id: "disk-read-errors",
        weight: Weight::Telling,
        stage: Stage::Kernel,
        seen_on: SeenOn::Both,
        pattern: r"(?:end_request|blk_update_request|print_req_error): (?:critical )?I/O error|Buffer I/O error on dev|attempt to access beyond end of device|bad geometry: block count \d+ exceeds size of device",
        title: "the kernel cannot read from the disk, or the disk is shorter than its file system",
        remedy: "check the image; it may be truncated",
    },
    Signature {
        id: "filesystem-unmountable",
        weight: Weight::Telling,
        stage: Stage::Kernel,
        seen_on: SeenOn::Both,
        pattern: r"EXT[234]-fs.*(?:error|couldn't mount|bad geometry|unable to read superblock|no journal found|group descriptors corrupted)|XFS.*(?:Corruption|SB validate failed|bad magic)|mount: .*(?:wrong fs type|unknown filesystem type)|mounting .* on /(?:root|sysroot|newroot) failed|mount: mounting .* failed|Failed to mount \S+ as root file system",
        title: "a file system cannot be mounted",
        remedy: "run `e2fsck -f` on it; `comeback inspect` shows its state",
    },
    Signature {
        id: "root-device-waits",
        weight: Weight::Telling,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"Waiting for root device|Waiting (?:\d+ sec(?:onds)? )?for (?:device |/dev/\S+ to appear)|Waiting for .* to become available|Could not find (?:/dev/|the root|root)\S*|Trying manual resume|could not find filesystem '?/dev/root",
        title: "the root device is being waited for",
        remedy: "put the disk's driver into the initramfs, or name the root by UUID",
    },
    // ------------------------------------------------------------------------------------------------ initramfs
    Signature {
        id: "root-device-missing",
        weight: Weight::Fatal,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"ALERT! +\S+ +does not exist",
        title: "the initramfs does not find the root device",
        remedy: "name the root by UUID, and put the disk's driver into the initramfs",
    },
    Signature {
        id: "gave-up-waiting-for-root",
        weight: Weight::Telling,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"Gave up waiting for (?:root|suspend/resume)|Gave up waiting for",
        title: "the initramfs gave up waiting for the root device",
        remedy: "name the root by UUID, and put the disk's driver into the initramfs",
    },
    Signature {
        id: "dracut-device-missing",
        weight: Weight::Telling,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"(?:dracut.*)?Warning: /dev/\S+ does not exist|dracut.*Warning: (?:Could not boot|Not all disks have been found|No root device)|No root device found|No root device \S+ found|Could not boot\.",
        title: "dracut's initramfs does not find a device",
        remedy: "name the root by UUID, and put the disk's driver into the initramfs",
    },
    Signature {
        id: "dracut-timeout",
        weight: Weight::Telling,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"dracut-initqueue(?:\[\d+\])?:? ?.*(?:timeout|timed out)",
        title: "dracut's initramfs waits in vain for a device",
        remedy: "name the root by UUID, and put the disk's driver into the initramfs",
    },
    Signature {
        id: "modules-missing",
        weight: Weight::Telling,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"FATAL: Could not (?:load|open) /lib/modules/|Could not (?:load|open) '?/lib/modules/\S+/modules\.dep|FATAL: Module \S+ not found",
        title: "the kernel's modules are not on the root file system",
        remedy: "install the modules of the kernel that the boot menu takes",
    },
    Signature {
        id: "initramfs-shell",
        weight: Weight::Prompt,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"^\(initramfs\)",
        title: "the initramfs gave up and waits in its shell",
        remedy: "name the root by UUID, and put the disk's driver into the initramfs",
    },
    Signature {
        id: "dracut-shell",
        weight: Weight::Prompt,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"^dracut:/[^#]*# ?|^Dropping to debug shell|^:/#|^\$ sh: can't access tty|^rd\.break",
        title: "dracut's initramfs gave up and waits in its shell",
        remedy: "name the root by UUID, and put the disk's driver into the initramfs",
    },
    // ------------------------------------------------------------------------------------------------ init
    Signature {
        id: "selinux-policy",
        weight: Weight::Fatal,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"Unable to load SELinux Policy|Failed to load SELinux policy",
        title: "SELinux is enforcing and its policy cannot be loaded",
        remedy: "create /.autorelabel on the root file system, or set SELINUX=permissive for the first boot",
    },
    Signature {
        id: "fsck-device-missing",
        weight: Weight::Telling,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"fsck\.\w+: No such file or directory while trying to open|fsck\.\w+: Unable to resolve|unable to resolve '(?:UUID|LABEL)=|special device \S+ does not exist",
        title: "fstab names a device that is not there",
        remedy: "add nofail to the line in fstab and set its last field to 0",
    },
    Signature {
        id: "fsck-failed",
        weight: Weight::Telling,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"fsck died with exit status|UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY|An error occurred during the file ?system check|fsck failed|File system check failed|Failed to start File System Check|systemd-fsck.*failed",
        title: "a file system check failed",
        remedy: "run `e2fsck -f` on the volume; if the device is gone, add nofail in fstab and set the last field to 0",
    },
    Signature {
        id: "mountall-failed",
        weight: Weight::Telling,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"General error mounting filesystems|mountall: root filesystem isn't mounted|mountall: (?:.*could not|Disconnected from|Filesystem could not be mounted)|A maintenance shell will now be started",
        title: "mountall cannot mount what fstab lists",
        remedy: "add nofail or nobootwait to lines in fstab whose device is gone",
    },
    Signature {
        id: "mountall-asks",
        weight: Weight::Fatal,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"The disk drive for .* is not (?:ready yet|ready) or not present|Press S to skip mounting|An error occurred while mounting",
        title: "mountall waits for somebody to say what to do about a missing disk",
        remedy: "add nofail or nobootwait to the line in fstab",
    },
    Signature {
        id: "device-timeout",
        weight: Weight::Telling,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"Timed out waiting for device|Job dev-\S+\.device/start timed out|A start job is running for (?:dev-|/dev/)\S+",
        title: "systemd waits for a device that is not there",
        remedy: "add nofail to the line in fstab, or name the device by UUID",
    },
    Signature {
        id: "dependency-failed",
        weight: Weight::Telling,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"Dependency failed for (?:Local File Systems|local-fs|/|[Ii]nitrd|File System Check|.*[Ss]ysroot|Remount)|Failed to mount (?:.* - )?(?:/[^d]|.*[Ss]ysroot)|\[FAILED\] Failed to mount",
        title: "systemd cannot mount a file system that others need",
        remedy: "see the device named before; add nofail to its line in fstab",
    },
    Signature {
        id: "dependency-failed-minor",
        weight: Weight::Hint,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"Dependency failed for",
        title: "a unit was not started, as something that it needs failed",
        remedy: "see what failed before it",
    },
    Signature {
        id: "emergency-mode",
        weight: Weight::Prompt,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"You are in (?:emergency|rescue) mode|Entering emergency mode|Welcome to emergency mode|Cannot open access to console, the root account is locked|Generating .*/run/initramfs/rdsosreport\.txt|Starting Emergency Shell|Press Enter for (?:maintenance|emergency)",
        title: "systemd gave up and waits in its emergency shell",
        remedy: "see the device or file system named before; most often a line in fstab needs nofail",
    },
    Signature {
        id: "maintenance-prompt",
        weight: Weight::Prompt,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"Give root password for (?:maintenance|login)|Dropping you to a shell; the system will reboot|^\(Repair filesystem\)|\(or (?:type|press) Control-D to continue\)",
        title: "init gave up and waits for the root password",
        remedy: "see the check or the mount that failed before; most often a line in fstab needs nofail and 0 as last field",
    },
    Signature {
        id: "init-died",
        weight: Weight::Telling,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"systemd\[1\]: (?:Freezing execution|Caught <)|Freezing execution|init: rcS main process .* terminated|INIT: Id .* respawning too fast",
        title: "init stopped working",
        remedy: "see the line before it",
    },
    Signature {
        id: "mac-address",
        weight: Weight::Hint,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"has different MAC address than expected",
        title: "the network is bound to the MAC address of another machine: it would come up without network",
        remedy: "remove HWADDR from the interface's file; `comeback convert` does",
    },
    Signature {
        id: "network-not-up",
        weight: Weight::Hint,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"No DHCPOFFERS received|Failed to bring up e(?:th|ns|np)\w*|Failed to start (?:Raise network interfaces|LSB: Bring up|Network Manager|Network Configuration)|Device e(?:th|ns|np)\w* does not seem to be present|gave up waiting for a network device|Cannot find device .?e(?:th|ns|np)\d",
        title: "the guest's network does not come up",
        remedy: "look at its network settings: names of interfaces, HWADDR, 70-persistent-net.rules, the driver",
    },
    Signature {
        id: "ssh-not-started",
        weight: Weight::Hint,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"Failed to start (?:OpenBSD Secure Shell|OpenSSH|OpenSSH server daemon|SSH)|sshd: no hostkeys available",
        title: "the guest runs, but nobody can log in by SSH",
        remedy: "look at sshd_config and the host keys on the disk",
    },
    Signature {
        id: "out-of-memory",
        weight: Weight::Hint,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"Out of memory: Kill(?:ed)? process|invoked oom-killer",
        title: "the guest has too little memory, and kills processes",
        remedy: "a larger type, or fewer processes",
    },
    Signature {
        id: "disk-full",
        weight: Weight::Hint,
        stage: Stage::Init,
        seen_on: SeenOn::Both,
        pattern: r"No space left on device",
        title: "a file system of the guest is full",
        remedy: "make room, or grow the volume",
    },
    Signature {
        id: "task-hangs",
        weight: Weight::Hint,
        stage: Stage::Kernel,
        seen_on: SeenOn::Both,
        pattern: r"INFO: task .+ blocked for more than \d+ seconds|soft lockup - CPU#\d+ stuck",
        title: "the kernel waits for a disk or a lock that does not answer",
        remedy: "see whether a volume is throttled or failing; a reboot ends it",
    },
    Signature {
        id: "filesystem-read-only",
        weight: Weight::Hint,
        stage: Stage::Kernel,
        seen_on: SeenOn::Both,
        pattern: r"[Rr]emounting filesystem read-only|re-mounted\. Opts: errors=remount-ro",
        title: "a file system has errors and was made read-only",
        remedy: "run `e2fsck -f` on it",
    },
    // ------------------------------------------------------------------------------------------------ silence, events
    Signature {
        id: "silent-boot-loader",
        weight: Weight::Hint,
        stage: Stage::BootLoader,
        seen_on: SeenOn::Hvm,
        pattern: "",
        title: "the boot loader was started; no kernel was seen on the serial console",
        remedy: "look at the picture of the screen; add console=ttyS0 to the kernel's command line",
    },
    Signature {
        id: "silent-kernel",
        weight: Weight::Hint,
        stage: Stage::Kernel,
        seen_on: SeenOn::Hvm,
        pattern: "",
        title: "the kernel was started and says nothing on the serial console",
        remedy: "add console=ttyS0 to the kernel's command line; look at the picture of the screen",
    },
    Signature {
        id: "no-login-on-serial",
        weight: Weight::Hint,
        stage: Stage::Login,
        seen_on: SeenOn::Hvm,
        pattern: "",
        title: "the boot finished, but no login prompt came on the serial console",
        remedy: "add console=ttyS0 to the kernel's command line, or a getty on ttyS0",
    },
    Signature {
        id: "guest-restarts",
        weight: Weight::Fatal,
        stage: Stage::Kernel,
        seen_on: SeenOn::Hvm,
        pattern: "",
        title: "the guest restarts before anybody could log in",
        remedy: "the last lines of the console name the reason; a kernel that restarts at once does not fit the machine",
    },
    Signature {
        id: "guest-powers-off",
        weight: Weight::Fatal,
        stage: Stage::Kernel,
        seen_on: SeenOn::Hvm,
        pattern: "",
        title: "the guest switches itself off before anybody could log in",
        remedy: "the last lines of the console name the reason",
    },
];

/// Index of the first signature that matches the line, restricted by `applies`.
pub fn find(line: &[u8], applies: impl Fn(&Signature) -> bool) -> Option<&'static Signature> {
    // Signatures without a pattern are in the set as one that never matches, so that the indices agree.
    static SET: LazyLock<RegexSet> = LazyLock::new(|| {
        let patterns = SIGNATURES.iter().map(|signature| match signature.pattern {
            "" => r"[^\s\S]",
            pattern => pattern,
        });
        RegexSet::new(patterns).expect("the patterns of the table are valid")
    });
    SET.matches(line)
        .into_iter()
        .filter_map(|index| SIGNATURES.get(index))
        .find(|signature| applies(signature))
}

/// The signature of that name.
pub fn by_id(id: &str) -> Option<&'static Signature> {
    SIGNATURES.iter().find(|signature| signature.id == id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_in_kebab_case() {
        let ids: BTreeSet<_> = SIGNATURES.iter().map(|signature| signature.id).collect();
        assert_eq!(ids.len(), SIGNATURES.len());
        for id in ids {
            assert!(
                id.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
                "{id}"
            );
        }
    }

    #[test]
    fn the_patterns_compile_and_a_pattern_of_silence_never_matches() {
        assert!(find(b"", |_| true).is_none());
        assert!(find(b"an ordinary line", |_| true).is_none());
        assert_eq!(by_id("grub-rescue").unwrap().pattern, "^grub rescue>");
    }
}
