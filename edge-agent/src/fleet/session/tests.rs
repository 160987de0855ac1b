//! Proofs about the session: the agent's half beside a gateway of a few lines, and one clock.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::message::{
    FromGateway, GatewayHeartbeat, Hello, Hints, Offer, ToGateway, Welcome, Window,
};
use super::{Action, Event, LinkStatus, Session, Timing};
use crate::inventory::{InstalledModel, Inventory, ModelTask};

const SECOND: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_secs(10);

/// A session, its clock, and all that it ever did.
struct World {
    session: Session,
    now: Instant,
    done: Vec<Action>,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let hello = Hello {
            device_id: "d".into(),
            agent_version: "1".into(),
            boot_id: "b".into(),
        };
        let session = Session::new(hello, Inventory::default(), Timing::default(), now);
        Self {
            session,
            now,
            done: Vec::new(),
        }
    }

    /// One that was welcomed, with nothing left to read.
    fn attached() -> Self {
        let mut world = Self::new();
        world.on(Event::Connected);
        world.say(welcome());
        world.done.clear();
        world
    }

    fn on(&mut self, event: Event) -> &mut Self {
        self.session.handle(event, self.now, 1.0);
        self.collect()
    }

    fn say(&mut self, message: FromGateway) -> &mut Self {
        self.on(Event::Message(message))
    }

    /// Lets time pass, waking the session at each of its deadlines.
    fn pass(&mut self, time: Duration) -> &mut Self {
        let end = self.now + time;
        while let Some(deadline) = self.session.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.session.wake(self.now, 1.0);
            self.collect();
        }
        self.now = end;
        self
    }

    fn collect(&mut self) -> &mut Self {
        self.done
            .extend(std::iter::from_fn(|| self.session.next_action()));
        self
    }

    /// What was done since the last call.
    fn take(&mut self) -> Vec<Action> {
        self.collect();
        std::mem::take(&mut self.done)
    }

    fn said(&mut self) -> Vec<ToGateway> {
        let said = |action| match action {
            Action::Send(numbered) => Some(numbered.message),
            Action::Connect
            | Action::Disconnect
            | Action::Apply(_)
            | Action::Forget
            | Action::Take(..)
            | Action::Report(_) => None,
        };
        self.take().into_iter().filter_map(said).collect()
    }

    /// How long until it connects again.
    fn returns_after(&mut self) -> Duration {
        self.session
            .deadline()
            .map_or(Duration::MAX, |at| at - self.now)
    }
}

fn welcome() -> FromGateway {
    FromGateway::Welcome(Welcome {
        gateway_id: "g".into(),
        gateway_version: "1".into(),
        protocol: 1,
        heartbeat_interval: INTERVAL,
    })
}

fn beat(id: u64, answers: Option<(u64, Duration)>) -> FromGateway {
    FromGateway::Heartbeat(GatewayHeartbeat { id, answers })
}

fn hints(seconds: u64) -> Hints {
    Hints {
        time_to_live: Duration::from_secs(seconds),
        backends: Vec::new(),
    }
}

fn window(at_least: u64, at_most: u64) -> Window {
    Window {
        at_least: Duration::from_secs(at_least),
        at_most: Duration::from_secs(at_most),
        reason: "busy".into(),
    }
}

fn with_model(name: &str) -> Inventory {
    let model = InstalledModel {
        name: name.into(),
        task: ModelTask::Embedding,
        variants: Vec::new(),
    };
    Inventory {
        models: vec![model],
        ..Inventory::default()
    }
}

fn with_battery(percent: u8) -> Inventory {
    let mut inventory = Inventory::default();
    inventory.reading.battery_percent = Some(percent);
    inventory
}

#[test]
fn the_first_words_are_hello_then_the_whole_state_then_a_heartbeat() {
    let mut world = World::new();
    assert_eq!(world.take(), [Action::Connect]);
    world.on(Event::Connected);
    assert!(matches!(world.said()[..], [ToGateway::Hello(_)]));
    world.say(welcome());
    assert!(matches!(
        world.said()[..],
        [ToGateway::State(_), ToGateway::Heartbeat(_)]
    ));
}

