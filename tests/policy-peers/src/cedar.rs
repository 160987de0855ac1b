//! Cedar: one `permit` a rule; those that determined the decision are those that match.

use std::fmt::Write as _;

use cedar_policy::{Authorizer, Context, Entities, EntityUid, PolicySet, Request, Response};
use serde_json::json;

use crate::Engine;
use crate::rules::{Case, Rule};

pub struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
}

impl Cedar {
    pub fn new(rules: &[Rule]) -> Self {
        let mut text = String::new();
        for rule in rules {
            let condition = match rule {
                Rule::App { app, above } => {
                    format!("context.app == \"{app}\" && context.tokens > {above}")
                }
                Rule::Group(group) => format!("context.groups.contains(\"{group}\")"),
                Rule::Label(label) => format!("context.labels.contains(\"{label}\")"),
                Rule::OnBattery { above } => {
                    format!("context.tokens > {above} && !context.onAcPower")
                }
                Rule::FarAway { above } => {
                    format!("context.tokens > {above} && context.rttMs > 50")
                }
                Rule::Model { model, task } => {
                    format!("context.model == \"{model}\" || context.task == \"{task}\"")
                }
            };
            writeln!(
                text,
                "permit(principal, action, resource) when {{ {condition} }};"
            )
            .unwrap();
        }
        Self {
            authorizer: Authorizer::new(),
            policies: text.parse().unwrap(),
            entities: Entities::empty(),
        }
    }
}

impl Engine for Cedar {
    type Input = Request;
    type Output = (Request, Response);

    fn name(&self) -> &'static str {
        "cedar"
    }

    fn input(&self, case: &Case) -> Request {
        let context = json!({
            "task": case.task, "tokens": case.tokens, "labels": case.labels, "app": case.app,
            "model": case.model, "onAcPower": case.on_ac_power, "rttMs": case.rtt_ms,
            "groups": case.groups,
        });
        let context = Context::from_json_value(context, None).unwrap();
        let uid = |text: &str| -> EntityUid { text.parse().unwrap() };
        let (who, what, whom) = (
            uid("User::\"ada\""),
            uid("Action::\"run\""),
            uid("Site::\"any\""),
        );
        Request::new(who, what, whom, context, None).unwrap()
    }

    fn matched(&mut self, input: &Request) -> Vec<usize> {
        let response = self
            .authorizer
            .is_authorized(input, &self.policies, &self.entities);
        let number = |id: String| id.trim_start_matches("policy").parse().unwrap();
        let ids = response
            .diagnostics()
            .reason()
            .map(|id| number(id.to_string()));
        let mut matched: Vec<usize> = ids.collect();
        matched.sort_unstable();
        matched
    }

    fn run(&mut self, input: Request) -> Self::Output {
        let response = self
            .authorizer
            .is_authorized(&input, &self.policies, &self.entities);
        (input, response)
    }
}
