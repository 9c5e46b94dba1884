use proptest::prelude::*;

use super::*;
use crate::limit::ENTRIES;

const AMAZON: &str = include_str!("../../../testdata/menu/amazon-linux-1.conf");
const CENTOS_6: &str = include_str!("../../../testdata/menu/centos-6.conf");
const RHEL_5: &str = include_str!("../../../testdata/menu/rhel-5-xen.conf");
const UBUNTU: &str = include_str!("../../../testdata/menu/ubuntu-10.04-ec2.lst");
const DEBIAN_7: &str = include_str!("../../../testdata/menu/debian-7-ec2.lst");
const SLES_11: &str = include_str!("../../../testdata/menu/sles-11.lst");

fn parse(text: &str) -> MenuLst {
    MenuLst::parse(text.as_bytes())
}

#[test]
fn amazon_linux() {
    let menu = parse(AMAZON);
    assert!(menu.problems.is_empty(), "{:?}", menu.problems);
    assert_eq!(menu.default.as_ref().unwrap().value, DefaultEntry::Index(0));
    assert_eq!(&AMAZON[menu.default.as_ref().unwrap().span.clone()], "0");
    assert_eq!(menu.timeout.as_ref().unwrap().value, 1);
    assert!(menu.hidden_menu.is_some());
    let entry = &menu.entries[0];
    assert_eq!(entry.title.value, "Amazon Linux 2014.03 (3.10.35-43.137.amzn1.x86_64)");
    assert_eq!(entry.lines, 6..10);
    assert!(AMAZON[entry.span.clone()].ends_with("amzn1.x86_64.img"));
    let root = entry.root.as_ref().unwrap();
    assert_eq!((&root.value, &AMAZON[root.span.clone()]), (&Device::Disk(0), "(hd0)"));
    let (path, cmdline) = entry.linux().unwrap();
    assert_eq!(path.value.path.value, "/boot/vmlinuz-3.10.35-43.137.amzn1.x86_64");
    assert_eq!(&AMAZON[cmdline.last("root").unwrap().span], "root=LABEL=/");
    assert_eq!(&AMAZON[cmdline.span.clone()], "root=LABEL=/ console=hvc0");
    assert_eq!(
        entry.initramfs()[0].value.path.value,
        "/boot/initramfs-3.10.35-43.137.amzn1.x86_64.img"
    );
    assert_eq!((menu.boot_order(), menu.grub2_default(None)), (vec![0], Some(0)));
}

#[test]
fn centos_6() {
    let menu = parse(CENTOS_6);
    assert!(menu.problems.is_empty(), "{:?}", menu.problems);
    assert_eq!(menu.entries.len(), 2);
    assert!(menu.templates.is_empty(), "comments of anaconda are no templates");
    assert_eq!(menu.boot_order(), [1, 0]);
    assert_eq!(menu.grub2_default(None), Some(1));
    assert_eq!(&CENTOS_6[menu.fallback.as_ref().unwrap().span.clone()], "0");
    assert!(menu.password.as_ref().unwrap().value.hashed);
    let console: Vec<_> = menu.console.iter().map(|line| line.value.as_str()).collect();
    assert_eq!(
        console,
        ["serial --unit=0 --speed=115200", "terminal --timeout=5 serial console"]
    );
    let kernel = menu.entries[0].kernel.as_ref().unwrap();
    assert!(kernel.cmdline.has("rd_NO_DM"));
    assert_eq!(kernel.cmdline.last("console").unwrap().value, "tty0");
    let entry = &menu.entries[1];
    assert_eq!(
        entry.root.as_ref().unwrap().value,
        Device::Partition { disk: 0, partition: 0 }
    );
    assert!(entry.savedefault.is_some() && entry.lock.is_some());
    let problems: Vec<_> = menu.grub2_problems.iter().map(|p| &CENTOS_6[p.span.clone()]).collect();
    assert_eq!(problems, ["lock"]);
    assert!(!format!("{menu:?}").contains("aW78kHK1"), "no password is kept");
}

