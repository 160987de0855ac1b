//! Loads models: reads and checks, measures each variant on each wanted provider, compares it with the
//! CPU provider, and starts what serves it.

mod generation;
mod measure;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::embed::{Embedder, NotAnEmbedder};
use crate::engine::{Engine, Sessions};
use crate::figures::{Figures, Store};
use crate::generate::{Descriptions, Habits, Layout, NotADecoder, Template, TemplateError};
use crate::graph;
use crate::library::Library;
use crate::model::{Attempt, Generates, Loaded, Model, Parts, Serving, Signature, VariantReport};
use crate::package::{Digest, MAX_GRAPH, Package, PackageError, Task, VariantFile};
use crate::provider::ProviderName;
use crate::session::{Making, Session, Source};
use crate::text::{LoadTextError, Longest, Text, TextError};

use self::measure::{Bench, compare};

/// How models are run.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// Threads that runs may use together; `None` is one for each core.
    pub threads: Option<NonZeroUsize>,
    /// Where measurements are kept; `None` keeps them for this process alone.
    pub figures: Option<PathBuf>,
}

/// What to load of a package.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Names of variants; empty is all.
    pub variants: Vec<String>,
    /// Providers that may serve; empty is the CPU provider. Of several, the one that measured fastest
    /// and right does.
    pub providers: Vec<ProviderName>,
}

/// Why a model could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The package is not usable.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The tokenizer is not usable.
    #[error("{model}: {source}")]
    Tokenizer {
        /// The model.
        model: String,
        /// Why.
        source: TextError,
    },
    /// The model does not do what its package says.
    #[error("{model}: {source}")]
    Task {
        /// The model.
        model: String,
        /// Why.
        source: NotAnEmbedder,
    },
    /// The model does not generate, though its package says so.
    #[error("{model}: {source}")]
    Decoder {
        /// The model.
        model: String,
        /// Why.
        source: NotADecoder,
    },
    /// ONNX Runtime does not take it, not even with the CPU provider.
    #[error("{model} {variant}: ONNX Runtime does not take it: {reason}")]
    Refused {
        /// The model.
        model: String,
        /// The variant.
        variant: String,
        /// What ONNX Runtime said.
        reason: String,
    },
    /// A thread could not be started.
    #[error("could not start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// ONNX Runtime with a way of running models. A clone is another handle to the same.
#[derive(Debug, Clone)]
pub struct Runtime {
    library: Library,
    threads: usize,
    figures: Arc<Store>,
}

/// A variant that was read and checked.
struct Checked {
    /// What is loaded: the file's, or what a decoder was rewritten to.
    bytes: Vec<u8>,
    /// Of the file.
    size: u64,
    /// A decoder that was rewritten to tell what follows the last token alone.
    last_alone: bool,
    digest: Digest,
    path: PathBuf,
    has_external: bool,
    vocabulary: Option<u64>,
}

