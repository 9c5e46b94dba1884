//! Menus of GRUB legacy: by hand, as grubby and as update-grub write them.

use proptest::prelude::*;

use super::{Line, Names, RandomFile, Role, blanks, file, filler, indent, kept, kernel, maybe, one_of};

pub fn menu(names: &Names) -> impl Strategy<Value = RandomFile> + use<> {
    let entries = prop::collection::vec(entry(names), 1..5);
    let automagic = (prop::bool::weighted(0.4), templates(names));
    file(
        (header(), automagic, entries, prop::collection::vec(filler(), 0..3)).prop_map(
            |(mut lines, (automagic, templates), entries, rest)| {
                if automagic {
                    lines.extend(templates);
                }
                lines.extend(entries.into_iter().flatten());
                if automagic {
                    lines.push(kept("### END DEBIAN AUTOMAGIC KERNELS LIST"));
                }
                lines.extend(rest);
                lines
            },
        ),
    )
}

fn header() -> impl Strategy<Value = Vec<Line>> {
    let default = (
        one_of(&["default ", "default=", "default\t\t"]),
        one_of(&["0", "1", "2", "9", "saved", "0x1", "x"]),
    )
        .prop_map(|(command, value)| Line {
            text: command + &value,
            role: Role::Default,
        });
    let other = one_of(&[
        "timeout 0",
        "timeout=5",
        "timeout\t\t-1",
        "fallback 1",
        "fallback 0 1 2",
        "hiddenmenu",
        "color cyan/blue white/blue",
        "splashimage=(hd0,0)/boot/grub/splash.xpm.gz",
        "password --md5 $1$gLhU0/$aW78kHK1QfV3P2b2znUoe/",
        "serial --unit=0 --speed=9600",
        "terminal --timeout=5 serial console",
        "some nonsense",
    ])
    .prop_map(kept);
    let line = prop_oneof![3 => default, 4 => other, 4 => filler()];
    prop::collection::vec(line, 0..8)
}

fn entry(names: &Names) -> impl Strategy<Value = Vec<Line>> + use<> {
    let title = (
        blanks(),
        prop_oneof![
            3 => one_of(&["Linux", "Ubuntu 12.04.5 LTS, kernel 3.2.0-150-virtual", "Xen 3", "CentOS (2.6.18)", "it's \"quoted\" $x \\"]),
            1 => "[!-~][ -~]{0,30}",
        ],
    )
        .prop_map(|(blank, title)| kept(format!("title{blank}{}", title.trim_end_matches('\\'))));
    let device = one_of(&["(hd0)", "(hd0)", "(hd0,0)", "(hd0,1)", "(hd1)", "(nd)", "(fd0)"]);
    let root = (indent(), one_of(&["root", "root", "rootnoverify"]), blanks(), device)
        .prop_map(|(indent, command, blank, device)| kernel(format!("{indent}{command}{blank}{device}")));
    let uuid = names.uuid.clone();
    let by_uuid = prop_oneof![3 => Just(uuid), 1 => Just("00000000-1111-2222-3333-444444444444".to_owned())]
        .prop_map(|uuid| kept(format!("uuid\t\t{uuid}")));
    let place = prop_oneof![
        6 => root.clone().prop_map(|line| vec![line]),
        1 => by_uuid.prop_map(|line| vec![line]),
        1 => (root.clone(), root).prop_map(|(first, second)| vec![first, second]),
        1 => Just(Vec::new()),
    ];
    let before_path = one_of(&["", "", "", "", "(hd0)", "--no-mem-option "]);
    let kernel_line = (
        indent(),
        blanks(),
        before_path,
        names.kernel(),
        names.parameters(),
        one_of(&["", "", "", " ", "\t"]),
    )
        .prop_map(|(indent, blank, before, path, parameters, behind)| {
            format!("{indent}kernel{blank}{before}{path}{parameters}{behind}")
        });
    // GRUB legacy joins lines that end in a backslash.
    let joined = (kernel_line.clone(), names.parameters())
        .prop_map(|(first, rest)| vec![kernel(first + " \\"), kernel(format!(" more{rest}"))]);
    let kernels = prop_oneof![
        12 => kernel_line.clone().prop_map(|line| vec![kernel(line)]),
        1 => joined,
        1 => (kernel_line.clone(), kernel_line).prop_map(|(first, second)| vec![kernel(first), kernel(second)]),
        1 => Just(Vec::new()),
    ];
    let initrd = (indent(), blanks(), names.initramfs())
        .prop_map(|(indent, blank, path)| kept(format!("{indent}initrd{blank}{path}")));
    let odd = one_of(&[
        "savedefault",
        "quiet",
        "boot",
        "lock",
        "chainloader +1",
        "makeactive",
        "module /boot/xen-vmlinuz",
        "default 1",
    ])
    .prop_map(kept);
    (
        title,
        place,
        kernels,
        maybe(if names.initramfs.is_empty() { 0.05 } else { 0.8 }, initrd),
        maybe(0.15, odd),
        prop::collection::vec(filler(), 0..2),
    )
        .prop_map(|(title, place, kernels, initrd, odd, filler)| {
            let mut lines = vec![title];
            for part in [place, kernels, initrd, odd, filler] {
                lines.extend(part);
            }
            lines
        })
}

/// What `update-grub` keeps its settings in.
fn templates(names: &Names) -> impl Strategy<Value = Vec<Line>> + use<> {
    let kopt = (
        one_of(&["kopt", "kopt", "kopt_2_6_8", "kopt_3_2"]),
        names.device(),
        names.parameters(),
    )
        .prop_map(|(name, device, rest)| kernel(format!("# {name}=root={device}{rest}")));
    let uuid = names.uuid.clone();
    let groot = prop_oneof![
        2 => one_of(&["(hd0)", "(hd0,0)", "(hd0,2)"]),
        1 => Just(uuid),
    ]
    .prop_map(|value| kernel(format!("# groot={value}")));
    let options = names
        .parameters()
        .prop_map(|parameters| kernel(format!("# defoptions={}", parameters.trim_start())));
    let other = one_of(&[
        "## e.g. kopt=root=/dev/hda1 ro",
        "# alternative=true",
        "# howmany=all",
        "# xenhopt=",
        "# xenkopt=console=tty0",
        "# altoptions=(recovery mode) single",
        "# updatedefaultentry=false",
    ])
    .prop_map(kept);
    prop::collection::vec(
        prop_oneof![3 => kopt, 2 => groot, 2 => options, 2 => other, 1 => filler()],
        0..7,
    )
    .prop_map(|settings| {
        let mut lines = vec![
            kept("### BEGIN AUTOMAGIC KERNELS LIST"),
            kept("## ## Start Default Options ##"),
        ];
        lines.extend(settings);
        lines.push(kept("## ## End Default Options ##"));
        lines
    })
}
