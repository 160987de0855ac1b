//! The `cel` crate's own interpreter: one program a rule, on one context.

use std::collections::HashMap;
use std::sync::Arc;

use cel::{Context, Program, Value};

use crate::Engine;
use crate::ours::condition;
use crate::rules::{Case, Rule};

pub struct Cel(Vec<Program>);

impl Cel {
    pub fn new(rules: &[Rule]) -> Self {
        Self(
            rules
                .iter()
                .map(|rule| Program::compile(&condition(rule)).unwrap())
                .collect(),
        )
    }

    fn matches(&self, context: &Context<'_, '_>) -> Vec<usize> {
        let programs = self.0.iter().enumerate();
        let held =
            programs.filter(|(_, program)| program.execute(context) == Ok(Value::Bool(true)));
        held.map(|(at, _)| at).collect()
    }
}

impl Engine for Cel {
    type Input = Arc<Context<'static, 'static>>;
    type Output = (Self::Input, Vec<usize>);

    fn name(&self) -> &'static str {
        "cel"
    }

    fn input(&self, case: &Case) -> Self::Input {
        let text = |text: &str| Value::String(Arc::new(text.to_owned()));
        let list =
            |texts: &[String]| Value::List(Arc::new(texts.iter().map(|one| text(one)).collect()));
        let map = |entries: Vec<(&str, Value)>| {
            let entries = entries
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value));
            Value::from(entries.collect::<HashMap<String, Value>>())
        };
        let mut context = Context::default();
        context.add_variable_from_value(
            "request",
            map(vec![
                ("task", text(&case.task)),
                ("tokens", Value::Int(case.tokens)),
                ("labels", list(&case.labels)),
                ("app", text(&case.app)),
                ("model", text(&case.model)),
            ]),
        );
        context.add_variable_from_value(
            "device",
            map(vec![("onAcPower", Value::Bool(case.on_ac_power))]),
        );
        context.add_variable_from_value(
            "network",
            map(vec![("rttMs", Value::Float(case.rtt_ms as f64))]),
        );
        context.add_variable_from_value("user", map(vec![("groups", list(&case.groups))]));
        Arc::new(context)
    }

    fn matched(&mut self, input: &Self::Input) -> Vec<usize> {
        self.matches(input)
    }

    fn run(&mut self, input: Self::Input) -> Self::Output {
        let matched = self.matches(&input);
        (input, matched)
    }
}
