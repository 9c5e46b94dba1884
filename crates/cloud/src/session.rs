//! Whose credentials are used, and from there to the regions.

use crate::{
    budget::Budget,
    calls::{
        Observer, actions,
        caller::{Ask, Caller},
    },
    endpoint,
    error::{CloudError, ErrorKind},
    ids::{AccountId, RegionName},
    model::{AccountStatus, Identity, KnownRegion, OrganizationAccount},
    poller::{Poller, Polling},
    region::{Region, Shared},
};
use aws_config::{
    BehaviorVersion, SdkConfig, profile::ProfileFileCredentialsProvider, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_credential_types::provider::{
    ProvideCredentials, SharedCredentialsProvider, error::CredentialsError,
    future::ProvideCredentials as ProvidingCredentials,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_types::os_shim_internal::{Env, Fs};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Where STS is asked while no region is known.
const STS_REGION: &str = "us-east-1";
/// Whom the account's trail shows behind the calls of an assumed role.
const SESSION_NAME: &str = "comeback";

/// How a session is made. The defaults take everything from the environment and the files that the AWS command line uses:
/// `AWS_PROFILE`, `~/.aws/config`, single sign-on, credential processes, instance roles, `AWS_ENDPOINT_URL`.
#[derive(Debug, Clone)]
pub struct Options {
    /// Profile in `~/.aws/config`, which comes before keys in the environment; nothing means the environment's keys, then
    /// `AWS_PROFILE` or `default`.
    pub profile: Option<String>,
    /// Region; nothing means that of the environment or profile.
    pub region: Option<RegionName>,
    /// A role to take on first.
    pub role_arn: Option<String>,
    /// The external id that the role asks for.
    pub external_id: Option<String>,
    /// The part of the documented rates that may be used, more than 0 and at most 1.
    pub share: f64,
    /// How often waits look.
    pub polling: Polling,
    /// Pause before the second attempt at a call; each further one is twice as long.
    pub backoff: Duration,
    /// Looks on at every call.
    pub observer: Option<Arc<dyn Observer>>,
    /// Another endpoint for all services, before that of the environment.
    pub endpoint: Option<String>,
    /// Fixed keys, before those of the environment.
    pub keys: Option<Keys>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            profile: None,
            region: None,
            role_arn: None,
            external_id: None,
            share: 0.5,
            polling: Polling::default(),
            backoff: Duration::from_millis(200),
            observer: None,
            endpoint: None,
            keys: None,
        }
    }
}

/// An access key. It shows its name only.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// Name of the key.
    pub access_key: String,
    /// The key.
    pub secret_key: String,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}

/// Somebody's access to one account.
#[derive(Debug, Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    sdk: SdkConfig,
    identity: Identity,
    options: Options,
    estate: Arc<Estate>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The SDK's configuration is left out: it holds the credentials.
        f.debug_struct("Session")
            .field("identity", &self.identity)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// What all sessions that come from one another share: the budgets and waits of each account and region.
#[derive(Debug, Default)]
struct Estate {
    regions: Mutex<BTreeMap<(AccountId, RegionName), Arc<Shared>>>,
}

