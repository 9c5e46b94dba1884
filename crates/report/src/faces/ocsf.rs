//! OCSF 1.8, class Detection Finding (2004): <https://schema.ocsf.io/1.8.0/classes/detection_finding>.
//!
//! One for each finding, for each silenced one (suppressed), and for each account and region that was not read, of unknown
//! severity: who sees only these does not see a report that looks cleaner than what was read.

use comeback_audit::model::{Audit, Coverage, Entry, Finding, Level};
use serde_json::{Value, json};

use crate::ReportError;
use crate::catalogue::Texts;
use crate::faces::json::indented;
use crate::harmless::harmless;
use crate::identity::{self, Identities, Identity};
use crate::options::Options;
use crate::present::{finding_row, reason, unread_message};
use crate::view::Report;

/// The report as an array of OCSF events.
///
/// # Errors
/// If a value does not go into JSON.
pub fn render(report: &Report<'_>, options: &Options) -> Result<Vec<u8>, ReportError> {
    let texts = Texts::new(options);
    let audit = report.audit_for(options);
    let (mut events, mut identities) = (Vec::new(), Identities::default());
    for subject in &audit.instances {
        for finding in &subject.findings {
            let identity = identities.of(identity::place(subject), subject.id.as_str(), finding);
            events.push(event(&texts, &audit, finding, identity, subject.name.as_deref()));
        }
    }
    for silenced in &audit.silenced {
        let place = (silenced.account.as_str(), silenced.region.as_str());
        let identity = identities.of(place, silenced.instance.as_str(), &silenced.finding);
        let mut event = event(&texts, &audit, &silenced.finding, identity, silenced.name.as_deref());
        event["status_id"] = json!(3);
        event["status"] = json!("Suppressed");
        event["comment"] = json!(harmless(&silenced.reason));
        events.push(event);
    }
    events.extend(
        audit
            .ledger
            .entries
            .iter()
            .filter_map(|entry| unread(&texts, &audit, entry)),
    );
    let mut bytes = Vec::new();
    indented(&events, &mut bytes)?;
    Ok(bytes)
}

struct Place<'a> {
    account: &'a str,
    region: Option<&'a str>,
}

fn severity(level: Level) -> (u8, &'static str) {
    match level {
        Level::Info => (1, "Informational"),
        Level::Low => (2, "Low"),
        Level::Medium => (3, "Medium"),
        Level::High => (4, "High"),
        Level::Critical => (5, "Critical"),
    }
}

fn base(audit: &Audit, place: &Place<'_>, severity: (u8, &str)) -> Value {
    let mut cloud = json!({
        "provider": "AWS",
        "account": {"uid": harmless(place.account), "type_id": 10, "type": "AWS Account"},
    });
    if let Some(region) = place.region {
        cloud["region"] = json!(harmless(region));
    }
    json!({
        "activity_id": 1,
        "activity_name": "Create",
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "type_uid": 200_401,
        "type_name": "Detection Finding: Create",
        "severity_id": severity.0,
        "severity": severity.1,
        "status_id": 1,
        "status": "New",
        "time": audit.finished.as_millisecond(),
        "metadata": {
            "version": "1.8.0",
            "profiles": ["cloud"],
            "product": {"name": "comeback", "vendor_name": "comeback", "version": harmless(&audit.program)},
        },
        "cloud": cloud,
    })
}

fn resource(id: &str, name: Option<&str>, region: Option<&str>) -> Value {
    let mut resource = json!({"uid": harmless(id), "type": "AwsEc2Instance", "cloud_partition": partition(region)});
    if let Some(name) = name {
        resource["name"] = json!(harmless(name));
    }
    if let Some(region) = region {
        resource["region"] = json!(harmless(region));
    }
    resource
}

fn partition(region: Option<&str>) -> &'static str {
    match region {
        Some(region) if region.starts_with("cn-") => "aws-cn",
        Some(region) if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// The same in every audit, whatever else is found.
fn uid(identity: Identity<'_>) -> String {
    let (account, region) = identity.place;
    let mut parts = vec![account, region, identity.instance, identity.rule];
    parts.extend(identity.about);
    let parts: Vec<String> = parts.into_iter().map(harmless).collect();
    let mut uid = format!("comeback:{}", parts.join(":"));
    if identity.number > 0 {
        uid.push_str(&format!(":{}", identity.number));
    }
    uid
}

fn event(texts: &Texts, audit: &Audit, finding: &Finding, identity: Identity<'_>, name: Option<&str>) -> Value {
    let row = finding_row(texts, finding);
    let (account, region) = identity.place;
    let place = Place {
        account,
        region: Some(region),
    };
    let resource = resource(identity.instance, name, place.region);
    let mut event = base(audit, &place, severity(finding.level));
    event["message"] = json!(row.text);
    event["finding_info"] = json!({
        "uid": uid(identity),
        "title": row.title,
        "desc": format!("{} {}", row.text, row.meaning),
        "types": [format!("comeback:{}", row.rule)],
        "created_time": audit.started.as_millisecond(),
        "analytic": {"uid": row.rule, "name": row.title, "type_id": 1, "type": "Rule"},
    });
    let mut remedy = row.remedy;
    if let Some(command) = &row.command {
        remedy = format!("{remedy} {command}");
    }
    event["remediation"] = json!({"desc": remedy});
    if let Some(link) = row.link {
        event["remediation"]["references"] = json!([link]);
    }
    let evidences: Vec<Value> = finding
        .evidence
        .iter()
        .map(|evidence| {
            json!({"data": {
                "source": harmless(&evidence.source),
                "field": harmless(&evidence.field),
                "value": harmless(&evidence.value),
            }})
        })
        .collect();
    if !evidences.is_empty() {
        event["evidences"] = Value::Array(evidences);
    }
    event["resources"] = json!([resource]);
    event
}

fn unread(texts: &Texts, audit: &Audit, entry: &Entry) -> Option<Value> {
    let mut lines = Vec::new();
    let line = |what: String, why, detail, denied: &Option<_>| {
        let what = format!("{what}{}", texts.text(unread_message(why)));
        format!("{what} ({})", reason(texts, detail, denied.as_ref()))
    };
    if let Coverage::Unread { why, detail, denied } = &entry.coverage {
        lines.push(line(String::new(), *why, detail, denied));
    }
    for gap in &entry.gaps {
        let what = format!("{}: ", harmless(&gap.action));
        lines.push(line(what, gap.why, &gap.detail, &gap.denied));
    }
    if lines.is_empty() {
        return None;
    }
    let account = entry
        .account
        .as_ref()
        .map_or(entry.via.as_str(), |account| account.as_str());
    let place = Place {
        account,
        region: entry.region.as_ref().map(|region| region.as_str()),
    };
    let mut event = base(audit, &place, (0, "Unknown"));
    let region = place
        .region
        .map_or_else(|| texts.text("coverage-all-regions"), harmless);
    event["message"] = json!(lines.join("; "));
    event["finding_info"] = json!({
        "uid": format!("comeback:{}:{}:coverage", harmless(account), place.region.map(harmless).unwrap_or_default()),
        "title": format!("{}: {} {region}", texts.text("coverage-unread-title"), harmless(account)),
        "types": ["comeback:coverage"],
        "created_time": audit.started.as_millisecond(),
    });
    Some(event)
}
