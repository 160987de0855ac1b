//! Tideline's own engine: rules matched, eight candidates judged, reasons kept.

use std::fmt::Write as _;

use router_policy::{
    Availability, Boundary, Candidate, Decision, DeviceFacts, Label, Mode, NetworkFacts,
    PlacementKind, Policy, Prediction, Probability, Question, RequestFacts, Seconds, Settled, Site,
    SlowFacts, Tokens, Usd, UserFacts, WattHours,
};

use crate::rules::{Case, Rule, case};
use crate::{ALLOCATOR, Engine};

pub struct Ours(Settled);

impl Ours {
    pub fn new(rules: &[Rule]) -> Self {
        let mut text = String::from(
            "apiVersion: tideline.dev/v1\nkind: PlacementPolicy\nmetadata: { name: bench }\nspec:\n  default: { boundary: cloud }\n  rules:\n",
        );
        for (at, rule) in rules.iter().enumerate() {
            let effect = match at % 3 {
                0 => "boundary: device",
                1 => "boundary: private",
                _ => "avoid: [device]",
            };
            writeln!(
                text,
                "    - {{ name: r{at}, when: '{}', {effect} }}",
                condition(rule)
            )
            .unwrap();
        }
        let policy = Policy::compile("bench.yaml", &text).unwrap();
        Self(policy.settle(&slow(&case(0, rules.len()))))
    }

    /// Allocations that one decision makes beside its question.
    pub fn allocations(&self, cases: &[Case]) -> f64 {
        let questions: Vec<Question> = cases.iter().map(question).collect();
        let mut kept: Vec<Decision> = Vec::with_capacity(questions.len());
        let before = ALLOCATOR.count();
        for question in questions {
            kept.push(self.0.decide(question));
        }
        (ALLOCATOR.count() - before) as f64 / kept.len() as f64
    }
}

/// Conditions in CEL, for us and for the interpreter.
pub fn condition(rule: &Rule) -> String {
    match rule {
        Rule::App { app, above } => format!("request.app == \"{app}\" && request.tokens > {above}"),
        Rule::Group(group) => format!("\"{group}\" in user.groups"),
        Rule::Label(label) => format!("\"{label}\" in request.labels"),
        Rule::OnBattery { above } => format!("request.tokens > {above} && !device.onAcPower"),
        Rule::FarAway { above } => format!("request.tokens > {above} && network.rttMs > 50.0"),
        Rule::Model { model, task } => {
            format!("request.model == \"{model}\" || request.task == \"{task}\"")
        }
    }
}

impl Engine for Ours {
    type Input = Question;
    type Output = Decision;

    fn name(&self) -> &'static str {
        "tideline"
    }

    fn input(&self, case: &Case) -> Question {
        question(case)
    }

    fn matched(&mut self, input: &Question) -> Vec<usize> {
        let decision = self.0.decide(input.clone());
        let names = decision
            .matched()
            .into_iter()
            .map(|rule| rule.name[1..].parse().unwrap());
        names.collect()
    }

    fn run(&mut self, input: Question) -> Decision {
        self.0.decide(input)
    }
}

fn slow(case: &Case) -> SlowFacts {
    SlowFacts {
        device: DeviceFacts {
            on_ac_power: case.on_ac_power,
            ..DeviceFacts::default()
        },
        network: NetworkFacts {
            online: true,
            metered: false,
            rtt_ms: case.rtt_ms as f64,
        },
        user: UserFacts {
            name: "ada".into(),
            groups: case
                .groups
                .iter()
                .map(|group| group.as_str().into())
                .collect(),
        },
        ..SlowFacts::default()
    }
}

fn question(case: &Case) -> Question {
    Question {
        request: RequestFacts {
            task: case.task.as_str().into(),
            tokens: Tokens::new(case.tokens as u32),
            labels: case.labels.iter().map(|label| Label::new(label)).collect(),
            app: case.app.as_str().into(),
            model: case.model.as_str().into(),
            failed_signals: Vec::new(),
        },
        mode: Mode::Unstated,
        boundary: Boundary::Cloud,
        candidates: (0..8).map(candidate).collect(),
    }
}

fn candidate(at: usize) -> Candidate {
    let here = at < 3;
    Candidate {
        kind: if here {
            PlacementKind::Device
        } else {
            PlacementKind::Cloud
        },
        site: Site {
            name: format!("site-{at}").into(),
            boundary: if here {
                Boundary::Device
            } else {
                Boundary::ALL[1 + at % 2]
            },
        },
        model: "model".into(),
        variant: format!("variant-{at}").into(),
        provider: "cpu".into(),
        prediction: Prediction {
            latency: Seconds::clamped(0.1 + at as f64 / 50.0),
            latency_sd: Seconds::clamped(0.01),
            cost: Some(Usd::clamped(at as f64 / 1000.0)),
            energy: WattHours::clamped(0.01),
            p_error: Probability::new(0.1 / (at + 1) as f64),
        },
        availability: Availability::Ready,
        redacts: false,
    }
}
