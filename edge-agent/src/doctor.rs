//! `tideline-agent doctor`: what works on this laptop, what does not, and what to do about it.
//!
//! It looks for itself and believes no running agent, but says whether one runs. It changes nothing
//! beyond the measurements that any start would keep, and shows no secret.

mod text;

use std::path::Path;
use std::time::Duration;

use model_runtime::{Library, LoadOptions, Package, Runtime, RuntimeConfig};
use router_policy::Policy;
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use crate::agent::{Addresses, models};
use crate::config::{Config, GatewayConfig, ModelConfig};
use crate::fleet::GatewayEndpoint;
use crate::inventory::{HardwareDevice, InstalledModel, RuntimeLibrary};
use crate::policy;
use crate::store::StateDir;

/// How long a running agent may take to be found.
const AGENT_WITHIN: Duration = Duration::from_secs(2);

/// All that was found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// This program's version.
    pub version: &'static str,
    /// The ONNX Runtime library.
    pub library: Option<RuntimeLibrary>,
    /// The devices that it lists.
    pub devices: Vec<HardwareDevice>,
    /// The configured models that load, with what each variant measured.
    pub models: Vec<InstalledModel>,
    /// The policy that an agent would start with.
    pub policy: Option<PolicyFinding>,
    /// The gateway; nothing when none is configured.
    pub gateway: Option<GatewayFinding>,
    /// Where an agent runs on this state directory; nothing when none does.
    pub agent: Option<Addresses>,
    /// Everything that is wrong, worst first.
    pub problems: Vec<Problem>,
}

/// The policy in force.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyFinding {
    /// Its name; `closed` when none is configured.
    pub name: String,
    /// Its exact version.
    pub sha256: String,
    /// How many rules it has.
    pub rules: usize,
}

/// A gateway that could be reached.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayFinding {
    /// Its address.
    pub url: String,
    /// How long a connection took; nothing when none came about.
    pub connect_ms: Option<f64>,
}

/// Something that is wrong.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// What.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Findings {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.problems.is_empty()
    }

    fn wrong(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Problem {
            what: what.into(),
            remedy: remedy.into(),
        });
    }
}

