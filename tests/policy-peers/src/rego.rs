//! regorus: one set of matched rules, by its interpreter and by its virtual machine.

use std::fmt::Write as _;
use std::sync::Arc;

use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::program::Program;
use regorus::rvm::vm::RegoVM;
use regorus::{Engine as Interpreter, Value};
use serde_json::json;

use crate::Engine;
use crate::rules::{Case, Rule};

const ENTRY: &str = "data.bench.matched";

fn policy(rules: &[Rule]) -> String {
    let mut text = String::from("package bench\nimport rego.v1\n");
    for (at, rule) in rules.iter().enumerate() {
        let mut matched = |condition: &str| {
            writeln!(text, "matched contains {at} if {{ {condition} }}").unwrap();
        };
        match rule {
            Rule::App { app, above } => {
                matched(&format!("input.app == \"{app}\"; input.tokens > {above}"));
            }
            Rule::Group(group) => matched(&format!("\"{group}\" in input.groups")),
            Rule::Label(label) => matched(&format!("\"{label}\" in input.labels")),
            Rule::OnBattery { above } => {
                matched(&format!("input.tokens > {above}; not input.onAcPower"));
            }
            Rule::FarAway { above } => {
                matched(&format!("input.tokens > {above}; input.rttMs > 50"));
            }
            // Either is a rule of its own, as Rego writes it.
            Rule::Model { model, task } => {
                matched(&format!("input.model == \"{model}\""));
                matched(&format!("input.task == \"{task}\""));
            }
        }
    }
    text
}

fn input(case: &Case) -> Value {
    let json = json!({
        "task": case.task, "tokens": case.tokens, "labels": case.labels, "app": case.app,
        "model": case.model, "onAcPower": case.on_ac_power, "rttMs": case.rtt_ms,
        "groups": case.groups,
    });
    Value::from_json_str(&json.to_string()).unwrap()
}

fn places(value: &Value) -> Vec<usize> {
    let places = value
        .as_set()
        .unwrap()
        .iter()
        .map(|at| at.as_u64().unwrap() as usize);
    let mut places: Vec<usize> = places.collect();
    places.sort_unstable();
    places
}

pub struct Rego(Interpreter);

impl Rego {
    pub fn new(rules: &[Rule]) -> Self {
        let mut engine = Interpreter::new();
        engine
            .add_policy("bench.rego".into(), policy(rules))
            .unwrap();
        Self(engine)
    }

    fn eval(&mut self, input: Value) -> Value {
        self.0.set_input(input);
        self.0.eval_rule(ENTRY.into()).unwrap()
    }
}

impl Engine for Rego {
    type Input = Value;
    type Output = (Value, Value);

    fn name(&self) -> &'static str {
        "regorus"
    }

    fn input(&self, case: &Case) -> Value {
        input(case)
    }

    fn matched(&mut self, input: &Value) -> Vec<usize> {
        places(&self.eval(input.clone()))
    }

    fn run(&mut self, input: Value) -> Self::Output {
        let matched = self.eval(input.clone());
        (input, matched)
    }
}

pub struct Rvm(RegoVM);

impl Rvm {
    pub fn new(rules: &[Rule]) -> Self {
        let mut engine = Interpreter::new();
        engine
            .add_policy("bench.rego".into(), policy(rules))
            .unwrap();
        let compiled = engine.compile_with_entrypoint(&ENTRY.into()).unwrap();
        let program: Arc<Program> = Compiler::compile_from_policy(&compiled, &[ENTRY]).unwrap();
        let mut machine = RegoVM::new();
        machine.load_program(program);
        machine.set_max_instructions(usize::MAX);
        Self(machine)
    }

    fn eval(&mut self, input: Value) -> Value {
        self.0.set_input(input);
        self.0.execute().unwrap()
    }
}

impl Engine for Rvm {
    type Input = Value;
    type Output = (Value, Value);

    fn name(&self) -> &'static str {
        "regorus RVM"
    }

    fn input(&self, case: &Case) -> Value {
        input(case)
    }

    fn matched(&mut self, input: &Value) -> Vec<usize> {
        places(&self.eval(input.clone()))
    }

    fn run(&mut self, input: Value) -> Self::Output {
        let matched = self.eval(input.clone());
        (input, matched)
    }
}
