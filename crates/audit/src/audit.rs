//! The whole of it: reads, judges, silences, ranks.

use std::sync::Arc;

use jiff::Timestamp;

use crate::facts::Facts;
use crate::model::{Audit, SCHEMA, Silenced};
use crate::progress::Progress;
use crate::read::{self, Reading};
use crate::scope::Scope;
use crate::silence::Silences;
use crate::{rank, rules};

/// Makes an audit. It does not fail: what could not be read is in its ledger.
pub async fn run(scope: &Scope, reading: &Reading, silences: &Silences, progress: Arc<dyn Progress>) -> Audit {
    let started = Timestamp::now();
    let wanted = silences.clone();
    let harvest = read::read(scope, reading, move |tag| wanted.wants_tag(tag), progress, started).await;
    let mut audit = Audit {
        schema: SCHEMA,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        started,
        finished: Timestamp::now(),
        ledger: harvest.ledger,
        instances: Vec::new(),
        silenced: Vec::new(),
    };
    for facts in harvest.facts {
        judge(&facts, silences, &mut audit);
    }
    rank::sort(&mut audit.instances, started);
    audit
}

fn judge(facts: &Facts, silences: &Silences, audit: &mut Audit) {
    let mut shown = Vec::new();
    for finding in rules::check(facts) {
        match silences.of(facts, &finding) {
            None => shown.push(finding),
            Some(silence) => audit.silenced.push(Silenced {
                client: facts.place.client.clone(),
                account: facts.place.account.clone(),
                region: facts.region.clone(),
                instance: facts.machine.id.clone(),
                name: facts.machine.name().map(str::to_owned),
                finding,
                reason: silence.reason.clone(),
                until: silence.until,
            }),
        }
    }
    audit.instances.extend(rank::subject(facts, shown));
}