#[test]
fn a_model_that_appears_is_told_at_once_and_a_battery_with_the_next_heartbeat() {
    let mut world = World::attached();
    world.on(Event::Changed(Box::new(with_model("m"))));
    assert!(matches!(&world.said()[..], [ToGateway::Delta(delta)] if delta.models.is_some()));
    let mut drained = with_model("m");
    drained.reading.battery_percent = Some(9);
    world.on(Event::Changed(Box::new(drained)));
    assert_eq!(world.said(), []);
    world.pass(INTERVAL);
    let said = world.said();
    assert!(
        matches!(&said[..], [ToGateway::Delta(delta), ToGateway::Heartbeat(_)] if delta.can_wait()),
        "{said:?}"
    );
}

#[test]
fn what_vanished_is_told_with_the_whole_state() {
    let mut world = World::attached();
    world.on(Event::Changed(Box::new(with_model("m"))));
    world.said();
    world.on(Event::Changed(Box::default()));
    assert!(matches!(world.said()[..], [ToGateway::State(_)]));
}

#[test]
fn a_gateway_that_noticed_a_gap_gets_the_whole_state() {
    let mut world = World::attached();
    world.on(Event::Changed(Box::new(with_battery(50))));
    world.say(FromGateway::ResendState);
    let said = world.said();
    assert!(
        matches!(&said[..], [ToGateway::State(state)] if **state == with_battery(50)),
        "{said:?}"
    );
}

#[test]
fn heartbeats_measure_the_round_trip_without_the_time_the_gateway_held_them() {
    let mut world = World::attached();
    world.pass(INTERVAL);
    let said = world.said();
    let [ToGateway::Heartbeat(sent)] = &said[..] else {
        panic!("{said:?}")
    };
    world.pass(4 * SECOND);
    world.say(beat(1, Some((sent.id, Duration::from_millis(3960)))));
    let status = LinkStatus::Attached {
        gateway_id: "g".into(),
        rtt: Some(Duration::from_millis(40)),
    };
    assert_eq!(world.take(), [Action::Report(status)]);
    world.pass(6 * SECOND);
    let said = world.said();
    assert!(
        matches!(&said[..], [ToGateway::Heartbeat(beat)] if beat.answers == Some((1, 6 * SECOND))),
        "{said:?}"
    );
}

#[test]
fn one_slow_round_trip_moves_the_measure_by_an_eighth() {
    let mut world = World::attached();
    // The second heartbeat leaves 40 ms before the wait for its answer begins.
    for (round, millis) in [40_u64, 80].into_iter().enumerate() {
        world.pass(INTERVAL);
        let said = world.said();
        let [ToGateway::Heartbeat(sent)] = &said[..] else {
            panic!("{said:?}")
        };
        world.pass(Duration::from_millis(millis));
        world.say(beat(round as u64 + 1, Some((sent.id, Duration::ZERO))));
    }
    let done = world.take();
    let rtt = Some(Duration::from_millis(50));
    assert!(
        matches!(&done[..], [Action::Report(LinkStatus::Attached { rtt: shown, .. })] if *shown == rtt),
        "{done:?}"
    );
}

#[test]
fn an_answer_that_crosses_the_next_heartbeat_still_counts() {
    let mut world = World::attached();
    world.pass(INTERVAL);
    let said = world.said();
    let [ToGateway::Heartbeat(first)] = &said[..] else {
        panic!("{said:?}")
    };
    world.pass(INTERVAL);
    world.said();
    world.say(beat(1, Some((first.id, Duration::from_millis(9_900)))));
    assert!(matches!(
        world.take()[..],
        [Action::Report(LinkStatus::Attached { .. })]
    ));
}

#[test]
fn a_gateway_silent_for_three_heartbeats_is_left() {
    let mut world = World::attached();
    world.pass(3 * INTERVAL - SECOND);
    assert!(!world.take().contains(&Action::Disconnect));
    world.pass(SECOND);
    let done = world.take();
    assert!(done.contains(&Action::Disconnect), "{done:?}");
    assert!(
        matches!(done.last(), Some(Action::Report(LinkStatus::Away { .. }))),
        "{done:?}"
    );
}

