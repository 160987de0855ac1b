//! Cedar: one policy for each rule; those that determined the answer are those that match.
//!
//! Cedar looks for no prefix in a set of texts, so that it also gets the labels as one text; and it has
//! no floating point, so that the round trip is a whole number. Both are made before the clock starts.

use anyhow::Result;
use cedar_policy::{
    Authorizer, Context, Entities, EntityUid, Policy, PolicyId, PolicySet, Request, Response,
};
use serde_json::json;

use crate::engine::Engine;
use crate::rules::{Case, Place, Rule, Term};

pub struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
}

impl Engine for Cedar {
    const NAME: &'static str = "cedar";
    type Source = Vec<String>;
    type Input = Request;
    type Output = (Request, Response);

    fn write(rules: &[Rule]) -> Vec<String> {
        let policy = |rule: &Rule| {
            let when: Vec<_> = rule.when.iter().map(condition).collect();
            let when = when.join(" && ");
            format!("permit(principal, action, resource) when {{ {when} }};")
        };
        rules.iter().map(policy).collect()
    }

    fn load(source: &Vec<String>, _place: &Place) -> Result<Self> {
        let mut policies = PolicySet::new();
        for (place, text) in source.iter().enumerate() {
            let id = PolicyId::new(place.to_string());
            policies.add(Policy::parse(Some(id), text)?)?;
        }
        Ok(Self {
            authorizer: Authorizer::new(),
            policies,
            entities: Entities::empty(),
        })
    }

    fn input(&self, case: &Case) -> Result<Request> {
        let place = &case.place;
        let each = case.labels.iter().map(|label| format!(",{label}"));
        let context = json!({
            "task": case.task, "tokens": case.tokens, "labels": case.labels,
            "labelText": each.collect::<String>(), "app": case.app, "model": case.model,
            "onAcPower": place.on_ac_power, "batteryPercent": place.battery_percent,
            "class": place.class, "os": place.os, "online": place.online,
            "metered": place.metered, "rttMs": place.rtt_ms, "groups": place.groups,
            "connected": place.connected, "ring": place.ring,
        });
        let context = Context::from_json_value(context, None)?;
        let (who, what, whom) = ("User::\"ada\"", "Action::\"leave\"", "Device::\"laptop\"");
        let (who, what, whom): (EntityUid, EntityUid, EntityUid) =
            (who.parse()?, what.parse()?, whom.parse()?);
        Ok(Request::new(who, what, whom, context, None)?)
    }

    fn decide(&mut self, request: Request) -> Self::Output {
        let response = self
            .authorizer
            .is_authorized(&request, &self.policies, &self.entities);
        (request, response)
    }

    fn matched((_, response): Self::Output) -> Result<Vec<usize>> {
        if let Some(error) = response.diagnostics().errors().next() {
            return Err(error.clone().into());
        }
        let ids = response.diagnostics().reason();
        let places = ids.map(|id| Ok(AsRef::<str>::as_ref(id).parse()?));
        let mut places = places.collect::<Result<Vec<usize>>>()?;
        places.sort_unstable();
        Ok(places)
    }
}

fn condition(term: &Term) -> String {
    match term {
        Term::App(app) => format!("context.app == {app:?}"),
        Term::Task(task) => format!("context.task == {task:?}"),
        Term::Model(model) => format!("context.model == {model:?}"),
        Term::TokensAbove(count) => format!("context.tokens > {count}"),
        Term::Label(label) => format!("context.labels.contains({label:?})"),
        Term::LabelPrefix(prefix) => format!("context.labelText like \"*,{prefix}*\""),
        Term::Group(group) => format!("context.groups.contains({group:?})"),
        Term::OnBatteryBelow(percent) => {
            format!("!context.onAcPower && context.batteryPercent < {percent}")
        }
        Term::Metered => "context.metered".to_owned(),
        Term::RttAbove(ms) => format!("context.rttMs > {ms}"),
    }
}
