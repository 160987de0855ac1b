//! Two ends and one clock: whatever is lost, repeated or forgotten, no more is spent than may be.

use proptest::prelude::*;

use super::*;

const DEVICES: usize = 3;
const LIMIT: Micros = Micros(10_000_000);

#[derive(Debug, Clone)]
enum Step {
    /// A device pays, if it thinks it can.
    Pay(usize, u64),
    /// A device asks; whether the question and the answer arrive, and how often.
    Ask(usize, bool, bool, usize),
    /// A device tells what it spent; whether that arrives.
    Report(usize, bool),
    /// A device is killed, and starts from what it stored.
    KillDevice(usize),
    /// The gateway is killed, and starts from what it stored.
    KillGateway,
    /// Time passes, in minutes.
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let device = 0..DEVICES;
    let step = prop_oneof![
        6 => (device.clone(), 1_u64..400_000).prop_map(|(d, cost)| Step::Pay(d, cost)),
        4 => (device.clone(), any::<bool>(), any::<bool>(), 1_usize..3).prop_map(|(d, a, b, n)| Step::Ask(d, a, b, n)),
        3 => (device.clone(), any::<bool>()).prop_map(|(d, arrives)| Step::Report(d, arrives)),
        1 => device.prop_map(Step::KillDevice),
        1 => Just(Step::KillGateway),
        2 => (1_u64..90).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..200)
}

/// A device: its wallet in memory, and as it was stored.
#[derive(Default)]
struct Device {
    wallet: Wallet,
    stored: String,
}

impl Device {
    fn store(&mut self) {
        self.stored = serde_json::to_string(&self.wallet).unwrap();
    }
}

struct World {
    budget: Arc<str>,
    ledger: Ledger,
    /// What the gateway stored.
    rows: std::collections::BTreeMap<LeaseId, Held>,
    devices: Vec<Device>,
    now_ms: u64,
    spent: u64,
    /// The most that one payment was.
    dearest: u64,
}

impl World {
    fn new() -> Self {
        let budget: Arc<str> = "b".into();
        Self {
            ledger: Ledger::new([(budget.clone(), LIMIT)], []),
            budget,
            rows: std::collections::BTreeMap::new(),
            devices: (0..DEVICES).map(|_| Device::default()).collect(),
            now_ms: 1_700_000_000_000,
            spent: 0,
            dearest: 0,
        }
    }

    fn keep(&mut self, changed: Option<Held>) {
        self.rows.extend(changed.map(|held| (held.lease.id, held)));
    }

    fn step(&mut self, step: &Step) {
        let now = Moment::at(self.now_ms);
        match step {
            Step::Pay(device, cost) => {
                let device = &mut self.devices[*device];
                if device.wallet.is_spent(&self.budget, self.now_ms) {
                    return;
                }
                if device.wallet.pay(&self.budget, Micros(*cost), self.now_ms) {
                    device.store();
                }
                self.spent += cost;
                self.dearest = self.dearest.max(*cost);
            }
            Step::Ask(device, arrives, answered, times) => {
                let asks = self.devices[*device]
                    .wallet
                    .asks(std::slice::from_ref(&self.budget), self.now_ms);
                let Some(ask) = asks.first().filter(|_| *arrives) else {
                    return;
                };
                for _ in 0..*times {
                    let (answer, changed) = self.ledger.ask(&device.to_string(), ask, now);
                    self.keep(changed);
                    let device = &mut self.devices[*device];
                    match answer {
                        Answer::Lease(lease) if *answered => {
                            device.wallet.take(lease);
                            device.store();
                        }
                        Answer::Spent if *answered => {
                            device.wallet.refused(&self.budget, self.now_ms)
                        }
                        Answer::Lease(_) | Answer::Spent => {}
                    }
                }
            }
            Step::Report(at, arrives) => {
                let reports = self.devices[*at].wallet.reports(self.now_ms);
                if !arrives {
                    return;
                }
                for report in &reports {
                    let changed = self.ledger.report(&at.to_string(), *report);
                    self.keep(changed);
                }
                let told: Vec<LeaseId> = reports
                    .iter()
                    .filter(|one| one.is_final)
                    .map(|one| one.lease)
                    .collect();
                self.devices[*at].wallet.forget(&told, self.now_ms);
                self.devices[*at].store();
            }
            Step::KillDevice(device) => {
                let device = &mut self.devices[*device];
                let stored: Option<Wallet> = serde_json::from_str(&device.stored).ok();
                device.wallet = stored.unwrap_or_default().restored();
            }
            Step::KillGateway => {
                self.ledger =
                    Ledger::new([(self.budget.clone(), LIMIT)], self.rows.values().cloned());
            }
            Step::Pass(minutes) => self.now_ms += minutes * 60_000,
        }
    }

    fn check(&self) {
        // All of it lies in one month: the clock moves by days at most.
        let leases = u64::try_from(self.rows.len()).unwrap();
        let month = Moment::at(self.now_ms).month;
        let counted = self.ledger.counted(&self.budget, month).0;
        assert!(
            counted <= LIMIT.0 + leases * self.dearest,
            "{counted} is granted"
        );
        // A lease is overrun by one payment at most: the next one finds it spent.
        assert!(
            self.spent <= LIMIT.0 + leases * self.dearest,
            "{} is spent",
            self.spent
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn whatever_happens_no_more_is_spent_than_the_limit_and_what_leases_were_overrun_by(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            world.check();
        }
    }

    #[test]
    fn payments_that_fit_never_exceed_the_limit_itself(steps in steps()) {
        // Payments of nothing but single millionths cannot overrun a lease.
        let mut world = World::new();
        for step in &steps {
            let step = if let Step::Pay(device, _) = step { Step::Pay(*device, 1) } else { step.clone() };
            world.step(&step);
            prop_assert!(world.spent <= world.ledger.counted(&world.budget, Moment::at(world.now_ms).month).0);
            prop_assert!(world.ledger.counted(&world.budget, Moment::at(world.now_ms).month).0 <= LIMIT.0);
        }
    }
}

#[test]
fn a_budget_is_spent_to_the_last_by_one_device_that_asks_again_and_again() {
    let mut world = World::new();
    for _ in 0..20_000 {
        world.step(&Step::Ask(0, true, true, 1));
        world.step(&Step::Pay(0, 1_000));
        world.step(&Step::Report(0, true));
    }
    assert!(world.spent > LIMIT.0 * 99 / 100, "{}", world.spent);
    world.check();
    // And a new month begins anew.
    world.now_ms = Moment::at(world.now_ms).month_ends_ms;
    world.step(&Step::Ask(1, true, true, 1));
    assert!(!world.devices[1].wallet.is_spent("b", world.now_ms));
}

#[test]
fn what_is_unknown_counts_as_spent() {
    let mut ledger = Ledger::new([], []);
    let ask = Ask {
        budget: "none".into(),
        newest: None,
    };
    assert_eq!(ledger.ask("d", &ask, Moment::at(0)).0, Answer::Spent);
    assert!(Wallet::default().is_spent("none", 0));
    assert_eq!(
        ledger.report(
            "d",
            Report {
                lease: LeaseId(7),
                spent: Micros(1),
                is_final: true
            }
        ),
        None
    );
    assert_eq!(
        Micros::of(Usd::clamped(0.000_000_1)),
        Micros(1),
        "a fraction is rounded up"
    );
}
