//! Reading instances.

use super::{Filter, IDS_PER_CALL, Query, Region, in_batches, incomplete, missing, next_page, pages, texts};
use crate::{
    calls::{actions, caller::Ask},
    convert,
    error::CloudError,
    ids::InstanceId,
    model::{Attributes, Instance, ShutdownBehavior, Status, UserData},
    request::Credits,
};
use aws_sdk_ec2::{
    operation::describe_instance_attribute::DescribeInstanceAttributeOutput, types::InstanceAttributeName,
};
use base64::Engine as _;

/// Instances of one page. EC2 allows up to 1000.
const PAGE: i32 = 1000;
/// Most names in one `DescribeInstanceStatus`.
const STATUSES_PER_CALL: usize = 100;

/// Instances, a page at a time, so that an account of any size fits into memory.
#[derive(Debug)]
pub struct InstancePages {
    region: Region,
    query: Query,
    next: Option<String>,
    begun: bool,
}

impl InstancePages {
    /// The next page; nothing after the last.
    ///
    /// # Errors
    /// What a call can fail with. The same page is asked for again by calling it again.
    pub async fn next(&mut self) -> Option<Result<Vec<Instance>, CloudError>> {
        if self.begun && self.next.is_none() {
            return None;
        }
        let page = self.region.instance_page(&self.query, self.next.clone()).await;
        Some(page.map(|(instances, next)| {
            self.begun = true;
            self.next = next;
            instances
        }))
    }
}

/// What is left to be asked for after EC2 found some names missing: all but those that the message names, or, where it
/// names none, each half by itself.
fn without_missing(mut ids: Vec<String>, message: &str) -> Vec<Vec<String>> {
    let asked = ids.len();
    if asked <= 1 {
        return Vec::new();
    }
    let named: Vec<&str> = message
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .collect();
    let rest: Vec<String> = ids.iter().filter(|id| !named.contains(&id.as_str())).cloned().collect();
    if rest.len() < asked {
        return if rest.is_empty() { Vec::new() } else { vec![rest] };
    }
    let half = ids.split_off(asked / 2);
    vec![ids, half]
}

