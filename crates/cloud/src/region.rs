//! What can be asked of, and done in, one region of one account.

mod balancers;
mod catalogue;
mod instances;
mod life;
mod modify;
mod network;
mod scaling;
mod storage;
mod waits;

use crate::{
    budget::Budget,
    calls::{Action, caller::Caller},
    error::{CloudError, ErrorKind},
    ids::{AccountId, RegionName},
    poller::Poller,
};
use aws_config::SdkConfig;
use aws_sdk_ec2::types::Filter as SdkFilter;
use std::{fmt, future::Future, sync::Arc};

pub use instances::InstancePages;

/// Most names in one describe.
const IDS_PER_CALL: usize = 1000;
/// Most values of one filter.
const VALUES_PER_FILTER: usize = 200;

/// One region of one account. Cheap to clone.
#[derive(Clone)]
pub struct Region {
    caller: Caller,
    shared: Arc<Shared>,
    ec2: aws_sdk_ec2::Client,
    ssm: aws_sdk_ssm::Client,
    elb: aws_sdk_elasticloadbalancingv2::Client,
    scaling: aws_sdk_autoscaling::Client,
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The clients are left out: they hold the credentials.
        f.debug_struct("Region")
            .field("name", &self.caller.region)
            .field("account", &self.caller.account)
            .finish()
    }
}

/// What all handles of the same account and region share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) budget: Arc<Budget>,
    pub(crate) poller: Poller,
}

impl Region {
    pub(crate) fn new(sdk: &SdkConfig, caller: Caller, shared: Arc<Shared>) -> Region {
        let name = aws_config::Region::new(caller.region.to_string());
        Region {
            ec2: aws_sdk_ec2::Client::from_conf(aws_sdk_ec2::config::Builder::from(sdk).region(name.clone()).build()),
            ssm: aws_sdk_ssm::Client::from_conf(aws_sdk_ssm::config::Builder::from(sdk).region(name.clone()).build()),
            elb: aws_sdk_elasticloadbalancingv2::Client::from_conf(
                aws_sdk_elasticloadbalancingv2::config::Builder::from(sdk)
                    .region(name.clone())
                    .build(),
            ),
            scaling: aws_sdk_autoscaling::Client::from_conf(
                aws_sdk_autoscaling::config::Builder::from(sdk).region(name).build(),
            ),
            caller,
            shared,
        }
    }

    /// Its name.
    pub fn name(&self) -> &RegionName {
        &self.caller.region
    }

    /// Its account.
    pub fn account(&self) -> Option<&AccountId> {
        self.caller.account.as_ref()
    }
}

/// A filter of a describe: one of the values has to fit. EC2 takes `*` and `?` in most of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    name: String,
    values: Vec<String>,
}

impl Filter {
    /// A filter by one of the names that the documentation of the describe lists, such as `virtualization-type` or
    /// `tag:Name`.
    pub fn new<V: Into<String>>(name: impl Into<String>, values: impl IntoIterator<Item = V>) -> Filter {
        Filter {
            name: name.into(),
            values: values.into_iter().map(Into::into).collect(),
        }
    }

    fn to_sdk(&self) -> SdkFilter {
        SdkFilter::builder()
            .name(&self.name)
            .set_values(Some(self.values.clone()))
            .build()
    }
}

/// What a describe is asked for.
#[derive(Debug, Clone)]
enum Query {
    /// Things by their names; EC2 fails when one is missing, and refuses to page.
    Ids(Vec<String>),
    /// Things by filters, in pages.
    Filters(Vec<Filter>),
}

impl Query {
    fn ids(&self) -> Option<Vec<String>> {
        match self {
            Query::Ids(ids) => Some(ids.clone()),
            Query::Filters(_) => None,
        }
    }

