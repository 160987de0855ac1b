//! `GET /v1/models` and `GET /v1/models/{id}`: the catalogue as OpenAI lists
//! it.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::respond;
use crate::catalog::ModelCard;
use crate::error::InferenceError;
use crate::front::Front;
use crate::refusal::{self, with_json};

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Model<'a>>,
}

#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'a str,
}

impl<'a> From<&'a ModelCard> for Model<'a> {
    fn from(card: &'a ModelCard) -> Self {
        Self {
            id: card.name.as_str(),
            object: "model",
            created: card.created_unix_seconds,
            owned_by: &card.owner,
        }
    }
}

pub(super) async fn list(State(front): State<Front>) -> Response {
    let cards = front.catalog.models();
    let list = List {
        object: "list",
        data: cards.iter().map(|card| Model::from(&**card)).collect(),
    };
    with_json(StatusCode::OK, serde_json::to_vec(&list))
}

pub(super) async fn one(
    State(front): State<Front>,
    path: Result<Path<String>, PathRejection>,
) -> Response {
    respond(describe(&front, path))
}

fn describe(
    front: &Front,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, InferenceError> {
    let Path(id) = path.map_err(|rejection| refusal::unreadable_address(&rejection))?;
    let card = front.catalog.model(&id);
    let card = card.ok_or_else(|| InferenceError::model_not_found(&id))?;
    let body = serde_json::to_vec(&Model::from(&*card));
    Ok(with_json(StatusCode::OK, body))
}
