//! `/etc/default/grub`: what a shell sources.

use proptest::prelude::*;

use super::{Line, Names, RandomFile, Role, file, filler, kept, one_of};

pub fn defaults(names: &Names) -> impl Strategy<Value = RandomFile> + use<> {
    let name = one_of(&["GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT"]);
    // Parameters with quotes of their own would need others around them.
    let parameters = names
        .parameters()
        .prop_map(|parameters| parameters.replace(['"', '\\'], "").trim().to_owned());
    let word = one_of(&["", "quiet", "console=hvc0", "console=ttyS0", "root=/dev/xvda1"]);
    let value = prop_oneof![
        6 => parameters.clone().prop_map(|text| format!("\"{text}\"")),
        2 => parameters.clone().prop_map(|text| format!("'{text}'")),
        2 => word,
        1 => parameters.clone().prop_map(|text| format!("\"$GRUB_CMDLINE_LINUX {text}\"")),
        1 => (parameters.clone(), parameters).prop_map(|(one, two)| format!("\"{one}\"' {two}'")),
    ];
    let assignment = (
        one_of(&["", "", "", "export ", "  "]),
        name,
        one_of(&["=", "=", "=", "+="]),
        value,
        one_of(&["", "", "", " # a note", " "]),
    )
        .prop_map(|(before, name, operator, value, behind)| Line {
            text: format!("{before}{name}{operator}{value}{behind}"),
            role: Role::Shell,
        });
    let other = one_of(&[
        "GRUB_DEFAULT=0",
        "GRUB_TIMEOUT=0",
        "GRUB_HIDDEN_TIMEOUT_QUIET=true",
        "GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`",
        "#GRUB_TERMINAL=console",
        "if [ -r /etc/default/grub.local ]; then . /etc/default/grub.local; fi",
    ])
    .prop_map(kept);
    file(prop::collection::vec(
        prop_oneof![3 => assignment, 2 => other, 1 => filler()],
        0..7,
    ))
}
