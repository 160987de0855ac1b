//! The rules and the requests, in no engine's language yet.

/// What a rule needs.
#[derive(Debug, Clone)]
pub enum Rule {
    App { app: String, above: i64 },
    Group(String),
    Label(String),
    OnBattery { above: i64 },
    FarAway { above: i64 },
    Model { model: String, task: String },
}

/// A request's facts.
#[derive(Debug, Clone)]
pub struct Case {
    pub task: String,
    pub tokens: i64,
    pub labels: Vec<String>,
    pub app: String,
    pub model: String,
    pub on_ac_power: bool,
    pub rtt_ms: i64,
    pub groups: Vec<String>,
}

/// That many, of all kinds: most about apps and limits, the rest about people, labels and the device.
pub fn rules(count: usize) -> Vec<Rule> {
    let rule = |at: usize| {
        let number = at as i64;
        match at % 10 {
            0..=3 => Rule::App {
                app: format!("app-{at}"),
                above: number * 3 % 2000,
            },
            4 => Rule::Group(format!("group-{at}")),
            5 | 6 => Rule::Label(format!("pii.kind{at}")),
            7 => Rule::OnBattery {
                above: 100 + number,
            },
            8 => Rule::FarAway {
                above: 2000 + number * 7 % 2000,
            },
            _ => Rule::Model {
                model: format!("model-{at}"),
                task: format!("task-{at}"),
            },
        }
    };
    (0..count).map(rule).collect()
}

/// Requests of different apps, lengths and labels; the device and the person stay the same.
pub fn case(at: usize, rules: usize) -> Case {
    let labels = match at % 4 {
        0 => vec![format!("pii.kind{}", (at * 10 + 5) % rules)],
        1 => vec![
            "pii.email".to_owned(),
            format!("pii.kind{}", (at * 10 + 6) % rules),
        ],
        _ => Vec::new(),
    };
    Case {
        task: "chat".to_owned(),
        tokens: (at as i64 * 197) % 4000,
        labels,
        app: format!("app-{}", (at * 13) % rules),
        model: format!("model-{}", (at * 30 + 9) % rules),
        on_ac_power: true,
        rtt_ms: 60,
        groups: (0..6)
            .map(|group| format!("group-{}", (group * 10 + 4) % rules))
            .collect(),
    }
}
