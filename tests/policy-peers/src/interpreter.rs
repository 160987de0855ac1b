//! The `cel` crate's own interpreter: one program for each rule, all on one context.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Result;
use cel::{Context, Program, Value};

use crate::engine::Engine;
use crate::ours::condition;
use crate::rules::{Case, Place, Rule};

pub struct Cel(Vec<Program>);

impl Engine for Cel {
    const NAME: &'static str = "cel";
    type Source = Vec<String>;
    type Input = Rc<Context<'static, 'static>>;
    type Output = (Self::Input, Vec<usize>);

    fn write(rules: &[Rule]) -> Vec<String> {
        rules.iter().map(condition).collect()
    }

    fn load(source: &Vec<String>, _place: &Place) -> Result<Self> {
        let programs = source.iter().map(|text| Ok(Program::compile(text)?));
        Ok(Self(programs.collect::<Result<_>>()?))
    }

    fn input(&self, case: &Case) -> Result<Self::Input> {
        let mut context = Context::default();
        let place = &case.place;
        let request = map([
            ("task", text(case.task)),
            ("tokens", number(case.tokens)),
            ("labels", list(&case.labels)),
            ("app", text(&case.app)),
            ("model", text(case.model)),
        ]);
        let device = map([
            ("onAcPower", Value::Bool(place.on_ac_power)),
            ("batteryPercent", number(place.battery_percent)),
            ("class", text(place.class)),
            ("os", text(place.os)),
        ]);
        let network = map([
            ("online", Value::Bool(place.online)),
            ("metered", Value::Bool(place.metered)),
            ("rttMs", Value::Float(place.rtt_ms as f64)),
        ]);
        let fleet = map([
            ("connected", Value::Bool(place.connected)),
            ("ring", text(place.ring)),
        ]);
        context.add_variable_from_value("request", request);
        context.add_variable_from_value("device", device);
        context.add_variable_from_value("network", network);
        context.add_variable_from_value("user", map([("groups", list(&place.groups))]));
        context.add_variable_from_value("fleet", fleet);
        Ok(Rc::new(context))
    }

    fn decide(&mut self, context: Self::Input) -> Self::Output {
        let programs = self.0.iter().enumerate();
        let holds = |program: &Program| matches!(program.execute(&context), Ok(Value::Bool(true)));
        let matched = programs.filter(|(_, program)| holds(program));
        let matched = matched.map(|(place, _)| place).collect();
        (context, matched)
    }

    fn matched((_, matched): Self::Output) -> Result<Vec<usize>> {
        Ok(matched)
    }
}

fn text(text: &str) -> Value {
    Value::String(Arc::new(text.to_owned()))
}

fn number(number: usize) -> Value {
    Value::Int(number as i64)
}

fn list(texts: &[String]) -> Value {
    Value::List(Arc::new(texts.iter().map(|one| text(one)).collect()))
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let entries = entries.map(|(name, value)| (name.to_owned(), value));
    Value::from(HashMap::<String, Value>::from(entries))
}
