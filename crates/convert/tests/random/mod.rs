//! Random files that people and programs could have written: every line is plausible, their combination need not be.

#![allow(dead_code)]

pub mod fstab;
pub mod grub_cfg;
pub mod grub_defaults;
pub mod menu_lst;

use proptest::prelude::*;
use proptest::sample::select;

/// What a line may look like after an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It has nothing that could need a change: it stays byte for byte.
    Kept,
    /// It has parameters of a kernel or a device of GRUB's: `root=` and devices may be replaced, parameters added.
    Kernel,
    /// The same within the quotes of a shell, which may be others, too.
    Shell,
    /// It says which entry is the default, which may have to be said in another way.
    Default,
    /// It is a line of `fstab`.
    Mount,
}

/// A line without its ending.
#[derive(Debug, Clone)]
pub struct Line {
    pub text: String,
    pub role: Role,
}

/// A whole file; by default an empty one.
#[derive(Debug, Clone, Default)]
pub struct RandomFile {
    pub lines: Vec<Line>,
    /// The lines end as DOS has them.
    dos: bool,
    /// The last line has no ending.
    cut: bool,
}

impl RandomFile {
    /// The lines with their endings, in order.
    pub fn lines(&self) -> Vec<String> {
        let last = self.lines.len().saturating_sub(1);
        let ending = |index| match (index == last && self.cut, self.dos) {
            (true, _) => "",
            (false, true) => "\r\n",
            (false, false) => "\n",
        };
        let lines = self.lines.iter().enumerate();
        lines
            .map(|(index, line)| format!("{}{}", line.text, ending(index)))
            // Without an ending, a blank line is none.
            .filter(|line| !line.is_empty())
            .collect()
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.lines().concat().into_bytes()
    }
}

/// A file of these lines; one in ten has DOS's line endings, and one in ten lacks the last.
pub fn file(lines: impl Strategy<Value = Vec<Line>>) -> impl Strategy<Value = RandomFile> {
    let rarely = || prop::bool::weighted(0.1);
    (lines, rarely(), rarely()).prop_map(|(lines, dos, cut)| RandomFile { lines, dos, cut })
}

pub fn kept(text: impl Into<String>) -> Line {
    Line {
        text: text.into(),
        role: Role::Kept,
    }
}

pub fn kernel(text: impl Into<String>) -> Line {
    Line {
        text: text.into(),
        role: Role::Kernel,
    }
}

/// One of these texts.
pub fn one_of(texts: &[&str]) -> impl Strategy<Value = String> + Clone + use<> {
    let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
    select(texts)
}

/// Zero or one of what `strategy` makes; one in `chance` of all cases.
pub fn maybe<S: Strategy<Value = Line>>(chance: f64, strategy: S) -> impl Strategy<Value = Vec<Line>> {
    prop::option::weighted(chance, strategy).prop_map(|line| line.into_iter().collect())
}

/// Blank lines and comments.
pub fn filler() -> impl Strategy<Value = Line> {
    one_of(&[
        "",
        "  ",
        "\t",
        "#",
        "# by hand, 2011-03-04 \u{2014} do not touch",
        "#title  an entry that was taken out",
        "#kernel /boot/vmlinuz-2.6.18 root=/dev/sda1 console=tty0",
        "  # indented",
    ])
    .prop_map(kept)
}

/// What stands between two words.
pub fn blanks() -> impl Strategy<Value = String> + Clone {
    one_of(&[" ", " ", " ", "\t", "  ", "\t\t", " \t "])
}

/// A few blanks, or none.
pub fn indent() -> impl Strategy<Value = String> + Clone {
    one_of(&["", "", "", "  ", "\t", "        "])
}

/// What is known of the guest that the files are for.
#[derive(Debug, Clone)]
pub struct Names {
    /// Paths of kernels that are there.
    pub kernels: Vec<String>,
    /// Paths of initramfs files that are there; an entry may name none.
    pub initramfs: Vec<String>,
    /// The root's UUID.
    pub uuid: String,
    /// The root's label; empty for none.
    pub label: String,
}

impl Names {
    /// The path of a kernel as a menu names it: mostly there.
    pub fn kernel(&self) -> impl Strategy<Value = String> + Clone + use<> {
        let here = self.kernels.clone();
        prop_oneof![
            9 => select(here),
            1 => Just("/boot/vmlinuz-2.6.16-gone".to_owned()),
        ]
    }

    /// The path of an initramfs as a menu names it.
    pub fn initramfs(&self) -> BoxedStrategy<String> {
        let gone = Just("/boot/initrd-2.6.16-gone.img".to_owned());
        let here = self.initramfs.clone();
        match here.is_empty() {
            true => gone.boxed(),
            false => prop_oneof![9 => select(here), 1 => gone].boxed(),
        }
    }

    /// What `root=` and the first field of fstab are for this root, and for others.
    pub fn device(&self) -> impl Strategy<Value = String> + Clone + use<> {
        let (uuid, label) = (&self.uuid, &self.label);
        let own = vec![
            format!("UUID={uuid}"),
            format!("UUID={}", uuid.to_uppercase()),
            format!("/dev/disk/by-uuid/{uuid}"),
            format!("LABEL={label}"),
        ];
        prop_oneof![
            6 => one_of(&["/dev/sda1", "/dev/xvda1", "/dev/xvde1", "/dev/xvda", "/dev/sda", "/dev/hda1", "/dev/nvme0n1"]),
            2 => select(own),
            2 => one_of(&["/dev/sdb", "/dev/xvda2", "/dev/sda3", "/dev/xvdf1", "LABEL=/data", "/dev/mapper/vg-root", "0x801"]),
        ]
    }

    /// Parameters of a kernel, each with the blanks before it.
    pub fn parameters(&self) -> impl Strategy<Value = String> + Clone + use<> {
        let parameter = prop_oneof![
            3 => self.device().prop_map(|device| format!("root={device}")),
            3 => one_of(&["ro", "rw", "quiet", "single", "splash", "nomodeset", "S", "1", "--", "xencons=hvc"]),
            3 => one_of(&[
                "console=hvc0", "console=tty0", "console=tty1", "console=ttyS0", "console=ttyS0,115200n8",
                "console=ttyS1,9600", "console=xvc0", "console=", "console",
            ]),
            1 => one_of(&["net.ifnames=0", "net.ifnames=1", "biosdevname=0"]),
            1 => one_of(&["resume=/dev/sda2", "rootflags=data=ordered", "init=/sbin/init", "xen_blkfront.max=32", "rootfstype=ext4"]),
            1 => one_of(&["dyndbg=\"file a.c +p\"", "x=a\\ b", "crashkernel=1M-2M:8M,2M-:16M@16M", "vga=0x317", "\u{e9}=\u{df}"]),
        ];
        prop::collection::vec((blanks(), parameter), 0..7)
            .prop_map(|words| words.into_iter().map(|(blank, word)| blank + &word).collect())
    }
}
