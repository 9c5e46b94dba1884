//! Audits and reports on the command line, in a lab without machines.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use std::fs;
use std::process::Command;

use serde_json::Value;
use world::{Said, World, has, said, text};

const FORMATS: [&str; 8] = ["table", "json", "csv", "md", "html", "ocsf", "junit", "ics"];
const ORGANIZATION: [&str; 3] = ["audit", "--organization-role", "audit"];

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Writes a file beside the runs, and gives its path.
fn put(world: &World, name: &str, content: &str) -> String {
    let path = world.path(name);
    fs::write(&path, content).unwrap();
    text(&path).to_owned()
}

/// An audit of all accounts, saved.
fn saved(world: &World, name: &str) -> String {
    let path = world.path(name);
    let path = text(&path);
    let said = world.ends(2, &[&ORGANIZATION[..], &["--format", "json", "-o", path]].concat());
    assert_eq!(said.out, "", "what goes to a file does not go to standard output");
    path.to_owned()
}

/// All commands that an audit names.
fn commands(audit: &Value) -> Vec<String> {
    let mut commands = Vec::new();
    for instance in audit["instances"].as_array().unwrap() {
        commands.extend(instance["advice"]["command"].as_str());
        let findings = instance["findings"].as_array().unwrap();
        commands.extend(findings.iter().filter_map(|finding| finding["command"].as_str()));
    }
    commands.into_iter().map(str::to_owned).collect()
}

/// Types a line into a shell that finds the program.
fn typed(line: &str) -> Said {
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_comeback")).parent().unwrap();
    said(Command::new("/bin/sh").args(["-c", line]).env("PATH", folder))
}

#[test]
fn the_exit_code_tells_what_was_seen() {
    let world = World::new("clients");
    let nothing = world.ends(0, &["audit", "--region", "us-west-2"]);
    has(
        &nothing.out,
        &["Everything that was asked for was read", "Nothing was found"],
    );
    let risk = world.ends(1, &["audit", "--region", "ap-northeast-1"]);
    has(&risk.out, &["8 of them at risk", "comeback rescue i-"]);
    has(
        &risk.err,
        &["Read 9 instances in 1 region of 1 account with 5 calls", "at risk: 8"],
    );
    assert!(
        risk.out.rfind("(dead)").or(risk.out.rfind("dead")) > risk.out.find("fifth"),
        "the worst is last"
    );
    // What is at risk does not hide that not all was read.
    let partly = world.ends(2, &ORGANIZATION);
    has(&partly.out, &["10 of them at risk", "Not everything was read"]);
    has(&partly.err, &["Not read: 777788889999", "Not read: 999900001111"]);

    world.ends(3, &["audit", "--region", "us-west-2", "-o", "/dev/full"]);
    world.ends(3, &["report", "/nowhere/audit.json"]);
    for wrong in [
        &["audit", "--format", "pdf"][..],
        &["audit", "--lang", "fr"],
        &["audit", "--zone", "Atlantis"],
        &["audit", "--region", "Tokyo"],
        &["audit", "--rate-share", "2"],
        &["audit", "--accounts", "/nowhere.toml"],
        &["audit", "--silence", "/nowhere.toml"],
        &["audit", "--output", "/nowhere/report.html"],
        &["audit", "--accounts", "a.toml", "--organization-role", "audit"],
        &["audit", "--client", "Nobody"],
        &["report"],
        &["notify", "audit.json"],
    ] {
        let said = world.ends(64, wrong);
        assert_eq!(said.out, "", "{wrong:?}");
    }
    // Those are told before thousands of calls, not after.
    has(
        &world.ends(64, &["audit", "--output", "/nowhere/r"]).err,
        &["create it first"],
    );
    let other = put(&world, "other.json", "{\"schema\": 7}");
    has(&world.ends(1, &["report", &other]).err, &["its schema is 7"]);
    let none = put(&world, "none.json", "[]");
    has(
        &world.ends(1, &["report", &none]).err,
        &["it has no `schema`", "comeback audit"],
    );
}

