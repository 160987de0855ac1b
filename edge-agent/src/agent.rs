//! The agent as a whole: built from its configuration, bound to its addresses, served until told to
//! stop, drained.
//!
//! It wires the parts together and owns the tasks that keep them current. Every task ends when
//! serving does; what was acknowledged is on the disk before the process ends.

mod installed;
mod link;
pub(crate) mod models;
mod parts;
mod sensing;

use std::fs::File;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use inference_api::{
    AdmissionLayer, AdmissionLimits, DeadlineLayer, Front, Limits, ServerInfo, Token, serve,
};
use placement::{Conditions, Decider, Parts, PlacementRouter, RouteCatalog, RouteTable};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;

use crate::api::{self, Status};
use crate::budgets::Budgets;
use crate::config::Config;
use crate::fleet::GatewayEndpoint;
use crate::identity::{Identity, TOKEN_FILE};
use crate::inventory::Inventory;
use crate::outcomes::Recorder;
use crate::policy;
use crate::readiness::{Latch, Readiness};
use crate::spool::{self, Spool};
use crate::store::StateDir;
use crate::telemetry::Metrics;

use self::models::{Loading, Models};

/// What this program is called by its protocols.
const SERVER: ServerInfo = ServerInfo {
    name: "tideline-agent",
    version: env!("CARGO_PKG_VERSION"),
};

/// Requests under way at a time, and those that may wait; more are turned away at once.
const ADMISSION: AdmissionLimits = AdmissionLimits {
    concurrency: NonZeroUsize::new(128).unwrap(),
    queue: 896,
};

/// How long the last outcomes may take to reach the gateway once all requests have ended.
const LAST_DELIVERY: Duration = Duration::from_secs(3);

/// An agent with all its parts, not reachable yet.
#[derive(Debug)]
pub struct Agent {
    config: Config,
    identity: Identity,
    token: Token,
    state: StateDir,
    spool: Arc<Spool>,
    endpoint: Option<GatewayEndpoint>,
    loading: Option<Loading>,
    routes: Arc<RouteTable>,
    conditions: Arc<Conditions>,
    decider: Arc<Decider>,
    budgets: Arc<Budgets>,
    front: Front,
    status: Status,
    inventory: watch::Sender<Inventory>,
    models: Models,
    models_loaded: Option<Latch>,
    /// Keeps a second agent out of the state directory until the process ends.
    _lock: File,
}

/// An agent that can be reached.
#[derive(Debug)]
pub struct BoundAgent {
    agent: Agent,
    http: TcpListener,
    grpc: TcpListener,
    #[cfg(unix)]
    socket: Option<UnixListener>,
    addresses: Addresses,
}

/// Where an agent can be reached, as `addresses.json` in the state directory tells other programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Addresses {
    /// Over HTTP.
    pub http: SocketAddr,
    /// Over gRPC.
    pub grpc: SocketAddr,
    /// Over a Unix socket.
    pub socket: Option<PathBuf>,
    /// The file with the token.
    pub token: PathBuf,
    /// The process.
    pub pid: u32,
}

impl Addresses {
    /// The file that holds them.
    pub const FILE: &str = "addresses.json";
}

impl Agent {
    /// Puts the parts together: state, policy, runtime library, router.
    ///
    /// # Errors
    /// When something that is configured cannot be had: the message says what and where.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        let readiness = Readiness::new();
        let models_loaded = readiness.latch("models");
        let state = StateDir::open(&config.state_dir)?;
        let lock = parts::lock(&state)?;
        let identity = Identity::load(&state)?;
        let token = parts::token(&identity, &state)?;
        let spool_dir = state.path("spool");
        let spool = Spool::open(&spool_dir, spool::Limits::default())
            .with_context(|| format!("cannot open the spool {}", spool_dir.display()))?;
        let spool = Arc::new(spool);
        let endpoint = parts::endpoint(&config)?;
        let decider = Arc::new(parts::decider(&config)?);
        let library = models::library(&config).await?;
        let providers = models::providers(&config)?;

