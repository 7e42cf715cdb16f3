use super::*;

#[test]
fn an_error_says_what_is_wrong() {
    assert_eq!(SerializationError::new("not a temperature").to_string(), "not a temperature");
}