impl Runtime {
    /// A runtime over the library.
    #[must_use]
    pub fn new(library: Library, config: RuntimeConfig) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = config.threads.map_or_else(cores, NonZeroUsize::get);
        Self {
            library,
            threads,
            figures: Arc::new(Store::open(config.figures)),
        }
    }

    /// The library.
    #[must_use]
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// Loads a model. It blocks while files are read, graphs optimised and speeds measured.
    ///
    /// # Errors
    /// [`LoadError`]. A provider that cannot be used is no error: the CPU provider serves, and the
    /// variant's report says so.
    pub fn load(&self, package: &Package, options: &LoadOptions) -> Result<Model, LoadError> {
        let mut parts: Option<Parts> = None;
        for variant in package.chosen(&options.variants)? {
            let begun = Instant::now();
            let text = parts.as_ref().and_then(|parts| parts.text.clone());
            let mut one = self.load_variant(package, variant, text, options)?;
            for loaded in &mut one.variants {
                loaded.report.load_time = begun.elapsed();
            }
            match &mut parts {
                Some(parts) => parts.variants.append(&mut one.variants),
                None => parts = Some(one),
            }
        }
        parts.map(|parts| Model(Arc::new(parts))).ok_or_else(|| {
            LoadError::Package(PackageError::NotAPackage {
                path: package.folder.clone(),
            })
        })
    }

    /// One variant, with what it shares with the others.
    fn load_variant(
        &self,
        package: &Package,
        variant: &VariantFile,
        text: Option<Text>,
        options: &LoadOptions,
    ) -> Result<Parts, LoadError> {
        let name = package.name().to_owned();
        let checked = check(package, variant)?;
        let mut loading = Loading {
            runtime: self,
            package,
            variant,
            checked: &checked,
            text: None,
        };
        let (reference, signature) = loading.reference()?;
        let (layout, habits) = loading.decoder(&signature)?.unzip();
        let text = match text {
            Some(text) => Some(text),
            None => loading.tokenizer(habits.as_ref())?,
        };
        loading.text = text.as_ref();
        let wanted = &options.providers;
        let (loaded, task, embedder) = match (layout, &habits, &text) {
            (Some(layout), Some(habits), Some(text)) => {
                let loaded = loading.generate(reference, layout, habits, text, wanted)?;
                (loaded, Task::Generation, None)
            }
            (Some(_), ..) => {
                let source = TextError::None(name.clone());
                return Err(LoadError::Tokenizer {
                    model: name,
                    source,
                });
            }
            (None, ..) => {
                let embedder = loading.embedder(&signature)?;
                let loaded = loading.serve(reference, embedder.as_ref(), wanted)?;
                (loaded, package.task(), embedder)
            }
        };
        let template = Template::read(&package.folder)?.unwrap_or(Err(TemplateError::None));
        Ok(Parts {
            name,
            task,
            signature,
            text,
            embedder,
            generation: habits.map(|habits| Generates {
                habits,
                template,
                guides: OnceLock::new(),
            }),
            variants: vec![loaded],
        })
    }
}

fn check(package: &Package, variant: &VariantFile) -> Result<Checked, PackageError> {
    let (bytes, digest) = package.read(&variant.model, MAX_GRAPH)?;
    let path = package.folder.join(&variant.model.path);
    let folder = path.parent().unwrap_or(&package.folder);
    let summary = graph::check(&bytes, folder).map_err(|source| PackageError::Graph {
        path: path.clone(),
        source,
    })?;
    package.check_external(folder, &summary.external)?;
    let size = bytes.len() as u64;
    let rewritten = if summary.has_past {
        let descriptions = Descriptions::read(&package.folder)?;
        let rewritten = graph::last_alone(&bytes, descriptions.logits());
        rewritten.map_err(|source| PackageError::Graph {
            path: path.clone(),
            source,
        })?
    } else {
        None
    };
    Ok(Checked {
        size,
        last_alone: rewritten.is_some(),
        has_external: !summary.external.is_empty(),
        vocabulary: summary.vocabulary,
        bytes: rewritten.unwrap_or(bytes),
        digest,
        path,
    })
}

/// One variant on its way.
struct Loading<'l> {
    runtime: &'l Runtime,
    package: &'l Package,
    variant: &'l VariantFile,
    checked: &'l Checked,
    text: Option<&'l Text>,
}

