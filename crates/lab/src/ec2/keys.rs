//! Key pairs.

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

/// The lab makes no keys of its own: whoever needs one that opens a machine imports it.
pub(super) fn create(call: &mut Call<'_>) -> Answer {
    call.params.required("KeyName")?;
    Err(ApiError::unsupported(
        "The lab makes no private keys. Make one (ssh-keygen) and import its public half with ImportKeyPair.",
    ))
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
