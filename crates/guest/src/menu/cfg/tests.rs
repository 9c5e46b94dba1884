use proptest::prelude::*;

use super::*;
use crate::limit::ENTRIES;

const UBUNTU: &str = include_str!("../../../testdata/menu/ubuntu-14.04.cfg");
const RHEL_8: &str = include_str!("../../../testdata/menu/rhel-8.cfg");
const DEBIAN: &str = include_str!("../../../testdata/menu/debian-12.cfg");

fn parse(text: &str) -> GrubCfg {
    GrubCfg::parse(text.as_bytes())
}

fn environment(variables: &str) -> GrubEnv {
    GrubEnv::parse(format!("# GRUB Environment Block\n{variables}").as_bytes())
}

#[test]
fn ubuntu_14_04() {
    let cfg = parse(UBUNTU);
    assert!(cfg.problems.is_empty(), "{:?}", cfg.problems);
    assert!(cfg.generated && cfg.uses_next_entry && !cfg.uses_saved_entry && cfg.blscfg.is_none());
    let default = cfg.default.as_ref().unwrap();
    assert_eq!((default.value.as_str(), &UBUNTU[default.span.clone()]), ("0", "0"));
    assert_eq!(cfg.timeout.as_ref().unwrap().value, 0);
    let scripts: Vec<_> = cfg.sections.iter().map(|s| s.script.value.as_str()).collect();
    assert_eq!(scripts.len(), 5);
    assert_eq!(scripts[1], "/etc/grub.d/10_linux");
    assert!(UBUNTU[cfg.sections[1].span.clone()].ends_with("### END /etc/grub.d/10_linux ###"));

    let paths: Vec<_> = cfg.entries.iter().map(|e| (e.path.as_slice(), e.conditional)).collect();
    assert_eq!(
        paths,
        [
            (&[0][..], false),
            (&[1, 0], false),
            (&[1, 1], false),
            (&[2], false),
            (&[3], true)
        ]
    );
    let first = &cfg.entries[0];
    assert_eq!(
        (first.title.value.as_str(), first.id.as_ref().unwrap().value.as_str()),
        ("Ubuntu", "gnulinux-simple-aa1b")
    );
    let linux = first.linux.as_ref().unwrap();
    assert_eq!(&UBUNTU[linux.path.span.clone()], "/boot/vmlinuz-3.13.0-24-generic");
    assert_eq!(
        &UBUNTU[linux.cmdline.last("root").unwrap().span],
        "root=UUID=aa1b2c3d-0001"
    );
    assert_eq!(linux.cmdline.all("console").count(), 2);
    assert_eq!(first.initrd[0].value.path.value, "/boot/initrd.img-3.13.0-24-generic");
    let searches: Vec<_> = first
        .searches
        .iter()
        .map(|s| (s.kind, s.value.value.as_str()))
        .collect();
    assert_eq!(searches, [(SearchKind::FsUuid, "aa1b2c3d-0001"); 2]);
    assert_eq!(first.insmods.len(), 2);
    assert!(UBUNTU[first.span.clone()].starts_with("menuentry 'Ubuntu'") && UBUNTU[first.span.clone()].ends_with('}'));
    assert_eq!(first.lines.len(), 13);

    let second = &cfg.entries[1];
    let root = second.set_root.as_ref().unwrap();
    assert_eq!(
        (root.value.as_str(), &UBUNTU[root.span.clone()]),
        ("hd0,msdos1", "hd0,msdos1")
    );
    let linux = second.linux.as_ref().unwrap();
    assert_eq!(linux.path.value.device.as_ref().unwrap().value, "$root");
    assert_eq!(linux.cmdline.last("quoted").unwrap().value, "a b");
    assert_eq!(second.initrd.len(), 2);
    let third = cfg.entries[2].linux.as_ref().unwrap();
    assert_eq!(third.command.value, "linux16");
    assert!(third.cmdline.has("ro"), "on the next line");

    let xen = &cfg.entries[3];
    assert!(xen.linux.is_none() && xen.multiboot.is_some());
    assert_eq!(xen.modules[0].path.value.path.value, "/boot/vmlinuz-3.13.0-24-generic");
    assert_eq!(
        xen.modules[1].path.value.path.value,
        "/boot/initrd.img-3.13.0-24-generic"
    );
    assert_eq!(cfg.entries[4].other[0].value, "chainloader +1");
    assert_eq!(cfg.console.len(), 2);
    let sources: Vec<_> = cfg
        .sources
        .iter()
        .map(|s| (s.path.value.as_str(), s.conditional))
        .collect();
    assert_eq!(
        sources,
        [("${config_directory}/custom.cfg", true), ("$prefix/custom.cfg", true)]
    );
}

#[test]
fn which_entry_boots() {
    let cfg = parse(UBUNTU);
    assert_eq!(cfg.selected(None), Some(0));
    let next = |wanted: &str| cfg.selected(Some(&environment(&format!("next_entry={wanted}\n"))));
    let table = [
        ("1>1", 2),
        ("1>Ubuntu, with Linux 3.11.0-12-generic", 2),
        ("gnulinux-advanced-aa1b>gnulinux-3.13.0-24-generic-advanced-aa1b", 1),
        ("Advanced options for Ubuntu", 1),
        ("1", 2),
        ("2", 3),
        ("77", 0),
        ("1>77", 1),
        ("no such entry", 0),
    ];
    for (wanted, expected) in table {
        assert_eq!(next(wanted), Some(expected), "{wanted}");
    }
    assert_eq!(parse(DEBIAN).selected(None), Some(2));
    assert_eq!(parse("").selected(None), None);
    assert_eq!(parse("submenu a { }").selected(None), None);
    let saved = parse("set default=\"${saved_entry}\"\nmenuentry a { }\nmenuentry b { }\n");
    assert!(saved.uses_saved_entry);
    assert_eq!(saved.selected(None), Some(0));
    assert_eq!(
        saved.selected(Some(&environment("saved_entry=b\nnext_entry=a\n"))),
        Some(1)
    );
}