impl Region {
    /// Instances by their names, in no particular order. Those that are not there are left out.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn instances(&self, ids: &[InstanceId]) -> Result<Vec<Instance>, CloudError> {
        in_batches(texts(ids), IDS_PER_CALL, "instance-id", async |query| {
            self.all_instances(&query).await
        })
        .await
    }

    /// One instance.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound), and what a call can fail with.
    pub async fn instance(&self, id: &InstanceId) -> Result<Instance, CloudError> {
        let found = self.instances(std::slice::from_ref(id)).await?;
        found
            .into_iter()
            .next()
            .ok_or_else(|| missing(&actions::DESCRIBE_INSTANCES, id))
    }

    /// Instances that pass all filters. Without filters, all.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn instances_where(&self, filters: &[Filter]) -> Result<Vec<Instance>, CloudError> {
        self.all_instances(&Query::Filters(filters.to_vec())).await
    }

    /// The same a page at a time.
    pub fn instance_pages(&self, filters: &[Filter]) -> InstancePages {
        InstancePages {
            region: self.clone(),
            query: Query::Filters(filters.to_vec()),
            next: None,
            begun: false,
        }
    }

    async fn all_instances(&self, query: &Query) -> Result<Vec<Instance>, CloudError> {
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let (instances, token) = self.instance_page(query, next).await?;
            found.extend(instances);
            next = token;
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    async fn instance_page(
        &self,
        query: &Query,
        next: Option<String>,
    ) -> Result<(Vec<Instance>, Option<String>), CloudError> {
        let action = &actions::DESCRIBE_INSTANCES;
        let answer = self
            .caller
            .call(Ask::new(action, query.resource()), || {
                self.ec2
                    .describe_instances()
                    .set_instance_ids(query.ids())
                    .set_filters(query.filters())
                    .set_max_results(query.page(PAGE))
                    .set_next_token(next.clone())
                    .send()
            })
            .await?;
        let mut instances = Vec::new();
        for reservation in answer.reservations.unwrap_or_default() {
            for instance in reservation.instances.unwrap_or_default() {
                let instance = convert::instance(instance);
                instances.push(instance.ok_or_else(|| incomplete(action, query.resource(), "an instance"))?);
            }
        }
        Ok((instances, next_page(answer.next_token)))
    }

    /// Status checks and scheduled events by the names of instances; stopped ones too. Those that are not there are left
    /// out.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn statuses(&self, ids: &[InstanceId]) -> Result<Vec<Status>, CloudError> {
        let mut found = Vec::new();
        let mut batches: Vec<Vec<String>> = ids.chunks(STATUSES_PER_CALL).map(texts).collect();
        // There is no filter for names here, so what is missing has to be left out by hand.
        while let Some(batch) = batches.pop() {
            match self.all_statuses(Query::Ids(batch.clone())).await {
                Ok(statuses) => found.extend(statuses),
                Err(error) if error.is_not_found() => batches.extend(without_missing(batch, &error.message)),
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Status checks and scheduled events of all instances that pass all filters, such as `event.code`.
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn statuses_where(&self, filters: &[Filter]) -> Result<Vec<Status>, CloudError> {
        self.all_statuses(Query::Filters(filters.to_vec())).await
    }

    async fn all_statuses(&self, query: Query) -> Result<Vec<Status>, CloudError> {
        Ok(pages!(
            *self,
            &actions::DESCRIBE_INSTANCE_STATUS,
            query,
            1000,
            "a status",
            instance_statuses,
            convert::status,
            |ec2| ec2
                .describe_instance_status()
                .include_all_instances(true)
                .set_instance_ids(query.ids())
        ))
    }

    /// What `DescribeInstances` leaves out of an instance. Four calls.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound), and what a call can fail with.
    pub async fn attributes(&self, id: &InstanceId) -> Result<Attributes, CloudError> {
        let action = &actions::DESCRIBE_INSTANCE_ATTRIBUTE;
        let text = self
            .attribute(id, InstanceAttributeName::UserData)
            .await?
            .user_data
            .and_then(|data| data.value);
        let user_data = match text.filter(|text| !text.is_empty()) {
            Some(text) => {
                Some(UserData::from_base64(&text).ok_or_else(|| incomplete(action, id.as_str(), "user data"))?)
            }
            None => None,
        };
        let terminate = self
            .attribute(id, InstanceAttributeName::DisableApiTermination)
            .await?
            .disable_api_termination;
        let stop = self
            .attribute(id, InstanceAttributeName::DisableApiStop)
            .await?
            .disable_api_stop;
        let shutdown = self
            .attribute(id, InstanceAttributeName::InstanceInitiatedShutdownBehavior)
            .await?
            .instance_initiated_shutdown_behavior
            .and_then(|behavior| behavior.value);
        Ok(Attributes {
            user_data,
            termination_protected: terminate.and_then(|flag| flag.value).unwrap_or(false),
            stop_protected: stop.and_then(|flag| flag.value).unwrap_or(false),
            // EC2's default.
            shutdown_behavior: shutdown.map_or(ShutdownBehavior::Stop, ShutdownBehavior::from),
        })
    }

    async fn attribute(
        &self,
        id: &InstanceId,
        name: InstanceAttributeName,
    ) -> Result<DescribeInstanceAttributeOutput, CloudError> {
        let ask = Ask::new(&actions::DESCRIBE_INSTANCE_ATTRIBUTE, format!("{id} {}", name.as_str()));
        self.caller
            .call(ask, || {
                self.ec2
                    .describe_instance_attribute()
                    .instance_id(id.as_str())
                    .attribute(name.clone())
                    .send()
            })
            .await
    }

    /// How a burstable instance pays for speed; nothing where EC2 did not say. It fails for instances of other types: see
    /// [`InstanceType::burstable`](crate::model::InstanceType::burstable).
    ///
    /// # Errors
    /// What a call can fail with.
    pub async fn credits(&self, id: &InstanceId) -> Result<Option<Credits>, CloudError> {
        let ask = Ask::new(&actions::DESCRIBE_INSTANCE_CREDIT_SPECIFICATIONS, id.as_str());
        let answer = self
            .caller
            .call(ask, || {
                self.ec2
                    .describe_instance_credit_specifications()
                    .instance_ids(id.as_str())
                    .send()
            })
            .await?;
        let credits = answer.instance_credit_specifications.unwrap_or_default();
        let word = credits
            .into_iter()
            .find(|c| c.instance_id.as_deref() == Some(id.as_str()))
            .and_then(|c| c.cpu_credits);
        Ok(match word.as_deref() {
            Some("unlimited") => Some(Credits::Unlimited),
            Some("standard") => Some(Credits::Standard),
            _ => None,
        })
    }

    /// What the guest wrote to its console, at most 64 KiB of the last boot. `latest` asks for what is there right now,
    /// which Nitro types only can. Nothing was written, or it is not there yet: no bytes.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound), [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for
    /// `latest` on a Xen type, and what a call can fail with.
    pub async fn console_output(&self, id: &InstanceId, latest: bool) -> Result<Vec<u8>, CloudError> {
        let action = &actions::GET_CONSOLE_OUTPUT;
        let answer = self
            .caller
            .call(Ask::new(action, id.as_str()), || {
                let request = self.ec2.get_console_output().instance_id(id.as_str());
                if latest { request.latest(true) } else { request }.send()
            })
            .await?;
        let text: String = answer
            .output
            .unwrap_or_default()
            .chars()
            .filter(|c| !c.is_ascii_whitespace())
            .collect();
        base64::engine::general_purpose::STANDARD
            .decode(text)
            .map_err(|_| incomplete(action, id.as_str(), "console output that is not base64, or"))
    }
}

#[cfg(test)]
mod tests {
    use super::without_missing;

    #[test]
    fn missing_names_are_left_out_and_nameless_failures_are_halved() {
        let ids = || vec!["i-1".to_owned(), "i-2".to_owned(), "i-3".to_owned(), "i-11".to_owned()];
        assert_eq!(
            without_missing(ids(), "The instance IDs 'i-1, i-3' do not exist"),
            [["i-2", "i-11"]]
        );
        assert_eq!(
            without_missing(ids(), "some are missing"),
            [["i-1", "i-2"], ["i-3", "i-11"]]
        );
        assert!(without_missing(vec!["i-1".to_owned()], "missing").is_empty());
        assert!(without_missing(ids(), "i-1 i-2 i-3 i-11").is_empty());
    }
}