impl Session {
    /// Finds credentials, takes on the role if there is one, and asks whose they are.
    ///
    /// # Errors
    /// [`ErrorKind::Credentials`] when there are none or they are not accepted, [`ErrorKind::InvalidParameter`] for a share
    /// out of its range, and what a call can fail with.
    pub async fn load(options: Options) -> Result<Session, CloudError> {
        if !(options.share > 0.0 && options.share <= 1.0) {
            let message = format!(
                "a share of {} of the rate: expected more than 0 and at most 1",
                options.share
            );
            return Err(CloudError::new(
                &actions::GET_CALLER_IDENTITY,
                "",
                ErrorKind::InvalidParameter,
                message,
            ));
        }
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http.clone())
            // Every attempt takes from the budget and is seen by the observer, so they are made here: `calls::caller`.
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(5))
                    .operation_attempt_timeout(Duration::from_secs(60))
                    .build(),
            );
        if let Some(profile) = &options.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &options.region {
            loader = loader.region(aws_config::Region::new(region.to_string()));
        }
        match &options.endpoint {
            Some(endpoint) => loader = loader.endpoint_url(endpoint),
            None => {
                endpoint::check(std::env::vars_os())?;
                endpoint::check_files(&Fs::real(), &Env::real(), options.profile.as_deref()).await?;
            }
        }
        if let Some(keys) = &options.keys {
            let credentials =
                aws_credential_types::Credentials::new(&keys.access_key, &keys.secret_key, None, None, "Keys");
            loader = loader.credentials_provider(credentials);
        }
        let mut sdk = loader.load().await;
        if let (Some(profile), None) = (&options.profile, &options.keys) {
            sdk = of_profile(sdk, profile, http);
        }
        let (role, external_id) = (options.role_arn.clone(), options.external_id.clone());
        let sdk = match role {
            Some(role) => assumed(&sdk, &role, external_id.as_deref()).await,
            None => sdk,
        };
        Session::new(sdk, options, Arc::default()).await
    }

    async fn new(sdk: SdkConfig, options: Options, estate: Arc<Estate>) -> Result<Session, CloudError> {
        let identity = identity(&sdk, &options).await?;
        Ok(Session {
            inner: Arc::new(Inner {
                sdk,
                identity,
                options,
                estate,
            }),
        })
    }

    /// Takes on a role, of another account too. Both sessions share the budgets of the accounts that they reach.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] when the role may not be taken on, and what a call can fail with.
    pub async fn assume(&self, role_arn: &str, external_id: Option<&str>) -> Result<Session, CloudError> {
        let sdk = assumed(&self.inner.sdk, role_arn, external_id).await;
        Session::new(sdk, self.inner.options.clone(), Arc::clone(&self.inner.estate)).await
    }

    /// Whose credentials these are.
    pub fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    /// The region of the options, the environment or the profile.
    pub fn default_region(&self) -> Option<RegionName> {
        self.inner
            .sdk
            .region()
            .map(|region| RegionName::from_api(region.as_ref()))
    }

    /// A region of the account. It is made without a call; what is asked of it shares one budget and one poller with all
    /// others of the same account and region.
    pub fn region(&self, name: &RegionName) -> Region {
        let account = &self.inner.identity.account;
        let options = &self.inner.options;
        let shared = {
            let mut regions = self.inner.estate.regions.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(regions.entry((account.clone(), name.clone())).or_insert_with(|| {
                Arc::new(Shared {
                    budget: Arc::new(Budget::new(options.share)),
                    poller: Poller::new(options.polling),
                })
            }))
        };
        let caller = Caller {
            account: Some(account.clone()),
            region: name.clone(),
            budget: Arc::clone(&shared.budget),
            observer: options.observer.clone(),
            backoff: options.backoff,
        };
        Region::new(&self.inner.sdk, caller, shared)
    }

    /// The regions that are switched on for the account, in the order of their names.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn regions(&self) -> Result<Vec<RegionName>, CloudError> {
        self.region(&self.home()).enabled_regions().await
    }

    /// Where what is the same in all regions is asked for.
    fn home(&self) -> RegionName {
        self.default_region()
            .unwrap_or_else(|| RegionName::from_api(STS_REGION))
    }

    /// All regions that AWS has, those included that the account has not switched on, in the order of their names.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn known_regions(&self) -> Result<Vec<KnownRegion>, CloudError> {
        self.region(&self.home()).known_regions().await
    }

    /// All accounts of the organization that these credentials are of: its management account's, or a delegated
    /// administrator's.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn organization(&self) -> Result<Vec<OrganizationAccount>, CloudError> {
        // Organizations has one endpoint for all regions of a partition, and its model finds it by any of them.
        let region = self.home();
        let config = aws_sdk_organizations::config::Builder::from(&self.inner.sdk)
            .region(aws_config::Region::new(region.to_string()))
            .build();
        let client = aws_sdk_organizations::Client::from_conf(config);
        let caller = Caller {
            account: Some(self.inner.identity.account.clone()),
            region,
            budget: Arc::new(Budget::new(self.inner.options.share)),
            observer: self.inner.options.observer.clone(),
            backoff: self.inner.options.backoff,
        };
        let action = &actions::LIST_ACCOUNTS;
        let mut found = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let answer = caller
                .call(Ask::new(action, ""), || {
                    client.list_accounts().set_next_token(next.clone()).send()
                })
                .await?;
            found.extend(answer.accounts.unwrap_or_default().into_iter().filter_map(account));
            next = answer.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(found);
            }
        }
    }
}