#[test]
fn rhel_8_takes_its_entries_from_elsewhere() {
    let cfg = parse(RHEL_8);
    assert!(cfg.problems.is_empty(), "{:?}", cfg.problems);
    assert!(cfg.entries.is_empty() && cfg.generated);
    assert_eq!(cfg.blscfg.as_ref().unwrap().value, "blscfg");
    assert_eq!(cfg.searches[0].value.value, "54c8");
    assert_eq!(cfg.wanted(Some(&environment("saved_entry=abc-4.18\n"))), "abc-4.18");
    assert_eq!(cfg.selected(None), None);
    assert_eq!(cfg.console[0].value, "serial --speed=115200");
}

#[test]
fn odd_scripts() {
    let problems = |text: &str| parse(text).problems.iter().map(|p| p.value.clone()).collect::<Vec<_>>();
    assert_eq!(problems("}"), ["a closing brace without an opening one"]);
    assert_eq!(problems("menuentry a {"), ["a brace is not closed"]);
    assert_eq!(problems("menuentry a\n"), ["the entry has no commands in braces"]);
    assert_eq!(
        problems("menuentry a { linux /a\nlinux /b\n}"),
        ["the entry loads several kernels: the last one counts"]
    );
    let deep = "submenu a { ".repeat(300) + "menuentry x { linux /x" + &" }".repeat(301);
    assert!(parse(&deep).entries.len() <= 1);
    let one_line = parse("if true; then menuentry a { linux /a; }; fi; menuentry b { linux /b }; default=1");
    let seen: Vec<_> = one_line
        .entries
        .iter()
        .map(|e| (e.linux.is_some(), e.conditional))
        .collect();
    assert_eq!(seen, [(true, true), (true, false)]);
    assert_eq!(one_line.selected(None), Some(1));
}

#[test]
fn garbage_is_bounded() {
    assert_eq!(
        parse(&"menuentry a { linux /a b\n}\n".repeat(400_000)).entries.len(),
        ENTRIES
    );
    let parts = [
        "{",
        "}",
        "a ",
        "'",
        "submenu a {",
        "menuentry a {",
        "if ",
        "#\n",
        "linux /x a\n",
        "insmod a\n",
        "\\\n",
        "source x\n",
    ];
    for part in parts {
        let cfg = parse(&("menuentry x {\n".to_owned() + &part.repeat(2_000_000 / part.len())));
        assert!(cfg.entries.len() + cfg.submenus.len() <= ENTRIES, "{part}");
        assert!(
            cfg.entries
                .iter()
                .map(|e| e.insmods.len() + e.other.len())
                .sum::<usize>()
                <= 100_001,
            "{part}"
        );
        assert!(cfg.problems.len() <= ENTRIES + 2, "{part}");
    }
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "(menuentry|submenu) ['\"]?[a-zé ]{0,6}['\"]? (--id=?[a-z']{0,4} )?\\{",
        "(linux|initrd|module|multiboot) [(]?[a-z$]{0,4}[)]?/[a-z'\"é]{0,5}( [a-zé=\"']{0,6}){0,3}",
        "set (default|root|timeout)=['\"]?[a-z0-9>$]{0,6}['\"]?",
        "[{};#'\"\\\\]",
        "if|then|else|fi|function x \\{",
        "search (--fs-uuid|--label|--hint)? ?[a-z'\"]{0,5}",
        "### (BEGIN|END) [a-z]{0,3} ###",
    ]
}

proptest! {
    #[test]
    fn spans_hold_what_was_read(pieces in proptest::collection::vec(piece(), 0..24), between in "\n|; | |\r\n") {
        let text = pieces.join(&between);
        let cfg = parse(&text);
        let plain = |value: &str, span: &Range<usize>| {
            let raw = &text[span.clone()];
            raw.contains(['\'', '"', '\\']) || raw == value
        };
        for entry in &cfg.entries {
            prop_assert!(plain(&entry.title.value, &entry.title.span));
            prop_assert!(text[entry.span.clone()].starts_with("menuentry"));
            for linux in entry.linux.iter().chain(&entry.multiboot).chain(&entry.modules) {
                prop_assert!(plain(&linux.path.value.path.value, &linux.path.value.path.span));
                for argument in &linux.cmdline.arguments {
                    prop_assert!(text[argument.span.clone()].starts_with(argument.name.as_str()) || text[argument.span.clone()].contains('"'));
                }
            }
            for file in &entry.initrd {
                prop_assert!(plain(&file.value.path.value, &file.value.path.span));
            }
        }
        for search in cfg.entries.iter().flat_map(|e| &e.searches).chain(&cfg.searches) {
            prop_assert!(plain(&search.value.value, &search.value.span));
        }
        for value in cfg.default.iter().chain(cfg.sections.iter().map(|s| &s.script)) {
            prop_assert!(plain(&value.value, &value.span));
        }
        prop_assert!(cfg.selected(None).is_none_or(|n| n < cfg.entries.len()));
    }

    #[test]
    fn no_bytes_panic(content in proptest::collection::vec(any::<u8>(), 0..400)) {
        let cfg = GrubCfg::parse(&content);
        prop_assert!(cfg.problems.iter().all(|p| p.span.end <= content.len()));
    }
}
