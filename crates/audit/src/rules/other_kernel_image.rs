//! Paravirtual on a kernel image that is not known to be a PV-GRUB: the kernel may not be on the disk at all.

use super::{Rule, pv_grub, text, word};
use crate::facts::{Facts, seen};
use crate::model::{Finding, Level};
use comeback_cloud::kernels::Kernel;

pub(super) const RULE: Rule = Rule {
    id: "other-kernel-image",
    level: Level::High,
    values: &[
        ("kernel", "text: the kernel image"),
        ("name?", "text: the image's name"),
        (
            "known",
            "word: `image` if the image was read, `unknown` if it is gone or was not read",
        ),
    ],
    link: "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/UserProvidedKernels.html",
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let (Some(kernel), Some(id)) = (&facts.kernel, &facts.machine.kernel) else {
        return Vec::new();
    };
    if !facts.machine.is_paravirtual() {
        return Vec::new();
    }
    let finding = RULE
        .finding(pv_grub::doubtful_level(facts))
        .with("kernel", text(id))
        .because(seen("DescribeInstances", "KernelId", id))
        .command(facts.command("migrate"));
    match kernel {
        Kernel::PvGrub { .. } => Vec::new(),
        Kernel::Other { name } => {
            let evidence = seen("DescribeImages", "Name", name.as_deref().unwrap_or_default());
            vec![
                finding
                    .maybe("name", name.as_ref().map(text))
                    .with("known", word("image"))
                    .because(evidence),
            ]
        }
        Kernel::Unknown => vec![finding.with("known", word("unknown"))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{nitro, of, old, pv, with_event};

    #[test]
    fn whatever_is_no_pv_grub_is_told() {
        let gone = of(RULE, &pv("aki-00000001")).remove(0);
        assert_eq!((gone.level, &gone.values["known"]), (Level::High, &word("unknown")));
        let mut own = pv("aki-00000001");
        own.kernel = Some(Kernel::Other {
            name: Some("g2_aki_x86_64".to_owned()),
        });
        assert_eq!(of(RULE, &own)[0].values["name"], text("g2_aki_x86_64"));
        assert_eq!(of(RULE, &with_event(own, "system-reboot", 9))[0].level, Level::Critical);
    }

    #[test]
    fn pv_grub_and_hvm_are_not() {
        assert_eq!(of(RULE, &old()), []);
        assert_eq!(of(RULE, &nitro()), []);
    }
}