#[test]
fn rhel_5_under_xen() {
    let menu = parse(RHEL_5);
    assert!(menu.problems.is_empty(), "{:?}", menu.problems);
    let xen = &menu.entries[0];
    assert_eq!(
        xen.kernel.as_ref().unwrap().path.value.path.value,
        "/xen.gz-2.6.18-398.el5"
    );
    let (path, cmdline) = xen.linux().unwrap();
    assert_eq!(path.value.path.value, "/vmlinuz-2.6.18-398.el5xen");
    assert_eq!(cmdline.last("console").unwrap().value, "xvc0");
    assert_eq!(xen.initramfs()[0].value.path.value, "/initrd-2.6.18-398.el5xen.img");

    let base = menu.entries[1].kernel.as_ref().unwrap();
    assert_eq!(base.options[0].value, "--no-mem-option");
    let device = base.path.value.device.as_ref().unwrap();
    assert_eq!(&RHEL_5[device.span.clone()], "(hd0,0)");
    assert_eq!(&RHEL_5[base.path.value.path.span.clone()], "/vmlinuz-2.6.18-398.el5");
    let quiet = base.cmdline.last("quiet").unwrap();
    assert_eq!(
        &RHEL_5[quiet.span], "quiet",
        "the second line of two that a backslash joins"
    );
    assert_eq!(base.cmdline.arguments.len(), 4);
    assert_eq!(menu.grub2_problems.len(), 1, "GRUB 2 does not join the two");
}

#[test]
fn ubuntu_with_the_templates_of_update_grub() {
    let menu = parse(UBUNTU);
    assert!(menu.problems.is_empty(), "{:?}", menu.problems);
    let templates: Vec<_> = menu
        .templates
        .iter()
        .map(|t| (t.name.value.as_str(), t.value.value.as_str()))
        .collect();
    assert_eq!(
        templates,
        [
            ("kopt", "root=LABEL=uec-rootfs ro"),
            ("kopt_2_6", "root=/dev/sda1 ro"),
            ("crashdump", "0"),
            ("groot", "(hd0)"),
            ("alternative", "true"),
            ("lockalternative", "false"),
            ("defoptions", "console=hvc0"),
            ("lockold", "false"),
            ("xenhopt", ""),
            ("xenkopt", "console=tty0"),
            ("altoptions", "(recovery mode) single"),
            ("howmany", "all"),
            ("updatedefaultentry", "false"),
        ]
    );
    for template in &menu.templates {
        assert_eq!(UBUNTU[template.value.span.clone()], template.value.value);
        assert!(UBUNTU[..template.name.span.start].ends_with("\n# "));
    }
    assert_eq!(
        &UBUNTU[menu.templates[1].cmdline.last("root").unwrap().span],
        "root=/dev/sda1"
    );
    let marks = [
        &menu.automagic.begin,
        &menu.automagic.options_start,
        &menu.automagic.options_end,
        &menu.automagic.end,
    ];
    let lines: Vec<_> = marks.iter().map(|mark| mark.as_ref().unwrap().line).collect();
    assert!(lines.is_sorted() && lines.len() == 4, "{lines:?}");
    assert_eq!(menu.entries.len(), 3);
    assert_eq!(
        menu.entries[2].uuid.as_ref().unwrap().value,
        "8bb10496-fa6f-4135-809b-4a14d9bc9856"
    );
    assert_eq!(menu.entries[2].other[0].value, "quiet");
}

#[test]
fn debian_7() {
    let menu = parse(DEBIAN_7);
    assert!(menu.problems.is_empty(), "{:?}", menu.problems);
    let template = |name: &str| menu.templates.iter().find(|t| t.name.value == name).unwrap();
    let root = template("kopt").cmdline.last("root").unwrap().span;
    assert_eq!(&DEBIAN_7[root], "root=/dev/xvda1");
    let groot = &template("groot").value;
    assert_eq!(groot.value, "8bb10496-fa6f-4135-809b-4a14d9bc9856");
    assert_eq!(DEBIAN_7[groot.span.clone()], groot.value);
    assert_eq!(menu.templates.len(), 3, "what stands behind ## is a comment");
    assert_eq!(menu.boot_order(), [0]);
    assert!(menu.entries[1].kernel.as_ref().unwrap().cmdline.has("single"));
}