        let inventory = sensing::first_look(&config, library.as_ref());
        let conditions = Arc::new(Conditions::new(sensing::slow_facts(&config, &inventory)));
        let budgets = Budgets::open(state.clone(), conditions.clone(), decider.clone());
        let routes = Arc::new(RouteTable::new());
        let router = PlacementRouter::new(Parts {
            routes: routes.clone(),
            conditions: conditions.clone(),
            decider: decider.clone(),
            outcomes: Arc::new(Recorder::new(spool.clone(), budgets.clone())),
        });
        let service = ServiceBuilder::new()
            .layer(DeadlineLayer)
            .layer(AdmissionLayer::new(ADMISSION))
            .service(router.clone());
        let ready = readiness.clone();
        let catalog = RouteCatalog::new(SERVER, routes.clone(), move || ready.is_ready());
        let front = Front::new(service, Arc::new(catalog), Limits::default())
            .with_dry_run(Arc::new(router));
        let inventory = watch::Sender::new(inventory);
        let models = Models::default();
        let loading = library.map(|library| Loading {
            runtime: parts::runtime(library, &config, &state),
            configured: config.models.clone(),
            store: models::store(&config),
            providers,
            watts: config.device.watts,
            models: models.clone(),
            routes: routes.clone(),
            inventory: inventory.clone(),
        });
        let status = Status {
            readiness,
            metrics: Metrics::of_process(),
            spool: spool.clone(),
        };
        Ok(Self {
            config,
            identity,
            token,
            state,
            spool,
            endpoint,
            loading,
            routes,
            conditions,
            decider,
            budgets,
            front,
            status,
            inventory,
            models,
            models_loaded: Some(models_loaded),
            _lock: lock,
        })
    }

    /// Takes its addresses, and writes them down for other programs.
    ///
    /// # Errors
    /// When an address is taken or a socket file cannot be made.
    pub async fn bind(self) -> anyhow::Result<BoundAgent> {
        let listen = &self.config.listen;
        let http = parts::bind(listen.http.addr(), "listen.http").await?;
        let grpc = parts::bind(listen.grpc.addr(), "listen.grpc").await?;
        #[cfg(unix)]
        let socket = listen
            .socket
            .as_deref()
            .map(parts::bind_socket)
            .transpose()?;
        let addresses = Addresses {
            http: http.local_addr()?,
            grpc: grpc.local_addr()?,
            socket: listen.socket.clone().filter(|_| cfg!(unix)),
            token: self.state.path(TOKEN_FILE),
            pid: std::process::id(),
        };
        self.state
            .replace(Addresses::FILE, &serde_json::to_vec_pretty(&addresses)?)?;
        Ok(BoundAgent {
            agent: self,
            http,
            grpc,
            #[cfg(unix)]
            socket,
            addresses,
        })
    }
}

impl BoundAgent {
    /// Where it can be reached.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Serves until `stop`; then lets what is under way finish, within a grace, and delivers the
    /// last outcomes if the gateway is there.
    ///
    /// # Errors
    /// When serving cannot begin.
    pub async fn serve(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self {
            mut agent,
            addresses,
            ..
        } = self;
        let door = |address: SocketAddr| {
            api::door(
                address.ip(),
                agent.token.clone(),
                &agent.config.allowed_origins,
            )
        };
        let http_app =
            door(addresses.http).guard(api::http(agent.front.clone(), agent.status.clone()));
        let grpc_app = api::grpc(agent.front.clone(), agent.status.readiness.clone()).await?;
        let grpc_app = door(addresses.grpc).guard(grpc_app);
        let limits = Limits::default();

        let behind = CancellationToken::new();
        let mut tasks = agent.start(&behind);

        let mut servers = JoinSet::new();
        #[cfg(unix)]
        if let Some(socket) = self.socket {
            servers.spawn(serve(socket, http_app.clone(), limits, stop.clone()));
        }
        servers.spawn(serve(self.http, http_app, limits, stop.clone()));
        servers.spawn(serve(self.grpc, grpc_app, limits, stop));
        servers.join_all().await;

        behind.cancel();
        timeout(LAST_DELIVERY, async {
            while tasks.join_next().await.is_some() {}
        })
        .await
        .ok();
        Ok(())
    }
}

impl Agent {
    /// Starts what works behind the local API: sensing, loading models, and the link to the gateway.
    fn start(&mut self, stop: &CancellationToken) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        tasks.spawn(sensing::run(
            sensing::Sensing {
                conditions: self.conditions.clone(),
                inventory: self.inventory.clone(),
                metrics: self.status.metrics.clone(),
                models: self.models.clone(),
                routes: self.routes.clone(),
            },
            stop.clone(),
        ));
        if let Some(path) = self.config.policy.clone() {
            tasks.spawn(policy::follow(path, self.decider.clone(), stop.clone()));
        }
        // Loading is not waited for at the end: it blocks, and keeps nothing that a stop could harm.
        let loaded = self.models_loaded.take();
        if let (Some(loading), Some(loaded)) = (self.loading.take(), loaded) {
            tokio::spawn(loading.run(loaded, stop.clone()));
        }
        if let Some(endpoint) = self.endpoint.clone() {
            self.attach(endpoint, &mut tasks, stop);
        }
        tasks
    }
}

#[cfg(test)]
mod tests;
