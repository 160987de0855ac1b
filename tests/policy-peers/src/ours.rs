//! Tideline's own engine: rules matched, eight candidates judged, reasons kept.

use anyhow::{Context as _, Result};
use router_policy::{
    Availability, Boundary, Candidate, Decision, DeviceFacts, FleetFacts, Label, Mode,
    NetworkFacts, PlacementKind, Policy, Prediction, Probability, Question, RequestFacts, Seconds,
    Settled, Site, SlowFacts, Tokens, Usd, UserFacts, WattHours,
};

use crate::engine::Engine;
use crate::rules::{Case, Effect, Place, Rule, Term};

const HEAD: &str = "apiVersion: tideline.dev/v1
kind: PlacementPolicy
metadata: { name: bench }
spec:
  default: { boundary: cloud }
  onError: { boundary: device }
  rules:
";

pub struct Ours {
    settled: Settled,
    candidates: Vec<Candidate>,
}

impl Engine for Ours {
    const NAME: &'static str = "tideline";
    type Source = String;
    type Input = Question;
    type Output = Decision;

    fn write(rules: &[Rule]) -> String {
        let rules = rules.iter().enumerate().map(|(place, rule)| {
            let effect = match rule.effect {
                Effect::BoundaryDevice => "boundary: device",
                Effect::BoundaryPrivate => "boundary: private",
                Effect::AvoidDevice => "avoid: [device]",
            };
            let when = condition(rule);
            format!("    - {{ name: r{place}, when: '{when}', {effect} }}\n")
        });
        HEAD.to_owned() + &rules.collect::<String>()
    }

    fn load(source: &String, place: &Place) -> Result<Self> {
        let policy = Policy::compile("bench.yaml", source)?;
        Ok(Self {
            settled: policy.settle(&slow(place)),
            candidates: candidates(),
        })
    }

    fn input(&self, case: &Case) -> Result<Question> {
        Ok(Question {
            request: RequestFacts {
                task: case.task.into(),
                tokens: Tokens::new(u32::try_from(case.tokens)?),
                labels: case.labels.iter().map(|label| Label::new(label)).collect(),
                app: case.app.as_str().into(),
                model: case.model.into(),
                failed_signals: Vec::new(),
            },
            mode: Mode::Unstated,
            boundary: Boundary::Cloud,
            candidates: self.candidates.clone(),
        })
    }

    fn decide(&mut self, question: Question) -> Decision {
        self.settled.decide(question)
    }

    fn matched(decision: Decision) -> Result<Vec<usize>> {
        let place = |name: &str| {
            let place = name.strip_prefix('r').and_then(|place| place.parse().ok());
            place.with_context(|| format!("no rule is called {name}"))
        };
        let mut places = Vec::new();
        for rule in decision.matched() {
            places.push(place(&rule.name)?);
        }
        places.sort_unstable();
        Ok(places)
    }
}

/// A condition in CEL, for us and for the interpreter.
pub fn condition(rule: &Rule) -> String {
    let terms: Vec<_> = rule.when.iter().map(term).collect();
    terms.join(" && ")
}

fn term(term: &Term) -> String {
    match term {
        Term::App(app) => format!("request.app == {app:?}"),
        Term::Task(task) => format!("request.task == {task:?}"),
        Term::Model(model) => format!("request.model == {model:?}"),
        Term::TokensAbove(count) => format!("request.tokens > {count}"),
        Term::Label(label) => format!("{label:?} in request.labels"),
        Term::LabelPrefix(prefix) => format!("request.labels.exists(l, l.startsWith({prefix:?}))"),
        Term::Group(group) => format!("{group:?} in user.groups"),
        Term::OnBatteryBelow(percent) => {
            format!("!device.onAcPower && device.batteryPercent < {percent}")
        }
        Term::Metered => "network.metered".to_owned(),
        Term::RttAbove(ms) => format!("network.rttMs > {ms}.0"),
    }
}

fn slow(place: &Place) -> SlowFacts {
    let groups = place.groups.iter().map(|group| group.as_str().into());
    SlowFacts {
        device: DeviceFacts {
            on_ac_power: place.on_ac_power,
            battery_percent: place.battery_percent as u32,
            class: place.class.into(),
            os: place.os.into(),
            ..DeviceFacts::default()
        },
        network: NetworkFacts {
            online: place.online,
            metered: place.metered,
            rtt_ms: place.rtt_ms as f64,
        },
        user: UserFacts {
            groups: groups.collect(),
            ..UserFacts::default()
        },
        fleet: FleetFacts {
            connected: place.connected,
            ring: place.ring.into(),
            ..FleetFacts::default()
        },
    }
}

/// Two ways on the device, two at a private site, three in clouds, and a cascade.
fn candidates() -> Vec<Candidate> {
    let ways = [
        (PlacementKind::Device, Boundary::Device, 0.0, 0.90),
        (PlacementKind::Device, Boundary::Device, 0.0, 1.60),
        (PlacementKind::Cloud, Boundary::Private, 0.0004, 0.45),
        (PlacementKind::Cloud, Boundary::Private, 0.0003, 0.70),
        (PlacementKind::Cloud, Boundary::Cloud, 0.0020, 0.30),
        (PlacementKind::Cloud, Boundary::Cloud, 0.0009, 0.50),
        (PlacementKind::Cloud, Boundary::Cloud, 0.0015, 0.35),
        (PlacementKind::Cascade, Boundary::Cloud, 0.0006, 1.00),
    ];
    let candidate = |(at, (kind, boundary, usd, seconds)): (usize, _)| Candidate {
        kind,
        site: Site {
            name: format!("site-{at}").into(),
            boundary,
        },
        model: "small".into(),
        variant: "int8".into(),
        provider: "cpu".into(),
        prediction: Prediction {
            latency: Seconds::clamped(seconds),
            latency_sd: Seconds::clamped(seconds / 5.0),
            cost: Some(Usd::clamped(usd)),
            energy: WattHours::clamped(if boundary == Boundary::Device {
                0.01
            } else {
                0.001
            }),
            p_error: Probability::new(0.08 / (at + 1) as f64),
        },
        availability: Availability::Ready,
        redacts: false,
    };
    ways.into_iter().enumerate().map(candidate).collect()
}
