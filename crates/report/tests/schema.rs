//! The published schema of the audit's JSON says what is written: no more, and no less.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod example;

use boon::{Compiler, SchemaIndex, Schemas};
use comeback_report::{Format, Lang, Options, Report, render};
use serde_json::{Value, json};

fn schema() -> (Schemas, SchemaIndex) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema/audit-1.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.enable_format_assertions();
    compiler.add_resource("audit-1.json", schema).unwrap();
    let index = compiler.compile("audit-1.json", &mut schemas).unwrap();
    (schemas, index)
}

fn written(audit: &comeback_audit::model::Audit) -> Value {
    serde_json::from_slice(&render(Format::Json, &Report::of(audit), &Options::new(Lang::En)).unwrap()).unwrap()
}

#[test]
fn what_is_written_fits() {
    let (schemas, index) = schema();
    let mut audits = vec![example::audit()];
    audits.extend(example::hostile().iter().map(|hostile| example::with(hostile)));
    for audit in audits {
        let value = written(&audit);
        if let Err(error) = schemas.validate(&value, index) {
            panic!("{error:#}");
        }
    }
}

#[test]
fn what_is_not_written_does_not_fit() {
    let (schemas, index) = schema();
    let good = written(&example::audit());
    let changes: [(&str, Value); 7] = [
        ("/schema", json!(2)),
        ("/started", json!("yesterday")),
        ("/instances/0/risk", json!("severe")),
        ("/instances/0/advice/act", json!("terminate")),
        ("/instances/1/deadline/effect", json!("none")),
        ("/ledger/entries/0/coverage", json!({"state": "unread"})),
        (
            "/instances/0/findings/0/values/check",
            json!({"kind": "html", "value": "<b>"}),
        ),
    ];
    for (place, value) in changes {
        let mut bad = good.clone();
        *bad.pointer_mut(place).unwrap() = value;
        assert!(schemas.validate(&bad, index).is_err(), "{place}");
    }
    let mut more = good.clone();
    more["instances"][0]["surprise"] = json!(1);
    assert!(schemas.validate(&more, index).is_err());
    let fields: Vec<String> = good["instances"][1].as_object().unwrap().keys().cloned().collect();
    for field in fields {
        let mut less = good.clone();
        less["instances"][1].as_object_mut().unwrap().remove(&field);
        assert!(schemas.validate(&less, index).is_err(), "without {field}");
    }
}
