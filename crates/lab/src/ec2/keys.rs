//! Key pairs.

use std::process::{Command, Stdio};

use base64::Engine as _;

use super::filter::{Filters, one};
use super::{Answer, Call, done, tag_set};
use crate::engine::network::KeyPair;
use crate::wire::{ApiError, Xml, iso};

fn add(call: &mut Call<'_>, name: String, public: String) -> Result<KeyPair, ApiError> {
    if call.region.keys.contains_key(&name) {
        return Err(ApiError::new(
            "InvalidKeyPair.Duplicate",
            format!("The keypair '{name}' already exists."),
        ));
    }
    let digest = crate::digest(&public, 32);
    let pairs: Vec<&str> = digest
        .as_bytes()
        .chunks(2)
        .filter_map(|pair| std::str::from_utf8(pair).ok())
        .collect();
    let key = KeyPair {
        id: call.world.id("key"),
        name: name.clone(),
        fingerprint: pairs.join(":"),
        public,
        created: call.now,
    };
    call.tag_new("key-pair", &key.id);
    call.region.keys.insert(name, key.clone());
    Ok(key)
}

pub(super) fn import(call: &mut Call<'_>) -> Answer {
    let name = call.params.required("KeyName")?.to_owned();
    let material = call.params.required("PublicKeyMaterial")?;
    let public = base64::engine::general_purpose::STANDARD
        .decode(material)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(|text| text.trim().to_owned())
        .filter(|text| text.starts_with("ssh-") || text.starts_with("ecdsa-"))
        .ok_or_else(|| ApiError::new("InvalidKey.Format", "Key is not in valid OpenSSH public key format"))?;
    let key = add(call, name, public)?;
    let mut xml = Xml::new();
    xml.text("keyName", &key.name)
        .text("keyFingerprint", &key.fingerprint)
        .text("keyPairId", &key.id);
    tag_set(&mut xml, call.region, &key.id);
    Ok(xml)
}

/// Makes a pair by ssh-keygen, and gives the private half away: the lab keeps the public one only.
pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let name = call.params.required("KeyName")?.to_owned();
    let kind = call.params.one_of("KeyType", &["rsa", "ed25519"])?.unwrap_or("rsa");
    call.params.one_of("KeyFormat", &["pem"])?;
    let (private, public) = generate(kind, &name).map_err(|error| {
        ApiError::internal(format!(
            "making a key with ssh-keygen (Debian's package openssh-client): {error}"
        ))
    })?;
    let key = add(call, name, public)?;
    let mut xml = Xml::new();
    xml.text("keyName", &key.name)
        .text("keyFingerprint", &key.fingerprint)
        .text("keyMaterial", private)
        .text("keyPairId", &key.id);
    tag_set(&mut xml, call.region, &key.id);
    Ok(xml)
}

/// The private and the public half of a new pair.
fn generate(kind: &str, comment: &str) -> std::io::Result<(String, String)> {
    // Nobody else can look into this folder, and it is gone at the end.
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("key");
    let output = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-m", "PEM", "-N", "", "-C", comment, "-f"])
        .arg(&path)
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        return Err(std::io::Error::other(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ));
    }
    let public = std::fs::read_to_string(path.with_extension("pub"))?;
    Ok((std::fs::read_to_string(&path)?, public.trim().to_owned()))
}

pub(super) fn delete(call: &mut Call<'_>) -> Answer {
    let name = match (call.params.text("KeyName"), call.params.text("KeyPairId")) {
        (Some(name), _) => Some(name.to_owned()),
        (None, Some(id)) => {
            let found = call.region.keys.values().find(|key| key.id == id);
            found.map(|key| key.name.clone())
        }
        (None, None) => return Err(ApiError::missing("KeyName")),
    };
    // One that is not there is no error.
    if let Some(key) = name.and_then(|name| call.region.keys.remove(&name)) {
        call.region.tags.remove(&key.id);
    }
    done()
}

pub(super) fn describe(call: &mut Call<'_>) -> Answer {
    let names = call.params.list("KeyName");
    let ids = call.params.list("KeyPairId");
    for name in &names {
        if !call.region.keys.contains_key(*name) {
            return Err(ApiError::new(
                "InvalidKeyPair.NotFound",
                format!("The key pair '{name}' does not exist"),
            ));
        }
    }
    let filters = Filters::parse(call.params)?;
    let mut found = Vec::new();
    for key in call.region.keys.values() {
        let named = (names.is_empty() || names.contains(&key.name.as_str()))
            && (ids.is_empty() || ids.contains(&key.id.as_str()));
        let keep = filters.keep(|name| match name {
            "key-name" => one(&key.name),
            "key-pair-id" => one(&key.id),
            "fingerprint" => one(&key.fingerprint),
            _ => call.tag_filter(&key.id, name),
        })?;
        if named && keep {
            found.push(key);
        }
    }
    let public = call.params.is_set("IncludePublicKey")?;
    let mut xml = Xml::new();
    xml.list("keySet", found, |xml, key| {
        xml.text("keyPairId", &key.id)
            .text("keyFingerprint", &key.fingerprint)
            .text("keyName", &key.name)
            .text(
                "keyType",
                if key.public.starts_with("ssh-ed25519") {
                    "ed25519"
                } else {
                    "rsa"
                },
            )
            .text("createTime", iso(key.created));
        if public {
            xml.text("publicKey", &key.public);
        }
        tag_set(xml, call.region, &key.id);
    });
    Ok(xml)
}
