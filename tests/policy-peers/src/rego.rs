//! regorus: one set of the rules that match, by its interpreter and by its virtual machine (RVM).

use anyhow::{Context as _, Result};
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::vm::RegoVM;
use regorus::{Engine as Interpreter, Value};
use serde_json::json;

use crate::engine::Engine;
use crate::rules::{Case, Place, Rule, Term};

const ENTRY: &str = "data.bench.matched";

pub struct Rego(Interpreter);

pub struct Rvm(RegoVM);

impl Engine for Rego {
    const NAME: &'static str = "regorus";
    type Source = String;
    type Input = Value;
    type Output = (Value, Result<Value>);

    fn write(rules: &[Rule]) -> String {
        policy(rules)
    }

    fn load(source: &String, _place: &Place) -> Result<Self> {
        let mut engine = interpreter(source)?;
        // It prepares itself when it is first asked.
        engine.set_input(Value::new_object());
        engine.eval_rule(ENTRY.into())?;
        Ok(Self(engine))
    }

    fn input(&self, case: &Case) -> Result<Value> {
        input(case)
    }

    fn decide(&mut self, input: Value) -> Self::Output {
        self.0.set_input(input.clone());
        (input, self.0.eval_rule(ENTRY.into()))
    }

    fn matched((_, matched): Self::Output) -> Result<Vec<usize>> {
        places(&matched?)
    }
}

impl Engine for Rvm {
    const NAME: &'static str = "regorus RVM";
    type Source = String;
    type Input = Value;
    type Output = (Value, Result<Value>);

    fn write(rules: &[Rule]) -> String {
        policy(rules)
    }

    fn load(source: &String, _place: &Place) -> Result<Self> {
        let compiled = interpreter(source)?.compile_with_entrypoint(&ENTRY.into())?;
        let mut machine = RegoVM::new();
        machine.load_program(Compiler::compile_from_policy(&compiled, &[ENTRY])?);
        machine.set_max_instructions(usize::MAX);
        Ok(Self(machine))
    }

    fn input(&self, case: &Case) -> Result<Value> {
        input(case)
    }

    fn decide(&mut self, input: Value) -> Self::Output {
        self.0.set_input(input.clone());
        (input, self.0.execute().map_err(Into::into))
    }

    fn matched((_, matched): Self::Output) -> Result<Vec<usize>> {
        places(&matched?)
    }
}

fn interpreter(source: &str) -> Result<Interpreter> {
    let mut engine = Interpreter::new();
    engine.add_policy("bench.rego".into(), source.to_owned())?;
    Ok(engine)
}

fn policy(rules: &[Rule]) -> String {
    let rules = rules.iter().enumerate().map(|(place, rule)| {
        let when: Vec<_> = rule.when.iter().map(condition).collect();
        format!("matched contains {place} if {{ {} }}\n", when.join("; "))
    });
    "package bench\nimport rego.v1\n".to_owned() + &rules.collect::<String>()
}

fn condition(term: &Term) -> String {
    match term {
        Term::App(app) => format!("input.app == {app:?}"),
        Term::Task(task) => format!("input.task == {task:?}"),
        Term::Model(model) => format!("input.model == {model:?}"),
        Term::TokensAbove(count) => format!("input.tokens > {count}"),
        Term::Label(label) => format!("{label:?} in input.labels"),
        Term::LabelPrefix(prefix) => {
            format!("some label in input.labels; startswith(label, {prefix:?})")
        }
        Term::Group(group) => format!("{group:?} in input.groups"),
        Term::OnBatteryBelow(percent) => {
            format!("not input.onAcPower; input.batteryPercent < {percent}")
        }
        Term::Metered => "input.metered".to_owned(),
        Term::RttAbove(ms) => format!("input.rttMs > {ms}"),
    }
}

fn input(case: &Case) -> Result<Value> {
    let place = &case.place;
    let facts = json!({
        "task": case.task, "tokens": case.tokens, "labels": case.labels, "app": case.app,
        "model": case.model, "onAcPower": place.on_ac_power,
        "batteryPercent": place.battery_percent, "class": place.class, "os": place.os,
        "online": place.online, "metered": place.metered, "rttMs": place.rtt_ms,
        "groups": place.groups, "connected": place.connected, "ring": place.ring,
    });
    Value::from_json_str(&facts.to_string())
}

fn places(matched: &Value) -> Result<Vec<usize>> {
    let places = matched.as_set()?.iter();
    let places = places.map(|at| Ok(usize::try_from(at.as_u64()?)?));
    let mut places: Vec<usize> = places.collect::<Result<_>>().context("no set of places")?;
    places.sort_unstable();
    Ok(places)
}
