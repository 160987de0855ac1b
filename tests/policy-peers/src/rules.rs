//! The rules and the requests, in no engine's language yet. The same numbers give the same ones.

const TASKS: [&str; 4] = ["chat", "embedding", "completion", "infer"];
const MODELS: [&str; 6] = ["auto", "small", "large", "code", "vision", "minilm"];
/// Kinds of labels, and how many labels there are of each.
const FAMILIES: [&str; 6] = ["pii", "secret", "health", "finance", "legal", "source"];
const IN_FAMILY: usize = 10;

/// One part of a condition.
#[derive(Debug, Clone)]
pub enum Term {
    App(String),
    Task(&'static str),
    Model(&'static str),
    TokensAbove(usize),
    Label(String),
    /// Some label begins with it.
    LabelPrefix(String),
    Group(String),
    OnBatteryBelow(usize),
    Metered,
    RttAbove(usize),
}

/// What a rule does.
#[derive(Debug, Clone, Copy)]
pub enum Effect {
    BoundaryDevice,
    BoundaryPrivate,
    AvoidDevice,
}

/// A rule holds when all of its terms do.
#[derive(Debug, Clone)]
pub struct Rule {
    pub when: Vec<Term>,
    pub effect: Effect,
}

/// Fifteen facts: of the request, and of where it is made.
#[derive(Debug, Clone)]
pub struct Case {
    pub task: &'static str,
    pub tokens: usize,
    pub labels: Vec<String>,
    pub app: String,
    pub model: &'static str,
    pub place: Place,
}

/// The facts that stay the same from one request to the next.
#[derive(Debug, Clone)]
pub struct Place {
    pub on_ac_power: bool,
    pub battery_percent: usize,
    pub class: &'static str,
    pub os: &'static str,
    pub online: bool,
    pub metered: bool,
    pub rtt_ms: usize,
    pub groups: Vec<String>,
    pub connected: bool,
    pub ring: &'static str,
}

/// That many: half about an app and something else, a fifth about groups, a fifth about labels, and a
/// tenth about long requests on a battery or a poor network.
pub fn rules(count: usize) -> Vec<Rule> {
    (0..count).map(|at| rule(at, count)).collect()
}

fn rule(at: usize, count: usize) -> Rule {
    let ten = at / 10;
    let (when, effect) = match at % 10 {
        1 | 3 => (vec![group(ten * 2 + at % 10 / 3)], Effect::BoundaryPrivate),
        5 => {
            let mut when = vec![Term::LabelPrefix(format!("{}.", FAMILIES[ten % 6]))];
            // Each kind once for everybody, the rest for one group each.
            if ten >= FAMILIES.len() {
                when.push(group(ten));
            }
            (when, Effect::BoundaryDevice)
        }
        7 => {
            let mut when = vec![Term::Label(label(ten * 7))];
            if ten >= FAMILIES.len() * IN_FAMILY {
                when.push(Term::TokensAbove(ten * 10));
            }
            (when, Effect::BoundaryDevice)
        }
        9 => {
            let poor = match ten % 3 {
                0 => Term::OnBatteryBelow(10 + ten * 7 % 80),
                1 => Term::RttAbove(ten * 13 % 200),
                _ => Term::Metered,
            };
            let long = Term::TokensAbove(500 + ten * 397 % 7_000);
            (vec![long, poor], Effect::AvoidDevice)
        }
        _ => {
            let number = at / 2;
            let second = match number % 3 {
                0 => Term::TokensAbove(250 << (number % 5)),
                1 => Term::Task(TASKS[number % 4]),
                _ => Term::Model(MODELS[number % 6]),
            };
            let effects = [
                Effect::BoundaryPrivate,
                Effect::AvoidDevice,
                Effect::BoundaryDevice,
            ];
            let when = vec![app(number % apps(count)), second];
            (when, effects[number % 3])
        }
    };
    Rule { when, effect }
}

/// So many apps that each has two rules, or, of few rules, one.
fn apps(rules: usize) -> usize {
    (rules / 4).max(5)
}

fn app(number: usize) -> Term {
    Term::App(format!("app-{number}"))
}

fn group(number: usize) -> Term {
    Term::Group(format!("group-{number}"))
}

fn label(number: usize) -> String {
    let number = number % (FAMILIES.len() * IN_FAMILY);
    format!("{}.kind_{}", FAMILIES[number % 6], number / 6)
}

/// Requests of different apps, lengths, labels, tasks and models for a policy of `rules` rules.
pub fn cases(count: usize, rules: usize) -> Vec<Case> {
    let mut chance = Chance(0x7469_6465_6c69_6e65);
    (0..count).map(|_| case(&mut chance, rules)).collect()
}

fn case(chance: &mut Chance, rules: usize) -> Case {
    // Most requests carry nothing sensitive.
    let labels = chance.below(10).saturating_sub(6);
    // Some are exactly as long as a rule's limit.
    let tokens = match chance.below(3) {
        0 => 250 << chance.below(5),
        _ => {
            let least = 16 << chance.below(9);
            least + chance.below(least)
        }
    };
    Case {
        task: TASKS[chance.below(TASKS.len())],
        tokens,
        labels: (0..labels).map(|_| label(chance.below(60))).collect(),
        app: format!("app-{}", chance.below(apps(rules))),
        model: MODELS[chance.below(MODELS.len())],
        place: place(rules),
    }
}

/// A laptop on battery at home.
fn place(rules: usize) -> Place {
    let named = ["group-1".to_owned(), "group-7".to_owned()];
    let others = ["staff", "engineering", "berlin"].map(str::to_owned);
    let mut groups = Vec::from_iter(others.into_iter().chain(named));
    groups.push(format!("group-{}", rules / 10));
    Place {
        on_ac_power: false,
        battery_percent: 41,
        class: "laptop-16gb",
        os: "linux",
        online: true,
        metered: false,
        rtt_ms: 60,
        groups,
        connected: true,
        ring: "stable",
    }
}

/// Chance that is the same in each run: splitmix64, by Sebastiano Vigna.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed % limit as u64) as usize
    }
}
