//! Mirrors `org.apache.kafka.clients.ClientUtils`, the part that reads addresses. Names are resolved elsewhere.

use crate::error::ConfigProblem;

const PROPERTY: &str = "bootstrap.servers";

/// Splits each of `servers` into host and port.
///
/// `host:port`, `[ip:v6]:port` and either of them behind `protocol://` are accepted, unless that is TLS or SASL.
///
/// # Errors
///
/// One problem, which names every entry that is none of these and says why.
pub(crate) fn parse_bootstrap_servers(
    servers: &[String],
) -> Result<Vec<(String, u16)>, ConfigProblem> {
    if servers.is_empty() {
        let reason = "is empty (name one broker or more, as in localhost:9092)";
        return Err(ConfigProblem::new(PROPERTY, reason));
    }
    let mut addresses = Vec::with_capacity(servers.len());
    let mut reasons = Vec::new();
    for server in servers {
        match parse_address(server) {
            Ok(address) => addresses.push(address),
            Err(reason) => reasons.push(format!("{server:?} {reason}")),
        }
    }
    if !reasons.is_empty() {
        return Err(ConfigProblem::new(PROPERTY, reasons.join(", ")));
    }
    Ok(addresses)
}

fn parse_address(server: &str) -> Result<(String, u16), String> {
    let (scheme, address) = server.trim().split_once("://").unwrap_or(("", server.trim()));
    if ["ssl", "sasl"].iter().any(|it| scheme.to_ascii_lowercase().contains(it)) {
        return Err("asks for TLS or SASL, which are not built yet".into());
    }
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or("has a [ without its ]")?;
            (host, rest.strip_prefix(':').ok_or_else(|| no_port(&format!("[{host}]")))?)
        }
        None => address.rsplit_once(':').ok_or_else(|| no_port(address))?,
    };
    if host.is_empty() {
        return Err("has no host (write it as host:port, e.g. localhost:9092)".into());
    }
    if address.contains([';', ' ']) {
        return Err(
            "is not of the form host:port (a comma separates one server from the next)".into()
        );
    }
    if host.contains(':') && !address.starts_with('[') {
        return Err(format!(
            "has more than one colon (an IPv6 address goes in brackets: [{host}]:{port})"
        ));
    }
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || "-._%:".contains(letter);
    if !host.chars().all(is_allowed) {
        return Err("is not of the form host:port".into());
    }
    match parse_port(port) {
        Some(port) => Ok((host.into(), port)),
        None => Err(format!("has the port {port:?} (allowed: 1 to 65535)")),
    }
}

fn no_port(host: &str) -> String {
    format!("has no port (Kafka's usual one is 9092: {host}:9092)")
}

fn parse_port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    // CFG-05
    #[test]
    fn addresses_come_apart_into_host_and_port() {
        for (server, host, port) in [
            ("localhost:9092", "localhost", 9092),
            (" 127.0.0.1:1 ", "127.0.0.1", 1),
            ("my_host-1.example.com:65535", "my_host-1.example.com", 65535),
            ("[::1]:9092", "::1", 9092),
            ("[fe80::1%eth0]:9092", "fe80::1%eth0", 9092),
            ("PLAINTEXT://broker:9092", "broker", 9092),
            ("kafka://[2001:db8::1]:9093", "2001:db8::1", 9093),
        ] {
            assert_eq!(parse(server), Ok(vec![(host.to_owned(), port)]), "{server}");
        }
    }

    // CFG-05
    #[test]
    fn what_is_no_address_is_told_why() {
        for (server, reason) in [
            ("localhost", "has no port (Kafka's usual one is 9092: localhost:9092)"),
            ("SASL_SSL://broker:9093", "asks for TLS or SASL, which are not built yet"),
            ("kafka+ssl://broker:9093", "asks for TLS or SASL, which are not built yet"),
            ("[::1]", "has no port (Kafka's usual one is 9092: [::1]:9092)"),
            ("localhost:", "has the port \"\" (allowed: 1 to 65535)"),
            ("localhost:0", "has the port \"0\" (allowed: 1 to 65535)"),
            ("localhost:65536", "has the port \"65536\" (allowed: 1 to 65535)"),
            ("localhost:abc", "has the port \"abc\" (allowed: 1 to 65535)"),
            ("localhost:+1", "has the port \"+1\" (allowed: 1 to 65535)"),
            (":9092", "has no host (write it as host:port, e.g. localhost:9092)"),
            ("::1:9092", "has more than one colon (an IPv6 address goes in brackets: [::1]:9092)"),
            ("[::1:9092", "has a [ without its ]"),
            ("local_host!:9092", "is not of the form host:port"),
            (
                "a:1;b:2",
                "is not of the form host:port (a comma separates one server from the next)",
            ),
            (
                "a:1 b:2",
                "is not of the form host:port (a comma separates one server from the next)",
            ),
            ("http://host:80/path", "has the port \"80/path\" (allowed: 1 to 65535)"),
            (
                "${env:HOST}:9092",
                "has more than one colon (an IPv6 address goes in brackets: [${env:HOST}]:9092)",
            ),
        ] {
            let problem = parse(server).expect_err(server);
            assert_eq!(problem.property(), "bootstrap.servers");
            assert_eq!(problem.reason(), format!("{server:?} {reason}"));
        }
    }

    #[test]
    fn all_faulty_addresses_are_named_at_once() {
        let servers = ["a:1", "b", "c:x"].map(String::from);

        let problem = parse_bootstrap_servers(&servers).expect_err("two are faulty");

        assert!(problem.reason().contains("\"b\"") && problem.reason().contains("\"c:x\""));
        assert!(!problem.reason().contains("a:1"), "{problem}");
    }

    #[test]
    fn no_address_at_all_is_a_problem() {
        assert!(parse_bootstrap_servers(&[]).is_err());
    }

    fn parse(server: &str) -> Result<Vec<(String, u16)>, ConfigProblem> {
        parse_bootstrap_servers(&[server.to_owned()])
    }
}
