//! `/etc/fstab`.

use proptest::prelude::*;

use super::{Line, Names, RandomFile, Role, blanks, file, filler, indent, kept, one_of};

pub fn fstab(names: &Names) -> impl Strategy<Value = RandomFile> + use<> {
    let mount = (
        indent(),
        names.device(),
        fields(),
        one_of(&["", "", "", " ", "\t# added later"]),
    )
        .prop_map(|(indent, device, fields, behind)| Line {
            text: format!("{indent}{device}{fields}{behind}"),
            role: Role::Mount,
        });
    let foreign = one_of(&[
        "tmpfs\t/dev/shm\ttmpfs\tdefaults\t0 0",
        "proc /proc proc defaults 0 0",
        "fs-1.efs.us-east-1.amazonaws.com:/ /efs nfs4 _netdev 0 0",
        "/swapfile none swap sw 0 0",
        "/home /export/home none bind",
        "lonely",
        "//server/share /mnt/share cifs credentials=/root/.smb 0 0",
    ])
    .prop_map(kept);
    file(prop::collection::vec(
        prop_oneof![5 => mount, 2 => foreign, 2 => filler()],
        0..8,
    ))
}

/// All fields behind the device, each with the blanks before it; the later ones may be missing.
fn fields() -> impl Strategy<Value = String> {
    let point = one_of(&[
        "/",
        "/mnt",
        "/data",
        "/my\\040data",
        "swap",
        "none",
        "/boot",
        "/media/ephemeral0",
    ]);
    let kind = one_of(&["ext3", "ext4", "auto", "xfs", "swap"]);
    let options = one_of(&[
        "defaults",
        "defaults,noatime",
        "defaults,nofail",
        "nobootwait",
        "defaults,nobootwait,comment=cloudconfig",
        "noauto",
        "sw",
        "defaults,nofail,nobootwait",
        "x-systemd.device-timeout=5",
    ]);
    let number = || one_of(&["0", "1", "2", "x"]);
    (
        (blanks(), point, blanks(), kind, blanks(), options),
        (blanks(), number(), blanks(), number()),
        prop_oneof![8 => Just(6), 1 => Just(5), 1 => Just(4), 1 => Just(3), 1 => Just(2)],
    )
        .prop_map(|((b1, point, b2, kind, b3, options), (b4, dump, b5, pass), count)| {
            let fields = [(b1, point), (b2, kind), (b3, options), (b4, dump), (b5, pass)];
            let kept = fields.into_iter().take(count - 1);
            kept.map(|(blank, field)| blank + &field).collect()
        })
}
