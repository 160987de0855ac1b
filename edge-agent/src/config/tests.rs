//! Proofs about configuration.

use std::path::Path;

use clap::Parser as _;

use super::{Cli, Command, Config, ConfigError, ModelStore, Settings};

fn settings(flags: &[&str]) -> Settings {
    let argv = ["tideline-agent", "run"].iter().chain(flags);
    match Cli::try_parse_from(argv).unwrap().command {
        Command::Run(options) => options.settings,
        Command::Doctor(options) => options.settings,
    }
}

/// The configuration of a file and flags, or the message that refuses it.
#[expect(
    clippy::unwrap_in_result,
    reason = "a file that cannot be written fails the test"
)]
fn load(yaml: &str, flags: &[&str]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.yaml");
    std::fs::write(&file, yaml).unwrap();
    let settings = Settings {
        config: Some(file),
        ..settings(flags)
    };
    Config::load(settings).map_err(|error| {
        let message = error.to_string();
        message.replace(&format!("{}/", folder.path().display()), "")
    })
}

fn refused(yaml: &str, flags: &[&str], message: &str) {
    assert_eq!(load(yaml, flags).unwrap_err(), message);
}

#[test]
fn an_agent_without_configuration_serves_this_machine_alone() {
    let config = load("", &["--state-dir", "/s"]).unwrap();
    assert_eq!(config.listen.http.addr().to_string(), "127.0.0.1:7071");
    assert_eq!(config.listen.grpc.addr().to_string(), "127.0.0.1:7072");
    assert_eq!((config.gateway, config.policy), (None, None));
}

#[test]
fn an_unknown_field_is_refused_with_its_place_and_the_right_names() {
    let error = load("listen:\n  htpp: 127.0.0.1:1\n", &[]).unwrap_err();
    assert!(error.starts_with("agent.yaml:2:3: "), "{error}");
    assert!(
        error.contains("unknown field `htpp`, expected one of `http`, `grpc`, `socket`"),
        "{error}"
    );
}

#[test]
fn an_address_that_others_could_reach_is_refused() {
    let error = load("listen:\n  http: 0.0.0.0:7071\n", &[]).unwrap_err();
    assert!(
        error.starts_with("agent.yaml:2:")
            && error.contains("could be reached from other machines"),
        "{error}"
    );
    assert!(Cli::try_parse_from(["tideline-agent", "run", "--grpc", "192.168.1.2:1"]).is_err());
}

#[test]
fn flags_win_over_the_file() {
    let yaml = "listen: { http: '127.0.0.1:1', grpc: '127.0.0.1:2' }\nmodels: [{ path: m, variants: [int8] }]\n";
    let config = load(
        yaml,
        &[
            "--state-dir",
            "/s",
            "--http",
            "127.0.0.1:3",
            "--model",
            "/n",
        ],
    )
    .unwrap();
    assert_eq!(config.listen.http.addr().port(), 3);
    assert_eq!(config.listen.grpc.addr().port(), 2);
    assert_eq!(config.models[0].path, Path::new("/n"));
}

#[test]
fn paths_in_a_file_are_relative_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.yaml");
    std::fs::write(
        &file,
        "stateDir: state\npolicy: p.yaml\nmodels: [{ path: ../m }]\n",
    )
    .unwrap();
    let config = Config::load(Settings {
        config: Some(file),
        ..Settings::default()
    })
    .unwrap();
    assert_eq!(config.state_dir, folder.path().join("state"));
    assert_eq!(config.policy, Some(folder.path().join("p.yaml")));
    assert_eq!(config.models[0].path, folder.path().join("../m"));
}

#[test]
fn the_model_store_is_the_users_unless_another_or_none_is_named() {
    let store = |yaml: &str, flags: &[&str]| {
        let flags = [&["--state-dir", "/s"], flags].concat();
        load(yaml, &flags).unwrap().model_store
    };
    assert_ne!(store("", &[]), Some(ModelStore::None));
    assert_eq!(store("modelStore: none", &[]), Some(ModelStore::None));
    let named = Some(ModelStore::At("/m".into()));
    assert_eq!(store("modelStore: /m", &[]), named);
    assert_eq!(store("modelStore: none", &["--model-store", "/m"]), named);
}

#[test]
fn content_does_not_travel_in_clear_text_unless_that_was_said() {
    let far = "stateDir: /s\ngateway: { url: 'http://gateway.example.com:7080' }\n";
    assert!(load(far, &[]).unwrap_err().contains("in clear text"));
    load(far, &["--insecure-dev"]).unwrap();
    for near in [
        "http://127.0.0.1:7080",
        "http://localhost:7080",
        "http://[::1]:7080",
    ] {
        load("", &["--state-dir", "/s", "--gateway", near]).unwrap();
    }
}

#[test]
fn a_url_that_is_no_gateways_is_refused() {
    for url in [
        "https://g:7080",
        "g:7080",
        "http://g/path",
        "ftp://g",
        "http://",
    ] {
        let flags = ["tideline-agent", "run", "--gateway", url];
        assert!(Cli::try_parse_from(flags).is_err(), "{url}");
    }
}

#[test]
fn values_that_do_not_parse_stop_the_start() {
    let state = ["--state-dir", "/s"];
    refused(
        "log: { filter: 'no=such=level' }",
        &state,
        "log.filter `no=such=level`: error parsing level filter: expected one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or a number 0-5",
    );
    refused(
        "allowedOrigins: ['*']",
        &state,
        "allowedOrigins `*` is not an origin; expected one such as http://localhost:3000",
    );
    for yaml in [
        "runtime: { threads: 0 }",
        "device: { watts: -1 }",
        "models: [{ variants: [a] }]",
        "log: { format: xml }",
        "- a list",
    ] {
        let error = load(yaml, &state).unwrap_err();
        assert!(error.starts_with("agent.yaml:1:"), "{yaml}: {error}");
    }
    refused(
        "",
        &["--gateway-token-file", "t"],
        "a gateway's token without a gateway; add --gateway URL",
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let settings = Settings {
        config: Some("/no/such.yaml".into()),
        ..Settings::default()
    };
    let error = Config::load(settings).unwrap_err();
    assert!(
        matches!(error, ConfigError::Read { .. }) && error.to_string().ends_with("/no/such.yaml"),
        "{error}"
    );
}

#[test]
fn what_is_dumped_can_be_read_again() {
    let yaml = "stateDir: /s\nmodelStore: none\ngateway: { url: 'http://127.0.0.1:7080' }\ndevice: { watts: 9.5 }\n";
    let config = load(yaml, &[]).unwrap();
    let dumped = serde_yaml::to_string(&config).unwrap();
    assert_eq!(Config::parse(&dumped, Path::new("dump")).unwrap(), config);
}
