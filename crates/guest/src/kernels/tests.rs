use comeback_disk::folder::FolderTree;

use super::*;

/// A bzImage of boot protocol 2.12 for 64 bits, as far as its header goes.
fn bzimage(version: &str) -> Vec<u8> {
    let mut out = vec![0; 8192];
    out[0x1f1] = 5;
    out[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    out[0x202..0x208].copy_from_slice(b"HdrS\x0c\x02");
    out[0x20e..0x210].copy_from_slice(&0x400_u16.to_le_bytes());
    out[0x211] = 1;
    out[0x236] = 1;
    out[0x600..0x600 + version.len()].copy_from_slice(version.as_bytes());
    out
}

/// A plain cpio archive of empty files.
fn initramfs(paths: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for path in paths.iter().chain([&"TRAILER!!!"]) {
        let fields = [1, 0o100_644, 0, 0, 1, 0, 0, 0, 0, 0, 0, path.len() + 1, 0];
        let header: String = fields.iter().map(|field| format!("{field:08x}")).collect();
        out.extend(format!("070701{header}{path}\0").bytes());
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}

struct Guest(tempfile::TempDir);

impl Guest {
    fn new(files: &[(&str, &[u8])]) -> Guest {
        let guest = Guest(tempfile::tempdir().unwrap());
        for (path, content) in files {
            guest.write(path, content);
        }
        guest
    }

    fn write(&self, path: &str, content: &[u8]) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn tree(&self) -> FolderTree {
        FolderTree::new(self.0.path()).unwrap()
    }
}

const EL6: &str = "2.6.32-696.el6.x86_64";

fn rhel6() -> Guest {
    let folder = format!("lib/modules/{EL6}");
    let in_initramfs = format!("{folder}/kernel/drivers/block/xen-blkfront.ko");
    Guest::new(&[
        ("boot/vmlinuz-2.6.32-696.el6.x86_64", &bzimage(&format!("{EL6} (mockbuild) #1 SMP"))),
        ("boot/.vmlinuz-2.6.32-696.el6.x86_64.hmac", b"x"),
        (
            "boot/config-2.6.32-696.el6.x86_64",
            b"CONFIG_X86_64=y\nCONFIG_XEN=y\nCONFIG_XEN_PVHVM=y\nCONFIG_XEN_PLATFORM_PCI=y\n\
              CONFIG_XEN_BLKDEV_FRONTEND=m\nCONFIG_XEN_NETDEV_FRONTEND=m\nCONFIG_ATA_PIIX=m\n\
              # CONFIG_BLK_DEV_NVME is not set\nCONFIG_EXT4_FS=m\n",
        ),
        ("boot/initramfs-2.6.32-696.el6.x86_64.img", &initramfs(&[&in_initramfs])),
        ("boot/initrd-2.6.32-696.el6.x86_64kdump.img", b"x"),
        (
            &format!("{folder}/modules.dep"),
            b"kernel/drivers/net/xen-netfront.ko:\nkernel/drivers/block/xen-blkfront.ko:\nkernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko\n",
        ),
    ])
}

#[test]
fn a_guest_of_rhel_6() {
    let guest = rhel6();
    let kernels = KernelReader::default().find(&guest.tree(), &[]);
    assert_eq!(kernels.len(), 1);
    let kernel = &kernels[0];
    assert_eq!(kernel.release.as_deref(), Some(EL6));
    assert_eq!(kernel.architecture, Some(Architecture::X86_64));
    assert_eq!((kernel.runs_pv, kernel.runs_hvm), (Tri::Yes, Tri::Yes));
    let initramfs = kernel.initramfs.as_ref().unwrap();
    assert_eq!(initramfs.path, format!("/boot/initramfs-{EL6}.img"));
    assert!(!initramfs.from_menu);
    assert!(matches!(kernel.driver(Driver::XenBlkfront), Where::Initramfs { .. }));
    assert_eq!(
        kernel.driver(Driver::XenNetfront),
        Where::ModulesOnly {
            path: format!("/lib/modules/{EL6}/kernel/drivers/net/xen-netfront.ko")
        }
    );
    let Where::BuiltIn { evidence } = kernel.driver(Driver::XenPlatformPci) else {
        panic!("{:?}", kernel.driver(Driver::XenPlatformPci));
    };
    assert_eq!(
        (evidence.line, evidence.text.as_str()),
        (Some(4), "CONFIG_XEN_PLATFORM_PCI=y")
    );
    let Where::Nowhere { evidence } = kernel.driver(Driver::Nvme) else {
        panic!("{:?}", kernel.driver(Driver::Nvme));
    };
    assert_eq!(evidence.line, Some(8));
    // Its module file is gone.
    assert!(matches!(kernel.driver(Driver::AtaPiix), Where::Nowhere { .. }));
    serde_json::to_string(kernel).unwrap();
}

#[test]
fn the_menu_decides_on_the_initramfs_and_names_what_is_missing() {
    let guest = rhel6();
    let menu = [
        (format!("/boot/vmlinuz-{EL6}"), None),
        (
            "/boot/vmlinuz-2.6.32-1.el6.x86_64".to_owned(),
            Some("/boot/gone.img".to_owned()),
        ),
    ];
    let kernels = KernelReader::default().find(&guest.tree(), &menu);
    assert_eq!(kernels.len(), 2);
    assert_eq!(kernels[0].initramfs, None);
    assert!(matches!(
        kernels[0].driver(Driver::XenBlkfront),
        Where::ModulesOnly { .. }
    ));
    assert!(matches!(
        &kernels[1].image.as_ref().unwrap().content,
        Reading::Failed(_)
    ));
    assert!(matches!(
        &kernels[1].initramfs.as_ref().unwrap().content,
        Reading::Failed(_)
    ));
}

#[test]
fn an_initramfs_that_cannot_be_listed_leaves_drivers_unknown() {
    let guest = rhel6();
    guest.write("boot/initramfs-2.6.32-696.el6.x86_64.img", b"\x45\x3d\xcd\x28 cramfs");
    let kernels = KernelReader::default().find(&guest.tree(), &[]);
    assert!(matches!(kernels[0].driver(Driver::XenBlkfront), Where::Unknown { .. }));
    assert!(matches!(
        kernels[0].driver(Driver::XenPlatformPci),
        Where::BuiltIn { .. }
    ));
}

#[test]
fn what_was_read_is_not_read_again() {
    let guest = rhel6();
    let mut reader = KernelReader::default();
    let first = reader.find(&guest.tree(), &[]);
    let reads = reader.reads();
    assert!(reads > 0);
    assert_eq!(reader.find(&guest.tree(), &[]), first);
    assert_eq!(reader.reads(), reads);
    reader.invalidate(&format!("/boot/initramfs-{EL6}.img"));
    assert_eq!(reader.find(&guest.tree(), &[]), first);
    assert_eq!(reader.reads(), reads + 1);
}

#[test]
fn what_runs_where_is_told_by_configuration_or_name() {
    for (release, config, pv, hvm) in [
        ("2.6.18-419.el5xen", None, Tri::Yes, Tri::No),
        (
            "3.0.101-63-xen",
            Some("CONFIG_X86_XEN=y\nCONFIG_XEN=y\n"),
            Tri::Yes,
            Tri::No,
        ),
        ("2.6.32-305-ec2", None, Tri::Yes, Tri::No),
        ("2.6.21.7-2.fc8xen", None, Tri::Yes, Tri::No),
        ("2.6.32-5-xen-amd64", Some("CONFIG_XEN=y\n"), Tri::Yes, Tri::Yes),
        ("2.6.32-5-amd64", Some("# CONFIG_XEN is not set\n"), Tri::No, Tri::Yes),
        ("3.2.0-4-amd64", Some("CONFIG_XEN=y\n"), Tri::Yes, Tri::Yes),
        (
            "5.10.0-8-cloud-amd64",
            Some("CONFIG_XEN=y\n# CONFIG_XEN_PV is not set\n"),
            Tri::No,
            Tri::Yes,
        ),
        (
            "6.1.0-40-amd64",
            Some("CONFIG_XEN=y\nCONFIG_XEN_PV=y\n"),
            Tri::Yes,
            Tri::Yes,
        ),
        ("4.14.77-70.59.amzn1.x86_64", Some("CONFIG_XEN=y\n"), Tri::No, Tri::Yes),
        ("3.2.0-4-generic", None, Tri::Unknown, Tri::Yes),
    ] {
        let path = format!("boot/vmlinuz-{release}");
        let image = bzimage(release);
        let guest = Guest::new(&[(&path, &image)]);
        if let Some(config) = config {
            guest.write(&format!("boot/config-{release}"), config.as_bytes());
        }
        let kernels = KernelReader::default().find(&guest.tree(), &[]);
        assert_eq!((kernels[0].runs_pv, kernels[0].runs_hvm), (pv, hvm), "{release}");
        assert_eq!(
            kernels[0].reasons.is_empty(),
            pv == Tri::Unknown && hvm == Tri::Unknown,
            "{release}"
        );
    }
}

#[test]
fn modules_without_a_kernel_and_links_to_one() {
    let guest = Guest::new(&[
        ("boot/vmlinuz-3.2.0-4-amd64", &bzimage("3.2.0-4-amd64 (debian) #1 SMP")),
        (
            "lib/modules/3.2.0-3-amd64/modules.builtin",
            b"kernel/fs/ext4/ext4.ko\nkernel/drivers/ata/ata_piix.ko\n",
        ),
        ("lib/modules/3.2.0-3-amd64/kernel/drivers/net/xen-netfront.ko.xz", b"x"),
    ]);
    std::os::unix::fs::symlink("boot/vmlinuz-3.2.0-4-amd64", guest.0.path().join("vmlinuz")).unwrap();
    let kernels = KernelReader::default().find(&guest.tree(), &[]);
    assert_eq!(kernels.len(), 2);
    assert_eq!(kernels[0].image.as_ref().unwrap().aliases, ["/vmlinuz"]);
    let orphan = &kernels[1];
    assert_eq!(
        (&orphan.image, orphan.release.as_deref()),
        (&None, Some("3.2.0-3-amd64"))
    );
    assert!(matches!(orphan.driver(Driver::AtaPiix), Where::BuiltIn { .. }));
    assert!(matches!(orphan.driver(Driver::Ext3), Where::Nowhere { .. }));
    assert!(matches!(orphan.driver(Driver::XenNetfront), Where::ModulesOnly { .. }));
}
