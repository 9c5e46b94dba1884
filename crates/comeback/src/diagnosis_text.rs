//! A diagnosis as text: what is wrong first, the way back last, where it stays on the screen.

use std::fmt::Write as _;

use comeback_cloud::model::Virtualization;
use comeback_diagnose::diagnosis::Cost;
use comeback_diagnose::{Diagnosis, Health, Outage, Way};

use crate::output::{minute, printable};

/// The whole of it.
pub(crate) fn diagnosis(diagnosis: &Diagnosis) -> String {
    let mut text = String::new();
    head(&mut text, diagnosis);
    state(&mut text, diagnosis);
    console(&mut text, diagnosis);
    let _ = writeln!(text, "\nWhat to do: {}", diagnosis.advice.way.title());
    let _ = writeln!(text, "  why       {}", printable(&diagnosis.advice.why));
    for risk in &diagnosis.advice.risks {
        let _ = writeln!(text, "  risk      {}", printable(risk));
    }
    for command in &diagnosis.advice.commands {
        let _ = writeln!(text, "  type      {}", printable(command));
    }
    text
}

fn head(text: &mut String, diagnosis: &Diagnosis) {
    let name = diagnosis
        .name
        .as_deref()
        .map(|name| format!(" ({})", printable(name)))
        .unwrap_or_default();
    let kind = match &diagnosis.virtualization {
        Virtualization::Paravirtual => "paravirtual".to_owned(),
        other => other.to_string(),
    };
    let loader = diagnosis
        .loader
        .as_deref()
        .map(|loader| format!(", {}", printable(loader)))
        .unwrap_or_default();
    let _ = writeln!(
        text,
        "{}{name}: {kind}, {} in {}{loader}; {}",
        diagnosis.instance, diagnosis.instance_type, diagnosis.region, diagnosis.state
    );
}

fn state(text: &mut String, diagnosis: &Diagnosis) {
    match (&diagnosis.problem, diagnosis.health) {
        (Some(problem), _) => {
            let _ = writeln!(text, "\nWrong: {} [{}]", printable(&problem.title), problem.id);
            for evidence in &problem.evidence {
                let _ = writeln!(
                    text,
                    "  seen      {}: {}",
                    printable(&evidence.source),
                    printable(&evidence.text)
                );
            }
            if let Some(remedy) = &problem.remedy {
                let _ = writeln!(text, "  remedy    {}", printable(remedy));
            }
        }
        (None, Health::Coming) => text.push_str("\nOn its way up: EC2's checks have not come to a result yet\n"),
        (None, _) => text.push_str("\nNothing is wrong that can be seen from outside\n"),
    }
    if let Some(outage) = &diagnosis.outage {
        let _ = writeln!(text, "  down      {}", down(outage));
    }
    if diagnosis.advice.way != Way::Nothing {
        let right = match (diagnosis.waiting.right, diagnosis.waiting.until) {
            (true, Some(until)) => format!("is right until {}", minute(until)),
            (true, None) => "is right".to_owned(),
            (false, _) => "is no use".to_owned(),
        };
        let _ = writeln!(text, "  waiting   {right}: {}", printable(&diagnosis.waiting.why));
    }
    for event in &diagnosis.events {
        let at = event
            .not_before
            .map(|at| format!(", not before {}", minute(at)))
            .unwrap_or_default();
        let off = match event.deadline {
            Some(deadline) => format!("; it can be put off to {}", minute(deadline)),
            None => "; it cannot be put off".to_owned(),
        };
        let _ = writeln!(text, "  event     {}{at}{off}", event.code);
    }
    for note in &diagnosis.notes {
        let _ = writeln!(text, "  note      {}", printable(note));
    }
}

fn console(text: &mut String, diagnosis: &Diagnosis) {
    let Some(reached) = diagnosis.reached else {
        text.push_str("\nNothing is on the console\n");
        return;
    };
    let _ = writeln!(text, "\nThe last boot on the console came to: {reached}");
    for sign in &diagnosis.signs {
        let _ = writeln!(
            text,
            "  sign      {} [{}]: {}",
            sign.title,
            sign.id,
            printable(&sign.line)
        );
    }
    for sign in &diagnosis.harmless {
        let _ = writeln!(
            text,
            "  harmless  {} [{}]: {}",
            sign.title,
            sign.id,
            printable(&sign.line)
        );
    }
}

fn down(outage: &Outage) -> String {
    let cost = match &outage.cost {
        Some(Cost {
            micros,
            currency,
            hourly_micros,
            ..
        }) => format!(
            "; {:.2} {currency} of instance hours that nobody had anything of, {:.3} an hour",
            *micros as f64 / 1e6,
            *hourly_micros as f64 / 1e6
        ),
        None => String::new(),
    };
    format!("since {}, for {}{cost}", minute(outage.since), span(outage.seconds))
}

/// A length of time as people say it.
pub(crate) fn span(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match hours {
        _ if minutes < 1 => format!("{seconds} s"),
        0 => format!("{minutes} min"),
        1..=47 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{} days {} h", hours / 24, hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans_are_said_as_people_do() {
        for (seconds, said) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3599, "59 min"),
            (3600, "1 h 0 min"),
            (172_799, "47 h 59 min"),
            (172_800, "2 days 0 h"),
        ] {
            assert_eq!(span(seconds), said);
        }
    }
}