#[test]
fn a_gateway_that_speaks_is_kept() {
    let mut world = World::attached();
    for id in 1..100 {
        world.pass(INTERVAL);
        world.say(beat(id, None));
    }
    assert!(!world.take().contains(&Action::Disconnect));
}

#[test]
fn a_gateway_that_does_not_greet_back_is_left() {
    let mut world = World::new();
    world.on(Event::Connected).take();
    world.pass(Timing::default().welcome_within);
    assert!(world.take().contains(&Action::Disconnect));
}

#[test]
fn delays_double_up_to_the_cap_and_a_heartbeat_answered_resets_them() {
    let mut world = World::new();
    let mut delays = Vec::new();
    for _ in 0..10 {
        world.on(Event::Lost("refused".into()));
        delays.push(world.returns_after().as_millis());
        let delay = world.returns_after();
        world.pass(delay);
    }
    assert_eq!(
        delays,
        [
            500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000, 30000
        ]
    );

    world.on(Event::Connected).say(welcome());
    let said = world.said();
    let Some(ToGateway::Heartbeat(sent)) = said.last() else {
        panic!("{said:?}")
    };
    world.say(beat(1, Some((sent.id, Duration::ZERO))));
    world.on(Event::Lost("reset".into()));
    assert_eq!(world.returns_after().as_millis(), 500);
}

#[test]
fn a_gateway_that_welcomes_and_drops_is_not_hammered() {
    let mut world = World::new();
    for _ in 0..10 {
        world
            .on(Event::Connected)
            .say(welcome())
            .on(Event::Lost("dropped".into()));
        let delay = world.returns_after();
        world.pass(delay);
    }
    world
        .on(Event::Connected)
        .say(welcome())
        .on(Event::Lost("dropped".into()));
    assert_eq!(world.returns_after(), Timing::default().backoff_cap);
}

#[test]
fn jitter_is_full() {
    for (draw, delay) in [(0.0, 0), (0.25, 125), (1.0, 500)] {
        let mut world = World::new();
        world
            .session
            .handle(Event::Lost("refused".into()), world.now, draw);
        assert_eq!(world.returns_after().as_millis(), delay);
    }
}

#[test]
fn a_backoff_is_obeyed_within_reason() {
    let mut world = World::attached();
    world.say(FromGateway::Backoff(window(60, 90)));
    assert!(world.take().contains(&Action::Disconnect));
    assert_eq!(world.returns_after(), Duration::from_secs(90));

    let mut world = World::attached();
    world.say(FromGateway::Backoff(window(u64::MAX, u64::MAX)));
    assert_eq!(world.returns_after(), Timing::default().asked_cap);
}

#[test]
fn a_refusal_is_final_unless_it_says_when_to_come_back() {
    let mut world = World::attached();
    world.say(FromGateway::Refused {
        reason: "unknown device".into(),
        retry: None,
    });
    let done = world.take();
    assert!(
        matches!(&done[..], [Action::Disconnect, Action::Report(LinkStatus::Refused { why, .. })] if why == "unknown device"),
        "{done:?}"
    );
    assert_eq!(world.session.deadline(), None);

    let mut world = World::attached();
    world.say(FromGateway::Refused {
        reason: "too many".into(),
        retry: Some(window(5, 5)),
    });
    assert_eq!(world.returns_after(), Duration::from_secs(5));
}

#[test]
fn a_draining_gateway_is_left_in_time_with_a_goodbye() {
    let mut world = World::attached();
    world.say(FromGateway::Drain(5 * SECOND));
    assert_eq!(world.take(), []);
    world.pass(5 * SECOND);
    let done = world.take();
    assert!(
        matches!(&done[..], [Action::Send(last), Action::Disconnect, Action::Report(_)] if matches!(last.message, ToGateway::Goodbye { .. })),
        "{done:?}"
    );
    world.pass(SECOND);
    assert_eq!(world.take(), [Action::Connect]);
}

