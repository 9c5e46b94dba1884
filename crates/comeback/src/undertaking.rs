//! A run that this process carries out: from the journal and the account to what is told of it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use comeback_cloud::Region;
use comeback_migrate::action::Context;
use comeback_migrate::engine::Engine;
use comeback_migrate::plan::Plan;
use comeback_migrate::run::RunId;
use comeback_migrate::ssh::SshHosts;
use comeback_migrate::store::{Held, Store};

use crate::cli::{AccountArguments, CarryArguments};
use crate::exit::Expected;
use crate::narrator::{Narrator, Teller};
use crate::{account, narrator};

/// How long one try to reach a host may take; it is tried again for as long as `--host-within` says.
const ANSWERS: Duration = Duration::from_secs(15);

/// What people know an instance by.
pub(crate) fn known_as(plan: &Plan) -> String {
    let id = plan.instance();
    plan.source
        .instance
        .name()
        .map_or_else(|| id.to_string(), |name| format!("{id} ({name})"))
}

/// Lets the program end on Ctrl-C without losing anything: what was begun is in the journal. `advice` says how it goes on.
pub(crate) async fn unless_interrupted<T>(
    work: impl Future<Output = Result<T>>,
    narrator: &Narrator,
    advice: &str,
) -> Result<T> {
    tokio::select! {
        result = work => {
            narrator.rest();
            result
        }
        _ = tokio::signal::ctrl_c() => {
            narrator.interrupt();
            bail!("interrupted; nothing is lost. {advice}")
        }
    }
}

/// A run that this process carries out.
pub(crate) struct Undertaking {
    pub(crate) engine: Engine,
    pub(crate) plan: Plan,
    pub(crate) teller: Teller,
    _held: Held,
}

impl Undertaking {
    /// Begins a run for a plan. `shutdown` is how long a guest may take to shut down before its power is taken away, where that is
    /// not as usual.
    pub(crate) async fn begin(
        store: &Store,
        region: &Region,
        plan: Plan,
        carry: &CarryArguments,
        narrator: &Narrator,
        shutdown: Option<Duration>,
    ) -> Result<Self> {
        let run = RunId::new(jiff::Zoned::now().date());
        let held = store.hold(&run)?;
        let mut context = Context::new(run, plan.clone(), region.clone(), hosts(carry), held.folder.clone());
        let teller = narrator.teller(plan.instance().as_str(), &known_as(&plan));
        context.reporter = teller.reporter();
        context.patience.host = Duration::from_secs(carry.host_within);
        context.patience.shutdown = shutdown.unwrap_or(context.patience.shutdown);
        let value = serde_json::to_value(&plan)?;
        let engine = Engine::begin(store.journal().clone(), context, &value, None).await?;
        Ok(Self {
            engine,
            plan,
            teller,
            _held: held,
        })
    }

    /// Takes up a run that the journal has.
    pub(crate) async fn take_up(
        store: &Store,
        name: &str,
        account: &AccountArguments,
        carry: &CarryArguments,
        start: bool,
    ) -> Result<(Self, Narrator)> {
        let head = store.journal().find(name)?;
        let plan: Plan = serde_json::from_value(store.journal().plan(&head.id)?)
            .with_context(|| format!("reading the plan of run {}", head.id))?;
        let region = region_of(&plan, account).await?;
        let held = store.hold(&head.id)?;
        let mut context = Context::new(head.id.clone(), plan.clone(), region, hosts(carry), held.folder.clone());
        let name = known_as(&plan);
        narrator::begin(carry.json)?;
        let narrator = Narrator::new(carry.json, std::slice::from_ref(&name));
        let teller = narrator.teller(plan.instance().as_str(), &name);
        context.reporter = teller.reporter();
        context.patience.host = Duration::from_secs(carry.host_within);
        context.start_source = start;
        let one = Self {
            engine: Engine::take_up(store.journal().clone(), context, None)?,
            plan,
            teller,
            _held: held,
        };
        Ok((one, narrator))
    }
}

fn hosts(carry: &CarryArguments) -> Arc<SshHosts> {
    let answers = ANSWERS.min(Duration::from_secs(carry.host_within));
    Arc::new(SshHosts { answers })
}

/// The plan's region, which has to be of the plan's account.
async fn region_of(plan: &Plan, account: &AccountArguments) -> Result<Region> {
    let account = AccountArguments {
        profile: account.profile.clone(),
        region: Some(plan.region.clone()),
        role_arn: account.role_arn.clone(),
        rate_share: account.rate_share,
    };
    let region = account::region(&account).await?;
    if region.account() != Some(&plan.account) {
        return Err(Expected::Refused(format!(
            "the run is in account {}, and these credentials are for {}: take other ones with --profile or --role-arn",
            plan.account,
            region.account().map_or("an unknown one", |account| account.as_str())
        ))
        .into());
    }
    Ok(region)
}
