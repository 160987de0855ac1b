//! The gateway as a whole: built from its configuration, bound to its addresses, served until told to
//! stop, drained.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use inference_api::{
    AdmissionLayer, AdmissionLimits, DeadlineLayer, Front, Limits, ServerInfo, Token, serve,
};
use placement::{
    Conditions, Decider, Outcome, OutcomeSink, Parts, PlacementRouter, RouteCatalog, RouteTable,
};
use router_policy::{NetworkFacts, Policy, SlowFacts};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceBuilder;

use crate::access::Secret;
use crate::admin::{Admin, Documents};
use crate::api::{self, Services};
use crate::backends::{self, Backends, Site};
use crate::budgets::Budgets;
use crate::config::Config;
use crate::fleet::{Fleet, MOST_DEVICES, Registry};
use crate::hints::{self, Hints};
use crate::inference::Inference;
use crate::outcomes::Telemetry;
use crate::store::Store;
use crate::telemetry::{self, Metrics};

/// What this program is called by its protocols.
const SERVER: ServerInfo = ServerInfo {
    name: "tideline-gateway",
    version: env!("CARGO_PKG_VERSION"),
};

/// Requests of thin clients under way at a time, and those that may wait.
const ADMISSION: AdmissionLimits = AdmissionLimits {
    concurrency: NonZeroUsize::new(128).unwrap(),
    queue: 896,
};

/// How often histograms are folded.
const UPKEEP: Duration = Duration::from_secs(30);

/// A gateway with all its parts, not reachable yet.
#[derive(Debug)]
pub struct Gateway {
    config: Config,
    backends: Arc<Backends>,
    routes: Arc<RouteTable>,
    front: Front,
    budgets: Budgets,
    store: Store,
    fleet_token: (Secret, PathBuf),
    admin_token: (Secret, PathBuf),
    documents: Documents,
}

/// A gateway that can be reached.
#[derive(Debug)]
pub struct BoundGateway {
    gateway: Gateway,
    grpc: TcpListener,
    http: TcpListener,
    addresses: Addresses,
}

/// Where a gateway can be reached, as `addresses.json` in its state directory tells other programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Addresses {
    /// Agents and operators.
    pub grpc: SocketAddr,
    /// Thin clients, health and metrics.
    pub http: SocketAddr,
    /// The file with the operators' token.
    pub admin_token: PathBuf,
    /// The file with the agents' token.
    pub fleet_token: PathBuf,
    /// The process.
    pub pid: u32,
}

impl Gateway {
    /// Puts the parts together: secrets, database, models, policy.
    ///
    /// # Errors
    /// When something that is configured cannot be had: the message says what and where.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        let folder = &config.state_dir;
        make_private(folder).with_context(|| format!("could not make {}", folder.display()))?;
        let fleet_token = Secret::load(folder, "fleet.token")?;
        let admin_token = Secret::load(folder, "admin.token")?;
        let database = config
            .database
            .clone()
            .unwrap_or_else(|| folder.join("gateway.db"));
        let store = Store::open(&database)
            .await
            .with_context(|| format!("could not open {}", database.display()))?;

        let site = site(&config);
        let offers = backends::open(&config, &site).await?;
        let backends = Arc::new(Backends::new(site, offers));
        let (policy, documents) = policy(config.policy.as_deref())?;
        let documents = Documents {
            hash: policy.hash().to_hex(),
            text: documents.into(),
        };
        let budgets = Budgets::open(policy.budgets(), store.clone())
            .await
            .context("could not read the leases of budgets")?;
        let routes = Arc::new(RouteTable::new());
        routes.replace(hints::ROUTES, backends.routes());
        let front = front(routes.clone(), policy);
        Ok(Self {
            config,
            backends,
            routes,
            front,
            store,
            budgets,
            documents,
            fleet_token,
            admin_token,
        })
    }

    /// Takes its addresses, and writes them down for other programs.
    ///
    /// # Errors
    /// When an address is taken.
    pub async fn bind(self) -> anyhow::Result<BoundGateway> {
        let grpc = bind(self.config.listen.grpc, "listen.grpc").await?;
        let http = bind(self.config.listen.http, "listen.http").await?;
        let addresses = Addresses {
            grpc: grpc.local_addr()?,
            http: http.local_addr()?,
            admin_token: self.admin_token.1.clone(),
            fleet_token: self.fleet_token.1.clone(),
            pid: std::process::id(),
        };
        let file = self.config.state_dir.join("addresses.json");
        let beside = file.with_extension("new");
        let written = std::fs::write(&beside, serde_json::to_vec_pretty(&addresses)?);
        written
            .and_then(|()| std::fs::rename(&beside, &file))
            .with_context(|| format!("could not write {}", file.display()))?;
        Ok(BoundGateway {
            gateway: self,
            grpc,
            http,
            addresses,
        })
    }
}

