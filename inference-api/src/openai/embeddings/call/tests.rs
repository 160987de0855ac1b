//! Tests of what an embeddings call may say.

use proptest::prelude::*;

use super::{Call, parse};
use crate::error::{ErrorKind, InferenceError};
use crate::openai::embeddings::reply::Encoding;
use crate::request::{EmbeddingInput, ModelSelector};

fn with_input(input: &str) -> Result<Call, InferenceError> {
    parse(
        format!(r#"{{"model":"minilm","input":{input}}}"#).as_bytes(),
        3,
    )
}

fn text(text: &str) -> EmbeddingInput {
    EmbeddingInput::Text(text.to_owned())
}

fn check(input: &str, expected: &[EmbeddingInput]) {
    assert_eq!(with_input(input).unwrap().inputs, expected, "{input}");
}

fn check_refused(body: &str, param: Option<&str>, message: &str) {
    let error = parse(body.as_bytes(), 3).unwrap_err();
    assert_eq!(error.message(), message, "{body}");
    assert_eq!(error.param(), param, "{body}");
    assert_eq!(error.kind().http().as_u16(), 400, "{body}");
}

#[test]
fn an_input_has_four_forms() {
    let ids = |ids: &[u32]| EmbeddingInput::Tokens(ids.to_vec());
    check(r#""héllo\n""#, &[text("héllo\n")]);
    check(r#"["a","b"]"#, &[text("a"), text("b")]);
    check("[1,2,4294967295]", &[ids(&[1, 2, u32::MAX])]);
    check("[[1],[2,3]]", &[ids(&[1]), ids(&[2, 3])]);
}

#[test]
fn the_other_parameters_are_read() {
    let body = r#"{"input":"a","model":"auto","encoding_format":"base64","dimensions":2,
        "user":"u1","store":true,"metadata":{"a":[1,{}]}}"#;
    let call = parse(body.as_bytes(), 3).unwrap();
    assert_eq!(call.model, ModelSelector::Auto);
    assert_eq!(call.encoding, Encoding::Base64);
    assert_eq!(call.dimensions.unwrap().get(), 2);
    assert_eq!(call.user.unwrap().as_str(), "u1");
    let body = br#"{"input":"a","model":"m","encoding_format":null,"dimensions":null,"user":null}"#;
    let call = parse(body, 3).unwrap();
    assert_eq!(call.encoding, Encoding::Float);
    assert_eq!((call.dimensions, call.user), (None, None));
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_never_quoted() {
    for input in [
        r#"{"secret":1}"#,
        r#"["a",1]"#,
        r#"[1,"secret"]"#,
        r#"[["secret"]]"#,
        "[-1]",
        "[4294967296]",
        "[1.5]",
        "null",
    ] {
        let error = with_input(input).unwrap_err();
        let message = "'input' must be a string, a list of strings, a list of token ids or a list \
                       of lists of token ids at line 1 column ";
        assert!(error.message().starts_with(message), "{input}: {error}");
        assert!(!error.log().contains("secret"), "{input}: {error}");
    }
    check_refused(
        r#"{"model":7}"#,
        Some("model"),
        "'model' must be a string at line 1 column 10",
    );
    check_refused(
        r#"{"dimensions":0}"#,
        Some("dimensions"),
        "'dimensions' must be a whole number above zero at line 1 column 15",
    );
}

#[test]
fn empty_inputs_are_refused() {
    let empty = "'input' must not hold an empty text";
    check_refused(r#"{"input":""}"#, Some("input"), empty);
    check_refused(r#"{"input":["a",""]}"#, Some("input"), empty);
    check_refused(r#"{"input":[[1],[]]}"#, Some("input"), empty);
    check_refused(
        r#"{"input":[]}"#,
        Some("input"),
        "'input' must not be an empty list",
    );
}

#[test]
fn missing_and_wrong_parameters_are_named() {
    check_refused(
        r#"{"input":"a"}"#,
        Some("model"),
        "the parameter 'model' is missing",
    );
    check_refused(
        r#"{"model":"m"}"#,
        Some("input"),
        "the parameter 'input' is missing",
    );
    check_refused(
        r#"{"input":"a","model":"m","encoding_format":"hex"}"#,
        Some("encoding_format"),
        "'encoding_format' must be \"float\" or \"base64\"",
    );
    check_refused(
        r#"{"input":"a","model":"two words"}"#,
        Some("model"),
        "'model' must be 1 to 256 visible ASCII characters",
    );
}

#[test]
fn what_would_change_the_vectors_is_refused_by_name() {
    let message = "the parameter 'input_type' is not supported here";
    check_refused(r#"{"input_type":"query"}"#, Some("input_type"), message);
    let error = parse(br#"{"my secret is 7":1}"#, 3).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(!error.log().contains("secret"));
}

#[test]
fn too_many_texts_are_refused_in_openais_words() {
    let texts = vec!["\"a\""; 10_000].join(",");
    check_refused(
        &format!(r#"{{"input":[{texts}]}}"#),
        Some("input"),
        "Invalid 'input': array too long. Expected an array with maximum length 3, but got an \
         array with length 10000 instead.",
    );
    assert!(with_input("[1,2,3,4,5]").is_ok(), "token ids are one text");
}

#[test]
fn malformed_json_is_told_by_its_position() {
    let not_json = |problem: &str| format!("the body is not valid JSON: {problem}");
    check_refused(
        r#"{"input":"secret"#,
        None,
        &not_json("EOF while parsing a string at line 1 column 16"),
    );
    check_refused(
        r#"{"model":"m",}"#,
        None,
        &not_json("trailing comma at line 1 column 14"),
    );
    check_refused(
        "",
        None,
        &not_json("EOF while parsing a value at line 1 column 0"),
    );
    let form = "the body is JSON of another form than expected at line 1 column";
    check_refused("[1]", None, &format!("{form} 0"));
    let trailing = r#"{"model":"m","input":"a"} {}"#;
    check_refused(
        trailing,
        None,
        &not_json("trailing characters at line 1 column 27"),
    );
}

#[test]
fn invalid_utf_8_is_refused() {
    let body = b"{\"model\":\"m\",\"input\":\"\xff\xfe\"}";
    let error = parse(body, 3).unwrap_err();
    assert!(
        error
            .message()
            .starts_with("the body is not valid JSON: invalid unicode")
    );
}

#[test]
fn deep_nesting_is_refused() {
    let error = with_input(&"[".repeat(100_000)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    let body = format!(r#"{{"metadata":{}"#, "[".repeat(100_000));
    assert!(parse(body.as_bytes(), 3).is_err());
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _result = parse(&body, 3);
    }

    #[test]
    fn no_json_makes_it_panic_and_no_secret_comes_back(
        body in r#"\{"(model|input|user|dimensions)":(\["?)?(secret|-?[0-9]{1,12}|null|"secret")("?\])?\}"#,
    ) {
        if let Err(error) = parse(body.as_bytes(), 3) {
            prop_assert!(!error.log().contains("secret"), "{}", error.log());
        }
    }
}
