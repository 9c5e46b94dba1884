//! Waits: how many calls they make, and how they end.

mod fake;

use comeback_cloud::{ErrorKind, Options, Session, VolumeId, model::VolumeState};
use fake::{Fake, ec2, error, list, volume};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);

fn volume_id(number: u32) -> VolumeId {
    VolumeId::from_api(format!("vol-{number:08x}"))
}

/// Answers the volumes that are asked for, by name or filter, in the state that `state` gives; nothing leaves one out.
fn volumes(fake: &Fake, mut state: impl FnMut(&str) -> Option<&'static str> + Send + 'static) {
    fake.on("DescribeVolumes", move |form| {
        let named = list(form, "VolumeId");
        let wanted = if named.is_empty() {
            list(form, "Filter.1.Value")
        } else {
            named.clone()
        };
        let found: Vec<(String, &str)> = wanted
            .into_iter()
            .filter_map(|id| Some((id.clone(), state(&id)?)))
            .collect();
        if !named.is_empty() && found.len() < named.len() {
            return (
                400,
                error("InvalidVolume.NotFound", "one of the volumes does not exist."),
            );
        }
        let items: String = found.iter().map(|(id, state)| volume(id, state)).collect();
        (200, ec2("DescribeVolumes", &format!("<volumeSet>{items}</volumeSet>")))
    });
}

#[tokio::test]
async fn hundreds_wait_with_one_call_at_a_time() {
    let fake = Fake::start().await;
    let looks = Arc::new(Mutex::new(0));
    let ready = Arc::clone(&looks);
    volumes(&fake, move |id| {
        let mut looks = ready.lock().expect("lock");
        if id == "vol-00000000" {
            *looks += 1;
        }
        Some(if *looks >= 5 { "available" } else { "creating" })
    });
    let region = fake.region().await;
    let mut tasks = Vec::new();
    for number in 0..500 {
        let region = region.clone();
        tasks.push(tokio::spawn(async move {
            let ready = |v: &comeback_cloud::model::Volume| (v.state == VolumeState::Available).then(|| v.id.clone());
            region.volume_when(&volume_id(number), SOON, ready).await
        }));
    }
    for (number, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.expect("task").expect("available"), volume_id(number as u32));
    }
    let calls = fake.asked("DescribeVolumes");
    assert!((5..=8).contains(&calls.len()), "{} calls", calls.len());
    assert!(calls.iter().any(|form| list(form, "VolumeId").len() == 500));
}

#[tokio::test]
async fn one_that_is_not_there_yet_does_not_fail_the_others_and_may_still_come() {
    let fake = Fake::start().await;
    let mut looks = 0;
    volumes(&fake, move |id| match id {
        "vol-00000001" => Some("in-use"),
        // Not by its first looks.
        "vol-00000002" => {
            looks += 1;
            (looks > 4).then_some("in-use")
        }
        _ => None,
    });
    let region = fake.region().await;
    let seen = |v: &comeback_cloud::model::Volume| (v.state == VolumeState::InUse).then_some(());
    let (one, two, three) = (volume_id(1), volume_id(2), volume_id(3));
    let (there, fresh, never) = tokio::join!(
        region.volume_when(&one, SOON, seen),
        region.volume_when(&two, SOON, seen),
        region.volume_when(&three, SOON, seen),
    );
    there.expect("there");
    fresh.expect("there in the end");
    let failed = never.expect_err("missing");
    assert!(failed.is_not_found(), "{failed}");
    region.volume_gone(&volume_id(3), SOON).await.expect("gone");
}

#[tokio::test]
async fn too_late_says_what_was_awaited_and_what_was_seen_last() {
    let fake = Fake::start().await;
    volumes(&fake, |_| Some("creating"));
    let region = fake.region().await;
    let never = |_: &comeback_cloud::model::Volume| None::<()>;
    let failed = region
        .volume_when(&volume_id(9), Duration::from_millis(200), never)
        .await
        .expect_err("late");
    assert_eq!(failed.kind, ErrorKind::Late);
    let text = failed.to_string();
    assert!(
        text.contains("vol-00000009") && text.contains("last seen creating"),
        "{text}"
    );
}

#[tokio::test]
async fn what_passes_is_waited_out_and_what_does_not_is_told() {
    let fake = Fake::start().await;
    let region = fake.region().await;
    let mut calls = 0;
    fake.on("DescribeVolumes", move |_| {
        calls += 1;
        match calls {
            1..=9 => (500, error("InternalError", "not now")),
            10 => (
                200,
                ec2(
                    "DescribeVolumes",
                    &format!("<volumeSet>{}</volumeSet>", volume("vol-00000001", "in-use")),
                ),
            ),
            _ => (
                403,
                error(
                    "UnauthorizedOperation",
                    "You are not authorized to perform this operation.",
                ),
            ),
        }
    });
    let seen = |v: &comeback_cloud::model::Volume| (v.state == VolumeState::InUse).then_some(());
    region
        .volume_when(&volume_id(1), SOON, seen)
        .await
        .expect("seen in the end");
    let failed = region.volume_when(&volume_id(1), SOON, seen).await.expect_err("denied");
    assert!(matches!(failed.kind, ErrorKind::Denied { .. }), "{failed}");
}

#[tokio::test]
async fn a_wait_judges_only_what_was_looked_up_after_it_began() {
    let fake = Fake::start().await;
    let state = Arc::new(Mutex::new("available"));
    let now = Arc::clone(&state);
    volumes(&fake, move |_| Some(*now.lock().expect("lock")));
    let region = fake.region().await;
    // Keeps the volume among those looked for.
    let keeper = region.clone();
    let keeper = tokio::spawn(async move { keeper.volume_when(&volume_id(1), SOON, |_| None::<()>).await });
    tokio::time::sleep(Duration::from_millis(60)).await;
    *state.lock().expect("lock") = "in-use";
    let first = region
        .volume_when(&volume_id(1), SOON, |v| Some(v.state.clone()))
        .await
        .expect("a state");
    assert_eq!(first, VolumeState::InUse);
    keeper.abort();
}

#[tokio::test]
async fn the_turn_passes_on_when_the_one_who_has_it_is_dropped() {
    let fake = Fake::start().await;
    volumes(&fake, |_| Some("available"));
    let session = Session::load(Options { ..fake.options() }).await.expect("session");
    let region = session.region(&"ap-northeast-1".parse().expect("region"));
    for _ in 0..20 {
        let doomed = region.clone();
        let doomed = tokio::spawn(async move { doomed.volume_when(&volume_id(1), SOON, |_| None::<()>).await });
        tokio::task::yield_now().await;
        let other = region.clone();
        let other = tokio::spawn(async move { other.volume_when(&volume_id(2), SOON, |_| Some(())).await });
        tokio::time::sleep(Duration::from_millis(3)).await;
        doomed.abort();
        other.await.expect("task").expect("seen");
    }
}