/// Looks at everything that an agent with this configuration would need.
pub async fn examine(config: Config) -> Findings {
    let mut findings = Findings {
        version: env!("CARGO_PKG_VERSION"),
        library: None,
        devices: Vec::new(),
        models: Vec::new(),
        policy: None,
        gateway: None,
        agent: running(&config.state_dir).await,
        problems: Vec::new(),
    };
    findings.policy = policy_in_force(&config, &mut findings);
    if let Some(gateway) = &config.gateway {
        findings.gateway = Some(reach(gateway, &mut findings).await);
    }
    let examined = spawn_blocking(move || {
        examine_models(&config, &mut findings);
        findings
    });
    match examined.await {
        Ok(findings) => findings,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

/// It blocks while models load and are measured.
fn examine_models(config: &Config, findings: &mut Findings) {
    let library = models::library_config(config).and_then(|wanted| Ok(Library::load(&wanted)?));
    let library = match library {
        Ok(library) => library,
        Err(error) => {
            let remedy = "install it (`pip install onnxruntime` has it under onnxruntime/capi), or name it with --onnxruntime PATH";
            return findings.wrong(format!("{error:#}"), remedy);
        }
    };
    findings.library = Some(models::runtime_library(&library));
    findings.devices = models::devices(&library);
    let providers = match models::providers(config) {
        Ok(providers) => providers,
        Err(error) => return findings.wrong(format!("{error:#}"), "correct runtime.providers"),
    };
    let wanted = wanted_models(config, findings);
    if wanted.is_empty() {
        findings.wrong(
            "no model is configured or installed, so nothing can run here",
            "name a model package with --model DIR, or install one with `tideline model import DIR`",
        );
    }
    let figures =
        Some(config.state_dir.join(models::FIGURES_FILE)).filter(|_| config.state_dir.is_dir());
    let runtime = Runtime::new(
        library,
        RuntimeConfig {
            threads: config.runtime.threads,
            figures,
        },
    );
    for configured in &wanted {
        let options = LoadOptions {
            variants: configured.variants.clone(),
            providers: providers.clone(),
        };
        match models::load(&runtime, &configured.path, &options) {
            Ok(model) => {
                tell_set_aside(&model, findings);
                findings.models.push(models::installed(&model));
            }
            Err(error) => findings.wrong(
                format!(
                    "the model {} does not load: {error:#}",
                    configured.path.display()
                ),
                "get the package again, or take it out of the configuration or the store",
            ),
        }
    }
}

/// The configured models, and those of the store whose names they leave.
fn wanted_models(config: &Config, findings: &mut Findings) -> Vec<ModelConfig> {
    let mut wanted = config.models.clone();
    let Some(store) = models::store(config) else {
        return wanted;
    };
    let opened = wanted.iter().filter_map(|it| Package::open(&it.path).ok());
    let taken: Vec<_> = opened.map(|package| package.name().to_owned()).collect();
    let remedy = "name another folder with --model-store DIR, or remove the model";
    let names = store.names().unwrap_or_else(|error| {
        findings.wrong(format!("the model store: {error}"), remedy);
        Vec::new()
    });
    for name in names {
        match store.find(&name) {
            Ok(_) if taken.iter().any(|taken| taken == name.as_str()) => {}
            Ok(installed) => wanted.push(ModelConfig {
                path: installed.path,
                variants: Vec::new(),
            }),
            Err(error) => findings.wrong(format!("the model {name}: {error}"), remedy),
        }
    }
    wanted
}

/// A provider that was asked for and does not serve is told, whatever serves instead.
fn tell_set_aside(model: &model_runtime::Model, findings: &mut Findings) {
    for variant in model.variants() {
        for attempt in &variant.attempts {
            if let Err(why) = &attempt.outcome {
                let (name, provider) = (model.name(), attempt.provider);
                findings.wrong(
                    format!("{name} {}: the provider {provider} is set aside: {why}; {} serves", variant.name, variant.serving),
                    format!("use an ONNX Runtime built with {provider}, or take it out of runtime.providers"),
                );
            }
        }
    }
}

fn policy_in_force(config: &Config, findings: &mut Findings) -> Option<PolicyFinding> {
    let told = |policy: Policy| PolicyFinding {
        name: policy.name().to_string(),
        sha256: policy.hash().to_hex(),
        rules: policy.rule_count(),
    };
    let Some(path) = &config.policy else {
        return Some(told(Policy::closed()));
    };
    match policy::load(path) {
        Ok(policy) => Some(told(policy)),
        Err(error) => {
            findings.wrong(
                format!("{error:#}"),
                "correct the policy; an agent does not start with it",
            );
            None
        }
    }
}

async fn reach(gateway: &GatewayConfig, findings: &mut Findings) -> GatewayFinding {
    let token = gateway
        .token_file
        .as_deref()
        .map(std::fs::read_to_string)
        .transpose();
    let endpoint = match token {
        Ok(token) => {
            GatewayEndpoint::new(&gateway.url, token.as_deref()).map_err(|error| error.to_string())
        }
        Err(error) => Err(format!("the gateway's token cannot be read: {error}")),
    };
    let begun = Instant::now();
    let connected = match endpoint {
        Ok(endpoint) => endpoint
            .connect()
            .await
            .map(drop)
            .map_err(|error| error.to_string()),
        Err(error) => Err(error),
    };
    if let Err(error) = &connected {
        let remedy = "check the address and the network; until then what may run here runs here";
        findings.wrong(format!("{}: {error}", gateway.url), remedy);
    }
    let connect_ms = connected.ok().map(|()| begun.elapsed().as_secs_f64() * 1e3);
    GatewayFinding {
        url: gateway.url.to_string(),
        connect_ms,
    }
}

/// The agent that runs on this state, if one answers where it said that it would.
async fn running(state_dir: &Path) -> Option<Addresses> {
    if !state_dir.is_dir() {
        return None;
    }
    let text = StateDir::open(state_dir)
        .ok()?
        .read(Addresses::FILE)
        .ok()??;
    let addresses: Addresses = serde_json::from_str(&text).ok()?;
    let answers = timeout(AGENT_WITHIN, TcpStream::connect(addresses.http)).await;
    matches!(answers, Ok(Ok(_))).then_some(addresses)
}