impl BoundGateway {
    /// Where it can be reached.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Serves until `stop`. Then health says so, agents are told to move, and what is under way may
    /// finish within a grace.
    ///
    /// # Errors
    /// When serving cannot begin.
    pub async fn serve(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self {
            gateway,
            grpc,
            http,
            ..
        } = self;
        let limits = limits();
        let streams = TaskTracker::new();
        let metrics = Metrics::of_process();
        let token = Token::new(gateway.admin_token.0.expose());
        let token = token.context("the operators' token is no token")?;
        let http_app = api::http(gateway.front.clone(), metrics.clone(), token);
        let store = gateway.store.clone();
        let services = gateway.services(limits, stop.clone(), streams.clone());
        let (grpc_app, health) = api::grpc(services).await?;

        let upkeep = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(UPKEEP);
            loop {
                ticks.tick().await;
                metrics.upkeep();
            }
        });
        let drain = CancellationToken::new();
        let announced = async {
            stop.cancelled().await;
            health.stop().await;
            drain.cancel();
        };
        let ((), agents, clients) = tokio::join!(
            announced,
            serve(grpc, grpc_app, limits, drain.clone()),
            serve(http, http_app, limits, drain.clone())
        );
        telemetry::drained(agents.cut_connections + clients.cut_connections);
        upkeep.abort();
        // Their connections are gone, so that they end; what they still write is written.
        streams.close();
        tokio::time::timeout(limits.drain_grace, streams.wait())
            .await
            .ok();
        store.close().await;
        Ok(())
    }
}

impl Gateway {
    fn services(self, limits: Limits, stop: CancellationToken, streams: TaskTracker) -> Services {
        let registry = Registry::default();
        let (told, hints) = watch::channel(Arc::new(Hints::of(&self.backends)));
        streams.spawn(hints::follow(self.backends.clone(), self.routes, told));
        Services {
            fleet: Fleet {
                gateway_id: ulid::Ulid::generate().to_string().into(),
                hints,
                registry: registry.clone(),
                store: self.store.clone(),
                budgets: self.budgets.clone(),
                stop,
                streams,
            },
            telemetry: Telemetry {
                store: self.store.clone(),
            },
            inference: Inference {
                backends: self.backends.clone(),
                limits,
            },
            admin: Admin {
                store: self.store,
                registry,
                backends: self.backends,
                documents: self.documents,
            },
            front: self.front,
            limits,
            fleet_token: self.fleet_token.0,
            admin_token: self.admin_token.0,
        }
    }
}

/// The front's bounds, with room for each device that may be attached: one connection to be told by,
/// and one to be served by.
pub(crate) fn limits() -> Limits {
    Limits {
        max_connections: 2 * MOST_DEVICES,
        ..Limits::default()
    }
}

fn site(config: &Config) -> Site {
    Site {
        name: config.site.name.clone(),
        boundary: config.site.boundary.into(),
    }
}

/// The front door of thin clients: the same protocols, signals and policy as on a laptop, over this
/// site's own backends.
fn front(routes: Arc<RouteTable>, policy: Policy) -> Front {
    let slow = SlowFacts {
        network: NetworkFacts {
            online: true,
            ..NetworkFacts::default()
        },
        ..SlowFacts::default()
    };
    let router = PlacementRouter::new(Parts {
        routes: routes.clone(),
        conditions: Arc::new(Conditions::new(slow)),
        decider: Arc::new(Decider::new(policy)),
        outcomes: Arc::new(FrontOutcomes),
    });
    let service = ServiceBuilder::new()
        .layer(DeadlineLayer)
        .layer(AdmissionLayer::new(ADMISSION))
        .service(router);
    Front::new(
        service,
        Arc::new(RouteCatalog::new(SERVER, routes, || true)),
        Limits::default(),
    )
}

/// Outcomes of thin clients are counted; they have no device to be kept under.
#[derive(Debug)]
struct FrontOutcomes;

impl OutcomeSink for FrontOutcomes {
    fn record(&self, outcome: &Outcome) {
        telemetry::front(outcome);
    }
}

/// The policy, and its text.
fn policy(path: Option<&Path>) -> anyhow::Result<(Policy, String)> {
    let Some(path) = path else {
        tracing::info!(
            "no policy is configured: thin clients are served nothing; agents bring their own decision"
        );
        return Ok((Policy::closed(), String::new()));
    };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("could not read the policy {}", path.display()))?;
    Ok((Policy::compile(&path.display().to_string(), &text)?, text))
}

async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| {
        format!("could not listen on {address} ({setting}); is another gateway running")
    })
}

/// The state directory holds secrets, so this user alone may look.
fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}