/// Nothing without the account's number.
#[allow(
    deprecated,
    reason = "`State` has replaced `Status` of late: older endpoints answer `Status` alone"
)]
fn account(from: aws_sdk_organizations::types::Account) -> Option<OrganizationAccount> {
    let status = (from.state.as_ref().map(|state| state.as_str())).or(from.status.as_ref().map(|s| s.as_str()));
    Some(OrganizationAccount {
        id: AccountId::from_api(from.id?),
        name: from.name.filter(|name| !name.is_empty()),
        status: AccountStatus::from(status.unwrap_or("ACTIVE")),
    })
}

/// With a profile's credentials and no others. The SDK's own order has the keys of the environment before a profile that is
/// named: one account would be taken for another. The AWS command line has the profile first.
fn of_profile(
    sdk: SdkConfig,
    profile: &str,
    http: aws_smithy_runtime_api::client::http::SharedHttpClient,
) -> SdkConfig {
    let region = sdk.region().cloned();
    let region = region.unwrap_or_else(|| aws_config::Region::new(STS_REGION));
    let surroundings = aws_config::provider_config::ProviderConfig::default()
        .with_http_client(http)
        .with_region(Some(region));
    let provider = ProfileFileCredentialsProvider::builder()
        .profile_name(profile)
        .configure(&surroundings)
        .build();
    let provider = OfProfile {
        name: profile.to_owned(),
        provider,
    };
    sdk.into_builder()
        .credentials_provider(SharedCredentialsProvider::new(provider))
        .build()
}

/// Credentials of a profile. Where it has none, the SDK only says that something is not enabled.
#[derive(Debug)]
struct OfProfile {
    name: String,
    provider: ProfileFileCredentialsProvider,
}

impl ProvideCredentials for OfProfile {
    fn provide_credentials<'a>(&'a self) -> ProvidingCredentials<'a>
    where
        Self: 'a,
    {
        ProvidingCredentials::new(async {
            self.provider.provide_credentials().await.map_err(|error| match error {
                CredentialsError::CredentialsNotLoaded(_) => CredentialsError::invalid_configuration(format!(
                    "the files of the AWS command line (~/.aws/config, ~/.aws/credentials) have no profile {} with credentials",
                    self.name
                )),
                error => error,
            })
        })
    }
}

/// The same configuration with the credentials of a role. They are fetched when they are first needed, and again before
/// they run out.
async fn assumed(sdk: &SdkConfig, role_arn: &str, external_id: Option<&str>) -> SdkConfig {
    let mut provider = aws_config::sts::AssumeRoleProvider::builder(role_arn)
        .session_name(SESSION_NAME)
        .configure(sdk);
    if let Some(external_id) = external_id {
        provider = provider.external_id(external_id);
    }
    if sdk.region().is_none() {
        provider = provider.region(aws_config::Region::new(STS_REGION));
    }
    let provider = provider.build().await;
    sdk.clone()
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(provider))
        .build()
}

async fn identity(sdk: &SdkConfig, options: &Options) -> Result<Identity, CloudError> {
    let region = sdk
        .region()
        .map_or_else(|| aws_config::Region::new(STS_REGION), Clone::clone);
    let client = aws_sdk_sts::Client::from_conf(aws_sdk_sts::config::Builder::from(sdk).region(region.clone()).build());
    let caller = Caller {
        account: None,
        region: RegionName::from_api(region.as_ref()),
        budget: Arc::new(Budget::new(1.0)),
        observer: options.observer.clone(),
        backoff: options.backoff,
    };
    let action = &actions::GET_CALLER_IDENTITY;
    let answer = caller
        .call(Ask::new(action, ""), || client.get_caller_identity().send())
        .await?;
    let (Some(account), Some(arn), Some(user)) = (answer.account, answer.arn, answer.user_id) else {
        let message = "the answer names no account";
        return Err(CloudError::new(
            action,
            "",
            ErrorKind::Other("IncompleteAnswer".to_owned()),
            message,
        ));
    };
    Ok(Identity {
        account: AccountId::from_api(account),
        arn,
        user,
    })
}
