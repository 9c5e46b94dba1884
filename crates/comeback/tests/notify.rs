//! What a webhook is told.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod listener;
mod world;

use std::fs;

use listener::Listener;
use serde_json::Value;
use world::{World, has, said, text};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_webhook_is_told_once_and_then_what_changed() {
    const SECRET: &str = "/services/T0SECRET/B0SECRET/xoxb-SECRET";
    let world = World::new("clients");
    let listener = Listener::new();
    let url = listener.url(SECRET);
    let notify = |code: i32, arguments: &[&str]| {
        let mut command = world.command(&[&["notify"], arguments].concat());
        // What leads out of this machine does not lead to the listener.
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        let told = said(command.env("COMEBACK_WEBHOOK", &url));
        assert_eq!(told.code, Some(code), "{arguments:?}: {}{}", told.out, told.err);
        assert!(
            !told.out.contains("SECRET") && !told.err.contains("SECRET"),
            "{}{}",
            told.out,
            told.err
        );
        told
    };
    let text_of = |posted: &[(String, Value)]| {
        assert_eq!(posted.len(), 1, "{posted:?}");
        assert_eq!(posted[0].0, format!("POST {SECRET}"));
        posted[0].1["text"].as_str().unwrap().to_owned()
    };
    let saved = |name: &str| {
        let path = world.path(name);
        let arguments = [
            "audit",
            "--organization-role",
            "audit",
            "--format",
            "json",
            "-o",
            text(&path),
        ];
        world.ends(2, &arguments);
        text(&path).to_owned()
    };
    let audit = saved("first.json");

    // A dry run posts nothing, and remembers nothing.
    let dry = json(&notify(0, &[&audit, "--dry-run"]).out);
    assert!(dry["blocks"].as_array().unwrap().len() > 1);
    assert_eq!(listener.posted(), []);
    // What does not arrive is not told, whoever says so, and however.
    for (answer, shown) in [
        (
            format!("HTTP/1.1 404 Not Found\r\n\r\nno hook {SECRET}\u{1b}[2J"),
            "404",
        ),
        ("HTTP/1.1 500 No\r\n\r\n".to_owned(), "500"),
        (
            format!("HTTP/1.1 302 Found\r\nLocation: {}\r\n\r\n", listener.url("/elsewhere")),
            "302",
        ),
    ] {
        listener.answer(&answer);
        let refused = notify(3, &[&audit]);
        has(&refused.err, &[shown, "nothing was told"]);
        assert!(!refused.err.contains('\u{1b}'));
        assert_eq!(listener.posted().len(), 1);
    }
    // The whole of it once, and then nothing as nothing changed.
    notify(0, &[&audit]);
    let summary = text_of(&listener.posted());
    has(
        &summary,
        &["10 instances at risk", "dead (i-", "Not everything was read"],
    );
    for _ in 0..2 {
        let again = notify(0, &[&audit]);
        has(&again.err, &["Nothing changed: nothing was posted"]);
        assert_eq!(listener.posted(), []);
    }
    has(&notify(0, &[&audit, "--dry-run"]).err, &["nothing would be posted"]);

    // One instance dies; nothing else is told.
    world.ends(0, &["lab", "event", "fire", "shop"]);
    let later = saved("later.json");
    has(&notify(0, &[&later, "--lang", "ja", "--dry-run"]).out, &["新規"]);
    let told = notify(0, &[&later]);
    let message = text_of(&listener.posted());
    has(
        &message,
        &[
            "what changed",
            "New\n• [critical] shop (i-",
            "Running, but not answering",
            "Gone\n• [critical] shop (i-",
        ],
    );
    has(&told.out, &["Running, but not answering"]);
    for other in ["shop-tomorrow", "fifth", "up-for-years", "Closed Door"] {
        assert!(!message.contains(other), "{other} did not change: {message}");
    }
    notify(0, &[&later]);
    assert_eq!(listener.posted(), []);
    // Compared with another one than the last.
    notify(0, &[&later, "--since", &audit]);
    has(&text_of(&listener.posted()), &["shop (i-"]);
    // A client's own message has a memory of its own.
    notify(0, &[&later, "--client", "Sakura Shoji"]);
    let own = text_of(&listener.posted());
    assert!(own.contains("=cmd|") && !own.contains("shop"), "{own}");

    // Addresses that are none, or that nobody listens at.
    for (address, code) in [
        ("ftp://hooks/xoxb-SECRET", 64),
        ("xoxb-SECRET", 64),
        ("https://[xoxb-SECRET/", 64),
        ("https:///xoxb-SECRET", 64),
        ("https://hooks xoxb-SECRET", 64),
        ("http://127.0.0.1:1/xoxb-SECRET", 3),
    ] {
        notify(code, &[&later, "--webhook", address, "--since", &audit]);
    }
    assert_eq!(listener.posted(), []);
    // Nor is the secret on the disk.
    let told: Vec<_> = fs::read_dir(world.path("comeback/told"))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(told.len(), 2);
    for file in told {
        assert!(!file.file_name().to_string_lossy().contains("SECRET"));
        assert!(!fs::read_to_string(file.path()).unwrap().contains("SECRET"));
    }
}