#[test]
fn sles_11() {
    let menu = parse(SLES_11);
    let problems: Vec<_> = menu.problems.iter().map(|p| p.line).collect();
    assert!(problems.is_empty(), "{:?}", menu.problems);
    assert_eq!(menu.other[0].value, "gfxmenu (hd0,0)/boot/message");
    assert_eq!(menu.entries.len(), 2);
    assert_eq!(menu.entries[0].root.as_ref().unwrap().value, Device::Disk(0));
}

/// What GRUB legacy tries, and what GRUB 2 takes.
#[test]
fn which_entries_boot() {
    let entries = "title a\nroot (hd0)\ntitle b\nroot (hd0)\ntitle c\nroot (hd0)\n";
    let table: [(&str, &[usize], usize); 15] = [
        ("", &[0], 0),
        ("default 2\n", &[2], 2),
        ("default=0x1\n", &[1], 1),
        ("default 1 2\n", &[1], 1),
        ("default 3\n", &[0], 0),
        ("default 3\nfallback 2 1\n", &[2, 1], 0),
        ("default 3\nfallback 7 1\n", &[1], 0),
        ("default 1\nfallback 1 2 9 2\n", &[1, 2], 1),
        ("default 0\nfallback 2 x\n", &[0], 0),
        ("default 99999999999\n", &[0], 0),
        ("default\n", &[0], 0),
        ("default 1\ndefault 2\n", &[2], 2),
        ("Default 2\n", &[0], 0),
        ("default saved\n", &[0], 0),
        ("#default 2\n\t # default 1\n", &[0], 0),
    ];
    for (header, legacy, grub2) in table {
        let menu = parse(&format!("{header}{entries}"));
        assert_eq!(menu.boot_order(), legacy, "{header}");
        assert_eq!(menu.grub2_default(None), Some(grub2), "{header}");
    }
    let saved = parse(&format!("default saved\n{entries}"));
    assert_eq!(saved.boot_order_saved(saved_default(b"2\n#\n#\n")), [2]);
    assert_eq!(saved.boot_order_saved(9), [0]);
    let environment = GrubEnv::parse(b"# GRUB Environment Block\nsaved_entry=b\n");
    assert_eq!(saved.grub2_default(Some(&environment)), Some(1));
    assert_eq!(parse("").boot_order(), [0usize; 0]);
    assert_eq!(parse("").grub2_default(None), None);
}

#[test]
fn a_title_without_commands_counts_for_grub_2_only() {
    let menu = parse("default 1\ntitle ---\ntitle a\nroot (hd0)\ntitle other\nnonsense\ntitle b\nroot (hd0)\n");
    let counts: Vec<_> = menu.entries.iter().map(|e| e.counts).collect();
    assert_eq!(counts, [false, true, false, true]);
    assert_eq!(menu.boot_order(), [3]);
    assert_eq!(menu.grub2_default(None), Some(1));
}

#[test]
fn the_saved_default() {
    let table: [(&[u8], usize); 6] = [
        (b"2\n", 2),
        (b"0:3", 3),
        (b"", 0),
        (b"x", 0),
        (b"12345678901", 123_456_789),
        (b"1\n\n\n\n\n\n\n\n:5", 1),
    ];
    for (content, expected) in table {
        assert_eq!(saved_default(content), expected, "{content:?}");
    }
}

#[test]
fn odd_lines() {
    let text = "# a comment \\\ndefault 1\ntimeout -1\ntitle a\n  kernel\n  root hd0,0\n  root (hd0,a)\n  default 0\n  \
        initrd /a /b\n  kernel (nd)/x\n kernel /y z\n  chainloader +1\r\n";
    let menu = parse(text);
    let problems: Vec<_> = menu
        .problems
        .iter()
        .map(|p| (p.line, p.value.split(':').next().unwrap()))
        .collect();
    assert_eq!(
        problems,
        [
            (1, "the comment ends in a backslash"),
            (5, "kernel names no file"),
            (7, "the entry has several root lines"),
            (8, "the command is not allowed in an entry"),
            (9, "initrd names several files"),
            (11, "the entry has several kernel lines"),
        ]
    );
    assert!(menu.default.is_none(), "GRUB legacy skips the line behind the comment");
    assert_eq!(menu.timeout.unwrap().value, -1);
    let entry = &menu.entries[0];
    assert_eq!(entry.root.as_ref().unwrap().value, Device::Other("(hd0,a)".into()));
    assert_eq!(entry.kernel.as_ref().unwrap().path.value.path.value, "/y");
    assert_eq!(entry.chainloader.as_ref().unwrap().value, "+1");
    let long = format!("title a\nkernel /x {}\n", "a".repeat(1500));
    assert_eq!(parse(&long).problems.len(), 1);
}

