//! `comeback notify`: tells a webhook what changed since it was last told.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use comeback_report::notify;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use ureq::http::Uri;

use crate::cli::report::NotifyArguments;
use crate::exit::{Exit, Expected};
use crate::{keep, output, report};

/// How long a webhook may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of a refusal is shown, in bytes.
const SHOWN: u64 = 500;
/// Shortest part of an address that is taken for a secret, in bytes.
const SHORTEST_SECRET: usize = 6;

pub(crate) fn run(arguments: &NotifyArguments) -> Result<Exit> {
    arguments.webhook.as_deref().map(check_address).transpose()?;
    let audit = report::load(&arguments.audit)?;
    let options = report::options(&arguments.reader);
    let memory = arguments
        .webhook
        .as_deref()
        .map(|webhook| memory(arguments, webhook))
        .transpose()?;
    let earlier = match (&arguments.since, &memory) {
        (Some(path), _) => Some(report::load(path)?),
        (None, Some(path)) if path.exists() => Some(report::load(path)?),
        _ => None,
    };
    let (message, text) = match &earlier {
        None => (Some(notify::summary(&audit, &options)), None),
        Some(earlier) => (
            notify::difference(earlier, &audit, &options),
            Some(notify::difference_text(earlier, &audit, &options)),
        ),
    };
    if arguments.dry_run {
        match &message {
            Some(message) => output::json(message)?,
            None => output::say("Nothing changed: nothing would be posted.\n"),
        }
        return Ok(Exit::Done);
    }
    if let Some(text) = &text {
        output::print(text)?;
    }
    if let (Some(message), Some(webhook)) = (&message, &arguments.webhook) {
        post(webhook, message)?;
        output::say("Posted.\n");
    } else {
        output::say("Nothing changed: nothing was posted.\n");
    }
    // Only what was told is remembered: a message that got lost is told again.
    if let Some(memory) = &memory {
        remember(memory, &arguments.audit)?;
    }
    Ok(Exit::Done)
}

/// Where it is remembered what a webhook was told, without its address, which is a secret.
fn memory(arguments: &NotifyArguments, webhook: &str) -> Result<PathBuf> {
    let state = match &arguments.state {
        Some(folder) => folder.clone(),
        None => keep::state_folder("what was told", "--state")?,
    };
    let mut hash = Sha256::new();
    hash.update(webhook);
    hash.update([0]);
    hash.update(arguments.reader.client.as_deref().unwrap_or_default());
    let name: String = hash
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(state.join("told").join(format!("{name}.json")))
}

fn remember(memory: &Path, audit: &Path) -> Result<()> {
    let folder = memory.parent().context("the memory has no folder")?;
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let new = memory.with_extension("new");
    fs::copy(audit, &new).with_context(|| format!("writing {}", new.display()))?;
    fs::rename(&new, memory).with_context(|| format!("writing {}", memory.display()))
}

/// Refuses an address that is none, without showing it.
fn check_address(webhook: &str) -> Result<()> {
    let is_one = webhook
        .parse::<Uri>()
        .is_ok_and(|uri| matches!(uri.scheme_str(), Some("https" | "http")) && uri.host().is_some());
    if is_one {
        return Ok(());
    }
    let why = "the webhook is no address: expected is one such as https://hooks.example.com/…";
    Err(Expected::Usage(why.to_owned()).into())
}

/// Posts a message. The address is kept out of all errors.
fn post(webhook: &str, message: &Value) -> Result<()> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        // A message that is led elsewhere arrives there without its text.
        .max_redirects(0)
        .build()
        .into();
    let body = serde_json::to_vec(message)?;
    let answer = agent
        .post(webhook)
        .header("content-type", "application/json")
        .send(&body[..]);
    let mut answer = match answer {
        Ok(answer) => answer,
        Err(error) => bail!("the webhook was not reached: {}", hidden(&error.to_string(), webhook)),
    };
    if answer.status().is_success() {
        return Ok(());
    }
    let said = answer
        .body_mut()
        .with_config()
        .limit(SHOWN)
        .read_to_string()
        .unwrap_or_default();
    bail!(
        "the webhook answered {} ({}); nothing was told, and the next time it is tried again",
        answer.status(),
        output::printable(hidden(said.trim(), webhook).as_str())
    )
}

/// A text without the webhook's address, and without the parts of it that make it a secret: what answers may repeat them.
fn hidden(text: &str, webhook: &str) -> String {
    let address = webhook.split_once("://").map_or(webhook, |(_, address)| address);
    let (authority, path) = address.split_once('/').unwrap_or((address, ""));
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    let mut parts: Vec<&str> = vec![webhook, address, path, user];
    parts.extend(user.split(':').chain(path.split(['/', '?', '&', '=', '#'])));
    // The longest first, so that none is left over of one that has it in it. Short ones are words like any.
    parts.retain(|part| part.len() >= SHORTEST_SECRET);
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts.iter().fold(text.to_owned(), |text, part| text.replace(part, "…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_the_address_is_shown() {
        let webhook = "https://user:pass-T0P@hooks.example.com/services/T0000001/xoxb-SECRET?key=ABCDEFGH";
        for said in [
            format!("GET {webhook} failed"),
            "no such hook: /services/T0000001/xoxb-SECRET?key=ABCDEFGH".to_owned(),
            "xoxb-SECRET is revoked, and T0000001 too; ABCDEFGH".to_owned(),
            "pass-T0P".to_owned(),
        ] {
            let shown = hidden(&said, webhook);
            for secret in ["pass-T0P", "T0000001", "xoxb-SECRET", "ABCDEFGH"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
        assert_eq!(
            hidden("invalid_token at example.com", webhook),
            "invalid_token at example.com"
        );
        assert_eq!(hidden("no", "http://127.0.0.1:8080"), "no");
    }
}