    fn filters(&self) -> Option<Vec<SdkFilter>> {
        match self {
            Query::Ids(_) => None,
            Query::Filters(filters) if filters.is_empty() => None,
            Query::Filters(filters) => Some(filters.iter().map(Filter::to_sdk).collect()),
        }
    }

    /// Page size, where pages may be asked for.
    fn page(&self, size: i32) -> Option<i32> {
        match self {
            Query::Ids(_) => None,
            Query::Filters(_) => Some(size),
        }
    }

    /// For messages: the first names, or the filters.
    fn resource(&self) -> String {
        match self {
            Query::Ids(ids) => named(ids),
            Query::Filters(filters) => {
                let filters: Vec<String> = filters
                    .iter()
                    .map(|filter| format!("{}={}", filter.name, named(&filter.values)))
                    .collect();
                filters.join(" ")
            }
        }
    }
}

/// The first names, and how many more there are.
fn named<S: AsRef<str>>(ids: &[S]) -> String {
    const SHOWN: usize = 3;
    let mut text = ids
        .iter()
        .take(SHOWN)
        .map(AsRef::as_ref)
        .collect::<Vec<&str>>()
        .join(", ");
    if ids.len() > SHOWN {
        text += &format!(" and {} more", ids.len() - SHOWN);
    }
    text
}

/// Reads things by their names in as few calls as possible. EC2 fails the whole call when one name is missing; those are
/// asked for again with a filter, which leaves the missing ones out.
async fn in_batches<V, F>(
    ids: Vec<String>,
    per_call: usize,
    filter: &str,
    read: impl Fn(Query) -> F,
) -> Result<Vec<V>, CloudError>
where
    F: Future<Output = Result<Vec<V>, CloudError>>,
{
    let mut found = Vec::new();
    for batch in ids.chunks(per_call) {
        match read(Query::Ids(batch.to_vec())).await {
            Ok(values) => found.extend(values),
            Err(error) if error.is_not_found() && batch.len() == 1 => {}
            Err(error) if error.is_not_found() => {
                for values in batch.chunks(VALUES_PER_FILTER) {
                    found.extend(read(Query::Filters(vec![Filter::new(filter, values.iter().cloned())])).await?);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Texts of names.
fn texts<I: AsRef<str>>(ids: &[I]) -> Vec<String> {
    ids.iter().map(|id| id.as_ref().to_owned()).collect()
}

/// A token for the next page, if there is one. Some answers have an empty one.
fn next_page(token: Option<String>) -> Option<String> {
    token.filter(|token| !token.is_empty())
}

/// The answer lacks something that it always has.
fn incomplete(action: &'static Action, resource: impl Into<String>, what: &str) -> CloudError {
    let kind = ErrorKind::Other("IncompleteAnswer".to_owned());
    CloudError::new(
        action,
        resource,
        kind,
        format!("the answer has {what} without its name"),
    )
}

/// A thing that was asked for alone and is not there.
fn missing(action: &'static Action, id: impl fmt::Display) -> CloudError {
    CloudError::new(
        action,
        id.to_string(),
        ErrorKind::NotFound,
        format!("{id} is not there"),
    )
}

/// All pages of a describe, each element converted.
macro_rules! pages {
    ($region:expr, $action:expr, $query:expr, $size:expr, $what:literal, $list:ident, $convert:path,
     |$client:ident| $request:expr) => {{
        let (region, query): (&Region, &Query) = (&$region, &$query);
        let mut found = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let $client = &region.ec2;
            let answer = region
                .caller
                .call(Ask::new($action, query.resource()), || {
                    $request
                        .set_filters(query.filters())
                        .set_max_results(query.page($size))
                        .set_next_token(next.clone())
                        .send()
                })
                .await?;
            for value in answer.$list.unwrap_or_default() {
                found.push($convert(value).ok_or_else(|| incomplete($action, query.resource(), $what))?);
            }
            next = next_page(answer.next_token);
            if next.is_none() {
                break found;
            }
        }
    }};
}
use pages;
