//! One clock, no sockets: what is heard, and what must be done.

use super::*;

const HINTS_EVERY: Duration = Duration::from_secs(60);

fn hello() -> Numbered {
    let hello = Hello {
        device_id: "01J".into(),
        agent_version: "0.1.0".into(),
        protocols: (1, 1),
    };
    Numbered {
        sequence: 1,
        message: FromAgent::Hello(hello),
    }
}

fn said(sequence: u64, message: FromAgent) -> Numbered {
    Numbered { sequence, message }
}

fn attached(now: Instant) -> Session {
    let mut session = Session::new(now, HINTS_EVERY);
    let actions = session.heard(hello(), now);
    assert!(matches!(
        &actions[..],
        [
            Action::Attach { .. },
            Action::Say(ToAgent::Welcome { protocol: 1, .. })
        ]
    ));
    session
}

fn is_refused(actions: &[Action]) -> bool {
    matches!(
        actions,
        [Action::Say(ToAgent::Refused { .. }), Action::End(_)]
    )
}

#[test]
fn nothing_is_believed_before_hello() {
    let now = Instant::now();
    let mut session = Session::new(now, HINTS_EVERY);
    assert!(is_refused(
        &session.heard(said(1, FromAgent::State(Box::default())), now)
    ));
    assert_eq!(
        session.heard(hello(), now),
        [],
        "a refused stream stays refused"
    );
}

#[test]
fn a_stream_that_says_nothing_is_let_go() {
    let now = Instant::now();
    let mut session = Session::new(now, HINTS_EVERY);
    assert_eq!(session.wake(now), []);
    assert!(is_refused(&session.wake(session.deadline())));
}

#[test]
fn names_are_bounded_and_protocols_must_meet() {
    let now = Instant::now();
    let check = |change: fn(&mut Hello)| {
        let mut session = Session::new(now, HINTS_EVERY);
        let mut hello = Hello {
            device_id: "01J".into(),
            agent_version: "0.1.0".into(),
            protocols: (1, 1),
        };
        change(&mut hello);
        assert!(is_refused(
            &session.heard(said(1, FromAgent::Hello(hello)), now)
        ));
    };
    check(|hello| hello.device_id.clear());
    check(|hello| hello.device_id = "x".repeat(MAX_NAME + 1));
    check(|hello| hello.agent_version = "two words".into());
    check(|hello| hello.protocols = (2, 9));
}

#[test]
fn a_missing_number_asks_for_the_whole_state_once() {
    let now = Instant::now();
    let mut session = attached(now);
    assert!(matches!(
        &session.heard(said(2, FromAgent::State(Box::default())), now)[..],
        [Action::Keep(_)]
    ));
    assert!(matches!(
        &session.heard(said(3, FromAgent::Delta(Box::default())), now)[..],
        [Action::Keep(_)]
    ));
    assert_eq!(
        session.heard(said(5, FromAgent::Delta(Box::default())), now),
        [Action::Say(ToAgent::ResendState)]
    );
    assert_eq!(
        session.heard(said(6, FromAgent::Delta(Box::default())), now),
        [],
        "it was asked already"
    );
    assert!(matches!(
        &session.heard(said(7, FromAgent::State(Box::default())), now)[..],
        [Action::Keep(_)]
    ));
}

#[test]
fn every_heartbeat_is_answered_and_tells_the_round_trip() {
    let now = Instant::now();
    let mut session = attached(now);
    let first = session.heard(
        said(
            2,
            FromAgent::Heartbeat(Beat {
                id: 7,
                answers: None,
            }),
        ),
        now,
    );
    let Action::Say(ToAgent::Heartbeat(answer)) = &first[1] else {
        panic!("{first:?}")
    };
    assert_eq!(answer.answers, Some((7, Duration::ZERO)));
    let later = now + Duration::from_secs(15);
    let beat = Beat {
        id: 8,
        answers: Some((answer.id, Duration::from_millis(14_990))),
    };
    let second = session.heard(said(3, FromAgent::Heartbeat(beat)), later);
    assert_eq!(
        second[0],
        Action::Seen {
            rtt: Some(Duration::from_millis(10))
        }
    );
}

#[test]
fn a_silent_agent_is_let_go_after_three_heartbeats() {
    let now = Instant::now();
    let mut session = attached(now);
    session.wake(now);
    assert_eq!(
        session.wake(now + HEARTBEAT * 3),
        [Action::End("the agent was silent for three heartbeats")]
    );
}

#[test]
fn hints_are_told_at_once_and_again_before_they_expire() {
    let now = Instant::now();
    let mut session = attached(now);
    assert_eq!(
        session.wake(session.deadline()),
        [Action::Say(ToAgent::Hints)]
    );
    session.heard(
        said(
            2,
            FromAgent::Heartbeat(Beat {
                id: 1,
                answers: None,
            }),
        ),
        now + HEARTBEAT * 2,
    );
    assert_eq!(
        session.wake(now + HINTS_EVERY),
        [Action::Say(ToAgent::Hints)]
    );
}

#[test]
fn a_stop_is_announced_once_and_the_agent_may_leave_in_time() {
    let now = Instant::now();
    let mut session = attached(now);
    session.wake(now);
    let within = Duration::from_secs(5);
    assert_eq!(
        session.drain(within, now),
        [Action::Say(ToAgent::Drain(within))]
    );
    assert!(session.is_draining());
    assert_eq!(session.drain(within, now), []);
    assert_eq!(session.deadline(), now + within);
    assert_eq!(session.wake(now + within / 2), []);
    let mut other = attached(now);
    other.drain(within, now);
    assert_eq!(
        other.heard(said(2, FromAgent::Goodbye), now),
        [Action::End("the agent left")]
    );
    assert_eq!(
        session.wake(now + within),
        [Action::End("the gateway stops, and the agent stayed")]
    );
}

#[test]
fn an_agent_that_another_replaced_is_told_why_and_when_to_come_back() {
    let mut session = attached(Instant::now());
    let actions = session.replaced();
    let Action::Say(ToAgent::Refused {
        why,
        retry: Some(retry),
    }) = &actions[0]
    else {
        panic!("{actions:?}")
    };
    assert!(why.contains("identity"), "{why}");
    assert!(retry.at_least >= Duration::from_secs(60), "no endless swap");
}

#[test]
fn a_heartbeat_is_answered_even_where_something_before_it_is_missing() {
    let now = Instant::now();
    let mut session = attached(now);
    let beat = Beat {
        id: 4,
        answers: None,
    };
    assert!(matches!(
        &session.heard(said(9, FromAgent::Heartbeat(beat)), now)[..],
        [
            Action::Seen { rtt: None },
            Action::Say(ToAgent::Heartbeat(_)),
            Action::Say(ToAgent::ResendState)
        ]
    ));
}

#[test]
fn what_changed_means_nothing_before_the_whole_was_told() {
    let now = Instant::now();
    let mut session = attached(now);
    assert_eq!(
        session.heard(said(2, FromAgent::Delta(Box::default())), now),
        [Action::Say(ToAgent::ResendState)]
    );
}
