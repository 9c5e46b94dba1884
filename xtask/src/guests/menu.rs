//! Boot menus, as those who wrote them once did.

use std::fmt::Write as _;

use super::recipe::{Recipe, RootBy, Style};

/// What a guest's boot folder holds for one kernel, by file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kernel {
    pub(crate) version: String,
    pub(crate) image: String,
    pub(crate) initramfs: Option<String>,
}

/// The kernels among the files of `/boot`, in the order in which update-grub lists them: the newest first.
pub(crate) fn kernels(files: &[String]) -> Vec<Kernel> {
    let mut kernels: Vec<_> = files
        .iter()
        .filter_map(|file| {
            let version = file.strip_prefix("vmlinuz-")?;
            let initramfs = format!("initrd.img-{version}");
            Some(Kernel {
                version: version.to_owned(),
                image: file.clone(),
                initramfs: files.contains(&initramfs).then_some(initramfs),
            })
        })
        .collect();
    kernels.sort_by(|a, b| b.version.cmp(&a.version));
    kernels
}

/// What the kernel is told to mount as root.
pub(crate) fn root_spec(recipe: &Recipe) -> String {
    match recipe.menu.root_by {
        RootBy::Device => root_device(recipe).to_owned(),
        RootBy::Label => format!("LABEL={}", recipe.disk.label.as_deref().unwrap_or_default()),
        RootBy::Uuid => format!("UUID={}", recipe.uuid()),
    }
}

/// The root device on EC2: an unpartitioned volume is shown as `xvda1`, without there being an `xvda`.
const fn root_device(recipe: &Recipe) -> &'static str {
    if recipe.disk.separate_boot {
        "/dev/xvda2"
    } else {
        "/dev/xvda1"
    }
}

/// The line that says where the kernels are.
fn groot(recipe: &Recipe) -> (&'static str, String) {
    let disk = if recipe.disk.layout.first_sector().is_some() {
        "(hd0,0)"
    } else {
        "(hd0)"
    };
    match (recipe.menu.groot_by_uuid, recipe.disk.separate_boot) {
        (false, _) => ("root", disk.to_owned()),
        (true, false) => ("uuid", recipe.uuid()),
        (true, true) => ("uuid", recipe.boot_uuid()),
    }
}

/// Text of menu.lst, or of grub.conf.
pub(crate) fn text(recipe: &Recipe, kernels: &[Kernel]) -> String {
    match recipe.menu.style {
        Style::Plain => plain(recipe, kernels),
        Style::Ubuntu => ubuntu(recipe, kernels),
        Style::Symlink => grub_conf(recipe, kernels),
        Style::Grub2 => grub_cfg(recipe, kernels),
    }
}

/// Folder of the kernels as the boot loader sees it.
const fn folder(recipe: &Recipe) -> &'static str {
    if recipe.disk.separate_boot { "" } else { "/boot" }
}

fn plain(recipe: &Recipe, kernels: &[Kernel]) -> String {
    let (command, device) = groot(recipe);
    let (root, folder) = (root_spec(recipe), folder(recipe));
    let mut text = format!("default {}\ntimeout 1\n", recipe.menu.default);
    for Kernel {
        version,
        image,
        initramfs,
    } in kernels
    {
        let _ = write!(
            text,
            "\ntitle Debian GNU/Linux, kernel {version}\n{command} {device}\n\
             kernel {folder}/{image} root={root} ro console=hvc0\n"
        );
        if let Some(initramfs) = initramfs {
            let _ = writeln!(text, "initrd {folder}/{initramfs}");
        }
    }
    text
}

fn grub_conf(recipe: &Recipe, kernels: &[Kernel]) -> String {
    let (command, device) = groot(recipe);
    let (root, folder) = (root_spec(recipe), folder(recipe));
    let mut text = format!(
        "# created by imagebuilder\ndefault={}\ntimeout=1\nhiddenmenu\n",
        recipe.menu.default
    );
    for Kernel {
        version,
        image,
        initramfs,
    } in kernels
    {
        let _ = write!(
            text,
            "\ntitle Linux ({version})\n\t{command} {device}\n\tkernel {folder}/{image} root={root} console=hvc0\n"
        );
        if let Some(initramfs) = initramfs {
            let _ = writeln!(text, "\tinitrd {folder}/{initramfs}");
        }
    }
    text
}

/// What an HVM guest's GRUB 2 reads; it starts at once and speaks on the serial line, as EC2's images do.
fn grub_cfg(recipe: &Recipe, kernels: &[Kernel]) -> String {
    let root = root_spec(recipe);
    let mut text = format!(
        "set default={}\nset timeout=0\nserial --unit=0 --speed=115200\nterminal_output console serial\n\
         search --no-floppy --fs-uuid --set=root {}\n",
        recipe.menu.default,
        recipe.uuid()
    );
    for Kernel {
        version,
        image,
        initramfs,
    } in kernels
    {
        let _ = write!(
            text,
            "\nmenuentry 'Debian GNU/Linux, with Linux {version}' {{\n\
             \tlinux /boot/{image} root={root} ro console=tty0 console=ttyS0,115200n8\n"
        );
        if let Some(initramfs) = initramfs {
            let _ = writeln!(text, "\tinitrd /boot/{initramfs}");
        }
        text.push_str("}\n");
    }
    text
}

