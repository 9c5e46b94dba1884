//! What a person has to know before agreeing: what of the source's identity is lost, and what surprises.

use comeback_cloud::model::{AddressOwner, InstanceState};

use super::outlook::Outlook;
use super::{Level, Notice, Plan, Reach, Volumes};

/// Everything that is worth knowing of a plan, what matters most last. `store_gb` is the size of the disks that the source's host
/// lends it, in GB.
pub fn of(plan: &Plan, store_gb: u64, outlook: &Outlook) -> Vec<Notice> {
    let source = &plan.source.instance;
    let mut notices = Vec::new();
    let mut note = |level, id: &str, text: String, remedy: Option<&str>| {
        notices.push(Notice {
            id: id.to_owned(),
            level,
            text,
            remedy: remedy.map(str::to_owned),
        });
    };
    note(
        Level::Info,
        "instance-id-changes",
        "the target has another instance id: alarms, scripts and inventories that name the old one do not follow"
            .to_owned(),
        Some("search them for the old id before `comeback finalize`"),
    );
    note(
        Level::Info,
        "cloud-init-runs-again",
        "cloud-init in the guest, if there is one, sees a new instance: scripts of the user data run again, and the guest's SSH \
         host keys may be made anew"
            .to_owned(),
        Some("look at the user data; mark what must not run twice"),
    );
    if source.state == InstanceState::Running {
        note(
            Level::Info,
            "snapshot-of-running",
            "the snapshots of step 0 are taken while it runs: they are what a power failure would leave".to_owned(),
            None,
        );
    }
    if plan.target.instance_type != source.instance_type {
        note(
            Level::Info,
            "reservation-stays",
            format!(
                "whether {} is reserved was not asked: a reservation is paid on, and does not cover {}",
                source.instance_type, plan.target.instance_type
            ),
            Some("aws ec2 describe-reserved-instances; sell it, or exchange it for the new type"),
        );
    }
    if plan.volumes == Volumes::Original {
        note(
            Level::Info,
            "original-volumes",
            "the source's own volumes go on; the patch on the root is saved, and the disk still boots as PV".to_owned(),
            Some("--on copy leaves them alone, and takes longer"),
        );
    }
    note(
        Level::Info,
        "classic-load-balancers",
        "places in target groups move; classic load balancers, alarms and DNS are not looked at".to_owned(),
        Some("register the target there by hand"),
    );
    if !source.interfaces.iter().all(|interface| interface.ipv6.is_empty()) {
        note(
            Level::Warning,
            "ipv6-changes",
            "the IPv6 addresses of its primary interface stay with the source".to_owned(),
            Some("give the target new ones, and change what names the old"),
        );
    }
    if store_gb > 0 {
        note(
            Level::Warning,
            "instance-store-lost",
            format!(
                "{} has up to {store_gb} GB of its host's own disks, and the stop erases what is on them; fstab may name them",
                source.instance_type
            ),
            Some("look at what is mounted from there, and copy what is needed"),
        );
    }
    for volume in plan.source.volumes.iter().filter(|volume| volume.encrypted) {
        let key = volume.kms_key.as_deref().unwrap_or("the key of the account");
        let foreign = key_account(key).is_some_and(|owner| owner != plan.account.as_str());
        let whose = if foreign { ", which is another account's" } else { "" };
        note(
            Level::Info,
            "key-is-tried",
            format!(
                "{} is encrypted with {key}{whose}: whether that key may still be used is tried before anything stops, with a \
                 volume that is made from a snapshot and deleted again",
                volume.id
            ),
            Some("its policy has to allow kms:CreateGrant, kms:Decrypt and kms:GenerateDataKeyWithoutPlaintext"),
        );
    }
    if source.placement.group.is_some() || source.placement.host.is_some() {
        note(
            Level::Warning,
            "placement",
            "it is in a placement group or on a dedicated host, which may not take the target's type".to_owned(),
            Some("see what the group or host takes; name a type with --type"),
        );
    }
    if let Some(private) = source.private_ip {
        let name = source
            .private_dns
            .as_deref()
            .filter(|name| !name.is_empty())
            .map(|name| format!(" (and the name {name})"))
            .unwrap_or_default();
        note(
            Level::Warning,
            "private-address-changes",
            format!("the primary private address {private}{name} stays with the source: the target gets other ones"),
            Some(
                "`comeback finalize RUN --keep-private-ip` keeps it, once the run is complete: by a second outage, and without a way \
                 back to the source but its image; or change what names it",
            ),
        );
    }
    let lent = source
        .primary_interface()
        .and_then(|interface| interface.addresses.first())
        .filter(|address| address.owner == Some(AddressOwner::Amazon))
        .and_then(|address| address.public);
    if let Some(lent) = lent {
        note(
            Level::Warning,
            "public-address-lost",
            format!("the public address {lent} is lent, and lost as soon as the source stops"),
            Some("change what names it; an Elastic IP stays"),
        );
    }
    if plan.verify.reach == Reach::Public && source.public_ip.is_none() {
        note(
            Level::Warning,
            "host-may-be-unreachable",
            "the source has no public address, and the host is to be reached by one".to_owned(),
            Some("--reach private, from a machine within the network"),
        );
    }
    if let Some(member) = &plan.source.scaling {
        note(
            Level::Warning,
            "auto-scaling-standby",
            format!(
                "it is on standby in the Auto Scaling group {}: the target is no member of it, and the group's own new instances \
                 are as paravirtual as before",
                member.group
            ),
            Some(
                "do not end the standby before the migration is over; then give the group an HVM image, and attach the target \
                 (aws autoscaling attach-instances)",
            ),
        );
    }
    for event in outlook.events(&source.id) {
        let minute = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M UTC");
        let longest = jiff::SignedDuration::from_secs(i64::try_from(plan.downtime_s.longest).unwrap_or(i64::MAX));
        let over = plan.made.checked_add(longest).unwrap_or(jiff::Timestamp::MAX);
        let (level, text, remedy) = match event.not_before {
            Some(at) if at > over => (
                Level::Info,
                format!(
                    "{}, not before {}: it is of the source, and strikes nothing once the target has its volumes",
                    event.code,
                    minute(at)
                ),
                "migrate before then",
            ),
            at => (
                Level::Warning,
                format!(
                    "{}{}: it may strike while the migration goes on",
                    event.code,
                    at.map_or_else(String::new, |at| format!(", not before {}", minute(at)))
                ),
                "put it off first (comeback postpone), or stop the instance now",
            ),
        };
        note(level, "event-is-scheduled", text, Some(remedy));
    }
    let let_in = outlook.let_in(&source.security_groups, plan.verify.ssh_port);
    if let_in.is_empty() {
        note(
            Level::Warning,
            "ssh-is-closed",
            "none of its security groups lets anybody in by SSH, and the host, which gets the same groups, is reached by that"
                .to_owned(),
            Some("let your address in for the time of the migration: aws ec2 authorize-security-group-ingress"),
        );
    } else {
        note(
            Level::Info,
            "ssh-is-open-to",
            format!(
                "the host gets the source's security groups; by SSH they let in {}",
                let_in.into_iter().collect::<Vec<_>>().join(", ")
            ),
            Some("make sure that this machine is among them"),
        );
    }
    if plan.verify.ports.is_empty() && plan.verify.command.is_none() {
        note(
            Level::Warning,
            "function-not-verified",
            "status checks and console tell that it boots, not that it serves".to_owned(),
            Some("name ports with --verify-port or a check with --verify-command"),
        );
    }
    notices.extend(plan.disk.iter().flat_map(|disk| disk.findings.iter().cloned()));
    notices.sort_by_key(|notice| notice.level);
    notices
}

/// The account of a key's ARN, `arn:aws:kms:REGION:ACCOUNT:key/ID`.
fn key_account(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:")?.split(':').nth(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_name_their_account() {
        for (arn, account) in [
            (
                "arn:aws:kms:ap-northeast-1:123456789012:key/00000000",
                Some("123456789012"),
            ),
            ("arn:aws-cn:kms:cn-north-1:210987654321:key/0", Some("210987654321")),
            ("the key of the account", None),
            ("arn:aws", None),
        ] {
            assert_eq!(key_account(arn), account, "{arn}");
        }
    }
}
