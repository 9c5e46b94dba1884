use super::*;
use proptest::prelude::*;

fn devices(content: &[u8], logins: &[Login]) -> Vec<(String, usize)> {
    logins
        .iter()
        .map(|login| {
            let written = login.written.as_ref().unwrap();
            assert_eq!(content.get(written.span.clone()).unwrap(), login.device.as_bytes());
            (login.device.clone(), login.line)
        })
        .collect()
}

#[test]
fn inittabs_of_rhel_5_sles_11_and_debian() {
    for (content, expected) in [
        (
            "id:3:initdefault:\nsi::sysinit:/etc/rc.d/rc.sysinit\nco:2345:respawn:/sbin/agetty xvc0 9600 vt100-nav\n#2:2345:respawn:/sbin/mingetty tty2\n1:2345:respawn:/sbin/mingetty tty1\n",
            &[("xvc0", 3), ("tty1", 5)][..],
        ),
        (
            "1:2345:respawn:/sbin/mingetty --noclear tty1\nS0:12345:respawn:/sbin/agetty -L 9600 ttyS0 vt102\ncons:1235:respawn:/sbin/smart_agetty -L 38400 console\n",
            &[("tty1", 1), ("ttyS0", 2), ("console", 3)],
        ),
        ("hvc0:2345:respawn:/sbin/getty -L hvc0 115200 vt100\r\n", &[("hvc0", 1)]),
        (
            "l0:0:wait:/etc/init.d/rc 0\nca:12345:ctrlaltdel:/sbin/shutdown -t1 -a -r now\n",
            &[],
        ),
    ] {
        let logins = parse_inittab("/etc/inittab", content.as_bytes());
        let seen = devices(content.as_bytes(), &logins);
        let seen: Vec<_> = seen.iter().map(|(device, line)| (device.as_str(), *line)).collect();
        assert_eq!(seen, expected, "{content}");
    }
}

#[test]
fn jobs_of_upstart() {
    let ubuntu = b"# hvc0 - getty\n\nstart on stopped rc RUNLEVEL=[2345]\nstop on runlevel [!2345]\n\nrespawn\nexec /sbin/getty -8 38400 hvc0\n";
    let logins = parse_job("/etc/init/hvc0.conf", LoginKind::Upstart, ubuntu);
    assert_eq!(devices(ubuntu, &logins), [("hvc0".to_owned(), 7)]);
    let event = b"start on runlevel 2\nrespawn /sbin/getty 38400 /dev/tty1\n";
    let logins = parse_job("/etc/event.d/tty1", LoginKind::EventD, event);
    assert_eq!(devices(event, &logins), [("tty1".to_owned(), 2)]);
    let generic = b"instance $TTY\nexec /sbin/mingetty $TTY\n";
    assert_eq!(parse_job("/etc/init/tty.conf", LoginKind::Upstart, generic), []);
}

#[test]
fn securetty_has_places() {
    let content = b"# devices\nconsole\nvc/1\n tty1 # first\nxvc0\n";
    let securetty = parse_securetty("/etc/securetty", content);
    let names: Vec<_> = securetty.devices.iter().map(|device| device.value.as_str()).collect();
    assert_eq!(names, ["console", "vc/1", "tty1", "xvc0"]);
    assert_eq!(&content[securetty.devices[3].span.clone()], b"xvc0");
}

/// A folder with these files; a content that begins with `->` makes a link.
fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, comeback_disk::folder::FolderTree) {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match content.strip_prefix("->") {
            Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            None => std::fs::write(path, content).unwrap(),
        }
    }
    let tree = comeback_disk::folder::FolderTree::new(folder.path()).unwrap();
    (folder, tree)
}

#[test]
fn only_what_the_init_reads_counts() {
    let (_folder, rhel6) = tree(&[
        ("sbin/init", "ELF"),
        ("etc/inittab", "id:3:initdefault:\n"),
        ("etc/init/tty.conf", "instance $TTY\nexec /sbin/mingetty $TTY\n"),
        (
            "etc/init/serial.conf",
            "start on fedora.serial-console-available DEV=* and stopped rc\ninstance $DEV\nexec /sbin/agetty /dev/$DEV $SPEED vt100-nav\n",
        ),
        (
            "etc/sysconfig/init",
            "BOOTUP=color\nACTIVE_CONSOLES=\"/dev/tty[1-6] /dev/hvc0\"\n",
        ),
    ]);
    let consoles = read(&rhel6);
    assert_eq!(consoles.init, InitSystem::Upstart);
    assert_eq!(consoles.automatic.as_deref(), Some("/etc/init/serial.conf"));
    assert_eq!(consoles.logins.len(), 1);
    assert_eq!(consoles.logins[0].device, "hvc0");

    let (_folder, systemd) = tree(&[
        ("sbin/init", "->/lib/systemd/systemd"),
        ("lib/systemd/systemd", "ELF"),
        ("lib/systemd/system-generators/systemd-getty-generator", "ELF"),
        ("etc/inittab", "1:2345:respawn:/sbin/getty 38400 ttyS0\n"),
        (
            "etc/systemd/system/getty.target.wants/getty@tty1.service",
            "->/lib/systemd/system/getty@.service",
        ),
        (
            "etc/systemd/system/getty.target.wants/serial-getty@hvc0.service",
            "->/x",
        ),
    ]);
    let consoles = read(&systemd);
    assert_eq!(consoles.init, InitSystem::Systemd);
    assert_eq!(
        consoles.automatic.as_deref(),
        Some("/lib/systemd/system-generators/systemd-getty-generator")
    );
    let devices: Vec<_> = consoles.logins.iter().map(|login| login.device.as_str()).collect();
    assert_eq!(devices, ["tty1", "hvc0"]);

    let (_folder, ubuntu) = tree(&[
        ("etc/init/hvc0.conf", "exec /sbin/getty -8 38400 hvc0\n"),
        ("etc/init/ttyS0.conf", "exec /sbin/getty -L 115200 ttyS0 vt102\n"),
        ("etc/init/ttyS0.override", "manual\n"),
    ]);
    let consoles = read(&ubuntu);
    assert_eq!(consoles.init, InitSystem::Upstart);
    assert_eq!(consoles.logins.len(), 1, "a job with a manual override does not start");
}

#[test]
fn a_masked_generator_does_nothing() {
    let (_folder, tree) = tree(&[
        ("sbin/init", "->../lib/systemd/systemd"),
        ("lib/systemd/system/serial-getty@.service", "[Unit]\n"),
        ("etc/systemd/system/serial-getty@.service", "->/dev/null"),
    ]);
    assert_eq!(read(&tree).automatic, None);
}

proptest! {
    #[test]
    fn never_panics(
        content in proptest::collection::vec(any::<u8>(), 0..300),
        text in "((exec|respawn|1:2:respawn:|manual|#)? ?(/sbin/getty|agetty)?[ a-z0-9/:]{0,20}\n){0,10}",
    ) {
        for content in [&content, text.as_bytes()] {
            let mut logins = parse_inittab("/x", content);
            logins.extend(parse_job("/x", LoginKind::Upstart, content));
            for login in logins {
                prop_assert!(content.get(login.written.unwrap().span).is_some());
            }
            parse_securetty("/x", content);
        }
    }
}