/// As update-grub of Ubuntu's grub-legacy-ec2 and of Debian's grub-legacy writes it, with a recovery entry per kernel.
fn ubuntu(recipe: &Recipe, kernels: &[Kernel]) -> String {
    let (command, device) = groot(recipe);
    let (root, folder) = (root_spec(recipe), folder(recipe));
    let mut text = UBUNTU_HEAD
        .replace("@DEFAULT@", &(recipe.menu.default * 2).to_string())
        .replace("@ROOT@", &root)
        .replace("@GROOT@", &device);
    for Kernel {
        version,
        image,
        initramfs,
    } in kernels
    {
        for (title, option) in [("", "console=hvc0"), (" (recovery mode)", "single")] {
            let _ = write!(
                text,
                "\ntitle\t\tDebian GNU/Linux, kernel {version}{title}\n{command}\t\t{device}\n\
                 kernel\t\t{folder}/{image} root={root} ro {option} \n"
            );
            if let Some(initramfs) = initramfs {
                let _ = writeln!(text, "initrd\t\t{folder}/{initramfs}");
            }
        }
    }
    text.push_str("\n### END DEBIAN AUTOMAGIC KERNELS LIST\n");
    text
}

const UBUNTU_HEAD: &str = "\
# menu.lst - See: grub(8), info grub, update-grub(8)
#            grub-install(8), grub-floppy(8),
#            grub-md5-crypt, /usr/share/doc/grub
#            and /usr/share/doc/grub-legacy-doc/.

## default num
# Set the default entry to the entry number NUM. Numbering starts from 0, and
# the entry number 0 is the default if the command is not used.
#
# You can specify 'saved' instead of a number. In this case, the default entry
# is the entry saved with the command 'savedefault'.
# WARNING: If you are using dmraid do not change this entry to 'saved' or your
# array will desync and will not let you boot your system.
default\t\t@DEFAULT@

## timeout sec
# Set a timeout, in SEC seconds, before automatically booting the default entry
# (normally the first entry defined).
timeout\t\t1

## hiddenmenu
# Hides the menu by default (press ESC to see the menu)
#hiddenmenu

# Pretty colours
#color cyan/blue white/blue

## password ['--md5'] passwd
# If used in the first section of a menu file, disable all interactive editing
# control (menu entry editor and command-line)  and entries protected by the
# command 'lock'
# e.g. password topsecret
#      password --md5 $1$gLhU0/$aW78kHK1QfV3P2b2znUoe/
# password topsecret

#
# Put static boot stanzas before and/or after AUTOMAGIC KERNEL LIST

### BEGIN AUTOMAGIC KERNELS LIST
## lines between the AUTOMAGIC KERNELS LIST markers will be modified
## by the debian update-grub script except for the default options below

## DO NOT UNCOMMENT THEM, Just edit them to your needs

## ## Start Default Options ##
## default kernel options
## default kernel options for automagic boot options
## If you want special options for specific kernels use kopt_x_y_z
## where x.y.z is kernel version. Minor versions can be omitted.
## e.g. kopt=root=/dev/hda1 ro
##      kopt_2_6_8=root=/dev/hdc1 ro
##      kopt_2_6_8_2_686=root=/dev/hdc2 ro
# kopt=root=@ROOT@ ro

## default grub root device
## e.g. groot=(hd0,0)
# groot=@GROOT@

## should update-grub create alternative automagic boot options
## e.g. alternative=true
##      alternative=false
# alternative=true

## should update-grub lock alternative automagic boot options
## e.g. lockalternative=true
##      lockalternative=false
# lockalternative=false

## additional options to use with the default boot option, but not with the
## alternatives
## e.g. defoptions=vga=791 resume=/dev/hda5
# defoptions=console=hvc0

## should update-grub lock old automagic boot options
## e.g. lockold=false
##      lockold=true
# lockold=false

## Xen hypervisor options to use with the default Xen boot option
# xenhopt=

## Xen Linux kernel options to use with the default Xen boot option
# xenkopt=console=tty0

## altoption boot targets option
## multiple altoptions lines are allowed
## e.g. altoptions=(extra menu suffix) extra boot options
##      altoptions=(recovery mode) single
# altoptions=(recovery mode) single

## controls how many kernels should be put into the menu.lst
## only counts the first occurence of a kernel, not the
## alternative kernel options
## e.g. howmany=all
##      howmany=7
# howmany=all

## should update-grub create memtest86 boot option
## e.g. memtest86=true
##      memtest86=false
# memtest86=true

## should update-grub adjust the value of the default booted system
## can be true or false
# updatedefaultentry=false

## should update-grub add savedefault to the default options
## can be true or false
# savedefault=false