#[test]
fn hints_are_believed_until_their_time_is_over_even_without_a_gateway() {
    let mut world = World::attached();
    world.say(FromGateway::Hints(hints(20)));
    assert_eq!(world.take(), [Action::Apply(hints(20))]);
    world.on(Event::Lost("gone".into()));
    world.pass(19 * SECOND);
    assert!(!world.take().contains(&Action::Forget));
    world.pass(SECOND);
    assert!(world.take().contains(&Action::Forget));
}

#[test]
fn an_offer_that_cannot_be_checked_is_refused_by_its_nonce() {
    let mut world = World::attached();
    world.say(FromGateway::Offer(Offer {
        nonce: 7,
        kind: "policy",
    }));
    assert!(matches!(
        world.said()[..],
        [ToGateway::Nack { nonce: 7, .. }]
    ));
}

#[test]
fn a_gateway_of_another_protocol_is_left() {
    let mut world = World::new();
    world.on(Event::Connected);
    let FromGateway::Welcome(ours) = welcome() else {
        unreachable!("it is a welcome")
    };
    world.say(FromGateway::Welcome(Welcome {
        protocol: 2,
        ..ours
    }));
    assert!(world.take().contains(&Action::Disconnect));
}

#[test]
fn leaving_says_goodbye_and_ends() {
    let mut world = World::attached();
    world.on(Event::Leave);
    let done = world.take();
    assert!(
        matches!(&done[..], [Action::Send(last), Action::Disconnect] if matches!(last.message, ToGateway::Goodbye { .. })),
        "{done:?}"
    );
    world.on(Event::Lost("closed".into()));
    world.say(FromGateway::Backoff(window(1, 1)));
    assert_eq!((world.session.deadline(), world.take()), (None, Vec::new()));
}

fn events() -> impl Strategy<Value = Event> {
    let message = prop_oneof![
        3 => Just(welcome()),
        3 => (0..40_u64, proptest::option::of((0..60_u64, 0..20_u64))).prop_map(|(id, answers)| {
            beat(id, answers.map(|(id, held)| (id, Duration::from_secs(held))))
        }),
        1 => Just(FromGateway::ResendState),
        1 => (0..u64::MAX).prop_map(|seconds| FromGateway::Hints(hints(seconds))),
        1 => (0..100_u64, 0..u64::MAX).prop_map(|(least, most)| FromGateway::Backoff(window(least, most))),
        1 => (0..u64::MAX).prop_map(|seconds| FromGateway::Drain(Duration::from_secs(seconds))),
        1 => (0..9_u64).prop_map(|nonce| FromGateway::Offer(Offer { nonce, kind: "policy" })),
        1 => Just(FromGateway::Unasked("a budget lease")),
    ];
    prop_oneof![
        4 => Just(Event::Connected),
        8 => message.prop_map(Event::Message),
        2 => Just(Event::Lost("gone".into())),
        2 => (0..100_u8).prop_map(|percent| Event::Changed(Box::new(with_battery(percent)))),
        1 => Just(Event::Changed(Box::new(with_model("m")))),
    ]
}

/// What must hold of everything that a session ever does.
fn assert_invariants(done: &[Action]) {
    let (mut connected, mut next) = (false, 1);
    for action in done {
        match action {
            Action::Connect => (connected, next) = (true, 1),
            Action::Disconnect => connected = false,
            Action::Send(numbered) => {
                assert!(connected, "said without a connection: {numbered:?}");
                assert_eq!(numbered.sequence, next, "a gap in {done:?}");
                assert_eq!(next == 1, matches!(numbered.message, ToGateway::Hello(_)));
                next += 1;
            }
            Action::Apply(_) | Action::Forget | Action::Take(..) | Action::Report(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_gateway_says_numbers_have_no_gap_and_attempts_do_not_race(
        events in proptest::collection::vec((events(), 0..30_u64, 0.0..=1.0_f64), 1..60)
    ) {
        let mut world = World::new();
        for (event, seconds, draw) in events {
            world.session.handle(event, world.now, draw);
            world.collect();
            world.pass(Duration::from_secs(seconds));
        }
        assert_invariants(&world.done);
        let attempts = world.done.iter().filter(|action| **action == Action::Connect).count();
        prop_assert!(attempts <= 1 + 60, "{attempts} attempts");
    }
}