#[test]
fn garbage_is_bounded() {
    assert_eq!(parse(&"title a\nroot (hd0)\n".repeat(500_000)).entries.len(), ENTRIES);
    for garbage in [
        "\\\n",
        "a\\\n",
        "a ",
        "#\n",
        "# a=b\n",
        "x\n",
        "title\n",
        "kernel /x a b c d\n",
        "\0",
    ] {
        let menu = parse(&("title a\n".to_owned() + &garbage.repeat(2_000_000 / garbage.len())));
        let kept = menu.entries.len() + menu.problems.len() + menu.entries.iter().map(|e| e.other.len()).sum::<usize>();
        assert!(kept < 250_000, "{garbage:?}: {kept}");
    }
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "title[ =]?[a-zé ]{0,8}",
        "[ \t]?(root|rootnoverify|uuid|initrd|module)[ =]{1,2}[(]?(hd0)?(,[0-9a])?[)]?[a-z/é ]{0,8}",
        "[ \t]?kernel (--type=linux |--no-mem-option )?[(]?(hd0)?[)]?/[a-zé]{0,5}( [a-z\"=é]{0,8}){0,4}",
        "(default|fallback|timeout)[ =]{0,2}([0-9]|saved|x|-| |0x){0,4}",
        "#{0,3} ?[a-z_]{0,6}=?[a-z=]{0,6}",
        "### BEGIN AUTOMAGIC KERNELS LIST",
        "[ -~é\t]{0,20}\\\\?",
    ]
}

proptest! {
    #[test]
    fn spans_hold_what_was_read(lines in proptest::collection::vec(line(), 0..20), end in "\n|\r\n") {
        let text = lines.join(&end);
        let menu = parse(&text);
        let joined = |s: &str| s.replace("\\\r\n", "   ").replace("\\\n", "  ");
        let same = |value: &str, span: &Range<usize>| joined(&text[span.clone()]) == value;
        for entry in &menu.entries {
            prop_assert!(same(&entry.title.value, &entry.title.span));
            prop_assert!(entry.span.start < entry.span.end && entry.span.end <= text.len());
            let paths = entry.kernel.iter().map(|k| &k.path).chain(entry.modules.iter().map(|m| &m.path)).chain(&entry.initrd);
            for path in paths {
                let whole = &text[path.span.clone()];
                let device = path.value.device.as_ref().map_or("", |d| &text[d.span.clone()]);
                prop_assert_eq!(whole, format!("{device}{}", &path.value.path.value));
                prop_assert_eq!(&text[path.value.path.span.clone()], &path.value.path.value);
            }
            for argument in entry.kernel.iter().flat_map(|k| &k.cmdline.arguments) {
                let value = argument.value.as_ref().map(|v| format!("={v}")).unwrap_or_default();
                prop_assert_eq!(joined(&text[argument.span.clone()]).replace('"', ""), format!("{}{value}", argument.name));
            }
            for line in &entry.other {
                prop_assert!(same(&line.value, &line.span), "{:?}", line);
            }
            if let Some(root) = &entry.root {
                let raw = &text[root.span.clone()];
                prop_assert_eq!(raw, root.value.to_string());
            }
        }
        for template in &menu.templates {
            prop_assert!(same(&template.value.value, &template.value.span));
        }
        let order = menu.boot_order();
        prop_assert!(order.iter().all(|n| *n < menu.entries.len()));
        prop_assert_eq!(order.is_empty(), menu.entries.iter().all(|e| !e.counts));
        prop_assert_eq!(menu.grub2_default(None).is_none(), menu.entries.is_empty());
    }

    #[test]
    fn no_bytes_panic(content in proptest::collection::vec(any::<u8>(), 0..400)) {
        let menu = MenuLst::parse(&content);
        prop_assert!(menu.problems.iter().all(|p| p.span.end <= content.len()));
        prop_assert!(saved_default(&content) <= 999_999_999);
    }
}
