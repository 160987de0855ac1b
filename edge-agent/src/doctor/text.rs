//! The findings as a person reads them.

use std::fmt;

use super::Findings;
use crate::inventory::InstalledVariant;

/// The lengths, in tokens, at which a measured speed is shown.
const SHOWN_TOKENS: [u32; 2] = [16, 128];

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tideline-agent {}", self.version)?;
        match &self.library {
            Some(library) => writeln!(
                f,
                "\nONNX Runtime {} at {}",
                library.version,
                library.path.display()
            )?,
            None => writeln!(f, "\nONNX Runtime: none")?,
        }
        for device in &self.devices {
            writeln!(
                f,
                "  {:<4} {} {} by {}",
                device.kind, device.vendor, device.name, device.provider
            )?;
        }
        writeln!(f, "\nModels")?;
        for model in &self.models {
            for variant in &model.variants {
                write_variant(f, &model.name, variant)?;
            }
        }
        if self.models.is_empty() {
            writeln!(f, "  none")?;
        }
        if let Some(policy) = &self.policy {
            let hash = policy.sha256.get(..12).unwrap_or_default();
            writeln!(
                f,
                "\nPolicy {} ({hash}), {} rules",
                policy.name, policy.rules
            )?;
        }
        match &self.gateway {
            Some(gateway) => match gateway.connect_ms {
                Some(ms) => writeln!(f, "Gateway {}: connected in {ms:.1} ms", gateway.url)?,
                None => writeln!(f, "Gateway {}: cannot be reached", gateway.url)?,
            },
            None => writeln!(f, "Gateway: none configured; the agent works alone")?,
        }
        match &self.agent {
            Some(agent) => writeln!(
                f,
                "Agent: runs at http://{} and {} (gRPC)",
                agent.http, agent.grpc
            )?,
            None => writeln!(f, "Agent: none runs on this state directory")?,
        }
        write_problems(f, self)
    }
}

fn write_variant(
    f: &mut fmt::Formatter<'_>,
    model: &str,
    variant: &InstalledVariant,
) -> fmt::Result {
    let InstalledVariant {
        name,
        precision,
        provider_wanted,
        provider_serving,
        provider_reason,
        ..
    } = variant;
    writeln!(
        f,
        "  {model} {name} ({precision}, {})",
        &variant.sha256.to_string()[..12]
    )?;
    writeln!(
        f,
        "    wanted {provider_wanted}; {provider_serving} serves: {provider_reason}"
    )?;
    for share in &variant.node_shares {
        writeln!(
            f,
            "    {:.0} % of its nodes on {}",
            share.share * 100.0,
            share.provider
        )?;
    }
    for speed in &variant.speeds {
        let ms = SHOWN_TOKENS.map(|tokens| {
            (speed.fixed_seconds + speed.per_token_seconds * f64::from(tokens)) * 1e3
        });
        let [short, long] = SHOWN_TOKENS;
        writeln!(
            f,
            "    {}: {:.2} ms at {short} tokens, {:.2} ms at {long}",
            speed.provider, ms[0], ms[1]
        )?;
    }
    Ok(())
}

fn write_problems(f: &mut fmt::Formatter<'_>, findings: &Findings) -> fmt::Result {
    if findings.is_well() {
        return writeln!(f, "\nNothing is wrong.");
    }
    writeln!(f, "\nWhat is wrong")?;
    for problem in &findings.problems {
        writeln!(
            f,
            "  {}\n    → {}",
            problem.what.trim_end().replace('\n', "\n  "),
            problem.remedy
        )?;
    }
    Ok(())
}