#[test]
fn every_format_is_written_and_says_what_was_not_read() {
    let world = World::new("clients");
    let audit = saved(&world, "audit.json");
    let dead = json(&fs::read_to_string(&audit).unwrap())["instances"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for lang in ["en", "ja"] {
        for format in FORMATS {
            let arguments = ["report", audit.as_str(), "--format", format, "--lang", lang];
            let written = world.ends(0, &arguments).out;
            // The calendar has dates, and a dead instance has none left.
            assert!(format == "ics" || written.contains(&dead), "{format} {lang}: {written}");
            // A calendar only says that something is missing.
            if format != "ics" {
                assert!(
                    written.contains("777788889999"),
                    "{format} {lang} does not name the closed door"
                );
            }
            parse(format, &written);
            if lang == "ja" && format != "json" {
                let says_it = ["未読取", "読み取れなかった"]
                    .iter()
                    .any(|words| written.contains(words));
                assert!(says_it, "{format}: {written}");
            }
            // The same, into a file.
            let path = world.path(&format!("report.{format}"));
            let said = world.ends(0, &[&arguments[..], &["--output", text(&path)]].concat());
            assert_eq!(
                (said.out.as_str(), fs::read_to_string(&path).unwrap()),
                ("", written),
                "{format}"
            );
        }
    }
    // A report says what there is; only an audit's exit code says how bad it is.
    let direct = world.ends(2, &[&ORGANIZATION[..], &["--format", "html", "--lang", "ja"]].concat());
    has(&direct.out, &["<html lang=\"ja\">", "777788889999", "JST"]);
    let zone = world.ends(0, &["report", &audit, "--format", "md", "--zone", "America/Sao_Paulo"]);
    has(&zone.out, &["-03 ("]);
}

fn parse(format: &str, written: &str) {
    match format {
        "json" | "ocsf" => drop(json(written)),
        "csv" => {
            let mut reader = csv::Reader::from_reader(written.trim_start_matches('\u{feff}').as_bytes());
            assert!(reader.records().map(Result::unwrap).count() > 13);
        }
        "junit" => {
            let report = quick_junit::Report::deserialize_from_str(written).unwrap();
            assert!(report.test_suites.len() > 13);
        }
        "html" => {
            assert!(written.starts_with("<!DOCTYPE html>") && written.trim_end().ends_with("</html>"));
            let count = |what: &str| written.matches(what).count();
            for tag in ["section", "table", "tr", "td", "li", "article", "pre"] {
                let opened = count(&format!("<{tag}>")) + count(&format!("<{tag} "));
                assert_eq!(opened, count(&format!("</{tag}>")), "{tag}");
            }
        }
        "md" => assert!(written.starts_with("# ")),
        "ics" => {
            assert!(written.starts_with("BEGIN:VCALENDAR\r\n") && written.ends_with("END:VCALENDAR\r\n"));
            let count = |what: &str| written.lines().filter(|line| line.starts_with(what)).count();
            assert_eq!(count("BEGIN:"), count("END:"));
            assert!(count("BEGIN:VEVENT") > 3);
        }
        _ => assert!(!written.contains('\u{1b}'), "colours, though nobody looks"),
    }
}

#[test]
fn a_closed_door_is_told_in_plain_words() {
    let world = World::new("clients");
    let audit = saved(&world, "audit.json");
    for format in ["table", "md", "html", "csv", "junit", "ocsf"] {
        let written = world.ends(0, &["report", &audit, "--format", format]).out;
        let flat = written.split_whitespace().collect::<Vec<_>>().join(" ");
        has(
            &flat,
            &[
                "arn:aws:iam::111122223333:user/operator",
                "sts:AssumeRole",
                "arn:aws:iam::777788889999:role/audit",
                "AccessDenied",
            ],
        );
        for raw in ["Error {", "unhandled error", "message:", "loading credentials"] {
            assert!(!flat.contains(raw), "{format} has the SDK's own words: {raw}");
        }
    }
    let japanese = world
        .ends(0, &["report", &audit, "--format", "html", "--lang", "ja"])
        .out;
    has(&japanese, &["信頼ポリシー", "AccessDenied"]);
}

#[test]
fn what_is_silenced_is_listed_with_its_reason_and_its_end() {
    let world = World::new("clients");
    let file = put(
        &world,
        "silence.toml",
        r#"
        [[silence]]
        account = "1*"
        reason = "moves in <spring>"
        until = 2999-03-31

        [[silence]]
        rule = "long-uptime"
        tag = "Name=sh*"
        reason = "was once known"
        until = "2020-01-31"
        "#,
    );
    let audit = ["audit", "--region", "ap-northeast-1", "--silence", &file];
    let table = world.ends(0, &audit);
    has(
        &table.err,
        &[
            "The silence of rule long-uptime, tag Name=sh* has ended on 2020-01-31",
            "at risk: 0",
        ],
    );
    has(&table.out, &["moves in <spring>", "Sun 31 March 2999"]);
    let all = json(&world.ends(0, &[&audit[..], &["--format", "json"]].concat()).out);
    assert_eq!(all["instances"], Value::Array(Vec::new()));
    let silenced = all["silenced"].as_array().unwrap();
    assert!(silenced.len() > 8);
    for one in silenced {
        assert_eq!(
            (&one["reason"], &one["until"]),
            (&"moves in <spring>".into(), &"2999-03-31".into())
        );
    }
    let html = world
        .ends(0, &[&audit[..], &["--format", "html", "--lang", "ja"]].concat())
        .out;
    has(
        &html,
        &["moves in &#60;spring&#62;", "datetime=\"2999-03-31\"", "2999年3月31日"],
    );
    for (wrong, why) in [
        (
            "[[silence]]\nrule = \"long-uptime\"\nuntil = 2999-01-01",
            "needs a `reason`",
        ),
        ("[[silence]]\nrule = \"long-uptime\"\nreason = \"x\"", "needs `until`"),
        (
            "[[silence]]\nrule = \"nonsense\"\nreason = \"x\"\nuntil = 2999-01-01",
            "no rule nonsense",
        ),
        ("[[silence]\n", "expected is a list of [[silence]]"),
    ] {
        let file = put(&world, "wrong.toml", wrong);
        has(
            &world.ends(64, &["audit", "--silence", &file]).err,
            &["wrong.toml", why],
        );
    }
}

#[test]
fn a_file_of_accounts_leads_to_clients_and_each_sees_its_own() {
    let world = World::new("clients");
    for (wrong, why) in [
        ("", "has no [[account]]"),
        (
            "[[account]]\nrole = \"audit\"",
            "number 1: the role audit needs `account`",
        ),
        ("[[account]]\nclient = \"x\"", "number 1: it needs `role` or `profile`"),
        ("[[account]]\nprofil = \"x\"", "profil"),
        ("[[account]]\nprofile = \"a\\u001bb\"", "number 1: `profile`"),
        (
            "[[account]]\nrole = \"a\\u0000b\"\naccount = \"444455556666\"",
            "number 1: `role`",
        ),
    ] {
        let file = put(&world, "wrong.toml", wrong);
        has(
            &world.ends(64, &["audit", "--accounts", &file]).err,
            &["wrong.toml", why],
        );
    }
    let file = put(
        &world,
        "accounts.toml",
        r#"
        [[account]]
        client = "Sakura Shoji"
        account = "444455556666"
        role = "audit"
        regions = ["eu-west-1"]

        [[account]]
        client = "Closed Door"
        account = "777788889999"
        role = "audit"
        external-id = "x"
        "#,
    );
    let path = world.path("audit.json");
    let audit = text(&path);
    world.ends(2, &["audit", "--accounts", &file, "--format", "json", "-o", audit]);
    for format in FORMATS {
        let own = world
            .ends(0, &["report", audit, "--client", "Sakura Shoji", "--format", format])
            .out;
        assert!(
            !own.contains("777788889999") && !own.contains("Closed Door"),
            "{format}: {own}"
        );
    }
    let shut = world.ends(0, &["report", audit, "--client", "Closed Door"]).out;
    has(&shut, &["777788889999", "Not everything was read"]);
    assert!(!shut.contains("444455556666"), "{shut}");
    has(
        &world.ends(64, &["report", audit, "--client", "Nobody"]).err,
        &["no client Nobody", "Closed Door, Sakura Shoji"],
    );
}

/// Keys in the environment are somebody else's than those of a profile that is asked for by its name.
#[test]
fn a_profile_that_is_named_comes_before_keys_of_the_environment() {
    let world = World::new("clients");
    let section = |name: &str, account: &str| {
        let key = world.keys().into_iter().find(|key| key["account"] == account).unwrap();
        let text = |field: &str| key[field].as_str().unwrap().to_owned();
        format!(
            "[profile {name}]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            text("access_key"),
            text("secret_key")
        )
    };
    let config = section("client%1", "444455556666")
        + &section("own", "111122223333")
        + "[profile far]\nrole_arn = arn:aws:iam::444455556666:role/audit\nsource_profile = own\n"
        + "[profile shut]\nrole_arn = arn:aws:iam::777788889999:role/audit\nsource_profile = own\n"
        + "[profile bare]\nregion = eu-west-1\n";
    let config = put(&world, "config", &config);
    let audit = |code: i32, profile: &str| {
        let arguments = [
            "audit",
            "--profile",
            profile,
            "--region",
            "eu-west-1",
            "--format",
            "json",
        ];
        let said = said(world.command(&arguments).env("AWS_CONFIG_FILE", &config));
        assert_eq!(said.code, Some(code), "{profile}: {}{}", said.out, said.err);
        json(&said.out)
    };
    for (profile, option) in [("client%1", "'client%1'"), ("far", "far")] {
        let made = audit(1, profile);
        assert_eq!(made["ledger"]["entries"][0]["account"], "444455556666", "{profile}");
        let commands = commands(&made);
        assert!(
            commands[0].ends_with(&format!(" --region eu-west-1 --profile {option}")),
            "{commands:?}"
        );
        assert_eq!(typed(&format!("{} --help", commands[0])).code, Some(0));
    }
    let shut = audit(2, "shut");
    assert_eq!(
        shut["ledger"]["entries"][0]["coverage"]["denied"]["action"],
        "sts:AssumeRole"
    );
    // Nor is a profile that is not there taken for the environment.
    for (profile, words) in [
        ("nobody", "profile `nobody` was not defined"),
        ("bare", "no profile bare with credentials"),
    ] {
        let none = audit(2, profile);
        let coverage = &none["ledger"]["entries"][0]["coverage"];
        assert_eq!(coverage["why"], "credentials", "{profile}");
        has(coverage["detail"].as_str().unwrap(), &[words]);
    }
    let mut command = world.command(&["audit", "--region", "eu-west-1"]);
    command.env_remove("AWS_ACCESS_KEY_ID").env("HOME", world.folder.path());
    let none = said(&mut command);
    assert_eq!(none.code, Some(2), "{}", none.err);
    has(
        &none.err,
        &["sts:GetCallerIdentity: there are no credentials in the environment"],
    );
}

#[test]
fn every_command_that_an_audit_names_is_one() {
    let world = World::new("clients");
    let audit = json(&fs::read_to_string(saved(&world, "audit.json")).unwrap());
    let commands = commands(&audit);
    let verbs: std::collections::BTreeSet<&str> = commands
        .iter()
        .filter_map(|command| command.split(' ').nth(1))
        .collect();
    assert_eq!(Vec::from_iter(verbs), ["hold", "migrate", "plan", "postpone", "rescue"]);
    assert!(commands.iter().any(|command| command.contains(" --role-arn ")));
    for command in commands {
        let help = typed(&format!("{command} --help"));
        assert_eq!(help.code, Some(0), "{command}: {}", help.err);
        // Help does not make up for an option that there is not.
        assert_eq!(
            typed(&format!("{command} --no-such-option --help")).code,
            Some(64),
            "{command}"
        );
    }
    for verb in [
        "diagnose",
        "rescue",
        "postpone",
        "hold",
        "bump-kernel",
        "plan",
        "migrate",
    ] {
        let line = format!(
            "comeback {verb} i-0123456789abcdef0 --region eu-west-1 --profile 'our own' --role-arn arn:aws:iam::444455556666:role/audit --help"
        );
        let help = typed(&line);
        assert_eq!(help.code, Some(0), "{line}: {}", help.err);
    }
}
