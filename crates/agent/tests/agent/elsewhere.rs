//! On a machine that has nothing: no libraries, no `/proc`, no `/sys`, no environment.

use std::ffi::OsStr;
use std::fs;
use std::process::Command;

use comeback_protocol::Event;

use crate::support::{Disk, GUEST, assets, path, run, sent, skip, succeeds};

#[test]
fn the_agent_that_is_sent_runs_in_an_empty_folder() {
    let Some(agent) = sent() else {
        return skip("the static agent: name it in COMEBACK_AGENT (cargo xtask agent builds it)");
    };
    let disk = Disk::golden(GUEST);
    let before = disk.bytes();
    let root = disk.beside("root");
    fs::create_dir_all(root.join("comeback-boot")).unwrap();
    fs::copy(&agent, root.join("comeback-agent")).unwrap();
    for name in ["boot.img", "core.img"] {
        fs::copy(assets().join(name), root.join("comeback-boot").join(name)).unwrap();
    }
    fs::rename(&disk.path, root.join("disk.img")).unwrap();
    let inside: [&OsStr; 3] = [root.as_ref(), "/comeback-agent".as_ref(), "--version".as_ref()];
    if !succeeds("chroot", &["/".as_ref(), "/bin/true".as_ref()]) {
        return skip("an empty folder as the root: chroot(8) does not work here");
    }
    assert!(
        succeeds("chroot", &inside),
        "it does not start where there is nothing else"
    );
    let agent = |arguments: &[&str]| {
        let mut command = Command::new("chroot");
        command.arg(path(&root)).arg("/comeback-agent").args(arguments);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        run(&mut command)
    };
    // Without /proc, the program does not know where it lies; the boot code is where packages put it.
    fs::create_dir_all(root.join("usr/lib")).unwrap();
    fs::rename(root.join("comeback-boot"), root.join("usr/lib/comeback")).unwrap();
    let converted = agent(&["convert", "/disk.img", "--keep", "/saved"]).ended_with(0);
    assert!(
        matches!(converted.end(), Event::Converted(end) if end.applied),
        "{converted:?}"
    );
    agent(&["revert", "/disk.img", "--keep", "/saved"]).ended_with(0);
    assert!(fs::read(root.join("disk.img")).unwrap() == before);
    let disks = agent(&["disks"]).ended_with(3);
    assert!(disks.failure().message.contains("is /sys mounted?"), "{disks:?}");
}
