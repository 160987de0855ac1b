//! The second half of the demo: chats that a small model on the laptop answers while it is sure, and a
//! larger one in the cloud where it is not, held against both extremes on tasks that have one right
//! answer; and an answer whose cloud goes away in its midst.

mod line;
mod sum;
mod talk;
mod tasks;

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};

pub(crate) use self::line::Line;
use self::sum::Score;
use self::talk::{Asked, Talk};
use self::tasks::Task;
use super::fleet::Fleet;
use super::table::{microdollars, milliseconds};
use crate::program::Events;
use crate::terminal::{Side, Style, Terminal, fit, shorten};

/// The columns beside the question, with their widths.
const NUMBER: usize = 3;
const ANSWER: usize = 24;
const PLACE: usize = 11;
const FIRST: usize = 9;
const COST: usize = 10;

/// Where the answers of one way come from, and the mode that asks for it.
const WAYS: [(&str, Option<&str>); 3] = [
    ("all on the laptop", Some("only-on-device")),
    ("all in the cloud", Some("only-in-cloud")),
    ("where it is placed", None),
];

/// Asks every task in all three ways; prints the placed ones as they are answered, then the sums.
///
/// # Errors
///
/// When a chat fails.
pub(crate) fn run(fleet: &Fleet, terminal: &Terminal, events: &Events) -> Result<Vec<String>> {
    let talk = Talk::new(&fleet.agent_url(), fleet.token());
    let tasks = tasks::read()?;
    println!(
        "\n{}",
        terminal.paint(
            Style::Strong,
            "Chats: a small model on the laptop, a larger one in the cloud"
        )
    );
    head(terminal);
    let mut kept = 0;
    let mut scores = WAYS.map(|(name, _)| Score::new(name));
    for (index, task) in tasks.iter().enumerate() {
        if let Some(event) = events.next(Duration::ZERO) {
            return Err(event.unexpected());
        }
        let mut answers = Vec::new();
        for (_, mode) in WAYS {
            let asked = Asked {
                messages: &task.messages,
                mode,
                streams: mode.is_none(),
            };
            let answer = talk.ask(&asked, |_| {});
            answers.push(answer.with_context(|| format!("task {}", index + 1))?);
        }
        let is_right = |answer: &talk::Answer| answer.text.trim() == task.answer;
        if let Some(placed) = answers.last() {
            row(terminal, index + 1, task, placed, is_right(placed));
        }
        // What may not leave has nothing to be compared with.
        if answers.iter().any(|answer| answer.is_denied) {
            kept += 1;
            continue;
        }
        for (answer, score) in answers.iter().zip(&mut scores) {
            score.add(answer, is_right(answer));
        }
    }
    sum::print(terminal, &scores, kept);
    let mut complaints = sum::complaints(&scores);
    complaints.extend(cut(fleet, terminal, &talk)?);
    Ok(complaints)
}

fn head(terminal: &Terminal) {
    let line = [
        fit("#", NUMBER, Side::Right),
        fit("question", question(terminal), Side::Left),
        fit("answer", ANSWER, Side::Left),
        fit("placement", PLACE, Side::Left),
        fit("1st token", FIRST, Side::Right),
        fit("cost", COST, Side::Right),
    ];
    println!("{}", terminal.paint(Style::Strong, &line.join("  ")));
    let rule = "─".repeat(terminal.width);
    println!("{}", terminal.paint(Style::Faint, &rule));
}

/// Columns for the question.
fn question(terminal: &Terminal) -> usize {
    let taken = [NUMBER, ANSWER, PLACE, FIRST, COST, 2];
    terminal.width - taken.iter().map(|width| width + 2).sum::<usize>() + 2
}

fn row(terminal: &Terminal, number: usize, task: &Task, answer: &talk::Answer, is_right: bool) {
    let paint = |style, text: &str| terminal.paint(style, text).into_owned();
    let (place, style) = if answer.has_escalated() {
        ("escalated", Style::Remote)
    } else {
        ("laptop", Style::Good)
    };
    let (mark, marked) = if is_right {
        ("✓", Style::Good)
    } else {
        ("✗", Style::Bad)
    };
    println!(
        "{}  {}  {} {}  {}  {}  {}",
        paint(Style::Faint, &fit(&number.to_string(), NUMBER, Side::Right)),
        fit(task.question(), question(terminal), Side::Left),
        paint(marked, mark),
        fit(&answer.text, ANSWER, Side::Left),
        paint(style, &fit(place, PLACE, Side::Left)),
        fit(&milliseconds(answer.first_token), FIRST, Side::Right),
        fit(&microdollars(answer.cost_usd), COST, Side::Right),
    );
    let indent = " ".repeat(NUMBER + 2);
    let why = shorten(&answer.reason, terminal.width - indent.len());
    println!("{indent}{}", paint(Style::Faint, &why));
}

/// An answer from the cloud, whose connection is cut in its midst.
fn cut(fleet: &Fleet, terminal: &Terminal, talk: &Talk) -> Result<Vec<String>> {
    println!(
        "\n{}",
        terminal.paint(
            Style::Strong,
            "An answer from the cloud, and the network goes away in its midst"
        )
    );
    let messages = tasks::long();
    let asked = Asked {
        messages: &messages,
        mode: Some("prefer-in-cloud"),
        streams: true,
    };
    fleet.line().cut_after(tasks::CUT_AFTER_BYTES);
    print!("  ");
    let answer = talk.ask(&asked, |piece| {
        print!("{piece}");
        std::io::stdout().flush().ok();
    })?;
    println!("\n  {}", terminal.paint(Style::Faint, &answer.reason));
    let went_on = answer.placements.len() > 1;
    if went_on {
        let told = "nothing was lost and nothing was told twice";
        println!("  {}", terminal.paint(Style::Good, told));
        return Ok(Vec::new());
    }
    Ok(vec![format!(
        "the cut answer did not go on elsewhere: {}",
        answer.reason
    )])
}
