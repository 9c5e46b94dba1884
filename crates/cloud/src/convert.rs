//! Between the SDK's types and this crate's. Nothing else knows the fields of both.

mod catalogue;
mod instance;
mod network;
mod request;
mod scaling;
mod storage;

use crate::model::{GroupName, ProductCode, Tags};
use aws_sdk_ec2::types as sdk;
use aws_smithy_types::DateTime;
use jiff::Timestamp;

pub(crate) use catalogue::{image, instance_type, offering};
pub(crate) use instance::{instance, status};
pub(crate) use network::{address, group, interface, subnet, target_description, target_group, target_health};
pub(crate) use request::{device, run_request, tag_specifications};
pub(crate) use scaling::scaling_member;
pub(crate) use storage::{created_snapshot, created_volume, snapshot, snapshot_info, volume};

/// A time of the SDK. One that is out of jiff's range (a year beyond 9999) is none.
fn time(time: Option<DateTime>) -> Option<Timestamp> {
    let time = time?;
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

pub(crate) fn time_to_sdk(time: Timestamp) -> DateTime {
    DateTime::from_secs(time.as_second())
}

/// A time as text, as images have it.
fn time_of(text: Option<String>) -> Option<Timestamp> {
    text?.parse().ok()
}

/// A count that is never negative.
fn unsigned(count: Option<i32>) -> u32 {
    count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0)
}

/// A count as the SDK wants it.
pub(crate) fn count(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// A text that says something.
fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn tags(tags: Option<Vec<sdk::Tag>>) -> Tags {
    tags.unwrap_or_default()
        .into_iter()
        .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())))
        .collect()
}

pub(crate) fn tags_to_sdk(tags: &Tags) -> Vec<sdk::Tag> {
    tags.iter()
        .map(|(key, value)| sdk::Tag::builder().key(key).value(value).build())
        .collect()
}

fn groups(groups: Option<Vec<sdk::GroupIdentifier>>) -> Vec<GroupName> {
    groups
        .unwrap_or_default()
        .into_iter()
        .filter_map(|group| {
            let id = crate::ids::GroupId::from_api(group.group_id?);
            Some(GroupName {
                id,
                name: group.group_name.unwrap_or_default(),
            })
        })
        .collect()
}

fn product_codes(codes: Option<Vec<sdk::ProductCode>>) -> Vec<ProductCode> {
    codes
        .unwrap_or_default()
        .into_iter()
        .filter_map(|code| {
            let kind = code
                .product_code_type
                .map(|kind| kind.as_str().to_owned())
                .unwrap_or_default();
            Some(ProductCode {
                code: code.product_code_id?,
                kind,
            })
        })
        .collect()
}