## ## End Default Options ##
";

/// A grub.cfg that nothing has updated since the kernel it names was removed.
pub(crate) fn stale_grub_cfg(recipe: &Recipe) -> String {
    let uuid = recipe.uuid();
    format!(
        "#\n# DO NOT EDIT THIS FILE\n#\n# It is automatically generated by grub-mkconfig using templates\n\
         # from /etc/grub.d and settings from /etc/default/grub\n#\n\n\
         ### BEGIN /etc/grub.d/00_header ###\nset default=\"0\"\nset timeout=5\n### END /etc/grub.d/00_header ###\n\n\
         ### BEGIN /etc/grub.d/10_linux ###\n\
         menuentry 'Debian GNU/Linux, with Linux 3.2.0-4-amd64' --class debian --class gnu-linux --class gnu --class os {{\n\
         \tinsmod gzio\n\tinsmod part_msdos\n\tinsmod ext2\n\tset root='(hd0,msdos1)'\n\
         \tsearch --no-floppy --fs-uuid --set=root {uuid}\n\
         \techo\t'Loading Linux 3.2.0-4-amd64 ...'\n\
         \tlinux\t/boot/vmlinuz-3.2.0-4-amd64 root=UUID={uuid} ro quiet\n\
         \techo\t'Loading initial ramdisk ...'\n\tinitrd\t/boot/initrd.img-3.2.0-4-amd64\n}}\n\
         ### END /etc/grub.d/10_linux ###\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::recipe::Layout;
    use super::super::recipe::tests::sample;
    use super::*;

    fn two_kernels() -> Vec<Kernel> {
        let files = [
            "System.map-6.12.1-amd64",
            "initrd.img-6.12.1-amd64",
            "vmlinuz-6.12.1-amd64",
            "vmlinuz-6.12.1-cloud-amd64",
        ];
        kernels(&files.map(str::to_owned))
    }

    #[test]
    fn kernels_newest_first() {
        let found = two_kernels();
        assert_eq!(found[0].image, "vmlinuz-6.12.1-cloud-amd64");
        assert_eq!(found[0].initramfs, None);
        assert_eq!(found[1].initramfs.as_deref(), Some("initrd.img-6.12.1-amd64"));
    }

    #[test]
    fn plain_menu() {
        let text = text(&sample(), &two_kernels()[1..]);
        assert_eq!(
            text,
            "default 0\ntimeout 1\n\ntitle Debian GNU/Linux, kernel 6.12.1-amd64\nroot (hd0)\n\
             kernel /boot/vmlinuz-6.12.1-amd64 root=/dev/xvda1 ro console=hvc0\ninitrd /boot/initrd.img-6.12.1-amd64\n"
        );
    }

    #[test]
    fn ubuntu_menu_on_a_separate_boot_partition() {
        let mut recipe = sample();
        recipe.menu.style = Style::Ubuntu;
        recipe.menu.groot_by_uuid = true;
        recipe.menu.default = 1;
        recipe.disk.layout = Layout::Mbr63;
        recipe.disk.separate_boot = true;
        let text = text(&recipe, &two_kernels());
        let uuid = recipe.boot_uuid();
        for line in [
            "default\t\t2\n",
            &format!("# groot={uuid}\n"),
            "# kopt=root=/dev/xvda2 ro\n",
            &format!("uuid\t\t{uuid}\nkernel\t\t/vmlinuz-6.12.1-amd64 root=/dev/xvda2 ro console=hvc0 \n"),
            "ro single \ninitrd\t\t/initrd.img-6.12.1-amd64\n\n### END DEBIAN AUTOMAGIC KERNELS LIST\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        assert!(!text.contains('@'));
    }

    #[test]
    fn grub_cfg_of_an_hvm_guest() {
        let mut recipe = sample();
        recipe.menu.style = Style::Grub2;
        recipe.menu.root_by = RootBy::Uuid;
        let text = text(&recipe, &two_kernels()[1..]);
        let uuid = recipe.uuid();
        let entry = format!(
            "search --no-floppy --fs-uuid --set=root {uuid}\n\n\
             menuentry 'Debian GNU/Linux, with Linux 6.12.1-amd64' {{\n\
             \tlinux /boot/vmlinuz-6.12.1-amd64 root=UUID={uuid} ro console=tty0 console=ttyS0,115200n8\n\
             \tinitrd /boot/initrd.img-6.12.1-amd64\n}}\n"
        );
        assert!(text.ends_with(&entry), "{text}");
    }

    #[test]
    fn grub_conf_by_uuid() {
        let mut recipe = sample();
        recipe.menu.style = Style::Symlink;
        recipe.menu.root_by = RootBy::Uuid;
        let text = text(&recipe, &two_kernels()[1..]);
        assert!(text.contains("default=0\n"), "{text}");
        assert!(
            text.contains(&format!("root=UUID={} console=hvc0\n\tinitrd ", recipe.uuid())),
            "{text}"
        );
    }
}
