//! Endpoints that somebody has set, looked at before the SDK takes them: it panics where one is empty, and where one is no URL
//! it says so at the first call, with the whole request around it.

use crate::{
    calls::actions,
    error::{CloudError, ErrorKind},
};
use aws_runtime::env_config::{EnvConfigValue, file::EnvConfigFiles};
use aws_types::os_shim_internal::{Env, Fs};
use std::{borrow::Cow, ffi::OsString};

/// How variables begin that lead to another endpoint than AWS's; one for a single service has its name behind it.
const VARIABLE: &str = "AWS_ENDPOINT_URL";
/// The same in configuration files.
const KEY: &str = "endpoint_url";
/// The services that are asked, and those that credentials come from, by the ids that configuration files know.
const SERVICES: [&str; 8] = [
    "auto_scaling",
    "ec2",
    "elastic_load_balancing_v2",
    "organizations",
    "ssm",
    "sso",
    "sso_oidc",
    "sts",
];

/// Looks at the variables of the environment. The SDK looks for them by itself for each service, so that they cannot be taken
/// away here.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`] for one that leads nowhere.
pub(crate) fn check(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<(), CloudError> {
    for (name, value) in variables {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        if name.starts_with(VARIABLE) && !is_url(&value) {
            return Err(bad(&name, &value, "unset it"));
        }
    }
    Ok(())
}

/// The same for the files of a profile: `endpoint_url` of the profile, or of a service in the section that its `services` names.
///
/// # Errors
/// As [`check`].
pub(crate) async fn check_files(fs: &Fs, env: &Env, profile: Option<&str>) -> Result<(), CloudError> {
    let profile = profile.map(|name| Cow::Owned(name.to_owned()));
    // Files that cannot be read are for the SDK to complain of.
    let Ok(files) = aws_config::profile::load(fs, env, &EnvConfigFiles::default(), profile).await else {
        return Ok(());
    };
    for service in SERVICES {
        // What is in the environment comes first, and makes the files' own of no account.
        let key = EnvConfigValue::new().env(VARIABLE).profile(KEY).service_id(service);
        if let Some((value, place)) = key.load(env, Some(&files))
            && !is_url(&value)
        {
            let name = format!("{KEY} in the AWS configuration files ({place})");
            return Err(bad(&name, &value, "remove the line"));
        }
    }
    Ok(())
}

fn is_url(value: &str) -> bool {
    ["https://", "http://"]
        .iter()
        .any(|scheme| value.strip_prefix(scheme).is_some_and(|host| !host.is_empty()))
}

fn bad(name: &str, value: &str, remedy: &str) -> CloudError {
    let what = if value.is_empty() {
        "is empty".to_owned()
    } else {
        format!("is {value:?}")
    };
    CloudError::new(
        &actions::GET_CALLER_IDENTITY,
        "",
        ErrorKind::InvalidParameter,
        format!("{name} {what}: expected a URL that begins with https:// or http://; {remedy} to reach AWS itself"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_variable_that_leads_nowhere_is_an_error() {
        let with = |name: &str, value: &str| check([(name.into(), value.into())].into_iter());
        for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"] {
            for (value, told) in [
                ("", "is empty"),
                ("localhost:4566", "is \"localhost:4566\""),
                ("http://", "is \"http://\""),
            ] {
                let error = with(name, value).unwrap_err();
                assert_eq!(error.kind, ErrorKind::InvalidParameter);
                assert!(error.to_string().contains(&format!("{name} {told}")), "{error}");
            }
            with(name, "http://127.0.0.1:1").unwrap();
        }
        with("AWS_PROFILE", "").unwrap();
    }

    #[tokio::test]
    async fn a_line_that_leads_nowhere_is_an_error() {
        let env = Env::from_slice(&[("HOME", "/home")]);
        let with = |config: &str| Fs::from_slice(&[("/home/.aws/config", config)]);
        let service = "[default]\nservices = lab\n[services lab]\nec2 =\n  endpoint_url =\n";
        for (config, place) in [
            ("[default]\nendpoint_url =\n", "profile (`default`)"),
            (service, "service-specific (`ec2`)"),
        ] {
            let error = check_files(&with(config), &env, None).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::InvalidParameter);
            assert!(error.to_string().contains(place), "{error}");
        }
        let other = "[default]\nregion = x\n[profile other]\nendpoint_url =\n";
        check_files(&with(other), &env, None).await.unwrap();
        let named = check_files(&with(other), &env, Some("other")).await;
        assert!(named.unwrap_err().to_string().contains("profile (`other`)"));
        // The environment has the last word.
        let set = Env::from_slice(&[("HOME", "/home"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:1")]);
        check_files(&with(other), &set, Some("other")).await.unwrap();
        check_files(&with("[default"), &env, None).await.unwrap();
    }
}
