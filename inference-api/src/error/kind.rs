//! The table of errors: each kind with its HTTP status, its gRPC code, and the
//! type and code of OpenAI's error bodies, side by side.

use http::StatusCode;
use tonic::Code;

/// The kinds of errors, by what a caller can do about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request says what cannot be; another one will do.
    InvalidRequest,
    /// The request asks for something that is not done here.
    Unsupported,
    /// The input is longer than the model can take.
    ContextLengthExceeded,
    /// The caller did not show a valid token.
    Unauthenticated,
    /// The request came from where none are taken: a foreign host or origin.
    Forbidden,
    /// The policy allows no place for it.
    PolicyDenied,
    /// There is no such model.
    ModelNotFound,
    /// There is no such address.
    NotFound,
    /// The address does not take this method.
    MethodNotAllowed,
    /// The request did not arrive in time.
    RequestTimeout,
    /// The request is larger than what is taken.
    RequestTooLarge,
    /// What may be spent is spent.
    BudgetExceeded,
    /// Too many requests are waiting.
    Overloaded,
    /// The model is here but cannot serve yet.
    ModelNotReady,
    /// Nothing that may serve it can serve it now.
    NoEligibleRoute,
    /// What was to serve it could not be reached, or failed.
    Unavailable,
    /// The deadline passed.
    DeadlineExceeded,
    /// A fault of ours.
    Internal,
}

/// One row of the table.
struct Row {
    kind: ErrorKind,
    http: StatusCode,
    grpc: Code,
    /// OpenAI's `error.type`.
    openai_type: &'static str,
    /// OpenAI's `error.code`, and the reason in gRPC's details.
    code: &'static str,
}

const fn row(
    kind: ErrorKind,
    http: StatusCode,
    grpc: Code,
    (openai_type, code): (&'static str, &'static str),
) -> Row {
    Row {
        kind,
        http,
        grpc,
        openai_type,
        code,
    }
}

const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";

/// In the order of [`ErrorKind`].
#[rustfmt::skip]
const TABLE: [Row; 18] = [
    row(ErrorKind::InvalidRequest, StatusCode::BAD_REQUEST, Code::InvalidArgument, (INVALID, "invalid_request")),
    row(ErrorKind::Unsupported, StatusCode::BAD_REQUEST, Code::InvalidArgument, (INVALID, "unsupported_parameter")),
    row(ErrorKind::ContextLengthExceeded, StatusCode::BAD_REQUEST, Code::InvalidArgument, (INVALID, "context_length_exceeded")),
    row(ErrorKind::Unauthenticated, StatusCode::UNAUTHORIZED, Code::Unauthenticated, (INVALID, "invalid_api_key")),
    row(ErrorKind::Forbidden, StatusCode::FORBIDDEN, Code::PermissionDenied, (INVALID, "forbidden")),
    row(ErrorKind::PolicyDenied, StatusCode::FORBIDDEN, Code::PermissionDenied, ("permission_error", "policy_denied")),
    row(ErrorKind::ModelNotFound, StatusCode::NOT_FOUND, Code::NotFound, (INVALID, "model_not_found")),
    row(ErrorKind::NotFound, StatusCode::NOT_FOUND, Code::Unimplemented, (INVALID, "unknown_url")),
    row(ErrorKind::MethodNotAllowed, StatusCode::METHOD_NOT_ALLOWED, Code::Unimplemented, (INVALID, "method_not_allowed")),
    row(ErrorKind::RequestTimeout, StatusCode::REQUEST_TIMEOUT, Code::DeadlineExceeded, (INVALID, "request_timeout")),
    row(ErrorKind::RequestTooLarge, StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted, (INVALID, "request_too_large")),
    row(ErrorKind::BudgetExceeded, StatusCode::TOO_MANY_REQUESTS, Code::ResourceExhausted, ("insufficient_quota", "budget_exceeded")),
    row(ErrorKind::Overloaded, StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, (SERVER, "overloaded")),
    row(ErrorKind::ModelNotReady, StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, (SERVER, "model_not_ready")),
    row(ErrorKind::NoEligibleRoute, StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, (SERVER, "no_eligible_route")),
    row(ErrorKind::Unavailable, StatusCode::BAD_GATEWAY, Code::Unavailable, (SERVER, "upstream_unavailable")),
    row(ErrorKind::DeadlineExceeded, StatusCode::GATEWAY_TIMEOUT, Code::DeadlineExceeded, (SERVER, "deadline_exceeded")),
    row(ErrorKind::Internal, StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, (SERVER, "internal_error")),
];

impl ErrorKind {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.kind)
    }

    /// The kind of that code, as another hop tells it.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        let row = TABLE.iter().find(|row| row.code == code)?;
        Some(row.kind)
    }

    /// Its HTTP status.
    #[must_use]
    pub const fn http(self) -> StatusCode {
        self.row().http
    }

    /// Its gRPC code.
    #[must_use]
    pub const fn grpc(self) -> Code {
        self.row().grpc
    }

    /// The `type` of an OpenAI error body.
    #[must_use]
    pub const fn openai_type(self) -> &'static str {
        self.row().openai_type
    }

    /// The `code` of an OpenAI error body, the reason in gRPC's details, and
    /// the label in metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.row().code
    }

    const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}