impl Loading<'_> {
    /// A session of the CPU provider: what every other is compared with, and what always serves.
    fn reference(&self) -> Result<(Session, Signature), LoadError> {
        let session = self
            .open(ProviderName::CPU, self.runtime.threads)
            .map_err(|reason| self.refused(reason))?;
        let signature = session.signature();
        Ok((session, signature))
    }

    /// How the model generates, where that is what it does.
    fn decoder(&self, signature: &Signature) -> Result<Option<(Layout, Habits)>, LoadError> {
        let descriptions = Descriptions::read(&self.package.folder)?;
        match (self.package.task(), descriptions.layout(signature)) {
            (Task::Generation | Task::Embedding, Ok(layout)) => {
                let layout = layout.with_last_alone(self.checked.last_alone);
                Ok(Some((layout, descriptions.habits())))
            }
            (Task::Generation, Err(source)) => Err(LoadError::Decoder {
                model: self.package.name().to_owned(),
                source,
            }),
            (Task::Embedding | Task::Infer, _) => Ok(None),
        }
    }

    /// The package's tokenizer; of a model that generates as those are used.
    fn tokenizer(&self, habits: Option<&Habits>) -> Result<Option<Text>, LoadError> {
        let longest = match habits {
            Some(habits) => Longest::Context(habits.context),
            None => Longest::Cut(self.package.embedding.max_tokens),
        };
        let loaded = Text::load(self.package, self.checked.vocabulary, longest);
        loaded.map_err(|error| match error {
            LoadTextError::Package(error) => LoadError::Package(error),
            LoadTextError::Text(source) => LoadError::Tokenizer {
                model: self.package.name().to_owned(),
                source,
            },
        })
    }

    /// How texts become vectors, where that is what the model is for.
    fn embedder(&self, signature: &Signature) -> Result<Option<Embedder>, LoadError> {
        if self.package.task() != Task::Embedding {
            return Ok(None);
        }
        let embedder = Embedder::of(signature, self.package.embedding);
        embedder.map(Some).map_err(|source| LoadError::Task {
            model: self.package.name().to_owned(),
            source,
        })
    }

    /// What measurements are kept by.
    fn figures_key(&self, provider: ProviderName) -> String {
        format!(
            "{} {provider} {} {}",
            self.checked.digest,
            self.runtime.library.version(),
            self.runtime.threads
        )
    }

    /// Tries the wanted providers, chooses, and starts what serves.
    fn serve(
        &self,
        mut reference: Session,
        embedder: Option<&Embedder>,
        wanted: &[ProviderName],
    ) -> Result<Loaded, LoadError> {
        let wanted = if wanted.is_empty() {
            vec![ProviderName::CPU]
        } else {
            wanted.to_vec()
        };
        let bench = Bench {
            embedder,
            text: self.text,
        };
        let golden = self
            .golden(&bench, &mut reference)
            .map_err(|reason| self.refused(reason))?;

        let mut attempts: Vec<Attempt> = Vec::new();
        for &provider in &wanted {
            let outcome = self.attempt(provider, &bench, &golden, &mut reference);
            if let Err(reason) = &outcome {
                tracing::warn!(model = self.package.name(), variant = self.variant.name, %provider, reason, "an execution provider is set aside");
            }
            attempts.push(Attempt { provider, outcome });
        }
        if attempts.iter().all(|attempt| attempt.outcome.is_err()) {
            let provider = ProviderName::CPU;
            let outcome = self.attempt(provider, &bench, &golden, &mut reference);
            attempts.push(Attempt { provider, outcome });
        }
        let best = attempts
            .iter()
            .filter_map(|attempt| Some((attempt.provider, attempt.outcome.as_ref().ok()?)));
        let best =
            best.min_by(|(_, a), (_, b)| a.speed.at(TYPICAL).total_cmp(&b.speed.at(TYPICAL)));
        let Some((serving, figures)) = best else {
            return Err(
                self.refused("its outputs are not those recorded when it was first loaded".into())
            );
        };
        let speed = figures.speed;
        let why = why(serving, &attempts);
        let sessions = self
            .sessions(serving, reference, embedder)
            .map_err(|reason| self.refused(reason))?;
        let shown = sessions.wide.as_ref().or_else(|| sessions.narrow.first());
        let node_shares = shown.map(Session::node_shares).unwrap_or_default();
        tracing::info!(model = self.package.name(), variant = self.variant.name, %serving, why, "a variant is ready");
        let report = VariantReport {
            name: self.variant.name.clone(),
            precision: self.variant.precision,
            sha256: self.checked.digest,
            bytes: self.checked.size,
            wanted,
            serving,
            why,
            speed,
            attempts,
            node_shares,
            load_time: std::time::Duration::ZERO,
        };
        let engine = Engine::start(self.package.name(), sessions, embedder)?;
        Ok(Loaded {
            report,
            serving: Serving::Tensors(engine),
        })
    }

    /// The CPU provider's outputs when this graph was first loaded; recorded now if it is the first time.
    fn golden(&self, bench: &Bench<'_>, reference: &mut Session) -> Result<Vec<Vec<f32>>, String> {
        let key = self.checked.digest.to_string();
        if let Some(golden) = self.runtime.figures.golden(&key) {
            return Ok(golden);
        }
        let golden = bench.outputs(reference)?;
        self.runtime.figures.keep_golden(key, golden.clone());
        Ok(golden)
    }

    /// Tries one provider: its outputs are compared at every load, its speed is measured once.
    fn attempt(
        &self,
        provider: ProviderName,
        bench: &Bench<'_>,
        golden: &[Vec<f32>],
        reference: &mut Session,
    ) -> Result<Figures, String> {
        let mut own = None;
        let session = if provider == ProviderName::CPU {
            reference
        } else {
            if !(provider.provider().is_built_in)().unwrap_or(false) {
                return Err(format!(
                    "this ONNX Runtime ({}) was not built with it",
                    self.runtime.library.version()
                ));
            }
            own.insert(self.open(provider, self.runtime.threads)?)
        };
        if provider != ProviderName::CPU {
            let runs_any = session
                .node_shares()
                .iter()
                .any(|share| share.provider == provider.onnx_name() && share.nodes > 0);
            if !runs_any {
                return Err("it runs none of the model's nodes".into());
            }
        }
        let likeness = compare(&bench.outputs(session)?, golden, self.variant.precision)?;
        let key = self.figures_key(provider);
        if let Some(figures) = self.runtime.figures.figures(&key) {
            return Ok(Figures {
                likeness,
                ..figures
            });
        }
        let figures = Figures {
            speed: bench.speed(session)?,
            likeness,
        };
        self.runtime.figures.keep_figures(key, figures.clone());
        Ok(figures)
    }

    /// The sessions that serve: a wide one for text when there are threads to share, and narrow ones.
    fn sessions(
        &self,
        serving: ProviderName,
        reference: Session,
        embedder: Option<&Embedder>,
    ) -> Result<Sessions, String> {
        let threads = self.runtime.threads;
        let narrow = (0..threads)
            .map(|_| self.open(serving, 1))
            .collect::<Result<Vec<_>, _>>()?;
        let wide = match (embedder, threads, serving) {
            (None, ..) | (_, 1, _) => None,
            (Some(_), _, ProviderName::CPU) => Some(reference),
            (Some(_), ..) => Some(self.open(serving, threads)?),
        };
        Ok(Sessions { wide, narrow })
    }

    fn open(&self, provider: ProviderName, threads: usize) -> Result<Session, String> {
        let Checked {
            bytes,
            path,
            has_external,
            last_alone,
            ..
        } = self.checked;
        let folder = path.parent().unwrap_or(&self.package.folder);
        let source = match (has_external, last_alone) {
            (true, true) => Source::Beside(bytes, folder),
            (true, false) => Source::File(path),
            (false, _) => Source::Memory(bytes),
        };
        let making = Making { provider, threads };
        Session::open(&self.runtime.library, source, making).map_err(|error| short(&error))
    }

    fn refused(&self, reason: String) -> LoadError {
        LoadError::Refused {
            model: self.package.name().to_owned(),
            variant: self.variant.name.clone(),
            reason,
        }
    }
}

/// The length, in tokens, at which providers are compared.
const TYPICAL: u32 = 64;

/// The first line of what ONNX Runtime said.
fn short(error: &ort::Error) -> String {
    error
        .message()
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(300)
        .collect()
}

/// Why that provider serves, for a person.
fn why(serving: ProviderName, attempts: &[Attempt]) -> String {
    let told = attempts
        .iter()
        .map(|Attempt { provider, outcome }| match outcome {
            Ok(figures) => format!("{provider} {:.2} ms", figures.speed.at(TYPICAL) * 1e3),
            Err(reason) => format!("{provider} set aside: {reason}"),
        });
    let told: Vec<_> = told.collect();
    match told.as_slice() {
        [_] => format!("{serving} was wanted"),
        _ => format!(
            "{serving} measured fastest of those that ran right ({})",
            told.join(", ")
        ),
    }
}
