//! Guests that are reached over a network: an address by DHCP, an SSH server, the power button, and who may log in.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::files::Content;
use super::recipe::{FirstBoot, Recipe};
use crate::{cache, run};

/// The pair of keys whose public half lets root in, as `ssh -i` takes it. Made once for the cache.
pub(crate) fn key() -> Result<PathBuf> {
    cache::ready(cache::folder("guests")?.join("ssh-key"), |folder| {
        let path = folder.join("ssh-key");
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-C", "guests of comeback", "-f"]);
        run::quietly(command.arg(&path))?;
        // The private half comes last: with it in place, the pair is whole.
        let public = cache::folder("guests")?.join("ssh-key.pub");
        fs::rename(cache::beside(&path, "pub"), &public).with_context(|| format!("creating {}", public.display()))?;
        Ok(path)
    })
}

/// The public half, as `authorized_keys` has it.
pub(crate) fn public_key() -> Result<String> {
    let path = cache::beside(&key()?, "pub");
    let text = fs::read_to_string(&path).with_context(|| {
        format!(
            "reading {} (remove the ssh-key beside it to have both made anew)",
            path.display()
        )
    })?;
    ensure!(text.starts_with("ssh-ed25519 "), "{}: not a public key", path.display());
    Ok(text)
}

/// The files that a recipe's settings ask for; `public_key` is let in where no cloud-init says who is.
pub(crate) fn files(recipe: &Recipe, public_key: &str) -> Vec<(String, Content)> {
    let Some(first_boot) = recipe.settings.first_boot() else {
        return Vec::new();
    };
    let text = |path: &str, text: &str| (path.to_owned(), Content::Text(text.to_owned()));
    let link = |path: &str, target| (format!("etc/systemd/system/{path}"), Content::Link(target));
    let mut files = vec![
        link(
            "multi-user.target.wants/systemd-networkd.service",
            "/lib/systemd/system/systemd-networkd.service",
        ),
        link(
            "sockets.target.wants/systemd-networkd.socket",
            "/lib/systemd/system/systemd-networkd.socket",
        ),
        // There is no logind, which needs dbus: acpid takes the power button.
        text("etc/acpi/events/power", POWER),
    ];
    match first_boot {
        FirstBoot::LongAgo => files.extend([
            text("etc/systemd/network/10-eth0.network", &network("eth0")),
            text("etc/machine-id", &format!("{}\n", machine_id(recipe))),
            text("root/.ssh/authorized_keys", public_key),
            text("etc/systemd/system/orders.socket", ORDERS_SOCKET),
            text("etc/systemd/system/orders@.service", ORDERS_SERVICE),
            link("sockets.target.wants/orders.socket", "../orders.socket"),
        ]),
        FirstBoot::CloudInit => files.extend([
            text("etc/systemd/network/10-any.network", &network("en* eth*")),
            // Empty is new, without the first boot's presets.
            text("etc/machine-id", ""),
            text("etc/cloud/cloud.cfg", CLOUD_CFG),
            text("etc/cloud/ds-identify.cfg", "policy: enabled\ndatasource: NoCloud\n"),
        ]),
    }
    files
}

fn network(names: &str) -> String {
    format!(
        "[Match]\nName={names}\n\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n\n\
         [DHCPv4]\nUseHostname=no\n"
    )
}

/// Always the same, as that of a guest that has been there for years.
fn machine_id(recipe: &Recipe) -> String {
    recipe.uuid().replace('-', "")
}

const POWER: &str = "event=button/power.*\naction=/sbin/poweroff\n";

const ORDERS_SOCKET: &str = "\
[Unit]
Description=The service that people use

[Socket]
ListenStream=8080
Accept=yes
";

const ORDERS_SERVICE: &str = "\
[Unit]
Description=One answer of the service that people use

[Service]
ExecStart=/bin/sh -c 'read request; printf \"HTTP/1.0 200 OK\\\\r\\\\nContent-Type: text/plain\\\\r\\\\n\\\\r\\\\n\"; cat /srv/data/SHA256SUMS'
StandardInput=socket
StandardOutput=socket
StandardError=journal
";

/// As Debian's own images for EC2 have it, less what costs seconds of an emulated boot and changes nothing here: who may log
/// in is known before the SSH server starts, and scripts run after.
const CLOUD_CFG: &str = "\
users: [default]
disable_root: true
preserve_hostname: false
manage_etc_hosts: localhost
datasource_list: [NoCloud]
network: {config: disabled}
ssh_genkeytypes: [ed25519]
cloud_init_modules: [bootcmd, write-files, set_hostname, update_etc_hosts, users-groups, ssh]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-user]
system_info:
  distro: debian
  default_user:
    name: admin
    lock_passwd: true
    gecos: Debian
    sudo: ['ALL=(ALL) NOPASSWD:ALL']
    shell: /bin/bash
  paths:
    cloud_dir: /var/lib/cloud/
    templates_dir: /etc/cloud/templates/
  ssh_svcname: ssh
";

#[cfg(test)]
mod tests {
    use super::super::recipe::tests::sample;
    use super::*;

    fn named(recipe: &Recipe) -> Vec<(String, Content)> {
        files(recipe, "ssh-ed25519 AAAA\n")
    }

    #[test]
    fn only_who_asks_has_a_network() {
        assert_eq!(named(&sample()), []);
    }

    #[test]
    fn the_key_is_let_in_where_no_cloud_init_decides() {
        let key = (
            "root/.ssh/authorized_keys".to_owned(),
            Content::Text("ssh-ed25519 AAAA\n".to_owned()),
        );
        let mut recipe = sample();
        recipe.settings.server = true;
        assert!(named(&recipe).contains(&key));
        recipe.settings.server = false;
        recipe.settings.cloud_init = true;
        let files = named(&recipe);
        assert!(!files.contains(&key));
        assert!(files.iter().any(|(path, _)| path == "etc/cloud/cloud.cfg"));
    }
}
